/* container_caps.c - tests of capability names and of the set that a container gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/container/caps.h"

enum { CHOWN = 0, NET_ADMIN = 12, SYS_ADMIN = 21, MKNOD = 27, CHECKPOINT_RESTORE = 40 };
#define BIT(n) (UINT64_C(1) << (n))
#define ALL ((UINT64_C(1) << 41) - 1)

static void names_and_numbers_fit(void **state)
{
    (void)state;
    assert_int_equal(dv_cap_parse("CAP_CHOWN"), CHOWN);
    assert_int_equal(dv_cap_parse("net_admin"), NET_ADMIN);
    assert_int_equal(dv_cap_parse("cap_sys_admin"), SYS_ADMIN);
    assert_int_equal(dv_cap_parse("CHECKPOINT_RESTORE"), CHECKPOINT_RESTORE);
    assert_int_equal(dv_cap_parse("CAP_"), -1);
    assert_int_equal(dv_cap_parse(""), -1);
    assert_int_equal(dv_cap_parse("ALL"), -1);
    for (int i = 0; i <= CHECKPOINT_RESTORE; i++)
        assert_int_equal(dv_cap_parse(dv_cap_name(i)), i);
    assert_null(dv_cap_name(-1));
    assert_null(dv_cap_name(CHECKPOINT_RESTORE + 1));
}

static void follows_dockers_rule(void **state)
{
    static const struct {
        bool privileged;
        const char *add, *drop;
        uint64_t want;
    } rows[] = {
        { false, NULL, NULL, DV_CAPS_DEFAULT },
        { true, NULL, "ALL", ALL },
        { false, "NET_ADMIN", NULL, DV_CAPS_DEFAULT | BIT(NET_ADMIN) },
        { false, NULL, "mknod", DV_CAPS_DEFAULT & ~BIT(MKNOD) },
        { false, "CAP_MKNOD", "MKNOD", DV_CAPS_DEFAULT },
        { false, "ALL", NULL, ALL },
        { false, "all", "SYS_ADMIN", ALL & ~BIT(SYS_ADMIN) },
        { false, NULL, "ALL", 0 },
        { false, "CHOWN", "all", BIT(CHOWN) },
    };
    uint64_t host = dv_caps_of_host();

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        dv_autostrv add = { 0 }, drop = { 0 };
        uint64_t lacking = 1, got;

        if (rows[i].add)
            assert_int_equal(dv_strv_add(&add, rows[i].add), 0);
        if (rows[i].drop)
            assert_int_equal(dv_strv_add(&drop, rows[i].drop), 0);
        got = dv_caps_compute(rows[i].privileged, &add, &drop, &lacking);
        if (got != (rows[i].want & host) || lacking != (rows[i].want & ~host))
            fail_msg("row %zu: %#lx, lacking %#lx", i, (unsigned long)got, (unsigned long)lacking);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_fit),
        cmocka_unit_test(follows_dockers_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
