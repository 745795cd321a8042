/* tree.c - delete and measure directory trees that containers filled: of any depth and name. */

#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 64,                  /* one descriptor a level */
    MEASURE_DEPTH_MAX = 256,
    REWINDS_MAX = 16,                /* directories that change while they are emptied */
    POLL_EVERY = 64,                 /* entries between two looks at the caller */
};

struct walk {
    struct dv_store *s;
    struct dv_call *c;
    int hoist_fd;
    unsigned n;                      /* entries seen */
};

static int32_t tick(struct walk *w)
{
    return ++w->n % POLL_EVERY == 0 ? dv_store_poll(w->s, w->c) : 0;
}

/* Never through a link or onto another mount. */
static int open_dir(int dir_fd, const char *name)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

static bool dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* ---- delete ---- */

/* Too deep for one descriptor a level: the directory becomes one of the trash's own. */
static int32_t hoist(struct walk *w, int dir_fd, const char *name)
{
    char to[64];

    for (;;) {
        snprintf(to, sizeof(to), DV_STORE_DEEP "%llu",
                 (unsigned long long)__atomic_fetch_add(&w->s->n_trashed, 1, __ATOMIC_RELAXED));
        if (renameat2(dir_fd, name, w->hoist_fd, to, RENAME_NOREPLACE) == 0 || errno == ENOENT)
            return 0;
        if (errno != EEXIST)
            return dv_store_fail_errno(w->s, w->c, "move deep directory '%s' to %s/trash", name,
                                       w->s->path);
    }
}

static int32_t delete_entry(struct walk *w, int dir_fd, const char *name, unsigned depth);

static int32_t empty_dir(struct walk *w, DIR *dir, unsigned depth)
{
    struct dirent *e;
    int32_t r = 0;

    while (r == 0 && (errno = 0, e = readdir(dir)))
        if (!dots(e->d_name))
            r = delete_entry(w, dirfd(dir), e->d_name, depth);
    if (r == 0 && errno != 0)
        r = dv_store_fail_errno(w->s, w->c, "list a directory below %s", w->s->path);
    return r;
}

static int32_t delete_dir(struct walk *w, int dir_fd, const char *name, unsigned depth)
{
    int fd = open_dir(dir_fd, name);
    DIR *dir;
    int32_t r;

    if (fd < 0 && errno == EACCES && fchmodat(dir_fd, name, 0700, 0) == 0) /* not root */
        fd = open_dir(dir_fd, name);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return dv_store_fail_errno(w->s, w->c, "open directory '%s' below %s", name, w->s->path);
    if (geteuid() != 0)
        fchmod(fd, 0700);
    dir = fdopendir(fd);
    if (!dir) {
        r = dv_store_fail_errno(w->s, w->c, "list directory '%s' below %s", name, w->s->path);
        dv_store_close(fd);
        return r;
    }
    r = empty_dir(w, dir, depth + 1);
    for (int i = 0; r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT; i++) {
        if (errno != ENOTEMPTY || i == REWINDS_MAX) {
            r = dv_store_fail_errno(w->s, w->c, "remove directory '%s' below %s", name, w->s->path);
            break;
        }
        rewinddir(dir);
        r = empty_dir(w, dir, depth + 1);
    }
    closedir(dir);
    return r;
}

static int32_t delete_entry(struct walk *w, int dir_fd, const char *name, unsigned depth)
{
    int32_t r = tick(w);

    if (r < 0 || unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return r;
    if (errno != EISDIR)
        return dv_store_fail_errno(w->s, w->c, "remove '%s' below %s", name, w->s->path);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    return depth == DEPTH_MAX ? hoist(w, dir_fd, name) : delete_dir(w, dir_fd, name, depth);
}

int32_t dv_store_delete(struct dv_store *s, struct dv_call *c, int dir_fd, const char *name,
                        int hoist_fd)
{
    struct walk w = { .s = s, .c = c, .hoist_fd = hoist_fd };

    return delete_entry(&w, dir_fd, name, 0);
}

/* ---- usage ---- */

struct seen {                        /* inodes with several links: open addressing, 0 = free */
    uint64_t *inodes;
    size_t n, cap;
};
struct usage {
    struct walk w;
    struct seen seen;
    uint64_t bytes, inodes;
    dev_t dev;
};

static size_t seen_slot(const struct seen *seen, uint64_t inode)
{
    size_t i = (size_t)(inode * 0x9e3779b97f4a7c15u >> 20) & (seen->cap - 1);

    while (seen->inodes[i] && seen->inodes[i] != inode)
        i = (i + 1) & (seen->cap - 1);
    return i;
}

static int seen_grow(struct seen *seen)
{
    struct seen more = { .cap = seen->cap ? 2 * seen->cap : 256, .n = seen->n };

    more.inodes = calloc(more.cap, sizeof(*more.inodes));
    if (!more.inodes)
        return -1;
    for (size_t i = 0; i < seen->cap; i++)
        if (seen->inodes[i])
            more.inodes[seen_slot(&more, seen->inodes[i])] = seen->inodes[i];
    free(seen->inodes);
    *seen = more;
    return 0;
}

/* 1: new, 0: counted before, -1: out of memory. */
static int seen_add(struct seen *seen, uint64_t inode)
{
    size_t i;

    if (seen->n * 2 >= seen->cap && seen_grow(seen) < 0)
        return -1;
    i = seen_slot(seen, inode);
    if (seen->inodes[i])
        return 0;
    seen->inodes[i] = inode;
    seen->n++;
    return 1;
}

static int32_t measure_dir(struct usage *u, int dir_fd, const char *name, unsigned depth);

/* A running container may change the tree: what is gone is not counted. */
static int32_t measure_entry(struct usage *u, int dir_fd, const char *name, unsigned depth)
{
    int32_t r = tick(&u->w);
    struct stat st;
    int is_new = 1;

    if (r < 0 || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != u->dev)
        return r;
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
        is_new = seen_add(&u->seen, st.st_ino);
    if (is_new < 0)
        return dv_store_fail(u->w.s, u->w.c, DV_E_NO_MEMORY, "measure %s: out of memory",
                             u->w.s->path);
    u->inodes += (uint64_t)is_new;
    if (S_ISDIR(st.st_mode)) /* deeper than any real tree: counted as empty */
        return depth == MEASURE_DEPTH_MAX ? 0 : measure_dir(u, dir_fd, name, depth);
    if (is_new)
        u->bytes += (uint64_t)st.st_size;
    return 0;
}

static int32_t measure_dir(struct usage *u, int dir_fd, const char *name, unsigned depth)
{
    int fd = open_dir(dir_fd, name);
    struct dirent *e;
    DIR *dir;
    int32_t r = 0;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV
                   ? 0
                   : dv_store_fail_errno(u->w.s, u->w.c, "open directory '%s' below %s", name,
                                         u->w.s->path);
    dir = fdopendir(fd);
    if (!dir) {
        r = dv_store_fail_errno(u->w.s, u->w.c, "list directory '%s' below %s", name, u->w.s->path);
        dv_store_close(fd);
        return r;
    }
    while (r == 0 && (e = readdir(dir)))
        if (!dots(e->d_name))
            r = measure_entry(u, fd, e->d_name, depth + 1);
    closedir(dir);
    return r;
}

int32_t dv_store_usage(struct dv_store *s, struct dv_call *c, int dir_fd, const char *name,
                       uint64_t *ret_bytes, uint64_t *ret_inodes)
{
    struct usage u = { .w = { .s = s, .c = c, .hoist_fd = -1 } };
    struct stat st;
    int32_t r;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return dv_store_fail_errno(s, c, "look at '%s' in %s", name, s->path);
    u.dev = st.st_dev;
    r = measure_entry(&u, dir_fd, name, 0);
    free(u.seen.inodes);
    if (r < 0)
        return r;
    *ret_bytes = u.bytes;
    *ret_inodes = u.inodes;
    return 0;
}

const char *dv_store_fs_name(int fd)
{
    static const struct {
        uint64_t magic;
        const char *name;
    } names[] = {
        { EXT4_SUPER_MAGIC, "extfs" },        { 0x58465342, "xfs" },
        { BTRFS_SUPER_MAGIC, "btrfs" },       { TMPFS_MAGIC, "tmpfs" },
        { OVERLAYFS_SUPER_MAGIC, "overlayfs" }, { F2FS_SUPER_MAGIC, "f2fs" },
        { 0x2fc12fc1, "zfs" },                { 0xca451a4e, "bcachefs" },
        { NFS_SUPER_MAGIC, "nfs" },           { FUSE_SUPER_MAGIC, "fuse" },
    };
    struct statfs fs;

    if (fstatfs(fd, &fs) == 0)
        for (size_t i = 0; i < DV_STORE_N(names); i++)
            if (names[i].magic == (uint64_t)(uint32_t)fs.f_type)
                return names[i].name;
    return "<unknown>";
}
