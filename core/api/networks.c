/* networks.c - networks: list, inspect and prune. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/containers.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/container/events.h"
#include "core/daemon/engine.h"
#include "core/network/network.h"

static const char *const filter_keys[] = { "dangling", "driver", "id", "label", "name", "scope",
                                           "type", NULL };

static json_object *ipam_json(const struct dv_net_view *v)
{
    json_object *ipam = json_object_new_object(), *list = json_object_new_array();

    if (v->subnet[0]) {
        json_object *range = json_object_new_object();

        dv_put_str(range, "Subnet", v->subnet);
        if (v->gateway[0])
            dv_put_str(range, "Gateway", v->gateway);
        json_object_array_add(list, range);
    }
    dv_put_str(ipam, "Driver", "default");
    dv_put(ipam, "Options", NULL);
    dv_put(ipam, "Config", list);
    return ipam;
}

/* What dockerd shows of the default bridge, and tools read: true of davit's, too. */
static json_object *options_json(const struct dv_net_view *v, const struct dv_engine *engine)
{
    static const char *const pairs[][2] = {
        { "com.docker.network.bridge.default_bridge", "true" },
        { "com.docker.network.bridge.enable_icc", "true" },
        { "com.docker.network.bridge.enable_ip_masquerade", "true" },
        { "com.docker.network.bridge.host_binding_ipv4", "0.0.0.0" },
        { "com.docker.network.driver.mtu", "1500" },
    };
    json_object *options = json_object_new_object();

    for (size_t i = 0; v->is_default && i < N(pairs); i++)
        dv_put_str(options, pairs[i][0], pairs[i][1]);
    if (v->is_default)
        dv_put_str(options, "com.docker.network.bridge.name", engine->config.bridge_name);
    return options;
}

static json_object *network_json(const struct dv_net_view *v, const struct dv_request *req,
                                 json_object *take_containers)
{
    json_object *obj = json_object_new_object(), *from = json_object_new_object();

    dv_put_str(from, "Network", "");
    dv_put_str(obj, "Name", v->name);
    dv_put_str(obj, "Id", v->id);
    dv_put_time(obj, "Created", v->created_ns);
    dv_put_str(obj, "Scope", v->scope);
    dv_put_str(obj, "Driver", dv_net_shown_driver(v->driver));
    if (req->version >= 48)
        dv_put_bool(obj, "EnableIPv4", true);
    dv_put_bool(obj, "EnableIPv6", false);
    dv_put(obj, "IPAM", ipam_json(v));
    dv_put_bool(obj, "Internal", v->internal);
    dv_put_bool(obj, "Attachable", false);
    dv_put_bool(obj, "Ingress", false);
    dv_put(obj, "ConfigFrom", from);
    dv_put_bool(obj, "ConfigOnly", false);
    dv_put(obj, "Containers", take_containers);
    dv_put(obj, "Options", options_json(v, req->engine));
    dv_put(obj, "Labels", json_object_new_object());
    return obj;
}

static bool is_builtin(const struct dv_net_view *v)
{
    return v->is_default || dv_streq(v->name, "bridge") || dv_streq(v->name, "host") ||
           dv_streq(v->name, "none");
}

static bool passes(const struct dv_filters *f, const struct dv_net_view *v, int dangling)
{
    static const struct dv_strv no_labels = { 0 };

    return dv_filter_exact(f, "driver", dv_net_shown_driver(v->driver)) && dv_filter_prefix(f, "id", v->id) &&
           dv_filter_name(f, "name", v->name) && dv_filter_exact(f, "scope", v->scope) &&
           dv_filter_exact(f, "type", is_builtin(v) ? "builtin" : "custom") &&
           dv_filter_labels(f, &no_labels, &no_labels) &&
           (dangling < 0 || dangling == (v->n_endpoints == 0 && !is_builtin(v)));
}

static int check_type(const struct dv_filters *f, struct dv_error *err)
{
    const struct dv_strv *types = dv_filters_get(f, "type");

    for (size_t i = 0; types && i < types->n; i++)
        if (!dv_streq(types->items[i], "builtin") && !dv_streq(types->items[i], "custom"))
            return dv_fail(err, DV_E_INVALID, "invalid filter: 'type'='%s'", types->items[i]);
    return 0;
}

int dv_api_network_list(struct dv_request *req, struct dv_error *err)
{
    dv_autofilters f = { .n = 0 };
    struct dv_net_view *list = NULL;
    bool dangling = false;
    json_object *reply;
    size_t n;
    int r = dv_filters_parse(dv_query(req, "filters"), filter_keys, &f, err);

    if (r == 0)
        r = check_type(&f, err);
    if (r == 0)
        r = dv_filter_bool(&f, "dangling", &dangling, err);
    if (r < 0)
        return r;
    n = dv_net_list(req->engine->net, &list);
    reply = json_object_new_array();
    for (size_t i = 0; i < n; i++)
        if (passes(&f, &list[i], r > 0 ? dangling : -1))
            json_object_array_add(reply, network_json(&list[i], req, json_object_new_object()));
    free(list);
    dv_reply_json(req, 200, reply);
    return 0;
}

static void put_endpoint(json_object *map, const struct dv_endpoint_view *e,
                         const struct dv_container_view *v)
{
    json_object *obj = json_object_new_object();
    char ip[64] = "", ip6[64] = "";

    if (e->ip[0])
        snprintf(ip, sizeof(ip), "%s/%u", e->ip, e->prefix_len);
    if (e->ipv6[0])
        snprintf(ip6, sizeof(ip6), "%s/%u", e->ipv6, e->prefix_len6);
    dv_put_str(obj, "Name", v->name);
    dv_put_str(obj, "EndpointID", e->id);
    dv_put_str(obj, "MacAddress", e->mac);
    dv_put_str(obj, "IPv4Address", ip);
    dv_put_str(obj, "IPv6Address", ip6);
    dv_put(map, v->id, obj);
}

/* Containers that run in the network. */
static json_object *containers_json(struct dv_engine *engine, const char *network_id)
{
    json_object *map = json_object_new_object();
    struct dv_container **list = NULL;
    size_t n = dv_container_list(engine->containers, &list);

    for (size_t i = 0; i < n; i++) {
        dv_autoview view = { 0 };
        struct dv_endpoint_view *endpoints = NULL;
        struct dv_error gone = { 0 };
        size_t n_endpoints = 0;

        if (dv_container_look(list[i], &view, &gone) == 0 && dv_status_is_up(view.status))
            n_endpoints = dv_endpoint_list(engine->net, view.id, &endpoints);
        for (size_t k = 0; k < n_endpoints; k++)
            if (dv_streq(endpoints[k].network_id, network_id))
                put_endpoint(map, &endpoints[k], &view);
        free(endpoints);
        dv_container_unref(list[i]);
    }
    free(list);
    return map;
}

int dv_api_network_inspect(struct dv_request *req, struct dv_error *err)
{
    struct dv_net_view view = { 0 };
    const char *scope = dv_query(req, "scope");
    int r = dv_net_find(req->engine->net, req->params[0], &view, err);

    if (r == 0 && !dv_empty(scope) && !dv_streq(scope, view.scope))
        r = dv_fail(err, DV_E_NOT_FOUND, "network %s not found", req->params[0]);
    if (r == 0)
        dv_reply_json(req, 200, network_json(&view, req, containers_json(req->engine, view.id)));
    return r;
}

/* The built-in networks stay, and as long as none can be created there are no others: what a prune
 * checks and tells is all that it has to do. `docker system prune` goes through here. */
int dv_api_network_prune(struct dv_request *req, struct dv_error *err)
{
    static const char *const keys[] = { "label", "label!", "until", NULL };
    dv_autofilters f = { .n = 0 };
    uint64_t until_ns;
    json_object *obj;
    int r = dv_filters_parse_prune(dv_query(req, "filters"), keys, &f, &until_ns, err);

    if (r < 0)
        return r;
    dv_events_emit(req->engine->events, "network", "prune", "",
                   (const char *const[]){ "reclaimed", "0", NULL });
    obj = json_object_new_object();
    dv_put(obj, "NetworksDeleted", NULL);
    dv_reply_json(req, 200, obj);
    return 0;
}
