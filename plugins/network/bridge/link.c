/* link.c - the bridge driver's links: bridges, and veth pairs born in a sandbox. */
#include "bridge.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IFLA_INET6_ADDR_GEN_MODE
#define IFLA_INET6_ADDR_GEN_MODE 8
#endif
enum { ADDR_GEN_NONE = 1, BRIDGE_PORTS_MAX = 1023 };

void bridge_mark(const struct bridge *b, const char *id, char out[NL_ALIAS_BYTES])
{
    snprintf(out, NL_ALIAS_BYTES, "davit:%s:%s", b->instance, id);
}

const char *bridge_marked_id(const struct bridge *b, const struct nl_link *link)
{
    char prefix[NL_ALIAS_BYTES];

    bridge_mark(b, "", prefix);
    return strncmp(link->alias, prefix, strlen(prefix)) ? NULL : link->alias + strlen(prefix);
}

void bridge_veth_name(const struct bridge *b, const char *ep_id, unsigned window, char out[16])
{
    snprintf(out, 16, "v%s%.8s", b->instance, ep_id + 8 * window);
}

/* An address of the bridge's own, the same each time: else it takes the lowest of its ports', and
 * changes as containers come and go. It also shows a bridge that we made and were killed before
 * marking. */
static void bridge_mac(const struct bridge *b, const char *id, uint8_t mac[6])
{
    char mark[NL_ALIAS_BYTES];
    uint32_t hash = 2166136261u; /* FNV-1a */

    bridge_mark(b, id, mark);
    for (const char *p = mark; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    mac[0] = 0x02;
    mac[1] = 0x42;
    for (int i = 0; i < 4; i++)
        mac[2 + i] = (uint8_t)(hash >> (24 - 8 * i));
}

static void put_get_link(struct nl_batch *batch, const char *name)
{
    static const struct ifinfomsg body = { .ifi_family = AF_UNSPEC };

    nl_msg(batch, RTM_GETLINK, 0, &body, sizeof(body));
    nl_str(batch, IFLA_IFNAME, name);
    nl_u32(batch, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

static void put_delete(struct nl_batch *batch, uint32_t ifindex)
{
    struct ifinfomsg body = { .ifi_index = (int)ifindex };

    nl_msg(batch, RTM_DELLINK, 0, &body, sizeof(body));
}

static int32_t run(struct bridge *b, struct dv_call *c, struct nl_batch *batch,
                   struct nl_result *result)
{
    if (nl_run(b->nl_fd, batch, result) < 0)
        return bridge_fail(b, c, DV_E_INTERNAL, errno, "talk to rtnetlink");
    return 0;
}

static int32_t delete_index(struct bridge *b, struct dv_call *c, const struct nl_link *link)
{
    struct nl_result result;
    struct nl_batch batch;
    int32_t r;

    nl_init(&batch);
    put_delete(&batch, link->ifindex);
    r = run(b, c, &batch, &result);
    if (r || !result.errnos[0] || result.errnos[0] == ENODEV)
        return r;
    return bridge_fail(b, c, DV_E_INTERNAL, result.errnos[0], "delete interface '%s'", link->name);
}

/* ---- bridges ---- */

/* Ours to use: marked by this instance, or made just now (or by us, killed before the mark). */
static int32_t check_owner(struct bridge *b, struct dv_call *c, const struct bridge_net *net,
                           const struct nl_link *link)
{
    const char *id = bridge_marked_id(b, link);
    uint8_t mac[6];

    bridge_mac(b, net->id, mac);
    if (!strcmp(link->kind, "bridge") && !id && !*link->alias && !memcmp(mac, link->mac, 6))
        return 0;
    if (strcmp(link->kind, "bridge") || !id)
        return bridge_fail(b, c, DV_E_CONFLICT, 0,
                           "interface '%s' exists and is not this engine's; set another name with "
                           "network.bridge_name", net->ifname);
    if (strcmp(id, net->id) && bridge_find_net(b, id))
        return bridge_fail(b, c, DV_E_CONFLICT, 0, "interface '%s' is that of network %.12s",
                           net->ifname, id);
    return 0; /* the same, or one that an older database of this instance named */
}

static int32_t set_bridge(struct bridge *b, struct dv_call *c, const struct bridge_net *net,
                          const struct nl_link *link)
{
    struct ifinfomsg body = { .ifi_index = (int)link->ifindex, .ifi_flags = IFF_UP,
                              .ifi_change = IFF_UP };
    char mark[NL_ALIAS_BYTES];
    struct nl_result result;
    struct nl_batch batch;
    int32_t r;

    bridge_mark(b, net->id, mark);
    nl_init(&batch);
    nl_msg(&batch, RTM_NEWLINK, 0, &body, sizeof(body));
    nl_str(&batch, IFLA_IFALIAS, mark);
    if (net->mtu)
        nl_u32(&batch, IFLA_MTU, net->mtu);
    r = run(b, c, &batch, &result);
    if (r || !result.errnos[0])
        return r;
    return bridge_fail(b, c, DV_E_INTERNAL, result.errnos[0], "set bridge '%s' up", net->ifname);
}

int32_t bridge_link_create(struct bridge *b, struct dv_call *c, struct bridge_net *net)
{
    static const struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
    struct nl_result result;
    struct nl_batch batch;
    struct nlattr *info;
    uint8_t mac[6];
    int32_t r;

    bridge_mac(b, net->id, mac);
    nl_init(&batch);
    nl_msg(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    nl_str(&batch, IFLA_IFNAME, net->ifname);
    nl_put(&batch, IFLA_ADDRESS, mac, sizeof(mac));
    info = nl_nest(&batch, IFLA_LINKINFO);
    nl_str(&batch, IFLA_INFO_KIND, "bridge");
    nl_nest_end(&batch, info);
    put_get_link(&batch, net->ifname);
    r = run(b, c, &batch, &result);
    if (r)
        return r;
    if (result.errnos[0] && result.errnos[0] != EEXIST)
        return bridge_fail(b, c, DV_E_INTERNAL, result.errnos[0], "create bridge '%s'%s%s",
                           net->ifname, *result.text ? ": " : "", result.text);
    if (!result.link.ifindex)
        return bridge_fail(b, c, DV_E_INTERNAL, result.errnos[1], "find bridge '%s'", net->ifname);
    r = check_owner(b, c, net, &result.link);
    if (!r)
        r = set_bridge(b, c, net, &result.link);
    if (!r)
        net->ifindex = result.link.ifindex;
    return r;
}

int32_t bridge_link_delete(struct bridge *b, struct dv_call *c, const struct bridge_net *net)
{
    struct nl_result result;
    struct nl_batch batch;
    const char *id;
    int32_t r;

    nl_init(&batch);
    put_get_link(&batch, net->ifname);
    r = run(b, c, &batch, &result);
    if (r || !result.link.ifindex)
        return r;
    id = bridge_marked_id(b, &result.link);
    return id && !strcmp(id, net->id) ? delete_index(b, c, &result.link) : 0;
}

/* ---- veth pairs ---- */

static void put_veth(struct nl_batch *batch, const struct bridge_net *net,
                     const struct bridge_ep *ep, const char *name, int32_t netns_fd)
{
    static const struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
    struct nlattr *info, *data, *peer;
    char peer_name[16];

    snprintf(peer_name, sizeof(peer_name), "dv%.12s", ep->id);
    nl_msg(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    nl_str(batch, IFLA_IFNAME, name);
    nl_u32(batch, IFLA_MASTER, net->ifindex);
    if (net->mtu)
        nl_u32(batch, IFLA_MTU, net->mtu);
    info = nl_nest(batch, IFLA_LINKINFO);
    nl_str(batch, IFLA_INFO_KIND, "veth");
    data = nl_nest(batch, IFLA_INFO_DATA);
    peer = nl_nest(batch, VETH_INFO_PEER);
    nl_raw(batch, &body, sizeof(body));
    nl_str(batch, IFLA_IFNAME, peer_name);
    nl_u32(batch, IFLA_NET_NS_FD, (uint32_t)netns_fd);
    if (ep->mac_set)
        nl_put(batch, IFLA_ADDRESS, ep->mac, sizeof(ep->mac));
    if (net->mtu)
        nl_u32(batch, IFLA_MTU, net->mtu);
    nl_nest_end(batch, peer);
    nl_nest_end(batch, data);
    nl_nest_end(batch, info);
    put_get_link(batch, name);
}

/* What the kernel takes for a link that exists only: mark, hairpin (a container reaches its own
 * published port, also under bridge-nf-call-iptables), isolation; no IPv6 address of its own, as
 * a port needs none and its making costs. Up comes last: the address would be made by then. */
static int32_t set_port(struct bridge *b, struct dv_call *c, const struct bridge_net *net,
                        const char *ep_id, const struct nl_link *link)
{
    struct ifinfomsg body = { .ifi_index = (int)link->ifindex };
    static const uint8_t on = 1, addr_gen = ADDR_GEN_NONE;
    struct nlattr *info, *data, *af, *inet6;
    char mark[NL_ALIAS_BYTES];
    struct nl_result result;
    struct nl_batch batch;
    int32_t r;

    bridge_mark(b, ep_id, mark);
    nl_init(&batch);
    nl_msg(&batch, RTM_NEWLINK, 0, &body, sizeof(body));
    nl_str(&batch, IFLA_IFALIAS, mark);
    info = nl_nest(&batch, IFLA_LINKINFO);
    nl_str(&batch, IFLA_INFO_SLAVE_KIND, "bridge");
    data = nl_nest(&batch, IFLA_INFO_SLAVE_DATA);
    nl_put(&batch, IFLA_BRPORT_MODE, &on, sizeof(on));
    if (!net->icc)
        nl_put(&batch, IFLA_BRPORT_ISOLATED, &on, sizeof(on));
    nl_nest_end(&batch, data);
    nl_nest_end(&batch, info);
    /* A message of its own, since it fails as a whole where the host has no IPv6. */
    nl_msg(&batch, RTM_NEWLINK, 0, &body, sizeof(body));
    af = nl_nest(&batch, IFLA_AF_SPEC);
    inet6 = nl_nest(&batch, AF_INET6);
    nl_put(&batch, IFLA_INET6_ADDR_GEN_MODE, &addr_gen, sizeof(addr_gen));
    nl_nest_end(&batch, inet6);
    nl_nest_end(&batch, af);
    body.ifi_flags = body.ifi_change = IFF_UP;
    nl_msg(&batch, RTM_NEWLINK, 0, &body, sizeof(body));

    r = run(b, c, &batch, &result);
    if (!r && (result.errnos[0] || result.errnos[2]))
        r = bridge_fail(b, c, DV_E_INTERNAL,
                        result.errnos[0] ? result.errnos[0] : result.errnos[2],
                        "set up port '%s' of bridge '%s'%s%s", link->name, net->ifname,
                        *result.text ? ": " : "", result.text);
    return r;
}

/* A replayed join: is LINK that endpoint's, with its peer in just this sandbox? */
static int is_same(struct bridge *b, const struct nl_link *link, const char *ep_id,
                   int32_t netns_fd)
{
    static const struct rtgenmsg body = { .rtgen_family = AF_UNSPEC };
    const char *id = bridge_marked_id(b, link);
    struct nl_result result;
    struct nl_batch batch;

    if (!id || strcmp(id, ep_id) || link->peer_nsid < 0)
        return 0;
    nl_init(&batch);
    nl_msg(&batch, RTM_GETNSID, 0, &body, sizeof(body));
    nl_u32(&batch, NETNSA_FD, (uint32_t)netns_fd);
    return nl_run(b->nl_fd, &batch, &result) == 0 && result.nsid == link->peer_nsid;
}

static int32_t create_failed(struct bridge *b, struct dv_call *c, const struct bridge_net *net,
                             const char *name, const struct nl_result *result)
{
    if (result->errnos[0] == EXFULL)
        return bridge_fail(b, c, DV_E_NO_SPACE, 0,
                           "bridge '%s' is full: the kernel gives a bridge %d ports; use another "
                           "network for further containers", net->ifname, BRIDGE_PORTS_MAX);
    return bridge_fail(b, c, DV_E_INTERNAL, result->errnos[0], "create veth '%s'%s%s", name,
                       *result->text ? ": " : "", result->text);
}

int32_t bridge_veth_create(struct bridge *b, struct dv_call *c, const struct bridge_net *net,
                           const struct bridge_ep *ep, int32_t netns_fd, uint32_t *ret_ifindex)
{
    struct nl_result result;
    struct nl_batch batch;
    char name[16];
    int32_t r;

    /* A name may still be taken by the endpoint's last link, whose namespace the kernel is only
     * just taking down: to delete it here would cost 30 ms, the next name costs nothing. */
    for (unsigned window = 0; window < NAME_WINDOWS; window++) {
        bridge_veth_name(b, ep->id, window, name);
        nl_init(&batch);
        put_veth(&batch, net, ep, name, netns_fd);
        r = run(b, c, &batch, &result);
        if (r)
            return r;
        if (!result.errnos[0] || is_same(b, &result.link, ep->id, netns_fd))
            break;
        if (result.errnos[0] != EEXIST)
            return create_failed(b, c, net, name, &result);
    }
    if (!result.link.ifindex || (result.errnos[0] && result.errnos[0] != EEXIST))
        return bridge_fail(b, c, DV_E_INTERNAL, result.errnos[1], "find veth '%s'", name);
    if (result.errnos[0] && !is_same(b, &result.link, ep->id, netns_fd))
        return bridge_fail(b, c, DV_E_CONFLICT, 0, "all names for the veth of endpoint %.12s are "
                           "taken, the last being '%s'", ep->id, name);
    r = set_port(b, c, net, ep->id, &result.link);
    if (r) {
        nl_init(&batch);
        put_delete(&batch, result.link.ifindex);
        (void)nl_run(b->nl_fd, &batch, &result);
        return r;
    }
    *ret_ifindex = result.link.peer_ifindex;
    return 0;
}

int32_t bridge_veth_delete(struct bridge *b, struct dv_call *c, const char *ep_id)
{
    for (unsigned window = 0; window < NAME_WINDOWS; window++) {
        struct nl_result result;
        struct nl_batch batch;
        const char *id;
        char name[16];
        int32_t r;

        bridge_veth_name(b, ep_id, window, name);
        nl_init(&batch);
        put_get_link(&batch, name);
        r = run(b, c, &batch, &result);
        if (r)
            return r;
        id = bridge_marked_id(b, &result.link);
        if (result.link.ifindex && id && !strcmp(id, ep_id))
            return delete_index(b, c, &result.link);
    }
    return 0;
}

/* ---- recovery ---- */

struct orphans {
    struct bridge *b;
    struct nl_link *items;
    size_t n;
};

static int collect(const struct nl_link *link, void *arg)
{
    struct orphans *orphans = arg;
    const char *id = bridge_marked_id(orphans->b, link);
    struct nl_link *items;

    if (!id || bridge_find_net(orphans->b, id) || bridge_find_ep(orphans->b, id))
        return 0;
    items = reallocarray(orphans->items, orphans->n + 1, sizeof(*items));
    if (!items)
        return -1;
    orphans->items = items;
    items[orphans->n++] = *link;
    return 0;
}

/* On a busy host links come and go while they are listed, and the kernel says so: again. */
enum { LIST_TRIES = 50 };

int32_t bridge_sweep(struct bridge *b, struct dv_call *c)
{
    struct orphans orphans = { .b = b };
    int32_t r = 0;
    int listed = -1;

    errno = EINTR;
    for (int i = 0; i < LIST_TRIES && listed < 0 && errno == EINTR; i++) {
        orphans.n = 0;
        listed = nl_each_link(b->nl_fd, collect, &orphans);
    }
    if (listed < 0)
        r = bridge_fail(b, c, DV_E_INTERNAL, errno, "list interfaces");
    for (size_t i = 0; i < orphans.n && !r; i++)
        r = delete_index(b, c, &orphans.items[i]);
    free(orphans.items);
    return r;
}
