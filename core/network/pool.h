/* pool.h - ready network namespaces, made in the background so that no start waits for one. */
#pragma once

#include "core/network/network.h"

struct dv_netns_pool;

/* SIZE 0 keeps none: each is made when asked for. */
DV_CHECK int dv_netns_pool_new(unsigned size, struct dv_netns_pool **ret, struct dv_error *err);
void dv_netns_pool_free(struct dv_netns_pool *pool);
/* A ready one, or one made now. Any thread. */
DV_CHECK int dv_netns_pool_take(struct dv_netns_pool *pool, struct dv_sandbox *ret,
                                struct dv_error *err);

/* Make one on a throw-away thread: lo up, IPv6 off on interfaces to come. */
DV_CHECK int dv_netns_make(struct dv_sandbox *ret, struct dv_error *err);
/* An rtnetlink socket born in the namespace of NETNS_FD, by a throw-away thread. New descriptor. */
DV_CHECK int dv_netns_rtnl(int netns_fd, struct dv_error *err);
