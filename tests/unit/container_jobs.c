/* container_jobs.c - tests of the background threads: order, and that all of it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "core/container/jobs.h"

enum { JOBS = 1000 };

struct run {
    struct dv_jobs *jobs;
    atomic_int next;
    bool ordered;
};
struct job {
    struct run *run;
    int number;
};

static void step(void *arg)
{
    struct job *job = arg;

    if (atomic_fetch_add(&job->run->next, 1) != job->number)
        job->run->ordered = false;
    free(job);
}

static void add(struct run *run, int number)
{
    struct job *job = malloc(sizeof(*job));

    assert_non_null(job);
    *job = (struct job){ run, number };
    dv_jobs_add(run->jobs, step, job);
}

static void runs_all_in_order_before_it_ends(void **state)
{
    struct run run = { .ordered = true };
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(dv_jobs_new("test", 1, &run.jobs, &err), 0);
    for (int i = 0; i < JOBS; i++)
        add(&run, i);
    dv_jobs_free(run.jobs);
    assert_int_equal(run.next, JOBS);
    assert_true(run.ordered);
}

static void add_from_inside(void *arg)
{
    struct run *run = arg;

    add(run, 0);
    add(run, 1);
}

static void a_job_adds_jobs(void **state)
{
    struct run run = { .ordered = true };
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(dv_jobs_new("test", 1, &run.jobs, &err), 0);
    dv_jobs_add(run.jobs, add_from_inside, &run);
    dv_jobs_free(run.jobs);
    assert_int_equal(run.next, 2);
    dv_jobs_free(NULL);
}

struct meeting {
    pthread_barrier_t barrier;
    atomic_int met;
};

static void meet(void *arg)
{
    struct meeting *meeting = arg;

    pthread_barrier_wait(&meeting->barrier);
    atomic_fetch_add(&meeting->met, 1);
}

/* Each waits for the other one: with a single thread this never ended. */
static void several_threads_run_jobs_at_once(void **state)
{
    struct meeting meeting = { .met = 0 };
    struct dv_jobs *jobs = NULL;
    struct dv_error err = { 0 };

    (void)state;
    pthread_barrier_init(&meeting.barrier, NULL, DV_JOBS_MAX_THREADS);
    assert_int_equal(dv_jobs_new("test", DV_JOBS_MAX_THREADS, &jobs, &err), 0);
    for (int i = 0; i < DV_JOBS_MAX_THREADS; i++)
        dv_jobs_add(jobs, meet, &meeting);
    dv_jobs_free(jobs);
    assert_int_equal(meeting.met, DV_JOBS_MAX_THREADS);
    pthread_barrier_destroy(&meeting.barrier);
}

static atomic_int rests;

static void rest(void)
{
    atomic_fetch_add(&rests, 1);
}

static void rests_once_after_work(void **state)
{
    struct run run = { .ordered = true };
    struct dv_error err = { 0 };
    struct timespec tick = { .tv_nsec = 10000000 };

    (void)state;
    assert_int_equal(dv_jobs_new("test", 1, &run.jobs, &err), 0);
    dv_jobs_at_rest(run.jobs, rest);
    add(&run, 0);
    for (int i = 0; i < 3000 && !rests; i++)
        nanosleep(&tick, NULL);
    dv_jobs_free(run.jobs);
    assert_int_equal(rests, 1);
    assert_int_equal(run.next, 1);
}

struct sight {
    atomic_int tid;
    char name[32];
};

static void look(void *arg)
{
    struct sight *sight = arg;

    pthread_getname_np(pthread_self(), sight->name, sizeof(sight->name));
    sight->tid = gettid();
}

static void another_thread_takes_over_at_rest(void **state)
{
    struct sight first = { .tid = 0 }, second = { .tid = 0 };
    struct timespec tick = { .tv_nsec = 10000000 };
    struct dv_error err = { 0 };
    struct dv_jobs *jobs;
    char path[64];

    (void)state;
    assert_int_equal(dv_jobs_new("test", 1, &jobs, &err), 0);
    dv_jobs_add(jobs, look, &first);
    for (int i = 0; i < 3000 && !first.tid; i++)
        nanosleep(&tick, NULL);
    snprintf(path, sizeof(path), "/proc/self/task/%d", first.tid);
    for (int i = 0; i < 3000 && access(path, F_OK) == 0; i++)
        nanosleep(&tick, NULL);
    assert_int_equal(access(path, F_OK), -1);
    dv_jobs_add(jobs, look, &second);
    dv_jobs_free(jobs);
    assert_int_not_equal(second.tid, 0);
    assert_string_equal(first.name, "test");
    assert_string_equal(second.name, "test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_all_in_order_before_it_ends),
        cmocka_unit_test(a_job_adds_jobs),
        cmocka_unit_test(several_threads_run_jobs_at_once),
        cmocka_unit_test(rests_once_after_work),
        cmocka_unit_test(another_thread_takes_over_at_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
