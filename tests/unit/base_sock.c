/* base_sock.c - unit tests of core/base/sock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/file.h"
#include "core/base/sock.h"
#include "core/base/str.h"
#include "open_fds.h"

static void make(struct dv_msg_writer *w, uint16_t kind, size_t n_bytes)
{
    char *bytes = calloc(1, n_bytes + 1);

    assert_non_null(bytes);
    dv_msg_begin(w, kind, 1, 4 << 20);
    dv_msg_bytes(w, 1, bytes, n_bytes);
    assert_int_equal(w->err.code, 0);
    free(bytes);
}

static void listens_and_connects_below_a_long_path(void **state)
{
    char top[] = "/tmp/davit-ut-XXXXXX", deep[400];
    struct dv_error err = { 0 };
    dv_autoclose int dir = -1, server = -1, client = -1, accepted = -1;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(deep, sizeof(deep), "%s/%0150d/%0150d", top, 1, 2);
    assert_int_equal(dv_mkdirs(AT_FDCWD, deep, 0700, &err), 0);
    dir = open(deep, O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(dv_sock_connect(dir, "s", SOCK_SEQPACKET, &err), -DV_E_NOT_FOUND);
    server = dv_sock_listen(dir, "s", SOCK_SEQPACKET, 0660, &err);
    assert_true(server >= 0);
    assert_int_equal(fstatat(dir, "s", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    close(server);
    assert_int_equal(dv_sock_connect(dir, "s", SOCK_SEQPACKET, &err), -DV_E_NOT_FOUND);
    server = dv_sock_listen(dir, "s", SOCK_SEQPACKET, 0600, &err); /* over the stale one */
    assert_true(server >= 0);
    client = dv_sock_connect(dir, "s", SOCK_SEQPACKET, &err);
    assert_true(client >= 0);
    accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    assert_int_equal(dv_sock_listen(dir, deep, SOCK_STREAM, 0600, &err), -DV_E_INVALID);
    assert_int_equal(dv_remove_tree(AT_FDCWD, top, &err), 0);
}

/* A client that does not wait is refused where the queue is full. */
static void lets_a_crowd_wait_for_its_turn(void **state)
{
    enum { CROWD = 1500 };
    char top[] = "/tmp/davit-ut-XXXXXX", *most = NULL;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct rlimit files;
    struct dv_error err = { 0 };
    dv_autoclose int server = -1;
    int fds[CROWD], n = 0;

    (void)state;
    assert_int_equal(dv_read_file(AT_FDCWD, "/proc/sys/net/core/somaxconn", 64, &most, NULL, &err), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    if (atoi(most) < CROWD || files.rlim_max < 2 * CROWD || setrlimit(RLIMIT_NOFILE, &files) < 0)
        n = -1;
    free(most);
    if (n < 0)
        skip();
    assert_non_null(mkdtemp(top));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", top);
    server = dv_sock_listen(AT_FDCWD, address.sun_path, SOCK_STREAM, 0600, &err);
    assert_true(server >= 0);
    for (; n < CROWD; n++) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(fds[n], (struct sockaddr *)&address, sizeof(address)) < 0)
            fail_msg("client %d: %s", n, strerror(errno));
    }
    while (n > 0)
        close(fds[--n]);
    assert_int_equal(dv_remove_tree(AT_FDCWD, top, &err), 0);
}

static void sends_messages_with_descriptors(void **state)
{
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    int pair[2], pipe_fds[2], fd;
    char byte = 0;

    (void)state;
    assert_int_equal(dv_sock_pair(SOCK_SEQPACKET, pair, &err), 0);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    make(&w, 5, 10);
    assert_int_equal(dv_sock_send(pair[0], &w, pipe_fds, 2, &err), 0);
    {
        dv_autopacket p = { 0 };

        assert_int_equal(dv_sock_recv(pair[1], &p, &err), 1);
        assert_int_equal(p.msg.kind, 5);
        assert_int_equal(p.n_fds, 2);
        assert_int_equal(dv_packet_take_fd(&p, 2), -1);
        fd = dv_packet_take_fd(&p, 1);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    }
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(fd);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    dv_msg_done(&w);
    close(pair[0]);
    close(pair[1]);
}

static void tells_end_empty_and_gone_apart(void **state)
{
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    int pair[2];
    dv_autopacket p = { 0 };

    (void)state;
    make(&w, 5, 10);
    assert_int_equal(dv_sock_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, pair, &err), 0);
    assert_int_equal(dv_sock_recv(pair[1], &p, &err), -DV_E_UNAVAILABLE);
    assert_int_equal(errno, EAGAIN);
    while (dv_sock_send(pair[0], &w, NULL, 0, &err) == 0) /* until its queue is full */
        ;
    assert_int_equal(err.code, DV_E_UNAVAILABLE);
    assert_int_equal(err.sys_errno, EAGAIN);
    close(pair[1]);
    assert_int_equal(dv_sock_send(pair[0], &w, NULL, 0, &err), -DV_E_UNAVAILABLE);
    assert_true(err.sys_errno == EPIPE || err.sys_errno == ECONNRESET);
    close(pair[0]);

    assert_int_equal(dv_sock_pair(SOCK_SEQPACKET, pair, &err), 0);
    close(pair[0]);
    assert_int_equal(dv_sock_recv(pair[1], &p, &err), 0);
    close(pair[1]);
    dv_msg_done(&w);
}

static void refuses_what_is_malformed_and_keeps_nothing(void **state)
{
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    int pair[2];
    size_t before;

    (void)state;
    assert_int_equal(dv_sock_pair(SOCK_SEQPACKET, pair, &err), 0);
    before = open_fds();
    make(&w, 5, 10);
    w.buf.data[0] = 0; /* the magic */
    assert_int_equal(dv_sock_send(pair[0], &w, pair, 2, &err), 0);
    {
        dv_autopacket p = { 0 };

        assert_int_equal(dv_sock_recv(pair[1], &p, &err), -DV_E_INVALID);
    }
    assert_int_equal(open_fds(), before);
    dv_msg_done(&w);

    make(&w, 5, DV_MAX_MSG_BYTES); /* with its header more than is taken */
    assert_int_equal(dv_sock_send(pair[0], &w, NULL, 0, &err), 0);
    {
        dv_autopacket p = { 0 };

        assert_int_equal(dv_sock_recv(pair[1], &p, &err), -DV_E_INVALID);
    }
    dv_msg_done(&w);
    make(&w, 5, DV_MAX_MSG_BYTES - 64);
    assert_int_equal(dv_sock_send(pair[0], &w, NULL, 0, &err), 0);
    {
        dv_autopacket p = { 0 };

        assert_int_equal(dv_sock_recv(pair[1], &p, &err), 1);
    }
    dv_msg_done(&w);
    make(&w, 5, 2 << 20);
    assert_int_equal(dv_sock_send(pair[0], &w, NULL, 0, &err), -DV_E_INVALID);
    dv_msg_done(&w);
    close(pair[0]);
    close(pair[1]);
}

static void takes_no_more_than_its_descriptors(void **state)
{
    struct dv_error err = { 0 };
    struct dv_msg_writer w;
    int pair[2], fds[DV_MAX_MSG_FDS + 1], i;
    dv_autopacket p = { 0 };

    (void)state;
    assert_int_equal(dv_sock_pair(SOCK_SEQPACKET, pair, &err), 0);
    for (i = 0; i <= DV_MAX_MSG_FDS; i++)
        fds[i] = STDIN_FILENO;
    make(&w, 5, 1);
    assert_int_equal(dv_sock_send(pair[0], &w, fds, DV_MAX_MSG_FDS + 1, &err), -DV_E_INVALID);
    assert_int_equal(dv_sock_send(pair[0], &w, fds, DV_MAX_MSG_FDS, &err), 0);
    assert_int_equal(dv_sock_recv(pair[1], &p, &err), 1);
    assert_int_equal(p.n_fds, DV_MAX_MSG_FDS);
    dv_msg_done(&w);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listens_and_connects_below_a_long_path),
        cmocka_unit_test(lets_a_crowd_wait_for_its_turn),
        cmocka_unit_test(sends_messages_with_descriptors),
        cmocka_unit_test(tells_end_empty_and_gone_apart),
        cmocka_unit_test(refuses_what_is_malformed_and_keeps_nothing),
        cmocka_unit_test(takes_no_more_than_its_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
