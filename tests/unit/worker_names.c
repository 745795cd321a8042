/* worker_names.c - unit tests of core/worker/names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/worker/names.h"

static char out[DV_MAX_TAR_NAME_BYTES];

static void cleans(void **state)
{
    static const struct {
        const char *name, *clean;
    } rows[] = {
        {"", ""},
        {".", ""},
        {"/", ""},
        {"./", ""},
        {"a", "a"},
        {"/a", "a"},
        {"//a//b//", "a/b"},
        {"./a/./b/.", "a/b"},
        {"a/..", ""},
        {"a/../b", "b"},
        {"a/b/../../c", "c"},
        {"a/b/..", "a"},
        {"...", "..."},
        {"..a/b..", "..a/b.."},
        {"a b/\xff", "a b/\xff"},
    };
    struct dv_error err = {0};

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        memset(out, 'x', sizeof(out));
        assert_int_equal(dv_clean_name(rows[i].name, out, &err), 0);
        assert_string_equal(out, rows[i].clean);
    }
}

static void refuses_what_leads_out_of_the_root(void **state)
{
    static const char *const names[] = {"..", "../a", "/..", "a/../..", "a/../../b", "./../x"};
    struct dv_error err = {0};

    (void)state;
    for (size_t i = 0; i < N(names); i++) {
        assert_int_equal(dv_clean_name(names[i], out, &err), -DV_E_INVALID);
        assert_non_null(strstr(err.msg, "leads out of the archive's root"));
    }
}

static void refuses_what_no_filesystem_holds(void **state)
{
    static char part[300], path[2 * DV_MAX_TAR_NAME_BYTES];
    struct dv_error err = {0};

    (void)state;
    memset(part, 'a', 255);
    assert_int_equal(dv_clean_name(part, out, &err), 0);
    assert_string_equal(out, part);
    part[255] = 'a';
    assert_int_equal(dv_clean_name(part, out, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "255 bytes"));

    for (size_t i = 0; i < sizeof(path) - 1; i++)
        path[i] = i % 2 ? '/' : 'a';
    assert_int_equal(dv_clean_name(path, out, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "is a path of more than"));
    path[DV_MAX_TAR_NAME_BYTES - 2] = 0; /* the longest that has room */
    assert_int_equal(dv_clean_name(path, out, &err), 0);
}

static void finds_the_last_part(void **state)
{
    (void)state;
    assert_string_equal(dv_last_part("a/b/c"), "c");
    assert_string_equal(dv_last_part("a"), "a");
    assert_string_equal(dv_last_part(""), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans),
        cmocka_unit_test(refuses_what_leads_out_of_the_root),
        cmocka_unit_test(refuses_what_no_filesystem_holds),
        cmocka_unit_test(finds_the_last_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
