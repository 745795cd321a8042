/* base_error.c - unit tests of core/base/error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/str.h"

static void records_code_and_text(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    errno = EBADF;
    assert_int_equal(dv_fail(&err, DV_E_INVALID, "bad '%s'", "x"), -DV_E_INVALID);
    assert_int_equal(err.code, DV_E_INVALID);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.msg, "bad 'x'");
    assert_int_equal(errno, EBADF);
}

static void appends_errno_and_maps_space_and_memory(void **state)
{
    static const struct {
        int error, code, expected;
    } rows[] = {
        { ENOSPC, DV_E_INTERNAL, DV_E_NO_SPACE }, { EDQUOT, DV_E_INTERNAL, DV_E_NO_SPACE },
        { ENOMEM, DV_E_INTERNAL, DV_E_NO_MEMORY }, { ENOSPC, DV_E_NOT_FOUND, DV_E_NOT_FOUND },
        { EIO, DV_E_INTERNAL, DV_E_INTERNAL },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        struct dv_error err = { 0 };

        errno = rows[i].error;
        assert_int_equal(dv_fail_errno(&err, rows[i].code, "do"), -rows[i].expected);
        assert_int_equal(err.sys_errno, rows[i].error);
        assert_true(dv_starts(err.msg, "do: "));
        assert_true(dv_ends(err.msg, strerror(rows[i].error)));
    }
}

static void prefixes_and_keeps_the_code(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    errno = EIO;
    dv_fail_errno(&err, DV_E_INTERNAL, "read");
    assert_int_equal(dv_wrap(&err, "start container %s", "web"), -DV_E_INTERNAL);
    assert_string_equal(err.msg, "start container web: read: Input/output error");
    assert_int_equal(err.sys_errno, EIO);
}

static void takes_its_own_text_as_argument(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    dv_fail(&err, DV_E_INVALID, "inner");
    dv_fail(&err, DV_E_CONFLICT, "outer: %s", err.msg);
    assert_string_equal(err.msg, "outer: inner");
}

static void cuts_at_a_character(void **state)
{
    struct dv_error err = { 0 };
    char text[2 * sizeof(err.msg)];
    size_t i, n, shift;

    (void)state;
    for (shift = 0; shift < 3; shift++) {
        for (i = 0; i + 2 < sizeof(text); i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        text[i] = '\0';
        dv_fail(&err, DV_E_INVALID, "%.*s%s", (int)shift, "abc", text);
        n = strlen(err.msg);
        assert_in_range(n, sizeof(err.msg) - 4, sizeof(err.msg) - 1);
        assert_true(dv_ends(err.msg, "..."));
        for (i = 0; i < n;) {
            size_t len = dv_utf8_len(err.msg + i, n - i);

            assert_true(len > 0);
            i += len;
        }
    }
}

static void wrapping_a_full_text_keeps_the_outermost(void **state)
{
    struct dv_error err = { 0 };
    char text[4000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    dv_fail(&err, DV_E_INVALID, "%s", text);
    dv_wrap(&err, "first");
    assert_true(dv_starts(err.msg, "first: xxx"));
    assert_true(dv_ends(err.msg, "x..."));
    dv_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void replaces_what_is_not_utf8(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    dv_fail(&err, DV_E_INVALID, "file '\xff\xc0\xaf\xc3' and \xe2\x82\xac");
    assert_string_equal(err.msg, "file '?\?\?\?' and \xe2\x82\xac");
}

static void names_codes(void **state)
{
    (void)state;
    assert_string_equal(dv_code_name(DV_E_INVALID), "INVALID");
    assert_string_equal(dv_code_name(DV_E_INTERNAL), "INTERNAL");
    assert_string_equal(dv_code_name(99), "UNKNOWN");
    assert_string_equal(dv_code_name(-1), "UNKNOWN");
}

static void keeps_an_error_of_any_code(void **state)
{
    (void)state;
    assert_int_equal(dv_code_from_wire(DV_E_NO_SPACE), DV_E_NO_SPACE);
    assert_int_equal(dv_code_from_wire(0), DV_E_INTERNAL);
    assert_int_equal(dv_code_from_wire(INT64_MIN), DV_E_INTERNAL);
    assert_int_equal(dv_code_from_wire((int64_t)1 << 32 | 1), DV_E_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_code_and_text),
        cmocka_unit_test(appends_errno_and_maps_space_and_memory),
        cmocka_unit_test(prefixes_and_keeps_the_code),
        cmocka_unit_test(takes_its_own_text_as_argument),
        cmocka_unit_test(cuts_at_a_character),
        cmocka_unit_test(wrapping_a_full_text_keeps_the_outermost),
        cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(names_codes),
        cmocka_unit_test(keeps_an_error_of_any_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
