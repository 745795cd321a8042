/* usage.c - how much images, layers and writable layers take, and where they lie. */
#include <davit/storage.h>

#include "core/image/internal.h"

/* ---- from the rows ---- */

struct sizes {
    uint64_t *items;
    size_t n;
};

static int add_size(void *arg, sqlite3_stmt *row)
{
    struct sizes *sizes = arg;
    uint64_t *more = reallocarray(sizes->items, sizes->n + 1, sizeof(*more));

    if (!more)
        return -DV_E_NO_MEMORY;
    sizes->items = more;
    more[sizes->n++] = (uint64_t)sqlite3_column_int64(row, 0);
    return 0;
}

int dv_image_layer_sizes(struct dv_images *images, const char *image_id, uint64_t **ret,
                         size_t *ret_n, struct dv_error *err)
{
    struct sizes sizes = { 0 };
    int r = dv_db_query(images->db, add_size, &sizes, err,
                        "SELECT l.size_bytes FROM image_layers il JOIN layers l ON l.chain_id ="
                        " il.chain_id WHERE il.image_id = ? ORDER BY il.position", "s", image_id);

    if (r < 0) {
        free(sizes.items);
        return err->code ? r : dv_fail(err, DV_E_NO_MEMORY, "out of memory for layers");
    }
    *ret = sizes.items;
    *ret_n = sizes.n;
    return 0;
}

static int sum(struct dv_images *images, const char *sql, const char *arg, uint64_t *ret,
               struct dv_error *err)
{
    int64_t bytes = 0;
    int r = dv_row_count(images->db, &bytes, err, sql, arg);

    if (r == 0)
        *ret = (uint64_t)bytes;
    return r;
}

int dv_image_shared_size(struct dv_images *images, const char *image_id, uint64_t *ret,
                         struct dv_error *err)
{
    return sum(images,
               "SELECT COALESCE(SUM(l.size_bytes), 0) FROM image_layers il JOIN layers l ON"
               " l.chain_id = il.chain_id WHERE il.image_id = ?1 AND EXISTS (SELECT 1 FROM"
               " image_layers o WHERE o.chain_id = il.chain_id AND o.image_id <> il.image_id)",
               image_id, ret, err);
}

int dv_images_layers_size(struct dv_images *images, uint64_t *ret, struct dv_error *err)
{
    return sum(images, "SELECT COALESCE(SUM(size_bytes), 0) FROM layers WHERE chain_id IN"
               " (SELECT chain_id FROM image_layers)", NULL, ret, err);
}

/* ---- from the driver ---- */

static int stat_of(struct dv_call *call, const struct dv_driver *driver, const char *id,
                   struct dv_layer_info *info, struct dv_error *err)
{
    const struct dv_storage_ops *ops = driver->ops;
    int r = dv_call_begin(call, driver, "stat", err);

    if (r < 0)
        return r;
    if (!(info->flags & DV_STAT_QUICK))
        dv_call_long(call);
    return dv_call_result(call, ops->stat(driver->self, call, id, info));
}

/* A driver whose layers are whole trees counts the parent's files, too. */
static int subtract_parent(const struct dv_driver *driver, const char *parent, uint64_t *bytes,
                           struct dv_error *err)
{
    struct dv_layer_info info = { .struct_size = sizeof(info) };
    dv_autocall call = { 0 };
    int r = stat_of(&call, driver, parent, &info, err);

    if (r == 0)
        *bytes = *bytes > info.bytes ? *bytes - info.bytes : 0;
    return r;
}

int dv_workspace_size(struct dv_images *images, const char *driver_name, const char *workspace_id,
                      uint64_t *ret, struct dv_error *err)
{
    struct dv_layer_info info = { .struct_size = sizeof(info) };
    struct dv_driver *driver;
    dv_autocall call = { 0 };
    uint64_t bytes = 0;
    int r = dv_storage_get(images, driver_name, &driver, err);

    r = r < 0 ? r : stat_of(&call, driver, workspace_id, &info, err);
    if (r == 0) {
        bytes = info.bytes;
        if (info.parent && !dv_storage_native_diff(driver))
            r = subtract_parent(driver, info.parent, &bytes, err);
    }
    if (r < 0)
        return dv_wrap(err, "measure workspace %.12s", workspace_id);
    *ret = bytes;
    return 0;
}

static int paths_of(const struct dv_driver *driver, const char *id, struct dv_strv *keys,
                    struct dv_strv *values, struct dv_error *err)
{
    struct dv_layer_info info = { .struct_size = sizeof(info), .flags = DV_STAT_QUICK };
    dv_autocall call = { 0 };
    int r = stat_of(&call, driver, id, &info, err);

    for (size_t i = 0; r == 0 && i < info.data.n; i++)
        if (dv_strv_add(keys, info.data.items[i].key) < 0 ||
            dv_strv_add(values, info.data.items[i].value) < 0)
            r = dv_fail(err, DV_E_NO_MEMORY, "out of memory for the paths of a layer");
    return r;
}

int dv_workspace_paths(struct dv_images *images, const char *driver_name, const char *workspace_id,
                       struct dv_strv *keys, struct dv_strv *values, struct dv_error *err)
{
    struct dv_driver *driver;
    int r = dv_storage_get(images, driver_name, &driver, err);

    r = r < 0 ? r : paths_of(driver, workspace_id, keys, values, err);
    return r < 0 ? dv_wrap(err, "look at workspace %.12s", workspace_id) : 0;
}

int dv_image_paths(struct dv_images *images, const char *image_id, struct dv_strv *keys,
                   struct dv_strv *values, struct dv_error *err)
{
    dv_autostrv chains = { 0 };
    char id[DV_LAYER_ID_BYTES];
    struct dv_driver *driver;
    int r;

    r = dv_rows_strings(images->db, &chains, err, "SELECT chain_id FROM image_layers"
                        " WHERE image_id = ? ORDER BY position DESC LIMIT 1", image_id);
    r = r < 0 ? r : dv_storage_get(images, images->storage_driver, &driver, err);
    if (r < 0 || chains.n == 0)
        return r;
    dv_layer_id(chains.items[0], id);
    r = paths_of(driver, id, keys, values, err);
    if (r == -DV_E_NOT_FOUND) { /* unpacked at its first use */
        dv_error_clear(err);
        return 0;
    }
    return r < 0 ? dv_wrap(err, "look at image %.19s", image_id) : 0;
}
