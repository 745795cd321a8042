/* bridge.h - the bridge driver: its state and the links it makes. */
#pragma once

#include <davit/network.h>
#include <pthread.h>

#include "nl.h"

enum { ID_BYTES = 65, INSTANCE_MAX = 6, NAME_WINDOWS = 8 };

struct bridge_net {
    struct bridge_net *next;
    char id[ID_BYTES], ifname[16];
    uint32_t ifindex, mtu; /* mtu 0 = the kernel's */
    uint32_t policy;
    struct dv_cidr gateway4; /* family 0 = none */
    uint8_t icc;           /* endpoints may talk to each other */
};
struct bridge_ep {
    struct bridge_ep *next;
    char id[ID_BYTES], net_id[ID_BYTES];
    uint8_t mac[6], mac_set;
};
struct bridge {
    const struct dv_host *host;
    char instance[INSTANCE_MAX + 1];
    uint32_t mtu;
    uint8_t masquerade;
    int nl_fd;             /* in the host's namespace */
    pthread_mutex_t lock;  /* protects nl_fd's conversations and the lists */
    struct bridge_net *nets;
    struct bridge_ep *eps;
};

/* ---- link.c; all under the lock ---- */

/* "davit:INSTANCE:ID": the alias of a link of ours, so that ownership can be proven. */
void bridge_mark(const struct bridge *b, const char *id, char out[NL_ALIAS_BYTES]);
/* The id of a marked link, or NULL: not ours. */
const char *bridge_marked_id(const struct bridge *b, const struct nl_link *link);
/* Name of EP_ID's link on the host: one of NAME_WINDOWS, by another part of the id each. */
void bridge_veth_name(const struct bridge *b, const char *ep_id, unsigned window, char out[16]);

/* Make or find the bridge of NET, mark it, set it up; fills in its ifindex. */
int32_t bridge_link_create(struct bridge *b, struct dv_call *c, struct bridge_net *net);
int32_t bridge_link_delete(struct bridge *b, struct dv_call *c, const struct bridge_net *net);
/* Make EP's veth: one end on NET's bridge, the other born in NETNS_FD. Gives the latter's index. */
int32_t bridge_veth_create(struct bridge *b, struct dv_call *c, const struct bridge_net *net,
                           const struct bridge_ep *ep, int32_t netns_fd, uint32_t *ret_ifindex);
/* Delete EP_ID's veth on the host, if there is one. */
int32_t bridge_veth_delete(struct bridge *b, struct dv_call *c, const char *ep_id);
/* Delete every link with our mark that no net or endpoint of the lists names. */
int32_t bridge_sweep(struct bridge *b, struct dv_call *c);

int32_t bridge_fail(struct bridge *b, struct dv_call *c, int32_t code, int sys_errno,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
struct bridge_net *bridge_find_net(struct bridge *b, const char *id);
struct bridge_ep *bridge_find_ep(struct bridge *b, const char *id);
