/* images.c - images: list, inspect, history, tag, remove. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/build.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/api/platform.h"
#include "core/api/request.h"
#include "core/api/summaries.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/container/container.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"

enum { SHARED_SIZE_SINCE = 42 };
static const char *const filter_keys[] = { "before", "dangling", "label", "reference", "since",
                                           "until", NULL };

static void free_images(struct dv_image **images, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dv_image_free(images[i]);
    free(images);
}

/* ---- list ---- */

struct listing {
    struct dv_engine *engine;
    struct dv_filters filters;
    uint64_t before_ns, since_ns;   /* 0: not asked */
    uint64_t until_ns;
    bool dangling, has_dangling;
};

static int created_of(struct listing *l, const char *key, uint64_t *ret, struct dv_error *err)
{
    const struct dv_strv *name = dv_filters_get(&l->filters, key);
    dv_auto(dv_image) *image = NULL;
    int r;

    if (!name)
        return 0;
    r = dv_image_get(l->engine->images, name->items[0], &image, err);
    if (r == 0)
        *ret = image->created_ns ? image->created_ns : 1;
    return r;
}

static int prepare(struct listing *l, struct dv_request *req, struct dv_error *err)
{
    const char *reference = dv_query(req, "filter"); /* of clients before 1.28 */
    int r = dv_filters_parse(dv_query(req, "filters"), filter_keys, &l->filters, err);

    if (r == 0 && !dv_empty(reference) && l->filters.n < DV_FILTERS_MAX) {
        char *key = dv_strdup("reference");

        if (!key)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for the filters");
        l->filters.items[l->filters.n].values = (struct dv_strv){ 0 };
        l->filters.items[l->filters.n].key = key;
        if (dv_strv_add(&l->filters.items[l->filters.n++].values, reference) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for the filters");
    }
    if (r == 0) {
        r = dv_filter_bool(&l->filters, "dangling", &l->dangling, err);
        l->has_dangling = r > 0;
    }
    if (r >= 0)
        r = created_of(l, "before", &l->before_ns, err);
    if (r == 0)
        r = created_of(l, "since", &l->since_ns, err);
    return r < 0 ? r : dv_filter_until(&l->filters, &l->until_ns, err);
}

/* Shell pattern as Go's path.Match has it ('*' stops at '/'), over REPO[:TAG]; a pattern without a
 * tag fits every tag. */
static bool fits(const char *pattern, const char *tag)
{
    const char *slash = strrchr(tag, '/');
    const char *colon = strrchr(slash ? slash : tag, ':');
    dv_autofree char *repo = strndup(tag, colon ? (size_t)(colon - tag) : strlen(tag));

    return fnmatch(pattern, tag, FNM_PATHNAME) == 0 ||
           (repo && fnmatch(pattern, repo, FNM_PATHNAME) == 0);
}

/* Of IMAGE's names those that were asked for; false: none is left, though some were asked for. */
static bool keep_references(const struct listing *l, struct dv_image *image)
{
    const struct dv_strv *asked = dv_filters_get(&l->filters, "reference");
    struct dv_strv *tags = &image->repo_tags;
    size_t kept = 0;

    if (!asked)
        return true;
    for (size_t k = 0; k < tags->n; k++) {
        bool hit = false;

        for (size_t i = 0; i < asked->n && !hit; i++)
            hit = fits(asked->items[i], tags->items[k]);
        if (hit)
            tags->items[kept++] = tags->items[k];
        else
            free(tags->items[k]);
    }
    tags->n = kept;
    return kept > 0;
}

static bool passes(const struct listing *l, const struct dv_image *image)
{
    bool dangling = image->repo_tags.n == 0;

    return (!l->has_dangling || l->dangling == dangling) &&
           (!l->before_ns || image->created_ns < l->before_ns) &&
           (!l->since_ns || image->created_ns > l->since_ns) &&
           image->created_ns < l->until_ns &&
           dv_filter_labels(&l->filters, &image->label_keys, &image->label_values);
}

static json_object *names_json(const struct dv_strv *names, const char *none, unsigned version)
{
    json_object *list = dv_json_strings(names);

    if (names->n == 0 && version < 43) /* what those clients print for an image without a name */
        json_object_array_add(list, json_object_new_string(none));
    return list;
}

json_object *dv_image_summary_json(const struct dv_image *image, unsigned version, int64_t shared,
                                   int64_t containers)
{
    json_object *obj = json_object_new_object();

    dv_put_str(obj, "Id", image->id);
    dv_put_str(obj, "ParentId", "");
    dv_put(obj, "RepoTags", names_json(&image->repo_tags, "<none>:<none>", version));
    dv_put(obj, "RepoDigests", names_json(&image->repo_digests, "<none>@<none>", version));
    dv_put_int(obj, "Created", (int64_t)(image->created_ns / 1000000000));
    dv_put_int(obj, "Size", (int64_t)image->size_bytes);
    if (version < 44)
        dv_put_int(obj, "VirtualSize", (int64_t)image->size_bytes);
    dv_put_int(obj, "SharedSize", shared);
    dv_put(obj, "Labels", image->label_keys.n
                              ? dv_json_map(&image->label_keys, &image->label_values) : NULL);
    dv_put_int(obj, "Containers", containers);
    return obj;
}

static int newest_first(const void *a, const void *b)
{
    const struct dv_image *x = *(struct dv_image *const *)a, *y = *(struct dv_image *const *)b;

    if (x->created_ns != y->created_ns)
        return x->created_ns < y->created_ns ? 1 : -1;
    return strcmp(x->id, y->id);
}

/* In REPLY those that the filters let through. */
static int list_json(struct listing *l, struct dv_request *req, json_object *reply,
                     struct dv_error *err)
{
    bool ask_shared = req->version >= SHARED_SIZE_SINCE && dv_query_bool(req, "shared-size", false);
    struct dv_image **images = NULL;
    size_t n = dv_image_list(req->engine->images, &images);
    int r = 0;

    if (n > 0)
        qsort(images, n, sizeof(struct dv_image *), newest_first);
    for (size_t i = 0; i < n && r == 0; i++) {
        uint64_t shared = 0;

        if (!passes(l, images[i]) || !keep_references(l, images[i]))
            continue;
        if (ask_shared)
            r = dv_image_shared_size(req->engine->images, images[i]->id, &shared, err);
        json_object_array_add(reply, dv_image_summary_json(images[i], req->version,
                                                           ask_shared ? (int64_t)shared : -1,
                                                           /* containers */ -1));
    }
    free_images(images, n);
    return r;
}

int dv_api_image_list(struct dv_request *req, struct dv_error *err)
{
    struct listing l = { .engine = req->engine };
    json_object *reply = NULL;
    int r = prepare(&l, req, err);

    if (r == 0) {
        reply = json_object_new_array();
        r = list_json(&l, req, reply, err);
    }
    dv_filters_done(&l.filters);
    if (r < 0)
        json_object_put(reply);
    else
        dv_reply_json(req, 200, reply);
    return r;
}

/* ---- inspect ---- */

/* Before 1.50 the members of a container's configuration, which an image cannot set, came along. */
static void put_container_members(json_object *config)
{
    static const char *const flags[] = { "AttachStdin", "AttachStdout", "AttachStderr", "Tty",
                                         "OpenStdin", "StdinOnce" };
    static const char *const texts[] = { "Hostname", "Domainname", "Image" };

    for (size_t i = 0; i < N(flags); i++)
        dv_put_bool(config, flags[i], false);
    for (size_t i = 0; i < N(texts); i++)
        dv_put_str(config, texts[i], "");
}

static json_object *config_json(const struct dv_image *image, unsigned version)
{
    json_object *obj = json_object_new_object();

    if (version < 50)
        put_container_members(obj);

    dv_put_str(obj, "User", image->user);
    if (image->exposed_ports.n)
        dv_put(obj, "ExposedPorts", dv_json_set(&image->exposed_ports));
    dv_put(obj, "Env", dv_json_strings_or_null(&image->env));
    dv_put(obj, "Cmd", image->has_cmd ? dv_json_strings(&image->cmd) : NULL);
    if (image->healthcheck_json)
        dv_put(obj, "Healthcheck", dv_json_text_or_null(image->healthcheck_json));
    dv_put(obj, "Volumes", image->volumes.n ? dv_json_set(&image->volumes) : NULL);
    dv_put_str(obj, "WorkingDir", image->working_dir);
    dv_put(obj, "Entrypoint", image->has_entrypoint ? dv_json_strings(&image->entrypoint) : NULL);
    dv_put(obj, "OnBuild", dv_json_strings_or_null(&image->on_build));
    dv_put(obj, "Labels", image->label_keys.n
                              ? dv_json_map(&image->label_keys, &image->label_values) : NULL);
    if (!dv_empty(image->stop_signal))
        dv_put_str(obj, "StopSignal", image->stop_signal);
    if (image->shell.n)
        dv_put(obj, "Shell", dv_json_strings(&image->shell));
    return obj;
}

static json_object *driver_json(const struct dv_image *image, struct dv_engine *engine)
{
    dv_autostrv keys = { 0 }, values = { 0 };
    struct dv_error err = { 0 };

    if (dv_image_paths(engine->images, image->id, &keys, &values, &err) < 0)
        dv_log_warn(NULL, "inspect image %s: %s", image->id, err.msg);
    return dv_json_graph_driver(engine->storage_driver, &keys, &values);
}

static json_object *inspect_json(const struct dv_image *image, struct dv_engine *engine,
                                 unsigned version)
{
    json_object *obj = json_object_new_object(), *rootfs = json_object_new_object();
    json_object *metadata = json_object_new_object();
    static const struct dv_image nothing = { .user = (char *)"", .working_dir = (char *)"" };

    dv_put_str(obj, "Id", image->id);
    dv_put(obj, "RepoTags", dv_json_strings(&image->repo_tags));
    dv_put(obj, "RepoDigests", dv_json_strings(&image->repo_digests));
    dv_put_str(obj, "Parent", "");
    dv_put_str(obj, "Comment", image->comment);
    dv_put_time(obj, "Created", image->created_ns);
    if (version < 45) {
        dv_put_str(obj, "Container", "");
        dv_put(obj, "ContainerConfig", config_json(&nothing, version)); /* of a commit, which this is not */
    }
    dv_put_str(obj, "DockerVersion", image->docker_version);
    dv_put_str(obj, "Author", image->author);
    dv_put(obj, "Config", config_json(image, version));
    dv_put_str(obj, "Architecture", image->architecture);
    if (!dv_empty(image->variant))
        dv_put_str(obj, "Variant", image->variant);
    dv_put_str(obj, "Os", image->os);
    dv_put_int(obj, "Size", (int64_t)image->size_bytes);
    if (version < 44)
        dv_put_int(obj, "VirtualSize", (int64_t)image->size_bytes);
    dv_put(obj, "GraphDriver", driver_json(image, engine));
    dv_put_str(rootfs, "Type", "layers");
    dv_put(rootfs, "Layers", dv_json_strings(&image->diff_ids));
    dv_put(obj, "RootFS", rootfs);
    dv_put_time(metadata, "LastTagTime", 0);
    dv_put(obj, "Metadata", metadata);
    return obj;
}

int dv_api_image_inspect(struct dv_request *req, struct dv_error *err)
{
    dv_auto(dv_image) *image = NULL;
    dv_autofree char *platform = NULL;
    int r = dv_query_platform(req, &platform, err);

    r = r < 0 ? r : dv_image_get(req->engine->images, req->params[0], &image, err);
    r = r < 0 ? r : dv_platform_check(image, platform, err);
    if (r == 0)
        dv_reply_json(req, 200, inspect_json(image, req->engine, req->version));
    return r;
}

/* ---- history ---- */

static const char *text_of(json_object *obj, const char *key)
{
    json_object *value = NULL;

    if (!json_object_object_get_ex(obj, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return "";
    return json_object_get_string(value);
}

static bool is_empty_layer(json_object *entry)
{
    json_object *value = NULL;

    return json_object_object_get_ex(entry, "empty_layer", &value) &&
           json_object_get_boolean(value);
}

static json_object *history_item(json_object *entry, uint64_t size_bytes)
{
    json_object *obj = json_object_new_object();
    uint64_t created = 0;

    if (dv_time_parse(text_of(entry, "created"), &created) < 0)
        created = 0;
    dv_put_str(obj, "Id", "<missing>");
    dv_put_int(obj, "Created", (int64_t)(created / 1000000000));
    dv_put_str(obj, "CreatedBy", text_of(entry, "created_by"));
    dv_put(obj, "Tags", NULL);
    dv_put_int(obj, "Size", (int64_t)size_bytes);
    dv_put_str(obj, "Comment", text_of(entry, "comment"));
    return obj;
}

/* Base first. Steps and layers belong together in their order, save for steps that made no layer. A
 * config may tell fewer steps than it has layers: the rest is one step of its own. */
static json_object *steps_json(json_object *history, const uint64_t *sizes, size_t n_layers)
{
    size_t n = json_object_is_type(history, json_type_array) ? json_object_array_length(history) : 0;
    json_object *list = json_object_new_array();
    uint64_t rest = 0;
    size_t layer = 0;

    for (size_t i = 0; i < n; i++) {
        json_object *entry = json_object_array_get_idx(history, i);
        bool has_layer = !is_empty_layer(entry) && layer < n_layers;

        json_object_array_add(list, history_item(entry, has_layer ? sizes[layer++] : 0));
    }
    if (layer < n_layers || n == 0) {
        while (layer < n_layers)
            rest += sizes[layer++];
        json_object_array_add(list, history_item(NULL, rest));
    }
    return list;
}

int dv_api_image_history(struct dv_request *req, struct dv_error *err)
{
    dv_auto(dv_image) *image = NULL;
    dv_autojson json_object *history = NULL, *steps = NULL;
    dv_autofree uint64_t *sizes = NULL;
    dv_autofree char *platform = NULL;
    json_object *list, *newest;
    size_t n = 0;
    int r = dv_query_platform(req, &platform, err);

    r = r < 0 ? r : dv_image_get(req->engine->images, req->params[0], &image, err);
    r = r < 0 ? r : dv_platform_check(image, platform, err);
    r = r < 0 ? r : dv_image_layer_sizes(req->engine->images, image->id, &sizes, &n, err);
    if (r < 0)
        return r;
    history = dv_json_text_or_null(image->history_json);
    steps = steps_json(history, sizes, n);
    list = json_object_new_array();
    for (size_t i = json_object_array_length(steps); i-- > 0;)
        json_object_array_add(list, json_object_get(json_object_array_get_idx(steps, i)));
    newest = json_object_array_get_idx(list, 0);
    dv_put_str(newest, "Id", image->id);
    dv_put(newest, "Tags", dv_json_strings_or_null(&image->repo_tags));
    dv_reply_json(req, 200, list);
    return 0;
}

/* ---- tag, remove ---- */

int dv_api_image_tag(struct dv_request *req, struct dv_error *err)
{
    const char *repo = dv_query(req, "repo"), *tag = dv_query(req, "tag");
    dv_autofree char *target = NULL;
    int r;

    if (dv_empty(repo))
        return dv_fail(err, DV_E_INVALID, "invalid reference format");
    target = dv_format("%s%s%s", repo, dv_empty(tag) ? "" : ":", dv_empty(tag) ? "" : tag);
    if (!target)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the tag");
    r = dv_image_tag(req->engine->images, req->params[0], target, err);
    if (r == 0)
        dv_reply_empty(req, 201);
    return r;
}

/* An image has one platform, so its removal may name that one only. */
static int check_platforms(struct dv_request *req, struct dv_error *err)
{
    dv_auto(dv_image) *image = NULL;
    int r;

    if (!dv_query(req, "platforms"))
        return 0;
    r = dv_image_get(req->engine->images, req->params[0], &image, err);
    return r < 0 ? r : dv_platforms_check(req, image, err);
}

int dv_api_image_remove(struct dv_request *req, struct dv_error *err)
{
    struct dv_image_deleted *deleted = NULL;
    json_object *list;
    size_t n = 0;
    int r = check_platforms(req, err);

    r = r < 0 ? r : dv_image_remove(req->engine->images, req->params[0], dv_query_bool(req, "force", false),
                            dv_query_bool(req, "noprune", false), dv_containers_use_image,
                            req->engine->containers, &deleted, &n, err);

    if (r < 0)
        return r;
    list = json_object_new_array();
    for (size_t i = 0; i < n; i++) {
        json_object *item = json_object_new_object();

        dv_put_str(item, deleted[i].untagged ? "Untagged" : "Deleted", deleted[i].name);
        json_object_array_add(list, item);
        free(deleted[i].name);
    }
    free(deleted);
    dv_reply_json(req, 200, list);
    return 0;
}
