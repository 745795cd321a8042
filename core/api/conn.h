/* conn.h - what the server's files share: the server, its connections, and the streams on them. */
#pragma once

#include "core/api/gate.h"
#include "core/api/http.h"
#include "core/api/pool.h"
#include "core/api/request.h"
#include "core/api/stream.h"
#include "core/base/lock.h"
#include "core/base/loop.h"

struct dv_api;

enum {
    DV_STREAM_HIGH_BYTES = 64 << 10,   /* stop producing */
    DV_STREAM_LOW_BYTES = 16 << 10,    /* go on */
    DV_STREAM_MAX_BYTES = 4 << 20,     /* a client that keeps up so badly is let go */
    DV_REPLY_MAX_BYTES = 256 << 20,    /* a list of very many containers */
    DV_CONN_READ_BYTES = 16 << 10,
    DV_CONN_HEAD_SECONDS = 10,     /* from a request's first byte to the end of its head */
    DV_CONN_BODY_MS = 30000,       /* silence within a JSON body */
    DV_CONN_SEND_MS = 60000,       /* a client that takes nothing of a plain reply for so long */
};

/* One client. The loop's thread has it, except while a request runs: then that thread has it. */
struct dv_conn {
    struct dv_api *api;
    struct dv_conn *next, *prev;   /* all of the server's; loop thread */
    int fd;                        /* blocking; the loop's thread uses MSG_DONTWAIT. -1: hijacked */
    struct dv_watch *watch;        /* while the loop's thread has it */
    struct dv_timer *deadline;
    struct dv_http http;
    struct dv_buf in;              /* read and not yet used */
    struct dv_buf body;            /* decoded body bytes that were not taken yet */
    bool continued;                /* "100 Continue" was sent or is not needed */
    const char *extra_headers;
    struct dv_task task;
    struct dv_conn *next_finished; /* under api->lock */
    bool keep;                     /* finished: serve another request */
    struct dv_stream *stream;      /* finished: goes on as a stream */
};

struct dv_api {
    struct dv_engine *engine;      /* immutable, as are the next two */
    struct dv_loop *loop;
    struct dv_pool *pool;
    struct dv_gate gate;
    struct listener {
        struct dv_api *api;
        int fd;
        struct dv_watch *watch;
    } *listeners;
    size_t n_listeners;
    struct dv_timer *resume, *give_up; /* loop thread, as are the next three */
    struct dv_conn *conns;
    size_t n_busy;
    bool stopping;
    struct dv_lock lock;           /* rank QUEUE */
    struct dv_conn *finished;      /* under lock: requests that ended, for the loop's thread */
};

struct dv_stream {
    struct dv_conn *conn;
    const struct dv_stream_ops *ops;
    void *arg;
    struct dv_buf out;
    bool chunked, started, ending, want_pull, pulling, broken, kicked, dead;
};

/* ---- server.c, loop thread ---- */
void dv_conn_close(struct dv_conn *conn);
void dv_conn_next(struct dv_conn *conn); /* the request is over: look for another one */

/* ---- server.c, request thread ---- */
void dv_conn_finished(struct dv_conn *conn); /* gives the connection back */

/* ---- request.c, request thread ---- */
void dv_conn_run(void *conn);
bool dv_request_is_slow(const struct dv_http *http); /* loop thread */
/* Read and drop what is left of the request, up to its end; what follows stays in conn->in. A body
 * that is too long for that is INVALID: the connection cannot be kept. */
DV_CHECK int dv_request_finish(struct dv_request *req, struct dv_error *err);

/* ---- reply.c ---- */
const char *dv_http_reason(int status);
/* Status line and header; LENGTH -1 = none (then CHUNKED or until close). */
DV_CHECK int dv_reply_head(struct dv_buf *out, struct dv_conn *conn, int status,
                           const char *content_type, int64_t length, bool chunked, bool keep_alive,
                           struct dv_error *err);
/* Header and {"message": TEXT} of a connection that will be closed. */
DV_CHECK int dv_reply_raw_error(struct dv_buf *out, struct dv_conn *conn, int status,
                                const char *text, struct dv_error *err);

/* ---- stream.c, loop thread ---- */
void dv_stream_run(struct dv_stream *stream);     /* begins; conn->stream is set */
void dv_stream_drop(struct dv_stream *stream);    /* ops->free, memory; the connection stays */
