/* base_id.c - unit tests of core/base/id and core/base/undo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/id.h"
#include "core/base/str.h"
#include "core/base/undo.h"

static void ids_are_64_hex_digits_and_differ(void **state)
{
    char a[DV_ID_BYTES], b[DV_ID_BYTES];
    int i;

    (void)state;
    for (i = 0; i < 1000; i++) {
        dv_id_new(a);
        assert_int_equal(strlen(a), 64);
        assert_true(dv_is_hex(a, 64));
        assert_int_not_equal(strspn(a, "0123456789") >= 12, 1);
    }
    dv_id_new(b);
    assert_string_not_equal(a, b);
}

static void hex_is_lower_case_only(void **state)
{
    char out[9];

    (void)state;
    dv_hex("\x00\x7f\xab\xff", 4, out);
    assert_string_equal(out, "007fabff");
    assert_true(dv_is_hex("0af", 3));
    assert_false(dv_is_hex("0AF", 3));
    assert_false(dv_is_hex("", 0));
}

static void hashes_as_fnv_1a(void **state)
{
    (void)state;
    assert_true(dv_hash64("", 0) == 0xcbf29ce484222325);
    assert_true(dv_hash64("a", 1) == 0xaf63dc4c8601ec8c);
    assert_true(dv_hash64("foobar", 6) == 0x85944171f73967e8);
}

struct trace {
    char text[32];
};
static void step_a(void *arg)
{
    struct trace *trace = arg;

    trace->text[strlen(trace->text)] = 'a';
}
static void step_b(void *arg)
{
    struct trace *trace = arg;

    trace->text[strlen(trace->text)] = 'b';
}

static void undoes_backwards_unless_committed(void **state)
{
    struct trace trace = { "" };

    (void)state;
    {
        dv_autoundo undo = { .n = 0 };

        dv_undo_push(&undo, step_a, &trace);
        dv_undo_push(&undo, step_b, &trace);
    }
    assert_string_equal(trace.text, "ba");
    {
        dv_autoundo undo = { .n = 0 };

        dv_undo_push(&undo, step_a, &trace);
        dv_undo_commit(&undo);
    }
    assert_string_equal(trace.text, "ba");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_64_hex_digits_and_differ),
        cmocka_unit_test(hex_is_lower_case_only),
        cmocka_unit_test(hashes_as_fnv_1a),
        cmocka_unit_test(undoes_backwards_unless_committed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
