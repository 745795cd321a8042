/* davit.c - davit's own endpoints: the drivers of this daemon, and its end. */
#include "core/api/build.h"
#include "core/api/handlers.h"
#include "core/api/request.h"
#include "core/daemon/engine.h"
#include "core/plugin/drivers.h"

static const char *state_name(enum dv_driver_state state)
{
    static const char *const names[] = {
        [DV_DRIVER_ACTIVE] = "active", [DV_DRIVER_REJECTED] = "rejected",
        [DV_DRIVER_FAILED] = "failed", [DV_DRIVER_QUARANTINED] = "quarantined",
    };

    return (size_t)state < N(names) ? names[state] : "unknown";
}

int dv_api_davit_plugins(struct dv_request *req, struct dv_error *err)
{
    struct dv_drivers *drivers = req->engine->drivers;
    json_object *list = json_object_new_array();

    if (!list)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the reply");
    for (size_t i = 0; i < dv_drivers_count(drivers); i++) {
        struct dv_driver_info info = { 0 };
        json_object *obj = json_object_new_object();
        const char *kind;

        dv_drivers_info(drivers, i, &info);
        kind = dv_kind_name(info.kind);
        dv_put_str(obj, "Name", info.name);
        dv_put_str(obj, "Kind", kind ? kind : "unknown");
        dv_put_str(obj, "Version", info.version);
        dv_put_str(obj, "State", state_name(info.state));
        dv_put_str(obj, "Reason", info.reason);
        dv_put_str(obj, "Path", info.path);
        dv_put_time(obj, "Since", info.since_ns);
        json_object_array_add(list, obj);
    }
    dv_reply_json(req, 200, list);
    return 0;
}

/* Containers are stopped unless "containers=0": the daemon alone ends then. */
int dv_api_davit_shutdown(struct dv_request *req, struct dv_error *err)
{
    bool stop_containers = dv_query_bool(req, "containers", true);

    (void)err;
    req->keep_alive = false;
    dv_reply_empty(req, 204);
    dv_engine_stop(req->engine, stop_containers);
    return 0;
}
