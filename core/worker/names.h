/* names.h - the names inside an archive, made harmless. */
#pragma once

#include "core/base/error.h"
#include "core/base/limits.h"

/* NAME without empty and "." parts, leading and closing slashes; ".." takes the part before it
 * away.
 * "" for the root itself. INVALID: longer than DV_MAX_TAR_NAME_BYTES, a part longer than 255, or
 * ".." beyond the root. */
DV_CHECK int dv_clean_name(const char *name, char out[DV_MAX_TAR_NAME_BYTES],
                           struct dv_error *err);
/* The part after the last slash of a cleaned name. */
const char *dv_last_part(const char *clean);
