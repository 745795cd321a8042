/* events.c - events: what happens on the daemon, a line each. */
#include <time.h>

#include "cli/format/filters.h"
#include "cli/format/template.h"
#include "cli/format/timestamp.h"
#include "cli/system/commands.h"
#include "cli/util.h"
#include "core/base/time.h"

enum { LINE_MAX_BYTES = 4 << 20 };   /* an event has its object's labels in it */

/* RFC 3339 with nine decimals, in the local zone. */
static void put_time(struct dv_buf *out, int64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    char day[32], zone[8];
    struct tm t;

    localtime_r(&seconds, &t);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &t);
    strftime(zone, sizeof(zone), "%z", &t);
    dv_xprintf(out, "%s.%09lld", day, (long long)(ns % 1000000000));
    if (t.tm_gmtoff == 0)
        dv_xput(out, "Z");
    else
        dv_xprintf(out, "%.3s:%s", zone, zone + 3);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* " (image=busybox, name=web)", sorted. */
static void put_attributes(struct dv_buf *out, json_object *attributes)
{
    dv_autostrv pairs = { 0 };
    size_t i;

    if (!json_object_is_type(attributes, json_type_object))
        return;
    json_object_object_foreach(attributes, key, value)
        dv_xadd_take(&pairs, dv_xformat("%s=%s", key, dv_jtext(value)));
    if (pairs.n == 0)
        return;
    qsort(pairs.items, pairs.n, sizeof(*pairs.items), by_text);
    for (i = 0; i < pairs.n; i++)
        dv_xprintf(out, "%s%s", i ? ", " : " (", pairs.items[i]);
    dv_xput(out, ")");
}

static int put_event(const struct dv_template *template, json_object *event, struct dv_buf *out,
                     struct dv_error *err)
{
    struct dv_template_data data = { .value = event, .row = true };
    json_object *actor = dv_jget(event, "Actor");

    if (template)
        return dv_template_run(template, &data, out, err);
    put_time(out, dv_jget_int(event, "timeNano"));
    dv_xprintf(out, " %s %s %s", dv_jget_str(event, "Type"), dv_jget_str(event, "Action"),
               dv_jget_str(actor, "ID"));
    put_attributes(out, dv_jget(actor, "Attributes"));
    return 0;
}

static int print_line(const struct dv_template *template, const char *line, size_t n,
                      struct dv_error *err)
{
    dv_autojson json_object *event = NULL;
    dv_autobuf out = DV_TEXT_INIT;
    int r = 0;

    if (n == 0)
        return 0;
    r = dv_json_parse(line, n, &event, err);
    if (r == 0)
        r = put_event(template, event, &out, err);
    if (r == 0) {
        puts(out.data ? out.data : "");
        fflush(stdout);
    }
    return r;
}

/* Whole lines of BUF are printed, and what is left of it moved to the front. */
static int print_lines(const struct dv_template *template, struct dv_buf *buf,
                       struct dv_error *err)
{
    size_t at = 0;
    char *end;
    int r = 0;

    while (r == 0 && (end = memchr(buf->data + at, '\n', buf->len - at))) {
        r = print_line(template, buf->data + at, (size_t)(end - (buf->data + at)), err);
        at = (size_t)(end - buf->data) + 1;
    }
    memmove(buf->data, buf->data + at, buf->len - at);
    buf->len -= at;
    return r;
}

static int print_stream(struct dv_http *http, const struct dv_template *template,
                        struct dv_error *err)
{
    dv_autobuf buf = DV_BUF_INIT(LINE_MAX_BYTES, "event");
    char piece[16 << 10];
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = dv_http_read(http, piece, sizeof(piece), err)) != 0) {
        r = n < 0 ? (int)n : dv_buf_put(&buf, piece, (size_t)n, err);
        if (r == 0)
            r = print_lines(template, &buf, err);
    }
    return r;
}

static int parse_format(const char *format, struct dv_template **ret, struct dv_error *err)
{
    dv_autofree char *text = NULL;

    if (!*format)
        return 0;
    text = dv_template_unescape(dv_streq(format, "json") ? "{{json .}}" : format);
    return dv_template_parse(text, ret, err);
}

int dv_cmd_events(struct dv_cli_call *call)
{
    dv_auto(dv_template) *template = NULL;
    dv_autofree char *filters = dv_filters_text(dv_cli_list(call, "filter"));
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_http_request request = { .method = "GET" };
    struct dv_http_reply reply;
    struct dv_error err = { 0 };
    struct dv_http *http;

    dv_xput(&target, "/events");
    if (parse_format(dv_cli_str(call, "format"), &template, &err) < 0 ||
        dv_timestamp_put_query(&target, "since", dv_cli_str(call, "since"), &err) < 0 ||
        dv_timestamp_put_query(&target, "until", dv_cli_str(call, "until"), &err) < 0)
        return dv_cli_fail(&err);
    dv_xput_query(&target, "filters", filters);
    request.target = target.data;
    if (dv_client_open(call->client, &request, &http, &reply, &err) < 0 ||
        print_stream(http, template, &err) < 0)
        return dv_cli_fail(&err);
    return 0;
}
