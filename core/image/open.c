/* open.c - the image store's beginning and end, and the comparison with the drivers at start. */
#include <davit/storage.h>
#include <stdio.h>

#include "core/base/log.h"
#include "core/image/internal.h"

static int copy_config(struct dv_images *images, const struct dv_images_config *config)
{
    images->db = config->db;
    images->drivers = config->drivers;
    images->leases = config->leases;
    images->event = config->event;
    images->event_arg = config->event_arg;
    images->drop_blobs = config->drop_blobs;
    images->storage_driver = dv_strdup(config->storage_driver);
    images->worker_path = dv_strdup(config->worker_path);
    images->plugin_dir = dv_strdup(config->plugin_dir);
    return images->storage_driver && images->worker_path && images->plugin_dir ? 0 : -1;
}

int dv_images_open(const struct dv_images_config *config, struct dv_images **ret,
                   struct dv_error *err)
{
    struct dv_images *images = calloc(1, sizeof(*images));
    int r;

    if (!images)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for the image store");
    images->dir_fd = images->blobs_fd = images->trash_fd = -1;
    images->maybe_orphans = true; /* until a collection has found none */
    dv_lock_init(&images->lock, DV_RANK_STORE);
    dv_cond_init(&images->changed);
    r = copy_config(images, config) < 0 ?
            dv_fail(err, DV_E_NO_MEMORY, "out of memory for the image store") :
            dv_store_open(images, config->root_fd, err);
    r = r < 0 ? r : dv_janitor_start(images, err);
    if (r < 0) {
        dv_images_close(images);
        return r;
    }
    dv_store_write_index(images);
    *ret = images;
    return 0;
}

void dv_images_close(struct dv_images *images)
{
    if (!images)
        return;
    dv_janitor_stop(images);
    dv_close(images->dir_fd);
    dv_close(images->blobs_fd);
    dv_close(images->trash_fd);
    pthread_cond_destroy(&images->changed);
    dv_lock_done(&images->lock);
    free(images->storage_driver);
    free(images->worker_path);
    free(images->plugin_dir);
    free(images);
}

/* ---- reconciliation ---- */

static void recover(struct dv_images *images, struct dv_driver *driver,
                    const struct dv_strv *known_workspaces)
{
    const struct dv_storage_ops *ops = driver->ops;
    dv_autostrv known = { 0 };
    struct dv_error err = { 0 };
    dv_autocall call = { 0 };
    int r;

    r = dv_rows_strings(images->db, &known, &err,
                        "SELECT layer_id FROM layer_storage WHERE driver = ?", driver->name);
    for (size_t i = 0; r == 0 && i < known_workspaces->n; i++)
        if (dv_strv_add(&known, known_workspaces->items[i]) < 0)
            r = dv_fail(&err, DV_E_NO_MEMORY, "out of memory");
    if (r == 0)
        r = dv_call_begin(&call, driver, "recover", &err);
    /* With half a list everything else would go to the trash. */
    if (r == 0) {
        dv_call_long(&call);
        r = dv_call_result(&call, ops->recover(driver->self, &call,
                                               (const char *const *)known.items, known.n));
    }
    if (r < 0)
        dv_log_error(NULL, "recover storage driver '%s': %s", driver->name, err.msg);
}

void dv_images_reconcile(struct dv_images *images, const struct dv_strv *known_workspaces)
{
    size_t i, n = dv_drivers_count(images->drivers);
    struct dv_error err = { 0 };

    for (i = 0; i < n; i++) {
        struct dv_driver *driver = dv_storage_at(images, i);

        if (driver)
            recover(images, driver, known_workspaces);
    }
    dv_store_sweep(images);
    dv_images_collect(images, NULL);
    dv_store_write_index(images);
    /* Whatever those jobs left has been dealt with above. */
    if (dv_db_exec(images->db, &err, "DELETE FROM intents WHERE kind = 'load'", "") < 0)
        dv_log_error(NULL, "end the intents of image jobs: %s", err.msg);
}

void dv_images_adopt(struct dv_images *images, struct dv_driver *driver)
{
    dv_autostrv workspaces = { 0 };
    struct dv_error err = { 0 };

    if (dv_db_is_fresh(images->db))
        return; /* what it names proves nothing */
    if (dv_rows_strings(images->db, &workspaces, &err,
                        "SELECT id FROM containers WHERE storage_driver = ?", driver->name) < 0)
        dv_log_error(NULL, "recover storage driver '%s': %s", driver->name, err.msg);
    else
        recover(images, driver, &workspaces);
}

void dv_images_driver_status(struct dv_images *images, struct dv_strv *keys, struct dv_strv *values)
{
    const struct dv_storage_ops *ops;
    struct dv_error err = { 0 };
    struct dv_kvs rows = { 0 };
    struct dv_driver *driver;
    dv_autocall call = { 0 };
    size_t i;

    if (dv_storage_get(images, images->storage_driver, &driver, &err) < 0)
        return;
    ops = driver->ops;
    if (!ops->status || dv_call_begin(&call, driver, "status", &err) < 0 ||
        dv_call_result(&call, ops->status(driver->self, &call, &rows)) < 0 ||
        dv_result_kvs(&call, "row", &rows) < 0)
        return;
    for (i = 0; i < rows.n; i++)
        if (dv_strv_add(keys, rows.items[i].key) < 0 ||
            dv_strv_add(values, rows.items[i].value) < 0)
            break;
    if (keys->n > values->n) /* out of memory between the two: keep pairs */
        free(keys->items[--keys->n]), keys->items[keys->n] = NULL;
}
