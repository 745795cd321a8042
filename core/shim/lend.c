/* lend.c - LEND: descriptors of the live container for davitd and its workers. */
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/sock.h"
#include "core/shim/control.h"
#include "core/shim/life.h"
#include "core/shim/protocol.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

enum { STACK_BYTES = 16 << 10 };

struct visit {
    int pidfd;
    const char *path;    /* in the container */
    bool recursive;
    int fd, error;       /* what the visit brought home */
};

/* Its processes may have put links on the way. */
static int open_inside(const char *path)
{
    dv_autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    return root < 0 ? -1 : dv_open_in_root(root, path, O_PATH | O_DIRECTORY, /* mode */ 0);
}

/* Runs in a process of its own that shares memory and descriptors, and nothing else. A tree can be
 * cloned only from within its mount namespace. */
static int visit_mount_namespace(void *arg)
{
    struct visit *v = arg;
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
                     (v->recursive ? AT_RECURSIVE : 0);
    int at;

    if (setns(v->pidfd, CLONE_NEWNS) < 0) {
        v->error = errno;
        return 0;
    }
    at = open_inside(v->path);
    v->fd = at < 0 ? -1 : (int)syscall(SYS_open_tree, at, "", flags);
    v->error = v->fd < 0 ? errno : 0;
    dv_close(at);
    return 0;
}

static int clone_tree(const struct dv_life *life, const char *path, bool recursive, int *ret,
                      struct dv_error *err)
{
    _Alignas(16) char stack[STACK_BYTES];
    struct visit v = { .pidfd = life->init.pidfd, .path = path, .recursive = recursive, .fd = -1 };
    int status;
    pid_t pid;

    pid = clone(visit_mount_namespace, stack + sizeof(stack),
                CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &v);
    if (pid < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "visit the container's mount namespace");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (v.fd < 0) {
        errno = v.error;
        return dv_fail_errno(err, v.error == ESRCH ? DV_E_CONFLICT : DV_E_INTERNAL,
                             "clone the container's %s", path);
    }
    *ret = v.fd;
    return 0;
}

int dv_on_lend(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
               struct dv_error *err)
{
    uint64_t what = dv_msg_get_u64(&p->msg, DV_ST_WHAT, 0);

    switch (what) {
    case DV_LEND_NETNS:
        if (life->netns_fd < 0)
            return dv_fail(err, DV_E_NOT_FOUND,
                           "the container has no network namespace of its own");
        answer->fd = life->netns_fd;
        return 0;
    case DV_LEND_ROOT:
    case DV_LEND_ROOT_ONLY:
        answer->fd_owned = true;
        return clone_tree(life, "/", what == DV_LEND_ROOT, &answer->fd, err);
    case DV_LEND_SHM:
        answer->fd_owned = true;
        return clone_tree(life, "/dev/shm", false, &answer->fd, err);
    default:
        return dv_fail(err, DV_E_UNSUPPORTED, "davit-shim cannot lend thing %llu",
                       (unsigned long long)what);
    }
}
