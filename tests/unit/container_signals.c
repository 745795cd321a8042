/* container_signals.c - tests of signal names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>

#include "core/base/str.h"
#include "core/container/signals.h"

static void reads_what_docker_reads(void **state)
{
    static const struct {
        const char *text;
        int number;
    } rows[] = {
        { "TERM", SIGTERM },   { "SIGTERM", SIGTERM }, { "sigterm", SIGTERM }, { "15", 15 },
        { "kill", SIGKILL },   { "1", 1 },             { "64", 64 },           { "WINCH", SIGWINCH },
        { "RTMIN", 34 },       { "SIGRTMIN+3", 37 },   { "RTMIN+30", 64 },     { "rtmax", 64 },
        { "RTMAX-14", 50 },    { "CLD", SIGCHLD },     { "IOT", SIGABRT },
        { "0", -1 },           { "65", -1 },           { "-9", -1 },           { "", -1 },
        { "SIG", -1 },         { "TERMX", -1 },        { "RTMIN+31", -1 },     { "RTMIN3", -1 },
        { "RTMAX+1", -1 },     { "9x", -1 },           { " 9", -1 },
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++)
        if (dv_signal_parse(rows[i].text) != rows[i].number)
            fail_msg("'%s' gave %d", rows[i].text, dv_signal_parse(rows[i].text));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_what_docker_reads) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
