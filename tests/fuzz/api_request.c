/* api_request.c - fuzz target: whole requests to the API server through its socket, with a fake engine
 * behind it: every handler's reading of path, query, header and body. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/api/api.h"
#include "core/base/file.h"
#include "core/base/loop.h"
#include "core/base/sock.h"
#include "core/volume/volume.h"
#include "fuzz.h"
#include "tests/unit/api_fakes.h"

enum { ANSWER_MS = 200 };

/* The server's threads come and go meanwhile: what they hold is no leak yet. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* ---- volumes: none there, and any can be made ---- */

int dv_volume_create(struct dv_volumes *volumes, const struct dv_volume_req *req,
                     char ret_name[DV_VOLUME_NAME_BYTES], struct dv_error *err)
{
    (void)volumes;
    (void)err;
    snprintf(ret_name, DV_VOLUME_NAME_BYTES, "%s", dv_empty(req->name) ? "anonymous" : req->name);
    return 0;
}

static int no_volume(const char *name, struct dv_error *err)
{
    return dv_fail(err, DV_E_NOT_FOUND, "get %s: no such volume", name);
}

int dv_volume_look(struct dv_volumes *volumes, const char *name, struct dv_volume_view *ret,
                   struct dv_error *err)
{
    (void)volumes;
    (void)ret;
    return no_volume(name, err);
}

int dv_volume_list(struct dv_volumes *volumes, struct dv_volume_view **ret, size_t *ret_n,
                   struct dv_error *err)
{
    (void)volumes;
    (void)err;
    *ret = NULL;
    *ret_n = 0;
    return 0;
}

int dv_volume_remove(struct dv_volumes *volumes, const char *name, bool force, struct dv_error *err)
{
    (void)volumes;
    return force ? 0 : no_volume(name, err);
}

int64_t dv_volume_size(struct dv_volumes *volumes, const char *name)
{
    (void)volumes;
    (void)name;
    return -1;
}

void dv_volume_view_done(struct dv_volume_view *view)
{
    (void)view;
}

void dv_volume_views_free(struct dv_volume_view *list, size_t n)
{
    (void)list;
    (void)n;
}

/* ---- the server ---- */

static void *serve(void *arg)
{
    struct dv_error err = { 0 };

    (void)arg;
    if (dv_loop_run(fake.engine.loop, &err) < 0)
        fuzz_fail("run the loop", err.msg);
    return NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct dv_error err = { 0 };
    struct dv_api *api;
    pthread_t thread;
    int fd;

    (void)argc;
    (void)argv;
    fake_reset();
    snprintf(fake.log_dir, sizeof(fake.log_dir), "%s", fuzz_dir_path());
    if (dv_loop_new(&fake.engine.loop, &err) < 0)
        fuzz_fail("a loop", err.msg);
    fd = dv_sock_listen(fuzz_dir(), "sock", SOCK_STREAM, 0600, &err);
    if (fd < 0 || dv_api_start(&fake.engine, &fd, 1, &api, &err) < 0)
        fuzz_fail("a server", err.msg);
    return pthread_create(&thread, NULL, serve, NULL);
}

/* An answer's first bytes: "HTTP/1.1 4.." for what it could not read; a silence is none of a parser's. */
static void hear(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char buf[4096];
    ssize_t n;

    if (poll(&p, 1, ANSWER_MS) <= 0)
        return;
    n = recv(fd, buf, sizeof(buf) - 1, 0);
    if (n > 0 && (n < 9 || memcmp(buf, "HTTP/1.", 7) != 0))
        fuzz_fail("no answer in HTTP", "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_error err = { 0 };
    int fd = dv_sock_connect(fuzz_dir(), "sock", SOCK_STREAM, &err);

    if (fd < 0)
        fuzz_fail("connect", err.msg);
    if (send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
        shutdown(fd, SHUT_WR);
        hear(fd);
    }
    close(fd);
    return 0;
}
