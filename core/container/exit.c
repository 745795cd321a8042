/* exit.c - what follows a container's end: state, events, release, removal. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/container/restart.h"
#include "core/container/test_hooks.h"
#include "core/container/volumes.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/image/lease.h"
#include "core/network/network.h"
#include "core/runtime/cgroup.h"
#include "core/state/db.h"

struct exit_job {
    struct dv_container *c;          /* reference */
    uint64_t generation;
    struct dv_exit exit;
    bool oom;                        /* one that was not told while it ran */
    bool shim_lost;
    bool releasing;                  /* the shim still lets go of mounts and namespaces */
    bool owns;                       /* the operation is ours */
    bool remove;                     /* --rm: it goes with its end */
    bool restart;                    /* its policy asks for another run, as TURN */
    uint64_t turn;
};
/* As long as dv_op_begin() waits. */
enum { OP_WAIT_S = 60 };

bool dv_exit_record_read(int state_fd, const char *boot_id, struct dv_exit *ret)
{
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };
    unsigned version;
    unsigned long long started, finished;
    long long code;
    char boot[64];

    if (dv_read_file(state_fd, "exit", 4096, &text, NULL, &err) < 0)
        return false;
    if (sscanf(text, "%u %lld %*u %llu %llu %63s", &version, &code, &started, &finished, boot) != 5)
        return false;
    if (version != 1 || !dv_streq(boot, boot_id))
        return false;
    *ret = (struct dv_exit){ .exit_code = code, .started_ns = started, .finished_ns = finished };
    return true;
}

/* Nobody can use the layer between the end of a --rm container and its removal. */
static void release_layer(const struct exit_job *job)
{
    struct dv_container *c = job->c;
    struct dv_engine *engine = c->cs->engine;

    dv_workspace_deactivate(engine->images, c->storage_driver, c->id);
    if (job->remove)
        dv_lease_change(engine->leases, c->id, DV_LEASE_RUN, DV_LEASE_REMOVE);
    else
        dv_lease_drop(engine->leases, c->id, DV_LEASE_RUN);
}

/* The shim is gone, the init may live on, without anybody to read its output: end it. */
static void settle_lost_shim(struct exit_job *job)
{
    struct dv_container *c = job->c;
    struct dv_containers *cs = c->cs;
    dv_autoclose int state_fd = openat(cs->dirs_fd, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dv_error err = { 0 };

    if (state_fd >= 0 && dv_exit_record_read(state_fd, cs->boot_id, &job->exit))
        return;
    if (dv_cgroup_kill(cs->engine->cgroups, cs->cgroup_parent, c->id, &err) < 0)
        dv_log_warn(NULL, "container %s: kill its processes: %s", c->id, err.msg);
    job->exit = (struct dv_exit){ .exit_code = 137, .finished_ns = dv_now_ns() };
    snprintf(job->exit.error, sizeof(job->exit.error),
             "its davit-shim died; the container was killed");
}

/* Is it the end of the run that is on record? Under c->lock. */
static bool is_current(const struct exit_job *job)
{
    const struct dv_container *c = job->c;

    return !c->removed && c->generation == job->generation &&
           (c->status == DV_RUNNING || c->status == DV_PAUSED);
}

/* Settling is an operation: a start right behind the exit must not have its endpoints and its layer
 * released by it. Whatever is under way (a pause, the tail of the start) ends soon; an exit cannot be
 * given up, so one that hangs is passed by. False: nothing to settle. */
static bool begin(struct exit_job *job)
{
    struct dv_container *c = job->c;
    uint64_t deadline = dv_mono_ns() + OP_WAIT_S * UINT64_C(1000000000);
    bool current;
    int r = 0;

    dv_lock_take(&c->lock);
    while (is_current(job) && c->busy && r == 0)
        r = dv_lock_wait(&c->lock, &c->changed, deadline);
    current = is_current(job);
    job->owns = current && !c->busy;
    if (job->owns)
        c->busy = "exit";
    else if (current)
        dv_log_error(NULL, "container %s: its %s hangs; settling its exit meanwhile", c->id, c->busy);
    dv_lock_drop(&c->lock);
    return current;
}

static void record_exit(struct exit_job *job)
{
    struct dv_container *c = job->c;
    int64_t kills = dv_cgroup_oom_kills(c->cs->engine->cgroups, c->cs->cgroup_parent, c->id);
    struct dv_error err = { 0 };
    struct dv_shim *shim;

    dv_lock_take(&c->lock);
    shim = dv_take(c->shim);
    c->status = DV_EXITED;
    c->pid = 0;
    c->exit_code = job->exit.exit_code;
    job->oom = dv_oom_count(c, kills);
    c->finished_ns = job->exit.finished_ns;
    if (job->exit.error[0]) {
        free(c->error);
        c->error = dv_strdup(job->exit.error);
    }
    job->restart = dv_restart_begin(c, &job->turn);
    job->remove = c->auto_remove && !c->restarting;
    dv_execs_ended(c);
    /* A row that is deleted next needs no end: a daemon that dies before finds the shim's record. */
    if (!job->remove && dv_tx_begin(c->cs->engine->db, DV_SYNC_NORMAL, &err) == 0) {
        if (dv_container_row_update(c, &err) < 0 || dv_tx_commit(c->cs->engine->db, &err) < 0)
            dv_tx_rollback(c->cs->engine->db);
    }
    dv_lock_drop(&c->lock);
    dv_shim_unref(shim);
    if (err.code)
        dv_log_error(NULL, "container %s: record its exit: %s", c->id, err.msg);
}

static void tell_exit(const struct exit_job *job)
{
    const struct dv_exit *exit = &job->exit;
    struct dv_container *c = job->c;
    char code[24], duration[24];
    uint64_t ns = exit->finished_ns > c->started_ns ? exit->finished_ns - c->started_ns : 0;

    snprintf(code, sizeof(code), "%lld", (long long)exit->exit_code);
    snprintf(duration, sizeof(duration), "%llu", (unsigned long long)(ns / 1000000000));
    if (job->oom)
        dv_container_emit(c, "oom", NULL);
    dv_container_emit(c, "die", (const char *const[]){ "execDuration", duration, "exitCode", code,
                                                       NULL });
}

static void wake(struct dv_container *c)
{
    dv_lock_take(&c->lock);
    dv_waiters_fire(c, DV_WAIT_NEXT_EXIT);
    dv_followers_end(c);
    pthread_cond_broadcast(&c->changed);
    dv_lock_drop(&c->lock);
}

static void job_free(struct exit_job *job)
{
    dv_container_unref(job->c);
    free(job);
}

/* The layer is free: whoever waits to start, remove or read it may. */
static void finish(void *arg)
{
    struct exit_job *job = arg;
    struct dv_container *c = job->c;

    release_layer(job);
    dv_container_clean_kernel(c);
    if (job->owns)
        dv_op_end(c);
    if (job->restart)
        dv_restart_schedule(c, job->turn);
    job_free(job);
}

/* Nobody can start it again, so nobody waits for its shim. */
static void remove_now(void *arg)
{
    struct exit_job *job = arg;
    struct dv_container *c = job->c;
    struct dv_error err = { 0 };

    release_layer(job);
    if (dv_container_erase(c, &err) < 0)
        dv_log_error(NULL, "container %s: remove after its exit: %s", c->id, err.msg);
    if (job->owns)
        dv_op_end(c);
    job_free(job);
}

/* The unmounting of a layer waits for the disk and for the kernel's grace periods: it does not hold up
 * who waits for the exit, but the operation lasts until it is through. */
static void end(struct exit_job *job)
{
    struct dv_container *c = job->c;

    if (job->remove) {
        dv_jobs_add(c->cs->releases, remove_now, job);
    } else if (job->owns && job->releasing) {
        dv_lock_take(&c->lock);
        c->ended = job;
        dv_lock_drop(&c->lock);
    } else {
        finish(job);
    }
    dv_test_point("exit-settled");
}

static void settle(void *arg)
{
    struct exit_job *job = arg;
    struct dv_container *c = job->c;

    dv_test_point("exit-told");
    if (!begin(job)) {
        job_free(job);
        return;
    }
    if (job->shim_lost)
        settle_lost_shim(job);
    record_exit(job);
    dv_test_point("exit-recorded");
    tell_exit(job);
    dv_container_leave_networks(c);
    dv_container_volumes_emit(c, "unmount");
    wake(c);
    end(job);
}

static void settle_released(void *arg)
{
    struct dv_container *c = arg;
    struct exit_job *job;

    dv_lock_take(&c->lock);
    job = dv_take(c->ended);
    dv_lock_drop(&c->lock);
    if (job)
        dv_jobs_add(c->cs->releases, finish, job);
    dv_container_unref(c);
}

enum origin { FROM_SHIM, FROM_RECORD, SHIM_LOST };

static void queue(struct dv_container *c, uint64_t generation, const struct dv_exit *exit,
                  enum origin origin)
{
    struct exit_job *job = calloc(1, sizeof(*job));

    if (!job)
        abort(); /* a lost exit would be a lie; the restarted daemon finds the record */
    job->c = dv_container_ref(c);
    job->generation = generation;
    job->exit = *exit;
    job->shim_lost = origin == SHIM_LOST;
    job->releasing = origin == FROM_SHIM;
    dv_jobs_add(c->cs->settle, settle, job);
}

void dv_container_exited(struct dv_container *c, uint64_t generation, const struct dv_exit *exit)
{
    queue(c, generation, exit, FROM_SHIM);
}

void dv_container_released(struct dv_container *c)
{
    dv_jobs_add(c->cs->settle, settle_released, dv_container_ref(c));
}

void dv_container_ended(struct dv_container *c, uint64_t generation, const struct dv_exit *exit)
{
    queue(c, generation, exit, FROM_RECORD);
}

void dv_container_shim_lost(struct dv_container *c, uint64_t generation)
{
    queue(c, generation, &(struct dv_exit){ 0 }, SHIM_LOST);
}
