/* detach_keys.c - find a client's detach sequence in what it types. */
#include "core/shim/detach_keys.h"

#include <string.h>

bool dv_keys_set(struct dv_keys *keys, const void *seq, size_t n)
{
    if (n > sizeof(keys->seq))
        return false;
    *keys = (struct dv_keys){ .n = (uint8_t)n };
    if (n > 0)
        memcpy(keys->seq, seq, n);
    return true;
}

/* C does not continue the match: give up the fewest held-back bytes after which the rest, with C,
 * is a beginning of the sequence again ("^P^P^Q" detaches when the keys are ^P^Q). */
static size_t fall_back(struct dv_keys *keys, uint8_t c, uint8_t *out)
{
    uint8_t held = keys->matched, keep;

    for (keep = held; keep > 0; keep--) /* KEEP - 1 held bytes and C */
        if (keys->seq[keep - 1] == c &&
            memcmp(keys->seq, keys->seq + held - (keep - 1), keep - 1u) == 0)
            break;
    if (keep == 0) {
        memcpy(out, keys->seq, held);
        out[held] = c;
        keys->matched = 0;
        return held + 1u;
    }
    memcpy(out, keys->seq, held - (keep - 1u));
    keys->matched = keep;
    return held - (keep - 1u);
}

bool dv_keys_filter(struct dv_keys *keys, const uint8_t *in, size_t n, uint8_t *out, size_t *ret_n)
{
    size_t used = 0;

    if (keys->n == 0) {
        memcpy(out, in, n);
        *ret_n = n;
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (in[i] != keys->seq[keys->matched]) {
            used += fall_back(keys, in[i], out + used);
            continue;
        }
        keys->matched++;
        if (keys->matched == keys->n) {
            keys->matched = 0;
            *ret_n = used;
            return true;
        }
    }
    *ret_n = used;
    return false;
}

size_t dv_keys_end(struct dv_keys *keys, uint8_t out[DV_MAX_DETACH_KEYS])
{
    size_t held = keys->matched;

    memcpy(out, keys->seq, held);
    keys->matched = 0;
    return held;
}
