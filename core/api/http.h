/* http.h - one HTTP/1 request from bytes: its head, then its body, piece by piece. The only file
 * that knows the parser library. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"

enum dv_http_state { DV_HTTP_HEAD, DV_HTTP_BODY, DV_HTTP_DONE };
struct dv_http_header {
    uint32_t name, value;          /* offsets into text */
};
enum { DV_MAX_HTTP_HEADERS = 128 };

struct dv_http {
    enum dv_http_state state;
    struct http_parser *parser;    /* owned, one allocation a connection */
    struct dv_buf url, text;       /* text: name NUL value NUL ... */
    struct dv_http_header headers[DV_MAX_HTTP_HEADERS];
    size_t n_headers;
    size_t head_bytes;             /* fed so far */
    bool in_value;
    int status;                    /* HTTP status of a failure, 0 before */
    const char *failure;           /* its text; static */
    struct dv_buf *body;           /* where body bytes go; set before the body is fed */
    const char *method;            /* once the head is complete; static */
    bool keep_alive, upgrade, chunked, has_body, expect_continue, http10;
};

int dv_http_init(struct dv_http *h, struct dv_error *err);
void dv_http_done(struct dv_http *h);
/* Ready for the next request of the connection; memory of the last one is given back. */
void dv_http_reset(struct dv_http *h);
/* Feed N bytes. Stops where the head is complete (state BODY: more belongs to the body, feed it
 * too, even if the request has none, to come to DONE) and where the request ends (DONE: what
 * follows is not ours). Returns how many bytes were used. A failure sets h->status and h->failure
 * and is INVALID. */
DV_CHECK int dv_http_feed(struct dv_http *h, const char *data, size_t n, size_t *ret_used,
                          struct dv_error *err);
const char *dv_http_header(const struct dv_http *h, const char *name); /* any case; NULL: none */

/* Decode %XX of N bytes of TEXT (PLUS: and '+' as space). NULL and INVALID for a bad escape or a
 * NUL; caller frees. */
char *dv_http_unescape(const char *text, size_t n, bool plus, struct dv_error *err);
