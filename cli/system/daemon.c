/* daemon.c - system shutdown: the end of the daemon. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "cli/system/commands.h"

enum { SHUTDOWN_SECONDS = 120 };

/* The daemon's process, by the socket's other end; -1 where it is not its own (a socket that
 * systemd listens on belongs to pid 1). */
static int daemon_pidfd(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || peer.pid <= 1)
        return -1;
    return (int)syscall(SYS_pidfd_open, peer.pid, 0);
}

int dv_cmd_shutdown(struct dv_cli_call *call)
{
    struct dv_client *client = call->client;
    bool keep = dv_cli_on(call, "keep-containers");
    dv_autoclose int pid_fd = -1;
    struct dv_error err = { 0 };
    struct pollfd p = { .events = POLLIN };

    client->may_start = false; /* not to be shut down at once */
    if (dv_client_connect(client, &client->http, &err) < 0)
        return dv_cli_fail(&err);
    pid_fd = daemon_pidfd(dv_http_fd(client->http));
    if (dv_client_call(client, "POST", keep ? "/davit/shutdown?containers=0" : "/davit/shutdown",
                       NULL, NULL, &err) < 0)
        return dv_cli_fail(&err);
    p.fd = pid_fd;
    if (pid_fd >= 0 && poll(&p, 1, SHUTDOWN_SECONDS * 1000) == 0) {
        fprintf(stderr, "davit: davitd is still shutting down after %d s\n", SHUTDOWN_SECONDS);
        return 1;
    }
    return 0;
}
