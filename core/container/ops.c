/* ops.c - one operation at a time on a container: start, stop's tail, remove. */
#include "core/base/time.h"
#include "core/container/internal.h"

/* A start or a removal takes milliseconds; a minute means that something hangs. */
enum { OP_WAIT_S = 60 };

int dv_op_begin(struct dv_container *c, const char *what, struct dv_error *err)
{
    uint64_t deadline = dv_mono_ns() + OP_WAIT_S * UINT64_C(1000000000);
    int r = 0;

    dv_lock_take(&c->lock);
    while (c->busy && !c->removed && r == 0)
        r = dv_lock_wait(&c->lock, &c->changed, deadline);
    if (c->removed)
        r = dv_fail(err, DV_E_NOT_FOUND, "No such container: %s", c->id);
    else if (c->busy)
        r = dv_fail(err, DV_E_CONFLICT, "cannot %s container %s: its %s is still under way", what,
                    c->name, c->busy);
    else
        c->busy = what, r = 0;
    dv_lock_drop(&c->lock);
    return r;
}

void dv_op_end(struct dv_container *c)
{
    dv_lock_take(&c->lock);
    c->busy = NULL;
    pthread_cond_broadcast(&c->changed);
    dv_lock_drop(&c->lock);
}
