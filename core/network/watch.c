/* watch.c - on kernels that do not protect our nftables table from others' flushes: notice one, and
 * put the table back. */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "core/base/log.h"
#include "core/network/internal.h"

enum { STACK_BYTES = 256 << 10, SETTLE_MS = 100 };
static const char log_ctx[] = "module=network";

static void check(struct dv_net *net)
{
    struct dv_error err = { 0 };
    bool present;

    dv_lock_take(&net->firewall_lock);
    present = dv_firewall_present(net->firewall);
    dv_lock_drop(&net->firewall_lock);
    if (present)
        return;
    if (dv_net_install_firewall(net, &err) < 0)
        dv_log_error(log_ctx, "put back nftables table 'inet %s': %s", net->config.nft_table,
                     err.msg);
    else
        dv_log_warn(log_ctx, "another program removed nftables table 'inet %s'; it is back",
                    net->config.nft_table);
}

/* What the events say does not matter, nor whether some were lost (ENOBUFS). */
static void drain(int fd)
{
    char buf[8192];

    while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == EINTR || errno == ENOBUFS)
        ;
}

static void *run(void *arg)
{
    struct dv_net *net = arg;
    struct pollfd fds[] = { { .fd = net->watch_fd, .events = POLLIN },
                            { .fd = net->watch_stop_fd, .events = POLLIN } };

    for (;;) {
        if (poll(fds, N(fds), -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        if (!fds[0].revents)
            continue;
        /* A reload is a flush and a thousand more events: look once when it is over. */
        if (poll(&fds[1], 1, SETTLE_MS) > 0)
            return NULL;
        drain(net->watch_fd);
        check(net);
    }
}

static int open_events(struct dv_error *err)
{
    static const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
    static const int group = NFNLGRP_NFTABLES;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);

    /* Bound first: port 0, an unbound socket's, is what the kernel leaves out of a notification. */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
        (void)dv_fail_errno(err, DV_E_INTERNAL, "watch nftables");
        dv_close(fd);
        return -err->code;
    }
    return fd;
}

int dv_net_watch_start(struct dv_net *net, struct dv_error *err)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int r;

    if (dv_firewall_is_owned(net->firewall))
        return 0;
    r = net->watch_fd = open_events(err);
    if (r < 0)
        return r;
    net->watch_stop_fd = eventfd(0, EFD_CLOEXEC);
    if (net->watch_stop_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "watch nftables");
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&net->watch, &attr, run, net);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    errno = r;
    if (r)
        return dv_fail_errno(err, DV_E_INTERNAL, "start thread to watch nftables");
    net->has_watch = true;
    pthread_setname_np(net->watch, "nft-watch");
    return 0;
}

void dv_net_watch_stop(struct dv_net *net)
{
    static const uint64_t one = 1;

    if (net->has_watch && write(net->watch_stop_fd, &one, sizeof(one)) == sizeof(one))
        pthread_join(net->watch, NULL);
    net->has_watch = false;
    dv_close(net->watch_fd);
    dv_close(net->watch_stop_fd);
    net->watch_fd = net->watch_stop_fd = -1;
}
