/* helper.c - davit's own programs that do what a client cannot: find one, run it to its end. */
#include "cli/system/helper.h"

#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/util.h"

#include <fcntl.h>

extern char **environ;

char *dv_helper_find(const char *name, struct dv_error *err)
{
    static const char *const dirs[] = { DAVIT_LIBEXECDIR, DAVIT_BINDIR };
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    size_t i;

    if (n > 0) {
        dv_autofree char *beside = NULL;

        self[n] = '\0';
        beside = dv_xformat("%.*s/%s", (int)(strrchr(self, '/') - self), self, name);
        if (access(beside, X_OK) == 0)
            return dv_take(beside);
    }
    for (i = 0; i < N(dirs); i++) {
        dv_autofree char *path = dv_xformat("%s/%s", dirs[i], name);

        if (access(path, X_OK) == 0)
            return dv_take(path);
    }
    dv_fail(err, DV_E_NOT_FOUND, "%s is neither beside davit nor in " DAVIT_LIBEXECDIR " or "
            DAVIT_BINDIR ": install davit whole", name);
    return NULL;
}

static int read_output(int fd, struct dv_buf *out, struct dv_error *err)
{
    char piece[16 << 10];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "read a program's output");
        if (dv_buf_put(out, piece, (size_t)n, err) < 0)
            return -err->code;
    }
    return 0;
}

int dv_helper_run(char *const argv[], struct dv_buf *out, struct dv_error *err)
{
    dv_autofree char *path = dv_helper_find(argv[0], err);
    dv_autoclose int read_fd = -1, write_fd = -1;
    posix_spawn_file_actions_t actions;
    int fds[2] = { -1, -1 }, status, r;
    pid_t pid;

    if (!path)
        return -err->code;
    if (out && pipe2(fds, O_CLOEXEC) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "run %s", path);
    read_fd = fds[0];
    write_fd = fds[1];
    fflush(stdout);
    posix_spawn_file_actions_init(&actions);
    if (out)
        posix_spawn_file_actions_adddup2(&actions, write_fd, STDOUT_FILENO);
    errno = posix_spawn(&pid, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (errno != 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "run %s", path);
    dv_close(dv_take_fd(write_fd));
    r = out ? read_output(read_fd, out, err) : 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return dv_fail_errno(err, DV_E_INTERNAL, "wait for %s", path);
    if (r < 0)
        return r;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
