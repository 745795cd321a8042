/* base_buf.c - unit tests of core/base/buf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/buf.h"

static void grows_and_stays_terminated(void **state)
{
    dv_autobuf buf = DV_BUF_INIT(100000, "text");
    struct dv_error err = { 0 };
    int i;

    (void)state;
    for (i = 0; i < 1000; i++)
        assert_int_equal(dv_buf_printf(&buf, &err, "%04d,", i), 0);
    assert_int_equal(buf.len, 5000);
    assert_int_equal(strlen(buf.data), 5000);
    assert_memory_equal(buf.data + 4995, "0999,", 6);
}

static void refuses_beyond_its_limit_and_is_unchanged(void **state)
{
    dv_autobuf buf = DV_BUF_INIT(8, "the name");
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(dv_buf_puts(&buf, "12345678", &err), 0);
    assert_int_equal(dv_buf_puts(&buf, "9", &err), -DV_E_INVALID);
    assert_string_equal(err.msg, "the name is larger than its limit of 8 bytes");
    assert_int_equal(dv_buf_printf(&buf, &err, "%d", 9), -DV_E_INVALID);
    assert_string_equal(buf.data, "12345678");
    assert_int_equal(buf.len, 8);
    assert_int_equal(dv_buf_put(&buf, "x", SIZE_MAX, &err), -DV_E_INVALID);
}

static void printf_that_does_not_fit_leaves_the_text(void **state)
{
    dv_autobuf buf = DV_BUF_INIT(70, "text");
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(dv_buf_puts(&buf, "abc", &err), 0);
    assert_int_equal(dv_buf_printf(&buf, &err, "%100d", 1), -DV_E_INVALID);
    assert_string_equal(buf.data, "abc");
    assert_int_equal(dv_buf_printf(&buf, &err, "%67d", 1), 0);
    assert_int_equal(buf.len, 70);
}

static void consumes_resets_and_gives_away(void **state)
{
    dv_autobuf buf = DV_BUF_INIT(100, "text");
    struct dv_error err = { 0 };
    char *text;

    (void)state;
    dv_buf_consume(&buf, 0);
    assert_int_equal(dv_buf_puts(&buf, "hello world", &err), 0);
    dv_buf_consume(&buf, 6);
    assert_string_equal(buf.data, "world");
    dv_buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_int_equal(dv_buf_put(&buf, "a\0b", 3, &err), 0);
    text = dv_buf_take(&buf);
    assert_memory_equal(text, "a\0b", 4);
    free(text);
    assert_null(buf.data);
    text = dv_buf_take(&buf);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(refuses_beyond_its_limit_and_is_unchanged),
        cmocka_unit_test(printf_that_does_not_fit_leaves_the_text),
        cmocka_unit_test(consumes_resets_and_gives_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
