/* units.c - sizes, spans of time and shortened names as docker prints them. */
#include "cli/format/units.h"

#include <time.h>

static char *scaled(int64_t bytes, double base, const char *const *units, size_t n, int digits)
{
    double v = (double)bytes;
    size_t i = 0;

    while (v >= base && i + 1 < n) {
        v /= base;
        i++;
    }
    return dv_xformat("%.*g%s", digits, v, units[i]);
}

char *dv_size_decimal(int64_t bytes, int digits)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB" };

    return scaled(bytes, 1000, units, N(units), digits);
}

char *dv_size_binary(int64_t bytes)
{
    static const char *const units[] = { "B",   "KiB", "MiB", "GiB", "TiB",
                                         "PiB", "EiB", "ZiB", "YiB" };

    return scaled(bytes, 1024, units, N(units), 4);
}

char *dv_span_text(int64_t seconds)
{
    int64_t minutes = seconds / 60, hours = (seconds + 1800) / 3600;

    if (seconds < 1)
        return dv_xstrdup("Less than a second");
    if (seconds == 1)
        return dv_xstrdup("1 second");
    if (seconds < 60)
        return dv_xformat("%lld seconds", (long long)seconds);
    if (minutes == 1)
        return dv_xstrdup("About a minute");
    if (minutes < 60)
        return dv_xformat("%lld minutes", (long long)minutes);
    if (hours == 1)
        return dv_xstrdup("About an hour");
    if (hours < 48)
        return dv_xformat("%lld hours", (long long)hours);
    if (hours < 24 * 7 * 2)
        return dv_xformat("%lld days", (long long)hours / 24);
    if (hours < 24 * 30 * 2)
        return dv_xformat("%lld weeks", (long long)hours / 24 / 7);
    if (hours < 24 * 365 * 2)
        return dv_xformat("%lld months", (long long)hours / 24 / 30);
    return dv_xformat("%lld years", (long long)(seconds / 3600 / 24 / 365));
}

char *dv_ago_text(int64_t unix_seconds, int64_t now)
{
    dv_autofree char *span = NULL;

    if (unix_seconds <= 0)
        return dv_xstrdup("N/A");
    span = dv_span_text(now - unix_seconds);
    return dv_xformat("%s ago", span);
}

char *dv_local_time_text(int64_t unix_seconds)
{
    time_t t = (time_t)unix_seconds;
    char text[64] = "";
    struct tm tm;

    if (localtime_r(&t, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &tm);
    return dv_xstrdup(text);
}

char *dv_short_id(const char *id)
{
    const char *colon = strchr(id, ':');

    return dv_xstrndup(colon ? colon + 1 : id, DV_SHORT_ID_CHARS);
}

/* Bytes of the first WIDTH characters. */
static size_t bytes_of(const char *text, size_t width)
{
    size_t at = 0;

    for (; width > 0 && text[at]; width--) {
        size_t n = dv_utf8_len(text + at, strlen(text + at));

        at += n ? n : 1;
    }
    return at;
}

size_t dv_text_width(const char *text, size_t bytes)
{
    size_t at = 0, width = 0;

    for (; at < bytes; width++) {
        size_t n = dv_utf8_len(text + at, bytes - at);

        at += n ? n : 1;
    }
    return width;
}

char *dv_ellipsis(const char *text, size_t width)
{
    if (dv_text_width(text, strlen(text)) <= width)
        return dv_xstrdup(text);
    return dv_xformat("%.*s…", (int)bytes_of(text, width - 1), text);
}
