/* image_load.c - images that come in the request's body: load and import. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "core/api/build.h"
#include "core/api/conn.h"
#include "core/api/handlers.h"
#include "core/api/messages.h"
#include "core/api/platform.h"
#include "core/api/request.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"

/* The job reads a pipe and blocks its thread, so another thread carries the body there. After the
 * body it watches for the client's end: whoever presses Ctrl-C wants the job to end. */
struct pump {
    struct dv_request *req;
    pthread_t thread;
    int pipe_fd;              /* to the job; the pump closes it */
    int stop_fd;              /* eventfd: the job is over */
    int cancel_fd;            /* eventfd: the client is over */
    bool broken;              /* the body ended too early, or the job did not want all of it */
    struct dv_error err;      /* why the body has no proper end */
};

static void signal_fd(int fd)
{
    uint64_t one = 1;

    (void)!write(fd, &one, sizeof(one));
}

static int pump_body(struct pump *p)
{
    char buf[16 << 10];

    for (;;) {
        size_t n = 0;

        if (dv_request_read(p->req, buf, sizeof(buf), /* timeout_ms */ -1, p->stop_fd, &n, &p->err) <
            0)
            return -1;
        if (n == 0)
            return 0;
        if (dv_write_all(p->pipe_fd, buf, n) < 0)
            return -1;
    }
}

static void watch_client(const struct pump *p)
{
    struct pollfd fds[2] = { { .fd = p->stop_fd, .events = POLLIN },
                             { .fd = p->req->conn->fd, .events = 0 } }; /* hang-up alone */
    int n;

    do
        n = poll(fds, 2, -1);
    while (n < 0 && errno == EINTR);
    if (n > 0 && !fds[0].revents)
        signal_fd(p->cancel_fd);
}

static void *pump_main(void *arg)
{
    struct pump *p = arg;

    pthread_setname_np(pthread_self(), "body");
    p->broken = pump_body(p) < 0;
    if (p->broken) {
        struct pollfd stop = { .fd = p->stop_fd, .events = POLLIN };

        /* A body cut short must not pass for a whole one; unless it is the job that is over. */
        if (poll(&stop, 1, 0) == 0)
            signal_fd(p->cancel_fd);
    }
    dv_close(dv_take_fd(p->pipe_fd));
    if (!p->broken)
        watch_client(p);
    return NULL;
}

static void pump_close(struct pump *p)
{
    dv_close(p->pipe_fd);
    dv_close(p->stop_fd);
    dv_close(p->cancel_fd);
}

/* *RET_FD is the job's end of the pipe. */
static int pump_start(struct pump *p, struct dv_request *req, int *ret_fd, struct dv_error *err)
{
    pthread_attr_t attr;
    int fds[2], r;

    *p = (struct pump){ .req = req, .pipe_fd = -1 };
    p->stop_fd = eventfd(0, EFD_CLOEXEC);
    p->cancel_fd = eventfd(0, EFD_CLOEXEC);
    if (p->stop_fd < 0 || p->cancel_fd < 0 || pipe2(fds, O_CLOEXEC) < 0) {
        r = dv_fail_errno(err, DV_E_INTERNAL, "make a pipe for the request body");
        pump_close(p);
        return r;
    }
    p->pipe_fd = fds[1];
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    errno = pthread_create(&p->thread, &attr, pump_main, p); /* inherits the blocked signals */
    pthread_attr_destroy(&attr);
    if (errno != 0) {
        r = dv_fail_errno(err, DV_E_UNAVAILABLE, "start a thread for the request body");
        dv_close(fds[0]);
        pump_close(p);
        return r;
    }
    *ret_fd = fds[0];
    return 0;
}

/* The job's end of the pipe must be closed before: a pump that writes gets EPIPE then. R and ERR are the
 * job's; one that ended because its body did is the client's fault. */
static int pump_end(struct pump *p, int r, struct dv_error *err)
{
    signal_fd(p->stop_fd);
    pthread_join(p->thread, NULL);
    if (p->broken)
        p->req->keep_alive = false;
    pump_close(p);
    return r == -DV_E_CANCELED && p->err.code
               ? dv_fail(err, DV_E_INVALID, "read the request body: %s", p->err.msg)
               : r;
}

/* ---- progress ---- */

/* One JSON object a line, each with its CRLF; the first one sends the header. */
static void put_message(struct dv_request *req, json_object *take)
{
    dv_autojson json_object *obj = take;
    dv_autofree char *text = dv_json_text(obj), *line = NULL;

    line = text ? dv_format("%s\r\n", text) : NULL;
    if (!line)
        return;
    if (req->state == DV_REPLY_NONE)
        dv_reply_begin(req, 200, "application/json");
    dv_reply_chunk(req, line, strlen(line));
}

static void put_field(struct dv_request *req, const char *key, const char *text)
{
    json_object *obj = json_object_new_object();

    dv_put_str(obj, key, text);
    put_message(req, obj);
}

static void put_failure(struct dv_request *req, const struct dv_error *err)
{
    json_object *obj = json_object_new_object(), *detail = json_object_new_object();

    dv_put_str(detail, "message", err->msg);
    dv_put(obj, "errorDetail", detail);
    dv_put_str(obj, "error", err->msg);
    put_message(req, obj);
}

/* After the first byte the status is 200, so a failure goes into the stream. */
static int finish(struct dv_request *req, int r, struct dv_error *err)
{
    if (r < 0 && req->state == DV_REPLY_NONE)
        return r;
    if (r < 0) {
        dv_request_advise(req, err);
        put_failure(req, err);
    } else if (req->state == DV_REPLY_NONE)
        dv_reply_begin(req, 200, "application/json");
    dv_reply_end(req);
    return 0;
}

/* ---- load ---- */

static void on_message(void *arg, const char *text)
{
    put_field(arg, "stream", text);
}

int dv_api_image_load(struct dv_request *req, struct dv_error *err)
{
    dv_autofree char *platform = NULL;
    struct pump pump;
    int fd = -1;
    int r = dv_query_platform(req, &platform, err);

    r = r < 0 ? r : dv_platform_check_host(platform, err);
    r = r < 0 ? r : pump_start(&pump, req, &fd, err);
    if (r < 0)
        return r;
    r = dv_image_load(req->engine->images, fd, pump.cancel_fd, on_message, req, err);
    dv_close(fd);
    r = pump_end(&pump, r, err);
    return finish(req, r, err);
}

/* ---- create: import from the body; a pull comes later ---- */

static int collect_changes(struct dv_request *req, struct dv_strv *changes, struct dv_error *err)
{
    for (size_t i = 0; i < req->query_keys.n; i++)
        if (dv_streq(req->query_keys.items[i], "changes") &&
            dv_strv_add(changes, req->query_values.items[i]) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for the changes");
    return 0;
}

static int import(struct dv_request *req, struct dv_error *err)
{
    struct dv_image_import wish = { .repository = dv_query(req, "repo"),
                                    .tag = dv_query(req, "tag"),
                                    .message = dv_query(req, "message"),
                                    .platform = dv_query(req, "platform") };
    dv_autofree char *id = NULL;
    struct pump pump;
    int fd = -1;
    int r = collect_changes(req, &wish.changes, err);

    if (r == 0)
        r = pump_start(&pump, req, &fd, err);
    if (r == 0) {
        r = dv_image_import(req->engine->images, fd, pump.cancel_fd, &wish, &id, err);
        dv_close(fd);
        r = pump_end(&pump, r, err);
        if (r == 0)
            put_field(req, "status", id);
        r = finish(req, r, err);
    }
    dv_strv_done(&wish.changes);
    return r;
}

/* By the name that people use: clients send "docker.io/library/busybox". */
static int cannot_pull(const char *name, struct dv_error *err)
{
    struct dv_ref ref = { 0 };

    if (dv_ref_parse(name, &ref, err) < 0)
        return -err->code;
    dv_fail(err, DV_E_UNSUPPORTED, DV_MSG_NO_PULL, ref.digest ? name : ref.familiar);
    dv_ref_done(&ref);
    return -err->code;
}

int dv_api_image_create(struct dv_request *req, struct dv_error *err)
{
    const char *image = dv_query(req, "fromImage"), *source = dv_query(req, "fromSrc");
    const char *tag = dv_query(req, "tag");
    dv_autofree char *name = NULL;

    if (!dv_empty(image)) {
        bool digest = !dv_empty(tag) && strchr(tag, ':');

        name = dv_empty(tag) ? dv_strdup(image)
                             : dv_format("%s%s%s", image, digest ? "@" : ":", tag);
        return cannot_pull(name ? name : image, err);
    }
    if (dv_empty(source))
        return dv_fail(err, DV_E_INVALID, "fromImage or fromSrc must be given");
    if (!dv_streq(source, "-"))
        return dv_fail(err, DV_E_UNSUPPORTED, "importing from an URL is not supported yet ('%s'); "
                                              "send the archive with the request (fromSrc=-)",
                       source);
    return import(req, err);
}
