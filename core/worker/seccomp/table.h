/* table.h - the system calls that containers may make, as tables. */
#pragma once

enum {
    /* The highest number that the profile knows on x86: newer calls answer ENOSYS, so that a libc
     * falls back instead of failing with EPERM. */
    DV_SECCOMP_LAST_CALL = 466,
};
struct dv_seccomp_cap {
    int cap;                         /* capability number, -1 = end */
    const char *const *names;        /* NULL-terminated */
};
struct dv_seccomp_number {
    const char *name;                /* NULL = end */
    int number;
};
extern const char *const dv_seccomp_always[];
extern const struct dv_seccomp_cap dv_seccomp_caps[];
extern const struct dv_seccomp_number dv_seccomp_numbers[];
