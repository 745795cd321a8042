/* exec.c - exec: another process in a running container. */
#include <poll.h>

#include "cli/client/session.h"
#include "cli/container/commands.h"
#include "cli/container/create.h"
#include "core/base/time.h"

static json_object *console_size(void)
{
    json_object *size = dv_jarr();
    unsigned rows = 0, columns = 0;

    dv_terminal_size(STDOUT_FILENO, &rows, &columns);
    dv_jpush(size, json_object_new_int64(rows));
    dv_jpush(size, json_object_new_int64(columns));
    return size;
}

static int exec_env(const struct dv_cli_call *call, json_object *body, struct dv_error *err)
{
    const struct dv_strv *files = dv_cli_list(call, "env-file"), *flags = dv_cli_list(call, "env");
    dv_autostrv env = { 0 };
    size_t i;

    for (i = 0; i < files->n; i++)
        if (dv_read_lines(files->items[i], "env", true, &env, err) < 0)
            return -err->code;
    for (i = 0; i < flags->n; i++)
        dv_xadd(&env, flags->items[i]);
    dv_jset(body, "Env", dv_jstrv(&env, true));
    return 0;
}

static int exec_body(const struct dv_cli_call *call, json_object **ret, struct dv_error *err)
{
    bool detach = dv_cli_on(call, "detach"), tty = dv_cli_on(call, "tty");
    dv_autojson json_object *body = dv_jobj();
    json_object *cmd = dv_jarr();
    size_t i;

    for (i = 1; i < call->n_args; i++)
        dv_jpush(cmd, dv_jstr(call->args[i]));
    dv_jset_str(body, "User", dv_cli_str(call, "user"));
    dv_jset_bool(body, "Privileged", dv_cli_on(call, "privileged"));
    dv_jset_bool(body, "Tty", tty);
    if (tty)
        dv_jset(body, "ConsoleSize", console_size());
    dv_jset_bool(body, "AttachStdin", !detach && dv_cli_on(call, "interactive"));
    dv_jset_bool(body, "AttachStderr", !detach);
    dv_jset_bool(body, "AttachStdout", !detach);
    dv_jset_bool(body, "Detach", detach);
    dv_jset_str(body, "DetachKeys", dv_cli_str(call, "detach-keys"));
    dv_jset_str(body, "WorkingDir", dv_cli_str(call, "workdir"));
    dv_jset(body, "Cmd", cmd);
    if (exec_env(call, body, err) < 0)
        return -err->code;
    *ret = dv_take(body);
    return 0;
}

static int exec_create(const struct dv_cli_call *call, json_object *body, char **ret_id,
                       struct dv_error *err)
{
    dv_autojson json_object *reply = NULL;
    dv_autobuf target = DV_TEXT_INIT;
    int r;

    dv_xput(&target, "/containers/");
    dv_xput_escaped(&target, call->args[0]);
    dv_xput(&target, "/exec");
    r = dv_client_call(call->client, "POST", target.data, body, &reply, err);
    if (r < 0)
        return r;
    if (!*dv_jget_str(reply, "Id"))
        return dv_fail(err, DV_E_INVALID, "the daemon made an exec session without an ID");
    *ret_id = dv_xstrdup(dv_jget_str(reply, "Id"));
    return 0;
}

static json_object *start_body(bool detach, bool tty)
{
    json_object *body = dv_jobj();

    dv_jset_bool(body, "Detach", detach);
    dv_jset_bool(body, "Tty", tty);
    if (tty)
        dv_jset(body, "ConsoleSize", console_size());
    return body;
}

static int exec_start(struct dv_session *s, const char *id, struct dv_error *err)
{
    dv_autojson json_object *body = start_body(false, s->tty);
    dv_autofree char *text = dv_json_text(body);
    dv_autofree char *target = dv_xformat("/exec/%s/start", id);
    struct dv_http_request request = {
        .method = "POST",
        .target = target,
        .content_type = "application/json",
        .body = text,
        .body_len = text ? strlen(text) : 0,
        .upgrade = true,
    };
    struct dv_http_reply reply;
    int r = dv_client_connect(s->client, &s->stream, err);

    if (r == 0)
        r = dv_client_begin(s->client, s->stream, &request, &reply, err);
    if (r == 0 && !reply.upgraded)
        return dv_fail(err, DV_E_INVALID, "the daemon did not start the exec session: status %d",
                       reply.status);
    return r;
}

static int exit_code(struct dv_client *client, const char *id)
{
    dv_autofree char *target = dv_xformat("/exec/%s/json", id);
    uint64_t deadline = dv_mono_ns() + DV_AGAIN_SECONDS * UINT64_C(1000000000);
    dv_autojson json_object *doc = NULL;
    struct dv_error err = { 0 };

    /* The daemon may be restarting: it has the code from the container's shim. */
    while (dv_client_call(client, "GET", target, NULL, &doc, &err) < 0) {
        if (err.code == DV_E_NOT_FOUND || dv_mono_ns() >= deadline)
            return dv_cli_fail(&err);
        dv_error_clear(&err);
        poll(NULL, 0, DV_AGAIN_POLL_MS);
    }
    return (int)dv_jget_int(doc, "ExitCode");
}

static int exec_foreground(struct dv_cli_call *call, const char *id, struct dv_session *s)
{
    dv_autofree char *resize = dv_xformat("/exec/%s", id);
    struct dv_error err = { 0 };
    int r;

    s->tty = dv_cli_on(call, "tty");
    s->send_stdin = dv_cli_on(call, "interactive");
    s->resize = s->tty ? resize : NULL;
    r = dv_detach_init(&s->detach, dv_cli_str(call, "detach-keys"), &err);
    if (r == 0 && s->tty)
        r = dv_session_signals(s, false, &err);
    if (r == 0)
        r = exec_start(s, id, &err);
    if (r == 0) {
        dv_session_resize(s);
        r = dv_session_run(s, &err);
    }
    if (r < 0)
        return dv_cli_fail(&err);
    return s->detached ? dv_session_escaped() : exit_code(call->client, id);
}

static int exec_detached(struct dv_cli_call *call, const char *id)
{
    dv_autojson json_object *body = start_body(true, dv_cli_on(call, "tty"));
    dv_autofree char *target = dv_xformat("/exec/%s/start", id);
    struct dv_error err = { 0 };

    if (dv_client_call(call->client, "POST", target, body, NULL, &err) < 0)
        return dv_cli_fail(&err);
    return 0;
}

int dv_cmd_exec(struct dv_cli_call *call)
{
    struct dv_session session = DV_SESSION_INIT(call->client);
    bool detach = dv_cli_on(call, "detach");
    dv_autojson json_object *body = NULL;
    dv_autofree char *id = NULL;
    struct dv_error err = { 0 };
    int code;

    if (!detach && dv_cli_on(call, "interactive") && dv_cli_on(call, "tty") &&
        !isatty(STDIN_FILENO)) {
        fputs("the input device is not a TTY\n", stderr);
        return DV_EXIT_USAGE;
    }
    if (exec_body(call, &body, &err) < 0 || exec_create(call, body, &id, &err) < 0)
        return dv_cli_fail(&err);
    code = detach ? exec_detached(call, id) : exec_foreground(call, id, &session);
    dv_session_done(&session);
    return code;
}
