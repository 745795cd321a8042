/* util.c - allocation that cannot fail, and other small helpers of the command line client. */
#include "cli/util.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

static void out_of_memory(void)
{
    fputs("davit: out of memory\n", stderr);
    exit(1);
}

char *dv_xformat(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        out_of_memory();
    va_end(args);
    return text;
}

char *dv_xstrdup(const char *s)
{
    return dv_xstrndup(s, strlen(s));
}

char *dv_xstrndup(const char *s, size_t n)
{
    char *copy = strndup(s, n);

    if (!copy)
        out_of_memory();
    return copy;
}

void *dv_xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        out_of_memory();
    return p;
}

void *dv_xrealloc(void *p, size_t n, size_t size)
{
    void *q = reallocarray(p, n ? n : 1, size);

    if (!q)
        out_of_memory();
    return q;
}

void dv_xadd(struct dv_strv *v, const char *s)
{
    if (dv_strv_add(v, s) < 0)
        out_of_memory();
}

void dv_xadd_take(struct dv_strv *v, char *s)
{
    if (dv_strv_add_take(v, s) < 0)
        out_of_memory();
}

void dv_xsplit(struct dv_strv *v, const char *s, char sep)
{
    if (dv_strv_split(v, s, sep) < 0)
        out_of_memory();
}

void dv_xputn(struct dv_buf *buf, const void *data, size_t n)
{
    struct dv_error err = { 0 };

    if (dv_buf_put(buf, data, n, &err) < 0)
        out_of_memory();
}

void dv_xput(struct dv_buf *buf, const char *text)
{
    dv_xputn(buf, text, strlen(text));
}

void dv_xput_spaces(struct dv_buf *buf, size_t n)
{
    static const char spaces[] = "                                ";

    for (; n >= sizeof(spaces); n -= sizeof(spaces) - 1)
        dv_xputn(buf, spaces, sizeof(spaces) - 1);
    dv_xputn(buf, spaces, n);
}

void dv_xprintf(struct dv_buf *buf, const char *fmt, ...)
{
    dv_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        out_of_memory();
    va_end(args);
    dv_xput(buf, text);
}

static void put_escaped(struct dv_buf *buf, const char *text, const char *keep)
{
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr(keep, *text))
            dv_xputn(buf, text, 1);
        else
            dv_xprintf(buf, "%%%02X", (unsigned char)*text);
    }
}

void dv_xput_escaped(struct dv_buf *buf, const char *text)
{
    put_escaped(buf, text, "-._~");
}

void dv_xput_path(struct dv_buf *buf, const char *text)
{
    put_escaped(buf, text, "-._~/:@");
}

void dv_xput_query(struct dv_buf *buf, const char *key, const char *value)
{
    if (!value)
        return;
    dv_xput(buf, buf->data && strchr(buf->data, '?') ? "&" : "?");
    dv_xput_escaped(buf, key);
    dv_xput(buf, "=");
    dv_xput_escaped(buf, value);
}

json_object *dv_jobj(void)
{
    json_object *obj = json_object_new_object();

    if (!obj)
        out_of_memory();
    return obj;
}

json_object *dv_jarr(void)
{
    json_object *arr = json_object_new_array();

    if (!arr)
        out_of_memory();
    return arr;
}

json_object *dv_jstr(const char *s)
{
    json_object *obj;

    if (!s)
        return NULL;
    obj = json_object_new_string(s);
    if (!obj)
        out_of_memory();
    return obj;
}

void dv_jset(json_object *obj, const char *key, json_object *value)
{
    if (json_object_object_add(obj, key, value) < 0)
        out_of_memory();
}

void dv_jset_str(json_object *obj, const char *key, const char *value)
{
    dv_jset(obj, key, dv_jstr(value));
}

void dv_jset_int(json_object *obj, const char *key, int64_t value)
{
    json_object *number = json_object_new_int64(value);

    if (!number)
        out_of_memory();
    dv_jset(obj, key, number);
}

void dv_jset_bool(json_object *obj, const char *key, bool value)
{
    json_object *truth = json_object_new_boolean(value);

    if (!truth)
        out_of_memory();
    dv_jset(obj, key, truth);
}

void dv_jpush(json_object *arr, json_object *value)
{
    if (json_object_array_add(arr, value) < 0)
        out_of_memory();
}

json_object *dv_jstrv(const struct dv_strv *v, bool null_empty)
{
    json_object *arr;
    size_t i;

    if (v->n == 0 && null_empty)
        return NULL;
    arr = dv_jarr();
    for (i = 0; i < v->n; i++)
        dv_jpush(arr, dv_jstr(v->items[i]));
    return arr;
}

json_object *dv_jget(json_object *obj, const char *key)
{
    json_object *value = NULL;

    if (!json_object_is_type(obj, json_type_object))
        return NULL;
    json_object_object_get_ex(obj, key, &value);
    return value;
}

json_object *dv_jpath(json_object *obj, const char *path)
{
    while (obj && *path) {
        size_t n = strcspn(path, ".");
        dv_autofree char *key = dv_xstrndup(path, n);

        obj = dv_jget(obj, key);
        path += n + (path[n] == '.');
    }
    return obj;
}

const char *dv_jtext(json_object *value)
{
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

const char *dv_jget_str(json_object *obj, const char *key)
{
    return dv_jtext(dv_jget(obj, key));
}

const char *dv_jat_str(json_object *arr, size_t i)
{
    return i < dv_jlen(arr) ? dv_jtext(json_object_array_get_idx(arr, i)) : "";
}

int64_t dv_jget_int(json_object *obj, const char *key)
{
    json_object *value = dv_jget(obj, key);

    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
}

bool dv_jget_bool(json_object *obj, const char *key)
{
    json_object *value = dv_jget(obj, key);

    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

size_t dv_jlen(json_object *arr)
{
    return json_object_is_type(arr, json_type_array) ? json_object_array_length(arr) : 0;
}
