/* test_hooks.c - named points between two steps, at which a test build can be killed. */
#include "core/container/test_hooks.h"

#ifdef DV_TEST_HOOKS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dv_test_point(const char *point)
{
    static atomic_int passed; /* allow-listed: a test hook */
    const char *wish = getenv("DAVIT_TEST_KILL");
    size_t n = strlen(point);
    int at = 1;

    if (!wish || strncmp(wish, point, n) != 0 || (wish[n] && wish[n] != ':'))
        return;
    if (wish[n] == ':')
        at = (int)strtol(wish + n + 1, NULL, 10);
    if (atomic_fetch_add(&passed, 1) + 1 == at)
        kill(getpid(), SIGKILL);
}
#endif
