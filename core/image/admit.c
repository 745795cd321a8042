/* admit.c - a worker's description of an image, checked and made rows in one transaction. */
#include <stdio.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/image/internal.h"
#include "core/worker/image_config.h"
#include "core/worker/protocol.h"

struct layer {
    const char *diff_id, *chain, *digest, *media_type;
    uint64_t size_bytes;
};
struct description {
    char *data;                      /* what all strings point into */
    struct dv_msg msg;
    const char *id, *manifest, *source; /* SOURCE: "" for none */
    char *config;                    /* the normalised document */
    struct dv_image_config parsed;
    struct layer *layers;
    size_t n_layers, n_names;
    struct dv_ref *names;
    uint64_t size_bytes;
};

static void description_done(struct description *d)
{
    size_t i;

    for (i = 0; i < d->n_names; i++)
        dv_ref_done(&d->names[i]);
    dv_image_config_done(&d->parsed);
    free(d->names);
    free(d->layers);
    free(d->config);
    free(d->data);
}

static int fail_bad(struct dv_error *err, const char *what)
{
    return dv_fail(err, DV_E_INTERNAL, "davit-worker described an image badly: %s", what);
}

/* ---- reading ---- */

static int read_layer(struct description *d, const struct dv_field *f, struct dv_error *err)
{
    struct layer *layer = &d->layers[d->n_layers];
    struct dv_msg group;
    int r = dv_field_group(f, &group, err);

    if (r < 0)
        return r;
    layer->diff_id = dv_msg_get_str(&group, DV_WT_DIFF_ID, "");
    layer->chain = dv_msg_get_str(&group, DV_WT_CHAIN, "");
    layer->digest = dv_msg_get_str(&group, DV_WT_DIGEST, "");
    layer->media_type = dv_msg_get_str(&group, DV_WT_MEDIA_TYPE, "");
    layer->size_bytes = dv_msg_get_u64(&group, DV_WT_SIZE, 0);
    if (!dv_is_digest(layer->diff_id) || !dv_is_digest(layer->chain) ||
        !dv_is_digest(layer->digest) || layer->size_bytes > INT64_MAX / DV_MAX_LAYERS)
        return fail_bad(err, "a layer");
    if (d->n_layers >= d->parsed.rootfs.diff_ids.n ||
        !dv_streq(d->parsed.rootfs.diff_ids.items[d->n_layers], layer->diff_id))
        return fail_bad(err, "a layer is not the config's");
    d->size_bytes += layer->size_bytes;
    d->n_layers++;
    return 0;
}

static int read_config(struct description *d, struct dv_error *err)
{
    struct dv_field f;
    int r;

    if (!dv_msg_find(&d->msg, DV_WD_CONFIG, &f) || f.len == 0 || f.len > DV_MAX_IMAGE_CONFIG_BYTES)
        return fail_bad(err, "no config");
    d->config = dv_format("%.*s", (int)f.len, (const char *)f.data);
    if (!d->config)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image config");
    r = dv_image_config_parse(d->config, strlen(d->config), &d->parsed, err);
    if (r < 0)
        return r;
    d->layers = calloc(d->parsed.rootfs.diff_ids.n + 1, sizeof(*d->layers));
    d->names = calloc(DV_MAX_IMAGE_NAMES, sizeof(*d->names));
    return d->layers && d->names ? 0 : dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image");
}

static int read_name(struct description *d, const struct dv_field *f, struct dv_error *err)
{
    struct dv_ref *ref = &d->names[d->n_names];
    const char *text;
    int r;

    if (d->n_names == DV_MAX_IMAGE_NAMES)
        return dv_fail(err, DV_E_INVALID, "image has more than %d names", DV_MAX_IMAGE_NAMES);
    r = dv_field_str(f, &text, err);
    if (r < 0) /* it has no end */
        return dv_wrap(err, "image name");
    r = dv_ref_parse(text, ref, err);
    if (r < 0)
        return dv_wrap(err, "image name '%.200s'", text);
    d->n_names++;
    if (ref->digest)
        return dv_fail(err, DV_E_INVALID, "image name '%.200s' has a digest", text);
    return 0;
}

static int read_description(struct description *d, int fd, struct dv_error *err)
{
    struct dv_field f;
    size_t len = 0, pos = 0;
    int r;

    if (lseek(fd, 0, SEEK_SET) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "read the description of an image");
    /* A copy: the worker could still change the file. */
    r = dv_read_fd(fd, DV_WORKER_DOC_BYTES, &d->data, &len, err);
    r = r < 0 ? r : dv_msg_parse(d->data, len, &d->msg, err);
    r = r < 0 ? r : read_config(d, err);
    if (r < 0)
        return r;
    d->id = dv_msg_get_str(&d->msg, DV_WD_ID, "");
    d->manifest = dv_msg_get_str(&d->msg, DV_WD_MANIFEST, "");
    d->source = dv_msg_get_str(&d->msg, DV_WD_SOURCE, "");
    if (!dv_is_digest(d->id) || !dv_is_digest(d->manifest) ||
        (*d->source && !dv_is_digest(d->source)))
        return fail_bad(err, "no digests");
    while (r == 0 && dv_msg_next(&d->msg, &pos, &f)) {
        if (f.tag == DV_WD_LAYER)
            r = read_layer(d, &f, err);
        else if (f.tag == DV_WD_NAME)
            r = read_name(d, &f, err);
    }
    if (r == 0 && d->n_layers != d->parsed.rootfs.diff_ids.n)
        return fail_bad(err, "layers are missing");
    return r;
}

/* Everything that the rows will name is held by this job, so it is there and stays. */
static int check_held(const struct dv_image_job *job, const struct description *d,
                      struct dv_error *err)
{
    char key[DV_KEY_BYTES];
    size_t i;

    snprintf(key, sizeof(key), "blob:%s", d->id);
    if (!dv_strv_has(&job->held, key))
        return fail_bad(err, "its config was not stored");
    snprintf(key, sizeof(key), "blob:%s", d->manifest);
    if (!dv_strv_has(&job->held, key))
        return fail_bad(err, "its manifest was not stored");
    snprintf(key, sizeof(key), "blob:%s", d->source);
    if (*d->source && !dv_strv_has(&job->held, key))
        return fail_bad(err, "its source's manifest was not stored");
    for (i = 0; i < d->n_layers; i++) {
        snprintf(key, sizeof(key), "blob:%s", d->layers[i].digest);
        if (!dv_strv_has(&job->held, key) || !dv_strv_has(&job->held, d->layers[i].chain))
            return fail_bad(err, "a layer was not stored");
    }
    return 0;
}

/* ---- writing ---- */

static int put_blob(struct dv_images *images, const char *digest, const char *media_type,
                    struct dv_error *err)
{
    uint64_t size = 0;
    int r = dv_store_blob_size(images, digest, &size, err);

    return r < 0 ? r : dv_db_exec(images->db, err,
                                  "INSERT OR IGNORE INTO blobs (digest, size_bytes, media_type)"
                                  " VALUES (?, ?, ?)", "sis", digest, (int64_t)size, media_type);
}

/* The blob that layer I of the image came in. One that is to be dropped gets no row: it goes with the
 * job, as everything does that no row names. */
static int put_layer_blob(struct dv_images *images, const struct description *d, size_t i,
                          struct dv_error *err)
{
    const struct layer *layer = &d->layers[i];
    int r = images->drop_blobs ? 0 : put_blob(images, layer->digest, layer->media_type, err);

    return r < 0 ? r : dv_db_exec(images->db, err,
                                  "INSERT OR REPLACE INTO image_layers (image_id, position,"
                                  " chain_id, blob_digest) VALUES (?, ?, ?, ?)", "siss", d->id,
                                  (int64_t)i, layer->chain, layer->digest);
}

static int put_layer(struct dv_image_job *job, const struct description *d, size_t i,
                     struct dv_error *err)
{
    const struct layer *layer = &d->layers[i];
    struct dv_images *images = job->images;
    char id[DV_LAYER_ID_BYTES];
    int r;

    dv_layer_id(layer->chain, id);
    r = dv_db_exec(images->db, err,
                   "INSERT OR IGNORE INTO layers (chain_id, diff_id, parent, depth, size_bytes)"
                   " VALUES (?, ?, ?, ?, ?)", "sssii", layer->chain, layer->diff_id,
                   i > 0 ? d->layers[i - 1].chain : "", (int64_t)i, (int64_t)layer->size_bytes);
    return r < 0 ? r : dv_db_exec(images->db, err,
                                  "INSERT OR IGNORE INTO layer_storage (chain_id, driver, layer_id)"
                                  " VALUES (?, ?, ?)", "sss", layer->chain,
                                  job->spec->driver->name, id);
}

/* An image that is there already keeps the blobs it came with, unless they were dropped: then it has
 * those of this archive. */
static int wants_blobs(struct dv_images *images, const struct description *d, bool is_new,
                       bool *ret, struct dv_error *err)
{
    struct dv_error dropped = { 0 };

    *ret = is_new;
    if (is_new || images->drop_blobs || dv_image_check_blobs(images, d->id, &dropped) == 0)
        return 0;
    if (dropped.code != DV_E_UNSUPPORTED) {
        *err = dropped;
        return -err->code;
    }
    *ret = true;
    return dv_db_exec(images->db, err,
                      "UPDATE images SET manifest_digest = ?, source_manifest = ? WHERE id = ?",
                      "sss", d->manifest, d->source, d->id);
}

static int put_image(struct dv_images *images, const struct description *d, bool *ret_new,
                     struct dv_error *err)
{
    const struct dv_image_config *c = &d->parsed;
    uint64_t created = 0;
    char platform[200];
    int r;

    if (!dv_empty(c->created) && dv_time_parse(c->created, &created) < 0)
        created = 0;
    snprintf(platform, sizeof(platform), "%.60s/%.60s%s%.60s", c->os ? c->os : "",
             c->architecture ? c->architecture : "", dv_empty(c->variant) ? "" : "/",
             c->variant ? c->variant : "");
    r = dv_db_exec(images->db, err,
                   "INSERT OR IGNORE INTO images (id, config_json, created_ns, size_bytes,"
                   " manifest_digest, platform, loaded_ns, source_manifest)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "ssiissis", d->id, d->config,
                   (int64_t)created, (int64_t)d->size_bytes, d->manifest, platform,
                   (int64_t)dv_now_ns(), d->source);
    if (r < 0)
        return r;
    *ret_new = dv_db_changes(images->db) > 0;
    return 0;
}

/* Config and manifests. */
static int put_image_blobs(struct dv_images *images, const struct description *d,
                           struct dv_error *err)
{
    int r = put_blob(images, d->id, "application/vnd.oci.image.config.v1+json", err);

    r = r < 0 ? r : put_blob(images, d->manifest, "application/vnd.oci.image.manifest.v1+json",
                             err);
    if (r < 0 || !*d->source)
        return r;
    return put_blob(images, d->source, "application/vnd.docker.distribution.manifest.v2+json", err);
}

/* Whose name it was before; "" if nobody's or its own. */
struct moved {
    char old_id[72];
};

static int copy_id(void *arg, sqlite3_stmt *row)
{
    snprintf(((struct moved *)arg)->old_id, 72, "%s", dv_row_text(row, 0));
    return 1;
}

static int put_name(struct dv_images *images, const struct description *d, size_t i,
                    struct moved *moved, struct dv_error *err)
{
    const char *reference = d->names[i].canonical;
    int r;

    r = dv_db_query(images->db, copy_id, moved, err,
                    "SELECT image_id FROM image_refs WHERE reference = ? AND image_id <> ?", "ss",
                    reference, d->id);
    return r < 0 ? r : dv_db_exec(images->db, err,
                                  "INSERT INTO image_refs (reference, image_id) VALUES (?, ?)"
                                  " ON CONFLICT (reference) DO UPDATE SET image_id ="
                                  " excluded.image_id", "ss", reference, d->id);
}

static int put_rows(struct dv_image_job *job, const struct description *d, struct moved *moved,
                    struct dv_error *err)
{
    bool is_new = false, with_blobs = false;
    size_t i;
    int r;

    r = put_image(job->images, d, &is_new, err);
    r = r < 0 ? r : wants_blobs(job->images, d, is_new, &with_blobs, err);
    if (r == 0 && with_blobs)
        r = put_image_blobs(job->images, d, err);
    for (i = 0; i < d->n_layers && r == 0; i++) {
        r = put_layer(job, d, i, err);
        if (r == 0 && with_blobs)
            r = put_layer_blob(job->images, d, i, err);
    }
    for (i = 0; i < d->n_names && r == 0; i++)
        r = put_name(job->images, d, i, &moved[i], err);
    return r;
}

static int commit_rows(struct dv_image_job *job, const struct description *d, struct moved *moved,
                       struct dv_error *err)
{
    struct dv_db *db = job->images->db;
    int r;

    /* Names of blobs must be on disk before rows speak of them. */
    r = dv_store_sync(job->images, err);
    r = r < 0 ? r : dv_tx_begin(db, DV_SYNC_FULL, err);
    if (r < 0)
        return r;
    r = put_rows(job, d, moved, err);
    if (r < 0) {
        dv_tx_rollback(db);
        return r;
    }
    return dv_tx_commit(db, err);
}

/* ---- telling ---- */

static void say(const struct dv_image_job *job, const char *fmt, ...) DV_PRINTF(2, 3);
static void say(const struct dv_image_job *job, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    if (!job->spec->message)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    job->spec->message(job->spec->message_arg, text);
}

/* In Docker's words. */
static void announce(const struct dv_image_job *job, const struct description *d,
                     const struct moved *moved)
{
    const struct dv_images *images = job->images;
    size_t i;

    if (images->event)
        images->event(images->event_arg, job->spec->action, d->id, d->id);
    for (i = 0; i < d->n_names; i++) {
        if (moved[i].old_id[0])
            say(job, "The image %s already exists, renaming the old one with ID %s to empty "
                "string\n", d->names[i].familiar, moved[i].old_id);
        say(job, "Loaded image: %s\n", d->names[i].familiar);
        /* As Docker: an imported image is tagged afterwards, a loaded one comes with its names. */
        if (images->event && dv_streq(job->spec->action, "import"))
            images->event(images->event_arg, "tag", d->id, d->names[i].familiar);
    }
    if (d->n_names == 0)
        say(job, "Loaded image ID: %s\n", d->id);
}

int dv_image_admit(struct dv_image_job *job, int doc_fd, char ret_id[72], struct dv_error *err)
{
    struct description d = { 0 };
    dv_autofree struct moved *moved = calloc(DV_MAX_IMAGE_NAMES, sizeof(*moved));
    int r;

    r = moved ? 0 : dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image");
    r = r < 0 ? r : read_description(&d, doc_fd, err);
    r = r < 0 ? r : check_held(job, &d, err);
    r = r < 0 ? r : commit_rows(job, &d, moved, err);
    if (r == 0) {
        dv_store_write_index(job->images);
        snprintf(ret_id, 72, "%s", d.id);
        announce(job, &d, moved);
    }
    description_done(&d);
    return r;
}
