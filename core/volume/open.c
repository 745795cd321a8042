/* open.c - open and close the store of volumes; undo what a kill left half done. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/state/db.h"
#include "core/volume/internal.h"

static int add_text(void *arg, sqlite3_stmt *row)
{
    return dv_strv_add(arg, dv_row_text(row, 0)) < 0 ? -DV_E_NO_MEMORY : 0;
}

static int open_directories(struct dv_volumes *vs, int root_fd, struct dv_error *err)
{
    if (mkdirat(root_fd, "volumes", 0711) < 0 && errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "create %s", vs->root);
    vs->dir_fd = openat(root_fd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (vs->dir_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s", vs->root);
    if (mkdirat(vs->dir_fd, ".trash", 0700) < 0 && errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "create %s/.trash", vs->root);
    vs->trash_fd = openat(vs->dir_fd, ".trash", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (vs->trash_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s/.trash", vs->root);
    return 0;
}

/* Anonymous volumes of containers that were never recorded: their creation was killed. */
static int delete_unfinished(struct dv_db *db, struct dv_error *err)
{
    dv_autostrv names = { 0 };
    int r = dv_db_query(db, add_text, &names, err,
                        "SELECT name FROM volumes v WHERE anonymous = 1"
                        " AND EXISTS (SELECT 1 FROM volume_uses u WHERE u.volume = v.name)"
                        " AND NOT EXISTS (SELECT 1 FROM volume_uses u JOIN containers c"
                        " ON c.id = u.container_id WHERE u.volume = v.name)", "");

    if (r < 0 && !err->code)
        return dv_fail(err, DV_E_NO_MEMORY, "read the volumes");
    r = r < 0 ? r : dv_db_exec(db, err, "DELETE FROM volume_uses WHERE container_id NOT IN"
                               " (SELECT id FROM containers)", "");
    for (size_t i = 0; i < names.n && r == 0; i++)
        r = dv_db_exec(db, err, "DELETE FROM volumes WHERE name = ?", "s", names.items[i]);
    return r < 0 ? r : 0;
}

static int undo_creations(struct dv_db *db, struct dv_error *err)
{
    int r = dv_tx_begin(db, DV_SYNC_NORMAL, err);

    if (r < 0)
        return r;
    r = delete_unfinished(db, err);
    if (r == 0)
        return dv_tx_commit(db, err);
    dv_tx_rollback(db);
    return r;
}

static void drop_staging(struct dv_volumes *vs, const char *name)
{
    dv_autofree char *staging = dv_format("%s/_fill", name);
    struct dv_error err = { 0 };

    if (staging && dv_remove_tree(vs->dir_fd, staging, &err) < 0)
        dv_log_warn(NULL, "volume %s: remove what a killed copy left: %s", name, err.msg);
}

/* Directories without a row go to the trash, where they stay until the next start. */
static int reconcile(struct dv_volumes *vs, struct dv_error *err)
{
    dv_autostrv known = { 0 }, found = { 0 };
    int r = dv_db_query(vs->config.db, add_text, &known, err, "SELECT name FROM volumes", "");

    if (r < 0 && !err->code)
        return dv_fail(err, DV_E_NO_MEMORY, "read the volumes");
    r = r < 0 ? r : dv_volume_names(vs->dir_fd, &found, err);
    if (r < 0)
        return r;
    dv_volume_empty_trash(vs);
    dv_guard(&vs->lock);
    for (size_t i = 0; i < found.n; i++) {
        if (dv_strv_has(&known, found.items[i])) {
            drop_staging(vs, found.items[i]);
            continue;
        }
        dv_log_info(NULL, "moving %s/%s to the trash: no volume has that name", vs->root,
                    found.items[i]);
        dv_volume_to_trash(vs, found.items[i], DV_VOLUME_KEEP);
    }
    return 0;
}

int dv_volumes_open(const struct dv_volumes_config *config, struct dv_volumes **ret,
                    struct dv_error *err)
{
    struct dv_volumes *vs = calloc(1, sizeof(*vs));
    int r;

    if (!vs)
        return dv_fail(err, DV_E_NO_MEMORY, "open the volumes");
    vs->config = *config;
    vs->dir_fd = vs->trash_fd = -1;
    dv_lock_init(&vs->lock, DV_RANK_STORE);
    dv_cond_init(&vs->changed);
    vs->root = dv_format("%s/volumes", config->root);
    r = vs->root ? open_directories(vs, config->root_fd, err)
                 : dv_fail(err, DV_E_NO_MEMORY, "open the volumes");
    /* Right after a fresh database nothing is known, and so nothing is an orphan. */
    if (r == 0 && !dv_db_is_fresh(config->db)) {
        r = undo_creations(config->db, err);
        r = r < 0 ? r : reconcile(vs, err);
    }
    if (r < 0) {
        dv_volumes_close(vs);
        return dv_wrap(err, "open the volumes");
    }
    *ret = vs;
    return 0;
}

void dv_volumes_close(struct dv_volumes *vs)
{
    if (!vs)
        return;
    dv_volume_janitor_stop(vs);
    dv_strv_done(&vs->filling);
    dv_strv_done(&vs->doomed);
    dv_close(vs->dir_fd);
    dv_close(vs->trash_fd);
    pthread_cond_destroy(&vs->changed);
    dv_lock_done(&vs->lock);
    free(vs->root);
    free(vs);
}
