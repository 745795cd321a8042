/* cgroup_oom.c - what the OOM killer did in a group, and word of it while the group lives. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "core/base/file.h"
#include "core/runtime/cgroup_internal.h"

int64_t dv_cgroup_oom_kills(struct dv_cgroups *cg, const char *parent, const char *name)
{
    const struct dv_hierarchy *h = cg->by[DV_CTL_MEMORY];
    struct dv_error ignored = { 0 };
    struct dv_group g;

    if (!h || dv_cg_path(parent, name, &g, &ignored) < 0)
        return -1;
    return dv_cg_read_key(h, &g, h->v2 ? "memory.events" : "memory.oom_control", "oom_kill", -1);
}

/* The descriptor of memory.oom_control names the file to the kernel, which needs it no longer then. */
static int open_v1(const struct dv_hierarchy *h, const struct dv_group *g)
{
    dv_autoclose int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dv_autoclose int control = dv_cg_open(h, g, "memory.oom_control", O_RDONLY);
    char text[32];

    snprintf(text, sizeof(text), "%d %d", event, control);
    if (event < 0 || control < 0 || dv_cg_write(h, g, "cgroup.event_control", text) < 0)
        return -1;
    return dv_take_fd(event);
}

int dv_cgroup_oom_open(struct dv_cgroups *cg, const char *parent, const char *name,
                       struct dv_cgroup_oom *ret, struct dv_error *err)
{
    const struct dv_hierarchy *h = cg->by[DV_CTL_MEMORY];
    struct dv_group g;
    int r;

    if (!h)
        return dv_fail(err, DV_E_UNSUPPORTED, "the memory cgroup is not mounted on this host");
    r = dv_cg_path(parent, name, &g, err);
    if (r < 0)
        return r;
    *ret = (struct dv_cgroup_oom){ .fd = h->v2 ? dv_cg_open(h, &g, "memory.events", O_RDONLY)
                                               : open_v1(h, &g),
                                   .events = h->v2 ? EPOLLPRI : EPOLLIN, .early = !h->v2 };
    if (ret->fd >= 0)
        return 0;
    return dv_fail_errno(err, errno == ENOENT ? DV_E_NOT_FOUND : DV_E_INTERNAL,
                         "watch for OOM kills in cgroup '%s/%s'", h->mount, g.rel);
}

bool dv_cgroup_oom_rearm(const struct dv_cgroup_oom *oom)
{
    char text[2048];
    ssize_t n = oom->early ? read(oom->fd, text, sizeof(uint64_t))
                           : pread(oom->fd, text, sizeof(text), 0);

    return n >= 0 || errno == EAGAIN;
}
