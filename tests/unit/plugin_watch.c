/* plugin_watch.c - the watchdog over driver calls: deadline, cancel, stuck, and back again. */

#include <pthread.h>

#include "plugin_helper.h"

#include <davit/storage.h>

#include "core/base/time.h"
#include "core/plugin/watch.h"

#define SECOND UINT64_C(1000000000)
enum { LIMIT_NS = 200000000 };

static struct dv_watchdog *dog;
static struct dv_driver *driver;
static const struct dv_storage_ops *ops;

static int open_driver(const char *name)
{
    dv_autofree char *from = dv_format("tests/plugins/%s", name);
    dv_autofree char *to = dv_format("%s.so", name);
    const struct dv_plugin_file file = { .kind = DV_KIND_STORAGE, .name = name,
                                         .path = in_dir(to) };
    struct dv_host_config host = { 0 };
    struct dv_error err = { 0 };

    if (geteuid() != 0)
        return 0;
    copy_plugin(from, to, NULL, NULL);
    host.watchdog = dog = dv_watchdog_new(LIMIT_NS);
    if (dv_driver_open(&file, NULL, &host, &driver, &err) < 0)
        fail_msg("%s", err.msg);
    ops = driver->ops;
    return 0;
}

static int open_good(void **state)
{
    (void)state;
    return open_driver("good");
}

static int open_serial(void **state)
{
    (void)state;
    return open_driver("serial");
}

static int close_driver(void **state)
{
    (void)state;
    if (!driver)
        return 0;
    dv_driver_close(driver);
    dv_watchdog_free(dog);
    driver = NULL;
    return 0;
}

/* Look every 10 ms, for half a minute. */
static bool comes_true(bool (*fn)(void))
{
    uint64_t until = dv_mono_ns() + 30 * SECOND;

    while (!fn())
        if (dv_mono_ns() > until || usleep(10000) < 0)
            return false;
    return true;
}

static bool is_stuck(void)
{
    struct dv_error err = { 0 };

    return dv_calls_stuck(driver->calls, &err);
}

static bool is_free(void)
{
    return !is_stuck();
}

static void a_deadline_cancels(void **state)
{
    struct dv_error err = { 0 };
    dv_autocall c = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_call_begin(&c, driver, "remove", &err), 0);
    assert_true(c.deadline_ns <= dv_mono_ns() + LIMIT_NS);
    assert_int_equal(dv_call_result(&c, ops->remove(driver->self, &c, "until-cancelled")),
                     -DV_E_CANCELED);
    assert_true(dv_mono_ns() >= c.deadline_ns);
}

static void what_does_not_return_is_stuck_until_it_does(void **state)
{
    struct dv_calls_info info;
    struct dv_error err = { 0 };
    struct dv_call c, other = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_call_begin(&c, driver, "prepare", &err), 0);
    assert_true(comes_true(is_stuck));
    assert_true(dv_mono_ns() >= c.deadline_ns + LIMIT_NS); /* the grace is the limit again */
    assert_int_equal(dv_call_begin(&other, driver, "remove", &err), -DV_E_UNAVAILABLE);
    assert_contains(err.msg, "storage driver 'good' is stuck: prepare() has not returned");
    dv_call_done(&other);
    dv_calls_info(driver->calls, &info);
    assert_true(info.stuck && info.under_way == 1);
    dv_call_done(&c);
    assert_true(comes_true(is_free));
    assert_int_equal(dv_call_begin(&other, driver, "remove", &err), 0);
    dv_call_done(&other);
}

static void progress_is_a_sign_of_life(void **state)
{
    struct dv_error err = { 0 };
    dv_autocall c = { 0 };
    uint64_t before;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_call_begin(&c, driver, "prepare", &err), 0);
    assert_true(comes_true(is_stuck));
    before = c.deadline_ns;
    driver->host->progress(&c, "layer", 1, 2);
    assert_true(c.deadline_ns > before + 2 * (uint64_t)LIMIT_NS);
    assert_true(comes_true(is_free));
}

static void long_calls_have_longer(void **state)
{
    struct dv_error err = { 0 };
    dv_autocall c = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_call_begin(&c, driver, "recover", &err), 0);
    dv_call_long(&c);
    assert_true(c.deadline_ns > dv_mono_ns() + 8 * (uint64_t)LIMIT_NS);
    dv_call_next(&c, "recover");
    assert_true(c.deadline_ns > dv_mono_ns() + 8 * (uint64_t)LIMIT_NS);
}

static void *wait_for_turn(void *arg)
{
    struct dv_error err = { 0 };
    dv_autocall c = { 0 };

    *(int *)arg = dv_call_begin(&c, driver, "remove", &err);
    return NULL;
}

static void who_waits_behind_a_stuck_call_is_told(void **state)
{
    struct dv_error err = { 0 };
    pthread_t thread;
    struct dv_call c;
    int result = 1;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_call_begin(&c, driver, "prepare", &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_turn, &result), 0);
    pthread_join(thread, NULL);
    assert_int_equal(result, -DV_E_UNAVAILABLE);
    dv_call_done(&c);
}

static bool has_complaint(void)
{
    struct dv_calls_info info;

    dv_calls_info(driver->calls, &info);
    return info.complaint[0] != '\0';
}

static void a_descriptor_left_by_a_call_is_named(void **state)
{
    struct dv_calls_info info;
    struct dv_error err = { 0 };
    struct dv_call c;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_call_begin(&c, driver, "remove", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->remove(driver->self, &c, "leak")), 0);
    dv_call_done(&c);
    assert_true(comes_true(has_complaint));
    dv_calls_info(driver->calls, &info);
    assert_contains(info.complaint, "(/etc/passwd) open without close-on-exec");
    assert_int_equal(info.total, 2); /* init() and this one */
}

/* More calls at once than there are slots: the rest goes unwatched, and nothing is lost. */
static void many_calls_at_once(void **state)
{
    struct dv_error err = { 0 };
    struct dv_call calls[100] = { 0 };
    struct dv_calls_info info;

    (void)state;
    NEEDS_ROOT();
    for (size_t i = 0; i < N(calls); i++)
        assert_int_equal(dv_call_begin(&calls[i], driver, "stat", &err), 0);
    dv_calls_info(driver->calls, &info);
    assert_int_equal(info.under_way, 64);
    for (size_t i = 0; i < N(calls); i++)
        dv_call_done(&calls[i]);
    dv_calls_info(driver->calls, &info);
    assert_int_equal(info.under_way, 0);
}

int main(void)
{
#define T(fn, open) cmocka_unit_test_setup_teardown(fn, open, close_driver)
    const struct CMUnitTest tests[] = {
        T(a_deadline_cancels, open_good),
        T(what_does_not_return_is_stuck_until_it_does, open_good),
        T(progress_is_a_sign_of_life, open_good),
        T(long_calls_have_longer, open_good),
        T(who_waits_behind_a_stuck_call_is_told, open_serial),
        T(a_descriptor_left_by_a_call_is_named, open_good),
        T(many_calls_at_once, open_good),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
