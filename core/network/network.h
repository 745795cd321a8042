/* network.h - networks, sandboxes and endpoints; addresses, routes, names and firewall are ours,
 * drivers only make links (davit/network.h).
 *
 * Threads: all functions may be called from any thread; the store has its own lock (rank 20), so
 * the caller holds no object's lock and no transaction. */
#pragma once

#include <davit/network.h>
#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/str.h"

struct dv_db;
struct dv_drivers;
struct dv_net;        /* all of this module's state */

struct dv_net_config {
    const char *instance;          /* short name of this engine, [a-z0-9]{1,6}: kernel names */
    const char *bridge_name;       /* of the default network: "davit0", or derived */
    const char *default_pool;      /* "172.17.0.0/16" or NULL/"auto": first free of Docker's pools */
    const char *nft_table;         /* "davit" or "davit-<instance>" */
    unsigned pool_size;            /* ready network namespaces, 0 = none kept */
    struct dv_db *db;
    struct dv_drivers *drivers;
};
/* Read networks and endpoints from the database, create the default ones (bridge, host, none) where
 * missing, call each driver's recover, make the nft table, fill the pool. */
DV_CHECK int dv_net_open(const struct dv_net_config *config, struct dv_net **ret,
                         struct dv_error *err);
/* Ends pool and sockets; leaves bridges and links as they are (containers go on). */
void dv_net_close(struct dv_net *net);
/* A network driver that came up later learns what there is; its networks are made by their first use. */
struct dv_driver;
void dv_net_adopt(struct dv_net *net, struct dv_driver *driver);
/* Remove every kernel object of this instance: bridges, nft table (davit system shutdown). */
void dv_net_teardown(struct dv_net *net);

/* A network as others see it; owned copy. */
struct dv_net_view {
    char id[65], name[256], driver[33], scope[8];
    uint64_t created_ns;
    char subnet[64], gateway[64];   /* "" where the driver has none */
    bool internal, is_default;
    uint32_t n_endpoints;
};
/* By full id, name, or unique id prefix. "default" means bridge. NOT_FOUND "network x not found". */
DV_CHECK int dv_net_find(struct dv_net *net, const char *name, struct dv_net_view *ret,
                         struct dv_error *err);
size_t dv_net_list(struct dv_net *net, struct dv_net_view **ret); /* caller frees */
/* The name under which Docker's clients know DRIVER: "null" is what gives no network. */
const char *dv_net_shown_driver(const char *driver);

/* A ready network namespace for a container: from the pool, else made on the spot. LO is up. */
struct dv_sandbox {
    int netns_fd;      /* owned */
    int rtnl_fd;       /* an rtnetlink socket born inside it, so that no thread has to enter; -1 for
                        * a namespace that came from elsewhere (user namespace, running shim) */
};
DV_CHECK int dv_sandbox_get(struct dv_net *net, struct dv_sandbox *ret, struct dv_error *err);
/* Make SB, a new namespace that was made elsewhere (with its user namespace, in the shim), what
 * dv_sandbox_get() gives: lo up, IPv6 off on interfaces to come, its rtnetlink socket. */
DV_CHECK int dv_sandbox_adopt(struct dv_sandbox *sb, struct dv_error *err);
void dv_sandbox_done(struct dv_sandbox *sb);

struct dv_endpoint_view {
    char id[65], network_id[65], network_name[256], driver[33];
    char ip[46], gateway[46], mac[18], ipv6[46], gateway6[46];  /* "" where none */
    uint8_t prefix_len, prefix_len6;
    char ifname[16];                                             /* in the sandbox */
};
struct dv_endpoint_req {
    const char *network;            /* name or id */
    const char *container_id, *container_name;
    const char *ip;                 /* wished address or NULL; CONFLICT if taken, INVALID if outside */
    const char *mac;                /* wished or NULL */
    struct dv_strv aliases;         /* borrowed */
};
/* Reserve an endpoint (row and address, one transaction): container create, before the container's
 * own row is committed and outside a transaction of the caller's. Nothing in the kernel yet. Then join at each start, leave at each stop, remove with the container. */
DV_CHECK int dv_endpoint_create(struct dv_net *net, const struct dv_endpoint_req *req,
                                struct dv_endpoint_view *ret, struct dv_error *err);
/* Make link, name it, address, routes: in SB. Called for each endpoint in order (eth0, eth1...). */
DV_CHECK int dv_endpoint_join(struct dv_net *net, const char *endpoint_id, struct dv_sandbox *sb,
                              struct dv_endpoint_view *ret, struct dv_error *err);
/* NETNS_FD -1: the sandbox is gone already (then links are gone with it: no device is deleted). */
void dv_endpoint_leave(struct dv_net *net, const char *endpoint_id, int netns_fd);
DV_CHECK int dv_endpoint_remove(struct dv_net *net, const char *endpoint_id, struct dv_error *err);
/* Endpoints of one container, in their order; caller frees. */
size_t dv_endpoint_list(struct dv_net *net, const char *container_id,
                        struct dv_endpoint_view **ret);
/* Endpoints whose container is not in KNOWN are removed (reconciliation). */
void dv_net_reconcile(struct dv_net *net, const struct dv_strv *known_containers);
