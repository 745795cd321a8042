/* store.c - life and lookups of the shared layer directory. */

#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const dir_names[DV_STORE_DIRS] = {
    [DV_STORE_LAYERS] = "layers",
    [DV_STORE_WORK] = "work",
    [DV_STORE_TMP] = "tmp",
    [DV_STORE_TRASH] = "trash",
};

const char *dv_store_dir_name(enum dv_store_dir dir)
{
    return dir_names[dir];
}

int32_t dv_store_fail(const struct dv_store *s, struct dv_call *c, int32_t code, const char *fmt,
                      ...)
{
    char msg[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    return c ? s->host->fail(c, code, 0, msg) : -code;
}

int32_t dv_store_fail_errno(const struct dv_store *s, struct dv_call *c, const char *fmt, ...)
{
    int32_t cause = errno, code;
    char msg[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    code = cause == ENOSPC || cause == EDQUOT ? DV_E_NO_SPACE
           : cause == ENOMEM                  ? DV_E_NO_MEMORY
                                              : DV_E_INTERNAL;
    return c ? s->host->fail(c, code, cause, msg) : -code;
}

char *dv_store_text(const struct dv_store *s, struct dv_call *c, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0)
        text = s->host->alloc(c, (size_t)n + 1);
    if (!text) {
        dv_store_fail(s, c, DV_E_NO_MEMORY, "%s: out of memory", s->path);
        return NULL;
    }
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

int dv_store_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

int32_t dv_store_poll(const struct dv_store *s, struct dv_call *c)
{
    struct pollfd p = { .events = POLLIN };
    struct timespec now;
    uint64_t deadline;

    if (!c)
        return 0;
    p.fd = s->host->cancel_fd(c);
    deadline = s->host->deadline_ns(c);
    if (p.fd >= 0 && poll(&p, 1, 0) > 0)
        return dv_store_fail(s, c, DV_E_CANCELED, "%s: given up by the caller", s->path);
    if (deadline == UINT64_MAX)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec < deadline)
        return 0;
    return dv_store_fail(s, c, DV_E_TIMEOUT, "%s: out of time", s->path);
}

const char *dv_store_option(const struct dv_kvs *config, const char *key)
{
    for (size_t i = 0; i < config->n; i++)
        if (strcmp(config->items[i].key, key) == 0)
            return config->items[i].value;
    return "";
}

int32_t dv_store_init(struct dv_store *s, const struct dv_host *host, struct dv_call *c,
                      const struct dv_kvs *config)
{
    s->host = host;
    s->fd = -1;
    for (size_t i = 0; i < DV_STORE_DIRS; i++)
        s->dirs[i] = -1;
    pthread_mutex_init(&s->lock, NULL);
    s->path = strdup(dv_store_option(config, "state_dir"));
    if (!s->path)
        return host->fail(c, DV_E_NO_MEMORY, 0, "state_dir: out of memory");
    return 0;
}

/* mkdir -p; the directory itself is for root alone, what is missing above it is not made secret. */
static int make_path(const char *path)
{
    char part[4096];

    if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *p = part + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -1;
        *p = '/';
    }
    return mkdir(part, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

int32_t dv_store_start(struct dv_store *s, struct dv_call *c)
{
    if (make_path(s->path) < 0)
        return dv_store_fail_errno(s, c, "make state_dir %s", s->path);
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->fd < 0)
        return dv_store_fail_errno(s, c, "open state_dir %s", s->path);
    for (size_t i = 0; i < DV_STORE_DIRS; i++) {
        if (mkdirat(s->fd, dir_names[i], 0700) < 0 && errno != EEXIST)
            return dv_store_fail_errno(s, c, "make %s/%s", s->path, dir_names[i]);
        s->dirs[i] = openat(s->fd, dir_names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (s->dirs[i] < 0)
            return dv_store_fail_errno(s, c, "open %s/%s", s->path, dir_names[i]);
    }
    return 0;
}

void dv_store_done(struct dv_store *s)
{
    for (size_t i = 0; i < DV_STORE_DIRS; i++)
        dv_store_close(s->dirs[i]);
    dv_store_close(s->fd);
    for (size_t i = 0; i < s->n_active; i++)
        free(s->active[i]);
    free(s->active);
    free(s->path);
    pthread_mutex_destroy(&s->lock);
}

int32_t dv_store_check_id(const struct dv_store *s, struct dv_call *c, const char *id)
{
    size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (n == 0 || n > DV_STORE_ID_MAX || id[n] || id[0] == '-')
        return dv_store_fail(s, c, DV_E_INVALID,
                             "layer id '%.160s' is not of the form [a-z0-9][a-z0-9-]{0,%d}", id,
                             DV_STORE_ID_MAX - 1);
    return 0;
}

int32_t dv_store_find(const struct dv_store *s, struct dv_call *c, const char *id,
                      enum dv_store_dir *ret)
{
    static const enum dv_store_dir where[] = { DV_STORE_WORK, DV_STORE_LAYERS };
    int32_t r = dv_store_check_id(s, c, id);
    struct stat st;

    for (size_t i = 0; r == 0 && i < DV_STORE_N(where); i++) {
        if (fstatat(s->dirs[where[i]], id, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            *ret = where[i];
            return 1;
        }
        if (errno != ENOENT)
            r = dv_store_fail_errno(s, c, "look at %s/%s/%s", s->path, dir_names[where[i]], id);
    }
    return r;
}

int32_t dv_store_need(const struct dv_store *s, struct dv_call *c, const char *id,
                      enum dv_store_dir *ret)
{
    int32_t r = dv_store_find(s, c, id, ret);

    if (r == 0)
        return dv_store_fail(s, c, DV_E_NOT_FOUND, "no layer or workspace '%s' in %s", id, s->path);
    return r < 0 ? r : 0;
}

int32_t dv_store_parent(const struct dv_store *s, struct dv_call *c, enum dv_store_dir dir,
                        const char *id, char ret[DV_STORE_ID_MAX + 1])
{
    char name[DV_STORE_ID_MAX + sizeof("/parent")];
    ssize_t n;

    snprintf(name, sizeof(name), "%s/parent", id);
    n = readlinkat(s->dirs[dir], name, ret, DV_STORE_ID_MAX + 1);
    if (n < 0 && errno != ENOENT)
        return dv_store_fail_errno(s, c, "read %s/%s/%s", s->path, dir_names[dir], name);
    if (n > DV_STORE_ID_MAX)
        return dv_store_fail(s, c, DV_E_INTERNAL, "%s/%s/%s names a parent of more than %d "
                             "characters: the store was changed by hand",
                             s->path, dir_names[dir], name, DV_STORE_ID_MAX);
    ret[n < 0 ? 0 : n] = '\0';
    return 0;
}

/* Index of ID among the active, or where it belongs: *FOUND tells. Under the lock. */
static size_t active_at(const struct dv_store *s, const char *id, bool *found)
{
    size_t low = 0, high = s->n_active;

    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(s->active[mid], id);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int active_add(struct dv_store *s, const char *id)
{
    bool found;
    size_t at = active_at(s, id, &found);
    char *copy;

    if (found)
        return 0;
    if (s->n_active == s->cap_active) {
        size_t cap = s->cap_active ? 2 * s->cap_active : 16;
        char **more = reallocarray(s->active, cap, sizeof(*more));

        if (!more)
            return -1;
        s->active = more;
        s->cap_active = cap;
    }
    copy = strdup(id);
    if (!copy)
        return -1;
    memmove(s->active + at + 1, s->active + at, (s->n_active - at) * sizeof(*s->active));
    s->active[at] = copy;
    s->n_active++;
    return 0;
}

int32_t dv_store_activate(struct dv_store *s, struct dv_call *c, const char *id)
{
    int r;

    pthread_mutex_lock(&s->lock);
    r = active_add(s, id);
    pthread_mutex_unlock(&s->lock);
    return r < 0 ? dv_store_fail(s, c, DV_E_NO_MEMORY, "activate '%s': out of memory", id) : 0;
}

void dv_store_deactivate(struct dv_store *s, const char *id)
{
    bool found;
    size_t at;

    pthread_mutex_lock(&s->lock);
    at = active_at(s, id, &found);
    if (found) {
        free(s->active[at]);
        s->n_active--;
        memmove(s->active + at, s->active + at + 1, (s->n_active - at) * sizeof(*s->active));
    }
    pthread_mutex_unlock(&s->lock);
}

bool dv_store_is_active(const struct dv_store *s, const char *id)
{
    bool found;

    active_at(s, id, &found);
    return found;
}

int32_t dv_store_trash(struct dv_store *s, struct dv_call *c, int dir_fd, const char *name)
{
    struct timespec now;
    char to[NAME_MAX + 1];
    uint64_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    for (;;) {
        n = __atomic_fetch_add(&s->n_trashed, 1, __ATOMIC_RELAXED);
        snprintf(to, sizeof(to), "%s.%lld.%llu", name, (long long)now.tv_sec,
                 (unsigned long long)n);
        if (renameat2(dir_fd, name, s->dirs[DV_STORE_TRASH], to, RENAME_NOREPLACE) == 0 ||
            errno == ENOENT)
            return 0;
        if (errno != EEXIST) /* EEXIST: this second of an earlier daemon */
            return dv_store_fail_errno(s, c, "move '%s' to %s/trash", name, s->path);
    }
}
