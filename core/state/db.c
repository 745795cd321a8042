/* db.c - the engine's SQLite database: opening, transactions, statements. */
#include "core/state/db.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/base/id.h"
#include "core/base/lock.h"
#include "core/base/str.h"
#include "core/state/internal.h"

enum {
    CACHED_STATEMENTS = 48, /* some 3 KB each */
    BUSY_MS = 10000,
    LOG_BYTES = 4 << 20,    /* of the write-ahead log; also journal_size_limit */
};

struct statement {
    uint64_t hash, used;    /* USED: the last use, for eviction */
    sqlite3_stmt *stmt;
};
struct dv_db {
    sqlite3 *sql;           /* without a mutex of its own: under lock */
    char *path;
    bool fresh;             /* immutable after open */
    struct dv_lock lock;
    _Atomic(const void *) owner; /* the thread in a transaction, by its TOKEN */
    int sync;               /* under lock; what PRAGMA synchronous is now, -1 unknown */
    uint64_t uses;          /* under lock */
    struct statement cache[CACHED_STATEMENTS]; /* under lock */
    size_t n_cached;
};

/* Its address names the thread. */
static _Thread_local char token;

static bool in_transaction(struct dv_db *db)
{
    return atomic_load(&db->owner) == &token;
}

static pthread_once_t configured = PTHREAD_ONCE_INIT;

/* For the whole process, before its first use of SQLite: no accounting, small pools. */
static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 512, 32);
}

/* ---- errors ---- */

static int code_of(int primary, int extended)
{
    switch (primary) {
    case SQLITE_FULL:
        return DV_E_NO_SPACE;
    case SQLITE_NOMEM:
        return DV_E_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return DV_E_UNAVAILABLE;
    case SQLITE_CONSTRAINT:
        return extended == SQLITE_CONSTRAINT_NOTNULL ? DV_E_INTERNAL : DV_E_CONFLICT;
    default:
        return DV_E_INTERNAL;
    }
}

/* What SQLite says of the last call on DB, and what to do about it. */
static int fail_sql(struct dv_db *db, const char *what, struct dv_error *err)
{
    int extended = sqlite3_extended_errcode(db->sql), primary = extended & 0xff;

    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        return dv_fail(err, DV_E_INTERNAL,
                       "database '%s' is damaged (%s): stop davitd, then restore the file from a "
                       "backup or rescue it with \"sqlite3 '%s' .recover\"; moved away, davitd "
                       "starts with an empty one and knows no container or image",
                       db->path, sqlite3_errmsg(db->sql), db->path);
    if (primary == SQLITE_BUSY)
        return dv_fail(err, DV_E_UNAVAILABLE,
                       "database '%s': %s: another program has held it for %d s; end that program",
                       db->path, what, BUSY_MS / 1000);
    if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL) {
        errno = sqlite3_system_errno(db->sql);
        if (errno == 0 && primary == SQLITE_FULL)
            errno = ENOSPC;
        if (errno == ENOSPC || errno == EDQUOT) /* the statement does not matter */
            return dv_fail_errno(err, DV_E_INTERNAL, "write database '%s'", db->path);
        if (errno != 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "database '%s': %s: %s", db->path, what,
                                 sqlite3_errmsg(db->sql));
    }
    return dv_fail(err, code_of(primary, extended), "database '%s': %s: %s", db->path, what,
                   sqlite3_errmsg(db->sql));
}

int dv_db_script(struct dv_db *db, const char *sql, const char *what, struct dv_error *err)
{
    if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
        return fail_sql(db, what, err);
    return 0;
}

/* ---- opening ---- */

/* Ours alone: configurations hold passwords in their environment. SQLite gives its -wal and -shm
 * files the mode of this one. */
static int create_file(const char *path, struct dv_error *err)
{
    dv_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open database '%s'", path);
    return 0;
}

static int configure_connection(struct dv_db *db, struct dv_error *err)
{
    sqlite3_extended_result_codes(db->sql, 1);
    sqlite3_busy_timeout(db->sql, BUSY_MS);
    /* NORMAL now, so that turning on the WAL waits for no disk; transactions set their own. */
    return dv_db_script(db,
                        "PRAGMA cache_size=-200; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
                        "PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON;"
                        "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=4194304;",
                        "configure it", err);
}

/* Zeros up to the log's usual size, behind what is in it. What frees a full disk (a removal) is a commit,
 * too, as is the exit of a container; and a sure commit that neither lengthens the file nor fills a block
 * for the first time waits for its data only. SQLite's log ends at the first frame that is none. A file
 * system that cannot do it goes without. */
static void reserve_log(const char *path)
{
    static const char zeros[64 << 10];
    dv_autofree char *log = dv_format("%s-wal", path);
    dv_autoclose int fd = log ? open(log, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    off_t at = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    ssize_t n = 1;

    if (at < 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOG_BYTES) < 0)
        return;
    for (; at < LOG_BYTES && n > 0; at += n) {
        size_t left = (size_t)(LOG_BYTES - at);

        n = pwrite(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros), at);
    }
    (void)!sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* now, not in the first commit */
}

int dv_db_open(const char *path, struct dv_db **ret, struct dv_error *err)
{
    struct dv_db *db;
    int r;

    pthread_once(&configured, configure);
    r = create_file(path, err);
    if (r < 0)
        return r;
    db = calloc(1, sizeof(*db));
    if (!db)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to open database '%s'", path);
    dv_lock_init(&db->lock, DV_RANK_DB);
    db->sync = -1;
    db->path = strdup(path);
    if (!db->path)
        r = dv_fail(err, DV_E_NO_MEMORY, "no memory to open database '%s'", path);
    else if (sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
             SQLITE_OK)
        r = db->sql ? fail_sql(db, "open it", err)
                    : dv_fail(err, DV_E_NO_MEMORY, "no memory to open database '%s'", path);
    if (r == 0)
        r = configure_connection(db, err);
    if (r == 0)
        r = dv_db_migrate(db, path, &db->fresh, err);
    if (r < 0) {
        dv_db_close(db);
        return r;
    }
    reserve_log(path);
    *ret = db;
    return 0;
}

void dv_db_close(struct dv_db *db)
{
    size_t i;

    if (!db)
        return;
    for (i = 0; i < db->n_cached; i++)
        sqlite3_finalize(db->cache[i].stmt);
    sqlite3_close(db->sql);
    dv_lock_done(&db->lock);
    free(db->path);
    free(db);
}

bool dv_db_is_fresh(const struct dv_db *db)
{
    return db->fresh;
}

/* ---- transactions ---- */

/* Outside a transaction only: inside one the pragma does nothing. */
static int set_sync(struct dv_db *db, enum dv_sync sync, struct dv_error *err)
{
    int r;

    if (db->sync == (int)sync)
        return 0;
    r = dv_db_script(db,
                     sync == DV_SYNC_FULL ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                     "set the sync level", err);
    db->sync = r < 0 ? -1 : (int)sync;
    return r;
}

static int step_text(struct dv_db *db, const char *sql, const char *what, struct dv_error *err);

int dv_tx_begin(struct dv_db *db, enum dv_sync sync, struct dv_error *err)
{
    int r;

    dv_lock_take(&db->lock); /* aborts where this thread is in one already */
    r = set_sync(db, sync, err);
    if (r == 0)
        r = step_text(db, "BEGIN IMMEDIATE", "begin a transaction", err);
    if (r < 0) {
        dv_lock_drop(&db->lock);
        return r;
    }
    atomic_store(&db->owner, &token);
    return 0;
}

void dv_tx_rollback(struct dv_db *db)
{
    struct dv_error ignored = { 0 };

    if (!in_transaction(db))
        return;
    /* SQLite has rolled back by itself after some errors; what fails here cannot be committed. */
    if (!sqlite3_get_autocommit(db->sql) &&
        step_text(db, "ROLLBACK", "roll back", &ignored) < 0)
        db->sync = -1;
    atomic_store(&db->owner, NULL);
    dv_lock_drop(&db->lock);
}

int dv_tx_commit(struct dv_db *db, struct dv_error *err)
{
    int r;

    if (!in_transaction(db))
        return dv_fail(err, DV_E_INTERNAL, "commit without a transaction");
    r = step_text(db, "COMMIT", "commit", err);
    if (r < 0) {
        dv_tx_rollback(db);
        return r;
    }
    atomic_store(&db->owner, NULL);
    dv_lock_drop(&db->lock);
    return 0;
}

/* ---- statements ---- */

static struct statement *find_cached(struct dv_db *db, uint64_t hash, const char *sql)
{
    size_t i;

    for (i = 0; i < db->n_cached; i++) {
        struct statement *s = &db->cache[i];

        if (s->hash == hash && dv_streq(sqlite3_sql(s->stmt), sql))
            return s;
    }
    return NULL;
}

/* A place for one more: a free one, else that of the longest unused. NULL if all are running. */
static struct statement *make_room(struct dv_db *db)
{
    struct statement *oldest = NULL;
    size_t i;

    if (db->n_cached < CACHED_STATEMENTS)
        return &db->cache[db->n_cached++];
    for (i = 0; i < db->n_cached; i++) {
        struct statement *s = &db->cache[i];

        if (!sqlite3_stmt_busy(s->stmt) && (!oldest || s->used < oldest->used))
            oldest = s;
    }
    if (oldest)
        sqlite3_finalize(oldest->stmt);
    return oldest;
}

/* A statement ready to bind. *RET_OWNED: not in the cache (its cached twin is running further up
 * the stack), so finalize it. */
static int get_statement(struct dv_db *db, const char *sql, sqlite3_stmt **ret, bool *ret_owned,
                         struct dv_error *err)
{
    uint64_t hash = dv_hash64(sql, strlen(sql));
    struct statement *s = find_cached(db, hash, sql), *room;
    sqlite3_stmt *stmt;

    *ret_owned = false;
    if (s && !sqlite3_stmt_busy(s->stmt)) {
        s->used = ++db->uses;
        *ret = s->stmt;
        return 0;
    }
    if (sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        return fail_sql(db, sql, err);
    if (!stmt)
        return dv_fail(err, DV_E_INTERNAL, "empty SQL statement");
    room = s ? NULL : make_room(db);
    if (room)
        *room = (struct statement){ .hash = hash, .used = ++db->uses, .stmt = stmt };
    else
        *ret_owned = true;
    *ret = stmt;
    return 0;
}

static int bind(struct dv_db *db, sqlite3_stmt *stmt, const char *fmt, va_list *args,
                struct dv_error *err)
{
    int i, r = SQLITE_OK, n = (int)strlen(fmt);

    if (n != sqlite3_bind_parameter_count(stmt))
        return dv_fail(err, DV_E_INTERNAL, "%d arguments for \"%s\"", n, sqlite3_sql(stmt));
    for (i = 0; i < n && r == SQLITE_OK; i++) {
        const void *data;

        switch (fmt[i]) {
        case 's': /* NULL binds NULL; all are borrowed until the statement is reset */
            r = sqlite3_bind_text(stmt, i + 1, va_arg(*args, const char *), -1, SQLITE_STATIC);
            break;
        case 'i':
            r = sqlite3_bind_int64(stmt, i + 1, va_arg(*args, int64_t));
            break;
        case 'b':
            data = va_arg(*args, const void *);
            r = sqlite3_bind_blob64(stmt, i + 1, data, va_arg(*args, size_t), SQLITE_STATIC);
            break;
        default:
            return dv_fail(err, DV_E_INTERNAL, "argument type '%c' for \"%s\"", fmt[i],
                           sqlite3_sql(stmt));
        }
    }
    return r == SQLITE_OK ? 0 : fail_sql(db, sqlite3_sql(stmt), err);
}

/* Step to the end, or until ROW says so. */
static int step_rows(struct dv_db *db, sqlite3_stmt *stmt, dv_row_fn *row, void *arg,
                     struct dv_error *err)
{
    int r;

    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        int stop = row ? row(arg, stmt) : 0;

        if (stop != 0)
            return stop < 0 ? stop : 0;
    }
    return r == SQLITE_DONE ? 0 : fail_sql(db, sqlite3_sql(stmt), err);
}

static int run_locked(struct dv_db *db, dv_row_fn *row, void *arg, struct dv_error *err,
                      const char *sql, const char *fmt, va_list *args)
{
    sqlite3_stmt *stmt;
    bool owned;
    int r = get_statement(db, sql, &stmt, &owned, err);

    if (r < 0)
        return r;
    if (!in_transaction(db) && !sqlite3_stmt_readonly(stmt))
        r = set_sync(db, DV_SYNC_FULL, err);
    if (r == 0)
        r = bind(db, stmt, fmt, args, err);
    if (r == 0)
        r = step_rows(db, stmt, row, arg, err);
    if (owned) {
        sqlite3_finalize(stmt);
        return r;
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt); /* they point to the caller's memory */
    return r;
}

static int run(struct dv_db *db, dv_row_fn *row, void *arg, struct dv_error *err, const char *sql,
               const char *fmt, va_list *args)
{
    bool lock = !in_transaction(db);
    int r;

    if (lock)
        dv_lock_take(&db->lock);
    r = run_locked(db, row, arg, err, sql, fmt, args);
    if (lock)
        dv_lock_drop(&db->lock);
    return r;
}

/* BEGIN, COMMIT, ROLLBACK; the caller holds the lock. */
static int step_text(struct dv_db *db, const char *sql, const char *what, struct dv_error *err)
{
    sqlite3_stmt *stmt;
    bool owned;
    int r = get_statement(db, sql, &stmt, &owned, err);

    if (r < 0)
        return r;
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = fail_sql(db, what, err);
    if (owned)
        sqlite3_finalize(stmt);
    else
        sqlite3_reset(stmt);
    return r;
}

int dv_db_exec(struct dv_db *db, struct dv_error *err, const char *sql, const char *fmt, ...)
{
    va_list args;
    int r;

    va_start(args, fmt);
    r = run(db, /* row */ NULL, /* arg */ NULL, err, sql, fmt, &args);
    va_end(args);
    return r;
}

int dv_db_query(struct dv_db *db, dv_row_fn *row, void *arg, struct dv_error *err, const char *sql,
                const char *fmt, ...)
{
    va_list args;
    int r;

    va_start(args, fmt);
    r = run(db, row, arg, err, sql, fmt, &args);
    va_end(args);
    return r;
}

int64_t dv_db_changes(struct dv_db *db)
{
    return sqlite3_changes(db->sql);
}

int64_t dv_db_last_id(struct dv_db *db)
{
    return sqlite3_last_insert_rowid(db->sql);
}

const char *dv_row_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    return text ? text : "";
}

static int copy_text(void *arg, sqlite3_stmt *row)
{
    char **to = arg;

    *to = strdup(dv_row_text(row, 0));
    return 1;
}

char *dv_meta_get(struct dv_db *db, const char *key)
{
    struct dv_error ignored = { 0 };
    char *value = NULL;

    if (dv_db_query(db, copy_text, &value, &ignored, "SELECT value FROM meta WHERE key = ?", "s",
                    key) < 0)
        return NULL;
    return value;
}

int dv_meta_set(struct dv_db *db, const char *key, const char *value, struct dv_error *err)
{
    return dv_db_exec(db, err,
                      "INSERT INTO meta (key, value) VALUES (?, ?)"
                      " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                      "ss", key, value);
}
