/* stream.c - long replies in the loop's thread: a bounded queue, a watch for the client's end. */
#include "core/api/stream.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/api/conn.h"

static void settle(struct dv_stream *stream);

/* Producers are called from the loop, and what they put may end the stream: that is settled after
 * they returned, so that nothing is freed under them. */
static void on_kick(void *data)
{
    struct dv_stream *stream = data;

    stream->kicked = false;
    if (stream->dead)
        free(stream);
    else
        settle(stream);
}

static void kick(struct dv_stream *stream)
{
    if (stream->kicked || stream->pulling || !stream->started)
        return; /* somebody settles it soon */
    stream->kicked = true;
    dv_loop_post(stream->conn->api->loop, on_kick, stream);
}

struct dv_loop *dv_stream_loop(struct dv_stream *stream)
{
    return stream->conn->api->loop;
}

void dv_stream_drop(struct dv_stream *stream)
{
    if (!stream)
        return;
    stream->conn->stream = NULL;
    stream->ops->free(stream->arg);
    dv_buf_done(&stream->out);
    stream->dead = true;
    if (!stream->kicked)
        free(stream);
}

bool dv_stream_full(const struct dv_stream *stream)
{
    return stream->out.len >= DV_STREAM_HIGH_BYTES;
}

/* Send what the socket takes now. */
static void flush(struct dv_stream *stream)
{
    size_t sent = 0;

    while (!stream->broken && sent < stream->out.len) {
        ssize_t n = send(stream->conn->fd, stream->out.data + sent, stream->out.len - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            stream->broken = true;
    }
    dv_buf_consume(&stream->out, sent);
}

bool dv_stream_put(struct dv_stream *stream, const void *data, size_t n)
{
    struct dv_error err = { 0 };
    char size[24];

    if (stream->broken || stream->ending)
        return false;
    if (n == 0)
        return true;
    snprintf(size, sizeof(size), "%zx\r\n", n);
    if ((stream->chunked && dv_buf_puts(&stream->out, size, &err) < 0) ||
        dv_buf_put(&stream->out, data, n, &err) < 0 ||
        (stream->chunked && dv_buf_puts(&stream->out, "\r\n", &err) < 0))
        stream->broken = true;
    kick(stream);
    return !stream->broken;
}

void dv_stream_end(struct dv_stream *stream)
{
    struct dv_error err = { 0 };

    if (stream->ending || stream->broken)
        return;
    if (stream->chunked && dv_buf_puts(&stream->out, "0\r\n\r\n", &err) < 0)
        stream->broken = true;
    stream->ending = true;
    kick(stream);
}

void dv_stream_abort(struct dv_stream *stream)
{
    stream->broken = true;
    kick(stream);
}

void dv_stream_want_empty(struct dv_stream *stream)
{
    stream->want_empty = true;
    dv_stream_want(stream);
}

void dv_stream_want(struct dv_stream *stream)
{
    stream->want_pull = true;
    kick(stream);
}

/* Is it time to ask for more? */
static bool has_room(const struct dv_stream *stream)
{
    return stream->want_pull &&
           stream->out.len <= (stream->want_empty ? 0 : (size_t)DV_STREAM_LOW_BYTES);
}

/* Flush, ask for more, and see whether the stream is over. */
static void settle(struct dv_stream *stream)
{
    struct dv_conn *conn = stream->conn;

    flush(stream);
    if (!stream->broken && !stream->ending && has_room(stream)) {
        stream->want_pull = stream->want_empty = false;
        stream->pulling = true;
        stream->ops->pull(stream->arg, stream);
        stream->pulling = false;
        flush(stream);
        /* A client that reads as fast as we write must not keep the loop from all others. */
        if (has_room(stream))
            kick(stream);
    }
    if (stream->broken) {
        dv_conn_close(conn);
        return;
    }
    if (stream->ending && stream->out.len == 0) {
        bool keep = conn->keep;

        dv_stream_drop(stream);
        dv_watch_remove(conn->watch);
        conn->watch = NULL;
        if (keep)
            dv_conn_next(conn);
        else
            dv_conn_close(conn);
        return;
    }
    /* No EPOLLIN: a pipelined request waits in the socket. No EPOLLRDHUP: a client may close its
     * writing side and go on reading; its end is EPOLLHUP, which is always reported. */
    dv_watch_set(conn->watch, stream->out.len > 0 ? EPOLLOUT : 0);
}

static void on_socket(void *data, uint32_t events)
{
    struct dv_stream *stream = data;

    if (events & (EPOLLHUP | EPOLLERR))
        stream->broken = true;
    settle(stream);
}

void dv_stream_run(struct dv_stream *stream)
{
    struct dv_conn *conn = stream->conn;
    struct dv_error err = { 0 };

    if (conn->api->stopping ||
        dv_loop_add(conn->api->loop, conn->fd, 0, on_socket, stream, &conn->watch, &err) < 0) {
        dv_conn_close(conn);
        return;
    }
    stream->started = true;
    stream->pulling = true;
    stream->ops->start(stream->arg, stream);
    stream->pulling = false;
    settle(stream);
}
