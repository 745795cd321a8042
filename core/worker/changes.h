/* changes.h - Dockerfile instructions applied to an image config (docker import -c, commit -c). */
#pragma once

#include "core/worker/image_config.h"

enum { DV_MAX_CHANGES = 1000, DV_MAX_CHANGE_BYTES = 16 << 10 };

/* Apply one instruction ("CMD [\"/bin/sh\"]", "env A=b"). INVALID, or UNSUPPORTED where davit does
 * not know the instruction here; the message names it. */
DV_CHECK int dv_change_apply(struct dv_image_config *config, const char *text,
                             struct dv_error *err);
