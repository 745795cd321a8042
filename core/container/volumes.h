/* volumes.h - the volumes of a container: made and filled at its creation, let go at its end. */
#pragma once

#include "core/base/error.h"
#include "core/base/str.h"

struct dv_container;

/* Settle C's mounts: those of other containers, anonymous volumes for what its config declares; make
 * the volumes that are missing. On failure undo with dv_container_volumes_undo(). */
DV_CHECK int dv_container_volumes_make(struct dv_container *c, struct dv_error *err);
/* Give empty volumes the files that the image has there. C has its workspace, and holds its lease. */
DV_CHECK int dv_container_volumes_fill(struct dv_container *c, struct dv_error *err);
void dv_container_volumes_undo(struct dv_container *c);
/* "mount" or "unmount": an event for each volume. */
void dv_container_volumes_emit(struct dv_container *c, const char *action);
