/* container_more.c - handlers beside a container's life: top, update, prune. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/containers.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/container/config.h"
#include "core/container/events.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"

int dv_api_container_top(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    const char *args = dv_query(req, "ps_args");
    json_object *obj, *rows;
    struct dv_top top;
    int r = dv_request_container(req, &c, err);

    if (r == 0)
        r = dv_container_top(c, args ? args : "", &top, err);
    if (r < 0)
        return r;
    obj = json_object_new_object();
    rows = json_object_new_array();
    for (size_t i = 0; i < top.n; i++)
        json_object_array_add(rows, dv_json_strings(&top.rows[i]));
    dv_put(obj, "Titles", dv_json_strings(&top.titles));
    dv_put(obj, "Processes", rows);
    dv_top_done(&top);
    dv_reply_json(req, 200, obj);
    return 0;
}

int dv_api_container_update(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    dv_autojson json_object *body = NULL;
    dv_autostrv warnings = { 0 };
    json_object *obj;
    int r = dv_request_container(req, &c, err);

    if (r == 0)
        r = dv_request_json(req, /* may be empty */ false, &body, err);
    if (r == 0 && !json_object_is_type(body, json_type_object))
        r = dv_fail(err, DV_E_INVALID, "an update's body must be a JSON object");
    if (r == 0)
        r = dv_container_update(c, body, &warnings, err);
    if (r < 0)
        return r;
    obj = json_object_new_object();
    dv_put(obj, "Warnings", dv_json_strings_or_null(&warnings));
    dv_reply_json(req, 200, obj);
    return 0;
}

static bool is_pruned(const struct dv_container_view *v, const struct dv_filters *f,
                      uint64_t until_ns)
{
    return !dv_status_is_up(v->status) && v->status != DV_REMOVING && v->created_ns < until_ns &&
           dv_filter_labels(f, &v->config->labels.keys, &v->config->labels.values) &&
           dv_filter_without_labels(f, &v->config->labels.keys, &v->config->labels.values);
}

struct pruned {
    json_object *ids;
    uint64_t bytes;
};

/* One that was started or removed meanwhile is left alone: the removal is not forced. */
static void prune_one(struct dv_engine *engine, struct dv_container *c,
                      const struct dv_filters *f, uint64_t until_ns, struct pruned *pruned)
{
    dv_autoview view = { 0 };
    struct dv_error err = { 0 };
    uint64_t size = 0;

    if (dv_container_look(c, &view, &err) < 0 || !is_pruned(&view, f, until_ns))
        return;
    if (dv_workspace_size(engine->images, view.storage_driver, view.id, &size, &err) < 0)
        dv_error_clear(&err); /* it goes all the same */
    if (dv_container_remove(c, /* force */ false, /* volumes */ false, &err) < 0)
        return;
    json_object_array_add(pruned->ids, json_object_new_string(view.id));
    pruned->bytes += size;
}

int dv_api_container_prune(struct dv_request *req, struct dv_error *err)
{
    static const char *const keys[] = { "label", "label!", "until", NULL };
    dv_autofilters f = { .n = 0 };
    struct dv_container **list = NULL;
    struct pruned pruned = { 0 };
    json_object *obj;
    uint64_t until_ns = 0;
    char text[24];
    size_t n;
    int r = dv_filters_parse_prune(dv_query(req, "filters"), keys, &f, &until_ns, err);

    if (r < 0)
        return r;
    pruned.ids = json_object_new_array();
    if (!pruned.ids)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to prune");
    n = dv_container_list(req->engine->containers, &list);
    for (size_t i = 0; i < n; i++) {
        prune_one(req->engine, list[i], &f, until_ns, &pruned);
        dv_container_unref(list[i]);
    }
    free(list);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)pruned.bytes);
    dv_events_emit(req->engine->events, "container", "prune", "",
                   (const char *const[]){ "reclaimed", text, NULL });
    obj = json_object_new_object();
    dv_put_list(obj, "ContainersDeleted", pruned.ids);
    dv_put_int(obj, "SpaceReclaimed", (int64_t)pruned.bytes);
    dv_reply_json(req, 200, obj);
    return 0;
}
