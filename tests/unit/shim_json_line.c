/* shim_json_line.c - tests of core/shim/json_line: Docker's escapes, and where lines are split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "core/base/str.h"
#include "core/shim/json_line.h"

static const struct dv_json_record plain = { "stdout", "2024-01-01T00:00:00.123456789Z", NULL };

static void expect(const struct dv_json_record *record, const char *data, size_t n, bool newline,
                   const char *expected)
{
    dv_autobuf out = DV_BUF_INIT(1 << 20, "test");
    struct dv_error err = { 0 };

    assert_int_equal(dv_json_record_put(&out, record, data, n, newline, &err), 0);
    assert_string_equal(out.data, expected);
    assert_int_equal(out.len, strlen(expected));
}

static void writes_a_line_as_docker_does(void **state)
{
    (void)state;
    expect(&plain, "text", 4, true,
           "{\"log\":\"text\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:00.123456789Z\"}\n");
}

static void leaves_the_newline_out_of_a_partial_piece(void **state)
{
    (void)state;
    expect(&plain, "text", 4, false,
           "{\"log\":\"text\",\"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:00.123456789Z\"}\n");
}

static void puts_attrs_between_stream_and_time(void **state)
{
    static const struct dv_json_record record = { "stderr", "T", "{\"a\":\"b\"}" };

    (void)state;
    expect(&record, "", 0, true,
           "{\"log\":\"\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\"},\"time\":\"T\"}\n");
}

static void escapes(void **state)
{
    static const struct {
        const char *data;
        size_t n;
        const char *text;
    } cases[] = {
#define CASE(data, text) { data, sizeof(data) - 1, text }
        CASE("\"\\", "\\\"\\\\"),
        CASE("a\rb", "a\\rb"),
        CASE("\t\b\f\033[0m", "\\u0009\\u0008\\u000c\\u001b[0m"),
        CASE("\0\x1f\x7f", "\\u0000\\u001f\x7f"),
        CASE("<a href=\"x\">&", "\\u003ca href=\\\"x\\\"\\u003e\\u0026"),
        CASE("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
        CASE("\xe2\x80\xa8|\xe2\x80\xa9|\xe2\x80\xaa", "\\u2028|\\u2029|\xe2\x80\xaa"),
        /* one \ufffd a byte: bare continuation, cut sequence, overlong, surrogate, too large */
        CASE("\x80", "\\ufffd"),
        CASE("\xe2\x82", "\\ufffd\\ufffd"),
        CASE("\xc0\x80", "\\ufffd\\ufffd"),
        CASE("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"),
        CASE("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"),
        CASE("\xff" "ok", "\\ufffdok"),
        CASE("\xef\xbf\xbd", "\xef\xbf\xbd"), /* a replacement character that was there */
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        char expected[256];

        snprintf(expected, sizeof(expected), "{\"log\":\"%s\",\"stream\":\"stdout\",\"time\":\"%s\"}\n",
                 cases[i].text, plain.time);
        expect(&plain, cases[i].data, cases[i].n, false, expected);
    }
}

static void fits_the_worst_case(void **state)
{
    dv_autobuf out = DV_BUF_INIT(1 << 20, "test");
    dv_autofree char *data = calloc(1, DV_LOG_LINE_BYTES);
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(dv_json_record_put(&out, &plain, data, DV_LOG_LINE_BYTES, true, &err), 0);
    assert_true(out.len > 6 * DV_LOG_LINE_BYTES);
}

static void leaves_the_buffer_alone_on_failure(void **state)
{
    dv_autobuf out = DV_BUF_INIT(16, "small");
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(dv_json_record_put(&out, &plain, "x", 1, true, &err), -DV_E_INVALID);
    assert_int_equal(out.len, 0);
}

/* ---- splitting ---- */

struct pieces {
    size_t n[64];
    bool newline[64];
    size_t count;
    struct dv_buf all;
};

static void collect(void *ctx, const char *data, size_t n, bool newline)
{
    struct pieces *p = ctx;
    struct dv_error err = { 0 };

    assert_true(p->count < N(p->n));
    p->n[p->count] = n;
    p->newline[p->count++] = newline;
    assert_int_equal(dv_buf_put(&p->all, data, n, &err), 0);
    if (newline)
        assert_int_equal(dv_buf_put(&p->all, "\n", 1, &err), 0);
}

static void joins_a_line_that_came_in_pieces(void **state)
{
    struct dv_splitter s = DV_SPLITTER_INIT;
    struct pieces p = { .all = DV_BUF_INIT(1 << 20, "test") };

    (void)state;
    dv_splitter_feed(&s, "one", 3, collect, &p);
    assert_int_equal(p.count, 0);
    dv_splitter_feed(&s, " and\ntwo\n\nthr", 13, collect, &p);
    assert_int_equal(p.count, 3);
    assert_int_equal(p.n[0], 7);
    assert_int_equal(p.n[2], 0);
    dv_splitter_end(&s, collect, &p);
    assert_int_equal(p.count, 4);
    assert_false(p.newline[3]);
    assert_string_equal(p.all.data, "one and\ntwo\n\nthr");
    dv_buf_done(&p.all);
}

static void ends_silently_without_a_rest(void **state)
{
    struct dv_splitter s = DV_SPLITTER_INIT;
    struct pieces p = { .all = DV_BUF_INIT(1 << 20, "test") };

    (void)state;
    dv_splitter_feed(&s, "x\n", 2, collect, &p);
    dv_splitter_end(&s, collect, &p);
    assert_int_equal(p.count, 1);
    dv_buf_done(&p.all);
}

static void splits_after_16_kib(void **state)
{
    enum { LONG = 2 * DV_LOG_LINE_BYTES + 5 };
    struct dv_splitter s = DV_SPLITTER_INIT;
    struct pieces p = { .all = DV_BUF_INIT(1 << 20, "test") };
    dv_autofree char *data = malloc(LONG + 1);

    (void)state;
    memset(data, 'x', LONG);
    data[LONG] = '\n';
    for (size_t at = 0; at <= LONG; at += 1000) /* the place of the splits must not depend on it */
        dv_splitter_feed(&s, data + at, LONG + 1 - at < 1000 ? LONG + 1 - at : 1000, collect, &p);
    assert_int_equal(p.count, 3);
    assert_int_equal(p.n[0], DV_LOG_LINE_BYTES);
    assert_int_equal(p.n[1], DV_LOG_LINE_BYTES);
    assert_int_equal(p.n[2], 5);
    assert_false(p.newline[0]);
    assert_true(p.newline[2]);
    assert_null(s.rest.data);
    dv_buf_done(&p.all);
}

/* Docker's buffer is full before it sees the newline, so an empty piece follows. */
static void splits_a_line_of_exactly_16_kib(void **state)
{
    struct dv_splitter s = DV_SPLITTER_INIT;
    struct pieces p = { .all = DV_BUF_INIT(1 << 20, "test") };
    dv_autofree char *data = malloc(DV_LOG_LINE_BYTES + 1);

    (void)state;
    memset(data, 'x', DV_LOG_LINE_BYTES);
    data[DV_LOG_LINE_BYTES] = '\n';
    dv_splitter_feed(&s, data, DV_LOG_LINE_BYTES + 1, collect, &p);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.n[1], 0);
    assert_true(p.newline[1]);
    dv_buf_done(&p.all);
}

static void collect_text(void *ctx, const char *data, size_t n, bool newline)
{
    for (size_t i = 0, len; i < n; i += len) {
        len = dv_utf8_len(data + i, n - i);
        assert_int_not_equal(len, 0);
    }
    assert_in_range(n, newline ? 0 : DV_LOG_LINE_BYTES - 3, DV_LOG_LINE_BYTES);
    collect(ctx, data, n, newline);
}

/* Characters of 2, 3, 4 bytes, at all offsets to the split, however the bytes come. */
static void cuts_no_character(void **state)
{
    static const char *const characters[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    static const size_t steps[] = { 1, 2, 3, 1000, SIZE_MAX };
    enum { LONG = 3 * DV_LOG_LINE_BYTES };
    dv_autofree char *data = malloc(LONG + 8);

    (void)state;
    for (size_t k = 0; k < N(characters) * 4 * N(steps); k++) {
        const char *c = characters[k % N(characters)];
        size_t n = k / N(characters) % 4, step = steps[k / N(characters) / 4];
        struct dv_splitter s = DV_SPLITTER_INIT;
        struct pieces p = { .all = DV_BUF_INIT(1 << 20, "test") };

        memset(data, 'x', n);
        for (; n < LONG; n += strlen(c))
            memcpy(data + n, c, strlen(c));
        data[n++] = '\n';
        for (size_t at = 0, m; at < n; at += m) {
            m = n - at < step ? n - at : step;
            dv_splitter_feed(&s, data + at, m, collect_text, &p);
        }
        assert_int_equal(p.all.len, n);
        assert_memory_equal(p.all.data, data, n);
        dv_buf_done(&p.all);
    }
}

/* A piece without an end is no character, and is not waited for. */
static void splits_what_is_no_character(void **state)
{
    struct dv_splitter s = DV_SPLITTER_INIT;
    struct pieces p = { .all = DV_BUF_INIT(1 << 20, "test") };
    dv_autofree char *data = malloc(2 * DV_LOG_LINE_BYTES);

    (void)state;
    memset(data, 0x80, 2 * DV_LOG_LINE_BYTES);
    dv_splitter_feed(&s, data, 2 * DV_LOG_LINE_BYTES, collect, &p);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.n[0], DV_LOG_LINE_BYTES);
    memset(data, 0xf0, 2 * DV_LOG_LINE_BYTES);
    dv_splitter_feed(&s, data, 2 * DV_LOG_LINE_BYTES, collect, &p);
    dv_splitter_end(&s, collect, &p);
    assert_int_equal(p.all.len, 4 * DV_LOG_LINE_BYTES);
    dv_buf_done(&p.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_line_as_docker_does),
        cmocka_unit_test(leaves_the_newline_out_of_a_partial_piece),
        cmocka_unit_test(puts_attrs_between_stream_and_time),
        cmocka_unit_test(escapes),
        cmocka_unit_test(fits_the_worst_case),
        cmocka_unit_test(leaves_the_buffer_alone_on_failure),
        cmocka_unit_test(joins_a_line_that_came_in_pieces),
        cmocka_unit_test(ends_silently_without_a_rest),
        cmocka_unit_test(splits_after_16_kib),
        cmocka_unit_test(splits_a_line_of_exactly_16_kib),
        cmocka_unit_test(cuts_no_character),
        cmocka_unit_test(splits_what_is_no_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
