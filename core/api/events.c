/* events.c - GET /events: what happened, and what happens, as one JSON object a line. */
#include <stdio.h>
#include <string.h>

#include "core/api/build.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/api/request.h"
#include "core/api/stream.h"
#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/container/events.h"
#include "core/daemon/engine.h"

static const char *const filter_keys[] = {
    "config", "container", "daemon", "event",   "image", "label",  "network", "node",
    "plugin", "scope",     "secret", "service", "type",  "volume", NULL,
};
/* Keys that name an object of one type, by id or name. */
static const char *const object_keys[] = { "config", "container", "daemon", "network", "node",
                                           "plugin", "secret", "service", "volume" };

struct events {
    struct dv_engine *engine;
    struct dv_filters filters;
    uint64_t since_ns, until_ns;      /* 0: not asked */
    struct dv_subscriber *subscriber;
    struct dv_timer *timer;           /* at until_ns */
    struct dv_stream *stream;
    bool posted, gone;                /* on_kept is under way, and frees what is gone */
};

static const char *attribute(const struct dv_event *e, const char *key)
{
    for (size_t i = 0; i < e->keys.n; i++)
        if (dv_streq(e->keys.items[i], key))
            return e->values.items[i];
    return "";
}

static bool passes_object(const struct dv_filters *f, const struct dv_event *e, const char *key)
{
    if (!dv_filters_get(f, key))
        return true;
    return dv_streq(e->type, key) && (dv_filter_prefix(f, key, e->actor_id) ||
                                      dv_filter_prefix(f, key, attribute(e, "name")));
}

/* "exec_start" means "exec_start: sh -c ..." too. */
static bool passes_action(const struct dv_filters *f, const struct dv_event *e)
{
    dv_autofree char *verb = strndup(e->action, strcspn(e->action, ":"));

    return dv_filter_exact(f, "event", e->action) || (verb && dv_filter_exact(f, "event", verb));
}

/* Of containers it is the image they were made of. */
static bool passes_image(const struct dv_filters *f, const struct dv_event *e)
{
    const char *name = attribute(e, dv_streq(e->type, "image") ? "name" : "image");
    const char *colon = strrchr(name, ':');
    dv_autofree char *bare = NULL;

    if (!dv_filters_get(f, "image"))
        return true;
    bare = strndup(name, colon && !strchr(colon, '/') ? (size_t)(colon - name) : strlen(name));
    return (dv_streq(e->type, "image") && dv_filter_exact(f, "image", e->actor_id)) ||
           (*name && (dv_filter_exact(f, "image", name) ||
                      (bare && dv_filter_exact(f, "image", bare))));
}

static bool passes(const struct dv_filters *f, const struct dv_event *e)
{
    for (size_t i = 0; i < N(object_keys); i++)
        if (!passes_object(f, e, object_keys[i]))
            return false;
    return dv_filter_exact(f, "type", e->type) && dv_filter_exact(f, "scope", "local") &&
           passes_action(f, e) && passes_image(f, e) &&
           dv_filter_labels(f, &e->keys, &e->values);
}

static json_object *event_json(const struct dv_event *e)
{
    json_object *obj = json_object_new_object(), *actor = json_object_new_object();
    bool container = dv_streq(e->type, "container");

    if (container || dv_streq(e->type, "image")) { /* for clients from before 1.22 */
        dv_put_str(obj, "status", e->action);
        dv_put_str(obj, "id", e->actor_id);
        if (container)
            dv_put_str(obj, "from", attribute(e, "image"));
    }
    dv_put_str(obj, "Type", e->type);
    dv_put_str(obj, "Action", e->action);
    dv_put_str(actor, "ID", e->actor_id);
    dv_put(actor, "Attributes", dv_json_map(&e->keys, &e->values));
    dv_put(obj, "Actor", actor);
    dv_put_str(obj, "scope", "local");
    dv_put_int(obj, "time", (int64_t)(e->time_ns / 1000000000));
    dv_put_int(obj, "timeNano", (int64_t)e->time_ns);
    return obj;
}

static void on_event(void *arg, const struct dv_event *e)
{
    struct events *ev = arg;
    dv_autojson json_object *obj = NULL;
    dv_autofree char *text = NULL, *line = NULL;

    if ((ev->until_ns && e->time_ns > ev->until_ns) || !passes(&ev->filters, e))
        return;
    obj = event_json(e);
    text = dv_json_text(obj);
    line = text ? dv_format("%s\n", text) : NULL;
    if (line)
        dv_stream_put(ev->stream, line, strlen(line));
}

static void on_until(void *arg)
{
    struct events *ev = arg;

    ev->timer = NULL;
    dv_stream_end(ev->stream);
}

static void free_events(struct events *ev)
{
    dv_filters_done(&ev->filters);
    free(ev);
}

/* Posted behind the delivery of the kept events, which even an UNTIL that is over must show. */
static void on_kept(void *arg)
{
    struct events *ev = arg;
    struct dv_error err = { 0 };
    uint64_t now = dv_now_ns();

    ev->posted = false;
    if (ev->gone)
        free_events(ev);
    else if (ev->until_ns <= now ||
             dv_timer_add(dv_stream_loop(ev->stream), dv_mono_ns() + (ev->until_ns - now), on_until,
                          ev, &ev->timer, &err) < 0)
        dv_stream_end(ev->stream);
}

static void start(void *arg, struct dv_stream *stream)
{
    struct events *ev = arg;
    struct dv_error err = { 0 };

    ev->stream = stream;
    if (dv_events_subscribe(ev->engine->events, ev->since_ns, on_event, ev, &ev->subscriber, &err) <
        0) {
        dv_stream_end(stream);
        return;
    }
    if (!ev->until_ns)
        return;
    ev->posted = true;
    dv_loop_post(dv_stream_loop(stream), on_kept, ev);
}

static void done(void *arg)
{
    struct events *ev = arg;

    dv_timer_cancel(ev->timer);
    if (ev->subscriber)
        dv_events_unsubscribe(ev->subscriber);
    if (ev->posted)
        ev->gone = true;
    else
        free_events(ev);
}

static int parse_time(struct dv_request *req, const char *key, uint64_t *ret, struct dv_error *err)
{
    const char *text = dv_query(req, key);

    if (!text || dv_parse_timestamp(text, ret) == 0)
        return 0;
    return dv_fail(err, DV_E_INVALID, "invalid value for \"%s\": '%s'", key, text);
}

int dv_api_events(struct dv_request *req, struct dv_error *err)
{
    static const struct dv_stream_ops ops = { .start = start, .free = done };
    struct events *ev = calloc(1, sizeof(*ev));
    int r;

    if (!ev)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the events");
    ev->engine = req->engine;
    r = parse_time(req, "since", &ev->since_ns, err);
    if (r == 0)
        r = parse_time(req, "until", &ev->until_ns, err);
    if (r == 0 && ev->until_ns && ev->since_ns > ev->until_ns)
        r = dv_fail(err, DV_E_INVALID, "`since` time (%s) cannot be after `until` time (%s)",
                    dv_query(req, "since"), dv_query(req, "until"));
    if (r == 0)
        r = dv_filters_parse(dv_query(req, "filters"), filter_keys, &ev->filters, err);
    if (r < 0) {
        free_events(ev);
        return r;
    }
    dv_reply_stream(req, 200, "application/json", &ops, ev);
    return 0;
}
