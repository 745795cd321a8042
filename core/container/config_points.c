/* config_points.c - a container's mounts as they were settled at its creation, kept with its config:
 * names of anonymous volumes and what came from other containers are in no request. */
#include <stddef.h>

#include "core/container/config_fields.h"

#define FIELD(k, t, member, f)                                                                     \
    { .key = (k), .type = DV_JSON_##t, .offset = offsetof(struct dv_mount_point, member),          \
      .flags = (f) }
static const struct dv_json_field fields[] = {
    FIELD("Type", STR, type, 0),
    FIELD("Name", STR, name, DV_JSON_OMITEMPTY),
    FIELD("Driver", STR, driver, DV_JSON_OMITEMPTY),
    FIELD("Source", STR, source, 0),
    FIELD("Target", STR, target, 0),
    FIELD("Mode", STR, mode, DV_JSON_OMITEMPTY),
    FIELD("ReadOnly", BOOL, read_only, DV_JSON_OMITEMPTY),
    FIELD("Propagation", STR, propagation, 0),
    FIELD("NonRecursive", BOOL, non_recursive, DV_JSON_OMITEMPTY),
    FIELD("CreateMountpoint", BOOL, create_mountpoint, DV_JSON_OMITEMPTY),
    FIELD("NoCopy", BOOL, no_copy, DV_JSON_OMITEMPTY),
    FIELD("Subpath", STR, subpath, DV_JSON_OMITEMPTY),
    FIELD("TmpfsSize", I64, tmpfs_size, DV_JSON_OMITEMPTY),
    FIELD("TmpfsMode", U64, tmpfs_mode, DV_JSON_OMITEMPTY),
    FIELD("TmpfsOptions", STR, tmpfs_options, DV_JSON_OMITEMPTY),
};
struct points {
    struct dv_json_array list;
};
static const struct dv_json_field points_fields[] = {
    { .key = "MountPoints", .type = DV_JSON_ARRAY, .offset = offsetof(struct points, list),
      .sub = fields, .n_sub = N(fields), .sub_size = sizeof(struct dv_mount_point) },
};

void dv_mount_point_done(struct dv_mount_point *m)
{
    free(m->type);
    free(m->name);
    free(m->driver);
    free(m->source);
    free(m->target);
    free(m->mode);
    free(m->propagation);
    free(m->subpath);
    free(m->labels_json);
    free(m->options_json);
    free(m->tmpfs_options);
}

int dv_config_points_save(const struct dv_container_config *c, json_object *doc)
{
    const struct points points = { { c->mounts, c->n_mounts } };
    dv_autojson json_object *encoded = NULL;
    json_object *list = NULL;

    if (!c->mounts_settled)
        return 0;
    encoded = dv_json_encode(points_fields, N(points_fields), &points);
    if (!encoded || !json_object_object_get_ex(encoded, "MountPoints", &list))
        return -1;
    return json_object_object_add(doc, "MountPoints", json_object_get(list));
}

static bool fill_gaps(struct dv_mount_point *m)
{
    char **const texts[] = { &m->type, &m->source, &m->target, &m->propagation };

    for (size_t i = 0; i < N(texts); i++) {
        if (!*texts[i])
            *texts[i] = dv_strdup("");
        if (!*texts[i])
            return false;
    }
    return true;
}

int dv_config_points_load(struct dv_config_raw *raw, json_object *body, struct dv_error *err)
{
    struct points points = { { NULL, 0 } };
    struct dv_container_config *c = &raw->c;
    int r = dv_json_decode(body, points_fields, N(points_fields), &points, err);

    if (r < 0) {
        dv_json_release(points_fields, N(points_fields), &points);
        return r;
    }
    c->mounts = points.list.items;
    c->n_mounts = points.list.n;
    c->mounts_settled = true;
    for (size_t i = 0; i < c->n_mounts; i++)
        if (!fill_gaps(&c->mounts[i]))
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for a container's mounts");
    return 0;
}
