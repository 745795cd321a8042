/* parse.h - numbers, sizes and durations from text, each with its bounds. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

/* Whole TEXT, decimal digits only (no sign, no space, no leading '+'); -1 and errno EINVAL or
 * ERANGE otherwise. */
DV_CHECK int dv_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/* The same with an optional '-'. */
DV_CHECK int dv_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret);
/* Docker's go-units RAMInBytes: "64m", "1.5GiB", "512kb", "10" (bytes); binary multiples. */
DV_CHECK int dv_parse_bytes(const char *text, int64_t *ret);
/* "true" "false" "1" "0" "yes" "no" "on" "off", any case. */
DV_CHECK int dv_parse_bool(const char *text, bool *ret);
/* Go's time.ParseDuration: "1h2m3.5s", "100ms"; nanoseconds. */
DV_CHECK int dv_parse_duration(const char *text, int64_t *ret_ns);

/* Checked multiplication and addition of sizes; false on overflow. */
static inline bool dv_mul(size_t a, size_t b, size_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}
static inline bool dv_add(size_t a, size_t b, size_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}
