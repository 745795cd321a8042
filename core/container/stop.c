/* stop.c - signals: kill, stop, restart, pause. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/sock.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/container/restart.h"
#include "core/container/signals.h"
#include "core/daemon/engine.h"
#include "core/runtime/cgroup.h"

enum { DEFAULT_TIMEOUT_S = 10, KILL_WAIT_S = 10 };

static int send_signal(struct dv_container *c, int signal, struct dv_error *err)
{
    struct dv_msg_writer w;
    dv_autopacket answer = { 0 };
    int r;

    dv_msg_begin(&w, DV_SHIM_SIGNAL, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_SIGNAL, (uint64_t)signal);
    r = dv_shim_request(c, &w, NULL, 0, &answer, NULL, err);
    dv_msg_done(&w);
    return r;
}

static bool is_up(struct dv_container *c)
{
    bool up;

    dv_lock_take(&c->lock);
    up = c->status == DV_RUNNING || c->status == DV_PAUSED;
    dv_lock_drop(&c->lock);
    return up;
}

/* True once the container is down; false when SECONDS (negative: never) have passed. */
static bool wait_down(struct dv_container *c, int64_t seconds)
{
    bool never = seconds < 0 || seconds > INT32_MAX; /* more nanoseconds than there are */
    uint64_t deadline = never ? 0 : dv_mono_ns() + (uint64_t)seconds * UINT64_C(1000000000);
    bool down;
    int r = 0;

    dv_lock_take(&c->lock);
    while ((c->status == DV_RUNNING || c->status == DV_PAUSED) && r == 0)
        r = dv_lock_wait(&c->lock, &c->changed, deadline);
    down = c->status != DV_RUNNING && c->status != DV_PAUSED;
    dv_lock_drop(&c->lock);
    return down;
}

static void thaw(struct dv_container *c)
{
    struct dv_error err = { 0 };

    if (dv_cgroup_freeze(c->cs->engine->cgroups, c->cs->cgroup_parent, c->id, false, &err) < 0)
        dv_log_warn(NULL, "container %s: thaw: %s", c->id, err.msg);
}

/* Before it is sent, since the end that follows is told by another thread. */
static void tell_signal(struct dv_container *c, int signal)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", signal);
    if (is_up(c))
        dv_container_emit(c, "kill", (const char *const[]){ "signal", text, NULL });
}

/* SIGKILL to the init, and to everything of its cgroup should that not end it. */
static int kill_hard(struct dv_container *c, struct dv_error *err)
{
    struct dv_error ignored = { 0 };

    thaw(c);
    (void)!send_signal(c, SIGKILL, &ignored);
    if (wait_down(c, KILL_WAIT_S))
        return 0;
    if (dv_cgroup_kill(c->cs->engine->cgroups, c->cs->cgroup_parent, c->id, err) < 0)
        return dv_wrap(err, "kill container %s", c->id);
    if (wait_down(c, KILL_WAIT_S))
        return 0;
    return dv_fail(err, DV_E_TIMEOUT, "container %s did not end within %d s of SIGKILL", c->id,
                   2 * KILL_WAIT_S);
}

/* The daemon may die before the exit: its next one must know who ended it. Under c->lock. */
static void mark_stopped(struct dv_container *c)
{
    struct dv_error err = { 0 };
    bool known = c->stopped_by_user;

    c->stopped_by_user = true;
    if (known || dv_empty(c->config->restart_name) || dv_streq(c->config->restart_name, "no"))
        return;
    if (dv_container_row_update(c, &err) < 0)
        dv_log_error(NULL, "container %s: record that it was stopped: %s", c->id, err.msg);
}

/* Docker's rule for kill: every signal ends the restarts, but where a stop signal is configured only
 * that one does, and SIGKILL. */
static bool ends_restarts(const struct dv_container *c, int signal)
{
    const char *own = c->config->stop_signal;

    return dv_empty(own) || signal == SIGKILL || dv_signal_parse(own) == signal;
}

/* True where there is no process to signal since it waits for its restart. */
static bool kill_restarts(struct dv_container *c, int signal)
{
    bool waiting;

    dv_lock_take(&c->lock);
    waiting = c->status == DV_RESTARTING;
    if (waiting || c->status == DV_RUNNING || c->status == DV_PAUSED) {
        mark_stopped(c);
        if (ends_restarts(c, signal))
            dv_restart_cancel(c);
    }
    dv_lock_drop(&c->lock);
    return waiting;
}

int dv_container_kill(struct dv_container *c, int signal, struct dv_error *err)
{
    bool frozen;
    int r;

    if (kill_restarts(c, signal))
        return 0;
    if (!is_up(c))
        return dv_fail(err, DV_E_CONFLICT, "container %s is not running", c->id);
    tell_signal(c, signal);
    r = send_signal(c, signal, err);
    /* It ended between the look and the signal: killed is what was asked for. */
    if (r < 0 && !is_up(c) && signal == SIGKILL)
        r = 0;
    if (r < 0)
        return dv_wrap(err, "cannot kill container %s", c->id);
    dv_lock_take(&c->lock);
    frozen = c->status == DV_PAUSED;
    dv_lock_drop(&c->lock);
    if (signal == SIGKILL && frozen) /* a frozen process dies when it is thawed */
        thaw(c);
    /* As with Docker, a container that was killed can be removed at once. */
    return signal != SIGKILL || wait_down(c, KILL_WAIT_S) ? 0 : kill_hard(c, err);
}

static int64_t own_timeout(const struct dv_container *c, int64_t wished)
{
    if (wished != INT64_MIN)
        return wished;
    return c->config->has_stop_timeout ? c->config->stop_timeout : DEFAULT_TIMEOUT_S;
}

static int own_signal(const struct dv_container *c, int wished)
{
    int signal = wished;

    if (signal == 0 && !dv_empty(c->config->stop_signal))
        signal = dv_signal_parse(c->config->stop_signal);
    return signal > 0 ? signal : SIGTERM;
}

/* WAITING: it waited for its restart, which is given up: there is nothing to signal. */
static int begin_stop(struct dv_container *c, bool *waiting, struct dv_error *err)
{
    int r = 0;

    dv_lock_take(&c->lock);
    while (c->busy && dv_streq(c->busy, "start") && !c->removed)
        (void)dv_lock_wait(&c->lock, &c->changed, 0);
    *waiting = c->status == DV_RESTARTING;
    if (!*waiting && c->status != DV_RUNNING && c->status != DV_PAUSED) {
        r = dv_fail(err, DV_E_NOT_MODIFIED, "container %s is already stopped", c->name);
    } else {
        mark_stopped(c);
        dv_restart_cancel(c);
    }
    dv_lock_drop(&c->lock);
    return r;
}

int dv_container_stop(struct dv_container *c, int signal, int64_t timeout_s, struct dv_error *err)
{
    struct dv_error ignored = { 0 };
    bool waiting = false;
    int r;

    r = begin_stop(c, &waiting, err);
    if (r == 0 && waiting)
        dv_container_emit(c, "stop", NULL);
    if (r < 0 || waiting)
        return r;

    signal = own_signal(c, signal);
    thaw(c);
    tell_signal(c, signal);
    (void)!send_signal(c, signal, &ignored);
    if (!wait_down(c, own_timeout(c, timeout_s))) {
        tell_signal(c, SIGKILL);
        r = kill_hard(c, err);
    }
    if (r == 0)
        dv_container_emit(c, "stop", NULL);
    return r;
}

static void set_restarting(struct dv_container *c, bool restarting)
{
    dv_lock_take(&c->lock);
    c->restarting = restarting;
    dv_lock_drop(&c->lock);
}

int dv_container_restart(struct dv_container *c, int signal, int64_t timeout_s,
                         struct dv_error *err)
{
    int r;

    set_restarting(c, true);
    r = dv_container_stop(c, signal, timeout_s, err);
    if (r == 0 || err->code == DV_E_NOT_MODIFIED) {
        dv_error_clear(err);
        r = dv_container_start(c, err);
    }
    set_restarting(c, false);
    if (r < 0)
        return r;
    dv_container_emit(c, "restart", NULL);
    return 0;
}

int dv_container_pause(struct dv_container *c, bool pause, struct dv_error *err)
{
    enum dv_status from = pause ? DV_RUNNING : DV_PAUSED, to = pause ? DV_PAUSED : DV_RUNNING;
    int r = dv_op_begin(c, pause ? "pause" : "unpause", err);

    if (r < 0)
        return r;
    dv_lock_take(&c->lock);
    if (c->status == DV_PAUSED && pause)
        r = dv_fail(err, DV_E_CONFLICT, "Container %s is already paused", c->id);
    else if (c->status == DV_RESTARTING && pause)
        r = dv_fail(err, DV_E_CONFLICT,
                    "Container %s is restarting, wait until the container is running", c->id);
    else if (c->status != from)
        r = dv_fail(err, DV_E_CONFLICT, "Container %s is not %s", c->id,
                    pause ? "running" : "paused");
    dv_lock_drop(&c->lock);
    if (r == 0)
        r = dv_cgroup_freeze(c->cs->engine->cgroups, c->cs->cgroup_parent, c->id, pause, err);
    if (r == 0) {
        dv_lock_take(&c->lock);
        if (c->status == from) {
            c->status = to;
            r = dv_container_row_update(c, err);
        }
        dv_lock_drop(&c->lock);
    }
    dv_op_end(c);
    if (r == 0)
        dv_container_emit(c, pause ? "pause" : "unpause", NULL);
    return r;
}

/* All are signalled first, so that their time-outs run side by side. */
void dv_containers_stop_all(struct dv_containers *cs)
{
    struct dv_container **list = NULL;
    size_t n = dv_container_list(cs, &list);
    uint64_t begun = dv_mono_ns();

    for (size_t i = 0; i < n; i++) {
        struct dv_error err = { 0 };

        /* Not by the user: the next daemon starts again what a policy covers. */
        dv_lock_take(&list[i]->lock);
        dv_restart_cancel(list[i]);
        dv_lock_drop(&list[i]->lock);
        if (!is_up(list[i]))
            continue;
        thaw(list[i]);
        (void)!send_signal(list[i], own_signal(list[i], 0), &err);
    }
    for (size_t i = 0; i < n; i++) {
        struct dv_error err = { 0 };
        int64_t gone_s = (int64_t)((dv_mono_ns() - begun) / 1000000000);
        int64_t left = own_timeout(list[i], INT64_MIN) - gone_s;

        if (!wait_down(list[i], left > 0 ? left : 0) && kill_hard(list[i], &err) < 0)
            dv_log_error(NULL, "container %s: stop: %s", list[i]->id, err.msg);
        dv_container_unref(list[i]);
    }
    free(list);
}
