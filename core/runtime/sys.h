/* sys.h - raw system calls of the runtime: no wrappers of a libc are needed (musl has none of the
 * new mount calls), and a forked child must not run a libc's bookkeeping. -1 and errno. */
#pragma once

#include <fcntl.h>
#include <linux/mount.h> /* never with <sys/mount.h>: they clash */
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* The numbers are the same on every architecture since Linux 5.0. */
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif
#define DV_CLONE_INTO_CGROUP UINT64_C(0x200000000)
#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

/* struct clone_args of <linux/sched.h>, which clashes with musl's <sched.h>. */
struct dv_clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};
/* struct mount_attr, which glibc and the kernel both define. */
struct dv_mount_attr {
    uint64_t set, clr, propagation, userns_fd;
};

/* A clone of the tree at DIR_FD/PATH ("" = DIR_FD itself), attached nowhere. */
static inline int dv_sys_open_tree(int dir_fd, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dir_fd, path,
                        flags | OPEN_TREE_CLOEXEC | (*path ? 0u : (unsigned)AT_EMPTY_PATH));
}
static inline int dv_sys_clone_tree(int dir_fd, const char *path, unsigned recursive)
{
    return dv_sys_open_tree(dir_fd, path, OPEN_TREE_CLONE | (recursive ? AT_RECURSIVE : 0u));
}
/* Attach the detached TREE_FD onto what TARGET_FD names. */
static inline int dv_sys_attach(int tree_fd, int target_fd)
{
    return (int)syscall(SYS_move_mount, tree_fd, "", target_fd, "",
                        MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
static inline int dv_sys_setattr(int fd, unsigned recursive, const struct dv_mount_attr *attr)
{
    return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
                        attr, sizeof(*attr));
}
static inline int dv_sys_fsopen(const char *type)
{
    return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
}
static inline int dv_sys_fsconfig(int fs_fd, unsigned cmd, const char *key, const char *value,
                                  int aux)
{
    return (int)syscall(SYS_fsconfig, fs_fd, cmd, key, value, aux);
}
static inline int dv_sys_fsmount(int fs_fd, unsigned attrs)
{
    return (int)syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC, attrs);
}
static inline int dv_sys_mount(const char *source, const char *target, const char *type,
                               unsigned long flags, const char *data)
{
    return (int)syscall(SYS_mount, source, target, type, flags, data);
}
static inline pid_t dv_sys_clone3(const struct dv_clone_args *args)
{
    return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}
static inline int dv_sys_setns(int fd, int kind)
{
    return (int)syscall(SYS_setns, fd, kind);
}
static inline int dv_sys_unshare(int flags)
{
    return (int)syscall(SYS_unshare, flags);
}
static inline int dv_sys_close_range(unsigned first, unsigned last, unsigned flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}
static inline int dv_sys_pidfd_kill(int pidfd, int signal)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0);
}
