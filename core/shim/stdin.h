/* stdin.h - what clients type: bounded, into a process's pipe or pty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct dv_session;
struct dv_watch;

struct dv_stdin {
    struct dv_session *session;
    int fd;                 /* -1: none, or closed; what comes is thrown away */
    struct dv_watch *watch;
    uint32_t events;        /* what it is watched for */
    bool terminal;          /* the end of a client's input is not the pty's end */
    bool closing;           /* close when the queue is empty */
    struct dv_buf queue;
    size_t head;            /* bytes of QUEUE already written */
};

/* Write to FD (taken, also on failure; made nonblocking). */
DV_CHECK int dv_stdin_open(struct dv_session *session, int fd, bool terminal,
                           struct dv_error *err);
void dv_stdin_done(struct dv_stdin *in);
/* How many bytes put() may be given now; more is taken, but then somebody was not asked. */
size_t dv_stdin_room(const struct dv_stdin *in);
void dv_stdin_put(struct dv_stdin *in, const void *data, size_t n);
void dv_stdin_end(struct dv_stdin *in); /* close it after what was put; nothing for a terminal */
