/* container_view.c - what inspect, ps and top see of a container, and what the next davitd reads of it. */
#include "container_box.h"

#include <unistd.h>

#include "core/runtime/cgroup.h"

static void copies_all_that_is_shown(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make_with(b, "web", DV_RUNNING,
                                           "{\"Image\":\"i\",\"Tty\":true,\"HostConfig\":{"
                                           "\"AutoRemove\":true}}");
    struct dv_container_view v = { 0 };
    dv_autofree char *log = dv_format("%s/containers/%s/%s-json.log", b->dir, c->id, c->id);
    dv_autofree char *hosts = dv_format("%s/containers/%s/hosts", b->dir, c->id);
    struct dv_error err = { 0 };

    assert_int_equal(dv_strv_split(&c->argv, "sh -c x", ' '), 0);
    c->pid = 42;
    c->restart_count = 3;
    c->error = dv_strdup("why");
    assert_int_equal(dv_container_look(c, &v, &err), 0);
    assert_string_equal(v.name, "web");
    assert_string_equal(v.path, "sh");
    assert_int_equal(v.args.n, 2);
    assert_string_equal(v.log_path, log);
    assert_string_equal(v.hosts_path, hosts);
    assert_string_equal(v.error, "why");
    assert_int_equal(v.pid, 42);
    assert_int_equal(v.restart_count, 3);
    assert_true(v.tty && v.auto_remove && !v.open_stdin);
    assert_null(v.config_json);
    free(c->name); /* a copy: what changes later is not its concern */
    c->name = dv_strdup("other");
    assert_string_equal(v.name, "web");
    dv_container_view_done(&v);
    dv_container_view_done(&v); /* of an empty one: nothing */
}

static void shows_running_execs_only(void **state)
{
    struct dv_container *c = box_make(*state, "c", DV_RUNNING);
    struct dv_container_view v = { 0 };
    struct dv_error err = { 0 };
    char ids[2][65];

    for (int i = 0; i < 2; i++) {
        struct dv_exec_config config = { 0 };

        assert_int_equal(dv_strv_add(&config.cmd, "sh"), 0);
        assert_int_equal(dv_exec_create(c, &config, ids[i], &err), 0);
    }
    c->execs->running = true; /* the newer one */
    assert_int_equal(dv_container_look(c, &v, &err), 0);
    assert_int_equal(v.exec_ids.n, 1);
    assert_string_equal(v.exec_ids.items[0], ids[1]);
    dv_container_view_done(&v);
}

static void has_no_log_where_none_is_kept(void **state)
{
    struct dv_container *c = box_make_with(*state, "c", DV_CREATED,
                                           "{\"Image\":\"i\",\"HostConfig\":{\"LogConfig\":{"
                                           "\"Type\":\"none\"}}}");
    struct dv_container_view v = { 0 };
    struct dv_error err = { 0 };

    assert_int_equal(dv_container_look(c, &v, &err), 0);
    assert_string_equal(v.log_path, "");
    assert_string_equal(v.path, "");
    dv_container_view_done(&v);
}

/* Who uses another's network has its names, too; where that one is gone, its own. */
static void shows_the_files_of_the_network_s_owner(void **state)
{
    struct box *b = *state;
    struct dv_container *owner = box_make(b, "owner", DV_RUNNING), *c;
    dv_autofree char *body = dv_format("{\"Image\":\"i\",\"HostConfig\":{\"NetworkMode\":"
                                       "\"container:%s\"}}", owner->id);
    struct dv_container_view v = { 0 };
    struct dv_error err = { 0 };

    c = box_make_with(b, "c", DV_RUNNING, body);
    assert_int_equal(dv_container_look(c, &v, &err), 0);
    box_assert_has(v.hosts_path, owner->id);
    box_assert_has(v.resolv_conf_path, owner->id);
    box_assert_has(v.log_path, c->id);
    dv_container_view_done(&v);
    dv_containers_forget(&b->cs, owner);
    assert_int_equal(dv_container_look(c, &v, &err), 0);
    box_assert_has(v.hosts_path, c->id);
    dv_container_view_done(&v);
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    for (int s = DV_CREATED; s <= DV_DEAD; s++)
        assert_true(*dv_status_name((enum dv_status)s));
    assert_string_equal(dv_status_name((enum dv_status)99), "dead");
}

static void events_have_labels_then_extras_then_names(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make_with(b, "web", DV_CREATED,
                                           "{\"Image\":\"i\",\"Labels\":{\"b\":\"2\",\"a\":\"1\"}}");
    struct box_events events;

    dv_container_emit(c, "die", (const char *const[]){ "exitCode", "3", NULL });
    box_events(b, &events);
    box_assert_has(events.text, "exitCode=3 image=i name=web\n");
    box_assert_has(events.text, "a=1");
    box_assert_has(events.text, "b=2");
}

/* ---- rows ---- */

static void the_next_davitd_reads_what_this_one_wrote(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make(b, "web", DV_RUNNING), *other;
    struct dv_containers again = { .engine = &b->engine };
    struct dv_error err = { 0 };

    c->pid = 4321;
    c->start_time = UINT64_MAX >> 1;
    c->exit_code = -1;
    c->oom_killed = c->stopped_by_user = true;
    c->error = dv_strdup("it's \"quoted\"\n");
    c->generation = 9;
    if (dv_container_row_update(c, &err) < 0)
        fail_msg("%s", err.msg);
    if (dv_container_rows_load(&again, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(again.n, 1);
    other = again.items[0];
    assert_string_equal(other->id, c->id);
    assert_int_equal(other->status, DV_RUNNING);
    assert_int_equal(other->pid, 4321);
    assert_int_equal(other->start_time, UINT64_MAX >> 1);
    assert_int_equal(other->exit_code, -1);
    assert_true(other->oom_killed && other->stopped_by_user && other->published);
    assert_string_equal(other->error, c->error);
    assert_int_equal(other->generation, 9);
    dv_container_unref(other);
    free(again.items);
    assert_int_equal(dv_container_row_delete(c, &err), 0);
    assert_int_equal(dv_container_row_delete(c, &err), 0);
}

/* Somebody's hand in the database: named, and nothing of the store is half read. */
static void a_broken_row_is_named(void **state)
{
    static const char *const wounds[] = {
        "UPDATE containers SET config_json = '{' WHERE id = ?",
        "UPDATE containers SET argv_json = '[' WHERE id = ?",
    };
    struct box *b = *state;
    struct dv_container *c = box_make(b, "web", DV_CREATED);
    struct dv_error err = { 0 };

    for (size_t i = 0; i < N(wounds); i++) {
        struct dv_containers again = { .engine = &b->engine };

        assert_int_equal(dv_container_row_delete(c, &err), 0);
        assert_int_equal(dv_container_row_insert(c, &err), 0);
        assert_int_equal(dv_db_exec(b->engine.db, &err, wounds[i], "s", c->id), 0);
        assert_true(dv_container_rows_load(&again, &err) < 0);
        box_assert_has(err.msg, c->id);
        assert_int_equal(again.n, 0);
        free(again.items);
        memset(&err, 0, sizeof(err));
    }
}

/* ---- top ---- */

static void tops_one_that_runs_only(void **state)
{
    static const struct {
        enum dv_status status;
        const char *args, *text;
        int code;
    } cases[] = {
        { DV_EXITED, "", "is not running", DV_E_CONFLICT },
        { DV_CREATED, "nonsense", "is not running", DV_E_CONFLICT },
        { DV_RESTARTING, "", "is restarting, wait", DV_E_CONFLICT },
        { DV_RUNNING, "-o user", "", DV_E_INVALID },          /* no column is the PID */
        { DV_RUNNING, "--help", "--help", DV_E_INVALID },
        { DV_PAUSED, "-o pid,nonsense", "nonsense", DV_E_INVALID },
    };
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_CREATED);

    for (size_t i = 0; i < N(cases); i++) {
        struct dv_top top = { .n = 7 };
        struct dv_error err = { 0 };

        c->status = cases[i].status;
        assert_int_equal(dv_container_top(c, cases[i].args, &top, &err), -cases[i].code);
        box_assert_has(err.msg, cases[i].text);
        assert_int_equal(top.n, 7);
    }
}

/* Its group is gone already: a table without rows. */
static void one_that_just_ended_has_no_processes(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    struct dv_top top = { 0 };
    struct dv_error err = { 0 };

    if (geteuid() != 0 || dv_cgroups_detect(&b->engine.cgroups, &err) < 0) {
        print_message("skipped: needs root and control groups\n");
        skip();
    }
    b->cs.cgroup_parent = "/davit-unit-none";
    if (dv_container_top(c, "-o pid,comm", &top, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(top.n, 0);
    assert_int_equal(top.titles.n, 2);
    dv_top_done(&top);
    dv_cgroups_free(b->engine.cgroups);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, box_set_up, box_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(copies_all_that_is_shown),
        TEST(shows_running_execs_only),
        TEST(has_no_log_where_none_is_kept),
        TEST(shows_the_files_of_the_network_s_owner),
        TEST(every_status_has_a_name),
        TEST(events_have_labels_then_extras_then_names),
        TEST(the_next_davitd_reads_what_this_one_wrote),
        TEST(a_broken_row_is_named),
        TEST(tops_one_that_runs_only),
        TEST(one_that_just_ended_has_no_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
