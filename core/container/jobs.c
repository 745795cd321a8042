/* jobs.c - background threads with a queue of jobs. */
#include "core/container/jobs.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/base/lock.h"
#include "core/base/time.h"

enum { JOB_STACK_BYTES = 256 << 10 };
#define REST_NS UINT64_C(1000000000) /* to the next thread, and again to what it does at rest */

struct job {
    struct job *next;
    dv_job_fn *fn;
    void *arg;
};
struct worker {
    struct dv_jobs *jobs;
    pthread_t thread;         /* under the lock */
};
struct dv_jobs {
    struct worker workers[DV_JOBS_MAX_THREADS];
    size_t n_workers;         /* of WORKERS: those that run */
    struct dv_lock lock;      /* rank 40; protects the rest */
    pthread_cond_t wake;
    struct job *first, **last;
    bool stop;
    void (*at_rest)(void);
};

/* Under the lock: wait until there is a job, or the end; false if RESTS and there was neither for a
 * while. */
static bool wait_for_job(struct dv_jobs *jobs, bool rests)
{
    uint64_t rest = rests ? dv_mono_ns() + REST_NS : 0;

    while (!jobs->first && !jobs->stop)
        if (dv_lock_wait(&jobs->lock, &jobs->wake, rest) < 0 && !jobs->first && !jobs->stop)
            return false;
    return true;
}

/* Under the lock. */
static struct job *take_job(struct dv_jobs *jobs)
{
    struct job *job = jobs->first;

    if (!job)
        return NULL;
    jobs->first = job->next;
    if (!jobs->first)
        jobs->last = &jobs->first;
    return job;
}

static int start(struct worker *worker);

/* glibc lets a thread keep up to seven freed blocks of each size, each in some page of what a crowd left,
 * until it ends. So another one takes over from it when it rests. */
static void *run(void *arg)
{
    struct worker *worker = arg;
    struct dv_jobs *jobs = worker->jobs;
    bool worked = false, rested = false;

    dv_lock_take(&jobs->lock);
    for (;;) {
        void (*at_rest)(void) = rested ? NULL : jobs->at_rest;
        struct job *job = NULL;

        if (wait_for_job(jobs, worked || at_rest)) {
            job = take_job(jobs);
            if (!job)
                break;
        } else if (worked && start(worker) == 0) {
            pthread_detach(pthread_self());
            break;
        } else {
            rested = true;
        }
        dv_lock_drop(&jobs->lock);
        if (job)
            job->fn(job->arg);
        else if (at_rest)
            at_rest();
        worked = job != NULL;
        free(job);
        dv_lock_take(&jobs->lock);
    }
    dv_lock_drop(&jobs->lock);
    return NULL;
}

static int start(struct worker *worker)
{
    pthread_attr_t attr;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, JOB_STACK_BYTES);
    r = pthread_create(&worker->thread, &attr, run, worker);
    pthread_attr_destroy(&attr);
    return r;
}

static int start_threads(struct dv_jobs *jobs, const char *name, size_t n)
{
    sigset_t all, old;
    int r = 0;

    sigfillset(&all); /* inherited, as is the name by those that take over */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    dv_lock_take(&jobs->lock);
    for (size_t i = 0; i < n && r == 0; i++) {
        jobs->workers[i].jobs = jobs;
        r = start(&jobs->workers[i]);
        if (r)
            break;
        pthread_setname_np(jobs->workers[i].thread, name);
        jobs->n_workers++;
    }
    dv_lock_drop(&jobs->lock);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
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
    if (jobs->n_workers == 0) { /* fewer do as well */
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
    for (size_t i = 0; i < jobs->n_workers; i++) /* nobody takes over any more */
        pthread_join(jobs->workers[i].thread, NULL);
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
