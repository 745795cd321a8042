/* base_lock.c - unit tests of core/base/lock and core/base/log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "core/base/lock.h"
#include "core/base/log.h"
#include "core/base/time.h"

struct locks {
    struct dv_lock engine, store, object, other_object;
    pthread_cond_t cond;
    int ready;
};

static void init(struct locks *l)
{
    dv_lock_init(&l->engine, DV_RANK_ENGINE);
    dv_lock_init(&l->store, DV_RANK_STORE);
    dv_lock_init(&l->object, DV_RANK_OBJECT);
    dv_lock_init(&l->other_object, DV_RANK_OBJECT);
    dv_cond_init(&l->cond);
    l->ready = 0;
}

static void done(struct locks *l)
{
    dv_lock_done(&l->engine);
    dv_lock_done(&l->store);
    dv_lock_done(&l->object);
    dv_lock_done(&l->other_object);
    pthread_cond_destroy(&l->cond);
}

static void upwards_in_any_order_of_release(void **state)
{
    struct locks l;

    (void)state;
    init(&l);
    {
        dv_guard(&l.engine);
        dv_guard(&l.store);
        dv_guard(&l.object);
    }
    dv_lock_take(&l.engine);
    dv_lock_take(&l.store);
    dv_lock_drop(&l.engine);
    dv_lock_take(&l.object);
    dv_lock_drop(&l.store);
    dv_lock_drop(&l.object);
    done(&l);
}

static void take_down(struct locks *l)
{
    dv_lock_take(&l->object);
    dv_lock_take(&l->store);
}
static void take_two_of_a_rank(struct locks *l)
{
    dv_lock_take(&l->object);
    dv_lock_take(&l->other_object);
}
static void take_twice(struct locks *l)
{
    dv_lock_take(&l->object);
    dv_lock_take(&l->object);
}
static void drop_what_is_not_held(struct locks *l)
{
    dv_lock_drop(&l->object);
}
static void wait_below_another(struct locks *l)
{
    dv_lock_take(&l->store);
    dv_lock_take(&l->object);
    dv_lock_wait(&l->store, &l->cond, 0);
}

static void inversions_abort(void **state)
{
    void (*const wrong[])(struct locks *) = { take_down, take_two_of_a_rank, take_twice,
                                              drop_what_is_not_held, wait_below_another };
    size_t i;

    (void)state;
    for (i = 0; i < N(wrong); i++) {
        struct locks l;
        pid_t pid;
        int status;

        init(&l);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

            signal(SIGABRT, SIG_DFL);
            dup2(null, STDERR_FILENO);
            wrong[i](&l);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        done(&l);
    }
}

static void *make_ready(void *arg)
{
    struct locks *l = arg;
    dv_guard(&l->object);

    l->ready = 1;
    pthread_cond_signal(&l->cond);
    return NULL;
}

static void waits_for_a_signal_or_a_deadline(void **state)
{
    struct locks l;
    pthread_t thread;
    uint64_t start = dv_mono_ns();

    (void)state;
    init(&l);
    dv_lock_take(&l.object);
    assert_int_equal(dv_lock_wait(&l.object, &l.cond, start + 5000000), -1);
    assert_true(dv_mono_ns() - start >= 5000000);
    assert_int_equal(pthread_create(&thread, NULL, make_ready, &l), 0);
    while (!l.ready)
        assert_int_equal(dv_lock_wait(&l.object, &l.cond, 0), 0);
    dv_lock_drop(&l.object);
    pthread_join(thread, NULL);
    done(&l);
}

/* What is written to stderr while FN runs. */
static void capture(void (*fn)(void), char *out, size_t size)
{
    int pipe_fds[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    ssize_t n;

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    fn();
    dup2(saved, STDERR_FILENO);
    n = read(pipe_fds[0], out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(saved);
}

static void log_odd(void)
{
    dv_log_warn("container=4f op=start", "a \"b\" \\ \n\t\x01 \xff \xc3\xa9");
}
static void log_debug(void)
{
    dv_log_debug(NULL, "not shown");
}
static void log_long(void)
{
    char text[9000];

    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    dv_log_error(NULL, "%s", text);
}

static void logs_one_escaped_line(void **state)
{
    char out[16384];

    (void)state;
    capture(log_odd, out, sizeof(out));
    assert_int_equal(strncmp(out, "time=", 5), 0);
    assert_non_null(strstr(out, "Z level=warn container=4f op=start msg=\"a \\\"b\\\" \\\\ "
                                "\\n\\t\\x01 \\xff \xc3\xa9\"\n"));
    capture(log_debug, out, sizeof(out));
    assert_string_equal(out, "");
    capture(log_long, out, sizeof(out));
    assert_true(strlen(out) > 8000 && strcmp(out + strlen(out) - 5, "...\"\n") == 0);
}

static void knows_levels(void **state)
{
    (void)state;
    assert_int_equal(dv_log_level_parse("debug"), DV_LOG_DEBUG);
    assert_int_equal(dv_log_level_parse("Warning"), DV_LOG_WARN);
    assert_int_equal(dv_log_level_parse("loud"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upwards_in_any_order_of_release),
        cmocka_unit_test(inversions_abort),
        cmocka_unit_test(waits_for_a_signal_or_a_deadline),
        cmocka_unit_test(logs_one_escaped_line),
        cmocka_unit_test(knows_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
