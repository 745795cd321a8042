/* gate.h - a start waits for attaches that are under way.
 *
 * A client attaches, waits for the header of that answer, and starts the container. The header goes
 * out before the socket is given to the container, so the start could overtake the attach and the
 * first output be lost. Between the two the attach stands in the gate, and a start waits there. */
#pragma once

#include <pthread.h>

#include "core/base/lock.h"

struct dv_container;

struct dv_gate {
    struct dv_lock lock;            /* rank QUEUE */
    pthread_cond_t left;
    struct dv_gate_pass *passes;    /* under lock */
};
struct dv_gate_pass {               /* on the attaching thread's stack */
    struct dv_gate *gate;
    const struct dv_container *c;
    struct dv_gate_pass *next;
};
void dv_gate_init(struct dv_gate *gate);
void dv_gate_done(struct dv_gate *gate);
void dv_gate_enter(struct dv_gate *gate, const struct dv_container *c, struct dv_gate_pass *pass);
void dv_gate_leave(struct dv_gate_pass *pass); /* again: nothing */
/* Until no attach to C is between its header and its end, 5 s at most. */
void dv_gate_wait(struct dv_gate *gate, const struct dv_container *c);
