/* images.c - images as the API shows them: look-up, list, tag. */
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/time.h"
#include "core/image/internal.h"
#include "core/worker/image_config.h"

void dv_image_free(struct dv_image *image)
{
    if (!image)
        return;
    dv_strv_done(&image->repo_tags);
    dv_strv_done(&image->repo_digests);
    dv_strv_done(&image->diff_ids);
    dv_strv_done(&image->env);
    dv_strv_done(&image->entrypoint);
    dv_strv_done(&image->cmd);
    dv_strv_done(&image->shell);
    dv_strv_done(&image->on_build);
    dv_strv_done(&image->volumes);
    dv_strv_done(&image->exposed_ports);
    dv_strv_done(&image->label_keys);
    dv_strv_done(&image->label_values);
    free(image->architecture);
    free(image->os);
    free(image->variant);
    free(image->author);
    free(image->comment);
    free(image->docker_version);
    free(image->user);
    free(image->working_dir);
    free(image->stop_signal);
    free(image->healthcheck_json);
    free(image->history_json);
    free(image->config_json);
    free(image);
}

/* ---- from the row ---- */

static int copy_keys(struct dv_strv *to, json_object *set)
{
    if (set) {
        json_object_object_foreach(set, key, value)
        {
            (void)value;
            if (dv_strv_add(to, key) < 0)
                return -1;
        }
    }
    return 0;
}

static struct dv_strv take_strv(struct dv_strv *from)
{
    struct dv_strv taken = *from;

    *from = (struct dv_strv){ 0 };
    return taken;
}

/* A missing string is "" everywhere but for JSON documents. */
static char *take_text(char **from)
{
    return *from ? dv_take(*from) : dv_strdup("");
}

/* Move what CONFIG has into IMAGE. */
static int fill_image(struct dv_image *image, struct dv_image_config *config)
{
    struct dv_image_exec_config *exec = &config->config;

    image->architecture = take_text(&config->architecture);
    image->os = take_text(&config->os);
    image->variant = take_text(&config->variant);
    image->author = take_text(&config->author);
    image->comment = take_text(&config->comment);
    image->docker_version = take_text(&config->docker_version);
    image->user = take_text(&exec->user);
    image->working_dir = take_text(&exec->working_dir);
    image->stop_signal = take_text(&exec->stop_signal);
    image->diff_ids = take_strv(&config->rootfs.diff_ids);
    image->env = take_strv(&exec->env);
    image->entrypoint = take_strv(&exec->entrypoint);
    image->cmd = take_strv(&exec->cmd);
    image->shell = take_strv(&exec->shell);
    image->on_build = take_strv(&exec->on_build);
    image->has_entrypoint = exec->has_entrypoint;
    image->has_cmd = exec->has_cmd;
    image->label_keys = take_strv(&exec->labels.keys);
    image->label_values = take_strv(&exec->labels.values);
    image->healthcheck_json = exec->healthcheck ? dv_json_text(exec->healthcheck) : NULL;
    image->history_json = config->history ? dv_json_text(config->history) : NULL;
    if (copy_keys(&image->volumes, exec->volumes) < 0 ||
        copy_keys(&image->exposed_ports, exec->exposed_ports) < 0)
        return -1;
    return image->architecture && image->os && image->variant && image->author && image->comment &&
                   image->docker_version && image->user && image->working_dir && image->stop_signal
               ? 0 : -1;
}

static int decode(struct dv_image *image, struct dv_error *err)
{
    struct dv_image_config config = { 0 };
    int r = dv_image_config_parse(image->config_json, strlen(image->config_json), &config, err);

    if (r == 0 && fill_image(image, &config) < 0)
        r = dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image");
    dv_image_config_done(&config);
    return r < 0 ? dv_wrap(err, "image %s in the database", image->id) : 0;
}

static int copy_row(void *arg, sqlite3_stmt *row)
{
    struct dv_image *image = arg;

    snprintf(image->id, sizeof(image->id), "%s", dv_row_text(row, 0));
    image->created_ns = (uint64_t)sqlite3_column_int64(row, 1);
    image->size_bytes = (uint64_t)sqlite3_column_int64(row, 2);
    image->config_json = dv_strdup(dv_row_text(row, 3));
    return image->config_json ? 1 : -DV_E_NO_MEMORY;
}

static int add_tag(void *arg, sqlite3_stmt *row)
{
    char *familiar = dv_ref_familiar(dv_row_text(row, 0));

    return familiar && dv_strv_add_take(arg, familiar) == 0 ? 0 : -DV_E_NO_MEMORY;
}

/* NULL in *RET without a failure: there is no such row. */
static int read_image(struct dv_images *images, const char *id, struct dv_image **ret,
                      struct dv_error *err)
{
    dv_auto(dv_image) *image = calloc(1, sizeof(*image));
    int r;

    if (!image)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image");
    r = dv_db_query(images->db, copy_row, image, err,
                    "SELECT id, created_ns, size_bytes, config_json FROM images WHERE id = ?", "s",
                    id);
    if (r >= 0 && image->id[0])
        r = dv_db_query(images->db, add_tag, &image->repo_tags, err,
                        "SELECT reference FROM image_refs WHERE image_id = ? ORDER BY reference",
                        "s", id);
    if (r < 0)
        return err->code ? r : dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image");
    if (!image->id[0]) {
        *ret = NULL;
        return 0;
    }
    r = decode(image, err);
    if (r == 0)
        *ret = dv_take(image);
    return r;
}

int dv_image_get(struct dv_images *images, const char *name, struct dv_image **ret,
                 struct dv_error *err)
{
    struct dv_found found = { 0 };
    struct dv_image *image = NULL;
    int r;

    r = dv_image_find(images, name, &found, err);
    if (r < 0)
        return r;
    free(found.ref);
    r = read_image(images, found.id, &image, err);
    if (r == 0 && !image)
        r = dv_fail(err, DV_E_NOT_FOUND, "No such image: %s", name);
    if (r == 0)
        *ret = image;
    return r;
}

size_t dv_image_list(struct dv_images *images, struct dv_image ***ret)
{
    dv_autostrv ids = { 0 };
    struct dv_error err = { 0 };
    struct dv_image **list = NULL;
    size_t i, n = 0;

    if (dv_rows_strings(images->db, &ids, &err,
                        "SELECT id FROM images ORDER BY created_ns DESC, id", NULL) < 0)
        dv_log_warn(NULL, "list images: %s", err.msg);
    list = calloc(ids.n + 1, sizeof(*list));
    for (i = 0; list && i < ids.n; i++) {
        struct dv_image *image = NULL;

        dv_error_clear(&err);
        if (read_image(images, ids.items[i], &image, &err) < 0)
            dv_log_warn(NULL, "list images: %s", err.msg);
        if (image)
            list[n++] = image;
    }
    *ret = list;
    return n;
}

/* ---- tag ---- */

static int check_target(const char *target, struct dv_ref *ref, struct dv_error *err)
{
    int r = dv_ref_parse(target, ref, err);

    if (r < 0)
        return r;
    if (ref->digest)
        return dv_fail(err, DV_E_INVALID, "refusing to create a tag with a digest reference");
    if (dv_streq(ref->repository, "sha256"))
        return dv_fail(err, DV_E_INVALID,
                       "refusing to create an ambiguous tag using digest algorithm as name");
    return 0;
}

/* The image may have gone since it was found: then the row it refers to is missing. */
static int put_tag(struct dv_images *images, const char *id, const struct dv_ref *ref,
                   const char *source, struct dv_error *err)
{
    int r = dv_db_exec(images->db, err,
                       "INSERT INTO image_refs (reference, image_id) VALUES (?, ?)"
                       " ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id", "ss",
                       ref->canonical, id);

    if (r == -DV_E_CONFLICT)
        return dv_fail(err, DV_E_NOT_FOUND, "No such image: %s", source);
    return r;
}

int dv_image_tag(struct dv_images *images, const char *source, const char *target,
                 struct dv_error *err)
{
    struct dv_found found = { 0 };
    struct dv_ref ref = { 0 };
    int r;

    r = dv_image_find(images, source, &found, err);
    if (r < 0)
        return r;
    free(found.ref);
    r = check_target(target, &ref, err);
    r = r < 0 ? r : put_tag(images, found.id, &ref, source, err);
    if (r == 0) {
        dv_store_write_index(images);
        if (images->event)
            images->event(images->event_arg, "tag", found.id, ref.familiar);
    }
    dv_ref_done(&ref);
    return r;
}
