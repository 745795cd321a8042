/* parent.c - the caller's side of making a process: detours, clone, control groups, the talk. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

static const struct {
    const char *file;
    int flag;
} namespaces[DV_NS_MAX_] = {
    [DV_NS_USER] = { "user", CLONE_NEWUSER },   [DV_NS_PID] = { "pid", CLONE_NEWPID },
    [DV_NS_NET] = { "net", CLONE_NEWNET },      [DV_NS_IPC] = { "ipc", CLONE_NEWIPC },
    [DV_NS_UTS] = { "uts", CLONE_NEWUTS },      [DV_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP },
    [DV_NS_MNT] = { "mnt", CLONE_NEWNS },
};

int dv_ns_flag(enum dv_ns ns)
{
    return namespaces[ns].flag;
}

/* ---- detours ---- */

int dv_detour_enter(struct dv_detour *d, enum dv_ns ns, int fd, struct dv_error *err)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[ns].file);
    d->back[ns] = open(path, O_RDONLY | O_CLOEXEC);
    if (d->back[ns] < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s", path);
    if (dv_sys_setns(fd, namespaces[ns].flag) < 0) {
        dv_close(dv_take_fd(d->back[ns]));
        return dv_fail_errno(err, DV_E_INTERNAL, "join the %s namespace", namespaces[ns].file);
    }
    return 0;
}

int dv_detour_leave(struct dv_detour *d, struct dv_error *err)
{
    int r = 0;

    for (int ns = 0; ns < DV_NS_MAX_; ns++) {
        if (d->back[ns] < 0)
            continue;
        if (dv_sys_setns(d->back[ns], namespaces[ns].flag) < 0)
            r = dv_fail_errno(err, DV_E_INTERNAL, "go back to the own %s namespace",
                              namespaces[ns].file);
        dv_close(dv_take_fd(d->back[ns]));
    }
    return r;
}

/* ---- clone ---- */

int dv_spawned_clone(struct dv_spawned *s, uint64_t flags, int cgroup_dir, struct dv_error *err)
{
    struct dv_clone_args args = { .flags = flags | CLONE_PIDFD, .exit_signal = SIGCHLD };
    int pair[2];

    *s = (struct dv_spawned){ .pidfd = -1, .sync_fd = -1, .child_sync_fd = -1 };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make a pair of sockets");
    s->sync_fd = pair[0];
    s->child_sync_fd = pair[1];
    args.pidfd = (uintptr_t)&s->pidfd;
    s->placed = cgroup_dir >= 0;
    if (s->placed) {
        args.flags |= DV_CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_dir;
    }
    s->pid = dv_sys_clone3(&args);
    if (s->pid < 0 &&
        s->placed) { /* a group of v1, or one that takes no process: by writing then */
        s->placed = false;
        args.flags &= ~DV_CLONE_INTO_CGROUP;
        args.cgroup = 0;
        s->pid = dv_sys_clone3(&args);
    }
    if (s->pid < 0) {
        dv_fail_errno(err, DV_E_INTERNAL, "make a process with its namespaces%s",
                      errno == ENOSPC ? " (limit of user.max_*_namespaces)" : "");
        dv_close(dv_take_fd(s->sync_fd));
        dv_close(dv_take_fd(s->child_sync_fd));
        return -err->code;
    }
    if (s->pid == 0) {
        close(dv_take_fd(s->sync_fd));
        return 0;
    }
    dv_close(dv_take_fd(s->child_sync_fd));
    return 1;
}

/* ---- control groups and limits ---- */

static int attach_cgroups(const struct dv_spawned *s, const struct dv_runtime_fds *fds,
                          struct dv_error *err)
{
    char pid[16];
    int n = snprintf(pid, sizeof(pid), "%d", (int)s->pid);

    if (s->placed && fds->n_cgroup_procs <= 1) /* else a hybrid: that one was of several */
        return 0;
    for (size_t i = 0; i < fds->n_cgroup_procs; i++) {
        ssize_t done;

        do
            done = write(fds->cgroup_procs[i], pid, (size_t)n);
        while (done < 0 && errno == EINTR);
        if (done < 0)
            return dv_fail_errno(err, DV_E_INTERNAL,
                                 "put the process into control group %zu of %zu", i + 1,
                                 fds->n_cgroup_procs);
    }
    return 0;
}

static const struct {
    int resource;
    const char *name;
} limits[] = {
    { RLIMIT_AS, "as" },           { RLIMIT_CORE, "core" },     { RLIMIT_CPU, "cpu" },
    { RLIMIT_DATA, "data" },       { RLIMIT_FSIZE, "fsize" },   { RLIMIT_LOCKS, "locks" },
    { RLIMIT_MEMLOCK, "memlock" }, { RLIMIT_MSGQUEUE, "msgqueue" }, { RLIMIT_NICE, "nice" },
    { RLIMIT_NOFILE, "nofile" },   { RLIMIT_NPROC, "nproc" },   { RLIMIT_RSS, "rss" },
    { RLIMIT_RTPRIO, "rtprio" },   { RLIMIT_RTTIME, "rttime" }, { RLIMIT_SIGPENDING, "sigpending" },
    { RLIMIT_STACK, "stack" },
};

static const char *limit_name(int resource)
{
    for (size_t i = 0; i < N(limits); i++)
        if (limits[i].resource == resource)
            return limits[i].name;
    return "?";
}

static int warn(struct dv_strv *warnings, char *text, struct dv_error *err)
{
    if (!warnings) {
        free(text);
        return 0;
    }
    return dv_strv_add_take(warnings, text) < 0
               ? dv_fail(err, DV_E_NO_MEMORY, "no memory for a warning")
               : 0;
}

/* Raising needs a right that only we may have; lowering is left to the process itself. */
static int raise_limits(pid_t pid, const struct dv_spec_process *p, struct dv_strv *warnings,
                        struct dv_error *err)
{
    for (size_t i = 0; i < p->n_rlimits; i++) {
        const struct dv_spec_rlimit *want = &p->rlimits[i];
        struct {
            uint64_t soft, hard;
        } limit;
        int r;

        if (syscall(SYS_prlimit64, pid, want->resource, NULL, &limit) < 0)
            return dv_fail_errno(err, DV_E_INVALID, "ulimit %d", want->resource);
        if (want->hard <= limit.hard)
            continue;
        limit.hard = want->hard;
        if (syscall(SYS_prlimit64, pid, want->resource, &limit, NULL) == 0)
            continue;
        if (errno != EPERM)
            return dv_fail_errno(err, DV_E_INVALID, "ulimit %s", limit_name(want->resource));
        syscall(SYS_prlimit64, pid, want->resource, NULL, &limit);
        r = warn(warnings,
                 dv_format("ulimit %s: %llu is more than this host allows; the container gets %llu "
                           "(raising it needs CAP_SYS_RESOURCE)", limit_name(want->resource),
                           (unsigned long long)want->hard, (unsigned long long)limit.hard),
                 err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_oom_score(pid_t pid, int score, struct dv_strv *warnings, struct dv_error *err)
{
    char path[48], text[16];

    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
    snprintf(text, sizeof(text), "%d", score);
    if (dv_write_file_at(AT_FDCWD, path, text) == 0)
        return 0;
    if (errno == EACCES || errno == EPERM)
        return warn(warnings,
                    dv_format("oom_score_adj %d could not be set: lowering it needs "
                              "CAP_SYS_RESOURCE; the container keeps the engine's", score),
                    err);
    return dv_fail_errno(err, DV_E_INVALID, "set oom_score_adj to %d", score);
}

int dv_spawned_place(struct dv_spawned *s, const struct dv_runtime_fds *fds,
                     const struct dv_spec_process *p, struct dv_strv *warnings,
                     struct dv_error *err)
{
    int r = attach_cgroups(s, fds, err);

    if (r == 0)
        r = raise_limits(s->pid, p, warnings, err);
    if (r == 0)
        r = set_oom_score(s->pid, p->oom_score_adj, warnings, err);
    /* If it died, what it said last is still to be read. */
    if (r == 0 && dv_sync_send(s->sync_fd, DV_SYNC_PLACED, -1) < 0 && errno != EPIPE &&
        errno != ECONNRESET)
        r = dv_fail_errno(err, DV_E_INTERNAL, "talk to the new process");
    return r;
}

/* ---- the talk ---- */

static int child_error(const struct dv_sync *m, struct dv_error *err)
{
    dv_fail(err, m->code > 0 ? m->code : DV_E_INTERNAL, "%s", m->text);
    err->sys_errno = m->sys_errno;
    return -err->code;
}

static int died(struct dv_error *err)
{
    return dv_fail(err, DV_E_INTERNAL,
                   "the process died while it was set up; its memory limit may be too small");
}

int dv_spawned_ready(struct dv_spawned *s, struct dv_strv *warnings, int *pty, struct dv_error *err)
{
    struct dv_sync m;
    int fd, r;

    while ((r = dv_sync_recv(s->sync_fd, &m, &fd)) > 0) {
        if (m.kind == DV_SYNC_PTY && fd >= 0 && *pty < 0)
            *pty = dv_take_fd(fd);
        dv_close(fd);
        if (m.kind == DV_SYNC_READY)
            return 0;
        if (m.kind == DV_SYNC_ERROR)
            return child_error(&m, err);
        if (m.kind == DV_SYNC_WARNING && (r = warn(warnings, dv_format("%s", m.text), err)) < 0)
            return r;
    }
    return r < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "talk to the new process") : died(err);
}

/* The socket is close-on-exec: its end without a word is the success. But a process that was killed
 * says as little; the caller sees that when it waits for it. */
int dv_spawned_go(int sync_fd, struct dv_error *err)
{
    struct dv_sync m;
    int fd, r;

    if (dv_sync_send(sync_fd, DV_SYNC_GO, -1) < 0)
        return errno == EPIPE || errno == ECONNRESET
                   ? dv_fail(err, DV_E_INTERNAL, "the container's process was killed before it ran")
                   : dv_fail_errno(err, DV_E_INTERNAL, "talk to the new process");
    r = dv_sync_recv(sync_fd, &m, &fd);
    dv_close(r > 0 ? fd : -1);
    if (r < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "talk to the new process");
    return r > 0 && m.kind == DV_SYNC_ERROR ? child_error(&m, err) : 0;
}

/* A process that fails dies, and then what we do to it fails too: the first cause is what it said.
 */
static void prefer_last_words(struct dv_spawned *s, struct dv_error *err)
{
    struct dv_sync m;
    int fd;

    if (s->sync_fd < 0 || fcntl(s->sync_fd, F_SETFL, O_NONBLOCK) < 0)
        return;
    while (dv_sync_recv(s->sync_fd, &m, &fd) > 0) {
        dv_close(fd);
        if (m.kind == DV_SYNC_ERROR && child_error(&m, err) < 0)
            return;
    }
}

void dv_spawned_abort(struct dv_spawned *s, struct dv_error *err)
{
    siginfo_t info;

    prefer_last_words(s, err);
    if (s->pidfd >= 0) {
        dv_sys_pidfd_kill(s->pidfd, SIGKILL);
        while (waitid((idtype_t)P_PIDFD, (id_t)s->pidfd, &info, WEXITED | __WALL) < 0 &&
               errno == EINTR)
            ;
    }
    dv_close(dv_take_fd(s->pidfd));
    dv_close(dv_take_fd(s->sync_fd));
}
