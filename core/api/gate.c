/* gate.c - a start waits for attaches that are under way. */
#include "core/api/gate.h"

#include <stdbool.h>
#include <stddef.h>

#include "core/base/time.h"

enum { WAIT_SECONDS = 5 }; /* a client that does not even read its header has lost its right */

void dv_gate_init(struct dv_gate *gate)
{
    *gate = (struct dv_gate){ .passes = NULL };
    dv_lock_init(&gate->lock, DV_RANK_QUEUE);
    dv_cond_init(&gate->left);
}

void dv_gate_done(struct dv_gate *gate)
{
    pthread_cond_destroy(&gate->left);
    dv_lock_done(&gate->lock);
}

void dv_gate_enter(struct dv_gate *gate, const struct dv_container *c, struct dv_gate_pass *pass)
{
    dv_lock_take(&gate->lock);
    *pass = (struct dv_gate_pass){ .gate = gate, .c = c, .next = gate->passes };
    gate->passes = pass;
    dv_lock_drop(&gate->lock);
}

void dv_gate_leave(struct dv_gate_pass *pass)
{
    struct dv_gate *gate = pass->gate;

    if (!gate)
        return;
    dv_lock_take(&gate->lock);
    for (struct dv_gate_pass **at = &gate->passes; *at; at = &(*at)->next)
        if (*at == pass) {
            *at = pass->next;
            break;
        }
    pthread_cond_broadcast(&gate->left);
    dv_lock_drop(&gate->lock);
    pass->gate = NULL;
}

static bool is_in(const struct dv_gate *gate, const struct dv_container *c)
{
    for (const struct dv_gate_pass *pass = gate->passes; pass; pass = pass->next)
        if (pass->c == c)
            return true;
    return false;
}

void dv_gate_wait(struct dv_gate *gate, const struct dv_container *c)
{
    uint64_t deadline = dv_mono_ns() + WAIT_SECONDS * UINT64_C(1000000000);

    dv_lock_take(&gate->lock);
    while (is_in(gate, c) && dv_lock_wait(&gate->lock, &gate->left, deadline) == 0)
        ;
    dv_lock_drop(&gate->lock);
}
