/* shim_fake_runtime.c - core/runtime's part for tests of the shim's streams: processes of the host
 * without namespaces, so that no root is needed and sanitizers work. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "core/runtime/runtime.h"

static int start_process(const struct dv_spec_process *p, const int stdio[3], int sync_fd,
                         int slave)
{
    int fds[3] = { stdio[0], stdio[1], stdio[2] };
    char go;
    int saved;

    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    if (slave >= 0) {
        ioctl(slave, TIOCSCTTY, 0);
        fds[0] = fds[1] = fds[2] = slave;
    }
    for (int i = 0; i < 3; i++) /* out of the way of each other */
        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3; i++)
        dup2(fds[i], i);
    if (read(sync_fd, &go, 1) != 1)
        _exit(1);
    execvp(p->args.items[0], p->args.items);
    saved = errno;
    if (write(sync_fd, &saved, sizeof(saved)) < 0)
        _exit(2);
    _exit(127);
}

static int open_pty(int *ret_slave)
{
    int zero = 0, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios raw;

    ioctl(master, TIOCSPTLCK, &zero);
    *ret_slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    tcgetattr(*ret_slave, &raw);
    raw.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(*ret_slave, TCSANOW, &raw);
    return master;
}

static int make_process(const struct dv_spec_process *p, const int stdio[3], pid_t *ret_pid,
                        int *ret_sync, int *ret_pty, struct dv_error *err)
{
    int pair[2], slave = -1;
    pid_t pid;

    *ret_pty = p->terminal ? open_pty(&slave) : -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "socketpair");
    pid = fork();
    if (pid < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "fork");
    if (pid == 0) {
        close(pair[0]);
        start_process(p, stdio, pair[1], slave);
    }
    close(pair[1]);
    dv_close(slave);
    *ret_pid = pid;
    *ret_sync = pair[0];
    return 0;
}

static int go(int sync_fd, const char *name, struct dv_error *err)
{
    int code = 0;

    if (write(sync_fd, "g", 1) != 1)
        return dv_fail(err, DV_E_INTERNAL, "the process is gone");
    if (read(sync_fd, &code, sizeof(code)) != sizeof(code))
        return 0;
    errno = code;
    return dv_fail(err, code == ENOENT ? DV_E_NOT_FOUND : DV_E_FORBIDDEN,
                   "exec: \"%s\": executable file not found in $PATH", name);
}

int dv_runtime_create(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                      struct dv_strv *warnings, struct dv_init *ret, struct dv_error *err)
{
    struct dv_init init = { .pidfd = -1, .sync_fd = -1, .netns_fd = -1, .root_fd = -1 };
    int r;

    if (spec->process.args.n == 0)
        return dv_fail(err, DV_E_INVALID, "no program");
    if (dv_strv_add(warnings, "this is no container") < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory");
    r = make_process(&spec->process, fds->stdio, &init.pid, &init.sync_fd, &init.pty_master, err);
    if (r < 0)
        return r;
    init.pidfd = (int)syscall(SYS_pidfd_open, init.pid, 0);
    *ret = init;
    return 0;
}

int dv_runtime_start(struct dv_init *init, struct dv_error *err)
{
    int r = go(init->sync_fd, "program", err);

    dv_close(dv_take_fd(init->sync_fd));
    return r;
}

int dv_runtime_exec(const struct dv_init *init, const struct dv_spec *spec,
                    const struct dv_spec_process *p, const struct dv_runtime_fds *fds,
                    pid_t *ret_pid, int *ret_pidfd, int *ret_pty, struct dv_error *err)
{
    int sync_fd, pty, r;
    pid_t pid;

    (void)init;
    (void)spec;
    r = make_process(p, fds->stdio, &pid, &sync_fd, &pty, err);
    if (r < 0)
        return r;
    r = go(sync_fd, p->args.items[0], err);
    close(sync_fd);
    if (r < 0) {
        waitpid(pid, NULL, 0);
        dv_close(pty);
        return r;
    }
    *ret_pid = pid;
    *ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    *ret_pty = pty;
    return 0;
}

void dv_init_done(struct dv_init *init)
{
    dv_close(init->pidfd);
    dv_close(init->sync_fd);
    dv_close(init->netns_fd);
    dv_close(init->root_fd);
    dv_close(init->pty_master);
}
