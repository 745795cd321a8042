/* shim_logfile.c - tests of core/shim/logfile: batches, rotation, and a disk that is full. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/shim/logfile.h"

struct place {
    char path[64];
    int fd;
    struct dv_logfile *log;
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    snprintf(p->path, sizeof(p->path), "/tmp/davit-shim-logfile-XXXXXX");
    if (!mkdtemp(p->path))
        return -1;
    p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = p;
    return p->fd < 0 ? -1 : 0;
}

static int remove_place(void **state)
{
    struct place *p = *state;
    struct dv_error err = { 0 };
    dv_autoclose int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r;

    dv_logfile_free(p->log);
    close(p->fd);
    r = dv_remove_tree(tmp, p->path + strlen("/tmp/"), &err);
    free(p);
    return r;
}

static void open_log(struct place *p, uint64_t max_bytes, uint64_t max_files)
{
    struct dv_logfile_options options = { .dir_fd = p->fd, .name = "c-json.log",
                                          .max_bytes = max_bytes, .max_files = max_files };
    struct dv_error err = { 0 };

    dv_logfile_free(p->log);
    p->log = NULL;
    assert_int_equal(dv_logfile_open(&options, &p->log, &err), 0);
}

static char *read_log(struct place *p, const char *name)
{
    struct dv_error err = { 0 };
    char *text = NULL;

    return dv_read_file(p->fd, name, 1 << 20, &text, NULL, &err) == 0 ? text : NULL;
}

static void expect_log(struct place *p, const char *name, const char *expected)
{
    dv_autofree char *text = read_log(p, name);

    if (!expected) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void put(struct place *p, const char *text)
{
    dv_logfile_put(p->log, "stdout", 1000000000, text, strlen(text), true);
}

#define RECORD(text) "{\"log\":\"" text "\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:01Z\"}\n"

static void writes_a_batch_at_the_flush_and_appends_across_runs(void **state)
{
    struct place *p = *state;
    struct stat st;

    open_log(p, 0, 0);
    put(p, "a");
    put(p, "b");
    expect_log(p, "c-json.log", "");
    dv_logfile_flush(p->log);
    expect_log(p, "c-json.log", RECORD("a") RECORD("b"));
    open_log(p, 0, 0);
    put(p, "c");
    dv_logfile_trim(p->log);
    expect_log(p, "c-json.log", RECORD("a") RECORD("b") RECORD("c"));
    assert_int_equal(fstatat(p->fd, "c-json.log", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void rotates_and_forgets_the_oldest(void **state)
{
    struct place *p = *state;

    open_log(p, strlen(RECORD("1")) + 1, 3); /* two records a file */
    for (char c = '1'; c <= '9'; c++)
        put(p, (char[]){ c, '\0' });
    dv_logfile_flush(p->log);
    expect_log(p, "c-json.log", RECORD("9"));
    expect_log(p, "c-json.log.1", RECORD("7") RECORD("8"));
    expect_log(p, "c-json.log.2", RECORD("5") RECORD("6"));
    expect_log(p, "c-json.log.3", NULL);
}

static void counts_what_earlier_runs_wrote(void **state)
{
    struct place *p = *state;

    open_log(p, 3 * strlen(RECORD("1")), 2);
    put(p, "1");
    put(p, "2");
    open_log(p, 3 * strlen(RECORD("1")), 2);
    put(p, "3");
    put(p, "4");
    dv_logfile_flush(p->log);
    expect_log(p, "c-json.log.1", RECORD("1") RECORD("2") RECORD("3"));
    expect_log(p, "c-json.log", RECORD("4"));
}

/* A follower knows a new file by its inode; a truncated one would look like the old. */
static void begins_a_new_file_where_one_is_all(void **state)
{
    struct place *p = *state;
    struct stat before, after;

    open_log(p, 1, 1);
    assert_int_equal(fstatat(p->fd, "c-json.log", &before, 0), 0);
    dv_autoclose int held = openat(p->fd, "c-json.log", O_RDONLY | O_CLOEXEC);
    put(p, "1");
    assert_int_equal(fstatat(p->fd, "c-json.log", &after, 0), 0);
    assert_true(held >= 0 && before.st_ino != after.st_ino);
    assert_int_equal(after.st_size, 0);
    expect_log(p, "c-json.log.1", NULL);
}

/* RLIMIT_FSIZE cuts a write short as a full disk does. */
static void keeps_whole_records_on_a_full_disk_and_goes_on_later(void **state)
{
    struct place *p = *state;
    struct rlimit old, small;
    void (*old_action)(int) = signal(SIGXFSZ, SIG_IGN);

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){ strlen(RECORD("1")) + 10, old.rlim_max };
    open_log(p, 0, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    put(p, "1");
    put(p, "2");
    dv_logfile_flush(p->log);
    put(p, "3");
    dv_logfile_flush(p->log);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    expect_log(p, "c-json.log", RECORD("1"));
    put(p, "4");
    dv_logfile_flush(p->log);
    expect_log(p, "c-json.log", RECORD("1") RECORD("4"));
    signal(SIGXFSZ, old_action);
}

static void writes_large_batches_early(void **state)
{
    struct place *p = *state;
    char line[1024];
    struct stat st;

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    open_log(p, 0, 0);
    for (int i = 0; i < 100; i++)
        put(p, line);
    assert_int_equal(fstatat(p->fd, "c-json.log", &st, 0), 0);
    assert_true(st.st_size >= 64 << 10);
}

static void refuses_a_name_that_leads_elsewhere(void **state)
{
    static const char *const names[] = { "", "../x", "a/b" };
    struct place *p = *state;

    for (size_t i = 0; i < N(names); i++) {
        struct dv_logfile_options options = { .dir_fd = p->fd, .name = names[i] };
        struct dv_error err = { 0 };

        assert_int_equal(dv_logfile_open(&options, &p->log, &err), -DV_E_INVALID);
    }
}

static void does_not_follow_a_link(void **state)
{
    struct place *p = *state;
    struct dv_logfile_options options = { .dir_fd = p->fd, .name = "c-json.log" };
    struct dv_error err = { 0 };

    assert_int_equal(symlinkat("/dev/null", p->fd, "c-json.log"), 0);
    assert_true(dv_logfile_open(&options, &p->log, &err) < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        TEST(writes_a_batch_at_the_flush_and_appends_across_runs),
        TEST(rotates_and_forgets_the_oldest),
        TEST(counts_what_earlier_runs_wrote),
        TEST(begins_a_new_file_where_one_is_all),
        TEST(keeps_whole_records_on_a_full_disk_and_goes_on_later),
        TEST(writes_large_batches_early),
        TEST(refuses_a_name_that_leads_elsewhere),
        TEST(does_not_follow_a_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
