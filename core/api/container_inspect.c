/* container_inspect.c - GET /containers/{id}/json, and the parts that lists show too. */
#include <stdio.h>
#include <string.h>

#include "core/api/containers.h"
#include "core/api/handlers.h"
#include "core/api/summaries.h"
#include "core/base/log.h"
#include "core/container/config.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/network/network.h"
#include "core/runtime/cgroup.h"

/* What the request for the container asked of the endpoint; NULL: nothing, or the view has no config. */
static const struct dv_endpoint_wish *wish_of(const struct dv_container_view *view,
                                              const char *network)
{
    for (size_t i = 0; view->config && i < view->config->n_endpoints; i++) {
        const char *name = view->config->endpoints[i].network;

        if (dv_streq(dv_streq(name, "default") ? "bridge" : name, network))
            return &view->config->endpoints[i];
    }
    return NULL;
}

static json_object *ipam_json(const struct dv_endpoint_wish *wish)
{
    json_object *obj;

    if (!wish || dv_empty(wish->ip))
        return NULL;
    obj = json_object_new_object();
    dv_put_str(obj, "IPv4Address", wish->ip);
    return obj;
}

/* The wish until it is granted for the first time; then what the kernel has, while it has it. */
static const char *mac_shown(const struct dv_endpoint_view *e, const struct dv_endpoint_wish *wish,
                             enum dv_status status)
{
    if (dv_status_is_up(status))
        return e->mac;
    return wish && status == DV_CREATED ? wish->mac : "";
}

/* An endpoint keeps its address while the container is down; Docker shows it only while it is up.
 */
static json_object *endpoint_json(const struct dv_endpoint_view *e,
                                  const struct dv_container_view *view, unsigned version)
{
    const struct dv_endpoint_wish *wish = wish_of(view, e->network_name);
    bool up = dv_status_is_up(view->status);
    json_object *obj = json_object_new_object();
    dv_autostrv names = { 0 };
    char short_id[13];

    snprintf(short_id, sizeof(short_id), "%.12s", view->id);
    if (dv_strv_add(&names, view->name) < 0 || dv_strv_add(&names, short_id) < 0)
        dv_strv_done(&names);
    dv_put(obj, "IPAMConfig", ipam_json(wish));
    dv_put(obj, "Links", NULL);
    dv_put(obj, "Aliases", wish && wish->aliases.n ? dv_json_strings(&wish->aliases) : NULL);
    dv_put_str(obj, "MacAddress", mac_shown(e, wish, view->status));
    dv_put(obj, "DriverOpts", NULL);
    if (version >= 48)
        dv_put_int(obj, "GwPriority", 0);
    dv_put_str(obj, "NetworkID", up || view->started_ns ? e->network_id : "");
    dv_put_str(obj, "EndpointID", up ? e->id : "");
    dv_put_str(obj, "Gateway", up ? e->gateway : "");
    dv_put_str(obj, "IPAddress", up ? e->ip : "");
    dv_put_int(obj, "IPPrefixLen", up ? e->prefix_len : 0);
    dv_put_str(obj, "IPv6Gateway", up ? e->gateway6 : "");
    dv_put_str(obj, "GlobalIPv6Address", up ? e->ipv6 : "");
    dv_put_int(obj, "GlobalIPv6PrefixLen", up ? e->prefix_len6 : 0);
    if (version >= 44)
        dv_put(obj, "DNSNames",
               dv_streq(e->network_name, "bridge") ? NULL : dv_json_strings(&names));
    return obj;
}

/* On "host" and "none" there is no endpoint; Docker shows one without an address. */
static void put_shared(struct dv_engine *engine, const struct dv_container_view *view,
                       unsigned version, json_object *map)
{
    const char *mode = view->config ? view->config->network_mode : NULL;
    struct dv_endpoint_view none = { .id = "" };
    struct dv_net_view net;
    struct dv_error ignored = { 0 };

    if (dv_empty(mode) || (!dv_streq(mode, "host") && !dv_streq(mode, "none")) ||
        dv_net_find(engine->net, mode, &net, &ignored) < 0)
        return;
    memcpy(none.network_id, net.id, sizeof(none.network_id));
    dv_put(map, mode, endpoint_json(&none, view, version));
}

json_object *dv_networks_json(struct dv_engine *engine, const struct dv_container_view *view,
                              unsigned version)
{
    json_object *map = json_object_new_object();
    struct dv_endpoint_view *list = NULL;
    size_t n = dv_endpoint_list(engine->net, view->id, &list);

    for (size_t i = 0; i < n; i++)
        dv_put(map, list[i].network_name, endpoint_json(&list[i], view, version));
    free(list);
    put_shared(engine, view, version, map);
    return map;
}

/* HostConfig.Tmpfs is not listed among the mounts; HostConfig.Mounts of type tmpfs are. */
static bool is_plain_tmpfs(const struct dv_container_view *view, const char *target)
{
    json_object *tmpfs = NULL, *found = NULL;

    return json_object_object_get_ex(view->host_config_json, "Tmpfs", &tmpfs) &&
           json_object_is_type(tmpfs, json_type_object) &&
           json_object_object_get_ex(tmpfs, target, &found);
}

static json_object *mount_json(const struct dv_mount_point *m)
{
    json_object *obj = json_object_new_object();
    bool bind = dv_streq(m->type, "bind"), volume = dv_streq(m->type, "volume");

    dv_put_str(obj, "Type", m->type);
    if (volume)
        dv_put_str(obj, "Name", m->name);
    dv_put_str(obj, "Source", bind || volume ? m->source : "");
    dv_put_str(obj, "Destination", m->target);
    if (volume)
        dv_put_str(obj, "Driver", m->driver);
    dv_put_str(obj, "Mode", m->mode);
    dv_put_bool(obj, "RW", !m->read_only);
    dv_put_str(obj, "Propagation", !bind ? "" : dv_empty(m->propagation) ? "rprivate"
                                                                         : m->propagation);
    return obj;
}

json_object *dv_mounts_json(const struct dv_container_view *view)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; view->config && i < view->config->n_mounts; i++) {
        const struct dv_mount_point *m = &view->config->mounts[i];

        if (!dv_streq(m->type, "tmpfs") || !is_plain_tmpfs(view, m->target))
            json_object_array_add(list, mount_json(m));
    }
    return list;
}

static json_object *state_json(const struct dv_container_view *v)
{
    json_object *obj = json_object_new_object();

    dv_put_str(obj, "Status", dv_status_name(v->status));
    dv_put_bool(obj, "Running", dv_status_is_up(v->status));
    dv_put_bool(obj, "Paused", v->status == DV_PAUSED);
    dv_put_bool(obj, "Restarting", v->status == DV_RESTARTING);
    dv_put_bool(obj, "OOMKilled", v->oom_killed);
    dv_put_bool(obj, "Dead", v->status == DV_DEAD);
    dv_put_int(obj, "Pid", v->pid);
    dv_put_int(obj, "ExitCode", v->exit_code);
    dv_put_str(obj, "Error", v->error);
    dv_put_time(obj, "StartedAt", v->started_ns);
    dv_put_time(obj, "FinishedAt", v->finished_ns);
    return obj;
}

static json_object *driver_json(const struct dv_container_view *v, struct dv_engine *engine)
{
    dv_autostrv keys = { 0 }, values = { 0 };
    struct dv_error err = { 0 };

    if (dv_workspace_paths(engine->images, v->storage_driver, v->id, &keys, &values, &err) < 0)
        dv_log_warn(NULL, "inspect container %s: %s", v->id, err.msg);
    return dv_json_graph_driver(v->storage_driver, &keys, &values);
}

static json_object *config_json(struct dv_container_view *v)
{
    json_object *config = dv_take(v->config_json), *value = NULL;
    char short_id[13];

    if (config && json_object_object_get_ex(config, "Hostname", &value) &&
        json_object_get_string_len(value) == 0) {
        snprintf(short_id, sizeof(short_id), "%.12s", v->id);
        dv_put_str(config, "Hostname", short_id);
    }
    return config;
}

static json_object *host_config_json(struct dv_container_view *v, struct dv_engine *engine,
                                     unsigned version)
{
    static const char *const kernel_limits[] = { "KernelMemory", "KernelMemoryTCP" };
    json_object *host = dv_take(v->host_config_json), *value = NULL;

    if (host && json_object_object_get_ex(host, "CgroupnsMode", &value) &&
        json_object_get_string_len(value) == 0)
        dv_put_str(host, "CgroupnsMode",
                   dv_cgroups_mode(engine->cgroups) == DV_CGROUP_V2 ? "private" : "host");
    for (size_t i = 0; host && version < 42 && i < N(kernel_limits); i++)
        if (!json_object_object_get_ex(host, kernel_limits[i], NULL))
            dv_put_int(host, kernel_limits[i], 0);
    return host;
}

/* Fields of the default network's endpoint at the top, for clients from before networks. */
static json_object *network_settings_json(struct dv_engine *engine,
                                          const struct dv_container_view *v, unsigned version)
{
    static const char *const copied[] = { "EndpointID", "Gateway", "GlobalIPv6Address",
                                          "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen",
                                          "IPv6Gateway", "MacAddress" };
    json_object *obj = json_object_new_object(), *networks = dv_networks_json(engine, v, version);
    json_object *bridge = NULL, *value = NULL;

    dv_put_str(obj, "Bridge", "");
    dv_put_str(obj, "SandboxID", "");
    dv_put_str(obj, "SandboxKey", "");
    dv_put(obj, "Ports", json_object_new_object());
    dv_put_bool(obj, "HairpinMode", false);
    dv_put_str(obj, "LinkLocalIPv6Address", "");
    dv_put_int(obj, "LinkLocalIPv6PrefixLen", 0);
    dv_put(obj, "SecondaryIPAddresses", NULL);
    dv_put(obj, "SecondaryIPv6Addresses", NULL);
    json_object_object_get_ex(networks, "bridge", &bridge);
    for (size_t i = 0; i < N(copied); i++) {
        bool number = dv_streq(copied[i] + strlen(copied[i]) - 3, "Len");

        if (bridge && json_object_object_get_ex(bridge, copied[i], &value))
            dv_put(obj, copied[i], json_object_get(value));
        else if (number)
            dv_put_int(obj, copied[i], 0);
        else
            dv_put_str(obj, copied[i], "");
    }
    dv_put(obj, "Networks", networks);
    return obj;
}

/* Docker makes a container's files at its first start. */
static void put_path(json_object *obj, const char *key, const char *path,
                     const struct dv_container_view *v)
{
    dv_put_str(obj, key, v->started_ns ? path : "");
}

static json_object *inspect_json(struct dv_container_view *v, struct dv_engine *engine,
                                 unsigned version, bool sizes)
{
    json_object *obj = json_object_new_object();
    dv_autofree char *name = dv_format("/%s", v->name);

    dv_put_str(obj, "Id", v->id);
    dv_put_time(obj, "Created", v->created_ns);
    dv_put_str(obj, "Path", v->path);
    dv_put(obj, "Args", dv_json_strings(&v->args));
    dv_put(obj, "State", state_json(v));
    dv_put_str(obj, "Image", v->image_id);
    put_path(obj, "ResolvConfPath", v->resolv_conf_path, v);
    put_path(obj, "HostnamePath", v->hostname_path, v);
    put_path(obj, "HostsPath", v->hosts_path, v);
    put_path(obj, "LogPath", v->log_path, v);
    dv_put_str(obj, "Name", name);
    dv_put_int(obj, "RestartCount", v->restart_count);
    dv_put_str(obj, "Driver", v->storage_driver);
    dv_put_str(obj, "Platform", v->platform);
    dv_put_str(obj, "MountLabel", "");
    dv_put_str(obj, "ProcessLabel", "");
    dv_put_str(obj, "AppArmorProfile", "");
    dv_put(obj, "ExecIDs", dv_json_strings_or_null(&v->exec_ids));
    dv_put(obj, "Mounts", dv_mounts_json(v)); /* looks at HostConfig, so before it is given away */
    dv_put(obj, "HostConfig", host_config_json(v, engine, version));
    dv_put(obj, "GraphDriver", driver_json(v, engine));
    if (sizes)
        dv_put_sizes(obj, engine, v, /* always */ true);
    dv_put(obj, "Config", config_json(v));
    dv_put(obj, "NetworkSettings", network_settings_json(engine, v, version));
    return obj;
}

int dv_api_container_inspect(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    dv_autoview view = { 0 };
    int r = dv_request_container(req, &c, err);

    if (r == 0)
        r = dv_container_look_whole(c, &view, err);
    if (r == 0)
        dv_reply_json(req, 200, inspect_json(&view, req->engine, req->version,
                                             dv_query_bool(req, "size", false)));
    return r;
}
