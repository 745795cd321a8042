/* unpack.c - a layer's tar into a directory.
 *
 * Only we write below the root, so what threatens is the archive's own order of entries: a link
 * first, then a name that leads through it. Every parent is therefore opened by openat2 inside the
 * root, and the last part is used relative to that descriptor and never followed. */
#include "core/worker/unpack.h"

#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/worker/inoset.h"
#include "core/worker/names.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
static const char opaque_xattr[] = "user.overlay.opaque";

struct dir_time {
    struct dir_time *next;
    struct timespec times[2];
    char name[];                 /* cleaned */
};
struct unpack {
    struct archive *tar;
    int root_fd;
    enum dv_whiteouts whiteouts;
    struct dir_time *dir_times;  /* the last entry first */
    struct dv_inoset ours;       /* DV_WHITEOUT_APPLY: inodes that this layer wrote */
    int parent_fd;               /* cached: the directory PARENT */
    char parent[DV_MAX_TAR_NAME_BYTES];
    struct dv_unpack_result result;
    dv_unpack_read_fail *read_fail;
    void *arg;
    struct dv_error *err;
};
/* One entry of the archive, with its place. */
struct item {
    struct archive_entry *entry;
    char clean[DV_MAX_TAR_NAME_BYTES];
    const char *name;            /* last part of clean; "." for the root */
    int dir_fd;                  /* its parent; the root for the root itself; borrowed */
};

static int fail_item(struct unpack *u, const struct item *it, const char *what)
{
    /* What the archive asks for and no file system can hold is the archive's fault. */
    bool theirs = errno == ENAMETOOLONG || errno == ELOOP || errno == EINVAL || errno == EFBIG ||
                  errno == EEXIST || errno == ENOTDIR || errno == EISDIR || errno == EMLINK;

    return dv_fail_errno(u->err, theirs ? DV_E_INVALID : DV_E_INTERNAL, "%s '%.300s'", what,
                         it->clean[0] ? it->clean : "/");
}

static void forget_parent(struct unpack *u)
{
    dv_close(u->parent_fd);
    u->parent_fd = -1;
}

/* ---- parents ---- */

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Remember that this layer wrote what DIR_FD/NAME is, for opaque directories. */
static int note_ours(struct unpack *u, int dir_fd, const char *name)
{
    struct stat st;

    if (u->whiteouts != DV_WHITEOUT_APPLY)
        return 0;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
        return dv_fail_errno(u->err, DV_E_INTERNAL, "look at '%.200s'", name);
    if (dv_inoset_add(&u->ours, st.st_ino) < 0)
        return dv_fail(u->err, DV_E_NO_MEMORY, "out of memory for the names of a layer");
    return 0;
}

/* A new directory hides what lower layers have there where a whiteout stood. */
static int set_opaque(struct unpack *u, int fd, const char *clean)
{
    if (fsetxattr(fd, opaque_xattr, "y", 1, 0) == 0)
        return 0;
    if (errno == ENOTSUP)
        return dv_fail(u->err, DV_E_UNSUPPORTED,
                       "mark '%.200s' opaque: the file system of the image store has no user "
                       "attributes; use another file system, or storage driver vfs", clean);
    return dv_fail_errno(u->err, DV_E_INTERNAL, "mark '%.200s' opaque", clean);
}

static int open_dir_at(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Make the directory NAME of DIR_FD, which nothing or a whiteout stands for. CLEAN: for messages.
 */
static int make_parent(struct unpack *u, int dir_fd, const char *name, const char *clean)
{
    dv_autoclose int fd = -1;
    struct stat st;
    bool hid = false;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (u->whiteouts != DV_WHITEOUT_OVERLAY || !is_whiteout(&st))
            return dv_fail(u->err, DV_E_INVALID, "'%.200s' is needed as a directory but is %s",
                           clean, S_ISLNK(st.st_mode) ? "a link to nowhere" : "a file");
        if (unlinkat(dir_fd, name, 0) < 0)
            return dv_fail_errno(u->err, DV_E_INTERNAL, "replace '%.200s'", clean);
        hid = true;
    }
    if (mkdirat(dir_fd, name, 0755) < 0)
        return dv_fail_errno(u->err, DV_E_INTERNAL, "make the directory '%.200s'", clean);
    fd = open_dir_at(dir_fd, name);
    if (fd < 0)
        return dv_fail_errno(u->err, DV_E_INTERNAL, "open the directory '%.200s'", clean);
    return hid ? set_opaque(u, fd, clean) : 0;
}

/* Open CLEAN part by part, making what is missing. New descriptor. */
static int make_parents(struct unpack *u, const char *clean)
{
    dv_autoclose int at = fcntl(u->root_fd, F_DUPFD_CLOEXEC, 0);
    char path[DV_MAX_TAR_NAME_BYTES];
    const char *end = clean;
    int r;

    while (*end && at >= 0) {
        const char *start = end + (*end == '/');
        int next;

        end = start + strcspn(start, "/");
        snprintf(path, sizeof(path), "%.*s", (int)(end - clean), clean);
        next = dv_open_in_root(u->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
        if (next < 0 && (errno == ENOENT || errno == ENOTDIR)) {
            r = make_parent(u, at, dv_last_part(path), path);
            if (r < 0)
                return r;
            next = dv_open_in_root(u->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
        }
        dv_close(at);
        at = next;
        if (at < 0)
            return dv_fail_errno(u->err, errno == ELOOP ? DV_E_INVALID : DV_E_INTERNAL,
                                 "open the directory '%.200s'", path);
        r = note_ours(u, at, "");
        if (r < 0)
            return r;
    }
    if (at < 0)
        return dv_fail_errno(u->err, DV_E_INTERNAL, "open the layer's root");
    return dv_take_fd(at);
}

/* Set it->dir_fd: the cached parent, or a new one. */
static int find_parent(struct unpack *u, struct item *it)
{
    size_t len = it->name == it->clean ? 0 : (size_t)(it->name - it->clean) - 1;
    char parent[DV_MAX_TAR_NAME_BYTES];
    int fd;

    if (len == 0) {
        it->dir_fd = u->root_fd;
        return 0;
    }
    if (u->parent_fd >= 0 && strlen(u->parent) == len && memcmp(u->parent, it->clean, len) == 0) {
        it->dir_fd = u->parent_fd;
        return 0;
    }
    memcpy(parent, it->clean, len);
    parent[len] = 0;
    fd = u->whiteouts == DV_WHITEOUT_APPLY ?
             -1 : dv_open_in_root(u->root_fd, parent, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        fd = make_parents(u, parent);
    if (fd < 0)
        return fd;
    forget_parent(u);
    u->parent_fd = fd;
    memcpy(u->parent, parent, len + 1);
    it->dir_fd = fd;
    return 0;
}

/* ---- attributes ---- */

static void entry_times(struct archive_entry *e, struct timespec times[2])
{
    times[1].tv_sec = archive_entry_mtime(e);
    times[1].tv_nsec = archive_entry_mtime_nsec(e);
    times[0] = times[1];
    if (archive_entry_atime_is_set(e)) {
        times[0].tv_sec = archive_entry_atime(e);
        times[0].tv_nsec = archive_entry_atime_nsec(e);
    }
}

/* What a layer may carry. All else needs CAP_SYS_ADMIN or would speak to overlay itself. */
static bool xattr_allowed(const char *name)
{
    static const char *const exact[] = { "security.capability", "system.posix_acl_access",
                                         "system.posix_acl_default" };
    size_t i;

    for (i = 0; i < N(exact); i++)
        if (dv_streq(name, exact[i]))
            return true;
    return dv_starts(name, "user.") && !dv_starts(name, "user.overlay.");
}

/* FD, or where it is -1 the last part in its directory, which is not followed. A file system
 * without attributes, and kinds of files that cannot have them, do without, as with Docker. */
static int set_xattrs(struct unpack *u, const struct item *it, int fd)
{
    const char *name;
    const void *value;
    size_t size;
    int r;

    archive_entry_xattr_reset(it->entry);
    while (archive_entry_xattr_next(it->entry, &name, &value, &size) == ARCHIVE_OK) {
        if (!xattr_allowed(name))
            continue;
        if (fd >= 0)
            r = fsetxattr(fd, name, value, size, 0);
        else if (fchdir(it->dir_fd) < 0)
            return fail_item(u, it, "enter the directory of");
        else
            r = lsetxattr(it->name, name, value, size, 0);
        if (r < 0 && errno != ENOTSUP && errno != EPERM)
            return dv_fail_errno(u->err, errno == ERANGE || errno == E2BIG ? DV_E_INVALID :
                                 DV_E_INTERNAL, "set attribute '%.100s' of '%.200s'", name,
                                 it->clean);
    }
    return 0;
}

/* The owner first, since chown drops set-uid bits and capabilities. */
static int set_attributes_fd(struct unpack *u, const struct item *it, int fd)
{
    struct timespec times[2];
    int r;

    if (fchown(fd, (uid_t)archive_entry_uid(it->entry), (gid_t)archive_entry_gid(it->entry)) < 0)
        return fail_item(u, it, "set the owner of");
    if (fchmod(fd, archive_entry_perm(it->entry) & 07777) < 0)
        return fail_item(u, it, "set the mode of");
    r = set_xattrs(u, it, fd);
    if (r < 0)
        return r;
    entry_times(it->entry, times);
    if (futimens(fd, times) < 0)
        return fail_item(u, it, "set the time of");
    return 0;
}

/* For what is not opened: devices, fifos, symbolic links (which have no mode). */
static int set_attributes_at(struct unpack *u, const struct item *it)
{
    struct timespec times[2];
    int r;

    if (fchownat(it->dir_fd, it->name, (uid_t)archive_entry_uid(it->entry),
                 (gid_t)archive_entry_gid(it->entry), AT_SYMLINK_NOFOLLOW) < 0)
        return fail_item(u, it, "set the owner of");
    if (archive_entry_filetype(it->entry) != AE_IFLNK &&
        fchmodat(it->dir_fd, it->name, archive_entry_perm(it->entry) & 07777, 0) < 0)
        return fail_item(u, it, "set the mode of");
    r = set_xattrs(u, it, /* fd */ -1);
    if (r < 0)
        return r;
    entry_times(it->entry, times);
    if (utimensat(it->dir_fd, it->name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_item(u, it, "set the time of");
    return 0;
}

/* ---- kinds of entries ---- */

static int write_blocks(struct unpack *u, const struct item *it, int fd)
{
    la_int64_t size = archive_entry_size(it->entry), offset, end = 0;
    const void *data;
    size_t n;
    int r;

    while ((r = archive_read_data_block(u->tar, &data, &n, &offset)) == ARCHIVE_OK) {
        while (n > 0) {
            ssize_t put = pwrite(fd, data, n, offset);

            if (put < 0 && errno == EINTR)
                continue;
            if (put <= 0)
                return fail_item(u, it, "write");
            data = (const char *)data + put;
            n -= (size_t)put;
            offset += put;
            u->result.bytes += (uint64_t)put;
        }
        end = offset;
    }
    if (r != ARCHIVE_EOF) {
        r = u->read_fail(u->arg, u->err);
        return dv_wrap(u->err, "'%.200s'", it->clean);
    }
    if (size > end && ftruncate(fd, size) < 0) /* ends with a hole */
        return fail_item(u, it, "set the size of");
    return 0;
}

static int put_file(struct unpack *u, struct item *it)
{
    dv_autoclose int fd = openat(it->dir_fd, it->name,
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return fail_item(u, it, "create");
    r = write_blocks(u, it, fd);
    return r < 0 ? r : set_attributes_fd(u, it, fd);
}

/* Times of directories come last: their entries would change them. */
static int note_dir_time(struct unpack *u, const struct item *it)
{
    size_t len = strlen(it->clean) + 1;
    struct dir_time *t = malloc(sizeof(*t) + len);

    if (!t)
        return dv_fail(u->err, DV_E_NO_MEMORY, "out of memory for the names of a layer");
    entry_times(it->entry, t->times);
    memcpy(t->name, it->clean, len);
    t->next = u->dir_times;
    u->dir_times = t;
    return 0;
}

/* OLD: what stood there before, or NULL. */
static int put_dir(struct unpack *u, struct item *it, const struct stat *old)
{
    bool hid = old && u->whiteouts == DV_WHITEOUT_OVERLAY && is_whiteout(old);
    dv_autoclose int fd = -1;
    int r;

    if ((!old || !S_ISDIR(old->st_mode)) && mkdirat(it->dir_fd, it->name, 0700) < 0)
        return fail_item(u, it, "make the directory");
    fd = open_dir_at(it->dir_fd, it->name);
    if (fd < 0)
        return fail_item(u, it, "open the directory");
    r = hid ? set_opaque(u, fd, it->clean) : 0;
    r = r < 0 ? r : set_attributes_fd(u, it, fd);
    return r < 0 ? r : note_dir_time(u, it);
}

static int put_link(struct unpack *u, struct item *it)
{
    const char *target = archive_entry_symlink(it->entry);

    if (dv_empty(target) || strlen(target) >= DV_MAX_TAR_NAME_BYTES)
        return dv_fail(u->err, DV_E_INVALID, "symbolic link '%.200s' has no usable target",
                       it->clean);
    if (symlinkat(target, it->dir_fd, it->name) < 0)
        return fail_item(u, it, "make the link");
    return set_attributes_at(u, it);
}

static int put_node(struct unpack *u, struct item *it)
{
    unsigned type = archive_entry_filetype(it->entry);
    dev_t dev = type == AE_IFIFO ? 0 : archive_entry_rdev(it->entry);

    /* 0:0 would be a whiteout, which only ".wh." names may make. */
    if (type == AE_IFCHR && dev == makedev(0, 0))
        return dv_fail(u->err, DV_E_INVALID,
                       "'%.200s' is character device 0:0, which hides files in an overlay",
                       it->clean);
    if (mknodat(it->dir_fd, it->name, (mode_t)(type | 0600), dev) < 0)
        return fail_item(u, it, "make the device");
    return set_attributes_at(u, it);
}

/* The target is a name in the archive, wherever the entry lies. */
static int put_hardlink(struct unpack *u, struct item *it, const char *target)
{
    char clean[DV_MAX_TAR_NAME_BYTES], *slash;
    dv_autoclose int fd = -1;
    const char *name;
    int r;

    r = dv_clean_name(target, clean, u->err);
    if (r < 0)
        return dv_wrap(u->err, "hard link '%.200s'", it->clean);
    slash = strrchr(clean, '/');
    name = slash ? slash + 1 : clean;
    if (slash)
        *slash = 0;
    fd = dv_open_in_root(u->root_fd, slash ? clean : ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 || linkat(fd, name, it->dir_fd, it->name, 0) < 0)
        return dv_fail_errno(u->err, DV_E_INVALID, "hard link '%.200s' to '%.200s'", it->clean,
                             target);
    return 0;
}

static int put_entry(struct unpack *u, struct item *it, const struct stat *old)
{
    const char *hardlink = archive_entry_hardlink(it->entry);
    int r;

    if (hardlink) {
        r = put_hardlink(u, it, hardlink);
    } else {
        switch (archive_entry_filetype(it->entry)) {
        case AE_IFREG:
            r = put_file(u, it);
            break;
        case AE_IFDIR:
            r = put_dir(u, it, old);
            break;
        case AE_IFLNK:
            r = put_link(u, it);
            break;
        case AE_IFCHR:
        case AE_IFBLK:
        case AE_IFIFO:
            r = put_node(u, it);
            break;
        default: /* a socket: nothing could be at its other end */
            return 0;
        }
    }
    return r < 0 ? r : note_ours(u, it->dir_fd, it->name);
}

/* ---- whiteouts ---- */

/* Delete in DIR_FD, which lower layers filled, what this layer did not write. Takes DIR_FD. */
static int delete_lower(struct unpack *u, int dir_fd)
{
    DIR *dir = fdopendir(dir_fd);
    struct dirent *e;
    int r = 0;

    if (!dir) {
        dv_close(dir_fd);
        return dv_fail_errno(u->err, DV_E_INTERNAL, "read an opaque directory");
    }
    while (r == 0 && (errno = 0, e = readdir(dir))) {
        int below;

        if (dv_streq(e->d_name, ".") || dv_streq(e->d_name, ".."))
            continue;
        if (!dv_inoset_has(&u->ours, e->d_ino)) {
            r = dv_remove_tree(dirfd(dir), e->d_name, u->err);
            continue;
        }
        below = open_dir_at(dirfd(dir), e->d_name);
        if (below >= 0)
            r = delete_lower(u, below);
    }
    if (r == 0 && errno != 0)
        r = dv_fail_errno(u->err, DV_E_INTERNAL, "read an opaque directory");
    closedir(dir);
    return r;
}

static int put_opaque(struct unpack *u, struct item *it)
{
    /* Opened anew: a duplicate would share the position that readdir moves. */
    int fd = open_dir_at(it->dir_fd, "."), r;

    if (fd < 0)
        return fail_item(u, it, "open the directory of");
    if (u->whiteouts == DV_WHITEOUT_APPLY)
        return delete_lower(u, fd);
    r = set_opaque(u, fd, it->clean);
    dv_close(fd);
    return r;
}

/* ".wh.NAME" hides NAME of lower layers; what this layer itself puts there stays. */
static int put_whiteout(struct unpack *u, struct item *it)
{
    const char *hidden = it->name + strlen(WHITEOUT);
    struct stat st;
    bool there;

    if (!hidden[0] || dv_streq(hidden, ".") || dv_streq(hidden, ".."))
        return dv_fail(u->err, DV_E_INVALID, "whiteout '%.200s' names nothing", it->clean);
    there = fstatat(it->dir_fd, hidden, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (u->whiteouts == DV_WHITEOUT_APPLY) {
        if (!there || (!S_ISDIR(st.st_mode) && dv_inoset_has(&u->ours, st.st_ino)))
            return 0;
        if (dv_inoset_has(&u->ours, st.st_ino)) {
            int fd = open_dir_at(it->dir_fd, hidden);

            return fd < 0 ? fail_item(u, it, "apply") : delete_lower(u, fd);
        }
        return dv_remove_tree(it->dir_fd, hidden, u->err);
    }
    if (!there) {
        if (mknodat(it->dir_fd, hidden, S_IFCHR, makedev(0, 0)) < 0)
            return fail_item(u, it, "make the whiteout");
    } else if (S_ISDIR(st.st_mode)) {
        dv_autoclose int fd = open_dir_at(it->dir_fd, hidden);

        return fd < 0 ? fail_item(u, it, "open the directory of") : set_opaque(u, fd, it->clean);
    }
    return 0;
}

static int put_marker(struct unpack *u, struct item *it)
{
    if (dv_streq(it->name, WHITEOUT_OPAQUE))
        return put_opaque(u, it);
    if (dv_starts(it->name, WHITEOUT_META)) /* AUFS' own files */
        return 0;
    return put_whiteout(u, it);
}

/* ---- the archive ---- */

/* Make room for the entry; a directory under a directory stays. OLD: what there was, if *RET_THERE.
 */
static int make_room(struct unpack *u, struct item *it, struct stat *old, bool *ret_there)
{
    bool is_dir = archive_entry_filetype(it->entry) == AE_IFDIR &&
                  !archive_entry_hardlink(it->entry);

    *ret_there = fstatat(it->dir_fd, it->name, old, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*ret_there)
        return errno == ENOENT ? 0 : fail_item(u, it, "look at");
    if (is_dir && S_ISDIR(old->st_mode))
        return 0;
    if (!it->clean[0])
        return dv_fail(u->err, DV_E_INVALID, "the archive's root is no directory");
    if (S_ISDIR(old->st_mode)) {
        int r = dv_remove_tree(it->dir_fd, it->name, u->err);

        return r < 0 ? dv_wrap(u->err, "replace '%.200s'", it->clean) : 0;
    }
    if (unlinkat(it->dir_fd, it->name, 0) < 0)
        return fail_item(u, it, "replace");
    return 0;
}

/* A hard link to itself, as some tools write a file's first name: replacing would lose the file. */
static bool is_own_target(const struct item *it)
{
    const char *target = archive_entry_hardlink(it->entry);
    char clean[DV_MAX_TAR_NAME_BYTES];
    struct dv_error ignored = { 0 };

    return target && dv_clean_name(target, clean, &ignored) == 0 && dv_streq(clean, it->clean);
}

static int unpack_entry(struct unpack *u, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    struct item it = { .entry = entry };
    struct stat old;
    bool there;
    int r;

    if (!name)
        return dv_fail(u->err, DV_E_INVALID, "an entry has no name, or none that can be read");
    r = dv_clean_name(name, it.clean, u->err);
    if (r < 0)
        return r;
    it.name = it.clean[0] ? dv_last_part(it.clean) : ".";
    if (!it.clean[0]) {
        it.dir_fd = u->root_fd;
    } else {
        r = find_parent(u, &it);
        if (r < 0)
            return r;
    }
    if (dv_starts(it.name, WHITEOUT)) {
        r = put_marker(u, &it);
        forget_parent(u); /* it may have been deleted */
        return r;
    }
    if (is_own_target(&it))
        return 0;
    r = make_room(u, &it, &old, &there);
    r = r < 0 ? r : put_entry(u, &it, there ? &old : NULL);
    /* The cached directory may be the one that was just replaced, or lie behind a new link. */
    if (there)
        forget_parent(u);
    return r;
}

static int set_dir_times(struct unpack *u)
{
    struct dir_time *t;

    for (t = u->dir_times; t; t = t->next) {
        dv_autoclose int fd = dv_open_in_root(u->root_fd, t->name[0] ? t->name : ".",
                                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

        /* Replaced by a later entry: that one has its own time. */
        if (fd >= 0 && futimens(fd, t->times) < 0)
            return dv_fail_errno(u->err, DV_E_INTERNAL, "set the time of '%.200s'", t->name);
    }
    return 0;
}

static int unpack_all(struct unpack *u)
{
    struct archive_entry *entry;
    int r;

    while ((r = archive_read_next_header(u->tar, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
        if (++u->result.entries > DV_MAX_TAR_ENTRIES)
            return dv_fail(u->err, DV_E_INVALID, "layer has more than %d entries",
                           DV_MAX_TAR_ENTRIES);
        r = unpack_entry(u, entry);
        if (r < 0)
            return r;
    }
    if (r != ARCHIVE_EOF)
        return u->read_fail(u->arg, u->err);
    return set_dir_times(u);
}

int dv_unpack(struct archive *tar, int root_fd, enum dv_whiteouts whiteouts,
              dv_unpack_read_fail *read_fail, void *arg, struct dv_unpack_result *ret,
              struct dv_error *err)
{
    struct unpack u = { .tar = tar, .root_fd = root_fd, .whiteouts = whiteouts, .parent_fd = -1,
                        .read_fail = read_fail, .arg = arg, .err = err };
    mode_t mask = umask(0);
    int r;

    if (whiteouts != DV_WHITEOUT_OVERLAY && whiteouts != DV_WHITEOUT_APPLY)
        r = dv_fail(err, DV_E_UNSUPPORTED, "storage driver wants whiteouts of kind %d", whiteouts);
    else
        r = unpack_all(&u);
    umask(mask);
    forget_parent(&u);
    dv_inoset_done(&u.ours);
    while (u.dir_times) {
        struct dir_time *t = u.dir_times;

        u.dir_times = t->next;
        free(t);
    }
    if (r == 0)
        *ret = u.result;
    return r;
}
