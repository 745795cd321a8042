/* pool.c - a bounded pool of threads that run requests. */
#include "core/api/pool.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "core/base/lock.h"
#include "core/base/time.h"

static const unsigned max_running[DV_POOL_CLASSES] = {
    [DV_POOL_FAST] = 32,
    [DV_POOL_SLOW] = 32,
    [DV_POOL_PATIENT] = 64,      /* these do nothing, each for 10 s and more */
    [DV_POOL_UPLOAD] = 24,
};
enum {
    MAX_THREADS = 32 + 32 + 64 + 24,
    IDLE_S = 5,
    /* A quarter of it would do. But glibc keeps 40 MB of address space in stacks of threads that ended,
     * each with the pages that it had touched: of these that are 40 stacks, not all there ever were. */
    STACK_BYTES = 1 << 20,
};

struct dv_pool {
    struct dv_lock lock;         /* rank QUEUE; protects all below */
    pthread_cond_t work, gone;
    struct queue {
        struct dv_task *first, *last;
        unsigned n_queued, n_running; /* tasks that no thread has taken yet; that one has */
    } queues[DV_POOL_CLASSES];
    unsigned n_threads, n_idle;
    unsigned peak_threads;       /* the most since memory was given back last */
    bool stopping;
};

static void push(struct queue *q, struct dv_task *task)
{
    task->next = NULL;
    if (q->first)
        q->last->next = task;
    else
        q->first = task;
    q->last = task;
    q->n_queued++;
}

static struct dv_task *pop(struct queue *q)
{
    struct dv_task *task = q->first;

    if (!task)
        return NULL;
    q->first = task->next;
    q->n_queued--;
    q->n_running++;
    return task;
}

int dv_pool_new(struct dv_pool **ret, struct dv_error *err)
{
    struct dv_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the request threads");
    dv_lock_init(&pool->lock, DV_RANK_QUEUE);
    dv_cond_init(&pool->work);
    dv_cond_init(&pool->gone);
    *ret = pool;
    return 0;
}

/* Under the lock: what this thread should do next, NULL = nothing now. */
static struct dv_task *next_task(struct dv_pool *pool)
{
    for (unsigned i = 0; i < DV_POOL_CLASSES; i++) {
        struct queue *q = &pool->queues[i];
        struct dv_task *task = q->n_running < max_running[i] ? pop(q) : NULL;

        if (task)
            return task;
    }
    return NULL;
}

/* Under the lock: wait for work; NULL = idle for long enough, or the end. */
static struct dv_task *wait_task(struct dv_pool *pool)
{
    uint64_t deadline = dv_mono_ns() + IDLE_S * UINT64_C(1000000000);
    struct dv_task *task = next_task(pool);

    while (!task && !pool->stopping) {
        int r;

        pool->n_idle++;
        r = dv_lock_wait(&pool->lock, &pool->work, deadline);
        pool->n_idle--;
        task = next_task(pool);
        if (r < 0)
            break;
    }
    return task;
}

static void *thread_main(void *arg)
{
    struct dv_pool *pool = arg;
    struct dv_task *task;
    bool quiet;

    pthread_setname_np(pthread_self(), "request");
    dv_lock_take(&pool->lock);
    while ((task = wait_task(pool))) {
        enum dv_pool_class class = task->class;

        dv_lock_drop(&pool->lock);
        task->fn(task->arg); /* TASK may be gone from here on */
        dv_lock_take(&pool->lock);
        pool->queues[class].n_running--;
    }
    quiet = --pool->n_threads <= pool->peak_threads / 4;
    if (quiet)
        pool->peak_threads = pool->n_threads;
    pthread_cond_signal(&pool->gone);
    dv_lock_drop(&pool->lock);
    /* Give back what the load took, which else stays between what is in use. No word of POOL here. */
    if (quiet)
        malloc_trim(0);
    return NULL;
}

static int spawn(struct dv_pool *pool)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all;
    int r;

    sigfillset(&all); /* signals are the main thread's; a broken pipe is EPIPE */
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setsigmask_np(&attr, &all);
    r = pthread_create(&thread, &attr, thread_main, pool);
    pthread_attr_destroy(&attr);
    return r;
}

/* Under the lock: queued tasks that a further thread could run. */
static unsigned n_runnable(const struct dv_pool *pool)
{
    unsigned n = 0;

    for (unsigned i = 0; i < DV_POOL_CLASSES; i++) {
        const struct queue *q = &pool->queues[i];
        unsigned room = max_running[i] - q->n_running;

        n += q->n_queued < room ? q->n_queued : room;
    }
    return n;
}

int dv_pool_add(struct dv_pool *pool, struct dv_task *task, struct dv_error *err)
{
    int r = 0;

    dv_lock_take(&pool->lock);
    push(&pool->queues[task->class], task);
    /* A thread that was woken still counts as idle until it runs, hence the comparison. */
    if (pool->n_idle < n_runnable(pool) && pool->n_threads < MAX_THREADS) {
        r = spawn(pool);
        pool->n_threads += r == 0;
        if (pool->n_threads > pool->peak_threads)
            pool->peak_threads = pool->n_threads;
    }
    if (pool->n_threads == 0) { /* so it is the only one */
        pool->queues[task->class] = (struct queue){ .first = NULL };
        dv_lock_drop(&pool->lock);
        errno = r;
        return dv_fail_errno(err, DV_E_UNAVAILABLE, "start a request thread");
    }
    pthread_cond_signal(&pool->work);
    dv_lock_drop(&pool->lock);
    return 0;
}

bool dv_pool_free(struct dv_pool *pool, unsigned wait_ms)
{
    uint64_t deadline = dv_mono_ns() + wait_ms * UINT64_C(1000000);
    bool done;

    if (!pool)
        return true;
    dv_lock_take(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->n_threads > 0 && dv_lock_wait(&pool->lock, &pool->gone, deadline) == 0)
        ;
    done = pool->n_threads == 0;
    dv_lock_drop(&pool->lock);
    if (!done)
        return false;
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->gone);
    dv_lock_done(&pool->lock);
    free(pool);
    return true;
}
