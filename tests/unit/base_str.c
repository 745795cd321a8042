/* base_str.c - unit tests of core/base/str. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"

static void looks_at_ends(void **state)
{
    (void)state;
    assert_true(dv_ends("a.tar", ".tar"));
    assert_true(dv_ends("x", ""));
    assert_false(dv_ends("ar", ".tar"));
    assert_true(dv_starts("sha256:00", "sha256:"));
    assert_true(dv_empty(NULL) && dv_empty("") && !dv_empty("a"));
}

static void formats_and_copies(void **state)
{
    dv_autofree char *text = dv_format("%s-%d", "a", 7);

    (void)state;
    assert_string_equal(text, "a-7");
    assert_null(dv_strdup(NULL));
}

static void vectors_split_copy_and_end_in_null(void **state)
{
    dv_autostrv v = { 0 }, copy = { 0 }, none = { 0 };

    (void)state;
    assert_int_equal(dv_strv_split(&v, "a,,b,", ','), 0);
    assert_int_equal(v.n, 4);
    assert_string_equal(v.items[1], "");
    assert_string_equal(v.items[3], "");
    assert_null(v.items[4]);
    assert_true(dv_strv_has(&v, "b"));
    assert_false(dv_strv_has(&v, "c"));
    assert_int_equal(dv_strv_copy(&copy, &v), 0);
    assert_int_equal(copy.n, 4);
    assert_string_equal(copy.items[2], "b");
    assert_null(copy.items[4]);
    dv_strv_done(&copy);
    assert_int_equal(dv_strv_copy(&copy, &none), 0);
    assert_null(copy.items);
    assert_int_equal(dv_strv_add_take(&v, NULL), -1);
    assert_int_equal(errno, ENOMEM);
}

static void knows_utf8(void **state)
{
    static const struct {
        const char *text;
        size_t n, expected;
    } rows[] = {
        { "a", 1, 1 },           { "\xc3\xa9", 2, 2 },         { "\xe2\x82\xac", 3, 3 },
        { "\xf0\x9f\x90\xb3", 4, 4 }, { "\xc3", 1, 0 },        { "\xc0\xaf", 2, 0 },
        { "\xe0\x80\xaf", 3, 0 }, { "\xed\xa0\x80", 3, 0 },    { "\xf4\x90\x80\x80", 4, 0 },
        { "\xf0\x9f\x90", 3, 0 }, { "\x80", 1, 0 },            { "\xff", 1, 0 },
        { "", 0, 0 },            { "\xe2\x82\x41", 3, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++)
        assert_int_equal(dv_utf8_len(rows[i].text, rows[i].n), rows[i].expected);
}

static void measures_distance(void **state)
{
    static const struct {
        const char *a, *b;
        size_t expected;
    } rows[] = {
        { "", "", 0 },       { "a", "", 1 },         { "", "abc", 3 },
        { "run", "run", 0 }, { "rnu", "run", 2 },    { "kitten", "sitting", 3 },
        { "inspect", "inspekt", 1 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++)
        assert_int_equal(dv_edit_distance(rows[i].a, rows[i].b), rows[i].expected);
}

static void writes_base64(void **state)
{
    static const char *const rows[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foobar", "Zm9vYmFy" },
        { "\xff\xfe\xfd", "//79" },
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        dv_autofree char *text = dv_base64(rows[i][0], strlen(rows[i][0]));

        assert_string_equal(text, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_at_ends),
        cmocka_unit_test(formats_and_copies),
        cmocka_unit_test(vectors_split_copy_and_end_in_null),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(measures_distance),
        cmocka_unit_test(writes_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
