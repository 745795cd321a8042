/* error.c - the one error type: fixed-size text, cut at a character, always valid UTF-8. */
#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"

static const char *const code_names[] = {
    [0] = "OK",
    [DV_E_INVALID] = "INVALID",
    [DV_E_UNAUTHORIZED] = "UNAUTHORIZED",
    [DV_E_FORBIDDEN] = "FORBIDDEN",
    [DV_E_NOT_FOUND] = "NOT_FOUND",
    [DV_E_CONFLICT] = "CONFLICT",
    [DV_E_NOT_MODIFIED] = "NOT_MODIFIED",
    [DV_E_UNSUPPORTED] = "UNSUPPORTED",
    [DV_E_UNAVAILABLE] = "UNAVAILABLE",
    [DV_E_CANCELED] = "CANCELED",
    [DV_E_TIMEOUT] = "TIMEOUT",
    [DV_E_NO_SPACE] = "NO_SPACE",
    [DV_E_NO_MEMORY] = "NO_MEMORY",
    [DV_E_INTERNAL] = "INTERNAL",
};

int dv_code_from_wire(int64_t code)
{
    return code > 0 && code < DV_E_INTERNAL ? (int)code : DV_E_INTERNAL;
}

const char *dv_code_name(int code)
{
    if (code < 0 || (size_t)code >= N(code_names) || !code_names[code])
        return "UNKNOWN";
    return code_names[code];
}

/* Replace what is not UTF-8 (file names and peers' texts are bytes), since the message ends in
 * JSON. A sequence that the end cuts off is dropped when CUT says that there was more. */
static size_t clean_utf8(char *text, size_t len, bool cut)
{
    size_t pos = 0;

    while (pos < len) {
        size_t n = dv_utf8_len(text + pos, len - pos);

        if (n > 0) {
            pos += n;
            continue;
        }
        if (cut && len - pos < 4 && (unsigned char)text[pos] >= 0xc2)
            break;
        text[pos++] = '?';
    }
    text[pos] = '\0';
    return pos;
}

/* TEXT is LEN bytes of what wanted to be WANTED bytes long; both at most one buffer. */
static void store(struct dv_error *err, char *text, size_t size, int wanted)
{
    static const char more[] = "...";
    size_t len = wanted < 0 ? 0 : (size_t)wanted;
    bool cut = len >= size;

    if (cut)
        len = size - sizeof(more);
    len = clean_utf8(text, len, cut);
    if (cut)
        memcpy(text + len, more, sizeof(more));
    else
        text[len] = '\0';
    memcpy(err->msg, text, sizeof(err->msg) < size ? sizeof(err->msg) : size);
}

int dv_fail(struct dv_error *err, int code, const char *fmt, ...)
{
    char text[sizeof(err->msg)] = ""; /* not straight into err->msg: it may be an argument */
    int saved = errno, wanted;
    va_list args;

    va_start(args, fmt);
    wanted = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err->code = code;
    err->sys_errno = 0;
    store(err, text, sizeof(text), wanted);
    errno = saved;
    return -code;
}

int dv_fail_errno(struct dv_error *err, int code, const char *fmt, ...)
{
    char text[sizeof(err->msg)] = "";
    int saved = errno, wanted, more;
    size_t len;
    va_list args;

    va_start(args, fmt);
    wanted = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (wanted < 0)
        wanted = 0;
    len = (size_t)wanted < sizeof(text) ? (size_t)wanted : sizeof(text) - 1;
    /* Thread-safe in both libcs (glibc since 2.32). */
    more = snprintf(text + len, sizeof(text) - len, ": %s", strerror(saved));
    wanted += more > 0 ? more : 0;

    if (code == DV_E_INTERNAL && (saved == ENOSPC || saved == EDQUOT))
        code = DV_E_NO_SPACE;
    else if (code == DV_E_INTERNAL && saved == ENOMEM)
        code = DV_E_NO_MEMORY;
    err->code = code;
    err->sys_errno = saved;
    store(err, text, sizeof(text), wanted);
    errno = saved;
    return -code;
}

int dv_wrap(struct dv_error *err, const char *fmt, ...)
{
    char text[sizeof(err->msg)] = "";
    int saved = errno, wanted, more;
    size_t len;
    va_list args;

    va_start(args, fmt);
    wanted = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (wanted < 0)
        wanted = 0;
    len = (size_t)wanted < sizeof(text) ? (size_t)wanted : sizeof(text) - 1;
    more = snprintf(text + len, sizeof(text) - len, ": %s", err->msg);
    wanted += more > 0 ? more : 0;
    store(err, text, sizeof(text), wanted);
    errno = saved;
    return -err->code;
}

void dv_error_clear(struct dv_error *err)
{
    err->code = 0;
    err->sys_errno = 0;
    err->msg[0] = '\0';
}
