/* docker.c - the manifest.json of docker save: a list of { Config, RepoTags, Layers }. */
#include "archive.h"

#include <string.h>

static int32_t add_names(struct source *s, struct dv_call *c, struct image *image,
                         json_object *tags)
{
    size_t i, n = json_object_is_type(tags, json_type_array) ? json_object_array_length(tags) : 0;
    int32_t r = 0;

    for (i = 0; i < n && r == 0; i++) {
        json_object *tag = json_object_array_get_idx(tags, i);

        if (!json_object_is_type(tag, json_type_string))
            return fail(s, c, DV_E_INVALID, "manifest.json: RepoTags[%zu] is no string", i);
        r = add_name(s, c, image, json_object_get_string(tag));
    }
    return r;
}

static int32_t add_layers(struct source *s, struct dv_call *c, struct image *image,
                          json_object *layers)
{
    size_t i, n = json_object_is_type(layers, json_type_array) ?
                      json_object_array_length(layers) : 0;
    int32_t r = make_layers(s, c, image, n);

    for (i = 0; i < n && r == 0; i++) {
        json_object *name = json_object_array_get_idx(layers, i);

        if (!json_object_is_type(name, json_type_string))
            return fail(s, c, DV_E_INVALID, "manifest.json: Layers[%zu] is no string", i);
        r = set_blob(s, c, &image->layers[i], json_object_get_string(name), /* digest */ NULL,
                     "application/vnd.docker.image.rootfs.diff.tar");
    }
    return r;
}

static int32_t read_one(struct source *s, struct dv_call *c, json_object *obj)
{
    const char *config = json_text(obj, "Config");
    struct image *image;
    int32_t r;

    if (!config)
        return fail(s, c, DV_E_INVALID, "manifest.json: an image has no Config");
    image = add_image(s, c);
    if (!image)
        return fail_memory(s, c);
    r = set_blob(s, c, &image->config, config, /* digest */ NULL,
                 "application/vnd.docker.container.image.v1+json");
    r = r < 0 ? r : add_names(s, c, image, json_object_object_get(obj, "RepoTags"));
    r = r < 0 ? r : add_layers(s, c, image, json_object_object_get(obj, "Layers"));
    return r;
}

int32_t read_docker(struct source *s, struct dv_call *c, const struct file *manifest)
{
    json_object *list = file_json(s, c, manifest);
    size_t i, n;
    int32_t r = 0;

    if (!list)
        return -DV_E_INVALID;
    if (!json_object_is_type(list, json_type_array))
        r = fail(s, c, DV_E_INVALID, "manifest.json is no list");
    n = r == 0 ? json_object_array_length(list) : 0;
    for (i = 0; i < n && r == 0; i++) {
        json_object *obj = json_object_array_get_idx(list, i);

        r = json_object_is_type(obj, json_type_object)
                ? read_one(s, c, obj)
                : fail(s, c, DV_E_INVALID, "manifest.json[%zu] is no object", i);
    }
    json_object_put(list);
    if (r == 0)
        attach_oci_manifests(s);
    return r;
}
