/* db.h - the engine's SQLite database: schema, migrations, transactions, statements.
 *
 * One connection, one writer: dv_tx_begin takes the database lock (rank DV_RANK_DB), dv_tx_commit or
 * dv_tx_rollback drops it; reads outside a transaction take it for their duration. SQL stays inside
 * core/state (a file a table) and the modules that own a table (core/network). */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

struct dv_db;

/* Open DIR_FD/"davit.db" (path PATH for SQLite), creating and migrating it. UNSUPPORTED when it was
 * written by a newer davit whose min_reader_version is above ours; the message names both. */
DV_CHECK int dv_db_open(const char *path, struct dv_db **ret, struct dv_error *err);
void dv_db_close(struct dv_db *db);
bool dv_db_is_fresh(const struct dv_db *db); /* created by this open: nothing may be reconciled away */

/* How sure a commit must be: FULL survives power loss, NORMAL survives any kill. */
enum dv_sync { DV_SYNC_FULL, DV_SYNC_NORMAL };
/* On failure the lock is not held. */
DV_CHECK int dv_tx_begin(struct dv_db *db, enum dv_sync sync, struct dv_error *err);
/* The transaction is over in any case: a commit that fails is rolled back. */
DV_CHECK int dv_tx_commit(struct dv_db *db, struct dv_error *err);
void dv_tx_rollback(struct dv_db *db); /* nothing if no transaction of this thread is open */

/* Run one statement: FMT types the arguments that follow, one letter a '?': s text (NULL allowed),
 * i int64_t, b blob (const void *, size_t). Statements are prepared once and cached. Takes the
 * database lock if this thread is in no transaction; a write is then committed FULL. Errors: CONFLICT
 * for what a UNIQUE or REFERENCES forbids, NO_SPACE, UNAVAILABLE (another process holds it),
 * INTERNAL; of a damaged file the message names the remedy. */
DV_CHECK int dv_db_exec(struct dv_db *db, struct dv_error *err, const char *sql, const char *fmt,
                        ...);
/* Inside a transaction: rows changed by its last exec, and the row id of its last INSERT. */
int64_t dv_db_changes(struct dv_db *db);
int64_t dv_db_last_id(struct dv_db *db);
/* The same for a SELECT: ROW is called for each row; non-zero ends it and is returned if negative.
 * The lock is held during ROW, which only copies. */
typedef int dv_row_fn(void *arg, sqlite3_stmt *row);
DV_CHECK int dv_db_query(struct dv_db *db, dv_row_fn *row, void *arg, struct dv_error *err,
                         const char *sql, const char *fmt, ...);
const char *dv_row_text(sqlite3_stmt *row, int column); /* "" for NULL */

/* Key and value of table meta ("boot_id", "instance", ...). NULL when absent; caller frees. */
char *dv_meta_get(struct dv_db *db, const char *key);
DV_CHECK int dv_meta_set(struct dv_db *db, const char *key, const char *value,
                         struct dv_error *err);
