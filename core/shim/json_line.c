/* json_line.c - container output as records of Docker's json-file log. */
#include "core/shim/json_line.h"

#include <stdint.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/str.h"

/* The longest text that one byte of input turns into: \u0000. */
enum { ESCAPED_BYTES = 6 };

static const char hex_digits[] = "0123456789abcdef";

/* Bytes that stand for themselves: 0x20..0x7f (DEL included, as in Go) save " \ < > &. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static char *put_text(char *out, const char *text)
{
    size_t n = strlen(text);

    memcpy(out, text, n);
    return out + n;
}

static char *put_ascii_escape(char *out, unsigned char c)
{
    *out++ = '\\';
    switch (c) {
    case '"':
    case '\\':
        *out++ = (char)c;
        return out;
    case '\n':
        *out++ = 'n';
        return out;
    case '\r':
        *out++ = 'r';
        return out;
    default:
        out = put_text(out, "u00");
        *out++ = hex_digits[c >> 4];
        *out++ = hex_digits[c & 15];
        return out;
    }
}

/* One character that is not ASCII, of LEFT bytes at DATA; *RET_N bytes were used. */
static char *put_wide(char *out, const char *data, size_t left, size_t *ret_n)
{
    size_t n = dv_utf8_len(data, left);

    if (n == 0) {
        *ret_n = 1;
        return put_text(out, "\\ufffd");
    }
    *ret_n = n;
    if (n == 3 && memcmp(data, "\xe2\x80", 2) == 0 && ((unsigned char)data[2] & 0xfe) == 0xa8) {
        out = put_text(out, "\\u202");
        *out++ = hex_digits[(unsigned char)data[2] & 15];
        return out;
    }
    memcpy(out, data, n);
    return out + n;
}

static char *put_escaped(char *out, const char *data, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t start = i, used = 1;

        while (i < n && is_plain((unsigned char)data[i]))
            i++;
        memcpy(out, data + start, i - start);
        out += i - start;
        if (i == n)
            break;
        if ((unsigned char)data[i] < 0x80)
            out = put_ascii_escape(out, (unsigned char)data[i]);
        else
            out = put_wide(out, data + i, n - i, &used);
        i += used;
    }
    return out;
}

int dv_json_record_put(struct dv_buf *out, const struct dv_json_record *record, const char *data,
                       size_t n, bool newline, struct dv_error *err)
{
    size_t fixed = 64 + strlen(record->stream) + strlen(record->time) +
                   (record->attrs ? strlen(record->attrs) : 0);
    char *at;
    int r;

    r = dv_buf_reserve(out, n * ESCAPED_BYTES + fixed, err);
    if (r < 0)
        return r;
    at = out->data + out->len;
    at = put_text(at, "{\"log\":\"");
    at = put_escaped(at, data, n);
    if (newline)
        at = put_text(at, "\\n");
    at = put_text(at, "\",\"stream\":\"");
    at = put_text(at, record->stream);
    if (!dv_empty(record->attrs)) {
        at = put_text(at, "\",\"attrs\":");
        at = put_text(at, record->attrs);
        at = put_text(at, ",\"time\":\"");
    } else {
        at = put_text(at, "\",\"time\":\"");
    }
    at = put_text(at, record->time);
    at = put_text(at, "\"}\n");
    *at = '\0';
    out->len = (size_t)(at - out->data);
    return 0;
}

/* Put the unfinished line together with N more bytes, and forget it. */
static void put_rest(struct dv_splitter *s, const char *data, size_t n, bool newline,
                     dv_piece_fn *put, void *ctx)
{
    struct dv_error err = { 0 };

    if (s->rest.len == 0) {
        put(ctx, data, n, newline);
        return;
    }
    if (n > 0 && dv_buf_put(&s->rest, data, n, &err) < 0) {
        put(ctx, s->rest.data, s->rest.len, false);
        put(ctx, data, n, newline);
    } else {
        put(ctx, s->rest.data, s->rest.len, newline);
    }
    dv_buf_done(&s->rest); /* lines end; the memory is not kept for the next one */
}

/* How many of the last bytes begin a character that goes on behind them. */
static size_t open_character(const char *data, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)data[n - back];

        if ((c & 0xc0) != 0x80)
            return (c >= 0xf0 && back < 4) || (c >= 0xe0 && back < 3) || (c >= 0xc0 && back < 2) ?
                       back : 0;
    }
    return 0;
}

/* The unfinished line and the N bytes at DATA are a piece. Docker cuts in the middle of a character,
 * which leaves two halves that are no UTF-8; here it goes whole into the next piece. Returns how many
 * bytes of DATA were used. */
static size_t put_full(struct dv_splitter *s, const char *data, size_t n, dv_piece_fn *put,
                       void *ctx)
{
    struct dv_error err = { 0 };
    char held[3];
    size_t open;

    if (n >= sizeof(held)) {
        open = open_character(data, n);
        put_rest(s, data, n - open, false, put, ctx);
        return n - open;
    }
    if (dv_buf_put(&s->rest, data, n, &err) < 0) {
        put_rest(s, data, n, false, put, ctx);
        return n;
    }
    open = open_character(s->rest.data, s->rest.len);
    memcpy(held, s->rest.data + s->rest.len - open, open);
    put(ctx, s->rest.data, s->rest.len - open, false);
    dv_buf_done(&s->rest);
    if (open > 0 && dv_buf_put(&s->rest, held, open, &err) < 0)
        put(ctx, held, open, false);
    return n;
}

void dv_splitter_feed(struct dv_splitter *s, const char *data, size_t n, dv_piece_fn *put,
                      void *ctx)
{
    struct dv_error err = { 0 };

    while (n > 0) {
        size_t room = DV_LOG_LINE_BYTES - s->rest.len;
        size_t look = n < room ? n : room;
        const char *end = memchr(data, '\n', look);

        if (end) {
            look = (size_t)(end - data);
            put_rest(s, data, look, true, put, ctx);
            look++;
        } else if (look == room) {
            look = put_full(s, data, look, put, ctx);
        } else if (dv_buf_put(&s->rest, data, look, &err) < 0) {
            put_rest(s, data, look, false, put, ctx);
        }
        data += look;
        n -= look;
    }
}

void dv_splitter_end(struct dv_splitter *s, dv_piece_fn *put, void *ctx)
{
    if (s->rest.len > 0)
        put(ctx, s->rest.data, s->rest.len, false);
    dv_buf_done(&s->rest);
}
