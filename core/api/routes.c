/* routes.c - the one table of URLs: Engine API 1.51, and davit's own. */
#include "core/api/routes.h"

#include <stdio.h>
#include <string.h>

#include "core/api/handlers.h"
#include "core/api/messages.h"
#include "core/api/request.h"
#include "core/base/parse.h"
#include "core/base/str.h"

/* Within a group, fixed paths stand before those that a {...} could swallow. */
const struct dv_api_route dv_routes[] = {
    /* system: ping, version, events */
    { "GET", "/_ping", dv_api_ping, 0, 0 },
    { "HEAD", "/_ping", dv_api_ping, 0, 0 },
    { "POST", "/auth", NULL, 0, 0 },
    { "GET", "/events", dv_api_events, 0, 0 },
    { "GET", "/info", dv_api_info, 0, 0 },
    { "GET", "/system/df", dv_api_system_df, 0, 0 },
    { "GET", "/version", dv_api_version, 0, 0 },
    /* checkpoint: before containers, whose {id} would take it */
    { "GET", "/containers/{name}/checkpoints", NULL, 0, 0 },
    { "POST", "/containers/{name}/checkpoints", NULL, 0, 0 },
    { "DELETE", "/containers/{name}/checkpoints/{checkpoint}", NULL, 0, 0 },
    /* container */
    { "POST", "/containers/create", dv_api_container_create, 0, DV_ROUTE_SLOW },
    { "GET", "/containers/json", dv_api_container_list, 0, 0 },
    { "POST", "/containers/prune", dv_api_container_prune, 0, DV_ROUTE_SLOW },
    { "GET", "/containers/{id}/archive", NULL, 0, 0 },
    { "HEAD", "/containers/{id}/archive", NULL, 0, 0 },
    { "PUT", "/containers/{id}/archive", NULL, 0, 0 },
    { "POST", "/containers/{id}/attach", dv_api_container_attach, 0, 0 },
    { "GET", "/containers/{id}/attach/ws", NULL, 0, 0 },
    { "GET", "/containers/{id}/changes", NULL, 0, 0 },
    { "GET", "/containers/{id}/export", NULL, 0, 0 },
    { "GET", "/containers/{id}/json", dv_api_container_inspect, 0, 0 },
    { "POST", "/containers/{id}/kill", dv_api_container_kill, 0, DV_ROUTE_PATIENT },
    { "GET", "/containers/{id}/logs", dv_api_container_logs, 0, 0 },
    { "POST", "/containers/{id}/pause", dv_api_container_pause, 0, 0 },
    { "POST", "/containers/{id}/rename", dv_api_container_rename, 0, 0 },
    { "POST", "/containers/{id}/resize", dv_api_container_resize, 0, 0 },
    { "POST", "/containers/{id}/restart", dv_api_container_restart, 0, DV_ROUTE_PATIENT },
    { "POST", "/containers/{id}/start", dv_api_container_start, 0, 0 },
    { "GET", "/containers/{id}/stats", NULL, 0, 0 },
    { "POST", "/containers/{id}/stop", dv_api_container_stop, 0, DV_ROUTE_PATIENT },
    { "GET", "/containers/{id}/top", dv_api_container_top, 0, 0 },
    { "POST", "/containers/{id}/unpause", dv_api_container_unpause, 0, 0 },
    { "POST", "/containers/{id}/update", dv_api_container_update, 0, 0 },
    { "POST", "/containers/{id}/wait", dv_api_container_wait, 0, 0 },
    { "DELETE", "/containers/{id}", dv_api_container_remove, 0, DV_ROUTE_SLOW },
    /* exec */
    { "POST", "/containers/{id}/exec", dv_api_exec_create, 0, 0 },
    { "GET", "/exec/{id}/json", dv_api_exec_inspect, 0, 0 },
    { "POST", "/exec/{id}/resize", dv_api_exec_resize, 0, 0 },
    { "POST", "/exec/{id}/start", dv_api_exec_start, 0, 0 },
    /* image */
    { "POST", "/build", NULL, 0, 0 },
    { "POST", "/build/cancel", NULL, 0, 0 },
    { "POST", "/build/prune", dv_api_build_prune, 0, 0 },
    { "POST", "/commit", NULL, 0, 0 },
    { "POST", "/images/create", dv_api_image_create, 0, DV_ROUTE_UPLOAD },
    { "GET", "/images/get", dv_api_images_get, 0, 0 },
    { "GET", "/images/json", dv_api_image_list, 0, 0 },
    { "POST", "/images/load", dv_api_image_load, 0, DV_ROUTE_UPLOAD },
    { "POST", "/images/prune", dv_api_image_prune, 0, DV_ROUTE_SLOW },
    { "GET", "/images/search", NULL, 0, 0 },
    { "GET", "/images/{name}/get", dv_api_image_get, 0, 0 },
    { "GET", "/images/{name}/history", dv_api_image_history, 0, 0 },
    { "GET", "/images/{name}/json", dv_api_image_inspect, 0, 0 },
    { "POST", "/images/{name}/push", NULL, 0, 0 },
    { "POST", "/images/{name}/tag", dv_api_image_tag, 0, 0 },
    { "DELETE", "/images/{name}", dv_api_image_remove, 0, DV_ROUTE_SLOW },
    /* network */
    { "GET", "/networks", dv_api_network_list, 0, 0 },
    { "POST", "/networks/create", NULL, 0, 0 },
    { "POST", "/networks/prune", dv_api_network_prune, 0, 0 },
    { "POST", "/networks/{id}/connect", NULL, 0, 0 },
    { "POST", "/networks/{id}/disconnect", NULL, 0, 0 },
    { "DELETE", "/networks/{id}", NULL, 0, 0 },
    { "GET", "/networks/{id}", dv_api_network_inspect, 0, 0 },
    /* volume */
    { "GET", "/volumes", dv_api_volume_list, 0, 0 },
    { "POST", "/volumes/create", dv_api_volume_create, 0, 0 },
    { "POST", "/volumes/prune", dv_api_volume_prune, 0, DV_ROUTE_SLOW },
    { "DELETE", "/volumes/{name}", dv_api_volume_remove, 0, 0 },
    { "GET", "/volumes/{name}", dv_api_volume_inspect, 0, 0 },
    { "PUT", "/volumes/{name}", NULL, 42, 0 },
    /* swarm */
    { "GET", "/swarm", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/swarm/init", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/swarm/join", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/swarm/leave", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/swarm/unlock", NULL, 0, DV_ROUTE_SWARM },
    { "GET", "/swarm/unlockkey", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/swarm/update", NULL, 0, DV_ROUTE_SWARM },
    /* node */
    { "GET", "/nodes", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/nodes/{id}/update", NULL, 0, DV_ROUTE_SWARM },
    { "DELETE", "/nodes/{id}", NULL, 0, DV_ROUTE_SWARM },
    { "GET", "/nodes/{id}", NULL, 0, DV_ROUTE_SWARM },
    /* service */
    { "GET", "/services", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/services/create", NULL, 0, DV_ROUTE_SWARM },
    { "GET", "/services/{id}/logs", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/services/{id}/update", NULL, 0, DV_ROUTE_SWARM },
    { "DELETE", "/services/{id}", NULL, 0, DV_ROUTE_SWARM },
    { "GET", "/services/{id}", NULL, 0, DV_ROUTE_SWARM },
    /* task */
    { "GET", "/tasks", NULL, 0, DV_ROUTE_SWARM },
    { "GET", "/tasks/{id}/logs", NULL, 0, DV_ROUTE_SWARM },
    { "GET", "/tasks/{id}", NULL, 0, DV_ROUTE_SWARM },
    /* secret */
    { "GET", "/secrets", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/secrets/create", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/secrets/{id}/update", NULL, 0, DV_ROUTE_SWARM },
    { "DELETE", "/secrets/{id}", NULL, 0, DV_ROUTE_SWARM },
    { "GET", "/secrets/{id}", NULL, 0, DV_ROUTE_SWARM },
    /* config */
    { "GET", "/configs", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/configs/create", NULL, 0, DV_ROUTE_SWARM },
    { "POST", "/configs/{id}/update", NULL, 0, DV_ROUTE_SWARM },
    { "DELETE", "/configs/{id}", NULL, 0, DV_ROUTE_SWARM },
    { "GET", "/configs/{id}", NULL, 0, DV_ROUTE_SWARM },
    /* plugin */
    { "GET", "/plugins", NULL, 0, 0 },
    { "POST", "/plugins/create", NULL, 0, 0 },
    { "GET", "/plugins/privileges", NULL, 0, 0 },
    { "POST", "/plugins/pull", NULL, 0, 0 },
    { "POST", "/plugins/{name}/disable", NULL, 0, 0 },
    { "POST", "/plugins/{name}/enable", NULL, 0, 0 },
    { "GET", "/plugins/{name}/json", NULL, 0, 0 },
    { "POST", "/plugins/{name}/push", NULL, 0, 0 },
    { "POST", "/plugins/{name}/set", NULL, 0, 0 },
    { "POST", "/plugins/{name}/upgrade", NULL, 0, 0 },
    { "DELETE", "/plugins/{name}", NULL, 0, 0 },
    /* distribution */
    { "GET", "/distribution/{name}/json", NULL, 0, 0 },
    /* session */
    { "POST", "/grpc", NULL, 0, 0 },
    { "POST", "/session", NULL, 0, 0 },
    { "OPTIONS", "/{anyroute}", dv_api_options, 0, 0 },
    /* davit's own */
    { "GET", "/davit/plugins", dv_api_davit_plugins, 0, 0 },
    { "POST", "/davit/plugins/{name}/retry", dv_api_davit_plugin_retry, 0, DV_ROUTE_SLOW },
    { "GET", "/davit/plugins/{name}", dv_api_davit_plugin, 0, 0 },
    { "POST", "/davit/shutdown", dv_api_davit_shutdown, 0, 0 },
};
const size_t dv_routes_n = N(dv_routes);

/* The longest text for each {...} first, as Docker's own patterns ({name:.*}) do. */
static bool match(const char *pattern, const char *path, struct dv_route_param *params)
{
    const char *rest;
    size_t n;

    while (*pattern && *pattern != '{') {
        if (*pattern++ != *path++)
            return false;
    }
    if (!*pattern)
        return !*path;
    rest = strchr(pattern, '}') + 1;
    for (n = strlen(path); n > 0; n--)
        if (match(rest, path + n, params + 1)) {
            *params = (struct dv_route_param){ path, n };
            return true;
        }
    return false;
}

const struct dv_api_route *dv_route_find(const char *method, const char *path,
                                     struct dv_route_param params[2])
{
    struct dv_route_param scratch[3] = { { 0 } };

    for (size_t i = 0; i < dv_routes_n; i++) {
        if (!dv_streq(dv_routes[i].method, method) ||
            !match(dv_routes[i].pattern, path, scratch))
            continue;
        if (params)
            memcpy(params, scratch, 2 * sizeof(*params));
        return &dv_routes[i];
    }
    return NULL;
}

enum dv_pool_class dv_route_class(const struct dv_api_route *route)
{
    unsigned flags = route ? route->flags : 0;

    return flags & DV_ROUTE_UPLOAD    ? DV_POOL_UPLOAD
           : flags & DV_ROUTE_PATIENT ? DV_POOL_PATIENT
           : flags & DV_ROUTE_SLOW    ? DV_POOL_SLOW
                                      : DV_POOL_FAST;
}

const char *dv_route_version(const char *path, char ret_version[16])
{
    size_t n;

    ret_version[0] = '\0';
    if (path[0] != '/' || path[1] != 'v')
        return path;
    n = strspn(path + 2, "0123456789.");
    if (n == 0 || n > 15 || path[2 + n] != '/')
        return path;
    memcpy(ret_version, path + 2, n);
    ret_version[n] = '\0';
    return path + 2 + n;
}

/* Compared number by number, as Docker compares them: "1.9" is older than "1.24". */
static bool parse_version(const char *text, uint64_t *major, uint64_t *minor)
{
    dv_autostrv parts = { 0 };

    *minor = 0;
    if (dv_strv_split(&parts, text, '.') < 0 || parts.n == 0 || parts.n > 3)
        return false;
    return dv_parse_u64(parts.items[0], 0, 9999, major) == 0 &&
           (parts.n < 2 || dv_parse_u64(parts.items[1], 0, 9999, minor) == 0);
}

int dv_route_version_check(const char *version, unsigned *ret_minor, struct dv_error *err)
{
    uint64_t major = 0, minor = 0;

    if (!*version) {
        *ret_minor = DV_API_MAX;
        return 0;
    }
    if (!parse_version(version, &major, &minor))
        return dv_fail(err, DV_E_INVALID, "invalid API version '%s'", version);
    if (major > DV_API_MAJOR || (major == DV_API_MAJOR && minor > DV_API_MAX))
        return dv_fail(err, DV_E_INVALID, DV_MSG_TOO_NEW, version, DV_API_MAJOR, DV_API_MAX);
    if (major < DV_API_MAJOR || minor < DV_API_MIN)
        return dv_fail(err, DV_E_INVALID, DV_MSG_TOO_OLD, version, DV_API_MAJOR, DV_API_MIN);
    *ret_minor = (unsigned)minor;
    return 0;
}
