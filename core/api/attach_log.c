/* attach_log.c - attach with "logs": first what was written before, then what comes, no byte lost or
 * twice. The log is sent by the loop's thread, at the client's pace; behind its end the container's
 * output is held for a moment, until the last of the log is out and the socket is the container's. */
#include <fcntl.h>
#include <string.h>

#include "core/api/conn.h"
#include "core/api/containers.h"
#include "core/api/frame.h"
#include "core/api/log_reader.h"
#include "core/base/log.h"
#include "core/shim/protocol.h"

struct attach_log {
    struct dv_api *api;
    struct dv_container *c;          /* reference */
    struct dv_log_reader *reader;
    struct dv_attach attach;
    char keys[DV_DETACH_KEYS_MAX];
    char *early;                     /* owned; what ATTACH borrows */
    bool goes_on;                    /* the client wants what comes, too */
    struct dv_held held;
    struct dv_gate_pass pass;        /* until the client is where a start finds it */
    struct dv_stream *stream;        /* NULL: the client is gone */
    enum { REPLAY, TAIL, RELEASE } phase;
    struct dv_task task;             /* what waits for the shim */
    bool asking;
    struct dv_error err;             /* of the task */
    int result;
};

static void attach_log_free(struct attach_log *l)
{
    dv_gate_leave(&l->pass);
    dv_log_free(l->reader);
    dv_close(l->attach.fd);
    dv_held_done(&l->held);
    free(l->early);
    dv_container_unref(l->c);
    free(l);
}

static void put_piece(struct attach_log *l, enum dv_frame_type type, const char *data, size_t n)
{
    dv_autobuf out = DV_BUF_INIT(DV_LOG_BATCH_MAX, "output");
    struct dv_error ignored = { 0 };

    if (n > 0 && dv_frame_put(&out, type, data, n, (l->attach.flags & DV_ATTACH_FRAMED) != 0,
                              &ignored) == 0)
        dv_stream_put(l->stream, out.data, out.len);
}

/* The header is out, so what fails now is told inside the stream. */
static void fail(struct attach_log *l, const struct dv_error *err)
{
    dv_autofree char *text = dv_format("%s\r\n", err->msg);

    dv_log_error(NULL, "attach to container %s: %s", dv_container_id(l->c), err->msg);
    if (text)
        put_piece(l, DV_FRAME_STDERR, text, strlen(text));
    dv_stream_end(l->stream);
}

/* ---- in a request's thread ---- */

static void on_answer(void *arg);

static void ask(void *arg)
{
    struct attach_log *l = arg;

    l->result = l->phase == RELEASE ? dv_container_attach_release(l->c, l->held.token, &l->err)
                                    : dv_container_attach(l->c, &l->attach, &l->err);
    dv_loop_post(l->api->loop, on_answer, l);
}

/* ---- in the loop's thread ---- */

static void begin_asking(struct attach_log *l)
{
    struct dv_error err = { 0 };

    l->task = (struct dv_task){ .fn = ask, .arg = l, .class = DV_POOL_FAST };
    l->asking = true;
    if (dv_pool_add(l->api->pool, &l->task, &err) < 0) {
        l->asking = false;
        fail(l, &err);
    }
}

static void on_answer(void *arg)
{
    struct attach_log *l = arg;

    l->asking = false;
    if (l->phase != RELEASE && l->result == 0)
        l->attach.fd = -1; /* given away */
    if (!l->stream) {
        attach_log_free(l);
    } else if (l->phase == RELEASE) { /* whom the shim let go meanwhile has seen its end */
        dv_stream_end(l->stream);
    } else if (l->result < 0) {
        fail(l, &l->err);
    } else if (!l->held.token) { /* parked until the start */
        dv_stream_end(l->stream);
    } else {
        l->phase = TAIL;
        dv_stream_want(l->stream);
    }
}

/* The log's end, for now or, while the output is held, for good. */
static void at_log_end(struct attach_log *l)
{
    static const unsigned wanted[] = { DV_ATTACH_STDOUT, DV_ATTACH_STDERR };

    if (l->phase == TAIL) {
        for (size_t i = 0; i < N(wanted); i++)
            if (l->attach.flags & wanted[i])
                put_piece(l, i == 0 ? DV_FRAME_STDOUT : DV_FRAME_STDERR, l->held.rest[i],
                          l->held.n_rest[i]);
        l->phase = RELEASE;
        dv_stream_want_empty(l->stream);
        return;
    }
    if (!l->goes_on) {
        dv_stream_end(l->stream);
        return;
    }
    l->attach.fd = fcntl(l->stream->conn->fd, F_DUPFD_CLOEXEC, 0);
    if (l->attach.fd >= 0) {
        begin_asking(l);
    } else {
        struct dv_error err = { 0 };

        dv_fail_errno(&err, DV_E_INTERNAL, "hand on the client's socket");
        fail(l, &err);
    }
}

static void pull(void *arg, struct dv_stream *stream)
{
    struct attach_log *l = arg;
    dv_autobuf out = DV_BUF_INIT(DV_LOG_BATCH_MAX, "log");
    struct dv_error err = { 0 };
    int r = 1;

    if (l->asking)
        return;
    if (l->phase == RELEASE) {
        begin_asking(l);
        return;
    }
    while (r == 1 && !dv_stream_full(stream)) {
        r = dv_log_read(l->reader, &out, &err);
        if (r >= 0 && !dv_stream_put(stream, out.data, out.len))
            return;
        dv_buf_reset(&out);
    }
    if (r == 1)
        dv_stream_want(stream);
    else if (r == 0)
        at_log_end(l);
    else
        fail(l, &err);
}

static void start(void *arg, struct dv_stream *stream)
{
    struct attach_log *l = arg;

    l->stream = stream;
    dv_stream_want(stream);
}

static void done(void *arg)
{
    struct attach_log *l = arg;

    l->stream = NULL;
    if (!l->asking)
        attach_log_free(l);
}

int dv_attach_behind_log(struct dv_request *req, struct dv_container *c, const struct dv_attach *a,
                         bool goes_on, struct dv_error *err)
{
    static const struct dv_stream_ops ops = { .start = start, .pull = pull, .free = done };
    bool framed = (a->flags & DV_ATTACH_FRAMED) != 0;
    struct dv_log_query query = { .out = a->flags & DV_ATTACH_STDOUT,
                                  .err = a->flags & DV_ATTACH_STDERR,
                                  .framed = framed, .tail = -1 };
    struct attach_log *l = calloc(1, sizeof(*l));
    int r;

    if (!l) {
        dv_container_unref(c);
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to attach");
    }
    *l = (struct attach_log){ .api = req->conn->api, .c = c, .attach = *a,
                              .goes_on = goes_on };
    l->attach.fd = -1;
    l->attach.held = &l->held;
    if (a->detach_keys) {
        memcpy(l->keys, a->detach_keys, a->n_detach_keys);
        l->attach.detach_keys = l->keys;
    }
    dv_gate_enter(&l->api->gate, c, &l->pass);
    r = dv_log_open(c, &query, &l->reader, err);
    if (r == 0)
        r = dv_reply_hijack_stream(req, framed, &l->early, &l->attach.n_early, &ops, l, err);
    if (r < 0) {
        attach_log_free(l);
        return r;
    }
    l->attach.early = l->early;
    return 0;
}
