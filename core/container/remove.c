/* remove.c - taking a container away: row first, then everything that no record names any more. */
#include <fcntl.h>
#include <stdlib.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/container/internal.h"
#include "core/container/test_hooks.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/image/lease.h"
#include "core/network/network.h"
#include "core/runtime/cgroup.h"
#include "core/state/db.h"
#include "core/volume/volume.h"

enum { REMOVE_TRIES = 5 };           /* against somebody who starts it again and again */

static void clean_now(struct dv_container *c)
{
    struct dv_containers *cs = c->cs;
    struct dv_error err = { 0 };

    if (dv_cgroup_kill(cs->engine->cgroups, cs->cgroup_parent, c->id, &err) < 0 ||
        dv_cgroup_remove(cs->engine->cgroups, cs->cgroup_parent, c->id, &err) < 0)
        dv_log_warn(NULL, "container %s: remove its control groups: %s", c->id, err.msg);
    dv_error_clear(&err);
    if (dv_remove_tree(cs->run_fd, c->id, &err) < 0)
        dv_log_warn(NULL, "container %s: remove its run directory: %s", c->id, err.msg);
}

/* Its record is gone: what a daemon that dies before this leaves is found and removed by the next. */
static void remove_directory(struct dv_container *c)
{
    struct dv_error err = { 0 };

    if (dv_remove_tree(c->cs->dirs_fd, c->id, &err) < 0)
        dv_log_warn(NULL, "container %s: remove its directory: %s", c->id, err.msg);
}

/* It may have been started again meanwhile: then group and directory are the new run's. Once removed
 * it cannot be. */
static void clean_kernel(void *arg)
{
    struct dv_container *c = arg;
    struct dv_error err = { 0 };
    bool removed, up;

    dv_lock_take(&c->lock);
    removed = c->removed;
    dv_lock_drop(&c->lock);
    if (removed) {
        clean_now(c);
        remove_directory(c);
    } else if (dv_op_begin(c, "clean-up", &err) == 0) {
        dv_lock_take(&c->lock);
        up = c->status == DV_RUNNING || c->status == DV_PAUSED;
        dv_lock_drop(&c->lock);
        if (!up)
            clean_now(c);
        dv_op_end(c);
    } else if (err.code == DV_E_NOT_FOUND) {
        clean_now(c);
    }
    dv_container_unref(c);
}

void dv_container_clean_kernel(struct dv_container *c)
{
    dv_jobs_add(c->cs->janitor, clean_kernel, dv_container_ref(c));
}

static int delete_rows(struct dv_container *c, struct dv_strv *gone_volumes, struct dv_error *err)
{
    struct dv_db *db = c->cs->engine->db;
    /* What a user was told exists is durable; a --rm container was never promised. */
    int r = dv_tx_begin(db, c->auto_remove ? DV_SYNC_NORMAL : DV_SYNC_FULL, err);

    if (r < 0)
        return r;
    r = dv_container_row_delete(c, err);
    if (r == 0)
        r = dv_volumes_release(c->cs->engine->volumes, c->id, c->auto_remove || c->remove_volumes,
                               gone_volumes, err);
    if (r == 0)
        r = dv_db_exec(db, err, "DELETE FROM intents WHERE object = ?", "s", c->id);
    if (r == 0)
        return dv_tx_commit(db, err);
    dv_tx_rollback(db);
    return r;
}

int dv_container_erase(struct dv_container *c, struct dv_error *err)
{
    struct dv_containers *cs = c->cs;
    struct dv_error ignored = { 0 };
    dv_autostrv gone_volumes = { 0 };
    int r;

    dv_test_point("rm-begun");
    r = delete_rows(c, &gone_volumes, err);
    if (r < 0) {
        dv_lease_drop(cs->engine->leases, c->id, DV_LEASE_REMOVE);
        return dv_wrap(err, "remove container %s", c->id);
    }
    dv_test_point("rm-rows");
    dv_volumes_discard(cs->engine->volumes, &gone_volumes);
    dv_container_remove_endpoints(c);
    if (dv_workspace_remove(cs->engine->images, c->storage_driver, c->id, &ignored) < 0)
        dv_log_warn(NULL, "container %s: remove its layer: %s", c->id, ignored.msg);
    dv_lease_drop(cs->engine->leases, c->id, DV_LEASE_REMOVE);
    dv_test_point("rm-workspace");
    dv_containers_forget(cs, c);

    dv_lock_take(&c->lock);
    c->removed = true;
    c->status = DV_DEAD;
    dv_pending_close(c);
    dv_waiters_fire(c, DV_WAIT_REMOVED);
    dv_followers_end(c);
    pthread_cond_broadcast(&c->changed);
    dv_lock_drop(&c->lock);
    dv_container_emit(c, "destroy", NULL);
    dv_container_clean_kernel(c);
    return 0;
}

static int check_removable(struct dv_container *c, bool force, bool *ret_up, struct dv_error *err)
{
    int r = 0;

    dv_lock_take(&c->lock);
    *ret_up = c->status == DV_RUNNING || c->status == DV_PAUSED || c->status == DV_RESTARTING;
    if (*ret_up && !force)
        r = dv_fail(err, DV_E_CONFLICT,
                    "cannot remove container \"%s\": container is %s: %s", c->name,
                    dv_status_name(c->status),
                    c->status == DV_PAUSED
                        ? "unpause and then stop the container before removing or force remove"
                        : "stop the container before removing or force remove");
    dv_lock_drop(&c->lock);
    return r;
}

/* One try; 1: somebody started it between our kill and our removal. */
static int try_remove(struct dv_container *c, bool force, bool volumes, struct dv_error *err)
{
    bool up, killed;
    int r = check_removable(c, force, &up, err);

    if (r < 0)
        return r;
    killed = up;
    if (up) {
        r = dv_container_stop(c, 9 /* SIGKILL */, 10, err);
        if (r < 0 && err->code != DV_E_NOT_MODIFIED)
            return dv_wrap(err, "cannot remove container %s: could not kill", c->id);
        dv_error_clear(err);
    }
    r = dv_op_begin(c, "remove", err);
    if (r == -DV_E_NOT_FOUND && killed) {
        dv_error_clear(err); /* --rm was faster: removed is what was asked for */
        return 0;
    }
    if (r < 0)
        return r;
    r = check_removable(c, false, &up, err);
    c->remove_volumes = volumes;
    if (r == 0) {
        r = dv_lease_take(c->cs->engine->leases, c->id, DV_LEASE_REMOVE, /* wait_ns */ 0, err);
        r = r < 0 ? dv_wrap(err, "cannot remove container %s", c->name) : dv_container_erase(c, err);
    }
    dv_op_end(c);
    return r < 0 && up && force ? 1 : r;
}

int dv_container_remove(struct dv_container *c, bool force, bool volumes, struct dv_error *err)
{
    int r;

    r = try_remove(c, force, volumes, err);
    for (int i = 1; r == 1 && i < REMOVE_TRIES; i++) {
        dv_error_clear(err);
        r = try_remove(c, force, volumes, err);
    }
    return r == 1 ? -err->code : r;
}
