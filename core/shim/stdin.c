/* stdin.c - what clients type: bounded, into a process's pipe or pty. */
#include "core/shim/stdin.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include "core/base/limits.h"
#include "core/base/loop.h"
#include "core/shim/life.h"
#include "core/shim/session.h"

enum {
    QUEUE_BYTES = 64 << 10,
    QUEUE_MAX_BYTES = QUEUE_BYTES + 16 * DV_MAX_MSG_BYTES, /* early bytes come unasked */
};

static size_t queued(const struct dv_stdin *in)
{
    return in->queue.len - in->head;
}

static void close_now(struct dv_stdin *in)
{
    dv_watch_remove(dv_take(in->watch));
    dv_close(dv_take_fd(in->fd));
    dv_buf_done(&in->queue);
    in->head = 0;
}

/* Write what is queued; a reader that is gone (EPIPE, EIO) makes the rest pointless. */
static void flush_queue(struct dv_stdin *in)
{
    while (queued(in) > 0) {
        ssize_t n = write(in->fd, in->queue.data + in->head, queued(in));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            close_now(in);
            return;
        }
        in->head += (size_t)n;
    }
    dv_buf_done(&in->queue);
    in->head = 0;
    if (in->closing)
        close_now(in);
}

/* A hang-up of the reader is told once by EPOLLET; it matters only when there is something to
 * write, and then the write tells. */
static void set_events(struct dv_stdin *in)
{
    uint32_t events = queued(in) > 0 ? EPOLLOUT : EPOLLET;

    if (in->watch && events != in->events)
        dv_watch_set(in->watch, events);
    in->events = events;
}

static void stdin_event(void *data, uint32_t events)
{
    struct dv_stdin *in = data;
    struct dv_life *life = in->session->life;

    (void)events;
    flush_queue(in);
    set_events(in);
    dv_life_settle(life);
}

int dv_stdin_open(struct dv_session *session, int fd, bool terminal, struct dv_error *err)
{
    struct dv_stdin *in = &session->in;
    int r;

    *in = (struct dv_stdin){
        .session = session,
        .fd = fd,
        .events = EPOLLET,
        .terminal = terminal,
        .queue = DV_BUF_INIT(QUEUE_MAX_BYTES, "queue of stdin"),
    };
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        r = dv_fail_errno(err, DV_E_INTERNAL, "make stdin nonblocking");
    else
        r = dv_loop_add(session->life->loop, fd, EPOLLET, stdin_event, in, &in->watch, err);
    if (r < 0) {
        dv_stdin_done(in);
        return dv_wrap(err, "open stdin of the process");
    }
    return 0;
}

void dv_stdin_done(struct dv_stdin *in)
{
    close_now(in);
}

size_t dv_stdin_room(const struct dv_stdin *in)
{
    return queued(in) >= QUEUE_BYTES ? 0 : QUEUE_BYTES - queued(in);
}

void dv_stdin_put(struct dv_stdin *in, const void *data, size_t n)
{
    const char *bytes = data;
    struct dv_error err = { 0 };

    if (in->fd < 0 || in->closing || n == 0)
        return;
    if (queued(in) == 0) {
        ssize_t written;

        do
            written = write(in->fd, bytes, n);
        while (written < 0 && errno == EINTR);
        if (written < 0 && errno != EAGAIN) {
            close_now(in);
            return;
        }
        if (written > 0) {
            bytes += written;
            n -= (size_t)written;
        }
    }
    if (in->head > 0 && in->head >= in->queue.len / 2) {
        dv_buf_consume(&in->queue, in->head);
        in->head = 0;
    }
    if (n > 0 && dv_buf_put(&in->queue, bytes, n, &err) < 0)
        close_now(in); /* the end says that something is wrong; a hole would not */
    set_events(in);
}

void dv_stdin_end(struct dv_stdin *in)
{
    if (in->fd < 0 || in->terminal)
        return;
    in->closing = true;
    if (queued(in) == 0)
        close_now(in);
}
