/* autostart.c - start a daemon where none answers on the default socket. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cli/client/client.h"
#include "cli/util.h"
#include "core/base/parse.h"
#include "core/base/time.h"

enum {
    START_SECONDS = 10,     /* for the daemon to answer */
    EXITED_SECONDS = 2,     /* ... once the one started here has gone: another may hold the root */
    LISTEN_POLL_MS = 10,    /* between a socket's bind and its listen no event tells */
    IDLE_POLL_MS = 200,
};
#define SECOND_NS UINT64_C(1000000000)

extern char **environ;

/* --- systemd ---------------------------------------------------------------------------------- */

static bool systemd_has_unit(void)
{
    static const char *const units[] = {
        "/etc/systemd/system/davit.socket",
        "/usr/local/lib/systemd/system/davit.socket",
        "/usr/lib/systemd/system/davit.socket",
        "/lib/systemd/system/davit.socket",
    };
    size_t i;

    if (access("/run/systemd/system", F_OK) < 0)
        return false;
    for (i = 0; i < N(units); i++)
        if (access(units[i], F_OK) == 0)
            return true;
    return false;
}

/* systemctl is the one program davit runs by name: systemd's own client, there wherever systemd is.
 * The alternative, its private D-Bus protocol, would make every start of davit load libsystemd. */
static int start_unit(struct dv_error *err)
{
    char *argv[] = { "systemctl", "start", "davit.socket", NULL };
    const char *path = access("/usr/bin/systemctl", X_OK) == 0 ? "/usr/bin/systemctl"
                                                               : "/bin/systemctl";
    pid_t pid;
    int status;

    errno = posix_spawn(&pid, path, NULL, NULL, argv, environ);
    if (errno != 0)
        return dv_fail_errno(err, DV_E_UNAVAILABLE, "no daemon is running; run %s", path);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return dv_fail_errno(err, DV_E_UNAVAILABLE, "wait for systemctl");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return dv_fail(err, DV_E_UNAVAILABLE,
                       "no daemon is running, and 'systemctl start davit.socket' failed");
    fputs("davit: no daemon was running; started the unit davit.socket\n", stderr);
    return 0;
}

/* --- davitd itself ---------------------------------------------------------------------------- */

/* Beside this program (the build tree, or one bindir), else where it is installed. */
static char *find_davitd(struct dv_error *err)
{
    static const char *const installed[] = { DAVIT_BINDIR "/davitd", "/usr/local/bin/davitd",
                                             "/usr/bin/davitd", "/usr/sbin/davitd" };
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    size_t i;

    if (n > 0) {
        dv_autofree char *beside = NULL;
        char *slash;

        self[n] = '\0';
        slash = strrchr(self, '/');
        beside = dv_xformat("%.*s/davitd", (int)(slash - self), self);
        if (access(beside, X_OK) == 0)
            return dv_take(beside);
    }
    for (i = 0; i < N(installed); i++)
        if (access(installed[i], X_OK) == 0)
            return dv_xstrdup(installed[i]);
    dv_fail(err, DV_E_UNAVAILABLE,
            "Cannot connect to the davit daemon at unix://%s, and there is no davitd to start: "
            "neither beside davit nor in " DAVIT_BINDIR, DV_DEFAULT_SOCKET);
    return NULL;
}

static int write_pid(const char *dir, pid_t pid)
{
    dv_autofree char *path = dv_xformat("%s/cgroup.procs", dir);
    dv_autofree char *text = dv_xformat("%d", (int)pid);
    dv_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : -1;
}

/* Out of the session that typed the command: when systemd ends that scope, it ends what is in it.
 * The root of each hierarchy, or a group there where the root takes no processes (a container's
 * view of cgroup v2). Best effort: without cgroups there is no session's either. */
static void leave_session_cgroup(pid_t pid)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    dv_autofree char *line = NULL;
    size_t size = 0;

    if (!mounts)
        return;
    while (getline(&line, &size, mounts) > 0) {
        char point[PATH_MAX];
        const char *type = strstr(line, " - ");

        if (!type || !dv_starts(type, " - cgroup") ||
            sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
            continue;
        if (write_pid(point, pid) < 0) {
            dv_autofree char *group = dv_xformat("%s/davit-daemon", point);

            if (mkdir(group, 0755) == 0 || errno == EEXIST)
                (void)!write_pid(group, pid);
        }
    }
    fclose(mounts);
}

#define LOG_PATH "/var/log/davitd.log"

/* The caller's descriptors are not the daemon's to hold (a pipe that somebody reads to its end). Our
 * own are close-on-exec already. The action of posix_spawn for this is glibc's alone. */
static void keep_inherited_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    uint64_t fd;

    while (dir && (entry = readdir(dir)))
        if (dv_parse_u64(entry->d_name, STDERR_FILENO + 1, INT_MAX, &fd) == 0)
            (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    if (dir)
        closedir(dir);
}

static int spawn_davitd(const char *path, pid_t *ret_pid, struct dv_error *err)
{
    char *argv[] = { (char *)path, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    r = r ? r : posix_spawn_file_actions_addopen(&actions, 1, LOG_PATH,
                                                 O_WRONLY | O_CREAT | O_APPEND, 0640);
    r = r ? r : posix_spawn_file_actions_adddup2(&actions, 1, 2);
    r = r ? r : posix_spawn_file_actions_addchdir_np(&actions, "/");
    keep_inherited_fds();
    errno = r ? r : posix_spawn(ret_pid, path, &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (errno != 0)
        return dv_fail_errno(err, DV_E_UNAVAILABLE, "no daemon is running; start %s", path);
    return 0;
}

/* Watch the socket's directory, or the one above while it is not there. */
static int watch_directory(const char *socket_path)
{
    dv_autofree char *dir = dv_xstrdup(socket_path);
    dv_autoclose int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd < 0)
        return -1;
    *strrchr(dir, '/') = '\0';
    if (inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO) < 0) {
        char *slash = strrchr(dir, '/');

        if (slash && slash > dir)
            *slash = '\0';
        (void)!inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO);
    }
    return dv_take_fd(fd);
}

/* Wait for something to change: an event in the directory, the end of PIDFD, or a moment. */
static bool wait_change(int watch_fd, int pid_fd, bool there)
{
    struct pollfd p[] = { { .fd = watch_fd, .events = POLLIN },
                          { .fd = pid_fd, .events = POLLIN } };
    char events[4096];

    if (poll(p, 2, there ? LISTEN_POLL_MS : IDLE_POLL_MS) > 0 && (p[0].revents & POLLIN))
        (void)!read(watch_fd, events, sizeof(events));
    return p[1].revents != 0;
}

static int wait_answer(const char *socket_path, int pid_fd, struct dv_error *err)
{
    uint64_t deadline = dv_mono_ns() + START_SECONDS * SECOND_NS;
    dv_autoclose int watch_fd = watch_directory(socket_path);
    int fd;

    while ((fd = dv_socket_connect(socket_path)) < 0) {
        if (dv_mono_ns() > deadline)
            return dv_fail(err, DV_E_UNAVAILABLE,
                           "no daemon was running; davitd was started but does not answer on "
                           "unix://%s: its log is %s", socket_path, LOG_PATH);
        if (wait_change(watch_fd, pid_fd, errno == ECONNREFUSED) && pid_fd >= 0) {
            uint64_t last = dv_mono_ns() + EXITED_SECONDS * SECOND_NS;

            pid_fd = -1;
            deadline = last < deadline ? last : deadline;
        }
    }
    return fd;
}

/* True if the process that listens at FD's other end is PID. Two commands typed at once start two
 * daemons; the root's lock lets one live. */
static bool is_served_by(int fd, pid_t pid)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid == pid;
}

int dv_autostart(const char *socket_path, struct dv_error *err)
{
    dv_autofree char *path = NULL;
    dv_autoclose int pid_fd = -1;
    pid_t pid;
    int fd, r;

    if (systemd_has_unit()) {
        r = start_unit(err);
        return r < 0 ? r : wait_answer(socket_path, -1, err);
    }
    path = find_davitd(err);
    if (!path)
        return -err->code;
    r = spawn_davitd(path, &pid, err);
    if (r < 0)
        return r;
    leave_session_cgroup(pid);
    pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    fd = wait_answer(socket_path, pid_fd, err);
    if (fd >= 0 && is_served_by(fd, pid))
        fprintf(stderr, "davit: no daemon was running; started davitd (pid %d), it stays until "
                        "`davit system shutdown`\n", (int)pid);
    return fd;
}
