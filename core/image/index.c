/* index.c - index.json of an OCI image layout (OCI image-spec, image-index.md): the store's own, and
 * an archive's. */
#include "core/image/internal.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/log.h"

#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"

struct platform {
    char *architecture, *os, *variant;
};
struct index_entry {
    char *media_type, *digest;
    uint64_t size;
    struct platform platform;
    struct dv_json_map annotations;
};
struct dv_index {
    uint64_t schema_version;
    char *media_type;
    struct dv_json_array manifests;   /* of struct index_entry */
    size_t cap;
};
static const struct dv_json_field platform_fields[] = {
    {.key = "architecture", .type = DV_JSON_STR, .offset = offsetof(struct platform, architecture)},
    {.key = "os", .type = DV_JSON_STR, .offset = offsetof(struct platform, os)},
    {.key = "variant",
     .type = DV_JSON_STR,
     .offset = offsetof(struct platform, variant),
     .flags = DV_JSON_OMITEMPTY},
};
static const struct dv_json_field entry_fields[] = {
    {.key = "mediaType", .type = DV_JSON_STR, .offset = offsetof(struct index_entry, media_type)},
    {.key = "digest", .type = DV_JSON_STR, .offset = offsetof(struct index_entry, digest)},
    {.key = "size", .type = DV_JSON_U64, .offset = offsetof(struct index_entry, size)},
    {.key = "platform",
     .type = DV_JSON_OBJ,
     .offset = offsetof(struct index_entry, platform),
     .sub = platform_fields,
     .n_sub = N(platform_fields)},
    {.key = "annotations",
     .type = DV_JSON_MAP,
     .offset = offsetof(struct index_entry, annotations),
     .flags = DV_JSON_OMITEMPTY},
};
static const struct dv_json_field index_fields[] = {
    {.key = "schemaVersion",
     .type = DV_JSON_U64,
     .offset = offsetof(struct dv_index, schema_version)},
    {.key = "mediaType", .type = DV_JSON_STR, .offset = offsetof(struct dv_index, media_type)},
    {.key = "manifests",
     .type = DV_JSON_ARRAY,
     .offset = offsetof(struct dv_index, manifests),
     .sub = entry_fields,
     .n_sub = N(entry_fields),
     .sub_size = sizeof(struct index_entry)},
};

/* "os/arch[/variant]" as the images table has it. */
static int set_platform(struct platform *p, const char *text)
{
    dv_autostrv parts = { 0 };

    if (dv_strv_split(&parts, text, '/') < 0)
        return -1;
    p->os = dv_strdup(parts.n > 0 ? parts.items[0] : "");
    p->architecture = dv_strdup(parts.n > 1 ? parts.items[1] : "");
    p->variant = dv_strdup(parts.n > 2 ? parts.items[2] : "");
    return p->os && p->architecture && p->variant ? 0 : -1;
}

static int annotate(struct index_entry *e, const char *key, const char *value)
{
    return dv_strv_add(&e->annotations.keys, key) < 0 ||
                   dv_strv_add(&e->annotations.values, value) < 0
               ? -1 : 0;
}

struct dv_index *dv_index_new(void)
{
    struct dv_index *index = calloc(1, sizeof(*index));

    if (!index)
        return NULL;
    index->schema_version = 2;
    index->media_type = dv_strdup(OCI_INDEX);
    /* A list that is empty is [] and not null. */
    index->cap = 32;
    index->manifests.items = calloc(index->cap, sizeof(struct index_entry));
    if (index->media_type && index->manifests.items)
        return index;
    dv_index_free(index);
    return NULL;
}

void dv_index_free(struct dv_index *index)
{
    if (!index)
        return;
    dv_json_release(index_fields, N(index_fields), index);
    free(index);
}

static struct index_entry *new_entry(struct dv_index *index)
{
    struct index_entry *e = index->manifests.items;

    if (index->manifests.n == index->cap) {
        e = reallocarray(e, index->cap * 2, sizeof(*e));
        if (!e)
            return NULL;
        index->manifests.items = e;
        index->cap *= 2;
    }
    e += index->manifests.n++;
    memset(e, 0, sizeof(*e));
    return e;
}

int dv_index_add(struct dv_index *index, const struct dv_index_entry *entry)
{
    struct index_entry *e = new_entry(index);

    if (!e)
        return -1;
    e->size = entry->size_bytes;
    e->media_type = dv_strdup(OCI_MANIFEST);
    e->digest = dv_strdup(entry->manifest);
    if (!e->media_type || !e->digest || set_platform(&e->platform, entry->platform) < 0)
        return -1;
    if (dv_empty(entry->canonical))
        return 0;
    /* What containerd and Docker look for, and what skopeo and umoci do. */
    return annotate(e, "io.containerd.image.name", entry->canonical) < 0 ||
                   annotate(e, "org.opencontainers.image.ref.name", entry->ref_name) < 0
               ? -1 : 0;
}

char *dv_index_text(const struct dv_index *index)
{
    dv_autojson json_object *doc = dv_json_encode(index_fields, N(index_fields), index);

    return doc ? dv_json_text(doc) : NULL;
}

/* ---- the store's ---- */

struct listing {
    struct dv_images *images;
    struct dv_index *index;
};

static int add_row(void *arg, sqlite3_stmt *row)
{
    struct listing *l = arg;
    dv_autofree char *familiar = dv_ref_familiar(dv_row_text(row, 3));
    const struct dv_index_entry entry = {
        .manifest = dv_row_text(row, 0),
        .size_bytes = (uint64_t)sqlite3_column_int64(row, 1),
        .platform = dv_row_text(row, 2),
        .canonical = dv_row_text(row, 3),
        .ref_name = familiar, /* one store has many repositories: a tag alone says too little */
    };

    return familiar && dv_index_add(l->index, &entry) == 0 ? 0 : -DV_E_NO_MEMORY;
}

/* Under the store's lock: of two writers the later one has read the later rows. */
static int write_index(struct listing *l, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    int r;

    r = dv_db_query(l->images->db, add_row, l, err,
                    "SELECT i.manifest_digest, b.size_bytes, i.platform, r.reference FROM images i"
                    " JOIN blobs b ON b.digest = i.manifest_digest"
                    /* An image whose archives were dropped is no use to readers of a layout. */
                    " AND NOT EXISTS (SELECT 1 FROM image_layers il WHERE il.image_id = i.id AND"
                    " il.blob_digest NOT IN (SELECT digest FROM blobs))"
                    " LEFT JOIN image_refs r ON r.image_id = i.id ORDER BY r.reference, i.id", "");
    if (r < 0)
        return err->code ? r : dv_fail(err, DV_E_NO_MEMORY, "out of memory for index.json");
    text = dv_index_text(l->index);
    if (!text)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for index.json");
    return dv_file_replace(l->images->dir_fd, "index.json", text, strlen(text), 0600, DV_VOLATILE,
                           err);
}

void dv_store_write_index(struct dv_images *images)
{
    struct listing l = { .images = images, .index = dv_index_new() };
    struct dv_error err = { 0 };
    int r;

    dv_lock_take(&images->lock);
    r = l.index ? write_index(&l, &err)
                : dv_fail(&err, DV_E_NO_MEMORY, "out of memory for index.json");
    dv_lock_drop(&images->lock);
    dv_index_free(l.index);
    if (r < 0)
        dv_log_warn(NULL, "write index.json of the image store: %s", err.msg);
}
