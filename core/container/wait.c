/* wait.c - waiting for an exit without a thread. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/loop.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"

static void waiter_free(struct dv_waiter *w)
{
    dv_container_unref(w->c);
    free(w->error);
    free(w);
}

/* Loop thread: the one place where FN is called. */
static void deliver(void *data)
{
    struct dv_waiter *w = data;

    if (!atomic_load(&w->cancelled))
        w->fn(w->arg, w->exit_code, w->error);
    waiter_free(w);
}

/* Off the list already; under the container's lock. */
static void fire(struct dv_waiter *w)
{
    const struct dv_container *c = w->c;

    w->exit_code = c->exit_code;
    /* Once removed, what its last start met is nobody's error. */
    w->error = c->removed || dv_empty(c->error) ? NULL : dv_strdup(c->error);
    dv_loop_post(w->cs->engine->loop, deliver, w);
}

/* The container reached UPTO (exits are DV_WAIT_NEXT_EXIT): answer whoever waits for no more. */
void dv_waiters_fire(struct dv_container *c, enum dv_wait_for upto)
{
    struct dv_waiter **at = &c->waiters;

    while (*at) {
        struct dv_waiter *w = *at;

        if (w->cond > upto) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        fire(w);
    }
}

static bool is_up(enum dv_status status)
{
    return status == DV_RUNNING || status == DV_PAUSED || status == DV_RESTARTING;
}

int dv_container_wait(struct dv_container *c, enum dv_wait_for cond, dv_wait_fn *fn, void *arg,
                      struct dv_waiter **ret, struct dv_error *err)
{
    struct dv_waiter *w = calloc(1, sizeof(*w));

    if (!w)
        return dv_fail(err, DV_E_NO_MEMORY, "wait for container %s", c->id);
    w->cs = c->cs;
    w->c = dv_container_ref(c);
    w->cond = cond;
    w->fn = fn;
    w->arg = arg;
    *ret = w; /* before it can fire */

    dv_lock_take(&c->lock);
    if (c->removed || (cond == DV_WAIT_NOT_RUNNING && !is_up(c->status))) {
        fire(w);
    } else {
        w->next = c->waiters;
        c->waiters = w;
    }
    dv_lock_drop(&c->lock);
    return 0;
}

void dv_waiter_cancel(struct dv_containers *cs, struct dv_waiter *w)
{
    struct dv_container *c;
    struct dv_waiter **at;
    bool found = false;

    (void)cs;
    if (!w)
        return;
    c = dv_container_ref(w->c);
    dv_lock_take(&c->lock);
    atomic_store(&w->cancelled, true);
    for (at = &c->waiters; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            found = true;
            break;
        }
    dv_lock_drop(&c->lock);
    if (found)
        waiter_free(w); /* else its post is under way and frees it */
    dv_container_unref(c);
}
