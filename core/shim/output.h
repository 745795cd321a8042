/* output.h - what a process writes: from its pipe or pty to the log and the clients. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/shim/json_line.h"

struct dv_life;
struct dv_session;
struct dv_watch;

struct dv_output {
    struct dv_life *life;
    struct dv_session *session;    /* NULL: a stray, read and thrown away */
    struct dv_output *next;        /* of the strays */
    int fd;                        /* -1 after its end */
    struct dv_watch *watch;
    uint32_t events;               /* what it is watched for */
    uint8_t stream;                /* 1 or 2, as in Docker's frames; a pty is 1 */
    bool logged;
    bool hung;                     /* a pty: nobody had it open at the last look */
    bool last;                     /* nothing after ALLOWANCE counts */
    bool cut;                      /* that point came: not read, but held open */
    size_t allowance;              /* bytes read though the clients' queues are full */
    struct dv_splitter lines;
};

/* Read FD (taken, also on failure; made nonblocking) for SESSION. */
DV_CHECK int dv_output_open(struct dv_session *session, int fd, uint8_t stream, bool logged,
                            struct dv_output **ret, struct dv_error *err);
void dv_output_free(struct dv_output *output);
bool dv_output_ended(const struct dv_output *output); /* NULL has ended */
/* Read on, or stop reading, by the room that the clients have. */
void dv_output_update(struct dv_output *output);
/* The process is dead: what is in the pipe now is read without regard to slow clients. With LAST
 * it is all that is waited for. */
void dv_output_allow(struct dv_output *output, bool last);
/* Read what is in the pipe now, and no more than that, before this returns. */
void dv_output_finish(struct dv_output *output);
/* The end, without waiting for the writers' end: a process that lives on keeps a pipe that somebody
 * reads, so that it does not die of SIGPIPE. */
void dv_output_abandon(struct dv_output *output);
