/* mounts.c - in the child: everything below the container's root, and that root in place. */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

enum { DEVPTS_GID = 5 };

int dv_child_target(struct dv_child *c, const char *path, bool is_file, bool *ret_existed, int *ret,
                    struct dv_error *err)
{
    int fd = dv_open_in_root(c->root_fd, path, O_PATH, /* mode */ 0);

    *ret_existed = fd >= 0;
    if (fd < 0 && errno == ENOENT)
        fd = dv_make_in_root(c->root_fd, path, is_file);
    if (fd < 0 && errno == EROFS)
        return dv_fail(err, DV_E_INVALID,
                       "create mountpoint %s: the file system is read-only and has none there",
                       path);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "create mountpoint %s", path);
    *ret = fd;
    return 0;
}

/* The kernel says EINVAL, which it says of many things. */
static bool kinds_differ(int tree_fd, int target_fd)
{
    struct stat tree, target;

    return fstat(tree_fd, &tree) == 0 && fstat(target_fd, &target) == 0 &&
           S_ISDIR(tree.st_mode) != S_ISDIR(target.st_mode);
}

static int attach(int tree_fd, int target_fd, struct dv_error *err)
{
    int error;

    if (dv_sys_attach(tree_fd, target_fd) == 0)
        return 0;
    error = errno;
    if (kinds_differ(tree_fd, target_fd))
        return dv_fail(err, DV_E_INVALID,
                       "not a directory: Are you trying to mount a directory onto a file (or "
                       "vice-versa)? Check if the specified host path exists and is the expected "
                       "type");
    errno = error;
    return dv_fail_errno(err, DV_E_INTERNAL, "attach the mount");
}

/* ---- control groups ---- */

/* "cpu,cpuacct" is found as "cpu" and as "cpuacct" too. */
static void link_parts(int dir_fd, const char *name)
{
    for (const char *part = name; strchr(name, ',') && *part;) {
        size_t n = strcspn(part, ",");
        char link[64];

        snprintf(link, sizeof(link), "%.*s", (int)n, part);
        if (symlinkat(name, dir_fd, link) < 0)
            return; /* there already; nothing depends on it */
        part += n + (part[n] == ',');
    }
}

static int attach_hierarchies(const struct dv_prep *prep, int dir_fd, struct dv_error *err)
{
    for (size_t i = 0; i < prep->n_cgroups; i++) {
        const char *name = prep->cgroups[i].name;
        dv_autoclose int place = -1;

        if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
            return dv_fail_errno(err, DV_E_INTERNAL, "make the directory of '%s'", name);
        place = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (place < 0 || dv_sys_attach(prep->cgroups[i].tree, place) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "attach '%s'", name);
        link_parts(dir_fd, name);
    }
    return 0;
}

/* v2: the container's group itself. v1: a directory of hierarchies, as on a host. */
static int mount_cgroups(struct dv_child *c, const struct dv_mount_opts *o, int target_fd,
                         struct dv_error *err)
{
    static const char *const data[] = { "mode=755" };
    const struct dv_prep *prep = c->prep;
    struct dv_mount_attr attr = { .set = o->set & MOUNT_ATTR_RDONLY };
    dv_autoclose int fd = -1;
    int r;

    if (prep->cgroup2)
        return attach(prep->cgroups[0].tree, target_fd, err);
    r = dv_fs_new("tmpfs", "cgroup", data, N(data), o->set & ~(uint64_t)MOUNT_ATTR_RDONLY, &fd,
                  err);
    if (r == 0)
        r = attach(fd, target_fd, err);
    if (r == 0)
        r = attach_hierarchies(prep, fd, err);
    if (r < 0)
        return r;
    if (attr.set && dv_sys_setattr(fd, 0, &attr) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make it read-only");
    return 0;
}

/* ---- one mount ---- */

static bool has_key(const struct dv_mount_opts *o, const char *key)
{
    for (size_t i = 0; i < o->n_data; i++)
        if (dv_starts(o->data[i], key))
            return true;
    return false;
}

/* A tmpfs over a directory looks like that directory (as runc does). */
static void keep_mode(struct dv_mount_opts *o, int target_fd, char *text, size_t size)
{
    struct stat st;

    if (has_key(o, "mode=") || o->n_data == N(o->data) || fstat(target_fd, &st) < 0)
        return;
    snprintf(text, size, "mode=%o", st.st_mode & 07777u);
    o->data[o->n_data++] = text;
}

/* "gid=5" is refused where the user namespace has no such group. */
static void drop_unmapped_gid(const struct dv_spec *spec, struct dv_mount_opts *o)
{
    uint32_t host;
    size_t n = 0;

    if (!spec->ns[DV_NS_USER].wanted ||
        dv_idmap_to_host(spec->gid_maps, spec->n_gid_maps, DEVPTS_GID, &host))
        return;
    for (size_t i = 0; i < o->n_data; i++)
        if (!dv_starts(o->data[i], "gid="))
            o->data[n++] = o->data[i];
    o->n_data = n;
}

static bool is_dev_tmpfs(const struct dv_spec_mount *m)
{
    return dv_streq(m->type, "tmpfs") && dv_streq(m->destination, "/dev");
}

static int mount_fs(struct dv_child *c, const struct dv_spec_mount *m, struct dv_mount_opts *o,
                    int target_fd, bool existed, struct dv_error *err)
{
    dv_autoclose int fd = -1;
    char mode[24];
    int r;

    if (dv_streq(m->type, "tmpfs") && existed)
        keep_mode(o, target_fd, mode, sizeof(mode));
    if (dv_streq(m->type, "devpts"))
        drop_unmapped_gid(c->spec, o);
    if (is_dev_tmpfs(m)) /* its nodes are made first; dv_child_dev() closes it */
        o->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
    r = dv_fs_new(m->type, dv_empty(m->source) ? m->type : m->source, o->data, o->n_data, o->set,
                  &fd, err);
    if (r == 0)
        r = attach(fd, target_fd, err);
    if (r == 0 && o->propagation) {
        struct dv_mount_attr attr = { .propagation = o->propagation };

        if (dv_sys_setattr(fd, 0, &attr) < 0)
            r = dv_fail_errno(err, DV_E_INTERNAL, "set its propagation");
    }
    return r;
}

static int mount_one(struct dv_child *c, size_t i, struct dv_error *err)
{
    const struct dv_spec_mount *m = &c->spec->mounts[i];
    dv_autoclose int target_fd = -1;
    struct dv_mount_opts o;
    bool existed;
    int r;

    r = dv_child_target(c, m->destination, m->make_source_file, &existed, &target_fd, err);
    if (r < 0)
        return r;
    if (c->prep->mounts[i] >= 0)
        return attach(c->prep->mounts[i], target_fd, err);
    r = dv_mount_opts_parse(&m->options, &o, err);
    if (r < 0)
        return r;
    if (dv_streq(m->type, "cgroup") || dv_streq(m->type, "cgroup2"))
        return mount_cgroups(c, &o, target_fd, err);
    return mount_fs(c, m, &o, target_fd, existed, err);
}

static int mount_all(struct dv_child *c, struct dv_error *err)
{
    for (size_t i = 0; i < c->spec->n_mounts; i++) {
        const struct dv_spec_mount *m = &c->spec->mounts[i];
        int r = mount_one(c, i, err);

        if (r < 0)
            return dv_wrap(err, "mount %s%s%s at %s", m->type,
                           dv_empty(m->source) ? "" : " ", m->source ? m->source : "",
                           m->destination);
    }
    return 0;
}

static int mount_init(struct dv_child *c, struct dv_error *err)
{
    static const char path[] = "/sbin/docker-init";
    dv_autoclose int target_fd = -1;
    bool existed;
    int r;

    if (c->prep->init < 0)
        return 0;
    r = dv_child_target(c, path, true, &existed, &target_fd, err);
    if (r == 0)
        r = attach(c->prep->init, target_fd, err);
    return r < 0 ? dv_wrap(err, "mount the init program at %s", path) : 0;
}

/* ---- the root ---- */

/* Our copy of the host's tree sends nothing back; the new root lies on top of the old one, which
 * pivot_root accepts and which needs no directory. */
static int enter(struct dv_child *c, struct dv_error *err)
{
    if (dv_sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make the mount namespace private");
    if (syscall(SYS_move_mount, c->prep->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "attach the root file system");
    c->root_fd = c->prep->root;
    return 0;
}

static int finish_root(struct dv_child *c, struct dv_error *err)
{
    struct dv_mount_attr attr = { .set = c->spec->root_readonly ? MOUNT_ATTR_RDONLY : 0 };
    struct dv_mount_attr whole = { 0 };
    const char *word = c->spec->root_propagation;
    bool recursive = false;

    if (!dv_empty(word) && !dv_streq(word, "rprivate")) {
        uint64_t propagation = 0;

        if (!dv_mount_propagation(word, &propagation, &recursive))
            return dv_fail(err, DV_E_INVALID, "root propagation '%s' is unknown", word);
        *(recursive ? &whole.propagation : &attr.propagation) = propagation;
    }
    if (whole.propagation && dv_sys_setattr(c->root_fd, 1, &whole) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "set the root's propagation");
    if ((attr.set || attr.propagation) && dv_sys_setattr(c->root_fd, 0, &attr) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "set the root's attributes");
    return 0;
}

static int pivot(struct dv_child *c, struct dv_error *err)
{
    if (fchdir(c->root_fd) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "enter the root file system");
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "pivot_root");
    /* The old root now lies on the new one, where we stand. */
    if (syscall(SYS_umount2, ".", MNT_DETACH) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "detach the host's root");
    if (chdir("/") < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "enter the new root");
    return 0;
}

static int set_names(const struct dv_spec *spec, struct dv_error *err)
{
    if (!spec->ns[DV_NS_UTS].wanted)
        return 0;
    if (!dv_empty(spec->hostname) && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
        return dv_fail_errno(err, DV_E_INVALID, "set host name '%s'", spec->hostname);
    if (!dv_empty(spec->domainname) &&
        syscall(SYS_setdomainname, spec->domainname, strlen(spec->domainname)) < 0)
        return dv_fail_errno(err, DV_E_INVALID, "set domain name '%s'", spec->domainname);
    return 0;
}

int dv_child_mounts(struct dv_child *c, struct dv_error *err)
{
    int r = enter(c, err);

    if (r == 0)
        r = mount_all(c, err);
    if (r == 0)
        r = mount_init(c, err);
    if (r == 0)
        r = dv_child_dev(c, err);
    if (r == 0)
        r = set_names(c->spec, err);
    if (r == 0)
        r = dv_child_sysctls(c->spec, err);
    if (r == 0)
        r = dv_child_paths(c, err);
    if (r == 0)
        r = finish_root(c, err);
    return r < 0 ? r : pivot(c, err);
}
