/* base_undo.c - unit tests of core/base/undo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/undo.h"

static char trace[32];

static void note(void *arg)
{
    size_t n = strlen(trace);

    trace[n] = *(const char *)arg;
    trace[n + 1] = 0;
    errno = ENOENT; /* as a step that finds nothing to undo would */
}

static int operation(size_t n_steps, bool ok)
{
    static char names[] = "abcdefghijklmnop";
    dv_autoundo undo = {0};

    trace[0] = 0;
    for (size_t i = 0; i < n_steps; i++)
        dv_undo_push(&undo, note, &names[i]);
    if (ok)
        dv_undo_commit(&undo);
    errno = EIO;
    return ok ? 0 : -1;
}

static void undoes_the_last_step_first(void **state)
{
    (void)state;
    assert_int_equal(operation(3, false), -1);
    assert_string_equal(trace, "cba");
    assert_int_equal(operation(16, false), -1); /* as many as there is room for */
    assert_string_equal(trace, "ponmlkjihgfedcba");
}

static void forgets_them_after_success(void **state)
{
    (void)state;
    assert_int_equal(operation(3, true), 0);
    assert_string_equal(trace, "");
}

static void leaves_the_errno_of_the_failure(void **state)
{
    (void)state;
    operation(2, false);
    assert_int_equal(errno, EIO);
}

static void runs_a_step_once(void **state)
{
    static char name = 'x';
    struct dv_undo undo = {0};

    (void)state;
    trace[0] = 0;
    dv_undo_push(&undo, note, &name);
    dv_undo_run(&undo);
    dv_undo_run(&undo);
    assert_string_equal(trace, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undoes_the_last_step_first),
        cmocka_unit_test(forgets_them_after_success),
        cmocka_unit_test(leaves_the_errno_of_the_failure),
        cmocka_unit_test(runs_a_step_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
