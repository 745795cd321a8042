/* copy.c - a whole directory tree copied as it is. */

#include "copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 256,                 /* directories below one another; two descriptors each */
    LIST_MAX_BYTES = 64 << 10,       /* the kernel's own limits */
    VALUE_MAX_BYTES = 64 << 10,
    CHUNK = 8 << 20,                 /* bytes copied between two looks at the caller */
    PATH_TEXT = 1024,                /* of the path that a message names */
};

struct copy {
    struct dv_store *s;
    struct dv_call *c;
    int links_fd;
    bool no_clone;                   /* this file system has no reflinks: do not ask again */
    char *names, *value;             /* buffers for xattrs */
    char path[PATH_TEXT];            /* of the entry at hand, for messages; may be cut */
    size_t path_len;
    unsigned n;
};

static int32_t failed(struct copy *k, const char *what)
{
    return dv_store_fail_errno(k->s, k->c, "copy '%s': %s", k->path_len ? k->path : "/", what);
}

/* Append "/NAME" to the path of messages; the old length, to be put back. */
static size_t enter(struct copy *k, const char *name)
{
    size_t before = k->path_len;
    int n = snprintf(k->path + before, sizeof(k->path) - before, "/%s", name);

    k->path_len = before + (size_t)n < sizeof(k->path) ? before + (size_t)n : sizeof(k->path) - 1;
    return before;
}

static void leave(struct copy *k, size_t before)
{
    k->path_len = before;
    k->path[before] = '\0';
}

/* ---- attributes ---- */

/* Of any kind of node, by /proc/self/fd/N/NAME: fsetxattr takes no O_PATH descriptor, and a fifo or
 * a device must not be opened. */
static int32_t copy_xattrs(struct copy *k, int from, int to, const char *name)
{
    char src[PATH_MAX], dst[PATH_MAX];
    ssize_t len, n;

    snprintf(src, sizeof(src), "/proc/self/fd/%d/%s", from, name);
    snprintf(dst, sizeof(dst), "/proc/self/fd/%d/%s", to, name);
    len = llistxattr(src, k->names, LIST_MAX_BYTES);
    if (len < 0)
        return errno == EOPNOTSUPP ? 0 : failed(k, "list its extended attributes");
    for (char *x = k->names; x < k->names + len; x += strlen(x) + 1) {
        n = lgetxattr(src, x, k->value, VALUE_MAX_BYTES);
        if (n < 0 && errno == ENODATA)
            continue;
        if (n < 0 || lsetxattr(dst, x, k->value, (size_t)n, 0) < 0)
            return failed(k, x);
    }
    return 0;
}

/* Owner first: chown drops set-uid bits and file capabilities. Times last. */
static int32_t copy_attributes(struct copy *k, int from, int to, const char *name,
                               const struct stat *st)
{
    const struct timespec times[2] = { st->st_atim, st->st_mtim };
    int32_t r;

    if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(k, "set its owner");
    if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
        return failed(k, "set its mode");
    r = copy_xattrs(k, from, to, name);
    if (r == 0 && utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        r = failed(k, "set its times");
    return r;
}

/* ---- contents of a file ---- */

/* Copy at most N bytes at *OFF, which moves on. 0, 1 at the end of the file, -1 and errno. */
static int copy_some(int from, int to, off_t *off, size_t n)
{
    static const int fall_back[] = { EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EPERM };
    char buf[64 << 10];
    off_t out = *off;
    ssize_t got;

    got = copy_file_range(from, off, to, &out, n, 0);
    if (got >= 0)
        return got > 0 ? 0 : 1;
    for (size_t i = 0; i < DV_STORE_N(fall_back); i++)
        if (errno == fall_back[i])
            errno = 0;
    if (errno != 0)
        return -1;
    got = pread(from, buf, n < sizeof(buf) ? n : sizeof(buf), *off);
    for (ssize_t done = 0, put; done < got; done += put) {
        put = pwrite(to, buf + done, (size_t)(got - done), *off + done);
        if (put < 0)
            return -1;
    }
    if (got > 0)
        *off += got;
    return got < 0 ? -1 : got == 0;
}

/* The data between two holes. */
static int32_t copy_range(struct copy *k, int from, int to, off_t off, off_t end)
{
    int r = 0;

    while (off < end && r == 0) {
        size_t n = end - off < CHUNK ? (size_t)(end - off) : CHUNK;
        int32_t given_up = dv_store_poll(k->s, k->c);

        if (given_up < 0)
            return given_up;
        r = copy_some(from, to, &off, n);
        if (r < 0 && errno == EINTR)
            r = 0;
    }
    return r < 0 ? failed(k, "copy its contents") : 0;
}

static int32_t copy_contents(struct copy *k, int from, int to, off_t size)
{
    off_t data = 0, hole;
    int32_t r = 0;

    if (!k->no_clone) {
        if (ioctl(to, FICLONE, from) == 0)
            return 0;
        k->no_clone = errno == EOPNOTSUPP || errno == ENOTTY || errno == EXDEV;
    }
    if (ftruncate(to, size) < 0)
        return failed(k, "set its size");
    while (r == 0 && data < size) {
        data = lseek(from, data, SEEK_DATA);
        if (data < 0 && errno == ENXIO) /* a hole up to the end */
            return 0;
        hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        if (hole < 0)
            return failed(k, "look for its holes");
        r = copy_range(k, from, to, data, hole);
        data = hole;
    }
    return r;
}

static int32_t copy_file(struct copy *k, int from, int to, const char *name, off_t size)
{
    int src, dst;
    int32_t r;

    src = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (src < 0)
        return failed(k, "open it");
    dst = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    r = dst < 0 ? failed(k, "make it") : copy_contents(k, src, dst, size);
    dv_store_close(src);
    dv_store_close(dst);
    return r;
}

/* ---- nodes ---- */

static int32_t copy_symlink(struct copy *k, int from, int to, const char *name)
{
    char text[PATH_MAX];
    ssize_t n = readlinkat(from, name, text, sizeof(text));

    if (n < 0 || n == sizeof(text))
        return failed(k, "read the link");
    text[n] = '\0';
    return symlinkat(text, to, name) < 0 ? failed(k, "make the link") : 0;
}

/* Files with several names: the first copy gets another one in LINKS_FD, the inode's number, from
 * which the later ones are linked. So no table of paths is kept, and no path can be too long. */
static void link_key(const struct stat *st, char key[32])
{
    snprintf(key, 32, "%llx", (unsigned long long)st->st_ino);
}

/* 1: linked to an earlier copy, 0: none yet, -code. */
static int32_t link_again(struct copy *k, int to, const char *name, const struct stat *st)
{
    char key[32];

    if (st->st_nlink < 2)
        return 0;
    link_key(st, key);
    if (linkat(k->links_fd, key, to, name, 0) == 0)
        return 1;
    return errno == ENOENT ? 0 : failed(k, "make a hard link");
}

static int32_t keep_link(struct copy *k, int to, const char *name, const struct stat *st)
{
    char key[32];

    if (st->st_nlink < 2)
        return 0;
    link_key(st, key);
    /* EMLINK: the source has all names that a file can have; then the last ones become copies. */
    if (linkat(to, name, k->links_fd, key, 0) < 0 && errno != EMLINK)
        return failed(k, "make a hard link");
    return 0;
}

static int32_t copy_leaf(struct copy *k, int from, int to, const char *name, const struct stat *st)
{
    int32_t r = link_again(k, to, name, st);

    if (r != 0)
        return r < 0 ? r : 0;
    if (S_ISREG(st->st_mode))
        r = copy_file(k, from, to, name, st->st_size);
    else if (S_ISLNK(st->st_mode))
        r = copy_symlink(k, from, to, name);
    else if (mknodat(to, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0)
        r = failed(k, "make the node");
    if (r == 0)
        r = copy_attributes(k, from, to, name, st);
    return r == 0 ? keep_link(k, to, name, st) : r;
}

static int32_t copy_entries(struct copy *k, int from, int to, unsigned depth);

static int32_t copy_dir(struct copy *k, int from, int to, const char *name, const struct stat *st,
                        unsigned depth)
{
    int src, dst = -1;
    int32_t r;

    if (depth == DEPTH_MAX)
        return dv_store_fail(k->s, k->c, DV_E_UNSUPPORTED,
                             "copy '%s': more than %d directories below one another", k->path,
                             DEPTH_MAX);
    if (mkdirat(to, name, 0700) < 0)
        return failed(k, "make the directory");
    src = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (src >= 0)
        dst = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    r = dst < 0 ? failed(k, "open the directory") : copy_entries(k, src, dst, depth + 1);
    dv_store_close(src);
    dv_store_close(dst);
    return r == 0 ? copy_attributes(k, from, to, name, st) : r;
}

static int32_t copy_entry(struct copy *k, int from, int to, const char *name, unsigned depth)
{
    size_t before = enter(k, name);
    struct stat st;
    int32_t r = ++k->n % 64 == 0 ? dv_store_poll(k->s, k->c) : 0;

    if (r == 0 && fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        r = failed(k, "look at it");
    if (r == 0)
        r = S_ISDIR(st.st_mode) ? copy_dir(k, from, to, name, &st, depth)
                                : copy_leaf(k, from, to, name, &st);
    leave(k, before);
    return r;
}

static int32_t copy_entries(struct copy *k, int from, int to, unsigned depth)
{
    int list_fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
    struct dirent *e;
    int32_t r = 0;

    if (!dir) {
        r = failed(k, "list the directory");
        dv_store_close(list_fd);
        return r;
    }
    while (r == 0 && (errno = 0, e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = copy_entry(k, from, to, e->d_name, depth);
    if (r == 0 && errno != 0)
        r = failed(k, "list the directory");
    closedir(dir);
    return r;
}

int32_t dv_copy_tree(struct dv_store *s, struct dv_call *c, int from_fd, int to_fd, int links_fd)
{
    struct copy k = { .s = s, .c = c, .links_fd = links_fd };
    struct stat st;
    int32_t r;

    k.names = malloc(LIST_MAX_BYTES);
    k.value = malloc(VALUE_MAX_BYTES);
    if (!k.names || !k.value)
        r = dv_store_fail(s, c, DV_E_NO_MEMORY, "copy a layer: out of memory");
    else if (fstat(from_fd, &st) < 0)
        r = failed(&k, "look at it");
    else
        r = copy_entries(&k, from_fd, to_fd, 0);
    if (r == 0)
        r = copy_attributes(&k, from_fd, to_fd, ".", &st);
    free(k.names);
    free(k.value);
    return r;
}
