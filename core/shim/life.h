/* life.h - one container's life: the state of a davit-shim, and its beginning and end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/limits.h"
#include "core/runtime/runtime.h"

struct dv_conn;
struct dv_ended;
struct dv_logfile;
struct dv_loop;
struct dv_msg_writer;
struct dv_output;
struct dv_session;
struct dv_timer;
struct dv_watch;

/* Bits, so that a handler's row can name several. */
enum dv_life_phase {
    DV_LIFE_NEW = 1,        /* nothing but a control connection */
    DV_LIFE_CREATED = 2,    /* the init waits for "go" */
    DV_LIFE_RUNNING = 4,
    DV_LIFE_ENDING = 8,     /* the init is dead, its output is being drained */
    DV_LIFE_OVER = 16,      /* announced; slow clients may still be fed */
};

struct dv_life {
    struct dv_loop *loop;
    enum dv_life_phase phase;
    int exit_status;                   /* of the shim itself */

    struct dv_conn *conns;
    struct dv_conn *creator;           /* its end before START ends everything */
    size_t n_conns;
    uint64_t last_token;               /* of clients that were attached held */
    int listen_fd;
    struct dv_watch *listen_watch;

    struct dv_spec *spec;              /* kept for exec */
    struct dv_init init;
    uint64_t start_time;               /* field 22 of /proc/PID/stat */
    /* Descriptors of PREPARE and CREATE; FDS owns them, the others are borrowed from it. A message's
     * own begin at FIRST_FD. */
    int fds[DV_MAX_MSG_FDS];
    size_t n_fds, first_fd;
    int ns_fds[DV_MAX_MSG_FDS], procs_fds[DV_MAX_MSG_FDS];
    size_t n_ns_fds, n_procs_fds;
    int run_dir, state_dir, log_dir, netns_fd, cgroup_dir;
    bool kill_cgroup;
    bool released;                     /* after the announcement: mounts and namespaces let go */

    struct dv_session *sessions;       /* MAIN and the execs */
    struct dv_session *main;           /* the init's */
    struct dv_ended *ended;            /* execs that ended, newest first */
    struct dv_output *strays;          /* held open by processes that outlived an exec */
    struct dv_logfile *log;            /* NULL: none */

    char *scratch;                     /* DV_SCRATCH_BYTES, there while output flows */
    bool scratch_used;                 /* since the timer looked */
    struct dv_timer *scratch_timer;
};

enum { DV_SCRATCH_BYTES = 64 << 10 };  /* a pipe's capacity */

void dv_life_init(struct dv_life *life, struct dv_loop *loop);
/* Everything the descriptors and memory of the life hold; kills nothing. */
void dv_life_done(struct dv_life *life);
/* After each event: move the sessions on, and stop the loop when all is done. */
void dv_life_settle(struct dv_life *life);
/* Before the container ran: kill the init, leave no trace, stop. */
void dv_life_abort(struct dv_life *life);
/* The init is gone and its output delivered: record, announce. The next dv_life_settle() releases. */
void dv_life_announce(struct dv_life *life);
/* A read buffer that goes away when output rests; NULL on no memory. */
char *dv_life_scratch(struct dv_life *life);
