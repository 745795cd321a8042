/* idmap.c - maps of user namespaces, and mounts seen through them. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "core/base/file.h"
#include "core/base/limits.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

enum { MAP_BYTES = 4096, MAX_LINES = 340 }; /* the kernel's own limits */

bool dv_idmap_to_host(const struct dv_spec_idmap *maps, size_t n, uint32_t id, uint32_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].length) {
            *ret = maps[i].host_id + (id - maps[i].container_id);
            return true;
        }
    }
    return false;
}

static int write_map(int proc_fd, const char *name, const struct dv_spec_idmap *maps, size_t n,
                     struct dv_error *err)
{
    char text[MAP_BYTES];
    size_t len = 0;

    if (n == 0 || n > MAX_LINES)
        return dv_fail(err, DV_E_INVALID, "%zu ranges in %s; there may be 1 to %d", n, name,
                       MAX_LINES);
    for (size_t i = 0; i < n && len < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%u %u %u\n", maps[i].container_id,
                                maps[i].host_id, maps[i].length);
    if (len >= sizeof(text))
        return dv_fail(err, DV_E_INVALID, "the ranges in %s are longer than %d bytes", name,
                       MAP_BYTES - 1);
    if (dv_write_file_at(proc_fd, name, text) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write %s of the user namespace (%u %u %u)", name,
                             maps[0].container_id, maps[0].host_id, maps[0].length);
    return 0;
}

int dv_idmap_write(pid_t pid, const struct dv_spec *spec, struct dv_error *err)
{
    dv_autoclose int proc_fd = -1;
    char path[32];
    int r;

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s", path);
    r = write_map(proc_fd, "uid_map", spec->uid_maps, spec->n_uid_maps, err);
    if (r == 0)
        r = write_map(proc_fd, "gid_map", spec->gid_maps, spec->n_gid_maps, err);
    return r;
}

/* A process that does nothing but be in the namespace. */
static pid_t spawn_holder(int *pidfd)
{
    struct dv_clone_args args = {
        .flags = CLONE_NEWUSER | CLONE_PIDFD,
        .pidfd = (uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };
    pid_t pid = dv_sys_clone3(&args);

    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

int dv_idmap_userns(const struct dv_spec *spec, int *ret, struct dv_error *err)
{
    dv_autoclose int pidfd = -1;
    char path[48];
    siginfo_t info;
    pid_t pid = spawn_holder(&pidfd);
    int fd = -1, r;

    if (pid < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make a user namespace");
    r = dv_idmap_write(pid, spec, err);
    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    if (r == 0) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            r = dv_fail_errno(err, DV_E_INTERNAL, "open %s", path);
    }
    dv_sys_pidfd_kill(pidfd, SIGKILL);
    while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
        ;
    if (r == 0)
        *ret = fd;
    return r;
}

int dv_idmap_apply(int tree_fd, bool recursive, int userns_fd)
{
    struct dv_mount_attr attr = { .set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd };

    return dv_sys_setattr(tree_fd, recursive, &attr);
}
