/* internal.h - what the files of core/network share: the store, its networks and endpoints. */
#pragma once

#include <pthread.h>

#include "core/base/id.h"
#include "core/base/lock.h"
#include "core/network/firewall.h"
#include "core/network/ipam.h"
#include "core/network/network.h"
#include "core/network/pool.h"
#include "core/plugin/load.h"

enum { DV_NET_FLAG_INTERNAL = 1 }; /* column flags, and dv_net_req.flags */

/* A network lives as long as the store. */
struct dv_network {
    char id[DV_ID_BYTES], name[256], driver[33]; /* immutable, as are the next five */
    uint64_t created_ns;
    uint32_t flags;
    bool is_default;
    char *bridge_name;           /* wished kernel name, or NULL */
    struct dv_kvs options;       /* for the driver; borrowed from bridge_name */
    struct dv_kv option_items[1];

    struct dv_ipam ipam;         /* under net->lock, as is all below; subnet prefix 0 = none */
    uint32_t n_endpoints;
    bool busy;                   /* one call to the driver at a time about this network */
    bool up;                     /* the driver made it, its address is set */
    struct dv_net_info info;     /* when up; ifname below */
    char ifname[16];
};
struct dv_endpoint {
    char id[DV_ID_BYTES];        /* immutable, as are the next six */
    char container_id[DV_ID_BYTES];
    struct dv_network *network;
    uint32_t position;           /* among the container's; number of its interface */
    uint32_t ip;                 /* 0 = none */
    uint8_t mac[6];
    bool has_mac;
    char ifname[16];             /* under net->lock: while joined, "" otherwise */
};
struct dv_net {
    struct dv_net_config config; /* strings owned */
    struct dv_netns_pool *pool;
    int rtnl_fd;                 /* host side */
    struct dv_lock rtnl_lock;    /* rank 40: one batch at a time on rtnl_fd */
    struct dv_firewall *firewall;/* NULL where there is none; set while opening */
    struct dv_lock firewall_lock;/* rank 40: one batch at a time */
    pthread_t watch;             /* watch.c; runs only where has_watch */
    bool has_watch;
    int watch_fd, watch_stop_fd; /* nftables events; an eventfd */

    struct dv_lock lock;         /* rank 20; protects the tables */
    pthread_cond_t changed;      /* a network's busy ended */
    struct dv_network **networks;
    size_t n_networks;
    struct dv_endpoint **endpoints;
    size_t n_endpoints, cap_endpoints;
};

/* ---- networks.c ---- */
/* Read the tables, then make the default networks that are missing. While opening. */
int dv_networks_load(struct dv_net *net, struct dv_error *err);
int dv_networks_defaults(struct dv_net *net, struct dv_error *err);
/* Replay everything to the drivers after a start; failures are logged, and met again at a join. */
void dv_networks_recover(struct dv_net *net);
void dv_networks_down(struct dv_net *net); /* remove every kernel object of the drivers */
void dv_network_free(struct dv_network *nw);
/* Have the driver make NW where it is not up. 1: it was not; the firewall does not know it yet. */
int dv_network_ensure_up(struct dv_net *net, struct dv_network *nw, struct dv_error *err);
/* Under net->lock. By id, name, unique id prefix. */
int dv_network_lookup(struct dv_net *net, const char *name, struct dv_network **ret,
                      struct dv_error *err);
/* Under net->lock: enter EP (taken). */
int dv_endpoints_enter(struct dv_net *net, struct dv_endpoint *ep, struct dv_error *err);
int dv_network_driver(struct dv_net *net, const struct dv_network *nw, struct dv_driver **ret,
                      const struct dv_network_ops **ret_ops, struct dv_error *err);
/* The driver's view of an endpoint; ADDR is storage for its one address. */
struct dv_ep_req dv_endpoint_request(const struct dv_endpoint *ep, struct dv_cidr *addr);

/* ---- net.c ---- */
/* Make the table hold just the networks that are up. */
int dv_net_install_firewall(struct dv_net *net, struct dv_error *err);

/* ---- watch.c ---- */
/* Have a table that others can flush put back. Nothing where the kernel protects it. */
int dv_net_watch_start(struct dv_net *net, struct dv_error *err);
void dv_net_watch_stop(struct dv_net *net);

/* ---- endpoint.c ---- */
/* Read the table, after the networks. While opening. */
int dv_endpoints_load(struct dv_net *net, struct dv_error *err);
