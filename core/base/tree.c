/* tree.c - removing a whole tree that others may have filled, and may still be changing. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "core/base/file.h"
#include "core/base/id.h"
#include "core/base/openat2.h"
#include "core/base/str.h"

/* One open directory a level. Deeper than MAX_LEVELS a directory is moved up to the top one and
 * removed from there, so that a tree of any depth needs only so many descriptors. */
enum { MAX_LEVELS = 32, MAX_PASSES = 64 };

/* What getdents64(2) fills; neither libc names it alike. */
struct entry {
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
    char name[];
};
struct level {
    int fd;
    unsigned passes;      /* times read from the start without having become empty */
    size_t pos, len;
    char name[NAME_MAX + 1];
    char buf[8192] __attribute__((aligned(8)));
};
struct removal {
    struct level *levels[MAX_LEVELS]; /* owned, n of them */
    size_t n;
    unsigned moved;       /* directories moved up to the top since it was last read */
    const char *top;      /* for messages */
};

static void pop_level(struct removal *rm)
{
    struct level *level = rm->levels[--rm->n];

    dv_close(level->fd);
    free(level);
}

static int fail_entry(const struct removal *rm, const char *name, struct dv_error *err)
{
    const char *at = rm->n > 0 ? rm->levels[rm->n - 1]->name : "";

    if (errno == EXDEV || errno == EBUSY)
        return dv_fail(err, DV_E_CONFLICT,
                       "remove '%s': something is mounted at '%s' in '%s'; unmount it first",
                       rm->top, name, at);
    if (errno == EPERM)
        return dv_fail_errno(err, DV_E_INTERNAL,
                             "remove '%s': '%s' in '%s' (if it is immutable: chattr -i)", rm->top,
                             name, at);
    return dv_fail_errno(err, DV_E_INTERNAL, "remove '%s': '%s' in '%s'", rm->top, name, at);
}

/* Open directory NAME of DIR_FD as the next level. -1 and errno. */
static int push_level(struct removal *rm, int dir_fd, const char *name)
{
    struct level *level = calloc(1, sizeof(*level));

    if (!level)
        return -1;
    level->fd = (int)dv_openat2(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, /* mode */ 0,
                                DV_RESOLVE_NO_XDEV | DV_RESOLVE_NO_SYMLINKS | DV_RESOLVE_BENEATH);
    if (level->fd < 0) {
        free(level);
        return -1;
    }
    snprintf(level->name, sizeof(level->name), "%s", name);
    rm->levels[rm->n++] = level;
    return 0;
}

/* Move directory NAME of LEVEL to the top directory under a name that nothing there has. */
static int move_up(struct removal *rm, const struct level *level, const char *name)
{
    char random[8], hex[2 * sizeof(random) + 1], unique[sizeof(hex) + 8];

    dv_random(random, sizeof(random));
    dv_hex(random, sizeof(random), hex);
    snprintf(unique, sizeof(unique), ".deep-%s", hex);
    if (renameat(level->fd, name, rm->levels[0]->fd, unique) < 0)
        return -1;
    rm->moved++;
    return 0;
}

/* Deal with one entry of the last level: unlink it, or make it the new last level. */
static int remove_entry(struct removal *rm, const char *name, unsigned char type,
                        struct dv_error *err)
{
    struct level *level = rm->levels[rm->n - 1];

    if (type != DT_DIR) {
        if (unlinkat(level->fd, name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR) /* DT_UNKNOWN, or it has just become a directory */
            return fail_entry(rm, name, err);
    }
    if (unlinkat(level->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno == ENOTDIR && unlinkat(level->fd, name, 0) == 0)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return fail_entry(rm, name, err);
    if (rm->n == MAX_LEVELS)
        return move_up(rm, level, name) < 0 ? fail_entry(rm, name, err) : 0;
    return push_level(rm, level->fd, name) < 0 && errno != ENOENT ? fail_entry(rm, name, err) : 0;
}

/* The next entry but "." and ".."; NULL and errno 0 at the end. */
static struct entry *next_entry(struct level *level)
{
    for (;;) {
        struct entry *e;

        if (level->pos == level->len) {
            long n = syscall(SYS_getdents64, level->fd, level->buf, sizeof(level->buf));

            if (n <= 0) {
                errno = n == 0 ? 0 : errno;
                return NULL;
            }
            level->pos = 0;
            level->len = (size_t)n;
        }
        e = (struct entry *)(void *)(level->buf + level->pos);
        level->pos += e->reclen;
        if (!dv_streq(e->name, ".") && !dv_streq(e->name, ".."))
            return e;
    }
}

/* The last level has no more entries: remove it from its parent, or read it again where something
 * was added meanwhile (by us, moving up, or by another process). */
static int finish_level(struct removal *rm, int dir_fd, struct dv_error *err)
{
    struct level *level = rm->levels[rm->n - 1];
    int parent_fd = rm->n > 1 ? rm->levels[rm->n - 2]->fd : dir_fd;
    bool gone = unlinkat(parent_fd, level->name, AT_REMOVEDIR) == 0 || errno == ENOENT;
    char name[NAME_MAX + 1];
    int saved = errno;

    if (!gone && (saved == ENOTEMPTY || saved == EEXIST)) {
        if (rm->n == 1 && rm->moved > 0) {
            rm->moved = 0;
            level->passes = 0;
        }
        if (++level->passes < MAX_PASSES && lseek(level->fd, 0, SEEK_SET) == 0) {
            level->pos = level->len = 0;
            return 0;
        }
    }
    memcpy(name, level->name, sizeof(name));
    pop_level(rm);
    if (gone)
        return 0;
    errno = saved;
    return fail_entry(rm, name, err);
}

static int remove_levels(struct removal *rm, int dir_fd, struct dv_error *err)
{
    while (rm->n > 0) {
        struct entry *e = next_entry(rm->levels[rm->n - 1]);
        int r;

        if (e)
            r = remove_entry(rm, e->name, e->type, err);
        else if (errno == 0 || errno == ENOENT)
            r = finish_level(rm, dir_fd, err);
        else
            r = fail_entry(rm, ".", err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* NAME is one component of DIR_FD. */
static int remove_below(int dir_fd, const char *name, struct dv_error *err)
{
    struct removal rm = { .top = name };
    int r;

    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return fail_entry(&rm, name, err);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return fail_entry(&rm, name, err);
    if (push_level(&rm, dir_fd, name) < 0)
        return errno == ENOENT ? 0 : fail_entry(&rm, name, err);
    r = remove_levels(&rm, dir_fd, err);
    while (rm.n > 0)
        pop_level(&rm);
    return r;
}

int dv_remove_tree(int dir_fd, const char *name, struct dv_error *err)
{
    const char *slash = strrchr(name, '/');
    dv_autofree char *parent = NULL;
    dv_autoclose int parent_fd = -1;

    if (dv_empty(slash ? slash + 1 : name))
        return dv_fail(err, DV_E_INVALID, "remove '%s': not the name of a file", name);
    if (!slash)
        return remove_below(dir_fd, name, err);
    parent = slash == name ? strdup("/") : strndup(name, (size_t)(slash - name));
    if (!parent)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to remove '%s'", name);
    parent_fd = openat(dir_fd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0 && errno == ENOENT)
        return 0;
    if (parent_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the folder of '%s'", name);
    return remove_below(parent_fd, slash + 1, err);
}
