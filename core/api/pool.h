/* pool.h - a bounded pool of threads that run requests; they come when needed and go when idle. */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"

struct dv_pool;
struct dv_task {                 /* embedded in the caller's object; on one queue at a time */
    struct dv_task *next;
    void (*fn)(void *arg);
    void *arg;
    bool slow;                   /* may last: such tasks never take the last threads */
};

DV_CHECK int dv_pool_new(struct dv_pool **ret, struct dv_error *err);
/* Ends idle threads, waits up to WAIT_MS for the others. False: some still run, and the pool was
 * not freed (they use it). NULL is fine. */
bool dv_pool_free(struct dv_pool *pool, unsigned wait_ms);
/* Any thread. UNAVAILABLE if no thread runs and none can be made. */
DV_CHECK int dv_pool_add(struct dv_pool *pool, struct dv_task *task, struct dv_error *err);
