/* util.h - allocation that cannot fail, and other small helpers of the command line client.
 *
 * The client is short-lived: where memory runs out it says so and ends, so that its code need not
 * carry that error through every function. */
#pragma once

#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/str.h"

/* NUL-terminated text by format; never NULL. Caller frees. */
char *dv_xformat(const char *fmt, ...) DV_PRINTF(1, 2);
char *dv_xstrdup(const char *s);
char *dv_xstrndup(const char *s, size_t n);
void *dv_xcalloc(size_t n, size_t size);
void *dv_xrealloc(void *p, size_t n, size_t size);
void dv_xadd(struct dv_strv *v, const char *s);
void dv_xadd_take(struct dv_strv *v, char *s);
void dv_xsplit(struct dv_strv *v, const char *s, char sep);

/* An unbounded text (what the user's own command line or one reply makes). */
#define DV_TEXT_INIT DV_BUF_INIT((size_t)1 << 30, "text")
void dv_xput(struct dv_buf *buf, const char *text);
void dv_xputn(struct dv_buf *buf, const void *data, size_t n);
void dv_xput_spaces(struct dv_buf *buf, size_t n);
void dv_xprintf(struct dv_buf *buf, const char *fmt, ...) DV_PRINTF(2, 3);

/* What is true of a query or a path segment: RFC 3986's unreserved characters stay. */
void dv_xput_escaped(struct dv_buf *buf, const char *text);
/* The same for a path of several segments, as an image's name is: "/", ":" and "@" stay too. */
void dv_xput_path(struct dv_buf *buf, const char *text);
/* "?a=1" or "&a=1" appended to a target. VALUE NULL puts nothing. */
void dv_xput_query(struct dv_buf *buf, const char *key, const char *value);

/* JSON building blocks: never NULL, keys must be new. */
json_object *dv_jobj(void);
json_object *dv_jarr(void);
json_object *dv_jstr(const char *s); /* NULL gives a JSON null */
void dv_jset(json_object *obj, const char *key, json_object *value); /* takes VALUE */
void dv_jset_str(json_object *obj, const char *key, const char *value);
void dv_jset_int(json_object *obj, const char *key, int64_t value);
void dv_jset_bool(json_object *obj, const char *key, bool value);
void dv_jpush(json_object *arr, json_object *value); /* takes VALUE */
/* An array of V's strings; null where V is empty and NULL_EMPTY. */
json_object *dv_jstrv(const struct dv_strv *v, bool null_empty);

/* Reading: a missing key, a null or another type gives the fallback. Borrowed. */
json_object *dv_jget(json_object *obj, const char *key);       /* NULL */
json_object *dv_jpath(json_object *obj, const char *path);     /* "State.Pid"; NULL */
const char *dv_jget_str(json_object *obj, const char *key);    /* "" */
const char *dv_jat_str(json_object *arr, size_t i);            /* "", also beyond the end */
const char *dv_jtext(json_object *value);                      /* "" */
int64_t dv_jget_int(json_object *obj, const char *key);        /* 0 */
bool dv_jget_bool(json_object *obj, const char *key);          /* false */
size_t dv_jlen(json_object *arr);                              /* 0 unless an array */
