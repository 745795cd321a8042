/* copy_tree.c - a directory's files with all that belongs to them, into another directory. */
#include "core/worker/copy_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/base/file.h"
#include "core/base/id.h"
#include "core/base/str.h"

enum { COPY_BYTES = 256 << 10, DEPTH_MAX = 512, XATTR_BYTES = 64 << 10 };

/* A file with several names: where its first one went. */
struct link {
    struct link *next;
    dev_t dev;
    ino_t ino;
    char *path;                      /* below the target */
};
struct copy {
    int to_fd;                       /* the target's root, for hard links */
    struct link *links[1024];
    char path[PATH_MAX];             /* of what is copied now, for links and messages */
    size_t path_len;
    char *buffer;
    struct dv_error *err;
};

static int fail(struct copy *c, const char *what)
{
    return dv_fail_errno(c->err, DV_E_INTERNAL, "%s /%s", what, c->path);
}

/* ---- attributes ---- */

/* What describes layers, or what this kernel decides for itself, is not the file's. */
static bool is_own_attribute(const char *name)
{
    return dv_starts(name, "user.overlay.") || dv_starts(name, "trusted.") ||
           dv_streq(name, "security.selinux") || dv_streq(name, "security.ima") ||
           dv_streq(name, "security.evm");
}

static int copy_xattrs(struct copy *c, int from, int to)
{
    dv_autofree char *names = malloc(XATTR_BYTES), *value = malloc(XATTR_BYTES);
    ssize_t n, size;

    if (!names || !value)
        return dv_fail(c->err, DV_E_NO_MEMORY, "no memory to copy files");
    n = flistxattr(from, names, XATTR_BYTES);
    if (n < 0)
        return errno == ENOTSUP ? 0 : fail(c, "list the attributes of");
    for (const char *name = names; name < names + n; name += strlen(name) + 1) {
        if (is_own_attribute(name))
            continue;
        size = fgetxattr(from, name, value, XATTR_BYTES);
        if (size < 0 && errno == ENODATA)
            continue;
        if (size < 0)
            return fail(c, "read an attribute of");
        if (fsetxattr(to, name, value, (size_t)size, 0) < 0 && errno != ENOTSUP)
            return fail(c, "set an attribute of");
    }
    return 0;
}

/* The owner first: a change of it takes set-uid bits and capabilities away. */
static int copy_attributes(struct copy *c, int from, int to, const struct stat *st)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };

    if (fchown(to, st->st_uid, st->st_gid) < 0)
        return fail(c, "set the owner of");
    if (copy_xattrs(c, from, to) < 0)
        return -c->err->code;
    if (fchmod(to, st->st_mode & 07777) < 0)
        return fail(c, "set the mode of");
    if (futimens(to, times) < 0)
        return fail(c, "set the times of");
    return 0;
}

/* ---- hard links ---- */

static struct link **bucket(struct copy *c, const struct stat *st)
{
    const uint64_t key[] = { st->st_dev, st->st_ino };

    return &c->links[dv_hash64(key, sizeof(key)) % N(c->links)];
}

/* 1: the file is there by another name and got this one too. */
static int link_again(struct copy *c, const struct stat *st, int to_dir, const char *name)
{
    struct link *l;

    if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
        return 0;
    for (l = *bucket(c, st); l; l = l->next) {
        if (l->dev != st->st_dev || l->ino != st->st_ino)
            continue;
        if (linkat(c->to_fd, l->path, to_dir, name, 0) == 0)
            return 1;
        return errno == EMLINK ? 0 : fail(c, "link");
    }
    l = calloc(1, sizeof(*l));
    if (!l || !(l->path = dv_strdup(c->path))) {
        free(l);
        return dv_fail(c->err, DV_E_NO_MEMORY, "no memory to copy files");
    }
    l->dev = st->st_dev;
    l->ino = st->st_ino;
    l->next = *bucket(c, st);
    *bucket(c, st) = l;
    return 0;
}

static void free_links(struct copy *c)
{
    for (size_t i = 0; i < N(c->links); i++) {
        while (c->links[i]) {
            struct link *l = c->links[i];

            c->links[i] = l->next;
            free(l->path);
            free(l);
        }
    }
}

/* ---- one file of each kind ---- */

static int copy_by_hand(struct copy *c, int from, int to)
{
    ssize_t n;

    if (!c->buffer)
        c->buffer = malloc(COPY_BYTES);
    if (!c->buffer)
        return dv_fail(c->err, DV_E_NO_MEMORY, "no memory to copy files");
    while ((n = read(from, c->buffer, COPY_BYTES)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(c, "read");
        if (dv_write_all(to, c->buffer, (size_t)n) < 0)
            return fail(c, "write");
    }
    return 0;
}

static int copy_data(struct copy *c, int from, int to)
{
    ssize_t n;

    do
        n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
    while (n > 0 || (n < 0 && errno == EINTR));
    /* 0 may mean that it cannot tell: by hand it is read to its true end. */
    if (n == 0 || errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
        errno == ENOTSUP)
        return copy_by_hand(c, from, to);
    return fail(c, "copy");
}

static int copy_file(struct copy *c, int from_dir, int to_dir, const char *name)
{
    dv_autoclose int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    dv_autoclose int to = -1;
    struct stat st;
    int r;

    if (from < 0 || fstat(from, &st) < 0)
        return fail(c, "open");
    if (!S_ISREG(st.st_mode))
        return dv_fail(c->err, DV_E_INTERNAL, "/%s changed while it was copied", c->path);
    to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return fail(c, "create");
    r = copy_data(c, from, to);
    return r < 0 ? r : copy_attributes(c, from, to, &st);
}

static int copy_other(struct copy *c, int from_dir, int to_dir, const char *name,
                      const struct stat *st)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };
    bool is_link = S_ISLNK(st->st_mode);
    char target[PATH_MAX];

    if (is_link) {
        ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

        if (n < 0)
            return fail(c, "read the link");
        target[n] = '\0';
    }
    if ((is_link ? symlinkat(target, to_dir, name)
                 : mknodat(to_dir, name, st->st_mode & (S_IFMT | 0777), st->st_rdev)) < 0)
        return fail(c, "create");
    if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(c, "set the owner of");
    if (!is_link && fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0)
        return fail(c, "set the mode of");
    if (utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(c, "set the times of");
    return 0;
}

/* ---- directories ---- */

static int copy_directory(struct copy *c, int from, int to, int depth);

static int copy_below(struct copy *c, int from_dir, int to_dir, const char *name, int depth)
{
    dv_autoclose int from = openat(from_dir, name,
                                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    dv_autoclose int to = -1;

    if (from < 0)
        return fail(c, "open");
    if (mkdirat(to_dir, name, 0700) < 0)
        return fail(c, "create");
    to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return to < 0 ? fail(c, "open") : copy_directory(c, from, to, depth);
}

static int copy_entry(struct copy *c, int from_dir, int to_dir, const char *name, int depth)
{
    size_t before = c->path_len;
    struct stat st;
    int n, r;

    n = snprintf(c->path + before, sizeof(c->path) - before, "%s%s", before ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof(c->path) - before)
        return dv_fail(c->err, DV_E_INVALID, "/%.200s...: the path is too long", c->path);
    c->path_len += (size_t)n;
    if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        r = fail(c, "look at");
    else
        r = link_again(c, &st, to_dir, name);
    if (r == 0)
        r = S_ISDIR(st.st_mode)   ? copy_below(c, from_dir, to_dir, name, depth)
            : S_ISREG(st.st_mode) ? copy_file(c, from_dir, to_dir, name)
                                  : copy_other(c, from_dir, to_dir, name, &st);
    c->path_len = before;
    c->path[before] = '\0';
    return r < 0 ? r : 0;
}

static int copy_entries(struct copy *c, int from, int to, int depth)
{
    int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    const struct dirent *entry;

    if (!dir) {
        dv_close(again);
        return fail(c, "read");
    }
    while (r == 0 && (errno = 0, entry = readdir(dir)))
        if (!dv_streq(entry->d_name, ".") && !dv_streq(entry->d_name, ".."))
            r = copy_entry(c, from, to, entry->d_name, depth);
    if (r == 0 && errno)
        r = fail(c, "read");
    closedir(dir);
    return r;
}

static int copy_directory(struct copy *c, int from, int to, int depth)
{
    struct stat st;
    int r;

    if (depth == DEPTH_MAX)
        return dv_fail(c->err, DV_E_INVALID, "/%.200s...: directories lie deeper than %d", c->path,
                       DEPTH_MAX);
    if (fstat(from, &st) < 0)
        return fail(c, "look at");
    r = copy_entries(c, from, to, depth + 1);
    return r < 0 ? r : copy_attributes(c, from, to, &st);
}

int dv_copy_tree(int from_fd, int to_fd, struct dv_error *err)
{
    struct copy c = { .to_fd = to_fd, .err = err };
    int r = copy_directory(&c, from_fd, to_fd, 0);

    free_links(&c);
    free(c.buffer);
    return r;
}
