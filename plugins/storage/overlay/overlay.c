/* overlay.c - storage by the kernel's overlay file system: a layer is a directory of differences.
 *
 * Layers are written with user.overlay.* attributes and mounted with userxattr, so that neither an
 * unpacker nor a rootless engine needs CAP_SYS_ADMIN for them. The driver describes mounts and
 * makes none. */

#include "../common/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

struct overlay {
    struct dv_store store;           /* first: self is the store of the shared operations too */
    bool d_type;
};

enum { DIFF_MODE = 0755 };

/* ---- probe: does the kernel make such an overlay over this file system? ---- */

/* The kernel's own words about a failed fsopen context, or "". */
static void context_message(int fs_fd, char *msg, size_t size)
{
    ssize_t n = read(fs_fd, msg, size - 1);

    msg[n > 0 ? n : 0] = '\0';
    msg[strcspn(msg, "\n")] = '\0';
}

static int set_dir(int fs_fd, const char *key, int dir_fd, const char *name)
{
    char path[64];

    /* By /proc/self/fd: a state_dir of any length stays below fsconfig's 255 bytes. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
    return (int)syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_STRING, key, path, 0);
}

/* An overlay that is attached nowhere and ends with its descriptor. */
static int try_overlay(int dir_fd, char *msg, size_t size)
{
    int fs_fd, mount_fd = -1;

    msg[0] = '\0';
    fs_fd = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    if (fs_fd < 0)
        return -1;
    if (syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) == 0 &&
        set_dir(fs_fd, "lowerdir", dir_fd, "lower") == 0 &&
        set_dir(fs_fd, "upperdir", dir_fd, "upper") == 0 &&
        set_dir(fs_fd, "workdir", dir_fd, "work") == 0 &&
        syscall(SYS_fsconfig, fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        mount_fd = (int)syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC, 0);
    if (mount_fd < 0) {
        int saved = errno;

        context_message(fs_fd, msg, size);
        errno = saved;
    }
    dv_store_close(fs_fd);
    return mount_fd < 0 ? -1 : (dv_store_close(mount_fd), 0);
}

/* d_type and user attributes: overlay mounts without them and then goes wrong silently. */
static int32_t check_features(struct overlay *o, struct dv_call *c, int dir_fd)
{
    struct dv_store *s = &o->store;
    struct dirent *e;
    DIR *dir;
    int fd = openat(dir_fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -1 : fsetxattr(fd, "user.overlay.opaque", "y", 1, 0);

    if (r < 0)
        r = dv_store_fail_errno(s, c, "the file system of %s (%s) takes no user.* attributes, "
                                "which overlay layers need; mount it with user_xattr, put state_dir on "
                                "another file system, or set driver = vfs",
                                s->path, dv_store_fs_name(s->fd));
    dv_store_close(fd);
    if (r < 0)
        return r;
    fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        dv_store_close(fd);
        return dv_store_fail_errno(s, c, "list the probe directory in %s", s->path);
    }
    while ((e = readdir(dir)))
        if (strcmp(e->d_name, "upper") == 0)
            o->d_type = e->d_type == DT_DIR;
    closedir(dir);
    if (!o->d_type)
        return dv_store_fail(s, c, DV_E_UNSUPPORTED,
                             "the file system of %s (%s) gives no d_type, which overlay needs; "
                             "make it with that feature (xfs: mkfs.xfs -n ftype=1), put state_dir "
                             "on another file system, or set driver = vfs",
                             s->path, dv_store_fs_name(s->fd));
    return 0;
}

static int32_t probe_in(struct overlay *o, struct dv_call *c, int dir_fd)
{
    static const char *const parts[] = { "lower", "upper", "work" };
    struct dv_store *s = &o->store;
    char msg[256];
    int32_t r;

    for (size_t i = 0; i < DV_STORE_N(parts); i++)
        if (mkdirat(dir_fd, parts[i], 0700) < 0)
            return dv_store_fail_errno(s, c, "make %s/tmp/%s", s->path, parts[i]);
    r = check_features(o, c, dir_fd);
    if (r < 0 || try_overlay(dir_fd, msg, sizeof(msg)) == 0)
        return r;
    if (errno == ENODEV)
        return dv_store_fail(s, c, DV_E_UNSUPPORTED,
                             "this kernel has no overlay file system: load it (modprobe overlay) "
                             "or set driver = vfs");
    if (errno == EPERM)
        return dv_store_fail_errno(s, c, "mounting an overlay in %s needs CAP_SYS_ADMIN: run the "
                                   "engine as root, or set driver = vfs",
                                   s->path);
    return dv_store_fail_errno(s, c, "the kernel makes no overlay with userxattr in %s (%s)%s%s; "
                               "put state_dir on another file system or set driver = vfs",
                               s->path, dv_store_fs_name(s->fd), msg[0] ? ", it says " : "", msg);
}

/* In a directory of its own below tmp, which recover() would sweep if we died here. */
static int32_t probe(struct overlay *o, struct dv_call *c)
{
    static const char name[] = "probe";
    struct dv_store *s = &o->store;
    int tmp_fd = s->dirs[DV_STORE_TMP], fd;
    int32_t r = dv_store_delete(s, c, tmp_fd, name, s->dirs[DV_STORE_TRASH]);

    if (r < 0)
        return r;
    if (mkdirat(tmp_fd, name, 0700) < 0)
        return dv_store_fail_errno(s, c, "make %s/tmp/%s", s->path, name);
    fd = openat(tmp_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    r = fd < 0 ? dv_store_fail_errno(s, c, "open %s/tmp/%s", s->path, name) : probe_in(o, c, fd);
    dv_store_close(fd);
    dv_store_delete(s, NULL, tmp_fd, name, s->dirs[DV_STORE_TRASH]);
    return r;
}

/* ---- life ---- */

static int32_t overlay_init(const struct dv_host *h, struct dv_call *c,
                            const struct dv_kvs *config, void **self)
{
    struct overlay *o = calloc(1, sizeof(*o));
    int32_t r;

    if (!o)
        return h->fail(c, DV_E_NO_MEMORY, 0, "out of memory");
    r = dv_store_init(&o->store, h, c, config);
    if (r < 0) {
        dv_store_done(&o->store);
        free(o);
        return r;
    }
    *self = o;
    return 0;
}

static int32_t overlay_start(void *self, struct dv_call *c)
{
    struct overlay *o = self;
    int32_t r = dv_store_start(&o->store, c);

    return r < 0 ? r : probe(o, c);
}

static void overlay_fini(void *self)
{
    struct overlay *o = self;

    dv_store_done(&o->store);
    free(o);
}

/* ---- prepare and commit ---- */

static int diff_stat(const struct dv_store *s, const char *layer, struct stat *st)
{
    char name[DV_STORE_ID_MAX + sizeof("/diff")];

    snprintf(name, sizeof(name), "%s/diff", layer);
    return fstatat(s->dirs[DV_STORE_LAYERS], name, st, AT_SYMLINK_NOFOLLOW);
}

/* The root of what is seen through an overlay is the upper directory: it must look as the
 * parent's. */
static int32_t copy_root(struct dv_store *s, struct dv_call *c, int dir_fd, const char *id,
                         const char *parent)
{
    struct stat st;
    int fd, r;

    if (diff_stat(s, parent, &st) < 0)
        return dv_store_fail_errno(s, c, "look at %s/layers/%s/diff", s->path, parent);
    fd = openat(dir_fd, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    r = fd < 0 ? -1 : fchown(fd, st.st_uid, st.st_gid);
    if (r == 0)
        r = fchmod(fd, st.st_mode & 07777);
    dv_store_close(fd);
    return r < 0 ? dv_store_fail_errno(s, c, "set owner and mode of the root of '%s'", id) : 0;
}

static int32_t overlay_fill(struct dv_store *s, struct dv_call *c, int dir_fd, const char *id,
                            const char *parent)
{
    if (mkdirat(dir_fd, "diff", DIFF_MODE) < 0 || fchmodat(dir_fd, "diff", DIFF_MODE, 0) < 0 ||
        mkdirat(dir_fd, "work", 0700) < 0)
        return dv_store_fail_errno(s, c, "make workspace '%s' in %s", id, s->path);
    return parent ? copy_root(s, c, dir_fd, id, parent) : 0;
}

static int32_t overlay_prepare(void *self, struct dv_call *c, const struct dv_layer_req *req)
{
    return dv_store_prepare(self, c, req, overlay_fill);
}

/* A layer needs no work directory. And where it was unpacked before its parent was known and its
 * archive said nothing of the root directory, the root is as the parent has it. */
static int32_t overlay_seal(struct dv_store *s, struct dv_call *c, int dir_fd, const char *id,
                            const char *parent)
{
    struct stat st;

    if (unlinkat(dir_fd, "work", AT_REMOVEDIR) < 0 && errno != ENOENT) {
        int32_t r = dv_store_trash(s, c, dir_fd, "work");

        if (r < 0)
            return r;
    }
    if (!parent)
        return 0;
    if (fstatat(dir_fd, "diff", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return dv_store_fail_errno(s, c, "look at %s/work/%s/diff", s->path, id);
    if ((st.st_mode & 07777) != DIFF_MODE || st.st_uid != geteuid() || st.st_gid != getegid())
        return 0;
    return copy_root(s, c, dir_fd, id, parent);
}

static int32_t overlay_commit(void *self, struct dv_call *c, const char *id, const char *layer,
                              const char *parent)
{
    return dv_store_commit(self, c, id, layer, parent, true, overlay_seal);
}

/* ---- activate ---- */

struct plan {
    struct dv_store *s;
    struct dv_call *c;
    struct dv_param *params;
    uint32_t n;
};

static int32_t add(struct plan *p, uint8_t kind, const char *key, const char *value)
{
    if (kind != DV_PARAM_FLAG && !value)
        return -DV_E_NO_MEMORY; /* recorded by dv_store_text */
    p->params[p->n++] = (struct dv_param){ .key = key, .value = value, .fd = -1, .kind = kind,
                                           .idmap = kind == DV_PARAM_PATH };
    return 0;
}

static char *part_path(struct plan *p, enum dv_store_dir dir, const char *id, const char *part)
{
    return dv_store_text(p->s, p->c, "%s/%s/%s/%s", p->s->path, dv_store_dir_name(dir), id, part);
}

/* Each ancestor of ID, nearest first, as a lower directory. */
static int32_t add_lowers(struct plan *p, enum dv_store_dir dir, const char *id)
{
    char parent[DV_STORE_ID_MAX + 1], at[DV_STORE_ID_MAX + 1];
    struct stat st;
    int32_t r;

    snprintf(at, sizeof(at), "%s", id);
    for (int depth = 0;; depth++) {
        r = dv_store_parent(p->s, p->c, dir, at, parent);
        if (r < 0 || !parent[0])
            return r;
        if (depth == DV_STORE_CHAIN_MAX)
            return dv_store_fail(p->s, p->c, DV_E_UNSUPPORTED,
                                 "'%s' stands on more than %d layers, the kernel's limit", id,
                                 DV_STORE_CHAIN_MAX);
        if (dv_store_check_id(p->s, p->c, parent) < 0 || diff_stat(p->s, parent, &st) < 0)
            return dv_store_fail(p->s, p->c, DV_E_NOT_FOUND,
                                 "layer '%s', which '%s' stands on, is missing in %s", parent, id,
                                 p->s->path);
        r = add(p, DV_PARAM_PATH, "lowerdir+", part_path(p, DV_STORE_LAYERS, parent, "diff"));
        if (r < 0)
            return r;
        dir = DV_STORE_LAYERS;
        snprintf(at, sizeof(at), "%s", parent);
    }
}

/* Parameters of the overlay; p->n counts them. With one directory alone there is nothing to
 * overlay: then only that one is there. */
static int32_t plan_overlay(struct plan *p, enum dv_store_dir dir, const char *id, bool read_only)
{
    int32_t r;

    if (read_only) {
        r = add(p, DV_PARAM_PATH, "lowerdir+", part_path(p, dir, id, "diff"));
        return r < 0 ? r : add_lowers(p, dir, id);
    }
    r = add_lowers(p, dir, id);
    if (r == 0)
        r = add(p, DV_PARAM_PATH, "upperdir", part_path(p, dir, id, "diff"));
    if (r == 0 && p->n > 1)
        r = add(p, DV_PARAM_PATH, "workdir", part_path(p, dir, id, "work"));
    return r;
}

static int32_t describe(struct plan *p, enum dv_store_dir dir, const char *id, bool read_only,
                        struct dv_mounts *out)
{
    struct dv_mount *m = p->s->host->alloc(p->c, sizeof(*m));
    int32_t r;

    p->params = p->s->host->alloc(p->c, (DV_STORE_CHAIN_MAX + 5) * sizeof(*p->params));
    if (!m || !p->params)
        return dv_store_fail(p->s, p->c, DV_E_NO_MEMORY, "activate '%s': out of memory", id);
    r = plan_overlay(p, dir, id, read_only);
    if (r < 0)
        return r;
    m->attrs = read_only ? MOUNT_ATTR_RDONLY : 0;
    m->param_stride = sizeof(*p->params);
    if (p->n == 1) {
        m->type = "bind";
        m->source = p->params[0].value;
    } else {
        add(p, DV_PARAM_FLAG, "userxattr", NULL);
        /* Off whatever the kernel's default: an index would tie a workspace to its inodes. */
        add(p, DV_PARAM_STRING, "index", "off");
        m->type = m->source = "overlay";
        m->params = p->params;
        m->n_params = p->n;
    }
    out->stride = sizeof(*m);
    out->items = m;
    out->n = 1;
    return 0;
}

static int32_t overlay_activate(void *self, struct dv_call *c, const char *id, uint32_t read_only,
                                struct dv_mounts *out)
{
    struct plan p = { .s = self, .c = c };
    enum dv_store_dir dir;
    int32_t r = dv_store_need(self, c, id, &dir);

    if (r < 0)
        return r;
    if (dir == DV_STORE_LAYERS && !read_only)
        return dv_store_fail(self, c, DV_E_CONFLICT,
                             "layer '%s' is committed: it can be activated read-only", id);
    r = describe(&p, dir, id, read_only != 0, out);
    return r < 0 ? r : dv_store_activate(self, c, id);
}

static int32_t overlay_deactivate(void *self, struct dv_call *c, const char *id)
{
    (void)c;
    dv_store_deactivate(self, id);
    return 0;
}

/* ---- the rest ---- */

static int32_t overlay_remove(void *self, struct dv_call *c, const char *id)
{
    return dv_store_remove(self, c, id);
}

/* The lower directories of a plan as one text, "a:b", the topmost first; NULL: out of memory. */
static const char *join_lowers(struct plan *p)
{
    char *text, *at;
    size_t size = 1;

    for (uint32_t i = 0; i < p->n; i++)
        size += strlen(p->params[i].value) + 1;
    text = p->s->host->alloc(p->c, size);
    if (!text) {
        dv_store_fail(p->s, p->c, DV_E_NO_MEMORY, "%s: out of memory", p->s->path);
        return NULL;
    }
    at = text;
    for (uint32_t i = 0; i < p->n; i++)
        at += snprintf(at, size - (size_t)(at - text), "%s%s", i ? ":" : "", p->params[i].value);
    return text;
}

/* GraphDriver.Data as Docker's overlay2 has it, but for MergedDir: no root is mounted where the host
 * sees it. A layer has no WorkDir. */
static int32_t set_data(struct dv_store *s, struct dv_call *c, const char *id,
                        struct dv_layer_info *out)
{
    enum dv_store_dir dir = out->state == 2 ? DV_STORE_LAYERS : DV_STORE_WORK;
    struct plan p = { .s = s, .c = c };
    struct dv_kv *rows = s->host->alloc(c, 3 * sizeof(*rows));
    size_t n = 0;
    int32_t r;

    p.params = s->host->alloc(c, (DV_STORE_CHAIN_MAX + 1) * sizeof(*p.params));
    if (!rows || !p.params)
        return dv_store_fail(s, c, DV_E_NO_MEMORY, "stat '%s': out of memory", id);
    r = add_lowers(&p, dir, id);
    if (r < 0)
        return r;
    if (p.n > 0)
        rows[n++] = (struct dv_kv){ "LowerDir", join_lowers(&p) };
    rows[n++] = (struct dv_kv){ "UpperDir", part_path(&p, dir, id, "diff") };
    if (dir == DV_STORE_WORK)
        rows[n++] = (struct dv_kv){ "WorkDir", part_path(&p, dir, id, "work") };
    for (size_t i = 0; i < n; i++)
        if (!rows[i].value)
            return -DV_E_NO_MEMORY;
    out->data.items = rows;
    out->data.n = n;
    return 0;
}

static int32_t overlay_stat(void *self, struct dv_call *c, const char *id,
                            struct dv_layer_info *out)
{
    int32_t r = dv_store_stat(self, c, id, out);

    return r < 0 ? r : set_data(self, c, id, out);
}

static int32_t overlay_recover(void *self, struct dv_call *c, const char *const *known, size_t n)
{
    return dv_store_recover(self, c, known, n);
}

static int32_t overlay_empty_trash(void *self, struct dv_call *c, uint64_t older_than_s)
{
    return dv_store_empty_trash(self, c, older_than_s);
}

static int32_t overlay_open_diff(void *self, struct dv_call *c, const char *id, uint32_t for_write,
                                 struct dv_diff_dir *out)
{
    return dv_store_open_diff(self, c, id, for_write, 1, out);
}

/* Rows in the words of Docker's overlay2. */
static int32_t overlay_status(void *self, struct dv_call *c, struct dv_kvs *out)
{
    struct overlay *o = self;
    const struct dv_kv rows[] = {
        { "Backing Filesystem", dv_store_fs_name(o->store.fd) },
        { "Supports d_type", o->d_type ? "true" : "false" },
        { "Using metacopy", "false" },
        { "Native Overlay Diff", "true" },
        { "userxattr", "true" },
    };
    struct dv_kv *items = o->store.host->alloc(c, sizeof(rows));

    if (!items)
        return dv_store_fail(&o->store, c, DV_E_NO_MEMORY, "status: out of memory");
    memcpy(items, rows, sizeof(rows));
    out->items = items;
    out->n = DV_STORE_N(rows);
    return 0;
}

static const struct dv_storage_ops ops = {
    .struct_size = sizeof(ops),
    .prepare = overlay_prepare,
    .commit = overlay_commit,
    .remove = overlay_remove,
    .activate = overlay_activate,
    .deactivate = overlay_deactivate,
    .stat = overlay_stat,
    .recover = overlay_recover,
    .empty_trash = overlay_empty_trash,
    .open_diff = overlay_open_diff,
    .status = overlay_status,
};
static const struct dv_option options[] = {
    { "state_dir", "path", NULL, "where layers and workspaces are kept" },
};

DV_PLUGIN_DEFINE(DV_KIND_STORAGE, "overlay", DAVIT_VERSION, .vendor = "davit",
                 .license = "Apache-2.0", .caps = (uint64_t)DV_STORAGE_CAP_NATIVE_DIFF << 32,
                 .options = options, .n_options = DV_STORE_N(options),
                 .option_stride = sizeof(options[0]), .ops = &ops, .init = overlay_init,
                 .start = overlay_start, .fini = overlay_fini)
