/* lock.c - mutexes with ranks: each thread remembers what it holds, and an inversion aborts. */
#include "core/base/lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/cleanup.h"

/* Sorted by rank, since locks are taken upwards only; one of each rank. */
enum { MAX_HELD = 8 };
static _Thread_local struct {
    const struct dv_lock *locks[MAX_HELD];
    unsigned n;
} held;

static _Noreturn void die(const char *what, const struct dv_lock *lock, int rank)
{
    dprintf(STDERR_FILENO, "level=error msg=\"lock of rank %d: %s (rank %d is held)\"\n",
            (int)lock->rank, what, rank);
    abort();
}

static void check(int error, const char *what, const struct dv_lock *lock)
{
    if (error != 0) {
        errno = error;
        dprintf(STDERR_FILENO, "level=error msg=\"lock of rank %d: %s: %m\"\n", (int)lock->rank,
                what);
        abort();
    }
}

static void push(const struct dv_lock *lock)
{
    int top = held.n > 0 ? (int)held.locks[held.n - 1]->rank : 0;

    if (held.n > 0 && top >= (int)lock->rank)
        die("taken against the order", lock, top);
    if (held.n == MAX_HELD)
        die("too many locks", lock, top);
    held.locks[held.n++] = lock;
}

static void pop(const struct dv_lock *lock)
{
    unsigned i, k;

    for (i = 0; i < held.n && held.locks[i] != lock; i++)
        ;
    if (i == held.n)
        die("dropped by a thread that does not hold it", lock, 0);
    for (k = i + 1; k < held.n; k++)
        held.locks[k - 1] = held.locks[k];
    held.n--;
}

void dv_lock_init(struct dv_lock *lock, enum dv_lock_rank rank)
{
    lock->rank = rank;
    check(pthread_mutex_init(&lock->mutex, NULL), "init", lock);
}

void dv_lock_done(struct dv_lock *lock)
{
    check(pthread_mutex_destroy(&lock->mutex), "destroy", lock);
}

void dv_lock_take(struct dv_lock *lock)
{
    push(lock); /* before waiting: an inversion is reported also when it happens not to block */
    check(pthread_mutex_lock(&lock->mutex), "lock", lock);
}

void dv_lock_drop(struct dv_lock *lock)
{
    pop(lock);
    check(pthread_mutex_unlock(&lock->mutex), "unlock", lock);
}

int dv_lock_wait(struct dv_lock *lock, pthread_cond_t *cond, uint64_t deadline_ns)
{
    struct timespec deadline = { .tv_sec = (time_t)(deadline_ns / 1000000000),
                                 .tv_nsec = (long)(deadline_ns % 1000000000) };
    int r;

    /* It is taken again at the end: whatever else is held must be below it. */
    if (held.n == 0 || held.locks[held.n - 1] != lock)
        die("waited on while it is not the last one taken", lock,
            held.n > 0 ? (int)held.locks[held.n - 1]->rank : 0);
    r = deadline_ns ? pthread_cond_timedwait(cond, &lock->mutex, &deadline)
                    : pthread_cond_wait(cond, &lock->mutex);
    if (r == ETIMEDOUT)
        return -1;
    check(r, "wait", lock);
    return 0;
}

void dv_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (pthread_cond_init(cond, &attr) != 0)
        abort();
    pthread_condattr_destroy(&attr);
}
