/* plugin_load.c - the loader against plugins that behave and ones that do not (tests/plugins). */

#include "plugin_helper.h"

#include <davit/storage.h>

#include "core/plugin/drivers.h"

/* Put tests/plugins/SOURCE.so where "storage/NAME.so" is looked for, and load it as NAME. */
static int load_as(const char *source, const char *name, const struct dv_kvs *options,
                   struct dv_driver **ret, struct dv_error *err)
{
    const struct dv_plugin_file file = { .kind = DV_KIND_STORAGE, .name = name, .plugin_dir = dir };
    dv_autofree char *from = dv_format("tests/plugins/%s", source);
    dv_autofree char *to = dv_format("storage/%s.so", name);

    if (mkdirat(dir_fd, "storage", 0755) < 0)
        assert_int_equal(errno, EEXIST);
    copy_plugin(from, to, NULL, NULL);
    return dv_driver_open(&file, options, NULL, ret, err);
}

static void expect_refused(const char *name, const char *says)
{
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };
    int r = load_as(name, name, NULL, &d, &err);

    if (r == 0)
        fail_msg("%s was loaded", name);
    assert_null(d);
    assert_contains(err.msg, says);
    /* Each sentence names the file. */
    assert_contains(err.msg, name);
}

/* Its value, in a buffer that the next question takes. */
static const char *configured(const struct dv_driver *d, const char *key)
{
    static char value[128];
    const struct dv_storage_ops *ops = d->ops;
    struct dv_error err = { 0 };
    struct dv_kvs rows = { 0 };
    dv_autocall c;

    assert_int_equal(dv_call_begin(&c, d, "test", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->status(d->self, &c, &rows)), 0);
    for (size_t i = 0; i < rows.n; i++)
        if (dv_streq(rows.items[i].key, key)) {
            snprintf(value, sizeof(value), "%s", rows.items[i].value);
            return value;
        }
    return NULL;
}

static void loads_a_good_one(void **state)
{
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(load_as("good", "good", NULL, &d, &err), 0);
    assert_string_equal(d->name, "good");
    assert_string_equal(d->version, "1.2.3");
    assert_int_equal(d->kind, DV_KIND_STORAGE);
    assert_null(d->serial);
    dv_driver_close(d);
}

static void defaults_come_in_canonical_form(void **state)
{
    static const struct { const char *key, *value; } rows[] = {
        { "greeting", "hello" }, { "loud", "false" },  { "count", "3" },
        { "room", "1024" },      { "patience", "90" }, { "place", "" },
    };
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(load_as("good", "good", NULL, &d, &err), 0);
    for (size_t i = 0; i < N(rows); i++)
        assert_string_equal(configured(d, rows[i].key), rows[i].value);
    dv_driver_close(d);
}

static void takes_options(void **state)
{
    /* state_dir is the host's and no option of this plugin: left out without a word. */
    const struct dv_kv items[] = { { "loud", "YES" },     { "room", "2g" },
                                   { "patience", "5" },   { "place", "/srv" },
                                   { "state_dir", "/x" }, { "count", "18446744073709551615" } };
    const struct dv_kvs options = { items, N(items) };
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(load_as("good", "good", &options, &d, &err), 0);
    assert_string_equal(configured(d, "loud"), "true");
    assert_string_equal(configured(d, "room"), "2147483648");
    assert_string_equal(configured(d, "patience"), "5");
    assert_string_equal(configured(d, "place"), "/srv");
    assert_string_equal(configured(d, "count"), "18446744073709551615");
    assert_null(configured(d, "state_dir"));
    dv_driver_close(d);
}

static void refuses_wrong_options(void **state)
{
    static const struct { struct dv_kv kv; const char *says; } cases[] = {
        { { "lowd", "yes" }, "nearest known one is 'loud'" },
        { { "loud", "perhaps" }, "[storage.good] loud = 'perhaps': expected true or false" },
        { { "count", "-1" }, "a whole number" },
        { { "room", "big" }, "a size" },
        { { "patience", "1h0.5s" }, "seconds" },
        { { "place", "relative" }, "an absolute path" },
    };
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    for (size_t i = 0; i < N(cases); i++) {
        const struct dv_kvs options = { &cases[i].kv, 1 };

        assert_int_equal(load_as("good", "good", &options, &d, &err), -DV_E_INVALID);
        assert_contains(err.msg, cases[i].says);
    }
}

static void refuses_the_zoo(void **state)
{
    static const struct { const char *name, *says; } zoo[] = {
        { "no-note", "no davit note" },
        { "wrong-major", "was built for ABI 77." }, /* its constructor would abort */
        { "wrong-minor", "before 1.0, nothing else" },
        { "tiny", "struct dv_plugin has 16 bytes" },
        { "huge", "not credible" },
        { "tiny-ops", "table of operations has 16 bytes" },
        { "missing-slot", "leaves out prepare()" },
        { "lies", "differ from its note" },
        { "no-entry", "does not export dv_plugin_v0()" },
        { "unresolved", "undefined symbol: dv_of_the_engine" },
        { "bad-option", "option 'odd' has type 'colour'" },
        { "silent", "returned INVALID without a reason" },
        { "refuses", "this driver never starts" },
        { "required", "needed: must be set" },
    };

    (void)state;
    NEEDS_ROOT();
    for (size_t i = 0; i < N(zoo); i++)
        expect_refused(zoo[i].name, zoo[i].says);
}

static void refuses_a_text_file(void **state)
{
    const struct dv_plugin_file file = { .kind = DV_KIND_STORAGE, .name = "text",
                                         .path = in_dir("text.so") };
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    put("text.so", "#!/bin/sh\necho of no interest to anybody, and long enough to be a header\n", 73,
        0755);
    assert_int_equal(dv_driver_open(&file, NULL, NULL, &d, &err), -DV_E_INVALID);
    assert_contains(err.msg, "is not a shared object");
}

static void refuses_another_name_or_kind(void **state)
{
    struct dv_plugin_file file = { .kind = DV_KIND_NETWORK, .name = "good" };
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(load_as("good", "gone", NULL, &d, &err), -DV_E_INVALID);
    assert_contains(err.msg, "calls itself 'good', expected 'gone'");
    file.path = in_dir("storage/good.so");
    assert_int_equal(dv_driver_open(&file, NULL, NULL, &d, &err), -DV_E_INVALID);
    assert_contains(err.msg, "is of kind storage, expected network");
    file.name = "../good";
    assert_int_equal(dv_driver_open(&file, NULL, NULL, &d, &err), -DV_E_INVALID);
    file.name = "nobody";
    file.path = NULL;
    file.plugin_dir = dir;
    assert_int_equal(dv_driver_open(&file, NULL, NULL, &d, &err), -DV_E_NOT_FOUND);
    assert_contains(err.msg, "network");
}

static void an_older_plugin_has_null_slots(void **state)
{
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };
    const struct dv_storage_ops *ops;
    dv_autocall c;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(load_as("older", "older", NULL, &d, &err), 0);
    ops = d->ops;
    assert_true(ops->struct_size < sizeof(*ops));
    assert_true(d->plugin->struct_size < sizeof(*d->plugin));
    assert_null(ops->open_diff);
    assert_null(ops->apply);
    assert_null(ops->diff);
    assert_null(ops->status);
    assert_null(d->plugin->fini);
    assert_int_equal(dv_call_begin(&c, d, "test", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->remove(d->self, &c, "ok")), 0);
    dv_driver_close(d);
}

static void a_cxx_plugin_loads(void **state)
{
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    if (access(TEST_BUILD_DIR "/tests/plugins/cxx.so", R_OK) < 0) {
        print_message("skipped: no C++ compiler when this was configured\n");
        skip();
    }
    assert_int_equal(load_as("cxx", "cxx", NULL, &d, &err), 0);
    dv_driver_close(d);
}

static void results_are_judged(void **state)
{
    static const struct { const char *id; int result; const char *says; } cases[] = {
        { "ok", 0, "" },
        { "changed-mind", 0, "" },
        { "positive", -DV_E_INTERNAL, "plugin 'good' misbehaved: test() returned 7" },
        { "no-code", -DV_E_INTERNAL, "test() returned -4711, which is no error code" },
        { "silent", -DV_E_INTERNAL, "test() returned CONFLICT without a reason" },
        { "outer", -DV_E_CONFLICT, "outer: the zoo says no" },
    };
    const struct dv_storage_ops *ops;
    struct dv_driver *d = NULL;
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(load_as("good", "good", NULL, &d, &err), 0);
    ops = d->ops;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_error e = { 0 };
        dv_autocall c;

        assert_int_equal(dv_call_begin(&c, d, "test", &e), 0);
        assert_int_equal(dv_call_result(&c, ops->remove(d->self, &c, cases[i].id)),
                         cases[i].result);
        assert_contains(e.msg, cases[i].says);
        assert_int_equal(e.code, -cases[i].result);
    }
    dv_driver_close(d);
}

static void the_registry_keeps_reasons(void **state)
{
    struct dv_plugin_file good = { .kind = DV_KIND_STORAGE, .name = "good" };
    struct dv_plugin_file refuses = { .kind = DV_KIND_STORAGE, .name = "refuses" };
    struct dv_plugin_file silent = { .kind = DV_KIND_STORAGE, .name = "wrong-major" };
    struct dv_plugin_file second = { .kind = DV_KIND_STORAGE, .name = "good",
                                     .path = "/run/elsewhere.so" };
    struct dv_drivers *ds = NULL;
    struct dv_driver_info info;
    struct dv_error err = { 0 };
    struct dv_driver *d = NULL;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(load_as("good", "good", NULL, &d, &err), 0);
    dv_driver_close(d);
    expect_refused("refuses", "");
    expect_refused("wrong-major", "");
    assert_int_equal(dv_drivers_new(dir, &ds, &err), 0);
    dv_drivers_add(ds, &good, NULL);
    dv_drivers_add(ds, &refuses, NULL);
    dv_drivers_add(ds, &silent, NULL);
    dv_drivers_add(ds, &second, NULL);
    assert_int_equal(dv_drivers_count(ds), 4);

    assert_int_equal(dv_drivers_get(ds, DV_KIND_STORAGE, "good", &d, &err), 0);
    dv_drivers_info(ds, 0, &info);
    assert_int_equal(info.state, DV_DRIVER_ACTIVE);
    assert_string_equal(info.version, "1.2.3");
    assert_string_equal(info.reason, "");
    dv_drivers_info(ds, 1, &info);
    assert_int_equal(info.state, DV_DRIVER_FAILED);
    assert_contains(info.reason, "never starts");
    dv_drivers_info(ds, 2, &info);
    assert_int_equal(info.state, DV_DRIVER_REJECTED);
    dv_drivers_info(ds, 3, &info);
    assert_int_equal(info.state, DV_DRIVER_REJECTED);
    assert_contains(info.reason, "is taken by");

    assert_int_equal(dv_drivers_get(ds, DV_KIND_STORAGE, "refuses", &d, &err),
                     -DV_E_UNAVAILABLE);
    assert_contains(err.msg, "storage driver 'refuses' is not active: init of driver");
    assert_int_equal(dv_drivers_get(ds, DV_KIND_NETWORK, "good", &d, &err), -DV_E_NOT_FOUND);
    dv_drivers_free(ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_a_good_one),
        cmocka_unit_test(defaults_come_in_canonical_form),
        cmocka_unit_test(takes_options),
        cmocka_unit_test(refuses_wrong_options),
        cmocka_unit_test(refuses_the_zoo),
        cmocka_unit_test(refuses_a_text_file),
        cmocka_unit_test(refuses_another_name_or_kind),
        cmocka_unit_test(an_older_plugin_has_null_slots),
        cmocka_unit_test(a_cxx_plugin_loads),
        cmocka_unit_test(results_are_judged),
        cmocka_unit_test(the_registry_keeps_reasons),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
