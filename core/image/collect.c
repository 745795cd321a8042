/* collect.c - layers and blobs that nothing refers to any more.
 *
 * Each is claimed first, so that no job can begin to rely on it, and then looked at once more. Rows
 * go after files and layers: a kill between leaves a row that the next collection finds again. */
#include <stdio.h>

#include "core/base/log.h"
#include "core/image/internal.h"

/* ---- layers ---- */

static int remove_from_driver(struct dv_images *images, const char *chain, const char *driver_name,
                              struct dv_error *err)
{
    char id[DV_LAYER_ID_BYTES];
    struct dv_driver *driver;
    int r;

    dv_layer_id(chain, id);
    r = dv_storage_get(images, driver_name, &driver, err);
    r = r < 0 ? r : dv_layer_remove(driver, id, err);
    if (r < 0)
        return r; /* CONFLICT: a container's workspace or another layer lies on it */
    return dv_db_exec(images->db, err,
                      "DELETE FROM layer_storage WHERE chain_id = ? AND driver = ?", "ss", chain,
                      driver_name);
}

/* CHAIN is claimed. 1: it is gone. */
static int remove_layer(struct dv_images *images, const char *chain, struct dv_error *err)
{
    dv_autostrv names = { 0 };
    int64_t used;
    size_t i;
    int r;

    r = dv_row_count(images->db, &used, err,
                     "SELECT EXISTS (SELECT 1 FROM image_layers WHERE chain_id = ?)", chain);
    if (r < 0 || used)
        return r;
    r = dv_rows_strings(images->db, &names, err,
                        "SELECT driver FROM layer_storage WHERE chain_id = ?", chain);
    for (i = 0; i < names.n && r == 0; i++)
        r = remove_from_driver(images, chain, names.items[i], err);
    if (r == -DV_E_CONFLICT) {
        dv_error_clear(err);
        return 0;
    }
    r = r < 0 ? r
              : dv_db_exec(images->db, err, "DELETE FROM layers WHERE chain_id = ?", "s", chain);
    return r < 0 ? r : 1;
}

/* CHAIN is claimed. 1: it is gone, and noted in REMOVED. */
static int remove_and_note(struct dv_images *images, const char *chain,
                           struct dv_collected *removed, struct dv_error *err)
{
    int64_t size = 0;
    int r = dv_row_count(images->db, &size, err,
                         "SELECT size_bytes FROM layers WHERE chain_id = ?", chain);

    r = r < 0 ? r : remove_layer(images, chain, err);
    if (r <= 0 || !removed)
        return r;
    removed->size_bytes += (uint64_t)size;
    if (dv_strv_add(&removed->chains, chain) < 0)
        dv_log_warn(NULL, "out of memory for the names of removed layers");
    return r;
}

static void collect_layers(struct dv_images *images, struct dv_collected *removed)
{
    dv_autostrv chains = { 0 };
    struct dv_error err = { 0 };
    bool left = false, any = false;
    size_t i;

    if (dv_rows_strings(images->db, &chains, &err,
                        "SELECT chain_id FROM layers WHERE chain_id NOT IN"
                        " (SELECT chain_id FROM image_layers) ORDER BY depth DESC", NULL) < 0)
        dv_log_warn(NULL, "look for unused layers: %s", err.msg);
    for (i = 0; i < chains.n; i++) {
        const char *chain = chains.items[i];
        int r = 0;

        dv_error_clear(&err);
        if (dv_hold_claim(images, chain)) {
            r = remove_and_note(images, chain, removed, &err);
            dv_hold_release(images, chain);
        }
        if (r < 0)
            dv_log_warn(NULL, "remove layer %s: %s", chain, err.msg);
        left = left || r <= 0;
        any = any || r > 0;
    }
    dv_lock_take(&images->lock);
    images->maybe_orphans = left;
    dv_lock_drop(&images->lock);
    if (any)
        dv_janitor_wake(images);
}

/* ---- blobs ---- */

#define BLOB_IS_UNUSED                                                                             \
    " NOT EXISTS (SELECT 1 FROM images WHERE id = digest)"                                         \
    " AND NOT EXISTS (SELECT 1 FROM images WHERE manifest_digest = digest"                         \
    " OR source_manifest = digest)"                                                                \
    " AND NOT EXISTS (SELECT 1 FROM image_layers WHERE blob_digest = digest)"

static int remove_blob(struct dv_images *images, const char *digest, struct dv_error *err)
{
    int64_t unused;
    int r = dv_row_count(images->db, &unused, err,
                         "SELECT COUNT(*) FROM blobs WHERE digest = ? AND" BLOB_IS_UNUSED, digest);

    if (r < 0 || !unused)
        return r;
    dv_store_unlink_blob(images, digest);
    return dv_db_exec(images->db, err, "DELETE FROM blobs WHERE digest = ?", "s", digest);
}

static void collect_blobs(struct dv_images *images)
{
    dv_autostrv digests = { 0 };
    struct dv_error err = { 0 };
    char key[DV_KEY_BYTES];
    size_t i;

    if (dv_rows_strings(images->db, &digests, &err, "SELECT digest FROM blobs WHERE" BLOB_IS_UNUSED,
                        NULL) < 0)
        dv_log_warn(NULL, "look for unused blobs: %s", err.msg);
    for (i = 0; i < digests.n; i++) {
        dv_error_clear(&err);
        snprintf(key, sizeof(key), "blob:%s", digests.items[i]);
        if (!dv_hold_claim(images, key))
            continue;
        if (remove_blob(images, digests.items[i], &err) < 0)
            dv_log_warn(NULL, "remove blob %s: %s", digests.items[i], err.msg);
        dv_hold_release(images, key);
    }
}

void dv_images_collect(struct dv_images *images, struct dv_collected *removed)
{
    collect_layers(images, removed);
    collect_blobs(images);
}

/* ---- after a job ---- */

static int note_row(void *arg, sqlite3_stmt *row)
{
    (void)row;
    *(bool *)arg = true;
    return 1;
}

static int drop_rowless_layer(struct dv_images *images, struct dv_driver *driver, const char *chain,
                              struct dv_error *err)
{
    char id[DV_LAYER_ID_BYTES];
    bool known = false;
    int r;

    r = dv_db_query(images->db, note_row, &known, err,
                    "SELECT 1 FROM layer_storage WHERE chain_id = ? AND driver = ?", "ss", chain,
                    driver->name);
    if (r < 0 || known)
        return r < 0 ? r : 0;
    dv_layer_id(chain, id);
    return dv_layer_remove(driver, id, err);
}

static int drop_rowless_blob(struct dv_images *images, const char *digest, struct dv_error *err)
{
    int64_t known;
    int r;

    r = dv_row_count(images->db, &known, err,
                     "SELECT EXISTS (SELECT 1 FROM blobs WHERE digest = ?)", digest);
    if (r == 0 && !known)
        dv_store_unlink_blob(images, digest);
    return r;
}

void dv_collect_key(struct dv_images *images, struct dv_driver *driver, const char *key)
{
    bool is_blob = dv_starts(key, "blob:");
    struct dv_error err = { 0 };
    int r;

    if (!dv_hold_claim(images, key))
        return; /* another job uses it, and will look after it */
    r = is_blob ? drop_rowless_blob(images, key + 5, &err)
                : drop_rowless_layer(images, driver, key, &err);
    if (r < 0 && r != -DV_E_CONFLICT)
        dv_log_warn(NULL, "clean up %s: %s", key, err.msg);
    dv_hold_release(images, key);
}
