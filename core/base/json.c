/* json.c - JSON by field tables, on json-c. */
#include "core/base/json.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/limits.h"

/* ---- text ---- */

/* A bare number can only be known to end when something follows: tell the tokener. */
static json_object *finish_number(json_tokener *tok, json_object *obj)
{
    if (obj || json_tokener_get_error(tok) != json_tokener_continue)
        return obj;
    return json_tokener_parse_ex(tok, "", 1);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* json-c gives the nearest 64-bit number for a larger one, without a word. The digits at POS, which
 * moves behind them: false if they are such a whole number. */
static bool number_fits(const char *text, size_t len, size_t *pos)
{
    size_t start = *pos, n;
    bool negative = start > 0 && text[start - 1] == '-';
    const char *max = negative ? "9223372036854775808" : "18446744073709551615";

    while (*pos < len && is_digit(text[*pos]))
        ++*pos;
    n = *pos - start;
    if (n < strlen(max) || (start > 0 && strchr(".+eE", text[start - 1])))
        return true;
    if (*pos < len && strchr(".eE", text[*pos]))
        return true;
    return n == strlen(max) && memcmp(text + start, max, n) <= 0;
}

/* What json-c takes though strict, and JSON is not: 'single quotes' around keys, NaN and Infinity,
 * whole numbers of more than 64 bits, overlong UTF-8. */
static int refuse_leniency(const char *text, size_t len, struct dv_error *err)
{
    bool inside = false;
    size_t i = 0;

    while (i < len) {
        size_t at = i, n = dv_utf8_len(text + i, len - i);
        char c = text[i];

        if (n == 0)
            return dv_fail(err, DV_E_INVALID, "JSON: not UTF-8 at byte %zu", at);
        i += n;
        if (c == '"')
            inside = !inside;
        else if (inside)
            i += c == '\\';
        else if (c == '\'' || c == 'N' || c == 'I')
            return dv_fail(err, DV_E_INVALID, "JSON: unexpected character at byte %zu", at);
        else if (is_digit(c) && !number_fits(text, len, &at))
            return dv_fail(err, DV_E_INVALID, "JSON: number out of range at byte %zu", i - n);
        else if (is_digit(c))
            i = at;
    }
    return 0;
}

static bool only_space(const char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\n' && text[i] != '\r')
            return false;
    return true;
}

int dv_json_parse(const char *text, size_t len, json_object **ret, struct dv_error *err)
{
    json_tokener *tok;
    dv_autojson json_object *obj = NULL;
    enum json_tokener_error error;
    size_t end;
    int r;

    if (len > INT32_MAX - 1)
        return dv_fail(err, DV_E_INVALID, "JSON text of %zu bytes is too long", len);
    r = refuse_leniency(text, len, err);
    if (r < 0)
        return r;
    tok = json_tokener_new_ex(DV_MAX_JSON_DEPTH);
    if (!tok)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to parse JSON");
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    obj = json_tokener_parse_ex(tok, text, (int)len);
    end = json_tokener_get_parse_end(tok);
    obj = finish_number(tok, obj);
    error = json_tokener_get_error(tok);
    json_tokener_free(tok);

    if (error == json_tokener_continue)
        return dv_fail(err, DV_E_INVALID, "JSON text ends too early, at byte %zu", len);
    if (error == json_tokener_error_depth)
        return dv_fail(err, DV_E_INVALID, "JSON is nested deeper than %d levels at byte %zu",
                       DV_MAX_JSON_DEPTH, end);
    if (error != json_tokener_success)
        return dv_fail(err, DV_E_INVALID, "JSON: %s at byte %zu", json_tokener_error_desc(error),
                       end);
    if (end < len && !only_space(text + end, len - end))
        return dv_fail(err, DV_E_INVALID, "JSON: text follows the value at byte %zu", end);
    *ret = dv_take(obj);
    return 0;
}

char *dv_json_text(json_object *obj)
{
    const char *text = json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE);

    return text ? strdup(text) : NULL;
}

const char *dv_json_map_get(const struct dv_json_map *map, const char *key)
{
    size_t i;

    for (i = 0; i < map->keys.n; i++)
        if (dv_streq(map->keys.items[i], key))
            return map->values.items[i];
    return NULL;
}

/* ---- decoding ---- */

/* Where we are, from the innermost key outwards; text is made of it only for a failure. */
struct path {
    const struct path *outer;
    const char *key;    /* NULL: an array's element INDEX */
    size_t index;
};

static void path_text(const struct path *path, struct dv_buf *out)
{
    struct dv_error ignored = { 0 }; /* a path that is too long is cut */

    if (!path)
        return;
    path_text(path->outer, out);
    if (!path->key) {
        if (dv_buf_printf(out, &ignored, "[%zu]", path->index) < 0)
            return;
    } else if (dv_buf_printf(out, &ignored, "%s%s", out->len > 0 ? "." : "", path->key) < 0) {
        return;
    }
}

static int fail_at(const struct path *path, struct dv_error *err, const char *what)
{
    dv_autobuf text = DV_BUF_INIT(512, "path");

    path_text(path, &text);
    if (text.len == 0)
        return dv_fail(err, DV_E_INVALID, "%s", what);
    return dv_fail(err, DV_E_INVALID, "%s: %s", text.data, what);
}

static const char *type_name(json_object *obj)
{
    switch (json_object_get_type(obj)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "bool";
    case json_type_double:
    case json_type_int:
        return "number";
    case json_type_object:
        return "object";
    case json_type_array:
        return "array";
    default:
        return "string";
    }
}

static int fail_type(const struct path *path, const char *expected, json_object *found,
                     struct dv_error *err)
{
    char what[64];

    snprintf(what, sizeof(what), "expected %s, found %s", expected, type_name(found));
    return fail_at(path, err, what);
}

static int fail_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "no memory to decode JSON");
}

static int decode_struct(json_object *obj, const struct dv_json_field *fields, size_t n, void *out,
                         const struct path *path, struct dv_error *err);

typedef int decode_fn(json_object *obj, const struct dv_json_field *f, void *at,
                      const struct path *path, struct dv_error *err);

/* A C string of OBJ; a NUL inside, which only \u0000 can bring, would hide what follows. */
static int get_string(json_object *obj, const char **ret, const struct path *path,
                      struct dv_error *err)
{
    const char *text;

    if (!json_object_is_type(obj, json_type_string))
        return fail_type(path, "string", obj, err);
    text = json_object_get_string(obj);
    if (strlen(text) != (size_t)json_object_get_string_len(obj))
        return fail_at(path, err, "string contains a NUL character");
    *ret = text;
    return 0;
}

static int decode_str(json_object *obj, const struct dv_json_field *f, void *at,
                      const struct path *path, struct dv_error *err)
{
    char **to = at, *copy;
    const char *text = NULL;
    int r = get_string(obj, &text, path, err);

    (void)f;
    if (r < 0)
        return r;
    copy = strdup(text);
    if (!copy)
        return fail_memory(err);
    free(*to);
    *to = copy;
    return 0;
}

static int decode_bool(json_object *obj, const struct dv_json_field *f, void *at,
                       const struct path *path, struct dv_error *err)
{
    (void)f;
    if (!json_object_is_type(obj, json_type_boolean))
        return fail_type(path, "bool", obj, err);
    *(bool *)at = json_object_get_boolean(obj);
    return 0;
}

/* A whole number. json-c gives the nearest of the wanted type, without a word: so compare. */
static int get_whole(json_object *obj, int64_t *ret_i, uint64_t *ret_u, const struct path *path,
                     struct dv_error *err)
{
    if (json_object_is_type(obj, json_type_double))
        return fail_at(path, err, "expected a whole number");
    if (!json_object_is_type(obj, json_type_int))
        return fail_type(path, "number", obj, err);
    *ret_i = json_object_get_int64(obj);
    *ret_u = json_object_get_uint64(obj);
    return 0;
}

static int decode_i64(json_object *obj, const struct dv_json_field *f, void *at,
                      const struct path *path, struct dv_error *err)
{
    int64_t i = 0;
    uint64_t u = 0;
    int r = get_whole(obj, &i, &u, path, err);

    (void)f;
    if (r < 0)
        return r;
    if (u > INT64_MAX)
        return fail_at(path, err, "number is out of range");
    *(int64_t *)at = i;
    return 0;
}

static int decode_u64(json_object *obj, const struct dv_json_field *f, void *at,
                      const struct path *path, struct dv_error *err)
{
    int64_t i = 0;
    uint64_t u = 0;
    int r = get_whole(obj, &i, &u, path, err);

    (void)f;
    if (r < 0)
        return r;
    if (i < 0)
        return fail_at(path, err, "number is out of range");
    *(uint64_t *)at = u;
    return 0;
}

static int decode_f64(json_object *obj, const struct dv_json_field *f, void *at,
                      const struct path *path, struct dv_error *err)
{
    (void)f;
    if (!json_object_is_type(obj, json_type_double) && !json_object_is_type(obj, json_type_int))
        return fail_type(path, "number", obj, err);
    *(double *)at = json_object_get_double(obj);
    return 0;
}

static int decode_strv(json_object *obj, const struct dv_json_field *f, void *at,
                       const struct path *path, struct dv_error *err)
{
    dv_autostrv list = { 0 };
    struct dv_strv *to = at;
    size_t i, n;

    (void)f;
    if (!json_object_is_type(obj, json_type_array))
        return fail_type(path, "array", obj, err);
    n = json_object_array_length(obj);
    list.items = calloc(n + 1, sizeof(*list.items)); /* not NULL for []: that is not null */
    if (!list.items)
        return fail_memory(err);
    for (i = 0; i < n; i++) {
        json_object *item = json_object_array_get_idx(obj, i);
        struct path here = { .outer = path, .index = i };
        const char *text = ""; /* as Go reads a null among strings */
        int r = item ? get_string(item, &text, &here, err) : 0;

        if (r < 0)
            return r;
        list.items[i] = strdup(text);
        if (!list.items[i])
            return fail_memory(err);
        list.n = i + 1;
    }
    dv_strv_done(to);
    *to = list;
    list = (struct dv_strv){ 0 };
    return 0;
}

static int decode_raw(json_object *obj, const struct dv_json_field *f, void *at,
                      const struct path *path, struct dv_error *err)
{
    json_object **to = at;

    (void)f;
    (void)path;
    (void)err;
    json_object_put(*to);
    *to = json_object_get(obj);
    return 0;
}

static int decode_obj(json_object *obj, const struct dv_json_field *f, void *at,
                      const struct path *path, struct dv_error *err)
{
    return decode_struct(obj, f->sub, f->n_sub, at, path, err);
}

static void release_array(const struct dv_json_field *f, struct dv_json_array *array)
{
    size_t i;

    for (i = 0; i < array->n; i++)
        dv_json_release(f->sub, f->n_sub, (char *)array->items + i * f->sub_size);
    free(array->items);
    array->items = NULL;
    array->n = 0;
}

static int decode_array(json_object *obj, const struct dv_json_field *f, void *at,
                        const struct path *path, struct dv_error *err)
{
    struct dv_json_array *to = at;
    size_t i, n;

    if (!json_object_is_type(obj, json_type_array))
        return fail_type(path, "array", obj, err);
    release_array(f, to);
    n = json_object_array_length(obj);
    to->items = calloc(n ? n : 1, f->sub_size);
    if (!to->items)
        return fail_memory(err);
    for (i = 0; i < n; i++) {
        json_object *item = json_object_array_get_idx(obj, i);
        struct path here = { .outer = path, .index = i };
        int r;

        to->n = i + 1;
        if (!item) /* null: the zero value, as in Go */
            continue;
        r = decode_struct(item, f->sub, f->n_sub, (char *)to->items + i * f->sub_size, &here, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void release_map(struct dv_json_map *map)
{
    dv_strv_done(&map->keys);
    dv_strv_done(&map->values);
    map->present = false;
}

static int decode_map(json_object *obj, const struct dv_json_field *f, void *at,
                      const struct path *path, struct dv_error *err)
{
    struct dv_json_map *to = at;

    (void)f;
    if (!json_object_is_type(obj, json_type_object))
        return fail_type(path, "object", obj, err);
    release_map(to);
    to->present = true;
    json_object_object_foreach(obj, key, value)
    {
        struct path here = { .outer = path, .key = key };
        const char *text = "";
        int r = value ? get_string(value, &text, &here, err) : 0;

        if (r < 0)
            return r;
        if (dv_strv_add(&to->keys, key) < 0)
            return fail_memory(err);
        if (dv_strv_add(&to->values, text) < 0)
            return fail_memory(err);
    }
    return 0;
}

static decode_fn *const decoders[] = {
    [DV_JSON_STR] = decode_str,     [DV_JSON_BOOL] = decode_bool, [DV_JSON_I64] = decode_i64,
    [DV_JSON_U64] = decode_u64,     [DV_JSON_F64] = decode_f64,   [DV_JSON_STRV] = decode_strv,
    [DV_JSON_RAW] = decode_raw,     [DV_JSON_OBJ] = decode_obj,   [DV_JSON_ARRAY] = decode_array,
    [DV_JSON_MAP] = decode_map,
};

/* Go takes a key of any case where none fits exactly. */
static bool find_any_case(json_object *obj, const char *wanted, json_object **ret)
{
    bool found = false;

    json_object_object_foreach(obj, key, value)
    {
        if (strcasecmp(key, wanted) == 0) {
            *ret = value; /* the last one counts */
            found = true;
        }
    }
    return found;
}

static int decode_field(json_object *value, const struct dv_json_field *f, void *out,
                        const struct path *outer, struct dv_error *err)
{
    struct path here = { .outer = outer, .key = f->key };
    int r;

    if (!value)
        return f->flags & DV_JSON_REQUIRED ? fail_at(&here, err, "is required") : 0;
    r = decoders[f->type](value, f, (char *)out + f->offset, &here, err);
    if (r == 0 && f->seen_offset)
        *(bool *)((char *)out + f->seen_offset) = true;
    return r;
}

static int decode_struct(json_object *obj, const struct dv_json_field *fields, size_t n, void *out,
                         const struct path *path, struct dv_error *err)
{
    size_t i, n_exact = 0, n_keys;

    if (!json_object_is_type(obj, json_type_object))
        return fail_type(path, "object", obj, err);
    n_keys = (size_t)json_object_object_length(obj);
    for (i = 0; i < n; i++)
        n_exact += json_object_object_get_ex(obj, fields[i].key, NULL);
    for (i = 0; i < n; i++) {
        json_object *value = NULL;
        int r;

        /* Looking at all keys is needed only where some key fits no field exactly. */
        if (!json_object_object_get_ex(obj, fields[i].key, &value) && n_exact < n_keys)
            find_any_case(obj, fields[i].key, &value);
        r = decode_field(value, &fields[i], out, path, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int dv_json_decode(json_object *obj, const struct dv_json_field *fields, size_t n, void *out,
                   struct dv_error *err)
{
    return decode_struct(obj, fields, n, out, /* path */ NULL, err);
}

void dv_json_release(const struct dv_json_field *fields, size_t n, void *out)
{
    size_t i;

    for (i = 0; i < n; i++) {
        const struct dv_json_field *f = &fields[i];
        void *at = (char *)out + f->offset;

        switch (f->type) {
        case DV_JSON_STR:
            free(*(char **)at);
            *(char **)at = NULL;
            break;
        case DV_JSON_STRV:
            dv_strv_done(at);
            break;
        case DV_JSON_RAW:
            json_object_put(*(json_object **)at);
            *(json_object **)at = NULL;
            break;
        case DV_JSON_OBJ:
            dv_json_release(f->sub, f->n_sub, at);
            break;
        case DV_JSON_ARRAY:
            release_array(f, at);
            break;
        case DV_JSON_MAP:
            release_map(at);
            break;
        default:
            break;
        }
    }
}

/* ---- encoding ---- */

/* Of a number or bool: written although zero, since the document it came from had it. */
static bool was_seen(const struct dv_json_field *f, const void *in)
{
    return f->seen_offset && *(const bool *)((const char *)in + f->seen_offset);
}

static bool is_empty(const struct dv_json_field *f, const void *in)
{
    const void *at = (const char *)in + f->offset;

    switch (f->type) {
    case DV_JSON_STR:
        return dv_empty(*(char *const *)at);
    case DV_JSON_BOOL:
        return !*(const bool *)at && !was_seen(f, in);
    case DV_JSON_I64:
        return *(const int64_t *)at == 0 && !was_seen(f, in);
    case DV_JSON_U64:
        return *(const uint64_t *)at == 0 && !was_seen(f, in);
    case DV_JSON_F64:
        return fpclassify(*(const double *)at) == FP_ZERO && !was_seen(f, in);
    case DV_JSON_STRV:
        return ((const struct dv_strv *)at)->n == 0;
    case DV_JSON_ARRAY:
        return ((const struct dv_json_array *)at)->n == 0;
    case DV_JSON_MAP:
        return ((const struct dv_json_map *)at)->keys.n == 0;
    case DV_JSON_RAW:
        return !*(json_object *const *)at;
    case DV_JSON_OBJ:
        return false;
    }
    return false;
}

/* NULLEMPTY: for a string only NULL is null, since "" is a value. */
static bool is_null(const struct dv_json_field *f, const void *in)
{
    if (f->type == DV_JSON_RAW)
        return is_empty(f, in);
    if (!(f->flags & DV_JSON_NULLEMPTY))
        return false;
    if (f->type == DV_JSON_STR)
        return !*(char *const *)((const char *)in + f->offset);
    return is_empty(f, in);
}

/* The shortest text that reads back as V, as Go prints it. */
static json_object *encode_f64(double v)
{
    char text[40];
    int digits;

    if (!isfinite(v))
        v = 0; /* JSON has no other numbers */
    for (digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (memcmp(&(double){ strtod(text, NULL) }, &v, sizeof(v)) == 0)
            break;
    }
    return json_object_new_double_s(v, text);
}

static int add_string(json_object *array, const char *text)
{
    json_object *item = json_object_new_string(text);

    if (item && json_object_array_add(array, item) == 0)
        return 0;
    json_object_put(item);
    return -1;
}

static json_object *encode_strv(const struct dv_strv *list)
{
    dv_autojson json_object *array = json_object_new_array_ext(list->n ? (int)list->n : 1);
    size_t i;

    if (!array)
        return NULL;
    for (i = 0; i < list->n; i++)
        if (add_string(array, list->items[i]) < 0)
            return NULL;
    return dv_take(array);
}

static json_object *encode_map(const struct dv_json_map *map)
{
    dv_autojson json_object *obj = json_object_new_object();
    size_t i;

    if (!obj)
        return NULL;
    for (i = 0; i < map->keys.n; i++) {
        json_object *value = json_object_new_string(map->values.items[i]);

        if (!value || json_object_object_add(obj, map->keys.items[i], value) < 0) {
            json_object_put(value);
            return NULL;
        }
    }
    return dv_take(obj);
}

static json_object *encode_array(const struct dv_json_field *f, const struct dv_json_array *list)
{
    dv_autojson json_object *array = json_object_new_array_ext(list->n ? (int)list->n : 1);
    size_t i;

    if (!array)
        return NULL;
    for (i = 0; i < list->n; i++) {
        json_object *item =
            dv_json_encode(f->sub, f->n_sub, (const char *)list->items + i * f->sub_size);

        if (!item || json_object_array_add(array, item) < 0) {
            json_object_put(item);
            return NULL;
        }
    }
    return dv_take(array);
}

/* New object, NULL on no memory. */
static json_object *encode_value(const struct dv_json_field *f, const void *at)
{
    switch (f->type) {
    case DV_JSON_STR:
        return json_object_new_string(*(char *const *)at ? *(char *const *)at : "");
    case DV_JSON_BOOL:
        return json_object_new_boolean(*(const bool *)at);
    case DV_JSON_I64:
        return json_object_new_int64(*(const int64_t *)at);
    case DV_JSON_U64:
        return json_object_new_uint64(*(const uint64_t *)at);
    case DV_JSON_F64:
        return encode_f64(*(const double *)at);
    case DV_JSON_STRV:
        return encode_strv(at);
    case DV_JSON_RAW:
        return json_object_get(*(json_object *const *)at);
    case DV_JSON_OBJ:
        return dv_json_encode(f->sub, f->n_sub, at);
    case DV_JSON_ARRAY:
        return encode_array(f, at);
    case DV_JSON_MAP:
        return encode_map(at);
    }
    return NULL;
}

json_object *dv_json_encode(const struct dv_json_field *fields, size_t n, const void *in)
{
    dv_autojson json_object *obj = json_object_new_object();
    size_t i;

    if (!obj)
        return NULL;
    for (i = 0; i < n; i++) {
        const struct dv_json_field *f = &fields[i];
        json_object *value = NULL;

        if ((f->flags & DV_JSON_OMITEMPTY) && is_empty(f, in))
            continue;
        if (!is_null(f, in)) {
            value = encode_value(f, (const char *)in + f->offset);
            if (!value)
                return NULL;
            if ((f->flags & DV_JSON_OMITEMPTY) && f->type == DV_JSON_OBJ &&
                json_object_object_length(value) == 0) {
                json_object_put(value);
                continue;
            }
        }
        /* Tables are static: no copy of the key, and no look for an older one. */
        if (json_object_object_add_ex(obj, f->key, value,
                                      JSON_C_OBJECT_ADD_KEY_IS_NEW |
                                          JSON_C_OBJECT_ADD_CONSTANT_KEY) < 0) {
            json_object_put(value);
            return NULL;
        }
    }
    return dv_take(obj);
}

int dv_json_size(json_object *size, const char *key, uint16_t *rows, uint16_t *cols,
                 struct dv_error *err)
{
    size_t n = json_object_is_type(size, json_type_array) ? json_object_array_length(size) : 0;
    int64_t v[2] = { -1, -1 };

    if (!size)
        return 0;
    for (size_t i = 0; i < N(v) && i < n; i++) {
        json_object *item = json_object_array_get_idx(size, i);

        if (json_object_is_type(item, json_type_int))
            v[i] = json_object_get_int64(item);
    }
    if (n != N(v) || v[0] < 0 || v[0] > UINT16_MAX || v[1] < 0 || v[1] > UINT16_MAX)
        return dv_fail(err, DV_E_INVALID, "%s: expected [height, width], 0 to 65535 each", key);
    *rows = (uint16_t)v[0];
    *cols = (uint16_t)v[1];
    return 0;
}
