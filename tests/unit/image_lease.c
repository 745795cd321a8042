/* image_lease.c - tests of the leases of writable layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/time.h"
#include "core/image/lease.h"

#define A "aaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbb"

enum { THREADS = 8, ROUNDS = 2000 };

static struct dv_leases *leases;
static struct dv_error err;

static int set_up(void **state)
{
    (void)state;
    memset(&err, 0, sizeof(err));
    return dv_leases_new(&leases, &err);
}

static int tear_down(void **state)
{
    (void)state;
    dv_leases_free(leases);
    return 0;
}

static int take(const char *id, enum dv_lease_use use)
{
    dv_error_clear(&err);
    return dv_lease_take(leases, id, use, 0, &err);
}

static void writers_exclude_everybody(void **state)
{
    (void)state;
    assert_int_equal(take(A, DV_LEASE_RUN), 0);
    assert_int_equal(take(A, DV_LEASE_RUN), -DV_E_CONFLICT);
    assert_int_equal(take(A, DV_LEASE_COPY_UP), -DV_E_CONFLICT);
    assert_int_equal(take(A, DV_LEASE_REMOVE), -DV_E_CONFLICT);
    assert_int_equal(take(B, DV_LEASE_RUN), 0);
    dv_lease_drop(leases, A, DV_LEASE_RUN);
    assert_int_equal(take(A, DV_LEASE_REMOVE), 0);
    assert_int_equal(take(A, DV_LEASE_RUN), -DV_E_CONFLICT);
}

static void readers_go_together(void **state)
{
    (void)state;
    assert_int_equal(take(A, DV_LEASE_COPY_UP), 0);
    assert_int_equal(take(A, DV_LEASE_COPY_UP), 0);
    dv_lease_drop(leases, A, DV_LEASE_COPY_UP);
    assert_int_equal(take(A, DV_LEASE_RUN), -DV_E_CONFLICT);
    dv_lease_drop(leases, A, DV_LEASE_COPY_UP);
    assert_int_equal(take(A, DV_LEASE_RUN), 0);
}

static void a_refusal_names_the_holder(void **state)
{
    (void)state;
    assert_int_equal(take(A, DV_LEASE_RUN), 0);
    assert_int_equal(take(A, DV_LEASE_REMOVE), -DV_E_CONFLICT);
    assert_string_equal(err.msg, "the writable layer of container aaaaaaaaaaaa is in use by the "
                                 "running container: stop it first");
    assert_int_equal(take(B, DV_LEASE_COPY_UP), 0);
    assert_int_equal(take(B, DV_LEASE_RUN), -DV_E_CONFLICT);
    assert_non_null(strstr(err.msg, "the copy of its files into a volume"));
}

static void a_drop_without_a_lease_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(take(A, DV_LEASE_RUN), 0);
    dv_lease_drop(leases, A, DV_LEASE_COPY_UP);
    dv_lease_drop(leases, B, DV_LEASE_RUN);
    assert_true(dv_lease_held(leases, A, DV_LEASE_RUN));
}

static void a_change_leaves_no_gap(void **state)
{
    (void)state;
    assert_int_equal(take(A, DV_LEASE_RUN), 0);
    dv_lease_change(leases, A, DV_LEASE_RUN, DV_LEASE_REMOVE);
    dv_lease_drop(leases, A, DV_LEASE_RUN);
    assert_int_equal(take(A, DV_LEASE_COPY_UP), -DV_E_CONFLICT);
    dv_lease_drop(leases, A, DV_LEASE_REMOVE);
    assert_int_equal(take(A, DV_LEASE_COPY_UP), 0);
}

static void held_tells_what_a_holder_may_do(void **state)
{
    (void)state;
    assert_false(dv_lease_held(leases, A, DV_LEASE_COPY_UP));
    assert_int_equal(take(A, DV_LEASE_COPY_UP), 0);
    assert_true(dv_lease_held(leases, A, DV_LEASE_COPY_UP));
    assert_false(dv_lease_held(leases, A, DV_LEASE_RUN)); /* a reader may not write */
    dv_lease_drop(leases, A, DV_LEASE_COPY_UP);
    assert_int_equal(take(A, DV_LEASE_RUN), 0);
    assert_true(dv_lease_held(leases, A, DV_LEASE_COPY_UP)); /* a writer may read */
    assert_false(dv_lease_held(leases, B, DV_LEASE_RUN));
}

static void a_wait_ends_in_time(void **state)
{
    uint64_t begun = dv_mono_ns();

    (void)state;
    assert_int_equal(take(A, DV_LEASE_RUN), 0);
    assert_int_equal(dv_lease_take(leases, A, DV_LEASE_RUN, 20000000, &err), -DV_E_CONFLICT);
    assert_true(dv_mono_ns() - begun >= 20000000);
}

static atomic_int inside, most;

/* Every thread gets its turns, and none has company. */
static void *use_it(void *arg)
{
    intptr_t failed = 0;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct dv_error own = { 0 };

        if (dv_lease_take(leases, A, DV_LEASE_RUN, UINT64_C(30000000000), &own) < 0) {
            failed++;
            continue;
        }
        if (atomic_fetch_add(&inside, 1) > 0)
            atomic_store(&most, 2);
        atomic_fetch_sub(&inside, 1);
        dv_lease_drop(leases, A, DV_LEASE_RUN);
    }
    return (void *)failed;
}

static void many_threads_take_turns(void **state)
{
    pthread_t threads[THREADS];
    void *failed;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_it, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(atomic_load(&most), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writers_exclude_everybody),
        TEST(readers_go_together),
        TEST(a_refusal_names_the_holder),
        TEST(a_drop_without_a_lease_is_nothing),
        TEST(a_change_leaves_no_gap),
        TEST(held_tells_what_a_holder_may_do),
        TEST(a_wait_ends_in_time),
        TEST(many_threads_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
