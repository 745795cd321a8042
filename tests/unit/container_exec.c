/* container_exec.c - records of execs: who may make and start one, how many are kept, what a shim's state
 * gives back. */
#include "container_box.h"

static int make_exec(struct dv_container *c, const char *command, char id[65], struct dv_error *err)
{
    struct dv_exec_config config = { .attach_stdout = true };
    int r;

    memset(err, 0, sizeof(*err));
    assert_int_equal(dv_strv_split(&config.cmd, command, ' '), 0);
    r = dv_exec_create(c, &config, id, err);
    dv_exec_config_done(&config); /* what was not taken */
    return r;
}

static void only_of_one_that_runs(void **state)
{
    static const struct {
        enum dv_status status;
        const char *text;
    } cases[] = {
        { DV_CREATED, "is not running" }, { DV_EXITED, "is not running" },
        { DV_DEAD, "is not running" },
        { DV_PAUSED, "Container c is paused, unpause the container before exec" },
        { DV_RESTARTING, "is restarting, wait until the container is running" },
    };
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    struct dv_error err;
    char id[65] = "", made[65];

    assert_int_equal(make_exec(c, "sh", made, &err), 0);
    for (size_t i = 0; i < N(cases); i++) {
        c->status = cases[i].status;
        assert_int_equal(make_exec(c, "sh", id, &err), -DV_E_CONFLICT);
        box_assert_has(err.msg, cases[i].text);
        assert_string_equal(id, "");
        memset(&err, 0, sizeof(err));
        assert_int_equal(dv_exec_start_check(&b->cs, made, &err), -DV_E_CONFLICT);
        box_assert_has(err.msg, cases[i].text);
    }
}

static void is_told_as_docker_tells_it(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    struct box_events events;
    dv_autofree char *want = NULL, *alone = NULL;
    struct dv_error err;
    char one[65], two[65];

    assert_int_equal(make_exec(c, "sh -c true", one, &err), 0);
    assert_int_equal(make_exec(c, "id", two, &err), 0);
    box_events(b, &events);
    want = dv_format("container exec_create: sh -c true execID=%s", one);
    alone = dv_format("container exec_create: id  execID=%s", two);
    box_assert_has(events.text, want);
    box_assert_has(events.text, alone);
}

static void shows_what_was_asked_for(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    struct dv_exec_view view = { 0 };
    struct dv_error err;
    char id[65];

    box_make(b, "other", DV_RUNNING);
    assert_int_equal(make_exec(c, "ls -l", id, &err), 0);
    assert_int_equal(dv_exec_look(&b->cs, id, &view, &err), 0);
    assert_string_equal(view.id, id);
    assert_string_equal(view.container_id, c->id);
    assert_string_equal(view.cmd.items[1], "-l");
    assert_string_equal(view.user, "");
    assert_true(view.attach_stdout);
    assert_false(view.running || view.has_exit_code);
    dv_exec_view_done(&view);
    assert_int_equal(dv_exec_start_check(&b->cs, id, &err), 0);
    assert_int_equal(dv_exec_look(&b->cs, "nosuch", &view, &err), -DV_E_NOT_FOUND);
    assert_int_equal(dv_exec_start_check(&b->cs, "", &err), -DV_E_NOT_FOUND);
    assert_int_equal(dv_exec_resize(&b->cs, "nosuch", 1, 1, &err), -DV_E_NOT_FOUND);
}

/* Nothing of the container runs here: the exec ended so, and cannot be started again. */
static void a_start_that_fails_is_over(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    struct dv_exec_view view = { 0 };
    struct dv_error err;
    char id[65];

    assert_int_equal(make_exec(c, "sh", id, &err), 0);
    assert_true(dv_exec_start(&b->cs, id, NULL, 0, 0, &err) < 0);
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_exec_look(&b->cs, id, &view, &err), 0);
    assert_true(view.has_exit_code);
    assert_int_equal(view.exit_code, 126);
    dv_exec_view_done(&view);
    assert_int_equal(dv_exec_start_check(&b->cs, id, &err), -DV_E_CONFLICT);
    box_assert_has(err.msg, "is already running");
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_exec_start(&b->cs, id, NULL, 0, 0, &err), -DV_E_CONFLICT);
}

/* Whoever makes execs in a loop must not fill the memory: the oldest that do not run go. */
static void forgets_the_oldest_that_do_not_run(void **state)
{
    enum { KEPT = 256 };
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    char first[65], second[65], id[65];
    struct dv_error err;
    size_t n = 0;

    assert_int_equal(make_exec(c, "first", first, &err), 0);
    c->execs->running = true;
    assert_int_equal(make_exec(c, "second", second, &err), 0);
    for (int i = 0; i < KEPT + 50; i++)
        assert_int_equal(make_exec(c, "x", id, &err), 0);
    for (struct dv_exec *e = c->execs; e; e = e->next)
        n++;
    assert_int_equal(n, KEPT);
    assert_int_equal(dv_exec_start_check(&b->cs, second, &err), -DV_E_NOT_FOUND);
    assert_int_equal(dv_exec_start_check(&b->cs, first, &err), 0);
    assert_int_equal(dv_exec_start_check(&b->cs, id, &err), 0);
}

static void ends_are_recorded_once(void **state)
{
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    struct dv_exec_view view = { 0 };
    struct box_events events;
    struct dv_error err;
    char one[65], two[65];

    assert_int_equal(make_exec(c, "one", one, &err), 0);
    c->execs->started = c->execs->running = true;
    assert_int_equal(make_exec(c, "two", two, &err), 0);
    c->execs->started = c->execs->running = true;
    dv_exec_exited(c, one, 3);
    dv_exec_exited(c, "nosuch", 3);
    dv_lock_take(&c->lock);
    dv_execs_ended(c); /* the container went, and the other with it */
    dv_lock_drop(&c->lock);
    assert_int_equal(dv_exec_look(&b->cs, one, &view, &err), 0);
    assert_int_equal(view.exit_code, 3);
    dv_exec_view_done(&view);
    assert_int_equal(dv_exec_look(&b->cs, two, &view, &err), 0);
    assert_int_equal(view.exit_code, 137);
    dv_exec_view_done(&view);
    box_events(b, &events);
    box_assert_has(events.text, "container exec_die execID=");
    box_assert_has(events.text, " exitCode=3 ");
    assert_null(strstr(events.text, "nosuch"));
}

/* ---- what a shim's STATE says of execs of an earlier davitd ---- */

struct note {
    const char *id, *text;
    int64_t pid, code;               /* -1: none */
};

static void find_execs(struct dv_container *c, const struct note *notes, size_t n)
{
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    struct dv_msg msg;

    dv_msg_begin(&w, 1, 0, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        size_t mark = dv_msg_open(&w, DV_ST_EXEC);

        if (notes[i].id)
            dv_msg_str(&w, DV_ST_EXEC_ID, notes[i].id);
        if (notes[i].text)
            dv_msg_str(&w, DV_ST_NOTE, notes[i].text);
        if (notes[i].pid >= 0)
            dv_msg_u64(&w, DV_ST_PID, (uint64_t)notes[i].pid);
        if (notes[i].code >= 0)
            dv_msg_u64(&w, DV_ST_EXIT_CODE, (uint64_t)notes[i].code);
        dv_msg_close(&w, mark);
    }
    assert_int_equal(dv_msg_end(&w, &err), 0);
    assert_int_equal(dv_msg_parse(w.buf.data, w.buf.len, &msg, &err), 0);
    dv_execs_found(c, &msg);
    dv_msg_done(&w);
}

static void takes_over_what_an_earlier_davitd_started(void **state)
{
    static const char up[] = "1111111111111111111111111111111111111111111111111111111111111111";
    static const char down[] = "2222222222222222222222222222222222222222222222222222222222222222";
    static const char odd[] = "3333333333333333333333333333333333333333333333333333333333333333";
    const struct note notes[] = {
        { up, "{\"in\":true,\"tty\":true,\"user\":\"root\",\"cmd\":[\"sh\",\"-l\"]}", 77, -1 },
        { down, NULL, -1, 9 },
        { odd, "{\"cmd\":7,", 5, -1 },
        { "short", "{}", 1, -1 },
        { NULL, "{}", 1, -1 },
    };
    struct box *b = *state;
    struct dv_container *c = box_make(b, "c", DV_RUNNING);
    struct dv_exec_view view = { 0 };
    struct dv_error err = { 0 };
    size_t n = 0;

    find_execs(c, notes, N(notes));
    for (struct dv_exec *e = c->execs; e; e = e->next)
        n++;
    assert_int_equal(n, 3); /* without an id that could be asked for it is nobody's */
    assert_int_equal(dv_exec_look(&b->cs, up, &view, &err), 0);
    assert_true(view.running && view.tty && view.attach_stdin);
    assert_int_equal(view.pid, 77);
    assert_string_equal(view.user, "root");
    assert_string_equal(view.cmd.items[1], "-l");
    dv_exec_view_done(&view);
    assert_int_equal(dv_exec_look(&b->cs, down, &view, &err), 0);
    assert_true(view.has_exit_code);
    assert_int_equal(view.exit_code, 9);
    dv_exec_view_done(&view);
    assert_int_equal(dv_exec_look(&b->cs, odd, &view, &err), 0);
    assert_true(view.running);
    assert_int_equal(view.cmd.n, 0);
    dv_exec_view_done(&view);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, box_set_up, box_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(only_of_one_that_runs),
        TEST(is_told_as_docker_tells_it),
        TEST(shows_what_was_asked_for),
        TEST(a_start_that_fails_is_over),
        TEST(forgets_the_oldest_that_do_not_run),
        TEST(ends_are_recorded_once),
        TEST(takes_over_what_an_earlier_davitd_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
