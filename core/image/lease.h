/* lease.h - who uses a container's writable layer: one writer, or readers, never both.
 *
 * Two overlay mounts of one upper directory are silently undefined, so whoever mounts a layer, or takes
 * it away, holds its lease meanwhile. Leases live in memory: a worker dies with its job, and the lease
 * of a container that runs is taken again when a restarted davitd finds it. Who mounts nothing and only
 * looks (the size of a layer's files) needs none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

struct dv_leases;

/* Each has its row in lease.c: how it is named in a refusal, and what it goes together with. */
enum dv_lease_use {
    DV_LEASE_RUN,                 /* a container, from before its start's first mount until its shim
                                   * has let go, some ms after its exit was told: wait for it */
    DV_LEASE_COPY_UP,             /* a worker that copies a volume's first files */
    DV_LEASE_REMOVE,              /* the layer is taken away */
    DV_LEASE_USES_
};

DV_CHECK int dv_leases_new(struct dv_leases **ret, struct dv_error *err);
void dv_leases_free(struct dv_leases *leases);

/* Lease the writable layer of container ID for USE. Where another use is in the way, wait for WAIT_NS
 * at most (0 = not at all; then locks may be held). CONFLICT names the holder and what ends it.
 * Any thread; takes a lock of rank 40 for a moment. */
DV_CHECK int dv_lease_take(struct dv_leases *leases, const char *id, enum dv_lease_use use,
                           uint64_t wait_ns, struct dv_error *err);
/* End one taking of ID's lease for USE; nothing if there is none. */
void dv_lease_drop(struct dv_leases *leases, const char *id, enum dv_lease_use use);
/* The holder of a lease for FROM, which excludes all others, uses it for TO from now on: nobody comes
 * between. */
void dv_lease_change(struct dv_leases *leases, const char *id, enum dv_lease_use from,
                     enum dv_lease_use to);
/* Does somebody hold ID's lease for USE, or for one that may do as much? Who mounts or removes asks. */
bool dv_lease_held(struct dv_leases *leases, const char *id, enum dv_lease_use use);
