/* listen.c - the daemon's sockets and its word to the service manager. */
#include "core/daemon/listen.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/sock.h"

enum { FIRST_PASSED_FD = 3 };        /* SD_LISTEN_FDS_START */
static bool activated;               /* allow-listed: set once at start, before any thread */

static int take_passed(int *fds, size_t *n)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t number, of;

    *n = 0;
    if (!pid || !count || dv_parse_u64(pid, 1, INT32_MAX, &of) < 0 || of != (uint64_t)getpid() ||
        dv_parse_u64(count, 1, DV_MAX_LISTENERS, &number) < 0)
        return 0;
    for (uint64_t i = 0; i < number; i++) {
        int fd = FIRST_PASSED_FD + (int)i;

        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
            return -1;
        fds[(*n)++] = fd;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return 0;
}

/* Splits "unix:///dir/name" at its last slash. */
static int split_host(const char *host, char **dir, const char **name, struct dv_error *err)
{
    const char *path = host + strlen("unix://"), *slash;

    if (!dv_starts(host, "unix://") || path[0] != '/')
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "host '%s': only unix:///absolute/path is supported yet", host);
    slash = strrchr(path, '/');
    if (!slash[1])
        return dv_fail(err, DV_E_INVALID, "host '%s' names a directory", host);
    *name = slash + 1;
    *dir = dv_format("%.*s", (int)(slash - path) ? (int)(slash - path) : 1, path);
    return *dir ? 0 : dv_fail(err, DV_E_NO_MEMORY, "listen on %s", host);
}

static int listen_on(const char *host, int *ret, struct dv_error *err)
{
    dv_autofree char *dir = NULL;
    dv_autoclose int dir_fd = -1;
    struct dv_error absent = { 0 };
    const struct group *group;
    const char *name = NULL;
    int fd, r;

    r = split_host(host, &dir, &name, err);
    if (r < 0)
        return r;
    r = dv_mkdirs(AT_FDCWD, dir, 0755, err);
    if (r < 0)
        return r;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s", dir);
    fd = dv_sock_connect(dir_fd, name, SOCK_STREAM, &absent);
    if (fd >= 0) {
        dv_close(fd);
        return dv_fail(err, DV_E_CONFLICT, "%s: another daemon answers there", host);
    }
    fd = dv_sock_listen(dir_fd, name, SOCK_STREAM, 0660, err);
    if (fd < 0)
        return dv_wrap(err, "listen on %s", host);
    group = getgrnam("davit");
    if (group && fchownat(dir_fd, name, (uid_t)-1, group->gr_gid, AT_SYMLINK_NOFOLLOW) < 0)
        dv_log_warn(NULL, "give %s to group davit: %m", host);
    *ret = fd;
    return 0;
}

int dv_listen(const struct dv_strv *hosts, int fds[DV_MAX_LISTENERS], size_t *ret_n,
              struct dv_error *err)
{
    int r = 0;

    if (take_passed(fds, ret_n) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "take the sockets of LISTEN_FDS");
    activated = *ret_n > 0;
    if (activated)
        return 0;
    if (hosts->n > DV_MAX_LISTENERS)
        return dv_fail(err, DV_E_INVALID, "more than %d hosts", DV_MAX_LISTENERS);
    for (size_t i = 0; i < hosts->n && r == 0; i++) {
        r = listen_on(hosts->items[i], &fds[*ret_n], err);
        if (r == 0)
            (*ret_n)++;
    }
    for (size_t i = 0; r < 0 && i < *ret_n; i++)
        dv_close(fds[i]);
    return r;
}

void dv_unlisten(const struct dv_strv *hosts)
{
    for (size_t i = 0; !activated && i < hosts->n; i++)
        if (dv_starts(hosts->items[i], "unix://"))
            unlink(hosts->items[i] + strlen("unix://"));
}

void dv_notify(const char *state)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    const char *path = secure_getenv("NOTIFY_SOCKET");
    dv_autoclose int fd = -1;
    size_t n = path ? strlen(path) : 0;

    if (n < 2 || n >= sizeof(addr.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(addr.sun_path, path, n);
    if (path[0] == '@')
        addr.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
        dv_log_warn(NULL, "notify the service manager: %m");
}
