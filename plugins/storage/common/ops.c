/* ops.c - what every layer directory does alike: prepare, commit, remove, recover. */

#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- prepare ---- */

static int32_t check_request(struct dv_store *s, struct dv_call *c, const struct dv_layer_req *req)
{
    int32_t r = dv_store_check_id(s, c, req->id);

    if (r == 0 && req->parent)
        r = dv_store_check_id(s, c, req->parent);
    if (r == 0 && req->flags)
        r = dv_store_fail(s, c, DV_E_INVALID, "workspace '%s': unknown request flags 0x%x", req->id,
                          req->flags);
    if (r == 0 && req->quota_bytes)
        r = dv_store_fail(s, c, DV_E_UNSUPPORTED,
                          "workspace '%s': this storage driver sets no size limits", req->id);
    if (r == 0 && req->options.n)
        r = dv_store_fail(s, c, DV_E_UNSUPPORTED,
                          "workspace '%s': this storage driver has no storage option '%.64s'",
                          req->id, req->options.items[0].key);
    return r;
}

/* tmp/<id> with its parent link; from here on the parent has a child. Under the lock. */
static int32_t begin(struct dv_store *s, struct dv_call *c, const struct dv_layer_req *req,
                     int *ret_fd)
{
    enum dv_store_dir where;
    int fd;
    int32_t r;

    r = dv_store_find(s, c, req->id, &where);
    if (r > 0)
        return dv_store_fail(s, c, DV_E_CONFLICT, "'%s' exists in %s/%s", req->id, s->path,
                             dv_store_dir_name(where));
    if (r == 0 && req->parent) {
        r = dv_store_find(s, c, req->parent, &where);
        if (r == 0 || (r > 0 && where != DV_STORE_LAYERS))
            return dv_store_fail(s, c, DV_E_NOT_FOUND, "parent '%s' of '%s' is no layer in %s",
                                 req->parent, req->id, s->path);
    }
    /* One call an id: what lies here was left by a kill. */
    if (r >= 0)
        r = dv_store_trash(s, c, s->dirs[DV_STORE_TMP], req->id);
    if (r < 0)
        return r;
    if (mkdirat(s->dirs[DV_STORE_TMP], req->id, 0700) < 0)
        return dv_store_fail_errno(s, c, "make %s/tmp/%s", s->path, req->id);
    fd = openat(s->dirs[DV_STORE_TMP], req->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return dv_store_fail_errno(s, c, "open %s/tmp/%s", s->path, req->id);
    *ret_fd = fd;
    if (req->parent && symlinkat(req->parent, fd, "parent") < 0)
        return dv_store_fail_errno(s, c, "make %s/tmp/%s/parent", s->path, req->id);
    return 0;
}

/* A failed workspace goes to the trash; when the disk is full it goes at once. The failure that
 * caused this stays the recorded one. */
static void abandon(struct dv_store *s, const char *id, int32_t why)
{
    struct dv_call *silent = NULL;

    if (why == -DV_E_NO_SPACE &&
        dv_store_delete(s, silent, s->dirs[DV_STORE_TMP], id, s->dirs[DV_STORE_TRASH]) == 0)
        return;
    dv_store_trash(s, silent, s->dirs[DV_STORE_TMP], id);
}

int32_t dv_store_prepare(struct dv_store *s, struct dv_call *c, const struct dv_layer_req *req,
                         dv_store_fill *fill)
{
    int fd = -1;
    int32_t r = check_request(s, c, req);

    if (r < 0)
        return r;
    pthread_mutex_lock(&s->lock);
    r = begin(s, c, req, &fd);
    pthread_mutex_unlock(&s->lock);
    if (r == 0)
        r = fill(s, c, fd, req->id, req->parent);
    if (r == 0 && renameat2(s->dirs[DV_STORE_TMP], req->id, s->dirs[DV_STORE_WORK], req->id,
                            RENAME_NOREPLACE) < 0)
        r = dv_store_fail_errno(s, c, "move %s/tmp/%s to work", s->path, req->id);
    /* fd is open only when this call made tmp/<id>. */
    if (r < 0 && fd >= 0)
        abandon(s, req->id, r);
    dv_store_close(fd);
    return r;
}

/* ---- commit ---- */

/* A replay after the rename: the layer is there, with the parent that is asked for. */
static int32_t replayed(struct dv_store *s, struct dv_call *c, const char *layer,
                        const char *parent)
{
    char found[DV_STORE_ID_MAX + 1];
    int32_t r = dv_store_parent(s, c, DV_STORE_LAYERS, layer, found);

    if (r < 0)
        return r;
    if (strcmp(found, parent ? parent : "") != 0)
        return dv_store_fail(s, c, DV_E_CONFLICT, "layer '%s' exists on parent '%s', not '%s'",
                             layer, found, parent ? parent : "");
    if (fsync(s->dirs[DV_STORE_LAYERS]) < 0)
        return dv_store_fail_errno(s, c, "flush %s/layers", s->path);
    return 0;
}

/* 1: go on; 0: done already; -code. */
static int32_t check_commit(struct dv_store *s, struct dv_call *c, const char *id,
                            const char *layer, const char *parent)
{
    enum dv_store_dir at_id, at_layer, at_parent;
    int32_t have_id, have_layer, have_parent;

    have_id = dv_store_find(s, c, id, &at_id);
    if (have_id < 0)
        return have_id;
    have_layer = dv_store_find(s, c, layer, &at_layer);
    if (have_layer < 0)
        return have_layer;
    if (have_layer > 0 && at_layer == DV_STORE_LAYERS && have_id == 0)
        return replayed(s, c, layer, parent);
    if (have_layer > 0)
        return dv_store_fail(s, c, DV_E_CONFLICT, "commit '%s': '%s' exists in %s/%s", id, layer,
                             s->path, dv_store_dir_name(at_layer));
    if (have_id == 0 || at_id != DV_STORE_WORK)
        return dv_store_fail(s, c, have_id ? DV_E_CONFLICT : DV_E_NOT_FOUND,
                             "commit '%s': %s in %s", id,
                             have_id ? "it is a layer already" : "there is no such workspace",
                             s->path);
    if (!parent)
        return 1;
    have_parent = dv_store_find(s, c, parent, &at_parent);
    if (have_parent < 0)
        return have_parent;
    if (have_parent == 0 || at_parent != DV_STORE_LAYERS)
        return dv_store_fail(s, c, DV_E_NOT_FOUND, "commit '%s': parent '%s' is no layer in %s", id,
                             parent, s->path);
    return 1;
}

/* The parent link says what PARENT says, or is made where it may be. */
static int32_t settle_parent(struct dv_store *s, struct dv_call *c, int fd, const char *id,
                             const char *parent, bool late_parent)
{
    char found[DV_STORE_ID_MAX + 1];
    int32_t r = dv_store_parent(s, c, DV_STORE_WORK, id, found);

    if (r < 0 || strcmp(found, parent ? parent : "") == 0)
        return r;
    if (found[0] || !late_parent)
        return dv_store_fail(s, c, DV_E_CONFLICT,
                             "commit '%s': it was prepared on parent '%s', not '%s'", id, found,
                             parent ? parent : "");
    if (symlinkat(parent, fd, "parent") < 0)
        return dv_store_fail_errno(s, c, "make %s/work/%s/parent", s->path, id);
    return 0;
}

/* A layer never changes, so it is measured once: "<bytes> <inodes>" as the text of a link. */
static int32_t note_usage(struct dv_store *s, struct dv_call *c, int fd, const char *id)
{
    uint64_t bytes, inodes;
    char text[64];
    int32_t r = dv_store_usage(s, c, fd, "diff", &bytes, &inodes);

    if (r < 0)
        return r;
    snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)bytes,
             (unsigned long long)inodes);
    if ((unlinkat(fd, "usage", 0) < 0 && errno != ENOENT) || symlinkat(text, fd, "usage") < 0)
        return dv_store_fail_errno(s, c, "make %s/work/%s/usage", s->path, id);
    return 0;
}

/* The rename, under the lock: the parent may not go between the look and the link's effect. */
static int32_t publish(struct dv_store *s, struct dv_call *c, const char *id, const char *layer,
                       const char *parent)
{
    int32_t r;

    pthread_mutex_lock(&s->lock);
    r = check_commit(s, c, id, layer, parent);
    if (r > 0 && dv_store_is_active(s, id))
        r = dv_store_fail(s, c, DV_E_CONFLICT, "commit '%s': it is in use", id);
    if (r > 0)
        r = renameat2(s->dirs[DV_STORE_WORK], id, s->dirs[DV_STORE_LAYERS], layer,
                      RENAME_NOREPLACE) < 0
                ? dv_store_fail_errno(s, c, "move %s/work/%s to layers/%s", s->path, id, layer)
                : 0;
    pthread_mutex_unlock(&s->lock);
    return r;
}

int32_t dv_store_commit(struct dv_store *s, struct dv_call *c, const char *id, const char *layer,
                        const char *parent, bool late_parent, dv_store_seal *seal)
{
    int32_t r;
    int fd;

    if (parent && (r = dv_store_check_id(s, c, parent)) < 0)
        return r;
    r = check_commit(s, c, id, layer, parent);
    if (r <= 0)
        return r;
    fd = openat(s->dirs[DV_STORE_WORK], id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return dv_store_fail_errno(s, c, "open %s/work/%s", s->path, id);
    r = settle_parent(s, c, fd, id, parent, late_parent);
    if (r == 0 && seal)
        r = seal(s, c, fd, id, parent);
    if (r == 0)
        r = note_usage(s, c, fd, id);
    /* One flush of the file system is cheaper than an fsync of each file of a layer, and a layer
     * may be seen only when all of it is down. */
    if (r == 0 && syncfs(fd) < 0)
        r = dv_store_fail_errno(s, c, "flush the file system of %s", s->path);
    dv_store_close(fd);
    if (r == 0)
        r = publish(s, c, id, layer, parent);
    if (r == 0 && (fsync(s->dirs[DV_STORE_LAYERS]) < 0 || fsync(s->dirs[DV_STORE_WORK]) < 0))
        r = dv_store_fail_errno(s, c, "flush %s/layers", s->path);
    return r;
}

/* ---- remove ---- */

/* A second descriptor of directory FD to read it with; NULL and errno. */
static DIR *open_list(int fd)
{
    int list_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);

    if (!dir)
        dv_store_close(list_fd);
    return dir;
}

/* Call FN for each entry that is an id. */
typedef int32_t each_fn(struct dv_store *s, struct dv_call *c, enum dv_store_dir dir,
                        const char *id, void *arg);
static int32_t each(struct dv_store *s, struct dv_call *c, enum dv_store_dir where, each_fn *fn,
                    void *arg)
{
    DIR *dir = open_list(s->dirs[where]);
    struct dirent *e;
    int32_t r = 0;

    if (!dir)
        return dv_store_fail_errno(s, c, "list %s/%s", s->path, dv_store_dir_name(where));
    while (r == 0 && (errno = 0, e = readdir(dir)))
        if (e->d_name[0] != '.')
            r = fn(s, c, where, e->d_name, arg);
    if (r == 0 && errno != 0)
        r = dv_store_fail_errno(s, c, "list %s/%s", s->path, dv_store_dir_name(where));
    closedir(dir);
    return r;
}

static int32_t is_child(struct dv_store *s, struct dv_call *c, enum dv_store_dir dir,
                        const char *id, void *arg)
{
    char parent[DV_STORE_ID_MAX + 1];
    const char *wanted = arg;
    int32_t r;

    if (strlen(id) > DV_STORE_ID_MAX)
        return 0;
    r = dv_store_parent(s, c, dir, id, parent);
    if (r == 0 && strcmp(parent, wanted) == 0)
        r = dv_store_fail(s, c, DV_E_CONFLICT, "layer '%s' has a child, '%s'", wanted, id);
    return r;
}

int32_t dv_store_remove(struct dv_store *s, struct dv_call *c, const char *id)
{
    static const enum dv_store_dir children[] = { DV_STORE_LAYERS, DV_STORE_WORK, DV_STORE_TMP };
    enum dv_store_dir where;
    int32_t r;

    pthread_mutex_lock(&s->lock);
    r = dv_store_find(s, c, id, &where);
    if (r > 0) {
        r = dv_store_is_active(s, id)
                ? dv_store_fail(s, c, DV_E_CONFLICT, "'%s' is in use", id)
                : 0;
        /* Rare enough to look through all; a workspace has no children. */
        for (size_t i = 0; r == 0 && where == DV_STORE_LAYERS && i < DV_STORE_N(children); i++)
            r = each(s, c, children[i], is_child, (void *)id);
        if (r == 0)
            r = dv_store_trash(s, c, s->dirs[where], id);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* ---- stat ---- */

/* What commit noted of a layer. False: measure it. */
static bool noted_usage(const struct dv_store *s, enum dv_store_dir where, const char *id,
                        struct dv_layer_info *out)
{
    char name[DV_STORE_ID_MAX + sizeof("/usage")], text[64], *end;
    ssize_t n;

    snprintf(name, sizeof(name), "%s/usage", id);
    n = where == DV_STORE_LAYERS ? readlinkat(s->dirs[where], name, text, sizeof(text) - 1) : -1;
    if (n <= 0)
        return false;
    text[n] = '\0';
    out->bytes = strtoull(text, &end, 10);
    out->inodes = *end == ' ' ? strtoull(end + 1, &end, 10) : 0;
    return *end == '\0' && out->inodes > 0;
}

static int32_t measure(struct dv_store *s, struct dv_call *c, enum dv_store_dir where,
                       const char *id, struct dv_layer_info *out)
{
    char name[DV_STORE_ID_MAX + sizeof("/diff")];

    if (noted_usage(s, where, id, out))
        return 0;
    out->bytes = out->inodes = 0;
    if (DV_HAS(out, flags) && (out->flags & DV_STAT_QUICK))
        return 0;
    snprintf(name, sizeof(name), "%s/diff", id);
    return dv_store_usage(s, c, s->dirs[where], name, &out->bytes, &out->inodes);
}

int32_t dv_store_stat(struct dv_store *s, struct dv_call *c, const char *id,
                      struct dv_layer_info *out)
{
    char parent[DV_STORE_ID_MAX + 1];
    enum dv_store_dir where;
    int32_t r = dv_store_need(s, c, id, &where);

    if (r == 0)
        r = dv_store_parent(s, c, where, id, parent);
    if (r == 0)
        r = measure(s, c, where, id, out);
    if (r < 0)
        return r;
    out->state = where == DV_STORE_LAYERS ? 2 : 1;
    out->parent = NULL;
    out->data = (struct dv_kvs){ 0 };
    if (parent[0]) {
        out->parent = dv_store_text(s, c, "%s", parent);
        if (!out->parent)
            return -DV_E_NO_MEMORY;
    }
    return 0;
}

int32_t dv_store_open_diff(struct dv_store *s, struct dv_call *c, const char *id,
                           uint32_t for_write, uint32_t whiteouts, struct dv_diff_dir *out)
{
    char name[DV_STORE_ID_MAX + sizeof("/diff")];
    enum dv_store_dir where;
    int32_t r = dv_store_need(s, c, id, &where);
    int fd;

    if (r < 0)
        return r;
    if (for_write && where == DV_STORE_LAYERS)
        return dv_store_fail(s, c, DV_E_CONFLICT, "layer '%s' is committed: it cannot be written",
                             id);
    snprintf(name, sizeof(name), "%s/diff", id);
    fd = openat(s->dirs[where], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return dv_store_fail_errno(s, c, "open %s/%s/%s", s->path, dv_store_dir_name(where), name);
    out->whiteouts = whiteouts;
    out->dir_fd = fd;
    return 0;
}

/* ---- recover and trash ---- */

enum { KEEP_EXTRA_MAX = 100000 };    /* layers that the engine uses without knowing them */
struct keep {                        /* sorted ids */
    char **ids;
    size_t n, cap;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void keep_sort(struct keep *k)
{
    if (k->n > 0)
        qsort(k->ids, k->n, sizeof(*k->ids), by_text);
}

static bool kept(const struct keep *k, const char *id)
{
    return k->n > 0 && bsearch(&id, k->ids, k->n, sizeof(*k->ids), by_text);
}

static int keep_add(struct keep *k, const char *id)
{
    if (k->n == k->cap) {
        size_t cap = k->cap ? 2 * k->cap : 64;
        char **more = reallocarray(k->ids, cap, sizeof(*more));

        if (!more)
            return -1;
        k->ids = more;
        k->cap = cap;
    }
    k->ids[k->n] = strdup(id);
    return k->ids[k->n++] ? 0 : -1;
}

static void keep_done(struct keep *k)
{
    for (size_t i = 0; i < k->n; i++)
        free(k->ids[i]);
    free(k->ids);
}

/* KNOWN and what it stands on: an engine that forgot a layer must not lose the ones above it. Under
 * the lock. */
static int32_t collect(struct dv_store *s, struct dv_call *c, const char *const *known, size_t n,
                       struct keep *keep)
{
    char parent[DV_STORE_ID_MAX + 1];
    enum dv_store_dir where;
    int32_t r;

    for (size_t i = 0; i < n; i++) {
        r = dv_store_check_id(s, c, known[i]);
        if (r < 0)
            return r;
        if (keep_add(keep, known[i]) < 0)
            return dv_store_fail(s, c, DV_E_NO_MEMORY, "recover %s: out of memory", s->path);
    }
    /* Grows while it is walked: each parent is looked at in turn. Chains share their lower part, so
     * a parent that is in the list of the engine is not added again. */
    keep_sort(keep);
    for (size_t i = 0, sorted = keep->n; i < keep->n; i++) {
        struct keep base = { .ids = keep->ids, .n = sorted };

        r = dv_store_find(s, c, keep->ids[i], &where);
        if (r == 0)
            continue;
        if (r > 0)
            r = dv_store_parent(s, c, where, keep->ids[i], parent);
        if (r < 0)
            return r;
        if (!parent[0] || kept(&base, parent))
            continue;
        if (keep->n - sorted > KEEP_EXTRA_MAX)
            return dv_store_fail(s, c, DV_E_INTERNAL,
                                 "recover %s: parents of '%s' go round in a circle", s->path,
                                 keep->ids[i]);
        if (keep_add(keep, parent) < 0)
            return dv_store_fail(s, c, DV_E_NO_MEMORY, "recover %s: out of memory", s->path);
    }
    keep_sort(keep);
    return 0;
}

static int32_t trash_unknown(struct dv_store *s, struct dv_call *c, enum dv_store_dir dir,
                             const char *id, void *arg)
{
    const struct keep *keep = arg;
    char msg[NAME_MAX + 64];

    if (keep && kept(keep, id))
        return 0;
    snprintf(msg, sizeof(msg), "%s/%s is known to no record: moved to trash",
             dv_store_dir_name(dir), id);
    s->host->log(s->host->self, c, 2 /* info */, msg);
    return dv_store_trash(s, c, s->dirs[dir], id);
}

int32_t dv_store_recover(struct dv_store *s, struct dv_call *c, const char *const *known, size_t n)
{
    struct keep keep = { 0 };
    int32_t r;

    pthread_mutex_lock(&s->lock);
    r = each(s, c, DV_STORE_TMP, trash_unknown, NULL);
    if (r == 0)
        r = collect(s, c, known, n, &keep);
    if (r == 0)
        r = each(s, c, DV_STORE_WORK, trash_unknown, &keep);
    if (r == 0)
        r = each(s, c, DV_STORE_LAYERS, trash_unknown, &keep);
    pthread_mutex_unlock(&s->lock);
    keep_done(&keep);
    return r;
}

/* Seconds in "<id>.<seconds>.<n>"; 0 for a name of another form, which counts as old. */
static uint64_t trashed_at(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot ? strtoull(dot + 1, NULL, 10) : 0;
}

static int32_t delete_old(struct dv_store *s, struct dv_call *c, enum dv_store_dir dir,
                          const char *name, void *arg)
{
    const uint64_t *before = arg;

    if (trashed_at(name) > *before)
        return 0;
    return dv_store_delete(s, c, s->dirs[dir], name, s->dirs[DV_STORE_TRASH]);
}

/* Directories that lay deep are moved up while their tree is deleted (tree.c). */
static int32_t count_deep(struct dv_store *s, struct dv_call *c, enum dv_store_dir dir,
                          const char *name, void *arg)
{
    (void)s;
    (void)c;
    (void)dir;
    *(size_t *)arg += strncmp(name, DV_STORE_DEEP, strlen(DV_STORE_DEEP)) == 0;
    return 0;
}

int32_t dv_store_empty_trash(struct dv_store *s, struct dv_call *c, uint64_t older_than_s)
{
    uint64_t before = UINT64_MAX; /* also what a clock that was set back seems to bring later */
    struct timespec now;
    size_t n_deep;
    int32_t r;

    /* Not time(): its coarse clock may be a second behind the names. */
    clock_gettime(CLOCK_REALTIME, &now);
    if (older_than_s > 0)
        before = older_than_s < (uint64_t)now.tv_sec ? (uint64_t)now.tv_sec - older_than_s : 0;
    do {
        r = each(s, c, DV_STORE_TRASH, delete_old, &before);
        n_deep = 0;
        if (r == 0)
            r = each(s, c, DV_STORE_TRASH, count_deep, &n_deep);
    } while (r == 0 && n_deep > 0);
    return r;
}
