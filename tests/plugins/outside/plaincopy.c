/* plaincopy.c - a vendor's storage driver, in the fewest lines: every layer is a whole copy, made by cp.
 *
 * It stands for plugins from outside the tree: tests/e2e/daemon.bats builds it with nothing but the
 * installed headers. Not meant for use: nothing here is durable.
 *
 * <state_dir>/layers/<id>/ and work/<id>/, each with diff/ (the files) and parent (text). */
#define _GNU_SOURCE
#include <davit/storage.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct store {
    const struct dv_host *host;
    char dir[PATH_MAX / 2];
};
struct path { char text[PATH_MAX]; };
enum { WORKSPACE = 1, COMMITTED = 2 };

static int32_t fail(const struct store *s, struct dv_call *c, const char *what)
{
    return s->host->fail(c, DV_E_INTERNAL, errno, what);
}

static struct path at(const struct store *s, int state, const char *id, const char *file)
{
    struct path p;

    snprintf(p.text, sizeof(p.text), "%s/%s/%s/%s", s->dir, state == COMMITTED ? "layers" : "work", id,
             file);
    return p;
}

/* WORKSPACE, COMMITTED, or 0 if there is no such id. */
static int state_of(const struct store *s, const char *id)
{
    for (int state = WORKSPACE; state <= COMMITTED; state++)
        if (access(at(s, state, id, "diff").text, F_OK) == 0)
            return state;
    return 0;
}

static int32_t pc_init(const struct dv_host *h, struct dv_call *c, const struct dv_kvs *config,
                       void **self)
{
    struct store *s = calloc(1, sizeof(*s));

    if (!s)
        return h->fail(c, DV_E_NO_MEMORY, 0, "out of memory");
    s->host = h;
    for (size_t i = 0; i < config->n; i++)
        if (strcmp(config->items[i].key, "state_dir") == 0)
            snprintf(s->dir, sizeof(s->dir), "%s", config->items[i].value);
    *self = s;
    return 0;
}

static int32_t pc_start(void *self, struct dv_call *c)
{
    struct store *s = self;

    if ((mkdir(at(s, COMMITTED, "", "").text, 0711) < 0 && errno != EEXIST) ||
        (mkdir(at(s, WORKSPACE, "", "").text, 0711) < 0 && errno != EEXIST))
        return fail(s, c, "make the folders for layers");
    return 0;
}

static void pc_fini(void *self)
{
    free(self);
}

static int32_t write_parent(struct store *s, struct dv_call *c, int state, const char *id,
                            const char *parent)
{
    FILE *f = fopen(at(s, state, id, "parent").text, "we");

    if (!f)
        return fail(s, c, "note the parent");
    fputs(parent ? parent : "", f);
    return fclose(f) == 0 ? 0 : fail(s, c, "note the parent");
}

static int32_t pc_prepare(void *self, struct dv_call *c, const struct dv_layer_req *req)
{
    struct store *s = self;
    struct path to = at(s, WORKSPACE, req->id, "diff");
    struct path from = at(s, COMMITTED, req->parent ? req->parent : "", "diff");
    const char *const cp[] = { "/bin/cp", "-a", "--reflink=auto", from.text, to.text, NULL };
    int32_t status = 0, r;

    if (state_of(s, req->id))
        return s->host->fail(c, DV_E_CONFLICT, 0, "there is such an id already");
    if (mkdir(at(s, WORKSPACE, req->id, "").text, 0711) < 0 && errno != EEXIST)
        return fail(s, c, "make a workspace");
    r = write_parent(s, c, WORKSPACE, req->id, req->parent);
    if (r < 0)
        return r;
    if (!req->parent)
        return mkdir(to.text, 0755) < 0 ? fail(s, c, "make a workspace") : 0;
    r = s->host->spawn(c, cp, -1, &status);
    if (r == 0 && status != 0)
        r = s->host->fail(c, DV_E_INTERNAL, 0, "cp did not succeed");
    return r;
}

static int32_t pc_commit(void *self, struct dv_call *c, const char *id, const char *layer,
                         const char *parent)
{
    struct store *s = self;
    int32_t r = write_parent(s, c, WORKSPACE, id, parent);

    if (r == 0 && rename(at(s, WORKSPACE, id, "").text, at(s, COMMITTED, layer, "").text) < 0)
        r = fail(s, c, "commit a layer");
    return r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int32_t pc_remove(void *self, struct dv_call *c, const char *id)
{
    struct store *s = self;
    int state = state_of(s, id);

    if (state && nftw(at(s, state, id, "").text, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return fail(s, c, "remove a layer");
    return 0;
}

static int32_t pc_activate(void *self, struct dv_call *c, const char *id, uint32_t read_only,
                           struct dv_mounts *out)
{
    struct store *s = self;
    int state = state_of(s, id);
    struct path diff = at(s, state, id, "diff");
    struct dv_mount *mount = s->host->alloc(c, sizeof(*mount));
    size_t size = strlen(diff.text) + 1;
    char *source = s->host->alloc(c, size);

    if (!mount || !source)
        return s->host->fail(c, DV_E_NO_MEMORY, 0, "out of memory");
    if (!state)
        return s->host->fail(c, DV_E_NOT_FOUND, 0, "no such layer");
    memcpy(source, diff.text, size);
    *mount = (struct dv_mount){ .type = "bind", .source = source,
                                .attrs = read_only ? MOUNT_ATTR_RDONLY : 0 };
    out->stride = sizeof(*mount);
    out->items = mount;
    out->n = 1;
    return 0;
}

static int32_t pc_deactivate(void *self, struct dv_call *c, const char *id)
{
    (void)self;
    (void)c;
    (void)id;
    return 0;
}

static int32_t pc_stat(void *self, struct dv_call *c, const char *id, struct dv_layer_info *out)
{
    struct store *s = self;
    int state = state_of(s, id);
    char *parent = s->host->alloc(c, 256);
    FILE *f;

    if (!state)
        return s->host->fail(c, DV_E_NOT_FOUND, 0, "no such layer");
    f = fopen(at(s, state, id, "parent").text, "re");
    if (parent && f && !fgets(parent, 256, f))
        parent = NULL;
    if (f)
        fclose(f);
    out->state = (uint32_t)state;
    out->parent = parent;
    return 0;
}

static int32_t pc_recover(void *self, struct dv_call *c, const char *const *known, size_t n)
{
    struct store *s = self;
    int32_t r = 0;

    for (int state = WORKSPACE; state <= COMMITTED && r == 0; state++) {
        DIR *dir = opendir(at(s, state, "", "").text);
        struct dirent *e;

        while (dir && r == 0 && (e = readdir(dir))) {
            size_t i = 0;

            while (i < n && strcmp(known[i], e->d_name) != 0)
                i++;
            if (i == n && e->d_name[0] != '.')
                r = pc_remove(s, c, e->d_name);
        }
        if (dir)
            closedir(dir);
    }
    return r;
}

static int32_t pc_empty_trash(void *self, struct dv_call *c, uint64_t older_than_s)
{
    (void)self;
    (void)c;
    (void)older_than_s;
    return 0;
}

static int32_t pc_open_diff(void *self, struct dv_call *c, const char *id, uint32_t for_write,
                            struct dv_diff_dir *out)
{
    struct store *s = self;

    (void)for_write;
    out->dir_fd = open(at(s, state_of(s, id), id, "diff").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    out->whiteouts = 2;
    return out->dir_fd < 0 ? fail(s, c, "open a layer") : 0;
}

static const struct dv_storage_ops ops = {
    .struct_size = sizeof(ops),
    .prepare = pc_prepare,
    .commit = pc_commit,
    .remove = pc_remove,
    .activate = pc_activate,
    .deactivate = pc_deactivate,
    .stat = pc_stat,
    .recover = pc_recover,
    .empty_trash = pc_empty_trash,
    .open_diff = pc_open_diff,
};
static const struct dv_option options[] = {
    { "state_dir", "path", NULL, "where layers and workspaces are kept" },
    { "colour", "string", "blue", "of no use; a vendor's own key" },
};

DV_PLUGIN_DEFINE(DV_KIND_STORAGE, "plaincopy", "0.9.1", .vendor = "nobody", .license = "Apache-2.0",
                 .options = options, .n_options = 2, .option_stride = sizeof(options[0]), .ops = &ops,
                 .init = pc_init, .start = pc_start, .fini = pc_fini)
