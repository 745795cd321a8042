/* ps.c - ps: the list of containers. */
#include <time.h>

#include "cli/container/commands.h"
#include "cli/format/filters.h"
#include "cli/format/list.h"
#include "cli/format/units.h"

enum { COMMAND_WIDTH = 20, MOUNT_WIDTH = 15 };

const char *dv_container_heading(const char *field)
{
    static const struct {
        const char *field, *text;
    } headings[] = {
        { "ID", "CONTAINER ID" },      { "Names", "NAMES" },       { "Image", "IMAGE" },
        { "Command", "COMMAND" },      { "CreatedAt", "CREATED AT" }, { "RunningFor", "CREATED" },
        { "Ports", "PORTS" },          { "State", "STATE" },       { "Status", "STATUS" },
        { "Size", "SIZE" },            { "Labels", "LABELS" },     { "Mounts", "MOUNTS" },
        { "LocalVolumes", "LOCAL VOLUMES" }, { "Networks", "NETWORKS" }, { "Platform", "PLATFORM" },
    };
    size_t i;

    for (i = 0; i < N(headings); i++)
        if (dv_streq(headings[i].field, field))
            return headings[i].text;
    return field;
}

/* --- cells ------------------------------------------------------------------------------------ */

struct style {
    bool full;                               /* nothing is cut */
    int64_t now;
    const struct dv_template *template;      /* that shows the row; NULL: all of it */
};

/* Without the leading slash; the names that links gave ("/web/db") only in full. */
static char *names_cell(json_object *c, const struct style *s)
{
    json_object *names = dv_jget(c, "Names");
    dv_autobuf out = DV_TEXT_INIT;
    size_t i;

    for (i = 0; i < dv_jlen(names); i++) {
        const char *name = dv_jat_str(names, i);

        name += name[0] == '/';
        if (!s->full && strchr(name, '/'))
            continue;
        dv_xprintf(&out, "%s%s", out.len ? "," : "", name);
        if (!s->full)
            break;
    }
    return dv_xstrdup(out.data ? out.data : "");
}

/* The image as it was asked for; its ID cut where that is all there is. */
static char *image_cell(json_object *c, const struct style *s)
{
    const char *image = dv_jget_str(c, "Image"), *id = dv_jget_str(c, "ImageID");

    if (!*image)
        return dv_xstrdup("<no image>");
    return !s->full && dv_streq(image, id) ? dv_short_id(image) : dv_xstrdup(image);
}

static int by_port(const void *a, const void *b)
{
    json_object *x = *(json_object *const *)a, *y = *(json_object *const *)b;
    static const char *const keys[] = { "PrivatePort", "PublicPort" };
    int order = strcmp(dv_jget_str(x, "IP"), dv_jget_str(y, "IP"));
    size_t i;

    if (strcmp(dv_jget_str(x, "Type"), dv_jget_str(y, "Type")) != 0)
        return strcmp(dv_jget_str(x, "Type"), dv_jget_str(y, "Type"));
    if (order != 0)
        return order;
    for (i = 0; i < N(keys); i++)
        if (dv_jget_int(x, keys[i]) != dv_jget_int(y, keys[i]))
            return dv_jget_int(x, keys[i]) < dv_jget_int(y, keys[i]) ? -1 : 1;
    return 0;
}

/* A run of ports that continue each other. */
struct run {
    const char *ip, *type;
    int64_t public_first, private_first, n;
};

static void put_run(struct dv_buf *out, const struct run *run)
{
    int64_t last = run->private_first + run->n - 1;
    const char *open = strchr(run->ip, ':') ? "[" : "", *close = *open ? "]" : "";

    if (run->n == 0)
        return;
    dv_xput(out, out->len ? ", " : "");
    if (run->public_first && run->n > 1)
        dv_xprintf(out, "%s%s%s:%lld-%lld->", open, run->ip, close, (long long)run->public_first,
                   (long long)(run->public_first + run->n - 1));
    else if (run->public_first)
        dv_xprintf(out, "%s%s%s:%lld->", open, run->ip, close, (long long)run->public_first);
    dv_xprintf(out, "%lld", (long long)run->private_first);
    if (run->n > 1)
        dv_xprintf(out, "-%lld", (long long)last);
    dv_xprintf(out, "/%s", run->type);
}

static char *ports_cell(json_object *c, const struct style *s)
{
    dv_autobuf out = DV_TEXT_INIT;
    dv_autojson json_object *ports = NULL;
    struct run run = { .ip = "", .type = "" };
    size_t i;

    (void)s;
    if (dv_jlen(dv_jget(c, "Ports")) == 0 ||
        json_object_deep_copy(dv_jget(c, "Ports"), &ports, NULL) < 0)
        return dv_xstrdup("");
    json_object_array_sort(ports, by_port);
    for (i = 0; i < dv_jlen(ports); i++) {
        json_object *p = json_object_array_get_idx(ports, i);
        int64_t private_port = dv_jget_int(p, "PrivatePort");
        int64_t public_port = dv_jget_int(p, "PublicPort");
        bool continues = run.n > 0 && dv_streq(run.ip, dv_jget_str(p, "IP")) &&
                         dv_streq(run.type, dv_jget_str(p, "Type")) &&
                         private_port == run.private_first + run.n &&
                         public_port == (run.public_first ? run.public_first + run.n : 0);

        if (continues) {
            run.n++;
            continue;
        }
        put_run(&out, &run);
        run = (struct run){ dv_jget_str(p, "IP"), dv_jget_str(p, "Type"), public_port,
                            private_port, 1 };
    }
    put_run(&out, &run);
    return dv_xstrdup(out.data);
}

static char *size_cell(json_object *c, const struct style *s)
{
    dv_autofree char *own = dv_size_decimal(dv_jget_int(c, "SizeRw"), 3);
    dv_autofree char *all = dv_size_decimal(dv_jget_int(c, "SizeRootFs"), 3);

    (void)s;
    if (dv_jget_int(c, "SizeRootFs") > 0)
        return dv_xformat("%s (virtual %s)", own, all);
    return dv_xstrdup(own);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *joined(struct dv_strv *v)
{
    dv_autobuf out = DV_TEXT_INIT;
    size_t i;

    if (v->n > 0)
        qsort(v->items, v->n, sizeof(*v->items), by_text);
    for (i = 0; i < v->n; i++)
        dv_xprintf(&out, "%s%s", i ? "," : "", v->items[i]);
    return dv_xstrdup(out.data ? out.data : "");
}

static char *labels_cell(json_object *c, const struct style *s)
{
    json_object *labels = dv_jget(c, "Labels");
    dv_autostrv pairs = { 0 };

    (void)s;
    if (json_object_is_type(labels, json_type_object)) {
        json_object_object_foreach(labels, key, value)
            dv_xadd_take(&pairs, dv_xformat("%s=%s", key, dv_jtext(value)));
    }
    return joined(&pairs);
}

static char *networks_cell(json_object *c, const struct style *s)
{
    json_object *networks = dv_jpath(c, "NetworkSettings.Networks");
    dv_autostrv names = { 0 };

    (void)s;
    if (json_object_is_type(networks, json_type_object)) {
        json_object_object_foreach(networks, key, value) {
            (void)value;
            dv_xadd(&names, key);
        }
    }
    return joined(&names);
}

static char *mounts_cell(json_object *c, const struct style *s)
{
    json_object *mounts = dv_jget(c, "Mounts");
    dv_autobuf out = DV_TEXT_INIT;
    size_t i;

    for (i = 0; i < dv_jlen(mounts); i++) {
        json_object *m = json_object_array_get_idx(mounts, i);
        const char *name = dv_jget_str(m, "Name");
        dv_autofree char *cut = NULL;

        name = *name ? name : dv_jget_str(m, "Source");
        cut = s->full ? dv_xstrdup(name) : dv_ellipsis(name, MOUNT_WIDTH);
        dv_xprintf(&out, "%s%s", i ? "," : "", cut);
    }
    return dv_xstrdup(out.data ? out.data : "");
}

static char *volumes_cell(json_object *c, const struct style *s)
{
    json_object *mounts = dv_jget(c, "Mounts");
    size_t i, local = 0;

    (void)s;
    for (i = 0; i < dv_jlen(mounts); i++)
        local += dv_streq(dv_jget_str(json_object_array_get_idx(mounts, i), "Driver"), "local");
    return dv_xformat("%zu", local);
}

static char *command_cell(json_object *c, const struct style *s)
{
    const char *command = dv_jget_str(c, "Command");
    dv_autofree char *cut = s->full ? dv_xstrdup(command) : dv_ellipsis(command, COMMAND_WIDTH);

    return dv_xformat("\"%s\"", cut);
}

static char *created_cell(json_object *c, const struct style *s)
{
    (void)s;
    return dv_local_time_text(dv_jget_int(c, "Created"));
}

static char *running_cell(json_object *c, const struct style *s)
{
    return dv_ago_text(dv_jget_int(c, "Created"), s->now);
}

static char *id_cell(json_object *c, const struct style *s)
{
    const char *id = dv_jget_str(c, "Id");

    return s->full ? dv_xstrdup(id) : dv_short_id(id);
}

static char *state_cell(json_object *c, const struct style *s)
{
    (void)s;
    return dv_xstrdup(dv_jget_str(c, "State"));
}

static char *status_cell(json_object *c, const struct style *s)
{
    (void)s;
    return dv_xstrdup(dv_jget_str(c, "Status"));
}

/* In the order of the alphabet: {{json .}} prints them so. */
static const struct cell {
    const char *key;
    char *(*text)(json_object *c, const struct style *s); /* NULL: Platform, an object */
} cells[] = {
    { "Command", command_cell },   { "CreatedAt", created_cell },   { "ID", id_cell },
    { "Image", image_cell },       { "Labels", labels_cell },       { "LocalVolumes", volumes_cell },
    { "Mounts", mounts_cell },     { "Names", names_cell },         { "Networks", networks_cell },
    { "Platform", NULL },          { "Ports", ports_cell },         { "RunningFor", running_cell },
    { "Size", size_cell },         { "State", state_cell },         { "Status", status_cell },
};

/* What is not shown is not made: it took most of the time of a long list. */
static json_object *new_row(json_object *c, const struct style *s)
{
    json_object *row = dv_jobj();
    size_t i;

    for (i = 0; i < N(cells); i++) {
        dv_autofree char *text = NULL;

        if (s->template && !dv_template_shows(s->template, cells[i].key))
            continue;
        if (cells[i].text) {
            text = cells[i].text(c, s);
            dv_jset_str(row, cells[i].key, text);
        } else {
            dv_jset(row, cells[i].key,
                    json_object_get(dv_jpath(c, "ImageManifestDescriptor.platform")));
        }
    }
    return row;
}

json_object *dv_container_row(json_object *container, bool full, int64_t now)
{
    const struct style style = { full, now, NULL };

    return new_row(container, &style);
}

/* --- the command ------------------------------------------------------------------------------ */

#define COLUMNS                                                                                    \
    "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

static void put_query(struct dv_buf *target, const struct dv_cli_call *call, bool size)
{
    dv_autofree char *filters = dv_filters_text(dv_cli_list(call, "filter"));
    int64_t last = dv_cli_on(call, "latest") ? 1 : dv_cli_num(call, "last");
    dv_autofree char *limit = dv_xformat("%lld", (long long)last);

    dv_xput(target, "/containers/json");
    dv_xput_query(target, "all", dv_cli_on(call, "all") ? "1" : NULL);
    dv_xput_query(target, "limit", last > 0 ? limit : NULL);
    dv_xput_query(target, "size", size ? "1" : NULL);
    dv_xput_query(target, "filters", filters);
}

static int print_rows(const struct dv_cli_call *call, const struct dv_list *list,
                      json_object *containers, struct dv_error *err)
{
    dv_autojson json_object *rows = dv_jarr(), *labels = dv_jarr();
    const struct style style = { dv_cli_on(call, "no-trunc"), (int64_t)time(NULL), list->template };
    size_t i;

    for (i = 0; i < dv_jlen(containers); i++) {
        json_object *c = json_object_array_get_idx(containers, i);

        dv_jpush(rows, new_row(c, &style));
        dv_jpush(labels, json_object_get(dv_jget(c, "Labels")));
    }
    if (dv_jlen(rows) == 0) { /* a field that does not exist is a mistake without containers, too */
        dv_autojson json_object *nothing = dv_jobj(), *example = new_row(nothing, &style);

        if (dv_list_check(list, example, err) < 0)
            return -err->code;
    }
    return dv_list_print(list, rows, labels, err);
}

int dv_cmd_ps(struct dv_cli_call *call)
{
    const char *format = dv_cli_format(call);
    bool quiet = dv_cli_on(call, "quiet") && (!*format || dv_streq(format, "table"));
    struct dv_list list = {
        .columns = dv_cli_on(call, "size") ? COLUMNS "\t{{.Size}}" : COLUMNS,
        .heading = dv_container_heading,
    };
    dv_autojson json_object *containers = NULL;
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_error err = { 0 };
    bool size;
    int r;

    r = dv_list_init(&list, quiet ? "{{.ID}}" : format, &err);
    if (r == 0) {
        size = dv_cli_on(call, "size") ||
               (*format && !quiet && dv_template_names(list.template, "Size"));
        put_query(&target, call, size);
        r = dv_client_call(call->client, "GET", target.data, NULL, &containers, &err);
    }
    if (r == 0)
        r = print_rows(call, &list, containers, &err);
    dv_list_done(&list);
    return r < 0 ? dv_cli_fail(&err) : 0;
}
