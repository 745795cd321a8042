/* history.c - history: the steps that made an image. */
#include <time.h>

#include "cli/format/list.h"
#include "cli/format/units.h"
#include "cli/image/commands.h"
#include "cli/util.h"

enum { CREATED_BY_WIDTH = 45, SIZE_DIGITS = 3 };

static const char *heading(const char *field)
{
    static const struct {
        const char *field, *text;
    } headings[] = {
        { "ID", "IMAGE" },           { "CreatedSince", "CREATED" }, { "CreatedAt", "CREATED AT" },
        { "CreatedBy", "CREATED BY" }, { "Size", "SIZE" },          { "Comment", "COMMENT" },
    };

    for (size_t i = 0; i < N(headings); i++)
        if (dv_streq(headings[i].field, field))
            return headings[i].text;
    return field;
}

struct look {
    bool human, full;
    int64_t now;
};

/* RFC 3339 in the local zone: "2024-01-01T00:00:00Z", "...+01:00". */
static char *time_text(int64_t unix_seconds)
{
    time_t t = (time_t)unix_seconds;
    char text[40] = "", zone[8] = "";
    struct tm tm;

    if (!localtime_r(&t, &tm))
        return dv_xstrdup("");
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    strftime(zone, sizeof(zone), "%z", &tm);
    return tm.tm_gmtoff == 0 ? dv_xformat("%sZ", text)
                             : dv_xformat("%s%.3s:%s", text, zone, zone + 3);
}

/* On one line. */
static char *created_by(json_object *step, bool full)
{
    dv_autofree char *text = dv_xstrdup(dv_jget_str(step, "CreatedBy"));

    for (char *p = text; *p; p++)
        if (*p == '\t')
            *p = ' ';
    return full ? dv_xstrdup(text) : dv_ellipsis(text, CREATED_BY_WIDTH);
}

static void take(json_object *row, const char *key, char *text)
{
    dv_jset_str(row, key, text);
    free(text);
}

/* Keys in the order of the alphabet: {{json .}} prints them so. */
static json_object *new_row(json_object *step, const struct look *look)
{
    int64_t created = dv_jget_int(step, "Created"), size = dv_jget_int(step, "Size");
    const char *id = dv_jget_str(step, "Id");
    json_object *row = dv_jobj();

    dv_jset_str(row, "Comment", dv_jget_str(step, "Comment"));
    take(row, "CreatedAt", time_text(created));
    take(row, "CreatedBy", created_by(step, look->full));
    take(row, "CreatedSince", look->human ? dv_ago_text(created, look->now) : time_text(created));
    take(row, "ID", look->full ? dv_xstrdup(id) : dv_short_id(id));
    take(row, "Size", look->human ? dv_size_decimal(size, SIZE_DIGITS)
                                  : dv_xformat("%lld", (long long)size));
    return row;
}

static int get(struct dv_cli_call *call, json_object **ret, struct dv_error *err)
{
    const char *platform = dv_cli_str(call, "platform");
    dv_autofree char *json = *platform ? dv_platform_json(platform) : NULL;
    dv_autobuf target = DV_TEXT_INIT;

    dv_xput(&target, "/images/");
    dv_xput_path(&target, call->args[0]);
    dv_xput(&target, "/history");
    dv_xput_query(&target, "platform", json);
    return dv_client_call(call->client, "GET", target.data, NULL, ret, err);
}

int dv_cmd_history(struct dv_cli_call *call)
{
    const char *format = dv_cli_str(call, "format");
    struct look look = { .human = dv_cli_on(call, "human"), .full = dv_cli_on(call, "no-trunc"),
                         .now = (int64_t)time(NULL) };
    bool quiet = dv_cli_on(call, "quiet") && (!*format || dv_streq(format, "table"));
    struct dv_list list = {
        .columns = look.human
                       ? "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
                       : "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
        .heading = heading,
    };
    dv_autojson json_object *steps = NULL, *rows = dv_jarr();
    struct dv_error err = { 0 };
    int r = dv_list_init(&list, quiet ? "{{.ID}}" : format, &err);

    r = r < 0 ? r : get(call, &steps, &err);
    for (size_t i = 0; r == 0 && i < dv_jlen(steps); i++)
        dv_jpush(rows, new_row(json_object_array_get_idx(steps, i), &look));
    r = r < 0 ? r : dv_list_print(&list, rows, NULL, &err);
    dv_list_done(&list);
    return r < 0 ? dv_cli_fail(&err) : 0;
}
