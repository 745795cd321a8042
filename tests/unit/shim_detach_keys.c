/* shim_detach_keys.c - tests of core/shim/detach_keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/shim/detach_keys.h"

static const struct {
    const char *keys, *in, *out;   /* OUT without what is held back */
    const char *held;              /* NULL: it detaches */
} cases[] = {
    { "pq", "hello", "hello", "" },
    { "pq", "ppq", "p", NULL },
    { "pq", "pq", "", NULL },
    { "pq", "abpqcd", "ab", NULL },        /* what follows is dropped */
    { "pq", "abp", "ab", "p" },
    { "pq", "px", "px", "" },
    { "q", "xq", "x", NULL },
    { "aab", "aaab", "a", NULL },          /* falls back by one */
    { "abac", "ababac", "ab", NULL },      /* falls back to the border */
    { "abac", "aba", "", "aba" },
    { "abac", "abax", "abax", "" },
    { "aaaa", "aaabaaa", "aaab", "aaa" },
    { "", "pq", "pq", "" },
};

static void run(size_t i, size_t step)
{
    struct dv_keys keys;
    const uint8_t *in = (const uint8_t *)cases[i].in;
    uint8_t out[64 + DV_MAX_DETACH_KEYS];
    size_t left = strlen(cases[i].in), used = 0, n;
    bool detach = false;

    assert_true(dv_keys_set(&keys, cases[i].keys, strlen(cases[i].keys)));
    while (left > 0 && !detach) {
        size_t piece = left < step ? left : step;

        detach = dv_keys_filter(&keys, in, piece, out + used, &n);
        used += n;
        in += piece;
        left -= piece;
    }
    assert_int_equal(detach, cases[i].held == NULL);
    assert_int_equal(used, strlen(cases[i].out));
    assert_memory_equal(out, cases[i].out, used);
    if (detach)
        return;
    n = dv_keys_end(&keys, out);
    assert_int_equal(n, strlen(cases[i].held));
    assert_memory_equal(out, cases[i].held, n);
}

static void finds_the_sequence_wherever_reads_cut_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        for (size_t step = 1; step <= 8; step++)
            run(i, step);
}

static void refuses_a_sequence_that_is_too_long(void **state)
{
    struct dv_keys keys;
    uint8_t seq[DV_MAX_DETACH_KEYS + 1] = { 0 };

    (void)state;
    assert_false(dv_keys_set(&keys, seq, sizeof(seq)));
    assert_true(dv_keys_set(&keys, seq, sizeof(seq) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_sequence_wherever_reads_cut_it),
        cmocka_unit_test(refuses_a_sequence_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
