/* endpoint.c - endpoints: rows and addresses, and their links in a sandbox. */
#include "core/network/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/log.h"
#include "core/network/rtnl.h"
#include "core/state/db.h"

static const char log_ctx[] = "module=network";
enum { MAX_POSITION = 255 };

/* ---- table ---- */

static struct dv_endpoint *find(struct dv_net *net, const char *id)
{
    for (size_t i = 0; i < net->n_endpoints; i++)
        if (dv_streq(net->endpoints[i]->id, id))
            return net->endpoints[i];
    return NULL;
}

int dv_endpoints_enter(struct dv_net *net, struct dv_endpoint *ep, struct dv_error *err)
{
    if (net->n_endpoints == net->cap_endpoints) {
        size_t cap = net->cap_endpoints ? 2 * net->cap_endpoints : 16;
        struct dv_endpoint **list = reallocarray(net->endpoints, cap, sizeof(*list));

        if (!list)
            return dv_fail(err, DV_E_NO_MEMORY, "endpoint on network '%s'", ep->network->name);
        net->endpoints = list;
        net->cap_endpoints = cap;
    }
    net->endpoints[net->n_endpoints++] = ep;
    ep->network->n_endpoints++;
    return 0;
}

/* Under net->lock: out of the table, its address free again. Frees EP. */
static void forget(struct dv_net *net, struct dv_endpoint *ep)
{
    for (size_t i = 0; i < net->n_endpoints; i++)
        if (net->endpoints[i] == ep) {
            net->endpoints[i] = net->endpoints[--net->n_endpoints];
            break;
        }
    ep->network->n_endpoints--;
    if (ep->ip)
        dv_ipam_release(&ep->network->ipam, ep->ip);
    free(ep);
}

static void fill_view(const struct dv_endpoint *ep, struct dv_endpoint_view *view)
{
    const struct dv_network *nw = ep->network;

    *view = (struct dv_endpoint_view){ 0 };
    memcpy(view->id, ep->id, sizeof(view->id));
    memcpy(view->network_id, nw->id, sizeof(view->network_id));
    memcpy(view->network_name, nw->name, sizeof(view->network_name));
    memcpy(view->driver, nw->driver, sizeof(view->driver));
    memcpy(view->ifname, ep->ifname, sizeof(view->ifname));
    if (ep->has_mac)
        dv_mac_format(ep->mac, view->mac);
    if (!ep->ip)
        return;
    dv_ip4_format(ep->ip, view->ip);
    view->prefix_len = nw->ipam.subnet.prefix;
    if (!(nw->flags & DV_NET_FLAG_INTERNAL))
        dv_ip4_format(nw->ipam.gateway, view->gateway);
}

static int by_position(const void *a, const void *b)
{
    const struct dv_endpoint *const *x = a, *const *y = b;

    return (*x)->position < (*y)->position ? -1 : (*x)->position > (*y)->position;
}

/* Ids are random: two characters settle most of the many comparisons of a long list. */
static bool is_of(const struct dv_endpoint *ep, const char *container_id)
{
    return ep->container_id[0] == container_id[0] && ep->container_id[1] == container_id[1] &&
           strcmp(ep->container_id, container_id) == 0;
}

size_t dv_endpoint_list(struct dv_net *net, const char *container_id,
                        struct dv_endpoint_view **ret)
{
    struct dv_endpoint_view *list = NULL;
    struct dv_endpoint **mine;
    size_t n = 0;

    dv_lock_take(&net->lock);
    mine = calloc(net->n_endpoints + 1, sizeof(struct dv_endpoint *));
    for (size_t i = 0; mine && i < net->n_endpoints; i++)
        if (is_of(net->endpoints[i], container_id))
            mine[n++] = net->endpoints[i];
    if (n)
        qsort(mine, n, sizeof(struct dv_endpoint *), by_position);
    list = calloc(n + 1, sizeof(*list));
    for (size_t i = 0; list && i < n; i++)
        fill_view(mine[i], &list[i]);
    dv_lock_drop(&net->lock);
    free(mine);
    *ret = list;
    return list ? n : 0;
}

/* ---- rows ---- */

struct loading {
    struct dv_net *net;
    struct dv_error *err;
};

static int load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *loading = arg;
    struct dv_net *net = loading->net;
    dv_autofree struct dv_endpoint *ep = calloc(1, sizeof(*ep));
    const char *ip = dv_row_text(row, 4), *mac = dv_row_text(row, 5);
    int r;

    if (!ep)
        return dv_fail(loading->err, DV_E_NO_MEMORY, "read endpoints");
    snprintf(ep->id, sizeof(ep->id), "%s", dv_row_text(row, 0));
    snprintf(ep->container_id, sizeof(ep->container_id), "%s", dv_row_text(row, 2));
    r = dv_network_lookup(net, dv_row_text(row, 1), &ep->network, loading->err);
    if (r < 0)
        return r;
    ep->position = (uint32_t)sqlite3_column_int64(row, 3);
    ep->has_mac = *mac && dv_mac_parse(mac, ep->mac) == 0;
    if (*ip && (dv_ip4_parse(ip, &ep->ip) < 0 || dv_ipam_claim(&ep->network->ipam, ep->ip) < 0)) {
        /* The row stays, so that its container can be removed; a start reports it. */
        dv_log_warn(log_ctx, "endpoint %.12s: address '%s' does not fit network '%s'", ep->id, ip,
                    ep->network->name);
        ep->ip = 0;
    }
    r = dv_endpoints_enter(net, ep, loading->err);
    if (r < 0)
        return r;
    (void)dv_take(ep);
    return 0;
}

int dv_endpoints_load(struct dv_net *net, struct dv_error *err)
{
    struct loading loading = { net, err };

    return dv_db_query(net->config.db, load_row, &loading, err,
                       "SELECT id, network_id, container_id, position, ip, mac FROM endpoints", "");
}

/* NORMAL: a `run --rm` waits for no disk, and the FULL commit of its container's row, which comes
 * later, makes this one as sure. */
static int end_write(struct dv_db *db, int result, struct dv_error *err)
{
    if (result >= 0)
        return dv_tx_commit(db, err);
    dv_tx_rollback(db);
    return result;
}

static int aliases_text(const struct dv_strv *aliases, char **ret, struct dv_error *err)
{
    static const struct dv_json_field fields[] = { { "Aliases", DV_JSON_STRV, 0 } };
    dv_autojson json_object *obj = dv_json_encode(fields, N(fields), aliases);

    *ret = obj ? dv_json_text(obj) : NULL;
    return *ret ? 0 : dv_fail(err, DV_E_NO_MEMORY, "endpoint aliases");
}

static int insert_row(struct dv_net *net, const struct dv_endpoint *ep,
                      const struct dv_strv *aliases, struct dv_error *err)
{
    char ip[DV_IP4_BYTES] = "", mac[DV_MAC_TEXT_BYTES] = "";
    dv_autofree char *text = NULL;
    int r = aliases_text(aliases, &text, err);

    if (r < 0)
        return r;
    if (ep->ip)
        dv_ip4_format(ep->ip, ip);
    if (ep->has_mac)
        dv_mac_format(ep->mac, mac);
    r = dv_tx_begin(net->config.db, DV_SYNC_NORMAL, err);
    if (r < 0)
        return r;
    r = dv_db_exec(net->config.db, err,
                   "INSERT INTO endpoints (id, network_id, container_id, position, ip,"
                   " prefix_len, mac, aliases_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                   "sssisiss", ep->id, ep->network->id, ep->container_id, (int64_t)ep->position,
                   ip, (int64_t)ep->network->ipam.subnet.prefix, mac, text);
    return end_write(net->config.db, r, err);
}

static int delete_row(struct dv_net *net, const char *id, struct dv_error *err)
{
    int r = dv_tx_begin(net->config.db, DV_SYNC_NORMAL, err);

    if (r < 0)
        return r;
    r = dv_db_exec(net->config.db, err, "DELETE FROM endpoints WHERE id = ?", "s", id);
    return end_write(net->config.db, r, err);
}

/* ---- create and remove ---- */

/* The lowest number that none of the container's endpoints has; -1 if there is none. */
static int free_position(const struct dv_net *net, const char *container_id)
{
    bool used[MAX_POSITION + 1] = { false };

    for (size_t i = 0; i < net->n_endpoints; i++)
        if (net->endpoints[i]->position <= MAX_POSITION &&
            is_of(net->endpoints[i], container_id))
            used[net->endpoints[i]->position] = true;
    for (int i = 0; i <= MAX_POSITION; i++)
        if (!used[i])
            return i;
    return -1;
}

static int ipam_fail(int result, const struct dv_network *nw, const char *wish,
                     struct dv_error *err)
{
    char subnet[DV_CIDR4_BYTES];

    dv_cidr4_format(nw->ipam.subnet, subnet);
    switch (result) {
    case DV_IPAM_FULL:
        return dv_fail(err, DV_E_NO_SPACE,
                       "no available IPv4 addresses on network '%s' (%s, %zu in use)", nw->name,
                       subnet, nw->ipam.n);
    case DV_IPAM_TAKEN:
        return dv_fail(err, DV_E_CONFLICT, "Address already in use: %s on network '%s'", wish,
                       nw->name);
    case DV_IPAM_OUTSIDE:
        return dv_fail(err, DV_E_INVALID,
                       "address %s is not one of network '%s': its subnet is %s", wish, nw->name,
                       subnet);
    default:
        return dv_fail(err, DV_E_NO_MEMORY, "address on network '%s'", nw->name);
    }
}

/* Under net->lock. */
static int take_address(struct dv_network *nw, const char *wish, uint32_t *ret,
                        struct dv_error *err)
{
    int r;

    if (!nw->ipam.subnet.prefix) {
        *ret = 0;
        return dv_empty(wish) ? 0 : dv_fail(err, DV_E_INVALID,
                                            "network '%s' (driver %s) gives no addresses, so %s "
                                            "cannot be had", nw->name, nw->driver, wish);
    }
    if (dv_empty(wish)) {
        r = dv_ipam_next(&nw->ipam, ret);
    } else {
        if (dv_ip4_parse(wish, ret) < 0)
            return dv_fail(err, DV_E_INVALID, "invalid IPv4 address: %s", wish);
        r = dv_ipam_claim(&nw->ipam, *ret);
    }
    return r < 0 ? ipam_fail(r, nw, wish, err) : 0;
}

static int create_locked(struct dv_net *net, const struct dv_endpoint_req *req,
                         struct dv_endpoint *ep, struct dv_error *err)
{
    int position = free_position(net, req->container_id);
    int r = dv_network_lookup(net, req->network, &ep->network, err);

    if (r < 0)
        return r;
    if (position < 0)
        return dv_fail(err, DV_E_INVALID, "container %.12s has %d networks, which is the most",
                       req->container_id, MAX_POSITION + 1);
    ep->position = (uint32_t)position;
    r = take_address(ep->network, req->ip, &ep->ip, err);
    if (r < 0)
        return r;
    if (ep->ip && !ep->has_mac) {
        dv_mac_from_ip4(ep->ip, ep->mac);
        ep->has_mac = true;
    }
    /* The row is written under the lock: whoever finds the endpoint finds its row. */
    r = insert_row(net, ep, &req->aliases, err);
    if (r >= 0)
        r = dv_endpoints_enter(net, ep, err);
    if (r < 0 && ep->ip)
        dv_ipam_release(&ep->network->ipam, ep->ip);
    return r < 0 ? dv_wrap(err, "endpoint on network '%s'", ep->network->name) : 0;
}

int dv_endpoint_create(struct dv_net *net, const struct dv_endpoint_req *req,
                       struct dv_endpoint_view *ret, struct dv_error *err)
{
    dv_autofree struct dv_endpoint *ep = calloc(1, sizeof(*ep));
    int r;

    if (!ep)
        return dv_fail(err, DV_E_NO_MEMORY, "endpoint");
    if (strlen(req->container_id) >= sizeof(ep->container_id))
        return dv_fail(err, DV_E_INVALID, "container id '%s' is too long", req->container_id);
    dv_id_new(ep->id);
    memcpy(ep->container_id, req->container_id, strlen(req->container_id) + 1);
    if (!dv_empty(req->mac)) {
        if (dv_mac_parse(req->mac, ep->mac) < 0)
            return dv_fail(err, DV_E_INVALID, "invalid MAC address: %s", req->mac);
        ep->has_mac = true;
    }
    dv_lock_take(&net->lock);
    r = create_locked(net, req, ep, err);
    if (r >= 0) {
        fill_view(ep, ret);
        (void)dv_take(ep);
    }
    dv_lock_drop(&net->lock);
    return r;
}

/* What a call to the driver needs; taken under the lock, valid without it. */
struct target {
    struct dv_endpoint ep; /* a copy */
    const struct dv_network_ops *ops;
    struct dv_driver *driver;
};

static int get_target(struct dv_net *net, const char *id, struct target *ret, struct dv_error *err)
{
    const struct dv_endpoint *ep;

    dv_lock_take(&net->lock);
    ep = find(net, id);
    if (ep)
        ret->ep = *ep;
    dv_lock_drop(&net->lock);
    if (!ep)
        return dv_fail(err, DV_E_NOT_FOUND, "endpoint %.12s not found", id);
    return dv_network_driver(net, ret->ep.network, &ret->driver, &ret->ops, err);
}

int dv_endpoint_remove(struct dv_net *net, const char *endpoint_id, struct dv_error *err)
{
    struct dv_error ignored = { 0 };
    struct dv_endpoint *ep;
    struct target t = { 0 };
    int r;

    /* A driver that is not active has no link to release: its recover() sees to what is left. */
    if (get_target(net, endpoint_id, &t, &ignored) >= 0) {
        dv_autocall call = { 0 };

        r = dv_call_begin(&call, t.driver, "delete_endpoint", &ignored);
        if (r == 0)
            r = dv_call_result(&call, t.ops->delete_endpoint(t.driver->self, &call,
                                                             t.ep.network->id, t.ep.id));
        if (r < 0) {
            *err = ignored;
            return dv_wrap(err, "remove endpoint on network '%s'", t.ep.network->name);
        }
    } else if (ignored.code == DV_E_NOT_FOUND) {
        return 0;
    }
    dv_lock_take(&net->lock);
    r = delete_row(net, endpoint_id, err);
    ep = r >= 0 ? find(net, endpoint_id) : NULL;
    if (ep)
        forget(net, ep);
    dv_lock_drop(&net->lock);
    return r < 0 ? dv_wrap(err, "remove endpoint") : 0;
}

/* ---- join and leave ---- */

static void set_ifname(struct dv_net *net, const char *id, const char *ifname,
                       struct dv_endpoint_view *view)
{
    struct dv_endpoint *ep;

    dv_lock_take(&net->lock);
    ep = find(net, id);
    if (ep) {
        snprintf(ep->ifname, sizeof(ep->ifname), "%s", ifname);
        if (view)
            fill_view(ep, view);
    }
    dv_lock_drop(&net->lock);
}

static void describe_setup(const struct dv_endpoint *ep, const struct dv_link *link,
                           const char *ifname, struct dv_if_setup *ret)
{
    uint32_t gateway = 0;

    if (link->gateway4.family)
        gateway = (uint32_t)link->gateway4.addr[0] << 24 | (uint32_t)link->gateway4.addr[1] << 16 |
                  (uint32_t)link->gateway4.addr[2] << 8 | link->gateway4.addr[3];
    *ret = (struct dv_if_setup){
        .ifindex = link->ifindex, .name = ifname, .mtu = link->mtu, .addr = ep->ip,
        .prefix = ep->network->ipam.subnet.prefix, .gateway = gateway, .routes = link->routes,
        .n_routes = link->n_routes, .route_stride = link->route_stride,
    };
}

/* Name, address and route the link that the driver made. */
static int set_up_link(const struct dv_endpoint *ep, const struct dv_link *link,
                       struct dv_sandbox *sb, char ifname[16], struct dv_error *err)
{
    struct dv_if_setup setup;

    if (link->where == DV_LINK_NONE)
        return 0;
    if (link->where != DV_LINK_SANDBOX)
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "driver '%s' left its link on the host, which is not supported yet",
                       ep->network->driver);
    if (snprintf(ifname, 16, "%s%u", link->prefix ? link->prefix : "eth", ep->position) >= 16)
        return dv_fail(err, DV_E_INTERNAL, "driver '%s' wants interfaces named '%s', too long",
                       ep->network->driver, link->prefix);
    if (sb->rtnl_fd < 0) {
        int fd = dv_netns_rtnl(sb->netns_fd, err);

        if (fd < 0)
            return fd;
        sb->rtnl_fd = fd;
    }
    describe_setup(ep, link, ifname, &setup);
    return dv_rtnl_setup(sb->rtnl_fd, &setup, err);
}

static int join(const struct target *t, struct dv_sandbox *sb, char ifname[16],
                struct dv_error *err)
{
    const struct dv_endpoint *ep = &t->ep;
    struct dv_link link = { .struct_size = sizeof(link) };
    struct dv_cidr addr;
    struct dv_ep_req req = dv_endpoint_request(ep, &addr);
    dv_autocall call = { 0 };
    int r;

    r = dv_call_begin(&call, t->driver, "create_endpoint", err);
    /* Told again at each join: after a restart the driver may not know it. */
    if (r >= 0)
        r = dv_call_result(&call, t->ops->create_endpoint(t->driver->self, &call, &req));
    dv_call_next(&call, "join");
    if (r >= 0)
        r = dv_call_result(&call, t->ops->join(t->driver->self, &call, ep->network->id, ep->id,
                                               sb->netns_fd, &link));
    if (r < 0)
        return r;
    r = dv_result_link(&call, &link);
    if (r >= 0)
        r = set_up_link(ep, &link, sb, ifname, err);
    if (r < 0) {
        struct dv_error why = *err;

        dv_call_next(&call, "leave");
        /* The same call: a second one would wait for this where the driver is a serial one. */
        (void)dv_call_result(&call, t->ops->leave(t->driver->self, &call, ep->network->id, ep->id,
                                                  sb->netns_fd));
        *err = why;
    }
    return r;
}

/* A network that could not be made when the daemon started is made by its first use. */
static int bring_up(struct dv_net *net, struct dv_network *nw, struct dv_error *err)
{
    struct dv_error fw_err = { 0 };
    int r = dv_network_ensure_up(net, nw, err);

    if (r > 0 && net->firewall && dv_net_install_firewall(net, &fw_err) < 0)
        dv_log_warn(log_ctx, "masquerade and isolation of networks: %s", fw_err.msg);
    return r;
}

int dv_endpoint_join(struct dv_net *net, const char *endpoint_id, struct dv_sandbox *sb,
                     struct dv_endpoint_view *ret, struct dv_error *err)
{
    char ifname[16] = "";
    struct target t = { 0 };
    int r = get_target(net, endpoint_id, &t, err);

    if (r >= 0)
        r = bring_up(net, t.ep.network, err);
    if (r < 0)
        return r;
    r = join(&t, sb, ifname, err);
    if (r < 0)
        return dv_wrap(err, "join network '%s'", t.ep.network->name);
    set_ifname(net, endpoint_id, ifname, ret);
    return 0;
}

void dv_endpoint_leave(struct dv_net *net, const char *endpoint_id, int netns_fd)
{
    struct dv_error err = { 0 };
    dv_autocall call = { 0 };
    struct target t = { 0 };
    int r = get_target(net, endpoint_id, &t, &err);

    if (r >= 0) {
        r = dv_call_begin(&call, t.driver, "leave", &err);
        if (r == 0)
            r = dv_call_result(&call, t.ops->leave(t.driver->self, &call, t.ep.network->id, t.ep.id,
                                                   netns_fd));
    }
    if (r < 0)
        dv_log_warn(log_ctx, "endpoint %.12s leaves its network: %s", endpoint_id, err.msg);
    set_ifname(net, endpoint_id, "", NULL);
}

/* ---- reconciliation ---- */

/* Ids of endpoints whose container is not in KNOWN; a copy, as each removal takes the lock. */
static size_t list_unknown(struct dv_net *net, const struct dv_strv *known,
                           char (**ret)[DV_ID_BYTES])
{
    char (*ids)[DV_ID_BYTES];
    size_t n = 0;

    dv_lock_take(&net->lock);
    ids = calloc(net->n_endpoints + 1, sizeof(*ids));
    for (size_t i = 0; ids && i < net->n_endpoints; i++)
        if (!dv_strv_has(known, net->endpoints[i]->container_id))
            memcpy(ids[n++], net->endpoints[i]->id, DV_ID_BYTES);
    dv_lock_drop(&net->lock);
    *ret = ids;
    return n;
}

void dv_net_reconcile(struct dv_net *net, const struct dv_strv *known_containers)
{
    char (*ids)[DV_ID_BYTES];
    size_t n = list_unknown(net, known_containers, &ids);

    for (size_t i = 0; i < n; i++) {
        struct dv_error err = { 0 };

        dv_endpoint_leave(net, ids[i], -1);
        if (dv_endpoint_remove(net, ids[i], &err) < 0)
            dv_log_warn(log_ctx, "remove endpoint %.12s of no container: %s", ids[i], err.msg);
    }
    free(ids);
}
