/* container_seccomp.c - tests of the compiled filters: the built-in one, and the cache of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/container/caps.h"
#include "core/container/seccomp.h"
#include "core/daemon/engine.h"

enum { FILTER_BYTES = 8 };           /* sizeof(struct sock_filter) */

struct test {
    char root[64];
    char libexec[256];
    struct dv_engine_config config;
};

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    if (!t)
        return -1;
    snprintf(t->root, sizeof(t->root), "/tmp/davit-seccomp.XXXXXX");
    if (!mkdtemp(t->root))
        return -1;
    snprintf(t->libexec, sizeof(t->libexec), "%s/bin", TEST_BUILD_DIR);
    t->config.root = t->root;
    t->config.libexec_dir = t->libexec;
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;
    struct dv_error err = { 0 };

    (void)!dv_remove_tree(AT_FDCWD, t->root, &err);
    free(t);
    return 0;
}

static char *filter(struct test *t, uint64_t caps, size_t *n)
{
    struct dv_error err = { 0 };
    char *data = NULL;

    if (dv_seccomp_default(&t->config, caps, &data, n, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(*n > 0 && *n % FILTER_BYTES == 0);
    return data;
}

static void the_usual_one_is_built_in(void **state)
{
    struct test *t = *state;
    dv_autofree char *plain = NULL, *other = NULL;
    char cache[128];
    size_t n, m;

    plain = filter(t, DV_CAPS_DEFAULT, &n);
    other = filter(t, DV_CAPS_DEFAULT & ~UINT64_C(1), &m); /* CHOWN changes no system call */
    assert_int_equal(n, m);
    assert_memory_equal(plain, other, n);
    snprintf(cache, sizeof(cache), "%s/seccomp", t->root);
    assert_int_equal(access(cache, F_OK), -1);
}

static void others_are_compiled_once(void **state)
{
    struct test *t = *state;
    uint64_t caps = DV_CAPS_DEFAULT | UINT64_C(1) << 21;
    dv_autofree char *first = NULL, *again = NULL, *plain = NULL;
    char none[] = "/nonexistent";
    struct dv_error err = { 0 };
    size_t n, m, k;

    first = filter(t, caps, &n);
    plain = filter(t, DV_CAPS_DEFAULT, &k);
    assert_true(n != k || memcmp(first, plain, n) != 0);
    t->config.libexec_dir = none; /* from the cache then */
    again = filter(t, caps, &m);
    assert_int_equal(n, m);
    assert_memory_equal(first, again, n);
    assert_true(dv_seccomp_default(&t->config, DV_CAPS_DEFAULT, &again, &m, &err) < 0);
    dv_error_clear(&err);
    assert_true(dv_seccomp_default(&t->config, caps | UINT64_C(1) << 16, &again, &m, &err) < 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_usual_one_is_built_in),
        TEST(others_are_compiled_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
