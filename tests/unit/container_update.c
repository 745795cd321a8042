/* container_update.c - what an update may change, what it refuses, and that it changes all or nothing. */
#include "container_box.h"

#include <unistd.h>

#include "core/runtime/cgroup.h"

static int update(struct dv_container *c, const char *body, struct dv_error *err)
{
    dv_autojson json_object *doc = NULL;
    dv_autostrv warnings = { 0 };

    memset(err, 0, sizeof(*err));
    assert_int_equal(dv_json_parse(body, strlen(body), &doc, err), 0);
    return dv_container_update(c, doc, &warnings, err);
}

static char *stored(struct box *b, struct dv_container *c)
{
    return box_text(b, "SELECT config_json FROM containers WHERE id = ?", c->id);
}

/* What inspect would show. */
static void assert_shows(struct dv_container *c, const char *part)
{
    struct dv_container_view view = { 0 };
    struct dv_error err = { 0 };
    dv_autofree char *text = NULL;

    assert_int_equal(dv_container_look_whole(c, &view, &err), 0);
    text = dv_json_text(view.host_config_json);
    box_assert_has(text, part);
    dv_container_view_done(&view);
}

static void refuses_and_leaves_all_as_it_was(void **state)
{
    static const struct {
        const char *has, *body;
        int code;
        const char *text;
    } cases[] = {
        { "{}", "{\"Memory\":\"64m\"}", DV_E_INVALID, "Memory" },
        { "{}", "{\"Memory\":1}", DV_E_INVALID, "emory" },
        { "{}", "{\"CpusetCpus\":\"x\"}", DV_E_INVALID, "x" },
        { "{}", "{\"CpuShares\":-1}", DV_E_INVALID, "" },
        { "{}", "{\"BlkioWeight\":5}", DV_E_INVALID, "" },
        { "{}", "{\"RestartPolicy\":{\"Name\":\"sometimes\"}}", DV_E_INVALID, "sometimes" },
        { "{}", "{\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":3}}", DV_E_INVALID,
          "" },
        { "{}", "{\"RestartPolicy\":\"always\"}", DV_E_INVALID, "RestartPolicy" },
        { "{}", "{\"Init\":true}", DV_E_INVALID, "Init cannot be changed by an update" },
        { "{}", "{\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":1,\"Hard\":1}]}", DV_E_INVALID,
          "create the container anew" },
        { "{}", "{\"CgroupParent\":\"/x\"}", DV_E_INVALID, "CgroupParent" },
        { "{}", "{\"Devices\":{}}", DV_E_INVALID, "Devices" },
        { "{\"CpuPeriod\":100000}", "{\"NanoCpus\":500000000}", DV_E_CONFLICT,
          "Nano CPUs cannot be updated as CPU Period has already been set" },
        { "{\"CpuQuota\":50000}", "{\"NanoCpus\":500000000}", DV_E_CONFLICT, "CPU Quota" },
        { "{\"NanoCpus\":500000000}", "{\"CpuPeriod\":100000}", DV_E_CONFLICT, "NanoCPUs" },
        { "{\"NanoCpus\":500000000}", "{\"CpuQuota\":50000}", DV_E_CONFLICT, "NanoCPUs" },
        { "{\"Memory\":67108864}", "{\"Memory\":268435456}", DV_E_CONFLICT,
          "Memory limit should be smaller than already set memoryswap limit" },
        { "{\"AutoRemove\":true}", "{\"RestartPolicy\":{\"Name\":\"always\"}}", DV_E_CONFLICT,
          "AutoRemove is enabled" },
    };
    struct box *b = *state;

    for (size_t i = 0; i < N(cases); i++) {
        dv_autofree char *body = dv_format("{\"Image\":\"i\",\"HostConfig\":%s}", cases[i].has);
        dv_autofree char *name = dv_format("c%zu", i), *before = NULL, *after = NULL;
        struct dv_container *c = box_make_with(b, name, DV_CREATED, body);
        struct dv_error err;

        before = stored(b, c);
        if (update(c, cases[i].body, &err) != -cases[i].code)
            fail_msg("%s: %s", cases[i].body, err.msg);
        box_assert_has(err.msg, cases[i].text);
        after = stored(b, c);
        assert_string_equal(before, after);
        assert_null(c->busy);
    }
}

/* Defaults of what cannot change are no change: clients send whole structs. */
static void bears_defaults_of_what_is_fixed(void **state)
{
    struct dv_container *c = box_make(*state, "c", DV_CREATED);
    struct dv_error err;

    if (update(c, "{\"Init\":false,\"Ulimits\":[],\"CgroupParent\":\"\",\"KernelMemory\":0,"
                  "\"MemorySwappiness\":-1,\"Devices\":null,\"Nonsense\":7}", &err) < 0)
        fail_msg("%s", err.msg);
}

static void changes_what_inspect_shows_and_the_row(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make_with(
        b, "c", DV_EXITED, "{\"Image\":\"i\",\"Labels\":{\"k\":\"v\"},\"HostConfig\":{\"Memory\":"
        "134217728,\"Binds\":[\"/a:/b\"],\"RestartPolicy\":{\"Name\":\"on-failure\","
        "\"MaximumRetryCount\":4}}}");
    struct dv_containers again = { .engine = &b->engine };
    struct box_events events;
    struct dv_error err;

    if (update(c, "{\"Memory\":67108864,\"PidsLimit\":77,\"CpusetCpus\":\"0\"}", &err) < 0)
        fail_msg("%s", err.msg);
    assert_shows(c, "\"Memory\":67108864");
    assert_shows(c, "\"MemorySwap\":268435456"); /* lower memory: the swap stays what it was */
    assert_shows(c, "\"PidsLimit\":77");
    assert_shows(c, "\"CpusetCpus\":\"0\"");
    assert_shows(c, "\"Binds\":[\"/a:/b\"]");
    assert_shows(c, "\"Name\":\"on-failure\"");
    assert_shows(c, "\"MaximumRetryCount\":4");
    box_events(b, &events);
    box_assert_has(events.text, "container update k=v image=i name=c\n");

    assert_int_equal(dv_container_rows_load(&again, &err), 0); /* as the next davitd reads it */
    assert_int_equal(again.n, 1);
    assert_int_equal(again.items[0]->config->memory, 67108864);
    assert_int_equal(again.items[0]->config->pids_limit, 77);
    assert_string_equal(again.items[0]->config->restart_name, "on-failure");
    dv_container_unref(again.items[0]);
    free(again.items);

    /* 0 and "" mean: as it is; for pids -1 and 0 mean none. */
    assert_int_equal(update(c, "{\"Memory\":0,\"CpusetCpus\":\"\",\"PidsLimit\":-1,"
                               "\"RestartPolicy\":{\"Name\":\"\"}}", &err), 0);
    assert_int_equal(c->config->memory, 67108864);
    assert_string_equal(c->config->cpuset_cpus, "0");
    assert_true(c->config->pids_limit <= 0);
    assert_string_equal(c->config->restart_name, "on-failure");
}

static void of_a_removed_one_there_is_none(void **state)
{
    struct dv_container *c = box_make(*state, "c", DV_CREATED);
    struct dv_error err;

    c->removed = true;
    assert_int_equal(update(c, "{\"Memory\":67108864}", &err), -DV_E_NOT_FOUND);
    assert_int_equal(c->config->memory, 0);
}

/* A row that cannot be written: then the object has the old values, too. */
static void a_row_that_fails_takes_it_back(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_CREATED);
    struct dv_error err = { 0 };

    assert_int_equal(dv_db_exec(b->engine.db, &err,
                                "CREATE TRIGGER no BEFORE UPDATE ON containers BEGIN SELECT"
                                " RAISE(ABORT, 'no'); END", ""), 0);
    assert_true(update(c, "{\"Memory\":67108864,\"CpusetCpus\":\"0\"}", &err) < 0);
    box_assert_has(err.msg, "Cannot update container");
    assert_int_equal(c->config->memory, 0);
    assert_true(dv_empty(c->config->cpuset_cpus));
    assert_shows(c, "\"Memory\":0");
    assert_null(c->busy);
}

/* It has just ended: no group is left to be told, and the values are for its next run. */
static void one_that_just_ended_keeps_the_values(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    struct dv_error err = { 0 };

    if (geteuid() != 0 || dv_cgroups_detect(&b->engine.cgroups, &err) < 0) {
        print_message("skipped: needs root and control groups\n");
        skip();
    }
    b->cs.cgroup_parent = "/davit-unit-none";
    if (update(c, "{\"Memory\":67108864}", &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(c->config->memory, 67108864);
    dv_cgroups_free(b->engine.cgroups);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, box_set_up, box_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(refuses_and_leaves_all_as_it_was),
        TEST(bears_defaults_of_what_is_fixed),
        TEST(changes_what_inspect_shows_and_the_row),
        TEST(of_a_removed_one_there_is_none),
        TEST(a_row_that_fails_takes_it_back),
        TEST(one_that_just_ended_keeps_the_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
