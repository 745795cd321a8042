/* requests.c - START, SIGNAL, RESIZE, ATTACH, STATE and CLOSE_STDIN. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "core/base/sock.h"
#include "core/base/str.h"
#include "core/shim/client.h"
#include "core/shim/control.h"
#include "core/shim/ended.h"
#include "core/shim/life.h"
#include "core/shim/procs.h"
#include "core/shim/protocol.h"
#include "core/shim/session.h"

enum { SIGNAL_MAX = 64, WINDOW_MAX = 65535 };

static int exit_code_of(int code)
{
    switch (code) {
    case DV_E_NOT_FOUND:
        return 127;
    case DV_E_FORBIDDEN:
        return 126;
    default:
        return 125;
    }
}

/* The session that EXEC_ID names, whose process must be alive if ALIVE. */
static int find_session(struct dv_life *life, const struct dv_msg *m, bool alive,
                        struct dv_session **ret, struct dv_error *err)
{
    const char *id = dv_msg_get_str(m, DV_ST_EXEC_ID, "");
    struct dv_session *session = dv_session_find(life, id);

    if (!session)
        return dv_fail(err, DV_E_NOT_FOUND, "no exec '%s' is running", id);
    if (alive && session->phase != DV_SESSION_RUNNING)
        return dv_fail(err, DV_E_CONFLICT, "the process has ended");
    *ret = session;
    return 0;
}

int dv_on_start(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                struct dv_error *err)
{
    int pidfd, r = dv_runtime_start(&life->init, err);

    (void)p;
    if (r == 0) {
        pidfd = fcntl(life->init.pidfd, F_DUPFD_CLOEXEC, 0); /* the session's own */
        r = pidfd < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "duplicate the init's pidfd")
                      : dv_session_watch(life->main, life->init.pid, pidfd, err);
    }
    if (r < 0) {
        answer->exit_code = exit_code_of(-r);
        return r;
    }
    /* The largest part of a spec; execs bring their own. */
    free(dv_take(life->spec->process.seccomp));
    life->spec->process.seccomp_bytes = 0;
    life->phase = DV_LIFE_RUNNING;
    dv_msg_u64(&answer->w, DV_ST_STARTED_NS, life->main->started_ns);
    return 0;
}

int dv_on_signal(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                 struct dv_error *err)
{
    uint64_t number = dv_msg_get_u64(&p->msg, DV_ST_SIGNAL, 0);
    struct dv_session *session = NULL;
    size_t n;
    int r;

    (void)answer;
    if (number == 0 || number > SIGNAL_MAX)
        return dv_fail(err, DV_E_INVALID, "%llu is no signal", (unsigned long long)number);
    if (dv_msg_get_u64(&p->msg, DV_ST_ALL, 0))
        return dv_cgroup_signal(life, (int)number, &n, err);
    r = find_session(life, &p->msg, true, &session, err);
    if (r < 0)
        return r;
    if (dv_pidfd_signal(session->pidfd, (int)number) < 0)
        return dv_fail_errno(err, errno == ESRCH ? DV_E_CONFLICT : DV_E_INTERNAL,
                             "send signal %d", (int)number);
    return 0;
}

int dv_on_resize(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                 struct dv_error *err)
{
    uint64_t rows = dv_msg_get_u64(&p->msg, DV_ST_ROWS, 0);
    uint64_t cols = dv_msg_get_u64(&p->msg, DV_ST_COLS, 0);
    struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };
    struct dv_session *session = NULL;
    int r = find_session(life, &p->msg, true, &session, err);

    (void)answer;
    if (r < 0)
        return r;
    if (rows > WINDOW_MAX || cols > WINDOW_MAX)
        return dv_fail(err, DV_E_INVALID, "a terminal has at most %d rows and columns", WINDOW_MAX);
    if (session->pty_master < 0)
        return 0; /* clients send a size without asking whether there is a terminal; Docker's too */
    if (ioctl(session->pty_master, TIOCSWINSZ, &size) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "resize the terminal");
    return 0;
}

/* What a held client, now the newest, needs besides the log: the lines that are not ended. */
static void put_rest(const struct dv_session *session, struct dv_msg_writer *w)
{
    static const uint16_t tags[] = { DV_ST_REST_OUT, DV_ST_REST_ERR };

    dv_msg_u64(w, DV_ST_TOKEN, session->clients->token);
    for (size_t i = 0; i < N(tags); i++) {
        const struct dv_output *output = session->outputs[i];

        if (output && output->lines.rest.len > 0)
            dv_msg_bytes(w, tags[i], output->lines.rest.data, output->lines.rest.len);
    }
}

int dv_on_attach(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                 struct dv_error *err)
{
    struct dv_session *session = NULL;
    int fd, r = find_session(life, &p->msg, false, &session, err);

    if (r < 0)
        return r;
    if (session->phase > DV_SESSION_DRAINING)
        return dv_fail(err, DV_E_CONFLICT, "the process has ended");
    fd = dv_packet_take_fd(p, 0);
    if (fd < 0)
        return dv_fail(err, DV_E_INVALID, "ATTACH lacks the client's descriptor");
    r = dv_client_add(session, fd, &p->msg, err);
    if (r == 0 && session->clients->token)
        put_rest(session, &answer->w);
    return r;
}

int dv_on_release(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                  struct dv_error *err)
{
    uint64_t token = dv_msg_get_u64(&p->msg, DV_ST_TOKEN, 0);

    (void)answer;
    if (!token || !life->main || !dv_clients_release(life->main->clients, token))
        return dv_fail(err, DV_E_NOT_FOUND, "no client is held as %llu any more",
                       (unsigned long long)token);
    return 0;
}

static uint64_t state_number(const struct dv_life *life)
{
    switch (life->phase) {
    case DV_LIFE_NEW:
        return 0;
    case DV_LIFE_CREATED:
        return 1;
    case DV_LIFE_RUNNING:
        return 2;
    default:
        return 3;
    }
}

int dv_on_state(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                struct dv_error *err)
{
    struct dv_msg_writer *w = &answer->w;

    (void)p;
    (void)err;
    dv_msg_u64(w, DV_ST_PROTOCOL, DV_SHIM_PROTOCOL);
    dv_msg_u64(w, DV_ST_STATE, state_number(life));
    if (!life->main)
        return 0;
    dv_msg_i64(w, DV_ST_PID, life->init.pid);
    dv_msg_u64(w, DV_ST_STARTED_NS, life->main->started_ns);
    dv_msg_u64(w, DV_ST_START_TIME, life->start_time);
    dv_execs_list(life, w);
    return 0;
}

int dv_on_close_stdin(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                      struct dv_error *err)
{
    struct dv_session *session = NULL;
    int r = find_session(life, &p->msg, true, &session, err);

    (void)answer;
    if (r == 0)
        dv_stdin_end(&session->in);
    return r;
}
