/* http.h - one HTTP/1.1 connection to the daemon: keep-alive, chunked bodies both ways, streaming,
 * and hijack (the connection itself, with the bytes read past the header). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"

enum {
    DV_HTTP_MAX_HEAD_BYTES = 64 << 10,  /* status line and header lines of a reply */
    DV_HTTP_MAX_ERROR_BYTES = 64 << 10, /* body of a reply with a status of 400 or more */
    DV_HTTP_MAX_JSON_BYTES = 256 << 20, /* a JSON reply (a list of very many containers) */
    DV_HTTP_MAX_EARLY_BYTES = 16 << 20, /* of a reply that comes while the request is being sent */
};

struct dv_http;
struct dv_http_request {
    const char *method, *target; /* "GET", "/v1.51/info" */
    const char *content_type;    /* NULL: none */
    const char *registry_auth;   /* X-Registry-Auth, or NULL */
    const void *body;
    size_t body_len;
    int body_fd;                 /* sent chunked up to its end if stream_body */
    bool stream_body;
    bool upgrade;                /* Connection: Upgrade, Upgrade: tcp */
};
struct dv_http_reply {
    int status;
    char content_type[128];
    bool upgraded;               /* 101, or 200 of unknown length to a request for an upgrade */
};

/* FD: a connected stream socket; taken. */
struct dv_http *dv_http_new(int fd);
void dv_http_free(struct dv_http *http);
DV_DEFINE_AUTO(dv_http, dv_http_free);
int dv_http_fd(const struct dv_http *http); /* borrowed */

/* Send a request. The reply to the one before must have been read to its end. A body that comes
 * from a descriptor is given up as soon as an error reply arrives.
 * Errors: UNAVAILABLE when the daemon closed; INTERNAL naming the body's own failure. */
DV_CHECK int dv_http_send(struct dv_http *http, const struct dv_http_request *request,
                          struct dv_error *err);
/* Read the status line and header of the reply (1xx other than 101 are skipped).
 * Errors: UNAVAILABLE closed before a reply; INVALID not HTTP/1.x, or beyond a limit. */
DV_CHECK int dv_http_head(struct dv_http *http, struct dv_http_reply *ret, struct dv_error *err);
/* Some decoded bytes of the body; 0 at its end. UNAVAILABLE if it ends early. */
DV_CHECK ssize_t dv_http_read(struct dv_http *http, void *data, size_t n, struct dv_error *err);
/* The rest of the body. */
DV_CHECK int dv_http_read_all(struct dv_http *http, size_t max, struct dv_buf *ret,
                              struct dv_error *err);
/* True if dv_http_read (or _raw) has bytes without asking the socket. */
bool dv_http_pending(const struct dv_http *http);
/* False: the connection cannot carry another request, or the peer has closed it. */
bool dv_http_reusable(const struct dv_http *http);

/* After an upgraded reply: the stream itself, buffered bytes first; 0 at its end. */
DV_CHECK ssize_t dv_http_read_raw(struct dv_http *http, void *data, size_t n, struct dv_error *err);
