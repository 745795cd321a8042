/* report.c - an image's manifest, and its description for davitd. */
#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/worker/image_config.h"
#include "core/worker/job.h"
#include "core/worker/layer.h"
#include "core/worker/protocol.h"

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define OCI_CONFIG "application/vnd.oci.image.config.v1+json"

/* OCI image-spec, descriptor.md. */
struct descriptor {
    char *media_type, *digest;
    uint64_t size;
};
struct manifest {
    uint64_t schema_version;
    char *media_type;
    struct descriptor config;
    struct dv_json_array layers;     /* of struct descriptor */
};
static const struct dv_json_field descriptor_fields[] = {
    { .key = "mediaType", .type = DV_JSON_STR, .offset = offsetof(struct descriptor, media_type) },
    { .key = "digest", .type = DV_JSON_STR, .offset = offsetof(struct descriptor, digest),
      .flags = DV_JSON_REQUIRED },
    { .key = "size", .type = DV_JSON_U64, .offset = offsetof(struct descriptor, size) },
};
static const struct dv_json_field manifest_fields[] = {
    { .key = "schemaVersion", .type = DV_JSON_U64,
      .offset = offsetof(struct manifest, schema_version) },
    { .key = "mediaType", .type = DV_JSON_STR, .offset = offsetof(struct manifest, media_type) },
    { .key = "config", .type = DV_JSON_OBJ, .offset = offsetof(struct manifest, config),
      .sub = descriptor_fields, .n_sub = N(descriptor_fields) },
    { .key = "layers", .type = DV_JSON_ARRAY, .offset = offsetof(struct manifest, layers),
      .sub = descriptor_fields, .n_sub = N(descriptor_fields),
      .sub_size = sizeof(struct descriptor) },
};

static bool same_parts(const struct manifest *m, const struct dv_image_report *report)
{
    const struct descriptor *layers = m->layers.items;
    size_t i;

    if (!m->config.digest || !dv_streq(m->config.digest, report->id) ||
        m->layers.n != report->n_layers)
        return false;
    for (i = 0; i < report->n_layers; i++)
        if (!layers[i].digest || !dv_streq(layers[i].digest, report->layers[i].digest))
            return false;
    return true;
}

/* Whether the manifest that came is one of TYPE over exactly the stored blobs. */
static bool given_is(const struct dv_image_report *report, const char *type)
{
    dv_autojson json_object *doc = NULL;
    struct dv_error ignored = { 0 };
    struct manifest m = { 0 };
    bool ok;

    if (!report->given || !report->given_type || !dv_streq(report->given_type, type))
        return false;
    ok = dv_json_parse(report->given, report->given_len, &doc, &ignored) == 0 &&
         dv_json_decode(doc, manifest_fields, N(manifest_fields), &m, &ignored) == 0 &&
         same_parts(&m, report);
    dv_json_release(manifest_fields, N(manifest_fields), &m);
    return ok;
}

/* Strings are borrowed from the report: the struct is not released. */
static char *generate_manifest(const struct dv_image_report *report)
{
    dv_autofree struct descriptor *layers = calloc(report->n_layers + 1, sizeof(*layers));
    dv_autojson json_object *doc = NULL;
    struct manifest m = {
        .schema_version = 2,
        .media_type = (char *)OCI_MANIFEST,
        .config = { (char *)OCI_CONFIG, (char *)report->id, report->config_bytes },
        .layers = { layers, report->n_layers },
    };
    size_t i;

    if (!layers)
        return NULL;
    for (i = 0; i < report->n_layers; i++)
        layers[i] = (struct descriptor){ (char *)report->layers[i].media_type,
                                         (char *)report->layers[i].digest,
                                         report->layers[i].blob_bytes };
    doc = dv_json_encode(manifest_fields, N(manifest_fields), &m);
    return doc ? dv_json_text(doc) : NULL;
}

/* Put the manifest blob that index.json is to list. */
static int put_manifest(struct dv_wire *wire, const struct dv_image_report *report,
                        char digest[DV_DIGEST_BYTES], uint64_t *ret_bytes, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    int r;

    if (given_is(report, OCI_MANIFEST)) {
        *ret_bytes = report->given_len;
        return dv_blob_put(wire, report->given, report->given_len, OCI_MANIFEST, digest, err);
    }
    text = generate_manifest(report);
    if (!text)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a manifest");
    *ret_bytes = strlen(text);
    r = dv_blob_put(wire, text, strlen(text), OCI_MANIFEST, digest, err);
    return r;
}

/* Readers of a layout refuse schema 2, so index.json lists an OCI manifest derived from it; but it is
 * what its registry knows the image by. SOURCE: "" where there is none. */
static int put_source(struct dv_wire *wire, const struct dv_image_report *report,
                      char source[DV_DIGEST_BYTES], struct dv_error *err)
{
    source[0] = '\0';
    if (!given_is(report, DOCKER_MANIFEST))
        return 0;
    return dv_blob_put(wire, report->given, report->given_len, DOCKER_MANIFEST, source, err);
}

static void put_layers(struct dv_msg_writer *w, const struct dv_image_report *report)
{
    size_t i;

    for (i = 0; i < report->n_layers; i++) {
        const struct dv_layer_put *layer = &report->layers[i];
        size_t mark = dv_msg_open(w, DV_WD_LAYER);

        dv_msg_str(w, DV_WT_DIFF_ID, layer->diff_id);
        dv_msg_str(w, DV_WT_CHAIN, layer->chain);
        dv_msg_str(w, DV_WT_DIGEST, layer->digest);
        dv_msg_str(w, DV_WT_MEDIA_TYPE, layer->media_type);
        dv_msg_u64(w, DV_WT_SIZE, layer->size_bytes);
        dv_msg_close(w, mark);
    }
}

int dv_report_image(struct dv_wire *wire, const struct dv_image_report *report,
                    struct dv_error *err)
{
    dv_autofree char *config = dv_image_config_text(report->config);
    char manifest[DV_DIGEST_BYTES], source[DV_DIGEST_BYTES];
    struct dv_msg_writer w;
    uint64_t manifest_bytes = 0;
    size_t i;
    int r;

    if (!config)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image config");
    r = put_manifest(wire, report, manifest, &manifest_bytes, err);
    r = r < 0 ? r : put_source(wire, report, source, err);
    if (r < 0)
        return r;
    dv_msg_begin(&w, DV_W_IMAGE, 0, DV_WORKER_DOC_BYTES);
    dv_msg_str(&w, DV_WD_ID, report->id);
    dv_msg_bytes(&w, DV_WD_CONFIG, config, strlen(config));
    dv_msg_str(&w, DV_WD_MANIFEST, manifest);
    dv_msg_u64(&w, DV_WD_MANIFEST_SIZE, manifest_bytes);
    if (source[0])
        dv_msg_str(&w, DV_WD_SOURCE, source);
    for (i = 0; i < report->n_names; i++)
        dv_msg_str(&w, DV_WD_NAME, report->names[i]);
    put_layers(&w, report);
    r = dv_msg_end(&w, err);
    r = r < 0 ? r : dv_wire_image(wire, &w, err);
    dv_msg_done(&w);
    return r;
}
