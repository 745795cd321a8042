/* links.c - the kinds of network links, tried in a network namespace that ends with the process. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/doctor/finding.h"

static const struct kind {
    const char *name, *means;
    enum dv_level if_missing;
} kinds[] = {
    { "veth", "a container on a bridge network has no interface", DV_PROBLEM },
    { "bridge", "the default network cannot be made", DV_PROBLEM },
    { "vxlan", "networks over several hosts cannot be made", DV_NOTE },
    { "macvlan", "networks of driver macvlan cannot be made", DV_NOTE },
};

/* 0: the kernel made one; else -errno. */
static int try_kind(struct mnl_socket *nl, const char *name, uint32_t seq)
{
    char buf[8192], ifname[16];
    struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
    struct ifinfomsg *info;
    struct nlattr *nest;
    ssize_t n;

    msg->nlmsg_type = RTM_NEWLINK;
    msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    msg->nlmsg_seq = seq;
    info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    snprintf(ifname, sizeof(ifname), "dv-%s", name);
    mnl_attr_put_strz(msg, IFLA_IFNAME, ifname);
    nest = mnl_attr_nest_start(msg, IFLA_LINKINFO);
    mnl_attr_put_strz(msg, IFLA_INFO_KIND, name);
    mnl_attr_nest_end(msg, nest);
    if (mnl_socket_sendto(nl, msg, msg->nlmsg_len) < 0)
        return -errno;
    n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
    if (n < 0 || mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), NULL, NULL) < 0)
        return -errno;
    return 0;
}

static void try_kinds(struct dv_findings *f, struct mnl_socket *nl)
{
    for (size_t i = 0; i < N(kinds); i++) {
        int r = try_kind(nl, kinds[i].name, (uint32_t)i + 1);

        /* A kind that is there may want more than a name, and says so. */
        if (r != -EOPNOTSUPP)
            dv_found(f, DV_OK, kinds[i].name, "", "", "links of this kind are there");
        else
            dv_found(f, kinds[i].if_missing, kinds[i].name, kinds[i].means,
                     "modprobe it, or boot a kernel that has it", "the kernel has no %s links",
                     kinds[i].name);
    }
}

void dv_doctor_links(struct dv_findings *f)
{
    struct mnl_socket *nl;

    f->section = "network";
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        dv_unseen(f, "links", "veth, bridge, vxlan, macvlan");
        return;
    }
    nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
        dv_found(f, DV_UNSEEN, "links", "", "", "open a netlink socket: %s", strerror(errno));
    else
        try_kinds(f, nl);
    if (nl)
        mnl_socket_close(nl);
}
