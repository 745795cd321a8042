/* server.c - the API server in the loop's thread: accept within the limit of connections, take them
 * back from request threads, stop. */
#include "core/api/api.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/api/conn.h"
#include "core/api/messages.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/daemon/engine.h"

enum { STOP_SECONDS = 5, ACCEPT_AGAIN_MS = 200 };

/* ---- requests that ended ---- */

static void settle(struct dv_conn *conn)
{
    conn->api->n_busy--;
    if (conn->fd < 0)
        dv_conn_close(conn);
    else
        dv_conn_replied(conn);
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

/* Half of the open files at most, since containers and workers need the others. */
static size_t connection_limit(const struct dv_engine *engine)
{
    size_t limit = engine->config.max_connections > 0 ? (size_t)engine->config.max_connections
                                                      : DV_MAX_CONNECTIONS;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 2 < limit)
        limit = files.rlim_cur / 2;
    return limit;
}

/* A client that has not sent a whole request yet can send it again: it goes before one that was
 * asked something. The longest wait first. */
static bool evict(struct dv_api *api)
{
    struct dv_conn *conn = api->oldest;
    char text[256];

    while (conn && !dv_conn_may_go(conn))
        conn = conn->prev;
    if (!conn)
        return false;
    snprintf(text, sizeof(text), DV_MSG_EVICTED, api->max_conns);
    if (conn->phase == DV_CONN_HEAD && conn->http.head_bytes == 0)
        dv_conn_close(conn);
    else
        dv_conn_refuse(conn, 503, text);
    return true;
}

/* False: FD was told that there is none. */
static bool make_room(struct dv_api *api, int fd)
{
    dv_autobuf out = DV_BUF_INIT(4096, "error reply");
    struct dv_conn nobody = { .fd = fd };
    struct dv_error err = { 0 };
    char text[256];

    if (api->n_conns < api->max_conns) {
        api->full = false;
        return true;
    }
    if (!api->full)
        dv_log_warn(NULL, "all %zu connections are in use: idle ones are closed, new ones refused; "
                          "engine.max_connections sets the limit", api->max_conns);
    api->full = true;
    if (evict(api))
        return true;
    snprintf(text, sizeof(text), DV_MSG_TOO_MANY_CONNECTIONS, api->max_conns);
    if (dv_reply_raw_error(&out, &nobody, 503, text, &err) == 0)
        (void)!send(fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return false;
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
        if (!make_room(listener->api, fd)) {
            dv_close(fd);
            continue;
        }
        if (dv_conn_new(listener->api, fd, &err) < 0) {
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
    api->max_conns = connection_limit(engine);
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
