/* api_server.c - tests of the API server through its socket, with a fake engine behind it. */
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "api_box.h"

static int set_up_limited(void **state)
{
    (void)state;
    return set_up_server(4);
}

/* ---- tests ---- */

static void answers_ping(void **state)
{
    const char *reply = ask(GET("/_ping"));

    (void)state;
    assert_has(reply, "HTTP/1.1 200 OK\r\n");
    assert_has(reply, "Api-Version: 1.51\r\n");
    assert_has(reply, "Ostype: linux\r\n");
    assert_has(reply, "Docker-Experimental: false\r\n");
    assert_has(reply, "Swarm: inactive\r\n");
    assert_has(reply, "\r\n\r\nOK");
    reply = ask("HEAD /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_has(reply, "HTTP/1.1 200 OK\r\n");
    assert_null(strstr(reply, "\r\n\r\nOK"));
}

static void answers_what_it_does_not_have(void **state)
{
    (void)state;
    assert_has(ask(GET("/v1.44/nowhere")), "404 Not Found");
    assert_has(ask(GET("/v1.44/nowhere")), "{\"message\":\"page not found\"}");
    assert_has(ask(POST("/v1.44/containers/json")), "404 Not Found");
    assert_has(ask(GET("/v1.99/version")),
               "client version 1.99 is too new. Maximum supported API version is 1.51");
    assert_has(ask(GET("/v1.12/version")), "client version 1.12 is too old.");
    assert_has(ask(POST("/commit")), "501 Not Implemented");
    assert_has(ask(POST("/commit")), "POST /commit is not supported yet");
    assert_has(ask(GET("/swarm")), "503 Service Unavailable");
    assert_has(ask(GET("/containers/nobody/json")), "No such container: nobody");
}

static void refuses_broken_requests(void **state)
{
    char *big = malloc(200000);
    int fd;

    (void)state;
    assert_has(ask("NONSENSE\r\n\r\n"), "400 Bad Request");
    assert_has(ask("GET /%zz HTTP/1.1\r\nConnection: close\r\n\r\n"), "400 Bad Request");
    memset(big, 'a', 199999);
    big[199999] = '\0';
    fd = client();
    say(fd, "GET /");
    (void)!send(fd, big, 20000, MSG_NOSIGNAL);
    assert_has(hear(fd, NULL), "414 URI Too Long");
    close(fd);
    fd = client();
    say(fd, "GET / HTTP/1.1\r\nX: ");
    (void)!send(fd, big, 100000, MSG_NOSIGNAL);
    assert_has(hear(fd, NULL), "431 Request Header Fields Too Large");
    close(fd);
    free(big);
}

/* What was said is with the server: what follows comes to it apart. */
static void wait_until_read(int fd)
{
    int n = 1;

    for (int i = 0; i < 10000 && n > 0; i++) {
        assert_int_equal(ioctl(fd, SIOCOUTQ, &n), 0);
        if (n > 0)
            poll(NULL, 0, 1);
    }
    assert_int_equal(n, 0);
}

static void keeps_the_connection_and_pipelines(void **state)
{
    int fd = client();
    const char *reply;

    (void)state;
    say(fd, "GET /_ping HTTP/1.1\r\n\r\nGET /_ping HTTP/1.1\r\n\r\nGET /version HTTP/1.1\r\n\r\n");
    reply =
        hear(fd, "MinAPIVersion\":\"1.24\",\"GitCommit\":\"\",\"GoVersion\":\"\",\"Os\":\"linux\","
                 "\"Arch\":\"amd64\",\"KernelVersion");
    assert_has(reply, "\r\n\r\nOKHTTP/1.1 200 OK\r\n");
    say(fd, "GET /_pi");
    wait_until_read(fd);
    say(fd, "ng HTTP/1.1\r\n\r");
    wait_until_read(fd);
    say(fd, "\n");
    hear(fd, "OK");
    close(fd);
}

static void reads_json_bodies(void **state)
{
    (void)state;
    assert_has(ask("POST /containers/create?name=x HTTP/1.1\r\nContent-Type: application/json\r\n"
                   "Content-Length: 19\r\nConnection: close\r\n\r\n{\"Image\":\"busybox\"}"),
               "{\"Id\":\"4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945\","
               "\"Warnings\":[\"a warning\"]}");
    assert_has(ask("POST /containers/create HTTP/1.1\r\nContent-Type: application/json\r\n"
                   "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                   "8\r\n{\"Image\"\r\n8\r\n:\"none\"}\r\n0\r\n\r\n"),
               "No such image: none:latest");
    assert_has(ask("POST /containers/create HTTP/1.1\r\nContent-Type: text/plain\r\n"
                   "Content-Length: 2\r\nConnection: close\r\n\r\n{}"),
               "unsupported Content-Type header (text/plain): must be 'application/json'");
    assert_has(ask("POST /containers/create HTTP/1.1\r\nContent-Type: application/json\r\n"
                   "Content-Length: 2\r\nConnection: close\r\n\r\n{,"), "invalid JSON");
    assert_has(ask(POST("/containers/create")), "got EOF while reading request body");
}

static void refuses_a_body_beyond_its_limit(void **state)
{
    char *big = malloc(5 << 20);
    int fd = client();

    (void)state;
    memset(big, ' ', 5 << 20);
    say(fd, "POST /containers/create HTTP/1.1\r\nContent-Type: application/json\r\n"
            "Content-Length: 5242880\r\n\r\n");
    if (dv_write_all(fd, big, 5 << 20) == 0)
        fail_msg("all was taken");
    assert_has(hear(fd, NULL), "413 Content Too Large");
    close(fd);
    free(big);
}

static void tells_a_client_to_go_on(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "POST /containers/create HTTP/1.1\r\nContent-Type: application/json\r\n"
            "Expect: 100-continue\r\nContent-Length: 19\r\n\r\n");
    assert_string_equal(hear(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "{\"Image\":\"busybox\"}");
    assert_has(hear(fd, "}"), "201 Created");
    close(fd);
}

static void starts_and_stops(void **state)
{
    (void)state;
    assert_has(ask(POST("/v1.44/containers/web/start")), "204 No Content");
    assert_has(ask(POST("/v1.44/containers/web/start")), "304 Not Modified");
    assert_has(ask(POST("/containers/web/stop?t=7")), "204 No Content");
    assert_int_equal(fake.stop_timeout, 7);
    assert_has(ask(POST("/containers/web/kill?signal=bogus")), "400 Bad Request");
    assert_has(ask(POST("/containers/web/kill?signal=SIGUSR1")), "204 No Content");
    assert_int_equal(fake.killed_by, 10);
    assert_has(ask("DELETE /containers/web?force=1 HTTP/1.1\r\nConnection: close\r\n\r\n"),
               "204 No Content");
}

static void fire_wait(void *data)
{
    (void)data;
    fake.wait_fn(fake.wait_arg, 42, NULL);
}

static void waits_and_serves_on(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "POST /containers/web/wait HTTP/1.1\r\nHost: x\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n");
    assert_has(hear(fd, "\r\n\r\n"), "HTTP/1.1 200 OK\r\n");
    assert_true(fake_until(&fake.waits, 1));
    dv_loop_post(fake.engine.loop, fire_wait, NULL);
    assert_has(hear(fd, "OK\r\n"), "{\"StatusCode\":42}\n\r\n0\r\n\r\nHTTP/1.1 200 OK");
    close(fd);
    assert_has(ask(POST("/containers/web/wait?condition=never")), "400 Bad Request");
}

static void forgets_a_wait_whose_client_went(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "POST /containers/web/wait HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(fd, "\r\n\r\n");
    close(fd);
    assert_true(fake_until(&fake.cancelled_waits, 1));
}

static void hijacks_with_early_bytes(void **state)
{
    int fd = client();
    char buf[8] = "";

    (void)state;
    say(fd, "POST /v1.44/containers/web/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\nhello");
    assert_has(hear(fd, "\r\n\r\n"), "HTTP/1.1 101 UPGRADED\r\n"
                                     "Content-Type: application/vnd.docker.multiplexed-stream\r\n"
                                     "Connection: Upgrade\r\nUpgrade: tcp\r\n");
    assert_true(fake_until(&fake.attached, 1));
    assert_int_equal(fake.n_early, 5);
    assert_memory_equal(fake.early, "hello", 5);
    assert_int_equal(fake.attach_flags, 1 | 2 | 8);
    assert_int_equal(dv_write_all(fake.client_fd, "back", 4), 0);
    assert_string_equal(hear(fd, "back"), "back");
    say(fd, "more");
    assert_int_equal(recv(fake.client_fd, buf, 4, MSG_WAITALL), 4);
    close(fd);
}

static void hijacks_raw_behind_a_body(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "POST /exec/4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945/start "
            "HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"
            "{\"Tty\":true}xyz");
    assert_has(hear(fd, "\r\n\r\n"), "HTTP/1.1 200 OK\r\n"
                                     "Content-Type: application/vnd.docker.raw-stream\r\n");
    assert_true(fake_until(&fake.attached, 1));
    assert_int_equal(fake.n_early, 3);
    assert_memory_equal(fake.early, "xyz", 3);
    assert_int_equal(fake.attach_flags, 2);
    close(fd);
}

static void append_log(const char *line)
{
    int fd = openat(server.dir_fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_int_equal(dv_write_all(fd, line, strlen(line)), 0);
    close(fd);
}

#define LINE(text, when)                                                                           \
    "{\"log\":\"" text "\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:" when "Z\"}\n"

static void tell_more(void *data)
{
    fake.follow_fn(fake.follow_arg, data != NULL);
}

static void follows_logs_until_the_end(void **state)
{
    int fd = client();

    (void)state;
    fake.tty = true;
    append_log(LINE("one", "01") LINE("two", "02"));
    say(fd,
        "GET /containers/web/logs?stdout=1&follow=1&tail=1 HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_null(strstr(hear(fd, "two\n"), "one"));
    append_log(LINE("three", "03"));
    dv_loop_post(fake.engine.loop, tell_more, NULL);
    hear(fd, "three\n");
    append_log(LINE("four", "04"));
    dv_loop_post(fake.engine.loop, tell_more, &fake);
    assert_has(hear(fd, NULL), "four\n\r\n0\r\n\r\n");
    close(fd);
    assert_has(ask(GET("/containers/web/logs")),
               "Bad parameters: you must choose at least one stream");
}

#define ATTACH_LOGS(more)                                                                           \
    "POST /containers/web/attach?logs=1&stdout=1" more " HTTP/1.1\r\nConnection: Upgrade\r\n"     \
    "Upgrade: tcp\r\n\r\n"

/* What was written, then what the container holds back, then what comes: no byte lost or twice. */
static void attaches_behind_the_log(void **state)
{
    int fd = client();

    (void)state;
    fake.tty = true;
    fake.held_rest = "res";
    append_log(LINE("one", "01") LINE("two", "02"));
    say(fd, ATTACH_LOGS("&stream=1"));
    assert_has(hear(fd, "res"), "one\ntwo\nres");
    assert_true(fake_until(&fake.attached, 1));
    assert_true(fake_until(&fake.released, 1));
    assert_int_equal(dv_write_all(fake.client_fd, "t!", 2), 0);
    assert_string_equal(hear(fd, "t!"), "t!"); /* the socket is the container's */
    dv_close(fake.client_fd);
    fake.client_fd = -1;
    assert_string_equal(hear(fd, NULL), ""); /* and no more the server's */
    close(fd);
}

static void attaches_to_the_log_alone(void **state)
{
    int fd = client();
    const char *reply;

    (void)state;
    append_log(LINE("one", "01"));
    say(fd, ATTACH_LOGS(""));
    shutdown(fd, SHUT_WR);
    reply = hear(fd, "one\n");
    assert_has(reply, "101 UPGRADED");
    assert_string_equal(hear(fd, NULL), "");
    assert_int_equal(fake.attached, 0);
    close(fd);
}

/* The header is out: a failure comes in the stream, as the container's own words would. */
static void tells_in_the_stream_that_it_cannot_attach(void **state)
{
    static const char *const requests[] = { ATTACH_LOGS("&stream=1"),
                                            "POST /containers/web/attach?stream=1&stdout=1 HTTP/1.1\r\n"
                                            "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n" };

    (void)state;
    fake.tty = true;
    fake.attach_fails = true;
    append_log(LINE("one", "01"));
    for (size_t i = 0; i < N(requests); i++) {
        int fd = client();

        say(fd, requests[i]);
        assert_has(hear(fd, "here\r\n"), "101 UPGRADED");
        assert_string_equal(hear(fd, NULL), "");
        close(fd);
    }
    assert_int_equal(fake.attached, 0);
}

static void stops_following_when_the_client_went(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "GET /containers/web/logs?stdout=1&follow=1 HTTP/1.1\r\n\r\n");
    hear(fd, "\r\n\r\n");
    close(fd);
    assert_true(fake_until(&fake.followers, 0));
}

static void streams_events(void **state)
{
    const char *reply;

    (void)state;
    assert_has(ask(GET("/events?until=1")), "\r\n\r\n0\r\n\r\n");
    reply = ask(GET("/events?until=1700000001&filters=%7B%22type%22%3A%5B%22image%22%5D%7D"));
    assert_null(strstr(reply, "timeNano"));
    reply = ask(GET("/events?until=1700000001"));
    assert_has(reply, "\"Action\":\"start\"");
    assert_has(reply, "\"from\":\"busybox\"");
    assert_has(reply, "\"timeNano\":1700000000000000001");
    assert_has(ask(GET("/events?filters=%7B%22x%22%3A%5B%5D%7D")), "invalid filter 'x'");
}

static void loads_a_chunked_body(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "POST /images/load HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n");
    assert_true(fake_until(&fake.loaded_bytes, 5));
    say(fd, "3\r\nfgh\r\n0\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n");
    assert_has(hear(fd, "OK"), "HTTP/1.1 200 OK");
    assert_int_equal(fake.loaded_bytes, 8);
    close(fd);
    assert_has(
        ask("POST /images/load HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nBAD"),
        "{\"message\":\"invalid tar header\"}");
    assert_has(ask("POST /images/load HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"),
               "{\"message\":\"read the request body: the client closed the connection");
    assert_has(ask("POST /images/load HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
               "HTTP/1.1 400 ");
    assert_has(ask(POST("/images/create?fromImage=busybox&tag=1")), "cannot pull busybox:1");
}

static void gives_up_a_load_whose_client_went(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "POST /images/load HTTP/1.1\r\nContent-Length: 100\r\n\r\nabcde");
    assert_true(fake_until(&fake.loaded_bytes, 5));
    close(fd);
    assert_true(fake_until(&fake.loads, 1));
    assert_has(ask(GET("/_ping")), "OK");
}

static void streams_an_archive_to_its_end(void **state)
{
    const char *reply = ask(GET("/images/get?names=whole"));

    (void)state;
    assert_has(reply, "Content-Type: application/x-tar\r\n");
    assert_has(reply, "7\r\narchive\r\n0\r\n\r\n");
    assert_true(fake_until(&fake.saves, 0));
}

/* The status is out when it fails: the client must see that the body has no end. */
static void breaks_off_an_archive_that_failed(void **state)
{
    const char *reply = ask(GET("/images/broken/get"));

    (void)state;
    assert_has(reply, "7\r\narchive\r\n");
    assert_null(strstr(reply, "0\r\n\r\n"));
    assert_true(fake_until(&fake.saves, 0));
}

static void ends_an_archive_whose_client_went(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "GET /images/stuck/get HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(fd, "application/x-tar");
    assert_int_equal(fake.saves, 1);
    close(fd);
    assert_true(fake_until(&fake.saves, 0));
}

static void refuses_an_archive_before_it_begins(void **state)
{
    (void)state;
    assert_has(ask(GET("/images/get")), "HTTP/1.1 400 ");
    assert_has(ask(GET("/v1.48/images/get?names=whole&platform=linux")), "invalid platform");
    assert_has(ask(GET("/images/get?names=whole&platform=%7B%22os%22%3A%22linux%22%7D")),
               "os and architecture must be given");
    assert_has(ask(GET("/images/whole/get?platform=%7B%22os%22%3A%22linux%22%2C%22architecture%22"
                       "%3A%22arm64%22%2C%22variant%22%3A%22v8%22%7D")),
               "platform linux/arm64/v8");
    assert_has(ask(GET("/v1.47/images/whole/get?platform=unread")), "HTTP/1.1 200 ");
    assert_true(fake_until(&fake.saves, 0));
}

static void answers_while_slow_requests_wait(void **state)
{
    int fds[80];

    (void)state;
    pthread_mutex_lock(&fake.mutex);
    fake.block_stop = 1;
    pthread_mutex_unlock(&fake.mutex);
    for (size_t i = 0; i < N(fds); i++) {
        fds[i] = client();
        say(fds[i], "POST /containers/web/stop HTTP/1.1\r\n\r\n");
    }
    assert_true(fake_until(&fake.stopped, 64)); /* as many threads as may wait so */
    assert_has(ask(GET("/_ping")), "OK");
    assert_has(ask("POST /containers/create HTTP/1.1\r\nContent-Type: application/json\r\n"
                   "Connection: close\r\nContent-Length: 19\r\n\r\n{\"Image\":\"busybox\"}"),
               "201 Created");
    pthread_mutex_lock(&fake.mutex);
    fake.block_stop = 0;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.mutex);
    for (size_t i = 0; i < N(fds); i++) {
        hear(fds[i], "204 No Content");
        close(fds[i]);
    }
}

#define CREATE_HEAD "POST /containers/create HTTP/1.1\r\nContent-Type: application/json\r\n"

/* More of them than there are threads: each would hold one, if threads read bodies. */
static void slow_bodies_cost_no_thread(void **state)
{
    enum { CLIENTS = 200 };
    int fds[CLIENTS];

    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client();
        say(fds[i], i % 2 ? CREATE_HEAD "Content-Length: 19\r\n\r\n{\"Image\":"
                          : "POST /containers/%63reate HTTP/1.1\r\nContent-Length: 5\r\n\r\n{");
    }
    assert_has(ask(GET("/_ping")), "OK");
    assert_has(ask(CREATE_HEAD "Connection: close\r\nContent-Length: 19\r\n\r\n"
                               "{\"Image\":\"busybox\"}"), "201 Created");
    for (int i = 1; i < CLIENTS; i += 2)
        say(fds[i], "\"busybox\"}");
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 2)
            hear(fds[i], "201 Created");
        close(fds[i]);
    }
}

/* What a client does not take of its reply waits in the loop. */
static void unread_replies_cost_no_thread(void **state)
{
    enum { CLIENTS = 200, REQUESTS = 400 };
    static const char request[] = "GET /info HTTP/1.1\r\nHost: x\r\n\r\n";
    char many[sizeof(request) * REQUESTS] = "";
    int fds[CLIENTS];

    (void)state;
    for (int i = 0; i < REQUESTS; i++)
        memcpy(many + i * (sizeof(request) - 1), request, sizeof(request));
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client();
        assert_true(send(fds[i], many, strlen(many), MSG_DONTWAIT) > 0);
    }
    assert_has(ask(GET("/_ping")), "OK");
    for (int i = 0; i < CLIENTS; i++) {
        hear(fds[i], "ContainersRunning");
        close(fds[i]);
    }
    assert_has(ask(GET("/_ping")), "OK");
}

static void refuses_a_body_that_ends_too_early(void **state)
{
    const char *reply = ask(CREATE_HEAD "Content-Length: 19\r\n\r\n{\"Image\":");

    (void)state;
    assert_has(reply, "400 Bad Request");
    assert_has(reply, "{\"message\":\"the request body ends too early\"}");
}

/* The body that nobody wants is read to its end, so that the next request is understood. */
static void skips_a_body_that_nobody_wants(void **state)
{
    int fd = client();

    (void)state;
    say(fd, "POST /nowhere HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345");
    hear(fd, "page not found");
    say(fd, "67890GET /_ping HTTP/1.1\r\n\r\n");
    hear(fd, "200 OK");
    close(fd);
}

/* One more than the limit: who waits longest for its next request goes. */
static void closes_an_idle_connection_for_a_new_one(void **state)
{
    int fds[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        fds[i] = client();
        say(fds[i], i == 0 ? "GET /_ping HT" : "GET /_ping HTTP/1.1\r\n\r\n");
        if (i > 0)
            hear(fds[i], "OK");
    }
    assert_has(ask(GET("/_ping")), "OK");
    assert_has(hear(fds[0], NULL), "davitd serves 4 connections at once");
    for (int i = 1; i < 4; i++) {
        say(fds[i], "GET /_ping HTTP/1.1\r\n\r\n");
        hear(fds[i], "200 OK");
    }
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void refuses_more_than_its_limit_of_busy_connections(void **state)
{
    int fds[4], refused;

    (void)state;
    for (int i = 0; i < 4; i++) {
        fds[i] = client();
        say(fds[i], "POST /containers/web/wait HTTP/1.1\r\nHost: x\r\n\r\n");
        hear(fds[i], "200 OK");
    }
    refused = client();
    assert_has(hear(refused, NULL), "davitd serves 4 connections at once, and all are in use");
    close(refused);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    assert_true(fake_until(&fake.cancelled_waits, 4));
    assert_has(ask(GET("/_ping")), "OK");
}

static void lists_and_inspects(void **state)
{
    const char *reply;

    (void)state;
    assert_has(ask(GET("/containers/json")), "\r\n\r\n[]\n");
    reply = ask(GET("/containers/json?all=1"));
    assert_has(reply, "\"Names\":[\"/web\"]");
    assert_has(reply, "\"Status\":\"Created\"");
    assert_has(reply, "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Destination\":\"/b\","
                      "\"Mode\":\"ro\",\"RW\":false,\"Propagation\":\"rprivate\"}]");
    assert_has(
        ask(GET("/containers/json?all=1&filters=%7B%22label%22%3A%7B%22a%3Dc%22%3Atrue%7D%7D")),
        "\r\n\r\n[]\n");
    reply = ask(GET("/v1.51/containers/web/json"));
    assert_has(reply, "\"Name\":\"/web\"");
    assert_has(reply, "\"StartedAt\":\"0001-01-01T00:00:00Z\"");
    assert_has(reply, "\"CgroupnsMode\":\"private\"");
    assert_has(reply, "\"Hostname\":\"4f53cda18c2b\"");
    assert_has(ask(GET("/info")), "\"ContainersRunning\":0");
    assert_has(ask(GET("/images/none/json")), "No such image: none");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define LIMITED(fn) cmocka_unit_test_setup_teardown(fn, set_up_limited, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(answers_ping),
        TEST(answers_what_it_does_not_have),
        TEST(refuses_broken_requests),
        TEST(keeps_the_connection_and_pipelines),
        TEST(reads_json_bodies),
        TEST(refuses_a_body_beyond_its_limit),
        TEST(tells_a_client_to_go_on),
        TEST(starts_and_stops),
        TEST(waits_and_serves_on),
        TEST(forgets_a_wait_whose_client_went),
        TEST(hijacks_with_early_bytes),
        TEST(hijacks_raw_behind_a_body),
        TEST(follows_logs_until_the_end),
        TEST(attaches_behind_the_log),
        TEST(attaches_to_the_log_alone),
        TEST(tells_in_the_stream_that_it_cannot_attach),
        TEST(stops_following_when_the_client_went),
        TEST(streams_events),
        TEST(loads_a_chunked_body),
        TEST(gives_up_a_load_whose_client_went),
        TEST(streams_an_archive_to_its_end),
        TEST(breaks_off_an_archive_that_failed),
        TEST(ends_an_archive_whose_client_went),
        TEST(refuses_an_archive_before_it_begins),
        TEST(answers_while_slow_requests_wait),
        TEST(slow_bodies_cost_no_thread),
        TEST(unread_replies_cost_no_thread),
        TEST(refuses_a_body_that_ends_too_early),
        TEST(skips_a_body_that_nobody_wants),
        LIMITED(closes_an_idle_connection_for_a_new_one),
        LIMITED(refuses_more_than_its_limit_of_busy_connections),
        TEST(lists_and_inspects),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
