/* drivers.h - the drivers of one davitd: which are chosen, their state, and why one is not active.
 * Any thread may ask; drivers are added at the start and by a retry. */
#pragma once

#include "core/plugin/load.h"

struct dv_drivers;

enum dv_driver_state { DV_DRIVER_ACTIVE, DV_DRIVER_REJECTED, DV_DRIVER_FAILED,
                       DV_DRIVER_QUARANTINED, DV_DRIVER_STUCK };
const char *dv_driver_state_name(enum dv_driver_state state); /* "active" ... */

/* A copy of what is known now. */
struct dv_driver_info {
    uint32_t kind;
    enum dv_driver_state state;
    char name[64], version[32];         /* version "" when unknown */
    char path[1024];
    char reason[1024];                  /* "" when active */
    char complaint[200];                /* what it did wrong last, though it is active; "" */
    uint64_t since_ns;
    uint64_t caps, calls;               /* calls so far */
    unsigned under_way;
    const struct dv_plugin *plugin;     /* its description while it is loaded, or NULL; borrowed from
                                         * the driver, which lives as long as DRIVERS */
};

/* How drivers are kept from hurting the daemon (guard.h); without it nothing is probed or remembered. */
struct dv_drivers_guard {
    const char *probe;                  /* davit-plugin-probe */
    int state_fd;                       /* directory for what is remembered of plugins; becomes
                                         * DRIVERS' */
    uint64_t timeout_ns;                /* of a call; init and probe get less; 0: the default */
};

DV_CHECK int dv_drivers_new(const char *plugin_dir, struct dv_drivers **ret, struct dv_error *err);
/* Stops them; a driver that is stuck is left as it is, with all it could still use. */
void dv_drivers_free(struct dv_drivers *drivers);
DV_CHECK int dv_drivers_set_guard(struct dv_drivers *drivers, const struct dv_drivers_guard *guard,
                                  struct dv_error *err);
/* What drivers added later get: events, services (copied; its pointers must live as long). */
void dv_drivers_set_host(struct dv_drivers *drivers, const struct dv_host_config *host);
/* Load one; a failure is recorded as its state, not returned. OPTIONS as for dv_driver_open. From one
 * thread, before others exist. */
void dv_drivers_add(struct dv_drivers *drivers, const struct dv_plugin_file *file,
                    const struct dv_kvs *options);
/* Forget why NAME ("overlay" or "storage/overlay") is not active, and load it again. ADOPT, unless
 * NULL, is called with the driver before others can have it. NOT_FOUND; CONFLICT where it is active
 * or still stuck; else the reason of the new attempt. */
typedef void dv_adopt_fn(void *arg, struct dv_driver *driver);
DV_CHECK int dv_drivers_retry(struct dv_drivers *drivers, const char *name, dv_adopt_fn *adopt,
                              void *arg, struct dv_error *err);
/* The active driver of that name; UNAVAILABLE with its recorded reason, or NOT_FOUND if it was
 * never configured. The driver lives as long as DRIVERS. */
DV_CHECK int dv_drivers_get(struct dv_drivers *drivers, uint32_t kind, const char *name,
                            struct dv_driver **ret, struct dv_error *err);
size_t dv_drivers_count(const struct dv_drivers *drivers);
void dv_drivers_info(const struct dv_drivers *drivers, size_t i, struct dv_driver_info *ret);
/* Index of NAME ("overlay" or "storage/overlay") for dv_drivers_info(); NOT_FOUND, or INVALID where two
 * kinds have it. */
DV_CHECK int dv_drivers_find(struct dv_drivers *drivers, const char *name, size_t *ret,
                             struct dv_error *err);
/* The I-th driver if it is active and of that KIND, else NULL. */
struct dv_driver *dv_drivers_at(struct dv_drivers *drivers, size_t i, uint32_t kind);
