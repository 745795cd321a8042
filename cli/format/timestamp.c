/* timestamp.c - the values of --since and --until as the API wants them. */
#include "cli/format/timestamp.h"

#include <stdio.h>
#include <time.h>

#include "cli/util.h"
#include "core/base/parse.h"
#include "core/base/time.h"

/* N digits at *P within MIN..MAX; *P moves on. */
static bool take_number(const char **p, int n, int min, int max, int *ret)
{
    int v = 0, i;

    for (i = 0; i < n; i++) {
        if ((*p)[i] < '0' || (*p)[i] > '9')
            return false;
        v = v * 10 + ((*p)[i] - '0');
    }
    *p += n;
    *ret = v;
    return v >= min && v <= max;
}

static bool take_char(const char **p, char c)
{
    if (**p != c)
        return false;
    ++*p;
    return true;
}

/* ".5" as nanoseconds, up to nine digits; 0 where there is none. */
static bool take_fraction(const char **p, long *ret)
{
    long unit = 100000000;

    *ret = 0;
    if (!take_char(p, '.'))
        return true;
    if (**p < '0' || **p > '9')
        return false;
    for (; **p >= '0' && **p <= '9'; ++*p) {
        *ret += (**p - '0') * unit;
        unit /= 10;
    }
    return true;
}

/* "Z", "+01:00" or nothing (the local zone); seconds east in *RET. */
static bool take_zone(const char **p, bool *local, long *ret)
{
    int hours, minutes, sign;

    *ret = 0;
    *local = !**p;
    if (*local || take_char(p, 'Z'))
        return true;
    if (**p != '+' && **p != '-')
        return false;
    sign = *(*p)++ == '-' ? -1 : 1;
    if (!take_number(p, 2, 0, 23, &hours) || !take_char(p, ':') ||
        !take_number(p, 2, 0, 59, &minutes))
        return false;
    *ret = sign * (hours * 3600L + minutes * 60L);
    return true;
}

static bool parse_date(const char *p, time_t *ret_s, long *ret_ns)
{
    struct tm tm = { .tm_mday = 1, .tm_isdst = -1 };
    bool local;
    long zone;

    *ret_ns = 0;
    if (!take_number(&p, 4, 1, 9999, &tm.tm_year) || !take_char(&p, '-') ||
        !take_number(&p, 2, 1, 12, &tm.tm_mon) || !take_char(&p, '-') ||
        !take_number(&p, 2, 1, 31, &tm.tm_mday))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    if (take_char(&p, 'T')) {
        if (!take_number(&p, 2, 0, 23, &tm.tm_hour))
            return false;
        if (take_char(&p, ':') && !take_number(&p, 2, 0, 59, &tm.tm_min))
            return false;
        if (take_char(&p, ':') && !take_number(&p, 2, 0, 60, &tm.tm_sec))
            return false;
        if (!take_fraction(&p, ret_ns))
            return false;
    }
    if (!take_zone(&p, &local, &zone) || *p)
        return false;
    *ret_s = local ? mktime(&tm) : timegm(&tm) - zone;
    return true;
}

/* "1735689600" or "1735689600.5" as they are. */
static bool is_unix(const char *text)
{
    const char *p = text;
    long ns;

    p += strspn(p, "0123456789");
    return p > text && take_fraction(&p, &ns) && !*p;
}

int dv_timestamp_parse(const char *text, uint64_t now_ns, char **ret, struct dv_error *err)
{
    int64_t span;
    time_t s;
    long ns;

    if (is_unix(text)) {
        *ret = dv_xstrdup(text);
        return 0;
    }
    if (dv_parse_duration(text, &span) == 0) {
        *ret = dv_xformat("%lld", ((long long)now_ns - (long long)span) / 1000000000);
        return 0;
    }
    if (parse_date(text, &s, &ns)) {
        *ret = dv_xformat("%lld.%09ld", (long long)s, ns);
        return 0;
    }
    return dv_fail(err, DV_E_INVALID, "failed to parse value as time or duration: \"%s\"", text);
}

int dv_timestamp_put_query(struct dv_buf *target, const char *key, const char *text,
                           struct dv_error *err)
{
    dv_autofree char *value = NULL;

    if (!*text)
        return 0;
    if (dv_timestamp_parse(text, dv_now_ns(), &value, err) < 0)
        return -err->code;
    dv_xput_query(target, key, value);
    return 0;
}
