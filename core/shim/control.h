/* control.h - connections of davitd, requests in, answers and events out. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/msg.h"

struct dv_life;
struct dv_packet;

/* What a handler gives back on success. */
struct dv_answer {
    struct dv_msg_writer w;   /* begun by the caller; fields may be put */
    int fd;                   /* sent along when not -1; borrowed unless FD_OWNED */
    bool fd_owned;
    int exit_code;            /* of an ERROR, -1 = none */
};
typedef int dv_request_fn(struct dv_life *life, struct dv_packet *p, struct dv_answer *answer,
                          struct dv_error *err);

/* Serve FD (taken, also on failure). CREATOR: its end before START is the container's. */
DV_CHECK int dv_conn_add(struct dv_life *life, int fd, bool creator, struct dv_error *err);
/* Bind shim.sock in RUN_DIR. */
DV_CHECK int dv_control_listen(struct dv_life *life, struct dv_error *err);
void dv_control_unlisten(struct dv_life *life); /* removes shim.sock */
/* Send an ended event to everybody; who cannot take it is cut off and will look at the disk. */
void dv_control_event(struct dv_life *life, struct dv_msg_writer *w);
void dv_control_close(struct dv_life *life);  /* all connections; freed by reap */
void dv_control_reap(struct dv_life *life);

/* Handlers. */
dv_request_fn dv_on_prepare, dv_on_create;                                       /* create.c */
dv_request_fn dv_on_start, dv_on_signal, dv_on_resize, dv_on_attach, dv_on_state,
    dv_on_close_stdin, dv_on_release;                                            /* requests.c */
dv_request_fn dv_on_exec;                                                        /* exec.c */
dv_request_fn dv_on_lend;                                                        /* lend.c */
