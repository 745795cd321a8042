/* foreground.c - run, start -a and attach: a container in the foreground. */
#include <poll.h>

#include "cli/client/session.h"
#include "cli/container/commands.h"
#include "cli/container/create.h"
#include "core/base/time.h"

enum {
    REMOVED_SECONDS = 10, /* --rm after a start that failed */
    EXIT_DAEMON = 125,
    EXIT_NO_EXEC = 126,
    EXIT_NOT_FOUND = 127,
};

int dv_container_document(struct dv_client *client, const char *name, json_object **ret,
                          struct dv_error *err)
{
    dv_autobuf target = DV_TEXT_INIT;

    dv_xput(&target, "/containers/");
    dv_xput_escaped(&target, name);
    dv_xput(&target, "/json");
    return dv_client_call(client, "GET", target.data, NULL, ret, err);
}

/* --- the answer of wait ----------------------------------------------------------------------- */

/* The daemon went away with our wait, the container did not: ask its successor. */
static int wait_again(struct dv_session *s, const char *id, struct dv_error *err)
{
    uint64_t deadline = dv_mono_ns() + DV_AGAIN_SECONDS * UINT64_C(1000000000);
    int r;

    do {
        dv_error_clear(err);
        r = dv_session_wait(s, id, s->wait_removed ? "removed" : NULL, err);
        if (r == 0)
            r = dv_session_run(s, err);
        if (r == 0 && s->waited)
            return 0;
        if (r == -DV_E_NOT_FOUND)
            return dv_fail(err, DV_E_NOT_FOUND, "the daemon was restarted and container %.12s was "
                           "removed meanwhile: its exit code is lost", id);
        poll(NULL, 0, DV_AGAIN_POLL_MS);
    } while (dv_mono_ns() < deadline);
    return dv_fail(err, DV_E_UNAVAILABLE, "the daemon went away and did not answer again within "
                   "%d s; container %.12s may still be running", DV_AGAIN_SECONDS, id);
}

int dv_session_finish(struct dv_session *session, const char *id, struct dv_error *err)
{
    struct dv_error lost = { 0 };
    int r = dv_session_run(session, err);

    if (r == 0 && session->detached)
        return 0;
    if (!session->waited) {
        dv_http_free(session->stream);
        session->stream = NULL;
        session->send_stdin = false;
        if (wait_again(session, id, &lost) < 0) {
            fprintf(stderr, "davit: %s\n", r < 0 ? err->msg : lost.msg);
            return EXIT_DAEMON;
        }
    }
    if (r < 0)
        fprintf(stderr, "davit: %s\n", err->msg);
    if (session->wait_error) {
        fprintf(stderr, "davit: error waiting for container: %s\n", session->wait_error);
        return EXIT_DAEMON;
    }
    return session->status;
}

static int start_container(struct dv_client *client, const char *name, struct dv_error *err)
{
    dv_autobuf target = DV_TEXT_INIT;

    dv_xput(&target, "/containers/");
    dv_xput_escaped(&target, name);
    dv_xput(&target, "/start");
    return dv_client_call(client, "POST", target.data, NULL, NULL, err);
}

/* --- run -------------------------------------------------------------------------------------- */

/* What the shell would say of a command that did not start. */
static int start_exit_code(const char *message)
{
    static const struct {
        const char *text;
        int code;
    } texts[] = {
        { "executable file not found", EXIT_NOT_FOUND },
        { "no such file or directory", EXIT_NOT_FOUND },
        { "permission denied", EXIT_NO_EXEC },
        { "is a directory", EXIT_NO_EXEC },
    };
    size_t i;

    for (i = 0; i < N(texts); i++)
        if (strcasestr(message, texts[i].text))
            return texts[i].code;
    return EXIT_DAEMON;
}

/* With --rm a container that did not start is removed by the daemon: let that be done first. */
static void await_removal(struct dv_session *s)
{
    struct pollfd p = { .fd = s->wait ? dv_http_fd(s->wait) : -1, .events = POLLIN };

    if (s->wait && !dv_http_pending(s->wait))
        poll(&p, 1, REMOVED_SECONDS * 1000);
}

static int start_failed(struct dv_cli_call *call, struct dv_session *s, struct dv_error *err)
{
    if (dv_cli_on(call, "rm"))
        await_removal(s);
    dv_cli_fail_run(call, err->msg);
    return start_exit_code(err->msg);
}

static int run_detached(struct dv_cli_call *call, const char *id)
{
    struct dv_error err = { 0 };

    puts(id);
    fflush(stdout);
    if (start_container(call->client, id, &err) < 0) {
        dv_cli_fail_run(call, err.msg);
        return start_exit_code(err.msg);
    }
    return 0;
}

/* Attach and wait first, so that no byte and no exit is missed, then start. */
static int run_attached(struct dv_cli_call *call, json_object *body, const char *id,
                        struct dv_session *s)
{
    const struct dv_session_streams streams = {
        .in = dv_jget_bool(body, "AttachStdin"),
        .out = dv_jget_bool(body, "AttachStdout"),
        .errors = dv_jget_bool(body, "AttachStderr"),
        .detach_keys = dv_cli_str(call, "detach-keys"),
    };
    const char *condition = dv_cli_on(call, "rm") ? "removed" : "next-exit";
    dv_autofree char *resize = dv_xformat("/containers/%s", id);
    struct dv_error err = { 0 };
    int r;

    s->tty = dv_jget_bool(body, "Tty");
    s->signal_id = dv_cli_on(call, "sig-proxy") ? id : NULL;
    s->resize = s->tty ? resize : NULL;
    r = dv_detach_init(&s->detach, dv_cli_str(call, "detach-keys"), &err);
    if (r == 0 && (s->signal_id || s->tty))
        r = dv_session_signals(s, s->signal_id != NULL, &err);
    if (r == 0)
        r = streams.in || streams.out || streams.errors
                ? dv_session_attach_and_wait(s, id, &streams, condition, &err)
                : dv_session_wait(s, id, condition, &err);
    if (r < 0)
        return dv_cli_fail_run(call, err.msg);
    if (start_container(call->client, id, &err) < 0)
        return start_failed(call, s, &err);
    dv_session_resize(s);
    return dv_session_finish(s, id, &err);
}

static int usage(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return DV_EXIT_USAGE;
}

static void set_console_size(json_object *body)
{
    json_object *size = dv_jarr();
    unsigned rows = 0, columns = 0;

    dv_terminal_size(STDOUT_FILENO, &rows, &columns);
    dv_jpush(size, json_object_new_int64(rows));
    dv_jpush(size, json_object_new_int64(columns));
    dv_jset(dv_jget(body, "HostConfig"), "ConsoleSize", size);
}

int dv_cmd_run(struct dv_cli_call *call)
{
    struct dv_session session = DV_SESSION_INIT(call->client);
    bool detach = dv_cli_on(call, "detach");
    dv_autojson json_object *body = NULL;
    dv_autofree char *id = NULL;
    struct dv_error err = { 0 };
    int code;

    if (dv_create_prepare(call, &body, &err) < 0)
        return dv_cli_fail_run(call, err.msg);
    if (detach && dv_cli_list(call, "attach")->n > 0)
        return usage("conflicting options: cannot specify both --attach and --detach");
    if (!detach && dv_jget_bool(body, "AttachStdin") && dv_jget_bool(body, "Tty") &&
        !isatty(STDIN_FILENO))
        return usage("the input device is not a TTY");
    if (dv_jget_bool(body, "Tty"))
        set_console_size(body);
    if (dv_create_container(call, body, &id, &err) < 0)
        return dv_cli_fail_run(call, err.msg);
    code = detach ? run_detached(call, id) : run_attached(call, body, id, &session);
    dv_session_done(&session);
    return code;
}

/* --- start ------------------------------------------------------------------------------------ */

static int start_all(struct dv_cli_call *call)
{
    dv_autobuf failed = DV_TEXT_INIT;
    size_t i;

    for (i = 0; i < call->n_args; i++) {
        struct dv_error err = { 0 };

        if (start_container(call->client, call->args[i], &err) == 0) {
            puts(call->args[i]);
            continue;
        }
        fflush(stdout);
        fprintf(stderr, "%s\n", err.msg);
        dv_xprintf(&failed, "%s%s", failed.len ? ", " : "", call->args[i]);
    }
    if (failed.len == 0)
        return 0;
    fprintf(stderr, "Error: failed to start containers: %s\n", failed.data);
    return 1;
}

static int start_attached(struct dv_cli_call *call, json_object *doc, struct dv_session *s,
                          struct dv_error *err)
{
    const char *id = dv_jget_str(doc, "Id");
    json_object *config = dv_jget(doc, "Config");
    const struct dv_session_streams streams = {
        .in = dv_cli_on(call, "interactive") && dv_jget_bool(config, "OpenStdin"),
        .out = true,
        .errors = true,
        .detach_keys = dv_cli_str(call, "detach-keys"),
    };
    bool removes = dv_jget_bool(dv_jget(doc, "HostConfig"), "AutoRemove");
    dv_autofree char *resize = dv_xformat("/containers/%s", id);
    int r;

    s->tty = dv_jget_bool(config, "Tty");
    s->signal_id = dv_cli_on(call, "sig-proxy") ? id : NULL;
    s->resize = s->tty ? resize : NULL;
    r = dv_detach_init(&s->detach, dv_cli_str(call, "detach-keys"), err);
    if (r == 0 && (s->signal_id || s->tty))
        r = dv_session_signals(s, s->signal_id != NULL, err);
    if (r == 0)
        r = dv_session_attach_and_wait(s, id, &streams, removes ? "removed" : "next-exit", err);
    if (r == 0)
        r = start_container(call->client, id, err);
    if (r < 0)
        return dv_cli_fail(err);
    dv_session_resize(s);
    return dv_session_finish(s, id, err);
}

int dv_cmd_start(struct dv_cli_call *call)
{
    struct dv_session session = DV_SESSION_INIT(call->client);
    dv_autojson json_object *doc = NULL;
    struct dv_error err = { 0 };
    int code;

    if (!dv_cli_on(call, "attach") && !dv_cli_on(call, "interactive"))
        return start_all(call);
    if (call->n_args > 1)
        return usage("you cannot start and attach multiple containers at once");
    if (dv_container_document(call->client, call->args[0], &doc, &err) < 0)
        return dv_cli_fail(&err);
    if (dv_jget_bool(dv_jget(doc, "Config"), "Tty") && dv_cli_on(call, "interactive") &&
        !isatty(STDIN_FILENO))
        return usage("the input device is not a TTY");
    code = start_attached(call, doc, &session, &err);
    dv_session_done(&session);
    return code;
}

/* --- attach ----------------------------------------------------------------------------------- */

static int attach_running(struct dv_cli_call *call, json_object *doc, struct dv_session *s,
                          struct dv_error *err)
{
    const char *id = dv_jget_str(doc, "Id");
    json_object *config = dv_jget(doc, "Config");
    const struct dv_session_streams streams = {
        .in = !dv_cli_on(call, "no-stdin") && dv_jget_bool(config, "OpenStdin"),
        .out = true,
        .errors = true,
        .detach_keys = dv_cli_str(call, "detach-keys"),
    };
    dv_autofree char *resize = dv_xformat("/containers/%s", id);
    int r;

    s->tty = dv_jget_bool(config, "Tty");
    if (streams.in && s->tty && !isatty(STDIN_FILENO))
        return usage("the input device is not a TTY");
    /* With a terminal the keys themselves go through; signals to this process are its own. */
    s->signal_id = dv_cli_on(call, "sig-proxy") && !s->tty ? id : NULL;
    s->resize = s->tty ? resize : NULL;
    r = dv_detach_init(&s->detach, dv_cli_str(call, "detach-keys"), err);
    if (r == 0 && (s->signal_id || s->tty))
        r = dv_session_signals(s, s->signal_id != NULL, err);
    if (r == 0)
        r = dv_session_wait(s, id, NULL, err);
    if (r == 0)
        r = dv_session_attach(s, id, &streams, err);
    if (r < 0)
        return dv_cli_fail(err);
    dv_session_redraw(s);
    r = dv_session_finish(s, id, err);
    return s->detached ? dv_session_escaped() : r;
}

int dv_cmd_attach(struct dv_cli_call *call)
{
    struct dv_session session = DV_SESSION_INIT(call->client);
    dv_autojson json_object *doc = NULL;
    struct dv_error err = { 0 };
    json_object *state;
    int code;

    if (dv_container_document(call->client, call->args[0], &doc, &err) < 0)
        return dv_cli_fail(&err);
    state = dv_jget(doc, "State");
    if (!dv_jget_bool(state, "Running"))
        return usage("You cannot attach to a stopped container, start it first");
    if (dv_jget_bool(state, "Paused"))
        return usage("You cannot attach to a paused container, unpause it first");
    if (dv_jget_bool(state, "Restarting"))
        return usage("You cannot attach to a restarting container, wait until it is running");
    code = attach_running(call, doc, &session, &err);
    dv_session_done(&session);
    return code;
}
