/* buf.c - the one growing buffer; bounded. */
#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BYTES = 64 };

void dv_buf_done(struct dv_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
}

void dv_buf_reset(struct dv_buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

int dv_buf_reserve(struct dv_buf *buf, size_t more, struct dv_error *err)
{
    size_t need, cap;
    char *grown;

    if (buf->len > buf->max || more > buf->max - buf->len || buf->max == SIZE_MAX)
        return dv_fail(err, DV_E_INVALID, "%s is larger than its limit of %zu bytes",
                       buf->name ? buf->name : "buffer", buf->max);
    need = buf->len + more + 1; /* the NUL */
    if (need <= buf->cap)
        return 0;
    cap = buf->cap ? buf->cap : FIRST_BYTES;
    while (cap < need)
        cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
    if (cap > buf->max + 1)
        cap = buf->max + 1;
    grown = realloc(buf->data, cap);
    if (!grown)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for %zu bytes of %s", cap,
                       buf->name ? buf->name : "buffer");
    if (!buf->data)
        grown[0] = '\0';
    buf->data = grown;
    buf->cap = cap;
    return 0;
}

int dv_buf_put(struct dv_buf *buf, const void *data, size_t n, struct dv_error *err)
{
    int r = dv_buf_reserve(buf, n, err);

    if (r < 0)
        return r;
    if (n > 0)
        memcpy(buf->data + buf->len, data, n);
    buf->len += n;
    buf->data[buf->len] = '\0';
    return 0;
}

int dv_buf_puts(struct dv_buf *buf, const char *text, struct dv_error *err)
{
    return dv_buf_put(buf, text, strlen(text), err);
}

int dv_buf_printf(struct dv_buf *buf, struct dv_error *err, const char *fmt, ...)
{
    size_t room = buf->cap - buf->len;
    va_list args, again;
    int n, r = 0;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(buf->data ? buf->data + buf->len : NULL, room, fmt, args);
    if (n < 0)
        r = dv_fail_errno(err, DV_E_INTERNAL, "format %s", buf->name ? buf->name : "text");
    else
        r = dv_buf_reserve(buf, (size_t)n, err);
    if (r == 0 && (size_t)n >= room)
        vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
    if (r == 0)
        buf->len += (size_t)n;
    if (buf->data)
        buf->data[buf->len] = '\0'; /* also where half a text was tried and refused */
    va_end(again);
    va_end(args);
    return r;
}

void dv_buf_consume(struct dv_buf *buf, size_t n)
{
    if (n == 0)
        return;
    buf->len -= n;
    memmove(buf->data, buf->data + n, buf->len + 1);
}

char *dv_buf_take(struct dv_buf *buf)
{
    char *data = buf->data ? buf->data : calloc(1, 1);

    buf->data = NULL;
    buf->len = buf->cap = 0;
    return data;
}
