/* events.h - the event ring: the last 1,024, kept over a restart, and its live subscribers. */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/str.h"

struct dv_db;
struct dv_events;
struct dv_loop;

enum { DV_EVENTS_KEPT = 1024 };
struct dv_event {
    uint64_t time_ns;
    const char *type, *action, *actor_id;     /* "container" "start" <id> */
    struct dv_strv keys, values;              /* Actor.Attributes */
};
DV_CHECK int dv_events_open(struct dv_db *db, struct dv_loop *loop, struct dv_events **ret,
                            struct dv_error *err);
void dv_events_close(struct dv_events *events);
/* Publish; ATTRS: NULL-terminated key, value, key, value... Any thread. */
void dv_events_emit(struct dv_events *events, const char *type, const char *action,
                    const char *actor_id, const char *const *attrs);
/* Write the events so far to the database at once, behind what ALSO (or NULL) writes: both are kept, or
 * neither. Loop thread: nobody has heard yet of those that were emitted in the same callback. */
typedef int dv_also_fn(void *arg, struct dv_error *err);
DV_CHECK int dv_events_store(struct dv_events *events, dv_also_fn *also, void *arg,
                             struct dv_error *err);
/* FN is called in the loop's thread: first for kept events since SINCE_NS (0: none), then live. EVENT is
 * the ring's and lasts as long as the call. */
typedef void dv_event_fn(void *arg, const struct dv_event *event);
struct dv_subscriber;
DV_CHECK int dv_events_subscribe(struct dv_events *events, uint64_t since_ns, dv_event_fn *fn,
                                 void *arg, struct dv_subscriber **ret, struct dv_error *err);
void dv_events_unsubscribe(struct dv_subscriber *subscriber); /* loop thread */
