/* container_restart.c - tests of restart policies' rules and their back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/container/restart.h"

#define MS UINT64_C(1000000)

static void doubles_up_to_a_minute(void **state)
{
    uint64_t delay = 0;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        delay = dv_restart_delay(delay, 5 * MS);
        assert_int_equal(delay, (100 << i) * MS);
    }
    assert_int_equal(dv_restart_delay(delay, 5 * MS), 60000 * MS);
    assert_int_equal(dv_restart_delay(60000 * MS, 9999 * MS), 60000 * MS);
}

static void begins_anew_after_ten_seconds_of_running(void **state)
{
    (void)state;
    assert_int_equal(dv_restart_delay(60000 * MS, 10000 * MS), 100 * MS);
    assert_int_equal(dv_restart_delay(400 * MS, 9999 * MS), 800 * MS);
}

static void wants_what_the_policy_says(void **state)
{
    static const struct {
        enum dv_restart_policy policy;
        int64_t max, exit_code, count;
        bool stopped, wanted;
    } rows[] = {
        { DV_RESTART_NO, 0, 1, 0, false, false },
        { DV_RESTART_ALWAYS, 0, 0, 9999, false, true },
        { DV_RESTART_ALWAYS, 0, 0, 0, true, true }, /* at the daemon's start */
        { DV_RESTART_UNLESS_STOPPED, 0, 0, 0, false, true },
        { DV_RESTART_UNLESS_STOPPED, 0, 1, 0, true, false },
        { DV_RESTART_ON_FAILURE, 0, 0, 0, false, false },
        { DV_RESTART_ON_FAILURE, 0, 1, 9999, false, true },
        { DV_RESTART_ON_FAILURE, 2, 1, 1, false, true },
        { DV_RESTART_ON_FAILURE, 2, 1, 2, false, false },
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++)
        assert_int_equal(dv_restart_wanted(rows[i].policy, rows[i].max, rows[i].exit_code,
                                           rows[i].count, rows[i].stopped),
                         rows[i].wanted);
}

static void parses_names_and_refuses_the_rest(void **state)
{
    static const struct {
        const char *name;
        int64_t max;
        int policy; /* -1: refused */
        const char *says;
    } rows[] = {
        { NULL, 0, DV_RESTART_NO, NULL },
        { "", 0, DV_RESTART_NO, NULL },
        { "no", 0, DV_RESTART_NO, NULL },
        { "always", 0, DV_RESTART_ALWAYS, NULL },
        { "unless-stopped", 0, DV_RESTART_UNLESS_STOPPED, NULL },
        { "on-failure", 0, DV_RESTART_ON_FAILURE, NULL },
        { "on-failure", 7, DV_RESTART_ON_FAILURE, NULL },
        { "Always", 0, -1, "unknown policy 'Always'" },
        { "always", 1, -1, "can only be used with 'on-failure'" },
        { "no", -1, -1, "can only be used with 'on-failure' and cannot be negative" },
        { "on-failure", -1, -1, "maximum retry count cannot be negative" },
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        enum dv_restart_policy policy = DV_RESTART_NO;
        struct dv_error err = { 0 };
        int r = dv_restart_parse(rows[i].name, rows[i].max, &policy, &err);

        assert_int_equal(r, rows[i].policy < 0 ? -DV_E_INVALID : 0);
        if (r == 0)
            assert_int_equal(policy, rows[i].policy);
        else
            assert_non_null(strstr(err.msg, rows[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_up_to_a_minute),
        cmocka_unit_test(begins_anew_after_ten_seconds_of_running),
        cmocka_unit_test(wants_what_the_policy_says),
        cmocka_unit_test(parses_names_and_refuses_the_rest),
    };

    return cmocka_run_group_tests_name("container_restart", tests, NULL, NULL);
}
