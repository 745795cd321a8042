/* runtime_spec_msg.c - specifications survive the message, and hostile messages are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "core/runtime/spec_fields.h"
#include "core/runtime/spec_msg.h"

enum { TAG = 9 };

/* ---- a spec with something in every field, made and compared by its tables ---- */

static void fill(const struct dv_spec_table *t, char *s, unsigned *seed);

static void fill_list(const struct dv_spec_field *f, char *items, size_t n, unsigned *seed)
{
    for (size_t i = 0; i < n; i++)
        fill(f->sub, items + i * f->sub->size, seed);
}

static void fill(const struct dv_spec_table *t, char *s, unsigned *seed)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct dv_spec_field *f = &t->fields[i];
        char *at = s + f->offset;
        int64_t number = -1 - (int64_t)(*seed % 100);
        char text[32];

        snprintf(text, sizeof(text), "text %u", ++*seed);
        switch (f->kind) {
        case DV_SPEC_STR:
            *(char **)at = strdup(*seed % 5 ? text : "");
            break;
        case DV_SPEC_STRV:
            assert_int_equal(dv_strv_add((struct dv_strv *)at, text), 0);
            assert_int_equal(dv_strv_add((struct dv_strv *)at, ""), 0);
            break;
        case DV_SPEC_BYTES:
            *(char **)at = strdup("bytes");
            *(size_t *)(s + f->n_offset) = 5;
            break;
        case DV_SPEC_BOOL:
            *(bool *)at = true;
            break;
        case DV_SPEC_UINT:
        case DV_SPEC_INT:
            memcpy(at, &number, f->size);
            break;
        case DV_SPEC_TEXT:
            snprintf(at, f->size, "rw");
            break;
        case DV_SPEC_GROUP:
            fill(f->sub, at, seed);
            break;
        case DV_SPEC_LIST:
            *(char **)at = calloc(3, f->sub->size);
            *(size_t *)(s + f->n_offset) = 3;
            fill_list(f, *(char **)at, 3, seed);
            break;
        case DV_SPEC_ARRAY:
            fill_list(f, at, f->size, seed);
            break;
        }
    }
}

static void compare(const struct dv_spec_table *t, const char *a, const char *b);

static void compare_list(const struct dv_spec_field *f, const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        compare(f->sub, a + i * f->sub->size, b + i * f->sub->size);
}

static void compare(const struct dv_spec_table *t, const char *a, const char *b)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct dv_spec_field *f = &t->fields[i];
        const char *x = a + f->offset, *y = b + f->offset;
        const struct dv_strv *v = (const struct dv_strv *)x, *w = (const struct dv_strv *)y;

        switch (f->kind) {
        case DV_SPEC_STR:
            assert_string_equal(*(char *const *)x, *(char *const *)y);
            break;
        case DV_SPEC_STRV:
            assert_int_equal(v->n, w->n);
            for (size_t k = 0; k < v->n; k++)
                assert_string_equal(v->items[k], w->items[k]);
            break;
        case DV_SPEC_BYTES:
            assert_int_equal(*(const size_t *)(b + f->n_offset), 5);
            assert_memory_equal(*(char *const *)x, *(char *const *)y, 5);
            break;
        case DV_SPEC_BOOL:
        case DV_SPEC_UINT:
        case DV_SPEC_INT:
        case DV_SPEC_TEXT:
            assert_memory_equal(x, y, f->size);
            break;
        case DV_SPEC_GROUP:
            compare(f->sub, x, y);
            break;
        case DV_SPEC_LIST:
            assert_int_equal(*(const size_t *)(b + f->n_offset), 3);
            compare_list(f, *(char *const *)x, *(char *const *)y, 3);
            break;
        case DV_SPEC_ARRAY:
            compare_list(f, x, y, f->size);
            break;
        }
    }
}

static void open_message(struct dv_msg_writer *w, struct dv_msg *m, struct dv_field *f)
{
    struct dv_error err = { 0 };

    assert_int_equal(dv_msg_end(w, &err), 0);
    assert_int_equal(dv_msg_parse(w->buf.data, w->buf.len, m, &err), 0);
    assert_true(dv_msg_find(m, TAG, f));
}

static void every_field_survives(void **state)
{
    struct dv_spec *spec = calloc(1, sizeof(*spec)), *back = NULL;
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    struct dv_msg m;
    struct dv_field f;
    unsigned seed = 1;

    (void)state;
    fill(&dv_spec_table, (char *)spec, &seed);
    dv_msg_begin(&w, 1, 0, DV_MAX_PLAN_BYTES);
    dv_spec_encode(&w, TAG, spec);
    open_message(&w, &m, &f);
    assert_int_equal(dv_spec_decode(&f, &back, &err), 0);
    compare(&dv_spec_table, (const char *)spec, (const char *)back);
    dv_msg_done(&w);
    dv_spec_free(spec);
    dv_spec_free(back);
}

static void an_empty_spec_stays_empty(void **state)
{
    static const struct dv_spec empty;
    struct dv_spec *back = NULL;
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    struct dv_msg m;
    struct dv_field f;

    (void)state;
    dv_msg_begin(&w, 1, 0, DV_MAX_PLAN_BYTES);
    dv_spec_encode(&w, TAG, &empty);
    open_message(&w, &m, &f);
    assert_int_equal(dv_spec_decode(&f, &back, &err), 0);
    assert_memory_equal(back, &empty, sizeof(empty));
    dv_spec_free(back);
    dv_msg_done(&w);
}

static void unknown_tags_are_skipped(void **state)
{
    struct dv_spec_process p = { 0 };
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    struct dv_msg m;
    struct dv_field f;
    size_t mark;

    (void)state;
    dv_msg_begin(&w, 1, 0, DV_MAX_MSG_BYTES);
    mark = dv_msg_open(&w, TAG);
    dv_msg_str(&w, 999, "from the future");
    dv_msg_str(&w, 1, "arg");
    dv_msg_close(&w, mark);
    open_message(&w, &m, &f);
    assert_int_equal(dv_process_decode(&f, &p, &err), 0);
    assert_int_equal(p.args.n, 1);
    assert_string_equal(p.args.items[0], "arg");
    dv_spec_process_done(&p);
    dv_msg_done(&w);
}

/* A group that comes twice, with a longer list the second time: nothing is written past the first.
 */
static void repeated_groups_replace_each_other(void **state)
{
    struct dv_spec *back = NULL;
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    struct dv_msg m;
    struct dv_field f;
    size_t outer;

    (void)state;
    dv_msg_begin(&w, 1, 0, DV_MAX_MSG_BYTES);
    outer = dv_msg_open(&w, TAG);
    for (int n = 1; n <= 64; n += 63) {
        size_t process = dv_msg_open(&w, 4);

        dv_msg_str(&w, 3, "/cwd");
        dv_msg_str(&w, 3, "/other");
        for (int i = 0; i < n; i++) {
            size_t rlimit = dv_msg_open(&w, 11);

            dv_msg_u64(&w, 2, 5);
            dv_msg_close(&w, rlimit);
        }
        dv_msg_close(&w, process);
    }
    for (int i = 0; i < 20; i++) { /* more namespaces than there are */
        size_t ns = dv_msg_open(&w, 9);

        dv_msg_u64(&w, 1, 1);
        dv_msg_close(&w, ns);
    }
    dv_msg_close(&w, outer);
    open_message(&w, &m, &f);
    assert_int_equal(dv_spec_decode(&f, &back, &err), 0);
    assert_int_equal(back->process.n_rlimits, 64);
    assert_string_equal(back->process.cwd, "/other");
    dv_spec_free(back);
    dv_msg_done(&w);
}

static void numbers_out_of_range_are_refused(void **state)
{
    static const struct {
        uint16_t tag;
        uint64_t v;
    } cases[] = { { 5, 2 }, { 6, 65536 }, { 13, UINT64_C(1) << 31 } };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_spec_process p = { 0 };
        struct dv_error err = { 0 };
        struct dv_msg_writer w;
        struct dv_msg m;
        struct dv_field f;
        size_t mark;

        dv_msg_begin(&w, 1, 0, DV_MAX_MSG_BYTES);
        mark = dv_msg_open(&w, TAG);
        dv_msg_u64(&w, cases[i].tag, cases[i].v);
        dv_msg_close(&w, mark);
        open_message(&w, &m, &f);
        assert_int_equal(dv_process_decode(&f, &p, &err), -DV_E_INVALID);
        dv_spec_process_done(&p);
        dv_msg_done(&w);
    }
}

/* Each byte of a real message changed: an error or a spec, never a crash (run with ASan). */
static void changed_bytes_never_crash(void **state)
{
    struct dv_spec *spec = calloc(1, sizeof(*spec));
    struct dv_msg_writer w;
    unsigned seed = 1;

    (void)state;
    fill(&dv_spec_table, (char *)spec, &seed);
    dv_msg_begin(&w, 1, 0, DV_MAX_PLAN_BYTES);
    dv_spec_encode(&w, TAG, spec);
    dv_spec_free(spec);
    for (size_t i = 0; i < w.buf.len; i++) {
        char saved = w.buf.data[i];
        struct dv_error err = { 0 };
        struct dv_msg m;
        struct dv_field f;

        w.buf.data[i] = (char)(saved ^ (1 << (i % 8)));
        spec = NULL;
        if (dv_msg_parse(w.buf.data, w.buf.len, &m, &err) == 0 && dv_msg_find(&m, TAG, &f) &&
            dv_spec_decode(&f, &spec, &err) == 0)
            dv_spec_free(spec);
        w.buf.data[i] = saved;
    }
    dv_msg_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_survives),
        cmocka_unit_test(an_empty_spec_stays_empty),
        cmocka_unit_test(unknown_tags_are_skipped),
        cmocka_unit_test(repeated_groups_replace_each_other),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(changed_bytes_never_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
