/* session.h - one process with its streams and clients: the init or an exec. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/shim/output.h"
#include "core/shim/stdin.h"

struct dv_client;
struct dv_life;
struct dv_timer;
struct dv_watch;

enum dv_session_phase {
    DV_SESSION_RUNNING,
    DV_SESSION_DRAINING,   /* the process is dead; output to its end, or 2 s */
    DV_SESSION_FLUSHING,   /* all output queued; clients get a short grace */
    DV_SESSION_LINGERING,  /* announced; clients are fed until done or stalled */
    DV_SESSION_OVER,
};

struct dv_session {
    struct dv_session *next;
    struct dv_life *life;
    enum dv_session_phase phase;
    char *exec_id;                      /* NULL: the init's */
    struct dv_buf note;                 /* an exec's, see DV_ST_NOTE */
    pid_t pid;
    int pidfd;
    struct dv_watch *pid_watch;
    bool terminal, stdin_once;
    int pty_master;                     /* for resizing, -1 */
    struct dv_output *outputs[2];
    struct dv_stdin in;
    struct dv_client *clients;
    struct dv_timer *timer;
    bool late;                          /* the phase's time is over */
    uint64_t started_ns, finished_ns, exited_mono_ns;
    int exit_code, signal;
};

/* A process's ends of its pipes, and ours. */
struct dv_stdio {
    int child[3], ours[3];              /* -1 = none */
};
enum { DV_PIPE_STDIN = 1, DV_PIPE_STDOUT = 2, DV_PIPE_STDERR = 4 };
/* Pipes for the streams in WANTED, /dev/null for the others. */
DV_CHECK int dv_stdio_open(struct dv_stdio *io, unsigned wanted, struct dv_error *err);
void dv_stdio_done(struct dv_stdio *io); /* closes what is still there */

/* New session, linked into LIFE. EXEC_ID NULL: the init's. */
DV_CHECK int dv_session_new(struct dv_life *life, const char *exec_id, struct dv_session **ret,
                            struct dv_error *err);
void dv_session_free(struct dv_session *session); /* unlinks it */
/* Take our ends: those of IO, or of PTY (taken) when it is not -1. */
DV_CHECK int dv_session_streams(struct dv_session *session, struct dv_stdio *io, int pty,
                                struct dv_error *err);
/* The process runs: wait for its end by PIDFD, which the session now owns if OWN. */
DV_CHECK int dv_session_watch(struct dv_session *session, pid_t pid, int pidfd,
                              struct dv_error *err);
/* Kill the process, wait for it, and free the session: nobody was told of it. */
void dv_session_discard(struct dv_session *session);
/* Move it on as far as it can go now. */
void dv_session_settle(struct dv_session *session);
/* The container ends now: announce an exec's end, whatever its process does. */
void dv_session_force_end(struct dv_session *session);
struct dv_session *dv_session_find(struct dv_life *life, const char *exec_id); /* "" = init's */

/* Wait for a child by pidfd; false if it is not dead. */
bool dv_reap(int pidfd, int *ret_exit_code, int *ret_signal, bool block);
