/* time.c - clocks in nanoseconds and RFC 3339 text. */
#include "core/base/time.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const uint64_t second_ns = 1000000000;

static uint64_t now(clockid_t clock)
{
    struct timespec ts = { 0, 0 };

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * second_ns + (uint64_t)ts.tv_nsec;
}

uint64_t dv_now_ns(void)
{
    return now(CLOCK_REALTIME);
}

uint64_t dv_mono_ns(void)
{
    return now(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 of a Gregorian date, by eras of 400 years that begin on 1 March. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned of_era = (unsigned)(y - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

static void date_from_days(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t shifted = days + 719468, era = shifted / 146097;
    unsigned of_era = (unsigned)(shifted % 146097);
    unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * of_year + 2) / 153;

    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = (unsigned)(era * 400) + y + (*month <= 2);
}

static int format_seconds(uint64_t ns, char out[DV_TIME_TEXT_BYTES])
{
    uint64_t s = ns / second_ns;
    unsigned year, month, day, of_day = (unsigned)(s % 86400);

    date_from_days(s / 86400, &year, &month, &day);
    return snprintf(out, DV_TIME_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u", year, month, day,
                    of_day / 3600, of_day / 60 % 60, of_day % 60);
}

void dv_time_format_fixed(uint64_t ns, char out[DV_TIME_TEXT_BYTES])
{
    int n = format_seconds(ns, out);

    snprintf(out + n, (size_t)(DV_TIME_TEXT_BYTES - n), ".%09uZ", (unsigned)(ns % second_ns));
}

void dv_time_format(uint64_t ns, char out[DV_TIME_TEXT_BYTES])
{
    size_t n;

    if (ns == 0) {
        snprintf(out, DV_TIME_TEXT_BYTES, "0001-01-01T00:00:00Z");
        return;
    }
    dv_time_format_fixed(ns, out);
    n = strlen(out) - 1;
    while (out[n - 1] == '0')
        n--;
    if (out[n - 1] == '.')
        n--;
    out[n++] = 'Z';
    out[n] = '\0';
}

/* N digits at *TEXT, which moves on. */
static bool take_number(const char **text, int n, unsigned *ret)
{
    unsigned v = 0;
    int i;

    for (i = 0; i < n; i++) {
        char c = (*text)[i];

        if (c < '0' || c > '9')
            return false;
        v = v * 10 + (unsigned)(c - '0');
    }
    *text += n;
    *ret = v;
    return true;
}

static bool take_char(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static bool take_fraction(const char **text, uint64_t *ret_ns)
{
    uint64_t unit = second_ns / 10;
    int n = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++, n++) {
        *ret_ns += (uint64_t)(**text - '0') * unit;
        unit /= 10; /* digits beyond the ninth are worth nothing */
    }
    return n > 0;
}

static bool take_zone(const char **text, int64_t *ret_seconds)
{
    unsigned hours, minutes;
    int64_t sign;

    *ret_seconds = 0;
    if (take_char(text, 'Z'))
        return true;
    sign = **text == '-' ? -1 : 1;
    if (!take_char(text, '+') && !take_char(text, '-'))
        return false;
    if (!take_number(text, 2, &hours) || !take_char(text, ':') || !take_number(text, 2, &minutes))
        return false;
    *ret_seconds = sign * (int64_t)(hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

int dv_time_parse(const char *text, uint64_t *ret_ns)
{
    unsigned year, month, day, hour, minute, second;
    uint64_t fraction = 0;
    int64_t zone, s;

    if (!take_number(&text, 4, &year) || !take_char(&text, '-') || !take_number(&text, 2, &month) ||
        !take_char(&text, '-') || !take_number(&text, 2, &day) || !take_char(&text, 'T') ||
        !take_number(&text, 2, &hour) || !take_char(&text, ':') || !take_number(&text, 2, &minute) ||
        !take_char(&text, ':') || !take_number(&text, 2, &second))
        return -1;
    if (take_char(&text, '.') && !take_fraction(&text, &fraction))
        return -1;
    if (!take_zone(&text, &zone) || *text)
        return -1;
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return -1;
    s = days_from_date(year, month, day) * 86400 + (int64_t)(hour * 3600 + minute * 60 + second) -
        zone;
    if (s == -62135596800 && fraction == 0) { /* Go's zero time */
        *ret_ns = 0;
        return 0;
    }
    if (s < 0 || (uint64_t)s > (UINT64_MAX - fraction) / second_ns)
        return -1;
    *ret_ns = (uint64_t)s * second_ns + fraction;
    return 0;
}
