/* events.c - the event ring: the last 1,024, kept over a restart, and its live subscribers. */
#include "core/container/events.h"

#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/state/db.h"

/* Rows are written in batches from the loop, so that a start does not pay for its events' commits. */
enum { FLUSH_NS = 200000000 };
/* Labels go into each event and may be long: beyond this the oldest events go before their time. */
enum { RING_MAX_BYTES = 4 << 20 };

struct dv_subscriber {
    struct dv_subscriber *next;
    struct dv_events *events;
    dv_event_fn *fn;
    void *arg;
    uint64_t since_ns, seen;         /* loop thread: number of the last event delivered */
    bool gone;
};
struct entry {
    struct dv_event event;
    size_t bytes;
    bool stored;
};
struct dv_events {
    struct dv_db *db;
    struct dv_loop *loop;
    struct dv_timer *timer;          /* loop thread */
    struct dv_subscriber *subscribers; /* loop thread */
    bool delivering;                 /* loop thread */
    struct dv_lock lock;             /* rank 40; protects below */
    struct entry ring[DV_EVENTS_KEPT];
    uint64_t n;                      /* events ever; ring index = number % KEPT */
    uint64_t first;                  /* number of the oldest one kept */
    size_t bytes;                    /* of all that are kept */
    bool woken;
};

static void event_done(struct dv_event *e)
{
    free(e->type);
    free(e->action);
    free(e->actor_id);
    dv_strv_done(&e->keys);
    dv_strv_done(&e->values);
    *e = (struct dv_event){ 0 };
}

static int event_copy(struct dv_event *dst, const struct dv_event *src)
{
    *dst = (struct dv_event){ .time_ns = src->time_ns, .type = dv_strdup(src->type),
                              .action = dv_strdup(src->action),
                              .actor_id = dv_strdup(src->actor_id) };
    if (dst->type && dst->action && dst->actor_id && dv_strv_copy(&dst->keys, &src->keys) == 0 &&
        dv_strv_copy(&dst->values, &src->values) == 0)
        return 0;
    event_done(dst);
    return -1;
}

static size_t event_bytes(const struct dv_event *e)
{
    size_t n = strlen(e->type) + strlen(e->action) + strlen(e->actor_id);

    for (size_t i = 0; i < e->keys.n; i++)
        n += strlen(e->keys.items[i]) + strlen(e->values.items[i]);
    return n;
}

static void drop_oldest(struct dv_events *events)
{
    struct entry *slot = &events->ring[events->first++ % DV_EVENTS_KEPT];

    events->bytes -= slot->bytes;
    event_done(&slot->event);
    *slot = (struct entry){ 0 };
}

/* Takes EVENT's contents. Under the lock. */
static void put(struct dv_events *events, struct dv_event *event, bool stored)
{
    struct entry *slot = &events->ring[events->n % DV_EVENTS_KEPT];

    if (events->n - events->first == DV_EVENTS_KEPT)
        drop_oldest(events);
    *slot = (struct entry){ *event, event_bytes(event), stored };
    events->bytes += slot->bytes;
    events->n++;
    while (events->bytes > RING_MAX_BYTES && events->n - events->first > 1)
        drop_oldest(events);
}

/* The events after number SEEN, as copies; *RET_SEEN is the newest number. */
static size_t copy_after(struct dv_events *events, uint64_t seen, struct dv_event **ret,
                         uint64_t *ret_seen)
{
    size_t n = 0;

    dv_lock_take(&events->lock);
    if (seen < events->first)
        seen = events->first;
    *ret_seen = events->n;
    *ret = events->n > seen ? calloc(events->n - seen, sizeof(**ret)) : NULL;
    for (; *ret && seen < events->n; seen++)
        if (event_copy(&(*ret)[n], &events->ring[seen % DV_EVENTS_KEPT].event) == 0)
            n++;
    dv_lock_drop(&events->lock);
    return n;
}

static void deliver_to(struct dv_subscriber *s)
{
    struct dv_event *list = NULL;
    size_t n = copy_after(s->events, s->seen, &list, &s->seen);

    for (size_t i = 0; i < n; i++) {
        if (!s->gone && list[i].time_ns >= s->since_ns)
            s->fn(s->arg, &list[i]);
        event_done(&list[i]);
    }
    free(list);
}

static void sweep(struct dv_events *events)
{
    struct dv_subscriber **at = &events->subscribers;

    while (*at) {
        struct dv_subscriber *s = *at;

        if (s->gone) {
            *at = s->next;
            free(s);
        } else {
            at = &s->next;
        }
    }
}

static char *attributes_text(const struct dv_event *e)
{
    dv_autojson json_object *attrs = json_object_new_object();

    for (size_t i = 0; i < e->keys.n; i++)
        json_object_object_add(attrs, e->keys.items[i],
                               json_object_new_string(e->values.items[i]));
    return dv_json_text(attrs);
}

static int store_one(struct dv_events *events, uint64_t number, struct dv_error *err)
{
    struct dv_event copy = { 0 };
    bool wanted;
    int r = 0;

    dv_lock_take(&events->lock);
    wanted = number >= events->first && !events->ring[number % DV_EVENTS_KEPT].stored;
    if (wanted) {
        events->ring[number % DV_EVENTS_KEPT].stored = true;
        wanted = event_copy(&copy, &events->ring[number % DV_EVENTS_KEPT].event) == 0;
    }
    dv_lock_drop(&events->lock);
    if (wanted) {
        dv_autofree char *attrs = attributes_text(&copy);

        r = dv_db_exec(events->db, err,
                       "INSERT OR REPLACE INTO events (id, time_ns, type, action, actor_id,"
                       " attributes_json) VALUES (?, ?, ?, ?, ?, ?)",
                       "iissss", (int64_t)(number % DV_EVENTS_KEPT), (int64_t)copy.time_ns,
                       copy.type, copy.action, copy.actor_id, attrs ? attrs : "{}");
        event_done(&copy);
    }
    return r;
}

static void store(struct dv_events *events)
{
    struct dv_error err = { 0 };
    uint64_t first, last;
    int r;

    dv_lock_take(&events->lock);
    last = events->n;
    first = events->first;
    while (first < last && events->ring[first % DV_EVENTS_KEPT].stored)
        first++;
    dv_lock_drop(&events->lock);
    if (first == last)
        return;
    r = dv_tx_begin(events->db, DV_SYNC_NORMAL, &err);
    for (; r == 0 && first < last; first++)
        r = store_one(events, first, &err);
    if (r == 0)
        r = dv_tx_commit(events->db, &err);
    else
        dv_tx_rollback(events->db);
    if (r < 0)
        dv_log_warn(NULL, "store events: %s", err.msg);
}

static void flush(void *data)
{
    struct dv_events *events = data;

    events->timer = NULL;
    store(events);
}

static void on_wake(void *data)
{
    struct dv_events *events = data;
    struct dv_error err = { 0 };

    dv_lock_take(&events->lock);
    events->woken = false;
    dv_lock_drop(&events->lock);
    events->delivering = true;
    for (struct dv_subscriber *s = events->subscribers; s; s = s->next)
        deliver_to(s);
    events->delivering = false;
    sweep(events);
    if (!events->timer &&
        dv_timer_add(events->loop, dv_mono_ns() + FLUSH_NS, flush, events, &events->timer, &err) < 0)
        store(events);
}

static int make_event(struct dv_event *e, const char *type, const char *action,
                      const char *actor_id, const char *const *attrs)
{
    *e = (struct dv_event){ .time_ns = dv_now_ns(), .type = dv_strdup(type),
                            .action = dv_strdup(action), .actor_id = dv_strdup(actor_id) };
    for (size_t i = 0; attrs && attrs[i] && attrs[i + 1]; i += 2)
        if (dv_strv_add(&e->keys, attrs[i]) < 0 || dv_strv_add(&e->values, attrs[i + 1]) < 0)
            return -1;
    return e->type && e->action && e->actor_id ? 0 : -1;
}

void dv_events_emit(struct dv_events *events, const char *type, const char *action,
                    const char *actor_id, const char *const *attrs)
{
    struct dv_event event;
    bool wake;

    if (make_event(&event, type, action, actor_id, attrs) < 0) {
        event_done(&event);
        dv_log_warn(NULL, "out of memory: the event %s %s is lost", type, action);
        return;
    }
    dv_lock_take(&events->lock);
    put(events, &event, false);
    wake = !events->woken;
    events->woken = true;
    dv_lock_drop(&events->lock);
    if (wake)
        dv_loop_post(events->loop, on_wake, events);
}

static int load_row(void *arg, sqlite3_stmt *row)
{
    struct dv_events *events = arg;
    dv_autojson json_object *attrs = NULL;
    struct dv_event e = { 0 };
    struct dv_error err = { 0 };
    const char *text = dv_row_text(row, 4);

    if (make_event(&e, dv_row_text(row, 1), dv_row_text(row, 2), dv_row_text(row, 3), NULL) < 0)
        return 0;
    e.time_ns = (uint64_t)sqlite3_column_int64(row, 0);
    if (dv_json_parse(text, strlen(text), &attrs, &err) == 0) {
        json_object_object_foreach(attrs, key, value)
        {
            if (dv_strv_add(&e.keys, key) < 0 ||
                dv_strv_add(&e.values, json_object_get_string(value)) < 0)
                break;
        }
    }
    put(events, &e, true);
    return 0;
}

/* Row ids are ring slots of an earlier run: they are numbered anew, so the old rows are rewritten. */
static int renumber(struct dv_events *events, struct dv_error *err)
{
    int r = dv_db_query(events->db, load_row, events, err,
                        "SELECT time_ns, type, action, actor_id, attributes_json FROM events"
                        " ORDER BY time_ns",
                        "");

    if (r < 0)
        return r;
    for (uint64_t i = events->first; i < events->n; i++)
        events->ring[i % DV_EVENTS_KEPT].stored = false;
    r = dv_tx_begin(events->db, DV_SYNC_NORMAL, err);
    if (r == 0)
        r = dv_db_exec(events->db, err, "DELETE FROM events", "");
    for (uint64_t i = events->first; r == 0 && i < events->n; i++)
        r = store_one(events, i, err);
    if (r == 0)
        return dv_tx_commit(events->db, err);
    dv_tx_rollback(events->db);
    return r;
}

int dv_events_open(struct dv_db *db, struct dv_loop *loop, struct dv_events **ret,
                   struct dv_error *err)
{
    struct dv_events *events = calloc(1, sizeof(*events));
    int r;

    if (!events)
        return dv_fail(err, DV_E_NO_MEMORY, "open the events");
    events->db = db;
    events->loop = loop;
    dv_lock_init(&events->lock, DV_RANK_QUEUE);
    r = renumber(events, err);
    if (r < 0) {
        dv_events_close(events);
        return dv_wrap(err, "read the events");
    }
    *ret = events;
    return 0;
}

void dv_events_close(struct dv_events *events)
{
    if (!events)
        return;
    dv_timer_cancel(events->timer);
    store(events);
    for (struct dv_subscriber *s = events->subscribers; s; s = s->next)
        s->gone = true;
    sweep(events);
    for (size_t i = 0; i < DV_EVENTS_KEPT; i++)
        event_done(&events->ring[i].event);
    dv_lock_done(&events->lock);
    free(events);
}

static void first_delivery(void *data)
{
    struct dv_subscriber *s = data;

    s->next = s->events->subscribers;
    s->events->subscribers = s;
    deliver_to(s);
    if (!s->events->delivering)
        sweep(s->events);
}

int dv_events_subscribe(struct dv_events *events, uint64_t since_ns, dv_event_fn *fn, void *arg,
                        struct dv_subscriber **ret, struct dv_error *err)
{
    struct dv_subscriber *s = calloc(1, sizeof(*s));

    if (!s)
        return dv_fail(err, DV_E_NO_MEMORY, "subscribe to events");
    s->events = events;
    s->fn = fn;
    s->arg = arg;
    s->since_ns = since_ns;
    dv_lock_take(&events->lock);
    s->seen = since_ns ? events->first : events->n;
    dv_lock_drop(&events->lock);
    *ret = s;
    dv_loop_post(events->loop, first_delivery, s);
    return 0;
}

void dv_events_unsubscribe(struct dv_subscriber *s)
{
    if (s)
        s->gone = true; /* freed by the next sweep */
}
