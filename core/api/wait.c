/* wait.c - POST /containers/{id}/wait: the header at once, the exit code when it is there. */
#include "core/api/containers.h"
#include "core/api/handlers.h"
#include "core/api/stream.h"
#include "core/daemon/engine.h"

struct wait {
    struct dv_engine *engine;
    struct dv_container *c;       /* reference */
    enum dv_wait_for cond;
    struct dv_waiter *waiter;
    struct dv_stream *stream;
};

static void answer(struct wait *w, int64_t exit_code, const char *error)
{
    dv_autojson json_object *obj = json_object_new_object();
    dv_autofree char *text = NULL, *line = NULL;

    dv_put_int(obj, "StatusCode", exit_code);
    if (!dv_empty(error)) {
        json_object *why = json_object_new_object();

        dv_put_str(why, "Message", error);
        dv_put(obj, "Error", why);
    }
    text = dv_json_text(obj);
    line = text ? dv_format("%s\n", text) : NULL;
    if (line)
        dv_stream_put(w->stream, line, strlen(line));
    dv_stream_end(w->stream);
}

static void on_exit_code(void *arg, int64_t exit_code, const char *error)
{
    struct wait *w = arg;

    w->waiter = NULL; /* it is over: nothing to cancel */
    answer(w, exit_code, error);
}

/* The wait is registered before the header leaves, so that whoever starts the container because the
 * header came cannot be too early. */
static void start(void *arg, struct dv_stream *stream)
{
    struct wait *w = arg;
    struct dv_error err = { 0 };

    w->stream = stream;
    if (dv_container_wait(w->c, w->cond, on_exit_code, w, &w->waiter, &err) < 0)
        answer(w, 125, err.msg);
}

static void done(void *arg)
{
    struct wait *w = arg;

    dv_waiter_cancel(w->engine->containers, w->waiter);
    dv_container_unref(w->c);
    free(w);
}

static int condition(struct dv_request *req, enum dv_wait_for *ret, struct dv_error *err)
{
    static const struct {
        const char *name;
        enum dv_wait_for cond;
    } names[] = {
        { "", DV_WAIT_NOT_RUNNING },
        { "not-running", DV_WAIT_NOT_RUNNING },
        { "next-exit", DV_WAIT_NEXT_EXIT },
        { "removed", DV_WAIT_REMOVED },
    };
    const char *text = dv_query(req, "condition");

    *ret = DV_WAIT_NOT_RUNNING;
    if (!text || req->version < 30)
        return 0;
    for (size_t i = 0; i < N(names); i++)
        if (dv_streq(text, names[i].name)) {
            *ret = names[i].cond;
            return 0;
        }
    return dv_fail(err, DV_E_INVALID, "invalid condition: \"%s\"", text);
}

int dv_api_container_wait(struct dv_request *req, struct dv_error *err)
{
    static const struct dv_stream_ops ops = { .start = start, .free = done };
    struct wait *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to wait");
    w->engine = req->engine;
    r = condition(req, &w->cond, err);
    if (r == 0)
        r = dv_request_container(req, &w->c, err);
    if (r < 0) {
        free(w);
        return r;
    }
    dv_reply_stream(req, 200, "application/json", &ops, w);
    return 0;
}
