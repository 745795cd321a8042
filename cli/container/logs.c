/* logs.c - logs: what a container printed. */
#include "cli/client/frames.h"
#include "cli/container/commands.h"
#include "cli/format/timestamp.h"
#include "cli/util.h"

static int put_time(struct dv_buf *target, const struct dv_cli_call *call, const char *key,
                    struct dv_error *err)
{
    int r = dv_timestamp_put_query(target, key, dv_cli_str(call, key), err);

    return r < 0 ? dv_wrap(err, "invalid value for \"%s\"", key) : 0;
}

static int put_target(struct dv_buf *target, const struct dv_cli_call *call, const char *id,
                      struct dv_error *err)
{
    dv_xprintf(target, "/containers/%s/logs?stdout=1&stderr=1", id);
    dv_xput_query(target, "details", dv_cli_on(call, "details") ? "1" : NULL);
    dv_xput_query(target, "follow", dv_cli_on(call, "follow") ? "1" : NULL);
    dv_xput_query(target, "timestamps", dv_cli_on(call, "timestamps") ? "1" : NULL);
    dv_xput_query(target, "tail", dv_cli_str(call, "tail"));
    if (put_time(target, call, "since", err) < 0)
        return -err->code;
    return put_time(target, call, "until", err);
}

static int copy_logs(struct dv_http *http, bool tty, struct dv_error *err)
{
    struct dv_frames frames = DV_FRAMES_INIT(tty);
    char piece[32 << 10];
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = dv_http_read(http, piece, sizeof(piece), err)) != 0)
        r = n < 0 ? (int)n : dv_frames_put(&frames, piece, (size_t)n, err);
    dv_frames_done(&frames);
    return r;
}

int dv_cmd_logs(struct dv_cli_call *call)
{
    dv_autojson json_object *doc = NULL;
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_http_request request = { .method = "GET" };
    struct dv_http_reply reply;
    struct dv_error err = { 0 };
    struct dv_http *http;

    if (dv_container_document(call->client, call->args[0], &doc, &err) < 0 ||
        put_target(&target, call, dv_jget_str(doc, "Id"), &err) < 0)
        return dv_cli_fail(&err);
    request.target = target.data;
    if (dv_client_open(call->client, &request, &http, &reply, &err) < 0 ||
        copy_logs(http, dv_jget_bool(dv_jget(doc, "Config"), "Tty"), &err) < 0)
        return dv_cli_fail(&err);
    return 0;
}
