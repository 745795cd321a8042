/* rows.c - containers and intents in the database. */
#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"
#include "core/state/db.h"

static char *argv_text(const struct dv_strv *argv)
{
    dv_autojson json_object *array = json_object_new_array();

    for (size_t i = 0; i < argv->n; i++)
        json_object_array_add(array, json_object_new_string(argv->items[i]));
    return dv_json_text(array);
}

int dv_container_row_insert(struct dv_container *c, struct dv_error *err)
{
    dv_autofree char *config = dv_container_config_save(c->config);
    dv_autofree char *argv = argv_text(&c->argv);

    if (!config || !argv)
        return dv_fail(err, DV_E_NO_MEMORY, "store container %s", c->name);
    return dv_db_exec(c->cs->engine->db, err,
                      "INSERT INTO containers (id, name, created_ns, image_id, image_name,"
                      " storage_driver, config_json, argv_json, status)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      "ssisssssi", c->id, c->name, (int64_t)c->created_ns, c->image_id,
                      c->image_name, c->storage_driver, config, argv, (int64_t)c->status);
}

int dv_container_row_update(struct dv_container *c, struct dv_error *err)
{
    return dv_db_exec(c->cs->engine->db, err,
                      "UPDATE containers SET name = ?, status = ?, pid = ?, start_time = ?,"
                      " started_ns = ?, finished_ns = ?, exit_code = ?, oom_killed = ?, error = ?,"
                      " restart_count = ?, generation = ?, boot_id = ?, stopped_by_user = ?"
                      " WHERE id = ?",
                      "siiiiiiisiisis", c->name, (int64_t)c->status, c->pid,
                      (int64_t)c->start_time, (int64_t)c->started_ns, (int64_t)c->finished_ns,
                      c->exit_code, (int64_t)c->oom_killed, c->error ? c->error : "",
                      c->restart_count, (int64_t)c->generation, c->cs->boot_id,
                      (int64_t)c->stopped_by_user, c->id);
}

int dv_container_row_delete(struct dv_container *c, struct dv_error *err)
{
    return dv_db_exec(c->cs->engine->db, err, "DELETE FROM containers WHERE id = ?", "s", c->id);
}

struct loading {
    struct dv_containers *cs;
    struct dv_error *err;
};

static int decode_argv(const char *text, struct dv_strv *argv, struct dv_error *err)
{
    dv_autojson json_object *array = NULL;
    int r = dv_json_parse(text, strlen(text), &array, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < json_object_array_length(array); i++)
        if (dv_strv_add(argv, json_object_get_string(json_object_array_get_idx(array, i))) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "read a container's arguments");
    return 0;
}

/* Columns in the order of dv_container_rows_load's SELECT. */
static int fill(struct dv_container *c, sqlite3_stmt *row, struct dv_error *err)
{
    int r;

    c->name = dv_strdup(dv_row_text(row, 1));
    c->created_ns = (uint64_t)sqlite3_column_int64(row, 2);
    c->image_id = dv_strdup(dv_row_text(row, 3));
    c->image_name = dv_strdup(dv_row_text(row, 4));
    c->storage_driver = dv_strdup(dv_row_text(row, 5));
    r = dv_container_config_load(dv_row_text(row, 6), &c->config, err);
    if (r < 0)
        return r;
    c->auto_remove = c->config->auto_remove;
    r = decode_argv(dv_row_text(row, 7), &c->argv, err);
    if (r < 0)
        return r;
    c->status = (enum dv_status)sqlite3_column_int(row, 8);
    c->pid = sqlite3_column_int64(row, 9);
    c->start_time = (uint64_t)sqlite3_column_int64(row, 10);
    c->started_ns = (uint64_t)sqlite3_column_int64(row, 11);
    c->finished_ns = (uint64_t)sqlite3_column_int64(row, 12);
    c->exit_code = sqlite3_column_int64(row, 13);
    c->oom_killed = sqlite3_column_int64(row, 14);
    c->error = dv_strdup(dv_row_text(row, 15));
    c->restart_count = sqlite3_column_int64(row, 16);
    c->generation = (uint64_t)sqlite3_column_int64(row, 17);
    c->stopped_by_user = sqlite3_column_int(row, 18);
    if (!c->name || !c->image_id || !c->image_name || !c->storage_driver || !c->error)
        return dv_fail(err, DV_E_NO_MEMORY, "read container rows");
    return 0;
}

static int load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *l = arg;
    struct dv_container *c = dv_container_new(l->cs, dv_row_text(row, 0));
    int r;

    if (!c)
        return dv_fail(l->err, DV_E_NO_MEMORY, "read container rows");
    r = fill(c, row, l->err);
    if (r < 0)
        r = dv_wrap(l->err, "container %s", c->id);
    else
        /* The query holds the database lock (rank 35); the table's own lock is rank 20. Nobody else
         * knows the store yet, so the entry is made without it. */
        r = 0;
    if (r == 0 && l->cs->n == l->cs->cap) {
        struct dv_container **grown = reallocarray(
            l->cs->items, l->cs->cap ? 2 * l->cs->cap : 16, sizeof(*grown));

        if (!grown)
            r = dv_fail(l->err, DV_E_NO_MEMORY, "read container rows");
        else
            l->cs->items = grown, l->cs->cap = l->cs->cap ? 2 * l->cs->cap : 16;
    }
    if (r < 0) {
        dv_container_unref(c);
        return r;
    }
    c->published = true;
    l->cs->items[l->cs->n++] = c;
    return 0;
}

int dv_container_rows_load(struct dv_containers *cs, struct dv_error *err)
{
    struct loading l = { cs, err };

    return dv_db_query(cs->engine->db, load_row, &l, err,
                       "SELECT id, name, created_ns, image_id, image_name, storage_driver,"
                       " config_json, argv_json, status, pid, start_time, started_ns, finished_ns,"
                       " exit_code, oom_killed, error, restart_count, generation, stopped_by_user"
                       " FROM containers ORDER BY created_ns",
                       "");
}

int dv_intent_begin(struct dv_containers *cs, const char *kind, const char *object,
                    uint64_t generation, struct dv_error *err)
{
    return dv_db_exec(cs->engine->db, err,
                      "INSERT INTO intents (kind, object, generation, created_ns)"
                      " VALUES (?, ?, ?, ?)",
                      "ssii", kind, object, (int64_t)generation, (int64_t)dv_now_ns());
}

int dv_intent_end(struct dv_containers *cs, const char *kind, const char *object,
                  struct dv_error *err)
{
    return dv_db_exec(cs->engine->db, err, "DELETE FROM intents WHERE kind = ? AND object = ?",
                      "ss", kind, object);
}
