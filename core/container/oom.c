/* oom.c - the OOM kills that a running container survives: told at once, and once.
 *
 * The kernel counts them, and the record holds how many of this run were told: what a daemon did not
 * live to tell is told by the next one, and what is left at the end by exit.c. */
#include <stdlib.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/container/events.h"
#include "core/container/internal.h"
#include "core/container/test_hooks.h"
#include "core/daemon/engine.h"
#include "core/runtime/cgroup.h"

/* After word that comes before the kill: looks at growing distances, over some 5 s. */
enum { PAUSE_NS = 1000000, PAUSE_GROWTH = 4, LOOKS = 7 };

struct dv_oom {                      /* loop thread */
    struct dv_container *c;          /* its shim's reference */
    struct dv_cgroup_oom group;
    struct dv_watch *watch;          /* NULL: the group is gone */
    struct dv_timer *timer;
    uint64_t pause_ns;
    int looks;                       /* that are still to come */
};

bool dv_oom_count(struct dv_container *c, int64_t kills)
{
    if (kills <= c->oom_killed)
        return false;
    c->oom_killed = kills;
    return true;
}

static int write_count(void *arg, struct dv_error *err)
{
    struct dv_container *c = arg;
    int r = dv_container_row_update(c, err);

    dv_test_point("oom-counted");
    return r;
}

/* The event and the count that says that it was told are kept together, before anybody hears of it. */
static void tell(struct dv_container *c, int64_t kills)
{
    struct dv_error err = { 0 };
    int r = 0;

    dv_lock_take(&c->lock); /* to the end: its "die" comes after it */
    if (!c->removed && dv_oom_count(c, kills)) {
        dv_container_emit_locked(c, "oom", NULL);
        r = dv_events_store(c->cs->engine->events, write_count, c, &err);
        dv_test_point("oom-kept");
    }
    dv_lock_drop(&c->lock);
    if (r < 0)
        dv_log_error(NULL, "container %s: record an OOM kill: %s", c->id, err.msg);
}

static void stop(struct dv_oom *oom)
{
    dv_watch_remove(dv_take(oom->watch));
    dv_timer_cancel(dv_take(oom->timer));
}

static void look(struct dv_oom *oom)
{
    struct dv_containers *cs = oom->c->cs;
    int64_t kills = dv_cgroup_oom_kills(cs->engine->cgroups, cs->cgroup_parent, oom->c->id);

    if (kills < 0) /* the group has just gone, and its end told what it had */
        stop(oom);
    else
        tell(oom->c, kills);
}

static void look_later(struct dv_oom *oom);

static void look_again(void *data)
{
    struct dv_oom *oom = data;

    oom->timer = NULL;
    look(oom);
    if (oom->watch)
        look_later(oom);
}

static void look_later(struct dv_oom *oom)
{
    struct dv_error err = { 0 };

    if (!oom->group.early || oom->looks-- == 0)
        return;
    if (dv_timer_add(oom->c->cs->engine->loop, dv_mono_ns() + oom->pause_ns, look_again, oom,
                     &oom->timer, &err) < 0)
        dv_log_warn(NULL, "container %s: wait for an OOM kill: %s", oom->c->id, err.msg);
    oom->pause_ns *= PAUSE_GROWTH;
}

static void on_word(void *data, uint32_t events)
{
    struct dv_oom *oom = data;

    (void)events;
    if (!dv_cgroup_oom_rearm(&oom->group)) {
        stop(oom);
        return;
    }
    dv_timer_cancel(dv_take(oom->timer));
    oom->pause_ns = PAUSE_NS;
    oom->looks = LOOKS;
    look_again(oom);
}

struct dv_oom *dv_oom_watch(struct dv_container *c)
{
    struct dv_containers *cs = c->cs;
    struct dv_error err = { 0 };
    struct dv_oom *oom;
    bool limited;
    int r;

    dv_lock_take(&c->lock);
    limited = c->config->memory > 0;
    dv_lock_drop(&c->lock);
    oom = limited ? calloc(1, sizeof(*oom)) : NULL;
    if (!oom)
        return NULL; /* its end tells */
    oom->c = c;
    r = dv_cgroup_oom_open(cs->engine->cgroups, cs->cgroup_parent, c->id, &oom->group, &err);
    if (r == 0) {
        r = dv_loop_add(cs->engine->loop, oom->group.fd, oom->group.events, on_word, oom,
                        &oom->watch, &err);
        if (r < 0)
            dv_close(oom->group.fd);
    }
    if (r < 0) {
        if (r != -DV_E_NOT_FOUND) /* it has ended already */
            dv_log_warn(NULL, "container %s: OOM kills are told at its end only: %s", c->id,
                        err.msg);
        free(oom);
        return NULL;
    }
    look(oom);
    return oom;
}

void dv_oom_unwatch(struct dv_oom *oom)
{
    if (!oom)
        return;
    stop(oom);
    dv_close(oom->group.fd);
    free(oom);
}
