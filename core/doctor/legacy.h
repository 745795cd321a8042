/* legacy.h - the FORWARD chain of iptables-legacy, which nftables cannot see. */
#pragma once

#include <stdbool.h>

struct dv_legacy {
    bool present;                    /* its filter table is there: asking did not make it */
    bool policy_drops;
    unsigned n_drops;                /* rules of FORWARD that drop or reject */
};
/* -1 and errno (EPERM, EACCES: only root). */
int dv_legacy_read(struct dv_legacy *ret);
