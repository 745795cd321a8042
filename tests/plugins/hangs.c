/* hangs.c - a network driver that stands in for "bridge": its join() hangs as long as it is told to.
 * Option "while" names a file; join() returns when it is gone. */

#include <davit/network.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct dv_host *host;

static int32_t create_network(void *self, struct dv_call *c, const struct dv_net_req *req,
                              struct dv_net_info *out)
{
    (void)self;
    (void)c;
    (void)req;
    (void)out;
    return 0;
}
static int32_t on_network(void *self, struct dv_call *c, const char *net_id)
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
static int32_t on_endpoint(void *self, struct dv_call *c, const char *net_id, const char *ep_id)
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
    (void)c;
    (void)net_id;
    (void)ep_id;
    (void)netns_fd;
    (void)out;
    while (access(self, F_OK) == 0)
        usleep(20000);
    return 0;
}
static int32_t leave(void *self, struct dv_call *c, const char *net_id, const char *ep_id,
                     int32_t netns_fd)
{
    (void)netns_fd;
    return on_endpoint(self, c, net_id, ep_id);
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
static const struct dv_network_ops ops = {
    .struct_size = sizeof(ops), .create_network = create_network, .delete_network = on_network,
    .create_endpoint = create_endpoint, .delete_endpoint = on_endpoint, .join = join,
    .leave = leave, .recover = recover,
};
static const struct dv_option options[] = {
    { "while", "path", NULL, "join() hangs while this file exists" },
    { "instance", "string", "", "given by davitd" },
};

static int32_t init(const struct dv_host *h, struct dv_call *c, const struct dv_kvs *config,
                    void **self)
{
    host = h;
    *self = strdup(config->items[0].value);
    return *self ? 0 : host->fail(c, DV_E_NO_MEMORY, 0, "out of memory");
}

static void fini(void *self)
{
    free(self);
}

DV_PLUGIN_DEFINE(DV_KIND_NETWORK, "bridge", "1", .options = options, .n_options = 2,
                 .option_stride = sizeof(options[0]), .ops = &ops, .init = init, .fini = fini)
