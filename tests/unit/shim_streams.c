/* shim_streams.c - davit-shim as davitd sees it: streams, log, clients, execs and the end, with
 * processes of the host in place of containers (shim_fake_runtime.c). */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/id.h"
#include "core/base/str.h"
#include "core/base/time.h"
#include "shim_player.h"

enum { SOON_MS = 8000, LATE_MS = 3000 /* on a busy machine */, BOTH = DV_ATTACH_STDOUT | DV_ATTACH_STDERR,
       FRAMED = BOTH | DV_ATTACH_FRAMED, ALL = FRAMED | DV_ATTACH_STDIN };

struct test {
    struct player p;
    struct dv_spec spec;
    struct player_plan plan;
};

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    t->plan.spec = &t->spec;
    player_begin(&t->p, SHIM_PROGRAM);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;

    player_end(&t->p);
    dv_spec_process_done(&t->spec.process);
    free(t);
    return 0;
}

static void set_args(struct dv_spec_process *p, const char *script)
{
    const char *const args[] = { "/bin/sh", "-c", script };

    for (size_t i = 0; i < N(args); i++)
        assert_int_equal(dv_strv_add(&p->args, args[i]), 0);
}

static void run(struct test *t, const char *script)
{
    set_args(&t->spec.process, script);
    player_run(&t->p, &t->plan);
}

/* Our end of a client that is attached before the start. */
static int early_client(struct test *t, size_t i, unsigned flags, const char *keys,
                        const char *early)
{
    int fd, ours = player_socket(&fd);

    t->plan.clients[i] = (struct player_client){ fd, flags, keys, early };
    return ours;
}

static int attach(struct test *t, unsigned flags)
{
    dv_autopacket answer = { 0 };
    struct dv_msg_writer w;
    int fd, ours = player_socket(&fd);

    dv_msg_begin(&w, DV_SHIM_ATTACH, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_ATTACH_FLAGS, flags);
    assert_int_equal(player_ask(&t->p, &w, &fd, 1, &answer), DV_SHIM_REPLY);
    close(fd);
    return ours;
}

static void expect_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    free(text);
}

static uint64_t ms_since(uint64_t start_ns)
{
    return (dv_mono_ns() - start_ns) / 1000000;
}

/* ---- a life ---- */

static void logs_records_and_announces(void **state)
{
    struct test *t = *state;
    dv_autofree char *log = NULL, *record = NULL;
    int version, code, oom, n = 0;
    unsigned long long started, finished;

    run(t, "echo out; echo err >&2; printf rest; exit 7");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 7);
    assert_int_equal(player_expect_end(&t->p, SOON_MS), 0);
    log = player_read(&t->p, "log", NULL);
    assert_non_null(strstr(log, "{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\"20"));
    assert_non_null(strstr(log, "{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"20"));
    assert_non_null(strstr(log, "{\"log\":\"rest\",\"stream\":\"stdout\""));
    record = player_read(&t->p, "exit", NULL);
    assert_int_equal(sscanf(record, "%d %d %d %llu %llu %n", &version, &code, &oom, &started,
                            &finished, &n), 5);
    assert_int_equal(version, 1);
    assert_int_equal(code, 7);
    assert_int_equal(oom, 0);
    assert_true(finished >= started && started > 0);
    assert_int_equal(strlen(record + n), 37); /* boot id and newline */
}

static void gives_a_signal_as_a_shell_does(void **state)
{
    struct test *t = *state;

    run(t, "kill -TERM $$");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 128 + SIGTERM);
}

static void sends_signals(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    struct dv_msg_writer w;

    run(t, "exec sleep 60");
    dv_msg_begin(&w, DV_SHIM_SIGNAL, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_SIGNAL, 999);
    assert_int_equal(player_ask(&t->p, &w, NULL, 0, &answer), DV_SHIM_ERROR);
    dv_msg_begin(&w, DV_SHIM_SIGNAL, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_SIGNAL, SIGKILL);
    assert_int_equal(player_ask(&t->p, &w, NULL, 0, &answer), DV_SHIM_REPLY);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 137);
}

static void holds_the_init_until_start(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };

    set_args(&t->spec.process, "echo ran");
    assert_int_equal(player_create(&t->p, &t->plan, &answer), DV_SHIM_REPLY);
    assert_string_equal(dv_msg_get_str(&answer.msg, DV_ST_WARNING, ""), "this is no container");
    assert_true(player_has(&t->p, "shim.sock"));
    usleep(100000);
    expect_text(player_read(&t->p, "log", NULL), "");
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_STATE, &answer), DV_SHIM_REPLY);
    assert_int_equal(dv_msg_get_u64(&answer.msg, DV_ST_STATE, 9), 1);
}

static void ends_without_a_trace_when_davitd_goes_before_start(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    pid_t pid;

    set_args(&t->spec.process, "echo ran");
    assert_int_equal(player_create(&t->p, &t->plan, &answer), DV_SHIM_REPLY);
    pid = (pid_t)dv_msg_get_i64(&answer.msg, DV_ST_PID, 0);
    close(dv_take_fd(t->p.control));
    player_expect_end(&t->p, SOON_MS);
    assert_int_equal(kill(pid, 0), -1);
    assert_false(player_has(&t->p, "exit"));
}

static void survives_davitd_after_start(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    struct dv_error err = { 0 };

    t->plan.open_stdin = true;
    run(t, "read x; exit 3");
    close(dv_take_fd(t->p.control));
    t->p.control = dv_sock_connect(t->p.dir_fd, "shim.sock", SOCK_SEQPACKET, &err);
    assert_true(t->p.control >= 0);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_STATE, &answer), DV_SHIM_REPLY);
    assert_int_equal(dv_msg_get_u64(&answer.msg, DV_ST_STATE, 9), 2);
    assert_int_equal(dv_msg_get_u64(&answer.msg, DV_ST_PROTOCOL, 0), DV_SHIM_PROTOCOL);
    assert_true(dv_msg_get_u64(&answer.msg, DV_ST_STARTED_NS, 0) > 0);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_CLOSE_STDIN, &answer), DV_SHIM_REPLY);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 3);
}

static void records_without_davitd(void **state)
{
    struct test *t = *state;

    run(t, "sleep 0.2; exit 4");
    close(dv_take_fd(t->p.control));
    assert_int_equal(player_expect_end(&t->p, SOON_MS), 0);
    assert_true(player_has(&t->p, "exit"));
}

static void reports_a_program_that_is_not_there(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };

    assert_int_equal(dv_strv_add(&t->spec.process.args, "/no/such/program"), 0);
    assert_int_equal(player_create(&t->p, &t->plan, &answer), DV_SHIM_REPLY);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_START, &answer), DV_SHIM_ERROR);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_CODE, 0), DV_E_NOT_FOUND);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_EXIT_CODE, 0), 127);
    player_expect_end(&t->p, SOON_MS);
    assert_false(player_has(&t->p, "exit"));
}

static void reports_a_create_that_fails(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };

    assert_int_equal(player_create(&t->p, &t->plan, &answer), DV_SHIM_ERROR);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_EXIT_CODE, 0), 125);
    player_expect_end(&t->p, SOON_MS);
}

static void garbage_does_no_harm(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    struct dv_error err = { 0 };
    char garbage[300];

    run(t, "exec sleep 60");
    int other = dv_sock_connect(t->p.dir_fd, "shim.sock", SOCK_SEQPACKET, &err);
    assert_true(other >= 0);
    for (size_t n = 1; n < sizeof(garbage); n += 7) {
        dv_random(garbage, sizeof(garbage));
        assert_int_equal(send(other, garbage, n, MSG_NOSIGNAL), (ssize_t)n);
        assert_int_equal(dv_sock_recv(other, &answer, &err), 1);
        assert_int_equal(answer.msg.kind, DV_SHIM_ERROR);
        assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_CODE, 0), DV_E_INVALID);
        dv_packet_done(&answer);
    }
    close(other);
    assert_int_equal(player_ask_plain(&t->p, 77, &answer), DV_SHIM_ERROR);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_CODE, 0), DV_E_UNSUPPORTED);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_START, &answer), DV_SHIM_ERROR);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_CODE, 0), DV_E_CONFLICT);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_ATTACH, &answer), DV_SHIM_ERROR);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_EXEC, &answer), DV_SHIM_ERROR);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_LEND, &answer), DV_SHIM_ERROR);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_STATE, &answer), DV_SHIM_REPLY);
}

/* ---- output ---- */

static void frames_both_streams_to_the_end(void **state)
{
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, FRAMED, NULL, NULL);
    dv_autofree char *data = NULL;
    size_t n;

    run(t, "echo one; echo two >&2; echo three");
    data = player_drain(client, &n);
    expect_text(player_unframe(data, n, 1, NULL), "one\nthree\n");
    expect_text(player_unframe(data, n, 2, NULL), "two\n");
    player_expect_exit(&t->p, SOON_MS);
}

static void gives_each_client_what_it_asked_for(void **state)
{
    struct test *t = *state;
    dv_autoclose int out = early_client(t, 0, DV_ATTACH_STDOUT, NULL, NULL);
    dv_autoclose int err = early_client(t, 1, DV_ATTACH_STDERR, NULL, NULL);

    shutdown(out, SHUT_WR); /* as a client does that has no stdin; it still gets output */
    run(t, "echo one; echo two >&2");
    expect_text(player_drain(out, NULL), "one\n");
    expect_text(player_drain(err, NULL), "two\n");
}

static void a_later_client_gets_what_comes_from_then_on(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };

    t->plan.open_stdin = true;
    run(t, "read x; echo late");
    dv_autoclose int client = attach(t, BOTH);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_CLOSE_STDIN, &answer), DV_SHIM_REPLY);
    expect_text(player_drain(client, NULL), "late\n");
}

static uint64_t attach_held(struct test *t, struct dv_packet *answer, int *ret_ours)
{
    struct dv_msg_writer w;
    int fd;

    *ret_ours = player_socket(&fd);
    dv_msg_begin(&w, DV_SHIM_ATTACH, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_ATTACH_FLAGS, BOTH | DV_ATTACH_STDIN | DV_ATTACH_HELD);
    assert_int_equal(player_ask(&t->p, &w, &fd, 1, answer), DV_SHIM_REPLY);
    close(fd);
    return dv_msg_get_u64(&answer->msg, DV_ST_TOKEN, 0);
}

static int release(struct test *t, uint64_t token)
{
    dv_autopacket answer = { 0 };
    struct dv_msg_writer w;

    dv_msg_begin(&w, DV_SHIM_RELEASE, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_TOKEN, token);
    return player_ask(&t->p, &w, NULL, 0, &answer);
}

/* Log, rest and what the client gets from the release on are together what was written. */
static void a_held_client_gets_what_comes_behind_the_log(void **state)
{
    struct test *t = *state;
    dv_autopacket held = { 0 };
    struct dv_field rest;
    uint64_t token;
    int ours;

    t->plan.open_stdin = true;
    run(t, "echo line; printf part; read x; echo ' end'");
    dv_autoclose int watcher = attach(t, BOTH);
    (void)watcher;
    do { /* until the shim has read both */
        dv_packet_done(&held);
        token = attach_held(t, &held, &ours);
        assert_int_not_equal(token, 0);
        if (!dv_msg_find(&held.msg, DV_ST_REST_OUT, &rest))
            rest.len = 0;
        if (rest.len < 4) {
            assert_int_equal(release(t, token), DV_SHIM_REPLY);
            close(ours);
        }
    } while (rest.len < 4);
    assert_memory_equal(rest.data, "part", 4);
    assert_int_equal(release(t, token + 1), DV_SHIM_ERROR);
    assert_int_equal(release(t, token), DV_SHIM_REPLY);
    assert_int_equal(release(t, token), DV_SHIM_ERROR);
    /* Last, since the shim ends with the container and answers nothing more. */
    assert_int_equal(write(ours, "go\n", 3), 3);
    shutdown(ours, SHUT_WR);
    expect_text(player_drain(ours, NULL), " end\n");
    close(ours);
}

/* Who would release it is gone: the container does not wait for that. */
static void a_held_client_is_dropped_at_the_end(void **state)
{
    struct test *t = *state;
    dv_autopacket held = { 0 };
    int ours;

    t->plan.open_stdin = true;
    run(t, "read x; seq 1 100000; exit 3");
    assert_int_not_equal(attach_held(t, &held, &ours), 0);
    assert_int_equal(write(ours, "go\n", 3), 3);
    /* Nothing is read while it is held, so this ends by the shim's giving up; the log has all. */
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_CLOSE_STDIN, &held), DV_SHIM_REPLY);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 3);
    expect_text(player_drain(ours, NULL), "");
    close(ours);
}

/* Numbered lines, so that a lost or doubled byte anywhere shows. */
static void check_numbers(const char *data, size_t n, unsigned lines)
{
    const char *end = data + n;

    for (unsigned i = 1; i <= lines; i++) {
        char line[32];
        int len = snprintf(line, sizeof(line), "%u\n", i);

        if (end - data < len || memcmp(data, line, (size_t)len) != 0)
            fail_msg("line %u is wrong", i);
        data += len;
    }
    assert_true(data == end);
}

static void no_byte_is_lost_on_the_way_to_client_and_log(void **state)
{
    enum { LINES = 200000 };
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, FRAMED, NULL, NULL);
    dv_autofree char *data = NULL, *text = NULL, *log = NULL;
    size_t n, records = 0;
    unsigned number = 0;

    run(t, "seq 1 200000");
    data = player_drain(client, &n);
    text = player_unframe(data, n, 1, &n);
    check_numbers(text, n, LINES);
    player_expect_exit(&t->p, SOON_MS);
    log = player_read(&t->p, "log", NULL);
    for (char *at = log, *line; (line = strsep(&at, "\n")) && *line; records++) {
        assert_int_equal(sscanf(line, "{\"log\":\"%u\\n\",\"stream\":\"stdout\",", &number), 1);
        assert_int_equal(number, records + 1);
    }
    assert_int_equal(records, LINES);
}

static void waits_for_a_slow_client_without_loss(void **state)
{
    enum { LINES = 200000 }; /* 1.3 MB: more than queue, socket and pipe hold */
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, BOTH, NULL, NULL);
    dv_autopacket answer = { 0 };
    dv_autofree char *data = NULL;
    size_t n;

    run(t, "seq 1 200000");
    usleep(500000);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_STATE, &answer), DV_SHIM_REPLY);
    assert_int_equal(dv_msg_get_u64(&answer.msg, DV_ST_STATE, 9), 2); /* it is held up */
    data = player_drain(client, &n);
    check_numbers(data, n, LINES);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
}

static void a_vanished_client_holds_nobody_up(void **state)
{
    struct test *t = *state;
    int client = early_client(t, 0, ALL, NULL, NULL);
    char some[1000];

    run(t, "seq 1 200000");
    assert_true(read(client, some, sizeof(some)) > 0);
    close(client);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
}

/* The fake shim is built to wait for 2 s in place of 60, and for half a second where davit-shim waits
 * for 2 s (meson.build). */
enum { STALL_MS = 2000, DRAIN_MS = 500, GRACE_MS = 500 };

static void a_client_that_takes_nothing_is_dropped(void **state)
{
    struct test *t = *state;
    dv_autoclose int stuck = early_client(t, 0, BOTH, NULL, NULL);
    dv_autoclose int other = early_client(t, 1, BOTH, NULL, NULL);
    dv_autofree char *data = NULL;
    uint64_t start = dv_mono_ns();
    size_t n;

    run(t, "seq 1 200000");
    data = player_drain(other, &n);
    check_numbers(data, n, 200000);
    assert_true(ms_since(start) >= STALL_MS - 100);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    free(player_drain(stuck, &n)); /* what the socket held, and the end */
    assert_true(n < 1000000);
}

/* 200 KB are in queue and socket; the record comes after the grace, the bytes stay readable. */
static void a_stuck_client_does_not_delay_the_end_for_long(void **state)
{
    enum { LINES = 40000 };
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, BOTH, NULL, NULL);
    dv_autofree char *data = NULL;
    int size = 4096;
    uint64_t start;
    size_t n;

    setsockopt(t->plan.clients[0].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    run(t, "seq 1 40000");
    start = dv_mono_ns();
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    assert_true(ms_since(start) < GRACE_MS + LATE_MS);
    data = player_drain(client, &n);
    check_numbers(data, n, LINES);
    assert_int_equal(player_expect_end(&t->p, SOON_MS), 0);
}

/* The pipe is not read any more when its writer ends. */
static void what_a_full_queue_left_in_the_pipe_is_not_lost(void **state)
{
    enum { LINES = 52000 }; /* 300 KB */
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, BOTH, NULL, NULL);
    dv_autofree char *data = NULL;
    int size = 4096;
    size_t n;

    setsockopt(t->plan.clients[0].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    run(t, "seq 1 52000");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    data = player_drain(client, &n);
    check_numbers(data, n, LINES);
    assert_int_equal(player_expect_end(&t->p, SOON_MS), 0);
}

/* The same with a pipe that does not end, since somebody holds it. */
static void a_full_queue_and_a_stranger_lose_nothing(void **state)
{
    enum { LINES = 52000 };
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, BOTH, NULL, NULL);
    dv_autofree char *data = NULL;
    int size = 4096;
    size_t n;

    setsockopt(t->plan.clients[0].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    run(t, "sleep 8 & seq 1 52000");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    data = player_drain(client, &n);
    check_numbers(data, n, LINES);
    assert_int_equal(player_expect_end(&t->p, SOON_MS), 0);
}

/* What a child writes in the time that it is given counts. */
static void a_child_may_write_after_the_end(void **state)
{
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, BOTH, NULL, NULL);

    run(t, "(sleep 0.1; echo late; sleep 8) & echo done");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    expect_text(player_drain(client, NULL), "done\nlate\n");
}

/* Without a pid namespace a child survives the init and keeps its pipe. */
static void the_end_of_output_does_not_wait_for_strangers(void **state)
{
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, BOTH, NULL, NULL);
    uint64_t start = dv_mono_ns();

    run(t, "sleep 8 & echo done");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    assert_true(ms_since(start) >= DRAIN_MS - 50);
    assert_true(ms_since(start) < DRAIN_MS + LATE_MS);
    expect_text(player_drain(client, NULL), "done\n");
}

/* ---- input ---- */

static void early_bytes_come_first(void **state)
{
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, ALL & ~DV_ATTACH_FRAMED, NULL, "early ");

    t->plan.open_stdin = t->plan.stdin_once = true;
    assert_int_equal(write(client, "later", 5), 5);
    shutdown(client, SHUT_WR);
    run(t, "cat");
    expect_text(player_drain(client, NULL), "early later");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
}

static void stdin_that_is_not_once_stays_open(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    dv_autoclose int client = early_client(t, 0, ALL & ~DV_ATTACH_FRAMED, NULL, NULL);
    char got[16];

    t->plan.open_stdin = true;
    assert_int_equal(write(client, "a\n", 2), 2);
    shutdown(client, SHUT_WR);
    run(t, "cat");
    assert_int_equal(read(client, got, sizeof(got)), 2);
    dv_autoclose int second = attach(t, ALL & ~DV_ATTACH_FRAMED);
    assert_int_equal(write(second, "b\n", 2), 2);
    assert_int_equal(read(second, got, sizeof(got)), 2);
    assert_memory_equal(got, "b\n", 2);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_CLOSE_STDIN, &answer), DV_SHIM_REPLY);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
}

/* A client that sends and closes altogether, as `printf x | nc` does. */
static void input_of_a_client_that_is_gone_arrives(void **state)
{
    enum { BYTES = 150000 };
    struct test *t = *state;
    int client = early_client(t, 0, ALL, NULL, NULL);
    dv_autofree char *data = malloc(BYTES), *log = NULL;

    memset(data, 'x', BYTES);
    assert_int_equal(write(client, data, BYTES), BYTES);
    close(client);
    t->plan.open_stdin = t->plan.stdin_once = true;
    run(t, "sleep 0.3; wc -c");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    log = player_read(&t->p, "log", NULL);
    assert_non_null(strstr(log, "150000"));
}

static void stdin_that_nobody_reads_is_bounded_and_no_obstacle(void **state)
{
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, ALL, NULL, NULL);
    dv_autofree char *data = calloc(1, 1 << 20);
    struct timeval limit = { .tv_usec = 300000 };
    ssize_t n;

    t->plan.open_stdin = t->plan.stdin_once = true;
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    run(t, "sleep 1");
    n = send(client, data, 1 << 20, MSG_NOSIGNAL);
    assert_true(n > 0 && n < 1 << 20); /* back-pressure */
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    assert_int_equal(read(client, data, 1), 0); /* a clean end in spite of unread input */
}

/* ---- terminal ---- */

static void a_terminal_is_one_raw_stream(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    struct dv_msg_writer w;
    dv_autoclose int client = early_client(t, 0, DV_ATTACH_STDIN | BOTH, NULL, NULL);

    t->spec.process.terminal = true;
    run(t, "read x; stty size; test -t 1 && echo tty >&2; exit 5");
    dv_msg_begin(&w, DV_SHIM_RESIZE, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_ROWS, 33);
    dv_msg_u64(&w, DV_ST_COLS, 99);
    assert_int_equal(player_ask(&t->p, &w, NULL, 0, &answer), DV_SHIM_REPLY);
    assert_int_equal(write(client, "go\n", 3), 3);
    shutdown(client, SHUT_WR); /* does not hang up the terminal */
    expect_text(player_drain(client, NULL), "33 99\r\ntty\r\n");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 5);
}

/* A pty that nobody has open says EIO, which is no end while the process lives. */
static void a_terminal_may_be_closed_and_opened_again(void **state)
{
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, DV_ATTACH_STDIN | BOTH, NULL, NULL);

    t->spec.process.terminal = true;
    run(t, "tty=$(tty); echo one; exec <&- >&- 2>&-; sleep 0.2; echo two > $tty; sleep 0.2; "
           "echo three > $tty");
    expect_text(player_drain(client, NULL), "one\r\ntwo\r\nthree\r\n");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
}

static void detaches_by_keys(void **state)
{
    struct test *t = *state;
    dv_autopacket event = { 0 };
    dv_autoclose int client = early_client(t, 0, DV_ATTACH_STDIN | BOTH, "\x10\x11", NULL);
    dv_autofree char *log = NULL;

    t->spec.process.terminal = true;
    run(t, "read x; echo got $x");
    assert_int_equal(write(client, "a\x10", 2), 2);
    assert_int_equal(write(client, "\x10", 1), 1); /* the first ^P is let go */
    assert_int_equal(write(client, "\x11", 1), 1);
    player_expect(&t->p, DV_SHIM_EVENT_DETACH, SOON_MS, &event);
    free(player_drain(client, NULL));
    dv_autoclose int second = attach(t, DV_ATTACH_STDIN | BOTH);
    assert_int_equal(write(second, "b\n", 2), 2);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    log = player_read(&t->p, "log", NULL);
    assert_non_null(strstr(log, "got a\\u0010b\\r\\n"));
}

static void keys_in_a_pipe_are_bytes(void **state)
{
    struct test *t = *state;
    dv_autoclose int client = early_client(t, 0, DV_ATTACH_STDIN | BOTH, "\x10\x11", NULL);

    t->plan.open_stdin = t->plan.stdin_once = true;
    assert_int_equal(write(client, "\x10\x11z", 3), 3);
    shutdown(client, SHUT_WR);
    run(t, "cat");
    expect_text(player_drain(client, NULL), "\x10\x11z");
}

/* ---- exec ---- */

static void exec_script(struct test *t, const char *id, const char *script, unsigned flags,
                        int *ret_client)
{
    dv_autopacket answer = { 0 };
    struct dv_spec_process process = { 0 };
    struct player_client client = { .fd = -1, .flags = flags };

    *ret_client = -1;
    if (flags)
        *ret_client = player_socket(&client.fd);
    set_args(&process, script);
    assert_int_equal(player_exec(&t->p, id, &process, flags ? &client : NULL, &answer),
                     DV_SHIM_REPLY);
    assert_true(dv_msg_get_i64(&answer.msg, DV_ST_PID, 0) > 1);
    dv_spec_process_done(&process);
}

static void expect_exec_exit(struct test *t, const char *id, int code)
{
    dv_autopacket event = { 0 };

    player_expect(&t->p, DV_SHIM_EVENT_EXEC_EXIT, SOON_MS, &event);
    assert_string_equal(dv_msg_get_str(&event.msg, DV_ST_EXEC_ID, ""), id);
    assert_int_equal(dv_msg_get_i64(&event.msg, DV_ST_EXIT_CODE, -1), code);
}

static void runs_an_exec_with_its_own_streams(void **state)
{
    struct test *t = *state;
    dv_autofree char *data = NULL;
    dv_autoclose int client = -1;
    size_t n;

    run(t, "exec sleep 60");
    exec_script(t, "e1", "cat; echo err >&2; exit 9", ALL, &client);
    assert_int_equal(write(client, "in", 2), 2);
    shutdown(client, SHUT_WR);
    data = player_drain(client, &n);
    expect_text(player_unframe(data, n, 1, NULL), "in");
    expect_text(player_unframe(data, n, 2, NULL), "err\n");
    expect_exec_exit(t, "e1", 9);
    expect_text(player_read(&t->p, "log", NULL), ""); /* not the container's output */
}

static void a_detached_exec_needs_no_client(void **state)
{
    struct test *t = *state;
    int client;

    run(t, "exec sleep 60");
    exec_script(t, "e1", "echo nobody reads this; exit 3", 0, &client);
    expect_exec_exit(t, "e1", 3);
}

/* The child lives on and may write: it must not die of SIGPIPE. */
static void an_execs_child_may_outlive_it(void **state)
{
    struct test *t = *state;
    dv_autofree char *script = dv_format("(sleep 1.5; echo late; echo later; touch %s/alive) & "
                                         "echo done", t->p.path);
    dv_autoclose int client = -1;
    uint64_t start = dv_mono_ns();

    run(t, "exec sleep 60");
    exec_script(t, "e1", script, BOTH, &client);
    expect_text(player_drain(client, NULL), "done\n");
    expect_exec_exit(t, "e1", 0);
    assert_true(ms_since(start) < DRAIN_MS + LATE_MS);
    for (int i = 0; i < 100 && !player_has(&t->p, "alive"); i++)
        usleep(50000);
    assert_true(player_has(&t->p, "alive"));
}

static void tells_the_client_why_an_exec_failed(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    dv_autofree char *data = NULL;
    struct dv_spec_process process = { 0 };
    struct player_client client = { .flags = FRAMED };
    dv_autoclose int ours = player_socket(&client.fd);
    size_t n;

    run(t, "exec sleep 60");
    assert_int_equal(dv_strv_add(&process.args, "nosuch"), 0);
    assert_int_equal(player_exec(&t->p, "e1", &process, &client, &answer), DV_SHIM_ERROR);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_EXIT_CODE, 0), 127);
    data = player_drain(ours, &n);
    expect_text(player_unframe(data, n, 1, NULL),
                "OCI runtime exec failed: exec failed: unable to start container process: exec: "
                "\"nosuch\": executable file not found in $PATH: unknown\r\n");
    dv_spec_process_done(&process);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_STATE, &answer), DV_SHIM_REPLY);
}

static void lists_and_signals_execs(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    struct dv_msg_writer w;
    struct dv_field f;
    struct dv_msg group;
    struct dv_error err = { 0 };
    int client;

    run(t, "exec sleep 60");
    exec_script(t, "e1", "exec sleep 60", 0, &client);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_STATE, &answer), DV_SHIM_REPLY);
    assert_true(dv_msg_find(&answer.msg, DV_ST_EXEC, &f));
    assert_int_equal(dv_field_group(&f, &group, &err), 0);
    assert_string_equal(dv_msg_get_str(&group, DV_ST_EXEC_ID, ""), "e1");
    for (int i = 0; i < 2; i++) {
        dv_msg_begin(&w, DV_SHIM_SIGNAL, 0, DV_MAX_MSG_BYTES);
        dv_msg_str(&w, DV_ST_EXEC_ID, i ? "e1" : "e2");
        dv_msg_u64(&w, DV_ST_SIGNAL, SIGTERM);
        assert_int_equal(player_ask(&t->p, &w, NULL, 0, &answer),
                         i ? DV_SHIM_REPLY : DV_SHIM_ERROR);
    }
    expect_exec_exit(t, "e1", 128 + SIGTERM);
    /* A davitd that comes now learns of it nevertheless. */
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_STATE, &answer), DV_SHIM_REPLY);
    assert_true(dv_msg_find(&answer.msg, DV_ST_EXEC, &f));
    assert_int_equal(dv_field_group(&f, &group, &err), 0);
    assert_string_equal(dv_msg_get_str(&group, DV_ST_EXEC_ID, ""), "e1");
    assert_int_equal(dv_msg_get_i64(&group, DV_ST_EXIT_CODE, -1), 128 + SIGTERM);
}

/* Its processes would be dead with a pid namespace; here one is not, and is given up. */
static void execs_end_with_the_container(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    int client;

    t->plan.open_stdin = true;
    run(t, "read x");
    exec_script(t, "e1", "sleep 6", 0, &client);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_CLOSE_STDIN, &answer), DV_SHIM_REPLY);
    expect_exec_exit(t, "e1", 137);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 1); /* of a read at the end */
    assert_int_equal(player_expect_end(&t->p, SOON_MS), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(logs_records_and_announces),
        TEST(gives_a_signal_as_a_shell_does),
        TEST(sends_signals),
        TEST(holds_the_init_until_start),
        TEST(ends_without_a_trace_when_davitd_goes_before_start),
        TEST(survives_davitd_after_start),
        TEST(records_without_davitd),
        TEST(reports_a_program_that_is_not_there),
        TEST(reports_a_create_that_fails),
        TEST(garbage_does_no_harm),
        TEST(frames_both_streams_to_the_end),
        TEST(gives_each_client_what_it_asked_for),
        TEST(a_later_client_gets_what_comes_from_then_on),
        TEST(a_held_client_gets_what_comes_behind_the_log),
        TEST(a_held_client_is_dropped_at_the_end),
        TEST(no_byte_is_lost_on_the_way_to_client_and_log),
        TEST(waits_for_a_slow_client_without_loss),
        TEST(a_vanished_client_holds_nobody_up),
        TEST(a_client_that_takes_nothing_is_dropped),
        TEST(a_stuck_client_does_not_delay_the_end_for_long),
        TEST(what_a_full_queue_left_in_the_pipe_is_not_lost),
        TEST(a_full_queue_and_a_stranger_lose_nothing),
        TEST(the_end_of_output_does_not_wait_for_strangers),
        TEST(a_child_may_write_after_the_end),
        TEST(early_bytes_come_first),
        TEST(stdin_that_is_not_once_stays_open),
        TEST(input_of_a_client_that_is_gone_arrives),
        TEST(stdin_that_nobody_reads_is_bounded_and_no_obstacle),
        TEST(a_terminal_is_one_raw_stream),
        TEST(a_terminal_may_be_closed_and_opened_again),
        TEST(detaches_by_keys),
        TEST(keys_in_a_pipe_are_bytes),
        TEST(runs_an_exec_with_its_own_streams),
        TEST(a_detached_exec_needs_no_client),
        TEST(an_execs_child_may_outlive_it),
        TEST(tells_the_client_why_an_exec_failed),
        TEST(lists_and_signals_execs),
        TEST(execs_end_with_the_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
