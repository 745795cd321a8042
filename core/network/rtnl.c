/* rtnl.c - rtnetlink: several messages in one send, and the dumps for the choice of a subnet. */
#include "core/network/rtnl.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/time.h"

enum { DUMP_BYTES = 32 << 10, MAX_TAKEN = 1 << 16 };

void dv_nl_init(struct dv_nl_batch *batch)
{
    /* All of it: libmnl leaves the padding behind an attribute as it finds it. */
    memset(batch, 0, sizeof(*batch));
}

/* The length of the message being built is known only when the next one begins. */
static void finish_msg(struct dv_nl_batch *batch)
{
    if (batch->msg)
        batch->len += NLMSG_ALIGN(batch->msg->nlmsg_len);
    batch->msg = NULL;
}

void dv_nl_msg(struct dv_nl_batch *batch, const char *what, int ok_errno, uint16_t type,
               uint16_t flags, const void *body, size_t n)
{
    struct nlmsghdr *msg;

    finish_msg(batch);
    if (batch->n == DV_NL_BATCH_STEPS || batch->len + NLMSG_SPACE(n) > sizeof(batch->data)) {
        batch->overflow = true;
        return;
    }
    msg = mnl_nlmsg_put_header(batch->data + batch->len);
    msg->nlmsg_type = type;
    msg->nlmsg_flags = NLM_F_REQUEST | flags;
    memcpy(mnl_nlmsg_put_extra_header(msg, n), body, n);
    batch->steps[batch->n].what = what;
    batch->steps[batch->n].ok_errno = ok_errno;
    batch->n++;
    batch->msg = msg;
}

void dv_nl_put(struct dv_nl_batch *batch, uint16_t type, const void *data, size_t n)
{
    size_t room = sizeof(batch->data) - batch->len;

    if (!batch->msg || !mnl_attr_put_check(batch->msg, room, type, n, data))
        batch->overflow = true;
}

void dv_nl_u32(struct dv_nl_batch *batch, uint16_t type, uint32_t value)
{
    dv_nl_put(batch, type, &value, sizeof(value));
}

void dv_nl_str(struct dv_nl_batch *batch, uint16_t type, const char *text)
{
    dv_nl_put(batch, type, text, strlen(text) + 1);
}

int dv_rtnl_open(struct dv_error *err)
{
    static const int on = 1;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open rtnetlink socket");
    /* Short answers, and the kernel's own words for what it did not like: niceties. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    return fd;
}

/* Number the messages; only the last asks for an acknowledgement, as failures answer anyway and
 * the kernel works in order. */
static void number_msgs(struct dv_nl_batch *batch, uint32_t seq)
{
    char *p = batch->data;

    for (unsigned i = 0; i < batch->n; i++) {
        struct nlmsghdr *msg = (struct nlmsghdr *)p;

        msg->nlmsg_seq = seq + i;
        if (i == batch->n - 1)
            msg->nlmsg_flags |= NLM_F_ACK;
        p += NLMSG_ALIGN(msg->nlmsg_len);
    }
}

static int find_text(const struct nlattr *attr, void *data)
{
    const char **text = data;

    if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
        *text = mnl_attr_get_str(attr);
    return MNL_CB_OK;
}

static const char *ext_ack_text(const struct nlmsghdr *msg)
{
    const struct nlmsgerr *answer = mnl_nlmsg_get_payload(msg);
    size_t offset = sizeof(*answer);
    const char *text = NULL;

    if (!(msg->nlmsg_flags & NLM_F_ACK_TLVS))
        return NULL;
    if (!(msg->nlmsg_flags & NLM_F_CAPPED))
        offset += answer->msg.nlmsg_len - sizeof(answer->msg);
    if (mnl_nlmsg_get_payload_len(msg) > offset)
        mnl_attr_parse(msg, (unsigned)offset, find_text, &text);
    return text;
}

/* One answer. 1: it was the last step's. */
static int take_answer(const struct dv_nl_batch *batch, uint32_t seq, const struct nlmsghdr *msg,
                       struct dv_error *err)
{
    const struct nlmsgerr *answer = mnl_nlmsg_get_payload(msg);
    uint32_t step = msg->nlmsg_seq - seq;
    const char *text;

    if (msg->nlmsg_type != NLMSG_ERROR || step >= batch->n ||
        mnl_nlmsg_get_payload_len(msg) < sizeof(*answer))
        return 0;
    errno = -answer->error;
    if (errno && errno != batch->steps[step].ok_errno && !err->code) {
        text = ext_ack_text(msg);
        if (text)
            (void)dv_fail_errno(err, DV_E_INTERNAL, "%s: %s", batch->steps[step].what, text);
        else
            (void)dv_fail_errno(err, DV_E_INTERNAL, "%s", batch->steps[step].what);
    }
    return step == batch->n - 1;
}

static int read_answers(int fd, const struct dv_nl_batch *batch, uint32_t seq,
                        struct dv_error *err)
{
    _Alignas(NLMSG_ALIGNTO) char buf[8192];

    for (;;) {
        ssize_t got = recv(fd, buf, sizeof(buf), 0);
        const struct nlmsghdr *msg = (const struct nlmsghdr *)buf;
        int left = (int)got;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "read rtnetlink answer");
        for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left))
            if (take_answer(batch, seq, msg, err))
                return err->code ? -err->code : 0;
    }
}

int dv_nl_run(int fd, struct dv_nl_batch *batch, struct dv_error *err)
{
    static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    uint32_t seq = (uint32_t)dv_mono_ns();
    struct dv_error found = { 0 };
    ssize_t sent;
    int r;

    finish_msg(batch);
    if (batch->overflow)
        return dv_fail(err, DV_E_INVALID, "netlink batch exceeds %d messages or %d bytes",
                       DV_NL_BATCH_STEPS, DV_NL_BATCH_BYTES);
    if (!batch->n)
        return 0;
    number_msgs(batch, seq);
    do
        sent = sendto(fd, batch->data, batch->len, 0, (const struct sockaddr *)&kernel,
                      sizeof(kernel));
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "%s: send to rtnetlink", batch->steps[0].what);
    r = read_answers(fd, batch, seq, &found);
    if (r < 0)
        *err = found;
    return r;
}

static void encode_route(struct dv_nl_batch *batch, const char *what, int ok_errno,
                         uint32_t ifindex, const struct dv_cidr *dest, const struct dv_cidr *via)
{
    struct rtmsg body = {
        .rtm_family = AF_INET, .rtm_dst_len = dest->prefix_len, .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST,
        .rtm_scope = via->family ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
    };

    dv_nl_msg(batch, what, ok_errno, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    if (dest->prefix_len)
        dv_nl_put(batch, RTA_DST, dest->addr, 4);
    if (via->family)
        dv_nl_put(batch, RTA_GATEWAY, via->addr, 4);
    dv_nl_u32(batch, RTA_OIF, ifindex);
}

static void encode_addr(struct dv_nl_batch *batch, uint32_t ifindex, struct dv_net4 addr)
{
    struct ifaddrmsg body = { .ifa_family = AF_INET, .ifa_prefixlen = addr.prefix,
                              .ifa_index = ifindex };
    uint32_t local = htonl(addr.addr), broadcast = htonl(dv_net4_last(addr));

    dv_nl_msg(batch, "set address", EEXIST, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body,
              sizeof(body));
    dv_nl_put(batch, IFA_LOCAL, &local, sizeof(local));
    dv_nl_put(batch, IFA_ADDRESS, &local, sizeof(local));
    dv_nl_put(batch, IFA_BROADCAST, &broadcast, sizeof(broadcast));
}

int dv_rtnl_setup_encode(const struct dv_if_setup *setup, struct dv_nl_batch *batch,
                         struct dv_error *err)
{
    struct ifinfomsg link = { .ifi_index = (int)setup->ifindex, .ifi_flags = IFF_UP,
                              .ifi_change = IFF_UP };
    static const struct dv_cidr everything = { 0 };
    const char *item = (const char *)setup->routes;

    /* Name before up in one message: a kernel before 6.2 renames no interface that is up, and
     * takes the name first. */
    dv_nl_msg(batch, "name interface and set it up", 0, RTM_NEWLINK, 0, &link, sizeof(link));
    dv_nl_str(batch, IFLA_IFNAME, setup->name);
    if (setup->mtu)
        dv_nl_u32(batch, IFLA_MTU, setup->mtu);
    if (setup->addr)
        encode_addr(batch, setup->ifindex, (struct dv_net4){ setup->addr, setup->prefix });
    for (uint32_t i = 0; i < setup->n_routes; i++, item += setup->route_stride) {
        const struct dv_route *route = (const struct dv_route *)item;

        if (route->dest.family == AF_INET)
            encode_route(batch, "add route", EEXIST, setup->ifindex, &route->dest, &route->via);
    }
    if (setup->gateway) {
        struct dv_cidr via = dv_cidr_from4(setup->gateway, 32);

        encode_route(batch, "add default route", EEXIST, setup->ifindex, &everything, &via);
    }
    if (batch->overflow)
        return dv_fail(err, DV_E_INVALID, "interface '%s' has too many routes (%u)", setup->name,
                       setup->n_routes);
    return 0;
}

int dv_rtnl_setup(int fd, const struct dv_if_setup *setup, struct dv_error *err)
{
    struct dv_nl_batch batch;
    int r;

    dv_nl_init(&batch);
    r = dv_rtnl_setup_encode(setup, &batch, err);
    if (r < 0)
        return r;
    r = dv_nl_run(fd, &batch, err);
    return r < 0 ? dv_wrap(err, "set up interface '%s'", setup->name) : 0;
}

int dv_rtnl_up(int fd, uint32_t ifindex, struct dv_error *err)
{
    struct ifinfomsg link = { .ifi_index = (int)ifindex, .ifi_flags = IFF_UP,
                              .ifi_change = IFF_UP };
    struct dv_nl_batch batch;

    dv_nl_init(&batch);
    dv_nl_msg(&batch, "set interface up", 0, RTM_NEWLINK, 0, &link, sizeof(link));
    return dv_nl_run(fd, &batch, err);
}

int dv_rtnl_add_addr(int fd, uint32_t ifindex, struct dv_net4 addr, struct dv_error *err)
{
    struct dv_nl_batch batch;

    dv_nl_init(&batch);
    encode_addr(&batch, ifindex, addr);
    return dv_nl_run(fd, &batch, err);
}

struct taken {
    struct dv_net4 *items;
    size_t n, cap;
};

/* MNL_CB_ERROR with errno on no memory. */
static int add_taken(struct taken *taken, const uint8_t *addr, uint8_t prefix)
{
    if (taken->n == taken->cap) {
        size_t cap = taken->cap ? 2 * taken->cap : 32;
        struct dv_net4 *items;

        if (cap > MAX_TAKEN) { /* a full routing table: what fits decides */
            return MNL_CB_OK;
        }
        items = reallocarray(taken->items, cap, sizeof(*items));
        if (!items)
            return MNL_CB_ERROR;
        taken->items = items;
        taken->cap = cap;
    }
    taken->items[taken->n++] = (struct dv_net4){
        (uint32_t)addr[0] << 24 | (uint32_t)addr[1] << 16 | (uint32_t)addr[2] << 8 | addr[3], prefix
    };
    return MNL_CB_OK;
}

struct wanted {
    uint16_t type;
    const uint8_t *addr; /* 4 bytes, or NULL */
};

static int find_addr(const struct nlattr *attr, void *data)
{
    struct wanted *wanted = data;

    if (mnl_attr_get_type(attr) == wanted->type && mnl_attr_get_payload_len(attr) == 4)
        wanted->addr = mnl_attr_get_payload(attr);
    return MNL_CB_OK;
}

static int take_dumped(const struct nlmsghdr *msg, void *data)
{
    bool is_addr = msg->nlmsg_type == RTM_NEWADDR;
    struct wanted wanted = { is_addr ? IFA_ADDRESS : RTA_DST, NULL };
    size_t header = is_addr ? sizeof(struct ifaddrmsg) : sizeof(struct rtmsg);
    const struct ifaddrmsg *addr = mnl_nlmsg_get_payload(msg);
    const struct rtmsg *route = mnl_nlmsg_get_payload(msg);

    if ((!is_addr && msg->nlmsg_type != RTM_NEWROUTE) || mnl_nlmsg_get_payload_len(msg) < header)
        return MNL_CB_OK;
    mnl_attr_parse(msg, (unsigned)header, find_addr, &wanted);
    /* Broadcast and local routes repeat the addresses. */
    if (!wanted.addr || (!is_addr && route->rtm_type != RTN_UNICAST))
        return MNL_CB_OK;
    return add_taken(data, wanted.addr, is_addr ? addr->ifa_prefixlen : route->rtm_dst_len);
}

static int dump(int fd, uint16_t type, struct taken *taken, struct dv_error *err)
{
    struct {
        struct nlmsghdr head;
        struct rtmsg body; /* longer than ifaddrmsg, and zero but for the family */
    } request = {
        { .nlmsg_len = sizeof(request), .nlmsg_type = type,
          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = (uint32_t)dv_mono_ns() },
        { .rtm_family = AF_INET },
    };
    dv_autofree char *buf = malloc(DUMP_BYTES);
    int r = MNL_CB_OK;

    if (!buf)
        return dv_fail(err, DV_E_NO_MEMORY, "list the host's addresses and routes");
    if (send(fd, &request, sizeof(request), 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "list the host's addresses and routes");
    while (r > MNL_CB_STOP) {
        ssize_t got = recv(fd, buf, DUMP_BYTES, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "list the host's addresses and routes");
        r = mnl_cb_run(buf, (size_t)got, request.head.nlmsg_seq, 0, take_dumped, taken);
    }
    if (r < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "list the host's addresses and routes");
    return 0;
}

int dv_rtnl_taken(int fd, struct dv_net4 **ret, size_t *ret_n, struct dv_error *err)
{
    struct taken taken = { 0 };
    int r = dump(fd, RTM_GETADDR, &taken, err);

    if (r >= 0)
        r = dump(fd, RTM_GETROUTE, &taken, err);
    if (r < 0) {
        free(taken.items);
        return r;
    }
    *ret = taken.items;
    *ret_n = taken.n;
    return 0;
}
