/* test_hooks.h - named points between two steps, at which a test build can be killed. */
#pragma once

#ifdef DV_TEST_HOOKS
/* DAVIT_TEST_KILL="point" or "point:n": SIGKILL ourselves when POINT is passed the n-th time (1). */
void dv_test_point(const char *point);
#else
static inline void dv_test_point(const char *point)
{
    (void)point;
}
#endif
