/* paths.c - in the child: what a container must not see (masked) or not change (read-only). */
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

/* Not there, in this kernel or this image: nothing to hide. */
static bool is_missing(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

/* One empty directory serves all: the first is a file system, the others are clones of its mount.
 */
static int empty_tree(int *empty_fd, struct dv_error *err)
{
    static const char *const data[] = { "mode=755" };
    int fd, r;

    if (*empty_fd < 0) {
        r = dv_fs_new("tmpfs", "tmpfs", data, N(data), MOUNT_ATTR_RDONLY, empty_fd, err);
        return r < 0 ? r : fcntl(*empty_fd, F_DUPFD_CLOEXEC, 3);
    }
    fd = dv_sys_clone_tree(*empty_fd, "", 0);
    return fd < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "clone the empty directory") : fd;
}

static int mask(struct dv_child *c, const char *path, int *empty_fd, struct dv_error *err)
{
    dv_autoclose int target = dv_open_in_root(c->root_fd, path, O_PATH, /* mode */ 0), tree = -1;
    struct stat st;

    if (target < 0 && is_missing(errno))
        return 0;
    if (target < 0 || fstat(target, &st) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open it");
    if (S_ISDIR(st.st_mode)) {
        tree = empty_tree(empty_fd, err);
        if (tree < 0)
            return tree;
    } else {
        tree = dv_sys_clone_tree(c->null_fd, "", 0);
        if (tree < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "clone /dev/null");
    }
    if (dv_sys_attach(tree, target) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "cover it");
    return 0;
}

static int make_readonly(struct dv_child *c, const char *path, struct dv_error *err)
{
    struct dv_mount_attr attr = { .set = MOUNT_ATTR_RDONLY };
    dv_autoclose int target = dv_open_in_root(c->root_fd, path, O_PATH, /* mode */ 0), tree = -1;

    if (target < 0 && is_missing(errno))
        return 0;
    if (target < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open it");
    tree = dv_sys_clone_tree(target, "", 1);
    if (tree < 0 || dv_sys_setattr(tree, 1, &attr) < 0 || dv_sys_attach(tree, target) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "bind it");
    return 0;
}

int dv_child_paths(struct dv_child *c, struct dv_error *err)
{
    const struct dv_strv *ro = &c->spec->readonly_paths, *masked = &c->spec->masked_paths;
    dv_autoclose int empty_fd = -1;
    int r;

    for (size_t i = 0; i < ro->n; i++) {
        r = make_readonly(c, ro->items[i], err);
        if (r < 0)
            return dv_wrap(err, "make %s read-only", ro->items[i]);
    }
    for (size_t i = 0; i < masked->n; i++) {
        r = mask(c, masked->items[i], &empty_fd, err);
        if (r < 0)
            return dv_wrap(err, "mask %s", masked->items[i]);
    }
    return 0;
}
