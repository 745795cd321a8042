/* base_parse.c - unit tests of core/base/parse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/parse.h"

static void parses_unsigned(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max, value;
        int error;
    } rows[] = {
        { "0", 0, 9, 0, 0 },
        { "18446744073709551615", 0, UINT64_MAX, UINT64_MAX, 0 },
        { "18446744073709551616", 0, UINT64_MAX, 0, ERANGE },
        { "99999999999999999999x", 0, UINT64_MAX, 0, EINVAL },
        { "007", 0, 9, 7, 0 },
        { "", 0, 9, 0, EINVAL },
        { " 1", 0, 9, 0, EINVAL },
        { "+1", 0, 9, 0, EINVAL },
        { "-1", 0, 9, 0, EINVAL },
        { "1 ", 0, 9, 0, EINVAL },
        { "0x1", 0, 9, 0, EINVAL },
        { "10", 0, 9, 0, ERANGE },
        { "1", 2, 9, 0, ERANGE },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        uint64_t v = 77;
        int r = dv_parse_u64(rows[i].text, rows[i].min, rows[i].max, &v);

        assert_int_equal(r, rows[i].error ? -1 : 0);
        assert_true(r == 0 ? v == rows[i].value : v == 77 && errno == rows[i].error);
    }
}

static void parses_signed(void **state)
{
    int64_t v = 0;

    (void)state;
    assert_int_equal(dv_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(dv_parse_i64("-1", -1, 5, &v), 0);
    assert_true(v == -1);
    assert_int_equal(dv_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v), -1);
    assert_int_equal(dv_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v), -1);
    assert_int_equal(errno, ERANGE);
    assert_int_equal(dv_parse_i64("--1", -1, 5, &v), -1);
    assert_int_equal(dv_parse_i64("-", -1, 5, &v), -1);
    assert_int_equal(dv_parse_i64("-2", -1, 5, &v), -1);
}

/* The cases of go-units' own RAMInBytes test are among them. */
static void parses_sizes_as_docker(void **state)
{
    static const struct {
        const char *text;
        int64_t value; /* -1 = refused */
    } rows[] = {
        { "32", 32 },          { "32b", 32 },           { "32B", 32 },
        { "32k", 32 << 10 },   { "32K", 32 << 10 },     { "32kb", 32 << 10 },
        { "32Kb", 32 << 10 },  { "32Kib", 32 << 10 },   { "32KIB", 32 << 10 },
        { "32Mb", 32 << 20 },  { "32Gb", 32LL << 30 },  { "32Tb", 32LL << 40 },
        { "32Pb", 32LL << 50 }, { "32.5kB", 33280 },    { "32.5 kB", 33280 },
        { "1.5GiB", 1610612736 }, { "0.5", 0 },         { "64m", 64 << 20 },
        { "9223372036854775807", INT64_MAX },           { "9223372036854775808", -1 },
        { "8191p", 8191LL << 50 }, { "8192p", -1 },     { "", -1 },
        { "hello", -1 },       { "-32", -1 },           { " 32 ", -1 },
        { "32m b", -1 },       { "32bm", -1 },          { "32 ", 32 },
        { "1..5k", -1 },       { ".", -1 },             { "k", -1 },
        { "32kx", -1 },        { "32kibb", -1 },        { "9999999999999999.9p", -1 },
        { "32ib", -1 },        { "32  k", -1 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        int64_t v = -7;
        int r = dv_parse_bytes(rows[i].text, &v);

        if (r != (rows[i].value < 0 ? -1 : 0) || (r == 0 && v != rows[i].value))
            fail_msg("\"%s\": %d, %lld", rows[i].text, r, (long long)v);
    }
}

static void parses_words_of_truth(void **state)
{
    bool v = false;

    (void)state;
    assert_int_equal(dv_parse_bool("Yes", &v), 0);
    assert_true(v);
    assert_int_equal(dv_parse_bool("off", &v), 0);
    assert_false(v);
    assert_int_equal(dv_parse_bool("2", &v), -1);
    assert_int_equal(dv_parse_bool("", &v), -1);
}

static void parses_durations_as_go(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
        int refused;
    } rows[] = {
        { "0", 0, 0 },
        { "5s", 5000000000, 0 },
        { "-5s", -5000000000, 0 },
        { "+5s", 5000000000, 0 },
        { "1h2m3.5s", 3723500000000, 0 },
        { "100ms", 100000000, 0 },
        { "12.us", 12000, 0 },
        { ".5s", 500000000, 0 },
        { "12\xc2\xb5s", 12000, 0 },
        { "12\xce\xbcs", 12000, 0 },
        { "52763797000ns", 52763797000, 0 },
        { "0.100000000000000000000h", 360000000000, 0 },
        { "9223372036s854ms775us807ns", INT64_MAX, 0 },
        { "-9223372036854775808ns", INT64_MIN, 0 },
        { "9223372036854775808ns", 0, 1 },
        { "3000000h", 0, 1 },
        { "", 0, 1 },
        { "3", 0, 1 },
        { "-", 0, 1 },
        { "s", 0, 1 },
        { ".", 0, 1 },
        { ".s", 0, 1 },
        { "1x", 0, 1 },
        { "1sm", 0, 1 },
        { "1s ", 0, 1 },
        { "--1s", 0, 1 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        int64_t v = 3;
        int r = dv_parse_duration(rows[i].text, &v);

        if (r != (rows[i].refused ? -1 : 0) || (r == 0 && v != rows[i].value))
            fail_msg("\"%s\": %d, %lld", rows[i].text, r, (long long)v);
    }
}

static void checks_sizes(void **state)
{
    size_t v = 0;

    (void)state;
    assert_true(dv_mul(3, 4, &v) && v == 12);
    assert_false(dv_mul(SIZE_MAX, 2, &v));
    assert_false(dv_add(SIZE_MAX, 1, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_unsigned),
        cmocka_unit_test(parses_signed),
        cmocka_unit_test(parses_sizes_as_docker),
        cmocka_unit_test(parses_words_of_truth),
        cmocka_unit_test(parses_durations_as_go),
        cmocka_unit_test(checks_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
