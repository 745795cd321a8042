/* container_ps.c - tests of ps's arguments and of the reader of /proc/PID/stat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/container/ps.h"

static void understands_the_common_arguments(void **state)
{
    static const struct {
        const char *args, *titles;
    } rows[] = {
        { "", "UID PID PPID C STIME TTY TIME CMD" },
        { "-ef", "UID PID PPID C STIME TTY TIME CMD" },
        { "aux", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND" },
        { "-e", "PID TTY TIME CMD" },
        { "-o pid,cmd", "PID CMD" },
        { "-eo pid,comm,rss", "PID COMMAND RSS" },
        { "-opid", "PID" },
        { "o user,pid", "USER PID" },
        { "-e -o pid -o args", "PID COMMAND" },
        { "-ax -o pid,etime", "PID ELAPSED" },
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct dv_ps_format format;
        struct dv_error err = { 0 };
        char titles[256] = "";

        assert_int_equal(dv_ps_parse(rows[i].args, &format, &err), 0);
        for (size_t c = 0; c < format.n; c++) {
            if (c)
                strncat(titles, " ", sizeof(titles) - strlen(titles) - 1);
            strncat(titles, dv_ps_title(&format, c), sizeof(titles) - strlen(titles) - 1);
        }
        assert_string_equal(titles, rows[i].titles);
    }
}

static void refuses_the_rest_by_name(void **state)
{
    static const struct {
        const char *args, *says;
    } rows[] = {
        { "-o cmd", "Couldn't find PID field in ps output" },
        { "-o pid,shoe", "unknown ps column 'shoe'" },
        { "-o pid=ID", "cannot be renamed" },
        { "-o pid,", "unknown ps column ''" },
        { "-o", "'-o' are not supported" },
        { "-e f", "'-e f' are not supported" },
        { "--forest", "'--forest' are not supported" },
        { "-e -a", "'-e -a' are not supported" },
        { "-o pid;reboot", "unknown ps column 'pid;reboot'" },
        { "-o pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,"
          "pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid", "more than 32 ps columns" },
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct dv_ps_format format;
        struct dv_error err = { 0 };

        assert_true(dv_ps_parse(rows[i].args, &format, &err) < 0);
        assert_non_null(strstr(err.msg, rows[i].says));
    }
}

static void reads_a_name_with_brackets(void **state)
{
    static const char text[] = "42 (a) b (c)) S 7 42 42 34816 42 4194560 1 2 3 4 150 50 0 0 20 -5 3 0 "
                               "9000 8192000 250 18446744073709551615 1 1 0";
    struct dv_proc_stat s;

    (void)state;
    assert_int_equal(dv_proc_stat_parse(text, &s), 0);
    assert_string_equal(s.comm, "a) b (c)");
    assert_int_equal(s.state, 'S');
    assert_int_equal(s.pid, 42);
    assert_int_equal(s.ppid, 7);
    assert_int_equal(s.tty_nr, 34816);
    assert_int_equal(s.utime, 150);
    assert_int_equal(s.stime, 50);
    assert_int_equal(s.priority, 20);
    assert_int_equal(s.nice, -5);
    assert_int_equal(s.n_threads, 3);
    assert_int_equal(s.start_time, 9000);
    assert_int_equal(s.vsize_bytes, 8192000);
    assert_int_equal(s.rss_pages, 250);
}

static void refuses_what_is_no_stat(void **state)
{
    static const char *const texts[] = { "", "42", "42 (x", "42 x) S 1", ")(", "42 (x) S 1 2 3",
                                         "(x) S 7 42 42 34816 42 4194560 1 2 3 4 150 50 0 0 20" };
    struct dv_proc_stat s;

    (void)state;
    for (size_t i = 0; i < N(texts); i++)
        assert_int_equal(dv_proc_stat_parse(texts[i], &s), -1);
}

static void shows_this_process_and_not_one_that_is_gone(void **state)
{
    struct dv_ps_format format;
    struct dv_ps_host host;
    struct dv_error err = { 0 };
    dv_autostrv row = { 0 }, none = { 0 };
    char pid[16];

    (void)state;
    assert_int_equal(dv_ps_parse("-o pid,comm,time,tty,c", &format, &err), 0);
    dv_ps_host_look(&host);
    assert_int_equal(dv_ps_row(&format, &host, getpid(), &row, &err), 1);
    snprintf(pid, sizeof(pid), "%d", getpid());
    assert_int_equal(row.n, 5);
    assert_string_equal(row.items[0], pid);
    assert_string_equal(row.items[2], "00:00:00");
    assert_int_equal(dv_ps_row(&format, &host, 0x7ffffffe, &none, &err), 0);
    dv_ps_host_done(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_the_common_arguments),
        cmocka_unit_test(refuses_the_rest_by_name),
        cmocka_unit_test(reads_a_name_with_brackets),
        cmocka_unit_test(refuses_what_is_no_stat),
        cmocka_unit_test(shows_this_process_and_not_one_that_is_gone),
    };

    return cmocka_run_group_tests_name("container_ps", tests, NULL, NULL);
}
