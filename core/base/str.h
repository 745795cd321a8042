/* str.h - small string helpers and NULL-terminated string vectors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/base/cleanup.h"

static inline bool dv_streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}
static inline bool dv_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}
static inline bool dv_empty(const char *s)
{
    return !s || !*s;
}
bool dv_ends(const char *s, const char *suffix);

/* New string by format; NULL on out of memory. Caller frees. */
char *dv_format(const char *fmt, ...) DV_PRINTF(1, 2);
char *dv_strdup(const char *s); /* NULL gives NULL */
/* N bytes in base64 of the standard alphabet, padded; NULL on out of memory. Caller frees. */
char *dv_base64(const void *data, size_t n);

/* A NULL-terminated vector of owned strings; the zero value ({0}) is empty: items may be NULL. */
struct dv_strv {
    char **items;
    size_t n;
};
#define dv_autostrv __attribute__((cleanup(dv_strv_done))) struct dv_strv

void dv_strv_done(struct dv_strv *v);
/* All return 0 or -ENOMEM-like -1 on out of memory (errno set). */
DV_CHECK int dv_strv_add(struct dv_strv *v, const char *s);
DV_CHECK int dv_strv_add_take(struct dv_strv *v, char *s); /* frees S on failure */
DV_CHECK int dv_strv_copy(struct dv_strv *dst, const struct dv_strv *src); /* DST: zero before */
/* Split at each SEP, keeping empty parts. */
DV_CHECK int dv_strv_split(struct dv_strv *v, const char *s, char sep);
/* The words between SEPs, blanks around them trimmed, empty ones left out: "a, b" gives a and b. */
DV_CHECK int dv_strv_words(struct dv_strv *v, const char *s, char sep);
bool dv_strv_has(const struct dv_strv *v, const char *s);

/* Length of the valid UTF-8 character at S (N bytes left, N > 0); 0 if the bytes are none. */
size_t dv_utf8_len(const char *s, size_t n);

/* Edit distance of two short names (Levenshtein; compared up to 63 bytes),
 * for "did you mean". */
size_t dv_edit_distance(const char *a, const char *b);
