/* exec.c - one more process in a container that runs. */
#include <errno.h>
#include <sys/stat.h>

#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

/* The namespaces that the container does not share with us; pid comes by the clone. */
static int join_flags(const struct dv_spec *spec)
{
    int flags = 0;

    for (int i = 0; i < DV_NS_MAX_; i++)
        if (spec->ns[i].wanted && i != DV_NS_PID)
            flags |= dv_ns_flag((enum dv_ns)i);
    return flags;
}

static int child_set_up(struct dv_child *c, int init_pidfd, struct dv_error *err)
{
    int r;

    dv_child_begin();
    r = dv_child_open_null(c, err);
    if (r < 0)
        return r;
    dv_sync_await(c->sync_fd, DV_SYNC_PLACED);
    if (dv_sys_setns(init_pidfd, join_flags(c->spec)) < 0)
        return dv_fail_errno(err, errno == ESRCH ? DV_E_CONFLICT : DV_E_INTERNAL,
                             "join the container's namespaces");
    if (c->spec->ns[DV_NS_USER].wanted) {
        r = dv_child_become_root(err);
        if (r < 0)
            return r;
    }
    c->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (c->root_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the container's root");
    return dv_child_process(c, err);
}

static int clone_process(const struct dv_init *init, const struct dv_spec *spec,
                         const struct dv_spec_process *p, const struct dv_runtime_fds *fds,
                         struct dv_spawned *s, struct dv_error *err)
{
    struct dv_detour detour;
    struct dv_error back = { 0 };
    int r = 0;

    memset(detour.back, 0xff, sizeof(detour.back)); /* -1 */
    if (spec->ns[DV_NS_PID].wanted)
        r = dv_detour_enter(&detour, DV_NS_PID, init->pidfd, err);
    if (r == 0)
        r = dv_spawned_clone(s, 0, fds->cgroup_dir, err);
    if (r == 0) {
        struct dv_child c = { .spec = spec, .process = p, .fds = fds, .sync_fd = s->child_sync_fd,
                              .null_fd = -1, .root_fd = -1 };
        struct dv_error child_err = { 0 };

        r = child_set_up(&c, init->pidfd, &child_err);
        dv_child_finish(&c, r, &child_err);
    }
    if (dv_detour_leave(&detour, &back) < 0) {
        *err = back;
        return -err->code;
    }
    return r < 0 ? r : 0;
}

int dv_runtime_exec(const struct dv_init *init, const struct dv_spec *spec,
                    const struct dv_spec_process *p, const struct dv_runtime_fds *fds,
                    pid_t *ret_pid, int *ret_pidfd, int *ret_pty, struct dv_error *err)
{
    struct dv_spawned s = { .pidfd = -1, .sync_fd = -1, .child_sync_fd = -1 };
    int pty = -1, r = clone_process(init, spec, p, fds, &s, err);

    if (r == 0)
        r = dv_spawned_place(&s, fds, p, /* warnings: the create told them */ NULL, err);
    if (r == 0)
        r = dv_spawned_ready(&s, NULL, &pty, err);
    if (r == 0)
        r = dv_spawned_go(s.sync_fd, err);
    if (r < 0) {
        dv_spawned_abort(&s, err);
        dv_close(pty);
        return -err->code;
    }
    dv_close(s.sync_fd);
    *ret_pid = s.pid;
    *ret_pidfd = s.pidfd;
    *ret_pty = pty;
    return 0;
}
