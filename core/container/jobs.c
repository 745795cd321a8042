/* jobs.c - background threads with a queue of jobs. */
#include "core/container/jobs.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/base/lock.h"
#include "core/base/time.h"

enum { JOB_STACK_BYTES = 256 << 10 };
#define REST_NS UINT64_C(1000000000)

struct job {
    struct job *next;
    dv_job_fn *fn;
    void *arg;
};
struct dv_jobs {
    pthread_t threads[DV_JOBS_MAX_THREADS];
    size_t n_threads;         /* of THREADS: those that run */
    struct dv_lock lock;      /* rank 40; protects the rest */
    pthread_cond_t wake;
    struct job *first, **last;
    bool stop;
    void (*at_rest)(void);
};

/* Under the lock, which is dropped for AT_REST: wait until there is a job, or the end. */
static void wait_for_job(struct dv_jobs *jobs)
{
    uint64_t rest = jobs->at_rest ? dv_mono_ns() + REST_NS : 0;

    while (!jobs->first && !jobs->stop) {
        if (dv_lock_wait(&jobs->lock, &jobs->wake, rest) == 0 || jobs->first || jobs->stop)
            continue;
        rest = 0;
        dv_lock_drop(&jobs->lock);
        jobs->at_rest();
        dv_lock_take(&jobs->lock);
    }
}

static struct job *next_job(struct dv_jobs *jobs)
{
    struct job *job;

    dv_lock_take(&jobs->lock);
    wait_for_job(jobs);
    job = jobs->first;
    if (job) {
        jobs->first = job->next;
        if (!jobs->first)
            jobs->last = &jobs->first;
    }
    dv_lock_drop(&jobs->lock);
    return job;
}

static void *run(void *arg)
{
    struct dv_jobs *jobs = arg;
    struct job *job;

    while ((job = next_job(jobs))) {
        job->fn(job->arg);
        free(job);
    }
    return NULL;
}

static int start_threads(struct dv_jobs *jobs, const char *name, size_t n)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int r = 0;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, JOB_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (size_t i = 0; i < n && r == 0; i++) {
        r = pthread_create(&jobs->threads[i], &attr, run, jobs);
        if (r)
            break;
        pthread_setname_np(jobs->threads[i], name);
        jobs->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return r;
}

int dv_jobs_new(const char *name, size_t n_threads, struct dv_jobs **ret, struct dv_error *err)
{
    struct dv_jobs *jobs = calloc(1, sizeof(*jobs));
    int r;

    if (!jobs)
        return dv_fail(err, DV_E_NO_MEMORY, "start thread %s", name);
    dv_lock_init(&jobs->lock, DV_RANK_QUEUE);
    dv_cond_init(&jobs->wake);
    jobs->last = &jobs->first;
    r = start_threads(jobs, name, n_threads);
    if (jobs->n_threads == 0) { /* fewer do as well */
        dv_jobs_free(jobs);
        errno = r;
        return dv_fail_errno(err, DV_E_INTERNAL, "start thread %s", name);
    }
    *ret = jobs;
    return 0;
}

void dv_jobs_free(struct dv_jobs *jobs)
{
    if (!jobs)
        return;
    dv_lock_take(&jobs->lock);
    jobs->stop = true;
    pthread_cond_broadcast(&jobs->wake);
    dv_lock_drop(&jobs->lock);
    for (size_t i = 0; i < jobs->n_threads; i++)
        pthread_join(jobs->threads[i], NULL);
    pthread_cond_destroy(&jobs->wake);
    dv_lock_done(&jobs->lock);
    free(jobs);
}

void dv_jobs_at_rest(struct dv_jobs *jobs, void (*fn)(void))
{
    dv_lock_take(&jobs->lock);
    jobs->at_rest = fn;
    dv_lock_drop(&jobs->lock);
}

void dv_jobs_add(struct dv_jobs *jobs, dv_job_fn *fn, void *arg)
{
    struct job *job = calloc(1, sizeof(*job));

    if (!job)
        abort();
    job->fn = fn;
    job->arg = arg;
    dv_lock_take(&jobs->lock);
    *jobs->last = job;
    jobs->last = &job->next;
    pthread_cond_signal(&jobs->wake);
    dv_lock_drop(&jobs->lock);
}
