/* daemon_listen.c - tests of the daemon's sockets and of its word to the service manager. */
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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/sock.h"
#include "core/daemon/listen.h"

struct test {
    char dir[128];
    struct dv_strv hosts;
    int fds[DV_MAX_LISTENERS];
    size_t n;
    struct dv_error err;
};

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    if (!t)
        return -1;
    snprintf(t->dir, sizeof(t->dir), "/tmp/davit-listen.XXXXXX");
    if (!mkdtemp(t->dir))
        return -1;
    *state = t;
    return 0;
}

static void close_all(struct test *t)
{
    for (size_t i = 0; i < t->n; i++)
        close(t->fds[i]);
    t->n = 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;

    close_all(t);
    dv_strv_done(&t->hosts);
    (void)!dv_remove_tree(AT_FDCWD, t->dir, &t->err);
    free(t);
    return 0;
}

static int listen_on(struct test *t, const char *host)
{
    int r;

    dv_strv_done(&t->hosts);
    dv_error_clear(&t->err);
    assert_int_equal(dv_strv_add(&t->hosts, host), 0);
    r = dv_listen(&t->hosts, t->fds, &t->n, &t->err);
    if (r < 0)
        t->n = 0;
    return r;
}

static void serves_a_path_of_any_length(void **state)
{
    struct test *t = *state;
    dv_autofree char *host = dv_format("unix://%s/%064d/%064d/davit.sock", t->dir, 1, 2);
    const char *path = host + strlen("unix://");
    struct stat st;

    if (listen_on(t, host) < 0)
        fail_msg("%s", t->err.msg);
    assert_int_equal(t->n, 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_true(fcntl(t->fds[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(t->fds[0], F_GETFL) & O_NONBLOCK);
    dv_unlisten(&t->hosts);
    assert_int_equal(stat(path, &st), -1);
}

static void leaves_a_daemon_that_answers_alone(void **state)
{
    struct test *t = *state;
    dv_autofree char *host = dv_format("unix://%s/s", t->dir);
    int first;

    assert_int_equal(listen_on(t, host), 0);
    first = t->fds[0];
    assert_int_equal(listen_on(t, host), -DV_E_CONFLICT);
    assert_non_null(strstr(t->err.msg, "another daemon answers there"));
    close(first); /* a stale file is replaced */
    assert_int_equal(listen_on(t, host), 0);
}

static void refuses_other_hosts(void **state)
{
    static const char *const hosts[] = { "tcp://0.0.0.0:2375", "unix://relative", "/run/x",
                                         "unix:///dir/", "" };
    struct test *t = *state;

    for (size_t i = 0; i < N(hosts); i++) {
        assert_true(listen_on(t, hosts[i]) < 0);
        assert_non_null(strstr(t->err.msg, hosts[i]));
    }
}

static void too_many_hosts(void **state)
{
    struct test *t = *state;

    for (int i = 0; i <= DV_MAX_LISTENERS; i++)
        assert_int_equal(dv_strv_add(&t->hosts, "unix:///nonexistent"), 0);
    assert_int_equal(dv_listen(&t->hosts, t->fds, &t->n, &t->err), -DV_E_INVALID);
    t->n = 0;
}

static void tells_the_service_manager(void **state)
{
    struct test *t = *state;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char buf[64] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    dv_notify("READY=1"); /* nobody asked */
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%.80s/notify", t->dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    setenv("NOTIFY_SOCKET", addr.sun_path, 1);
    dv_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(recv(fd, buf, sizeof(buf), 0), 7);
    assert_string_equal(buf, "READY=1");
    close(fd);
}

/* Last: from then on the sockets are the service manager's. */
static void takes_sockets_that_were_passed(void **state)
{
    struct test *t = *state;
    dv_autofree char *host = dv_format("unix://%s/s", t->dir);
    char pid[16];
    int saved = dup(3), fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_int_equal(dup2(fd, 3), 3);
    if (fd != 3)
        close(fd);
    snprintf(pid, sizeof(pid), "%d", getpid());
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(listen_on(t, host), 0); /* meant for another process */
    assert_int_not_equal(t->fds[0], 3);
    close_all(t);
    setenv("LISTEN_PID", pid, 1);
    assert_int_equal(listen_on(t, host), 0);
    assert_int_equal(t->n, 1);
    assert_int_equal(t->fds[0], 3);
    assert_true(fcntl(3, F_GETFD) & FD_CLOEXEC);
    assert_null(getenv("LISTEN_FDS"));
    close_all(t);
    if (saved >= 0) {
        dup2(saved, 3);
        close(saved);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(serves_a_path_of_any_length),
        TEST(leaves_a_daemon_that_answers_alone),
        TEST(refuses_other_hosts),
        TEST(too_many_hosts),
        TEST(tells_the_service_manager),
        TEST(takes_sockets_that_were_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
