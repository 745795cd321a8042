/* frames.c - the Engine API's multiplexed stream, taken apart. */
#include "cli/client/frames.h"

#include <string.h>

#include "core/base/file.h"

enum { STREAM_STDOUT = 1, STREAM_STDERR = 2, STREAM_ERROR = 3 };

void dv_frames_done(struct dv_frames *frames)
{
    dv_buf_done(&frames->daemon_error);
}

static int write_out(int fd, const void *data, size_t n, struct dv_error *err)
{
    if (dv_write_all(fd, data, n) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write %s", fd == 2 ? "stderr" : "stdout");
    return 0;
}

/* N bytes of the payload of the frame whose header is complete. */
static int put_payload(struct dv_frames *f, const void *data, size_t n, struct dv_error *err)
{
    int r;

    f->left -= (uint32_t)n;
    if (f->head[0] != STREAM_ERROR)
        return write_out(f->head[0] == STREAM_STDERR ? f->err_fd : f->out_fd, data, n, err);
    r = dv_buf_put(&f->daemon_error, data, n, err);
    if (r < 0 || f->left > 0)
        return r;
    return dv_fail(err, DV_E_INTERNAL, "error from daemon in stream: %s",
                   f->daemon_error.data ? f->daemon_error.data : "");
}

static int begin_frame(struct dv_frames *f, struct dv_error *err)
{
    f->left = (uint32_t)f->head[4] << 24 | (uint32_t)f->head[5] << 16 |
              (uint32_t)f->head[6] << 8 | f->head[7];
    if (f->head[0] > STREAM_ERROR || f->head[1] || f->head[2] || f->head[3])
        return dv_fail(err, DV_E_INVALID, "the daemon's stream has an unknown frame: type %u",
                       f->head[0]);
    return 0;
}

int dv_frames_put(struct dv_frames *frames, const void *data, size_t n, struct dv_error *err)
{
    const char *p = data;
    int r;

    if (frames->raw)
        return write_out(frames->out_fd, data, n, err);
    while (n > 0) {
        size_t take;

        if (frames->left == 0 && frames->head_len < sizeof(frames->head)) {
            take = sizeof(frames->head) - frames->head_len;
            take = n < take ? n : take;
            memcpy(frames->head + frames->head_len, p, take);
            frames->head_len += take;
            r = frames->head_len == sizeof(frames->head) ? begin_frame(frames, err) : 0;
        } else {
            take = n < frames->left ? n : frames->left;
            r = put_payload(frames, p, take, err);
        }
        if (r < 0)
            return r;
        if (frames->left == 0 && frames->head_len == sizeof(frames->head))
            frames->head_len = 0;
        p += take;
        n -= take;
    }
    return 0;
}
