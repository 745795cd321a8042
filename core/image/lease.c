/* lease.c - who uses a container's writable layer: one writer, or readers, never both. */
#include "core/image/lease.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/id.h"
#include "core/base/lock.h"
#include "core/base/str.h"
#include "core/base/time.h"

static const struct use {
    const char *holder, *remedy;
    bool alone;                      /* it writes or removes; others only read, together */
} uses[DV_LEASE_USES_] = {
    [DV_LEASE_RUN] = { "the running container", "stop it first", true },
    [DV_LEASE_COPY_UP] = { "the copy of its files into a volume", "try again after it", false },
    [DV_LEASE_REMOVE] = { "its removal", "make a new container", true },
};

struct lease {
    struct lease *next;
    char id[DV_ID_BYTES];
    enum dv_lease_use use;
    unsigned n;                      /* times taken */
};
struct dv_leases {
    struct dv_lock lock;             /* DV_RANK_QUEUE; protects the rest */
    pthread_cond_t dropped;
    struct lease *first;
};

int dv_leases_new(struct dv_leases **ret, struct dv_error *err)
{
    struct dv_leases *leases = calloc(1, sizeof(*leases));

    if (!leases)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the leases of layers");
    dv_lock_init(&leases->lock, DV_RANK_QUEUE);
    dv_cond_init(&leases->dropped);
    *ret = leases;
    return 0;
}

void dv_leases_free(struct dv_leases *leases)
{
    if (!leases)
        return;
    while (leases->first) {
        struct lease *lease = leases->first;

        leases->first = lease->next;
        free(lease);
    }
    pthread_cond_destroy(&leases->dropped);
    dv_lock_done(&leases->lock);
    free(leases);
}

/* ---- under the lock ---- */

static struct lease **find(struct dv_leases *leases, const char *id, enum dv_lease_use use)
{
    struct lease **at = &leases->first;

    while (*at && !((*at)->use == use && dv_streq((*at)->id, id)))
        at = &(*at)->next;
    return at;
}

/* Who is in the way of USE; NULL = nobody. */
static const struct use *obstacle(const struct dv_leases *leases, const char *id,
                                  enum dv_lease_use use)
{
    for (const struct lease *l = leases->first; l; l = l->next)
        if (dv_streq(l->id, id) && (uses[l->use].alone || uses[use].alone))
            return &uses[l->use];
    return NULL;
}

static int add(struct dv_leases *leases, const char *id, enum dv_lease_use use,
               struct dv_error *err)
{
    struct lease *lease = *find(leases, id, use);

    if (!lease) {
        lease = calloc(1, sizeof(*lease));
        if (!lease)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for a lease of a layer");
        snprintf(lease->id, sizeof(lease->id), "%s", id);
        lease->use = use;
        lease->next = leases->first;
        leases->first = lease;
    }
    lease->n++;
    return 0;
}

/* ---- public ---- */

int dv_lease_take(struct dv_leases *leases, const char *id, enum dv_lease_use use, uint64_t wait_ns,
                  struct dv_error *err)
{
    uint64_t deadline = wait_ns ? dv_mono_ns() + wait_ns : 0;
    const struct use *in_the_way;
    bool waits = wait_ns > 0;

    dv_guard(&leases->lock);
    while ((in_the_way = obstacle(leases, id, use)) && waits)
        waits = dv_lock_wait(&leases->lock, &leases->dropped, deadline) == 0;
    if (in_the_way)
        return dv_fail(err, DV_E_CONFLICT, "the writable layer of container %.12s is in use by %s: "
                       "%s", id, in_the_way->holder, in_the_way->remedy);
    return add(leases, id, use, err);
}

void dv_lease_drop(struct dv_leases *leases, const char *id, enum dv_lease_use use)
{
    struct lease **at, *lease;

    dv_guard(&leases->lock);
    at = find(leases, id, use);
    lease = *at;
    if (!lease || --lease->n > 0)
        return;
    *at = lease->next;
    free(lease);
    pthread_cond_broadcast(&leases->dropped);
}

void dv_lease_change(struct dv_leases *leases, const char *id, enum dv_lease_use from,
                     enum dv_lease_use to)
{
    struct lease *lease;

    dv_guard(&leases->lock);
    lease = *find(leases, id, from);
    if (lease)
        lease->use = to;
}

bool dv_lease_held(struct dv_leases *leases, const char *id, enum dv_lease_use use)
{
    dv_guard(&leases->lock);
    for (const struct lease *l = leases->first; l; l = l->next)
        if (dv_streq(l->id, id) && (uses[l->use].alone || !uses[use].alone))
            return true;
    return false;
}
