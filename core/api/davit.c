/* davit.c - davit's own endpoints: the drivers of this daemon, and its end. */
#include <stdio.h>

#include "core/api/build.h"
#include "core/api/handlers.h"
#include "core/api/request.h"
#include "core/daemon/engine.h"
#include "core/plugin/drivers.h"
#include "core/plugin/probe.h"

static json_object *driver_json(const struct dv_driver_info *info)
{
    json_object *obj = json_object_new_object();
    const char *kind = dv_kind_name(info->kind);

    dv_put_str(obj, "Name", info->name);
    dv_put_str(obj, "Kind", kind ? kind : "unknown");
    dv_put_str(obj, "Version", info->version);
    dv_put_str(obj, "State", dv_driver_state_name(info->state));
    dv_put_str(obj, "Reason", info->reason);
    dv_put_str(obj, "Path", info->path);
    dv_put_time(obj, "Since", info->since_ns);
    return obj;
}

static json_object *options_json(const struct dv_plugin *p)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; p && i < p->n_options; i++) {
        const struct dv_option *o = (const void *)((const char *)p->options + i * p->option_stride);
        json_object *row = json_object_new_object();

        dv_put_str(row, "Name", o->name);
        dv_put_str(row, "Type", o->type);
        dv_put(row, "Default", o->fallback ? json_object_new_string(o->fallback) : NULL);
        dv_put_str(row, "Help", o->help);
        json_object_array_add(list, row);
    }
    return list;
}

int dv_api_davit_plugins(struct dv_request *req, struct dv_error *err)
{
    struct dv_drivers *drivers = req->engine->drivers;
    json_object *list = json_object_new_array();

    if (!list)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the reply");
    for (size_t i = 0; i < dv_drivers_count(drivers); i++) {
        struct dv_driver_info info = { 0 };

        dv_drivers_info(drivers, i, &info);
        json_object_array_add(list, driver_json(&info));
    }
    dv_reply_json(req, 200, list);
    return 0;
}

/* All about one: what ls shows, its description while it is loaded, its calls. */
static void reply_driver(struct dv_request *req, size_t i)
{
    struct dv_driver_info info = { 0 };
    const struct dv_plugin *p;
    json_object *obj;
    char abi[24] = "";

    dv_drivers_info(req->engine->drivers, i, &info);
    p = info.plugin;
    obj = driver_json(&info);
    if (p)
        snprintf(abi, sizeof(abi), "%u.%u", p->abi_major, p->abi_minor);
    dv_put_str(obj, "Complaint", info.complaint);
    dv_put_str(obj, "ABI", abi);
    dv_put_str(obj, "Vendor", p ? p->vendor : "");
    dv_put_str(obj, "License", p ? p->license : "");
    dv_put_str(obj, "URL", p ? p->url : "");
    dv_put(obj, "Capabilities", dv_caps_names(info.kind, info.caps));
    dv_put(obj, "Options", options_json(p));
    dv_put_int(obj, "Calls", (int64_t)info.calls);
    dv_put_int(obj, "CallsUnderWay", info.under_way);
    dv_reply_json(req, 200, obj);
}

int dv_api_davit_plugin(struct dv_request *req, struct dv_error *err)
{
    size_t i = 0;
    int r = dv_drivers_find(req->engine->drivers, req->params[0], &i, err);

    if (r == 0)
        reply_driver(req, i);
    return r;
}

int dv_api_davit_plugin_retry(struct dv_request *req, struct dv_error *err)
{
    struct dv_drivers *drivers = req->engine->drivers;
    size_t i = 0;
    int r = dv_drivers_find(drivers, req->params[0], &i, err);

    if (r == 0)
        r = dv_drivers_retry(drivers, req->params[0], dv_engine_adopt, req->engine, err);
    if (r == 0)
        reply_driver(req, i);
    return r;
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
