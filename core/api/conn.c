/* conn.c - one connection in the loop's thread: collect a request, hand it to a request thread, send
 * what is left of the reply, go on to the next one. What a client does slowly costs no thread. */
#include "core/api/conn.h"

#include <malloc.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/api/messages.h"
#include "core/api/routes.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/time.h"

enum {
    DRAIN_MAX_BYTES = 256 << 10, /* of a body that nobody wanted */
    CROWD = 64,                  /* connections */
};

/* ---- the list: what has waited longest for its next request stands last ---- */

static void link_conn(struct dv_conn *conn)
{
    struct dv_api *api = conn->api;

    conn->prev = NULL;
    conn->next = api->conns;
    if (conn->next)
        conn->next->prev = conn;
    else
        api->oldest = conn;
    api->conns = conn;
}

static void unlink_conn(struct dv_conn *conn)
{
    struct dv_api *api = conn->api;

    *(conn->prev ? &conn->prev->next : &api->conns) = conn->next;
    *(conn->next ? &conn->next->prev : &api->oldest) = conn->prev;
}

int dv_conn_new(struct dv_api *api, int fd, struct dv_error *err)
{
    struct dv_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for a connection");
    if (dv_http_init(&conn->http, err) < 0) {
        free(conn);
        return -err->code;
    }
    conn->api = api;
    conn->fd = fd;
    link_conn(conn);
    if (++api->n_conns > api->peak_conns)
        api->peak_conns = api->n_conns;
    dv_conn_next(conn);
    return 0;
}

/* The body is used, or not wanted. */
static void release_body(struct dv_conn *conn)
{
    conn->api->collected_bytes -= conn->counted_bytes;
    conn->counted_bytes = 0;
    dv_buf_done(&conn->body);
}

/* After a crowd has gone its memory lies between what is in use, and only this gives it back. */
static void one_less(struct dv_api *api)
{
    if (--api->n_conns > api->peak_conns / 4 || api->peak_conns < CROWD)
        return;
    api->peak_conns = api->n_conns;
    malloc_trim(0);
}

void dv_conn_close(struct dv_conn *conn)
{
    dv_timer_cancel(conn->deadline);
    dv_watch_remove(conn->watch);
    dv_stream_drop(conn->stream);
    dv_close(conn->fd);
    unlink_conn(conn);
    release_body(conn);
    dv_http_done(&conn->http);
    dv_buf_done(&conn->in);
    dv_buf_done(&conn->out);
    one_less(conn->api);
    free(conn);
}

void dv_conn_refuse(struct dv_conn *conn, int status, const char *text)
{
    dv_autobuf out = DV_BUF_INIT(4096, "error reply");
    struct dv_error err = { 0 };

    /* One try: the client of a broken request may not read. */
    if (dv_reply_raw_error(&out, conn, status, text, &err) == 0)
        (void)!send(conn->fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    dv_conn_close(conn);
}

bool dv_conn_may_go(const struct dv_conn *conn)
{
    return conn->phase == DV_CONN_HEAD || conn->phase == DV_CONN_BODY ||
           conn->phase == DV_CONN_DRAIN;
}

/* ---- deadlines and events ---- */

static void on_deadline(void *data)
{
    struct dv_conn *conn = data;

    conn->deadline = NULL;
    if (conn->phase == DV_CONN_HEAD)
        dv_conn_refuse(conn, 408, "the request header did not arrive in time");
    else if (conn->phase == DV_CONN_BODY)
        dv_conn_refuse(conn, 408, "the request body did not arrive in time");
    else
        dv_conn_close(conn);
}

static void disarm(struct dv_conn *conn)
{
    dv_timer_cancel(conn->deadline);
    conn->deadline = NULL;
}

/* False: no memory, and the connection is gone. */
static bool arm(struct dv_conn *conn, unsigned seconds)
{
    struct dv_error err = { 0 };

    disarm(conn);
    if (dv_timer_add(conn->api->loop, dv_mono_ns() + seconds * UINT64_C(1000000000), on_deadline,
                     conn, &conn->deadline, &err) == 0)
        return true;
    dv_conn_close(conn);
    return false;
}

static void on_event(void *data, uint32_t events);

/* False: it cannot be, and the connection is gone. */
static bool watch(struct dv_conn *conn, uint32_t events)
{
    struct dv_error err = { 0 };

    if (conn->watch) {
        dv_watch_set(conn->watch, events);
        return true;
    }
    if (!conn->api->stopping && dv_loop_add(conn->api->loop, conn->fd, events, on_event, conn,
                                            &conn->watch, &err) == 0)
        return true;
    dv_conn_close(conn);
    return false;
}

/* ---- a request ---- */

/* The request's thread has the connection now. */
static void hand_over(struct dv_conn *conn)
{
    struct dv_error err = { 0 };

    disarm(conn);
    dv_watch_remove(conn->watch);
    conn->watch = NULL;
    conn->phase = DV_CONN_BUSY;
    conn->task = (struct dv_task){ .fn = dv_conn_run, .arg = conn, .class = conn->task.class };
    conn->api->n_busy++;
    if (dv_pool_add(conn->api->pool, &conn->task, &err) < 0) {
        conn->api->n_busy--;
        dv_log_error(NULL, "serve a request: %s", err.msg);
        dv_conn_refuse(conn, 503, err.msg);
    }
}

/* Feed what was read; false: the connection is gone. */
static bool feed(struct dv_conn *conn)
{
    struct dv_error err = { 0 };
    size_t used = 0;

    if (dv_http_feed(&conn->http, conn->in.data, conn->in.len, &used, &err) < 0) {
        if (conn->phase == DV_CONN_DRAIN)
            dv_conn_close(conn); /* it has its answer */
        else
            dv_conn_refuse(conn, conn->http.status, conn->http.failure);
        return false;
    }
    dv_buf_consume(&conn->in, used);
    return true;
}

/* The body of all but uploads is there before a thread is taken for it. */
static void collect_body(struct dv_conn *conn)
{
    struct dv_api *api = conn->api;

    conn->http.body = &conn->body;
    while (conn->in.len > 0 && conn->http.state != DV_HTTP_DONE)
        if (!feed(conn))
            return;
    api->collected_bytes += conn->body.len - conn->counted_bytes;
    conn->counted_bytes = conn->body.len;
    if (conn->http.state == DV_HTTP_DONE)
        hand_over(conn);
    else if (api->collected_bytes > DV_MAX_BODIES_BYTES)
        dv_conn_refuse(conn, 503, DV_MSG_TOO_MANY_BODIES);
    else
        (void)arm(conn, DV_CONN_BODY_SECONDS);
}

/* The head is complete: see whether a thread can have the request. */
static void begin_request(struct dv_conn *conn)
{
    const struct dv_api_route *route = dv_request_route(&conn->http);

    conn->task.class = dv_route_class(route);
    if (!conn->http.has_body || !route || !route->handler || conn->task.class == DV_POOL_UPLOAD) {
        hand_over(conn);
        return;
    }
    conn->phase = DV_CONN_BODY;
    dv_conn_continue(conn);
    collect_body(conn);
}

static void collect_head(struct dv_conn *conn)
{
    if (conn->in.len > 0 && !feed(conn))
        return;
    if (conn->http.state != DV_HTTP_HEAD)
        begin_request(conn);
    else if (conn->http.head_bytes > 0 && !conn->deadline)
        (void)arm(conn, DV_CONN_HEAD_SECONDS);
}

/* What the handler did not read of its request is read and dropped: a client that still writes
 * would not see the answer if we closed. */
static void drain(struct dv_conn *conn)
{
    conn->http.body = NULL;
    conn->drained_bytes += conn->in.len;
    while (conn->in.len > 0 && conn->http.state != DV_HTTP_DONE)
        if (!feed(conn))
            return;
    if (conn->http.state == DV_HTTP_DONE)
        dv_conn_next(conn);
    else if (conn->drained_bytes > DRAIN_MAX_BYTES)
        dv_conn_close(conn);
    else
        (void)arm(conn, DV_CONN_BODY_SECONDS);
}

static void receive(struct dv_conn *conn)
{
    struct dv_error err = { 0 };
    char buf[DV_CONN_READ_BYTES];
    ssize_t n = recv(conn->fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 0 && conn->phase == DV_CONN_BODY)
        dv_conn_refuse(conn, 400, "the request body ends too early");
    else if (n <= 0 || dv_buf_put(&conn->in, buf, (size_t)n, &err) < 0)
        dv_conn_close(conn);
    else if (conn->phase == DV_CONN_HEAD)
        collect_head(conn);
    else if (conn->phase == DV_CONN_BODY)
        collect_body(conn);
    else
        drain(conn);
}

/* ---- the end of a request ---- */

static void after_reply(struct dv_conn *conn)
{
    disarm(conn);
    release_body(conn);
    if (!conn->keep) {
        dv_conn_close(conn);
        return;
    }
    conn->phase = DV_CONN_DRAIN;
    conn->drained_bytes = 0;
    /* A client that waits for our word before it sends its body will not be told to. */
    if (!conn->continued && conn->http.expect_continue && conn->http.has_body)
        dv_conn_close(conn);
    else if (conn->http.state == DV_HTTP_DONE)
        dv_conn_next(conn);
    else if (watch(conn, EPOLLIN))
        drain(conn);
}

static void send_rest(struct dv_conn *conn)
{
    size_t before = conn->out.len;

    if (dv_reply_flush(conn) < 0)
        dv_conn_close(conn);
    else if (conn->out.len == 0)
        after_reply(conn);
    else if (conn->out.len < before || !conn->deadline)
        (void)arm(conn, DV_CONN_SEND_SECONDS);
}

void dv_conn_replied(struct dv_conn *conn)
{
    if (conn->stream) {
        release_body(conn);
        dv_stream_run(conn->stream);
        return;
    }
    conn->phase = DV_CONN_SEND;
    if (conn->out.len == 0)
        after_reply(conn);
    else if (watch(conn, EPOLLOUT))
        send_rest(conn);
}

static void on_event(void *data, uint32_t events)
{
    struct dv_conn *conn = data;

    (void)events;
    if (conn->phase == DV_CONN_SEND)
        send_rest(conn);
    else
        receive(conn);
}

void dv_conn_next(struct dv_conn *conn)
{
    disarm(conn);
    dv_http_reset(&conn->http);
    release_body(conn);
    conn->body = (struct dv_buf)DV_BUF_INIT(DV_MAX_JSON_BODY_BYTES, "request body");
    dv_buf_done(&conn->out);
    if (conn->in.len == 0) { /* an idle client costs no buffer */
        dv_buf_done(&conn->in);
        conn->in = (struct dv_buf)DV_BUF_INIT(DV_MAX_HTTP_HEADER_BYTES + DV_CONN_READ_BYTES,
                                              "request");
    }
    conn->continued = false;
    conn->extra_headers = NULL;
    conn->phase = DV_CONN_HEAD;
    unlink_conn(conn);
    link_conn(conn);
    /* Wait for the next request, or begin with what came behind the last one. */
    if (watch(conn, EPOLLIN) && conn->in.len > 0)
        collect_head(conn);
}
