/* time.h - clocks in nanoseconds and RFC 3339 text. */
#pragma once

#include <stdint.h>

#include "core/base/cleanup.h"

uint64_t dv_now_ns(void);   /* CLOCK_REALTIME since 1970 */
uint64_t dv_mono_ns(void);  /* CLOCK_MONOTONIC */

enum { DV_TIME_TEXT_BYTES = 40 };
/* RFC3339Nano as Go prints it in UTC: trailing zeros of the fraction dropped, "...Z".
 * 0 gives Go's zero time, "0001-01-01T00:00:00Z". */
void dv_time_format(uint64_t ns, char out[DV_TIME_TEXT_BYTES]);
/* Fixed nine decimals, as `docker logs -t` prints it. */
void dv_time_format_fixed(uint64_t ns, char out[DV_TIME_TEXT_BYTES]);
/* RFC 3339 with optional fraction and zone; -1 on anything else. Zero time gives 0. */
DV_CHECK int dv_time_parse(const char *text, uint64_t *ret_ns);
