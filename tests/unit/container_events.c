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

static void keeps_each_of_a_few_over_restarts(void **state)
{
    struct test *t = *state;

    for (size_t i = 1; i <= 3; i++) {
        struct heard h = { 0 };
        char text[64];

        emit(t, "x", "k");
        close_engine(t);
        open_engine(t);
        snprintf(text, sizeof(text), "%zu", i);
        emit(t, "y", text);
        subscribe(t, 1, &h);
        settle(t);
        assert_int_equal(h.n, 2 * i);
        snprintf(text, sizeof(text), "container y id %zu", i);
        assert_string_equal(h.last, text);
        dv_events_unsubscribe(h.subscriber);
        close_engine(t);
        open_engine(t);
    }
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

/* One attribute of any length from none to more than one block of the ring holds, and labels before it. */
static void emit_numbered(struct test *t, unsigned number)
{
    size_t n = number * 7919u % 20011u;
    dv_autofree char *text = malloc(n + 1);
    char name[16];

    assert_non_null(text);
    memset(text, 'a' + (int)(number % 26), n);
    text[n] = '\0';
    snprintf(name, sizeof(name), "%u", number);
    dv_events_emit(t->events, "container", number % 2 ? "odd" : "", name,
                   (const char *const[]){ "", "", "number", name, "text", text, NULL });
}

struct reader {
    unsigned first, next;
    size_t n;
};

static void read_numbered(void *arg, const struct dv_event *e)
{
    struct reader *r = arg;
    unsigned number = (unsigned)strtoul(e->actor_id, NULL, 10);
    const char *text;

    if (r->n++ == 0)
        r->first = number;
    else
        assert_true(number >= r->next);
    r->next = number + 1;
    assert_string_equal(e->type, "container");
    assert_string_equal(e->action, number % 2 ? "odd" : "");
    assert_int_equal(e->keys.n, 3);
    assert_int_equal(e->values.n, 3);
    assert_null(e->keys.items[3]);
    assert_null(e->values.items[3]);
    assert_string_equal(e->keys.items[0], "");
    assert_string_equal(e->keys.items[2], "text");
    assert_string_equal(e->values.items[1], e->actor_id);
    text = e->values.items[2];
    assert_int_equal(strlen(text), number * 7919u % 20011u);
    for (; *text; text++)
        assert_int_equal(*text, 'a' + (int)(number % 26));
}

/* How many they are, up to the number END. */
static size_t read_all(struct test *t, unsigned end, bool gaps)
{
    struct reader r = { 0 };
    struct dv_subscriber *s;
    struct dv_error err = { 0 };

    assert_int_equal(dv_events_subscribe(t->events, 1, read_numbered, &r, &s, &err), 0);
    settle(t);
    dv_events_unsubscribe(s);
    assert_int_equal(r.next, end);
    assert_true(gaps || r.n == end - r.first);
    return r.n;
}

static void keeps_every_byte_of_events_of_any_size(void **state)
{
    struct test *t = *state;
    unsigned number = 0;
    size_t n;

    for (unsigned round = 1; round <= 6; round++) {
        while (number < round * 500)
            emit_numbered(t, number++);
        n = read_all(t, number, false);
        assert_in_range(n, 300, DV_EVENTS_KEPT); /* 4 MB of 10 KB each */
    }
    close_engine(t);
    open_engine(t);
    /* Those that went before they were stored are missing, and make room for older ones. */
    assert_true(read_all(t, number, true) >= n);
}

static int write_mark(void *db, struct dv_error *err)
{
    return dv_db_exec(db, err, "INSERT INTO meta (key, value) VALUES ('mark', '1')", "");
}

static int write_and_refuse(void *db, struct dv_error *err)
{
    assert_int_equal(write_mark(db, err), 0);
    return dv_fail(err, DV_E_INTERNAL, "refused");
}

static int take_number(void *arg, sqlite3_stmt *row)
{
    *(int *)arg = sqlite3_column_int(row, 0);
    return 0;
}

/* Events in the database, and marks. */
static void assert_rows(struct test *t, int events, int marks)
{
    struct dv_error err = { 0 };
    int n[2] = { -1, -1 };

    assert_int_equal(dv_db_query(t->db, take_number, &n[0], &err, "SELECT count(*) FROM events", ""),
                     0);
    assert_int_equal(dv_db_query(t->db, take_number, &n[1], &err,
                                 "SELECT count(*) FROM meta WHERE key = 'mark'", ""),
                     0);
    assert_int_equal(n[0], events);
    assert_int_equal(n[1], marks);
}

static void keeps_an_event_and_what_goes_with_it_or_neither(void **state)
{
    struct test *t = *state;
    struct dv_error err = { 0 };

    dv_events_emit(t->events, "container", "oom", "id", NULL);
    assert_rows(t, 0, 0);
    assert_int_equal(dv_events_store(t->events, write_and_refuse, t->db, &err), -DV_E_INTERNAL);
    assert_rows(t, 0, 0);
    dv_error_clear(&err);
    assert_int_equal(dv_events_store(t->events, write_mark, t->db, &err), 0);
    assert_rows(t, 1, 1);
    assert_int_equal(dv_events_store(t->events, NULL, NULL, &err), 0);
    assert_rows(t, 1, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tells_what_comes_and_what_was),
        TEST(one_leaves_while_it_is_told),
        TEST(keeps_the_last_thousand_over_a_restart),
        TEST(keeps_an_event_and_what_goes_with_it_or_neither),
        TEST(keeps_each_of_a_few_over_restarts),
        TEST(is_bounded_in_bytes),
        TEST(keeps_every_byte_of_events_of_any_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
