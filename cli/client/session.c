/* session.c - one loop between the user's descriptors and the daemon's stream. */
#include "cli/client/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "cli/client/frames.h"
#include "cli/util.h"

enum {
    PIECE_BYTES = 32 << 10,
    MAX_WAIT_BYTES = 64 << 10,
    FORCED_SIGNALS = 3, /* SIGINT or SIGTERM behind the first: the user wants out */
};

struct loop {
    struct dv_session *s;
    struct dv_frames frames;
    struct dv_raw raw;
    char *pending;          /* typed, not yet sent */
    size_t pending_at, pending_len;
    bool stdin_open, stream_open, wait_open;
    struct dv_buf answer;   /* wait's body */
    int terminations;
};

void dv_session_done(struct dv_session *session)
{
    dv_http_free(session->stream);
    dv_http_free(session->wait);
    dv_close(session->signal_fd);
    free(session->wait_error);
    session->stream = session->wait = NULL;
    session->signal_fd = -1;
    session->wait_error = NULL;
}

/* By nohup, say: then it is not ours to look at. */
static bool is_ignored(int number)
{
    struct sigaction now;

    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

int dv_session_signals(struct dv_session *session, bool proxy, struct dv_error *err)
{
    /* Those that this process must keep: they are about itself (or cannot be caught). */
    static const int own[] = { SIGCHLD, SIGPIPE, SIGURG, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN,
                               SIGTTOU, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT, SIGTRAP,
                               SIGSYS };
    static const int watched[] = { SIGWINCH, SIGHUP, SIGINT, SIGQUIT, SIGTERM };
    sigset_t set;
    size_t i;

    if (proxy) {
        memset(&set, 0xff, sizeof(set)); /* sigfillset() of musl leaves 34 out, glibc's SIGRTMIN */
        for (i = 0; i < N(own); i++)
            sigdelset(&set, own[i]);
    } else {
        sigemptyset(&set);
        for (i = 0; i < N(watched); i++)
            if (!is_ignored(watched[i]))
                sigaddset(&set, watched[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    session->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (session->signal_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "create a signalfd");
    return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

static int send_attach(struct dv_session *session, const char *id,
                       const struct dv_session_streams *streams, struct dv_error *err)
{
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_http_request request = { .method = "POST", .upgrade = true };
    const char *keys = streams->detach_keys;
    int r;

    dv_xprintf(&target, "/containers/%s/attach?stream=1", id);
    dv_xput_query(&target, "stdin", streams->in ? "1" : NULL);
    dv_xput_query(&target, "stdout", streams->out ? "1" : NULL);
    dv_xput_query(&target, "stderr", streams->errors ? "1" : NULL);
    dv_xput_query(&target, "detachKeys", dv_empty(keys) ? NULL : keys);
    request.target = target.data;
    session->send_stdin = streams->in;
    r = dv_client_connect(session->client, &session->stream, err);
    return r < 0 ? r : dv_client_send(session->client, session->stream, &request, err);
}

static int attached(struct dv_session *session, struct dv_error *err)
{
    struct dv_http_reply reply;
    int r = dv_client_header(session->client, session->stream, &reply, err);

    if (r == 0 && !reply.upgraded)
        return dv_fail(err, DV_E_INVALID, "the daemon did not attach: status %d", reply.status);
    return r;
}

static int send_wait(struct dv_session *session, const char *id, const char *condition,
                     struct dv_error *err)
{
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_http_request request = { .method = "POST" };
    int r;

    dv_xprintf(&target, "/containers/%s/wait", id);
    dv_xput_query(&target, "condition", condition);
    request.target = target.data;
    session->wait_removed = condition && dv_streq(condition, "removed");
    dv_http_free(session->wait);
    session->wait = NULL;
    r = dv_client_connect(session->client, &session->wait, err);
    return r < 0 ? r : dv_client_send(session->client, session->wait, &request, err);
}

static int waiting(struct dv_session *session, struct dv_error *err)
{
    struct dv_http_reply reply;

    return dv_client_header(session->client, session->wait, &reply, err);
}

int dv_session_attach(struct dv_session *session, const char *id,
                      const struct dv_session_streams *streams, struct dv_error *err)
{
    int r = send_attach(session, id, streams, err);

    return r < 0 ? r : attached(session, err);
}

int dv_session_wait(struct dv_session *session, const char *id, const char *condition,
                    struct dv_error *err)
{
    int r = send_wait(session, id, condition, err);

    return r < 0 ? r : waiting(session, err);
}

int dv_session_attach_and_wait(struct dv_session *session, const char *id,
                               const struct dv_session_streams *streams, const char *condition,
                               struct dv_error *err)
{
    int r = send_attach(session, id, streams, err);

    if (r == 0)
        r = send_wait(session, id, condition, err);
    if (r == 0)
        r = attached(session, err);
    return r < 0 ? r : waiting(session, err);
}

static void tell_size(struct dv_session *session, unsigned rows, unsigned columns)
{
    dv_autofree char *target = dv_xformat("%s/resize?h=%u&w=%u", session->resize, rows, columns);
    struct dv_error ignored = { 0 };

    /* The process may have ended meanwhile; a size is not worth a message. */
    if (dv_client_call(session->client, "POST", target, NULL, NULL, &ignored) < 0)
        return;
}

void dv_session_resize(struct dv_session *session)
{
    unsigned rows, columns;

    if (session->resize && dv_terminal_size(STDOUT_FILENO, &rows, &columns))
        tell_size(session, rows, columns);
}

void dv_session_redraw(struct dv_session *session)
{
    unsigned rows, columns;

    if (!session->resize || !dv_terminal_size(STDOUT_FILENO, &rows, &columns))
        return;
    tell_size(session, rows + 1, columns + 1);
    tell_size(session, rows, columns);
}

/* --- the loop's events ------------------------------------------------------------------------ */

static void forward_signal(struct loop *l, int number)
{
    dv_autofree char *target = dv_xformat("/containers/%s/kill?signal=%d", l->s->signal_id, number);
    struct dv_error err = { 0 };

    /* A container that has just ended cannot get it: no news. */
    if (dv_client_call(l->s->client, "POST", target, NULL, NULL, &err) < 0 &&
        err.code != DV_E_CONFLICT && err.code != DV_E_NOT_FOUND)
        fprintf(stderr, "davit: %s\n", err.msg);
}

/* As if nobody had caught it, but with the terminal as it was. */
static void die_by(struct loop *l, int number)
{
    sigset_t set;

    dv_raw_leave(&l->raw);
    sigemptyset(&set);
    sigaddset(&set, number);
    raise(number); /* pending until it is unblocked */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void on_signal(struct loop *l)
{
    struct signalfd_siginfo info;

    if (read(l->s->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGWINCH) {
        dv_session_resize(l->s);
        return;
    }
    if (!l->s->signal_id)
        die_by(l, (int)info.ssi_signo);
    if ((info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM) &&
        l->terminations++ == FORCED_SIGNALS) {
        dv_raw_leave(&l->raw);
        fprintf(stderr, "davit: got %d SIGTERM/SIGINTs, forcefully exiting\n", FORCED_SIGNALS);
        exit(1);
    }
    forward_signal(l, (int)info.ssi_signo);
}

static void close_stdin(struct loop *l)
{
    l->stdin_open = false;
    if (l->stream_open)
        shutdown(dv_http_fd(l->s->stream), SHUT_WR);
}

static void on_stdin(struct loop *l)
{
    ssize_t n = read(STDIN_FILENO, l->pending, PIECE_BYTES);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        close_stdin(l);
        return;
    }
    l->pending_at = 0;
    l->pending_len = (size_t)n;
}

static void send_pending(struct loop *l)
{
    ssize_t n = send(dv_http_fd(l->s->stream), l->pending + l->pending_at,
                     l->pending_len - l->pending_at, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n < 0) { /* the container reads no more; its output goes on */
        l->stdin_open = false;
        l->pending_len = l->pending_at = 0;
        return;
    }
    if (l->s->tty)
        dv_detach_feed(&l->s->detach, l->pending + l->pending_at, (size_t)n);
    l->pending_at += (size_t)n;
    if (l->pending_at == l->pending_len)
        l->pending_at = l->pending_len = 0;
}

static int on_stream(struct loop *l, struct dv_error *err)
{
    char piece[PIECE_BYTES];
    ssize_t n = dv_http_read_raw(l->s->stream, piece, sizeof(piece), err);

    if (n > 0)
        return dv_frames_put(&l->frames, piece, (size_t)n, err);
    l->stream_open = false;
    l->stdin_open = false;
    dv_raw_leave(&l->raw);
    /* A daemon that went away is told by the wait, which is asked again; without one it is news. */
    return n < 0 && !l->wait_open ? (int)n : 0;
}

static void take_answer(struct loop *l)
{
    dv_autojson json_object *obj = NULL;
    struct dv_error err = { 0 };
    const char *message;

    if (l->answer.len == 0 || dv_json_parse(l->answer.data, l->answer.len, &obj, &err) < 0)
        return;
    message = dv_jget_str(dv_jget(obj, "Error"), "Message");
    l->s->status = (int)dv_jget_int(obj, "StatusCode");
    l->s->wait_error = *message ? dv_xstrdup(message) : NULL;
    l->s->waited = true;
}

static void on_wait(struct loop *l)
{
    char piece[4096];
    struct dv_error err = { 0 };
    ssize_t n = dv_http_read(l->s->wait, piece, sizeof(piece), &err);

    if (n > 0 && dv_buf_put(&l->answer, piece, (size_t)n, &err) == 0)
        return;
    l->wait_open = false;
    if (n == 0)
        take_answer(l);
}

/* --- the loop --------------------------------------------------------------------------------- */

enum { P_STREAM, P_STDIN, P_SIGNAL, P_WAIT, N_POLL };

static void fill_poll(const struct loop *l, struct pollfd p[N_POLL])
{
    bool sending = l->stream_open && l->pending_len > 0;

    p[P_STREAM] = (struct pollfd){ .fd = l->stream_open ? dv_http_fd(l->s->stream) : -1,
                                   .events = POLLIN | (sending ? POLLOUT : 0) };
    p[P_STDIN] = (struct pollfd){ .fd = l->stdin_open && l->pending_len == 0 ? STDIN_FILENO : -1,
                                  .events = POLLIN };
    p[P_SIGNAL] = (struct pollfd){ .fd = l->s->signal_fd, .events = POLLIN };
    p[P_WAIT] = (struct pollfd){ .fd = l->wait_open ? dv_http_fd(l->s->wait) : -1,
                                 .events = POLLIN };
}

static int step(struct loop *l, struct dv_error *err)
{
    bool ready = (l->stream_open && dv_http_pending(l->s->stream)) ||
                 (l->wait_open && dv_http_pending(l->s->wait));
    struct pollfd p[N_POLL];

    fill_poll(l, p);
    if (poll(p, N_POLL, ready ? 0 : -1) < 0 && errno != EINTR)
        return dv_fail_errno(err, DV_E_INTERNAL, "wait for input and output");
    if (p[P_SIGNAL].revents)
        on_signal(l);
    if (p[P_STDIN].revents)
        on_stdin(l);
    if (l->stream_open && l->pending_len > 0 && (p[P_STREAM].revents & (POLLOUT | POLLERR)))
        send_pending(l);
    if (l->wait_open && (p[P_WAIT].revents || dv_http_pending(l->s->wait)))
        on_wait(l);
    if (l->stream_open &&
        ((p[P_STREAM].revents & (POLLIN | POLLHUP | POLLERR)) || dv_http_pending(l->s->stream)))
        return on_stream(l, err);
    return 0;
}

int dv_session_run(struct dv_session *session, struct dv_error *err)
{
    struct loop l = {
        .s = session,
        .frames = DV_FRAMES_INIT(session->tty),
        .pending = dv_xcalloc(1, PIECE_BYTES),
        .stdin_open = session->send_stdin,
        .stream_open = session->stream != NULL,
        .wait_open = session->wait != NULL,
        .answer = DV_BUF_INIT(MAX_WAIT_BYTES, "wait's reply"),
    };
    int r = 0;

    if (session->tty && session->send_stdin)
        dv_raw_enter(&l.raw, STDIN_FILENO);
    while (r == 0 && (l.stream_open || l.wait_open)) {
        r = step(&l, err);
        /* Detached: the daemon closed because it was asked to, and the container lives on. */
        session->detached = !l.stream_open && session->detach.done;
        if (session->detached)
            break;
    }
    dv_raw_leave(&l.raw);
    dv_frames_done(&l.frames);
    dv_buf_done(&l.answer);
    free(l.pending);
    return r;
}

int dv_session_escaped(void)
{
    fputs("read escape sequence\n", stderr);
    return 1;
}
