/* sync.c - the socket between the parent and the process it makes: one message a step. */
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

static int send_message(int fd, const struct dv_sync *m, int pass_fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { .iov_base = (void *)(uintptr_t)m,
                         .iov_len = offsetof(struct dv_sync, text) + strlen(m->text) + 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (pass_fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.header), &pass_fd, sizeof(int));
    }
    do
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

int dv_sync_send(int fd, enum dv_sync_kind kind, int pass_fd)
{
    struct dv_sync m = { .kind = kind };

    return send_message(fd, &m, pass_fd);
}

void dv_sync_send_error(int fd, const struct dv_error *err)
{
    struct dv_sync m = { .kind = DV_SYNC_ERROR, .code = err->code, .sys_errno = err->sys_errno };

    snprintf(m.text, sizeof(m.text), "%s", err->msg);
    if (send_message(fd, &m, -1) < 0)
        return; /* the parent is gone: nobody wants to know */
}

void dv_sync_send_warning(int fd, const char *text)
{
    struct dv_sync m = { .kind = DV_SYNC_WARNING };

    snprintf(m.text, sizeof(m.text), "%s", text);
    if (send_message(fd, &m, -1) < 0)
        return;
}

static void take_fd(struct msghdr *msg, int *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(ret, CMSG_DATA(c), sizeof(int)); /* there is room for one only */
}

int dv_sync_recv(int fd, struct dv_sync *ret, int *ret_fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    ssize_t n;

    *ret_fd = -1;
    /* ECONNRESET: the peer is gone and left a message of ours unread. That is told once, and before
     * what it said itself, which still waits. */
    do
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    if (n <= 0)
        return (int)n;
    take_fd(&msg, ret_fd);
    if ((size_t)n <= offsetof(struct dv_sync, text)) {
        errno = EBADMSG;
        return -1;
    }
    ((char *)ret)[n - 1] = '\0';
    return 1;
}

void dv_sync_await(int fd, enum dv_sync_kind kind)
{
    struct dv_sync m;
    int passed;

    if (dv_sync_recv(fd, &m, &passed) != 1 || m.kind != kind)
        _exit(125);
}
