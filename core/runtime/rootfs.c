/* rootfs.c - the container's root file system, built detached: in no mount namespace yet. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <davit/storage.h>

#include "core/base/buf.h"
#include "core/base/limits.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

enum {
    HELPER_STACK_BYTES = 128 << 10,
    CLASSIC_OPTION_BYTES = 4096,         /* a page, as mount(2) takes it */
    SECBIT_NO_SETUID_FIXUP_ = 1 << 2,
};

struct build {
    const struct dv_spec *spec;
    const struct dv_spec_rootfs *rootfs;
    int userns_fd;
    int *fds;             /* one a parameter: the opened path, or its idmapped clone */
    int pair_fd;          /* idmapped: the clone that holds both upperdir and workdir */
    char *pair_path;
    bool fd_refused;      /* the kernel takes no descriptors (before 6.13) */
    int ret;
    struct dv_error *err;
};

static void build_done(struct build *b)
{
    for (size_t i = 0; b->fds && i < b->rootfs->n_params; i++)
        dv_close(b->fds[i]);
    free(b->fds);
    free(b->pair_path);
    dv_close(b->pair_fd);
}

static bool idmapped(const struct build *b, const struct dv_spec_param *p)
{
    return p->idmap && b->userns_fd >= 0;
}

static bool is_path(const struct dv_spec_param *p)
{
    return p->kind == DV_PARAM_PATH || p->kind == DV_PARAM_FD;
}

static bool is_pair(const struct dv_spec_param *p)
{
    return dv_streq(p->key, "upperdir") || dv_streq(p->key, "workdir");
}

/* ---- a helper process: own credentials and mounts, our memory and descriptors ---- */

struct helper {
    int (*fn)(struct build *b);
    struct build *b;
    int result;
};

static int helper_main(void *arg)
{
    struct helper *h = arg;

    h->result = h->fn(h->b);
    return 0;
}

/* What FN does to its namespaces, credentials and directory ends with it. */
static int in_helper(struct build *b, int (*fn)(struct build *b))
{
    dv_autofree char *stack = malloc(HELPER_STACK_BYTES);
    struct helper h = { .fn = fn, .b = b, .result = -DV_E_INTERNAL };
    int status;
    pid_t pid;

    if (!stack)
        return dv_fail(b->err, DV_E_NO_MEMORY, "no memory to mount the root file system");
    pid = clone(helper_main, stack + HELPER_STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_FILES |
                SIGCHLD, &h);
    if (pid < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "start a process that mounts");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (h.result < 0 && !b->err->code)
        dv_fail(b->err, DV_E_INTERNAL, "the process that mounts the root file system died");
    return h.result;
}

/* ---- opening what the parameters name ---- */

/* Overlay wants upperdir and workdir in one mount, so one clone of what holds both is idmapped. */
static int open_pair(struct build *b, const char *upper, const char *work)
{
    size_t n = 0, same = 0;

    while (upper[n] && upper[n] == work[n]) {
        if (upper[n] == '/')
            same = n;
        n++;
    }
    b->pair_path = strndup(upper, same ? same : 1);
    if (!b->pair_path)
        return dv_fail(b->err, DV_E_NO_MEMORY, "no memory to mount the root file system");
    b->pair_fd = dv_sys_clone_tree(AT_FDCWD, b->pair_path, 0);
    if (b->pair_fd < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "open '%s'", b->pair_path);
    if (dv_idmap_apply(b->pair_fd, false, b->userns_fd) < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "idmap '%s'", b->pair_path);
    return 0;
}

static int find_pair(struct build *b)
{
    const struct dv_spec_rootfs *rootfs = b->rootfs;
    const char *upper = NULL, *work = NULL;

    for (size_t i = 0; i < rootfs->n_params; i++) {
        const struct dv_spec_param *p = &rootfs->params[i];

        if (!is_path(p) || !idmapped(b, p))
            continue;
        if (dv_streq(p->key, "upperdir"))
            upper = p->value;
        if (dv_streq(p->key, "workdir"))
            work = p->value;
    }
    return upper && work ? open_pair(b, upper, work) : 0;
}

static int open_param(struct build *b, const struct dv_spec_param *p)
{
    int fd;

    if (dv_empty(p->value) || p->value[0] != '/')
        return dv_fail(b->err, DV_E_INVALID, "mount parameter '%s' has no absolute path", p->key);
    if (b->pair_fd >= 0 && idmapped(b, p) && is_pair(p)) {
        const char *below = p->value + strlen(b->pair_path);

        while (*below == '/')
            below++;
        fd = openat(b->pair_fd, below, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    } else if (idmapped(b, p)) {
        fd = dv_sys_clone_tree(AT_FDCWD, p->value, 0);
        if (fd >= 0 && dv_idmap_apply(fd, false, b->userns_fd) < 0) {
            dv_close(fd);
            return dv_fail_errno(b->err, DV_E_INTERNAL, "idmap '%s'", p->value);
        }
    } else {
        fd = open(p->value, O_PATH | O_CLOEXEC);
    }
    if (fd < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "open '%s'", p->value);
    return fd;
}

static int open_params(struct build *b)
{
    size_t n = b->rootfs->n_params;
    int r;

    b->fds = malloc((n + 1) * sizeof(*b->fds));
    if (!b->fds)
        return dv_fail(b->err, DV_E_NO_MEMORY, "no memory to mount the root file system");
    for (size_t i = 0; i < n; i++)
        b->fds[i] = -1;
    r = find_pair(b);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (!is_path(&b->rootfs->params[i]))
            continue;
        r = open_param(b, &b->rootfs->params[i]);
        b->fds[i] = r < 0 ? -1 : r;
    }
    return r < 0 ? r : 0;
}

/* ---- fsopen, fsconfig, fsmount ---- */

static int set_param(struct build *b, int fs_fd, size_t i)
{
    const struct dv_spec_param *p = &b->rootfs->params[i];
    bool overlay = dv_streq(b->rootfs->type, "overlay");
    char what[96];
    int r;

    if (p->kind == DV_PARAM_FLAG)
        r = dv_sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, p->key, NULL, 0);
    else if (overlay && is_path(p))
        r = dv_sys_fsconfig(fs_fd, FSCONFIG_SET_FD, p->key, NULL, b->fds[i]);
    else
        r = dv_sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, p->key, p->value ? p->value : "", 0);
    if (r == 0)
        return 0;
    b->fd_refused = overlay && is_path(p);
    snprintf(what, sizeof(what), "mount parameter '%.64s'", p->key);
    return dv_fs_fail(fs_fd, b->err, what);
}

static int mount_new(struct build *b)
{
    const struct dv_spec_rootfs *rootfs = b->rootfs;
    dv_autoclose int fs_fd = dv_sys_fsopen(rootfs->type);
    int r;

    if (fs_fd < 0 && errno == ENODEV)
        return dv_fail(b->err, DV_E_UNSUPPORTED,
                       "this kernel has no file system '%s'; choose another storage driver",
                       rootfs->type);
    if (fs_fd < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "open file system '%s'", rootfs->type);
    if (!dv_empty(rootfs->source) &&
        dv_sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", rootfs->source, 0) < 0)
        return dv_fs_fail(fs_fd, b->err, "mount parameter 'source'");
    for (size_t i = 0; i < rootfs->n_params; i++) {
        r = set_param(b, fs_fd, i);
        if (r < 0)
            return r;
    }
    r = dv_fs_mount(fs_fd, rootfs->type, rootfs->attrs, &b->ret, b->err);
    /* Overlay over idmapped clones that are attached nowhere came later than descriptors. */
    if (r < 0 && b->userns_fd >= 0 && b->err->sys_errno == EINVAL)
        b->fd_refused = true;
    return r;
}

/* Overlay writes to its upper layer as who mounted it; seen through the idmap, the host's root owns
 * nothing and may create nothing. So the container's root mounts, with our capabilities. */
static int become_container_root(struct build *b)
{
    const struct dv_spec *spec = b->spec;
    uint32_t uid, gid;

    if (b->userns_fd < 0)
        return 0;
    if (!dv_idmap_to_host(spec->uid_maps, spec->n_uid_maps, 0, &uid) ||
        !dv_idmap_to_host(spec->gid_maps, spec->n_gid_maps, 0, &gid))
        return dv_fail(b->err, DV_E_INVALID, "the user namespace has no root: map uid and gid 0");
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP_) < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "keep capabilities for the mount");
    syscall(SYS_setfsgid, gid);
    syscall(SYS_setfsuid, uid);
    return 0;
}

static int mount_new_as_root(struct build *b)
{
    int r = become_container_root(b);

    return r < 0 ? r : mount_new(b);
}

/* ---- mount(2), for kernels before 6.13 ---- */

/* Overlay takes layers of idmapped mounts there only when they are attached somewhere. */
static int attach_idmapped(struct build *b)
{
    const struct dv_spec_rootfs *rootfs = b->rootfs;

    for (size_t i = 0; i < rootfs->n_params; i++) {
        const struct dv_spec_param *p = &rootfs->params[i];
        dv_autoclose int place = -1;

        if (b->fds[i] < 0 || !idmapped(b, p) || (b->pair_fd >= 0 && is_pair(p)))
            continue;
        place = open(p->value, O_PATH | O_CLOEXEC);
        if (place < 0 || dv_sys_attach(b->fds[i], place) < 0)
            return dv_fail_errno(b->err, DV_E_INTERNAL, "attach the idmapped '%s'", p->value);
    }
    if (b->pair_fd >= 0) {
        dv_autoclose int place = open(b->pair_path, O_PATH | O_CLOEXEC);

        if (place < 0 || dv_sys_attach(b->pair_fd, place) < 0)
            return dv_fail_errno(b->err, DV_E_INTERNAL, "attach the idmapped '%s'", b->pair_path);
    }
    return 0;
}

/* Overlay takes no path that lies in another mount namespace, so all that is not our own clone is
 * opened once more, in this one. */
static int reopen_plain(struct build *b)
{
    const struct dv_spec_rootfs *rootfs = b->rootfs;

    for (size_t i = 0; i < rootfs->n_params; i++) {
        const struct dv_spec_param *p = &rootfs->params[i];

        if (b->fds[i] < 0 || idmapped(b, p))
            continue;
        dv_close(b->fds[i]);
        b->fds[i] = open(p->value, O_PATH | O_CLOEXEC);
        if (b->fds[i] < 0)
            return dv_fail_errno(b->err, DV_E_INTERNAL, "open '%s'", p->value);
    }
    return 0;
}

static int put_option(struct build *b, struct dv_buf *out, const char *key, const char *value)
{
    /* Commas and colons separate; no driver sends them in what is no path. */
    if (strpbrk(value, ",\\") || strpbrk(key, ",=\\"))
        return dv_fail(b->err, DV_E_UNSUPPORTED, "mount parameter '%s' cannot be passed to this "
                       "kernel", key);
    return dv_buf_printf(out, b->err, "%s%s%s%s", out->len ? "," : "", key, *value ? "=" : "",
                         value);
}

/* Layers as numbers of descriptors: the shortest names there are, whatever the real paths hold. */
static int classic_options(struct build *b, struct dv_buf *out)
{
    const struct dv_spec_rootfs *rootfs = b->rootfs;
    bool lower = false;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < rootfs->n_params; i++) {
        if (!dv_streq(rootfs->params[i].key, "lowerdir+"))
            continue;
        r = dv_buf_printf(out, b->err, "%s%d", lower ? ":" : "lowerdir=", b->fds[i]);
        lower = true;
    }
    for (size_t i = 0; r >= 0 && i < rootfs->n_params; i++) {
        const struct dv_spec_param *p = &rootfs->params[i];
        char number[16];

        snprintf(number, sizeof(number), "%d", b->fds[i]);
        if (!dv_streq(p->key, "lowerdir+"))
            r = put_option(b, out, p->key, is_path(p)             ? number
                                           : !p->value            ? ""
                                                                  : p->value);
    }
    return r;
}

static const char *first_path(const struct build *b)
{
    for (size_t i = 0; i < b->rootfs->n_params; i++)
        if (is_path(&b->rootfs->params[i]))
            return b->rootfs->params[i].value;
    return NULL;
}

static unsigned long classic_flags(uint64_t attrs)
{
    return (attrs & MOUNT_ATTR_RDONLY ? MS_RDONLY : 0) |
           (attrs & MOUNT_ATTR_NOSUID ? MS_NOSUID : 0) | (attrs & MOUNT_ATTR_NODEV ? MS_NODEV : 0) |
           (attrs & MOUNT_ATTR_NOEXEC ? MS_NOEXEC : 0) |
           (attrs & MOUNT_ATTR_NOATIME ? MS_NOATIME : 0);
}

/* In the helper. The mount lies on one of its own layers, in a namespace that ends with the helper;
 * a clone of it is what stays. */
static int mount_classic(struct build *b)
{
    dv_autobuf options = DV_BUF_INIT(CLASSIC_OPTION_BYTES - 1, "mount options of the overlay");
    const char *place = first_path(b);
    int r;

    if (!place)
        return dv_fail(b->err, DV_E_INVALID, "the root file system has no layer");
    if (dv_sys_unshare(CLONE_NEWNS) < 0 ||
        dv_sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "make a private mount namespace");
    r = reopen_plain(b);
    if (r == 0)
        r = attach_idmapped(b);
    if (r == 0)
        r = classic_options(b, &options);
    if (r < 0)
        return r;
    if (chdir("/proc/self/fd") < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "enter /proc/self/fd; is /proc mounted?");
    r = become_container_root(b);
    if (r < 0)
        return r;
    if (dv_sys_mount("overlay", place, b->rootfs->type, classic_flags(b->rootfs->attrs),
                     options.data) < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "mount overlay of %zu parameters; the kernel's "
                             "log (dmesg) may say more", b->rootfs->n_params);
    b->ret = dv_sys_clone_tree(AT_FDCWD, place, 0);
    if (b->ret < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "take the overlay out");
    return 0;
}

/* ---- which way ---- */

static int build_bind(struct build *b)
{
    const struct dv_spec_rootfs *rootfs = b->rootfs;
    struct dv_mount_attr attr = { .set = rootfs->attrs, .propagation = MS_PRIVATE };
    dv_autoclose int fd = -1;

    if (dv_empty(rootfs->source))
        return dv_fail(b->err, DV_E_INVALID, "the root file system has no source");
    fd = dv_sys_clone_tree(AT_FDCWD, rootfs->source, 0);
    if (fd < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "open '%s'", rootfs->source);
    if (b->userns_fd >= 0) {
        attr.set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = (uint64_t)b->userns_fd;
    }
    if (dv_sys_setattr(fd, 0, &attr) < 0)
        return dv_fail_errno(b->err, DV_E_INTERNAL, "set attributes of '%s'%s", rootfs->source,
                             b->userns_fd >= 0 ? " (its file system must allow idmapped mounts)"
                                               : "");
    b->ret = dv_take_fd(fd);
    return 0;
}

static int build_fs(struct build *b, enum dv_rootfs_way way)
{
    int r = open_params(b);

    if (r < 0)
        return r;
    b->fd_refused = way == DV_ROOTFS_CLASSIC;
    if (!b->fd_refused) /* a helper only where credentials must differ */
        r = b->userns_fd >= 0 ? in_helper(b, mount_new_as_root) : mount_new(b);
    if (b->fd_refused && dv_streq(b->rootfs->type, "overlay")) {
        dv_error_clear(b->err);
        r = in_helper(b, mount_classic);
    }
    return r;
}

int dv_rootfs_build(const struct dv_spec *spec, enum dv_rootfs_way way, int userns_fd, int *ret,
                    struct dv_error *err)
{
    struct build b = { .spec = spec, .rootfs = spec->rootfs, .userns_fd = userns_fd, .pair_fd = -1,
                       .ret = -1, .err = err };
    int r;

    if (spec->n_rootfs != 1)
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "the storage driver describes the root file system by %zu mounts; the "
                       "runtime takes one", spec->n_rootfs);
    r = dv_streq(b.rootfs->type, "bind") ? build_bind(&b) : build_fs(&b, way);
    build_done(&b);
    if (r < 0)
        return dv_wrap(err, "mount the root file system");
    *ret = b.ret;
    return 0;
}

int dv_runtime_rootfs(const struct dv_spec *spec, int *ret, struct dv_error *err)
{
    return dv_rootfs_build(spec, DV_ROOTFS_ANY, /* userns_fd */ -1, ret, err);
}
