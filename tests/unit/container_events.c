/* container_events.c - tests of the event ring: delivery, the past, a restart, its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>

#include "core/base/file.h"
#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/container/events.h"
#include "core/state/db.h"

struct test {
    char dir[64];
    struct dv_db *db;
    struct dv_loop *loop;
    struct dv_events *events;
};
struct heard {
    size_t n;
    char last[64];
    uint64_t last_ns;
    struct dv_subscriber *subscriber;
    bool leave;                      /* after the first */
};

static void open_engine(struct test *t)
{
    struct dv_error err = { 0 };
    char path[128];

    snprintf(path, sizeof(path), "%s/davit.db", t->dir);
    if (dv_db_open(path, &t->db, &err) < 0 || dv_loop_new(&t->loop, &err) < 0 ||
        dv_events_open(t->db, t->loop, &t->events, &err) < 0)
        fail_msg("%s", err.msg);
}

static void stop(void *loop)
{
    dv_loop_stop(loop);
}

static void settle(struct test *t)
{
    struct dv_error err = { 0 };

    for (int i = 0; i < 2; i++) {
        dv_loop_post(t->loop, stop, t->loop);
        assert_int_equal(dv_loop_run(t->loop, &err), 0);
    }
}

static void close_engine(struct test *t)
{
    settle(t);
    dv_events_close(t->events);
    dv_loop_free(t->loop);
    dv_db_close(t->db);
}

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    if (!t)
        return -1;
    snprintf(t->dir, sizeof(t->dir), "/tmp/davit-events.XXXXXX");
    if (!mkdtemp(t->dir))
        return -1;
    open_engine(t);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;
    struct dv_error err = { 0 };

    close_engine(t);
    (void)!dv_remove_tree(AT_FDCWD, t->dir, &err);
    free(t);
    return 0;
}

static void hear(void *arg, const struct dv_event *e)
{
    struct heard *h = arg;

    h->n++;
    h->last_ns = e->time_ns;
    snprintf(h->last, sizeof(h->last), "%s %s %s %s", e->type, e->action, e->actor_id,
             e->values.n ? e->values.items[0] : "-");
    if (h->leave)
        dv_events_unsubscribe(h->subscriber);
}

static void subscribe(struct test *t, uint64_t since_ns, struct heard *h)
{
    struct dv_error err = { 0 };

    assert_int_equal(dv_events_subscribe(t->events, since_ns, hear, h, &h->subscriber, &err), 0);
}

static void emit(struct test *t, const char *action, const char *value)
{
    dv_events_emit(t->events, "container", action, "id", (const char *const[]){ "k", value, NULL });
}

static void tells_what_comes_and_what_was(void **state)
{
    struct test *t = *state;
    struct heard live = { 0 }, all = { 0 }, part = { 0 };
    uint64_t middle;

    emit(t, "create", "1");
    middle = dv_now_ns() + 1;
    while (dv_now_ns() <= middle)
        ;
    subscribe(t, 0, &live);
    emit(t, "start", "2");
    subscribe(t, 1, &all);
    subscribe(t, middle, &part);
    settle(t);
    assert_int_equal(live.n, 1);
    assert_int_equal(all.n, 2);
    assert_int_equal(part.n, 1);
    assert_string_equal(live.last, "container start id 2");
    emit(t, "die", "3");
    settle(t);
    assert_int_equal(live.n, 2);
    assert_string_equal(all.last, "container die id 3");
}

static void one_leaves_while_it_is_told(void **state)
{
    struct test *t = *state;
    struct heard first = { .leave = true }, second = { 0 }, early = { 0 };

    emit(t, "a", "1");
    emit(t, "b", "2");
    subscribe(t, 1, &first);
    subscribe(t, 1, &second);
    subscribe(t, 1, &early);
    dv_events_unsubscribe(early.subscriber); /* before the loop knew it */
    settle(t);
    assert_int_equal(first.n, 1);
    assert_int_equal(second.n, 2);
    assert_int_equal(early.n, 0);
}

static void keeps_the_last_thousand_over_a_restart(void **state)
{
    struct test *t = *state;
    struct heard before = { 0 }, after = { 0 };

    for (int i = 0; i < DV_EVENTS_KEPT + 100; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", i);
        emit(t, "x", text);
    }
    subscribe(t, 1, &before);
    settle(t);
    assert_int_equal(before.n, DV_EVENTS_KEPT);
    close_engine(t);
    open_engine(t);
    subscribe(t, 1, &after);
    settle(t);
    assert_int_equal(after.n, DV_EVENTS_KEPT);
    assert_string_equal(after.last, "container x id 1123");
    assert_int_equal(after.last_ns, before.last_ns);
    emit(t, "y", "new");
    settle(t);
    assert_string_equal(after.last, "container y id new");
}

/* 1,024 events of a container with a megabyte of labels would be a gigabyte. */
static void is_bounded_in_bytes(void **state)
{
    struct test *t = *state;
    struct heard h = { 0 };
    char *label = malloc((1 << 20) + 1);

    assert_non_null(label);
    memset(label, 'l', 1 << 20);
    label[1 << 20] = '\0';
    for (int i = 0; i < 20; i++)
        emit(t, "big", label);
    emit(t, "small", "s");
    subscribe(t, 1, &h);
    settle(t);
    assert_in_range(h.n, 2, 5);
    assert_string_equal(h.last, "container small id s");
    free(label);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tells_what_comes_and_what_was),
        TEST(one_leaves_while_it_is_told),
        TEST(keeps_the_last_thousand_over_a_restart),
        TEST(is_bounded_in_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
