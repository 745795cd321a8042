/* fill.c - the first files of a volume, and how much it holds. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/state/db.h"
#include "core/volume/internal.h"

static int open_volume(struct dv_volumes *vs, const char *name, struct dv_error *err)
{
    int fd = openat(vs->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "open %s/%s", vs->root, name) : fd;
}

/* 1: nothing is in it. */
static int is_empty(int dir_fd, struct dv_error *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), empty = 1;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir) {
        dv_close(fd);
        return dv_fail_errno(err, DV_E_INTERNAL, "read a volume");
    }
    while (empty && (entry = readdir(dir)))
        if (!dv_streq(entry->d_name, ".") && !dv_streq(entry->d_name, ".."))
            empty = 0;
    closedir(dir);
    return empty;
}

static int first_integer(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = sqlite3_column_int64(row, 0);
    return 1;
}

static int open_target(struct dv_volumes *vs, const char *container_id, int volume_fd,
                       struct dv_volume_fill *fill, struct dv_error *err)
{
    int64_t others = 0;
    int r = dv_db_query(vs->config.db, first_integer, &others, err, "SELECT COUNT(*) FROM"
                        " volume_uses WHERE volume = ? AND container_id <> ?", "ss", fill->name,
                        container_id);

    if (r < 0)
        return r;
    /* Whoever has it mounted would keep the old directory if a new one took its place. */
    fill->staged = others == 0;
    if (fill->staged) {
        r = dv_remove_tree(volume_fd, "_fill", err);
        if (r < 0)
            return r;
        if (mkdirat(volume_fd, "_fill", 0755) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "create a directory to fill");
    }
    fill->fd = openat(volume_fd, fill->staged ? "_fill" : "_data",
                      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fill->fd < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "open a directory to fill") : 0;
}

static int begin(struct dv_volumes *vs, const char *container_id, struct dv_volume_fill *fill,
                 struct dv_error *err)
{
    dv_autoclose int volume_fd = open_volume(vs, fill->name, err);
    dv_autoclose int data_fd = -1;
    int r;

    if (volume_fd < 0)
        return volume_fd;
    data_fd = openat(volume_fd, "_data", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (data_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open its files");
    r = is_empty(data_fd, err);
    if (r <= 0)
        return r;
    r = open_target(vs, container_id, volume_fd, fill, err);
    if (r == 0 && dv_strv_add(&vs->filling, fill->name) < 0) {
        dv_close(dv_take_fd(fill->fd));
        r = dv_fail(err, DV_E_NO_MEMORY, "no memory");
    }
    return r < 0 ? r : 1;
}

int dv_volume_fill(struct dv_volumes *vs, const char *name, const char *container_id,
                   struct dv_volume_fill *ret, struct dv_error *err)
{
    int r;

    *ret = (struct dv_volume_fill){ .fd = -1 };
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    dv_lock_take(&vs->lock);
    while (dv_strv_has(&vs->filling, name))
        (void)dv_lock_wait(&vs->lock, &vs->changed, 0);
    r = begin(vs, container_id, ret, err);
    dv_lock_drop(&vs->lock);
    return r < 0 ? dv_wrap(err, "volume %s", name) : r;
}

static void forget(struct dv_volumes *vs, const char *name)
{
    size_t i = 0;

    while (i < vs->filling.n && !dv_streq(vs->filling.items[i], name))
        i++;
    if (i == vs->filling.n)
        return;
    free(vs->filling.items[i]);
    vs->filling.items[i] = vs->filling.items[--vs->filling.n];
    vs->filling.items[vs->filling.n] = NULL;
    pthread_cond_broadcast(&vs->changed);
}

static int settle(struct dv_volumes *vs, struct dv_volume_fill *fill, bool good,
                  struct dv_error *err)
{
    dv_autoclose int volume_fd = open_volume(vs, fill->name, err);

    if (volume_fd < 0)
        return volume_fd;
    /* Onto the empty directory. Somebody may have put files there by hand: they stay. */
    if (good && renameat(volume_fd, "_fill", volume_fd, "_data") == 0)
        return 0;
    if (good && errno != ENOTEMPTY && errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "volume %s: put its first files in place",
                             fill->name);
    return dv_remove_tree(volume_fd, "_fill", err);
}

int dv_volume_filled(struct dv_volumes *vs, struct dv_volume_fill *fill, bool good,
                     struct dv_error *err)
{
    int r = 0;

    dv_close(dv_take_fd(fill->fd));
    dv_lock_take(&vs->lock);
    if (fill->staged)
        r = settle(vs, fill, good, err);
    forget(vs, fill->name);
    dv_lock_drop(&vs->lock);
    return r;
}

/* ---- size ---- */

enum { DEPTH_MAX = 128 };            /* descriptors held; deeper files are not counted */

static int64_t size_below(int dir_fd, int depth)
{
    DIR *dir = fdopendir(dir_fd);
    const struct dirent *entry;
    int64_t total = 0;

    if (!dir) {
        dv_close(dir_fd);
        return -1;
    }
    while ((entry = readdir(dir))) {
        struct stat st;
        int64_t below = 0;
        int fd;

        if (dv_streq(entry->d_name, ".") || dv_streq(entry->d_name, "..") ||
            fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        total += S_ISREG(st.st_mode) && st.st_nlink > 0 ? st.st_size / (int64_t)st.st_nlink : 0;
        if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX)
            continue;
        fd = openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        below = fd < 0 ? 0 : size_below(fd, depth + 1);
        total += below > 0 ? below : 0;
    }
    closedir(dir);
    return total;
}

int64_t dv_volume_size(struct dv_volumes *vs, const char *name)
{
    struct dv_error err = { 0 };
    dv_autoclose int volume_fd = open_volume(vs, name, &err);
    int fd = volume_fd < 0 ? -1
                           : openat(volume_fd, "_data",
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? -1 : size_below(fd, 0);
}
