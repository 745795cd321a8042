/* frame.h - Docker's stream format: {type, 0, 0, 0, length big-endian} before each piece. */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"

enum dv_frame_type { DV_FRAME_STDIN, DV_FRAME_STDOUT, DV_FRAME_STDERR, DV_FRAME_SYSTEM };
enum { DV_FRAME_HEADER_BYTES = 8 };

static inline void dv_frame_header(char out[DV_FRAME_HEADER_BYTES], enum dv_frame_type type,
                                   size_t n)
{
    for (size_t i = 0; i < DV_FRAME_HEADER_BYTES; i++)
        out[i] = (char)(i == 0 ? (size_t)type : i < 4 ? 0 : n >> (8 * (7 - i)) & 0xff);
}

/* One piece, with its header where FRAMED. */
DV_CHECK static inline int dv_frame_put(struct dv_buf *out, enum dv_frame_type type,
                                        const void *data, size_t n, bool framed,
                                        struct dv_error *err)
{
    char header[DV_FRAME_HEADER_BYTES];
    int r;

    dv_frame_header(header, type, n);
    r = framed ? dv_buf_put(out, header, sizeof(header), err) : 0;
    return r < 0 ? r : dv_buf_put(out, data, n, err);
}
