/* image_prune.c - POST /images/prune: images that nobody uses. */
#include <stdio.h>
#include <stdlib.h>

#include "core/api/build.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/api/request.h"
#include "core/base/log.h"
#include "core/container/container.h"
#include "core/container/events.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"

struct pruning {
    struct dv_engine *engine;
    struct dv_filters filters;
    bool dangling;                   /* only those without a name */
    uint64_t until_ns, bytes;
    json_object *deleted;
};

static bool passes(const struct pruning *p, const struct dv_image *image)
{
    bool running;

    return (!p->dangling || image->repo_tags.n == 0) && image->created_ns < p->until_ns &&
           dv_filter_labels(&p->filters, &image->label_keys, &image->label_values) &&
           dv_filter_without_labels(&p->filters, &image->label_keys, &image->label_values) &&
           !dv_containers_use_image(p->engine->containers, image->id, &running);
}

/* By NAME, not by force: what was taken into use or named meanwhile stays. */
static void remove_one(struct pruning *p, const char *name)
{
    struct dv_image_deleted *records = NULL;
    struct dv_error err = { 0 };
    size_t n = 0;

    if (dv_image_remove(p->engine->images, name, /* force */ false, /* no_prune */ false,
                        dv_containers_use_image, p->engine->containers, &records, &n, &err) < 0) {
        dv_log_info(NULL, "prune image %s: %s", name, err.msg);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        json_object *item = json_object_new_object();

        dv_put_str(item, records[i].untagged ? "Untagged" : "Deleted", records[i].name);
        json_object_array_add(p->deleted, item);
        p->bytes += records[i].freed_bytes;
        free(records[i].name);
    }
    free(records);
}

static void prune_image(struct pruning *p, const struct dv_image *image)
{
    if (!passes(p, image))
        return;
    if (image->repo_tags.n == 0)
        remove_one(p, image->id);
    for (size_t i = 0; i < image->repo_tags.n; i++)
        remove_one(p, image->repo_tags.items[i]);
}

static int prepare(struct pruning *p, struct dv_request *req, struct dv_error *err)
{
    static const char *const keys[] = { "dangling", "label", "label!", "until", NULL };
    int r = dv_filters_parse_prune(dv_query(req, "filters"), keys, &p->filters, &p->until_ns, err);

    r = r < 0 ? r : dv_filter_bool(&p->filters, "dangling", &p->dangling, err);
    if (r < 0)
        return r;
    p->deleted = json_object_new_array();
    return p->deleted ? 0 : dv_fail(err, DV_E_NO_MEMORY, "no memory to prune");
}

static void prune_all(struct pruning *p)
{
    struct dv_image **images = NULL;
    size_t n = dv_image_list(p->engine->images, &images);
    char text[24];

    for (size_t i = 0; i < n; i++) {
        prune_image(p, images[i]);
        dv_image_free(images[i]);
    }
    free(images);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)p->bytes);
    dv_events_emit(p->engine->events, "image", "prune", "",
                   (const char *const[]){ "reclaimed", text, NULL });
}

int dv_api_image_prune(struct dv_request *req, struct dv_error *err)
{
    struct pruning p = { .engine = req->engine, .dangling = true };
    json_object *obj;
    int r = prepare(&p, req, err);

    if (r == 0) {
        prune_all(&p);
        obj = json_object_new_object();
        dv_put_list(obj, "ImagesDeleted", p.deleted);
        dv_put_int(obj, "SpaceReclaimed", (int64_t)p.bytes);
        dv_reply_json(req, 200, obj);
    }
    dv_filters_done(&p.filters);
    return r;
}
