/* undo.c - a small stack of undo steps for operations of several steps. */
#include "core/base/undo.h"

#include <assert.h>

#include "core/base/cleanup.h"

void dv_undo_push(struct dv_undo *undo, dv_undo_fn *fn, void *arg)
{
    assert(undo->n < N(undo->steps));
    undo->steps[undo->n].fn = fn;
    undo->steps[undo->n].arg = arg;
    undo->n++;
}

void dv_undo_commit(struct dv_undo *undo)
{
    undo->n = 0;
}

void dv_undo_run(struct dv_undo *undo)
{
    int saved = errno;

    while (undo->n > 0) {
        undo->n--;
        undo->steps[undo->n].fn(undo->steps[undo->n].arg);
    }
    errno = saved;
}
