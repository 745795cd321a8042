/* container_names.c - tests of container names: the rule, and random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/container/names.h"

static void takes_and_refuses_names(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } rows[] = {
        { "ab", true },      { "/ab", true },   { "a.b-c_d", true }, { "0a", true },
        { "a", false },      { "/a", false },   { "", false },       { "/", false },
        { ".ab", false },    { "-ab", false },  { "a b", false },    { "a/b", false },
        { "//ab", false },   { "\xc3\xa9t", false }, { "ab\n", false },
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct dv_error err = { 0 };
        int r = dv_name_check(rows[i].name, &err);

        if ((r == 0) != rows[i].good)
            fail_msg("'%s': %d", rows[i].name, r);
        if (r < 0)
            assert_non_null(strstr(err.msg, "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
    }
}

static void limits_the_length(void **state)
{
    char name[400];
    struct dv_error err = { 0 };

    (void)state;
    memset(name, 'x', sizeof(name));
    name[255] = '\0';
    assert_int_equal(dv_name_check(name, &err), 0);
    name[255] = 'x';
    name[256] = '\0';
    assert_int_equal(dv_name_check(name, &err), -DV_E_INVALID);
    name[256] = 'x';
    name[399] = '\0';
    dv_error_clear(&err);
    assert_int_equal(dv_name_check(name, &err), -DV_E_INVALID);
}

static void random_names_are_valid(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct dv_error err = { 0 };
        char name[64];
        size_t n;

        dv_name_random(name, i % 2);
        n = strlen(name);
        assert_int_equal(dv_name_check(name, &err), 0);
        assert_non_null(strchr(name, '_'));
        assert_int_equal(name[n - 1] >= '0' && name[n - 1] <= '9', i % 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_and_refuses_names),
        cmocka_unit_test(limits_the_length),
        cmocka_unit_test(random_names_are_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
