/* base_loop.c - unit tests of core/base/loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/base/loop.h"
#include "core/base/time.h"

enum { PIPES = 8, POSTS = 2000, THREADS = 3 };

struct world {
    struct dv_loop *loop;
    struct dv_error err;
    int fds[PIPES][2];
    struct dv_watch *watches[PIPES];
    char trace[64];
    size_t n;
    int calls, posts, last[THREADS];
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    int i;

    if (!w || dv_loop_new(&w->loop, &w->err) < 0)
        return -1;
    for (i = 0; i < PIPES; i++)
        if (pipe2(w->fds[i], O_CLOEXEC | O_NONBLOCK) < 0)
            return -1;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    int i;

    dv_loop_free(w->loop);
    for (i = 0; i < PIPES; i++) {
        dv_close(w->fds[i][0]);
        dv_close(w->fds[i][1]);
    }
    free(w);
    return 0;
}

static void stop(void *data)
{
    struct world *w = data;

    dv_loop_stop(w->loop);
}

/* The first one called removes all, itself included, though all are ready. */
static void remove_all(void *data, uint32_t events)
{
    struct world *w = data;
    int i;

    assert_true(events & EPOLLIN);
    w->calls++;
    for (i = 0; i < PIPES; i++) {
        dv_watch_remove(w->watches[i]);
        dv_close(w->fds[i][0]);
        w->fds[i][0] = -1;
    }
    dv_loop_stop(w->loop);
}

static void removal_reaches_events_already_fetched(void **state)
{
    struct world *w = *state;
    int i;

    for (i = 0; i < PIPES; i++) {
        assert_int_equal(dv_loop_add(w->loop, w->fds[i][0], EPOLLIN, remove_all, w, &w->watches[i],
                                     &w->err), 0);
        assert_int_equal(write(w->fds[i][1], "x", 1), 1);
    }
    assert_int_equal(dv_loop_run(w->loop, &w->err), 0);
    assert_int_equal(w->calls, 1);
}

static void count_hangup(void *data, uint32_t events)
{
    struct world *w = data;

    w->calls++;
    assert_true(events & EPOLLHUP);
    dv_watch_remove(w->watches[0]);
    dv_loop_stop(w->loop);
}

static void no_events_still_tell_of_hangup(void **state)
{
    struct world *w = *state;

    assert_int_equal(dv_loop_add(w->loop, w->fds[0][0], EPOLLIN, count_hangup, w, &w->watches[0],
                                 &w->err), 0);
    dv_watch_set(w->watches[0], 0);
    assert_int_equal(write(w->fds[0][1], "x", 1), 1);
    close(w->fds[0][1]);
    w->fds[0][1] = -1;
    assert_int_equal(dv_loop_run(w->loop, &w->err), 0);
    assert_int_equal(w->calls, 1);
    dv_watch_remove(NULL);
}

static void refuses_what_cannot_be_watched(void **state)
{
    struct world *w = *state;
    dv_autoclose int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct dv_watch *watch = NULL;

    assert_int_equal(dv_loop_add(w->loop, fd, EPOLLIN, remove_all, w, &watch, &w->err),
                     -DV_E_INTERNAL);
    assert_null(watch);
}

struct mark {
    struct world *w;
    char c;
};
static void put_mark(void *data)
{
    struct mark *m = data;

    m->w->trace[m->w->n++] = m->c;
}

static void timers_fire_in_order_and_not_when_cancelled(void **state)
{
    static const int order[] = { 5, 1, 8, 3, 7, 2, 6, 4, 0, 9 };
    struct world *w = *state;
    struct mark marks[10];
    struct dv_timer *timers[10];
    uint64_t now = dv_mono_ns();
    size_t i;

    for (i = 0; i < N(order); i++) {
        marks[i] = (struct mark){ w, (char)('0' + order[i]) };
        assert_int_equal(dv_timer_add(w->loop, now + (uint64_t)order[i] / 2 * 1000000, put_mark,
                                      &marks[i], &timers[i], &w->err), 0);
    }
    dv_timer_cancel(timers[3]); /* '3' */
    dv_timer_cancel(timers[8]); /* '0', the first */
    dv_timer_cancel(NULL);
    assert_int_equal(dv_timer_add(w->loop, now + 6000000, stop, w, NULL, &w->err), 0);
    assert_int_equal(dv_loop_run(w->loop, &w->err), 0);
    assert_true(dv_mono_ns() - now >= 6000000);
    assert_string_equal(w->trace, "12547689");
}

static void again(void *data)
{
    struct world *w = data;

    if (++w->calls == 3)
        dv_loop_stop(w->loop);
    else
        assert_int_equal(dv_timer_add(w->loop, 0, again, w, NULL, &w->err), 0);
}

static void a_timer_may_add_itself_again(void **state)
{
    struct world *w = *state;

    assert_int_equal(dv_timer_add(w->loop, 0, again, w, NULL, &w->err), 0);
    assert_int_equal(dv_loop_run(w->loop, &w->err), 0);
    assert_int_equal(w->calls, 3);
}

struct post_arg {
    struct world *w;
    int thread, number;
};
static void take_post(void *data)
{
    struct post_arg *p = data;

    assert_int_equal(p->w->last[p->thread] + 1, p->number);
    p->w->last[p->thread] = p->number;
    if (++p->w->posts == THREADS * POSTS)
        dv_loop_stop(p->w->loop);
    free(p);
}
struct poster {
    struct world *w;
    int thread;
};
static void *post_many(void *arg)
{
    struct poster *poster = arg;
    int i;

    for (i = 1; i <= POSTS; i++) {
        struct post_arg *p = malloc(sizeof(*p));

        *p = (struct post_arg){ poster->w, poster->thread, i };
        dv_loop_post(poster->w->loop, take_post, p);
    }
    return NULL;
}

static void posts_of_threads_all_arrive_in_order(void **state)
{
    struct world *w = *state;
    struct poster posters[THREADS];
    pthread_t threads[THREADS];
    int i;

    for (i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){ w, i };
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    assert_int_equal(dv_loop_run(w->loop, &w->err), 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(w->posts, THREADS * POSTS);
}

static void a_stop_before_the_run_counts(void **state)
{
    struct world *w = *state;

    dv_loop_stop(w->loop);
    assert_int_equal(dv_loop_run(w->loop, &w->err), 0);
    dv_loop_post(w->loop, stop, w);
    assert_int_equal(dv_loop_run(w->loop, &w->err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(removal_reaches_events_already_fetched),
        TEST(no_events_still_tell_of_hangup),
        TEST(refuses_what_cannot_be_watched),
        TEST(timers_fire_in_order_and_not_when_cancelled),
        TEST(a_timer_may_add_itself_again),
        TEST(posts_of_threads_all_arrive_in_order),
        TEST(a_stop_before_the_run_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
