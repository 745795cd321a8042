/* process.c - in the child, create and exec alike: streams, terminal, user, limits, rights. */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

enum {
    DEVPTS_MAGIC = 0x1cd1,
    FIRST_SPARE_FD = 3,
    KEYCTL_JOIN_SESSION = 1,
};

/* ---- terminal ---- */

/* The multiplexer of the container's own devpts; nothing else that may lie there. */
static int open_ptmx(struct dv_child *c, struct dv_error *err)
{
    dv_autoclose int fd =
        dv_open_in_root(c->root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK,
                        /* mode */ 0);
    struct stat st;
    struct statfs fs;

    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL,
                             "open /dev/pts/ptmx for the terminal; the container needs a devpts "
                             "mount at /dev/pts");
    if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0 || !S_ISCHR(st.st_mode) ||
        st.st_rdev != makedev(5, 2) || fs.f_type != DEVPTS_MAGIC)
        return dv_fail(err, DV_E_FORBIDDEN, "/dev/pts/ptmx in the container is no terminal device");
    if (fcntl(fd, F_SETFL, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make the terminal blocking");
    return dv_take_fd(fd);
}

/* Where /dev/console is (made before /dev was closed), the terminal shows under that name too. */
static int bind_console(struct dv_child *c, int slave, struct dv_error *err)
{
    dv_autoclose int target = -1, tree = -1;

    target = dv_open_in_root(c->root_fd, "/dev/console", O_PATH | O_NOFOLLOW, /* mode */ 0);
    if (target < 0)
        return errno == ENOENT ? 0 : dv_fail_errno(err, DV_E_INTERNAL, "open /dev/console");
    tree = dv_sys_clone_tree(slave, "", 0);
    if (tree < 0 || dv_sys_attach(tree, target) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "bind the terminal at /dev/console");
    return 0;
}

static int open_terminal(struct dv_child *c, int *ret_slave, struct dv_error *err)
{
    const struct dv_spec_process *p = c->process;
    struct winsize size = { .ws_row = p->rows, .ws_col = p->cols };
    dv_autoclose int master = open_ptmx(c, err), slave = -1;
    int unlock = 0, r;

    if (master < 0)
        return master;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "unlock the terminal");
    slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the terminal");
    if ((p->rows || p->cols) && ioctl(master, TIOCSWINSZ, &size) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "set the terminal's size");
    r = c->prep ? bind_console(c, slave, err) : 0;
    if (r < 0)
        return r;
    if (ioctl(slave, TIOCSCTTY, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make it the controlling terminal");
    if (dv_sync_send(c->sync_fd, DV_SYNC_PTY, master) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "send the terminal");
    *ret_slave = dv_take_fd(slave);
    return 0;
}

/* ---- streams ---- */

/* A user who is not root may open /dev/stdout again. Files of others are left: changing the owner
 * of a bound-in file would be a surprise, and a refusal harmless. */
static void give_stream(int fd, uint32_t uid)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_uid == uid)
        return;
    if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) && !isatty(fd))
        return;
    if (fchown(fd, uid, (gid_t)-1) < 0)
        return;
}

static int set_streams(struct dv_child *c, struct dv_error *err)
{
    int from[3], slave = -1, r;

    if (c->process->terminal) {
        r = open_terminal(c, &slave, err);
        if (r < 0)
            return r;
    }
    for (int i = 0; i < 3; i++) {
        int fd = c->process->terminal ? slave : c->fds->stdio[i];

        /* Copies above all targets first, so that no target overwrites a source. */
        from[i] = fcntl(fd >= 0 ? fd : c->null_fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
        if (from[i] < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "duplicate stream %d", i);
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(from[i], i) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "set stream %d", i);
        give_stream(i, c->user.uid);
        close(from[i]);
    }
    dv_close(slave);
    return 0;
}

/* ---- directory ---- */

/* By a descriptor that no magic link led to: "/proc/self/fd/N" as a directory would leave the
 * container. */
static int enter_cwd(struct dv_child *c, struct dv_error *err)
{
    const char *cwd = dv_empty(c->process->cwd) ? "/" : c->process->cwd;
    dv_autoclose int fd = -1;

    if (cwd[0] != '/')
        return dv_fail(err, DV_E_INVALID, "working directory '%s' is not absolute", cwd);
    fd = dv_open_in_root(c->root_fd, cwd, O_PATH | O_DIRECTORY, /* mode */ 0);
    if (fd < 0 && errno == ENOENT && c->process->create_cwd) {
        fd = dv_make_in_root(c->root_fd, cwd, /* is_file */ 0);
        if (fd < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "create the working directory: mkdir %s", cwd);
    }
    if (fd < 0 || fchdir(fd) < 0) {
        int error = errno;
        char prefix[512];

        snprintf(prefix, sizeof(prefix), "chdir to cwd (\"%.400s\") set in config.json failed",
                 cwd);
        return dv_child_fail_text(err, error, prefix);
    }
    return 0;
}

/* ---- limits and rights ---- */

struct limit {
    uint64_t soft, hard;
};

/* The parent raised what may be raised (and warned); the rest is cut to what there is. */
static int set_rlimits(const struct dv_spec_process *p, struct dv_error *err)
{
    for (size_t i = 0; i < p->n_rlimits; i++) {
        struct limit want = { p->rlimits[i].soft, p->rlimits[i].hard }, have;
        int resource = p->rlimits[i].resource;

        if (want.soft > want.hard)
            return dv_fail(err, DV_E_INVALID, "rlimit %d: soft limit above the hard one", resource);
        if (syscall(SYS_prlimit64, 0, resource, &want, NULL) == 0)
            continue;
        if (errno != EPERM || syscall(SYS_prlimit64, 0, resource, NULL, &have) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "set rlimit %d", resource);
        want.hard = have.hard;
        want.soft = want.soft > have.hard ? have.hard : want.soft;
        if (syscall(SYS_prlimit64, 0, resource, &want, NULL) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "set rlimit %d", resource);
    }
    return 0;
}

static int set_ids(const struct dv_user *u, struct dv_error *err)
{
    if (syscall(SYS_setgroups, u->n_groups, u->groups) < 0)
        return dv_fail_errno(err, errno == EINVAL ? DV_E_INVALID : DV_E_INTERNAL,
                             "set %zu groups of the user; all must be mapped in a user namespace",
                             u->n_groups);
    if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
        return dv_fail_errno(err, errno == EINVAL ? DV_E_INVALID : DV_E_INTERNAL,
                             "become group %u%s", u->gid,
                             errno == EINVAL ? " (not mapped in the user namespace)" : "");
    if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
        return dv_fail_errno(err, errno == EINVAL ? DV_E_INVALID : DV_E_INTERNAL,
                             "become user %u%s", u->uid,
                             errno == EINVAL ? " (not mapped in the user namespace)" : "");
    return 0;
}

/* Of the right to load a filter after all else is dropped the exec takes nothing along: it is
 * neither in the bounding set nor ambient unless the container has it anyhow. */
static uint64_t needed_for_seccomp(const struct dv_spec_process *p)
{
    return p->seccomp && !p->no_new_privs ? UINT64_C(1) << CAP_SYS_ADMIN : 0;
}

static int set_rights(struct dv_child *c, struct dv_error *err)
{
    const struct dv_spec_process *p = c->process;
    int r = dv_caps_drop_bounding(p->caps.bounding, err);

    if (r < 0)
        return r;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "keep capabilities");
    r = set_ids(&c->user, err);
    if (r < 0)
        return r;
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "stop keeping capabilities");
    r = dv_caps_set(&p->caps, c->user.uid, needed_for_seccomp(p), err);
    if (r < 0)
        return r;
    if (p->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "set no_new_privs");
    return 0;
}

/* Its own, so that it sees none of the engine's keys. Keys may be off, or their quota used up. */
static void join_keyring(struct dv_child *c)
{
    char text[160];

    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION, NULL) >= 0 || errno == ENOSYS || errno == EPERM)
        return;
    snprintf(text, sizeof(text), "no session keyring of its own: %s (see kernel.keys.maxkeys)",
             strerror(errno));
    dv_sync_send_warning(c->sync_fd, text);
}

/* All but the streams and the socket are closed, not only marked: a program named
 * "/proc/self/fd/N/..." would still find them at the exec. */
static int close_all(struct dv_child *c, struct dv_error *err)
{
    if (c->sync_fd != FIRST_SPARE_FD) {
        if (dup3(c->sync_fd, FIRST_SPARE_FD, O_CLOEXEC) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "move the socket");
        c->sync_fd = FIRST_SPARE_FD;
    }
    if (dv_sys_close_range(FIRST_SPARE_FD + 1, ~0u, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "close descriptors");
    c->root_fd = c->null_fd = -1;
    return 0;
}

int dv_child_process(struct dv_child *c, struct dv_error *err)
{
    const struct dv_spec_process *p = c->process;
    int r = dv_user_resolve(c->root_fd, p->user, &p->add_groups, &c->user, err);

    if (r == 0)
        r = set_streams(c, err);
    if (r == 0)
        r = enter_cwd(c, err);
    if (r == 0)
        r = close_all(c, err);
    if (r < 0)
        return r;
    join_keyring(c);
    r = set_rlimits(p, err);
    if (r == 0)
        r = set_rights(c, err);
    umask(022);
    return r;
}
