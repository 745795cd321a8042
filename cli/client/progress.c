/* progress.c - a stream of JSON messages: what load, import and pull say while they work. */
#include "cli/client/progress.h"

#include "cli/util.h"
#include "core/base/limits.h"

enum { MAX_MESSAGE_BYTES = 1 << 20 };

/* Bars are for terminals that can be redrawn; lines say what began and what ended. */
static int show(json_object *message, FILE *out, struct dv_error *err)
{
    const char *error = dv_jget_str(dv_jget(message, "errorDetail"), "message");
    const char *status = dv_jget_str(message, "status"), *id = dv_jget_str(message, "id");

    if (!*error)
        error = dv_jget_str(message, "error");
    if (*error)
        return dv_fail(err, DV_E_INTERNAL, "%s", error);
    if (!out || *dv_jget_str(message, "progress") ||
        dv_jget_int(dv_jget(message, "progressDetail"), "current") > 0)
        return 0;
    if (*dv_jget_str(message, "stream"))
        fputs(dv_jget_str(message, "stream"), out);
    else if (*status)
        fprintf(out, "%s%s%s\n", id, *id ? ": " : "", status);
    fflush(out);
    return 0;
}

/* Take whole messages off the front of BUF. */
static int take_messages(struct dv_buf *buf, json_tokener *tokener, FILE *out,
                         struct dv_error *err)
{
    while (buf->len > 0) {
        dv_autojson json_object *message = NULL;
        size_t blank = strspn(buf->data, " \t\r\n"), used;
        enum json_tokener_error state;
        int r;

        dv_buf_consume(buf, blank);
        if (buf->len == 0)
            break;
        json_tokener_reset(tokener);
        message = json_tokener_parse_ex(tokener, buf->data, (int)buf->len);
        state = json_tokener_get_error(tokener);
        if (state == json_tokener_continue)
            break;
        if (state != json_tokener_success)
            return dv_fail(err, DV_E_INVALID, "the daemon sent a broken progress message: %s",
                           json_tokener_error_desc(state));
        used = json_tokener_get_parse_end(tokener);
        dv_buf_consume(buf, used);
        r = show(message, out, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int dv_progress_run(struct dv_http *http, FILE *out, struct dv_error *err)
{
    dv_autobuf buf = DV_BUF_INIT(MAX_MESSAGE_BYTES, "progress message");
    json_tokener *tokener = json_tokener_new_ex(DV_MAX_JSON_DEPTH);
    char piece[8192];
    ssize_t n;
    int r = 0;

    if (!tokener)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the progress messages");
    while (r == 0 && (n = dv_http_read(http, piece, sizeof(piece), err)) != 0) {
        r = n < 0 ? (int)n : dv_buf_put(&buf, piece, (size_t)n, err);
        if (r == 0)
            r = take_messages(&buf, tokener, out, err);
    }
    json_tokener_free(tokener);
    return r;
}
