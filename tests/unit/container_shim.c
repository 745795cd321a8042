/* container_shim.c - davitd's end of a shim's connection: answers find who asked, events their container,
 * and whatever else comes over it ends the connection at worst. The test plays the shim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/loop.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"
#include "open_fds.h"

/* ---- what the container is told ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t noted = PTHREAD_COND_INITIALIZER;
static char told[512];

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
    size_t n;
    va_list ap;

    pthread_mutex_lock(&lock);
    n = strlen(told);
    va_start(ap, fmt);
    vsnprintf(told + n, sizeof(told) - n, fmt, ap);
    va_end(ap);
    pthread_cond_broadcast(&noted);
    pthread_mutex_unlock(&lock);
}

/* 5 s at most. */
static void expect_told(const char *wanted)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 5;
    pthread_mutex_lock(&lock);
    while (strcmp(told, wanted) != 0 && pthread_cond_timedwait(&noted, &lock, &deadline) == 0)
        ;
    pthread_mutex_unlock(&lock);
    if (strcmp(told, wanted) != 0)
        fail_msg("'%s' instead of '%s'", told, wanted);
}

struct dv_container *dv_container_ref(struct dv_container *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}
struct dv_container *dv_container_unref(struct dv_container *c)
{
    atomic_fetch_sub(&c->refs, 1);
    return NULL;
}
void dv_container_emit(struct dv_container *c, const char *action, const char *const *extra)
{
    (void)c;
    note("%s%s%s;", action, extra ? "=" : "", extra ? extra[1] : "");
}
void dv_container_exited(struct dv_container *c, uint64_t generation, const struct dv_exit *exit)
{
    (void)c;
    note("exited %u %d;", (unsigned)generation, (int)exit->exit_code);
}
void dv_container_released(struct dv_container *c)
{
    (void)c;
    note("released;");
}
void dv_container_shim_lost(struct dv_container *c, uint64_t generation)
{
    (void)c;
    note("lost %u;", (unsigned)generation);
}
void dv_exec_exited(struct dv_container *c, const char *exec_id, int64_t exit_code)
{
    (void)c;
    note("exec %s %d;", exec_id, (int)exit_code);
}
struct dv_oom *dv_oom_watch(struct dv_container *c)
{
    (void)c;
    return NULL;
}
void dv_oom_unwatch(struct dv_oom *oom)
{
    (void)oom;
}

/* ---- a connection ---- */

static struct test {
    struct dv_engine engine;
    struct dv_containers cs;
    struct dv_container c;
    struct dv_shim *shim;
    int fd;                          /* the shim's end */
    pthread_t loop_thread;
} t;

static void *run_loop(void *arg)
{
    struct dv_error err = { 0 };

    (void)arg;
    assert_int_equal(dv_loop_run(t.engine.loop, &err), 0);
    return NULL;
}

static int set_up(void **state)
{
    struct dv_error err = { 0 };
    int fds[2];

    (void)state;
    memset(&t, 0, sizeof(t));
    told[0] = '\0';
    t.cs.engine = &t.engine;
    t.c.cs = &t.cs;
    snprintf(t.c.id, sizeof(t.c.id), "c1");
    atomic_init(&t.c.refs, 1);
    dv_lock_init(&t.c.lock, DV_RANK_OBJECT);
    if (dv_loop_new(&t.engine.loop, &err) < 0 || dv_sock_pair(SOCK_SEQPACKET, fds, &err) < 0 ||
        dv_shim_new(&t.c, fds[0], 3, &t.shim, &err) < 0)
        return -1;
    t.fd = fds[1];
    t.c.shim = t.shim;
    dv_shim_watch(t.shim);
    return pthread_create(&t.loop_thread, NULL, run_loop, NULL);
}

static void leave(void *arg)
{
    (void)arg;
    dv_shims_leave(&t.cs);
    dv_loop_stop(t.engine.loop);
}

static int tear_down(void **state)
{
    (void)state;
    dv_loop_post(t.engine.loop, leave, NULL);
    pthread_join(t.loop_thread, NULL);
    dv_shim_unref(t.shim);
    dv_loop_free(t.engine.loop);
    dv_close(t.fd);
    assert_int_equal(atomic_load(&t.c.refs), 1);
    dv_lock_done(&t.c.lock);
    return 0;
}

/* ---- the shim's words ---- */

struct word {
    uint16_t kind;
    uint32_t seq;
    const char *message, *exec_id;
    int64_t code, exit_code;         /* 0: none */
};

static void say_with(const struct word *word, int fd)
{
    struct dv_error err = { 0 };
    struct dv_msg_writer w;

    dv_msg_begin(&w, word->kind, word->seq, 4096);
    dv_msg_str(&w, DV_ST_MESSAGE, word->message);
    dv_msg_str(&w, DV_ST_EXEC_ID, word->exec_id);
    if (word->code)
        dv_msg_i64(&w, DV_ST_CODE, word->code);
    if (word->exit_code)
        dv_msg_i64(&w, DV_ST_EXIT_CODE, word->exit_code);
    assert_int_equal(dv_msg_end(&w, &err), 0);
    assert_int_equal(dv_sock_send(t.fd, &w, &fd, fd >= 0 ? 1 : 0, &err), 0);
    dv_msg_done(&w);
}
#define say(kind_, seq_, ...)                                                                       \
    say_with(&(const struct word){ .kind = (kind_), .seq = (seq_), ##__VA_ARGS__ }, -1)

/* What davitd asks; its number. */
static uint32_t hear(uint16_t kind)
{
    dv_autopacket p = { 0 };
    struct dv_error err = { 0 };

    assert_int_equal(dv_sock_recv(t.fd, &p, &err), 1);
    assert_int_equal(p.msg.kind, kind);
    return p.msg.seq;
}

/* ---- somebody who asks ---- */

struct asker {
    pthread_t thread;
    uint16_t kind;
    int r;
    int64_t exit_code;
    struct dv_packet answer;
    struct dv_error err;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    struct dv_msg_writer w;

    dv_msg_begin(&w, a->kind, 0, 4096);
    a->r = dv_shim_request(&t.c, &w, NULL, 0, &a->answer, &a->exit_code, &a->err);
    dv_msg_done(&w);
    return NULL;
}

static void begin_asking(struct asker *a, uint16_t kind)
{
    *a = (struct asker){ .kind = kind, .exit_code = -7 };
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

static int end_asking(struct asker *a)
{
    pthread_join(a->thread, NULL);
    return a->r;
}

/* ---- tests ---- */

static void answers_find_who_asked(void **state)
{
    struct asker one, two;
    uint32_t first, second;

    (void)state;
    begin_asking(&one, DV_SHIM_SIGNAL);
    first = hear(DV_SHIM_SIGNAL);
    begin_asking(&two, DV_SHIM_RESIZE);
    second = hear(DV_SHIM_RESIZE);
    assert_int_not_equal(first, second);
    say(DV_SHIM_REPLY, second + 77, .message = "nobody's");
    say(DV_SHIM_EVENT_DETACH, 0);
    say(DV_SHIM_REPLY, second, .message = "second");
    assert_int_equal(end_asking(&two), 0);
    assert_string_equal(dv_msg_get_str(&two.answer.msg, DV_ST_MESSAGE, ""), "second");
    say(DV_SHIM_REPLY, first, .message = "first");
    say(DV_SHIM_REPLY, first, .message = "once more");
    assert_int_equal(end_asking(&one), 0);
    assert_string_equal(dv_msg_get_str(&one.answer.msg, DV_ST_MESSAGE, ""), "first");
    dv_packet_done(&one.answer);
    dv_packet_done(&two.answer);
    expect_told("detach;");
}

static void an_error_is_whose_request_it_was(void **state)
{
    static const struct {
        int64_t code, exit_code;
        const char *message;
        int r;
        int64_t wanted_exit;
        const char *text;
    } cases[] = {
        { DV_E_CONFLICT, 126, "no such program", -DV_E_CONFLICT, 126, "no such program" },
        { DV_E_NOT_FOUND, 0, NULL, -DV_E_NOT_FOUND, 125, "davit-shim failed without a reason" },
        { 0, 0, "odd", -DV_E_INTERNAL, 125, "odd" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct asker a;

        begin_asking(&a, DV_SHIM_EXEC);
        say(DV_SHIM_ERROR, hear(DV_SHIM_EXEC), .code = cases[i].code,
            .exit_code = cases[i].exit_code, .message = cases[i].message);
        assert_int_equal(end_asking(&a), cases[i].r);
        assert_string_equal(a.err.msg, cases[i].text);
        assert_int_equal(a.exit_code, cases[i].wanted_exit);
        dv_packet_done(&a.answer);
    }
    expect_told("");
}

static void events_reach_the_container(void **state)
{
    (void)state;
    say(DV_SHIM_EVENT_EXEC_EXIT, 0, .exec_id = "e1", .exit_code = 9);
    say(DV_SHIM_EVENT_EXEC_EXIT, 0);
    say(DV_SHIM_EVENT_DETACH, 0, .exec_id = "e2");
    say(999, 0, .message = "a newer shim's");
    say(DV_SHIM_EVENT_EXIT, 0, .exit_code = 137);
    close(dv_take_fd(t.fd));
    /* It let go of all that it held when it ended. */
    expect_told("exec e1 9;exec  255;exec_detach=e2;exited 3 137;released;");
}

static void one_that_goes_without_a_word_is_lost(void **state)
{
    struct asker a;

    (void)state;
    begin_asking(&a, DV_SHIM_SIGNAL);
    hear(DV_SHIM_SIGNAL);
    close(dv_take_fd(t.fd));
    assert_int_equal(end_asking(&a), -DV_E_CONFLICT);
    assert_true(a.err.msg[0]);
    expect_told("lost 3;");
    begin_asking(&a, DV_SHIM_SIGNAL); /* and who asks behind its end is told at once */
    assert_true(end_asking(&a) < 0);
    t.c.shim = NULL;
    begin_asking(&a, DV_SHIM_SIGNAL);
    assert_int_equal(end_asking(&a), -DV_E_CONFLICT);
    assert_non_null(strstr(a.err.msg, "is not running"));
}

static void garbage_ends_the_connection(void **state)
{
    (void)state;
    assert_int_equal(send(t.fd, "garbage", 7, 0), 7);
    expect_told("lost 3;");
}

/* Descriptors that nobody asked for are closed. */
static void keeps_no_descriptor_of_nobody_s(void **state)
{
    size_t before = open_fds();
    struct asker a;

    (void)state;
    for (int i = 0; i < 20; i++) {
        say_with(&(const struct word){ .kind = DV_SHIM_REPLY, .seq = 4242 }, t.fd);
        say_with(&(const struct word){ .kind = DV_SHIM_EVENT_DETACH }, t.fd);
    }
    begin_asking(&a, DV_SHIM_SIGNAL); /* behind them */
    say(DV_SHIM_REPLY, hear(DV_SHIM_SIGNAL));
    assert_int_equal(end_asking(&a), 0);
    dv_packet_done(&a.answer);
    assert_int_equal(open_fds(), before);
}

/* ---- before anybody else knows the connection ---- */

static int read_answer(struct dv_packet *answer, int64_t *exit_code, struct dv_error *err, int fd)
{
    memset(err, 0, sizeof(*err));
    return dv_shim_read_answer(fd, answer, exit_code, err);
}

static void a_first_answer_comes_behind_events(void **state)
{
    dv_autopacket answer = { 0 }, refusal = { 0 }, none = { 0 };
    struct dv_error err = { 0 };
    int64_t exit_code = 0;
    int fds[2], own = t.fd;

    (void)state;
    assert_int_equal(dv_sock_pair(SOCK_SEQPACKET, fds, &err), 0);
    t.fd = fds[1];
    say(DV_SHIM_EVENT_DETACH, 0);
    say(DV_SHIM_REPLY, 0, .message = "created");
    assert_int_equal(read_answer(&answer, &exit_code, &err, fds[0]), 0);
    assert_string_equal(dv_msg_get_str(&answer.msg, DV_ST_MESSAGE, ""), "created");
    say(DV_SHIM_ERROR, 0, .code = DV_E_NOT_FOUND, .exit_code = 127, .message = "no such file");
    assert_int_equal(read_answer(&refusal, &exit_code, &err, fds[0]), -DV_E_NOT_FOUND);
    assert_int_equal(exit_code, 127);
    say(DV_SHIM_EVENT_EXIT, 0);
    close(t.fd);
    t.fd = own;
    assert_int_equal(read_answer(&none, &exit_code, &err, fds[0]), -DV_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "ended before it answered"));
    close(fds[0]);
    expect_told("");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(answers_find_who_asked),
        TEST(an_error_is_whose_request_it_was),
        TEST(events_reach_the_container),
        TEST(one_that_goes_without_a_word_is_lost),
        TEST(garbage_ends_the_connection),
        TEST(keeps_no_descriptor_of_nobody_s),
        TEST(a_first_answer_comes_behind_events),
    };

    dv_log_set_level(DV_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
