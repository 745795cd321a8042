/* sock.c - unix sockets under paths of any length, messages with descriptors. */
#include "core/base/sock.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/str.h"

/* As many as the kernel usually allows (net.core.somaxconn): clients in Go are refused where it is full,
 * they do not wait. */
enum { BACKLOG = 4096 };

/* DIR_FD/NAME by the link of the descriptor in /proc: sun_path holds 108 bytes only. */
static int make_address(int dir_fd, const char *name, struct sockaddr_un *ret, struct dv_error *err)
{
    size_t size = sizeof(ret->sun_path);
    int n;

    memset(ret, 0, sizeof(*ret));
    ret->sun_family = AF_UNIX;
    if (dir_fd == AT_FDCWD || name[0] == '/')
        n = snprintf(ret->sun_path, size, "%s", name);
    else
        n = snprintf(ret->sun_path, size, "/proc/self/fd/%d/%s", dir_fd, name);
    if (n < 0 || (size_t)n >= size)
        return dv_fail(err, DV_E_INVALID, "socket name '%s' is longer than %zu bytes", name,
                       size - 32);
    return 0;
}

int dv_sock_listen(int dir_fd, const char *name, int type, mode_t mode, struct dv_error *err)
{
    dv_autoclose int fd = -1;
    struct sockaddr_un address;
    int r = make_address(dir_fd, name, &address, err);

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "socket");
    if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
        return dv_fail_errno(err, DV_E_INTERNAL, "remove the stale socket '%s'", name);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "bind the socket '%s'", name);
    /* Before listen: until then nobody can connect, whatever the umask left open. */
    if (fchmodat(dir_fd, name, mode, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "set the mode of the socket '%s'", name);
    if (listen(fd, BACKLOG) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "listen on the socket '%s'", name);
    return dv_take_fd(fd);
}

int dv_sock_connect(int dir_fd, const char *name, int type, struct dv_error *err)
{
    dv_autoclose int fd = -1;
    struct sockaddr_un address;
    int r = make_address(dir_fd, name, &address, err);

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "socket");
    do
        r = connect(fd, (struct sockaddr *)&address, sizeof(address));
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return dv_take_fd(fd);
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
        return dv_fail_errno(err, DV_E_NOT_FOUND, "connect to '%s'", name);
    if (errno == EACCES || errno == EPERM)
        return dv_fail_errno(err, DV_E_FORBIDDEN, "connect to '%s'", name);
    return dv_fail_errno(err, DV_E_INTERNAL, "connect to '%s'", name);
}

int dv_sock_pair(int type, int ret[2], struct dv_error *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "socketpair");
    ret[0] = pair[0];
    ret[1] = pair[1];
    return 0;
}

/* Aligned room for the one control message that we use. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * DV_MAX_MSG_FDS)];
};

int dv_sock_send(int fd, const struct dv_msg_writer *w, const int *fds, size_t n_fds,
                 struct dv_error *err)
{
    union control control;
    struct iovec iov = { .iov_base = w->buf.data, .iov_len = w->buf.len };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (n_fds > DV_MAX_MSG_FDS)
        return dv_fail(err, DV_E_INVALID, "message with %zu descriptors, at most %d", n_fds,
                       DV_MAX_MSG_FDS);
    if (n_fds > 0) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof(control));
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n == w->buf.len)
        return 0;
    if (n >= 0)
        return dv_fail(err, DV_E_INTERNAL, "message sent in part only");
    if (errno == EMSGSIZE)
        return dv_fail_errno(err, DV_E_INVALID, "send a message of %zu bytes", w->buf.len);
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN || errno == EAGAIN ||
        errno == ECONNREFUSED)
        return dv_fail_errno(err, DV_E_UNAVAILABLE, "send a message");
    return dv_fail_errno(err, DV_E_INTERNAL, "send a message");
}

void dv_packet_done(struct dv_packet *p)
{
    size_t i;

    for (i = 0; i < p->n_fds; i++)
        dv_close(p->fds[i]);
    p->n_fds = 0;
    free(p->data);
    p->data = NULL;
}

int dv_packet_take_fd(struct dv_packet *p, size_t i)
{
    return i < p->n_fds ? dv_take_fd(p->fds[i]) : -1;
}

/* Collect every descriptor that came, also those of a message that is then refused. */
static void take_descriptors(struct msghdr *m, struct dv_packet *p)
{
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        size_t i, n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (p->n_fds < DV_MAX_MSG_FDS)
                p->fds[p->n_fds++] = fd;
            else
                dv_close(fd);
        }
    }
}

static int fail_receive(struct dv_error *err)
{
    bool gone = errno == EAGAIN || errno == ECONNRESET || errno == ENOTCONN;

    return dv_fail_errno(err, gone ? DV_E_UNAVAILABLE : DV_E_INTERNAL, "receive a message");
}

int dv_sock_recv(int fd, struct dv_packet *p, struct dv_error *err)
{
    union control control;
    struct iovec iov;
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = sizeof(control) };
    ssize_t n, size;
    int r;

    do /* its size first: most messages are small, the largest 128 KiB */
        size = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return fail_receive(err);
    if (size == 0)
        return 0;
    if (size > DV_MAX_MSG_BYTES)
        size = DV_MAX_MSG_BYTES;
    p->data = malloc((size_t)size);
    if (!p->data)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for a message of %zd bytes", size);
    iov.iov_base = p->data;
    iov.iov_len = (size_t)size;
    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail_receive(err);
    take_descriptors(&m, p);
    if (n == 0)
        return 0;
    if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return dv_fail(err, DV_E_INVALID, "message is larger than %d bytes or %d descriptors",
                       DV_MAX_MSG_BYTES, DV_MAX_MSG_FDS);
    r = dv_msg_parse(p->data, (size_t)n, &p->msg, err);
    return r < 0 ? r : 1;
}
