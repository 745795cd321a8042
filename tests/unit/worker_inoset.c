/* worker_inoset.c - unit tests of core/worker/inoset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/worker/inoset.h"

static void holds_what_was_added_and_nothing_else(void **state)
{
    struct dv_inoset set = {0};

    (void)state;
    assert_false(dv_inoset_has(&set, 1)); /* an empty one has no slots yet */
    for (uint64_t ino = 1; ino < 20000; ino += 2)
        assert_int_equal(dv_inoset_add(&set, ino << 12),
                         0); /* as a file system that counts in blocks */
    assert_int_equal(set.n, 10000);
    for (uint64_t ino = 1; ino < 20000; ino++)
        assert_int_equal(dv_inoset_has(&set, ino << 12), ino % 2);
    assert_true(set.n * 2 <= set.cap);
    dv_inoset_done(&set);
}

static void counts_one_inode_once(void **state)
{
    struct dv_inoset set = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(dv_inoset_add(&set, UINT64_MAX), 0);
    assert_int_equal(set.n, 1);
    assert_true(dv_inoset_has(&set, UINT64_MAX));
    dv_inoset_done(&set);
    assert_false(dv_inoset_has(&set, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_added_and_nothing_else),
        cmocka_unit_test(counts_one_inode_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
