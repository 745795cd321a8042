/* restart_rules.c - Docker's rules of restart policies and their back-off, by themselves. */
#include "core/base/str.h"
#include "core/container/restart.h"

#define MS UINT64_C(1000000)
static const uint64_t first_delay_ns = 100 * MS;
static const uint64_t longest_delay_ns = 60000 * MS;
static const uint64_t steady_ns = 10000 * MS; /* a run of that length starts the back-off anew */

int dv_restart_parse(const char *name, int64_t max, enum dv_restart_policy *ret,
                     struct dv_error *err)
{
    static const char *const names[] = {
        [DV_RESTART_NO] = "no",
        [DV_RESTART_ALWAYS] = "always",
        [DV_RESTART_ON_FAILURE] = "on-failure",
        [DV_RESTART_UNLESS_STOPPED] = "unless-stopped",
    };
    size_t i = 0;

    while (i < N(names) && !dv_streq(dv_empty(name) ? "no" : name, names[i]))
        i++;
    if (i == N(names))
        return dv_fail(err, DV_E_INVALID,
                       "invalid restart policy: unknown policy '%s'; use one of 'no', 'always', "
                       "'on-failure', or 'unless-stopped'",
                       name);
    if (max < 0)
        return dv_fail(err, DV_E_INVALID,
                       "invalid restart policy: maximum retry count %s",
                       i == DV_RESTART_ON_FAILURE
                           ? "cannot be negative"
                           : "can only be used with 'on-failure' and cannot be negative");
    if (max > 0 && i != DV_RESTART_ON_FAILURE)
        return dv_fail(err, DV_E_INVALID,
                       "invalid restart policy: maximum retry count can only be used with "
                       "'on-failure'");
    *ret = (enum dv_restart_policy)i;
    return 0;
}

bool dv_restart_wanted(enum dv_restart_policy policy, int64_t max, int64_t exit_code,
                       int64_t count, bool stopped_by_user)
{
    switch (policy) {
    case DV_RESTART_ALWAYS:
        return true;
    case DV_RESTART_UNLESS_STOPPED:
        return !stopped_by_user;
    case DV_RESTART_ON_FAILURE:
        return exit_code != 0 && (max == 0 || count < max);
    case DV_RESTART_NO:
        break;
    }
    return false;
}

uint64_t dv_restart_delay(uint64_t last_ns, uint64_t ran_ns)
{
    if (last_ns == 0 || ran_ns >= steady_ns)
        return first_delay_ns;
    return last_ns < longest_delay_ns / 2 ? 2 * last_ns : longest_delay_ns;
}
