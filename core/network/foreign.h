/* foreign.h - filter chains of others in the kernel's forward hook that would drop containers'
 * traffic: an accept in davit's own table does not override a drop in another. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

enum { DV_FOREIGN_MAX = 32 };
struct dv_foreign_chain {
    char family[8], table[64], chain[64]; /* "ip" "filter" "FORWARD" */
    bool by_policy;                  /* its policy drops; else its last rule does, for all */
    bool accepts;                    /* a rule of it accepts what goes by the bridge */
};
/* Those that drop what no rule of theirs accepted, of IPv4. BRIDGE: the interface to look for. At most
 * DV_FOREIGN_MAX. FORBIDDEN without CAP_NET_ADMIN; UNSUPPORTED where the kernel has no nftables. */
DV_CHECK int dv_foreign_chains(const char *bridge, struct dv_foreign_chain *ret, size_t *ret_n,
                               struct dv_error *err);
/* Those that leave BRIDGE no way, as one sentence with its remedy; NULL if there are none. Caller
 * frees. */
char *dv_foreign_warning(const char *bridge);
