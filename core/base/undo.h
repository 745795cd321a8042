/* undo.h - a small stack of undo steps for operations of several steps. */
#pragma once

#include <stddef.h>

typedef void dv_undo_fn(void *arg);
struct dv_undo {
    struct { dv_undo_fn *fn; void *arg; } steps[16];
    size_t n;
};
#define dv_autoundo __attribute__((cleanup(dv_undo_run))) struct dv_undo
void dv_undo_push(struct dv_undo *undo, dv_undo_fn *fn, void *arg);
void dv_undo_commit(struct dv_undo *undo); /* forget all steps: the operation succeeded */
void dv_undo_run(struct dv_undo *undo);    /* last step first */
