/* exec.c - further processes in a container: create, start, inspect, resize. */
#include <stddef.h>

#include "core/api/containers.h"
#include "core/api/handlers.h"
#include "core/base/log.h"
#include "core/daemon/engine.h"
#include "core/shim/protocol.h"

/* Engine API: ExecConfig, and ConsoleSize of both requests ([height, width]). */
struct exec_body {
    struct dv_exec_config c;
    json_object *console_size;
};
#define AT(member) offsetof(struct exec_body, member)
static const struct dv_json_field exec_fields[] = {
    { "AttachStdin", DV_JSON_BOOL, AT(c.attach_stdin) },
    { "AttachStdout", DV_JSON_BOOL, AT(c.attach_stdout) },
    { "AttachStderr", DV_JSON_BOOL, AT(c.attach_stderr) },
    { "ConsoleSize", DV_JSON_RAW, AT(console_size) },
    { "DetachKeys", DV_JSON_STR, AT(c.detach_keys) },
    { "Tty", DV_JSON_BOOL, AT(c.tty) },
    { "Env", DV_JSON_STRV, AT(c.env) },
    { "Cmd", DV_JSON_STRV, AT(c.cmd) },
    { "Privileged", DV_JSON_BOOL, AT(c.privileged) },
    { "User", DV_JSON_STR, AT(c.user) },
    { "WorkingDir", DV_JSON_STR, AT(c.working_dir) },
};

static int create(struct dv_request *req, struct exec_body *body, char id[65],
                  struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    int r;

    if (body->c.cmd.n == 0)
        return dv_fail(err, DV_E_INVALID, "No exec command specified");
    r = dv_detach_keys(body->c.detach_keys ? body->c.detach_keys : "", body->c.key_bytes,
                       &body->c.n_key_bytes, err);
    if (r < 0) /* Docker's other word for them, here */
        return dv_fail(err, DV_E_INVALID, "Invalid escape keys (%s) provided",
                       body->c.detach_keys);
    if (r == 0 && req->version >= 42)
        r = dv_json_size(body->console_size, "ConsoleSize", &body->c.rows, &body->c.cols, err);
    if (r == 0 && !dv_empty(body->c.working_dir) && *body->c.working_dir != '/')
        r = dv_fail(err, DV_E_INVALID, "the working directory '%s' is invalid, it needs to be an "
                                       "absolute path", body->c.working_dir);
    if (r == 0)
        r = dv_request_container(req, &c, err);
    return r < 0 ? r : dv_exec_create(c, &body->c, id, err);
}

int dv_api_exec_create(struct dv_request *req, struct dv_error *err)
{
    dv_autojson json_object *json = NULL;
    struct exec_body body = { 0 };
    json_object *reply;
    char id[65];
    int r = dv_request_json(req, /* may_be_empty */ false, &json, err);

    if (r == 0)
        r = dv_json_decode(json, exec_fields, N(exec_fields), &body, err);
    if (r == 0)
        r = create(req, &body, id, err);
    json_object_put(body.console_size);
    dv_exec_config_done(&body.c);
    if (r < 0)
        return r;
    reply = json_object_new_object();
    dv_put_str(reply, "Id", id);
    dv_reply_json(req, 201, reply);
    return 0;
}

/* Engine API: ExecStartConfig. */
struct start_body {
    bool detach, tty;
    json_object *console_size;
};
static const struct dv_json_field start_fields[] = {
    { "Detach", DV_JSON_BOOL, offsetof(struct start_body, detach) },
    { "Tty", DV_JSON_BOOL, offsetof(struct start_body, tty) },
    { "ConsoleSize", DV_JSON_RAW, offsetof(struct start_body, console_size) },
};

static unsigned attach_flags(const struct dv_exec_view *v, bool tty)
{
    return (v->attach_stdin ? DV_ATTACH_STDIN : 0u) | (v->attach_stdout ? DV_ATTACH_STDOUT : 0u) |
           (v->attach_stderr ? DV_ATTACH_STDERR : 0u) | (tty ? 0u : DV_ATTACH_FRAMED);
}

static int start_attached(struct dv_request *req, const struct start_body *body, uint16_t rows,
                          uint16_t cols, struct dv_error *err)
{
    struct dv_containers *cs = req->engine->containers;
    struct dv_exec_view view = { 0 };
    dv_autofree char *early = NULL;
    struct dv_attach a = { .fd = -1 };
    int r = dv_exec_look(cs, req->params[0], &view, err);

    if (r < 0)
        return r;
    a.flags = attach_flags(&view, body->tty);
    dv_exec_view_done(&view);
    r = dv_reply_hijack(req, !body->tty, &a.fd, &early, &a.n_early, err);
    if (r < 0)
        return r;
    a.early = early;
    /* The header is out and the socket given away: the stream tells the client of a failure. */
    if (dv_exec_start(cs, req->params[0], &a, rows, cols, err) < 0)
        dv_log_debug(NULL, "exec %s: %s", req->params[0], err->msg);
    return 0;
}

int dv_api_exec_start(struct dv_request *req, struct dv_error *err)
{
    struct dv_containers *cs = req->engine->containers;
    dv_autojson json_object *json = NULL;
    struct start_body body = { 0 };
    uint16_t rows = 0, cols = 0;
    int r = dv_request_json(req, /* may_be_empty */ true, &json, err);

    if (r == 0 && json)
        r = dv_json_decode(json, start_fields, N(start_fields), &body, err);
    if (r == 0 && req->version >= 42)
        r = dv_json_size(body.console_size, "ConsoleSize", &rows, &cols, err);
    json_object_put(body.console_size);
    if (r == 0)
        r = dv_exec_start_check(cs, req->params[0], err);
    if (r < 0)
        return r;
    if (!body.detach)
        return start_attached(req, &body, rows, cols, err);
    r = dv_exec_start(cs, req->params[0], /* attach */ NULL, rows, cols, err);
    if (r == 0)
        dv_reply_empty(req, 200);
    return r;
}

static json_object *inspect_json(const struct dv_exec_view *v)
{
    json_object *obj = json_object_new_object(), *process = json_object_new_object();
    dv_autofree char *keys = dv_base64(v->key_bytes, v->n_key_bytes);
    struct dv_strv args = { 0 };

    if (v->cmd.n > 1) /* borrowed: all but the first */
        args = (struct dv_strv){ v->cmd.items + 1, v->cmd.n - 1 };
    dv_put_str(obj, "ID", v->id);
    dv_put_bool(obj, "Running", v->running);
    dv_put(obj, "ExitCode", v->has_exit_code ? json_object_new_int64(v->exit_code) : NULL);
    dv_put_bool(process, "tty", v->tty);
    dv_put_str(process, "entrypoint", v->cmd.n ? v->cmd.items[0] : "");
    dv_put(process, "arguments", dv_json_strings(&args));
    dv_put_bool(process, "privileged", v->privileged);
    if (!dv_empty(v->user))
        dv_put_str(process, "user", v->user);
    dv_put(obj, "ProcessConfig", process);
    dv_put_bool(obj, "OpenStdin", v->attach_stdin);
    dv_put_bool(obj, "OpenStderr", v->attach_stderr);
    dv_put_bool(obj, "OpenStdout", v->attach_stdout);
    dv_put_bool(obj, "CanRemove", v->has_exit_code);
    dv_put_str(obj, "ContainerID", v->container_id);
    dv_put_str(obj, "DetachKeys", keys ? keys : "");
    dv_put_int(obj, "Pid", v->pid);
    return obj;
}

int dv_api_exec_inspect(struct dv_request *req, struct dv_error *err)
{
    struct dv_exec_view view = { 0 };
    int r = dv_exec_look(req->engine->containers, req->params[0], &view, err);

    if (r < 0)
        return r;
    dv_reply_json(req, 200, inspect_json(&view));
    dv_exec_view_done(&view);
    return 0;
}

int dv_api_exec_resize(struct dv_request *req, struct dv_error *err)
{
    unsigned rows, cols;
    int r = dv_query_size(req, &rows, &cols, err);

    if (r == 0)
        r = dv_exec_resize(req->engine->containers, req->params[0], rows, cols, err);
    if (r == 0)
        dv_reply_empty(req, 200);
    return r;
}
