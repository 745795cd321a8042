/* buf.h - the one growing buffer; bounded. */
#pragma once

#include <stddef.h>

#include "core/base/error.h"

struct dv_buf {
    char *data;        /* len bytes, always followed by a NUL once anything was put; NULL before */
    size_t len, cap;
    size_t max;        /* exceeding it is DV_E_INVALID */
    const char *name;  /* what overflows, for the message; static string */
};

#define DV_BUF_INIT(max_bytes, what) { .max = (max_bytes), .name = (what) }
#define dv_autobuf __attribute__((cleanup(dv_buf_done))) struct dv_buf

void dv_buf_done(struct dv_buf *buf);
void dv_buf_reset(struct dv_buf *buf); /* keep the memory, forget the contents */
/* Errors of the next four: INVALID beyond max, NO_MEMORY. Unchanged on failure. */
DV_CHECK int dv_buf_reserve(struct dv_buf *buf, size_t more, struct dv_error *err);
DV_CHECK int dv_buf_put(struct dv_buf *buf, const void *data, size_t n, struct dv_error *err);
DV_CHECK int dv_buf_puts(struct dv_buf *buf, const char *text, struct dv_error *err);
DV_CHECK int dv_buf_printf(struct dv_buf *buf, struct dv_error *err, const char *fmt, ...)
    DV_PRINTF(3, 4);
void dv_buf_consume(struct dv_buf *buf, size_t n); /* drop the first N bytes (N <= len) */
/* Give the NUL-terminated contents away ("" if empty; NULL on out of memory); BUF is empty then. */
char *dv_buf_take(struct dv_buf *buf);
