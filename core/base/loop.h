/* loop.h - one thread's event loop: descriptors, timers, and posts from other threads.
 * Builds with glibc and musl. */
#pragma once

#include <stdint.h>

#include "core/base/error.h"

struct dv_loop;
struct dv_watch; /* one watched descriptor */
struct dv_timer;

typedef void dv_watch_fn(void *data, uint32_t events); /* EPOLLIN | EPOLLOUT | EPOLLHUP ... */
typedef void dv_call_fn(void *data);

DV_CHECK int dv_loop_new(struct dv_loop **ret, struct dv_error *err);
void dv_loop_free(struct dv_loop *loop);
/* Run until dv_loop_stop(). */
DV_CHECK int dv_loop_run(struct dv_loop *loop, struct dv_error *err);
void dv_loop_stop(struct dv_loop *loop); /* any thread */

/* FD is borrowed: remove the watch before closing it. Watches and timers are for the loop's own
 * thread only; removing one inside its own or another's callback is safe. EVENTS 0 = only errors
 * and hang-up. */
DV_CHECK int dv_loop_add(struct dv_loop *loop, int fd, uint32_t events, dv_watch_fn *fn, void *data,
                         struct dv_watch **ret, struct dv_error *err);
void dv_watch_set(struct dv_watch *watch, uint32_t events);
void dv_watch_remove(struct dv_watch *watch); /* NULL does nothing */

/* One shot, at CLOCK_MONOTONIC WHEN_NS. *RET (may be NULL) stays valid until it fired or was
 * cancelled. */
DV_CHECK int dv_timer_add(struct dv_loop *loop, uint64_t when_ns, dv_call_fn *fn, void *data,
                          struct dv_timer **ret, struct dv_error *err);
void dv_timer_cancel(struct dv_timer *timer); /* NULL does nothing */

/* Run FN in the loop's thread soon; any thread; order kept. Falls back to abort on no memory. */
void dv_loop_post(struct dv_loop *loop, dv_call_fn *fn, void *data);
