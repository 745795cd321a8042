/* jobs.h - background threads with a queue of jobs. */
#pragma once

#include "core/base/error.h"

struct dv_jobs;
typedef void dv_job_fn(void *arg);

enum { DV_JOBS_MAX_THREADS = 4 };
/* One thread runs the jobs in order; several begin them in order. */
DV_CHECK int dv_jobs_new(const char *name, size_t n_threads, struct dv_jobs **ret,
                         struct dv_error *err);
/* Runs what is queued, then ends the threads. NULL is fine. */
void dv_jobs_free(struct dv_jobs *jobs);
/* Have FN called on a thread each time when there was work, and then none for two seconds. Before the
 * first job. */
void dv_jobs_at_rest(struct dv_jobs *jobs, void (*fn)(void));
/* Any thread. Aborts on out of memory: a lost exit would be a lie. */
void dv_jobs_add(struct dv_jobs *jobs, dv_job_fn *fn, void *arg);
