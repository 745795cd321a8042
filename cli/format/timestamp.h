/* timestamp.h - the values of --since and --until as the API wants them. */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"

/* A span before NOW_NS ("10m"), a date ("2025-01-02", "2025-01-02T13:23:37Z", the local zone
 * without one) or unix seconds ("1735689600.5"), as "seconds" or "seconds.nanoseconds".
 * INVALID otherwise. Caller frees *RET. */
DV_CHECK int dv_timestamp_parse(const char *text, uint64_t now_ns, char **ret,
                                struct dv_error *err);
/* KEY of a target's query by TEXT, the value of the option of that name; nothing where TEXT is empty. */
DV_CHECK int dv_timestamp_put_query(struct dv_buf *target, const char *key, const char *text,
                                    struct dv_error *err);
