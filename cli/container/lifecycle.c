/* lifecycle.c - stop, kill, restart, rm, pause, unpause, wait, rename: one request a container. */
#include "cli/container/commands.h"

#include "cli/util.h"

enum { AT_ONCE = 50 }; /* as docker: one stop may take ten seconds, many should take no longer */

struct batch {
    struct dv_cli_call *call;
    const char *method, *suffix; /* "POST", "/stop" */
    const char *query;           /* "?t=3" or "" */
    bool missing_is_fine;        /* rm -f */
};

static int send_one(const struct batch *b, const char *name, struct dv_http **ret,
                    struct dv_error *err)
{
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_http_request request = { .method = b->method };
    int r = dv_client_connect(b->call->client, ret, err);

    dv_xput(&target, "/v" DV_API_VERSION "/containers/");
    dv_xput_escaped(&target, name);
    dv_xprintf(&target, "%s%s", b->suffix, b->query);
    request.target = target.data;
    return r < 0 ? r : dv_http_send(*ret, &request, err);
}

/* The replies in the order of the names, though the daemon works on all at once. */
static int run_some(const struct batch *b, size_t first, size_t n)
{
    struct dv_http *https[AT_ONCE] = { 0 };
    struct dv_error errs[AT_ONCE] = { 0 };
    int code = 0;
    size_t i;

    for (i = 0; i < n; i++)
        (void)!send_one(b, b->call->args[first + i], &https[i], &errs[i]);
    for (i = 0; i < n; i++) {
        struct dv_error *err = &errs[i];

        if (!err->code && dv_client_reply(b->call->client, https[i], err) == 0) {
            puts(b->call->args[first + i]);
        } else {
            fflush(stdout);
            fprintf(stderr, "%s\n", err->msg);
            if (!b->missing_is_fine || err->code != DV_E_NOT_FOUND)
                code = 1;
        }
        dv_http_free(https[i]);
    }
    return code;
}

static int run_batch(const struct batch *b)
{
    size_t n = b->call->n_args, i;
    int code = 0;

    for (i = 0; i < n; i += AT_ONCE)
        code |= run_some(b, i, n - i < AT_ONCE ? n - i : AT_ONCE);
    return code;
}

static int post_all(struct dv_cli_call *call, const char *suffix, const struct dv_buf *query)
{
    struct batch b = { .call = call, .method = "POST", .suffix = suffix,
                       .query = query && query->data ? query->data : "" };

    return run_batch(&b);
}

static void put_signal(const struct dv_cli_call *call, struct dv_buf *query)
{
    const char *signal = dv_cli_str(call, "signal");

    dv_xput_query(query, "signal", *signal ? signal : NULL);
}

/* Options of stop and restart: --signal, --timeout (and --time, its old name). */
static void put_stop_query(const struct dv_cli_call *call, struct dv_buf *query)
{
    dv_autofree char *seconds = dv_xformat("%lld", (long long)dv_cli_num(call, "timeout"));

    put_signal(call, query);
    dv_xput_query(query, "t", dv_cli_set(call, "timeout") ? seconds : NULL);
}

int dv_cmd_stop(struct dv_cli_call *call)
{
    dv_autobuf query = DV_TEXT_INIT;

    put_stop_query(call, &query);
    return post_all(call, "/stop", &query);
}

int dv_cmd_restart(struct dv_cli_call *call)
{
    dv_autobuf query = DV_TEXT_INIT;

    put_stop_query(call, &query);
    return post_all(call, "/restart", &query);
}

int dv_cmd_kill(struct dv_cli_call *call)
{
    dv_autobuf query = DV_TEXT_INIT;

    put_signal(call, &query);
    return post_all(call, "/kill", &query);
}

int dv_cmd_pause(struct dv_cli_call *call)
{
    return post_all(call, "/pause", NULL);
}

int dv_cmd_unpause(struct dv_cli_call *call)
{
    return post_all(call, "/unpause", NULL);
}

int dv_cmd_rm(struct dv_cli_call *call)
{
    dv_autobuf query = DV_TEXT_INIT;
    struct batch b = { .call = call, .method = "DELETE", .suffix = "",
                       .missing_is_fine = dv_cli_on(call, "force") };

    dv_xput_query(&query, "force", dv_cli_on(call, "force") ? "1" : NULL);
    dv_xput_query(&query, "link", dv_cli_on(call, "link") ? "1" : NULL);
    dv_xput_query(&query, "v", dv_cli_on(call, "volumes") ? "1" : NULL);
    b.query = query.data ? query.data : "";
    return run_batch(&b);
}

int dv_cmd_wait(struct dv_cli_call *call)
{
    int code = 0;
    size_t i;

    for (i = 0; i < call->n_args; i++) {
        dv_autojson json_object *reply = NULL;
        dv_autobuf target = DV_TEXT_INIT;
        struct dv_error err = { 0 };

        dv_xput(&target, "/containers/");
        dv_xput_escaped(&target, call->args[i]);
        dv_xput(&target, "/wait");
        if (dv_client_call(call->client, "POST", target.data, NULL, &reply, &err) < 0) {
            code = dv_cli_fail(&err);
        } else {
            printf("%lld\n", (long long)dv_jget_int(reply, "StatusCode"));
            fflush(stdout);
        }
    }
    return code;
}

int dv_cmd_rename(struct dv_cli_call *call)
{
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_error err = { 0 };

    dv_xput(&target, "/containers/");
    dv_xput_escaped(&target, call->args[0]);
    dv_xput(&target, "/rename");
    dv_xput_query(&target, "name", call->args[1]);
    if (dv_client_call(call->client, "POST", target.data, NULL, NULL, &err) == 0)
        return 0;
    dv_cli_fail(&err);
    fprintf(stderr, "Error: failed to rename container named %s\n", call->args[0]);
    return 1;
}
