/* filters.c - the "filters" parameter. */
#include "core/api/filters.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "core/api/build.h"
#include "core/base/parse.h"
#include "core/base/time.h"

enum { MAX_COPIES = 1000 }; /* of a part of a regular expression, all repetitions written out */

void dv_filters_done(struct dv_filters *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->items[i].key);
        dv_strv_done(&f->items[i].values);
    }
    f->n = 0;
}

static bool is_known(const char *key, const char *const *keys)
{
    for (; *keys; keys++)
        if (dv_streq(*keys, key))
            return true;
    return false;
}

static int add_values(struct dv_strv *to, const char *key, json_object *value, struct dv_error *err)
{
    size_t n = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;

    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, word, flag)
        {
            (void)flag; /* Docker does not look at it either */
            if (dv_strv_add(to, word) < 0)
                return dv_fail(err, DV_E_NO_MEMORY, "no memory for the filters");
        }
        return 0;
    }
    if (!json_object_is_type(value, json_type_array))
        return dv_fail(err, DV_E_INVALID, "invalid filter '%s': expected object or array", key);
    for (size_t i = 0; i < n; i++) {
        json_object *item = json_object_array_get_idx(value, i);

        if (!json_object_is_type(item, json_type_string))
            return dv_fail(err, DV_E_INVALID, "invalid filter '%s': expected strings", key);
        if (dv_strv_add(to, json_object_get_string(item)) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for the filters");
    }
    return 0;
}

int dv_filters_parse(const char *text, const char *const *keys, struct dv_filters *ret,
                     struct dv_error *err)
{
    dv_autojson json_object *obj = NULL;

    if (dv_empty(text))
        return 0;
    if (dv_json_parse(text, strlen(text), &obj, err) < 0)
        return dv_wrap(err, "invalid filter");
    if (!obj)
        return 0;
    if (!json_object_is_type(obj, json_type_object))
        return dv_fail(err, DV_E_INVALID, "invalid filter: expected a JSON object");
    json_object_object_foreach(obj, key, value)
    {
        int r;

        if (!is_known(key, keys))
            return dv_fail(err, DV_E_INVALID, "invalid filter '%s'", key);
        if (ret->n == DV_FILTERS_MAX)
            return dv_fail(err, DV_E_INVALID, "more than %d filters", DV_FILTERS_MAX);
        ret->items[ret->n].values = (struct dv_strv){ 0 };
        ret->items[ret->n].key = dv_strdup(key);
        if (!ret->items[ret->n].key)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for the filters");
        r = add_values(&ret->items[ret->n++].values, key, value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

const struct dv_strv *dv_filters_get(const struct dv_filters *f, const char *key)
{
    for (size_t i = 0; i < f->n; i++)
        if (dv_streq(f->items[i].key, key) && f->items[i].values.n > 0)
            return &f->items[i].values;
    return NULL;
}

bool dv_filter_exact(const struct dv_filters *f, const char *key, const char *value)
{
    const struct dv_strv *wanted = dv_filters_get(f, key);

    return !wanted || dv_strv_has(wanted, value);
}

bool dv_filter_prefix(const struct dv_filters *f, const char *key, const char *value)
{
    const struct dv_strv *wanted = dv_filters_get(f, key);

    for (size_t i = 0; wanted && i < wanted->n; i++)
        if (dv_starts(value, wanted->items[i]))
            return true;
    return !wanted;
}

static bool has_label(const char *wanted, const struct dv_strv *keys, const struct dv_strv *values)
{
    const char *equals = strchr(wanted, '=');
    size_t n = equals ? (size_t)(equals - wanted) : strlen(wanted);

    for (size_t i = 0; i < keys->n; i++)
        if (strncmp(keys->items[i], wanted, n) == 0 && !keys->items[i][n])
            return !equals || dv_streq(values->items[i], equals + 1);
    return false;
}

bool dv_filter_labels(const struct dv_filters *f, const struct dv_strv *keys,
                      const struct dv_strv *values)
{
    const struct dv_strv *wanted = dv_filters_get(f, "label");

    for (size_t i = 0; wanted && i < wanted->n; i++)
        if (!has_label(wanted->items[i], keys, values))
            return false;
    return true;
}

bool dv_filter_without_labels(const struct dv_filters *f, const struct dv_strv *keys,
                              const struct dv_strv *values)
{
    const struct dv_strv *refused = dv_filters_get(f, "label!");

    for (size_t i = 0; refused && i < refused->n; i++)
        if (has_label(refused->items[i], keys, values))
            return false;
    return true;
}

/* The copies of a part that "{2}", "{2,}", "{,5}" or "{2,5}" at TEXT asks for, some more than MAX_COPIES at
 * most; *END is what follows. "{2,}" is written out as "aaa*". */
static size_t repeats(const char *text, const char **end)
{
    size_t most = 0, number = 0;
    bool open = false;

    for (text++; *text && *text != '}'; text++) {
        number = *text >= '0' && *text <= '9' ? number * 10 + (size_t)(*text - '0') : 0;
        if (number > most)
            most = number <= MAX_COPIES ? number : MAX_COPIES + 1;
        open = *text == ',';
    }
    *end = *text ? text + 1 : text;
    return most + open;
}

/* regcomp writes "(a{1,255}){1,255}" out, and "a+" as "aa*", in gigabytes where that is nested deeper
 * ("a++++"), takes for ever to match "\1", and long to read "a****". Docker's regular expressions have
 * neither more copies nor references, nor a repetition of a repetition but for the "?" of a lazy one. */
static bool is_modest(const char *pattern)
{
    size_t sizes[32], size = 0, last = 1; /* of the groups around, of this one, of its last part */
    unsigned depth = 0, run = 0;         /* RUN: repetitions that stand before this character */

    while (*pattern) {
        char c = *pattern++;
        bool repetition = strchr("*+?{", c) != NULL;

        if (repetition && (run > 1 || (run == 1 && c != '?')))
            return false;
        run = repetition ? run + 1 : 0;
        if (c == '{' || c == '+') {
            size_t n = c == '+' ? 2 : repeats(pattern - 1, &pattern);

            size += n > 1 ? last * (n - 1) : 0;
            last *= n > 1 ? n : 1;
        } else if (c == '(') {
            if (depth == N(sizes))
                return false;
            sizes[depth++] = size;
            size = 0;
        } else if (c == ')' && depth > 0) {
            last = size;
            size += sizes[--depth];
        } else if (c != '*' && c != '?') {
            last = 1;
            size++;
        }
        if (c == '\\' && *pattern >= '1' && *pattern <= '9')
            return false;
        if (c == '\\' && *pattern)
            pattern++;
        if (size > MAX_COPIES)
            return false;
    }
    return true;
}

static bool matches(const char *pattern, const char *name)
{
    regex_t re;
    bool hit;

    if (strstr(name, pattern))
        return true;
    if (!is_modest(pattern) || regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    hit = regexec(&re, name, 0, NULL, 0) == 0;
    regfree(&re);
    return hit;
}

bool dv_filter_name(const struct dv_filters *f, const char *key, const char *name)
{
    const struct dv_strv *wanted = dv_filters_get(f, key);
    char slashed[512];

    snprintf(slashed, sizeof(slashed), "/%s", name); /* "^/web$" is what people write */
    for (size_t i = 0; wanted && i < wanted->n; i++)
        if (matches(wanted->items[i], name) || matches(wanted->items[i], slashed))
            return true;
    return !wanted;
}

int dv_filter_bool(const struct dv_filters *f, const char *key, bool *ret, struct dv_error *err)
{
    const struct dv_strv *wanted = dv_filters_get(f, key);

    if (!wanted)
        return 0;
    if (wanted->n != 1 || dv_parse_bool(wanted->items[0], ret) < 0)
        return dv_fail(err, DV_E_INVALID, "invalid filter '%s=[%s]'", key, wanted->items[0]);
    return 1;
}

int dv_filter_until(const struct dv_filters *f, uint64_t *ret_ns, struct dv_error *err)
{
    const struct dv_strv *until = dv_filters_get(f, "until");
    uint64_t now = dv_now_ns();
    int64_t span;

    *ret_ns = UINT64_MAX;
    if (!until)
        return 0;
    if (until->n > 1)
        return dv_fail(err, DV_E_INVALID, "more than one until filter specified");
    if (dv_parse_timestamp(until->items[0], ret_ns) == 0)
        return 0;
    if (dv_parse_duration(until->items[0], &span) < 0)
        return dv_fail(err, DV_E_INVALID, "invalid value for the until filter: '%s'",
                       until->items[0]);
    *ret_ns = span < 0 ? now + (uint64_t)-span : (uint64_t)span > now ? 0 : now - (uint64_t)span;
    return 0;
}

int dv_filters_parse_prune(const char *text, const char *const *keys, struct dv_filters *ret,
                           uint64_t *ret_ns, struct dv_error *err)
{
    int r = dv_filters_parse(text, keys, ret, err);

    return r < 0 ? r : dv_filter_until(ret, ret_ns, err);
}
