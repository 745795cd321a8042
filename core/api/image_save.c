/* image_save.c - GET /images/get and /images/{name}/get: images as one archive.
 *
 * A davit-worker writes it into a pipe; the loop's thread carries that to the client as fast as it
 * takes it. A client that reads slowly stops the worker, and costs no thread. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/api/handlers.h"
#include "core/api/platform.h"
#include "core/api/request.h"
#include "core/api/stream.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"

enum { PIECE_BYTES = 64 << 10 };

struct download {
    struct dv_image_save *save;
    struct dv_stream *stream;
    struct dv_watch *watch;          /* on the pipe, while it is empty */
};

static void finish(struct download *d)
{
    struct dv_error err = { 0 };

    if (dv_image_save_result(d->save, &err) == 0) {
        dv_stream_end(d->stream);
        return;
    }
    /* The header has gone out: only a reply that breaks off can say that it is not whole. */
    dv_log_error(NULL, "save images: %s", err.msg);
    dv_stream_abort(d->stream);
}

/* A watch on a pipe tells its end for ever, so it is there only while there is nothing to read. */
static void on_pipe(void *arg, uint32_t events)
{
    struct download *d = arg;

    (void)events;
    dv_watch_remove(d->watch);
    d->watch = NULL;
    dv_stream_want(d->stream);
}

static void wait_for_pipe(struct download *d)
{
    struct dv_error err = { 0 };

    if (d->watch || dv_loop_add(dv_stream_loop(d->stream), dv_image_save_fd(d->save), EPOLLIN,
                                on_pipe, d, &d->watch, &err) == 0)
        return;
    dv_log_error(NULL, "save images: %s", err.msg);
    dv_stream_abort(d->stream);
}

static void pull(void *arg, struct dv_stream *stream)
{
    struct download *d = arg;
    char piece[PIECE_BYTES];
    ssize_t n = read(dv_image_save_fd(d->save), piece, sizeof(piece));

    if (n > 0) {
        if (dv_stream_put(stream, piece, (size_t)n))
            dv_stream_want(stream);
    } else if (n == 0) {
        finish(d);
    } else if (errno == EINTR) {
        dv_stream_want(stream);
    } else {
        wait_for_pipe(d);
    }
}

static void start(void *arg, struct dv_stream *stream)
{
    struct download *d = arg;

    d->stream = stream;
    dv_stream_want(stream);
}

static void done(void *arg)
{
    struct download *d = arg;

    dv_watch_remove(d->watch);
    dv_image_save_free(d->save);
    free(d);
}

/* ---- the request ---- */

static int save(struct dv_request *req, const struct dv_strv *names, struct dv_error *err)
{
    static const struct dv_stream_ops ops = { .start = start, .pull = pull, .free = done };
    dv_autofree char *platform = NULL;
    struct download *d = NULL;
    int r = dv_query_platform(req, &platform, err);

    if (r < 0)
        return r;
    d = calloc(1, sizeof(*d));
    if (!d)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to save images");
    r = dv_image_save_start(req->engine->images, names, platform, &d->save, err);
    if (r < 0) {
        free(d);
        return r;
    }
    dv_reply_stream(req, 200, "application/x-tar", &ops, d);
    return 0;
}

int dv_api_image_get(struct dv_request *req, struct dv_error *err)
{
    char *items[] = { req->params[0], NULL };

    return save(req, &(struct dv_strv){ items, 1 }, err);
}

int dv_api_images_get(struct dv_request *req, struct dv_error *err)
{
    dv_autostrv names = { 0 };

    for (size_t i = 0; i < req->query_keys.n; i++)
        if (dv_streq(req->query_keys.items[i], "names") &&
            dv_strv_add(&names, req->query_values.items[i]) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for the names");
    return save(req, &names, err);
}
