/* build.c - small helpers to build reply documents. */
#include "core/api/build.h"

#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/time.h"

void dv_put(json_object *obj, const char *key, json_object *take)
{
    if (json_object_object_add(obj, key, take) < 0)
        json_object_put(take);
}

void dv_put_list(json_object *obj, const char *key, json_object *take)
{
    if (take && json_object_array_length(take) == 0) {
        json_object_put(take);
        take = NULL;
    }
    dv_put(obj, key, take);
}

void dv_put_str(json_object *obj, const char *key, const char *text)
{
    dv_put(obj, key, json_object_new_string(text ? text : ""));
}

void dv_put_int(json_object *obj, const char *key, int64_t value)
{
    dv_put(obj, key, json_object_new_int64(value));
}

void dv_put_bool(json_object *obj, const char *key, bool value)
{
    dv_put(obj, key, json_object_new_boolean(value));
}

void dv_put_time(json_object *obj, const char *key, uint64_t ns)
{
    char text[DV_TIME_TEXT_BYTES];

    dv_time_format(ns, text);
    dv_put_str(obj, key, text);
}

json_object *dv_json_strings(const struct dv_strv *v)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; list && i < v->n; i++)
        json_object_array_add(list, json_object_new_string(v->items[i]));
    return list;
}

json_object *dv_json_strings_or_null(const struct dv_strv *v)
{
    return v->n ? dv_json_strings(v) : NULL;
}

json_object *dv_json_map(const struct dv_strv *keys, const struct dv_strv *values)
{
    json_object *map = json_object_new_object();

    for (size_t i = 0; map && i < keys->n; i++)
        dv_put_str(map, keys->items[i], values->items[i]);
    return map;
}

json_object *dv_json_set(const struct dv_strv *keys)
{
    json_object *map = json_object_new_object();

    for (size_t i = 0; map && i < keys->n; i++)
        dv_put(map, keys->items[i], json_object_new_object());
    return map;
}

json_object *dv_json_graph_driver(const char *name, const struct dv_strv *keys,
                                  const struct dv_strv *values)
{
    json_object *obj = json_object_new_object();

    dv_put(obj, "Data", keys->n ? dv_json_map(keys, values) : NULL);
    dv_put_str(obj, "Name", name);
    return obj;
}

json_object *dv_json_text_or_null(const char *text)
{
    struct dv_error ignored = { 0 }; /* our own text, from the database */
    json_object *obj = NULL;

    if (text && dv_json_parse(text, strlen(text), &obj, &ignored) < 0)
        return NULL;
    return obj;
}

void dv_human_duration(uint64_t seconds, char out[40])
{
    uint64_t minutes = seconds / 60, hours = (seconds + 1800) / 3600;
    static const struct {
        uint64_t below_hours, divisor;
        const char *unit;
    } units[] = {
        { 48, 1, "hours" },
        { 24 * 7 * 2, 24, "days" },
        { 24 * 30 * 2, 24 * 7, "weeks" },
        { 24 * 365 * 2, 24 * 30, "months" },
        { UINT64_MAX, 24 * 365, "years" },
    };

    if (seconds < 1) {
        snprintf(out, 40, "Less than a second");
    } else if (seconds == 1) {
        snprintf(out, 40, "1 second");
    } else if (seconds < 60) {
        snprintf(out, 40, "%llu seconds", (unsigned long long)seconds);
    } else if (minutes == 1) {
        snprintf(out, 40, "About a minute");
    } else if (minutes < 60) {
        snprintf(out, 40, "%llu minutes", (unsigned long long)minutes);
    } else if (hours == 1) {
        snprintf(out, 40, "About an hour");
    } else {
        for (size_t i = 0; i < N(units); i++)
            if (hours < units[i].below_hours) {
                snprintf(out, 40, "%llu %s", (unsigned long long)(hours / units[i].divisor),
                         units[i].unit);
                return;
            }
    }
}

int dv_parse_timestamp(const char *text, uint64_t *ret_ns)
{
    uint64_t seconds, nanos = 0;
    char whole[24], fraction[10] = "000000000";
    size_t n = strspn(text, "0123456789"), n_fraction;

    if (!*text) {
        *ret_ns = 0;
        return 0;
    }
    if (text[n] != '\0' && text[n] != '.')
        return dv_time_parse(text, ret_ns);
    n_fraction = text[n] ? strlen(text + n + 1) : 0;
    if (n == 0 || n >= sizeof(whole) || n_fraction > 9)
        return -1;
    memcpy(whole, text, n);
    whole[n] = '\0';
    memcpy(fraction, text + n + (text[n] != '\0'), n_fraction);
    if (dv_parse_u64(whole, 0, UINT64_MAX / 1000000000 - 1, &seconds) < 0 ||
        dv_parse_u64(fraction, 0, 999999999, &nanos) < 0)
        return -1;
    *ret_ns = seconds * 1000000000 + nanos;
    return 0;
}
