/* store.c - the content store: an OCI image layout (OCI image-spec, image-layout.md). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/image/internal.h"
#include "core/worker/image_config.h"

enum { TRASH_SECONDS = 24 * 60 * 60 };

static int open_dir(int dir_fd, const char *name, int *ret, struct dv_error *err)
{
    int r = dv_mkdirs(dir_fd, name, 0700, err);

    if (r < 0)
        return r;
    *ret = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "open '%s'", name) : 0;
}

int dv_store_open(struct dv_images *images, int root_fd, struct dv_error *err)
{
    static const char layout[] = DV_OCI_LAYOUT;
    int r;

    r = open_dir(root_fd, "images", &images->dir_fd, err);
    r = r < 0 ? r : open_dir(images->dir_fd, "blobs/sha256", &images->blobs_fd, err);
    r = r < 0 ? r : open_dir(images->dir_fd, "trash", &images->trash_fd, err);
    if (r == 0 && faccessat(images->dir_fd, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        r = dv_file_replace(images->dir_fd, "oci-layout", layout, strlen(layout), 0600, DV_DURABLE,
                            err);
    return r < 0 ? dv_wrap(err, "image store") : 0;
}

/* ---- blobs ---- */

static const char *hex_of(const char *digest)
{
    return digest + strlen("sha256:");
}

int dv_store_new_blob(struct dv_images *images, int *ret_fd, struct dv_error *err)
{
    int fd = openat(images->blobs_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        return dv_fail(err, DV_E_UNSUPPORTED, "the file system of the image store has no unnamed "
                       "files (O_TMPFILE): put davit's root on ext4, xfs, btrfs or tmpfs");
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make a file in the image store");
    *ret_fd = fd;
    return 0;
}

static int check_new_blob(struct dv_images *images, int fd, const char *digest, uint64_t size_bytes,
                          struct dv_error *err)
{
    struct stat st, dir;

    if (fstat(fd, &st) < 0 || fstat(images->blobs_fd, &dir) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "look at blob %s", digest);
    if (!S_ISREG(st.st_mode) || st.st_dev != dir.st_dev || (uint64_t)st.st_size != size_bytes)
        return dv_fail(err, DV_E_INVALID, "blob %s: what the worker sent is no file of the image "
                       "store with %llu bytes", digest, (unsigned long long)size_bytes);
    return 0;
}

int dv_store_link_blob(struct dv_images *images, int fd, const char *digest, uint64_t size_bytes,
                       struct dv_error *err)
{
    uint64_t there = 0;
    char path[40];
    int r;

    r = dv_store_blob_size(images, digest, &there, err);
    if (r == 0 && there == size_bytes)
        return 0;
    if (r == 0)
        return dv_fail(err, DV_E_INTERNAL, "blob %s in the image store has %llu bytes instead of "
                       "%llu: the store is damaged; remove the file and load again", digest,
                       (unsigned long long)there, (unsigned long long)size_bytes);
    if (r != -DV_E_NOT_FOUND)
        return r;
    dv_error_clear(err);
    r = check_new_blob(images, fd, digest, size_bytes, err);
    if (r < 0)
        return r;
    /* The contents before the name: a name that survives power loss must not stand for less. */
    if (fsync(fd) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write blob %s", digest);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, path, images->blobs_fd, hex_of(digest), AT_SYMLINK_FOLLOW) < 0 &&
        errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "name blob %s", digest);
    return 0;
}

int dv_store_open_blob(struct dv_images *images, const char *digest, int *ret_fd,
                       struct dv_error *err)
{
    int fd = openat(images->blobs_fd, hex_of(digest), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return dv_fail(err, DV_E_NOT_FOUND, "the image store lacks blob %s", digest);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open blob %s", digest);
    *ret_fd = fd;
    return 0;
}

int dv_store_blob_size(struct dv_images *images, const char *digest, uint64_t *ret,
                       struct dv_error *err)
{
    struct stat st;

    if (fstatat(images->blobs_fd, hex_of(digest), &st, AT_SYMLINK_NOFOLLOW) == 0) {
        *ret = (uint64_t)st.st_size;
        return 0;
    }
    if (errno == ENOENT)
        return dv_fail(err, DV_E_NOT_FOUND, "the image store lacks blob %s", digest);
    return dv_fail_errno(err, DV_E_INTERNAL, "look at blob %s", digest);
}

void dv_store_unlink_blob(struct dv_images *images, const char *digest)
{
    if (unlinkat(images->blobs_fd, hex_of(digest), 0) < 0 && errno != ENOENT)
        dv_log_warn(NULL, "remove blob %s: %s", digest, strerror(errno));
}

int dv_store_sync(struct dv_images *images, struct dv_error *err)
{
    if (fsync(images->blobs_fd) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write the image store");
    return 0;
}

/* ---- sweeping ---- */

static void sweep_blob(struct dv_images *images, const char *name)
{
    char digest[80];
    struct dv_error err = { 0 };
    int64_t known = 0;

    snprintf(digest, sizeof(digest), "sha256:%.72s", name);
    if (!dv_is_digest(digest))
        return; /* not ours by its name: stays */
    if (dv_row_count(images->db, &known, &err,
                     "SELECT EXISTS (SELECT 1 FROM blobs WHERE digest = ?)", digest) < 0 || known)
        return;
    dv_log_info(NULL, "blob %s belongs to no image: to the trash", digest);
    if (renameat(images->blobs_fd, name, images->trash_fd, name) < 0)
        dv_log_warn(NULL, "move blob %s to the trash: %s", digest, strerror(errno));
}

static void expire_trash(struct dv_images *images, const char *name)
{
    struct stat st;

    if (fstatat(images->trash_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_ctim.tv_sec + TRASH_SECONDS < time(NULL))
        (void)unlinkat(images->trash_fd, name, 0);
}

static void each_name(struct dv_images *images, int dir_fd,
                      void (*fn)(struct dv_images *images, const char *name))
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!dir) {
        dv_close(fd);
        return;
    }
    while ((e = readdir(dir)))
        if (e->d_name[0] != '.')
            fn(images, e->d_name);
    closedir(dir);
}

void dv_store_sweep(struct dv_images *images)
{
    each_name(images, images->trash_fd, expire_trash);
    each_name(images, images->blobs_fd, sweep_blob);
}
