/* base_msg.c - unit tests of core/base/msg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/msg.h"
#include "core/base/str.h"

static void writes_and_reads_back(void **state)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };
    struct dv_msg m, inner;
    struct dv_field f;
    const char *text;
    size_t pos = 0, mark;

    (void)state;
    dv_msg_begin(&w, 7, 42, 4096);
    dv_msg_str(&w, 1, "hello");
    dv_msg_str(&w, 9, NULL);
    dv_msg_u64(&w, 2, UINT64_MAX);
    dv_msg_i64(&w, 3, -5);
    mark = dv_msg_open(&w, 4);
    dv_msg_str(&w, 1, "in");
    dv_msg_u64(&w, 2, 6);
    dv_msg_close(&w, mark);
    dv_msg_str(&w, 1, "second");
    assert_int_equal(dv_msg_end(&w, &err), 0);
    dv_msg_set_seq(&w, 43);
    assert_int_equal(w.buf.len % 4, 0);

    assert_int_equal(dv_msg_parse(w.buf.data, w.buf.len, &m, &err), 0);
    assert_int_equal(m.kind, 7);
    assert_int_equal(m.seq, 43);
    assert_string_equal(dv_msg_get_str(&m, 1, "none"), "hello");
    assert_string_equal(dv_msg_get_str(&m, 9, "none"), "none");
    assert_true(dv_msg_get_u64(&m, 2, 0) == UINT64_MAX);
    assert_true(dv_msg_get_i64(&m, 3, 0) == -5);
    assert_true(dv_msg_get_u64(&m, 1, 77) == 77); /* not a number */
    assert_string_equal(dv_msg_get_str(&m, 2, "none"), "none");

    assert_true(dv_msg_find(&m, 4, &f));
    assert_int_equal(dv_field_group(&f, &inner, &err), 0);
    assert_string_equal(dv_msg_get_str(&inner, 1, ""), "in");
    assert_true(dv_msg_get_u64(&inner, 2, 0) == 6);

    assert_true(dv_msg_next(&m, &pos, &f) && f.tag == 1);
    assert_int_equal(dv_field_str(&f, &text, &err), 0);
    while (dv_msg_next(&m, &pos, &f))
        ;
    assert_int_equal(f.tag, 1);
    assert_int_equal(dv_field_str(&f, &text, &err), 0);
    assert_string_equal(text, "second");
    dv_msg_done(&w);
}

static void remembers_its_first_failure(void **state)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };
    char big[200] = "";
    size_t mark;

    (void)state;
    dv_msg_begin(&w, 1, 1, 64);
    mark = dv_msg_open(&w, 2);
    dv_msg_bytes(&w, 3, big, sizeof(big));
    dv_msg_u64(&w, 4, 1);
    dv_msg_close(&w, mark);
    assert_int_equal(dv_msg_end(&w, &err), -DV_E_INVALID);
    assert_true(dv_starts(err.msg, "message is larger"));
    dv_msg_done(&w);
}

/* No cut and no changed byte may lead a reader outside the message (ASan looks on). */
static void survives_every_cut_and_flip(void **state)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };
    size_t n, i, mark;

    (void)state;
    dv_msg_begin(&w, 7, 42, 4096);
    dv_msg_str(&w, 1, "text");
    mark = dv_msg_open(&w, 4);
    dv_msg_u64(&w, 2, 6);
    dv_msg_close(&w, mark);
    for (n = 0; n <= w.buf.len; n++) {
        for (i = 0; i < n; i++) {
            char *copy = malloc(n);
            struct dv_msg m, inner;
            struct dv_field f;
            const char *text;
            uint64_t v;
            size_t pos = 0;

            assert_non_null(copy);
            memcpy(copy, w.buf.data, n);
            copy[i] = (char)(copy[i] ^ 0xff);
            if (dv_msg_parse(copy, n, &m, &err) == 0) {
                while (dv_msg_next(&m, &pos, &f)) {
                    if (dv_field_str(&f, &text, &err) == 0)
                        assert_true(strlen(text) < n);
                    if (dv_field_u64(&f, &v, &err) == 0)
                        assert_int_equal(f.len, 8);
                    if (dv_field_group(&f, &inner, &err) == 0)
                        dv_msg_get_u64(&inner, 2, 0);
                }
            }
            free(copy);
        }
    }
    dv_msg_done(&w);
}

static void text_must_end_in_its_only_nul(void **state)
{
    static const struct dv_field rows[] = {
        { 1, 0, (const uint8_t *)"" },
        { 1, 3, (const uint8_t *)"abc" },
        { 1, 4, (const uint8_t *)"a\0b" },
    };
    struct dv_error err = { 0 };
    const char *text;
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++)
        assert_int_equal(dv_field_str(&rows[i], &text, &err), -DV_E_INVALID);
}

static void refuses_another_version(void **state)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };
    struct dv_msg m;

    (void)state;
    dv_msg_begin(&w, 7, 42, 4096);
    w.buf.data[4] = 9;
    assert_int_equal(dv_msg_parse(w.buf.data, w.buf.len, &m, &err), -DV_E_UNSUPPORTED);
    dv_msg_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(remembers_its_first_failure),
        cmocka_unit_test(survives_every_cut_and_flip),
        cmocka_unit_test(text_must_end_in_its_only_nul),
        cmocka_unit_test(refuses_another_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
