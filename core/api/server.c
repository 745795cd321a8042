/* server.c - listeners and connections in the loop's thread: accept, collect a request's head, hand
 * it to a request thread, take the connection back. */
#include "core/api/api.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/api/conn.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/daemon/engine.h"

enum { STOP_SECONDS = 5, ACCEPT_AGAIN_MS = 200 };

/* ---- connections ---- */

static void unlink_conn(struct dv_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->api->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
}

void dv_conn_close(struct dv_conn *conn)
{
    dv_timer_cancel(conn->deadline);
    dv_watch_remove(conn->watch);
    dv_stream_drop(conn->stream);
    dv_close(conn->fd);
    unlink_conn(conn);
    dv_http_done(&conn->http);
    dv_buf_done(&conn->in);
    dv_buf_done(&conn->body);
    free(conn);
}

/* One try: the client of a broken request may not read. */
static void refuse(struct dv_conn *conn, int status, const char *text)
{
    dv_autobuf out = DV_BUF_INIT(4096, "error reply");
    struct dv_error err = { 0 };

    if (dv_reply_raw_error(&out, conn, status, text, &err) == 0)
        (void)!send(conn->fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    dv_conn_close(conn);
}

static void on_deadline(void *data)
{
    struct dv_conn *conn = data;

    conn->deadline = NULL;
    refuse(conn, 408, "the request header did not arrive in time");
}

/* The head is complete: the request's thread has the connection now. */
static void hand_over(struct dv_conn *conn)
{
    struct dv_error err = { 0 };

    dv_timer_cancel(conn->deadline);
    conn->deadline = NULL;
    dv_watch_remove(conn->watch);
    conn->watch = NULL;
    conn->task = (struct dv_task){ .fn = dv_conn_run, .arg = conn, .slow = conn->task.slow };
    conn->api->n_busy++;
    if (dv_pool_add(conn->api->pool, &conn->task, &err) < 0) {
        conn->api->n_busy--;
        dv_log_error(NULL, "serve a request: %s", err.msg);
        refuse(conn, 503, err.msg);
    }
}

/* Feed what was read. Hands the connection over or closes it where that is due. */
static void digest(struct dv_conn *conn)
{
    struct dv_error err = { 0 };
    size_t used = 0;

    if (conn->in.len > 0) {
        if (dv_http_feed(&conn->http, conn->in.data, conn->in.len, &used, &err) < 0) {
            refuse(conn, conn->http.status, conn->http.failure);
            return;
        }
        dv_buf_consume(&conn->in, used);
    }
    if (conn->http.state != DV_HTTP_HEAD) {
        conn->task.slow = dv_request_is_slow(&conn->http);
        hand_over(conn);
        return;
    }
    if (conn->http.head_bytes > 0 && !conn->deadline &&
        dv_timer_add(conn->api->loop, dv_mono_ns() + DV_CONN_HEAD_SECONDS * UINT64_C(1000000000),
                     on_deadline, conn, &conn->deadline, &err) < 0)
        dv_conn_close(conn);
}

static void on_readable(void *data, uint32_t events)
{
    struct dv_conn *conn = data;
    struct dv_error err = { 0 };
    char buf[DV_CONN_READ_BYTES];
    ssize_t n;

    (void)events;
    n = recv(conn->fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || dv_buf_put(&conn->in, buf, (size_t)n, &err) < 0) {
        dv_conn_close(conn);
        return;
    }
    digest(conn);
}

/* Wait for the next request, or begin with what came behind the last one. */
static void wait_request(struct dv_conn *conn)
{
    struct dv_error err = { 0 };

    if (conn->api->stopping || dv_loop_add(conn->api->loop, conn->fd, EPOLLIN, on_readable, conn,
                                           &conn->watch, &err) < 0) {
        dv_conn_close(conn);
        return;
    }
    if (conn->in.len > 0)
        digest(conn);
}

void dv_conn_next(struct dv_conn *conn)
{
    dv_http_reset(&conn->http);
    dv_buf_done(&conn->body);
    conn->body = (struct dv_buf)DV_BUF_INIT(2 * DV_CONN_READ_BYTES, "request body");
    if (conn->in.len == 0) { /* an idle client costs no buffer */
        dv_buf_done(&conn->in);
        conn->in = (struct dv_buf)DV_BUF_INIT(DV_MAX_HTTP_HEADER_BYTES + DV_CONN_READ_BYTES,
                                              "request");
    }
    conn->continued = false;
    conn->extra_headers = NULL;
    wait_request(conn);
}

static int add_conn(struct dv_api *api, int fd, struct dv_error *err)
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
    conn->next = api->conns;
    if (conn->next)
        conn->next->prev = conn;
    api->conns = conn;
    dv_conn_next(conn);
    return 0;
}

/* ---- requests that ended ---- */

static void settle(struct dv_conn *conn)
{
    struct dv_stream *stream = conn->stream;

    conn->api->n_busy--;
    if (conn->fd < 0) {
        dv_conn_close(conn);
    } else if (stream) {
        dv_stream_run(stream);
    } else if (conn->keep) {
        dv_conn_next(conn);
    } else {
        dv_conn_close(conn);
    }
}

static void on_finished(void *data)
{
    struct dv_api *api = data;
    struct dv_conn *conn;

    dv_lock_take(&api->lock);
    conn = api->finished;
    api->finished = NULL;
    dv_lock_drop(&api->lock);
    while (conn) {
        struct dv_conn *next = conn->next_finished;

        settle(conn);
        conn = next;
    }
    if (api->stopping && api->n_busy == 0)
        dv_loop_stop(api->loop);
}

/* The request's thread gives the connection back; it touches it no more. */
void dv_conn_finished(struct dv_conn *conn)
{
    struct dv_api *api = conn->api;
    bool first;

    dv_lock_take(&api->lock);
    first = !api->finished;
    conn->next_finished = api->finished;
    api->finished = conn;
    /* Posted under the lock: once the last one is settled the server may be freed. */
    if (first)
        dv_loop_post(api->loop, on_finished, api);
    dv_lock_drop(&api->lock);
}

/* ---- listeners ---- */

static void listen_events(struct dv_api *api, uint32_t events)
{
    for (size_t i = 0; i < api->n_listeners; i++)
        dv_watch_set(api->listeners[i].watch, events);
}

static void accept_again(void *data)
{
    struct dv_api *api = data;

    api->resume = NULL;
    listen_events(api, EPOLLIN);
}

/* No descriptors left: a level-triggered loop would spin on the waiting client. */
static void pause_accept(struct dv_api *api)
{
    struct dv_error err = { 0 };

    dv_log_warn(NULL, "accept a client: %m; trying again in %d ms", ACCEPT_AGAIN_MS);
    if (!api->resume && dv_timer_add(api->loop, dv_mono_ns() + ACCEPT_AGAIN_MS * UINT64_C(1000000),
                                     accept_again, api, &api->resume, &err) == 0)
        listen_events(api, 0);
}

static void on_client(void *data, uint32_t events)
{
    struct listener *listener = data;

    (void)events;
    for (int i = 0; i < 64; i++) { /* others want their turn too */
        struct dv_error err = { 0 };
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
            pause_accept(listener->api);
        if (fd < 0)
            return;
        if (add_conn(listener->api, fd, &err) < 0) {
            dv_log_error(NULL, "accept a client: %s", err.msg);
            dv_close(fd);
        }
    }
}

static void free_api(struct dv_api *api)
{
    for (size_t i = 0; i < api->n_listeners; i++) {
        dv_watch_remove(api->listeners[i].watch);
        dv_close(api->listeners[i].fd);
    }
    dv_timer_cancel(api->resume);
    dv_lock_done(&api->lock);
    dv_gate_done(&api->gate);
    free(api->listeners);
    free(api);
}

int dv_api_start(struct dv_engine *engine, const int *listen_fds, size_t n_fds,
                 struct dv_api **ret, struct dv_error *err)
{
    struct dv_api *api = calloc(1, sizeof(*api));
    int r;

    if (!api)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the API server");
    api->engine = engine;
    api->loop = engine->loop;
    dv_lock_init(&api->lock, DV_RANK_QUEUE);
    dv_gate_init(&api->gate);
    api->listeners = calloc(n_fds, sizeof(*api->listeners));
    r = api->listeners ? dv_pool_new(&api->pool, err)
                       : dv_fail(err, DV_E_NO_MEMORY, "no memory for the API server");
    for (size_t i = 0; i < n_fds && r == 0; i++) {
        struct listener *l = &api->listeners[i];

        *l = (struct listener){ .api = api, .fd = listen_fds[i] };
        r = dv_loop_add(api->loop, l->fd, EPOLLIN, on_client, l, &l->watch, err);
        api->n_listeners += r == 0;
    }
    if (r < 0) {
        for (size_t i = api->n_listeners; i < n_fds; i++)
            dv_close(listen_fds[i]); /* taken, also where we fail */
        dv_pool_free(api->pool, 0);
        free_api(api);
        return dv_wrap(err, "start the API server");
    }
    *ret = api;
    return 0;
}

static void give_up(void *data)
{
    struct dv_api *api = data;

    api->give_up = NULL;
    dv_loop_stop(api->loop);
}

/* A connection whose request runs belongs to its thread, even now. */
static void close_idle(struct dv_api *api)
{
    struct dv_conn *next;

    for (struct dv_conn *conn = api->conns; conn; conn = next) {
        next = conn->next;
        if (conn->watch)
            dv_conn_close(conn);
    }
}

bool dv_api_stop(struct dv_api *api)
{
    struct dv_error err = { 0 };

    if (!api)
        return true;
    api->stopping = true;
    for (size_t i = 0; i < api->n_listeners; i++) {
        dv_watch_remove(api->listeners[i].watch);
        dv_close(api->listeners[i].fd);
    }
    api->n_listeners = 0;
    close_idle(api);
    /* Requests may wait for what only the loop delivers (an exit, a wait): so it runs on for them.
     */
    if (api->n_busy > 0 &&
        dv_timer_add(api->loop, dv_mono_ns() + STOP_SECONDS * UINT64_C(1000000000), give_up, api,
                     &api->give_up, &err) == 0) {
        if (dv_loop_run(api->loop, &err) < 0)
            dv_log_error(NULL, "stop the API server: %s", err.msg);
        dv_timer_cancel(api->give_up);
    }
    close_idle(api); /* streams that began meanwhile */
    if (api->n_busy > 0 || !dv_pool_free(api->pool, 1000)) {
        dv_log_warn(NULL, "%zu requests did not end in %d s", api->n_busy, STOP_SECONDS);
        return false; /* their threads use it: it ends with the process */
    }
    free_api(api);
    return true;
}
