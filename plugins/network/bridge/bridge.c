/* bridge.c - network driver "bridge": containers on a Linux bridge, each by a veth pair. */
#include "bridge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FLAG_INTERNAL = 1, MTU_MIN = 68, MTU_MAX = 65535 };

int32_t bridge_fail(struct bridge *b, struct dv_call *c, int32_t code, int sys_errno,
                    const char *fmt, ...)
{
    char msg[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    return b->host->fail(c, code, sys_errno, msg);
}

struct bridge_net *bridge_find_net(struct bridge *b, const char *id)
{
    for (struct bridge_net *net = b->nets; net; net = net->next)
        if (!strcmp(net->id, id))
            return net;
    return NULL;
}

struct bridge_ep *bridge_find_ep(struct bridge *b, const char *id)
{
    for (struct bridge_ep *ep = b->eps; ep; ep = ep->next)
        if (!strcmp(ep->id, id))
            return ep;
    return NULL;
}

static const char *lookup(const struct dv_kvs *kvs, const char *key)
{
    for (size_t i = 0; i < kvs->n; i++)
        if (!strcmp(kvs->items[i].key, key))
            return kvs->items[i].value;
    return NULL;
}

/* ---- options ---- */

static int parse_mtu(const char *text, uint32_t *ret)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno || end == text || *end || (value && value < MTU_MIN) || value > MTU_MAX)
        return -1;
    *ret = (uint32_t)value;
    return 0;
}

static int parse_bool(const char *text, uint8_t *ret)
{
    if (strcmp(text, "true") && strcmp(text, "false"))
        return -1;
    *ret = !strcmp(text, "true");
    return 0;
}

/* What the kernel takes for an interface, less what shells and sysctl stumble on. */
static int is_ifname(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n < 16 && strcmp(name, ".") && strcmp(name, "..") &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

static int32_t bad_option(struct bridge *b, struct dv_call *c, const char *key, const char *value,
                          const char *wanted)
{
    return bridge_fail(b, c, DV_E_INVALID, 0, "network option %s: '%s' is not %s", key, value,
                       wanted);
}

/* Per-network options; our names, and Docker's for the same. Others are somebody else's. */
enum option { OPT_NAME, OPT_MTU, OPT_MASQUERADE, OPT_ICC };
static const struct {
    const char *key;
    enum option option;
} net_options[] = {
    { "bridge_name", OPT_NAME },
    { "com.docker.network.bridge.enable_icc", OPT_ICC },
    { "com.docker.network.bridge.enable_ip_masquerade", OPT_MASQUERADE },
    { "com.docker.network.bridge.name", OPT_NAME },
    { "com.docker.network.driver.mtu", OPT_MTU },
    { "icc", OPT_ICC },
    { "masquerade", OPT_MASQUERADE },
    { "mtu", OPT_MTU },
};

static int32_t set_option(struct bridge *b, struct dv_call *c, struct bridge_net *net,
                          enum option option, const char *key, const char *value,
                          uint8_t *masquerade)
{
    switch (option) {
    case OPT_NAME:
        if (!is_ifname(value))
            return bad_option(b, c, key, value, "an interface name of 1 to 15 characters");
        snprintf(net->ifname, sizeof(net->ifname), "%s", value);
        return 0;
    case OPT_MTU:
        return parse_mtu(value, &net->mtu) ? bad_option(b, c, key, value, "an MTU of 68 to 65535")
                                           : 0;
    case OPT_MASQUERADE:
        return parse_bool(value, masquerade) ? bad_option(b, c, key, value, "true or false") : 0;
    case OPT_ICC:
        return parse_bool(value, &net->icc) ? bad_option(b, c, key, value, "true or false") : 0;
    }
    return 0;
}

static int32_t describe_net(struct bridge *b, struct dv_call *c, const struct dv_net_req *req,
                            struct bridge_net *net)
{
    uint8_t masquerade = b->masquerade;
    const char *item = (const char *)req->subnets;

    if (strlen(req->id) != ID_BYTES - 1)
        return bridge_fail(b, c, DV_E_INVALID, 0, "network id '%s' is not 64 digits", req->id);
    snprintf(net->id, sizeof(net->id), "%s", req->id);
    snprintf(net->ifname, sizeof(net->ifname), "dv-%.12s", req->id);
    net->mtu = b->mtu;
    net->icc = 1;
    for (size_t i = 0; i < sizeof(net_options) / sizeof(net_options[0]); i++) {
        const char *value = lookup(&req->options, net_options[i].key);
        int32_t r = value && *value ? set_option(b, c, net, net_options[i].option,
                                                 net_options[i].key, value, &masquerade) : 0;

        if (r)
            return r;
    }
    net->policy = DV_NET_ISOLATE | DV_NET_HOST_ACCESS;
    if (!(req->flags & FLAG_INTERNAL)) {
        net->policy |= DV_NET_FORWARD | (masquerade ? DV_NET_MASQUERADE : 0);
        for (uint32_t i = 0; i < req->n_subnets; i++, item += req->subnet_stride) {
            const struct dv_subnet *subnet = (const struct dv_subnet *)item;

            if (subnet->pool.family == AF_INET && !net->gateway4.family)
                net->gateway4 = subnet->gateway;
        }
    }
    return 0;
}

/* ---- operations; the _locked ones under b->lock ---- */

static int32_t create_network_locked(struct bridge *b, struct dv_call *c,
                                     const struct dv_net_req *req, struct bridge_net **ret)
{
    struct bridge_net *net = bridge_find_net(b, req->id), wanted = { 0 };
    int32_t r = describe_net(b, c, req, &wanted);

    if (!r)
        r = bridge_link_create(b, c, &wanted);
    if (r)
        return r;
    if (!net) {
        net = calloc(1, sizeof(*net));
        if (!net)
            return bridge_fail(b, c, DV_E_NO_MEMORY, 0, "network");
        wanted.next = b->nets;
        b->nets = net;
    } else {
        wanted.next = net->next;
    }
    *net = wanted;
    *ret = net;
    return 0;
}

static int32_t create_network(void *self, struct dv_call *c, const struct dv_net_req *req,
                              struct dv_net_info *out)
{
    struct bridge *b = self;
    struct bridge_net *net = NULL;
    char *ifname = b->host->alloc(c, sizeof(net->ifname));
    int32_t r;

    if (!ifname)
        return b->host->fail(c, DV_E_NO_MEMORY, 0, "network");
    pthread_mutex_lock(&b->lock);
    r = create_network_locked(b, c, req, &net);
    if (!r) {
        snprintf(ifname, sizeof(net->ifname), "%s", net->ifname);
        out->policy = net->policy;
        out->ifname = ifname;
        out->ifindex = net->ifindex;
        out->mtu = net->mtu;
    }
    pthread_mutex_unlock(&b->lock);
    return r;
}

static int32_t delete_network(void *self, struct dv_call *c, const char *net_id)
{
    struct bridge *b = self;
    int32_t r = 0;

    pthread_mutex_lock(&b->lock);
    for (struct bridge_net **link = &b->nets; *link; link = &(*link)->next) {
        struct bridge_net *net = *link;

        if (strcmp(net->id, net_id))
            continue;
        r = bridge_link_delete(b, c, net);
        if (!r) {
            *link = net->next;
            free(net);
        }
        break;
    }
    pthread_mutex_unlock(&b->lock);
    return r;
}

static int32_t create_endpoint_locked(struct bridge *b, struct dv_call *c,
                                      const struct dv_ep_req *req)
{
    struct bridge_ep *ep = bridge_find_ep(b, req->ep_id);

    if (strlen(req->ep_id) != ID_BYTES - 1 || strlen(req->net_id) != ID_BYTES - 1)
        return bridge_fail(b, c, DV_E_INVALID, 0, "endpoint id '%s' is not 64 digits", req->ep_id);
    if (!ep) {
        ep = calloc(1, sizeof(*ep));
        if (!ep)
            return bridge_fail(b, c, DV_E_NO_MEMORY, 0, "endpoint");
        ep->next = b->eps;
        b->eps = ep;
    }
    snprintf(ep->id, sizeof(ep->id), "%s", req->ep_id);
    snprintf(ep->net_id, sizeof(ep->net_id), "%s", req->net_id);
    memcpy(ep->mac, req->mac, sizeof(ep->mac));
    ep->mac_set = req->mac_set;
    return 0;
}

static int32_t create_endpoint(void *self, struct dv_call *c, const struct dv_ep_req *req)
{
    struct bridge *b = self;
    int32_t r;

    pthread_mutex_lock(&b->lock);
    r = create_endpoint_locked(b, c, req);
    pthread_mutex_unlock(&b->lock);
    return r;
}

/* The link dies with its sandbox; leave() sees to a living one. */
static int32_t delete_endpoint(void *self, struct dv_call *c, const char *net_id,
                               const char *ep_id)
{
    struct bridge *b = self;

    (void)c;
    (void)net_id;
    pthread_mutex_lock(&b->lock);
    for (struct bridge_ep **link = &b->eps; *link; link = &(*link)->next) {
        struct bridge_ep *ep = *link;

        if (strcmp(ep->id, ep_id))
            continue;
        *link = ep->next;
        free(ep);
        break;
    }
    pthread_mutex_unlock(&b->lock);
    return 0;
}

static int32_t join_locked(struct bridge *b, struct dv_call *c, const char *net_id,
                           const char *ep_id, int32_t netns_fd, struct dv_link *out)
{
    const struct bridge_net *net = bridge_find_net(b, net_id);
    const struct bridge_ep *ep = bridge_find_ep(b, ep_id);
    int32_t r;

    if (!net)
        return bridge_fail(b, c, DV_E_NOT_FOUND, 0, "network %.12s is not known", net_id);
    if (!ep)
        return bridge_fail(b, c, DV_E_NOT_FOUND, 0, "endpoint %.12s is not known", ep_id);
    if (netns_fd < 0)
        return bridge_fail(b, c, DV_E_INVALID, 0, "endpoint %.12s has no sandbox", ep_id);
    r = bridge_veth_create(b, c, net, ep, netns_fd, &out->ifindex);
    if (r)
        return r;
    out->where = DV_LINK_SANDBOX;
    out->prefix = "eth";
    out->gateway4 = net->gateway4;
    memcpy(out->mac, ep->mac, sizeof(out->mac));
    return 0;
}

static int32_t join(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                    int32_t netns_fd, struct dv_link *out)
{
    struct bridge *b = self;
    int32_t r;

    pthread_mutex_lock(&b->lock);
    r = join_locked(b, c, net_id, ep_id, netns_fd, out);
    pthread_mutex_unlock(&b->lock);
    return r;
}

static int32_t leave(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                     int32_t netns_fd)
{
    struct bridge *b = self;
    int32_t r = 0;

    (void)net_id;
    if (netns_fd < 0) /* the kernel takes the link with the namespace, in its own time */
        return 0;
    pthread_mutex_lock(&b->lock);
    if (strlen(ep_id) == ID_BYTES - 1)
        r = bridge_veth_delete(b, c, ep_id);
    pthread_mutex_unlock(&b->lock);
    return r;
}

static void forget_all(struct bridge *b)
{
    while (b->nets) {
        struct bridge_net *net = b->nets;

        b->nets = net->next;
        free(net);
    }
    while (b->eps) {
        struct bridge_ep *ep = b->eps;

        b->eps = ep->next;
        free(ep);
    }
}

/* Enter even a network whose bridge cannot be had: its links are named, so they stay. */
static int32_t recover_network(struct bridge *b, struct dv_call *c, const struct dv_net_req *req)
{
    struct bridge_net *net = NULL;
    int32_t r = create_network_locked(b, c, req, &net);

    if (!r)
        return 0;
    b->host->log(b->host->self, c, 1, "a network could not be rebuilt; its next use says why");
    if (bridge_find_net(b, req->id))
        return 0;
    net = calloc(1, sizeof(*net));
    if (!net)
        return bridge_fail(b, c, DV_E_NO_MEMORY, 0, "network");
    snprintf(net->id, sizeof(net->id), "%s", req->id);
    net->next = b->nets;
    b->nets = net;
    return 0;
}

static int32_t recover(void *self, struct dv_call *c, const struct dv_net_req *const *nets,
                       size_t n_nets, const struct dv_ep_req *const *eps, size_t n_eps)
{
    struct bridge *b = self;
    int32_t r = 0;

    pthread_mutex_lock(&b->lock);
    forget_all(b);
    for (size_t i = 0; i < n_nets && !r; i++)
        r = recover_network(b, c, nets[i]);
    for (size_t i = 0; i < n_eps && !r; i++)
        r = create_endpoint_locked(b, c, eps[i]);
    if (!r)
        r = bridge_sweep(b, c);
    pthread_mutex_unlock(&b->lock);
    return r;
}

/* ---- life ---- */

static const struct dv_option options[] = {
    { "instance", "string", NULL,
      "short name of this engine (at most 6 of a-z, 0-9) in names of its links; set by davitd" },
    { "masquerade", "bool", "true", "hide containers behind the host's address" },
    { "mtu", "u64", "0", "MTU of bridges and links; 0 = the kernel's own, 1500" },
};

static int32_t configure(struct bridge *b, struct dv_call *c, const struct dv_kvs *config)
{
    const char *instance = lookup(config, "instance"), *mtu = lookup(config, "mtu");
    const char *masquerade = lookup(config, "masquerade");

    if (!instance || strlen(instance) > INSTANCE_MAX ||
        strspn(instance, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(instance))
        return bridge_fail(b, c, DV_E_INVALID, 0,
                           "network.bridge: instance '%s' is not at most %d of a-z and 0-9",
                           instance ? instance : "", INSTANCE_MAX);
    snprintf(b->instance, sizeof(b->instance), "%s", instance);
    if (mtu && parse_mtu(mtu, &b->mtu))
        return bad_option(b, c, "mtu", mtu, "0 or an MTU of 68 to 65535");
    b->masquerade = 1;
    if (masquerade && parse_bool(masquerade, &b->masquerade))
        return bad_option(b, c, "masquerade", masquerade, "true or false");
    return 0;
}

static int32_t init(const struct dv_host *host, struct dv_call *c, const struct dv_kvs *config,
                    void **self)
{
    struct bridge *b = calloc(1, sizeof(*b));
    int32_t r;

    if (!b)
        return host->fail(c, DV_E_NO_MEMORY, 0, "bridge driver");
    b->host = host;
    b->nl_fd = -1;
    pthread_mutex_init(&b->lock, NULL);
    r = configure(b, c, config);
    if (r) {
        pthread_mutex_destroy(&b->lock);
        free(b);
        return r;
    }
    *self = b;
    return 0;
}

static int32_t start(void *self, struct dv_call *c)
{
    struct bridge *b = self;

    b->nl_fd = nl_open();
    if (b->nl_fd < 0)
        return bridge_fail(b, c, DV_E_UNAVAILABLE, errno, "open rtnetlink socket");
    return 0;
}

static void stop(void *self)
{
    struct bridge *b = self;

    if (b->nl_fd >= 0)
        close(b->nl_fd);
    b->nl_fd = -1;
}

static void fini(void *self)
{
    struct bridge *b = self;

    forget_all(b);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static const struct dv_network_ops ops = {
    .struct_size = sizeof(ops),
    .create_network = create_network,
    .delete_network = delete_network,
    .create_endpoint = create_endpoint,
    .delete_endpoint = delete_endpoint,
    .join = join,
    .leave = leave,
    .recover = recover,
};

DV_PLUGIN_DEFINE(DV_KIND_NETWORK, "bridge", "0.1.0", .vendor = "davit", .license = "Apache-2.0",
                 .options = options, .n_options = sizeof(options) / sizeof(options[0]),
                 .option_stride = sizeof(options[0]), .ops = &ops, .init = init, .start = start,
                 .stop = stop, .fini = fini)
