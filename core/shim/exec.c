/* exec.c - EXEC: one more process in the running container. */
#include <stdio.h>

#include "core/base/sock.h"
#include "core/base/str.h"
#include "core/runtime/spec_msg.h"
#include "core/shim/client.h"
#include "core/shim/control.h"
#include "core/shim/ended.h"
#include "core/shim/life.h"
#include "core/shim/protocol.h"
#include "core/shim/session.h"

/* Sessions cost descriptors and memory of the shim; a client could ask for them without end. */
enum { MAX_EXECS = 1024 };

struct exec {
    struct dv_life *life;
    const struct dv_msg *ask;
    struct dv_spec_process process;
    struct dv_stdio io;
    struct dv_session *session;
    unsigned flags;
    int client_fd;
};

static int check(const struct exec *e, struct dv_error *err)
{
    const char *id = dv_msg_get_str(e->ask, DV_ST_EXEC_ID, "");
    size_t n = 0;

    if (dv_empty(id))
        return dv_fail(err, DV_E_INVALID, "EXEC lacks an id");
    if (dv_session_find(e->life, id))
        return dv_fail(err, DV_E_CONFLICT, "exec '%s' is running already", id);
    for (const struct dv_session *s = e->life->sessions; s; s = s->next)
        n++;
    if (n > MAX_EXECS)
        return dv_fail(err, DV_E_UNAVAILABLE, "%d processes run by exec already; end some first",
                       MAX_EXECS);
    return 0;
}

static int read_process(struct exec *e, struct dv_error *err)
{
    struct dv_field f;
    int r;

    if (!dv_msg_find(e->ask, DV_ST_PROCESS, &f))
        return dv_fail(err, DV_E_INVALID, "EXEC lacks a process");
    r = dv_process_decode(&f, &e->process, err);
    return r < 0 ? dv_wrap(err, "decode the process") : 0;
}

/* Streams that nobody is there to read are /dev/null, as in Docker. */
static int open_stdio(struct exec *e, struct dv_error *err)
{
    unsigned wanted = 0;

    if (e->process.terminal)
        return 0;
    if (e->client_fd >= 0)
        wanted = e->flags & (DV_ATTACH_STDIN | DV_ATTACH_STDOUT | DV_ATTACH_STDERR);
    if (dv_msg_get_u64(e->ask, DV_ST_OPEN_STDIN, 0))
        wanted |= DV_PIPE_STDIN;
    return dv_stdio_open(&e->io, wanted, err);
}
_Static_assert((int)DV_ATTACH_STDIN == (int)DV_PIPE_STDIN &&
               (int)DV_ATTACH_STDOUT == (int)DV_PIPE_STDOUT &&
               (int)DV_ATTACH_STDERR == (int)DV_PIPE_STDERR, "one set of bits");

static int run(struct exec *e, struct dv_error *err)
{
    struct dv_life *life = e->life;
    struct dv_runtime_fds fds = {
        .fds = life->ns_fds,
        .n_fds = life->n_ns_fds,
        .cgroup_procs = life->procs_fds,
        .n_cgroup_procs = life->n_procs_fds,
        .cgroup_dir = life->cgroup_dir,
        .stdio = { e->io.child[0], e->io.child[1], e->io.child[2] },
        .init_program = -1,
    };
    int pidfd = -1, pty = -1, r;
    pid_t pid = 0;

    r = dv_runtime_exec(&life->init, life->spec, &e->process, &fds, &pid, &pidfd, &pty, err);
    if (r < 0)
        return r;
    /* Watched first: whatever fails after this, the process is not forgotten. */
    r = dv_session_watch(e->session, pid, pidfd, err);
    if (r < 0) {
        dv_close(pty);
        return r;
    }
    return dv_session_streams(e->session, &e->io, pty, err);
}

/* The request was upgraded to a stream already, so the failure is told there. */
static void tell_client(struct exec *e, const struct dv_error *err)
{
    char text[1280];

    if (e->client_fd < 0)
        return;
    if (dv_starts(err->msg, "unable to find ")) /* with Docker the daemon looks for the user itself */
        snprintf(text, sizeof(text), "%s\r\n", err->msg);
    else
        snprintf(text, sizeof(text),
                 "OCI runtime exec failed: exec failed: unable to start container process: %s: "
                 "unknown\r\n", err->msg);
    dv_client_refuse(dv_take_fd(e->client_fd), e->flags, text);
}

static int start(struct exec *e, struct dv_error *err)
{
    int r = check(e, err);

    if (r == 0)
        r = read_process(e, err);
    if (r == 0)
        r = open_stdio(e, err);
    if (r == 0)
        r = dv_session_new(e->life, dv_msg_get_str(e->ask, DV_ST_EXEC_ID, ""), &e->session, err);
    if (r < 0)
        return r;
    e->session->stdin_once = true;
    r = dv_note_keep(e->session, e->ask, err);
    if (r < 0)
        return r;
    r = run(e, err);
    if (r == 0 && e->client_fd >= 0)
        r = dv_client_add(e->session, dv_take_fd(e->client_fd), e->ask, err);
    return r;
}

int dv_on_exec(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
               struct dv_error *err)
{
    struct exec e = {
        .life = life,
        .ask = &p->msg,
        .io = { { -1, -1, -1 }, { -1, -1, -1 } },
        .flags = (unsigned)dv_msg_get_u64(&p->msg, DV_ST_ATTACH_FLAGS, 0),
        .client_fd = dv_packet_take_fd(p, 0),
    };
    int r = start(&e, err);

    if (r == 0) {
        dv_msg_i64(&answer->w, DV_ST_PID, e.session->pid);
    } else {
        answer->exit_code = -r == DV_E_NOT_FOUND ? 127 : 126;
        tell_client(&e, err);
        if (e.session)
            dv_session_discard(e.session);
    }
    dv_close(e.client_fd);
    dv_stdio_done(&e.io);
    dv_spec_process_done(&e.process);
    return r;
}
