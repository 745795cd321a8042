/* drivers.h - the drivers of one davitd: which are chosen, their state, and why one is not active.
 * Filled once at start; read-only afterwards, so any thread may ask. */
#pragma once

#include "core/plugin/load.h"

struct dv_drivers;

enum dv_driver_state { DV_DRIVER_ACTIVE, DV_DRIVER_REJECTED, DV_DRIVER_FAILED,
                       DV_DRIVER_QUARANTINED };
struct dv_driver_info {
    uint32_t kind;
    const char *name, *version, *path;  /* version "" when unknown */
    enum dv_driver_state state;
    const char *reason;                 /* "" when active */
    uint64_t since_ns;
    uint64_t caps;
};

DV_CHECK int dv_drivers_new(const char *plugin_dir, struct dv_drivers **ret, struct dv_error *err);
void dv_drivers_free(struct dv_drivers *drivers);
/* What drivers added later get: events, services (copied; its pointers must live as long). */
void dv_drivers_set_host(struct dv_drivers *drivers, const struct dv_host_config *host);
/* Load one; a failure is recorded as its state, not returned. OPTIONS as for dv_driver_open. */
void dv_drivers_add(struct dv_drivers *drivers, const struct dv_plugin_file *file,
                    const struct dv_kvs *options);
/* The active driver of that name; UNAVAILABLE with its recorded reason, or NOT_FOUND if it was
 * never configured. The driver lives as long as DRIVERS. */
DV_CHECK int dv_drivers_get(struct dv_drivers *drivers, uint32_t kind, const char *name,
                            struct dv_driver **ret, struct dv_error *err);
size_t dv_drivers_count(const struct dv_drivers *drivers);
void dv_drivers_info(const struct dv_drivers *drivers, size_t i, struct dv_driver_info *ret);
