/* volumes.c - volumes: create, list, inspect, remove, prune. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/api/build.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/api/request.h"
#include "core/api/summaries.h"
#include "core/base/time.h"
#include "core/container/events.h"
#include "core/daemon/engine.h"
#include "core/volume/volume.h"

enum { ANONYMOUS_LABEL_SINCE = 42 };
static const char anonymous_label[] = "com.docker.volume.anonymous";

/* ---- JSON ---- */

static void put_created(json_object *obj, uint64_t ns)
{
    dv_put_time(obj, "CreatedAt", ns - ns % 1000000000); /* whole seconds, as Docker's */
}

static json_object *labels_json(const struct dv_volume_view *v, unsigned version)
{
    json_object *labels = dv_json_text_or_null(v->labels_json);

    if (v->anonymous && version >= ANONYMOUS_LABEL_SINCE) {
        if (!labels)
            labels = json_object_new_object();
        dv_put_str(labels, anonymous_label, "");
    }
    return labels;
}

json_object *dv_volume_json(const struct dv_volume_view *v, unsigned version)
{
    json_object *obj = json_object_new_object();

    put_created(obj, v->created_ns);
    dv_put_str(obj, "Driver", v->driver);
    dv_put(obj, "Labels", labels_json(v, version));
    dv_put_str(obj, "Mountpoint", v->path);
    dv_put_str(obj, "Name", v->name);
    dv_put(obj, "Options", dv_json_text_or_null(v->options_json));
    dv_put_str(obj, "Scope", "local");
    return obj;
}

/* ---- create, inspect ---- */

struct body {
    char *name, *driver;
    struct dv_json_map labels, options;
    json_object *cluster;
};
static const struct dv_json_field body_fields[] = { /* Engine API: VolumeCreateOptions */
    { .key = "Name", .type = DV_JSON_STR, .offset = offsetof(struct body, name) },
    { .key = "Driver", .type = DV_JSON_STR, .offset = offsetof(struct body, driver) },
    { .key = "DriverOpts", .type = DV_JSON_MAP, .offset = offsetof(struct body, options) },
    { .key = "Labels", .type = DV_JSON_MAP, .offset = offsetof(struct body, labels) },
    { .key = "ClusterVolumeSpec", .type = DV_JSON_RAW, .offset = offsetof(struct body, cluster) },
};

/* NULL where the request had none. */
static int map_text(const struct dv_json_map *map, char **ret, struct dv_error *err)
{
    dv_autojson json_object *obj = NULL;

    if (!map->present)
        return 0;
    obj = dv_json_map(&map->keys, &map->values);
    *ret = obj ? dv_json_text(obj) : NULL;
    return *ret ? 0 : dv_fail(err, DV_E_NO_MEMORY, "no memory for a volume");
}

static int reply_volume(struct dv_request *req, const char *name, int status, struct dv_error *err)
{
    struct dv_volume_view view;
    int r = dv_volume_look(req->engine->volumes, name, &view, err);

    if (r < 0)
        return r;
    dv_reply_json(req, status, dv_volume_json(&view, req->version));
    dv_volume_view_done(&view);
    return 0;
}

static int create(struct dv_request *req, const struct body *body, struct dv_error *err)
{
    dv_autofree char *labels = NULL, *options = NULL;
    struct dv_volume_req wish = { .name = body->name, .driver = body->driver };
    char name[DV_VOLUME_NAME_BYTES];
    int r;

    if (body->cluster)
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "ClusterVolumeSpec: cluster volumes are not supported yet");
    r = map_text(&body->labels, &labels, err);
    r = r < 0 ? r : map_text(&body->options, &options, err);
    wish.labels_json = labels;
    wish.options_json = options;
    r = r < 0 ? r : dv_volume_create(req->engine->volumes, &wish, name, err);
    return r < 0 ? r : reply_volume(req, name, 201, err);
}

int dv_api_volume_create(struct dv_request *req, struct dv_error *err)
{
    dv_autojson json_object *doc = NULL;
    struct body body = { 0 };
    int r = dv_request_json(req, /* may_be_empty */ false, &doc, err);

    if (r < 0)
        return r;
    r = dv_json_decode(doc, body_fields, N(body_fields), &body, err);
    if (r == 0)
        r = create(req, &body, err);
    dv_json_release(body_fields, N(body_fields), &body);
    return r;
}

int dv_api_volume_inspect(struct dv_request *req, struct dv_error *err)
{
    return reply_volume(req, req->params[0], 200, err);
}

int dv_api_volume_remove(struct dv_request *req, struct dv_error *err)
{
    int r = dv_volume_remove(req->engine->volumes, req->params[0],
                             dv_query_bool(req, "force", false), err);

    if (r == 0)
        dv_reply_empty(req, 204);
    return r;
}

/* ---- filters ---- */

static int read_labels(const struct dv_volume_view *v, struct dv_strv *keys, struct dv_strv *values,
                       struct dv_error *err)
{
    dv_autojson json_object *labels = labels_json(v, DV_API_MAX);
    int r = 0;

    if (!labels)
        return 0;
    json_object_object_foreach(labels, key, value) {
        if (r == 0)
            r = dv_strv_add(keys, key);
        if (r == 0)
            r = dv_strv_add(values, json_object_get_string(value));
    }
    return r < 0 ? dv_fail(err, DV_E_NO_MEMORY, "no memory for labels") : 0;
}

/* Every "label", and none of "label!". 1: passes. */
static int passes_labels(const struct dv_filters *f, const struct dv_volume_view *v,
                         struct dv_error *err)
{
    dv_autostrv keys = { 0 }, values = { 0 };
    int r = read_labels(v, &keys, &values, err);

    if (r < 0)
        return r;
    return dv_filter_labels(f, &keys, &values) && dv_filter_without_labels(f, &keys, &values);
}

/* ---- list ---- */

static int list_json(struct dv_request *req, const struct dv_filters *f, int dangling,
                     json_object *to, struct dv_error *err)
{
    struct dv_volume_view *list = NULL;
    size_t n = 0;
    int r = dv_volume_list(req->engine->volumes, &list, &n, err);

    for (size_t i = 0; i < n && r >= 0; i++) {
        const struct dv_volume_view *v = &list[i];

        if (!dv_filter_exact(f, "driver", v->driver) || !dv_filter_name(f, "name", v->name) ||
            (dangling >= 0 && dangling != (v->n_uses == 0)))
            continue;
        r = passes_labels(f, v, err);
        if (r > 0)
            json_object_array_add(to, dv_volume_json(v, req->version));
    }
    dv_volume_views_free(list, n);
    return r < 0 ? r : 0;
}

int dv_api_volume_list(struct dv_request *req, struct dv_error *err)
{
    static const char *const keys[] = { "dangling", "driver", "label", "name", NULL };
    dv_autofilters f = { .n = 0 };
    json_object *reply, *list;
    bool dangling = false;
    int asked, r = dv_filters_parse(dv_query(req, "filters"), keys, &f, err);

    if (r < 0)
        return r;
    asked = dv_filter_bool(&f, "dangling", &dangling, err);
    if (asked < 0)
        return asked;
    list = json_object_new_array();
    r = list_json(req, &f, asked ? dangling : -1, list, err);
    if (r < 0) {
        json_object_put(list);
        return r;
    }
    reply = json_object_new_object();
    dv_put(reply, "Volumes", list);
    dv_put(reply, "Warnings", NULL);
    dv_reply_json(req, 200, reply);
    return 0;
}

/* ---- prune ---- */

/* 1: it went. One that is taken into use meanwhile stays. */
static int prune_one(struct dv_request *req, const struct dv_filters *f, bool all,
                     const struct dv_volume_view *v, int64_t *bytes, struct dv_error *err)
{
    int64_t size;
    int r;

    if (v->n_uses || !(all || v->anonymous))
        return 0;
    r = passes_labels(f, v, err);
    if (r <= 0)
        return r;
    size = dv_volume_size(req->engine->volumes, v->name);
    r = dv_volume_remove(req->engine->volumes, v->name, /* force */ false, err);
    if (r == -DV_E_CONFLICT || r == -DV_E_NOT_FOUND) {
        dv_error_clear(err);
        return 0;
    }
    if (r == 0 && size > 0)
        *bytes += size;
    return r < 0 ? r : 1;
}

static int prune(struct dv_request *req, const struct dv_filters *f, bool all,
                 struct dv_strv *deleted, int64_t *bytes, struct dv_error *err)
{
    struct dv_volume_view *list = NULL;
    size_t n = 0;
    int r = dv_volume_list(req->engine->volumes, &list, &n, err);

    for (size_t i = 0; i < n && r >= 0; i++) {
        r = prune_one(req, f, all, &list[i], bytes, err);
        if (r > 0 && dv_strv_add(deleted, list[i].name) < 0)
            r = dv_fail(err, DV_E_NO_MEMORY, "no memory for the list of volumes");
    }
    dv_volume_views_free(list, n);
    return r < 0 ? r : 0;
}

int dv_api_volume_prune(struct dv_request *req, struct dv_error *err)
{
    static const char *const keys[] = { "all", "label", "label!", NULL };
    bool all = req->version < ANONYMOUS_LABEL_SINCE; /* before, there was no difference */
    dv_autofilters f = { .n = 0 };
    dv_autostrv deleted = { 0 };
    int64_t bytes = 0;
    json_object *reply;
    char text[24];
    int r = dv_filters_parse(dv_query(req, "filters"), keys, &f, err);

    r = r < 0 ? r : dv_filter_bool(&f, "all", &all, err);
    r = r < 0 ? r : prune(req, &f, all, &deleted, &bytes, err);
    if (r < 0)
        return r;
    snprintf(text, sizeof(text), "%lld", (long long)bytes);
    dv_events_emit(req->engine->events, "volume", "prune", "",
                   (const char *const[]){ "reclaimed", text, NULL });
    reply = json_object_new_object();
    dv_put(reply, "VolumesDeleted", dv_json_strings_or_null(&deleted));
    dv_put_int(reply, "SpaceReclaimed", bytes);
    dv_reply_json(req, 200, reply);
    return 0;
}
