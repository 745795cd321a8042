/* davit/network.h - the network kind: links between the host and sandboxes. */
#ifndef DV_NETWORK_H
#define DV_NETWORK_H
#include <davit/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- network: the driver makes links; the host names, addresses, routes, filters ---- */
enum { DV_NET_SCOPE_GLOBAL = 1, DV_NET_CAP_OWNS_SANDBOX = 2, DV_NET_CAP_NO_GATEWAY = 4 };
struct dv_cidr { uint8_t family, prefix_len, pad[2]; uint8_t addr[16]; }; /* network order */
struct dv_subnet { struct dv_cidr pool, gateway, ip_range; };
struct dv_net_req { uint32_t struct_size, flags;     /* 1 internal, 2 ipv6, 4 attachable */
                    const char *id, *name;
                    const struct dv_subnet *subnets; uint32_t n_subnets, subnet_stride;
                    struct dv_kvs options, labels; };
struct dv_ep_req { uint32_t struct_size, n_addrs; const char *net_id, *ep_id;
                   const struct dv_cidr *addrs;      /* chosen by IPAM */
                   uint8_t mac[6], mac_set, pad; struct dv_kvs options;
                   const char *sandbox_path;         /* stable while the container lives; NULL early */
                   int32_t netns_fd, pad2; };        /* recover: the live sandbox, -1 = none */
enum { DV_NET_MASQUERADE = 1, DV_NET_ISOLATE = 2, DV_NET_HOST_ACCESS = 4, DV_NET_FORWARD = 8 };
/* What the host's firewall and resolver should do for a network. IFNAME: its host side, or NULL. */
struct dv_net_info { uint32_t struct_size, policy;   /* DV_NET_* above */
                     const char *ifname; uint32_t ifindex, mtu; };
struct dv_route { struct dv_cidr dest, via; };       /* via.family 0 = on-link */
enum { DV_LINK_NONE, DV_LINK_HOST, DV_LINK_SANDBOX };
struct dv_link { uint32_t struct_size, mtu;          /* 0 = leave as is */
                 uint32_t where, ifindex;            /* DV_LINK_*; index in that namespace */
                 const char *prefix;                 /* wished name: "eth" gives eth0, eth1... */
                 struct dv_cidr gateway4, gateway6;
                 const struct dv_route *routes; uint32_t n_routes, route_stride;
                 uint8_t mac[6], pad[2]; };
struct dv_port { struct dv_cidr host_ip; uint16_t container, host, host_end; /* 0 = any */
                 uint8_t proto, pad; };              /* IPPROTO_TCP / UDP / SCTP */

struct dv_network_ops {
    uint32_t struct_size, reserved;
    /* All calls: 0 if the wished state already holds, so the engine may replay them. */
    int32_t (*create_network)(void *self, struct dv_call *c, const struct dv_net_req *req,
                              struct dv_net_info *out);
    int32_t (*delete_network)(void *self, struct dv_call *c, const char *net_id);
    /* May already make the link: the sandbox is being started meanwhile. */
    int32_t (*create_endpoint)(void *self, struct dv_call *c, const struct dv_ep_req *req);
    int32_t (*delete_endpoint)(void *self, struct dv_call *c, const char *net_id,
                               const char *ep_id);
    /* Make EP_ID's link and describe it. Best is a link born in NETNS_FD (IFLA_NET_NS_FD, a veth's
     * peer likewise) under a temporary name; the host renames and addresses it there. A link left
     * on the host is moved by the engine, which costs some 30 ms. NETNS_FD is borrowed; only a
     * driver with OWNS_SANDBOX may address, route or filter in it. */
    int32_t (*join)(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                    int32_t netns_fd, struct dv_link *out);
    /* NETNS_FD is -1 if the sandbox died first: still release everything. */
    int32_t (*leave)(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                     int32_t netns_fd);
    /* Rebuild from persisted requests after an engine restart or a reboot; keep running links up.
     * Links that carry the driver's mark and no request names are removed. */
    int32_t (*recover)(void *self, struct dv_call *c, const struct dv_net_req *const *nets,
                       size_t n_nets, const struct dv_ep_req *const *eps, size_t n_eps);
    /* Optional from here. Without publish, the engine forwards ports to the endpoint's address in
     * its own table. PORTS is rewritten with the host ports taken; all or nothing. */
    int32_t (*publish)(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                       struct dv_port *ports, uint32_t n, uint32_t stride);
    int32_t (*unpublish)(void *self, struct dv_call *c, const char *net_id, const char *ep_id);
    int32_t (*inspect)(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                       struct dv_kvs *out);          /* ep_id NULL = the network */
    /* Global scope: a remote endpoint appeared (UP=1) or left, reachable through VTEP. */
    int32_t (*peer)(void *self, struct dv_call *c, const char *net_id, uint32_t up,
                    const struct dv_cidr *addr, const uint8_t mac[6], const struct dv_cidr *vtep);
    int32_t (*set_keys)(void *self, struct dv_call *c, const uint8_t *keys, uint32_t n,
                        uint32_t key_len);           /* newest first; KEYS wiped on return */
};

#ifdef __cplusplus
}
#endif
#endif
