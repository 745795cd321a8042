/* cgroup.c - what is alike for v1 and v2: making, filling, emptying and removing a group. */
#include "core/runtime/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/file.h"
#include "core/base/parse.h"
#include "core/base/time.h"
#include "core/runtime/cgroup_internal.h"

enum {
    MAX_PROCS_BYTES = 16 << 20,   /* of one cgroup.procs */
    MAX_DEPTH = 64,               /* groups that a container nested in its own */
    KILL_MS = 10000,
    FREEZE_MS = 2000,
    REMOVE_TRIES = 100,           /* 1 ms apart: a dead task leaves its group a moment later */
};
static const uint64_t ms_ns = 1000000;

static void sleep_ms(unsigned ms)
{
    struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

    nanosleep(&ts, NULL);
}

/* ---- paths and small files ---- */

/* "a/b", no empty, "." or ".." part. */
static bool path_ok(const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");

        if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        path += n;
        if (*path == '/' && !*++path)
            return false;
    }
    return true;
}

int dv_cg_path(const char *parent, const char *name, struct dv_group *ret, struct dv_error *err)
{
    int n;

    if (parent[0] != '/' || !path_ok(parent + 1))
        return dv_fail(err, DV_E_INVALID,
                       "cgroup parent '%s' is not an absolute path without \"..\"", parent);
    if (name && (!*name || strchr(name, '/') || !path_ok(name)))
        return dv_fail(err, DV_E_INVALID, "cgroup name '%s' is not a plain name", name);
    parent++;
    n = snprintf(ret->rel, sizeof(ret->rel), "%s%s%s", parent, *parent && name ? "/" : "",
                 name ? name : "");
    /* Room for the names of files. */
    if (n < 0 || (size_t)n >= sizeof(ret->rel) - 256)
        return dv_fail(err, DV_E_INVALID, "cgroup path of %d bytes is too long", n);
    return 0;
}

int dv_cg_open(const struct dv_hierarchy *h, const struct dv_group *g, const char *file, int flags)
{
    char path[PATH_MAX + 256];

    if (!*g->rel)
        return openat(h->fd, file, flags | O_CLOEXEC | O_NOFOLLOW);
    snprintf(path, sizeof(path), "%s/%s", g->rel, file);
    return openat(h->fd, path, flags | O_CLOEXEC | O_NOFOLLOW);
}

int dv_cg_write(const struct dv_hierarchy *h, const struct dv_group *g, const char *file,
                const char *value)
{
    dv_autoclose int fd = dv_cg_open(h, g, file, O_WRONLY);

    if (fd < 0)
        return -1;
    return write(fd, value, strlen(value)) < 0 ? -1 : 0;
}

int dv_cg_read(const struct dv_hierarchy *h, const struct dv_group *g, const char *file, char *out,
               size_t size)
{
    dv_autoclose int fd = dv_cg_open(h, g, file, O_RDONLY);
    ssize_t n;

    if (fd < 0)
        return -1;
    n = read(fd, out, size - 1);
    if (n < 0)
        return -1;
    if (n > 0 && out[n - 1] == '\n')
        n--;
    out[n] = '\0';
    return 0;
}

int64_t dv_cg_read_key(const struct dv_hierarchy *h, const struct dv_group *g, const char *file,
                       const char *key, int64_t fallback)
{
    char text[2048], *rest = text, *line;
    size_t n = strlen(key);
    int64_t v;

    if (dv_cg_read(h, g, file, text, sizeof(text)) < 0)
        return fallback;
    while ((line = strsep(&rest, "\n")))
        if (strncmp(line, key, n) == 0 && line[n] == ' ' &&
            dv_parse_i64(line + n + 1, INT64_MIN, INT64_MAX, &v) == 0)
            return v;
    return fallback;
}

/* ---- limits ---- */

int dv_cg_missing(const struct dv_cg_change *c, const struct dv_cg_knob *knob)
{
    char *text;

    if (!c->warnings)
        return dv_fail(c->err, DV_E_UNSUPPORTED,
                       "%s: the kernel does not support %s or the cgroup is not mounted",
                       knob->field, knob->what);
    text = dv_format("Your kernel does not support %s or the cgroup is not mounted. %s discarded.",
                     knob->what, knob->loss);
    if (!text || dv_strv_add_take(c->warnings, text) < 0)
        return dv_fail(c->err, DV_E_NO_MEMORY, "no memory for a warning");
    return 0;
}

static bool has_file(const struct dv_hierarchy *h, const struct dv_group *g, const char *file)
{
    dv_autoclose int fd = dv_cg_open(h, g, file, O_PATH);

    return fd >= 0;
}

int dv_cg_try(const struct dv_cg_change *c, const struct dv_cg_knob *knob, const char *value)
{
    const struct dv_hierarchy *h = c->cg->by[knob->ctl];

    if (!h)
        return 1;
    if (c->ask)
        return has_file(h, c->group, knob->file) ? 0 : 1;
    if (dv_cg_write(h, c->group, knob->file, value) == 0)
        return 0;
    if (errno == ENOENT || errno == EOPNOTSUPP)
        return 1;
    if (errno == EBUSY)
        return dv_fail_errno(c->err, DV_E_INVALID, "%s %s: what is in use is more than that",
                             knob->field, value);
    if (errno == EINVAL || errno == ERANGE || errno == EACCES || errno == ENODEV ||
        errno == ENXIO || errno == ENOSPC || errno == E2BIG)
        return dv_fail_errno(c->err, DV_E_INVALID, "%s %s (%s)", knob->field, value, knob->file);
    return dv_fail_errno(c->err, DV_E_INTERNAL, "%s %s (%s)", knob->field, value, knob->file);
}

int dv_cg_set(const struct dv_cg_change *c, const struct dv_cg_knob *knob, const char *value)
{
    int r = dv_cg_try(c, knob, value);

    return r == 1 ? dv_cg_missing(c, knob) : r;
}

int dv_cg_set_i64(const struct dv_cg_change *c, const struct dv_cg_knob *knob, int64_t v)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)v);
    return dv_cg_set(c, knob, text);
}

int dv_cg_set_u64(const struct dv_cg_change *c, const struct dv_cg_knob *knob, uint64_t v)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    return dv_cg_set(c, knob, text);
}

static int limit(const struct dv_cg_change *c)
{
    int r = c->cg->mode == DV_CGROUP_V2 ? dv_cg2_limit(c) : dv_cg1_limit(c);

    if (r == 0 && c->res->n_devices > 0)
        r = c->cg->mode == DV_CGROUP_V2 ? dv_cg2_devices(c) : dv_cg1_devices(c);
    return r;
}

/* ---- nested groups ---- */

/* A group of kernfs has two links and one a child. */
static bool has_children(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 || st.st_nlink > 2;
}

/* The next subdirectory of DIR, or NULL. */
static const char *next_child(DIR *dir)
{
    struct dirent *e;

    while ((e = readdir(dir)))
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            return e->d_name;
    return NULL;
}

static DIR *open_dir(int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir)
        dv_close(fd);
    return dir;
}

struct pid_list {
    pid_t *pids;
    size_t n, cap;
};

static int add_pid(struct pid_list *list, pid_t pid)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        pid_t *grown = reallocarray(list->pids, cap, sizeof(*grown));

        if (!grown)
            return -1;
        list->pids = grown;
        list->cap = cap;
    }
    list->pids[list->n++] = pid;
    return 0;
}

static int add_procs(int dir_fd, struct pid_list *list, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    char *rest, *line;
    int r = dv_read_file(dir_fd, "cgroup.procs", MAX_PROCS_BYTES, &text, NULL, err);

    /* ENODEV: removed meanwhile; EOPNOTSUPP: threads only, their processes are further up. */
    if (r < 0 && (r == -DV_E_NOT_FOUND || err->sys_errno == ENODEV || err->sys_errno == EOPNOTSUPP))
        return 0;
    if (r < 0)
        return r;
    rest = text;
    while ((line = strsep(&rest, "\n"))) {
        int64_t pid;

        /* 0 stands for a process that our pid namespace does not see. */
        if (dv_parse_i64(line, 1, INT32_MAX, &pid) == 0 && add_pid(list, (pid_t)pid) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for a list of processes");
    }
    return 0;
}

static int collect(int dir_fd, const char *path, struct pid_list *list, int depth,
                   struct dv_error *err)
{
    DIR *dir = open_dir(dir_fd, path);
    const char *child;
    int r;

    if (!dir && (errno == ENOENT || errno == ENODEV))
        return 0;
    if (!dir)
        return dv_fail_errno(err, DV_E_INTERNAL, "open cgroup '%s'", path);
    r = add_procs(dirfd(dir), list, err);
    if (r == 0 && depth < MAX_DEPTH && has_children(dirfd(dir)))
        while (r == 0 && (child = next_child(dir)))
            r = collect(dirfd(dir), child, list, depth + 1, err);
    closedir(dir);
    return r;
}

static int group_pids(const struct dv_hierarchy *h, const struct dv_group *g, struct pid_list *list,
                      struct dv_error *err)
{
    int r = collect(h->fd, *g->rel ? g->rel : ".", list, 0, err);

    if (r < 0) {
        free(list->pids);
        *list = (struct pid_list){ 0 };
    }
    return r;
}

int dv_cgroup_pids(struct dv_cgroups *cg, const char *parent, const char *name, pid_t **ret,
                   size_t *ret_n, struct dv_error *err)
{
    struct dv_group g;
    struct pid_list list = { 0 };
    int r = dv_cg_path(parent, name, &g, err);

    if (r == 0)
        r = group_pids(cg->tracking, &g, &list, err);
    if (r < 0)
        return r;
    *ret = list.pids;
    *ret_n = list.n;
    return 0;
}

/* ---- removing ---- */

/* Remove one group that has no children: follow first children down from REL. 1: one is gone. */
static int remove_leaf(int root_fd, const char *rel)
{
    DIR *dir = open_dir(root_fd, rel);
    char leaf[NAME_MAX + 1] = "";
    int r;

    if (!dir)
        return errno == ENOENT ? 0 : -1;
    for (;;) {
        const char *child = next_child(dir);
        DIR *next;

        if (!child)
            break;
        snprintf(leaf, sizeof(leaf), "%s", child);
        next = open_dir(dirfd(dir), leaf);
        if (!next)
            break;
        if (!has_children(dirfd(next))) {
            closedir(next);
            r = unlinkat(dirfd(dir), leaf, AT_REMOVEDIR) == 0 || errno == ENOENT ? 1 : -1;
            closedir(dir);
            return r;
        }
        closedir(dir);
        dir = next;
    }
    closedir(dir);
    return 0; /* no children at all */
}

/* 0 if it is gone, -1 and errno. */
static int remove_group(const struct dv_hierarchy *h, const char *rel)
{
    int r;

    if (unlinkat(h->fd, rel, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != EBUSY && errno != ENOTEMPTY)
        return -1;
    while ((r = remove_leaf(h->fd, rel)) > 0)
        ;
    if (r < 0)
        return -1;
    return unlinkat(h->fd, rel, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

static int remove_all(struct dv_cgroups *cg, const struct dv_group *g, struct dv_error *err)
{
    size_t i;
    int tries = REMOVE_TRIES;

    for (i = 0; i < cg->n; i++) {
        struct pid_list list = { 0 };
        int r;

        if (remove_group(&cg->h[i], g->rel) == 0)
            continue;
        if (errno != EBUSY)
            return dv_fail_errno(err, DV_E_INTERNAL, "remove cgroup '%s/%s'", cg->h[i].mount,
                                 g->rel);
        r = group_pids(&cg->h[i], g, &list, err);
        free(list.pids);
        if (r < 0)
            return r;
        if (list.n > 0 || tries-- == 0)
            return dv_fail(err, DV_E_CONFLICT, "remove cgroup '%s/%s': %zu processes are in it",
                           cg->h[i].mount, g->rel, list.n);
        sleep_ms(1);
        i--; /* once more */
    }
    return 0;
}

int dv_cgroup_remove(struct dv_cgroups *cg, const char *parent, const char *name,
                     struct dv_error *err)
{
    struct dv_group g;
    int r = dv_cg_path(parent, name, &g, err);

    return r < 0 ? r : remove_all(cg, &g, err);
}

/* ---- making ---- */

int dv_cgroup_parent(struct dv_cgroups *cg, const char *parent, struct dv_error *err)
{
    struct dv_group g;
    int r = dv_cg_path(parent, /* name */ NULL, &g, err);

    if (r < 0)
        return r;
    return cg->mode == DV_CGROUP_V2 ? dv_cg2_parent(cg, g.rel, err) : dv_cg1_parent(cg, g.rel, err);
}

/* KEEP: a group that is there already, with its processes, is the one that is meant. */
static int make_group(struct dv_cgroups *cg, const struct dv_group *g, bool keep,
                      struct dv_error *err)
{
    size_t i;

    for (i = 0; i < cg->n; i++) {
        struct dv_hierarchy *h = &cg->h[i];

        if (mkdirat(h->fd, g->rel, 0755) == 0)
            continue;
        if (errno == EEXIST && keep)
            continue;
        /* Left by a run that was killed: its limits are not ours. */
        if (errno == EEXIST && remove_group(h, g->rel) == 0 && mkdirat(h->fd, g->rel, 0755) == 0)
            continue;
        if (errno == EBUSY)
            return dv_fail(err, DV_E_CONFLICT, "cgroup '%s/%s' is there and has processes",
                           h->mount, g->rel);
        if (errno == ENOENT)
            return dv_fail_errno(err, DV_E_NOT_FOUND, "create cgroup '%s/%s'", h->mount, g->rel);
        if (errno == EAGAIN)
            return dv_fail_errno(err, DV_E_INTERNAL,
                                 "create cgroup '%s/%s' (cgroup.max.descendants or .depth of a "
                                 "group above is reached)",
                                 h->mount, g->rel);
        return dv_fail_errno(err, DV_E_INTERNAL, "create cgroup '%s/%s'", h->mount, g->rel);
    }
    return cg->mode == DV_CGROUP_V1 ? dv_cg1_prepare(cg, g, err) : 0;
}

static int open_procs(struct dv_cgroups *cg, const struct dv_group *g, int *fds, size_t *n,
                      struct dv_error *err)
{
    for (*n = 0; *n < cg->n; ++*n) {
        fds[*n] = dv_cg_open(&cg->h[*n], g, "cgroup.procs", O_WRONLY);
        if (fds[*n] < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "open '%s/%s/cgroup.procs'",
                                 cg->h[*n].mount, g->rel);
    }
    return 0;
}

int dv_cgroup_create(struct dv_cgroups *cg, const char *parent, const char *name,
                     const struct dv_spec_resources *res, struct dv_strv *warnings,
                     int procs_fds[DV_CGROUP_MAX_HIERARCHIES], size_t *ret_n, int *ret_dir,
                     struct dv_error *err)
{
    struct dv_group g;
    struct dv_cg_change change = { .cg = cg, .group = &g, .res = res, .warnings = warnings,
                                   .err = err };
    struct dv_error ignored = { 0 };
    int fds[DV_CGROUP_MAX_HIERARCHIES], dir = -1, r;
    size_t i, n = 0;

    r = dv_cg_path(parent, name, &g, err);
    if (r < 0)
        return r;
    r = make_group(cg, &g, false, err);
    if (r == -DV_E_NOT_FOUND) { /* somebody tidied the parent away */
        r = dv_cgroup_parent(cg, parent, err);
        if (r == 0)
            r = make_group(cg, &g, false, err);
    }
    if (r == -DV_E_CONFLICT) /* somebody's live group: not ours to remove */
        return r;
    if (r == 0)
        r = limit(&change);
    if (r == 0)
        r = open_procs(cg, &g, fds, &n, err);
    if (r == 0 && cg->mode == DV_CGROUP_V2) {
        dir = openat(cg->unified->fd, g.rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            r = dv_fail_errno(err, DV_E_INTERNAL, "open cgroup '%s'", g.rel);
    }
    if (r < 0) {
        for (i = 0; i < n; i++)
            dv_close(fds[i]);
        if (remove_all(cg, &g, &ignored) < 0)
            return r; /* the first failure is the one to tell; reconciliation finds the group */
        return r;
    }
    memcpy(procs_fds, fds, n * sizeof(fds[0]));
    *ret_n = n;
    *ret_dir = dir;
    return 0;
}

int dv_cgroup_keep(struct dv_cgroups *cg, const char *parent, const char *name,
                   int procs_fds[DV_CGROUP_MAX_HIERARCHIES], size_t *ret_n, struct dv_error *err)
{
    struct dv_group g;
    size_t n = 0;
    int r = dv_cg_path(parent, name, &g, err);

    if (r == 0)
        r = make_group(cg, &g, true, err);
    if (r == 0)
        r = open_procs(cg, &g, procs_fds, &n, err);
    if (r < 0) {
        while (n > 0)
            dv_close(procs_fds[--n]);
        return r;
    }
    *ret_n = n;
    return 0;
}

int dv_cgroup_update(struct dv_cgroups *cg, const char *parent, const char *name,
                     const struct dv_spec_resources *res, struct dv_error *err)
{
    struct dv_group g;
    struct dv_cg_change change = { .cg = cg, .group = &g, .res = res, .live = true, .err = err };
    int r = dv_cg_path(parent, name, &g, err);

    if (r < 0)
        return r;
    if (faccessat(cg->tracking->fd, g.rel, F_OK, 0) < 0)
        return dv_fail_errno(err, DV_E_NOT_FOUND, "cgroup '%s'", g.rel);
    return limit(&change);
}

int dv_cgroup_check(struct dv_cgroups *cg, const char *parent, const struct dv_spec_resources *res,
                    struct dv_strv *warnings, struct dv_error *err)
{
    struct dv_group g;
    const struct dv_cg_change change = { .cg = cg, .group = &g, .res = res, .ask = true,
                                         .warnings = warnings, .err = err };
    int r = dv_cg_path(parent, /* name */ NULL, &g, err);

    if (r < 0)
        return r;
    return cg->mode == DV_CGROUP_V2 ? dv_cg2_limit(&change) : dv_cg1_limit(&change);
}

/* ---- listing ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_children(const struct dv_hierarchy *h, const struct dv_group *g, struct dv_strv *ret,
                        struct dv_error *err)
{
    DIR *dir = open_dir(h->fd, *g->rel ? g->rel : ".");
    const char *child;
    int r = 0;

    if (!dir)
        return errno == ENOENT ? 0 : dv_fail_errno(err, DV_E_INTERNAL, "open cgroup '%s/%s'",
                                                   h->mount, g->rel);
    while (r == 0 && (child = next_child(dir)))
        if (dv_strv_add(ret, child) < 0)
            r = dv_fail(err, DV_E_NO_MEMORY, "no memory to list cgroups");
    closedir(dir);
    return r;
}

int dv_cgroup_list(struct dv_cgroups *cg, const char *parent, struct dv_strv *ret,
                   struct dv_error *err)
{
    dv_autostrv names = { 0 };
    struct dv_group g;
    size_t i, n = 0;
    int r = dv_cg_path(parent, /* name */ NULL, &g, err);

    for (i = 0; i < cg->n && r == 0; i++)
        r = add_children(&cg->h[i], &g, &names, err);
    if (r < 0)
        return r;
    if (names.n > 0)
        qsort(names.items, names.n, sizeof(names.items[0]), compare_names);
    for (i = 0; i < names.n; i++) {
        if (n > 0 && dv_streq(names.items[n - 1], names.items[i])) {
            free(names.items[i]);
            names.items[i] = NULL;
            continue;
        }
        if (n != i) {
            names.items[n] = names.items[i];
            names.items[i] = NULL;
        }
        n++;
    }
    names.n = n;
    for (i = 0; i < n; i++) {
        if (dv_strv_add_take(ret, dv_take(names.items[i])) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory to list cgroups");
    }
    return 0;
}

/* ---- freezing ---- */

static bool is_frozen(const struct dv_cgroups *cg, const struct dv_group *g, bool wanted)
{
    char state[32];

    if (cg->mode == DV_CGROUP_V2)
        return dv_cg_read_key(cg->unified, g, "cgroup.events", "frozen", -1) == wanted;
    return dv_cg_read(cg->by[DV_CTL_FREEZER], g, "freezer.state", state, sizeof(state)) == 0 &&
           dv_streq(state, wanted ? "FROZEN" : "THAWED");
}

static int write_frozen(const struct dv_cgroups *cg, const struct dv_group *g, bool freeze)
{
    if (cg->mode == DV_CGROUP_V2)
        return dv_cg_write(cg->unified, g, "cgroup.freeze", freeze ? "1" : "0");
    return dv_cg_write(cg->by[DV_CTL_FREEZER], g, "freezer.state", freeze ? "FROZEN" : "THAWED");
}

static int freeze_group(const struct dv_cgroups *cg, const struct dv_group *g, bool freeze)
{
    uint64_t deadline = dv_mono_ns() + FREEZE_MS * ms_ns;
    unsigned pause = 1;

    for (;;) {
        /* v1 again and again: tasks born while it is "FREEZING" are caught only so. */
        if (write_frozen(cg, g, freeze) < 0)
            return -1;
        if (is_frozen(cg, g, freeze))
            return 0;
        if (dv_mono_ns() > deadline) {
            errno = ETIMEDOUT;
            return -1;
        }
        sleep_ms(pause);
        pause = pause < 20 ? pause * 2 : pause;
    }
}

int dv_cgroup_freeze(struct dv_cgroups *cg, const char *parent, const char *name, bool freeze,
                     struct dv_error *err)
{
    struct dv_group g;
    const char *what = freeze ? "freeze" : "thaw";
    int r = dv_cg_path(parent, name, &g, err);

    if (r < 0)
        return r;
    if (!cg->by[DV_CTL_FREEZER])
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "%s '%s': the freezer cgroup is not mounted on this host", what, g.rel);
    if (freeze_group(cg, &g, freeze) == 0)
        return 0;
    if (errno == ENOENT)
        return dv_fail_errno(err, DV_E_NOT_FOUND, "%s cgroup '%s'", what, g.rel);
    if (errno != ETIMEDOUT)
        return dv_fail_errno(err, DV_E_INTERNAL, "%s cgroup '%s'", what, g.rel);
    if (freeze && write_frozen(cg, &g, false) < 0) /* not half frozen */
        return dv_fail_errno(err, DV_E_INTERNAL, "thaw cgroup '%s' again", g.rel);
    return dv_fail(err, DV_E_TIMEOUT,
                   "%s cgroup '%s': a process did not stop within %d s (it waits for a device or a "
                   "dead network file system?)",
                   what, g.rel, FREEZE_MS / 1000);
}

/* ---- killing ---- */

static void kill_each(const struct pid_list *list)
{
    pid_t self = getpid();
    size_t i;

    for (i = 0; i < list->n; i++)
        if (list->pids[i] != self)
            kill(list->pids[i], SIGKILL);
}

/* A process that forks as fast as it is killed: stop the clock, kill what there is, go on. */
static void kill_frozen(const struct dv_cgroups *cg, const struct dv_group *g)
{
    struct dv_error ignored = { 0 };
    struct pid_list list = { 0 };

    if (cg->mode != DV_CGROUP_V1 || !cg->by[DV_CTL_FREEZER] || freeze_group(cg, g, true) < 0)
        return;
    if (group_pids(cg->tracking, g, &list, &ignored) == 0)
        kill_each(&list);
    free(list.pids);
}

/* A frozen v1 group dies only once it is thawed. */
static void thaw(const struct dv_cgroups *cg, const struct dv_group *g)
{
    if (cg->mode == DV_CGROUP_V1 && cg->by[DV_CTL_FREEZER] && !is_frozen(cg, g, false) &&
        write_frozen(cg, g, false) < 0)
        return; /* gone */
}

/* Until the last process has left, or MS passed. EVENTS_FD: cgroup.events, or -1. */
static void wait_change(int events_fd, unsigned ms)
{
    struct pollfd p = { .fd = events_fd, .events = POLLPRI };
    char text[256];

    if (events_fd < 0) {
        sleep_ms(ms);
        return;
    }
    /* Reading arms the next notification. */
    if (poll(&p, 1, (int)ms) > 0 && pread(events_fd, text, sizeof(text), 0) < 0)
        sleep_ms(1);
}

/* The process of a start that was broken off is in some hierarchies, maybe not in the tracking one. */
static int pids_anywhere(const struct dv_cgroups *cg, const struct dv_group *g,
                         struct pid_list *list, struct dv_error *err)
{
    int r = group_pids(cg->tracking, g, list, err);

    for (size_t i = 0; i < cg->n && r == 0 && list->n == 0; i++)
        if (&cg->h[i] != cg->tracking)
            r = group_pids(&cg->h[i], g, list, err);
    return r;
}

int dv_cgroup_kill(struct dv_cgroups *cg, const char *parent, const char *name,
                   struct dv_error *err)
{
    dv_autoclose int events_fd = -1;
    uint64_t deadline = dv_mono_ns() + KILL_MS * ms_ns;
    struct dv_group g;
    unsigned round;
    int r = dv_cg_path(parent, name, &g, err);

    if (r < 0)
        return r;
    /* One write takes the whole tree, without a race (Linux 5.14), also on a hybrid host. */
    if (cg->unified && dv_cg_write(cg->unified, &g, "cgroup.kill", "1") == 0)
        events_fd = dv_cg_open(cg->unified, &g, "cgroup.events", O_RDONLY);
    for (round = 0;; round++) {
        struct pid_list list = { 0 };

        r = pids_anywhere(cg, &g, &list, err);
        if (r == 0 && (round > 0 || events_fd < 0)) /* then those that the unified group has not */
            kill_each(&list);
        free(list.pids);
        if (r < 0 || list.n == 0)
            return r;
        if (round > 0 && round % 16 == 0)
            kill_frozen(cg, &g);
        thaw(cg, &g);
        if (dv_mono_ns() > deadline)
            return dv_fail(err, DV_E_TIMEOUT,
                           "kill cgroup '%s': %zu processes are still there after %d s (they wait "
                           "for a device or a dead network file system?)",
                           g.rel, list.n, KILL_MS / 1000);
        wait_change(events_fd, round < 8 ? 1 + round : 20);
    }
}
