/* client.c - an attached client: the socket of a hijacked connection, with its bounded queue. */
#include "core/shim/client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/base/loop.h"
#include "core/base/msg.h"
#include "core/base/time.h"
#include "core/shim/control.h"
#include "core/shim/life.h"
#include "core/shim/protocol.h"
#include "core/shim/session.h"

/* A client that takes nothing for this long while the container waits for it is dropped. */
#ifndef DV_CLIENT_STALL_MS /* tests are less patient */
#define DV_CLIENT_STALL_MS 60000
#endif
#define STALL_NS (UINT64_C(1000000) * DV_CLIENT_STALL_MS)
enum {
    QUEUE_BYTES = 256 << 10,  /* when full, the container's pipe is not read */
    /* At the end the rest of a pipe comes on top; one that root made larger is waited for. */
    QUEUE_MAX_BYTES = QUEUE_BYTES + (4 << 20),
    FRAME_BYTES = 8,
    INPUT_BYTES = 4096,
    DISCARD_BYTES = 1 << 20,  /* of unread input at the close */
};

static void client_event(void *data, uint32_t events);

static size_t queued(const struct dv_client *client)
{
    return client->queue.len - client->head;
}

bool dv_client_full(const struct dv_client *client)
{
    return queued(client) >= QUEUE_BYTES;
}

bool dv_client_crammed(const struct dv_client *client)
{
    return queued(client) + FRAME_BYTES + DV_SCRATCH_BYTES > QUEUE_MAX_BYTES;
}

bool dv_client_flushed(const struct dv_client *client)
{
    return (queued(client) == 0 && !client->token) || client->hung;
}

bool dv_client_is_held(const struct dv_client *client)
{
    return client->token && !client->gone && !client->hung;
}

/* Is somebody waiting for this client? */
static bool is_awaited(const struct dv_client *client)
{
    return dv_client_full(client) || client->token ||
           (client->session->phase != DV_SESSION_RUNNING && queued(client) > 0);
}

static void stall_timeout(void *data);

static void watch_stall(struct dv_client *client)
{
    struct dv_error err = { 0 };

    if (client->stall || client->gone || !is_awaited(client))
        return;
    client->progress_ns = dv_mono_ns();
    if (dv_timer_add(client->session->life->loop, client->progress_ns + STALL_NS, stall_timeout,
                     client, &client->stall, &err) < 0)
        dv_client_close(client);
}

static void stall_timeout(void *data)
{
    struct dv_client *client = data;
    struct dv_life *life = client->session->life;
    struct dv_error err = { 0 };
    uint64_t due = client->progress_ns + STALL_NS;

    client->stall = NULL;
    if (!is_awaited(client))
        return;
    if (dv_mono_ns() >= due ||
        dv_timer_add(life->loop, due, stall_timeout, client, &client->stall, &err) < 0)
        dv_client_close(client);
    dv_life_settle(life);
}

static bool wants_input(const struct dv_client *client)
{
    return !client->input_ended && (client->session->in.fd < 0 || client->session->in.closing ||
                                    dv_stdin_room(&client->session->in) > 0);
}

/* Edge-triggered alone, a hang-up is told once and not for as long as it lasts. */
static void set_events(struct dv_client *client)
{
    uint32_t events = 0;

    if (client->gone)
        return;
    if (wants_input(client) && !client->hung)
        events |= EPOLLIN;
    if (queued(client) > 0 && !client->hung && !client->token)
        events |= EPOLLOUT;
    if (!events)
        events = EPOLLET;
    if (events != client->events)
        dv_watch_set(client->watch, events);
    client->events = events;
}

static void drop_queue(struct dv_client *client)
{
    dv_buf_done(&client->queue);
    client->head = 0;
}

/* The peer will take nothing more. Its last input may still be on the way to stdin. */
static void hang_up(struct dv_client *client)
{
    client->hung = true;
    drop_queue(client);
    if (client->input_ended)
        dv_client_close(client);
}

static void flush_queue(struct dv_client *client)
{
    while (queued(client) > 0) {
        ssize_t n = send(client->fd, client->queue.data + client->head, queued(client),
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            hang_up(client);
            return;
        }
        client->head += (size_t)n;
        client->progress_ns = dv_mono_ns();
    }
    drop_queue(client);
}

/* Keep N bytes for later; a client whose bytes cannot be kept is dropped: it would read garbage. */
static void enqueue(struct dv_client *client, const void *data, size_t n)
{
    struct dv_error err = { 0 };

    if (n == 0 || client->gone || client->hung)
        return;
    if (client->head > 0 && (client->head >= client->queue.len / 2 ||
                             client->queue.len + n > QUEUE_MAX_BYTES)) {
        dv_buf_consume(&client->queue, client->head);
        client->head = 0;
    }
    if (dv_buf_put(&client->queue, data, n, &err) < 0)
        hang_up(client);
}

static void put_header(uint8_t header[FRAME_BYTES], uint8_t stream, size_t n)
{
    memset(header, 0, FRAME_BYTES);
    header[0] = stream;
    header[4] = (uint8_t)(n >> 24);
    header[5] = (uint8_t)(n >> 16);
    header[6] = (uint8_t)(n >> 8);
    header[7] = (uint8_t)n;
}

void dv_client_put(struct dv_client *client, uint8_t stream, const char *data, size_t n)
{
    unsigned bit = stream == 2 ? DV_ATTACH_STDERR : DV_ATTACH_STDOUT;
    uint8_t header[FRAME_BYTES];
    size_t header_n = client->flags & DV_ATTACH_FRAMED ? FRAME_BYTES : 0, sent = 0;
    struct iovec iov[2] = { { header, header_n }, { (void *)data, n } };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t r = 0;

    if (!(client->flags & bit) || client->gone || client->hung)
        return;
    put_header(header, stream, n);
    if (queued(client) == 0 && !client->token) {
        do
            r = sendmsg(client->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (r < 0 && errno == EINTR);
        if (r < 0 && errno != EAGAIN) {
            hang_up(client);
            return;
        }
        sent = r > 0 ? (size_t)r : 0;
        if (sent == header_n + n)
            return;
    }
    /* A frame is queued in one piece, so that no other stream's bytes get into it. */
    if (sent < header_n)
        enqueue(client, header + sent, header_n - sent);
    sent = sent > header_n ? sent - header_n : 0;
    enqueue(client, data + sent, n - sent);
    watch_stall(client);
    set_events(client);
}

/* ---- input ---- */

static void send_detach_event(struct dv_session *session)
{
    struct dv_msg_writer w;
    struct dv_error err = { 0 };

    dv_msg_begin(&w, DV_SHIM_EVENT_DETACH, 0, DV_MAX_MSG_BYTES);
    dv_msg_str(&w, DV_ST_EXEC_ID, session->exec_id);
    if (dv_msg_end(&w, &err) == 0)
        dv_control_event(session->life, &w);
    dv_msg_done(&w);
}

static void give_input(struct dv_client *client, const uint8_t *data, size_t n)
{
    uint8_t out[INPUT_BYTES + DV_MAX_DETACH_KEYS];

    while (n > 0 && !client->gone) {
        size_t piece = n < INPUT_BYTES ? n : INPUT_BYTES, kept;
        bool detach = dv_keys_filter(&client->keys, data, piece, out, &kept);

        dv_stdin_put(&client->session->in, out, kept);
        if (detach) {
            client->input_ended = true;
            send_detach_event(client->session);
            dv_client_close(client);
            return;
        }
        data += piece;
        n -= piece;
    }
}

static void end_input(struct dv_client *client)
{
    uint8_t held[DV_MAX_DETACH_KEYS];

    client->input_ended = true;
    dv_stdin_put(&client->session->in, held, dv_keys_end(&client->keys, held));
    if (client->session->stdin_once)
        dv_stdin_end(&client->session->in);
    if (client->hung)
        dv_client_close(client);
}

static void read_input(struct dv_client *client)
{
    uint8_t data[INPUT_BYTES];

    while (!client->gone && wants_input(client)) {
        size_t room = dv_stdin_room(&client->session->in);
        size_t want = room > 0 && room < sizeof(data) ? room : sizeof(data);
        ssize_t n = recv(client->fd, data, want, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (client->hung) /* cannot be: a hung-up peer sends nothing more */
                end_input(client);
            return;
        }
        if (n <= 0) {
            end_input(client);
            return;
        }
        give_input(client, data, (size_t)n);
    }
}

static void client_event(void *data, uint32_t events)
{
    struct dv_client *client = data;
    struct dv_life *life = client->session->life;

    if (events & EPOLLOUT)
        flush_queue(client);
    if (events & (EPOLLHUP | EPOLLERR) && !client->gone && !client->hung)
        hang_up(client);
    if (!client->gone && (events & EPOLLIN || client->hung))
        read_input(client);
    set_events(client);
    dv_life_settle(life);
}

void dv_client_update(struct dv_client *client)
{
    if (client->hung && !client->gone)
        read_input(client);
    watch_stall(client);
    set_events(client);
}

/* ---- life and death ---- */

/* Unread input would turn the peer's clean end into "connection reset", so it is taken away first;
 * after the shutdown no more can come. */
static void close_socket(int fd)
{
    char unread[INPUT_BYTES];
    ssize_t n;

    shutdown(fd, SHUT_RDWR);
    for (size_t total = 0; total < DISCARD_BYTES; total += (size_t)n) {
        n = recv(fd, unread, sizeof(unread), MSG_DONTWAIT);
        if (n <= 0)
            break;
    }
    dv_close(fd);
}

/* Of a held one davitd has the socket too, and may still write. */
static void close_client(struct dv_client *client)
{
    if (client->token)
        dv_close(dv_take_fd(client->fd));
    else
        close_socket(dv_take_fd(client->fd));
}

void dv_client_close(struct dv_client *client)
{
    if (client->gone)
        return;
    client->gone = true;
    dv_watch_remove(dv_take(client->watch));
    dv_timer_cancel(dv_take(client->stall));
    close_client(client);
    drop_queue(client);
    if (!client->input_ended && client->session->stdin_once)
        dv_stdin_end(&client->session->in);
    client->input_ended = true;
}

void dv_client_free(struct dv_client *client)
{
    if (!client)
        return;
    dv_watch_remove(client->watch);
    dv_timer_cancel(client->stall);
    if (client->fd >= 0)
        close_client(client);
    dv_buf_done(&client->queue);
    free(client);
}

bool dv_clients_reap(struct dv_client **list)
{
    bool any = false;

    while (*list) {
        struct dv_client *client = *list;

        if (!client->gone) {
            list = &client->next;
            continue;
        }
        *list = client->next;
        dv_client_free(client);
        any = true;
    }
    return any;
}

bool dv_clients_release(struct dv_client *list, uint64_t token)
{
    for (struct dv_client *c = list; c; c = c->next)
        if (c->token == token && !c->gone) {
            c->token = 0;
            c->progress_ns = dv_mono_ns();
            set_events(c);
            return true;
        }
    return false;
}

void dv_clients_drop_held(struct dv_client *list)
{
    for (struct dv_client *c = list; c; c = c->next)
        if (c->token)
            dv_client_close(c);
}

static int set_keys(struct dv_client *client, const struct dv_msg *ask, struct dv_error *err)
{
    struct dv_field f;

    /* As in Docker, a pipe may hold any bytes: only what is typed at a terminal can detach. */
    if (!client->session->terminal || !dv_msg_find(ask, DV_ST_DETACH_KEYS, &f))
        return 0;
    if (!dv_keys_set(&client->keys, f.data, f.len))
        return dv_fail(err, DV_E_INVALID, "detach sequence of %u bytes, at most %d", f.len,
                       DV_MAX_DETACH_KEYS);
    return 0;
}

int dv_client_add(struct dv_session *session, int fd, const struct dv_msg *ask,
                  struct dv_error *err)
{
    struct dv_client *client = calloc(1, sizeof(*client));
    struct dv_field early;
    int r;

    if (!client) {
        dv_close(fd);
        return dv_fail(err, DV_E_NO_MEMORY, "attach a client");
    }
    *client = (struct dv_client){
        .session = session,
        .fd = fd,
        .flags = (unsigned)dv_msg_get_u64(ask, DV_ST_ATTACH_FLAGS, 0),
        .queue = DV_BUF_INIT(QUEUE_MAX_BYTES, "a client's queue"),
    };
    client->events = EPOLLET;
    client->input_ended = !(client->flags & DV_ATTACH_STDIN);
    r = set_keys(client, ask, err);
    if (r == 0)
        r = dv_loop_add(session->life->loop, fd, EPOLLET, client_event, client, &client->watch,
                        err);
    if (r < 0) {
        dv_client_free(client);
        return dv_wrap(err, "attach a client");
    }
    client->next = session->clients;
    session->clients = client;
    if (client->flags & DV_ATTACH_HELD)
        client->token = ++session->life->last_token;
    watch_stall(client);
    if (!client->input_ended && dv_msg_find(ask, DV_ST_EARLY, &early))
        give_input(client, early.data, early.len);
    set_events(client);
    return 0;
}

void dv_client_refuse(int fd, unsigned flags, const char *text)
{
    uint8_t header[FRAME_BYTES];
    struct iovec iov[2] = { { header, flags & DV_ATTACH_FRAMED ? FRAME_BYTES : 0 },
                            { (void *)text, strlen(text) } };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

    if (fd < 0)
        return;
    put_header(header, 1, strlen(text));
    /* One try: a fresh socket has room for a line, and nothing else was promised. */
    if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        errno = 0;
    close_socket(fd);
}
