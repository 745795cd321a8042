/* base_json.c - unit tests of core/base/json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/limits.h"

struct port {
    char *ip;
    uint64_t number;
};
struct limits {
    int64_t memory;
    bool memory_seen;
    double cpus;
};
struct thing {
    char *name, *note;
    bool on, on_seen;
    uint64_t big;
    struct dv_strv args;
    struct limits limits;
    struct dv_json_array ports;
    struct dv_json_map labels;
    json_object *raw;
};

static const struct dv_json_field port_fields[] = {
    { "Ip", DV_JSON_STR, offsetof(struct port, ip), DV_JSON_OMITEMPTY },
    { "Number", DV_JSON_U64, offsetof(struct port, number), DV_JSON_REQUIRED },
};
static const struct dv_json_field limit_fields[] = {
    { "Memory", DV_JSON_I64, offsetof(struct limits, memory), DV_JSON_OMITEMPTY,
      offsetof(struct limits, memory_seen) },
    { "Cpus", DV_JSON_F64, offsetof(struct limits, cpus), DV_JSON_OMITEMPTY },
};
static const struct dv_json_field fields[] = {
    { "Name", DV_JSON_STR, offsetof(struct thing, name), 0 },
    { "Note", DV_JSON_STR, offsetof(struct thing, note), DV_JSON_NULLEMPTY },
    { "On", DV_JSON_BOOL, offsetof(struct thing, on), DV_JSON_NULLEMPTY,
      offsetof(struct thing, on_seen) },
    { "Big", DV_JSON_U64, offsetof(struct thing, big), 0 },
    { "Args", DV_JSON_STRV, offsetof(struct thing, args), DV_JSON_NULLEMPTY },
    { "Limits", DV_JSON_OBJ, offsetof(struct thing, limits), DV_JSON_OMITEMPTY, 0, limit_fields,
      N(limit_fields), 0 },
    { "Ports", DV_JSON_ARRAY, offsetof(struct thing, ports), 0, 0, port_fields, N(port_fields),
      sizeof(struct port) },
    { "Labels", DV_JSON_MAP, offsetof(struct thing, labels), 0 },
    { "Raw", DV_JSON_RAW, offsetof(struct thing, raw), DV_JSON_OMITEMPTY },
};

static int parse(const char *text, json_object **ret, struct dv_error *err)
{
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1); /* exactly so long: ASan sees a byte too many */
    int r;

    assert_non_null(copy);
    memcpy(copy, text, n);
    r = dv_json_parse(copy, n, ret, err);
    free(copy);
    return r;
}

static int decode(const char *text, struct thing *out, struct dv_error *err)
{
    dv_autojson json_object *obj = NULL;

    memset(out, 0, sizeof(*out));
    assert_int_equal(parse(text, &obj, err), 0);
    return dv_json_decode(obj, fields, N(fields), out, err);
}

static void release(struct thing *t)
{
    dv_json_release(fields, N(fields), t);
}

static void assert_text(const struct thing *t, const char *expected)
{
    dv_autojson json_object *obj = dv_json_encode(fields, N(fields), t);
    dv_autofree char *text = dv_json_text(obj);

    assert_string_equal(text, expected);
}

static void parses_one_value_and_nothing_more(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        { "{}", true },           { " {\"a\":1} \r\n\t", true }, { "12", true },
        { "-1.5e3 ", true },      { "\"x\"", true },             { "[]", true },
        { "true", true },         { "null", true },              { "{} x", false },
        { "{}{}", false },        { "", false },                 { " ", false },
        { "{", false },           { "[1,]", false },             { "{\"a\":1,}", false },
        { "{'a':1}", false },     { "NaN", false },
        { "-Infinity", false },   { "\"NaN\"", true },         { "18446744073709551615", true },
        { "18446744073709551616", false }, { "-9223372036854775808", true },
        { "-9223372036854775809", false }, { "[100000000000000000000]", false },
        { "1.00000000000000000000000", true }, { "100000000000000000000e1", true },
        { "\"100000000000000000000\"", true },              { "// c\n{}", false },
        { "\"\xff\"", false },    { "\"\xc0\xaf\"", false },     { "\"\xc3\xa9\"", true },
        { "{\"a\":1 \"b\":2}", false }, { "tru", false },        { "1 2", false },
        { "\"\\ud83d\\udc33\"", true }, { "{\"it's\":\"\\\"'\"}", true },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        dv_autojson json_object *obj = NULL;
        struct dv_error err = { 0 };
        int r = parse(rows[i].text, &obj, &err);

        if (r != (rows[i].ok ? 0 : -DV_E_INVALID))
            fail_msg("row %zu \"%s\": %d %s", i, rows[i].text, r, err.msg);
    }
}

static void bounds_the_depth(void **state)
{
    char text[4 * DV_MAX_JSON_DEPTH] = "";
    dv_autojson json_object *obj = NULL;
    struct dv_error err = { 0 };
    int i;

    (void)state;
    for (i = 0; i < DV_MAX_JSON_DEPTH + 1; i++)
        text[i] = '[';
    assert_int_equal(parse(text, &obj, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "nested deeper than 32"));
    for (i = 0; i < 30; i++) {
        text[i] = '[';
        text[30 + i] = ']';
    }
    text[60] = '\0';
    assert_int_equal(parse(text, &obj, &err), 0);
}

static void decodes_all_types(void **state)
{
    struct dv_error err = { 0 };
    struct thing t;
    const struct port *ports;

    (void)state;
    assert_int_equal(decode("{\"Name\":\"n\",\"Note\":null,\"On\":true,\"Big\":18446744073709551615,"
                            "\"Args\":[\"a\",null],\"Limits\":{\"Memory\":-1,\"Cpus\":2},"
                            "\"Ports\":[{\"Ip\":\"::\",\"Number\":80},{\"Number\":81}],"
                            "\"Labels\":{\"z\":\"1\",\"a\":null},\"Raw\":{\"x\":[1]},\"Other\":1}",
                            &t, &err), 0);
    assert_string_equal(t.name, "n");
    assert_null(t.note);
    assert_true(t.on && t.on_seen && t.big == UINT64_MAX);
    assert_int_equal(t.args.n, 2);
    assert_string_equal(t.args.items[1], "");
    assert_true(t.limits.memory == -1 && t.limits.memory_seen && t.limits.cpus > 1.9);
    ports = t.ports.items;
    assert_int_equal(t.ports.n, 2);
    assert_string_equal(ports[0].ip, "::");
    assert_true(ports[1].number == 81);
    assert_true(t.labels.present);
    assert_string_equal(t.labels.keys.items[0], "z"); /* the document's order */
    assert_string_equal(dv_json_map_get(&t.labels, "z"), "1");
    assert_string_equal(dv_json_map_get(&t.labels, "a"), "");
    assert_null(dv_json_map_get(&t.labels, "b"));
    assert_non_null(t.raw);
    release(&t);
    assert_null(t.name);
    release(&t);
}

static void keys_match_exactly_else_in_any_case(void **state)
{
    struct dv_error err = { 0 };
    struct thing t;

    (void)state;
    assert_int_equal(decode("{\"NAME\":\"loud\",\"limits\":{\"memory\":5},\"big\":1,\"Big\":2}", &t,
                            &err), 0);
    assert_string_equal(t.name, "loud");
    assert_true(t.limits.memory == 5 && t.big == 2);
    release(&t);
}

static void null_leaves_a_field_and_absence_is_not_seen(void **state)
{
    struct dv_error err = { 0 };
    struct thing t;

    (void)state;
    assert_int_equal(decode("{\"On\":null,\"Args\":[]}", &t, &err), 0);
    assert_false(t.on_seen);
    assert_non_null(t.args.items); /* [] is not null */
    assert_int_equal(t.args.n, 0);
    assert_false(t.labels.present);
    release(&t);
}

static void says_where_and_what(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "[]", "expected object, found array" },
        { "{\"Limits\":{\"Memory\":\"1g\"}}", "Limits.Memory: expected number, found string" },
        { "{\"limits\":{\"memory\":1.5}}", "Limits.Memory: expected a whole number" },
        { "{\"Limits\":{\"Memory\":9223372036854775808}}", "Limits.Memory: number is out of range" },
        { "{\"Big\":-1}", "Big: number is out of range" },
        { "{\"Ports\":[{\"Number\":1},{}]}", "Ports[1].Number: is required" },
        { "{\"Ports\":{}}", "Ports: expected array, found object" },
        { "{\"Ports\":[3]}", "Ports[0]: expected object, found number" },
        { "{\"Args\":[\"a\",1]}", "Args[1]: expected string, found number" },
        { "{\"Labels\":{\"k\":true}}", "Labels.k: expected string, found bool" },
        { "{\"On\":\"true\"}", "On: expected bool, found string" },
        { "{\"Name\":\"a\\u0000b\"}", "Name: string contains a NUL character" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        struct dv_error err = { 0 };
        struct thing t;

        if (decode(rows[i].text, &t, &err) != -DV_E_INVALID)
            fail_msg("taken: %s", rows[i].text);
        assert_string_equal(err.msg, rows[i].message);
        release(&t); /* what was filled before the failure */
    }
}

static void encodes_with_the_flags(void **state)
{
    struct thing t = { 0 };
    struct dv_error err = { 0 };

    (void)state;
    assert_text(&t, "{\"Name\":\"\",\"Note\":null,\"On\":null,\"Big\":0,\"Args\":null,\"Ports\":[],"
                    "\"Labels\":{}}");
    assert_int_equal(decode("{\"Name\":\"a/b<&>\\\"\",\"Note\":\"\",\"On\":false,\"Args\":[\"x\"],"
                            "\"Limits\":{\"Memory\":0,\"Cpus\":0.1},\"Ports\":[{\"Number\":80}],"
                            "\"Labels\":{\"b\":\"2\",\"a\":\"1\"},\"Raw\":[1,{}]}",
                            &t, &err), 0);
    assert_text(&t, "{\"Name\":\"a/b<&>\\\"\",\"Note\":\"\",\"On\":false,\"Big\":0,\"Args\":[\"x\"],"
                    "\"Limits\":{\"Memory\":0,\"Cpus\":0.1},\"Ports\":[{\"Number\":80}],"
                    "\"Labels\":{\"b\":\"2\",\"a\":\"1\"},\"Raw\":[1,{}]}");
    release(&t);
}

static void numbers_are_as_short_as_go_prints_them(void **state)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {
        { 2, "{\"Cpus\":2}" },
        { 1.5, "{\"Cpus\":1.5}" },
        { 0.1, "{\"Cpus\":0.1}" },
        { 1.0 / 3, "{\"Cpus\":0.3333333333333333}" },
        { -1e-7, "{\"Cpus\":-1e-07}" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        struct limits l = { .cpus = rows[i].v };
        dv_autojson json_object *obj = dv_json_encode(limit_fields, N(limit_fields), &l);
        dv_autofree char *text = dv_json_text(obj);

        assert_string_equal(text, rows[i].text);
    }
}

static void a_second_decode_replaces(void **state)
{
    struct dv_error err = { 0 };
    struct thing t;
    dv_autojson json_object *again = NULL;

    (void)state;
    assert_int_equal(decode("{\"Name\":\"a\",\"Args\":[\"1\",\"2\"],\"Ports\":[{\"Ip\":\"x\","
                            "\"Number\":1}],\"Labels\":{\"a\":\"b\"},\"Raw\":1}",
                            &t, &err), 0);
    assert_int_equal(parse("{\"Name\":\"b\",\"Args\":[\"3\"],\"Ports\":[],\"Labels\":{},\"Raw\":2}",
                           &again, &err), 0);
    assert_int_equal(dv_json_decode(again, fields, N(fields), &t, &err), 0);
    assert_string_equal(t.name, "b");
    assert_int_equal(t.args.n, 1);
    assert_int_equal(t.ports.n, 0);
    assert_int_equal(t.labels.keys.n, 0);
    release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_one_value_and_nothing_more),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(decodes_all_types),
        cmocka_unit_test(keys_match_exactly_else_in_any_case),
        cmocka_unit_test(null_leaves_a_field_and_absence_is_not_seen),
        cmocka_unit_test(says_where_and_what),
        cmocka_unit_test(encodes_with_the_flags),
        cmocka_unit_test(numbers_are_as_short_as_go_prints_them),
        cmocka_unit_test(a_second_decode_replaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
