/* net.c - opening and closing the network store; the firewall's contents; sandboxes. */
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/network/internal.h"
#include "core/network/rtnl.h"

static const char log_ctx[] = "module=network";

static void config_done(struct dv_net_config *config)
{
    free((char *)config->instance);
    free((char *)config->bridge_name);
    free((char *)config->default_pool);
    free((char *)config->nft_table);
}

static int config_copy(const struct dv_net_config *from, struct dv_net_config *to,
                       struct dv_error *err)
{
    *to = *from;
    to->instance = dv_strdup(from->instance ? from->instance : "");
    to->bridge_name = dv_strdup(from->bridge_name ? from->bridge_name : "");
    to->default_pool = dv_strdup(from->default_pool ? from->default_pool : "auto");
    to->nft_table = dv_strdup(dv_empty(from->nft_table) ? "davit" : from->nft_table);
    if (!to->instance || !to->bridge_name || !to->default_pool || !to->nft_table)
        return dv_fail(err, DV_E_NO_MEMORY, "open networks");
    return 0;
}

/* Networks that are up and have a host side. */
static struct dv_fw_net *firewall_nets(struct dv_net *net, size_t *ret_n)
{
    struct dv_fw_net *list;
    size_t n = 0;

    dv_lock_take(&net->lock);
    list = calloc(net->n_networks + 1, sizeof(*list));
    for (size_t i = 0; list && i < net->n_networks; i++) {
        const struct dv_network *nw = net->networks[i];

        if (!nw->up || !nw->ifname[0])
            continue;
        memcpy(list[n].ifname, nw->ifname, sizeof(list[n].ifname));
        list[n].subnet = nw->ipam.subnet;
        list[n].policy = nw->info.policy;
        n++;
    }
    dv_lock_drop(&net->lock);
    *ret_n = n;
    return list;
}

int dv_net_install_firewall(struct dv_net *net, struct dv_error *err)
{
    size_t n = 0;
    dv_autofree struct dv_fw_net *nets = firewall_nets(net, &n);
    int r;

    if (!nets)
        return dv_fail(err, DV_E_NO_MEMORY, "firewall");
    dv_lock_take(&net->firewall_lock);
    r = dv_firewall_install(net->firewall, nets, n, err);
    dv_lock_drop(&net->firewall_lock);
    return r;
}

static int open_firewall(struct dv_net *net, struct dv_error *err)
{
    int r = dv_firewall_new(net->config.nft_table, &net->firewall, err);

    if (r >= 0)
        r = dv_net_install_firewall(net, err);
    return r < 0 ? r : dv_net_watch_start(net, err);
}

static int open_all(struct dv_net *net, struct dv_error *err)
{
    struct dv_error fw_err = { 0 };
    int r = net->rtnl_fd = dv_rtnl_open(err);

    if (r >= 0)
        r = dv_networks_load(net, err);
    if (r >= 0)
        r = dv_endpoints_load(net, err);
    if (r >= 0)
        r = dv_networks_defaults(net, err);
    if (r < 0)
        return r;
    dv_networks_recover(net);
    /* Containers on one network still reach each other without it. */
    if (open_firewall(net, &fw_err) < 0)
        dv_log_warn(log_ctx, "masquerade and isolation of networks: %s", fw_err.msg);
    return dv_netns_pool_new(net->config.pool_size, &net->pool, err);
}

int dv_net_open(const struct dv_net_config *config, struct dv_net **ret, struct dv_error *err)
{
    struct dv_net *net = calloc(1, sizeof(*net));
    int r;

    if (!net)
        return dv_fail(err, DV_E_NO_MEMORY, "open networks");
    net->rtnl_fd = net->watch_fd = net->watch_stop_fd = -1;
    dv_lock_init(&net->lock, DV_RANK_STORE);
    dv_lock_init(&net->rtnl_lock, DV_RANK_QUEUE);
    dv_lock_init(&net->firewall_lock, DV_RANK_QUEUE);
    dv_cond_init(&net->changed);
    r = config_copy(config, &net->config, err);
    if (r >= 0)
        r = open_all(net, err);
    if (r < 0) {
        dv_net_close(net);
        return r;
    }
    *ret = net;
    return 0;
}

void dv_net_close(struct dv_net *net)
{
    if (!net)
        return;
    dv_net_watch_stop(net);
    dv_netns_pool_free(net->pool);
    dv_firewall_free(net->firewall);
    dv_close(net->rtnl_fd);
    for (size_t i = 0; i < net->n_endpoints; i++)
        free(net->endpoints[i]);
    free(net->endpoints);
    for (size_t i = 0; i < net->n_networks; i++)
        dv_network_free(net->networks[i]);
    free(net->networks);
    pthread_cond_destroy(&net->changed);
    dv_lock_done(&net->firewall_lock);
    dv_lock_done(&net->rtnl_lock);
    dv_lock_done(&net->lock);
    config_done(&net->config);
    free(net);
}

void dv_net_teardown(struct dv_net *net)
{
    struct dv_error err = { 0 };

    dv_net_watch_stop(net);
    dv_networks_down(net);
    if (net->firewall && dv_firewall_remove(net->firewall, &err) < 0)
        dv_log_warn(log_ctx, "%s", err.msg);
}

int dv_sandbox_get(struct dv_net *net, struct dv_sandbox *ret, struct dv_error *err)
{
    return dv_netns_pool_take(net->pool, ret, err);
}
