/* nl.c - rtnetlink for the bridge driver. */
#include "nl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { RECV_BYTES = 16 << 10 };

void nl_init(struct nl_batch *b)
{
    memset(b, 0, sizeof(*b)); /* libmnl leaves the padding behind an attribute as it finds it */
}

static void finish_msg(struct nl_batch *b)
{
    if (b->msg)
        b->len += NLMSG_ALIGN(b->msg->nlmsg_len);
    b->msg = NULL;
}

void nl_msg(struct nl_batch *b, uint16_t type, uint16_t flags, const void *body, size_t n)
{
    finish_msg(b);
    if (b->n == NL_BATCH_STEPS || b->len + NLMSG_SPACE(n) > sizeof(b->data)) {
        b->overflow = true;
        return;
    }
    b->msg = mnl_nlmsg_put_header(b->data + b->len);
    b->msg->nlmsg_type = type;
    b->msg->nlmsg_flags = NLM_F_REQUEST | flags;
    memcpy(mnl_nlmsg_put_extra_header(b->msg, n), body, n);
    b->n++;
}

static size_t room(const struct nl_batch *b)
{
    return sizeof(b->data) - b->len;
}

void nl_put(struct nl_batch *b, uint16_t type, const void *data, size_t n)
{
    if (!b->msg || !mnl_attr_put_check(b->msg, room(b), type, n, data))
        b->overflow = true;
}

void nl_u32(struct nl_batch *b, uint16_t type, uint32_t value)
{
    nl_put(b, type, &value, sizeof(value));
}

void nl_str(struct nl_batch *b, uint16_t type, const char *text)
{
    nl_put(b, type, text, strlen(text) + 1);
}

struct nlattr *nl_nest(struct nl_batch *b, uint16_t type)
{
    struct nlattr *nest = b->msg ? mnl_attr_nest_start_check(b->msg, room(b), type) : NULL;

    if (!nest)
        b->overflow = true;
    return nest;
}

void nl_nest_end(struct nl_batch *b, struct nlattr *nest)
{
    if (nest && b->msg)
        mnl_attr_nest_end(b->msg, nest);
}

void nl_raw(struct nl_batch *b, const void *data, size_t n)
{
    if (!b->msg || b->msg->nlmsg_len + NLMSG_ALIGN(n) > room(b)) {
        b->overflow = true;
        return;
    }
    memcpy(mnl_nlmsg_put_extra_header(b->msg, n), data, n);
}

int nl_open(void)
{
    static const int on = 1;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    return fd;
}

/* ---- reading ---- */

static void copy_text(char *out, size_t size, const struct nlattr *attr)
{
    snprintf(out, size, "%.*s", (int)mnl_attr_get_payload_len(attr),
             (const char *)mnl_attr_get_payload(attr));
}

static int take_linkinfo(const struct nlattr *attr, void *data)
{
    struct nl_link *link = data;

    if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
        copy_text(link->kind, sizeof(link->kind), attr);
    return MNL_CB_OK;
}

static int take_attr(const struct nlattr *attr, void *data)
{
    struct nl_link *link = data;
    uint16_t n = mnl_attr_get_payload_len(attr);

    switch (mnl_attr_get_type(attr)) {
    case IFLA_IFNAME:
        copy_text(link->name, sizeof(link->name), attr);
        break;
    case IFLA_IFALIAS:
        copy_text(link->alias, sizeof(link->alias), attr);
        break;
    case IFLA_ADDRESS:
        if (n == sizeof(link->mac))
            memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
        break;
    case IFLA_LINK:
        if (n == 4)
            link->peer_ifindex = mnl_attr_get_u32(attr);
        break;
    case IFLA_LINK_NETNSID:
        if (n == 4)
            link->peer_nsid = (int32_t)mnl_attr_get_u32(attr);
        break;
    case IFLA_LINKINFO:
        (void)mnl_attr_parse_nested(attr, take_linkinfo, link);
        break;
    }
    return MNL_CB_OK;
}

static bool parse_link(const struct nlmsghdr *msg, struct nl_link *ret)
{
    const struct ifinfomsg *body = mnl_nlmsg_get_payload(msg);

    if (msg->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(msg) < sizeof(*body))
        return false;
    *ret = (struct nl_link){ .ifindex = (uint32_t)body->ifi_index, .peer_nsid = -1 };
    (void)mnl_attr_parse(msg, sizeof(*body), take_attr, ret);
    return true;
}

static int take_nsid(const struct nlattr *attr, void *data)
{
    if (mnl_attr_get_type(attr) == NETNSA_NSID && mnl_attr_get_payload_len(attr) == 4)
        *(int32_t *)data = (int32_t)mnl_attr_get_u32(attr);
    return MNL_CB_OK;
}

static int take_words(const struct nlattr *attr, void *data)
{
    struct nl_result *ret = data;

    if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && !*ret->text)
        copy_text(ret->text, sizeof(ret->text), attr);
    return MNL_CB_OK;
}

static void take_error(const struct nlmsghdr *msg, unsigned step, struct nl_result *ret)
{
    const struct nlmsgerr *answer = mnl_nlmsg_get_payload(msg);
    size_t offset = sizeof(*answer);

    ret->errnos[step] = -answer->error;
    if (!answer->error || !(msg->nlmsg_flags & NLM_F_ACK_TLVS))
        return;
    if (!(msg->nlmsg_flags & NLM_F_CAPPED))
        offset += answer->msg.nlmsg_len - sizeof(answer->msg);
    if (mnl_nlmsg_get_payload_len(msg) > offset)
        (void)mnl_attr_parse(msg, (unsigned)offset, take_words, ret);
}

/* True: the last message was answered. */
static bool take_answer(const struct nlmsghdr *msg, uint32_t seq, unsigned n,
                        struct nl_result *ret)
{
    uint32_t step = msg->nlmsg_seq - seq;

    if (step >= n)
        return false;
    if (msg->nlmsg_type == RTM_NEWNSID) {
        (void)mnl_attr_parse(msg, sizeof(struct rtgenmsg), take_nsid, &ret->nsid);
        return false;
    }
    if (msg->nlmsg_type != NLMSG_ERROR ||
        mnl_nlmsg_get_payload_len(msg) < sizeof(struct nlmsgerr)) {
        (void)parse_link(msg, &ret->link);
        return false;
    }
    take_error(msg, step, ret);
    return step == n - 1;
}

static uint32_t new_seq(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_nsec + (uint32_t)now.tv_sec * 1000000000u;
}

static ssize_t receive(int fd, void *buf)
{
    ssize_t got;

    do
        got = recv(fd, buf, RECV_BYTES, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

int nl_run(int fd, struct nl_batch *b, struct nl_result *ret)
{
    _Alignas(NLMSG_ALIGNTO) char buf[RECV_BYTES];
    uint32_t seq = new_seq();
    char *p = b->data;
    bool done = false;

    *ret = (struct nl_result){ .nsid = -1, .link.peer_nsid = -1 };
    finish_msg(b);
    if (b->overflow || !b->n) {
        errno = E2BIG;
        return -1;
    }
    for (unsigned i = 0; i < b->n; i++) {
        struct nlmsghdr *msg = (struct nlmsghdr *)p;

        msg->nlmsg_seq = seq + i;
        /* Failures answer in any case, and in order: the last answer is the last there is. */
        if (i == b->n - 1)
            msg->nlmsg_flags |= NLM_F_ACK;
        p += NLMSG_ALIGN(msg->nlmsg_len);
    }
    if (send(fd, b->data, b->len, 0) < 0)
        return -1;
    while (!done) {
        ssize_t got = receive(fd, buf);
        const struct nlmsghdr *msg = (const struct nlmsghdr *)buf;
        int left = (int)got;

        if (got < 0)
            return -1;
        for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left))
            done |= take_answer(msg, seq, b->n, ret);
    }
    return 0;
}

struct each {
    int (*fn)(const struct nl_link *link, void *arg);
    void *arg;
    int result;
};

static void each_msg(const struct nlmsghdr *msg, struct each *each)
{
    struct nl_link link;

    if (!each->result && parse_link(msg, &link))
        each->result = each->fn(&link, each->arg);
}

/* One datagram of the dump, which is read to its end in any case, or it would answer the next
 * request. 1: that was the end. TORN: links came or went meanwhile, some may be missing. */
static int take_dump(const char *buf, ssize_t got, uint32_t seq, struct each *each, bool *torn)
{
    const struct nlmsghdr *msg = (const struct nlmsghdr *)(const void *)buf;
    int left = (int)got;

    for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left)) {
        if (msg->nlmsg_seq != seq)
            continue;
        *torn |= (msg->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (msg->nlmsg_type == NLMSG_DONE)
            return 1;
        if (msg->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = mnl_nlmsg_get_payload(msg);

            errno = -error->error;
            return -1;
        }
        each_msg(msg, each);
    }
    return 0;
}

int nl_each_link(int fd, int (*fn)(const struct nl_link *link, void *arg), void *arg)
{
    static const struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
    _Alignas(NLMSG_ALIGNTO) char buf[RECV_BYTES];
    struct each each = { fn, arg, 0 };
    uint32_t seq = new_seq();
    struct nl_batch b;
    bool torn = false;
    int r = 0;

    nl_init(&b);
    nl_msg(&b, RTM_GETLINK, NLM_F_DUMP, &body, sizeof(body));
    nl_u32(&b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    b.msg->nlmsg_seq = seq;
    finish_msg(&b);
    if (send(fd, b.data, b.len, 0) < 0)
        return -1;
    while (r == 0) {
        ssize_t got = receive(fd, buf);

        if (got < 0)
            return -1;
        r = take_dump(buf, got, seq, &each, &torn);
    }
    if (r > 0 && torn && !each.result) {
        errno = EINTR;
        return -1;
    }
    return r < 0 ? -1 : each.result;
}
