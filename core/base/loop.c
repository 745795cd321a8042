/* loop.c - one thread's event loop: epoll, a heap of timers, and posts through an eventfd. */
#include "core/base/loop.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "core/base/time.h"

enum { BATCH = 64 };

struct dv_watch {
    struct dv_loop *loop;
    int fd;
    bool dead;                  /* removed, but events already fetched may still point here */
    dv_watch_fn *fn;
    void *data;
    struct dv_watch *next, *prev;
};
struct dv_timer {
    struct dv_loop *loop;
    uint64_t when_ns, order;    /* ORDER keeps timers of the same instant in order */
    size_t at;                  /* its place in the heap */
    dv_call_fn *fn;
    void *data;
};
struct post {
    dv_call_fn *fn;
    void *data;
    struct post *next;
};
struct dv_loop {
    int epoll_fd, wake_fd;
    _Atomic bool stop;
    bool dispatching;
    struct dv_watch *watches;   /* all live ones */
    struct dv_watch *dead;      /* freed after the batch */
    struct dv_timer **timers;   /* a min-heap */
    size_t n_timers, cap_timers;
    uint64_t next_order;
    pthread_mutex_t mutex;      /* not a dv_lock: also in the shim, and no other is taken under it */
    struct post *first, *last;  /* under mutex */
};

static void wake(struct dv_loop *loop)
{
    uint64_t one = 1;
    ssize_t n;

    do /* EAGAIN means that the counter is full: it is readable already */
        n = write(loop->wake_fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
}

int dv_loop_new(struct dv_loop **ret, struct dv_error *err)
{
    struct dv_loop *loop = calloc(1, sizeof(*loop));
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

    if (!loop)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for an event loop");
    pthread_mutex_init(&loop->mutex, NULL);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->wake_fd < 0 || loop->epoll_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0) {
        dv_fail_errno(err, DV_E_INTERNAL, "create an event loop");
        dv_loop_free(loop);
        return -err->code;
    }
    *ret = loop;
    return 0;
}

static void free_watches(struct dv_watch *watch)
{
    while (watch) {
        struct dv_watch *next = watch->next;

        free(watch);
        watch = next;
    }
}

static void free_posts(struct post *post)
{
    while (post) {
        struct post *next = post->next;

        free(post);
        post = next;
    }
}

void dv_loop_free(struct dv_loop *loop)
{
    size_t i;

    if (!loop)
        return;
    free_watches(loop->watches);
    free_watches(loop->dead);
    for (i = 0; i < loop->n_timers; i++)
        free(loop->timers[i]);
    free(loop->timers);
    free_posts(loop->first);
    dv_close(loop->epoll_fd);
    dv_close(loop->wake_fd);
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
}

int dv_loop_add(struct dv_loop *loop, int fd, uint32_t events, dv_watch_fn *fn, void *data,
                struct dv_watch **ret, struct dv_error *err)
{
    struct dv_watch *watch = calloc(1, sizeof(*watch));
    struct epoll_event event = { .events = events, .data.ptr = watch };

    if (!watch)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to watch a descriptor");
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        int r = dv_fail_errno(err, DV_E_INTERNAL, "watch descriptor %d", fd);

        free(watch);
        return r;
    }
    watch->loop = loop;
    watch->fd = fd;
    watch->fn = fn;
    watch->data = data;
    watch->next = loop->watches;
    if (watch->next)
        watch->next->prev = watch;
    loop->watches = watch;
    if (ret)
        *ret = watch;
    return 0;
}

void dv_watch_set(struct dv_watch *watch, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    /* Fails only for a descriptor that is no longer open, which the caller promised. */
    if (!watch->dead && epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
        abort();
}

void dv_watch_remove(struct dv_watch *watch)
{
    struct dv_loop *loop;

    if (!watch || watch->dead)
        return;
    loop = watch->loop;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    if (watch->prev)
        watch->prev->next = watch->next;
    else
        loop->watches = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
    if (!loop->dispatching) {
        free(watch);
        return;
    }
    watch->dead = true;
    watch->next = loop->dead;
    loop->dead = watch;
}

static bool before(const struct dv_timer *a, const struct dv_timer *b)
{
    return a->when_ns != b->when_ns ? a->when_ns < b->when_ns : a->order < b->order;
}

static void put_timer(struct dv_loop *loop, struct dv_timer *timer, size_t at)
{
    loop->timers[at] = timer;
    timer->at = at;
}

/* Let TIMER find its place, starting from AT, in either direction. */
static void sift(struct dv_loop *loop, struct dv_timer *timer, size_t at)
{
    while (at > 0 && before(timer, loop->timers[(at - 1) / 2])) {
        put_timer(loop, loop->timers[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < loop->n_timers && before(loop->timers[child + 1], loop->timers[child]))
            child++;
        if (child >= loop->n_timers || !before(loop->timers[child], timer))
            break;
        put_timer(loop, loop->timers[child], at);
        at = child;
    }
    put_timer(loop, timer, at);
}

int dv_timer_add(struct dv_loop *loop, uint64_t when_ns, dv_call_fn *fn, void *data,
                 struct dv_timer **ret, struct dv_error *err)
{
    struct dv_timer *timer;

    if (loop->n_timers == loop->cap_timers) {
        size_t cap = loop->cap_timers ? loop->cap_timers * 2 : 16;
        struct dv_timer **grown = reallocarray(loop->timers, cap, sizeof(struct dv_timer *));

        if (!grown)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for a timer");
        loop->timers = grown;
        loop->cap_timers = cap;
    }
    timer = calloc(1, sizeof(*timer));
    if (!timer)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for a timer");
    timer->loop = loop;
    timer->when_ns = when_ns;
    timer->order = loop->next_order++;
    timer->fn = fn;
    timer->data = data;
    sift(loop, timer, loop->n_timers++);
    if (ret)
        *ret = timer;
    return 0;
}

void dv_timer_cancel(struct dv_timer *timer)
{
    struct dv_loop *loop;
    struct dv_timer *last;

    if (!timer)
        return;
    loop = timer->loop;
    last = loop->timers[--loop->n_timers];
    if (last != timer)
        sift(loop, last, timer->at);
    free(timer);
}

void dv_loop_post(struct dv_loop *loop, dv_call_fn *fn, void *data)
{
    struct post *post = calloc(1, sizeof(*post));
    bool was_empty;

    if (!post)
        abort(); /* the poster could not be told, and what it posts must not be lost */
    post->fn = fn;
    post->data = data;
    pthread_mutex_lock(&loop->mutex);
    was_empty = !loop->first;
    if (was_empty)
        loop->first = post;
    else
        loop->last->next = post;
    loop->last = post;
    pthread_mutex_unlock(&loop->mutex);
    if (was_empty) /* else somebody has woken the loop for those before */
        wake(loop);
}

static void run_posts(struct dv_loop *loop)
{
    struct post *post;
    uint64_t count;

    /* First the counter, then the list: a post in between wakes us once more. */
    while (read(loop->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&loop->mutex);
    post = loop->first;
    loop->first = loop->last = NULL;
    pthread_mutex_unlock(&loop->mutex);
    while (post) {
        struct post *next = post->next;

        post->fn(post->data);
        free(post);
        post = next;
    }
}

static void run_timers(struct dv_loop *loop)
{
    uint64_t now;

    if (loop->n_timers == 0)
        return;
    now = dv_mono_ns();
    while (loop->n_timers > 0 && loop->timers[0]->when_ns <= now) {
        dv_call_fn *fn = loop->timers[0]->fn;
        void *data = loop->timers[0]->data;

        dv_timer_cancel(loop->timers[0]); /* gone before FN, which may add it anew */
        fn(data);
    }
}

/* Milliseconds until the first timer, rounded up so that it is due then; -1 = for ever. */
static int wait_ms(const struct dv_loop *loop)
{
    uint64_t now, ms;

    if (loop->n_timers == 0)
        return -1;
    now = dv_mono_ns();
    if (loop->timers[0]->when_ns <= now)
        return 0;
    ms = (loop->timers[0]->when_ns - now - 1) / 1000000 + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void dispatch(struct dv_loop *loop, const struct epoll_event *events, int n)
{
    int i;

    loop->dispatching = true;
    for (i = 0; i < n; i++) {
        struct dv_watch *watch = events[i].data.ptr;

        if (!watch)
            run_posts(loop);
        else if (!watch->dead)
            watch->fn(watch->data, events[i].events);
    }
    run_timers(loop);
    loop->dispatching = false;
    free_watches(loop->dead);
    loop->dead = NULL;
}

int dv_loop_run(struct dv_loop *loop, struct dv_error *err)
{
    struct epoll_event events[BATCH];

    while (!atomic_load(&loop->stop)) {
        int n = epoll_wait(loop->epoll_fd, events, BATCH, wait_ms(loop));

        if (n < 0 && errno != EINTR)
            return dv_fail_errno(err, DV_E_INTERNAL, "wait for events");
        dispatch(loop, events, n < 0 ? 0 : n);
    }
    atomic_store(&loop->stop, false); /* it may be run again */
    return 0;
}

void dv_loop_stop(struct dv_loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}
