/* log.c - one line an event, key=value, in one write to stderr. */
#include "core/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

#include "core/base/str.h"
#include "core/base/time.h"

enum { MSG_BYTES = 4096, LINE_BYTES = 2 * MSG_BYTES }; /* escapes may double a line, not more */

static _Atomic int current_level = DV_LOG_INFO;

static const char *const level_names[] = {
    [DV_LOG_ERROR] = "error",
    [DV_LOG_WARN] = "warn",
    [DV_LOG_INFO] = "info",
    [DV_LOG_DEBUG] = "debug",
};

void dv_log_set_level(enum dv_log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

int dv_log_level_parse(const char *text)
{
    static const struct {
        const char *word;
        enum dv_log_level level;
    } others[] = { { "warning", DV_LOG_WARN }, { "fatal", DV_LOG_ERROR }, { "trace", DV_LOG_DEBUG } };
    size_t i;

    for (i = 0; i < N(level_names); i++)
        if (strcasecmp(text, level_names[i]) == 0)
            return (int)i;
    for (i = 0; i < N(others); i++)
        if (strcasecmp(text, others[i].word) == 0)
            return (int)others[i].level;
    return -1;
}

/* One character of a quoted value: LEN bytes of FROM, 0 where they are no UTF-8. */
static size_t escape(const char *from, size_t len, char out[8])
{
    unsigned char c = (unsigned char)*from;

    if (len == 1 && (c == '"' || c == '\\'))
        return (size_t)snprintf(out, 8, "\\%c", c);
    if (len == 1 && c == '\n')
        return (size_t)snprintf(out, 8, "\\n");
    if (len == 1 && c == '\t')
        return (size_t)snprintf(out, 8, "\\t");
    if (len == 0 || c < 0x20 || c == 0x7f)
        return (size_t)snprintf(out, 8, "\\x%02x", c);
    memcpy(out, from, len);
    return len;
}

/* Append TEXT in quotes to LINE of LEN bytes; what does not fit becomes "...". */
static size_t put_quoted(char line[LINE_BYTES], size_t len, const char *text)
{
    const size_t end = LINE_BYTES - sizeof("...\"\n");
    size_t left = strlen(text);

    line[len++] = '"';
    while (left > 0) {
        char out[8];
        size_t n = dv_utf8_len(text, left), put = escape(text, n, out);

        if (len + put > end) {
            memcpy(line + len, "...", 3);
            len += 3;
            break;
        }
        memcpy(line + len, out, put);
        len += put;
        text += n ? n : 1;
        left -= n ? n : 1;
    }
    line[len++] = '"';
    return len;
}

void dv_log(enum dv_log_level level, const char *ctx, const char *fmt, ...)
{
    char msg[MSG_BYTES], line[LINE_BYTES], when[DV_TIME_TEXT_BYTES];
    int saved = errno, n;
    size_t len;
    va_list args;

    if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed))
        return;
    va_start(args, fmt);
    n = vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    if (n < 0)
        snprintf(msg, sizeof(msg), "(message could not be formatted)");

    dv_time_format_fixed(dv_now_ns(), when);
    len = (size_t)snprintf(line, MSG_BYTES / 2, "time=%s level=%s %s%smsg=", when,
                           level_names[level], dv_empty(ctx) ? "" : ctx, dv_empty(ctx) ? "" : " ");
    if (len >= MSG_BYTES / 2)
        len = MSG_BYTES / 2 - 1;
    len = put_quoted(line, len, msg);
    line[len++] = '\n';
    /* One write, so that lines of threads do not mix; a log that cannot be written is lost. */
    if (write(STDERR_FILENO, line, len) < 0)
        errno = saved;
    errno = saved;
}
