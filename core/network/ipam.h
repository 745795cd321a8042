/* ipam.h - the addresses of one network: which are taken, which comes next. Pure: no I/O, no lock
 * (its owner's), no clock. The unique index of table endpoints backs it. */
#pragma once

#include "core/network/addr.h"

struct dv_ipam {
    struct dv_net4 subnet;  /* prefix 0: a network without addresses */
    uint32_t gateway;
    uint32_t last;          /* handed out last; the search goes on behind it, as Docker's does, so
                             * that a released address rests for as long as possible */
    uint32_t *used;         /* sorted; neither gateway nor network nor broadcast */
    size_t n, cap;
};

/* Results of the functions below. */
enum { DV_IPAM_FULL = -1, DV_IPAM_TAKEN = -2, DV_IPAM_OUTSIDE = -3, DV_IPAM_NO_MEMORY = -4 };

/* The first usable address of SUBNET becomes the gateway. DV_IPAM_OUTSIDE if the subnet is too
 * small for a gateway and one container (a prefix above 30) or is all there is (prefix 0). */
DV_CHECK int dv_ipam_init(struct dv_ipam *ipam, struct dv_net4 subnet);
void dv_ipam_done(struct dv_ipam *ipam);
/* Take the next free address: FULL, NO_MEMORY. */
DV_CHECK int dv_ipam_next(struct dv_ipam *ipam, uint32_t *ret);
/* Take just this one: TAKEN (the gateway too), OUTSIDE (network and broadcast address too),
 * NO_MEMORY. */
DV_CHECK int dv_ipam_claim(struct dv_ipam *ipam, uint32_t addr);
void dv_ipam_release(struct dv_ipam *ipam, uint32_t addr); /* nothing if it was free */
