/* pool.h - a bounded pool of threads that run requests; they come when needed and go when idle. */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"

/* Each class has threads of its own number, so that a flood of one leaves the others alone. */
enum dv_pool_class {
    DV_POOL_FAST,                /* answers at once */
    DV_POOL_SLOW,                /* works on disks, or waits for a driver */
    DV_POOL_PATIENT,             /* waits for a container, as long as the client wishes */
    DV_POOL_UPLOAD,              /* reads a body as the client sends it */
    DV_POOL_CLASSES,
};
struct dv_pool;
struct dv_task {                 /* embedded in the caller's object; on one queue at a time */
    struct dv_task *next;
    void (*fn)(void *arg);
    void *arg;
    enum dv_pool_class class;
};

DV_CHECK int dv_pool_new(struct dv_pool **ret, struct dv_error *err);
/* Ends idle threads, waits up to WAIT_MS for the others. False: some still run, and the pool was
 * not freed (they use it). NULL is fine. */
bool dv_pool_free(struct dv_pool *pool, unsigned wait_ms);
/* Any thread. UNAVAILABLE if no thread runs and none can be made. */
DV_CHECK int dv_pool_add(struct dv_pool *pool, struct dv_task *task, struct dv_error *err);
