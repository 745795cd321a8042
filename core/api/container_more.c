/* container_more.c - handlers beside a container's life: top, update, prune. */
#include <stdlib.h>
#include <string.h>

#include "core/api/containers.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/container/config.h"
#include "core/container/events.h"
#include "core/daemon/engine.h"

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

/* None of "label!"'s values may fit. */
static bool passes_without(const struct dv_filters *f, const struct dv_json_map *labels)
{
    const struct dv_strv *unwanted = dv_filters_get(f, "label!");

    for (size_t i = 0; unwanted && i < unwanted->n; i++) {
        char *items[] = { unwanted->items[i], NULL };
        struct dv_filters one = { .n = 1 };

        one.items[0].key = (char *)"label";
        one.items[0].values = (struct dv_strv){ items, 1 };
        if (dv_filter_labels(&one, &labels->keys, &labels->values))
            return false;
    }
    return true;
}

static bool is_pruned(const struct dv_container_view *v, const struct dv_filters *f,
                      uint64_t until_ns)
{
    return !dv_status_is_up(v->status) && v->status != DV_REMOVING && v->created_ns < until_ns &&
           dv_filter_labels(f, &v->config->labels.keys, &v->config->labels.values) &&
           passes_without(f, &v->config->labels);
}

/* One that was started or removed meanwhile is left alone: the removal is not forced. */
static void prune_one(struct dv_container *c, const struct dv_filters *f, uint64_t until_ns,
                      json_object *deleted)
{
    dv_autoview view = { 0 };
    struct dv_error err = { 0 };

    if (dv_container_look(c, &view, &err) < 0 || !is_pruned(&view, f, until_ns))
        return;
    if (dv_container_remove(c, /* force */ false, /* volumes */ false, &err) == 0)
        json_object_array_add(deleted, json_object_new_string(view.id));
}

int dv_api_container_prune(struct dv_request *req, struct dv_error *err)
{
    static const char *const keys[] = { "label", "label!", "until", NULL };
    dv_autofilters f = { .n = 0 };
    struct dv_container **list = NULL;
    json_object *deleted, *obj;
    uint64_t until_ns = 0;
    size_t n;
    int r = dv_filters_parse(dv_query(req, "filters"), keys, &f, err);

    if (r == 0)
        r = dv_filter_until(&f, &until_ns, err);
    if (r < 0)
        return r;
    deleted = json_object_new_array();
    if (!deleted)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to prune");
    n = dv_container_list(req->engine->containers, &list);
    for (size_t i = 0; i < n; i++) {
        prune_one(list[i], &f, until_ns, deleted);
        dv_container_unref(list[i]);
    }
    free(list);
    dv_events_emit(req->engine->events, "container", "prune", "",
                   (const char *const[]){ "reclaimed", "0", NULL });
    obj = json_object_new_object();
    if (json_object_array_length(deleted) == 0) {
        json_object_put(deleted);
        deleted = NULL; /* null, as Go has it */
    }
    dv_put(obj, "ContainersDeleted", deleted);
    dv_put_int(obj, "SpaceReclaimed", 0);
    dv_reply_json(req, 200, obj);
    return 0;
}
