/* cli_http.c - unit tests of the HTTP client and the multiplexed stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client/frames.h"
#include "cli/client/http.h"

/* --- the daemon's side: a canned answer ------------------------------------------------------- */

struct peer {
    struct dv_http *http;
    int fd;
};

/* A connection whose other end has said TEXT already, and closed if LAST. */
static struct peer answered(const char *text, size_t n, int last)
{
    struct peer p;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(write(fds[1], text, n), (ssize_t)n);
    if (last)
        assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    p.http = dv_http_new(fds[0]);
    p.fd = fds[1];
    return p;
}

static void hang_up(struct peer *p)
{
    dv_http_free(p->http);
    close(p->fd);
}

/* Head and body of a canned answer; the body in *BODY (at most 255 bytes). The first failure. */
static int exchange(const char *text, struct dv_http_reply *reply, char body[256],
                    struct dv_error *err)
{
    struct peer p = answered(text, strlen(text), 1);
    dv_autobuf buf = DV_BUF_INIT(1 << 20, "body");
    int r = dv_http_head(p.http, reply, err);

    if (r == 0)
        r = dv_http_read_all(p.http, 4096, &buf, err);
    if (r == 0)
        snprintf(body, 256, "%s", buf.data);
    hang_up(&p);
    return r;
}

/* --- replies ---------------------------------------------------------------------------------- */

static void reads_bodies_by_their_framing(void **state)
{
    static const struct {
        const char *text, *body;
        int status;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloEXTRA", "hello", 200 },
        { "HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", 200 },
        { "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n", "", 404 },
        { "HTTP/1.1 204 No Content\r\n\r\n", "", 204 },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "", 304 },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", "abcdefg", 200 },
        { "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n"
          "A;name=value\r\n0123456789\r\n0;last\r\nTrailer: x\r\n\r\n", "0123456789", 200 },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
          "2\r\nok\r\n0\r\n\r\n", "ok", 200 },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", 200 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        struct dv_http_reply reply = { 0 };
        struct dv_error err = { 0 };
        char body[256] = "?";

        assert_int_equal(exchange(cases[i].text, &reply, body, &err), 0);
        assert_int_equal(reply.status, cases[i].status);
        assert_string_equal(body, cases[i].body);
    }
}

static void refuses_broken_replies(void **state)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        { "", DV_E_UNAVAILABLE },
        { "HTTP/1.1 200 OK\r\nContent-Le", DV_E_UNAVAILABLE },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", DV_E_UNAVAILABLE },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", DV_E_UNAVAILABLE },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", DV_E_UNAVAILABLE },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
          DV_E_INVALID },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", DV_E_INVALID },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", DV_E_INVALID },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
          DV_E_INVALID },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", DV_E_INVALID },
        { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", DV_E_INVALID },
        { "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", DV_E_INVALID },
        { "SSH-2.0-OpenSSH\r\n\r\n", DV_E_INVALID },
        { "HTTP/1.1 abc\r\n\r\n", DV_E_INVALID },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        struct dv_http_reply reply = { 0 };
        struct dv_error err = { 0 };
        char body[256];

        assert_int_equal(exchange(cases[i].text, &reply, body, &err), -cases[i].code);
        assert_true(err.msg[0] != '\0');
    }
}

static void bounds_the_header_and_the_body(void **state)
{
    dv_autofree char *text = malloc(DV_HTTP_MAX_HEAD_BYTES * 2);
    struct dv_http_reply reply = { 0 };
    struct dv_error err = { 0 };
    char body[256];
    int n;

    (void)state;
    n = snprintf(text, 64, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + n, 'a', DV_HTTP_MAX_HEAD_BYTES + (32 << 10));
    text[n + DV_HTTP_MAX_HEAD_BYTES + (32 << 10)] = '\0';
    assert_int_equal(exchange(text, &reply, body, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "header exceeds"));

    n = snprintf(text, 64, "HTTP/1.1 200 OK\r\n\r\n");
    memset(text + n, 'a', 60000);
    text[n + 60000] = '\0';
    assert_int_equal(exchange(text, &reply, body, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "reply exceeds"));
}

static void copes_with_single_bytes(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n0\r\n\r\n";
    dv_autobuf body = DV_BUF_INIT(1 << 20, "body");
    struct peer p = answered("", 0, 0);
    struct dv_http_reply reply;
    struct dv_error err = { 0 };
    char byte;
    size_t i;

    (void)state;
    /* The header is one read a byte at a time as well: only what was sent can be read. */
    for (i = 0; i < sizeof(text) - 1; i++)
        assert_int_equal(write(p.fd, text + i, 1), 1);
    assert_int_equal(dv_http_head(p.http, &reply, &err), 0);
    while (dv_http_read(p.http, &byte, 1, &err) == 1)
        assert_int_equal(dv_buf_put(&body, &byte, 1, &err), 0);
    assert_string_equal(body.data, "abc");
    assert_true(dv_http_reusable(p.http));
    hang_up(&p);
}

static void keeps_a_connection_for_the_next_request(void **state)
{
    static const char two[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
                              "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\ntwo";
    struct peer p = answered(two, sizeof(two) - 1, 0);
    struct dv_http_reply reply;
    struct dv_error err = { 0 };
    char body[16] = "";

    (void)state;
    assert_int_equal(dv_http_head(p.http, &reply, &err), 0);
    assert_int_equal(dv_http_read(p.http, body, sizeof(body), &err), 3);
    assert_int_equal(dv_http_read(p.http, body, sizeof(body), &err), 0);
    assert_int_equal(dv_http_head(p.http, &reply, &err), 0);
    assert_int_equal(dv_http_read(p.http, body, sizeof(body), &err), 3);
    assert_memory_equal(body, "two", 3);
    assert_false(dv_http_reusable(p.http)); /* Connection: close */
    hang_up(&p);
}

static void notices_that_an_idle_connection_was_closed(void **state)
{
    struct peer p = answered("", 0, 0);

    (void)state;
    assert_true(dv_http_reusable(p.http));
    shutdown(p.fd, SHUT_RDWR);
    assert_false(dv_http_reusable(p.http));
    hang_up(&p);
}

static void hands_on_bytes_read_past_the_upgrade(void **state)
{
    static const char *const heads[] = {
        "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n",
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(heads); i++) {
        struct dv_http_request request = { .method = "POST", .target = "/attach", .upgrade = true };
        dv_autobuf text = DV_BUF_INIT(4096, "text");
        struct dv_http_reply reply;
        struct dv_error err = { 0 };
        char stream[64];
        struct peer p;

        assert_int_equal(dv_buf_printf(&text, &err, "%searly", heads[i]), 0);
        p = answered(text.data, text.len, 0);
        assert_int_equal(dv_http_send(p.http, &request, &err), 0);
        assert_int_equal(dv_http_head(p.http, &reply, &err), 0);
        assert_true(reply.upgraded);
        assert_true(dv_http_pending(p.http));
        assert_int_equal(dv_http_read_raw(p.http, stream, sizeof(stream), &err), 5);
        assert_memory_equal(stream, "early", 5);
        assert_false(dv_http_pending(p.http));
        assert_int_equal(write(p.fd, "late", 4), 4);
        assert_int_equal(dv_http_read_raw(p.http, stream, sizeof(stream), &err), 4);
        shutdown(p.fd, SHUT_WR);
        assert_int_equal(dv_http_read_raw(p.http, stream, sizeof(stream), &err), 0);
        hang_up(&p);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static void sends_length_or_chunks(void **state)
{
    struct peer p = answered("", 0, 0);
    struct dv_http_request request = { .method = "POST", .target = "/x", .body = "{}",
                                       .body_len = 2, .content_type = "application/json" };
    struct dv_error err = { 0 };
    char text[4096];
    int file[2];
    ssize_t n;

    (void)state;
    assert_int_equal(dv_http_send(p.http, &request, &err), 0);
    n = read(p.fd, text, sizeof(text) - 1);
    text[n] = '\0';
    assert_non_null(strstr(text, "POST /x HTTP/1.1\r\nHost: "));
    assert_non_null(strstr(text, "\r\nContent-Length: 2\r\n"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n{}");

    assert_int_equal(pipe(file), 0);
    assert_int_equal(write(file[1], "hello", 5), 5);
    close(file[1]);
    request = (struct dv_http_request){ .method = "POST", .target = "/load", .body_fd = file[0],
                                        .stream_body = true };
    assert_int_equal(dv_http_send(p.http, &request, &err), 0);
    n = read(p.fd, text, sizeof(text) - 1);
    text[n] = '\0';
    assert_non_null(strstr(text, "\r\nTransfer-Encoding: chunked\r\n"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    close(file[0]);
    hang_up(&p);
}

static void *refuse_after_the_header(void *arg)
{
    static const char reply[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno";
    int fd = *(int *)arg;
    char byte;

    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(write(fd, reply, sizeof(reply) - 1), (ssize_t)sizeof(reply) - 1);
    return NULL;
}

/* A body without end (/dev/zero) that the daemon does not read: its refusal ends the sending. */
static void gives_a_body_up_when_it_is_refused(void **state)
{
    struct dv_http_request request = { .method = "POST", .target = "/load", .stream_body = true };
    struct peer p = answered("", 0, 0);
    FILE *zero = fopen("/dev/zero", "re");
    struct dv_http_reply reply;
    struct dv_error err = { 0 };
    pthread_t thread;

    (void)state;
    request.body_fd = fileno(zero);
    assert_int_equal(pthread_create(&thread, NULL, refuse_after_the_header, &p.fd), 0);
    assert_int_equal(dv_http_send(p.http, &request, &err), 0);
    assert_int_equal(dv_http_head(p.http, &reply, &err), 0);
    assert_int_equal(reply.status, 400);
    pthread_join(thread, NULL);
    fclose(zero);
    hang_up(&p);
}

/* --- frames ----------------------------------------------------------------------------------- */

struct outputs {
    int out[2], err[2];
    struct dv_frames frames;
};

static void open_outputs(struct outputs *o)
{
    assert_int_equal(pipe(o->out), 0);
    assert_int_equal(pipe(o->err), 0);
    o->frames = (struct dv_frames)DV_FRAMES_INIT(false);
    o->frames.out_fd = o->out[1];
    o->frames.err_fd = o->err[1];
}

static void close_outputs(struct outputs *o)
{
    dv_frames_done(&o->frames);
    close(o->out[0]);
    close(o->out[1]);
    close(o->err[0]);
    close(o->err[1]);
}

static void takes_frames_apart_at_any_boundary(void **state)
{
    static const char data[] = "\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\3err\1\0\0\0\0\0\0\0"
                               "\1\0\0\0\0\0\0\2!!";
    size_t step;

    (void)state;
    for (step = 1; step < sizeof(data); step++) {
        struct outputs o;
        struct dv_error err = { 0 };
        char text[16] = "";
        size_t at;

        open_outputs(&o);
        for (at = 0; at < sizeof(data) - 1; at += step) {
            size_t n = sizeof(data) - 1 - at;

            assert_int_equal(dv_frames_put(&o.frames, data + at, n < step ? n : step, &err), 0);
        }
        assert_int_equal(read(o.out[0], text, sizeof(text)), 5);
        assert_memory_equal(text, "out!!", 5);
        assert_int_equal(read(o.err[0], text, sizeof(text)), 3);
        assert_memory_equal(text, "err", 3);
        close_outputs(&o);
    }
}

static void tells_the_daemons_error_and_a_broken_frame(void **state)
{
    struct outputs o;
    struct dv_error err = { 0 };

    (void)state;
    open_outputs(&o);
    assert_int_equal(dv_frames_put(&o.frames, "\3\0\0\0\0\0\0\4oops", 12, &err), -DV_E_INTERNAL);
    assert_string_equal(err.msg, "error from daemon in stream: oops");
    close_outputs(&o);

    open_outputs(&o);
    assert_int_equal(dv_frames_put(&o.frames, "HTTP/1.1", 8, &err), -DV_E_INVALID);
    close_outputs(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_bodies_by_their_framing),
        cmocka_unit_test(refuses_broken_replies),
        cmocka_unit_test(bounds_the_header_and_the_body),
        cmocka_unit_test(copes_with_single_bytes),
        cmocka_unit_test(keeps_a_connection_for_the_next_request),
        cmocka_unit_test(notices_that_an_idle_connection_was_closed),
        cmocka_unit_test(hands_on_bytes_read_past_the_upgrade),
        cmocka_unit_test(sends_length_or_chunks),
        cmocka_unit_test(gives_a_body_up_when_it_is_refused),
        cmocka_unit_test(takes_frames_apart_at_any_boundary),
        cmocka_unit_test(tells_the_daemons_error_and_a_broken_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
