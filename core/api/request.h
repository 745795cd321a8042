/* request.h - one request as a handler sees it: what was asked, how to read more and how to answer.
 *
 * A handler runs in a thread of its own and may block. It answers once, by one of the dv_reply_...
 * functions, or returns a failure, which becomes {"message": ...} with the code's status. */
#pragma once

#include <json-c/json.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/str.h"

struct dv_conn;
struct dv_engine;
struct dv_api_route;
struct dv_stream_ops;

enum { DV_API_MAJOR = 1, DV_API_MIN = 24, DV_API_MAX = 51 };
enum dv_reply_state { DV_REPLY_NONE, DV_REPLY_CHUNKED, DV_REPLY_DONE, DV_REPLY_GONE };

struct dv_request {
    struct dv_engine *engine;
    struct dv_conn *conn;
    const struct dv_api_route *route;
    unsigned version; /* minor of the API version asked for; the newest without prefix */
    char *path;                   /* decoded, without the version */
    char *params[2];              /* what the route's {...} matched */
    struct dv_strv query_keys, query_values;
    enum dv_reply_state state;
    atomic_bool keep_alive; /* cleared by whoever leaves the connection in doubt; the body of an
                             * upload is read in another thread */
};

/* ---- asked ---- */
const char *dv_query(const struct dv_request *req, const char *key); /* first; NULL = absent */
/* Docker's booleans: "" 0 no false none are false, all else true; FALLBACK when absent. */
bool dv_query_bool(const struct dv_request *req, const char *key, bool fallback);
/* INVALID naming the parameter; *RET is untouched when absent or "". */
DV_CHECK int dv_query_i64(const struct dv_request *req, const char *key, int64_t *ret,
                          struct dv_error *err);
/* A terminal's "h" and "w", 1 to 65535 (0 is taken too, as Docker takes it). */
DV_CHECK int dv_query_size(const struct dv_request *req, unsigned *ret_rows, unsigned *ret_cols,
                           struct dv_error *err);
const char *dv_request_header(const struct dv_request *req, const char *name);
/* Up to N bytes of the body, 0 at its end. TIMEOUT when nothing came for TIMEOUT_MS (-1: no limit);
 * CANCELED when the client or CANCEL_FD (-1: none) ended it. */
DV_CHECK int dv_request_read(struct dv_request *req, void *buf, size_t n, int timeout_ms,
                             int cancel_fd, size_t *ret_n, struct dv_error *err);
/* The whole JSON body. *RET is NULL when there is none (INVALID unless MAY_BE_EMPTY). */
DV_CHECK int dv_request_json(struct dv_request *req, bool may_be_empty, json_object **ret,
                             struct dv_error *err);

/* To a failure by a full disk add what to do about it. */
void dv_request_advise(const struct dv_request *req, struct dv_error *err);

/* ---- answered ---- */
/* Never fail: a client that is gone ends the connection, which is all there is to do. */
void dv_reply_json(struct dv_request *req, int status, json_object *take); /* NULL: out of memory */
/* A JSON array, element by element: of a long list only the text is in memory. LIST begins as
 * DV_LIST_INIT and stays the caller's to dv_buf_done(). */
#define DV_LIST_INIT DV_BUF_INIT(DV_REPLY_MAX_BYTES, "list")
DV_CHECK int dv_list_add(struct dv_buf *list, json_object *take, struct dv_error *err);
DV_CHECK int dv_reply_list(struct dv_request *req, struct dv_buf *list, struct dv_error *err);
void dv_reply_empty(struct dv_request *req, int status);
void dv_reply_text(struct dv_request *req, int status, const char *text);
void dv_reply_error(struct dv_request *req, const struct dv_error *err);
/* A reply of unknown length, in pieces. -1: the client is gone. */
int dv_reply_begin(struct dv_request *req, int status, const char *content_type);
int dv_reply_chunk(struct dv_request *req, const void *data, size_t n);
void dv_reply_end(struct dv_request *req);
/* Write the header of a raw stream (101 or 200, by the request) and take the socket away from the
 * connection. MULTIPLEXED: frames, else raw bytes. *EARLY (owned) are bytes read past the request.
 * After this the request has no reply any more. */
DV_CHECK int dv_reply_hijack(struct dv_request *req, bool multiplexed, int *ret_fd,
                             char **ret_early, size_t *ret_n_early, struct dv_error *err);
/* The same, but the connection stays and goes to the loop's thread, as below; its end closes this
 * process's descriptor alone. ARG is OPS' from now on if that succeeds. */
DV_CHECK int dv_reply_hijack_stream(struct dv_request *req, bool multiplexed, char **ret_early,
                                    size_t *ret_n_early, const struct dv_stream_ops *ops, void *arg,
                                    struct dv_error *err);
/* Leave the connection to the loop's thread, which sends what OPS produce; see stream.h. ARG is
 * OPS' from now on, also after a failure. */
void dv_reply_stream(struct dv_request *req, int status, const char *content_type,
                     const struct dv_stream_ops *ops, void *arg);
/* More header lines of the next reply ("Name: value\r\n"); static text. */
void dv_reply_header(struct dv_request *req, const char *lines);

int dv_http_status(int code); /* DV_E_* -> HTTP: the one table */
