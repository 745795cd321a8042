/* control.c - connections of davitd, requests in, answers and events out. */
#include "core/shim/control.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/sock.h"
#include "core/shim/client.h"
#include "core/shim/life.h"
#include "core/shim/protocol.h"
#include "core/shim/session.h"

enum { MAX_CONNS = 32 };

struct dv_conn {
    struct dv_conn *next;
    struct dv_life *life;
    int fd;
    struct dv_watch *watch;
    bool gone;                 /* closed; freed when the event is over */
};

enum { ALIVE = DV_LIFE_CREATED | DV_LIFE_RUNNING, ANY = 0xff };

static const struct request_row {
    uint16_t kind;
    dv_request_fn *fn;
    unsigned phases;           /* in which it makes sense */
    bool vital;                /* its failure ends the shim */
} requests[] = {
    { DV_SHIM_PREPARE, dv_on_prepare, DV_LIFE_NEW, true },
    { DV_SHIM_CREATE, dv_on_create, DV_LIFE_NEW, true },
    { DV_SHIM_START, dv_on_start, DV_LIFE_CREATED, true },
    { DV_SHIM_SIGNAL, dv_on_signal, DV_LIFE_RUNNING, false },
    { DV_SHIM_EXEC, dv_on_exec, DV_LIFE_RUNNING, false },
    { DV_SHIM_RESIZE, dv_on_resize, ALIVE, false },
    { DV_SHIM_ATTACH, dv_on_attach, ALIVE | DV_LIFE_ENDING, false },
    { DV_SHIM_STATE, dv_on_state, ANY, false },
    { DV_SHIM_LEND, dv_on_lend, ALIVE, false },
    { DV_SHIM_CLOSE_STDIN, dv_on_close_stdin, ALIVE, false },
    { DV_SHIM_RELEASE, dv_on_release, ALIVE | DV_LIFE_ENDING, false },
};

static const struct request_row *find_row(uint16_t kind)
{
    for (size_t i = 0; i < N(requests); i++)
        if (requests[i].kind == kind)
            return &requests[i];
    return NULL;
}

static void conn_close(struct dv_conn *conn)
{
    if (conn->gone)
        return;
    conn->gone = true;
    dv_watch_remove(dv_take(conn->watch));
    dv_close(dv_take_fd(conn->fd));
    conn->life->n_conns--;
    if (conn->life->creator == conn)
        conn->life->creator = NULL;
    if (conn->life->main)
        dv_clients_drop_held(conn->life->main->clients);
}

/* A connection that does not take an answer at once is stopped or dead; who is behind it learns the
 * state from the shim's next connection or the exit record. */
static void conn_send(struct dv_conn *conn, const struct dv_msg_writer *w, int fd)
{
    struct dv_error err = { 0 };

    if (!conn->gone && dv_sock_send(conn->fd, w, &fd, fd >= 0 ? 1 : 0, &err) < 0)
        conn_close(conn);
}

static void send_error(struct dv_conn *conn, uint32_t seq, const struct dv_error *why,
                       int exit_code)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };

    dv_msg_begin(&w, DV_SHIM_ERROR, seq, DV_MAX_MSG_BYTES);
    dv_msg_i64(&w, DV_ST_CODE, why->code);
    dv_msg_str(&w, DV_ST_MESSAGE, why->msg);
    if (exit_code >= 0)
        dv_msg_i64(&w, DV_ST_EXIT_CODE, exit_code);
    if (dv_msg_end(&w, &err) == 0)
        conn_send(conn, &w, -1);
    dv_msg_done(&w);
}

static int wrong_phase(const struct dv_life *life, struct dv_error *err)
{
    if (life->phase == DV_LIFE_NEW)
        return dv_fail(err, DV_E_CONFLICT, "no container was created yet");
    if (life->phase >= DV_LIFE_ENDING)
        return dv_fail(err, DV_E_CONFLICT, "the container has ended");
    return dv_fail(err, DV_E_CONFLICT, life->phase == DV_LIFE_CREATED
                                           ? "the container was not started yet"
                                           : "the container was started already");
}

static int run_request(struct dv_life *life, const struct request_row *row, struct dv_packet *p,
                       struct dv_answer *answer, struct dv_error *err)
{
    int r;

    if (!row)
        return dv_fail(err, DV_E_UNSUPPORTED, "davit-shim does not know request %u", p->msg.kind);
    if (!(row->phases & life->phase))
        return wrong_phase(life, err);
    r = row->fn(life, p, answer, err);
    return r < 0 ? r : dv_msg_end(&answer->w, err);
}

static void serve(struct dv_conn *conn, struct dv_packet *p)
{
    const struct request_row *row = find_row(p->msg.kind);
    struct dv_answer answer = { .fd = -1, .exit_code = -1 };
    struct dv_error err = { 0 };
    bool allowed = row && row->phases & conn->life->phase;
    int r;

    dv_msg_begin(&answer.w, DV_SHIM_REPLY, p->msg.seq, DV_MAX_MSG_BYTES);
    r = run_request(conn->life, row, p, &answer, &err);
    if (r < 0)
        send_error(conn, p->msg.seq, &err, answer.exit_code);
    else
        conn_send(conn, &answer.w, answer.fd);
    dv_msg_done(&answer.w);
    if (answer.fd_owned)
        dv_close(answer.fd);
    if (r < 0 && allowed && row->vital)
        dv_life_abort(conn->life);
}

/* One message. False when there is none, now or ever. */
static bool receive(struct dv_conn *conn)
{
    dv_autopacket packet = { 0 };
    struct dv_error err = { 0 };
    int r = dv_sock_recv(conn->fd, &packet, &err);

    if (r == -DV_E_UNAVAILABLE && err.sys_errno == EAGAIN)
        return false;
    if (r == -DV_E_INVALID) { /* garbage does no harm, and the next message may be right */
        send_error(conn, 0, &err, -1);
        return true;
    }
    if (r <= 0) {
        conn_close(conn);
        return false;
    }
    serve(conn, &packet);
    return true;
}

static void conn_event(void *data, uint32_t events)
{
    struct dv_conn *conn = data;
    struct dv_life *life = conn->life;

    (void)events;
    while (!conn->gone && receive(conn))
        ;
    dv_life_settle(life);
}

int dv_conn_add(struct dv_life *life, int fd, bool creator, struct dv_error *err)
{
    struct dv_conn *conn = calloc(1, sizeof(*conn));
    int r;

    if (!conn) {
        dv_close(fd);
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for a control connection");
    }
    *conn = (struct dv_conn){ .life = life, .fd = fd };
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        r = dv_fail_errno(err, DV_E_INTERNAL, "control connection on descriptor %d", fd);
    else
        r = dv_loop_add(life->loop, fd, EPOLLIN, conn_event, conn, &conn->watch, err);
    if (r < 0) {
        dv_close(fd);
        free(conn);
        return r;
    }
    conn->next = life->conns;
    life->conns = conn;
    life->n_conns++;
    if (creator)
        life->creator = conn;
    return 0;
}

/* The socket's mode keeps others out; this holds where it was changed. */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void listen_event(void *data, uint32_t events)
{
    struct dv_life *life = data;
    struct dv_error err = { 0 };
    int fd = accept4(life->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    if (life->n_conns >= MAX_CONNS || !is_trusted(fd))
        dv_close(fd);
    else if (dv_conn_add(life, fd, false, &err) < 0)
        dv_log_warn(NULL, "%s", err.msg);
    dv_life_settle(life);
}

int dv_control_listen(struct dv_life *life, struct dv_error *err)
{
    int fd = dv_sock_listen(life->run_dir, "shim.sock", SOCK_SEQPACKET, 0600, err);
    int r;

    if (fd < 0)
        return fd;
    life->listen_fd = fd;
    r = dv_loop_add(life->loop, fd, EPOLLIN, listen_event, life, &life->listen_watch, err);
    if (r < 0)
        dv_control_unlisten(life);
    return r;
}

void dv_control_unlisten(struct dv_life *life)
{
    if (life->listen_fd < 0)
        return;
    dv_watch_remove(dv_take(life->listen_watch));
    if (unlinkat(life->run_dir, "shim.sock", 0) < 0 && errno != ENOENT)
        dv_log_warn(NULL, "remove shim.sock: errno %d", errno);
    dv_close(dv_take_fd(life->listen_fd));
}

void dv_control_event(struct dv_life *life, struct dv_msg_writer *w)
{
    for (struct dv_conn *c = life->conns; c; c = c->next)
        conn_send(c, w, -1);
}

void dv_control_reap(struct dv_life *life)
{
    for (struct dv_conn **at = &life->conns; *at;) {
        struct dv_conn *conn = *at;

        if (!conn->gone) {
            at = &conn->next;
            continue;
        }
        *at = conn->next;
        free(conn);
    }
}

void dv_control_close(struct dv_life *life)
{
    for (struct dv_conn *c = life->conns; c; c = c->next)
        conn_close(c);
}
