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
/* Of the blocks in which the kept events lie side by side: each in its own would lie between the
 * blocks of what has gone, and keep a thousand pages of a heap that is else free. */
enum { CHUNK_BYTES = 16 << 10 };

struct dv_subscriber {
    struct dv_subscriber *next;
    struct dv_events *events;
    dv_event_fn *fn;
    void *arg;
    uint64_t since_ns, seen;         /* loop thread: number of the last event delivered */
    bool gone;
};
/* An event as one block, the next one right behind it. */
struct record {
    uint64_t time_ns;
    uint32_t bytes;                  /* of all of it, a multiple of its alignment */
    uint32_t n_attrs;
    char text[];                     /* type, action, actor's id, then each key and its value */
};
struct chunk {                       /* of the oldest events first */
    struct chunk *next;
    uint64_t end;                    /* number behind that of its newest event */
    size_t used, size;
    _Alignas(struct record) char data[];
};
struct dv_events {
    struct dv_db *db;
    struct dv_loop *loop;
    struct dv_timer *timer;          /* loop thread */
    struct dv_subscriber *subscribers; /* loop thread */
    bool delivering;                 /* loop thread */
    uint64_t stored;                 /* loop thread: those before this number are in the database */
    struct dv_lock lock;             /* rank 40; protects below */
    struct record *ring[DV_EVENTS_KEPT];
    struct chunk *oldest, *newest;   /* what the records lie in */
    uint64_t n;                      /* events ever; ring index = number % KEPT */
    uint64_t first;                  /* number of the oldest one kept */
    size_t bytes;                    /* of all that are kept */
    bool woken;
};

/* ---- the ring; under the lock ---- */

static void drop_oldest(struct dv_events *events)
{
    events->bytes -= events->ring[events->first++ % DV_EVENTS_KEPT]->bytes;
    while (events->oldest && events->oldest->end <= events->first) {
        struct chunk *chunk = events->oldest;

        events->oldest = chunk->next;
        if (!chunk->next)
            events->newest = NULL;
        free(chunk);
    }
}

static struct record *room_for(struct dv_events *events, size_t bytes)
{
    struct chunk *chunk = events->newest;

    if (!chunk || chunk->size - chunk->used < bytes) {
        size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

        chunk = malloc(sizeof(*chunk) + size);
        if (!chunk)
            return NULL;
        *chunk = (struct chunk){ .size = size };
        *(events->newest ? &events->newest->next : &events->oldest) = chunk;
        events->newest = chunk;
    }
    chunk->end = events->n + 1;
    chunk->used += bytes;
    return (struct record *)(void *)(chunk->data + chunk->used - bytes);
}

static size_t record_bytes(const char *const *texts)
{
    size_t n = sizeof(struct record);

    for (size_t i = 0; texts[i]; i++)
        n += strlen(texts[i]) + 1;
    return (n + _Alignof(struct record) - 1) & ~(_Alignof(struct record) - 1);
}

/* TEXTS: type, action, actor's id, attributes. */
static int put(struct dv_events *events, uint64_t time_ns, const char *const *texts)
{
    size_t bytes = record_bytes(texts), n = 0;
    struct record *r;
    char *at;

    if (events->n - events->first == DV_EVENTS_KEPT)
        drop_oldest(events);
    r = bytes <= UINT32_MAX ? room_for(events, bytes) : NULL;
    if (!r)
        return -1;
    for (at = r->text; texts[n]; n++)
        at = stpcpy(at, texts[n]) + 1;
    r->time_ns = time_ns;
    r->bytes = (uint32_t)bytes;
    r->n_attrs = (uint32_t)(n - 3) / 2;
    events->ring[events->n++ % DV_EVENTS_KEPT] = r;
    events->bytes += bytes;
    while (events->bytes > RING_MAX_BYTES && events->n - events->first > 1)
        drop_oldest(events);
    return 0;
}

/* ---- copies, so that the lock is held for no longer than that takes ---- */

struct copies {
    void *records;                   /* one behind the other; NULL: there are none, or no memory */
    size_t bytes;
    uint64_t first, end;             /* their numbers */
};

/* Of the events from number FROM on, and since SINCE_NS. */
static void copy_from(struct dv_events *events, uint64_t from, uint64_t since_ns,
                      struct copies *ret)
{
    char *at;

    dv_lock_take(&events->lock);
    *ret = (struct copies){ .first = from < events->first ? events->first : from,
                            .end = events->n };
    while (ret->first < ret->end && events->ring[ret->first % DV_EVENTS_KEPT]->time_ns < since_ns)
        ret->first++;
    for (uint64_t i = ret->first; i < ret->end; i++)
        ret->bytes += events->ring[i % DV_EVENTS_KEPT]->bytes;
    at = ret->records = ret->bytes > 0 ? malloc(ret->bytes) : NULL;
    for (uint64_t i = ret->first; at && i < ret->end; i++)
        at = mempcpy(at, events->ring[i % DV_EVENTS_KEPT], events->ring[i % DV_EVENTS_KEPT]->bytes);
    dv_lock_drop(&events->lock);
}

/* The record behind R; the first one for NULL. NULL at the end. */
static const struct record *next_copy(const struct copies *copies, const struct record *r)
{
    const char *at = r ? (const char *)r + r->bytes : copies->records;

    if (!at || at == (const char *)copies->records + copies->bytes)
        return NULL;
    return (const struct record *)(const void *)at;
}

/* EVENT points into R; its lists are freed with done_with(). */
static int look_at(const struct record *r, struct dv_event *event)
{
    char *at = (char *)(uintptr_t)r->text; /* nobody changes it: strv is for owned strings, too */
    char **lists = calloc(2 * ((size_t)r->n_attrs + 1), sizeof(*lists));

    if (!lists)
        return -1;
    *event = (struct dv_event){ .time_ns = r->time_ns, .type = at,
                                .keys = { lists, r->n_attrs },
                                .values = { lists + r->n_attrs + 1, r->n_attrs } };
    event->action = at += strlen(at) + 1;
    event->actor_id = at += strlen(at) + 1;
    for (size_t i = 0; i < r->n_attrs; i++) {
        event->keys.items[i] = at += strlen(at) + 1;
        event->values.items[i] = at += strlen(at) + 1;
    }
    return 0;
}

static void done_with(struct dv_event *event)
{
    free(event->keys.items); /* and with them the values' */
}

/* ---- subscribers; loop thread ---- */

static void deliver_to(struct dv_subscriber *s)
{
    struct copies copies;
    struct dv_event event;

    copy_from(s->events, s->seen, s->since_ns, &copies);
    s->seen = copies.end;
    for (const struct record *r = NULL; (r = next_copy(&copies, r)) && !s->gone;) {
        if (r->time_ns < s->since_ns || look_at(r, &event) < 0)
            continue; /* the clock was set, or there is no memory */
        s->fn(s->arg, &event);
        done_with(&event);
    }
    free(copies.records);
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

/* ---- the database ---- */

static char *attributes_text(const struct dv_event *e)
{
    dv_autojson json_object *attrs = json_object_new_object();

    for (size_t i = 0; i < e->keys.n; i++)
        json_object_object_add(attrs, e->keys.items[i],
                               json_object_new_string(e->values.items[i]));
    return dv_json_text(attrs);
}

static int store_one(struct dv_events *events, uint64_t number, const struct record *record,
                     struct dv_error *err)
{
    dv_autofree char *attrs = NULL;
    struct dv_event e;
    int r;

    if (look_at(record, &e) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for an event");
    attrs = attributes_text(&e);
    r = dv_db_exec(events->db, err,
                   "INSERT OR REPLACE INTO events (id, time_ns, type, action, actor_id,"
                   " attributes_json) VALUES (?, ?, ?, ?, ?, ?)",
                   "iissss", (int64_t)(number % DV_EVENTS_KEPT), (int64_t)e.time_ns, e.type,
                   e.action, e.actor_id, attrs ? attrs : "{}");
    done_with(&e);
    return r;
}

static int store_copies(struct dv_events *events, const struct copies *copies, dv_also_fn *also,
                        void *arg, struct dv_error *err)
{
    uint64_t number = copies->first;
    int r = dv_tx_begin(events->db, DV_SYNC_NORMAL, err);

    if (r < 0)
        return r;
    if (also)
        r = also(arg, err);
    for (const struct record *e = NULL; r == 0 && (e = next_copy(copies, e)); number++)
        r = store_one(events, number, e, err);
    if (r == 0)
        return dv_tx_commit(events->db, err);
    dv_tx_rollback(events->db);
    return r;
}

/* Those of a failure are tried again with the next ones. */
int dv_events_store(struct dv_events *events, dv_also_fn *also, void *arg, struct dv_error *err)
{
    struct copies copies;
    int r = 0;

    copy_from(events, events->stored, /* since_ns */ 0, &copies);
    if (copies.bytes > 0 && !copies.records)
        r = dv_fail(err, DV_E_NO_MEMORY, "no memory for %zu bytes of events", copies.bytes);
    else if (copies.bytes > 0 || also)
        r = store_copies(events, &copies, also, arg, err);
    if (r == 0)
        events->stored = copies.end;
    free(copies.records);
    return r;
}

static void flush(void *data)
{
    struct dv_events *events = data;
    struct dv_error err = { 0 };

    events->timer = NULL;
    if (dv_events_store(events, /* also */ NULL, NULL, &err) < 0)
        dv_log_warn(NULL, "store events: %s", err.msg);
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
        flush(events);
}

/* Type, action, actor's id and attributes in a row, as put() takes them; caller frees. */
static const char **texts_of(const char *type, const char *action, const char *actor_id,
                             const char *const *attrs)
{
    size_t n = 0;
    const char **texts;

    while (attrs && attrs[n] && attrs[n + 1])
        n += 2;
    texts = calloc(n + 4, sizeof(*texts));
    if (!texts)
        return NULL;
    texts[0] = type;
    texts[1] = action;
    texts[2] = actor_id;
    if (n > 0)
        memcpy(texts + 3, attrs, n * sizeof(*texts));
    return texts;
}

void dv_events_emit(struct dv_events *events, const char *type, const char *action,
                    const char *actor_id, const char *const *attrs)
{
    const char **texts = texts_of(type, action, actor_id, attrs);
    bool wake = false;
    int r = -1;

    dv_lock_take(&events->lock);
    if (texts)
        r = put(events, dv_now_ns(), texts);
    if (r == 0) {
        wake = !events->woken;
        events->woken = true;
    }
    dv_lock_drop(&events->lock);
    free(texts);
    if (r < 0)
        dv_log_warn(NULL, "out of memory: the event %s %s is lost", type, action);
    if (wake)
        dv_loop_post(events->loop, on_wake, events);
}

static int load_row(void *arg, sqlite3_stmt *row)
{
    struct dv_events *events = arg;
    dv_autojson json_object *attrs = NULL;
    const char *text = dv_row_text(row, 4), **texts;
    struct dv_error ignored = { 0 };
    size_t n = 3, n_attrs = 0;

    if (dv_json_parse(text, strlen(text), &attrs, &ignored) == 0 &&
        json_object_is_type(attrs, json_type_object))
        n_attrs = (size_t)json_object_object_length(attrs);
    texts = calloc(n + 2 * n_attrs + 1, sizeof(*texts));
    if (!texts)
        return 0;
    for (int i = 0; i < 3; i++)
        texts[i] = dv_row_text(row, i + 1);
    if (n_attrs > 0) {
        json_object_object_foreach(attrs, key, value)
        {
            texts[n++] = key;
            texts[n++] = value ? json_object_get_string(value) : "";
        }
    }
    (void)put(events, (uint64_t)sqlite3_column_int64(row, 0), texts);
    free(texts);
    return 0;
}

static int delete_all(void *db, struct dv_error *err)
{
    return dv_db_exec(db, err, "DELETE FROM events", "");
}

/* Row ids are ring slots of an earlier run: they are numbered anew, so the old rows are rewritten. */
static int renumber(struct dv_events *events, struct dv_error *err)
{
    int r = dv_db_query(events->db, load_row, events, err,
                        "SELECT time_ns, type, action, actor_id, attributes_json FROM events"
                        " ORDER BY time_ns",
                        "");

    return r < 0 ? r : dv_events_store(events, delete_all, events->db, err);
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
    flush(events);
    for (struct dv_subscriber *s = events->subscribers; s; s = s->next)
        s->gone = true;
    sweep(events);
    while (events->first < events->n)
        drop_oldest(events);
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
