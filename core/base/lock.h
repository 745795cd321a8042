/* lock.h - mutexes with ranks, taken upwards only; an inversion aborts in every build. */
#pragma once

#include <pthread.h>
#include <stdint.h>

enum dv_lock_rank {
    DV_RANK_ENGINE = 10,
    DV_RANK_STORE = 20,   /* image, network, volume, container stores */
    DV_RANK_OBJECT = 30,  /* one object */
    DV_RANK_DB = 35,      /* the database's writer: an object is committed under its own lock */
    DV_RANK_QUEUE = 40,   /* queues, event ring, log */
};
struct dv_lock {
    pthread_mutex_t mutex;
    enum dv_lock_rank rank;
};

void dv_lock_init(struct dv_lock *lock, enum dv_lock_rank rank);
void dv_lock_done(struct dv_lock *lock);
void dv_lock_take(struct dv_lock *lock);
void dv_lock_drop(struct dv_lock *lock);
/* Release LOCK while waiting on COND (CLOCK_MONOTONIC deadline in ns, 0 = none). 0, or -1 when the
 * deadline passed. */
int dv_lock_wait(struct dv_lock *lock, pthread_cond_t *cond, uint64_t deadline_ns);
void dv_cond_init(pthread_cond_t *cond); /* CLOCK_MONOTONIC */

static inline void dv_cleanup_unlock(struct dv_lock **lock)
{
    if (*lock)
        dv_lock_drop(*lock);
}
/* Hold LOCK to the end of the scope. */
#define DV_GUARD_(lock, name)                                                                      \
    __attribute__((cleanup(dv_cleanup_unlock))) struct dv_lock *name = (lock);                     \
    dv_lock_take(name)
#define DV_GUARD_NAME_(line, lock) DV_GUARD_(lock, guard_##line)
#define DV_GUARD_LINE_(line, lock) DV_GUARD_NAME_(line, lock)
#define dv_guard(lock) DV_GUARD_LINE_(__LINE__, lock)
