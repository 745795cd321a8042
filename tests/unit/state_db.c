/* state_db.c - unit tests of core/state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/state/db.h"
#include "core/state/schema.h"

struct fixture {
    char folder[64], path[80];
    struct dv_db *db;
    struct dv_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    snprintf(f->folder, sizeof(f->folder), "/tmp/davit-ut-XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/davit.db", f->folder);
    *state = f;
    return dv_db_open(f->path, &f->db, &f->err);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    int r;

    dv_db_close(f->db);
    r = dv_remove_tree(AT_FDCWD, f->folder, &err);
    free(f);
    return r;
}

/* A connection of somebody else. */
static void by_hand(const struct fixture *f, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void reopen(struct fixture *f)
{
    dv_db_close(f->db);
    f->db = NULL;
    assert_int_equal(dv_db_open(f->path, &f->db, &f->err), 0);
}

static int count_row(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = sqlite3_column_int64(row, 0);
    return 0;
}

static int64_t number(struct fixture *f, const char *sql)
{
    int64_t n = -1;

    assert_int_equal(dv_db_query(f->db, count_row, &n, &f->err, sql, ""), 0);
    return n;
}

static void a_new_database_is_fresh_private_and_of_our_schema(void **state)
{
    struct fixture *f = *state;
    dv_autofree char *version = dv_meta_get(f->db, "schema_version");
    char ours[16];
    struct stat st;

    snprintf(ours, sizeof(ours), "%d", dv_migrations[dv_n_migrations - 1].version);
    assert_true(dv_db_is_fresh(f->db));
    assert_string_equal(version, ours);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(number(f, "PRAGMA application_id"), 0x44564954);
    assert_int_equal(number(f, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(f, "PRAGMA cache_size"), -200);
    reopen(f);
    assert_false(dv_db_is_fresh(f->db));
}

static void expect_log(const struct fixture *f)
{
    dv_autofree char *log = dv_format("%s-wal", f->path);
    struct stat st;

    assert_int_equal(stat(log, &st), 0);
    assert_true(st.st_size >= 4 << 20);
    assert_true(st.st_blocks * 512 >= 4 << 20);
}

static void copy(const struct fixture *f, const char *suffix, const char *to)
{
    dv_autofree char *from_path = dv_format("%s%s", f->path, suffix);
    dv_autofree char *to_path = dv_format("%s%s", to, suffix);
    dv_autoclose int from = open(from_path, O_RDONLY | O_CLOEXEC);
    dv_autoclose int out = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n;

    assert_true(from >= 0 && out >= 0);
    while ((n = copy_file_range(from, NULL, out, NULL, 1 << 20, 0)) > 0)
        ;
    assert_int_equal(n, 0);
}

/* What the disk has when davitd is killed: the log is behind what was written zeros. */
static void the_log_has_its_room_and_ends_where_it_was_written(void **state)
{
    struct fixture *f = *state;
    dv_autofree char *killed = dv_format("%s/killed.db", f->folder), *value = NULL;

    expect_log(f);
    reopen(f); /* the close before took the log away */
    expect_log(f);
    assert_int_equal(dv_meta_set(f->db, "said", "so", &f->err), 0);
    expect_log(f);
    copy(f, "", killed);
    copy(f, "-wal", killed);
    dv_db_close(f->db);
    f->db = NULL;
    assert_int_equal(dv_db_open(killed, &f->db, &f->err), 0);
    value = dv_meta_get(f->db, "said");
    assert_non_null(value);
    assert_string_equal(value, "so");
}

static void keeps_meta(void **state)
{
    struct fixture *f = *state;
    dv_autofree char *value = NULL;

    assert_null(dv_meta_get(f->db, "boot_id"));
    assert_int_equal(dv_meta_set(f->db, "boot_id", "a", &f->err), 0);
    assert_int_equal(dv_meta_set(f->db, "boot_id", "b", &f->err), 0);
    reopen(f);
    value = dv_meta_get(f->db, "boot_id");
    assert_string_equal(value, "b");
}

static int add_event(struct fixture *f, const char *type, const char *actor)
{
    return dv_db_exec(f->db, &f->err,
                      "INSERT INTO events (time_ns, type, action, actor_id, attributes_json)"
                      " VALUES (?, ?, 'x', ?, '')",
                      "iss", INT64_MAX, type, actor);
}

static void commits_and_rolls_back(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(dv_tx_begin(f->db, DV_SYNC_NORMAL, &f->err), 0);
    assert_int_equal(add_event(f, "a", "1"), 0);
    assert_int_equal(dv_db_changes(f->db), 1);
    assert_int_equal(dv_db_last_id(f->db), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM events"), 1);
    dv_tx_rollback(f->db);
    dv_tx_rollback(f->db); /* nothing */
    assert_int_equal(number(f, "SELECT count(*) FROM events"), 0);
    assert_int_equal(dv_tx_begin(f->db, DV_SYNC_FULL, &f->err), 0);
    assert_int_equal(add_event(f, "a", "1"), 0);
    assert_int_equal(dv_tx_commit(f->db, &f->err), 0);
    assert_int_equal(dv_tx_commit(f->db, &f->err), -DV_E_INTERNAL);
    assert_int_equal(number(f, "SELECT count(*) FROM events"), 1);
}

static void the_sync_level_follows_the_transaction(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(dv_tx_begin(f->db, DV_SYNC_NORMAL, &f->err), 0);
    assert_int_equal(number(f, "PRAGMA synchronous"), 1);
    assert_int_equal(dv_tx_commit(f->db, &f->err), 0);
    assert_int_equal(dv_tx_begin(f->db, DV_SYNC_FULL, &f->err), 0);
    assert_int_equal(number(f, "PRAGMA synchronous"), 2);
    assert_int_equal(dv_tx_commit(f->db, &f->err), 0);
    assert_int_equal(dv_tx_begin(f->db, DV_SYNC_NORMAL, &f->err), 0);
    assert_int_equal(dv_tx_commit(f->db, &f->err), 0);
    assert_int_equal(add_event(f, "alone", "1"), 0); /* what is alone is sure */
    assert_int_equal(number(f, "PRAGMA synchronous"), 2);
}

struct seen {
    char text[16];
    size_t n_blob;
    int type, rows;
};
static int see(void *arg, sqlite3_stmt *row)
{
    struct seen *s = arg;

    s->rows++;
    s->type = sqlite3_column_type(row, 0);
    snprintf(s->text, sizeof(s->text), "%s", dv_row_text(row, 0));
    s->n_blob = (size_t)sqlite3_column_bytes(row, 1);
    return 0;
}

static void binds_null_text_numbers_and_blobs(void **state)
{
    struct fixture *f = *state;
    struct seen s = { .text = "x" };

    assert_int_equal(dv_db_query(f->db, see, &s, &f->err, "SELECT ?, ?, ?", "sbi", NULL, "a\0b",
                                 (size_t)3, (int64_t)-1), 0);
    assert_int_equal(s.type, SQLITE_NULL);
    assert_string_equal(s.text, "");
    assert_int_equal(s.n_blob, 3);
    assert_int_equal(dv_db_query(f->db, see, &s, &f->err, "SELECT ?, ?, ?", "sbi", "t", "", (size_t)0,
                                 (int64_t)1), 0);
    assert_string_equal(s.text, "t");
    /* Wrong by the programmer: said, not crashed upon. */
    assert_int_equal(dv_db_exec(f->db, &f->err, "SELECT ?", ""), -DV_E_INTERNAL);
    assert_int_equal(dv_db_exec(f->db, &f->err, "SELECT ?", "q"), -DV_E_INTERNAL);
    assert_int_equal(dv_db_exec(f->db, &f->err, "SELEC", ""), -DV_E_INTERNAL);
    assert_int_equal(dv_db_exec(f->db, &f->err, "", ""), -DV_E_INTERNAL);
}

static int stop_at_first(void *arg, sqlite3_stmt *row)
{
    (void)row;
    ++*(int *)arg;
    return 1;
}
static int fail_at_first(void *arg, sqlite3_stmt *row)
{
    (void)arg;
    (void)row;
    return -DV_E_CONFLICT;
}

static void a_row_function_may_end_it(void **state)
{
    struct fixture *f = *state;
    int calls = 0;

    assert_int_equal(dv_db_query(f->db, stop_at_first, &calls, &f->err,
                                 "SELECT 1 UNION SELECT 2", ""), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(dv_db_query(f->db, fail_at_first, NULL, &f->err, "SELECT 1", ""),
                     -DV_E_CONFLICT);
    /* Nothing is left running that would hold the database. */
    assert_int_equal(add_event(f, "a", "1"), 0);
}

struct nested {
    struct fixture *f;
    int depth, rows;
};
static int nest(void *arg, sqlite3_stmt *row)
{
    struct nested *n = arg;
    int r = 0;

    (void)row;
    n->rows++;
    if (n->depth < 3) {
        n->depth++;
        r = dv_db_query(n->f->db, nest, n, &n->f->err, "SELECT 1 UNION SELECT 2", "");
        n->depth--;
    }
    return r;
}

static void the_same_statement_may_run_within_itself(void **state)
{
    struct fixture *f = *state;
    struct nested n = { .f = f };

    assert_int_equal(dv_tx_begin(f->db, DV_SYNC_NORMAL, &f->err), 0);
    assert_int_equal(dv_db_query(f->db, nest, &n, &f->err, "SELECT 1 UNION SELECT 2", ""), 0);
    assert_int_equal(n.rows, 2 + 4 + 8 + 16);
    assert_int_equal(dv_tx_commit(f->db, &f->err), 0);
}

static void more_statements_than_the_cache_holds(void **state)
{
    struct fixture *f = *state;
    char sql[64];
    int i;

    for (i = 0; i < 300; i++) {
        snprintf(sql, sizeof(sql), "SELECT %d", i % 100);
        assert_int_equal(number(f, sql), i % 100);
    }
}

static void constraints_are_conflicts(void **state)
{
    struct fixture *f = *state;
    static const char insert[] = "INSERT INTO image_refs (reference, image_id) VALUES (?, ?)";

    assert_int_equal(dv_db_exec(f->db, &f->err, insert, "ss", "a:1", "none"), -DV_E_CONFLICT);
    assert_non_null(strstr(f->err.msg, "FOREIGN KEY"));
    assert_int_equal(dv_db_exec(f->db, &f->err,
                                "INSERT INTO images VALUES ('i', '', 0, 0, '', '', 0, '')", ""),
                     0);
    assert_int_equal(dv_db_exec(f->db, &f->err, insert, "ss", "a:1", "i"), 0);
    assert_int_equal(dv_db_exec(f->db, &f->err, insert, "ss", "a:1", "i"), -DV_E_CONFLICT);
    assert_non_null(strstr(f->err.msg, f->path));
    /* A failed statement leaves the transaction to its owner. */
    assert_int_equal(dv_tx_begin(f->db, DV_SYNC_NORMAL, &f->err), 0);
    assert_int_equal(dv_db_exec(f->db, &f->err, insert, "ss", "a:1", "i"), -DV_E_CONFLICT);
    assert_int_equal(dv_db_exec(f->db, &f->err, insert, "ss", "a:2", "i"), 0);
    assert_int_equal(dv_tx_commit(f->db, &f->err), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM image_refs"), 2);
}

static void a_newer_schema_is_opened_only_if_it_allows_us(void **state)
{
    struct fixture *f = *state;

    by_hand(f, "UPDATE meta SET value = '999' WHERE key = 'schema_version'");
    reopen(f);
    assert_false(dv_db_is_fresh(f->db));
    by_hand(f, "UPDATE meta SET value = '998' WHERE key = 'min_reader_version'");
    dv_db_close(f->db);
    f->db = NULL;
    assert_int_equal(dv_db_open(f->path, &f->db, &f->err), -DV_E_UNSUPPORTED);
    assert_null(f->db);
    assert_non_null(strstr(f->err.msg, "999"));
    assert_non_null(strstr(f->err.msg, "998"));
    assert_non_null(strstr(f->err.msg, "run the newer davit"));
}

static void what_is_not_ours_is_refused(void **state)
{
    struct fixture *f = *state;

    by_hand(f, "PRAGMA application_id=7");
    dv_db_close(f->db);
    f->db = NULL;
    assert_int_equal(dv_db_open(f->path, &f->db, &f->err), -DV_E_INVALID);
    assert_non_null(strstr(f->err.msg, "another program"));
    by_hand(f, "PRAGMA application_id=1146505556; DELETE FROM meta");
    assert_int_equal(dv_db_open(f->path, &f->db, &f->err), -DV_E_INTERNAL);
    assert_non_null(strstr(f->err.msg, "schema_version"));
}

static void damage_is_named_with_a_remedy(void **state)
{
    struct fixture *f = *state;
    char junk[8192];

    dv_db_close(f->db);
    f->db = NULL;
    memset(junk, 'j', sizeof(junk));
    assert_int_equal(dv_file_replace(AT_FDCWD, f->path, junk, sizeof(junk), 0600, DV_VOLATILE,
                                     &f->err), 0);
    assert_int_equal(dv_db_open(f->path, &f->db, &f->err), -DV_E_INTERNAL);
    assert_non_null(strstr(f->err.msg, f->path));
    assert_non_null(strstr(f->err.msg, "is damaged"));
    assert_non_null(strstr(f->err.msg, "backup"));
    assert_int_equal(dv_db_open("/nonexistent/davit.db", &f->db, &f->err), -DV_E_INTERNAL);
    assert_non_null(strstr(f->err.msg, "No such file"));
}

static void an_empty_file_counts_as_fresh(void **state)
{
    struct fixture *f = *state;

    dv_db_close(f->db);
    f->db = NULL;
    assert_int_equal(dv_file_replace(AT_FDCWD, f->path, "", 0, 0600, DV_VOLATILE, &f->err), 0);
    assert_int_equal(dv_db_open(f->path, &f->db, &f->err), 0);
    assert_true(dv_db_is_fresh(f->db));
}

enum { WRITERS = 4, ROUNDS = 100 };
struct writer {
    struct fixture *f;
    int failed;
};
static void *write_many(void *arg)
{
    struct writer *w = arg;
    struct dv_error err = { 0 };
    int i;

    for (i = 0; i < ROUNDS; i++) {
        int64_t n = -1;

        if (dv_tx_begin(w->f->db, i % 2 ? DV_SYNC_NORMAL : DV_SYNC_FULL, &err) < 0 ||
            dv_db_query(w->f->db, count_row, &n, &err,
                        "SELECT coalesce(max(time_ns), 0) FROM events", "") < 0 ||
            dv_db_exec(w->f->db, &err,
                       "INSERT INTO events (time_ns, type, action, actor_id, attributes_json)"
                       " VALUES (?, '', '', '', '')", "i", n + 1) < 0)
            w->failed++;
        if (i % 10 == 9)
            dv_tx_rollback(w->f->db);
        else if (dv_tx_commit(w->f->db, &err) < 0)
            w->failed++;
        if (dv_db_query(w->f->db, count_row, &n, &err, "SELECT count(*) FROM events", "") < 0)
            w->failed++;
    }
    return NULL;
}

static void writers_of_many_threads_do_not_mix(void **state)
{
    struct fixture *f = *state;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    int i;

    for (i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .f = f };
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].failed, 0);
    }
    assert_int_equal(number(f, "SELECT count(*) FROM events"), WRITERS * ROUNDS * 9 / 10);
    assert_int_equal(number(f, "SELECT max(time_ns) FROM events"), WRITERS * ROUNDS * 9 / 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_database_is_fresh_private_and_of_our_schema),
        TEST(the_log_has_its_room_and_ends_where_it_was_written),
        TEST(keeps_meta),
        TEST(commits_and_rolls_back),
        TEST(the_sync_level_follows_the_transaction),
        TEST(binds_null_text_numbers_and_blobs),
        TEST(a_row_function_may_end_it),
        TEST(the_same_statement_may_run_within_itself),
        TEST(more_statements_than_the_cache_holds),
        TEST(constraints_are_conflicts),
        TEST(a_newer_schema_is_opened_only_if_it_allows_us),
        TEST(what_is_not_ours_is_refused),
        TEST(damage_is_named_with_a_remedy),
        TEST(an_empty_file_counts_as_fresh),
        TEST(writers_of_many_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
