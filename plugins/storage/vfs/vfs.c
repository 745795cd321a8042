/* vfs.c - storage without any help of the kernel: each layer is a whole tree, its parent's copy.
 *
 * Slow and large, but it works on every file system that keeps owners and modes. */

#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t vfs_init(const struct dv_host *h, struct dv_call *c, const struct dv_kvs *config,
                        void **self)
{
    struct dv_store *s = calloc(1, sizeof(*s));
    int32_t r;

    if (!s)
        return h->fail(c, DV_E_NO_MEMORY, 0, "out of memory");
    r = dv_store_init(s, h, c, config);
    if (r < 0) {
        dv_store_done(s);
        free(s);
        return r;
    }
    *self = s;
    return 0;
}

static int32_t vfs_start(void *self, struct dv_call *c)
{
    return dv_store_start(self, c);
}

static void vfs_fini(void *self)
{
    dv_store_done(self);
    free(self);
}

static int32_t copy_parent(struct dv_store *s, struct dv_call *c, int dir_fd, const char *id,
                           const char *parent)
{
    char name[DV_STORE_ID_MAX + sizeof("/diff")];
    int from = -1, to = -1, links = -1;
    int32_t r;

    snprintf(name, sizeof(name), "%s/diff", parent);
    from = openat(s->dirs[DV_STORE_LAYERS], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from >= 0)
        to = openat(dir_fd, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to >= 0 && mkdirat(dir_fd, "links", 0700) == 0)
        links = openat(dir_fd, "links", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    r = links < 0 ? dv_store_fail_errno(s, c, "open '%s' and its parent '%s' in %s", id, parent,
                                        s->path)
                  : dv_copy_tree(s, c, from, to, links);
    dv_store_close(from);
    dv_store_close(to);
    dv_store_close(links);
    if (r == 0)
        r = dv_store_delete(s, c, dir_fd, "links", s->dirs[DV_STORE_TRASH]);
    return r;
}

static int32_t vfs_fill(struct dv_store *s, struct dv_call *c, int dir_fd, const char *id,
                        const char *parent)
{
    if (mkdirat(dir_fd, "diff", 0755) < 0 || fchmodat(dir_fd, "diff", 0755, 0) < 0)
        return dv_store_fail_errno(s, c, "make workspace '%s' in %s", id, s->path);
    return parent ? copy_parent(s, c, dir_fd, id, parent) : 0;
}

static int32_t vfs_prepare(void *self, struct dv_call *c, const struct dv_layer_req *req)
{
    return dv_store_prepare(self, c, req, vfs_fill);
}

static int32_t vfs_commit(void *self, struct dv_call *c, const char *id, const char *layer,
                          const char *parent)
{
    return dv_store_commit(self, c, id, layer, parent, false, NULL);
}

static int32_t vfs_remove(void *self, struct dv_call *c, const char *id)
{
    return dv_store_remove(self, c, id);
}

static int32_t vfs_activate(void *self, struct dv_call *c, const char *id, uint32_t read_only,
                            struct dv_mounts *out)
{
    struct dv_store *s = self;
    enum dv_store_dir dir;
    struct dv_mount *m;
    int32_t r = dv_store_need(s, c, id, &dir);

    if (r < 0)
        return r;
    if (dir == DV_STORE_LAYERS && !read_only)
        return dv_store_fail(s, c, DV_E_CONFLICT,
                             "layer '%s' is committed: it can be activated read-only", id);
    m = s->host->alloc(c, sizeof(*m));
    if (!m)
        return dv_store_fail(s, c, DV_E_NO_MEMORY, "activate '%s': out of memory", id);
    m->type = "bind";
    m->source = dv_store_text(s, c, "%s/%s/%s/diff", s->path, dv_store_dir_name(dir), id);
    if (!m->source)
        return -DV_E_NO_MEMORY;
    m->param_stride = sizeof(struct dv_param);
    m->attrs = read_only ? MOUNT_ATTR_RDONLY : 0;
    out->stride = sizeof(*m);
    out->items = m;
    out->n = 1;
    return dv_store_activate(s, c, id);
}

static int32_t vfs_deactivate(void *self, struct dv_call *c, const char *id)
{
    (void)c;
    dv_store_deactivate(self, id);
    return 0;
}

static int32_t vfs_stat(void *self, struct dv_call *c, const char *id, struct dv_layer_info *out)
{
    return dv_store_stat(self, c, id, out);
}

static int32_t vfs_recover(void *self, struct dv_call *c, const char *const *known, size_t n)
{
    return dv_store_recover(self, c, known, n);
}

static int32_t vfs_empty_trash(void *self, struct dv_call *c, uint64_t older_than_s)
{
    return dv_store_empty_trash(self, c, older_than_s);
}

static int32_t vfs_open_diff(void *self, struct dv_call *c, const char *id, uint32_t for_write,
                             struct dv_diff_dir *out)
{
    return dv_store_open_diff(self, c, id, for_write, 2, out);
}

static int32_t vfs_status(void *self, struct dv_call *c, struct dv_kvs *out)
{
    struct dv_store *s = self;
    struct dv_kv *row = s->host->alloc(c, sizeof(*row));

    if (!row)
        return dv_store_fail(s, c, DV_E_NO_MEMORY, "status: out of memory");
    *row = (struct dv_kv){ "Backing Filesystem", dv_store_fs_name(s->fd) };
    out->items = row;
    out->n = 1;
    return 0;
}

static const struct dv_storage_ops ops = {
    .struct_size = sizeof(ops),
    .prepare = vfs_prepare,
    .commit = vfs_commit,
    .remove = vfs_remove,
    .activate = vfs_activate,
    .deactivate = vfs_deactivate,
    .stat = vfs_stat,
    .recover = vfs_recover,
    .empty_trash = vfs_empty_trash,
    .open_diff = vfs_open_diff,
    .status = vfs_status,
};
static const struct dv_option options[] = {
    { "state_dir", "path", NULL, "where layers and workspaces are kept" },
};

DV_PLUGIN_DEFINE(DV_KIND_STORAGE, "vfs", DAVIT_VERSION, .vendor = "davit", .license = "Apache-2.0",
                 .options = options, .n_options = DV_STORE_N(options),
                 .option_stride = sizeof(options[0]), .ops = &ops, .init = vfs_init,
                 .start = vfs_start, .fini = vfs_fini)
