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
    DV_CONN_BODY_SECONDS = 30,     /* silence within a body */
    DV_CONN_SEND_SECONDS = 60,     /* a client that takes nothing of a reply for so long */
};

enum dv_conn_phase {
    DV_CONN_HEAD,                  /* waits for the next request, or for the rest of its head */
    DV_CONN_BODY,                  /* collects its body */
    DV_CONN_BUSY,                  /* a request thread or a stream has it */
    DV_CONN_SEND,                  /* sends what the client did not take of the reply at once */
    DV_CONN_DRAIN,                 /* drops what the handler left of the body */
};

/* One client. The loop's thread has it, except while a request runs: then that thread has it. */
struct dv_conn {
    struct dv_api *api;
    struct dv_conn *next, *prev;   /* all of the server's, by their last request; loop thread */
    int fd;                        /* blocking; the loop's thread uses MSG_DONTWAIT. -1: hijacked */
    enum dv_conn_phase phase;
    struct dv_watch *watch;        /* while the loop's thread has it */
    struct dv_timer *deadline;     /* of the phase */
    struct dv_http http;
    struct dv_buf in;              /* read and not yet used */
    struct dv_buf body;            /* decoded body bytes that were not taken yet */
    size_t counted_bytes;          /* of it, in api->collected_bytes */
    size_t drained_bytes;
    struct dv_buf out;             /* what is still to be sent of a reply */
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
    struct dv_timer *resume, *give_up; /* loop thread, as is all up to the lock */
    struct dv_conn *conns, *oldest;
    size_t n_conns, max_conns, peak_conns; /* the most since memory was given back last */
    size_t n_busy;
    size_t collected_bytes;        /* of bodies that no thread has yet used */
    bool stopping;
    bool full;                     /* said so already */
    struct dv_lock lock;           /* rank QUEUE */
    struct dv_conn *finished;      /* under lock: requests that ended, for the loop's thread */
};

struct dv_stream {
    struct dv_conn *conn;
    const struct dv_stream_ops *ops;
    void *arg;
    struct dv_buf out;
    bool chunked, started, ending, want_pull, want_empty, pulling, broken, kicked, dead;
};

/* ---- conn.c, loop thread ---- */
/* Takes FD when it succeeds. */
DV_CHECK int dv_conn_new(struct dv_api *api, int fd, struct dv_error *err);
void dv_conn_close(struct dv_conn *conn);
void dv_conn_next(struct dv_conn *conn); /* the request is over: look for another one */
/* The request's thread gave it back: stream, or send the rest of the reply and close or go on. */
void dv_conn_replied(struct dv_conn *conn);
/* {"message": TEXT} and the end. */
void dv_conn_refuse(struct dv_conn *conn, int status, const char *text);
bool dv_conn_may_go(const struct dv_conn *conn); /* nothing is lost but a client's slow request */

/* ---- server.c, request thread ---- */
void dv_conn_finished(struct dv_conn *conn); /* gives the connection back */

/* ---- request.c, request thread ---- */
void dv_conn_run(void *conn);
/* Loop thread: the route of a complete head; NULL if there is none. */
const struct dv_api_route *dv_request_route(const struct dv_http *http);
/* "100 Continue", once, to a client that waits for it. Whoever has the connection. */
void dv_conn_continue(struct dv_conn *conn);
/* Drop what is left of the request's body, all of which has arrived; what follows it stays in
 * conn->in. INVALID: some of it has not, and the connection cannot be kept. */
DV_CHECK int dv_request_finish(struct dv_request *req, struct dv_error *err);

/* ---- reply.c ---- */
/* Send what the client takes of conn->out now. -1: it is gone. */
int dv_reply_flush(struct dv_conn *conn);
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
