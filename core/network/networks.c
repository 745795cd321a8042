/* networks.c - networks: rows, the default ones, and what the drivers made of them. */
#include "core/network/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/network/rtnl.h"
#include "core/plugin/drivers.h"
#include "core/state/db.h"

static const char log_ctx[] = "module=network";
enum { STUCK_POLL_NS = 500000000 };  /* between two looks whether a driver is stuck */

/* ---- rows ---- */

void dv_network_free(struct dv_network *nw)
{
    if (!nw)
        return;
    dv_ipam_done(&nw->ipam);
    free(nw->bridge_name);
    free(nw);
}
DV_DEFINE_AUTO(dv_network, dv_network_free);

/* The default network's kernel name is the configuration's, not the row's: it may change. */
static int set_options(struct dv_net *net, struct dv_network *nw, struct dv_error *err)
{
    if (!nw->is_default || dv_empty(net->config.bridge_name))
        return 0;
    nw->bridge_name = dv_strdup(net->config.bridge_name);
    if (!nw->bridge_name)
        return dv_fail(err, DV_E_NO_MEMORY, "network '%s'", nw->name);
    nw->option_items[0] = (struct dv_kv){ "bridge_name", nw->bridge_name };
    nw->options = (struct dv_kvs){ nw->option_items, 1 };
    return 0;
}

static int enter(struct dv_net *net, struct dv_network *nw, struct dv_error *err)
{
    struct dv_network **list =
        reallocarray(net->networks, net->n_networks + 1, sizeof(struct dv_network *));

    if (!list)
        return dv_fail(err, DV_E_NO_MEMORY, "network '%s'", nw->name);
    net->networks = list;
    list[net->n_networks++] = nw;
    return 0;
}

struct loading {
    struct dv_net *net;
    struct dv_error *err;
};

static int load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *loading = arg;
    struct dv_error *err = loading->err;
    dv_auto(dv_network) *nw = calloc(1, sizeof(*nw));
    const char *subnet = dv_row_text(row, 4);
    struct dv_net4 net4;
    int r;

    if (!nw)
        return dv_fail(err, DV_E_NO_MEMORY, "read networks");
    snprintf(nw->id, sizeof(nw->id), "%s", dv_row_text(row, 0));
    snprintf(nw->name, sizeof(nw->name), "%s", dv_row_text(row, 1));
    snprintf(nw->driver, sizeof(nw->driver), "%s", dv_row_text(row, 2));
    nw->created_ns = (uint64_t)sqlite3_column_int64(row, 3);
    nw->flags = (uint32_t)sqlite3_column_int64(row, 5);
    nw->is_default = dv_streq(nw->name, "bridge");
    if (*subnet && (dv_cidr4_parse(subnet, &net4) < 0 || dv_ipam_init(&nw->ipam, net4) < 0))
        return dv_fail(err, DV_E_INTERNAL, "network '%s' has an unreadable subnet '%s'", nw->name,
                       subnet);
    r = set_options(loading->net, nw, err);
    if (r >= 0)
        r = enter(loading->net, nw, err);
    if (r < 0)
        return r;
    (void)dv_take(nw);
    return 0;
}

int dv_networks_load(struct dv_net *net, struct dv_error *err)
{
    struct loading loading = { net, err };

    return dv_db_query(net->config.db, load_row, &loading, err,
                       "SELECT id, name, driver, created_ns, subnet, flags FROM networks"
                       " ORDER BY created_ns, id", "");
}

static int insert_row(struct dv_net *net, const struct dv_network *nw, struct dv_error *err)
{
    char subnet[DV_CIDR4_BYTES] = "", gateway[DV_IP4_BYTES] = "";

    if (nw->ipam.subnet.prefix) {
        dv_cidr4_format(nw->ipam.subnet, subnet);
        dv_ip4_format(nw->ipam.gateway, gateway);
    }
    return dv_db_exec(net->config.db, err,
                      "INSERT INTO networks (id, name, driver, created_ns, subnet, gateway, flags,"
                      " options_json, labels_json) VALUES (?, ?, ?, ?, ?, ?, ?, '{}', '{}')",
                      "sssissi", nw->id, nw->name, nw->driver, (int64_t)nw->created_ns, subnet,
                      gateway, (int64_t)nw->flags);
}

/* ---- default networks ---- */

static int default_subnet(struct dv_net *net, struct dv_net4 *ret, struct dv_error *err)
{
    const char *pool = net->config.default_pool;
    dv_autofree struct dv_net4 *taken = NULL;
    size_t n = 0;
    int r;

    if (!dv_empty(pool) && !dv_streq(pool, "auto")) {
        if (dv_cidr4_parse(pool, ret) < 0 || ret->prefix < 8 || ret->prefix > 30)
            return dv_fail(err, DV_E_INVALID,
                           "network.default_pool: '%s' is no IPv4 subnet of /8 to /30, such as "
                           "172.17.0.0/16", pool);
        return 0;
    }
    r = dv_rtnl_taken(net->rtnl_fd, &taken, &n, err);
    if (r < 0)
        return r;
    if (dv_subnet_choose(taken, n, ret) < 0)
        return dv_fail(err, DV_E_CONFLICT,
                       "every default subnet overlaps a route of this host; set "
                       "network.default_pool to one that does not");
    return 0;
}

struct default_network {
    const char *name, *driver;
    bool has_subnet;
};

static int add_default(struct dv_net *net, const struct default_network *def, struct dv_error *err)
{
    dv_auto(dv_network) *nw = calloc(1, sizeof(*nw));
    struct dv_net4 subnet;
    int r;

    if (!nw)
        return dv_fail(err, DV_E_NO_MEMORY, "network '%s'", def->name);
    dv_id_new(nw->id);
    snprintf(nw->name, sizeof(nw->name), "%s", def->name);
    snprintf(nw->driver, sizeof(nw->driver), "%s", def->driver);
    nw->created_ns = dv_now_ns();
    nw->is_default = def->has_subnet;
    if (def->has_subnet) {
        r = default_subnet(net, &subnet, err);
        if (r < 0)
            return r;
        r = dv_ipam_init(&nw->ipam, subnet);
        assert(r == 0); /* the prefix was checked */
    }
    r = set_options(net, nw, err);
    if (r >= 0)
        r = insert_row(net, nw, err);
    if (r >= 0)
        r = enter(net, nw, err);
    if (r < 0)
        return dv_wrap(err, "create default network '%s'", def->name);
    (void)dv_take(nw);
    return 0;
}

int dv_networks_defaults(struct dv_net *net, struct dv_error *err)
{
    static const struct default_network defaults[] = {
        { "bridge", "bridge", true },
        { "host", "host", false },
        { "none", "none", false },
    };

    for (size_t i = 0; i < N(defaults); i++) {
        bool found = false;
        int r;

        for (size_t k = 0; k < net->n_networks; k++)
            found |= dv_streq(net->networks[k]->name, defaults[i].name);
        r = found ? 0 : add_default(net, &defaults[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- lookup ---- */

int dv_network_lookup(struct dv_net *net, const char *name, struct dv_network **ret,
                      struct dv_error *err)
{
    const char *wanted = dv_streq(name, "default") ? "bridge" : name;
    struct dv_network *by_prefix = NULL;
    unsigned n_prefix = 0;

    for (size_t i = 0; i < net->n_networks; i++)
        if (dv_streq(net->networks[i]->id, wanted))
            return *ret = net->networks[i], 0;
    for (size_t i = 0; i < net->n_networks; i++)
        if (dv_streq(net->networks[i]->name, wanted))
            return *ret = net->networks[i], 0;
    for (size_t i = 0; i < net->n_networks && *wanted; i++)
        if (dv_starts(net->networks[i]->id, wanted)) {
            by_prefix = net->networks[i];
            n_prefix++;
        }
    if (n_prefix > 1)
        return dv_fail(err, DV_E_INVALID, "network %s is ambiguous (%u matches found on ID prefix)",
                       name, n_prefix);
    if (!by_prefix)
        return dv_fail(err, DV_E_NOT_FOUND, "network %s not found", name);
    *ret = by_prefix;
    return 0;
}

static void fill_view(const struct dv_network *nw, struct dv_net_view *view)
{
    *view = (struct dv_net_view){
        .created_ns = nw->created_ns, .internal = nw->flags & DV_NET_FLAG_INTERNAL,
        .is_default = nw->is_default, .n_endpoints = nw->n_endpoints, .scope = "local",
    };
    memcpy(view->id, nw->id, sizeof(view->id));
    memcpy(view->name, nw->name, sizeof(view->name));
    memcpy(view->driver, nw->driver, sizeof(view->driver));
    if (nw->ipam.subnet.prefix) {
        dv_cidr4_format(nw->ipam.subnet, view->subnet);
        dv_ip4_format(nw->ipam.gateway, view->gateway);
    }
}

int dv_net_find(struct dv_net *net, const char *name, struct dv_net_view *ret,
                struct dv_error *err)
{
    struct dv_network *nw;
    int r;

    dv_lock_take(&net->lock);
    r = dv_network_lookup(net, name, &nw, err);
    if (r >= 0)
        fill_view(nw, ret);
    dv_lock_drop(&net->lock);
    return r;
}

size_t dv_net_list(struct dv_net *net, struct dv_net_view **ret)
{
    struct dv_net_view *list;
    size_t n;

    dv_lock_take(&net->lock);
    n = net->n_networks;
    list = calloc(n ? n : 1, sizeof(*list));
    for (size_t i = 0; list && i < n; i++)
        fill_view(net->networks[i], &list[i]);
    dv_lock_drop(&net->lock);
    *ret = list;
    return list ? n : 0;
}

const char *dv_net_shown_driver(const char *driver)
{
    return dv_streq(driver, "none") ? "null" : driver;
}

/* ---- drivers ---- */

int dv_network_driver(struct dv_net *net, const struct dv_network *nw, struct dv_driver **ret,
                      const struct dv_network_ops **ret_ops, struct dv_error *err)
{
    int r = dv_drivers_get(net->config.drivers, DV_KIND_NETWORK, nw->driver, ret, err);

    if (r < 0)
        return dv_wrap(err, "network '%s'", nw->name);
    *ret_ops = (*ret)->ops;
    return 0;
}

/* What a driver is told of a network; the strings are the network's own. */
struct net_request {
    struct dv_net_req req;
    struct dv_subnet subnet;
};

static void fill_request(const struct dv_network *nw, struct net_request *out)
{
    const struct dv_net4 subnet = nw->ipam.subnet; /* immutable after the load */

    *out = (struct net_request){
        .req = { .struct_size = sizeof(out->req), .flags = nw->flags, .id = nw->id,
                 .name = nw->name, .subnet_stride = sizeof(out->subnet), .options = nw->options },
    };
    if (!subnet.prefix)
        return;
    out->subnet.pool = dv_cidr_from4(subnet.addr, subnet.prefix);
    out->subnet.gateway = dv_cidr_from4(nw->ipam.gateway, subnet.prefix);
    out->req.subnets = &out->subnet;
    out->req.n_subnets = 1;
}

/* As dockerd does. A host that forwards already keeps its setting untouched. */
static void enable_forwarding(void)
{
    static const char path[] = "/proc/sys/net/ipv4/ip_forward";
    struct dv_error err = { 0 };
    dv_autofree char *text = NULL;

    if (dv_read_file(AT_FDCWD, path, 64, &text, NULL, &err) >= 0 && *text == '1')
        return;
    if (dv_write_file_at(AT_FDCWD, path, "1") < 0)
        dv_log_warn(log_ctx, "write %s: %s; containers reach no other host until it is 1", path,
                    strerror(errno));
}

/* The driver's part, then ours: address of the host's side, forwarding. NW is busy. */
static int bring_up(struct dv_net *net, struct dv_network *nw, struct dv_net_info *info,
                    char ifname[16], struct dv_error *err)
{
    const struct dv_network_ops *ops = NULL;
    struct net_request request;
    struct dv_driver *driver = NULL;
    dv_autocall call = { 0 };
    int r = dv_network_driver(net, nw, &driver, &ops, err);

    if (r < 0)
        return r;
    r = dv_call_begin(&call, driver, "create_network", err);
    if (r < 0)
        return r;
    fill_request(nw, &request);
    *info = (struct dv_net_info){ .struct_size = sizeof(*info) };
    r = dv_call_result(&call, ops->create_network(driver->self, &call, &request.req, info));
    if (r == 0)
        r = dv_result_net_info(&call, info);
    if (r < 0)
        return dv_wrap(err, "create network '%s'", nw->name);
    /* The call's arena ends with us. */
    snprintf(ifname, 16, "%s", info->ifname ? info->ifname : "");
    info->ifname = NULL;
    if (*ifname && nw->ipam.subnet.prefix) {
        struct dv_net4 addr = { nw->ipam.gateway, nw->ipam.subnet.prefix };

        dv_lock_take(&net->rtnl_lock);
        r = dv_rtnl_add_addr(net->rtnl_fd, info->ifindex, addr, err);
        dv_lock_drop(&net->rtnl_lock);
        if (r < 0)
            return dv_wrap(err, "create network '%s': interface '%s'", nw->name, ifname);
    }
    if (info->policy & DV_NET_FORWARD)
        enable_forwarding();
    return 0;
}

/* Under the lock, until the driver is done with NW. UNAVAILABLE when it does not come back. */
static int wait_idle(struct dv_net *net, struct dv_network *nw, struct dv_error *err)
{
    const struct dv_network_ops *ops = NULL;
    struct dv_driver *driver = NULL;

    while (nw->busy) {
        (void)dv_lock_wait(&net->lock, &net->changed, dv_mono_ns() + STUCK_POLL_NS);
        if (nw->busy && dv_network_driver(net, nw, &driver, &ops, err) < 0)
            return -err->code;
    }
    return 0;
}

int dv_network_ensure_up(struct dv_net *net, struct dv_network *nw, struct dv_error *err)
{
    struct dv_net_info info;
    char ifname[16];
    int r;

    dv_lock_take(&net->lock);
    r = wait_idle(net, nw, err);
    if (r < 0) {
        dv_lock_drop(&net->lock);
        return r;
    }
    if (nw->up) {
        dv_lock_drop(&net->lock);
        return 0;
    }
    nw->busy = true;
    dv_lock_drop(&net->lock);

    r = bring_up(net, nw, &info, ifname, err);

    dv_lock_take(&net->lock);
    nw->busy = false;
    if (r >= 0) {
        nw->up = true;
        nw->info = info;
        memcpy(nw->ifname, ifname, sizeof(nw->ifname));
    }
    pthread_cond_broadcast(&net->changed);
    dv_lock_drop(&net->lock);
    return r < 0 ? r : 1;
}

struct dv_ep_req dv_endpoint_request(const struct dv_endpoint *ep, struct dv_cidr *addr)
{
    struct dv_ep_req req = {
        .struct_size = sizeof(req), .net_id = ep->network->id, .ep_id = ep->id, .netns_fd = -1,
        .mac_set = ep->has_mac,
    };

    memcpy(req.mac, ep->mac, sizeof(req.mac));
    if (ep->ip) {
        *addr = dv_cidr_from4(ep->ip, ep->network->ipam.subnet.prefix);
        req.addrs = addr;
        req.n_addrs = 1;
    }
    return req;
}

/* All rows of one driver, as recover() takes them. */
struct replay {
    struct net_request *nets;
    const struct dv_net_req **net_list;
    struct dv_ep_req *eps;
    const struct dv_ep_req **ep_list;
    struct dv_cidr *addrs;
    size_t n_nets, n_eps;
};

static void replay_done(struct replay *replay)
{
    free(replay->nets);
    free(replay->net_list);
    free(replay->eps);
    free(replay->ep_list);
    free(replay->addrs);
}

static int replay_fill(const struct dv_net *net, const char *driver, struct replay *replay,
                       struct dv_error *err)
{
    replay->nets = calloc(net->n_networks + 1, sizeof(*replay->nets));
    replay->net_list = calloc(net->n_networks + 1, sizeof(*replay->net_list));
    replay->eps = calloc(net->n_endpoints + 1, sizeof(*replay->eps));
    replay->ep_list = calloc(net->n_endpoints + 1, sizeof(*replay->ep_list));
    replay->addrs = calloc(net->n_endpoints + 1, sizeof(*replay->addrs));
    if (!replay->nets || !replay->net_list || !replay->eps || !replay->ep_list || !replay->addrs)
        return dv_fail(err, DV_E_NO_MEMORY, "recover networks");
    for (size_t i = 0; i < net->n_networks; i++) {
        if (!dv_streq(net->networks[i]->driver, driver))
            continue;
        fill_request(net->networks[i], &replay->nets[replay->n_nets]);
        replay->net_list[replay->n_nets] = &replay->nets[replay->n_nets].req;
        if (replay->net_list[replay->n_nets]->n_subnets)
            replay->nets[replay->n_nets].req.subnets = &replay->nets[replay->n_nets].subnet;
        replay->n_nets++;
    }
    for (size_t i = 0; i < net->n_endpoints; i++) {
        const struct dv_endpoint *ep = net->endpoints[i];

        if (!dv_streq(ep->network->driver, driver))
            continue;
        replay->eps[replay->n_eps] = dv_endpoint_request(ep, &replay->addrs[replay->n_eps]);
        replay->ep_list[replay->n_eps] = &replay->eps[replay->n_eps];
        replay->n_eps++;
    }
    return 0;
}

static int recover_driver(struct dv_net *net, struct dv_driver *driver, struct dv_error *err)
{
    __attribute__((cleanup(replay_done))) struct replay replay = { 0 };
    const struct dv_network_ops *ops = driver->ops;
    dv_autocall call = { 0 };
    int r;

    dv_lock_take(&net->lock);
    r = replay_fill(net, driver->name, &replay, err);
    dv_lock_drop(&net->lock);
    if (r >= 0)
        r = dv_call_begin(&call, driver, "recover", err);
    if (r < 0)
        return r;
    dv_call_long(&call);
    return dv_call_result(&call, ops->recover(driver->self, &call, replay.net_list, replay.n_nets,
                                              replay.ep_list, replay.n_eps));
}

static int recover_driver_of(struct dv_net *net, const struct dv_network *nw, struct dv_error *err)
{
    const struct dv_network_ops *ops = NULL;
    struct dv_driver *driver = NULL;
    int r = dv_network_driver(net, nw, &driver, &ops, err);

    return r < 0 ? r : recover_driver(net, driver, err);
}

void dv_net_adopt(struct dv_net *net, struct dv_driver *driver)
{
    struct dv_error err = { 0 };

    if (!dv_db_is_fresh(net->config.db) && recover_driver(net, driver, &err) < 0)
        dv_log_warn(log_ctx, "recover network driver '%s': %s", driver->name, err.msg);
}

static bool is_first_of_driver(const struct dv_net *net, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (dv_streq(net->networks[i]->driver, net->networks[at]->driver))
            return false;
    return true;
}

void dv_networks_recover(struct dv_net *net)
{
    /* A new or restored database names nothing, which proves nothing: then no link is removed. */
    bool fresh = dv_db_is_fresh(net->config.db);
    struct dv_error err = { 0 };

    for (size_t i = 0; i < net->n_networks && !fresh; i++) {
        dv_error_clear(&err);
        if (is_first_of_driver(net, i) && recover_driver_of(net, net->networks[i], &err) < 0)
            dv_log_warn(log_ctx, "recover network driver '%s': %s", net->networks[i]->driver,
                        err.msg);
    }
    for (size_t i = 0; i < net->n_networks; i++) {
        dv_error_clear(&err);
        if (dv_network_ensure_up(net, net->networks[i], &err) < 0)
            dv_log_warn(log_ctx, "network '%s' is not usable: %s", net->networks[i]->name, err.msg);
    }
}

/* Removes every link and bridge with this engine's mark: recover() with no request names any. */
static int remove_all(struct dv_net *net, const struct dv_network *first, struct dv_error *err)
{
    const struct dv_network_ops *ops = NULL;
    struct dv_driver *driver = NULL;
    dv_autocall call = { 0 };
    int r = dv_network_driver(net, first, &driver, &ops, err);

    if (r >= 0)
        r = dv_call_begin(&call, driver, "recover", err);
    if (r < 0)
        return r;
    dv_call_long(&call);
    return dv_call_result(&call, ops->recover(driver->self, &call, NULL, 0, NULL, 0));
}

void dv_networks_down(struct dv_net *net)
{
    struct dv_error err = { 0 };

    for (size_t i = 0; i < net->n_networks; i++) {
        dv_error_clear(&err);
        if (is_first_of_driver(net, i) && remove_all(net, net->networks[i], &err) < 0)
            dv_log_warn(log_ctx, "remove networks of driver '%s': %s", net->networks[i]->driver,
                        err.msg);
    }
    dv_lock_take(&net->lock);
    for (size_t i = 0; i < net->n_networks; i++)
        net->networks[i]->up = false;
    dv_lock_drop(&net->lock);
}
