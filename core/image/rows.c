/* rows.c - questions to the image tables that several files ask. */
#include <stdio.h>

#include "core/base/id.h"
#include "core/image/internal.h"
#include "core/worker/image_config.h"

static int copy_count(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = sqlite3_column_int64(row, 0);
    return 1;
}

int dv_row_count(struct dv_db *db, int64_t *ret, struct dv_error *err, const char *sql,
                 const char *arg)
{
    int r;

    *ret = 0;
    r = arg ? dv_db_query(db, copy_count, ret, err, sql, "s", arg)
            : dv_db_query(db, copy_count, ret, err, sql, "");
    return r < 0 ? r : 0;
}

static int copy_string(void *arg, sqlite3_stmt *row)
{
    return dv_strv_add(arg, dv_row_text(row, 0)) < 0 ? -DV_E_NO_MEMORY : 0;
}

int dv_rows_strings(struct dv_db *db, struct dv_strv *ret, struct dv_error *err, const char *sql,
                    const char *arg)
{
    int r = arg ? dv_db_query(db, copy_string, ret, err, sql, "s", arg)
                : dv_db_query(db, copy_string, ret, err, sql, "");

    if (r < 0 && err->code == 0)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for rows");
    return r < 0 ? r : 0;
}

static int copy_id(void *arg, sqlite3_stmt *row)
{
    snprintf(arg, 72, "%s", dv_row_text(row, 0));
    return 1;
}

/* 1: found. */
static int find_ref(struct dv_images *images, const struct dv_ref *ref, struct dv_found *ret,
                    struct dv_error *err)
{
    int r;

    if (ref->digest) /* digests come from registries only */
        return 0;
    r = dv_db_query(images->db, copy_id, ret->id, err,
                    "SELECT image_id FROM image_refs WHERE reference = ?", "s", ref->canonical);
    if (r < 0)
        return r;
    if (!ret->id[0])
        return 0;
    ret->ref = dv_strdup(ref->canonical);
    return ret->ref ? 1 : dv_fail(err, DV_E_NO_MEMORY, "out of memory for a reference");
}

struct prefix_match {
    char id[72];
    unsigned n;
};

static int count_match(void *arg, sqlite3_stmt *row)
{
    struct prefix_match *m = arg;

    m->n++;
    snprintf(m->id, sizeof(m->id), "%s", dv_row_text(row, 0));
    return m->n > 1;
}

/* A unique prefix of an id, "sha256:" or not: 1. */
static int find_prefix(struct dv_images *images, const char *name, struct dv_found *ret,
                       struct dv_error *err)
{
    const char *hex = dv_starts(name, "sha256:") ? name + 7 : name;
    struct prefix_match match = { 0 };
    char low[72], high[80];
    int r;

    if (!*hex || strlen(hex) > 64 || strspn(hex, "0123456789abcdef") != strlen(hex))
        return 0;
    snprintf(low, sizeof(low), "sha256:%s", hex);
    snprintf(high, sizeof(high), "sha256:%sg", hex); /* behind every hexadecimal digit */
    r = dv_db_query(images->db, count_match, &match, err,
                    "SELECT id FROM images WHERE id >= ? AND id < ? LIMIT 2", "ss", low, high);
    if (r < 0 || match.n != 1)
        return r < 0 ? r : 0;
    memcpy(ret->id, match.id, sizeof(ret->id));
    return 1;
}

int dv_image_find(struct dv_images *images, const char *name, struct dv_found *ret,
                  struct dv_error *err)
{
    bool whole_id = dv_is_digest(name) ||
                    (strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64);
    struct dv_found found = { 0 };
    struct dv_ref ref = { 0 };
    int r = 0;

    if (!whole_id) {
        r = dv_ref_parse(name, &ref, err);
        r = r < 0 ? r : find_ref(images, &ref, &found, err);
    }
    if (r == 0)
        r = find_prefix(images, name, &found, err);
    if (r == 0 && whole_id)
        r = dv_fail(err, DV_E_NOT_FOUND, "No such image: %s%s",
                    dv_is_digest(name) ? "" : "sha256:", name);
    else if (r == 0)
        r = dv_fail(err, DV_E_NOT_FOUND, "No such image: %s%s%s", ref.familiar,
                    ref.digest ? "@" : "", ref.digest ? ref.digest : "");
    dv_ref_done(&ref);
    if (r < 0) {
        free(found.ref);
        return r;
    }
    *ret = found;
    return 0;
}

int dv_image_check_blobs(struct dv_images *images, const char *image_id, struct dv_error *err)
{
    int64_t dropped = 0;
    int r = dv_row_count(images->db, &dropped, err,
                         "SELECT COUNT(*) FROM image_layers WHERE image_id = ? AND blob_digest NOT IN"
                         " (SELECT digest FROM blobs)", image_id);

    if (r < 0 || dropped == 0)
        return r;
    return dv_fail(err, DV_E_UNSUPPORTED, "image %.19s has no archives of its layers any more "
                   "(storage.drop_blobs): set drop_blobs = false and load it again", image_id);
}
