/* fds.c - which descriptors this process has: to name those that a plugin leaves behind. */

#include "core/plugin/fds.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/base/parse.h"

static bool has(const struct dv_fds *fds, size_t fd)
{
    return fds->set[fd / 8] >> fd % 8 & 1;
}

static void add(struct dv_fds *fds, size_t fd)
{
    fds->set[fd / 8] |= (unsigned char)(1U << fd % 8);
}

void dv_fds_list(struct dv_fds *ret)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    *ret = (struct dv_fds){ 0 };
    while (dir && (entry = readdir(dir))) {
        uint64_t fd;

        if (dv_parse_u64(entry->d_name, 3, DV_FDS_MAX - 1, &fd) == 0 && (int)fd != dirfd(dir))
            add(ret, fd);
    }
    if (dir)
        closedir(dir);
}

/* Appends to TEXT of SIZE, of which N are used; the new N. */
static size_t put(char *text, size_t size, size_t n, size_t fd)
{
    char link[32], target[PATH_MAX];
    ssize_t len;
    int put;

    snprintf(link, sizeof(link), "/proc/self/fd/%zu", fd);
    len = readlink(link, target, sizeof(target) - 1);
    target[len > 0 ? len : 0] = '\0';
    put = snprintf(text + n, size - n, "%s%zu (%.100s)", n ? ", " : "", fd, target);
    return put > 0 && (size_t)put < size - n ? n + (size_t)put : n;
}

size_t dv_fds_added(const struct dv_fds *before, char *text, size_t size)
{
    struct dv_fds now;
    size_t count = 0, n = 0;

    text[0] = '\0';
    dv_fds_list(&now);
    for (size_t fd = 0; fd < DV_FDS_MAX; fd++) {
        if (!has(&now, fd) || has(before, fd))
            continue;
        n = put(text, size, n, fd);
        count++;
    }
    return count;
}

size_t dv_fds_inheritable(struct dv_fds *before, char *text, size_t size)
{
    struct dv_fds now;
    size_t count = 0, n = 0;

    text[0] = '\0';
    dv_fds_list(&now);
    for (size_t fd = 0; fd < DV_FDS_MAX; fd++) {
        int flags = has(&now, fd) && !has(before, fd) ? fcntl((int)fd, F_GETFD) : FD_CLOEXEC;

        if (flags < 0 || (flags & FD_CLOEXEC))
            continue;
        n = put(text, size, n, fd);
        fcntl((int)fd, F_SETFD, flags | FD_CLOEXEC);
        add(before, fd);
        count++;
    }
    return count;
}
