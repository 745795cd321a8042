/* attach.c - POST /containers/{id}/attach: the client's socket goes to the container. */
#include <stdio.h>
#include <string.h>

#include "core/api/conn.h"
#include "core/api/containers.h"
#include "core/api/frame.h"
#include "core/api/handlers.h"
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
    if (dv_query_bool(req, "logs", false))
        return dv_attach_behind_log(req, dv_take(c), &a, dv_query_bool(req, "stream", false), err);
    dv_gate_enter(&req->conn->api->gate, c, &pass);
    r = dv_reply_hijack(req, !view.tty, &a.fd, &early, &a.n_early, err);
    if (r < 0) {
        dv_gate_leave(&pass);
        return r;
    }
    a.early = early;
    if (dv_query_bool(req, "stream", false))
        r = dv_container_attach(c, &a, err); /* takes a.fd */
    else
        dv_close(a.fd);
    dv_gate_leave(&pass);
    if (r < 0) {
        dv_log_error(NULL, "attach to container %s: %s", view.id, err->msg);
        tell_failure(&a, err);
    }
    return 0;
}
