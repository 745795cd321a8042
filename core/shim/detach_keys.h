/* detach_keys.h - find a client's detach sequence in what it types. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DV_MAX_DETACH_KEYS = 32 };

/* The zero value matches nothing. */
struct dv_keys {
    uint8_t seq[DV_MAX_DETACH_KEYS];
    uint8_t n;
    uint8_t matched;   /* the last bytes seen are the first MATCHED of SEQ; they are held back */
};

/* false: longer than DV_MAX_DETACH_KEYS. */
bool dv_keys_set(struct dv_keys *keys, const void *seq, size_t n);
/* Copy N bytes of IN to OUT (room for N + DV_MAX_DETACH_KEYS) without what may yet become the
 * sequence. True when it is complete: it is not in OUT, and what followed it in IN is dropped. */
bool dv_keys_filter(struct dv_keys *keys, const uint8_t *in, size_t n, uint8_t *out,
                    size_t *ret_n);
/* The input ended: OUT gets what was held back. */
size_t dv_keys_end(struct dv_keys *keys, uint8_t out[DV_MAX_DETACH_KEYS]);
