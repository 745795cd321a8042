/* archive.c - registry transport "archive": images in a tar, as docker save and OCI tools write it.
 *
 * Both layouts of docker save (layers below <id>/, possibly links to one another; or below
 * blobs/sha256/) and the OCI image layout, plain or compressed as a whole. */
#include "archive.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t fail(const struct source *s, struct dv_call *c, int32_t code, const char *fmt, ...)
{
    char text[800];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return s->host->fail(c, code, 0, text);
}

int32_t fail_memory(const struct source *s, struct dv_call *c)
{
    return fail(s, c, DV_E_NO_MEMORY, "out of memory for an archive");
}

/* ---- images ---- */

void free_blob(struct dv_reg_blob *blob)
{
    free((char *)blob->media_type);
    free((char *)blob->digest);
    free((char *)blob->key);
    *blob = (struct dv_reg_blob){ 0 };
}

void free_image(struct image *image)
{
    uint32_t i;

    free(image->manifest);
    free(image->manifest_type);
    free_blob(&image->config);
    for (i = 0; i < image->n_layers; i++)
        free_blob(&image->layers[i]);
    free(image->layers);
    for (i = 0; i < image->n_names; i++)
        free(image->names[i]);
    free(image->names);
}

struct image *add_image(struct source *s, struct dv_call *c)
{
    if (s->n_images >= ARCHIVE_MAX_IMAGES) {
        fail(s, c, DV_E_INVALID, "archive holds more than %d images", ARCHIVE_MAX_IMAGES);
        return NULL;
    }
    if (s->n_images == s->cap_images) {
        size_t cap = s->cap_images ? s->cap_images * 2 : 4;
        struct image *more = realloc(s->images, cap * sizeof(*more));

        if (!more) {
            fail_memory(s, c);
            return NULL;
        }
        s->images = more;
        s->cap_images = cap;
    }
    s->images[s->n_images] = (struct image){ 0 };
    return &s->images[s->n_images++];
}

int32_t add_name(struct source *s, struct dv_call *c, struct image *image, const char *name)
{
    char **more = realloc(image->names, (image->n_names + 1) * sizeof(*more));
    char *copy = strdup(name);

    if (more)
        image->names = more;
    if (!more || !copy) {
        free(copy);
        return fail_memory(s, c);
    }
    image->names[image->n_names++] = copy;
    return 0;
}

int32_t make_layers(struct source *s, struct dv_call *c, struct image *image, size_t n)
{
    if (n > ARCHIVE_MAX_LAYERS)
        return fail(s, c, DV_E_INVALID, "image has %zu layers, at most %d are possible", n,
                    ARCHIVE_MAX_LAYERS);
    image->layers = calloc(n + 1, sizeof(*image->layers));
    if (!image->layers)
        return fail_memory(s, c);
    image->n_layers = (uint32_t)n;
    return 0;
}

/* "sha256:<hex>" of a name "blobs/sha256/<hex>", or of an old docker save's "<hex>.json" (the
 * digest of the config is its name there); NULL for others. */
static char *digest_of_name(const char *name)
{
    static const char blobs[] = "blobs/sha256/";
    const char *hex =
        strncmp(name, blobs, sizeof(blobs) - 1) == 0 ? name + sizeof(blobs) - 1 : name;
    const char *end = hex == name ? ".json" : "";
    char *digest;

    if (strspn(hex, "0123456789abcdef") != 64 || strcmp(hex + 64, end) != 0)
        return NULL;
    digest = malloc(72);
    if (digest)
        snprintf(digest, 72, "sha256:%.64s", hex);
    return digest;
}

int32_t set_blob(struct source *s, struct dv_call *c, struct dv_reg_blob *blob, const char *name,
                 const char *digest, const char *media_type)
{
    const struct file *f = find_file(s, name);

    if (!f)
        return fail(s, c, DV_E_INVALID, "archive lacks the file '%.200s', which its manifest names",
                    name);
    blob->media_type = strdup(media_type);
    blob->digest = digest ? strdup(digest) : digest_of_name(name);
    blob->key = strdup(name);
    blob->size_bytes = f->size;
    return blob->media_type && blob->key ? 0 : fail_memory(s, c);
}

/* ---- operations ---- */

static void source_free(struct source *s)
{
    size_t i;

    if (!s)
        return;
    for (i = 0; i < s->n_images; i++)
        free_image(&s->images[i]);
    free(s->images);
    free_files(s);
    free(s);
}

/* manifest.json first: it has the names, also where a layout lies beside it. */
static int32_t read_source(struct source *s, struct dv_call *c, int fd)
{
    const struct file *manifest, *index;
    int32_t r = read_archive(s, c, fd);

    if (r < 0)
        return r;
    manifest = find_file(s, "manifest.json");
    index = find_file(s, "index.json");
    if (manifest)
        return read_docker(s, c, manifest);
    if (index)
        return read_oci(s, c, index);
    if (find_file(s, "repositories"))
        return fail(s, c, DV_E_UNSUPPORTED, "archive was made by a docker save older than 1.10: "
                    "load and save it with a newer one");
    return fail(s, c, DV_E_INVALID, "archive has neither manifest.json nor index.json: it is no "
                "saved image (the tar of a root file system is for 'import')");
}

static int32_t archive_open(void *self, struct dv_call *c, const struct dv_reg_req *req,
                            void **handle)
{
    const struct dv_host *host = self;
    struct source *s = calloc(1, sizeof(*s));
    int32_t r;

    if (!s)
        return host->fail(c, DV_E_NO_MEMORY, 0, "out of memory");
    s->host = host;
    if (req->flags & 1)
        r = fail(s, c, DV_E_UNSUPPORTED, "writing archives is not built yet");
    else if (req->source_fd < 0)
        r = fail(s, c, DV_E_INVALID, "no archive was given");
    else
        r = read_source(s, c, req->source_fd);
    if (r < 0) {
        source_free(s);
        return r;
    }
    *handle = s;
    return 0;
}

static int32_t archive_next_image(void *self, struct dv_call *c, void *handle,
                                  struct dv_reg_image *out)
{
    struct source *s = handle;
    const struct image *image;

    (void)self;
    (void)c;
    if (s->next == s->n_images)
        return 0;
    image = &s->images[s->next++]; /* lives until close */
    out->n_layers = image->n_layers;
    out->manifest = image->manifest;
    out->manifest_len = image->manifest_len;
    out->manifest_type = image->manifest_type;
    out->config = image->config;
    out->layers = image->layers;
    out->layer_stride = sizeof(*image->layers);
    out->n_names = image->n_names;
    out->names = (const char *const *)image->names;
    return 1;
}

static int32_t archive_open_blob(void *self, struct dv_call *c, void *handle,
                                 const struct dv_reg_blob *blob, int32_t *fd)
{
    struct source *s = handle;
    const struct file *f = blob->key ? find_file(s, blob->key) : NULL;

    (void)self;
    if (!f)
        return fail(s, c, DV_E_NOT_FOUND, "archive lacks the file '%.200s'",
                    blob->key ? blob->key : "");
    return file_open(s, c, f, fd);
}

static void archive_close(void *self, void *handle)
{
    (void)self;
    source_free(handle);
}

static int32_t archive_init(const struct dv_host *h, struct dv_call *c, const struct dv_kvs *config,
                            void **self)
{
    (void)c;
    (void)config;
    *self = (void *)h; /* no state of its own */
    return 0;
}

static void archive_fini(void *self)
{
    (void)self;
}

static const struct dv_registry_ops ops = {
    .struct_size = sizeof(ops),
    .open = archive_open,
    .next_image = archive_next_image,
    .open_blob = archive_open_blob,
    .close = archive_close,
};

DV_PLUGIN_DEFINE(DV_KIND_REGISTRY, "archive", DAVIT_VERSION, .vendor = "davit",
                 .license = "Apache-2.0", .ops = &ops, .init = archive_init, .fini = archive_fini)
