/* frames.h - the Engine API's multiplexed stream: { type, 0, 0, 0, big-endian length } payload. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"

struct dv_frames {
    bool raw;                 /* a terminal's stream has no frames: all of it is output */
    int out_fd, err_fd;       /* where streams 1 and 2 go */
    unsigned char head[8];
    size_t head_len;
    uint32_t left;            /* of the payload */
    struct dv_buf daemon_error; /* stream 3: the daemon's own words */
};
#define DV_FRAMES_INIT(is_raw)                                                                     \
    { .raw = (is_raw), .out_fd = 1, .err_fd = 2,                                                   \
      .daemon_error = DV_BUF_INIT(64 << 10, "error in the stream") }
void dv_frames_done(struct dv_frames *frames);
/* Write what DATA carries to its descriptors. INVALID for a broken frame, INTERNAL with the
 * daemon's words for one of type 3, INTERNAL if writing fails. */
DV_CHECK int dv_frames_put(struct dv_frames *frames, const void *data, size_t n,
                           struct dv_error *err);
