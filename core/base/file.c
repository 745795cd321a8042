/* file.c - whole files, durable replacement, and paths that never leave their root. */
#include "core/base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/base/id.h"
#include "core/base/openat2.h"
#include "core/base/str.h"

enum { FIRST_READ_BYTES = 4096 };

long dv_openat2(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    /* The layout of <linux/openat2.h>, which musl's include path does not have. */
    struct {
        uint64_t flags, mode, resolve;
    } how = { .flags = (uint64_t)(unsigned)flags | O_CLOEXEC, .resolve = resolve };
    bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    long fd = -1;
    int i;

    how.mode = creates ? mode : 0; /* anything else is EINVAL */
    for (i = 0; i < 32; i++) {     /* EAGAIN: a rename or mount elsewhere raced with ".." */
        fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd;
}

/* The next size of a buffer that is full, at most MAX + 1: the byte too much that tells. */
static size_t next_size(size_t cap, size_t max)
{
    size_t limit = max < SIZE_MAX - 1 ? max + 1 : SIZE_MAX - 1;

    if (cap >= limit)
        return 0;
    return cap > limit / 2 ? limit : cap * 2;
}

int dv_read_fd(int fd, size_t max, char **ret, size_t *ret_len, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    struct stat st;
    size_t len = 0, cap = FIRST_READ_BYTES;

    /* Two more than it says: room for the read that sees the end, and for the NUL. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= max)
        cap = (size_t)st.st_size + 1;
    if (cap > max && max < SIZE_MAX - 1)
        cap = max + 1;
    for (;;) {
        char *grown = realloc(text, cap + 1);
        ssize_t n = 0;

        if (!grown)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory to read %zu bytes", cap);
        text = grown;
        while (len < cap) {
            n = read(fd, text + len, cap - len);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            len += (size_t)n;
        }
        if (n < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "read");
        if (len > max)
            return dv_fail(err, DV_E_INVALID, "larger than its limit of %zu bytes", max);
        if (len < cap)
            break;
        cap = next_size(cap, max);
        if (cap == 0)
            return dv_fail(err, DV_E_INVALID, "larger than its limit of %zu bytes", max);
    }
    text[len] = '\0';
    *ret = dv_take(text);
    if (ret_len)
        *ret_len = len;
    return 0;
}

int dv_read_file(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_len,
                 struct dv_error *err)
{
    dv_autoclose int fd = -1;
    int r;

    /* Nonblocking, so that a named pipe in its place does not hang us. */
    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return dv_fail_errno(err, DV_E_NOT_FOUND, "open '%s'", name);
    if (fd < 0 && errno == ELOOP)
        return dv_fail(err, DV_E_INVALID, "open '%s': it is a symbolic link", name);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open '%s'", name);
    r = dv_read_fd(fd, max, ret, ret_len, err);
    return r < 0 ? dv_wrap(err, "read '%s'", name) : 0;
}

int dv_write_all(int fd, const void *data, size_t n)
{
    const char *from = data;

    while (n > 0) {
        ssize_t done = write(fd, from, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        from += done;
        n -= (size_t)done;
    }
    return 0;
}

int dv_write_file_at(int dir_fd, const char *name, const char *text)
{
    dv_autoclose int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t len = strlen(text);
    ssize_t n;

    if (fd < 0)
        return -1;
    do
        n = write(fd, text, len);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n != len) {
        errno = EIO;
        return -1;
    }
    return n < 0 ? -1 : 0;
}

/* The folder of DIR_FD/NAME, readable so that it can be synced; *BASE is what follows. */
static int open_parent(int dir_fd, const char *name, const char **base)
{
    const char *slash = strrchr(name, '/');
    dv_autofree char *parent = NULL;

    *base = slash ? slash + 1 : name;
    if (!slash)
        return openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    parent = slash == name ? strdup("/") : strndup(name, (size_t)(slash - name));
    if (!parent)
        return -1;
    return openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int write_new(int dir_fd, const char *name, const void *data, size_t n, mode_t mode,
                     enum dv_durability durability)
{
    dv_autoclose int fd =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0 || dv_write_all(fd, data, n) < 0)
        return -1;
    if (fchmod(fd, mode) < 0) /* whatever the umask is */
        return -1;
    return durability == DV_DURABLE ? fsync(fd) : 0;
}

int dv_file_replace(int dir_fd, const char *name, const void *data, size_t n, mode_t mode,
                    enum dv_durability durability, struct dv_error *err)
{
    dv_autoclose int parent_fd = -1;
    const char *base;
    char random[8], hex[2 * sizeof(random) + 1], temporary[NAME_MAX + 1];
    int saved;

    parent_fd = open_parent(dir_fd, name, &base);
    if (parent_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the folder of '%s'", name);
    dv_random(random, sizeof(random));
    dv_hex(random, sizeof(random), hex);
    snprintf(temporary, sizeof(temporary), ".tmp-%s", hex);

    if (write_new(parent_fd, temporary, data, n, mode, durability) < 0 ||
        renameat(parent_fd, temporary, parent_fd, base) < 0) {
        saved = errno;
        unlinkat(parent_fd, temporary, 0);
        errno = saved;
        return dv_fail_errno(err, DV_E_INTERNAL, "write '%s'", name);
    }
    if (durability == DV_DURABLE && fsync(parent_fd) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "sync the folder of '%s'", name);
    return 0;
}

int dv_mkdirs(int dir_fd, const char *path, mode_t mode, struct dv_error *err)
{
    dv_autofree char *copy = strdup(path);
    struct stat st;
    char *slash;

    if (!copy)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to create '%s'", path);
    if (mkdirat(dir_fd, path, mode) == 0) /* mostly only the last one is missing */
        return 0;
    for (slash = strchr(copy + 1, '/'); errno == ENOENT && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(dir_fd, copy, mode) < 0 && errno != EEXIST)
            return dv_fail_errno(err, DV_E_INTERNAL, "create directory '%s'", copy);
        *slash = '/';
        errno = ENOENT;
    }
    if (errno == ENOENT && mkdirat(dir_fd, path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "create directory '%s'", path);
    if (fstatat(dir_fd, path, &st, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "look at directory '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return dv_fail(err, DV_E_INTERNAL, "create directory '%s': a file is in its place", path);
    return 0;
}

int dv_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
    return (int)dv_openat2(root_fd, path, flags, mode, DV_RESOLVE_IN_ROOT | DV_RESOLVE_NO_MAGICLINKS);
}

/* Where a missing path must be made instead, if DIR_FD/NAME is a link to nowhere: the link's text
 * against AT (the path of DIR_FD below the root), then REST. NULL and errno if it is no link. */
static char *follow_dangling(int dir_fd, const char *name, const char *at, const char *rest)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

    if (n < 0)
        return NULL;
    target[n] = '\0';
    return target[0] == '/' ? dv_format("%s/%s", target, rest)
                            : dv_format("%s/%s/%s", at, target, rest);
}

/* Create NAME in PARENT_FD; 0 also if it is there already. */
static int make_one(int parent_fd, const char *name, bool is_file)
{
    dv_autoclose int fd = -1;

    if (!is_file)
        return mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST ? -1 : 0;
    fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd < 0 && errno != EEXIST ? -1 : 0;
}

static int make_in_root(int root_fd, const char *path, bool is_file, int links_left);

/* Make COMPONENT below AT (which exists); REST is what is wanted below it. Returns the descriptor
 * of the whole when a link led elsewhere, -2 when the caller may go on, -1 on failure. */
static int make_step(int root_fd, const char *at, const char *component, const char *rest,
                     bool is_file, int links_left)
{
    dv_autoclose int parent_fd =
        dv_open_in_root(root_fd, *at ? at : "/", O_PATH | O_DIRECTORY, /* mode */ 0);
    dv_autofree char *elsewhere = NULL, *whole = NULL;
    dv_autoclose int fd = -1;

    if (parent_fd < 0 || make_one(parent_fd, component, is_file && !*rest) < 0)
        return -1;
    whole = dv_format("%s/%s", at, component);
    if (!whole)
        return -1;
    fd = dv_open_in_root(root_fd, whole, O_PATH, /* mode */ 0);
    if (fd >= 0)
        return -2;
    if (errno != ENOENT)
        return -1;
    elsewhere = follow_dangling(parent_fd, component, at, rest);
    if (!elsewhere)
        return -1;
    if (links_left == 0) {
        errno = ELOOP;
        return -1;
    }
    return make_in_root(root_fd, elsewhere, is_file, links_left - 1);
}

static int make_in_root(int root_fd, const char *path, bool is_file, int links_left)
{
    dv_autofree char *copy = strdup(path), *at = strdup("");
    char *next, *component;
    int fd;

    if (!copy || !at)
        return -1;
    fd = dv_open_in_root(root_fd, *path ? path : "/", O_PATH, /* mode */ 0);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    for (next = copy; *(next += strspn(next, "/"));) {
        size_t n = strcspn(next, "/");
        char *below;

        component = next;
        next += n;
        if (*next)
            *next++ = '\0';
        next += strspn(next, "/");
        fd = make_step(root_fd, at, component, next, is_file, links_left);
        if (fd != -2)
            return fd;
        below = dv_format("%s/%s", at, component);
        if (!below)
            return -1;
        free(at);
        at = below;
    }
    return dv_open_in_root(root_fd, at, O_PATH, /* mode */ 0);
}

int dv_make_in_root(int root_fd, const char *path, int is_file)
{
    return make_in_root(root_fd, path, is_file != 0, /* links_left */ 16);
}
