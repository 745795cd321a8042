/* attach.c - POST /containers/{id}/attach: the client's socket goes to the container. */
#include <stdio.h>
#include <string.h>

#include "core/api/conn.h"
#include "core/api/containers.h"
#include "core/api/frame.h"
#include "core/api/handlers.h"
#include "core/api/log_reader.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/container/config.h"
#include "core/shim/protocol.h"

static unsigned stream_flags(const struct dv_request *req)
{
    static const struct {
        const char *name;
        unsigned flag;
    } names[] = {
        { "stdin", DV_ATTACH_STDIN },
        { "stdout", DV_ATTACH_STDOUT },
        { "stderr", DV_ATTACH_STDERR },
    };
    unsigned flags = 0;

    for (size_t i = 0; i < N(names); i++)
        if (dv_query_bool(req, names[i].name, false))
            flags |= names[i].flag;
    return flags;
}

/* What was written before: for clients that ask for "logs". */
static int replay(struct dv_container *c, const struct dv_attach *a, struct dv_error *err)
{
    struct dv_log_query query = { .out = a->flags & DV_ATTACH_STDOUT,
                                  .err = a->flags & DV_ATTACH_STDERR,
                                  .framed = a->flags & DV_ATTACH_FRAMED, .tail = -1 };
    dv_autobuf out = DV_BUF_INIT(DV_LOG_BATCH_MAX, "log");
    dv_auto(dv_log_reader) *reader = NULL;
    int r = dv_log_open(c, &query, &reader, err);

    if (r < 0)
        return r;
    do {
        r = dv_log_read(reader, &out, err);
        if (r < 0)
            return r;
        if (dv_write_all(a->fd, out.data, out.len) < 0)
            return dv_fail(err, DV_E_CANCELED, "the client is gone");
        dv_buf_reset(&out);
    } while (r == 1);
    return 0;
}

static int attach(struct dv_request *req, struct dv_container *c, struct dv_attach *a,
                  struct dv_error *err)
{
    int r = 0;

    if (dv_query_bool(req, "logs", false))
        r = replay(c, a, err);
    if (r == 0 && dv_query_bool(req, "stream", false))
        return dv_container_attach(c, a, err); /* takes a->fd */
    if (r == 0)
        dv_close(a->fd);
    return r;
}

/* The header is out, so what fails now is told inside the stream. */
static void tell_failure(const struct dv_attach *a, const struct dv_error *err)
{
    dv_autobuf out = DV_BUF_INIT(4096, "error");
    struct dv_error ignored = { 0 };
    dv_autofree char *text = dv_format("%s\r\n", err->msg);

    if (text && dv_frame_put(&out, DV_FRAME_STDERR, text, strlen(text),
                             (a->flags & DV_ATTACH_FRAMED) != 0, &ignored) == 0 &&
        dv_write_all(a->fd, out.data, out.len) < 0)
        dv_log_debug(NULL, "attach: the client is gone: %m");
    dv_close(a->fd);
}

int dv_api_container_attach(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    dv_autoview view = { 0 };
    dv_autofree char *early = NULL;
    const char *keys = dv_query(req, "detachKeys");
    char key_bytes[DV_DETACH_KEYS_MAX];
    struct dv_attach a = { .fd = -1, .flags = stream_flags(req) };
    struct dv_gate_pass pass;
    int r = dv_detach_keys(keys ? keys : "", key_bytes, &a.n_detach_keys, err);

    if (r == 0)
        r = dv_request_container(req, &c, err);
    if (r == 0)
        r = dv_container_look(c, &view, err);
    if (r == 0)
        r = dv_container_attach_check(c, err);
    if (r < 0)
        return r;
    if (a.n_detach_keys)
        a.detach_keys = key_bytes;
    if (!view.tty)
        a.flags |= DV_ATTACH_FRAMED;
    if (!view.open_stdin)
        a.flags &= ~(unsigned)DV_ATTACH_STDIN;
    dv_gate_enter(&req->conn->api->gate, c, &pass);
    r = dv_reply_hijack(req, !view.tty, &a.fd, &early, &a.n_early, err);
    if (r < 0) {
        dv_gate_leave(&pass);
        return r;
    }
    a.early = early;
    r = attach(req, c, &a, err);
    dv_gate_leave(&pass);
    if (r < 0) {
        dv_log_error(NULL, "attach to container %s: %s", view.id, err->msg);
        tell_failure(&a, err);
    }
    return 0;
}
