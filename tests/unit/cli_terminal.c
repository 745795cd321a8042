/* cli_terminal.c - unit tests of the client's view of the detach keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/client/terminal.h"

/* The daemon does the detaching; where the client saw it otherwise it would wait for ever. */
static void sees_the_keys_as_the_daemon_does(void **state)
{
    static const struct {
        const char *keys, *typed;
        bool done;
    } rows[] = {
        { "", "\x10\x11", true },     { "", "\x10\x10\x11", true }, { "", "\x10x\x11", false },
        { "", "\x11\x10", false },    { "p,q", "hello", false },    { "p,q", "paste pq rest", true },
        { "a,a,b", "aaab", true },    { "a,b,a,c", "ababac", true }, { "a,b,a,c", "abaabac", true },
        { "a,b,a,c", "abax", false }, { "ctrl-a,b,ctrl-a", "\x01" "b\x01", true },
        { "ctrl-a,b,ctrl-a", "\x01" "bb\x01", false }, { "q", "xq", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t piece = 1; piece < 4; piece++) {
            struct dv_detach detach;
            struct dv_error err = { 0 };
            size_t n = strlen(rows[i].typed);

            assert_int_equal(dv_detach_init(&detach, rows[i].keys, &err), 0);
            for (size_t at = 0; at < n; at += piece)
                dv_detach_feed(&detach, rows[i].typed + at, n - at < piece ? n - at : piece);
            if (detach.done != rows[i].done)
                fail_msg("keys %s, row %zu, pieces of %zu", rows[i].keys, i, piece);
        }
}

static void refuses_what_are_no_keys(void **state)
{
    static const char *const texts[] = { "ctrl-", "ctrl-A", "ab", "ctrl-ab", "a,,b" };
    struct dv_detach detach;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct dv_error err = { 0 };

        assert_int_equal(dv_detach_init(&detach, texts[i], &err), -DV_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_the_keys_as_the_daemon_does),
        cmocka_unit_test(refuses_what_are_no_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
