/* migrate.c - which schema a database has, whether we may open it, and the steps to ours. */
#include <stdio.h>

#include "core/base/parse.h"
#include "core/base/str.h"
#include "core/state/db.h"
#include "core/state/internal.h"
#include "core/state/schema.h"

/* PRAGMA application_id: "DVIT", so that file(1) and we know whose file it is. */
enum { APPLICATION_ID = 0x44564954, MAX_VERSION = 1000000 };

static int first_integer(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = sqlite3_column_int64(row, 0);
    return 1;
}

static int get_integer(struct dv_db *db, const char *sql, int64_t *ret, struct dv_error *err)
{
    *ret = 0;
    return dv_db_query(db, first_integer, ret, err, sql, "");
}

static int get_version(struct dv_db *db, const char *path, const char *key, int64_t *ret,
                       struct dv_error *err)
{
    dv_autofree char *text = dv_meta_get(db, key);

    if (!text || dv_parse_i64(text, 1, MAX_VERSION, ret) < 0)
        return dv_fail(err, DV_E_INTERNAL,
                       "database '%s' has no readable \"%s\" in its table meta: restore it from a "
                       "backup",
                       path, key);
    return 0;
}

/* *RET = the schema of the file, 0 for an empty one. */
static int find_version(struct dv_db *db, const char *path, int64_t *ret, struct dv_error *err)
{
    int64_t tables, application;
    int r;

    r = get_integer(db, "SELECT count(*) FROM sqlite_master", &tables, err);
    if (r < 0)
        return r;
    *ret = 0;
    if (tables == 0)
        return 0;
    r = get_integer(db, "PRAGMA application_id", &application, err);
    if (r < 0)
        return r;
    if (application != APPLICATION_ID)
        return dv_fail(err, DV_E_INVALID,
                       "'%s' is a database of another program, not davit's: move it away, or give "
                       "davitd another data folder",
                       path);
    return get_version(db, path, "schema_version", ret, err);
}

static int apply(struct dv_db *db, const struct dv_migration *m, struct dv_error *err)
{
    char number[24], reader[24], what[64], pragma[64];
    int r;

    snprintf(number, sizeof(number), "%d", m->version);
    snprintf(reader, sizeof(reader), "%d", m->min_reader_version);
    snprintf(what, sizeof(what), "make schema %d", m->version);
    snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%d", APPLICATION_ID);
    r = dv_tx_begin(db, DV_SYNC_FULL, err);
    if (r < 0)
        return r;
    r = dv_db_script(db, m->sql, what, err);
    if (r == 0)
        r = dv_db_script(db, pragma, what, err);
    if (r == 0)
        r = dv_meta_set(db, "schema_version", number, err);
    if (r == 0)
        r = dv_meta_set(db, "min_reader_version", reader, err);
    if (r < 0) {
        dv_tx_rollback(db);
        return r;
    }
    return dv_tx_commit(db, err);
}

/* A newer davit wrote it: may we? */
static int check_newer(struct dv_db *db, const char *path, int64_t version, int ours,
                       struct dv_error *err)
{
    int64_t reader;
    int r = get_version(db, path, "min_reader_version", &reader, err);

    if (r < 0 || reader <= ours)
        return r;
    return dv_fail(err, DV_E_UNSUPPORTED,
                   "database '%s' has schema %lld of a newer davit and can be read from schema "
                   "%lld on; davit " DAVIT_VERSION " has schema %d: run the newer davit",
                   path, (long long)version, (long long)reader, ours);
}

int dv_db_migrate(struct dv_db *db, const char *path, bool *ret_fresh, struct dv_error *err)
{
    int ours = dv_migrations[dv_n_migrations - 1].version;
    int64_t version;
    size_t i;
    int r = find_version(db, path, &version, err);

    if (r < 0)
        return r;
    if (version > ours)
        r = check_newer(db, path, version, ours, err);
    for (i = 0; i < dv_n_migrations && r == 0; i++)
        if (dv_migrations[i].version > version)
            r = apply(db, &dv_migrations[i], err);
    if (r < 0)
        return r;
    *ret_fresh = version == 0;
    return 0;
}
