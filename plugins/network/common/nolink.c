/* nolink.c - a driver that makes no link: the sandbox is the host's own, or stays as made. */
#include "nolink.h"

static int32_t create_network(void *self, struct dv_call *c, const struct dv_net_req *req,
                              struct dv_net_info *out)
{
    (void)self;
    (void)c;
    (void)req;
    out->policy = 0;
    out->ifname = NULL;
    out->ifindex = 0;
    out->mtu = 0;
    return 0;
}

static int32_t delete_network(void *self, struct dv_call *c, const char *net_id)
{
    (void)self;
    (void)c;
    (void)net_id;
    return 0;
}

static int32_t create_endpoint(void *self, struct dv_call *c, const struct dv_ep_req *req)
{
    (void)self;
    (void)c;
    (void)req;
    return 0;
}

static int32_t delete_endpoint(void *self, struct dv_call *c, const char *net_id,
                               const char *ep_id)
{
    (void)self;
    (void)c;
    (void)net_id;
    (void)ep_id;
    return 0;
}

static int32_t join(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                    int32_t netns_fd, struct dv_link *out)
{
    (void)self;
    (void)c;
    (void)net_id;
    (void)ep_id;
    (void)netns_fd;
    out->where = DV_LINK_NONE;
    return 0;
}

static int32_t leave(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                     int32_t netns_fd)
{
    (void)netns_fd;
    return delete_endpoint(self, c, net_id, ep_id);
}

static int32_t recover(void *self, struct dv_call *c, const struct dv_net_req *const *nets,
                       size_t n_nets, const struct dv_ep_req *const *eps, size_t n_eps)
{
    (void)self;
    (void)c;
    (void)nets;
    (void)n_nets;
    (void)eps;
    (void)n_eps;
    return 0;
}

const struct dv_network_ops nolink_ops = {
    .struct_size = sizeof(nolink_ops),
    .create_network = create_network,
    .delete_network = delete_network,
    .create_endpoint = create_endpoint,
    .delete_endpoint = delete_endpoint,
    .join = join,
    .leave = leave,
    .recover = recover,
};

int32_t nolink_init(const struct dv_host *host, struct dv_call *c, const struct dv_kvs *config,
                    void **self)
{
    (void)c;
    (void)config;
    *self = (void *)host; /* there is nothing to remember */
    return 0;
}

int32_t nolink_start(void *self, struct dv_call *c)
{
    (void)self;
    (void)c;
    return 0;
}

void nolink_stop(void *self)
{
    (void)self;
}
