/* cli_format.c - unit tests of what the client prints: units, tables, templates, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format/filters.h"
#include "cli/format/json_text.h"
#include "cli/format/table.h"
#include "cli/format/template.h"
#include "cli/format/timestamp.h"
#include "cli/format/units.h"

static void assert_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    free(text);
}

static void sizes_have_dockers_units(void **state)
{
    (void)state;
    assert_text(dv_size_decimal(0, 3), "0B");
    assert_text(dv_size_decimal(999, 3), "999B");
    assert_text(dv_size_decimal(1000, 3), "1kB");
    assert_text(dv_size_decimal(1234567, 3), "1.23MB");
    assert_text(dv_size_decimal(1234567, 4), "1.235MB");
    assert_text(dv_size_decimal(123456789, 3), "123MB");
    assert_text(dv_size_binary(8123456789), "7.566GiB");
    assert_text(dv_size_binary(1024), "1KiB");
}

static void spans_have_dockers_words(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        { 0, "Less than a second" }, { 1, "1 second" },          { 59, "59 seconds" },
        { 60, "About a minute" },    { 119, "About a minute" },  { 120, "2 minutes" },
        { 3599, "59 minutes" },      { 3600, "About an hour" },  { 5399, "About an hour" },
        { 5400, "2 hours" },         { 47 * 3600, "47 hours" },  { 48 * 3600, "2 days" },
        { 13 * 86400, "13 days" },   { 14 * 86400, "2 weeks" },  { 59 * 86400, "8 weeks" },
        { 61 * 86400, "2 months" },  { 729 * 86400, "24 months" }, { 730 * 86400, "2 years" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++)
        assert_text(dv_span_text(cases[i].seconds), cases[i].text);
    assert_text(dv_ago_text(1000, 1125), "2 minutes ago");
    assert_text(dv_ago_text(0, 1125), "N/A");
}

static void names_are_cut_by_characters(void **state)
{
    (void)state;
    assert_text(dv_short_id("sha256:0123456789abcdef"), "0123456789ab");
    assert_text(dv_short_id("0123456789abcdef"), "0123456789ab");
    assert_text(dv_ellipsis("exactly ten", 11), "exactly ten");
    assert_text(dv_ellipsis("eleven chars", 11), "eleven cha…");
    assert_text(dv_ellipsis("äöüäöü", 4), "äöü…");
    assert_int_equal(dv_text_width("ä…", strlen("ä…")), 2);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    dv_table_print(out, "A\tLONG HEADING\tLAST\nlonger than ten\t…\tx y z\n\t\t\n");
    fclose(out);
    assert_text(text, "A                 LONG HEADING   LAST\n"
                      "longer than ten   …              x y z\n"
                      "                                 \n");
}

static json_object *document(void)
{
    static const char text[] =
        "{\"Name\":\"/web\",\"State\":{\"Pid\":7,\"Running\":true,\"Err\":null},\"F\":1.5,"
        "\"Env\":[\"A=b\",\"C\"],\"Labels\":{\"k\":\"v\",\"b\":\"<\"},\"Empty\":{}}";
    json_object *obj = NULL;
    struct dv_error err = { 0 };

    assert_int_equal(dv_json_parse(text, strlen(text), &obj, &err), 0);
    return obj;
}

/* What TEMPLATE makes of DOC, or the failure's message. */
static char *apply(const char *text, json_object *doc, int *code)
{
    struct dv_template_data data = { .value = doc };
    dv_auto(dv_template) *template = NULL;
    dv_autobuf out = DV_TEXT_INIT;
    struct dv_error err = { 0 };

    *code = dv_template_parse(text, &template, &err);
    if (*code == 0)
        *code = dv_template_run(template, &data, &out, &err);
    return dv_xstrdup(*code < 0 ? err.msg : out.data ? out.data : "");
}

static void templates_print_as_go_does(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "{{.Name}}", "/web" },
        { "a{{ .State.Pid }}b{{.State.Running}}c", "a7btruec" },
        { "{{.F}} {{.Env}} {{.Labels}} {{.State.Err}}", "1.5 [A=b C] map[b:< k:v] <no value>" },
        { "{{json .Env}}{{json .Labels}}", "[\"A=b\",\"C\"]{\"k\":\"v\",\"b\":\"<\"}" },
        { "{{upper .Name}} {{title .Name}} {{len .Env}} {{len .Labels}}", "/WEB /web 2 2" },
        { "{{index .Labels \"k\"}} {{index .Env 1}} {{index .Labels \"no\"}}", "v C <no value>" },
        { "x {{- .Name -}} y", "x/weby" },
        { "plain }} text", "plain }} text" },
        { "{{.State.PID}} {{.name}}", "7 /web" },
        { "{{json .Empty}}", "{}" },
        { "", "" },
    };
    json_object *doc = document();
    size_t i;
    int code;

    (void)state;
    for (i = 0; i < N(cases); i++)
        assert_text(apply(cases[i].text, doc, &code), cases[i].expected);
    json_object_put(doc);
}

static void templates_refuse_by_name(void **state)
{
    static const struct {
        const char *text, *part;
        int code;
    } cases[] = {
        { "{{.Nope}}", "map has no entry for key \"Nope\"", DV_E_NOT_FOUND },
        { "{{.State.Pid.x}}", "can't evaluate field x", DV_E_NOT_FOUND },
        { "{{.State.Err.x}}", "nil pointer", DV_E_NOT_FOUND },
        { "{{.Name", "unclosed action", DV_E_INVALID },
        { "{{}}", "missing value for command", DV_E_INVALID },
        { "{{range .Env}}{{.}}{{end}}", "unsupported: template action '{{range .Env}}'",
          DV_E_UNSUPPORTED },
        { "{{if .Name}}x{{end}}", "unsupported", DV_E_UNSUPPORTED },
        { "{{.Name | json}}", "unsupported", DV_E_UNSUPPORTED },
        { "{{frob .Name}}", "unsupported", DV_E_UNSUPPORTED },
        { "{{json \"open}}", "unsupported", DV_E_UNSUPPORTED },
        { "{{json}}", "unsupported", DV_E_UNSUPPORTED },
        { "{{..Name}}", "unsupported", DV_E_UNSUPPORTED },
        { "{{index .Env 5}}", "index out of range", DV_E_NOT_FOUND },
        { "{{.Label \"x\"}}", "only rows", DV_E_UNSUPPORTED },
    };
    json_object *doc = document();
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        int code;
        dv_autofree char *text = apply(cases[i].text, doc, &code);

        assert_int_equal(code, -cases[i].code);
        assert_non_null(strstr(text, cases[i].part));
    }
    json_object_put(doc);
}

static void json_is_written_as_go_writes_it(void **state)
{
    json_object *obj = dv_jobj();
    dv_autobuf out = DV_TEXT_INIT;

    (void)state;
    dv_jset_str(obj, "a", "<\"\\/\n\x01\xe2\x80\xa8>");
    dv_jset(obj, "n", NULL);
    dv_jset(obj, "e", dv_jarr());
    dv_json_put(&out, obj, DV_JSON_COMPACT);
    assert_string_equal(out.data, "{\"a\":\"<\\\"\\\\/\\n\\u0001\\u2028>\",\"n\":null,\"e\":[]}");
    dv_buf_reset(&out);
    dv_json_put(&out, dv_jget(obj, "a"), DV_JSON_COMPACT_HTML);
    assert_string_equal(out.data, "\"\\u003c\\\"\\\\/\\n\\u0001\\u2028\\u003e\"");
    json_object_object_del(obj, "a");
    dv_jpush(dv_jget(obj, "e"), dv_jstr("x"));
    dv_buf_reset(&out);
    dv_json_put(&out, obj, DV_JSON_PRETTY);
    assert_string_equal(out.data, "{\n    \"n\": null,\n    \"e\": [\n        \"x\"\n    ]\n}");
    json_object_put(obj);
}

static void filters_become_a_map_of_maps(void **state)
{
    dv_autostrv values = { 0 };
    struct dv_error err = { 0 };

    (void)state;
    assert_null(dv_filters_text(&values));
    dv_xadd(&values, "label=a=b");
    dv_xadd(&values, " Name = x ");
    dv_xadd(&values, "label=c");
    assert_text(dv_filters_text(&values),
                "{\"label\":{\"a=b\":true,\"c\":true},\"name\":{\"x\":true}}");
    assert_int_equal(dv_check_filter("a", NULL, &err), -DV_E_INVALID);
}

static void timestamps_are_spans_dates_or_seconds(void **state)
{
    const uint64_t now = UINT64_C(1000000) * 1000000000;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "10m", "999400" },
        { "1735689600", "1735689600" },
        { "1735689600.5", "1735689600.5" },
        { "2025-01-01T00:00:00Z", "1735689600.000000000" },
        { "2025-01-01T01:00:00.25+01:00", "1735689600.250000000" },
    };
    static const char *const bad[] = { "", "foo", "2025-13-01", "2025-01-01T", "2025-01-01Tx",
                                       "1.", "2025-01-01T00:00:00+1" };
    struct dv_error err = { 0 };
    char *text;
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        assert_int_equal(dv_timestamp_parse(cases[i].text, now, &text, &err), 0);
        assert_text(text, cases[i].expected);
    }
    for (i = 0; i < N(bad); i++)
        assert_int_equal(dv_timestamp_parse(bad[i], now, &text, &err), -DV_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_dockers_units),
        cmocka_unit_test(spans_have_dockers_words),
        cmocka_unit_test(names_are_cut_by_characters),
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(templates_print_as_go_does),
        cmocka_unit_test(templates_refuse_by_name),
        cmocka_unit_test(json_is_written_as_go_writes_it),
        cmocka_unit_test(filters_become_a_map_of_maps),
        cmocka_unit_test(timestamps_are_spans_dates_or_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
