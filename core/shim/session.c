/* session.c - one process with its streams and clients: the init or an exec. */
#include "core/shim/session.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/str.h"
#include "core/base/time.h"
#include "core/shim/client.h"
#include "core/shim/control.h"
#include "core/shim/ended.h"
#include "core/shim/life.h"
#include "core/shim/procs.h"
#include "core/shim/protocol.h"

#ifndef P_PIDFD
#define P_PIDFD 3 /* musl 1.2 lacks the name */
#endif

#define MS_NS UINT64_C(1000000)
#ifndef DV_DRAIN_MS /* tests are less patient */
#define DV_DRAIN_MS 2000
#define DV_GRACE_MS 2000
#endif
/* The end of output: EOF, or this long after the last process is gone. */
#define DRAIN_NS (DV_DRAIN_MS * MS_NS)
/* For a clean order, clients get this long to take everything before the end is announced. */
#define GRACE_NS (DV_GRACE_MS * MS_NS)
/* A control group that is being killed is looked at this often, for this long at most. */
#define KILL_TICK_NS (20 * MS_NS)
#define KILL_NS (10000 * MS_NS)

/* ---- pipes ---- */

static int open_pipe(int *read_end, int *write_end, struct dv_error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "create a pipe");
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}

int dv_stdio_open(struct dv_stdio *io, unsigned wanted, struct dv_error *err)
{
    int r = 0;

    *io = (struct dv_stdio){ { -1, -1, -1 }, { -1, -1, -1 } };
    for (int i = 0; i < 3 && r == 0; i++) {
        if (wanted & (1u << i)) {
            r = i == 0 ? open_pipe(&io->child[i], &io->ours[i], err)
                       : open_pipe(&io->ours[i], &io->child[i], err);
            continue;
        }
        io->child[i] = open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
        if (io->child[i] < 0)
            r = dv_fail_errno(err, DV_E_INTERNAL, "open /dev/null");
    }
    if (r < 0)
        dv_stdio_done(io);
    return r;
}

void dv_stdio_done(struct dv_stdio *io)
{
    for (int i = 0; i < 3; i++) {
        dv_close(dv_take_fd(io->child[i]));
        dv_close(dv_take_fd(io->ours[i]));
    }
}

/* ---- objects ---- */

int dv_session_new(struct dv_life *life, const char *exec_id, struct dv_session **ret,
                   struct dv_error *err)
{
    struct dv_session *session = calloc(1, sizeof(*session));

    if (session)
        session->exec_id = dv_strdup(exec_id);
    if (!session || (exec_id && !session->exec_id)) {
        free(session);
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for a process's streams");
    }
    session->life = life;
    session->pidfd = session->pty_master = session->in.fd = -1;
    session->next = life->sessions;
    life->sessions = session;
    *ret = session;
    return 0;
}

static void unlink_session(struct dv_session *session)
{
    struct dv_session **at = &session->life->sessions;

    while (*at && *at != session)
        at = &(*at)->next;
    if (*at)
        *at = session->next;
}

void dv_session_free(struct dv_session *session)
{
    if (!session)
        return;
    unlink_session(session);
    while (session->clients) {
        struct dv_client *client = session->clients;

        session->clients = client->next;
        dv_client_free(client);
    }
    for (size_t i = 0; i < N(session->outputs); i++)
        dv_output_free(session->outputs[i]);
    dv_stdin_done(&session->in);
    dv_watch_remove(session->pid_watch);
    dv_timer_cancel(session->timer);
    dv_close(session->pidfd);
    dv_close(session->pty_master);
    free(session->exec_id);
    dv_buf_done(&session->note);
    free(session);
}

struct dv_session *dv_session_find(struct dv_life *life, const char *exec_id)
{
    if (dv_empty(exec_id))
        return life->main;
    for (struct dv_session *s = life->sessions; s; s = s->next)
        if (s->exec_id && dv_streq(s->exec_id, exec_id))
            return s;
    return NULL;
}

static int take_pty(struct dv_session *session, int pty, struct dv_error *err)
{
    int in, out, r;

    session->terminal = true;
    session->pty_master = pty;
    in = fcntl(pty, F_DUPFD_CLOEXEC, 0);
    out = fcntl(pty, F_DUPFD_CLOEXEC, 0);
    if (in < 0 || out < 0) {
        r = dv_fail_errno(err, DV_E_INTERNAL, "duplicate the terminal");
        dv_close(in);
        dv_close(out);
        return r;
    }
    r = dv_output_open(session, out, 1, !session->exec_id, &session->outputs[0], err);
    if (r < 0) {
        dv_close(in);
        return r;
    }
    return dv_stdin_open(session, in, true, err);
}

int dv_session_streams(struct dv_session *session, struct dv_stdio *io, int pty,
                       struct dv_error *err)
{
    int r = 0;

    if (pty >= 0)
        return take_pty(session, pty, err);
    for (int i = 0; i < 3; i++) /* so that the last writer's end is the process's */
        dv_close(dv_take_fd(io->child[i]));
    if (io->ours[0] >= 0)
        r = dv_stdin_open(session, dv_take_fd(io->ours[0]), false, err);
    for (int i = 1; i < 3 && r == 0; i++)
        if (io->ours[i] >= 0)
            r = dv_output_open(session, dv_take_fd(io->ours[i]), (uint8_t)i, !session->exec_id,
                               &session->outputs[i - 1], err);
    return r;
}

/* ---- the process's end ---- */

bool dv_reap(int pidfd, int *ret_exit_code, int *ret_signal, bool block)
{
    siginfo_t info = { 0 };
    int r;

    do
        r = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | (block ? 0 : WNOHANG));
    while (r < 0 && errno == EINTR);
    if (r == 0 && info.si_pid == 0)
        return false;
    *ret_signal = r == 0 && info.si_code != CLD_EXITED ? info.si_status : 0;
    *ret_exit_code = r < 0 ? 255 : *ret_signal ? 128 + *ret_signal : info.si_status;
    return true;
}

void dv_session_discard(struct dv_session *session)
{
    int code, sig;

    if (session->pidfd >= 0) {
        if (dv_pidfd_signal(session->pidfd, SIGKILL) < 0)
            errno = 0; /* dead already, and to be reaped */
        dv_reap(session->pidfd, &code, &sig, true);
    }
    dv_session_free(session);
}

static void timer_fired(void *data)
{
    struct dv_session *session = data;

    session->timer = NULL;
    session->late = true;
    dv_life_settle(session->life);
}

static void set_timer(struct dv_session *session, uint64_t in_ns)
{
    struct dv_error err = { 0 };

    session->late = false;
    dv_timer_cancel(dv_take(session->timer));
    if (dv_timer_add(session->life->loop, dv_mono_ns() + in_ns, timer_fired, session,
                     &session->timer, &err) < 0)
        session->late = true; /* rather early than never */
}

static bool kills_cgroup(const struct dv_session *session)
{
    return !session->exec_id && session->life->kill_cgroup;
}

static void process_ended(struct dv_session *session)
{
    session->finished_ns = dv_now_ns();
    session->exited_mono_ns = dv_mono_ns();
    dv_watch_remove(dv_take(session->pid_watch));
    dv_close(dv_take_fd(session->pidfd));
    dv_stdin_done(&session->in);
    session->phase = DV_SESSION_DRAINING;
    for (size_t i = 0; i < N(session->outputs); i++)
        dv_output_allow(session->outputs[i], false);
    if (session == session->life->main)
        session->life->phase = DV_LIFE_ENDING;
    set_timer(session, kills_cgroup(session) ? 0 : DRAIN_NS);
}

static void pid_event(void *data, uint32_t events)
{
    struct dv_session *session = data;

    (void)events;
    if (!dv_reap(session->pidfd, &session->exit_code, &session->signal, false))
        return;
    process_ended(session);
    dv_life_settle(session->life);
}

int dv_session_watch(struct dv_session *session, pid_t pid, int pidfd, struct dv_error *err)
{
    session->pid = pid;
    session->pidfd = pidfd;
    session->phase = DV_SESSION_RUNNING;
    session->started_ns = dv_now_ns();
    return dv_loop_add(session->life->loop, pidfd, EPOLLIN, pid_event, session,
                       &session->pid_watch, err);
}

/* ---- the phases after it ---- */

/* With the host's process ids nobody dies with the init: kill whoever is left. True while there is
 * somebody; the 2 s of the drain begin when there is nobody. */
static bool keeps_killing(struct dv_session *session)
{
    struct dv_error err = { 0 };
    size_t left = 0;

    if (dv_cgroup_signal(session->life, SIGKILL, &left, &err) < 0)
        dv_log_warn(NULL, "kill what the container left: %s", err.msg);
    if (left > 0 && dv_mono_ns() - session->exited_mono_ns < KILL_NS) {
        set_timer(session, KILL_TICK_NS);
        return true;
    }
    session->life->kill_cgroup = false; /* done */
    set_timer(session, DRAIN_NS);
    return false;
}

static bool outputs_ended(const struct dv_session *session)
{
    return dv_output_ended(session->outputs[0]) && dv_output_ended(session->outputs[1]);
}

/* Execs of a container that ended end with it; their processes are dead or dying. */
static bool waits_for_execs(const struct dv_session *session)
{
    if (session->exec_id || session->late)
        return false;
    for (const struct dv_session *s = session->life->sessions; s; s = s->next)
        if (s->exec_id && s->phase < DV_SESSION_LINGERING)
            return true;
    return false;
}

static bool drained(struct dv_session *session)
{
    if (kills_cgroup(session) && (!session->late || keeps_killing(session)))
        return false;
    if (session->late)
        dv_clients_drop_held(session->clients);
    if (session->late)
        for (size_t i = 0; i < N(session->outputs); i++)
            if (session->outputs[i] && !session->outputs[i]->last)
                dv_output_allow(session->outputs[i], true);
    return outputs_ended(session) && !waits_for_execs(session);
}

static bool clients_flushed(const struct dv_session *session)
{
    for (const struct dv_client *c = session->clients; c; c = c->next)
        if (!dv_client_flushed(c))
            return false;
    return true;
}

static void announce_exec(struct dv_session *session)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };

    dv_msg_begin(&w, DV_SHIM_EVENT_EXEC_EXIT, 0, DV_MAX_MSG_BYTES);
    dv_msg_str(&w, DV_ST_EXEC_ID, session->exec_id);
    dv_msg_i64(&w, DV_ST_EXIT_CODE, session->exit_code);
    if (dv_msg_end(&w, &err) == 0)
        dv_control_event(session->life, &w);
    dv_msg_done(&w);
}

static void announce(struct dv_session *session)
{
    dv_timer_cancel(dv_take(session->timer));
    if (session->exec_id) {
        dv_ended_add(session);
        announce_exec(session);
    } else {
        dv_life_announce(session->life);
    }
    for (size_t i = 0; i < N(session->outputs); i++)
        if (session->exec_id)
            dv_output_abandon(dv_take(session->outputs[i]));
        else
            dv_output_free(dv_take(session->outputs[i]));
    dv_close(dv_take_fd(session->pty_master));
    session->phase = DV_SESSION_LINGERING;
}

/* The clients' end comes after the announcement, so that who asks for the exit code when its stream
 * has ended finds it. */
static void linger(struct dv_session *session)
{
    for (struct dv_client *c = session->clients; c; c = c->next)
        if (dv_client_flushed(c))
            dv_client_close(c);
    dv_clients_reap(&session->clients);
    if (!session->clients)
        session->phase = DV_SESSION_OVER;
}

static void update_streams(struct dv_session *session)
{
    for (struct dv_client *c = session->clients; c; c = c->next)
        dv_client_update(c);
    dv_clients_reap(&session->clients);
    for (size_t i = 0; i < N(session->outputs); i++)
        dv_output_update(session->outputs[i]);
}

void dv_session_settle(struct dv_session *session)
{
    update_streams(session);
    if (session->phase == DV_SESSION_DRAINING && drained(session)) {
        session->phase = DV_SESSION_FLUSHING;
        set_timer(session, GRACE_NS);
    }
    if (session->phase == DV_SESSION_FLUSHING && (session->late || clients_flushed(session)))
        announce(session);
    if (session->phase == DV_SESSION_LINGERING)
        linger(session);
}

void dv_session_force_end(struct dv_session *session)
{
    if (session->phase >= DV_SESSION_LINGERING)
        return;
    if (session->phase == DV_SESSION_RUNNING &&
        !dv_reap(session->pidfd, &session->exit_code, &session->signal, false))
        session->exit_code = 128 + SIGKILL;
    session->phase = DV_SESSION_DRAINING; /* at once: nobody may wait for it */
    for (size_t i = 0; i < N(session->outputs); i++)
        dv_output_finish(session->outputs[i]);
    dv_watch_remove(dv_take(session->pid_watch));
    dv_stdin_done(&session->in);
    announce(session);
    linger(session); /* no event of its own may come any more */
}
