/* dev.c - in the child: nodes and links of the container's /dev. */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

static const struct {
    const char *name, *target;
} links[] = {
    { "fd", "/proc/self/fd" },          { "stdin", "/proc/self/fd/0" },
    { "stdout", "/proc/self/fd/1" },    { "stderr", "/proc/self/fd/2" },
    { "core", "/proc/kcore" },          { "ptmx", "pts/ptmx" },
};

/* The spec's own mount of /dev, the last one counts; NULL if there is none. */
static const struct dv_spec_mount *dev_mount(const struct dv_child *c, bool *is_bind)
{
    const struct dv_spec_mount *found = NULL;

    *is_bind = false;
    for (size_t i = 0; i < c->spec->n_mounts; i++) {
        if (!dv_streq(c->spec->mounts[i].destination, "/dev"))
            continue;
        found = &c->spec->mounts[i];
        *is_bind = c->prep->mounts[i] >= 0;
    }
    return found;
}

static mode_t node_type(char type)
{
    return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

/* The host's node for DEVICE: mostly under the same name, else by its number. */
static int open_host_node(const struct dv_spec_device *d)
{
    char by_number[64];
    const char *names[] = { d->path, by_number };

    snprintf(by_number, sizeof(by_number), "/dev/%s/%u:%u", d->type == 'b' ? "block" : "char",
             d->major, d->minor);
    for (size_t i = 0; i < N(names); i++) {
        struct stat st;
        int fd = open(names[i], O_PATH | O_CLOEXEC);

        if (fd < 0)
            continue;
        if (fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == node_type(d->type) &&
            st.st_rdev == makedev(d->major, d->minor))
            return fd;
        dv_close(fd);
    }
    errno = ENOENT;
    return -1;
}

/* In a user namespace nobody may make nodes; the host's is bound instead. */
static int bind_node(struct dv_child *c, const struct dv_spec_device *d, struct dv_error *err)
{
    dv_autoclose int node = open_host_node(d), tree = -1, target = -1;
    bool existed;
    int r;

    if (node < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "find the host's node (%c %u:%u)", d->type,
                             d->major, d->minor);
    r = dv_child_target(c, d->path, true, &existed, &target, err);
    if (r < 0)
        return r;
    tree = dv_sys_clone_tree(node, "", 0);
    if (tree < 0 || dv_sys_attach(tree, target) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "bind the host's node");
    return 0;
}

static int make_node(int dir_fd, const char *name, const struct dv_spec_device *d,
                     struct dv_error *err)
{
    mode_t mode = (mode_t)d->mode & 07777;

    if (mode == 0)
        mode = 0666;
    if (mknodat(dir_fd, name, node_type(d->type) | mode, makedev(d->major, d->minor)) < 0) {
        if (errno == EEXIST) /* mounted there by the user, or in the image */
            return 0;
        return dv_fail_errno(err, DV_E_INTERNAL, "make the node");
    }
    if ((d->uid || d->gid) && fchownat(dir_fd, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "give the node to %u:%u", d->uid, d->gid);
    return 0;
}

/* The directory of PATH below the root; *NAME is the rest. */
static int open_parent(struct dv_child *c, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX];

    if (path[0] != '/' || !slash[1] || (size_t)(slash - path) >= sizeof(parent)) {
        errno = EINVAL;
        return -1;
    }
    *name = slash + 1;
    snprintf(parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return dv_make_in_root(c->root_fd, parent, /* is_file */ 0);
}

static int make_device(struct dv_child *c, int dev_fd, const struct dv_spec_device *d,
                       struct dv_error *err)
{
    dv_autoclose int parent = -1;
    const char *name;

    if (c->spec->ns[DV_NS_USER].wanted && d->type != 'p')
        return bind_node(c, d, err);
    if (dv_starts(d->path, "/dev/") && d->path[5] && !strchr(d->path + 5, '/'))
        return make_node(dev_fd, d->path + 5, d, err);
    parent = open_parent(c, d->path, &name);
    if (parent < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make its directory");
    return make_node(parent, name, d, err);
}

static int make_links(int dev_fd, struct dv_error *err)
{
    for (size_t i = 0; i < N(links); i++)
        if (symlinkat(links[i].target, dev_fd, links[i].name) < 0 && errno != EEXIST)
            return dv_fail_errno(err, DV_E_INTERNAL, "link /dev/%s", links[i].name);
    return 0;
}

/* What the terminal is bound onto later, when /dev may be read-only. */
static int make_console(int dev_fd, struct dv_error *err)
{
    dv_autoclose int fd =
        openat(dev_fd, "console", O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0666);

    if (fd < 0 && errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "make /dev/console");
    return 0;
}

static int close_dev(int dev_fd, const struct dv_spec_mount *m, struct dv_error *err)
{
    struct dv_mount_attr attr = { .set = MOUNT_ATTR_RDONLY };

    if (!m || !dv_strv_has(&m->options, "ro"))
        return 0;
    if (dv_sys_setattr(dev_fd, 0, &attr) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make /dev read-only");
    return 0;
}

int dv_child_dev(struct dv_child *c, struct dv_error *err)
{
    dv_autoclose int dev_fd = -1;
    const struct dv_spec_mount *m;
    bool is_bind;
    int r;

    m = dev_mount(c, &is_bind);
    if (is_bind) /* the host's, complete as it is */
        return 0;
    dev_fd = dv_make_in_root(c->root_fd, "/dev", /* is_file */ 0);
    if (dev_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open /dev of the container");
    for (size_t i = 0; i < c->spec->n_devices; i++) {
        r = make_device(c, dev_fd, &c->spec->devices[i], err);
        if (r < 0)
            return dv_wrap(err, "device %s", c->spec->devices[i].path);
    }
    r = make_links(dev_fd, err);
    if (r == 0 && c->process->terminal)
        r = make_console(dev_fd, err);
    return r < 0 ? r : close_dev(dev_fd, m, err);
}
