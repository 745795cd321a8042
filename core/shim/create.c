/* create.c - PREPARE and CREATE: from a plan and its descriptors to an init that waits for "go". */
#include <errno.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/sock.h"
#include "core/runtime/spec_msg.h"
#include "core/shim/client.h"
#include "core/shim/control.h"
#include "core/shim/life.h"
#include "core/shim/logfile.h"
#include "core/shim/procs.h"
#include "core/shim/protocol.h"
#include "core/shim/session.h"

enum { WARNINGS_MAX_BYTES = 64 << 10 };

/* The descriptor that TAG names, or -1; the life keeps owning it. */
static int named_fd(const struct dv_life *life, const struct dv_msg *m, uint16_t tag)
{
    uint64_t i = dv_msg_get_u64(m, tag, UINT64_MAX);

    return i < life->n_fds - life->first_fd ? life->fds[life->first_fd + i] : -1;
}

static int needed_fd(const struct dv_life *life, const struct dv_msg *m, uint16_t tag,
                     const char *what, int *ret, struct dv_error *err)
{
    *ret = named_fd(life, m, tag);
    if (*ret < 0)
        return dv_fail(err, DV_E_INVALID, "the descriptor of %s did not come", what);
    return 0;
}

static int listed_fds(const struct dv_life *life, const struct dv_msg *m, uint16_t tag,
                      int fds[DV_MAX_MSG_FDS], size_t *ret_n, struct dv_error *err)
{
    struct dv_field f;
    size_t pos = 0, n = 0;
    uint64_t i = 0;

    while (dv_msg_next(m, &pos, &f)) {
        if (f.tag != tag)
            continue;
        if (dv_field_u64(&f, &i, err) < 0 || i >= life->n_fds - life->first_fd ||
            n == DV_MAX_MSG_FDS)
            return dv_fail(err, DV_E_INVALID, "a descriptor is named that did not come");
        fds[n++] = life->fds[life->first_fd + i];
    }
    *ret_n = n;
    return 0;
}

/* All descriptors become the life's, whatever they are for. */
static int take_fds(struct dv_life *life, struct dv_packet *p, struct dv_error *err)
{
    if (p->n_fds > N(life->fds) - life->n_fds)
        return dv_fail(err, DV_E_INVALID, "more than %zu descriptors came", N(life->fds));
    life->first_fd = life->n_fds;
    for (size_t i = 0; i < p->n_fds; i++)
        life->fds[life->n_fds++] = dv_packet_take_fd(p, i);
    return 0;
}

static int name_fds(struct dv_life *life, const struct dv_msg *m, struct dv_error *err)
{
    int r = needed_fd(life, m, DV_ST_FD_STATE_DIR, "the state directory", &life->state_dir, err);

    if (r == 0)
        r = listed_fds(life, m, DV_ST_FD_NS, life->ns_fds, &life->n_ns_fds, err);
    if (r == 0)
        r = listed_fds(life, m, DV_ST_FD_CGROUP_PROCS, life->procs_fds, &life->n_procs_fds, err);
    life->log_dir = named_fd(life, m, DV_ST_FD_LOG_DIR);
    life->netns_fd = named_fd(life, m, DV_ST_FD_NETNS);
    life->cgroup_dir = named_fd(life, m, DV_ST_FD_CGROUP_DIR);
    life->kill_cgroup = dv_msg_get_u64(m, DV_ST_KILL_CGROUP, 0) != 0;
    return r;
}

/* Out of davitd's control group, so that neither its limits nor its end concern the container. */
static void leave_daemon_cgroup(struct dv_life *life, const struct dv_msg *m,
                                struct dv_strv *warnings)
{
    int fds[DV_MAX_MSG_FDS];
    struct dv_error err = { 0 };
    size_t n = 0;

    if (listed_fds(life, m, DV_ST_FD_SHIM_PROCS, fds, &n, &err) < 0)
        n = 0;
    for (size_t i = 0; i < n; i++)
        if (write(fds[i], "0", 1) < 0 &&
            dv_strv_add(warnings, "davit-shim could not move to its own control group; stopping "
                                  "the service may stop the container") < 0)
            return;
}

static int read_plan(struct dv_life *life, const struct dv_msg *m, struct dv_error *err)
{
    dv_autofree char *data = NULL;
    struct dv_msg plan;
    struct dv_field spec;
    size_t n;
    int fd, r;

    r = needed_fd(life, m, DV_ST_FD_PLAN, "the plan", &fd, err);
    if (r < 0)
        return r;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "rewind the plan");
    r = dv_read_fd(fd, DV_MAX_PLAN_BYTES, &data, &n, err);
    if (r == 0)
        r = dv_msg_parse(data, n, &plan, err);
    if (r < 0)
        return dv_wrap(err, "read the plan");
    if (!dv_msg_find(&plan, DV_ST_SPEC, &spec))
        return dv_fail(err, DV_E_INVALID, "the plan holds no spec");
    r = dv_spec_decode(&spec, &life->spec, err);
    return r < 0 ? dv_wrap(err, "decode the plan") : 0;
}

static int open_log(struct dv_life *life, const struct dv_msg *m, struct dv_error *err)
{
    struct dv_logfile_options options = {
        .dir_fd = life->log_dir,
        .name = dv_msg_get_str(m, DV_ST_LOG_NAME, ""),
        .attrs = dv_msg_get_str(m, DV_ST_LOG_ATTRS, NULL),
        .max_bytes = dv_msg_get_u64(m, DV_ST_LOG_MAX_BYTES, 0),
        .max_files = dv_msg_get_u64(m, DV_ST_LOG_MAX_FILES, 1),
    };
    uint64_t kind = dv_msg_get_u64(m, DV_ST_LOG_KIND, 0);

    if (kind == 0)
        return 0;
    if (kind != 1)
        return dv_fail(err, DV_E_UNSUPPORTED, "davit-shim writes no log of kind %llu",
                       (unsigned long long)kind);
    if (life->log_dir < 0)
        return dv_fail(err, DV_E_INVALID, "the descriptor of the log directory did not come");
    return dv_logfile_open(&options, &life->log, err);
}

static int create_init(struct dv_life *life, const struct dv_msg *m, struct dv_strv *warnings,
                       struct dv_error *err)
{
    struct dv_stdio io = { { -1, -1, -1 }, { -1, -1, -1 } };
    bool open_stdin = dv_msg_get_u64(m, DV_ST_OPEN_STDIN, 0) != 0;
    unsigned wanted = DV_PIPE_STDOUT | DV_PIPE_STDERR | (open_stdin ? DV_PIPE_STDIN : 0);
    struct dv_runtime_fds fds;
    int r = dv_session_new(life, NULL, &life->main, err);

    if (r < 0)
        return r;
    life->main->stdin_once = dv_msg_get_u64(m, DV_ST_STDIN_ONCE, 0) != 0;
    if (!life->spec->process.terminal)
        r = dv_stdio_open(&io, wanted, err);
    if (r < 0)
        return r;
    fds = (struct dv_runtime_fds){
        .fds = life->ns_fds,
        .n_fds = life->n_ns_fds,
        .cgroup_procs = life->procs_fds,
        .n_cgroup_procs = life->n_procs_fds,
        .cgroup_dir = life->cgroup_dir,
        .stdio = { io.child[0], io.child[1], io.child[2] },
        .init_program = named_fd(life, m, DV_ST_FD_INIT_PROGRAM),
    };
    r = dv_runtime_create(life->spec, &fds, warnings, &life->init, err);
    if (r == 0)
        r = dv_session_streams(life->main, &io, dv_take_fd(life->init.pty_master), err);
    dv_stdio_done(&io);
    return r;
}

/* Clients that came before the start miss nothing of the output. */
static int add_clients(struct dv_life *life, const struct dv_msg *m, struct dv_error *err)
{
    struct dv_field f;
    size_t pos = 0;
    int r = 0;

    while (r == 0 && dv_msg_next(m, &pos, &f)) {
        struct dv_msg group;
        uint64_t i;

        if (f.tag != DV_ST_CLIENT)
            continue;
        r = dv_field_group(&f, &group, err);
        i = r == 0 ? dv_msg_get_u64(&group, DV_ST_FD_CLIENT, UINT64_MAX) : 0;
        if (r == 0 && (i >= life->n_fds - life->first_fd || life->fds[life->first_fd + i] < 0))
            r = dv_fail(err, DV_E_INVALID, "a client's descriptor did not come");
        if (r == 0)
            r = dv_client_add(life->main, dv_take_fd(life->fds[life->first_fd + i]), &group, err);
    }
    return r;
}

static void put_warnings(const struct dv_strv *warnings, struct dv_answer *answer)
{
    size_t bytes = 0;

    for (size_t i = 0; i < warnings->n; i++) {
        bytes += strlen(warnings->items[i]) + 16;
        if (bytes > WARNINGS_MAX_BYTES)
            break;
        dv_msg_str(&answer->w, DV_ST_WARNING, warnings->items[i]);
    }
}

static void put_created(struct dv_life *life, const struct dv_strv *warnings,
                        struct dv_answer *answer)
{
    dv_msg_i64(&answer->w, DV_ST_PID, life->init.pid);
    dv_msg_u64(&answer->w, DV_ST_START_TIME, life->start_time);
    put_warnings(warnings, answer);
    if (life->netns_fd < 0)
        life->netns_fd = life->init.netns_fd; /* the init's own; released with it */
    answer->fd = life->init.netns_fd;
}

/* Nothing uses these any more; the init program would keep a file system busy. */
static void drop_used_fds(struct dv_life *life, const struct dv_msg *m)
{
    static const uint16_t used[] = { DV_ST_FD_PLAN, DV_ST_FD_INIT_PROGRAM };

    for (size_t i = 0; i < N(used); i++) {
        uint64_t at = dv_msg_get_u64(m, used[i], UINT64_MAX);

        if (at < life->n_fds - life->first_fd)
            dv_close(dv_take_fd(life->fds[life->first_fd + at]));
    }
}

int dv_on_prepare(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                  struct dv_error *err)
{
    dv_autostrv warnings = { 0 };
    int r = take_fds(life, p, err);

    if (r == 0 && life->run_dir >= 0)
        r = dv_fail(err, DV_E_CONFLICT, "PREPARE came twice");
    if (r == 0)
        r = needed_fd(life, &p->msg, DV_ST_FD_RUN_DIR, "the run directory", &life->run_dir, err);
    if (r == 0) /* the socket, before anything else */
        r = dv_control_listen(life, err);
    if (r < 0)
        return r;
    leave_daemon_cgroup(life, &p->msg, &warnings);
    put_warnings(&warnings, answer);
    return 0;
}

int dv_on_create(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                 struct dv_error *err)
{
    dv_autostrv warnings = { 0 };
    int r;

    r = take_fds(life, p, err);
    if (r == 0 && life->run_dir < 0)
        r = dv_fail(err, DV_E_CONFLICT, "CREATE came before PREPARE");
    if (r == 0)
        r = name_fds(life, &p->msg, err);
    if (r < 0)
        return r;
    r = read_plan(life, &p->msg, err);
    if (r == 0)
        r = open_log(life, &p->msg, err);
    if (r == 0)
        r = create_init(life, &p->msg, &warnings, err);
    if (r == 0)
        r = add_clients(life, &p->msg, err);
    if (r < 0) {
        answer->exit_code = 125;
        return r;
    }
    life->start_time = dv_proc_start_time(life->init.pid);
    drop_used_fds(life, &p->msg);
    put_created(life, &warnings, answer);
    life->phase = DV_LIFE_CREATED;
    return 0;
}
