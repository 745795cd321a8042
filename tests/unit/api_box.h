/* api_box.h - an API server on a socket of its own over the fake engine, and a client of it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api_fakes.h"
#include "core/api/api.h"
#include "core/base/file.h"
#include "core/base/loop.h"
#include "core/base/sock.h"

#define HELPER static __attribute__((unused))

static struct server {
    char dir[32];
    int dir_fd;
    pthread_t thread;
    struct dv_api *api;
} server;

HELPER void *serve(void *arg)
{
    struct dv_error err = { 0 };

    (void)arg;
    assert_int_equal(dv_loop_run(fake.engine.loop, &err), 0);
    dv_api_stop(server.api);
    return NULL;
}

HELPER int set_up_server(int64_t max_connections)
{
    struct dv_error err = { 0 };
    int fd;

    fake_reset();
    fake.engine.config.max_connections = max_connections;
    assert_int_equal(dv_loop_new(&fake.engine.loop, &err), 0);
    strcpy(server.dir, "/tmp/dv-api-XXXXXX");
    assert_non_null(mkdtemp(server.dir));
    strcpy(fake.log_dir, server.dir);
    server.dir_fd = open(server.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd = dv_sock_listen(server.dir_fd, "sock", SOCK_STREAM, 0600, &err);
    assert_true(fd >= 0);
    assert_int_equal(dv_api_start(&fake.engine, &fd, 1, &server.api, &err), 0);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

HELPER int set_up(void **state)
{
    (void)state;
    return set_up_server(0);
}

HELPER int tear_down(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    dv_loop_stop(fake.engine.loop);
    pthread_join(server.thread, NULL);
    dv_loop_free(fake.engine.loop);
    fake.engine.loop = NULL;
    dv_close(fake.client_fd);
    close(server.dir_fd);
    return dv_remove_tree(AT_FDCWD, server.dir, &err);
}

/* ---- a client ---- */

HELPER int client(void)
{
    struct dv_error err = { 0 };
    int fd = dv_sock_connect(server.dir_fd, "sock", SOCK_STREAM, &err);

    assert_true(fd >= 0);
    return fd;
}

HELPER void say(int fd, const char *text)
{
    assert_int_equal(dv_write_all(fd, text, strlen(text)), 0);
}

/* Read until WANTED is there (or the end, if NULL), 5 s of silence at most. Static buffer. */
HELPER const char *hear(int fd, const char *wanted)
{
    static char buf[1 << 16];
    size_t len = 0;

    buf[0] = '\0';
    while (!wanted || !strstr(buf, wanted)) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n;

        if (poll(&p, 1, 5000) <= 0)
            fail_msg("no '%s' in: %s", wanted ? wanted : "end", buf);
        n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        buf[len] = '\0';
    }
    return buf;
}

HELPER const char *ask(const char *request)
{
    int fd = client();
    const char *reply;

    say(fd, request);
    shutdown(fd, SHUT_WR);
    reply = hear(fd, NULL);
    close(fd);
    return reply;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define POST(path) \
    "POST " path " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

HELPER void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text ? text : "nothing");
}
