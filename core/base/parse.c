/* parse.c - numbers, sizes and durations from text, each with its bounds. */
#include "core/base/parse.h"

#include <string.h>
#include <strings.h>

#include "core/base/str.h"

static int fail(int error)
{
    errno = error;
    return -1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits up to END exactly. */
static int parse_digits(const char *text, const char *end, uint64_t *ret)
{
    uint64_t v = 0;

    if (text == end)
        return fail(EINVAL);
    for (; text < end; text++) {
        if (!is_digit(*text))
            return fail(EINVAL);
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v)) {
            while (text < end && is_digit(*text))
                text++;
            return fail(text == end ? ERANGE : EINVAL);
        }
    }
    *ret = v;
    return 0;
}

int dv_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v;

    if (parse_digits(text, text + strlen(text), &v) < 0)
        return -1;
    if (v < min || v > max)
        return fail(ERANGE);
    *ret = v;
    return 0;
}

int dv_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = *text == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, u;
    int64_t v;

    if (dv_parse_u64(text + negative, 0, limit, &u) < 0)
        return -1;
    v = negative ? (int64_t)(0 - u) : (int64_t)u;
    if (v < min || v > max)
        return fail(ERANGE);
    *ret = v;
    return 0;
}

/* "1.5" up to END as a number; the caller has no locale other than "C" to fear. */
static int parse_decimal(const char *text, const char *end, double *ret)
{
    double v = 0, unit = 1;
    bool fraction = false, any = false;

    for (; text < end; text++) {
        if (*text == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (!is_digit(*text))
            return fail(EINVAL);
        any = true;
        if (fraction)
            unit /= 10;
        v = fraction ? v + (*text - '0') * unit : v * 10 + (*text - '0');
    }
    if (!any)
        return fail(EINVAL);
    *ret = v;
    return 0;
}

/* What follows the number: "", "b", and k m g t p alone, with "b" or with "ib". */
static int parse_byte_unit(const char *unit, uint64_t *ret)
{
    static const char letters[] = "kmgtp";
    const char *at;
    char c = *unit;

    *ret = 1;
    if (!c || strcasecmp(unit, "b") == 0)
        return 0;
    if (c >= 'A' && c <= 'Z')
        c = (char)(c - 'A' + 'a');
    at = strchr(letters, c);
    if (!at || (unit[1] && strcasecmp(unit + 1, "b") != 0 && strcasecmp(unit + 1, "ib") != 0))
        return fail(EINVAL);
    *ret = (uint64_t)1 << (10 * (at - letters + 1));
    return 0;
}

int dv_parse_bytes(const char *text, int64_t *ret)
{
    const char *end = text, *unit;
    uint64_t whole, scale;
    double v;

    if (*text == '+')
        end = ++text;
    end += strspn(end, "0123456789.");
    unit = end;
    if (end > text && *unit == ' ')
        unit++;
    if (parse_byte_unit(unit, &scale) < 0)
        return -1;
    if (!memchr(text, '.', (size_t)(end - text))) { /* exact up to 2^63 - 1 */
        if (parse_digits(text, end, &whole) < 0)
            return -1;
        if (__builtin_mul_overflow(whole, scale, &whole) || whole > INT64_MAX)
            return fail(ERANGE);
        *ret = (int64_t)whole;
        return 0;
    }
    if (parse_decimal(text, end, &v) < 0)
        return -1;
    v *= (double)scale;
    if (v >= 9223372036854775808.0)
        return fail(ERANGE);
    *ret = (int64_t)v;
    return 0;
}

int dv_parse_bool(const char *text, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        { "true", true },   { "1", true },  { "yes", true }, { "on", true },
        { "false", false }, { "0", false }, { "no", false }, { "off", false },
    };
    size_t i;

    for (i = 0; i < N(words); i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *ret = words[i].value;
            return 0;
        }
    }
    return fail(EINVAL);
}

/* Longest first where one begins another. */
static const struct {
    const char *name;
    uint64_t ns;
} duration_units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "\xc2\xb5s", 1000 }, /* micro sign */
    { "\xce\xbcs", 1000 }, /* Greek mu */
    { "ms", 1000000 },
    { "s", 1000000000 },
    { "m", 60000000000 },
    { "h", 3600000000000 },
};

/* One "1.5h" at *TEXT, which moves on; nanoseconds are added to *SUM. */
static int parse_duration_part(const char **text, uint64_t *sum)
{
    const char *start = *text, *dot, *end;
    uint64_t whole = 0, unit, part;
    size_t i;

    dot = start + strspn(start, "0123456789");
    end = *dot == '.' ? dot + 1 + strspn(dot + 1, "0123456789") : dot;
    if (dot == start && end - dot < 2) /* neither "1" nor ".5" */
        return fail(EINVAL);
    if (dot > start && parse_digits(start, dot, &whole) < 0)
        return -1;
    for (i = 0; i < N(duration_units); i++)
        if (dv_starts(end, duration_units[i].name))
            break;
    if (i == N(duration_units))
        return fail(EINVAL);
    unit = duration_units[i].ns;
    *text = end + strlen(duration_units[i].name);
    if (**text && **text != '.' && !is_digit(**text))
        return fail(EINVAL);
    if (__builtin_mul_overflow(whole, unit, &part) || __builtin_add_overflow(*sum, part, sum))
        return fail(ERANGE);
    /* Digits of the fraction as far as they are worth a nanosecond. */
    for (dot++; dot < end && unit > 0; dot++) {
        part = (uint64_t)(*dot - '0') * unit / 10;
        unit /= 10;
        if (__builtin_add_overflow(*sum, part, sum))
            return fail(ERANGE);
    }
    return 0;
}

int dv_parse_duration(const char *text, int64_t *ret_ns)
{
    bool negative = *text == '-';
    uint64_t sum = 0, limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;

    if (*text == '-' || *text == '+')
        text++;
    if (dv_streq(text, "0")) {
        *ret_ns = 0;
        return 0;
    }
    if (!*text)
        return fail(EINVAL);
    while (*text)
        if (parse_duration_part(&text, &sum) < 0)
            return -1;
    if (sum > limit)
        return fail(ERANGE);
    *ret_ns = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return 0;
}
