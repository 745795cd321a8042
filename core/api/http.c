/* http.c - one HTTP/1 request from bytes, on http-parser. */
#include "core/api/http.h"

#include <ctype.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

#include "core/base/limits.h"
#include "core/base/str.h"

/* ---- callbacks: 0 goes on; anything else ends parsing with status and failure set ---- */

static int fail(struct dv_http *h, int status, const char *text)
{
    h->status = status;
    h->failure = text;
    return -1;
}

static int put(struct dv_http *h, struct dv_buf *to, const char *data, size_t n, int status,
               const char *text)
{
    struct dv_error err = { 0 };

    return dv_buf_put(to, data, n, &err) < 0 ? fail(h, status, text) : 0;
}

static int on_url(http_parser *p, const char *data, size_t n)
{
    struct dv_http *h = p->data;

    return put(h, &h->url, data, n, 414, "request URI too long");
}

static const char too_large[] = "request header fields too large";

static int on_field(http_parser *p, const char *data, size_t n)
{
    struct dv_http *h = p->data;

    if (h->state != DV_HTTP_HEAD) /* trailers of a chunked body mean nothing here */
        return 0;
    if (h->n_headers == 0 || h->in_value) {
        if (h->n_headers == DV_MAX_HTTP_HEADERS)
            return fail(h, 431, too_large);
        if (h->in_value && put(h, &h->text, "", 1, 431, too_large) < 0)
            return -1;
        h->headers[h->n_headers++] = (struct dv_http_header){ (uint32_t)h->text.len, 0 };
        h->in_value = false;
    }
    return put(h, &h->text, data, n, 431, too_large);
}

static int on_value(http_parser *p, const char *data, size_t n)
{
    struct dv_http *h = p->data;

    if (h->state != DV_HTTP_HEAD)
        return 0;
    if (!h->in_value) {
        if (put(h, &h->text, "", 1, 431, too_large) < 0)
            return -1;
        h->headers[h->n_headers - 1].value = (uint32_t)h->text.len;
        h->in_value = true;
    }
    return put(h, &h->text, data, n, 431, too_large);
}

/* Pausing here, and at the end of the message, is what keeps bytes that follow it in our hands: a
 * stream that begins right behind the request would lose its first byte otherwise. */
static int on_head(http_parser *p)
{
    struct dv_http *h = p->data;

    if (h->n_headers && !h->in_value && put(h, &h->text, "", 1, 431, too_large) < 0)
        return -1;
    if (h->n_headers && !h->in_value)
        h->headers[h->n_headers - 1].value = (uint32_t)h->text.len;
    if (put(h, &h->text, "", 1, 431, too_large) < 0)
        return -1;
    if (p->http_major > 1)
        return fail(h, 400, "unsupported HTTP version");
    h->state = DV_HTTP_BODY;
    http_parser_pause(p, 1);
    return 0;
}

static int on_body(http_parser *p, const char *data, size_t n)
{
    struct dv_http *h = p->data;

    return h->body ? put(h, h->body, data, n, 413, "the request body is too large: JSON bodies may have 4 MB") : 0;
}

static int on_complete(http_parser *p)
{
    struct dv_http *h = p->data;

    h->state = DV_HTTP_DONE;
    http_parser_pause(p, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- */

int dv_http_init(struct dv_http *h, struct dv_error *err)
{
    *h = (struct dv_http){ 0 };
    h->parser = calloc(1, sizeof(*h->parser));
    if (!h->parser)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for a connection");
    dv_http_reset(h);
    return 0;
}

void dv_http_done(struct dv_http *h)
{
    dv_buf_done(&h->url);
    dv_buf_done(&h->text);
    free(h->parser);
    h->parser = NULL;
}

void dv_http_reset(struct dv_http *h)
{
    struct http_parser *parser = h->parser;

    dv_buf_done(&h->url);
    dv_buf_done(&h->text);
    *h = (struct dv_http){
        .parser = parser,
        .url = DV_BUF_INIT(DV_MAX_HTTP_URL_BYTES, "request URI"),
        .text = DV_BUF_INIT(DV_MAX_HTTP_HEADER_BYTES, "request header"),
    };
    http_parser_init(parser, HTTP_REQUEST);
    parser->data = h;
}

const char *dv_http_header(const struct dv_http *h, const char *name)
{
    for (size_t i = 0; i < h->n_headers; i++)
        if (strcasecmp(h->text.data + h->headers[i].name, name) == 0)
            return h->text.data + h->headers[i].value;
    return NULL;
}

static void settle_head(struct dv_http *h)
{
    const http_parser *p = h->parser;
    const char *expect = dv_http_header(h, "Expect");

    h->method = http_method_str((enum http_method)p->method);
    h->keep_alive = http_should_keep_alive(p) != 0;
    h->upgrade = dv_http_header(h, "Upgrade") != NULL;
    h->chunked = (p->flags & F_CHUNKED) != 0;
    h->has_body = h->chunked || (p->content_length > 0 && p->content_length != UINT64_MAX);
    h->http10 = p->http_major < 1 || (p->http_major == 1 && p->http_minor == 0);
    h->expect_continue = expect && strcasecmp(expect, "100-continue") == 0 && !h->http10;
}

static int report(struct dv_http *h, struct dv_error *err)
{
    enum http_errno e = HTTP_PARSER_ERRNO(h->parser);

    if (!h->status) {
        h->status = e == HPE_HEADER_OVERFLOW ? 431 : 400;
        h->failure = e == HPE_HEADER_OVERFLOW ? too_large : "malformed HTTP request";
    }
    return dv_fail(err, DV_E_INVALID, "%s (%s)", h->failure, http_errno_name(e));
}

int dv_http_feed(struct dv_http *h, const char *data, size_t n, size_t *ret_used,
                 struct dv_error *err)
{
    enum dv_http_state before = h->state;
    size_t limit = n;

    *ret_used = 0;
    if (h->state == DV_HTTP_DONE || n == 0)
        return 0;
    if (h->state == DV_HTTP_HEAD) {
        size_t room = DV_MAX_HTTP_HEADER_BYTES - h->head_bytes;

        if (room == 0) {
            fail(h, 431, too_large);
            return report(h, err);
        }
        limit = n < room ? n : room;
    }
    if (HTTP_PARSER_ERRNO(h->parser) == HPE_PAUSED)
        http_parser_pause(h->parser, 0);
    *ret_used = http_parser_execute(h->parser, &settings, data, limit);
    if (before == DV_HTTP_HEAD)
        h->head_bytes += *ret_used;
    switch (HTTP_PARSER_ERRNO(h->parser)) {
    case HPE_OK:
    case HPE_PAUSED:
        break;
    default:
        return report(h, err);
    }
    if (before == DV_HTTP_HEAD && h->state != DV_HTTP_HEAD)
        settle_head(h);
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *dv_http_unescape(const char *text, size_t n, bool plus, struct dv_error *err)
{
    char *out = malloc(n + 1), *to = out;

    if (!out) {
        dv_fail(err, DV_E_NO_MEMORY, "no memory to read the request URI");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        int high, low;

        if (text[i] != '%') {
            *to++ = plus && text[i] == '+' ? ' ' : text[i];
            continue;
        }
        high = i + 2 < n ? hex_digit(text[i + 1]) : -1; /* i + 2 is the second digit */
        low = i + 2 < n ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            free(out);
            dv_fail(err, DV_E_INVALID, "invalid URL escape in the request URI");
            return NULL;
        }
        *to++ = (char)(high * 16 + low);
        i += 2;
    }
    *to = '\0';
    return out;
}
