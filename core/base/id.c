/* id.c - random identifiers and hexadecimal text. */
#include "core/base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void dv_random(void *out, size_t n)
{
    unsigned char *to = out;

    while (n > 0) {
        ssize_t got = getrandom(to, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); /* no kernel that we run on lacks it; a guessable id would be worse */
        to += got;
        n -= (size_t)got;
    }
}

void dv_hex(const void *data, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = data;
    size_t i;

    for (i = 0; i < n; i++) {
        out[2 * i] = digits[from[i] >> 4];
        out[2 * i + 1] = digits[from[i] & 15];
    }
    out[2 * n] = '\0';
}

bool dv_is_hex(const char *s, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
            return false;
    return n > 0;
}

/* Docker takes an id whose first 12 characters are all digits for a number (a host name would be
 * one), and draws again; so do we. */
static bool looks_like_number(const char *id)
{
    int i;

    for (i = 0; i < 12; i++)
        if (id[i] < '0' || id[i] > '9')
            return false;
    return true;
}

void dv_id_new(char id[DV_ID_BYTES])
{
    unsigned char bytes[(DV_ID_BYTES - 1) / 2];

    do {
        dv_random(bytes, sizeof(bytes));
        dv_hex(bytes, sizeof(bytes), id);
    } while (looks_like_number(id));
}

uint64_t dv_hash64(const void *data, size_t n)
{
    const unsigned char *from = data;
    uint64_t h = 0xcbf29ce484222325;
    size_t i;

    for (i = 0; i < n; i++) {
        h ^= from[i];
        h *= 0x100000001b3;
    }
    return h;
}
