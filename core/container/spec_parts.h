/* spec_parts.h - the parts that spec.c puts together. */
#pragma once

#include "core/container/internal.h"
#include "core/runtime/spec.h"

/* Its own, or that of the container whose network it joins. Caller frees. */
char *dv_spec_hostname(struct dv_container *c);
/* userns.c: the maps, where the container gets a user namespace (engine's userns_remap). */
int dv_spec_user_namespace(struct dv_container *c, struct dv_spec *spec, struct dv_error *err);
/* spec_joins.c: "container:NAME" of a mode, and for IPC that container's /dev/shm too. CONFLICT where
 * it does not run or does not share. */
int dv_spec_join(struct dv_container *c, const char *mode, enum dv_ns ns, struct dv_spec *spec,
                 struct dv_spec_joins *joins, struct dv_error *err);
/* spec_mounts.c */
int dv_spec_mounts(struct dv_container *c, const struct dv_spec_joins *joins, struct dv_spec *spec,
                   struct dv_error *err);
/* spec_devices.c: devices and their rules, masked and read-only paths, rlimits */
int dv_spec_paths_and_devices(struct dv_container *c, struct dv_spec *spec, struct dv_error *err);
int dv_spec_rlimits(const struct dv_container_config *config, struct dv_spec_process *p,
                    struct dv_error *err);
/* spec_resources.c */
/* The limits alone; RES is freed as a part of its spec. */
int dv_spec_limits(const struct dv_container_config *config, struct dv_spec_resources *res,
                   struct dv_error *err);
int dv_spec_resources(struct dv_container *c, struct dv_spec *spec, struct dv_strv *warnings,
                      struct dv_error *err);
