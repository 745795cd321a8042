/* api_routes.c - tests of the routes table, versions, filters, and texts of replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/api/build.h"
#include "core/api/containers.h"
#include "core/api/filters.h"
#include "core/api/frame.h"
#include "core/api/routes.h"

static void finds_names_with_slashes(void **state)
{
    static const struct {
        const char *method, *path, *pattern, *first, *second;
    } cases[] = {
        {"GET", "/images/json", "/images/json", NULL, NULL},
        {"GET", "/images/a/b:tag/json", "/images/{name}/json", "a/b:tag", NULL},
        {"GET", "/images/json/json", "/images/{name}/json", "json", NULL},
        {"POST", "/images/h:5000/a/tag/tag", "/images/{name}/tag", "h:5000/a/tag", NULL},
        {"DELETE", "/images/a/b", "/images/{name}", "a/b", NULL},
        {"DELETE", "/containers/c/checkpoints/p", "/containers/{name}/checkpoints/{checkpoint}",
         "c", "p"},
        {"DELETE", "/containers/c", "/containers/{id}", "c", NULL},
        {"POST", "/containers/create", "/containers/create", NULL, NULL},
        {"GET", "/containers/json", "/containers/json", NULL, NULL},
        {"HEAD", "/_ping", "/_ping", NULL, NULL},
        {"POST", "/containers/json", NULL, NULL, NULL},
        {"GET", "/containers//json", NULL, NULL, NULL},
        {"GET", "/", NULL, NULL, NULL},
        {"GET", "", NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_route_param params[2] = { { 0 } };
        const struct dv_api_route *route = dv_route_find(cases[i].method, cases[i].path, params);

        if (!cases[i].pattern) {
            assert_null(route);
            continue;
        }
        assert_non_null(route);
        assert_string_equal(route->pattern, cases[i].pattern);
        if (cases[i].first)
            assert_memory_equal(params[0].text, cases[i].first, params[0].n);
        assert_int_equal(params[0].n, cases[i].first ? strlen(cases[i].first) : 0);
        assert_int_equal(params[1].n, cases[i].second ? strlen(cases[i].second) : 0);
    }
}

/* No row can be hidden by one before it. */
static void reaches_every_route(void **state)
{
    (void)state;
    for (size_t i = 0; i < dv_routes_n; i++) {
        dv_autobuf path = DV_BUF_INIT(1000, "path");
        struct dv_error err = { 0 };
        const char *p = dv_routes[i].pattern;

        while (*p) {
            if (*p == '{') {
                assert_int_equal(dv_buf_puts(&path, "some/name", &err), 0);
                p = strchr(p, '}') + 1;
            } else {
                assert_int_equal(dv_buf_put(&path, p++, 1, &err), 0);
            }
        }
        assert_ptr_equal(dv_route_find(dv_routes[i].method, path.data, NULL), &dv_routes[i]);
    }
}

static void splits_and_checks_versions(void **state)
{
    static const struct {
        const char *path, *rest, *version;
        int minor;              /* 0: refused */
    } cases[] = {
        { "/v1.44/info", "/info", "1.44", 44 }, { "/info", "/info", "", 51 },
        { "/v1.24/info", "/info", "1.24", 24 }, { "/v1.51/info", "/info", "1.51", 51 },
        { "/v1.52/info", "/info", "1.52", 0 },  { "/v1.9/info", "/info", "1.9", 0 },
        { "/v2/info", "/info", "2", 0 },        { "/v1..2/info", "/info", "1..2", 0 },
        { "/version", "/version", "", 51 },     { "/volumes", "/volumes", "", 51 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        char version[16];
        struct dv_error err = { 0 };
        unsigned minor = 0;

        assert_string_equal(dv_route_version(cases[i].path, version), cases[i].rest);
        assert_string_equal(version, cases[i].version);
        if (cases[i].minor == 0)
            assert_int_equal(dv_route_version_check(version, &minor, &err), -DV_E_INVALID);
        else
            assert_int_equal(dv_route_version_check(version, &minor, &err), 0);
        assert_int_equal(minor, cases[i].minor);
    }
}

static const char *const keys[] = { "label", "name", "dangling", NULL };

static void decodes_filters(void **state)
{
    static const char *const texts[] = {
        "{\"label\":{\"a=b\":true,\"c\":true},\"name\":{\"^/we\":true}}",
        "{\"label\":[\"a=b\",\"c\"],\"name\":[\"^/we\"]}",
    };
    dv_autostrv names = { 0 }, values = { 0 };

    (void)state;
    assert_int_equal(dv_strv_add(&names, "a") | dv_strv_add(&names, "c"), 0);
    assert_int_equal(dv_strv_add(&values, "b") | dv_strv_add(&values, ""), 0);
    for (size_t i = 0; i < N(texts); i++) {
        dv_autofilters f = { .n = 0 };
        struct dv_error err = { 0 };

        assert_int_equal(dv_filters_parse(texts[i], keys, &f, &err), 0);
        assert_true(dv_filter_labels(&f, &names, &values));
        assert_true(dv_filter_name(&f, "name", "web"));
        assert_false(dv_filter_name(&f, "name", "awe"));
        assert_true(dv_filter_exact(&f, "dangling", "anything"));
        values.items[0][0] = 'x';
        assert_false(dv_filter_labels(&f, &names, &values));
        values.items[0][0] = 'b';
    }
}

static void refuses_bad_filters(void **state)
{
    static const char *const texts[] = { "{\"other\":[\"x\"]}", "{", "[]", "{\"name\":3}",
                                         "{\"name\":[3]}" };

    (void)state;
    for (size_t i = 0; i < N(texts); i++) {
        dv_autofilters f = { .n = 0 };
        struct dv_error err = { 0 };

        assert_int_equal(dv_filters_parse(texts[i], keys, &f, &err), -DV_E_INVALID);
    }
}

static void words_durations_as_docker(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {
        { 0, "Less than a second" }, { 1, "1 second" }, { 59, "59 seconds" },
        { 60, "About a minute" }, { 119, "About a minute" }, { 120, "2 minutes" },
        { 3599, "59 minutes" }, { 3600, "About an hour" }, { 2 * 3600, "2 hours" },
        { 47 * 3600, "47 hours" }, { 48 * 3600, "2 days" }, { 14 * 86400, "2 weeks" },
        { 60 * 86400, "2 months" }, { 730 * 86400, "2 years" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        char text[40];

        dv_human_duration(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void reads_timestamps(void **state)
{
    uint64_t ns = 7;

    (void)state;
    assert_int_equal(dv_parse_timestamp("", &ns), 0);
    assert_int_equal(ns, 0);
    assert_int_equal(dv_parse_timestamp("12.5", &ns), 0);
    assert_int_equal(ns, 12500000000);
    assert_int_equal(dv_parse_timestamp("1700000000.000000001", &ns), 0);
    assert_int_equal(ns, 1700000000000000001);
    assert_int_equal(dv_parse_timestamp("2023-11-14T22:13:20Z", &ns), 0);
    assert_int_equal(ns, 1700000000000000000);
    assert_int_equal(dv_parse_timestamp("yesterday", &ns), -1);
    assert_int_equal(dv_parse_timestamp("1.0000000001", &ns), -1);
    assert_int_equal(dv_parse_timestamp("99999999999999999999", &ns), -1);
}

static void reads_detach_keys(void **state)
{
    char bytes[DV_DETACH_KEYS_MAX];
    struct dv_error err = { 0 };
    size_t n;

    (void)state;
    assert_int_equal(dv_detach_keys("ctrl-p,ctrl-q", bytes, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(bytes, "\x10\x11", 2);
    assert_int_equal(dv_detach_keys("a,ctrl-@,ctrl-\\", bytes, &n, &err), 0);
    assert_memory_equal(bytes, "a\0\x1c", 3);
    assert_int_equal(dv_detach_keys("", bytes, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(dv_detach_keys("ctrl-", bytes, &n, &err), -DV_E_INVALID);
    assert_int_equal(dv_detach_keys("abc", bytes, &n, &err), -DV_E_INVALID);
}

static void frames(void **state)
{
    dv_autobuf out = DV_BUF_INIT(1000, "out");
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(dv_frame_put(&out, DV_FRAME_STDERR, "abc", 3, true, &err), 0);
    assert_int_equal(out.len, 11);
    assert_memory_equal(out.data, "\2\0\0\0\0\0\0\3abc", 11);
    assert_int_equal(dv_frame_put(&out, DV_FRAME_STDERR, "d", 1, false, &err), 0);
    assert_int_equal(out.len, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_names_with_slashes),
        cmocka_unit_test(reaches_every_route),
        cmocka_unit_test(splits_and_checks_versions),
        cmocka_unit_test(decodes_filters),
        cmocka_unit_test(refuses_bad_filters),
        cmocka_unit_test(words_durations_as_docker),
        cmocka_unit_test(reads_timestamps),
        cmocka_unit_test(reads_detach_keys),
        cmocka_unit_test(frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
