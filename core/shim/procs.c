/* procs.c - single processes and the processes of a control group. */
#include "core/shim/procs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/parse.h"
#include "core/shim/life.h"

enum { STAT_MAX_BYTES = 4096, PROCS_MAX_BYTES = 1 << 20, START_TIME_FIELD = 22 };

int dv_pidfd_signal(int pidfd, int signal)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

uint64_t dv_proc_start_time(pid_t pid)
{
    char path[32];
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };
    char *at, *word = NULL;
    uint64_t value = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (dv_read_file(AT_FDCWD, path, STAT_MAX_BYTES, &text, NULL, &err) < 0)
        return 0;
    at = strrchr(text, ')'); /* the name in field 2 may hold anything */
    if (!at || at[1] != ' ')
        return 0;
    at += 2;
    for (int field = 3; at && field <= START_TIME_FIELD; field++)
        word = strsep(&at, " ");
    if (!at || dv_parse_u64(word, 0, UINT64_MAX, &value) < 0)
        return 0;
    return value;
}

/* The descriptors that came are for writing; the list is read by a second opening. */
static int open_list(const struct dv_life *life)
{
    char path[32];

    if (life->cgroup_dir >= 0)
        return openat(life->cgroup_dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    if (life->n_procs_fds == 0) {
        errno = ENOENT;
        return -1;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", life->procs_fds[0]);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* By a pidfd, so that a number that was taken anew in between is hit as rarely as can be. */
static void signal_pid(pid_t pid, int signal)
{
    dv_autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (pidfd >= 0 && dv_pidfd_signal(pidfd, signal) < 0)
        errno = 0; /* it is gone already */
}

int dv_cgroup_signal(const struct dv_life *life, int signal, size_t *ret_n, struct dv_error *err)
{
    dv_autoclose int fd = open_list(life);
    dv_autofree char *text = NULL;
    size_t n = 0;
    int r;

    if (fd < 0 && (errno == ENOENT || errno == ENODEV)) { /* removed: nobody is in it */
        *ret_n = 0;
        return 0;
    }
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open the container's cgroup.procs");
    if (signal == SIGKILL && life->cgroup_dir >= 0 &&
        dv_write_file_at(life->cgroup_dir, "cgroup.kill", "1") < 0)
        errno = 0; /* one by one then */
    r = dv_read_fd(fd, PROCS_MAX_BYTES, &text, NULL, err);
    if (r < 0 && err->sys_errno == ENODEV) {
        *ret_n = 0;
        return 0;
    }
    if (r < 0)
        return dv_wrap(err, "read the container's cgroup.procs");
    for (char *at = text, *line; (line = strsep(&at, "\n"));) {
        uint64_t pid;

        /* 0: a process of a pid namespace that is not below ours */
        if (dv_parse_u64(line, 1, INT32_MAX, &pid) < 0)
            continue;
        signal_pid((pid_t)pid, signal);
        n++;
    }
    *ret_n = n;
    return 0;
}
