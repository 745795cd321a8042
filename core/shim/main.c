/* main.c - davit-shim: owns one container, from its creation to its exit record. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/shim/control.h"
#include "core/shim/life.h"

enum { CONTROL_FD = 3 };

static void ignore(int signal)
{
    (void)signal;
}

/* A shim ends with its container only. Handlers in place of SIG_IGN: an exec resets those, so that
 * the container's processes start with the defaults. */
static void outlive_signals(void)
{
    static const int signals[] = { SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
    struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
    sigset_t none;

    signal(SIGCHLD, SIG_DFL); /* ignored, it would take the exit codes away */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < N(signals); i++)
        sigaction(signals[i], &action, NULL);
}

static bool is_seqpacket(int fd)
{
    int type;
    socklen_t n = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

static int run(struct dv_loop *loop, struct dv_error *err)
{
    struct dv_life life;
    int r;

    dv_life_init(&life, loop);
    r = dv_conn_add(&life, CONTROL_FD, true, err);
    if (r == 0)
        r = dv_loop_run(loop, err);
    if (r < 0)
        dv_life_abort(&life);
    dv_life_done(&life);
    return r < 0 ? r : life.exit_status;
}

int main(void)
{
    struct dv_loop *loop = NULL;
    struct dv_error err = { 0 };
    int r;

    if (!is_seqpacket(CONTROL_FD)) {
        dv_log_error(NULL, "davit-shim is started by davitd, with a connection as descriptor 3");
        return 2;
    }
    prctl(PR_SET_NAME, "davit-shim");
    outlive_signals();
    if (chdir("/") < 0)
        dv_log_warn(NULL, "cannot change to the root directory");
    r = dv_loop_new(&loop, &err);
    if (r == 0)
        r = run(loop, &err);
    dv_loop_free(loop);
    if (r < 0)
        dv_log_error(NULL, "%s", err.msg);
    return r < 0 ? 1 : r;
}
