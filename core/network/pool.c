/* pool.c - ready network namespaces, made in the background so that no start waits for one. */
#include "core/network/pool.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/network/rtnl.h"

enum { THREAD_STACK_BYTES = 64 << 10, MAX_POOL = 256 };
static const uint64_t retry_ns = 1000000000;
/* The start that took one is under way: making another at once would hold the kernel's lock of network
 * devices when that start needs it. */
static const uint64_t rest_ns = 20000000;

struct dv_netns_pool {
    pthread_t thread;
    bool has_thread;
    unsigned size;            /* immutable */
    struct dv_lock lock;      /* rank 40; protects the rest */
    pthread_cond_t wake;
    struct dv_sandbox *ready; /* room for SIZE */
    unsigned n;
    uint64_t taken_ns;        /* when the last one was taken */
    bool stop;
};

void dv_sandbox_done(struct dv_sandbox *sb)
{
    dv_close(sb->netns_fd);
    dv_close(sb->rtnl_fd);
    sb->netns_fd = sb->rtnl_fd = -1;
}

/* Signals stay with the threads that expect them. */
static int start_thread(pthread_t *thread, void *(*fn)(void *), void *arg, struct dv_error *err)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    errno = r;
    return r ? dv_fail_errno(err, DV_E_INTERNAL, "start a network thread") : 0;
}

struct making {
    struct dv_sandbox sandbox;
    struct dv_error err;
    int netns_fd; /* to enter; -1 = make a new one */
    bool is_new;  /* what is entered has lo alone, which is down */
};

/* A socket in this thread's new namespace, whose lo comes up with it. */
static int furnish(struct dv_error *err)
{
    dv_autoclose int rtnl_fd = dv_rtnl_open(err);

    if (rtnl_fd < 0)
        return rtnl_fd;
    if (dv_rtnl_up(rtnl_fd, 1 /* lo */, err) < 0)
        return dv_wrap(err, "loopback");
    /* Docker's default where a network has no IPv6, and a fifth of the cost of each interface.
     * Only interfaces made from now on: lo keeps ::1. Where /proc/sys is read-only or IPv6 is off
     * it does not matter. */
    (void)!dv_write_file_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    return dv_take_fd(rtnl_fd);
}

static void make_here(struct making *m)
{
    struct dv_sandbox sandbox = { -1, -1 };
    dv_autoclose int netns_fd = -1;

    if (unshare(CLONE_NEWNET) < 0) {
        (void)dv_fail_errno(&m->err, DV_E_INTERNAL, "make network namespace");
        return;
    }
    netns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (netns_fd < 0) {
        (void)dv_fail_errno(&m->err, DV_E_INTERNAL, "open /proc/thread-self/ns/net");
        return;
    }
    sandbox.rtnl_fd = furnish(&m->err);
    if (sandbox.rtnl_fd < 0)
        return;
    sandbox.netns_fd = dv_take_fd(netns_fd);
    m->sandbox = sandbox;
}

static void *make_thread(void *arg)
{
    make_here(arg);
    return NULL;
}

static void *enter_thread(void *arg)
{
    struct making *m = arg;

    if (setns(m->netns_fd, CLONE_NEWNET) < 0)
        (void)dv_fail_errno(&m->err, DV_E_INTERNAL, "enter network namespace");
    else
        m->sandbox.rtnl_fd = m->is_new ? furnish(&m->err) : dv_rtnl_open(&m->err);
    return NULL;
}

int dv_netns_make(struct dv_sandbox *ret, struct dv_error *err)
{
    struct making m = { .sandbox = { -1, -1 }, .netns_fd = -1 };
    pthread_t thread;
    int r = start_thread(&thread, make_thread, &m, err);

    if (r < 0)
        return r;
    pthread_join(thread, NULL);
    if (m.err.code) {
        *err = m.err;
        return -err->code;
    }
    *ret = m.sandbox;
    return 0;
}

static int enter(int netns_fd, bool is_new, struct dv_error *err)
{
    struct making m = { .sandbox = { -1, -1 }, .netns_fd = netns_fd, .is_new = is_new };
    pthread_t thread;
    int r = start_thread(&thread, enter_thread, &m, err);

    if (r < 0)
        return r;
    pthread_join(thread, NULL);
    if (m.err.code) {
        *err = m.err;
        return -err->code;
    }
    return m.sandbox.rtnl_fd;
}

int dv_netns_rtnl(int netns_fd, struct dv_error *err)
{
    return enter(netns_fd, /* is_new */ false, err);
}

int dv_sandbox_adopt(struct dv_sandbox *sb, struct dv_error *err)
{
    int fd = enter(sb->netns_fd, /* is_new */ true, err);

    if (fd < 0)
        return fd;
    dv_close(sb->rtnl_fd);
    sb->rtnl_fd = fd;
    return 0;
}

/* Under the lock, which is dropped while the namespace is made. */
static void add_one(struct dv_netns_pool *pool)
{
    struct dv_sandbox sandbox = { -1, -1 };
    struct dv_error err = { 0 };
    int r;

    dv_lock_drop(&pool->lock);
    r = dv_netns_make(&sandbox, &err);
    if (r < 0)
        dv_log_warn("module=network", "network namespaces kept ready: %s", err.msg);
    dv_lock_take(&pool->lock);
    if (r < 0 && !pool->stop)
        (void)dv_lock_wait(&pool->lock, &pool->wake, dv_mono_ns() + retry_ns);
    else if (r >= 0)
        pool->ready[pool->n++] = sandbox; /* only this thread adds */
}

/* Under the lock: when to make the next one; 0 = when one is taken. Of many starts in a row each
 * wants one, and half of the pool must do for those that come meanwhile. */
static uint64_t refill_time(const struct dv_netns_pool *pool)
{
    if (pool->n == pool->size)
        return 0;
    return pool->n < pool->size / 2 ? pool->taken_ns : pool->taken_ns + rest_ns;
}

static void *refill(void *arg)
{
    struct dv_netns_pool *pool = arg;

    dv_lock_take(&pool->lock);
    while (!pool->stop) {
        uint64_t at = refill_time(pool);

        if (at && at <= dv_mono_ns())
            add_one(pool);
        else
            (void)dv_lock_wait(&pool->lock, &pool->wake, at);
    }
    dv_lock_drop(&pool->lock);
    return NULL;
}

int dv_netns_pool_new(unsigned size, struct dv_netns_pool **ret, struct dv_error *err)
{
    struct dv_netns_pool *pool;
    int r;

    if (size > MAX_POOL)
        return dv_fail(err, DV_E_INVALID, "netns_pool: %u is more than %d", size, MAX_POOL);
    pool = calloc(1, sizeof(*pool));
    if (pool && size)
        pool->ready = calloc(size, sizeof(*pool->ready));
    if (!pool || (size && !pool->ready)) {
        free(pool);
        return dv_fail(err, DV_E_NO_MEMORY, "keep network namespaces ready");
    }
    pool->size = size;
    pool->taken_ns = 1; /* long ago */
    dv_lock_init(&pool->lock, DV_RANK_QUEUE);
    dv_cond_init(&pool->wake);
    if (size) {
        r = start_thread(&pool->thread, refill, pool, err);
        if (r < 0) {
            dv_netns_pool_free(pool);
            return r;
        }
        pthread_setname_np(pool->thread, "netns");
        pool->has_thread = true;
    }
    *ret = pool;
    return 0;
}

void dv_netns_pool_free(struct dv_netns_pool *pool)
{
    if (!pool)
        return;
    dv_lock_take(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->wake);
    dv_lock_drop(&pool->lock);
    if (pool->has_thread)
        pthread_join(pool->thread, NULL);
    for (unsigned i = 0; i < pool->n; i++)
        dv_sandbox_done(&pool->ready[i]);
    free(pool->ready);
    pthread_cond_destroy(&pool->wake);
    dv_lock_done(&pool->lock);
    free(pool);
}

int dv_netns_pool_take(struct dv_netns_pool *pool, struct dv_sandbox *ret, struct dv_error *err)
{
    bool found = false;

    dv_lock_take(&pool->lock);
    if (pool->n) {
        *ret = pool->ready[--pool->n];
        pool->taken_ns = dv_mono_ns();
        found = true;
        pthread_cond_signal(&pool->wake);
    }
    dv_lock_drop(&pool->lock);
    return found ? 0 : dv_netns_make(ret, err);
}
