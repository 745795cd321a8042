/* api_log_reader.c - tests of reading logs: rotation, tail, since, following. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/api/log_reader.h"
#include "core/base/file.h"
#include "core/base/str.h"

static char dir[32];
static int dir_fd;

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/dv-log-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0;
}

static int tear_down(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    close(dir_fd);
    return dv_remove_tree(AT_FDCWD, dir, &err);
}

static void append(const char *name, const char *text)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_int_equal(dv_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

/* Line I, to stderr where it is odd. */
static void append_line(const char *name, int i)
{
    char line[200];

    snprintf(line, sizeof(line),
             "{\"log\":\"%d\\n\",\"stream\":\"%s\",\"attrs\":{\"k\":\"v, w\",\"a\":\"b\"},"
             "\"time\":\"2024-01-01T00:%02d:%02d.5Z\"}\n",
             i, i % 2 ? "stderr" : "stdout", i / 60 % 60, i % 60);
    append(name, line);
}

static void rotate(int files)
{
    for (int k = files - 1; k > 0; k--) {
        char from[16], to[16];

        snprintf(from, sizeof(from), k == 1 ? "log" : "log.%d", k - 1);
        snprintf(to, sizeof(to), "log.%d", k);
        (void)!renameat(dir_fd, from, dir_fd, to);
    }
    append("log", "");
}

static const struct dv_log_query all = { .out = true, .err = true, .tail = -1 };

static struct dv_log_reader *open_log(const struct dv_log_query *query)
{
    struct dv_log_reader *reader = NULL;
    struct dv_error err = { 0 };

    if (dv_log_open_dir(dup(dir_fd), "log", query, &reader, &err) < 0)
        fail_msg("%s", err.msg);
    return reader;
}

/* All there is now; caller frees. */
static char *read_on(struct dv_log_reader *reader, int *ret)
{
    dv_autobuf out = DV_BUF_INIT(64 << 20, "log"), batch = DV_BUF_INIT(DV_LOG_BATCH_MAX, "batch");
    struct dv_error err = { 0 };
    int r;

    do {
        r = dv_log_read(reader, &batch, &err);
        assert_true(r >= 0);
        assert_int_equal(dv_buf_put(&out, batch.data, batch.len, &err), 0);
        dv_buf_reset(&batch);
    } while (r == 1);
    if (ret)
        *ret = r;
    return dv_buf_take(&out);
}

static void assert_log(const struct dv_log_query *query, const char *expected)
{
    dv_auto(dv_log_reader) *reader = open_log(query);
    dv_autofree char *text = read_on(reader, NULL);

    assert_string_equal(text, expected);
}

static void reads_rotated_files_in_order(void **state)
{
    (void)state;
    append_line("log.2", 1);
    append_line("log.1", 2);
    append_line("log", 3);
    append_line("log", 4);
    assert_log(&all, "1\n2\n3\n4\n");
}

static void tails_across_files(void **state)
{
    static const char *const expected[] = { "", "5\n", "4\n5\n", "3\n4\n5\n", "2\n3\n4\n5\n",
                                            "1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n" };

    (void)state;
    append_line("log.2", 1);
    append_line("log.2", 2);
    append_line("log.1", 3);
    append_line("log", 4);
    append_line("log", 5);
    for (size_t i = 0; i < N(expected); i++) {
        struct dv_log_query q = all;

        q.tail = (int64_t)i;
        assert_log(&q, expected[i]);
    }
}

static void tails_a_long_file(void **state)
{
    struct dv_log_query q = all;
    dv_autobuf expected = DV_BUF_INIT(1 << 20, "expected");
    struct dv_error err = { 0 };

    (void)state;
    for (int i = 0; i < 3000; i++)
        append_line("log", i);
    for (int i = 500; i < 3000; i++)
        assert_int_equal(dv_buf_printf(&expected, &err, "%d\n", i), 0);
    q.tail = 2500;
    assert_log(&q, expected.data);
}

static void selects_streams_and_times(void **state)
{
    struct dv_log_query q = all;

    (void)state;
    for (int i = 0; i < 6; i++)
        append_line("log", i);
    q.out = false;
    assert_log(&q, "1\n3\n5\n");
    q = all;
    q.since_ns = 1704067202500000000; /* 00:00:02.5 */
    q.until_ns = 1704067204500000000;
    assert_log(&q, "2\n3\n4\n");
}

static void formats_prefixes_and_frames(void **state)
{
    struct dv_log_query q = all;
    dv_auto(dv_log_reader) *reader = NULL;
    dv_autobuf out = DV_BUF_INIT(DV_LOG_BATCH_MAX, "log");
    struct dv_error err = { 0 };

    (void)state;
    append_line("log", 1);
    q.timestamps = q.details = true;
    assert_log(&q, "2024-01-01T00:00:01.500000000Z a=b,k=v%2C+w 1\n");
    q = all;
    q.framed = true;
    reader = open_log(&q);
    assert_int_equal(dv_log_read(reader, &out, &err), 0);
    assert_int_equal(out.len, 10);
    assert_memory_equal(out.data, "\2\0\0\0\0\0\0\2" "1\n", 10);
}

static void passes_over_broken_lines(void **state)
{
    (void)state;
    append_line("log", 1);
    append("log", "{\"log\":\"torn\n\n[]\n{\"log\":3}\n");
    append_line("log", 2);
    assert_log(&all, "1\n2\n");
}

/* The quick reading and the one by the book must agree. */
static void reads_escapes(void **state)
{
    static const char *const texts[] = {
        "plain",          "\\n\\t\\r\\b\\f\\/\\\\\\\"", "\\u0000x", "\\u001b[1m", "\\u00e9\\u2028",
        "\\ud83d\\ude00", "\xc3\xa9\xe2\x82\xac",       "",         "tail\\\\",
    };
    static const struct {
        const char *bytes;
        size_t n;
    } expected[] = {
        { "plain", 5 }, { "\n\t\r\b\f/\\\"", 8 }, { "\0x", 2 }, { "\x1b[1m", 4 },
        { "\xc3\xa9\xe2\x80\xa8", 5 }, { "\xf0\x9f\x98\x80", 4 }, { "\xc3\xa9\xe2\x82\xac", 5 },
        { "", 0 }, { "tail\\", 5 },
    };

    (void)state;
    for (size_t i = 0; i < N(texts); i++) {
        dv_auto(dv_log_reader) *reader = NULL;
        dv_autobuf out = DV_BUF_INIT(DV_LOG_BATCH_MAX, "log");
        struct dv_error err = { 0 };
        char line[300];

        unlinkat(dir_fd, "log", 0);
        snprintf(line, sizeof(line), "{\"log\":\"%s\",\"stream\":\"stdout\",\"time\":"
                 "\"2024-01-01T00:00:00Z\"}\n", texts[i]);
        append("log", line);
        snprintf(line, sizeof(line), "{ \"log\":\"%s\",\"stream\":\"stdout\",\"time\":"
                 "\"2024-01-01T00:00:00Z\"}\n", texts[i]);
        append("log", line);
        reader = open_log(&all);
        assert_int_equal(dv_log_read(reader, &out, &err), 0);
        assert_int_equal(out.len, 2 * expected[i].n);
        if (out.len > 0) {
            assert_memory_equal(out.data, expected[i].bytes, expected[i].n);
            assert_memory_equal(out.data + expected[i].n, expected[i].bytes, expected[i].n);
        }
    }
}

static void waits_for_an_unfinished_line(void **state)
{
    dv_auto(dv_log_reader) *reader = NULL;
    dv_autofree char *first = NULL, *second = NULL;

    (void)state;
    append_line("log", 1);
    append("log", "{\"log\":\"2\\n\",\"stream\":");
    reader = open_log(&all);
    first = read_on(reader, NULL);
    assert_string_equal(first, "1\n");
    append("log", "\"stdout\",\"time\":\"2024-01-01T00:00:00Z\"}\n");
    second = read_on(reader, NULL);
    assert_string_equal(second, "2\n");
}

static void follows_across_rotations(void **state)
{
    dv_auto(dv_log_reader) *reader = open_log(&all);
    int next = 0;

    (void)state;
    for (int round = 0; round < 20; round++) {
        dv_autofree char *text = NULL;
        dv_autobuf expected = DV_BUF_INIT(1 << 16, "expected");
        struct dv_error err = { 0 };

        /* No more rotations at once than files are kept: else lines are gone for everybody. */
        for (int i = 0; i < round % 4; i++) {
            append_line("log", next);
            assert_int_equal(dv_buf_printf(&expected, &err, "%d\n", next++), 0);
            rotate(5);
        }
        append_line("log", next);
        assert_int_equal(dv_buf_printf(&expected, &err, "%d\n", next++), 0);
        text = read_on(reader, NULL);
        assert_string_equal(text, expected.data);
    }
}

static void goes_on_when_its_file_was_deleted(void **state)
{
    dv_auto(dv_log_reader) *reader = NULL;
    dv_autofree char *first = NULL, *second = NULL;

    (void)state;
    append_line("log", 1);
    reader = open_log(&all);
    first = read_on(reader, NULL);
    for (int i = 2; i < 6; i++) {
        rotate(3);
        append_line("log", i);
    }
    second = read_on(reader, NULL);
    assert_string_equal(second, "3\n4\n5\n");
}

static void stops_beyond_until(void **state)
{
    struct dv_log_query q = all;
    dv_auto(dv_log_reader) *reader = NULL;
    dv_autofree char *text = NULL;
    int r = 0;

    (void)state;
    for (int i = 0; i < 5; i++)
        append_line("log", i);
    q.until_ns = 1704067201500000000;
    reader = open_log(&q);
    text = read_on(reader, &r);
    assert_string_equal(text, "0\n1\n");
    assert_int_equal(r, 2);
}

enum { WRITTEN = 20000 };

static void *write_and_rotate(void *arg)
{
    int fd = openat(dir_fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    for (int i = 0; i < WRITTEN; i++) {
        char line[128];

        snprintf(line, sizeof(line),
                 "{\"log\":\"%d\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:00Z\"}\n",
                 i);
        (void)!write(fd, line, strlen(line));
        if (i % 500 == 499) {
            rotate(60); /* all are kept, so that no line may be missed */
            close(fd);
            fd = openat(dir_fd, "log", O_WRONLY | O_APPEND | O_CLOEXEC);
        }
    }
    close(fd);
    return arg;
}

static void loses_no_line_while_files_rotate(void **state)
{
    dv_auto(dv_log_reader) *reader = NULL;
    pthread_t thread;
    long next = 0;

    (void)state;
    append("log", "");
    reader = open_log(&all);
    pthread_create(&thread, NULL, write_and_rotate, NULL);
    while (next < WRITTEN) {
        dv_autofree char *text = read_on(reader, NULL);

        for (char *at = text; *at; at++) {
            assert_int_equal(strtol(at, &at, 10), next);
            next++;
        }
    }
    pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reads_rotated_files_in_order),
        TEST(tails_across_files),
        TEST(tails_a_long_file),
        TEST(selects_streams_and_times),
        TEST(formats_prefixes_and_frames),
        TEST(passes_over_broken_lines),
        TEST(reads_escapes),
        TEST(waits_for_an_unfinished_line),
        TEST(follows_across_rotations),
        TEST(goes_on_when_its_file_was_deleted),
        TEST(stops_beyond_until),
        TEST(loses_no_line_while_files_rotate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
