/* logs.c - GET /containers/{id}/logs: the log, and what the container goes on to write. */
#include <string.h>

#include "core/api/containers.h"
#include "core/api/handlers.h"
#include "core/api/log_reader.h"
#include "core/api/messages.h"
#include "core/api/stream.h"
#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/daemon/engine.h"

struct logs {
    struct dv_engine *engine;
    struct dv_container *c;         /* reference */
    struct dv_log_reader *reader;
    struct dv_follower *follower;   /* NULL: not followed, or the container has ended */
    bool follow;
    struct dv_stream *stream;
};

/* As much as the client takes; called again when it took it, or when more was written. */
static void pull(void *arg, struct dv_stream *stream)
{
    struct logs *l = arg;
    dv_autobuf out = DV_BUF_INIT(DV_LOG_BATCH_MAX, "log");
    struct dv_error err = { 0 };
    int r = 1;

    while (r == 1 && !dv_stream_full(stream)) {
        r = dv_log_read(l->reader, &out, &err);
        if (r < 0)
            dv_log_error(NULL, "read the log of container %s: %s", dv_container_id(l->c), err.msg);
        else if (!dv_stream_put(stream, out.data, out.len))
            return;
        dv_buf_reset(&out);
    }
    if (r == 1)
        dv_stream_want(stream);
    else if (r != 0 || !l->follower)
        dv_stream_end(stream);
}

static void on_change(void *arg, bool ended)
{
    struct logs *l = arg;

    if (ended)
        l->follower = NULL; /* all is written: the next pull that meets the end is the last */
    dv_stream_want(l->stream);
}

/* Follow before reading: whatever is written in between is told again. */
static void start(void *arg, struct dv_stream *stream)
{
    struct logs *l = arg;
    struct dv_error err = { 0 };

    l->stream = stream;
    if (l->follow && dv_container_follow(l->c, on_change, l, &l->follower, &err) < 0)
        dv_log_error(NULL, "follow the log of container %s: %s", dv_container_id(l->c), err.msg);
    dv_stream_want(stream);
}

static void done(void *arg)
{
    struct logs *l = arg;

    dv_follower_cancel(l->engine->containers, l->follower);
    dv_log_free(l->reader);
    dv_container_unref(l->c);
    free(l);
}

static int parse_time(struct dv_request *req, const char *key, uint64_t *ret, struct dv_error *err)
{
    const char *text = dv_query(req, key);

    if (!text || dv_parse_timestamp(text, ret) == 0)
        return 0;
    return dv_fail(err, DV_E_INVALID, "invalid value for \"%s\": '%s'", key, text);
}

static int parse(struct dv_request *req, struct dv_log_query *q, struct dv_error *err)
{
    const char *tail = dv_query(req, "tail");
    uint64_t lines;
    int r;

    q->out = dv_query_bool(req, "stdout", false);
    q->err = dv_query_bool(req, "stderr", false);
    if (!q->out && !q->err)
        return dv_fail(err, DV_E_INVALID, DV_MSG_CHOOSE_STREAM);
    q->timestamps = dv_query_bool(req, "timestamps", false);
    q->details = dv_query_bool(req, "details", false);
    /* Docker takes what is no number, and a negative one, as "all". */
    q->tail = tail && dv_parse_u64(tail, 0, INT64_MAX, &lines) == 0 ? (int64_t)lines : -1;
    r = parse_time(req, "since", &q->since_ns, err);
    return r < 0 || req->version < 35 ? r : parse_time(req, "until", &q->until_ns, err);
}

int dv_api_container_logs(struct dv_request *req, struct dv_error *err)
{
    static const struct dv_stream_ops ops = { .start = start, .pull = pull, .free = done };
    dv_autoview view = { 0 };
    struct dv_log_query query = { 0 };
    struct logs *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to read the log");
    l->engine = req->engine;
    l->follow = dv_query_bool(req, "follow", false);
    r = parse(req, &query, err);
    if (r == 0)
        r = dv_request_container(req, &l->c, err);
    if (r == 0)
        r = dv_container_look(l->c, &view, err);
    if (r == 0) {
        query.framed = !view.tty;
        r = dv_log_open(l->c, &query, &l->reader, err);
    }
    if (r < 0) {
        if (l->c)
            dv_container_unref(l->c);
        free(l);
        return r;
    }
    dv_reply_stream(req, 200,
                    view.tty || req->version < 42 ? "application/vnd.docker.raw-stream"
                                                  : "application/vnd.docker.multiplexed-stream",
                    &ops, l);
    return 0;
}
