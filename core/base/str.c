/* str.c - small string helpers and NULL-terminated string vectors. */
#include "core/base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

bool dv_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

char *dv_format(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vasprintf(&text, fmt, args);
    va_end(args);
    return n < 0 ? NULL : text;
}

char *dv_strdup(const char *s)
{
    return s ? strdup(s) : NULL;
}

void dv_strv_done(struct dv_strv *v)
{
    size_t i;

    for (i = 0; i < v->n; i++)
        free(v->items[i]);
    free(v->items);
    v->items = NULL;
    v->n = 0;
}

int dv_strv_add_take(struct dv_strv *v, char *s)
{
    char **items;

    if (!s) {
        errno = ENOMEM;
        return -1;
    }
    /* Exactly as large as it must be: vectors are filled elsewhere too, and realloc rarely moves. */
    items = reallocarray(v->items, v->n + 2, sizeof(*items));
    if (!items) {
        free(s);
        errno = ENOMEM;
        return -1;
    }
    items[v->n++] = s;
    items[v->n] = NULL;
    v->items = items;
    return 0;
}

int dv_strv_add(struct dv_strv *v, const char *s)
{
    return dv_strv_add_take(v, strdup(s));
}

int dv_strv_copy(struct dv_strv *dst, const struct dv_strv *src)
{
    size_t i;

    if (!src->items)
        return 0;
    dst->items = calloc(src->n + 1, sizeof(*dst->items));
    if (!dst->items)
        return -1;
    for (i = 0; i < src->n; i++) {
        dst->items[i] = strdup(src->items[i]);
        if (!dst->items[i]) {
            dv_strv_done(dst);
            errno = ENOMEM;
            return -1;
        }
        dst->n = i + 1;
    }
    return 0;
}

int dv_strv_split(struct dv_strv *v, const char *s, char sep)
{
    for (;;) {
        const char *end = strchr(s, sep);
        size_t n = end ? (size_t)(end - s) : strlen(s);

        if (dv_strv_add_take(v, strndup(s, n)) < 0)
            return -1;
        if (!end)
            return 0;
        s = end + 1;
    }
}

int dv_strv_words(struct dv_strv *v, const char *s, char sep)
{
    dv_autostrv parts = { 0 };

    if (dv_strv_split(&parts, s, sep) < 0)
        return -1;
    for (size_t i = 0; i < parts.n; i++) {
        char *word = parts.items[i] + strspn(parts.items[i], " \t");
        size_t n = strlen(word);

        while (n > 0 && (word[n - 1] == ' ' || word[n - 1] == '\t'))
            n--;
        word[n] = '\0';
        if (n > 0 && dv_strv_add(v, word) < 0)
            return -1;
    }
    return 0;
}

bool dv_strv_has(const struct dv_strv *v, const char *s)
{
    size_t i;

    for (i = 0; i < v->n; i++)
        if (dv_streq(v->items[i], s))
            return true;
    return false;
}

/* RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t dv_utf8_len(const char *s, size_t n)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max, len;
    } forms[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
        { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    const unsigned char *u = (const unsigned char *)s;
    size_t i, k;

    if (n == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    for (i = 0; i < N(forms); i++) {
        if (u[0] < forms[i].first_min || u[0] > forms[i].first_max)
            continue;
        if (n < forms[i].len || u[1] < forms[i].second_min || u[1] > forms[i].second_max)
            return 0;
        for (k = 2; k < forms[i].len; k++)
            if ((u[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

size_t dv_edit_distance(const char *a, const char *b)
{
    enum { MAX = 63 };
    uint8_t row[MAX + 1];
    size_t n = strnlen(a, MAX), m = strnlen(b, MAX), i, j;

    for (j = 0; j <= m; j++)
        row[j] = (uint8_t)j;
    for (i = 1; i <= n; i++) {
        uint8_t diagonal = row[0];

        row[0] = (uint8_t)i;
        for (j = 1; j <= m; j++) {
            uint8_t best = (uint8_t)(diagonal + (a[i - 1] != b[j - 1]));

            if (row[j] + 1 < best)
                best = (uint8_t)(row[j] + 1);
            if (row[j - 1] + 1 < best)
                best = (uint8_t)(row[j - 1] + 1);
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[m];
}

char *dv_base64(const void *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    char *text = malloc((n + 2) / 3 * 4 + 1), *out = text;

    if (!text)
        return NULL;
    for (size_t i = 0; i < n; i += 3) {
        unsigned b = (unsigned)in[i] << 16;

        b |= i + 1 < n ? (unsigned)in[i + 1] << 8 : 0;
        b |= i + 2 < n ? in[i + 2] : 0;
        *out++ = digits[b >> 18];
        *out++ = digits[b >> 12 & 63];
        *out++ = i + 1 < n ? digits[b >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[b & 63] : '=';
    }
    *out = '\0';
    return text;
}
