/* api_filters.c - unit tests of core/api/filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/filters.h"
#include "core/base/cleanup.h"

static const char *const keys[] = {"name", "id", "label", "status", "dangling", NULL};

static void takes_both_forms(void **state)
{
    static const char *const texts[] = {
        "{\"status\":{\"running\":true,\"paused\":false}}", /* the flag is not looked at */
        "{\"status\":[\"running\",\"paused\"]}",
    };

    (void)state;
    for (size_t i = 0; i < N(texts); i++) {
        dv_autofilters f = {0};
        struct dv_error err = {0};

        assert_int_equal(dv_filters_parse(texts[i], keys, &f, &err), 0);
        assert_int_equal(dv_filters_get(&f, "status")->n, 2);
        assert_true(dv_filter_exact(&f, "status", "paused"));
        assert_false(dv_filter_exact(&f, "status", "exited"));
        assert_false(dv_filter_exact(&f, "status", "run"));
        assert_null(dv_filters_get(&f, "name"));
        assert_true(dv_filter_exact(&f, "name", "not asked for"));
    }
}

static void nothing_asks_for_nothing(void **state)
{
    static const char *const texts[] = {
        NULL, "", "{}", "null", "{\"status\":{}}", "{\"status\":[]}"};

    (void)state;
    for (size_t i = 0; i < N(texts); i++) {
        dv_autofilters f = {0};
        struct dv_error err = {0};

        assert_int_equal(dv_filters_parse(texts[i], keys, &f, &err), 0);
        assert_true(dv_filter_exact(&f, "status", "anything"));
    }
}

static void refuses_what_it_does_not_know(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"{\"colour\":[\"red\"]}", "invalid filter 'colour'"},
        {"{\"status\":1}", "invalid filter 'status': expected object or array"},
        {"{\"status\":[1]}", "invalid filter 'status': expected strings"},
        {"[]", "invalid filter: expected a JSON object"},
        {"{", "invalid filter"},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        dv_autofilters f = {0};
        struct dv_error err = {0};

        assert_int_equal(dv_filters_parse(rows[i].text, keys, &f, &err), -DV_E_INVALID);
        assert_non_null(strstr(err.msg, rows[i].message));
    }
}

static void names_match_as_docker_users_write_them(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool hit;
    } rows[] = {
        {"web", "my-web-1", true}, {"^web", "my-web-1", false}, {"^/web$", "web", true},
        {"^web$", "web", true},    {"^/web$", "web1", false},   {"/web", "web", true},
        {"w.b", "web", true},      {"(", "web", false},         {"a|b", "b", true},
        {"^w{1,9}e+b$", "web", true}, {"^(w+){1,}e+?b$", "web", true},
        {"^(w{1,9}e|x){0,9}b$", "web", true},
        /* What would take gigabytes, or minutes, matches nothing. */
        {"^(((((((w{1,255}){1,255}){1,255}){1,255}){1,255}){1,255}){1,255})?web$", "web", false},
        {"^(w{500})*{500}?web$", "web", false},
        {"^w++++++++++++++++++++++++++++++++++++++++++++++++++eb$", "web", false},
        {"^w{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}eb$", "web", false},
        {"^w****eb$", "web", false}, {"^w+?*eb$", "web", false},
        {"^(w*)*(e*)*\\\\1*\\\\2*b$", "web", false},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        dv_autofilters f = {0};
        struct dv_error err = {0};
        char text[128];

        snprintf(text, sizeof(text), "{\"name\":[\"%s\"]}", rows[i].pattern);
        assert_int_equal(dv_filters_parse(text, keys, &f, &err), 0);
        if (dv_filter_name(&f, "name", rows[i].name) != rows[i].hit)
            fail_msg("'%s' on '%s'", rows[i].pattern, rows[i].name);
    }
}

static void of_several_names_one_is_enough_of_labels_all_are_needed(void **state)
{
    dv_autofilters f = {0};
    struct dv_error err = {0};
    char *label_keys[] = {(char *)"a", (char *)"b"}, *label_values[] = {(char *)"1", (char *)""};
    struct dv_strv with = {.items = label_keys, .n = 2}, values = {.items = label_values, .n = 2};
    struct dv_strv only_a = {.items = label_keys, .n = 1};

    (void)state;
    assert_int_equal(
        dv_filters_parse("{\"label\":[\"a=1\",\"b\"],\"id\":[\"ff\",\"0a\"]}", keys, &f, &err), 0);
    assert_true(dv_filter_labels(&f, &with, &values));
    assert_false(dv_filter_labels(&f, &only_a, &values));
    assert_true(dv_filter_prefix(&f, "id", "0abc"));
    assert_false(dv_filter_prefix(&f, "id", "abc"));
}

static void booleans(void **state)
{
    static const struct {
        const char *text;
        int r;
        bool value;
    } rows[] = {
        {"{}", 0, false},
        {"{\"dangling\":[\"true\"]}", 1, true},
        {"{\"dangling\":{\"0\":true}}", 1, false},
        {"{\"dangling\":[\"maybe\"]}", -DV_E_INVALID, false},
        {"{\"dangling\":[\"true\",\"false\"]}", -DV_E_INVALID, false},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        dv_autofilters f = {0};
        struct dv_error err = {0};
        bool value = false;

        assert_int_equal(dv_filters_parse(rows[i].text, keys, &f, &err), 0);
        assert_int_equal(dv_filter_bool(&f, "dangling", &value, &err), rows[i].r);
        assert_int_equal(value, rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_both_forms),
        cmocka_unit_test(nothing_asks_for_nothing),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(names_match_as_docker_users_write_them),
        cmocka_unit_test(of_several_names_one_is_enough_of_labels_all_are_needed),
        cmocka_unit_test(booleans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
