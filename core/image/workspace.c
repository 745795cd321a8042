/* workspace.c - containers' writable layers, through the storage drivers. */
#include <davit/storage.h>
#include <stdio.h>

#include "core/base/log.h"
#include "core/image/internal.h"
#include "core/image/lease.h"
#include "core/runtime/spec.h"
#include "core/worker/protocol.h"

enum { LAYERS_PER_JOB = 64 };        /* as many as fit in one message */

/* ---- layers that the chosen driver lacks ---- */

struct wanted {
    char *chain, *diff_id, *parent, *digest;
};
struct wanted_list {
    struct wanted *items;
    size_t n;
};

static void wanted_done(struct wanted_list *list)
{
    size_t i;

    for (i = 0; i < list->n; i++) {
        free(list->items[i].chain);
        free(list->items[i].diff_id);
        free(list->items[i].parent);
        free(list->items[i].digest);
    }
    free(list->items);
}

static int add_wanted(void *arg, sqlite3_stmt *row)
{
    struct wanted_list *list = arg;
    struct wanted *more = realloc(list->items, (list->n + 1) * sizeof(*more)), *w;

    if (!more)
        return -DV_E_NO_MEMORY;
    list->items = more;
    w = &more[list->n++];
    w->chain = dv_strdup(dv_row_text(row, 0));
    w->diff_id = dv_strdup(dv_row_text(row, 1));
    w->parent = dv_strdup(dv_row_text(row, 2));
    w->digest = dv_strdup(dv_row_text(row, 3));
    return w->chain && w->diff_id && w->parent && w->digest ? 0 : -DV_E_NO_MEMORY;
}

static int find_wanted(struct dv_images *images, const char *image_id, const char *driver,
                       struct wanted_list *ret, struct dv_error *err)
{
    int r = dv_db_query(images->db, add_wanted, ret, err,
                        "SELECT l.chain_id, l.diff_id, l.parent, il.blob_digest"
                        " FROM image_layers il JOIN layers l ON l.chain_id = il.chain_id"
                        " WHERE il.image_id = ? AND NOT EXISTS (SELECT 1 FROM layer_storage s"
                        " WHERE s.chain_id = l.chain_id AND s.driver = ?) ORDER BY il.position",
                        "ss", image_id, driver);

    if (r < 0 && !err->code)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for layers");
    return r < 0 ? r : 0;
}

static void fill_unpack(struct dv_msg_writer *w, const void *arg)
{
    const struct wanted_list *list = arg;
    size_t i;

    for (i = 0; i < list->n; i++) {
        size_t mark = dv_msg_open(w, DV_WT_LAYER);

        dv_msg_str(w, DV_WT_DIFF_ID, list->items[i].diff_id);
        dv_msg_str(w, DV_WT_DIGEST, list->items[i].digest);
        dv_msg_str(w, DV_WT_PARENT, list->items[i].parent);
        dv_msg_close(w, mark);
    }
}

/* The caller holds the layers, so they stay until their rows are there. */
static int unpack_some(struct dv_images *images, struct dv_driver *driver,
                       const struct wanted_list *list, struct dv_error *err)
{
    const struct dv_image_job_spec spec = { .name = "unpack", .fill = fill_unpack, .arg = list,
                                            .body_fd = -1, .cancel_fd = -1, .driver = driver };
    char answer[72];
    size_t i;
    int r = dv_image_job_run(images, &spec, answer, err);

    for (i = 0; i < list->n && r == 0; i++) {
        char id[DV_LAYER_ID_BYTES];

        dv_layer_id(list->items[i].chain, id);
        r = dv_db_exec(images->db, err,
                       "INSERT OR IGNORE INTO layer_storage (chain_id, driver, layer_id)"
                       " VALUES (?, ?, ?)", "sss", list->items[i].chain, driver->name, id);
    }
    return r;
}

static int unpack_missing(struct dv_images *images, struct dv_driver *driver, const char *image_id,
                          struct dv_error *err)
{
    struct wanted_list all = { 0 };
    size_t done = 0;
    int r = find_wanted(images, image_id, driver->name, &all, err);

    if (r == 0 && all.n > 0)
        r = dv_image_check_blobs(images, image_id, err);
    while (r == 0 && done < all.n) {
        size_t n = all.n - done < LAYERS_PER_JOB ? all.n - done : LAYERS_PER_JOB;
        const struct wanted_list some = { all.items + done, n };

        r = unpack_some(images, driver, &some, err);
        done += n;
    }
    wanted_done(&all);
    return r < 0 ? dv_wrap(err, "unpack image %.19s for storage driver '%s'", image_id,
                           driver->name) : 0;
}

/* ---- create ---- */

static int prepare(struct dv_driver *driver, const char *workspace_id, const char *parent_chain,
                   struct dv_error *err)
{
    const struct dv_storage_ops *ops = driver->ops;
    struct dv_layer_req req = { .struct_size = sizeof(req), .id = workspace_id };
    char parent[DV_LAYER_ID_BYTES];
    dv_autocall call = { 0 };
    int r;

    if (parent_chain) {
        dv_layer_id(parent_chain, parent);
        req.parent = parent;
    }
    r = dv_call_begin(&call, driver, "prepare", err);
    if (r < 0)
        return r;
    dv_call_long(&call);
    return dv_call_result(&call, ops->prepare(driver->self, &call, &req));
}

/* While the layers are held. */
static int create_held(struct dv_images *images, struct dv_driver *driver, const char *workspace_id,
                       const struct dv_image *image, const struct dv_strv *chains,
                       struct dv_error *err)
{
    int64_t there = 0;
    int r;

    r = dv_row_count(images->db, &there, err,
                     "SELECT EXISTS (SELECT 1 FROM images WHERE id = ?)", image->id);
    if (r == 0 && !there)
        return dv_fail(err, DV_E_NOT_FOUND, "No such image: %s", image->id);
    r = r < 0 ? r : unpack_missing(images, driver, image->id, err);
    return r < 0 ? r : prepare(driver, workspace_id,
                               chains->n > 0 ? chains->items[chains->n - 1] : NULL, err);
}

int dv_workspace_create(struct dv_images *images, const char *workspace_id,
                        const struct dv_image *image, const char **ret_driver, struct dv_error *err)
{
    dv_autostrv chains = { 0 };
    struct dv_driver *driver;
    size_t held = 0;
    int r;

    r = dv_storage_get(images, images->storage_driver, &driver, err);
    r = r < 0 ? r : dv_rows_strings(images->db, &chains, err, "SELECT chain_id FROM image_layers"
                                    " WHERE image_id = ? ORDER BY position", image->id);
    while (r == 0 && held < chains.n) {
        r = dv_hold_take(images, chains.items[held], err);
        if (r == 0)
            held++;
    }
    if (r == 0)
        r = create_held(images, driver, workspace_id, image, &chains, err);
    while (held > 0)
        dv_hold_drop(images, chains.items[--held]);
    if (r == 0)
        *ret_driver = driver->name;
    return r;
}

/* ---- activate ---- */

static void mounts_free(struct dv_spec_rootfs *list, size_t n)
{
    size_t i, k;

    for (i = 0; i < n; i++) {
        for (k = 0; k < list[i].n_params; k++) {
            free(list[i].params[k].key);
            free(list[i].params[k].value);
        }
        free(list[i].params);
        free(list[i].type);
        free(list[i].source);
    }
    free(list);
}

static const struct dv_param *param_at(const struct dv_mount *m, size_t i)
{
    return (const void *)((const char *)m->params + i * m->param_stride);
}

static const struct dv_mount *mount_at(const struct dv_mounts *m, size_t i)
{
    return (const void *)((const char *)m->items + i * m->stride);
}

/* Descriptors in a plan become ours, wanted or not. */
static bool close_descriptors(const struct dv_mounts *mounts)
{
    bool any = false;
    size_t i, k;

    for (i = 0; i < mounts->n; i++) {
        const struct dv_mount *m = mount_at(mounts, i);

        for (k = 0; k < m->n_params; k++) {
            if (param_at(m, k)->kind == DV_PARAM_FD && param_at(m, k)->fd >= 0) {
                dv_close(param_at(m, k)->fd);
                any = true;
            }
        }
    }
    return any;
}

static int copy_mount(const struct dv_mount *m, struct dv_spec_rootfs *to)
{
    size_t k;

    to->type = dv_strdup(m->type);
    to->source = dv_strdup(m->source ? m->source : "");
    to->attrs = m->attrs;
    to->params = calloc(m->n_params + 1, sizeof(*to->params));
    if (!to->type || !to->source || !to->params)
        return -1;
    to->n_params = m->n_params;
    for (k = 0; k < m->n_params; k++) {
        const struct dv_param *p = param_at(m, k);

        to->params[k].kind = p->kind;
        to->params[k].idmap = p->idmap != 0;
        to->params[k].key = dv_strdup(p->key);
        to->params[k].value = dv_strdup(p->value);
        if (!to->params[k].key || (p->value && !to->params[k].value))
            return -1;
    }
    return 0;
}

static int copy_mounts(const struct dv_mounts *mounts, struct dv_spec_rootfs **ret, size_t *ret_n,
                       struct dv_error *err)
{
    struct dv_spec_rootfs *list = calloc(mounts->n + 1, sizeof(*list));
    size_t i;

    for (i = 0; list && i < mounts->n; i++) {
        if (copy_mount(mount_at(mounts, i), &list[i]) < 0) {
            mounts_free(list, i + 1);
            list = NULL;
        }
    }
    if (!list)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a mount plan");
    *ret = list;
    *ret_n = mounts->n;
    return 0;
}

static int activate(struct dv_images *images, const char *driver_name, const char *workspace_id,
                    bool read_only, struct dv_spec_rootfs **ret, size_t *ret_n,
                    struct dv_error *err)
{
    struct dv_mounts mounts = { .struct_size = sizeof(mounts) };
    const struct dv_storage_ops *ops;
    struct dv_driver *driver;
    dv_autocall call = { 0 };
    int r;

    r = dv_storage_get(images, driver_name, &driver, err);
    if (r < 0)
        return r;
    ops = driver->ops;
    r = dv_call_begin(&call, driver, "activate", err);
    if (r == 0)
        r = dv_call_result(&call, ops->activate(driver->self, &call, workspace_id, read_only,
                                                &mounts));
    if (r == 0)
        r = dv_result_mounts(&call, &mounts);
    if (r < 0)
        return dv_wrap(err, "use workspace %.12s", workspace_id);
    if (close_descriptors(&mounts))
        return dv_fail(err, DV_E_UNSUPPORTED, "storage driver '%s' describes its mounts by "
                       "descriptors, which davit cannot pass on yet", driver_name);
    return copy_mounts(&mounts, ret, ret_n, err);
}

/* A caller without one would share the layer with whoever has it. */
static int check_lease(struct dv_images *images, const char *workspace_id, enum dv_lease_use use,
                       struct dv_error *err)
{
    if (dv_lease_held(images->leases, workspace_id, use))
        return 0;
    return dv_fail(err, DV_E_INTERNAL, "workspace %.12s is used without a lease", workspace_id);
}

int dv_workspace_activate(struct dv_images *images, const char *driver_name,
                          const char *workspace_id, struct dv_spec_rootfs **ret, size_t *ret_n,
                          struct dv_error *err)
{
    int r = check_lease(images, workspace_id, DV_LEASE_RUN, err);

    return r < 0 ? r :
                   activate(images, driver_name, workspace_id, /* read_only */ false, ret, ret_n, err);
}

int dv_workspace_describe(struct dv_images *images, const char *driver_name,
                          const char *workspace_id, struct dv_spec_rootfs **ret, size_t *ret_n,
                          struct dv_error *err)
{
    int r = check_lease(images, workspace_id, DV_LEASE_COPY_UP, err);

    return r < 0 ? r :
                   activate(images, driver_name, workspace_id, /* read_only */ true, ret, ret_n, err);
}

void dv_workspace_deactivate(struct dv_images *images, const char *driver_name,
                             const char *workspace_id)
{
    const struct dv_storage_ops *ops;
    struct dv_error err = { 0 };
    struct dv_driver *driver;
    dv_autocall call = { 0 };

    if (dv_storage_get(images, driver_name, &driver, &err) == 0) {
        ops = driver->ops;
        if (dv_call_begin(&call, driver, "deactivate", &err) == 0 &&
            dv_call_result(&call, ops->deactivate(driver->self, &call, workspace_id)) == 0)
            return;
    }
    dv_log_warn(NULL, "release workspace %.12s: %s", workspace_id, err.msg);
}

int dv_workspace_remove(struct dv_images *images, const char *driver_name,
                        const char *workspace_id, struct dv_error *err)
{
    struct dv_driver *driver;
    bool orphans;
    int r;

    r = check_lease(images, workspace_id, DV_LEASE_REMOVE, err);
    r = r < 0 ? r : dv_storage_get(images, driver_name, &driver, err);
    r = r < 0 ? r : dv_layer_remove(driver, workspace_id, err);
    if (r < 0)
        return dv_wrap(err, "remove workspace %.12s", workspace_id);
    /* The image may have been removed by force before its container was. */
    dv_lock_take(&images->lock);
    orphans = images->maybe_orphans;
    dv_lock_drop(&images->lock);
    if (orphans)
        dv_images_collect(images, NULL);
    dv_janitor_wake(images);
    return 0;
}
