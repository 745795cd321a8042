/* trust.c - where a plugin lies, and whether only root can have put it there. */

#include "core/plugin/internal.h"

#include <fcntl.h>
#include <sha2.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/id.h"

/* [a-z0-9][a-z0-9-]{0,31}: also keeps a name from the config inside <plugin_dir>/<kind>/. */
static bool name_ok(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n > 0 && n < sizeof(((struct dv_note *)0)->name) && !name[n] && name[0] != '-';
}

int dv_plugin_path(const struct dv_plugin_file *file, char path[DV_PLUGIN_PATH_MAX],
                   struct dv_error *err)
{
    const char *kind = dv_kind_name(file->kind);
    int n;

    path[0] = '\0';
    if (!kind)
        return dv_fail(err, DV_E_INVALID, "plugin '%s': unknown kind %u", file->name, file->kind);
    if (!name_ok(file->name))
        return dv_fail(err, DV_E_INVALID,
                       "plugin name '%.64s' is not of the form [a-z0-9][a-z0-9-]{0,31}: rename it",
                       file->name);
    if (file->path)
        n = snprintf(path, DV_PLUGIN_PATH_MAX, "%s", file->path);
    else if (file->plugin_dir)
        n = snprintf(path, DV_PLUGIN_PATH_MAX, "%s/%s/%s.so", file->plugin_dir, kind, file->name);
    else
        return dv_fail(err, DV_E_INVALID, "plugin '%s': neither path nor plugin_dir is set",
                       file->name);
    if (n < 0 || n >= DV_PLUGIN_PATH_MAX) {
        path[0] = '\0';
        return dv_fail(err, DV_E_INVALID, "path of plugin '%s' is longer than %d bytes", file->name,
                       DV_PLUGIN_PATH_MAX - 1);
    }
    if (path[0] != '/')
        return dv_fail(err, DV_E_INVALID, "plugin path '%s' is not absolute: write it from /",
                       path);
    return 0;
}

/* One rule for the file and all directories above it. WHAT is its path, for the message. */
static int check_node(const struct stat *st, const char *path, const char *what, bool is_dir,
                      struct dv_error *err)
{
    if (S_ISLNK(st->st_mode))
        return dv_fail(err, DV_E_FORBIDDEN,
                       "plugin %s: %s is a symbolic link: configure the path it leads to", path,
                       what);
    if (is_dir ? !S_ISDIR(st->st_mode) : !S_ISREG(st->st_mode))
        return dv_fail(err, DV_E_FORBIDDEN, "plugin %s: %s is not a %s", path, what,
                       is_dir ? "directory" : "regular file");
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return dv_fail(err, DV_E_FORBIDDEN,
                       "plugin %s: %s is owned by uid %u, expected root: chown root %s", path, what,
                       st->st_uid, what);
    /* In a sticky directory such as /tmp nobody but the owner may rename or remove an entry, and the
     * entry below is checked to be root's. */
    if (is_dir && (st->st_mode & S_ISVTX))
        return 0;
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return dv_fail(err, DV_E_FORBIDDEN,
                       "plugin %s: %s has mode %04o, so others than its owner may write it: "
                       "chmod go-w %s",
                       path, what, st->st_mode & 07777, what);
    return 0;
}

/* Open component NAME (the path up to and with it is WHAT) below DIR_FD; O_PATH for directories, so
 * that a fifo or device in the way is not opened. New descriptor. */
static int open_node(int dir_fd, const char *name, const char *path, const char *what, bool is_dir,
                     struct dv_error *err)
{
    dv_autoclose int fd = -1, read_fd = -1;
    struct stat st, again;
    int r;

    fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return dv_fail(err, DV_E_NOT_FOUND, "plugin %s: %s does not exist", path, what);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "plugin %s: open %s", path, what);
    if (fstat(fd, &st) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "plugin %s: stat %s", path, what);
    r = check_node(&st, path, what, is_dir, err);
    if (r < 0)
        return r;
    if (is_dir)
        return dv_take_fd(fd);
    read_fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (read_fd < 0 || fstat(read_fd, &again) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "plugin %s: open for reading", path);
    if (again.st_ino != st.st_ino || again.st_dev != st.st_dev)
        return dv_fail(err, DV_E_CONFLICT, "plugin %s was replaced while it was checked: try again",
                       path);
    return dv_take_fd(read_fd);
}

static int check_sha256(int fd, const char *path, const char *expected, struct dv_error *err)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char found[2 * sizeof(digest) + 1];
    dv_autofree uint8_t *chunk = NULL;
    enum { CHUNK = 64 << 10 };
    SHA2_CTX ctx;
    off_t off = 0;
    ssize_t n;

    if (strlen(expected) != 64 || strspn(expected, "0123456789abcdefABCDEF") != 64)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s: sha256 = '%.80s' is not 64 hexadecimal digits", path, expected);
    chunk = malloc(CHUNK);
    if (!chunk)
        return dv_fail(err, DV_E_NO_MEMORY, "plugin %s: out of memory", path);
    SHA256Init(&ctx);
    while ((n = pread(fd, chunk, CHUNK, off)) > 0 && off < DV_PLUGIN_FILE_MAX) {
        SHA256Update(&ctx, chunk, (size_t)n);
        off += n;
    }
    if (n < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "plugin %s: read", path);
    SHA256Final(digest, &ctx);
    dv_hex(digest, sizeof(digest), found);
    if (strcasecmp(found, expected) != 0)
        return dv_fail(err, DV_E_FORBIDDEN,
                       "plugin %s has sha256 %s, the configuration insists on %s: install the "
                       "right file or change sha256",
                       path, found, expected);
    return 0;
}

int dv_plugin_trust(const char *path, const char *sha256, struct dv_error *err)
{
    char walk[DV_PLUGIN_PATH_MAX], *name, *end;
    dv_autoclose int fd = -1;
    bool last = false;
    int r, next;

    if (snprintf(walk, sizeof(walk), "%s", path) >= (int)sizeof(walk) || path[0] != '/')
        return dv_fail(err, DV_E_INVALID, "plugin path '%.64s' is not absolute or too long", path);
    fd = open_node(AT_FDCWD, "/", path, "/", true, err);
    if (fd < 0)
        return fd;
    for (name = walk + 1; !last; name = end + 1) {
        end = strchrnul(name, '/');
        last = !*end;
        *end = '\0';
        if (!*name || dv_streq(name, ".") || dv_streq(name, ".."))
            return dv_fail(err, DV_E_INVALID,
                           "plugin path '%s' has an empty, '.' or '..' component: write it plainly",
                           path);
        next = open_node(fd, name, path, walk, !last, err);
        if (next < 0)
            return next;
        dv_close(fd);
        fd = next;
        if (!last)
            *end = '/';
    }
    if (sha256) {
        r = check_sha256(fd, path, sha256, err);
        if (r < 0)
            return r;
    }
    return dv_take_fd(fd);
}
