/* volume.c - volumes: their rows and directories, from creation to removal. */
#include "core/volume/volume.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/id.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/state/db.h"
#include "core/volume/internal.h"

static const char data_dir[] = "_data";

static int no_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "no memory for volumes");
}

char *dv_volume_path(const struct dv_volumes *vs, const char *name)
{
    return dv_format("%s/%s/%s", vs->root, name, data_dir);
}

static void tell(struct dv_volumes *vs, const char *action, const char *name)
{
    if (vs->config.event)
        vs->config.event(vs->config.event_arg, action, name);
}

static int first_text(void *arg, sqlite3_stmt *row)
{
    return dv_strv_add(arg, dv_row_text(row, 0)) < 0 ? -DV_E_NO_MEMORY : 0;
}

/* The first column of each row. */
static int query_names(struct dv_volumes *vs, struct dv_strv *ret, struct dv_error *err,
                       const char *sql, const char *fmt, const char *arg)
{
    int r = dv_db_query(vs->config.db, first_text, ret, err, sql, fmt, arg);

    return r < 0 && !err->code ? no_memory(err) : r < 0 ? r : 0;
}

/* ---- create ---- */

static int check_driver(const struct dv_volume_req *req, const char *name, struct dv_error *err)
{
    if (dv_empty(req->driver) || dv_streq(req->driver, "local"))
        return 0;
    return dv_fail(err, DV_E_NOT_FOUND, "create %s: error looking up volume plugin %.100s: plugin "
                   "\"%.100s\" not found", name, req->driver, req->driver);
}

/* What lies there already is kept: after a lost database it is the user's data. DURABLE: a row that
 * survives power loss must not name a directory that does not. */
static int make_directory(struct dv_volumes *vs, const char *name, bool durable,
                          struct dv_error *err)
{
    dv_autoclose int fd = -1;

    if (mkdirat(vs->dir_fd, name, 0701) < 0 && errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "create %s/%s", vs->root, name);
    fd = openat(vs->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s/%s", vs->root, name);
    if (mkdirat(fd, data_dir, 0755) < 0 && errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "create %s/%s/%s", vs->root, name, data_dir);
    if (durable && (fsync(fd) < 0 || fsync(vs->dir_fd) < 0))
        return dv_fail_errno(err, DV_E_INTERNAL, "sync %s", vs->root);
    return 0;
}

/* In a transaction. 1: the volume is new. */
static int insert_rows(struct dv_volumes *vs, const struct dv_volume_req *req, const char *name,
                       bool anonymous, struct dv_error *err)
{
    struct dv_db *db = vs->config.db;
    int is_new, r;

    r = dv_db_exec(db, err,
                   "INSERT OR IGNORE INTO volumes (name, driver, created_ns, labels_json,"
                   " options_json, anonymous) VALUES (?, 'local', ?, ?, ?, ?)", "sissi", name,
                   (int64_t)dv_now_ns(), req->labels_json ? req->labels_json : "null",
                   req->options_json ? req->options_json : "null", (int64_t)anonymous);
    if (r < 0)
        return r;
    is_new = dv_db_changes(db) > 0;
    if (req->container_id)
        r = dv_db_exec(db, err, "INSERT OR IGNORE INTO volume_uses (volume, container_id)"
                       " VALUES (?, ?)", "ss", name, req->container_id);
    return r < 0 ? r : is_new;
}

static int record(struct dv_volumes *vs, const struct dv_volume_req *req, const char *name,
                  bool anonymous, struct dv_error *err)
{
    struct dv_db *db = vs->config.db;
    int r = dv_tx_begin(db, anonymous ? DV_SYNC_NORMAL : DV_SYNC_FULL, err), is_new;

    if (r < 0)
        return r;
    is_new = insert_rows(vs, req, name, anonymous, err);
    if (is_new < 0) {
        dv_tx_rollback(db);
        return is_new;
    }
    r = dv_tx_commit(db, err);
    return r < 0 ? r : is_new;
}

int dv_volume_create(struct dv_volumes *vs, const struct dv_volume_req *req,
                     char ret_name[DV_VOLUME_NAME_BYTES], struct dv_error *err)
{
    bool anonymous = dv_empty(req->name);
    char id[DV_ID_BYTES];
    const char *name = anonymous ? id : req->name;
    int r;

    if (anonymous)
        dv_id_new(id);
    r = dv_local_check_name(name, err);
    r = r < 0 ? r : check_driver(req, name, err);
    r = r < 0 ? r : dv_local_check_options(name, req->options_json, err);
    if (r < 0)
        return r;
    dv_lock_take(&vs->lock);
    while (dv_strv_has(&vs->filling, name)) /* who has it then may not see it half filled */
        (void)dv_lock_wait(&vs->lock, &vs->changed, 0);
    r = make_directory(vs, name, !anonymous, err);
    r = r < 0 ? r : record(vs, req, name, anonymous, err);
    dv_lock_drop(&vs->lock);
    if (r < 0)
        return dv_wrap(err, "create volume %s", name);
    if (r > 0)
        tell(vs, "create", name);
    snprintf(ret_name, DV_VOLUME_NAME_BYTES, "%s", name);
    return 0;
}

/* ---- look, list ---- */

#define COLUMNS                                                                                    \
    "SELECT name, driver, created_ns, labels_json, options_json, anonymous,"                       \
    " (SELECT COUNT(*) FROM volume_uses u WHERE u.volume = v.name) FROM volumes v"

struct views {
    struct dv_volumes *vs;
    struct dv_volume_view *items;
    size_t n;
};

void dv_volume_view_done(struct dv_volume_view *view)
{
    free(view->driver);
    free(view->path);
    free(view->labels_json);
    free(view->options_json);
}

void dv_volume_views_free(struct dv_volume_view *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dv_volume_view_done(&list[i]);
    free(list);
}

static int add_view(void *arg, sqlite3_stmt *row)
{
    struct views *views = arg;
    struct dv_volume_view *v = reallocarray(views->items, views->n + 1, sizeof(*v));

    if (!v)
        return -DV_E_NO_MEMORY;
    views->items = v;
    v += views->n++;
    *v = (struct dv_volume_view){ .driver = dv_strdup(dv_row_text(row, 1)),
                                  .labels_json = dv_strdup(dv_row_text(row, 3)),
                                  .options_json = dv_strdup(dv_row_text(row, 4)),
                                  .created_ns = (uint64_t)sqlite3_column_int64(row, 2),
                                  .anonymous = sqlite3_column_int(row, 5) != 0,
                                  .n_uses = (size_t)sqlite3_column_int64(row, 6) };
    snprintf(v->name, sizeof(v->name), "%s", dv_row_text(row, 0));
    v->path = dv_volume_path(views->vs, v->name);
    return v->driver && v->path && v->labels_json && v->options_json ? 0 : -DV_E_NO_MEMORY;
}

int dv_volume_list(struct dv_volumes *vs, struct dv_volume_view **ret, size_t *ret_n,
                   struct dv_error *err)
{
    struct views views = { .vs = vs };
    int r = dv_db_query(vs->config.db, add_view, &views, err, COLUMNS " ORDER BY name", "");

    if (r < 0) {
        dv_volume_views_free(views.items, views.n);
        return err->code ? r : no_memory(err);
    }
    *ret = views.items;
    *ret_n = views.n;
    return 0;
}

int dv_volume_look(struct dv_volumes *vs, const char *name, struct dv_volume_view *ret,
                   struct dv_error *err)
{
    struct views views = { .vs = vs };
    int r = dv_db_query(vs->config.db, add_view, &views, err, COLUMNS " WHERE name = ?", "s", name);

    if (r < 0 && !err->code)
        no_memory(err);
    else if (r >= 0 && views.n != 1)
        r = dv_fail(err, DV_E_NOT_FOUND, "get %.300s: no such volume", name);
    if (r < 0) {
        dv_volume_views_free(views.items, views.n);
        return -err->code;
    }
    *ret = views.items[0];
    free(views.items);
    return 0;
}

/* ---- remove ---- */

static int refuse_used(const char *name, const struct dv_strv *users, struct dv_error *err)
{
    dv_autofree char *list = dv_strdup("");

    for (size_t i = 0; i < users->n && list; i++) {
        char *longer = dv_format("%s%s%s", list, i ? ", " : "", users->items[i]);

        free(list);
        list = longer;
    }
    return dv_fail(err, DV_E_CONFLICT, "remove %s: volume is in use - [%s]", name,
                   list ? list : "");
}

/* In a transaction. */
static int delete_row(struct dv_volumes *vs, const char *name, struct dv_error *err)
{
    dv_autostrv users = { 0 };
    int r = query_names(vs, &users, err, "SELECT container_id FROM volume_uses WHERE volume = ?"
                        " ORDER BY container_id", "s", name);

    if (r == 0 && users.n)
        return refuse_used(name, &users, err);
    r = r < 0 ? r : dv_db_exec(vs->config.db, err, "DELETE FROM volumes WHERE name = ?", "s", name);
    if (r == 0 && dv_db_changes(vs->config.db) == 0)
        return dv_fail(err, DV_E_NOT_FOUND, "get %.300s: no such volume", name);
    return r;
}

int dv_volume_remove(struct dv_volumes *vs, const char *name, bool force, struct dv_error *err)
{
    struct dv_db *db = vs->config.db;
    int r;

    dv_lock_take(&vs->lock);
    r = dv_tx_begin(db, DV_SYNC_FULL, err);
    if (r == 0) {
        r = delete_row(vs, name, err);
        if (r < 0)
            dv_tx_rollback(db);
        else
            r = dv_tx_commit(db, err);
    }
    if (r == 0)
        dv_volume_to_trash(vs, name, DV_VOLUME_DELETE);
    dv_lock_drop(&vs->lock);
    if (r == -DV_E_NOT_FOUND && force) {
        dv_error_clear(err);
        return 0;
    }
    if (r == 0)
        tell(vs, "destroy", name);
    return r;
}

int dv_volumes_release(struct dv_volumes *vs, const char *container_id, bool anonymous,
                       struct dv_strv *gone, struct dv_error *err)
{
    struct dv_db *db = vs->config.db;
    size_t before = gone->n;
    int r = 0;

    if (anonymous)
        r = query_names(vs, gone, err,
                        "SELECT v.name FROM volumes v JOIN volume_uses u ON u.volume = v.name"
                        " WHERE u.container_id = ?1 AND v.anonymous = 1 AND NOT EXISTS (SELECT 1"
                        " FROM volume_uses o WHERE o.volume = v.name AND o.container_id <> ?1)",
                        "s", container_id);
    r = r < 0 ? r : dv_db_exec(db, err, "DELETE FROM volume_uses WHERE container_id = ?", "s",
                               container_id);
    for (size_t i = before; i < gone->n && r == 0; i++)
        r = dv_db_exec(db, err, "DELETE FROM volumes WHERE name = ?", "s", gone->items[i]);
    return r;
}

static bool has_row(struct dv_volumes *vs, const char *name)
{
    dv_autostrv found = { 0 };
    struct dv_error err = { 0 };

    return query_names(vs, &found, &err, "SELECT name FROM volumes WHERE name = ?", "s", name) < 0 ||
           found.n > 0;
}

void dv_volumes_discard(struct dv_volumes *vs, const struct dv_strv *gone)
{
    for (size_t i = 0; i < gone->n; i++) {
        dv_lock_take(&vs->lock);
        if (!has_row(vs, gone->items[i])) /* else it was made anew meanwhile */
            dv_volume_to_trash(vs, gone->items[i], DV_VOLUME_DELETE);
        dv_lock_drop(&vs->lock);
        tell(vs, "destroy", gone->items[i]);
    }
}
