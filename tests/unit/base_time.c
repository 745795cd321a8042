/* base_time.c - unit tests of core/base/time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/time.h"

static void formats_as_go(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text, *fixed;
    } rows[] = {
        { 1, "1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000000001Z" },
        { 1700000000000000000, "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000000000Z" },
        { 1700000000120000000, "2023-11-14T22:13:20.12Z", "2023-11-14T22:13:20.120000000Z" },
        { 951782400000000000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000000Z" },
    };
    char text[DV_TIME_TEXT_BYTES];
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        dv_time_format(rows[i].ns, text);
        assert_string_equal(text, rows[i].text);
        dv_time_format_fixed(rows[i].ns, text);
        assert_string_equal(text, rows[i].fixed);
    }
    dv_time_format(0, text);
    assert_string_equal(text, "0001-01-01T00:00:00Z");
    dv_time_format(UINT64_MAX, text);
    assert_string_equal(text, "2554-07-21T23:34:33.709551615Z");
}

static void agrees_with_the_libc_on_every_month(void **state)
{
    int64_t day;

    (void)state;
    for (day = 0; day < 366 * 500; day += 13) {
        time_t t = (time_t)(day * 86400 + 86399);
        char expected[DV_TIME_TEXT_BYTES], text[DV_TIME_TEXT_BYTES];
        uint64_t back = 0;
        struct tm tm;

        gmtime_r(&t, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
        dv_time_format((uint64_t)t * 1000000000, text);
        assert_string_equal(text, expected);
        assert_int_equal(dv_time_parse(text, &back), 0);
        assert_true(back == (uint64_t)t * 1000000000);
    }
}

static void parses_zones_and_fractions(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
        int refused;
    } rows[] = {
        { "2023-11-14T22:13:20Z", 1700000000000000000, 0 },
        { "2023-11-15T00:13:20.5+02:00", 1700000000500000000, 0 },
        { "2023-11-14T17:13:20.123456789999-05:00", 1700000000123456789, 0 },
        { "0001-01-01T00:00:00Z", 0, 0 },
        { "2024-02-29T00:00:00Z", 1709164800000000000, 0 },
        { "2023-02-29T00:00:00Z", 0, 1 },
        { "1969-12-31T23:59:59Z", 0, 1 },
        { "2555-01-01T00:00:00Z", 0, 1 },
        { "2023-11-14 22:13:20Z", 0, 1 },
        { "2023-11-14T22:13:20", 0, 1 },
        { "2023-11-14T22:13:20.Z", 0, 1 },
        { "2023-11-14T22:13:20Zx", 0, 1 },
        { "2023-13-14T22:13:20Z", 0, 1 },
        { "2023-11-14T24:13:20Z", 0, 1 },
        { "2023-11-14T22:13:60Z", 0, 1 },
        { "2023-11-14T22:13:20+24:00", 0, 1 },
        { "2023-11-14T22:13:20+0200", 0, 1 },
        { "", 0, 1 },
        { "2023", 0, 1 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        uint64_t ns = 5;
        int r = dv_time_parse(rows[i].text, &ns);

        if (r != (rows[i].refused ? -1 : 0) || (r == 0 && ns != rows[i].ns))
            fail_msg("\"%s\": %d, %llu", rows[i].text, r, (unsigned long long)ns);
    }
}

static void clocks_move(void **state)
{
    uint64_t a = dv_mono_ns(), b = dv_mono_ns();

    (void)state;
    assert_true(b >= a);
    assert_true(dv_now_ns() > 1600000000000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_as_go),
        cmocka_unit_test(agrees_with_the_libc_on_every_month),
        cmocka_unit_test(parses_zones_and_fractions),
        cmocka_unit_test(clocks_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
