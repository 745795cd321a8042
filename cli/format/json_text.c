/* json_text.c - JSON as Go's encoder writes it. */
#include "cli/format/json_text.h"

static const char *short_escape(unsigned char c)
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return NULL;
    }
}

static void put_string(struct dv_buf *out, const char *s, size_t n, bool html)
{
    size_t i, start = 0;

    dv_xput(out, "\"");
    for (i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        const char *escape = short_escape(c);
        /* U+2028 and U+2029, which end a line in JavaScript. */
        bool separator = i + 2 < n && memcmp(s + i, "\xe2\x80", 2) == 0 &&
                         ((unsigned char)s[i + 2] | 1) == 0xa9;

        if (!escape && c >= 0x20 && !separator && !(html && strchr("<>&", c)))
            continue;
        dv_xputn(out, s + start, i - start);
        if (escape)
            dv_xput(out, escape);
        else
            dv_xprintf(out, "\\u%04x", separator ? 0x2028u + (s[i + 2] & 1) : c);
        i += separator ? 2 : 0;
        start = i + 1;
    }
    dv_xputn(out, s + start, n - start);
    dv_xput(out, "\"");
}

static void new_line(struct dv_buf *out, enum dv_json_style style, int depth)
{
    if (style != DV_JSON_PRETTY)
        return;
    dv_xput(out, "\n");
    dv_xput_spaces(out, 4 * (size_t)depth);
}

static void put(struct dv_buf *out, json_object *obj, enum dv_json_style style, int depth);

static void put_object(struct dv_buf *out, json_object *obj, enum dv_json_style style, int depth)
{
    struct json_object_iterator i = json_object_iter_begin(obj), end = json_object_iter_end(obj);
    bool any = false;

    dv_xput(out, "{");
    for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
        const char *key = json_object_iter_peek_name(&i);

        dv_xput(out, any ? "," : "");
        new_line(out, style, depth + 1);
        put_string(out, key, strlen(key), style == DV_JSON_COMPACT_HTML);
        dv_xput(out, style == DV_JSON_PRETTY ? ": " : ":");
        put(out, json_object_iter_peek_value(&i), style, depth + 1);
        any = true;
    }
    if (any)
        new_line(out, style, depth);
    dv_xput(out, "}");
}

static void put_array(struct dv_buf *out, json_object *obj, enum dv_json_style style, int depth)
{
    size_t i, n = json_object_array_length(obj);

    dv_xput(out, "[");
    for (i = 0; i < n; i++) {
        dv_xput(out, i ? "," : "");
        new_line(out, style, depth + 1);
        put(out, json_object_array_get_idx(obj, i), style, depth + 1);
    }
    if (n > 0)
        new_line(out, style, depth);
    dv_xput(out, "]");
}

/* The depth is bounded by the parser's own limit. */
static void put(struct dv_buf *out, json_object *obj, enum dv_json_style style, int depth)
{
    switch (json_object_get_type(obj)) {
    case json_type_object:
        put_object(out, obj, style, depth);
        break;
    case json_type_array:
        put_array(out, obj, style, depth);
        break;
    case json_type_string:
        put_string(out, json_object_get_string(obj), (size_t)json_object_get_string_len(obj),
                   style == DV_JSON_COMPACT_HTML);
        break;
    default:
        dv_xput(out, obj ? json_object_to_json_string(obj) : "null");
        break;
    }
}

void dv_json_put(struct dv_buf *out, json_object *obj, enum dv_json_style style)
{
    put(out, obj, style, 0);
}
