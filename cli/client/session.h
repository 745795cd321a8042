/* session.h - the foreground of run, start -a, attach and exec: one loop between the user's
 * descriptors and the daemon's stream, with signals and the answer of wait. */
#pragma once

#include "cli/client/client.h"
#include "cli/client/terminal.h"

enum { DV_AGAIN_SECONDS = 10, DV_AGAIN_POLL_MS = 100 }; /* a restarted daemon is waited for */
struct dv_session {
    struct dv_client *client;
    struct dv_http *stream;       /* upgraded; taken */
    struct dv_http *wait;         /* a wait whose reply header was read; taken; may be NULL */
    const char *signal_id;        /* container that gets this process's signals; NULL: none */
    const char *resize;           /* "/containers/ID" or "/exec/ID"; NULL: no terminal */
    bool tty, send_stdin;
    bool wait_removed;            /* the wait is for the removal too (--rm) */
    struct dv_detach detach;
    int signal_fd;                /* of dv_session_signals(); -1: none */
    /* outcome */
    bool detached;                /* the user typed the detach keys */
    bool waited;                  /* status holds wait's answer */
    int status;
    char *wait_error;             /* Error.Message of the answer; owned */
};
#define DV_SESSION_INIT(the_client) { .client = (the_client), .signal_fd = -1 }
void dv_session_done(struct dv_session *session);

/* Block the signals that the session looks at (all that a user sends if PROXY, else SIGWINCH and
 * those that end this process, for which the terminal is restored first) and get a descriptor for
 * them. */
DV_CHECK int dv_session_signals(struct dv_session *session, bool proxy, struct dv_error *err);

struct dv_session_streams {
    bool in, out, errors;
    const char *detach_keys;      /* NULL or empty: the daemon's default */
};
/* Attach to container ID (before its start). */
DV_CHECK int dv_session_attach(struct dv_session *session, const char *id,
                               const struct dv_session_streams *streams, struct dv_error *err);
/* Ask for its exit, and read the reply's header. CONDITION: "next-exit", "removed", NULL. */
DV_CHECK int dv_session_wait(struct dv_session *session, const char *id, const char *condition,
                             struct dv_error *err);
/* Both, asked at the same time. */
DV_CHECK int dv_session_attach_and_wait(struct dv_session *session, const char *id,
                                        const struct dv_session_streams *streams,
                                        const char *condition, struct dv_error *err);
/* Tell the daemon the terminal's size now. */
void dv_session_resize(struct dv_session *session);
/* The same by way of another size, so that a full-screen program draws itself again. */
void dv_session_redraw(struct dv_session *session);
/* Copy until the stream ends and, if there is one, the wait has answered. A wait that breaks off is
 * no failure: waited stays false. */
DV_CHECK int dv_session_run(struct dv_session *session, struct dv_error *err);
/* attach and exec end like this when the user detached; gives their exit code. */
int dv_session_escaped(void);
