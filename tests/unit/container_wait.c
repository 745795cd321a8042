/* container_wait.c - tests of waiters, followers, operations and the table, on bare containers. */
#include "container_box.h"

struct answer {
    int n;
    int64_t code;
    char error[64];
    bool ended;
};

static void on_wait(void *arg, int64_t code, const char *error)
{
    struct answer *a = arg;

    a->n++;
    a->code = code;
    snprintf(a->error, sizeof(a->error), "%s", error ? error : "");
}

static struct dv_waiter *wait_for(struct dv_container *c, enum dv_wait_for cond, struct answer *a)
{
    struct dv_waiter *w;
    struct dv_error err = { 0 };

    assert_int_equal(dv_container_wait(c, cond, on_wait, a, &w, &err), 0);
    return w;
}

static void reach(struct dv_container *c, enum dv_status status, enum dv_wait_for what)
{
    dv_lock_take(&c->lock);
    c->status = status;
    c->exit_code = 7;
    dv_waiters_fire(c, what);
    dv_followers_end(c);
    dv_lock_drop(&c->lock);
}

static void waits_for_the_exit_or_the_removal(void **state)
{
    struct box *t = *state;
    struct dv_container *c = box_make(t, "up", DV_RUNNING);
    struct answer down = { 0 }, next = { 0 }, removed = { 0 }, late = { 0 }, left = { 0 };

    wait_for(c, DV_WAIT_NOT_RUNNING, &down);
    wait_for(c, DV_WAIT_NEXT_EXIT, &next);
    wait_for(c, DV_WAIT_REMOVED, &removed);
    dv_waiter_cancel(&t->cs, wait_for(c, DV_WAIT_NEXT_EXIT, &left));
    box_settle(t);
    assert_int_equal(down.n + next.n + removed.n, 0);
    reach(c, DV_EXITED, DV_WAIT_NEXT_EXIT);
    box_settle(t);
    assert_int_equal(down.n, 1);
    assert_int_equal(down.code, 7);
    assert_int_equal(next.n, 1);
    assert_int_equal(removed.n, 0);
    wait_for(c, DV_WAIT_NOT_RUNNING, &late);
    box_settle(t);
    assert_int_equal(late.n, 1);
    reach(c, DV_DEAD, DV_WAIT_REMOVED);
    box_settle(t);
    assert_int_equal(removed.n, 1);
    assert_int_equal(left.n, 0);
    dv_waiter_cancel(&t->cs, NULL);
}

static void is_cancelled_between_exit_and_delivery(void **state)
{
    struct box *t = *state;
    struct dv_container *c = box_make(t, "up", DV_RUNNING);
    struct answer a = { 0 }, failed = { 0 };
    struct dv_waiter *w = wait_for(c, DV_WAIT_NEXT_EXIT, &a);

    wait_for(c, DV_WAIT_NEXT_EXIT, &failed);
    c->error = dv_strdup("why");
    reach(c, DV_EXITED, DV_WAIT_NEXT_EXIT);
    dv_waiter_cancel(&t->cs, w);
    box_settle(t);
    assert_int_equal(a.n, 0);
    assert_string_equal(failed.error, "why");
}

static void of_a_removed_one_answers_at_once(void **state)
{
    struct box *t = *state;
    struct dv_container *c = box_make(t, "gone", DV_DEAD);
    struct answer next = { 0 }, removed = { 0 };

    c->removed = true;
    wait_for(c, DV_WAIT_NEXT_EXIT, &next);
    wait_for(c, DV_WAIT_REMOVED, &removed);
    box_settle(t);
    assert_int_equal(next.n, 1);
    assert_int_equal(removed.n, 1);
}

static void on_change(void *arg, bool ended)
{
    struct answer *a = arg;

    a->n += !ended;
    a->ended = a->ended || ended;
}

static void write_log(struct box *t, struct dv_container *c)
{
    char path[300];
    int fd;

    snprintf(path, sizeof(path), "%s/%s/log", t->dir, c->id);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "x\n", 2), 2);
    close(fd);
}

static void all_followers_are_told(void **state)
{
    enum { MANY = 100 };
    struct box *t = *state;
    struct dv_container *c = box_make(t, "up", DV_RUNNING), *other = box_make(t, "other", DV_RUNNING);
    struct answer a[MANY] = { 0 }, elsewhere = { 0 }, ended = { 0 };
    struct dv_follower *f[MANY], *g;
    struct dv_error err = { 0 };

    for (int i = 0; i < MANY; i++)
        assert_int_equal(dv_container_follow(c, on_change, &a[i], &f[i], &err), 0);
    assert_int_equal(dv_container_follow(other, on_change, &elsewhere, &g, &err), 0);
    write_log(t, c);
    box_settle(t);
    for (int i = 0; i < MANY; i++)
        assert_true(a[i].n > 0);
    assert_int_equal(elsewhere.n, 0);
    dv_follower_cancel(&t->cs, f[0]);
    reach(c, DV_EXITED, DV_WAIT_NEXT_EXIT);
    dv_follower_cancel(&t->cs, f[1]); /* its end is on the way */
    box_settle(t);
    assert_false(a[0].ended);
    assert_false(a[1].ended);
    for (int i = 2; i < MANY; i++)
        assert_true(a[i].ended);
    assert_int_equal(dv_container_follow(c, on_change, &ended, &f[0], &err), 0);
    box_settle(t);
    assert_true(ended.ended);
    dv_follower_cancel(&t->cs, g);
}

static void *begin(void *arg)
{
    struct dv_container *c = arg;
    struct dv_error err = { 0 };
    int r = dv_op_begin(c, "second", &err);

    if (r == 0)
        dv_op_end(c);
    return (void *)(intptr_t)r;
}

static void operations_take_turns(void **state)
{
    struct box *t = *state;
    struct dv_container *c = box_make(t, "c", DV_CREATED);
    struct dv_error err = { 0 };
    pthread_t thread;
    void *r;

    assert_int_equal(dv_op_begin(c, "first", &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, begin, c), 0);
    dv_op_end(c);
    pthread_join(thread, &r);
    assert_int_equal((intptr_t)r, 0);

    assert_int_equal(dv_op_begin(c, "removal", &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, begin, c), 0);
    dv_lock_take(&c->lock);
    c->removed = true;
    dv_lock_drop(&c->lock);
    dv_op_end(c);
    pthread_join(thread, &r);
    assert_int_equal((intptr_t)r, -DV_E_NOT_FOUND);
}

static int get(struct box *t, const char *name, struct dv_container *want)
{
    struct dv_container *c = NULL;
    struct dv_error err = { 0 };
    int r = dv_container_get(&t->cs, name, &c, &err);

    if (r == 0 && want)
        assert_ptr_equal(c, want);
    dv_container_unref(c);
    return r;
}

static void finds_by_id_name_and_prefix(void **state)
{
    struct box *t = *state;
    struct dv_container *a = box_make(t, "one", DV_CREATED), *b = box_make(t, "two", DV_CREATED);
    char prefix[DV_ID_BYTES];

    assert_int_equal(get(t, a->id, a), 0);
    assert_int_equal(get(t, "/two", b), 0);
    snprintf(prefix, sizeof(prefix), "%.12s", b->id);
    assert_int_equal(get(t, prefix, b), 0);
    assert_int_equal(get(t, "", NULL), -DV_E_NOT_FOUND);
    assert_int_equal(get(t, "tw", NULL), -DV_E_NOT_FOUND);
    memcpy(b->id, a->id, 4); /* so that a prefix fits both */
    snprintf(prefix, sizeof(prefix), "%.4s", a->id);
    assert_int_equal(get(t, prefix, NULL), -DV_E_INVALID);
}

/* A name is taken from the insertion on; who asks for it finds it when the creation is through. */
static void one_in_creation_keeps_its_name(void **state)
{
    struct box *t = *state;
    struct dv_container *c = box_make(t, "new", DV_CREATED), *other, **list;
    struct dv_container_counts counts;
    struct dv_error err = { 0 };
    size_t n;

    c->published = false;
    assert_int_equal(get(t, "new", NULL), -DV_E_NOT_FOUND);
    assert_int_equal(get(t, c->id, NULL), -DV_E_NOT_FOUND);
    n = dv_container_list(&t->cs, &list);
    free(list);
    assert_int_equal(n, 0);
    dv_containers_count(&t->cs, &counts);
    assert_int_equal(counts.total, 0);
    other = dv_container_new(&t->cs, "x");
    other->name = dv_strdup("new");
    assert_int_equal(dv_containers_insert(&t->cs, other, &err), -DV_E_CONFLICT);
    assert_non_null(strstr(err.msg, "The container name \"/new\" is already in use"));
    dv_container_unref(other);
    dv_containers_publish(&t->cs, c);
    assert_int_equal(get(t, "new", c), 0);
}

static int rename_to(struct dv_container *c, const char *name)
{
    struct dv_error err = { 0 };

    return dv_container_rename(c, name, &err);
}

static void renames(void **state)
{
    struct box *t = *state;
    struct dv_container *a = box_make(t, "one", DV_CREATED);

    box_make(t, "two", DV_CREATED);
    assert_int_equal(rename_to(a, "two"), -DV_E_CONFLICT);
    assert_int_equal(rename_to(a, "one"), -DV_E_INVALID);
    assert_int_equal(rename_to(a, "../x"), -DV_E_INVALID);
    assert_string_equal(a->name, "one");
    assert_int_equal(rename_to(a, "/three"), 0);
    assert_string_equal(a->name, "three");
    assert_int_equal(get(t, "three", a), 0);
    assert_int_equal(get(t, "one", NULL), -DV_E_NOT_FOUND);
    a->removed = true;
    assert_int_equal(rename_to(a, "four"), -DV_E_NOT_FOUND);
}

/* Refused before anything is begun: row, state and operation are as they were. */
static void a_leased_layer_refuses_start_and_removal(void **state)
{
    struct box *t = *state;
    struct dv_container *c = box_make(t, "web", DV_EXITED);
    struct dv_error err = { 0 };

    assert_int_equal(dv_lease_take(t->engine.leases, c->id, DV_LEASE_COPY_UP, 0, &err), 0);
    assert_int_equal(dv_container_start(c, &err), -DV_E_CONFLICT);
    assert_non_null(strstr(err.msg, "cannot start container web"));
    assert_non_null(strstr(err.msg, "the copy of its files into a volume"));
    dv_error_clear(&err);
    assert_int_equal(dv_container_remove(c, true, false, &err), -DV_E_CONFLICT);
    assert_non_null(strstr(err.msg, "cannot remove container web"));
    assert_int_equal(c->status, DV_EXITED);
    assert_int_equal(c->generation, 0);
    assert_false(c->removed);
    assert_null(c->error);
    assert_null(c->busy);
    assert_false(dv_lease_held(t->engine.leases, c->id, DV_LEASE_RUN));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, box_set_up, box_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_leased_layer_refuses_start_and_removal),
        TEST(waits_for_the_exit_or_the_removal),
        TEST(is_cancelled_between_exit_and_delivery),
        TEST(of_a_removed_one_answers_at_once),
        TEST(all_followers_are_told),
        TEST(operations_take_turns),
        TEST(finds_by_id_name_and_prefix),
        TEST(one_in_creation_keeps_its_name),
        TEST(renames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
