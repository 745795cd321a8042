/* job_load.c - images of an archive, through a registry transport, into the store. */
#include <davit/registry.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/limits.h"
#include "core/plugin/load.h"
#include "core/worker/image_config.h"
#include "core/worker/job.h"
#include "core/worker/layer.h"
#include "core/worker/spool.h"

#define OCI_CONFIG "application/vnd.oci.image.config.v1+json"

struct load {
    struct dv_job *job;
    const struct dv_registry_ops *ops;
    void *handle;
    struct dv_call *call;            /* of the image at hand: its arena holds IMAGE */
    struct dv_reg_image image;
    struct dv_image_config config;
    char id[DV_DIGEST_BYTES];
    uint64_t config_bytes;
};

/* A claimed digest that is none would only confuse later messages. */
static int check_claim(const struct dv_reg_blob *blob, struct dv_error *err)
{
    if (blob->digest && !dv_is_digest(blob->digest))
        return dv_fail(err, DV_E_UNSUPPORTED, "'%.100s' is no sha256 digest, the only kind known",
                       blob->digest);
    return 0;
}

static int open_blob(struct load *l, const struct dv_reg_blob *blob, int *ret_fd,
                     struct dv_error *err)
{
    dv_autocall call = { 0 };
    int32_t fd = -1;
    int r;

    r = check_claim(blob, err);
    if (r < 0)
        return r;
    r = dv_call_begin(&call, l->job->driver, "open_blob", err);
    if (r < 0)
        return r;
    call.cancel_fd = l->job->wire.fd;
    r = dv_call_result(&call, l->ops->open_blob(l->job->driver->self, &call, l->handle, blob, &fd));
    if (r < 0)
        return r;
    *ret_fd = fd;
    return 0;
}

static int read_config(struct load *l, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    dv_autoclose int fd = -1;
    size_t len = 0;
    int r;

    r = open_blob(l, &l->image.config, &fd, err);
    r = r < 0 ? r : dv_read_fd(fd, DV_MAX_IMAGE_CONFIG_BYTES, &text, &len, err);
    r = r < 0 ? r : dv_image_config_parse(text, len, &l->config, err);
    /* As it came: its digest is the image's id. */
    r = r < 0 ? r : dv_blob_put(&l->job->wire, text, len, OCI_CONFIG, l->id, err);
    if (r < 0)
        return dv_wrap(err, "config '%.200s'", l->image.config.key ? l->image.config.key : "");
    if (l->image.config.digest && !dv_streq(l->image.config.digest, l->id))
        return dv_fail(err, DV_E_INVALID, "image config is %s, but %s was promised: the archive is "
                       "damaged or was changed", l->id, l->image.config.digest);
    l->config_bytes = len;
    if (l->config.rootfs.diff_ids.n != l->image.n_layers)
        return dv_fail(err, DV_E_INVALID, "image %s has %u layers, but its config names %zu",
                       l->id, l->image.n_layers, l->config.rootfs.diff_ids.n);
    return 0;
}

static const struct dv_reg_blob *layer_at(const struct load *l, size_t i)
{
    return (const void *)((const char *)l->image.layers + i * l->image.layer_stride);
}

static int load_layer(struct load *l, size_t i, const char *parent, struct dv_layer_put *ret,
                      struct dv_error *err)
{
    const struct dv_reg_blob *blob = layer_at(l, i);
    struct dv_layer_source source = { .fd = -1, .digest = blob->digest, .parent = parent,
                                      .diff_id = l->config.rootfs.diff_ids.items[i] };
    dv_autoclose int fd = -1;
    int r;

    r = open_blob(l, blob, &fd, err);
    if (r < 0)
        return dv_wrap(err, "layer %zu of %u", i + 1, l->image.n_layers);
    source.fd = fd;
    source.blob = dv_spool_has(l->job->spooled, fd) ? DV_BLOB_ADOPT : DV_BLOB_COPY;
    r = dv_layer_put(&l->job->wire, &source, ret, err);
    return r < 0 ? dv_wrap(err, "layer %zu of %u", i + 1, l->image.n_layers) : 0;
}

static int load_image(struct load *l, struct dv_error *err)
{
    dv_autofree struct dv_layer_put *layers = NULL;
    struct dv_image_report report = { 0 };
    const char *parent = "";
    size_t i;
    int r;

    if (l->image.n_layers > DV_MAX_LAYERS ||
        (l->image.n_layers > 0 && l->image.layer_stride < sizeof(struct dv_reg_blob)))
        return dv_fail(err, DV_E_INVALID, "image of %u layers", l->image.n_layers);
    r = read_config(l, err);
    if (r < 0)
        return r;
    layers = calloc(l->image.n_layers + 1, sizeof(*layers));
    if (!layers)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for %u layers", l->image.n_layers);
    for (i = 0; i < l->image.n_layers; i++) {
        r = load_layer(l, i, parent, &layers[i], err);
        if (r < 0)
            return r;
        parent = layers[i].chain;
        dv_wire_progress(&l->job->wire, layers[i].diff_id, i + 1, l->image.n_layers);
    }
    report = (struct dv_image_report){
        .id = l->id, .config_bytes = l->config_bytes, .config = &l->config, .layers = layers,
        .n_layers = l->image.n_layers, .names = l->image.names, .n_names = l->image.n_names,
        .given = l->image.manifest, .given_len = l->image.manifest_len,
        .given_type = l->image.manifest_type,
    };
    return dv_report_image(&l->job->wire, &report, err);
}

/* 1: an image was loaded, 0: there is none left. */
static int next_image(struct load *l, struct dv_error *err)
{
    dv_autocall call = { 0 };
    int r;

    r = dv_call_begin(&call, l->job->driver, "next_image", err);
    if (r < 0)
        return r;
    call.cancel_fd = l->job->wire.fd;
    l->image = (struct dv_reg_image){ .struct_size = sizeof(l->image) };
    l->config = (struct dv_image_config){ 0 };
    r = dv_call_result_upto(&call, l->ops->next_image(l->job->driver->self, &call, l->handle,
                                                      &l->image), 1);
    if (r <= 0)
        return r;
    r = load_image(l, err);
    dv_image_config_done(&l->config);
    return r < 0 ? r : 1;
}

static int open_source(struct load *l, int body_fd, struct dv_error *err)
{
    struct dv_reg_req req = { .struct_size = sizeof(req), .source_fd = body_fd };
    dv_autocall call = { 0 };
    int r = dv_call_begin(&call, l->job->driver, "open", err);

    if (r < 0)
        return r;
    call.cancel_fd = l->job->wire.fd;
    return dv_call_result(&call, l->ops->open(l->job->driver->self, &call, &req, &l->handle));
}

int dv_job_load(struct dv_job *job, struct dv_error *err)
{
    struct load l = { .job = job, .ops = job->driver->ops };
    size_t n = 0;
    int r;

    if (job->packet->n_fds < 1)
        return dv_fail(err, DV_E_INVALID, "load: no archive was given");
    r = open_source(&l, job->packet->fds[0], err);
    if (r < 0)
        return r;
    while ((r = next_image(&l, err)) > 0)
        n++;
    l.ops->close(job->driver->self, l.handle);
    if (r == 0 && n == 0)
        return dv_fail(err, DV_E_INVALID, "the archive holds no image");
    return r;
}
