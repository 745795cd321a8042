/* layers.c - layers in the storage drivers. */
#include <davit/storage.h>
#include <signal.h>
#include <stdio.h>

#include "core/base/log.h"
#include "core/image/internal.h"

enum { LAYER_COMMITTED = 2 };       /* dv_layer_info.state */

void dv_layer_id(const char *chain, char out[DV_LAYER_ID_BYTES])
{
    snprintf(out, DV_LAYER_ID_BYTES, "%.32s", chain + strlen("sha256:"));
}

int dv_storage_get(struct dv_images *images, const char *name, struct dv_driver **ret,
                   struct dv_error *err)
{
    return dv_drivers_get(images->drivers, DV_KIND_STORAGE, name, ret, err);
}

struct dv_driver *dv_storage_at(struct dv_images *images, size_t i)
{
    return dv_drivers_at(images->drivers, i, DV_KIND_STORAGE);
}

bool dv_storage_native_diff(const struct dv_driver *driver)
{
    return (driver->caps & ((uint64_t)DV_STORAGE_CAP_NATIVE_DIFF << 32)) != 0;
}

int dv_layer_present(struct dv_driver *driver, const char *layer_id, struct dv_error *err)
{
    const struct dv_storage_ops *ops = driver->ops;
    struct dv_layer_info info = { .struct_size = sizeof(info), .flags = DV_STAT_QUICK };
    dv_autocall call = { 0 };
    int r;

    r = dv_call_begin(&call, driver, "stat", err);
    if (r == 0)
        r = dv_call_result(&call, ops->stat(driver->self, &call, layer_id, &info));
    if (r == -DV_E_NOT_FOUND) {
        dv_error_clear(err);
        return 0;
    }
    if (r < 0)
        return dv_wrap(err, "look for layer %s", layer_id);
    return info.state == LAYER_COMMITTED;
}

int dv_layer_remove(struct dv_driver *driver, const char *layer_id, struct dv_error *err)
{
    const struct dv_storage_ops *ops = driver->ops;
    dv_autocall call = { 0 };
    int r = dv_call_begin(&call, driver, "remove", err);

    if (r < 0)
        return r;
    dv_call_long(&call);
    return dv_call_result(&call, ops->remove(driver->self, &call, layer_id));
}

static int open_diff(struct dv_driver *driver, const char *token, struct dv_layer_dir *ret,
                     struct dv_error *err)
{
    const struct dv_storage_ops *ops = driver->ops;
    struct dv_diff_dir dir = { .struct_size = sizeof(dir), .dir_fd = -1 };
    dv_autocall call = { 0 };
    int r;

    r = dv_call_begin(&call, driver, "open_diff", err);
    if (r < 0)
        return r;
    r = dv_call_result(&call, ops->open_diff(driver->self, &call, token, /* for_write */ 1, &dir));
    if (r < 0)
        return r;
    ret->fd = dir.dir_fd;
    ret->whiteouts = dir.whiteouts;
    return 0;
}

int dv_layer_prepare(struct dv_driver *driver, const char *token, const char *parent,
                     struct dv_layer_dir *ret, struct dv_error *err)
{
    const struct dv_storage_ops *ops = driver->ops;
    struct dv_layer_req req = { .struct_size = sizeof(req), .id = token };
    struct dv_error ignored = { 0 };
    char parent_id[DV_LAYER_ID_BYTES];
    dv_autocall call = { 0 };
    int r;

    if (!ops->open_diff)
        return dv_fail(err, DV_E_UNSUPPORTED, "storage driver '%s' cannot be unpacked into (it has "
                       "no open_diff)", driver->name);
    if (*parent && !dv_storage_native_diff(driver)) {
        dv_layer_id(parent, parent_id);
        req.parent = parent_id;
    }
    r = dv_call_begin(&call, driver, "prepare", err);
    if (r == 0) {
        dv_call_long(&call);
        r = dv_call_result(&call, ops->prepare(driver->self, &call, &req));
    }
    if (r < 0)
        return dv_wrap(err, "prepare a layer");
    r = open_diff(driver, token, ret, err);
    if (r < 0 && dv_layer_remove(driver, token, &ignored) < 0)
        dv_log_warn(NULL, "remove workspace %s: %s", token, ignored.msg);
    return r < 0 ? dv_wrap(err, "prepare a layer") : 0;
}

int dv_layer_commit(struct dv_driver *driver, const char *token, const char *chain,
                    const char *parent, struct dv_error *err)
{
    const struct dv_storage_ops *ops = driver->ops;
    char id[DV_LAYER_ID_BYTES], parent_id[DV_LAYER_ID_BYTES];
    struct dv_error first;
    dv_autocall call = { 0 };
    int r;

    dv_layer_id(chain, id);
    if (*parent)
        dv_layer_id(parent, parent_id);
    r = dv_call_begin(&call, driver, "commit", err);
    if (r < 0)
        return dv_wrap(err, "commit layer %s", id);
    dv_call_long(&call);
    r = dv_call_result(&call, ops->commit(driver->self, &call, token, id,
                                          *parent ? parent_id : NULL));
    if (r != -DV_E_CONFLICT)
        return r < 0 ? dv_wrap(err, "commit layer %s", id) : 0;
    /* Another job was faster. Our own copy goes with the job's workspaces. */
    first = *err;
    dv_error_clear(err);
    r = dv_layer_present(driver, id, err);
    if (r < 0)
        return r;
    if (r == 0) {
        *err = first;
        return dv_wrap(err, "commit layer %s", id);
    }
    return dv_layer_remove(driver, token, err);
}

/* ---- the janitor ---- */

static void empty_trash_of(struct dv_driver *driver)
{
    const struct dv_storage_ops *ops = driver->ops;
    struct dv_error err = { 0 };
    dv_autocall call = { 0 };
    int r = dv_call_begin(&call, driver, "empty_trash", &err);

    if (r == 0) {
        dv_call_long(&call);
        r = dv_call_result(&call, ops->empty_trash(driver->self, &call, /* older_than_s */ 0));
    }
    if (r < 0)
        dv_log_warn(NULL, "empty the trash of storage driver '%s': %s", driver->name, err.msg);
}

static void empty_trash(struct dv_images *images)
{
    size_t i, n = dv_drivers_count(images->drivers);

    for (i = 0; i < n; i++) {
        struct dv_driver *driver = dv_storage_at(images, i);

        if (driver)
            empty_trash_of(driver);
    }
}

static void *janitor(void *arg)
{
    struct dv_images *images = arg;

    dv_lock_take(&images->lock);
    /* Saves to the last: their workers are ours to wait for. */
    while (!images->stopping || images->ended_saves) {
        struct dv_image_save *saves = images->ended_saves;
        bool trash = images->trash_waits;

        if (!saves && !trash) {
            (void)dv_lock_wait(&images->lock, &images->changed, 0);
            continue;
        }
        images->ended_saves = NULL;
        images->trash_waits = false;
        dv_lock_drop(&images->lock);
        dv_image_save_bury(saves);
        if (trash)
            empty_trash(images);
        dv_lock_take(&images->lock);
    }
    dv_lock_drop(&images->lock);
    return NULL;
}

void dv_janitor_wake(struct dv_images *images)
{
    dv_guard(&images->lock);
    images->trash_waits = true;
    pthread_cond_broadcast(&images->changed);
}

int dv_janitor_start(struct dv_images *images, struct dv_error *err)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&images->janitor, &attr, janitor, images);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (r != 0) {
        errno = r;
        return dv_fail_errno(err, DV_E_INTERNAL, "start the image store's thread");
    }
    pthread_setname_np(images->janitor, "images");
    images->janitor_runs = true;
    return 0;
}

void dv_janitor_stop(struct dv_images *images)
{
    if (!images->janitor_runs)
        return;
    dv_lock_take(&images->lock);
    images->stopping = true;
    pthread_cond_broadcast(&images->changed);
    dv_lock_drop(&images->lock);
    pthread_join(images->janitor, NULL);
    images->janitor_runs = false;
}
