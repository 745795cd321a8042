/* life.c - one container's life: the state of a davit-shim, and its beginning and end. */
#include "core/shim/life.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/shim/control.h"
#include "core/shim/ended.h"
#include "core/shim/exit_record.h"
#include "core/shim/logfile.h"
#include "core/shim/procs.h"
#include "core/shim/protocol.h"
#include "core/shim/session.h"

/* Buffers go back to the kernel when output rested for this long. */
#define SCRATCH_IDLE_NS UINT64_C(1000000000)

void dv_life_init(struct dv_life *life, struct dv_loop *loop)
{
    *life = (struct dv_life){
        .loop = loop,
        .phase = DV_LIFE_NEW,
        .listen_fd = -1,
        .init = { .pid = 0, .pidfd = -1, .sync_fd = -1, .netns_fd = -1, .root_fd = -1,
                  .pty_master = -1 },
        .run_dir = -1,
        .state_dir = -1,
        .log_dir = -1,
        .netns_fd = -1,
        .cgroup_dir = -1,
    };
}

/* What keeps the container's namespaces, mounts and control groups alive. The directories stay: the
 * record and the socket's removal need them. */
static void release_container(struct dv_life *life)
{
    while (life->strays) {
        struct dv_output *stray = life->strays;

        life->strays = stray->next;
        dv_output_free(stray);
    }
    dv_init_done(&life->init);
    life->init = (struct dv_init){ .pid = 0, .pidfd = -1, .sync_fd = -1, .netns_fd = -1,
                                   .root_fd = -1, .pty_master = -1 };
    dv_logfile_free(dv_take(life->log));
    dv_spec_free(dv_take(life->spec));
    for (size_t i = 0; i < life->n_fds; i++)
        if (life->fds[i] != life->run_dir && life->fds[i] != life->state_dir)
            dv_close(dv_take_fd(life->fds[i]));
    life->n_ns_fds = life->n_procs_fds = 0;
    life->netns_fd = life->cgroup_dir = life->log_dir = -1;
}

static void free_scratch(struct dv_life *life)
{
    if (life->scratch)
        munmap(dv_take(life->scratch), DV_SCRATCH_BYTES);
}

void dv_life_done(struct dv_life *life)
{
    while (life->sessions)
        dv_session_free(life->sessions);
    release_container(life);
    dv_ended_free(life);
    dv_control_close(life);
    dv_control_reap(life);
    dv_timer_cancel(dv_take(life->scratch_timer));
    free_scratch(life);
    for (size_t i = 0; i < life->n_fds; i++)
        dv_close(dv_take_fd(life->fds[i]));
    life->n_fds = 0;
}

/* Last of all, since the end of a mount or of a network namespace waits for the kernel, and nobody
 * should: the closed connections are how davitd learns that the layer is free. */
static void release(struct dv_life *life)
{
    if (life->phase != DV_LIFE_OVER || life->released)
        return;
    life->released = true;
    release_container(life);
    dv_control_close(life);
}

void dv_life_settle(struct dv_life *life)
{
    struct dv_session *next;

    if (life->phase < DV_LIFE_RUNNING && !life->creator)
        dv_life_abort(life); /* nobody was told of a start */
    for (struct dv_session *s = life->sessions; s; s = s->next)
        dv_session_settle(s);
    for (struct dv_session *s = life->sessions; s; s = next) {
        next = s->next;
        if (s->phase != DV_SESSION_OVER)
            continue;
        if (s == life->main)
            life->main = NULL;
        dv_session_free(s);
    }
    release(life);
    dv_control_reap(life);
    if (life->phase == DV_LIFE_OVER && !life->sessions)
        dv_loop_stop(life->loop);
}

void dv_life_abort(struct dv_life *life)
{
    int code, sig;

    if (life->phase == DV_LIFE_OVER)
        return;
    if (life->init.pidfd >= 0) {
        if (dv_pidfd_signal(life->init.pidfd, SIGKILL) < 0)
            errno = 0; /* dead already, and to be reaped */
        dv_reap(life->init.pidfd, &code, &sig, true);
    }
    dv_control_unlisten(life);
    life->phase = DV_LIFE_OVER;
    life->exit_status = 1;
    dv_loop_stop(life->loop);
}

static void send_exit_event(struct dv_life *life, const struct dv_exit_record *record)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };

    dv_msg_begin(&w, DV_SHIM_EVENT_EXIT, 0, DV_MAX_MSG_BYTES);
    dv_msg_i64(&w, DV_ST_EXIT_CODE, record->exit_code);
    dv_msg_u64(&w, DV_ST_SIGNAL, (uint64_t)life->main->signal);
    dv_msg_u64(&w, DV_ST_STARTED_NS, record->started_ns);
    dv_msg_u64(&w, DV_ST_FINISHED_NS, record->finished_ns);
    if (dv_msg_end(&w, &err) == 0)
        dv_control_event(life, &w);
    dv_msg_done(&w);
}

void dv_life_announce(struct dv_life *life)
{
    struct dv_exit_record record = {
        .exit_code = life->main->exit_code,
        .started_ns = life->main->started_ns,
        .finished_ns = life->main->finished_ns,
    };
    struct dv_error err = { 0 };

    for (struct dv_session *s = life->sessions; s; s = s->next)
        if (s->exec_id)
            dv_session_force_end(s);
    if (dv_exit_record_write(life->state_dir, &record, &err) < 0)
        dv_log_error(NULL, "%s; who is connected is told nevertheless", err.msg);
    /* Before the event: a restart that follows it binds this name anew. */
    dv_control_unlisten(life);
    life->phase = DV_LIFE_OVER;
    send_exit_event(life, &record);
}

static void scratch_timeout(void *data)
{
    struct dv_life *life = data;
    struct dv_error err = { 0 };

    life->scratch_timer = NULL;
    if (life->scratch_used &&
        dv_timer_add(life->loop, dv_mono_ns() + SCRATCH_IDLE_NS, scratch_timeout, life,
                     &life->scratch_timer, &err) == 0) {
        life->scratch_used = false;
        return;
    }
    free_scratch(life);
    if (life->log)
        dv_logfile_trim(life->log);
}

char *dv_life_scratch(struct dv_life *life)
{
    struct dv_error err = { 0 };
    void *memory;

    life->scratch_used = true;
    if (life->scratch)
        return life->scratch;
    memory = mmap(NULL, DV_SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                  0);
    if (memory == MAP_FAILED)
        return NULL;
    life->scratch = memory;
    if (!life->scratch_timer &&
        dv_timer_add(life->loop, dv_mono_ns() + SCRATCH_IDLE_NS, scratch_timeout, life,
                     &life->scratch_timer, &err) < 0)
        errno = 0; /* it is kept then */
    return life->scratch;
}
