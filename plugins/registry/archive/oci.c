/* oci.c - the index.json of an OCI image layout (OCI image-spec, image-layout.md, image-index.md).
 */
#include "archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* ---- media types ---- */

enum kind { KIND_OTHER, KIND_INDEX, KIND_MANIFEST };
static const struct {
    const char *media_type;
    enum kind kind;
} kinds[] = {
    { "application/vnd.oci.image.index.v1+json", KIND_INDEX },
    { "application/vnd.docker.distribution.manifest.list.v2+json", KIND_INDEX },
    { "application/vnd.oci.image.manifest.v1+json", KIND_MANIFEST },
    { "application/vnd.docker.distribution.manifest.v2+json", KIND_MANIFEST },
};

static enum kind kind_of(const char *media_type)
{
    size_t i;

    for (i = 0; media_type && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].media_type, media_type) == 0)
            return kinds[i].kind;
    return KIND_OTHER;
}

const char *json_text(json_object *obj, const char *key)
{
    json_object *value = NULL;

    if (!json_object_is_type(obj, json_type_object) ||
        !json_object_object_get_ex(obj, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return NULL;
    return json_object_get_string(value);
}

/* ---- platform ---- */

/* GOARCH of what uname(2) calls the machine. */
static const char *machine_arch(void)
{
    static const char *const arches[][2] = {
        { "x86_64", "amd64" },   { "aarch64", "arm64" }, { "riscv64", "riscv64" },
        { "ppc64le", "ppc64le" }, { "s390x", "s390x" },  { "loongarch64", "loong64" },
        { "mips64", "mips64le" },
    };
    struct utsname u;
    size_t i;

    if (uname(&u) == 0)
        for (i = 0; i < sizeof(arches) / sizeof(arches[0]); i++)
            if (strcmp(u.machine, arches[i][0]) == 0)
                return arches[i][1];
    return "unknown";
}

/* A descriptor without a platform may be anything: it is taken. */
static bool fits(json_object *platform)
{
    const char *os = json_text(platform, "os"), *arch = json_text(platform, "architecture");

    return (!os || strcmp(os, "linux") == 0) && (!arch || strcmp(arch, machine_arch()) == 0);
}

/* Say which image was left out. Attestations ("unknown/unknown") are no images. */
static void tell_left_out(struct source *s, const char *digest, json_object *platform)
{
    const char *os = json_text(platform, "os"), *arch = json_text(platform, "architecture");
    struct dv_kv kv = { "reason", NULL };
    const struct dv_kvs attrs = { &kv, 1 };
    char text[200];

    if (os && strcmp(os, "unknown") == 0)
        return;
    snprintf(text, sizeof(text), "it is for %.40s/%.40s, this machine is linux/%s", os ? os : "?",
             arch ? arch : "?", machine_arch());
    kv.value = text;
    s->host->event(s->host->self, "Left out", digest ? digest : "?", &attrs);
}

/* ---- descriptors ---- */

/* The file of blob DIGEST; NULL if it is no sha256 digest or not there. */
static const struct file *find_blob(const struct source *s, const char *digest)
{
    char name[128];

    if (!digest || strncmp(digest, "sha256:", 7) != 0 || strlen(digest) != 71 ||
        strspn(digest + 7, "0123456789abcdef") != 64)
        return NULL;
    snprintf(name, sizeof(name), "blobs/sha256/%s", digest + 7);
    return find_file(s, name);
}

static int32_t set_descriptor(struct source *s, struct dv_call *c, struct dv_reg_blob *blob,
                              json_object *desc)
{
    const char *digest = json_text(desc, "digest"), *type = json_text(desc, "mediaType");
    char name[128];

    if (!digest || strncmp(digest, "sha256:", 7) != 0 || strlen(digest) != 71)
        return fail(s, c, DV_E_INVALID, "a descriptor has no sha256 digest");
    snprintf(name, sizeof(name), "blobs/sha256/%s", digest + 7);
    return set_blob(s, c, blob, name, digest, type ? type : "");
}

static int32_t read_parts(struct source *s, struct dv_call *c, struct image *image,
                          json_object *manifest)
{
    json_object *layers = json_object_object_get(manifest, "layers");
    size_t i, n = json_object_is_type(layers, json_type_array) ?
                      json_object_array_length(layers) : 0;
    int32_t r;

    r = set_descriptor(s, c, &image->config, json_object_object_get(manifest, "config"));
    r = r < 0 ? r : make_layers(s, c, image, n);
    for (i = 0; i < n && r == 0; i++)
        r = set_descriptor(s, c, &image->layers[i], json_object_array_get_idx(layers, i));
    return r;
}

/* "busybox:latest" or "example.org/app"; a bare tag names no repository. */
static const char *descriptor_name(json_object *desc)
{
    json_object *notes = json_object_object_get(desc, "annotations");
    const char *name = json_text(notes, "io.containerd.image.name");

    if (name)
        return name;
    name = json_text(notes, "org.opencontainers.image.ref.name");
    return name && strpbrk(name, ":/") ? name : NULL;
}

/* Several entries of one manifest are several names of one image. */
static struct image *find_image(struct source *s, const char *digest)
{
    size_t i;

    for (i = 0; i < s->n_images; i++)
        if (s->images[i].config.digest && strcmp(s->images[i].config.digest, digest) == 0)
            return &s->images[i];
    return NULL;
}

static int32_t read_manifest(struct source *s, struct dv_call *c, json_object *desc,
                             const struct file *f, const char *name)
{
    json_object *doc = file_json(s, c, f);
    const char *config;
    struct image *image;
    int32_t r = 0;

    if (!doc)
        return -DV_E_INVALID;
    config = json_text(json_object_object_get(doc, "config"), "digest");
    image = config ? find_image(s, config) : NULL;
    if (!image) {
        image = add_image(s, c);
        r = image ? read_parts(s, c, image, doc) : fail_memory(s, c);
        if (r == 0) {
            image->manifest = file_text(s, c, f);
            image->manifest_len = f->size;
            image->manifest_type = strdup(json_text(desc, "mediaType") ?
                                              json_text(desc, "mediaType") : "");
            if (!image->manifest || !image->manifest_type)
                r = -DV_E_NO_MEMORY;
        }
    }
    if (r == 0 && name)
        r = add_name(s, c, image, name);
    json_object_put(doc);
    return r;
}

static int32_t read_index(struct source *s, struct dv_call *c, const struct file *f,
                          const char *outer_name, int depth);

static int32_t read_descriptor(struct source *s, struct dv_call *c, json_object *desc,
                               const char *outer_name, int depth)
{
    json_object *platform = json_object_object_get(desc, "platform");
    const char *digest = json_text(desc, "digest"), *name = descriptor_name(desc);
    enum kind kind = kind_of(json_text(desc, "mediaType"));
    const struct file *f = find_blob(s, digest);

    name = name ? name : outer_name;
    if (kind == KIND_OTHER)
        return 0; /* an artifact of some other kind */
    if (platform && !fits(platform)) {
        tell_left_out(s, digest, platform);
        return 0;
    }
    if (!f)
        return fail(s, c, DV_E_INVALID, "index.json names the blob %.80s, which the archive lacks",
                    digest ? digest : "(without digest)");
    return kind == KIND_INDEX ? read_index(s, c, f, name, depth + 1)
                              : read_manifest(s, c, desc, f, name);
}

static int32_t read_index(struct source *s, struct dv_call *c, const struct file *f,
                          const char *outer_name, int depth)
{
    size_t before = s->n_images, i, n;
    json_object *doc, *list;
    int32_t r = 0;

    if (depth > ARCHIVE_MAX_INDEXES)
        return fail(s, c, DV_E_INVALID, "indexes are nested deeper than %d", ARCHIVE_MAX_INDEXES);
    doc = file_json(s, c, f);
    if (!doc)
        return -DV_E_INVALID;
    list = json_object_object_get(doc, "manifests");
    n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    /* The entries of an inner index are one image for several machines: the first that fits. */
    for (i = 0; i < n && r == 0; i++) {
        json_object *desc = json_object_array_get_idx(list, i);
        json_object *platform = json_object_object_get(desc, "platform");

        if (depth == 0 || s->n_images == before)
            r = read_descriptor(s, c, desc, outer_name, depth);
        else if (platform && !fits(platform))
            tell_left_out(s, json_text(desc, "digest"), platform);
    }
    json_object_put(doc);
    return r;
}

int32_t read_oci(struct source *s, struct dv_call *c, const struct file *index)
{
    const struct file *layout = find_file(s, "oci-layout");
    json_object *doc = layout ? file_json(s, c, layout) : NULL;
    const char *version = json_text(doc, "imageLayoutVersion");
    int32_t r = 0;

    if (!layout || (doc && (!version || strncmp(version, "1.", 2) != 0)))
        r = fail(s, c, DV_E_UNSUPPORTED, "oci-layout: version '%.40s', version 1 is known",
                 version ? version : "");
    else if (!doc)
        r = -DV_E_INVALID;
    json_object_put(doc);
    r = r < 0 ? r : read_index(s, c, index, /* outer_name */ NULL, 0);
    if (r == 0 && s->n_images == 0)
        return fail(s, c, DV_E_NOT_FOUND, "archive holds no image for linux/%s", machine_arch());
    return r;
}

/* ---- the layout beside a manifest.json ---- */

/* The document DIGEST quietly: what is wrong with it does not matter to manifest.json. */
static json_object *quiet_json(struct source *s, const char *digest)
{
    const struct file *f = find_blob(s, digest);

    return f && f->data && may_parse(s, f) ? json_tokener_parse(f->data) : NULL;
}

static void attach(struct source *s, const char *config, const struct file *f, const char *type)
{
    for (size_t i = 0; i < s->n_images; i++) {
        struct image *image = &s->images[i];

        if (image->manifest || !image->config.digest || strcmp(config, image->config.digest) != 0)
            continue;
        image->manifest = malloc(f->size + 1);
        image->manifest_type = strdup(type);
        if (image->manifest) {
            memcpy(image->manifest, f->data, f->size + 1);
            image->manifest_len = f->size;
        }
    }
}

static void attach_from(struct source *s, json_object *doc, int depth)
{
    json_object *list = json_object_object_get(doc, "manifests");
    size_t i, n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (i = 0; i < n && depth <= ARCHIVE_MAX_INDEXES; i++) {
        json_object *desc = json_object_array_get_idx(list, i);
        const char *digest = json_text(desc, "digest"), *type = json_text(desc, "mediaType");
        json_object *inner = kind_of(type) == KIND_OTHER ? NULL : quiet_json(s, digest);
        const char *config = json_text(json_object_object_get(inner, "config"), "digest");

        if (kind_of(type) == KIND_INDEX)
            attach_from(s, inner, depth + 1);
        else if (config)
            attach(s, config, find_blob(s, digest), type);
        json_object_put(inner);
    }
}

void attach_oci_manifests(struct source *s)
{
    const struct file *index = find_file(s, "index.json");
    json_object *doc;

    if (!index || !index->data || !may_parse(s, index))
        return;
    doc = json_tokener_parse(index->data);
    if (json_object_is_type(doc, json_type_object))
        attach_from(s, doc, 0);
    json_object_put(doc);
}
