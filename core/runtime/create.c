/* create.c - OCI create and start: the init of a container, up to its exec and then over it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

/* ---- child ---- */

/* A shim ignores or handles some; a container starts with the defaults. (exec resets handlers, not
 * what is ignored.) */
static void reset_signals(void)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL); /* refused for KILL, STOP and the libc's own */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nobody in a namespace that we join may trace us or open our descriptors before the exec. */
void dv_child_begin(void)
{
    reset_signals();
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    syscall(SYS_setsid);
    umask(0);
}

/* The host's null device, for streams and masks; an image's could be anything. */
int dv_child_open_null(struct dv_child *c, struct dv_error *err)
{
    struct stat st;

    c->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (c->null_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the host's /dev/null");
    if (fstat(c->null_fd, &st) < 0 || !S_ISCHR(st.st_mode))
        return dv_fail(err, DV_E_INTERNAL, "the host's /dev/null is no device");
    return 0;
}

int dv_child_become_root(struct dv_error *err)
{
    if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setgroups, 0, NULL) < 0 ||
        syscall(SYS_setresuid, 0, 0, 0) < 0)
        return dv_fail_errno(err, DV_E_INVALID,
                             "become root of the user namespace; map uid and gid 0");
    return 0;
}

static int join_namespaces(const struct dv_child *c, struct dv_error *err)
{
    static const enum dv_ns joinable[] = { DV_NS_NET, DV_NS_IPC, DV_NS_UTS };

    if (c->spec->ns[DV_NS_USER].wanted) /* the parent did it: we have no right to here */
        return 0;
    for (size_t i = 0; i < N(joinable); i++) {
        const struct dv_spec_ns *ns = &c->spec->ns[joinable[i]];

        if (!ns->wanted || ns->fd_index < 0)
            continue;
        if (dv_sys_setns(c->fds->fds[ns->fd_index], dv_ns_flag(joinable[i])) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "join namespace %zu", i);
    }
    return 0;
}

/* Its root is the control group that we are in, so not before the parent put us there. */
static int enter_cgroup_namespace(const struct dv_child *c, struct dv_error *err)
{
    const struct dv_spec_ns *ns = &c->spec->ns[DV_NS_CGROUP];
    int r = 0;

    if (ns->wanted)
        r = ns->fd_index >= 0 ? dv_sys_setns(c->fds->fds[ns->fd_index], CLONE_NEWCGROUP)
                              : dv_sys_unshare(CLONE_NEWCGROUP);
    return r < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "enter the cgroup namespace") : 0;
}

static int child_set_up(struct dv_child *c, struct dv_error *err)
{
    int r = 0;

    dv_child_begin();
    if (c->spec->ns[DV_NS_USER].wanted) {
        dv_sync_await(c->sync_fd, DV_SYNC_MAPPED);
        r = dv_child_become_root(err);
    }
    if (r == 0)
        r = join_namespaces(c, err);
    if (r == 0)
        r = dv_child_open_null(c, err);
    if (r == 0)
        r = dv_child_mounts(c, err);
    if (r < 0)
        return r;
    dv_sync_await(c->sync_fd, DV_SYNC_PLACED);
    r = enter_cgroup_namespace(c, err);
    return r < 0 ? r : dv_child_process(c, err);
}

/* Until the exec, or the end with a reason. */
_Noreturn void dv_child_finish(struct dv_child *c, int r, struct dv_error *err)
{
    if (r == 0 && dv_sync_send(c->sync_fd, DV_SYNC_READY, -1) == 0) {
        dv_sync_await(c->sync_fd, DV_SYNC_GO);
        r = dv_child_exec(c, err);
    }
    if (r < 0)
        dv_sync_send_error(c->sync_fd, err);
    _exit(r == -DV_E_NOT_FOUND ? 127 : r == -DV_E_FORBIDDEN ? 126 : 125);
}

/* ---- parent ---- */

static bool is_absolute(const char *path)
{
    return path && path[0] == '/';
}

/* What the rest takes for granted of a message that came from another process. */
static int check_spec(const struct dv_spec *spec, struct dv_error *err)
{
    for (size_t i = 0; i < spec->n_rootfs; i++) {
        if (dv_empty(spec->rootfs[i].type))
            return dv_fail(err, DV_E_INVALID, "the root file system has no type");
        for (size_t k = 0; k < spec->rootfs[i].n_params; k++)
            if (dv_empty(spec->rootfs[i].params[k].key))
                return dv_fail(err, DV_E_INVALID, "a mount parameter has no key");
    }
    for (size_t i = 0; i < spec->n_mounts; i++)
        if (!is_absolute(spec->mounts[i].destination) || dv_empty(spec->mounts[i].type))
            return dv_fail(err, DV_E_INVALID,
                           "mount at '%s' needs an absolute destination and a type",
                           spec->mounts[i].destination ? spec->mounts[i].destination : "");
    for (size_t i = 0; i < spec->n_devices; i++)
        if (!is_absolute(spec->devices[i].path))
            return dv_fail(err, DV_E_INVALID, "device path '%s' is not absolute",
                           spec->devices[i].path ? spec->devices[i].path : "");
    return 0;
}

/* Namespaces that are not simply new or the host's: what can be done, and where. */
static int check_namespaces(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                            struct dv_error *err)
{
    if (!spec->ns[DV_NS_MNT].wanted || spec->ns[DV_NS_MNT].fd_index >= 0)
        return dv_fail(err, DV_E_UNSUPPORTED, "a container has a mount namespace of its own");
    if (spec->ns[DV_NS_USER].wanted && spec->ns[DV_NS_USER].fd_index >= 0)
        return dv_fail(err, DV_E_UNSUPPORTED, "joining another's user namespace is not supported");
    for (int i = 0; i < DV_NS_MAX_; i++)
        if (spec->ns[i].wanted && spec->ns[i].fd_index >= 0 &&
            ((size_t)spec->ns[i].fd_index >= fds->n_fds || fds->fds[spec->ns[i].fd_index] < 0))
            return dv_fail(err, DV_E_INVALID, "the descriptor of namespace %d did not come", i);
    return 0;
}

static uint64_t clone_flags(const struct dv_spec *spec)
{
    uint64_t flags = 0;

    for (int i = 0; i < DV_NS_MAX_; i++)
        if (spec->ns[i].wanted && spec->ns[i].fd_index < 0 && i != DV_NS_CGROUP)
            flags |= (uint64_t)(unsigned)dv_ns_flag((enum dv_ns)i);
    return flags;
}

/* A pid namespace is entered by children only; with a user namespace the child lacks the right. */
static int enter_detours(struct dv_detour *d, const struct dv_spec *spec,
                         const struct dv_runtime_fds *fds, struct dv_error *err)
{
    static const enum dv_ns by_parent[] = { DV_NS_PID, DV_NS_NET, DV_NS_IPC, DV_NS_UTS };
    int r = 0;

    for (size_t i = 0; r == 0 && i < N(by_parent); i++) {
        const struct dv_spec_ns *ns = &spec->ns[by_parent[i]];

        if (!ns->wanted || ns->fd_index < 0)
            continue;
        if (by_parent[i] == DV_NS_PID || spec->ns[DV_NS_USER].wanted)
            r = dv_detour_enter(d, by_parent[i], fds->fds[ns->fd_index], err);
    }
    return r;
}

/* Streams that came from us belong to nobody in a user namespace; its root shall own them. */
static void give_streams(const struct dv_spec *spec, const struct dv_runtime_fds *fds)
{
    uint32_t uid, gid;

    if (!spec->ns[DV_NS_USER].wanted ||
        !dv_idmap_to_host(spec->uid_maps, spec->n_uid_maps, 0, &uid) ||
        !dv_idmap_to_host(spec->gid_maps, spec->n_gid_maps, 0, &gid))
        return;
    for (int i = 0; i < 3; i++) {
        struct stat st;
        int fd = fds->stdio[i];

        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && fchown(fd, uid, gid) < 0)
            continue; /* then it cannot reopen /dev/stdout; writing works */
    }
}

static int clone_init(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                      const struct dv_prep *prep, struct dv_spawned *s, struct dv_error *err)
{
    struct dv_detour detour;
    struct dv_error back = { 0 };
    int r;

    memset(detour.back, 0xff, sizeof(detour.back)); /* -1 */
    r = enter_detours(&detour, spec, fds, err);
    if (r == 0)
        r = dv_spawned_clone(s, clone_flags(spec), fds->cgroup_dir, err);
    if (r == 0) {
        struct dv_child c = { .spec = spec, .process = &spec->process, .fds = fds, .prep = prep,
                              .sync_fd = s->child_sync_fd, .null_fd = -1, .root_fd = -1 };
        struct dv_error child_err = { 0 };

        r = child_set_up(&c, &child_err);
        dv_child_finish(&c, r, &child_err);
    }
    if (dv_detour_leave(&detour, &back) < 0) {
        *err = back;
        return -err->code;
    }
    return r < 0 ? r : 0;
}

static int open_own_netns(const struct dv_spec *spec, pid_t pid, int *ret, struct dv_error *err)
{
    char path[40];

    if (!spec->ns[DV_NS_NET].wanted || spec->ns[DV_NS_NET].fd_index >= 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    *ret = open(path, O_RDONLY | O_CLOEXEC);
    if (*ret < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the container's network namespace");
    return 0;
}

static int bring_up(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                    struct dv_spawned *s, struct dv_strv *warnings, struct dv_init *init,
                    struct dv_error *err)
{
    int r = 0;

    if (spec->ns[DV_NS_USER].wanted) {
        r = dv_idmap_write(s->pid, spec, err);
        if (r == 0 && dv_sync_send(s->sync_fd, DV_SYNC_MAPPED, -1) < 0 && errno != EPIPE)
            r = dv_fail_errno(err, DV_E_INTERNAL, "talk to the new process");
    }
    if (r == 0)
        r = open_own_netns(spec, s->pid, &init->netns_fd, err);
    if (r == 0)
        r = dv_spawned_place(s, fds, &spec->process, warnings, err);
    if (r == 0)
        r = dv_spawned_ready(s, warnings, &init->pty_master, err);
    return r;
}

int dv_runtime_create(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                      struct dv_strv *warnings, struct dv_init *ret, struct dv_error *err)
{
    struct dv_init init = { .pidfd = -1, .sync_fd = -1, .netns_fd = -1, .root_fd = -1,
                            .pty_master = -1 };
    struct dv_spawned s = { .pidfd = -1, .sync_fd = -1, .child_sync_fd = -1 };
    struct dv_prep prep;
    int r = check_spec(spec, err);

    if (r == 0)
        r = check_namespaces(spec, fds, err);
    if (r < 0)
        return r;
    r = dv_prep_build(spec, fds, &prep, err);
    if (r < 0)
        return r;
    give_streams(spec, fds);
    r = clone_init(spec, fds, &prep, &s, err);
    if (r == 0)
        r = bring_up(spec, fds, &s, warnings, &init, err);
    if (r == 0) {
        init.root_fd = openat(prep.root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (init.root_fd < 0)
            r = dv_fail_errno(err, DV_E_INTERNAL, "open the container's root");
    }
    dv_prep_done(&prep, spec);
    if (r < 0) {
        dv_spawned_abort(&s, err);
        dv_init_done(&init);
        return -err->code;
    }
    init.pid = s.pid;
    init.pidfd = s.pidfd;
    init.sync_fd = s.sync_fd;
    *ret = init;
    return 0;
}

int dv_runtime_start(struct dv_init *init, struct dv_error *err)
{
    int r = dv_spawned_go(init->sync_fd, err);

    dv_close(dv_take_fd(init->sync_fd));
    return r;
}

void dv_init_done(struct dv_init *init)
{
    dv_close(dv_take_fd(init->pidfd));
    dv_close(dv_take_fd(init->sync_fd));
    dv_close(dv_take_fd(init->netns_fd));
    dv_close(dv_take_fd(init->root_fd));
    dv_close(dv_take_fd(init->pty_master));
}
