/* df.c - GET /system/df: what images, containers and volumes take on the disk. */
#include <stdlib.h>
#include <string.h>

#include "core/api/build.h"
#include "core/api/containers.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/api/request.h"
#include "core/api/summaries.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/volume/volume.h"

enum { TYPE_SINCE = 42 };            /* before, the answer had everything, and BuilderSize */
enum { CONTAINERS = 1, IMAGES = 2, VOLUMES = 4, BUILD_CACHE = 8 };

/* Everything that one answer needs, looked up once. */
struct usage {
    struct dv_engine *engine;
    unsigned version, types;
    struct dv_container_view *views;
    struct dv_container **containers;
    size_t n;
};

static int read_types(struct dv_request *req, unsigned *ret, struct dv_error *err)
{
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = { { "container", CONTAINERS }, { "image", IMAGES }, { "volume", VOLUMES },
                  { "build-cache", BUILD_CACHE } };

    *ret = 0;
    for (size_t i = 0; req->version >= TYPE_SINCE && i < req->query_keys.n; i++) {
        unsigned bit = 0;

        if (!dv_streq(req->query_keys.items[i], "type"))
            continue;
        for (size_t k = 0; k < N(types); k++)
            if (dv_streq(types[k].name, req->query_values.items[i]))
                bit = types[k].bit;
        if (!bit)
            return dv_fail(err, DV_E_INVALID, "unknown object type: %s",
                           req->query_values.items[i]);
        *ret |= bit;
    }
    if (!*ret)
        *ret = CONTAINERS | IMAGES | VOLUMES | BUILD_CACHE;
    return 0;
}

static int look_at_containers(struct usage *u, struct dv_error *err)
{
    size_t n = dv_container_list(u->engine->containers, &u->containers), kept = 0;

    u->views = calloc(n + 1, sizeof(*u->views));
    for (size_t i = 0; i < n; i++) {
        struct dv_error gone = { 0 };

        if (u->views && dv_container_look(u->containers[i], &u->views[kept], &gone) == 0)
            u->containers[kept++] = u->containers[i];
        else
            dv_container_unref(u->containers[i]);
    }
    u->n = kept;
    return u->views ? 0 : dv_fail(err, DV_E_NO_MEMORY, "no memory for the list of containers");
}

static void usage_done(struct usage *u)
{
    for (size_t i = 0; i < u->n; i++) {
        dv_container_view_done(&u->views[i]);
        dv_container_unref(u->containers[i]);
    }
    free(u->views);
    free(u->containers);
}

static json_object *containers_json(const struct usage *u)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < u->n; i++)
        json_object_array_add(list, dv_container_summary_json(u->engine, &u->views[i],
                                                              u->version, /* sizes */ true));
    return list;
}

static int64_t count_users(const struct usage *u, const char *image_id)
{
    int64_t n = 0;

    for (size_t i = 0; i < u->n; i++)
        n += dv_streq(u->views[i].image_id, image_id);
    return n;
}

static int images_json(const struct usage *u, json_object *to, struct dv_error *err)
{
    struct dv_image **images = NULL;
    size_t n = dv_image_list(u->engine->images, &images);
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t shared = 0;

        r = r < 0 ? r : dv_image_shared_size(u->engine->images, images[i]->id, &shared, err);
        if (r == 0)
            json_object_array_add(to, dv_image_summary_json(images[i], u->version, (int64_t)shared,
                                                            count_users(u, images[i]->id)));
        dv_image_free(images[i]);
    }
    free(images);
    return r;
}

static int volumes_json(const struct usage *u, json_object *to, struct dv_error *err)
{
    struct dv_volume_view *list = NULL;
    size_t n = 0;
    int r = dv_volume_list(u->engine->volumes, &list, &n, err);

    for (size_t i = 0; i < n && r == 0; i++) {
        json_object *volume = dv_volume_json(&list[i], u->version);
        json_object *usage = json_object_new_object();

        dv_put_int(usage, "RefCount", (int64_t)list[i].n_uses);
        dv_put_int(usage, "Size", dv_volume_size(u->engine->volumes, list[i].name));
        dv_put(volume, "UsageData", usage);
        json_object_array_add(to, volume);
    }
    dv_volume_views_free(list, n);
    return r;
}

/* What was not asked for is null. */
static int fill(const struct usage *u, json_object *obj, struct dv_error *err)
{
    json_object *images = u->types & IMAGES ? json_object_new_array() : NULL;
    json_object *volumes = u->types & VOLUMES ? json_object_new_array() : NULL;
    uint64_t layers = 0;
    int r = 0;

    if (images)
        r = dv_images_layers_size(u->engine->images, &layers, err);
    dv_put_int(obj, "LayersSize", (int64_t)layers);
    dv_put(obj, "Images", images);
    dv_put(obj, "Containers", u->types & CONTAINERS ? containers_json(u) : NULL);
    dv_put(obj, "Volumes", volumes);
    dv_put(obj, "BuildCache", u->types & BUILD_CACHE ? json_object_new_array() : NULL);
    if (u->version < TYPE_SINCE)
        dv_put_int(obj, "BuilderSize", 0);
    if (r == 0 && images)
        r = images_json(u, images, err);
    if (r == 0 && volumes)
        r = volumes_json(u, volumes, err);
    return r;
}

int dv_api_system_df(struct dv_request *req, struct dv_error *err)
{
    struct usage u = { .engine = req->engine, .version = req->version };
    json_object *obj = NULL;
    int r = read_types(req, &u.types, err);

    r = r < 0 ? r : look_at_containers(&u, err);
    if (r == 0) {
        obj = json_object_new_object();
        r = fill(&u, obj, err);
    }
    usage_done(&u);
    if (r < 0)
        json_object_put(obj);
    else
        dv_reply_json(req, 200, obj);
    return r;
}

/* There is no build cache as long as davit does not build, as the list above says: nothing to
 * remove. `docker system prune` ends with this. */
int dv_api_build_prune(struct dv_request *req, struct dv_error *err)
{
    static const char *const keys[] = { "description", "id", "inuse", "parent", "private",
                                        "shared", "type", "until", NULL };
    dv_autofilters f = { .n = 0 };
    uint64_t until_ns;
    json_object *obj;
    int r = dv_filters_parse_prune(dv_query(req, "filters"), keys, &f, &until_ns, err);

    if (r < 0)
        return r;
    obj = json_object_new_object();
    dv_put(obj, "CachesDeleted", NULL);
    dv_put_int(obj, "SpaceReclaimed", 0);
    dv_reply_json(req, 200, obj);
    return 0;
}
