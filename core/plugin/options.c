/* options.c - a driver's INI section against the driver's own option table. */

#include "core/plugin/internal.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/base/parse.h"

/* The host's own key: always passed, quietly left out where a driver keeps nothing on disk. */
#define STATE_DIR "state_dir"

/* Value TEXT in canonical form (new string), or NULL with *WANT telling what was expected. */
typedef char *canon_fn(const char *text, const char **want);

static char *canon_string(const char *text, const char **want)
{
    *want = "at most 4095 bytes";
    return strnlen(text, DV_PLUGIN_TEXT_MAX) < DV_PLUGIN_TEXT_MAX ? dv_strdup(text) : NULL;
}

static char *canon_bool(const char *text, const char **want)
{
    bool v;

    *want = "true or false";
    return dv_parse_bool(text, &v) < 0 ? NULL : dv_strdup(v ? "true" : "false");
}

static char *canon_u64(const char *text, const char **want)
{
    uint64_t v;

    *want = "a whole number";
    return dv_parse_u64(text, 0, UINT64_MAX, &v) < 0 ? NULL : dv_format("%" PRIu64, v);
}

static char *canon_bytes(const char *text, const char **want)
{
    int64_t v;

    *want = "a size such as 512m or 10g";
    return dv_parse_bytes(text, &v) < 0 || v < 0 ? NULL : dv_format("%" PRId64, v);
}

static char *canon_seconds(const char *text, const char **want)
{
    int64_t ns;
    uint64_t v;

    *want = "seconds, or a duration such as 1m30s";
    if (dv_parse_u64(text, 0, INT64_MAX / 1000000000, &v) == 0)
        return dv_format("%" PRIu64, v);
    if (dv_parse_duration(text, &ns) < 0 || ns < 0 || ns % 1000000000 != 0)
        return NULL;
    return dv_format("%" PRId64, ns / 1000000000);
}

static char *canon_path(const char *text, const char **want)
{
    *want = "an absolute path";
    return text[0] == '/' && strnlen(text, DV_PLUGIN_TEXT_MAX) < DV_PLUGIN_TEXT_MAX
               ? dv_strdup(text)
               : NULL;
}

static const struct {
    const char *name;
    canon_fn *canon;
} types[] = {
    { "string", canon_string }, { "bool", canon_bool },       { "u64", canon_u64 },
    { "bytes", canon_bytes },   { "seconds", canon_seconds }, { "path", canon_path },
};

/* NULL: no such type. */
static canon_fn *type_canon(const char *type)
{
    for (size_t i = 0; i < N(types); i++)
        if (dv_streq(types[i].name, type))
            return types[i].canon;
    return NULL;
}

static const struct dv_option *option_at(const struct dv_plugin *p, size_t i)
{
    return (const void *)((const char *)p->options + i * p->option_stride);
}

static const struct dv_option *option_find(const struct dv_plugin *p, const char *key)
{
    for (size_t i = 0; i < p->n_options; i++)
        if (dv_streq(option_at(p, i)->name, key))
            return option_at(p, i);
    return NULL;
}

/* An empty default means "unset" for every type. */
static char *canon_of(const struct dv_option *o, const char *text, const char **want)
{
    if (!*text && o->fallback && !*o->fallback)
        return dv_strdup("");
    return type_canon(o->type)(text, want);
}

static int check_row(const struct dv_option *o, size_t i, const char *path, struct dv_error *err)
{
    dv_autofree char *value = NULL;
    const char *want = "";

    if (!o->name || !*o->name || strnlen(o->name, 64) == 64 ||
        o->name[strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_-.")])
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s: name of option %zu is not of the form [a-z0-9_.-]{1,63}", path,
                       i);
    if (!o->type || !type_canon(o->type))
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s: option '%s' has type '%.32s', expected string, bool, u64, "
                       "bytes, seconds or path",
                       path, o->name, o->type ? o->type : "");
    if (!o->help || strnlen(o->help, DV_PLUGIN_TEXT_MAX) == DV_PLUGIN_TEXT_MAX)
        return dv_fail(err, DV_E_INVALID, "plugin %s: option '%s' has no help line", path, o->name);
    if (!o->fallback)
        return 0;
    value = canon_of(o, o->fallback, &want);
    if (!value)
        return dv_fail(err, DV_E_INVALID, "plugin %s: default '%.64s' of option '%s' is not %s",
                       path, o->fallback, o->name, want);
    return 0;
}

int dv_options_check_table(const struct dv_plugin *p, const char *path, struct dv_error *err)
{
    int r;

    if (p->n_options == 0)
        return 0;
    if (!p->options || p->n_options > DV_PLUGIN_OPTIONS_MAX ||
        p->option_stride < sizeof(struct dv_option) || p->option_stride > DV_PLUGIN_STRUCT_MAX ||
        p->option_stride % _Alignof(struct dv_option) != 0)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s: its option table has %u rows %u bytes apart, expected at most "
                       "%d rows of at least %zu",
                       path, p->n_options, p->option_stride, DV_PLUGIN_OPTIONS_MAX,
                       sizeof(struct dv_option));
    for (size_t i = 0; i < p->n_options; i++) {
        r = check_row(option_at(p, i), i, path, err);
        if (r < 0)
            return r;
        if (option_find(p, option_at(p, i)->name) != option_at(p, i))
            return dv_fail(err, DV_E_INVALID, "plugin %s: option '%s' is listed twice", path,
                           option_at(p, i)->name);
    }
    return 0;
}

static int unknown_key(const struct dv_plugin *p, const char *key, const char *section,
                       struct dv_error *err)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < p->n_options && strnlen(key, 64) < 64; i++) {
        size_t d = dv_edit_distance(key, option_at(p, i)->name);

        if (d < best && !dv_streq(option_at(p, i)->name, STATE_DIR)) {
            best = d;
            nearest = option_at(p, i)->name;
        }
    }
    if (!nearest)
        return dv_fail(err, DV_E_INVALID, "[%s] %.64s: unknown key; driver '%s' has no options",
                       section, key, p->name);
    return dv_fail(err, DV_E_INVALID, "[%s] %.64s: unknown key; the nearest known one is '%s'",
                   section, key, nearest);
}

static void at_fault(char ret[64], const char *key)
{
    if (ret)
        snprintf(ret, 64, "%s", key);
}

static int check_keys(const struct dv_plugin *p, const struct dv_kvs *given, const char *section,
                      char fault[64], struct dv_error *err)
{
    for (size_t i = 0; i < given->n; i++) {
        const char *key = given->items[i].key;

        at_fault(fault, key);
        if (!option_find(p, key) && !dv_streq(key, STATE_DIR))
            return unknown_key(p, key, section, err);
        for (size_t j = 0; j < i; j++)
            if (dv_streq(given->items[j].key, key))
                return dv_fail(err, DV_E_INVALID, "[%s] %s: given twice", section, key);
    }
    return 0;
}

static const char *given_value(const struct dv_kvs *given, const char *key)
{
    for (size_t i = 0; i < given->n; i++)
        if (dv_streq(given->items[i].key, key))
            return given->items[i].value;
    return NULL;
}

/* Fill one row. */
static int resolve_row(const struct dv_option *o, const char *text, const char *section,
                       struct dv_kv *ret, struct dv_error *err)
{
    dv_autofree char *key = NULL, *value = NULL;
    const char *want = "";

    if (!text)
        text = o->fallback;
    if (!text)
        return dv_fail(err, DV_E_INVALID, "[%s] %s: must be set (%s: %s)", section, o->name,
                       o->type, o->help);
    errno = 0;
    value = canon_of(o, text, &want);
    key = dv_strdup(o->name);
    if (!key || (!value && errno == ENOMEM))
        return dv_fail(err, DV_E_NO_MEMORY, "[%s] %s: out of memory", section, o->name);
    if (!value)
        return dv_fail(err, DV_E_INVALID, "[%s] %s = '%.128s': expected %s", section, o->name, text,
                       want);
    ret->key = dv_take(key);
    ret->value = dv_take(value);
    return 0;
}

void dv_options_free(struct dv_kvs *kvs)
{
    for (size_t i = 0; i < kvs->n; i++) {
        free((char *)kvs->items[i].key);
        free((char *)kvs->items[i].value);
    }
    free((struct dv_kv *)kvs->items);
    *kvs = (struct dv_kvs){ 0 };
}

int dv_options_copy(const struct dv_kvs *from, struct dv_kvs *ret)
{
    struct dv_kv *items = calloc((from ? from->n : 0) + 1, sizeof(*items));

    *ret = (struct dv_kvs){ items, 0 };
    for (size_t i = 0; items && from && i < from->n; i++) {
        items[i].key = dv_strdup(from->items[i].key);
        items[i].value = dv_strdup(from->items[i].value);
        ret->n++;
        if (!items[i].key || !items[i].value)
            return -1;
    }
    return items ? 0 : -1;
}

int dv_options_resolve(const struct dv_plugin *p, const struct dv_kvs *given, const char *section,
                       struct dv_kvs *ret, char fault[64], struct dv_error *err)
{
    const struct dv_kvs none = { 0 };
    struct dv_kvs out = { 0 };
    struct dv_kv *items;
    int r;

    if (!given)
        given = &none;
    r = check_keys(p, given, section, fault, err);
    if (r < 0)
        return r;
    items = calloc(p->n_options + 1, sizeof(*items));
    if (!items)
        return dv_fail(err, DV_E_NO_MEMORY, "[%s]: out of memory", section);
    out.items = items;
    for (size_t i = 0; i < p->n_options; i++) {
        const struct dv_option *o = option_at(p, i);

        at_fault(fault, o->name);
        r = resolve_row(o, given_value(given, o->name), section, &items[i], err);
        if (r < 0) {
            dv_options_free(&out);
            return r;
        }
        out.n++;
    }
    *ret = out;
    return 0;
}
