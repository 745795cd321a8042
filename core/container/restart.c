/* restart.c - restart policies at work: what follows an exit, and the waiting between two runs. */
#include "core/container/restart.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"

/* One restart that is awaited. A cancelled one is not looked for: when its time comes its turn is
 * over, and it ends there. */
struct dv_restart_wait {
    struct dv_restart_wait *next, **at; /* cs->restart_waits; loop thread */
    struct dv_container *c;             /* reference */
    uint64_t turn, delay_ns;
    struct dv_timer *timer;
};

/* A policy in the database was checked when it came; one that cannot be read restarts nothing. */
static enum dv_restart_policy policy_of(const struct dv_container *c)
{
    enum dv_restart_policy policy = DV_RESTART_NO;
    struct dv_error ignored = { 0 };

    if (dv_restart_parse(c->config->restart_name, c->config->restart_max, &policy, &ignored) < 0)
        return DV_RESTART_NO;
    return policy;
}

bool dv_restart_begin(struct dv_container *c, uint64_t *ret_turn)
{
    uint64_t ran_ns = c->finished_ns > c->started_ns ? c->finished_ns - c->started_ns : 0;

    if (c->no_restart || c->restarting || c->removed ||
        !dv_restart_wanted(policy_of(c), c->config->restart_max, c->exit_code, c->restart_count,
                           c->stopped_by_user))
        return false;
    c->status = DV_RESTARTING;
    c->restart_count++;
    c->restart_delay_ns = dv_restart_delay(c->restart_delay_ns, ran_ns);
    *ret_turn = ++c->restart_turn;
    return true;
}

/* As Docker: at the daemon's start "always" brings back even what the user had stopped. What failed
 * is brought back only where its restart was under way: a finished on-failure container stays. */
bool dv_restart_found(struct dv_container *c, uint64_t *ret_turn)
{
    enum dv_restart_policy policy = policy_of(c);
    bool wanted = c->status == DV_EXITED && c->started_ns && policy != DV_RESTART_ON_FAILURE &&
                  dv_restart_wanted(policy, 0, c->exit_code, 0, c->stopped_by_user);

    if (c->status != DV_RESTARTING && !wanted)
        return false;
    c->status = DV_RESTARTING;
    c->restart_delay_ns = 0; /* now; the back-off begins anew */
    *ret_turn = ++c->restart_turn;
    return true;
}

void dv_restart_cancel(struct dv_container *c)
{
    struct dv_error err = { 0 };

    c->no_restart = true;
    if (c->status != DV_RESTARTING)
        return;
    c->restart_turn++;
    c->status = DV_EXITED;
    if (dv_container_row_update(c, &err) < 0)
        dv_log_error(NULL, "container %s: record that it is not restarted: %s", c->id, err.msg);
    dv_waiters_fire(c, DV_WAIT_NEXT_EXIT);
    dv_pending_close(c);
    dv_followers_end(c);
    pthread_cond_broadcast(&c->changed);
}

static void wait_free(struct dv_restart_wait *w)
{
    if (w->at) {
        *w->at = w->next;
        if (w->next)
            w->next->at = w->at;
    }
    dv_container_unref(w->c);
    free(w);
}

/* The restart's own thread: a start may wait for a driver, and the loop must not. */
static void start_now(void *arg)
{
    struct dv_restart_wait *w = arg;
    struct dv_error err = { 0 };
    int r = 0;

    if (!atomic_load(&w->c->cs->leaving))
        r = dv_container_start_again(w->c, w->turn, &err);
    if (r < 0)
        dv_log_error(NULL, "container %s: restart: %s", w->c->id, err.msg);
    if (r == -DV_E_CONFLICT) /* another operation hangs; of a failed start the turn is over */
        dv_restart_schedule(w->c, w->turn);
    wait_free(w);
}

static void hand_over(struct dv_restart_wait *w)
{
    struct dv_containers *cs = w->c->cs;

    if (w->at) {
        *w->at = w->next;
        if (w->next)
            w->next->at = w->at;
        w->at = NULL;
    }
    dv_jobs_add(cs->restarts, start_now, w);
}

static void on_time(void *data)
{
    struct dv_restart_wait *w = data;

    w->timer = NULL;
    hand_over(w);
}

static void begin_wait(void *data)
{
    struct dv_restart_wait *w = data;
    struct dv_containers *cs = w->c->cs;
    struct dv_error err = { 0 };

    if (atomic_load(&cs->leaving)) {
        wait_free(w);
        return;
    }
    if (w->delay_ns == 0 || dv_timer_add(cs->engine->loop, dv_mono_ns() + w->delay_ns, on_time, w,
                                         &w->timer, &err) < 0) {
        if (err.code)
            dv_log_warn(NULL, "container %s: restarted at once: %s", w->c->id, err.msg);
        hand_over(w);
        return;
    }
    w->at = &cs->restart_waits;
    w->next = cs->restart_waits;
    if (w->next)
        w->next->at = &w->next;
    cs->restart_waits = w;
}

void dv_restart_schedule(struct dv_container *c, uint64_t turn)
{
    struct dv_restart_wait *w = calloc(1, sizeof(*w));

    if (!w)
        abort(); /* as for an exit: the next daemon resumes what this one forgot */
    w->c = dv_container_ref(c);
    w->turn = turn;
    dv_lock_take(&c->lock);
    w->delay_ns = c->restart_delay_ns;
    dv_lock_drop(&c->lock);
    dv_loop_post(c->cs->engine->loop, begin_wait, w);
}

int dv_restarts_open(struct dv_containers *cs, struct dv_error *err)
{
    return dv_jobs_new("davit-restart", 1, &cs->restarts, err);
}

void dv_restarts_close(struct dv_containers *cs)
{
    atomic_store(&cs->leaving, true);
    while (cs->restart_waits) {
        dv_timer_cancel(cs->restart_waits->timer);
        wait_free(cs->restart_waits);
    }
    dv_jobs_free(cs->restarts);
    cs->restarts = NULL;
}
