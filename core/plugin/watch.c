/* watch.c - the watchdog over driver calls: slots that calls fill, one thread that looks at them. */

#include "core/plugin/watch.h"

#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "core/base/log.h"
#include "core/base/time.h"
#include "core/plugin/fds.h"

#define SECOND_NS UINT64_C(1000000000)
enum {
    SLOTS = 64,                      /* calls of one driver at once; more go unwatched */
    NAME_BYTES = 64,
    STACK_BYTES = 128 << 10,
};
static const uint64_t claimed = UINT64_MAX; /* deadline of a slot that is being filled */

struct dv_call_slot {
    _Atomic uint64_t deadline_ns;    /* 0: free */
    _Atomic uint64_t began_ns;
    _Atomic uint64_t limit_ns;
    const char *_Atomic op;
    _Atomic int cancel_fd;           /* -1: nobody asked; closed under the watchdog's lock */
};
struct dv_calls {
    struct dv_calls *next;
    struct dv_watchdog *dog;
    char name[NAME_BYTES];
    struct dv_call_slot slots[SLOTS];
    _Atomic unsigned hint;           /* where the last call found its slot */
    _Atomic uint64_t total;
    atomic_bool stuck, retired;
    uint64_t audited;                /* total at the last audit of descriptors; the thread's own */
    uint64_t since_ns;               /* under the watchdog's lock, as are the next two */
    char why[200];
    char complaint[200];
};
struct dv_watchdog {
    uint64_t limit_ns, grace_ns, tick_ns;
    pthread_mutex_t lock;            /* innermost: nothing is taken and nothing called under it */
    pthread_cond_t wake;
    atomic_bool asleep;
    bool started, ending;            /* under lock */
    pthread_t thread;
    struct dv_calls *all;            /* under lock */
    struct dv_fds inherited;         /* descriptors that were there before any plugin */
};

/* ---- calls ---- */

static void wake(struct dv_watchdog *dog);

static struct dv_call_slot *claim(struct dv_calls *calls)
{
    unsigned hint = atomic_load_explicit(&calls->hint, memory_order_relaxed);

    for (unsigned i = 0; i < SLOTS; i++) {
        struct dv_call_slot *slot = &calls->slots[(hint + i) % SLOTS];
        uint64_t was = 0;

        if (atomic_compare_exchange_strong(&slot->deadline_ns, &was, claimed)) {
            atomic_store_explicit(&calls->hint, hint + i, memory_order_relaxed);
            return slot;
        }
    }
    return NULL;
}

void dv_calls_enter(struct dv_calls *calls, struct dv_call *c)
{
    uint64_t now;

    if (!calls)
        return;
    atomic_fetch_add_explicit(&calls->total, 1, memory_order_relaxed);
    now = dv_mono_ns();
    c->deadline_ns = now + calls->dog->limit_ns;
    c->slot = claim(calls);
    if (!c->slot)
        return;
    atomic_store_explicit(&c->slot->op, c->op, memory_order_relaxed);
    atomic_store_explicit(&c->slot->began_ns, now, memory_order_relaxed);
    atomic_store_explicit(&c->slot->limit_ns, calls->dog->limit_ns, memory_order_relaxed);
    atomic_store(&c->slot->deadline_ns, c->deadline_ns);
    /* The thread says that it sleeps, then looks at the slots a last time; so one of us sees the
     * other. */
    if (atomic_load(&calls->dog->asleep))
        wake(calls->dog);
}

void dv_calls_leave(struct dv_call *c)
{
    struct dv_watchdog *dog = c->driver->calls->dog;

    if (atomic_load_explicit(&c->slot->cancel_fd, memory_order_relaxed) >= 0) {
        int fd;

        pthread_mutex_lock(&dog->lock);
        fd = atomic_exchange(&c->slot->cancel_fd, -1);
        pthread_mutex_unlock(&dog->lock);
        dv_close(fd);
        c->cancel_fd = -1;
    }
    atomic_store_explicit(&c->slot->deadline_ns, 0, memory_order_release);
    c->slot = NULL;
}

void dv_calls_extend(struct dv_call *c, unsigned times)
{
    if (!c->slot)
        return;
    atomic_store(&c->slot->limit_ns, c->driver->calls->dog->limit_ns * times);
    dv_calls_renew(c);
}

void dv_calls_renew(struct dv_call *c)
{
    if (!c->slot)
        return;
    atomic_store_explicit(&c->slot->op, c->op, memory_order_relaxed);
    c->deadline_ns = dv_mono_ns() + atomic_load(&c->slot->limit_ns);
    atomic_store(&c->slot->deadline_ns, c->deadline_ns);
}

int dv_calls_cancel_fd(struct dv_call *c)
{
    if (c->cancel_fd >= 0 || !c->slot)
        return c->cancel_fd;
    c->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->cancel_fd >= 0)
        atomic_store(&c->slot->cancel_fd, c->cancel_fd);
    return c->cancel_fd;
}

bool dv_calls_stuck(struct dv_calls *calls, struct dv_error *err)
{
    struct dv_calls_info info;

    if (!calls || !atomic_load_explicit(&calls->stuck, memory_order_acquire))
        return false;
    dv_calls_info(calls, &info);
    (void)dv_fail(err, DV_E_UNAVAILABLE, "%s is stuck: %s", calls->name, info.why);
    return true;
}

void dv_calls_complain(struct dv_calls *calls, const char *what)
{
    if (!calls)
        return;
    pthread_mutex_lock(&calls->dog->lock);
    snprintf(calls->complaint, sizeof(calls->complaint), "%s", what);
    pthread_mutex_unlock(&calls->dog->lock);
}

void dv_calls_info(struct dv_calls *calls, struct dv_calls_info *ret)
{
    *ret = (struct dv_calls_info){ 0 };
    if (!calls)
        return;
    pthread_mutex_lock(&calls->dog->lock);
    ret->stuck = atomic_load(&calls->stuck);
    ret->since_ns = calls->since_ns;
    memcpy(ret->why, calls->why, sizeof(ret->why));
    memcpy(ret->complaint, calls->complaint, sizeof(ret->complaint));
    pthread_mutex_unlock(&calls->dog->lock);
    ret->total = atomic_load(&calls->total);
    for (size_t i = 0; i < SLOTS; i++)
        ret->under_way += atomic_load(&calls->slots[i].deadline_ns) != 0;
}

/* ---- the thread ---- */

/* Under the lock. Cancels what is past its deadline; true if a call is past the grace, too. */
static bool look_at(struct dv_watchdog *dog, struct dv_call_slot *slot, uint64_t now)
{
    uint64_t deadline = atomic_load(&slot->deadline_ns);
    int fd = atomic_load(&slot->cancel_fd);
    uint64_t one = 1;

    if (deadline == 0 || deadline == claimed || now < deadline)
        return false;
    if (fd >= 0)
        (void)!write(fd, &one, sizeof(one));
    return now - deadline >= dog->grace_ns;
}

/* Under the lock. The driver's slots; *BUSY if a call is under way. */
static void look_at_driver(struct dv_watchdog *dog, struct dv_calls *calls, uint64_t now,
                           bool *busy)
{
    const struct dv_call_slot *overdue = NULL;
    bool was_stuck = atomic_load(&calls->stuck);

    for (size_t i = 0; i < SLOTS; i++) {
        *busy = *busy || atomic_load(&calls->slots[i].deadline_ns) != 0;
        if (look_at(dog, &calls->slots[i], now))
            overdue = &calls->slots[i];
    }
    if (overdue && !was_stuck) {
        calls->since_ns = dv_now_ns();
        snprintf(calls->why, sizeof(calls->why),
                 "%s() has not returned for %llu s; restart davitd to get rid of it, containers go "
                 "on meanwhile",
                 atomic_load(&overdue->op),
                 (unsigned long long)((now - atomic_load(&overdue->began_ns)) / SECOND_NS));
        atomic_store_explicit(&calls->stuck, true, memory_order_release);
        dv_log_error(NULL, "%s is stuck: %s", calls->name, calls->why);
    }
    if (!overdue && was_stuck) {
        calls->why[0] = '\0';
        atomic_store(&calls->stuck, false);
        dv_log_info(NULL, "%s came back, it is active again", calls->name);
    }
}

static bool look_at_all(struct dv_watchdog *dog)
{
    uint64_t now = dv_mono_ns();
    bool busy = false;

    for (struct dv_calls *calls = dog->all; calls; calls = calls->next)
        if (!atomic_load(&calls->retired))
            look_at_driver(dog, calls, now, &busy);
    return busy;
}

/* Every descriptor of the engine is close-on-exec from birth. One that is not was left by a plugin;
 * whose it is, the list of those called since the last look tells. Under the lock. */
static void audit(struct dv_watchdog *dog)
{
    char who[160] = "", left[200];
    int n = 0;

    for (struct dv_calls *calls = dog->all; calls; calls = calls->next) {
        uint64_t total = atomic_load(&calls->total);

        if (total != calls->audited && n >= 0 && n < (int)sizeof(who))
            n += snprintf(who + n, sizeof(who) - (size_t)n, "%s%s", n ? ", " : "", calls->name);
        calls->audited = total;
    }
    if (n == 0 || dv_fds_inheritable(&dog->inherited, left, sizeof(left)) == 0)
        return;
    dv_log_warn(NULL, "a plugin misbehaved: it left descriptor %s open without close-on-exec; called "
                      "lately: %s", left, who);
    for (struct dv_calls *calls = dog->all; calls; calls = calls->next)
        if (strstr(who, calls->name))
            snprintf(calls->complaint, sizeof(calls->complaint),
                     "it, or another that was called meanwhile, left descriptor %.100s open without "
                     "close-on-exec", left);
}

static void sleep_until(struct dv_watchdog *dog, uint64_t ns)
{
    struct timespec t = { (time_t)(ns / SECOND_NS), (long)(ns % SECOND_NS) };

    pthread_cond_timedwait(&dog->wake, &dog->lock, &t);
}

static void *run(void *arg)
{
    struct dv_watchdog *dog = arg;

    pthread_mutex_lock(&dog->lock);
    while (!dog->ending) {
        sleep_until(dog, dv_mono_ns() + dog->tick_ns);
        if (dog->ending || look_at_all(dog))
            continue;
        audit(dog);
        /* Quiet: sleep until the next call, unless one came just now. */
        atomic_store(&dog->asleep, true);
        while (!dog->ending && atomic_load(&dog->asleep) && !look_at_all(dog))
            pthread_cond_wait(&dog->wake, &dog->lock);
        atomic_store(&dog->asleep, false);
    }
    pthread_mutex_unlock(&dog->lock);
    return NULL;
}

/* Under the lock. Without a thread nothing is watched, which is no reason to fail a call. */
static void start(struct dv_watchdog *dog)
{
    pthread_attr_t attr;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    errno = pthread_create(&dog->thread, &attr, run, dog);
    if (errno != 0)
        dv_log_warn(NULL, "start the watchdog over drivers: %m");
    else
        dog->started = true;
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void wake(struct dv_watchdog *dog)
{
    pthread_mutex_lock(&dog->lock);
    atomic_store(&dog->asleep, false);
    if (!dog->started)
        start(dog);
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->lock);
}

/* ---- life ---- */

struct dv_watchdog *dv_watchdog_new(uint64_t limit_ns)
{
    uint64_t grace = DV_CALL_GRACE_SECONDS * SECOND_NS;
    struct dv_watchdog *dog = calloc(1, sizeof(*dog));
    pthread_condattr_t attr;

    if (!dog)
        return NULL;
    dog->limit_ns = limit_ns;
    dog->grace_ns = limit_ns < grace ? limit_ns : grace;
    dog->tick_ns = limit_ns / 4 < SECOND_NS ? limit_ns / 4 : SECOND_NS;
    atomic_store(&dog->asleep, true);
    pthread_mutex_init(&dog->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->wake, &attr);
    pthread_condattr_destroy(&attr);
    dv_fds_list(&dog->inherited);
    return dog;
}

void dv_watchdog_free(struct dv_watchdog *dog)
{
    bool started;

    if (!dog)
        return;
    pthread_mutex_lock(&dog->lock);
    dog->ending = true;
    started = dog->started;
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->lock);
    if (started)
        pthread_join(dog->thread, NULL);
    while (dog->all) {
        struct dv_calls *next = dog->all->next;

        free(dog->all);
        dog->all = next;
    }
    pthread_cond_destroy(&dog->wake);
    pthread_mutex_destroy(&dog->lock);
    free(dog);
}

struct dv_calls *dv_calls_new(struct dv_watchdog *dog, const char *name)
{
    struct dv_calls *calls = calloc(1, sizeof(*calls));

    if (!calls)
        return NULL;
    calls->dog = dog;
    snprintf(calls->name, sizeof(calls->name), "%s", name);
    for (size_t i = 0; i < SLOTS; i++)
        atomic_store(&calls->slots[i].cancel_fd, -1);
    pthread_mutex_lock(&dog->lock);
    calls->next = dog->all;
    dog->all = calls;
    pthread_mutex_unlock(&dog->lock);
    return calls;
}

void dv_calls_retire(struct dv_calls *calls)
{
    if (calls)
        atomic_store(&calls->retired, true);
}
