/* volumes.c - volume create, ls, rm, prune. */
#include "cli/confirm.h"
#include "cli/format/filters.h"
#include "cli/format/list.h"
#include "cli/format/units.h"
#include "cli/util.h"
#include "cli/volume/commands.h"

/* ---- create ---- */

/* "key=value" or "key" of each text, the last of a key wins. */
static json_object *map_of(const struct dv_strv *texts)
{
    json_object *map = dv_jobj();

    for (size_t i = 0; i < texts->n; i++) {
        const char *text = texts->items[i];
        size_t n = strcspn(text, "=");
        dv_autofree char *key = dv_xstrndup(text, n);

        json_object_object_del(map, key);
        dv_jset_str(map, key, text[n] ? text + n + 1 : "");
    }
    return map;
}

int dv_cmd_volume_create(struct dv_cli_call *call)
{
    const char *name = dv_cli_str(call, "name");
    dv_autojson json_object *body = dv_jobj(), *volume = NULL;
    struct dv_error err = { 0 };

    if (*name && call->n_args > 0) {
        fputs("conflicting options: cannot specify a volume-name through both --name and as a "
              "positional arg\n", stderr);
        return 1;
    }
    if (call->n_args > 0)
        name = call->args[0];
    dv_jset_str(body, "Driver", dv_cli_str(call, "driver"));
    dv_jset(body, "DriverOpts", map_of(dv_cli_list(call, "opt")));
    dv_jset(body, "Labels", map_of(dv_cli_list(call, "label")));
    if (*name)
        dv_jset_str(body, "Name", name);
    if (dv_client_call(call->client, "POST", "/volumes/create", body, &volume, &err) < 0)
        return dv_cli_fail(&err);
    puts(dv_jget_str(volume, "Name"));
    return 0;
}

/* ---- ls ---- */

const char *dv_volume_heading(const char *field)
{
    static const struct {
        const char *field, *text;
    } headings[] = {
        { "Name", "VOLUME NAME" }, { "Driver", "DRIVER" },       { "Scope", "SCOPE" },
        { "Labels", "LABELS" },    { "Mountpoint", "MOUNTPOINT" }, { "Links", "LINKS" },
        { "Size", "SIZE" },        { "Group", "GROUP" },         { "Status", "STATUS" },
        { "Availability", "AVAILABILITY" },
    };

    for (size_t i = 0; i < N(headings); i++)
        if (dv_streq(headings[i].field, field))
            return headings[i].text;
    return field;
}

static char *labels_text(json_object *labels)
{
    dv_autobuf out = DV_TEXT_INIT;

    dv_xput(&out, "");
    if (json_object_is_type(labels, json_type_object)) {
        json_object_object_foreach(labels, key, value)
            dv_xprintf(&out, "%s%s=%s", out.len ? "," : "", key, dv_jtext(value));
    }
    return dv_xstrdup(out.data);
}

/* Keys in the order of the alphabet: {{json .}} prints them so. */
json_object *dv_volume_row(json_object *volume)
{
    dv_autofree char *labels = labels_text(dv_jget(volume, "Labels"));
    json_object *usage = dv_jget(volume, "UsageData");
    dv_autofree char *links = usage ? dv_xformat("%lld", (long long)dv_jget_int(usage, "RefCount"))
                                    : dv_xstrdup("N/A");
    dv_autofree char *size = usage && dv_jget_int(usage, "Size") >= 0
                                 ? dv_size_decimal(dv_jget_int(usage, "Size"), 4)
                                 : dv_xstrdup("N/A");
    json_object *row = dv_jobj();

    dv_jset_str(row, "Availability", "N/A");
    dv_jset_str(row, "Driver", dv_jget_str(volume, "Driver"));
    dv_jset_str(row, "Group", "N/A");
    dv_jset_str(row, "Labels", labels);
    dv_jset_str(row, "Links", links);
    dv_jset_str(row, "Mountpoint", dv_jget_str(volume, "Mountpoint"));
    dv_jset_str(row, "Name", dv_jget_str(volume, "Name"));
    dv_jset_str(row, "Scope", dv_jget_str(volume, "Scope"));
    dv_jset_str(row, "Size", size);
    dv_jset_str(row, "Status", "N/A");
    return row;
}

static int list_volumes(struct dv_cli_call *call, json_object **ret, struct dv_error *err)
{
    dv_autofree char *filters = dv_filters_text(dv_cli_list(call, "filter"));
    dv_autobuf target = DV_TEXT_INIT;

    dv_xput(&target, "/volumes");
    dv_xput_query(&target, "filters", filters);
    return dv_client_call(call->client, "GET", target.data, NULL, ret, err);
}

int dv_cmd_volume_ls(struct dv_cli_call *call)
{
    const char *format = dv_cli_format(call);
    bool quiet = dv_cli_on(call, "quiet") && (!*format || dv_streq(format, "table"));
    struct dv_list list = { .columns = "{{.Driver}}\t{{.Name}}", .heading = dv_volume_heading };
    dv_autojson json_object *reply = NULL, *rows = dv_jarr(), *labels = dv_jarr();
    struct dv_error err = { 0 };
    json_object *volumes;
    int r = dv_list_init(&list, quiet ? "{{.Name}}" : format, &err);

    if (r == 0)
        r = list_volumes(call, &reply, &err);
    volumes = dv_jget(reply, "Volumes");
    for (size_t i = 0; r == 0 && i < dv_jlen(volumes); i++) {
        json_object *volume = json_object_array_get_idx(volumes, i);

        dv_jpush(rows, dv_volume_row(volume));
        dv_jpush(labels, json_object_get(dv_jget(volume, "Labels")));
    }
    if (r == 0)
        r = dv_list_print(&list, rows, labels, &err);
    dv_list_done(&list);
    return r < 0 ? dv_cli_fail(&err) : 0;
}

/* ---- rm, prune ---- */

int dv_cmd_volume_rm(struct dv_cli_call *call)
{
    int code = 0;

    for (size_t i = 0; i < call->n_args; i++) {
        dv_autobuf target = DV_TEXT_INIT;
        struct dv_error err = { 0 };

        dv_xput(&target, "/volumes/");
        dv_xput_escaped(&target, call->args[i]);
        dv_xput_query(&target, "force", dv_cli_on(call, "force") ? "1" : NULL);
        if (dv_client_call(call->client, "DELETE", target.data, NULL, NULL, &err) == 0) {
            puts(call->args[i]);
            continue;
        }
        fflush(stdout);
        fprintf(stderr, "%s\n", err.msg);
        code = 1;
    }
    return code;
}

static void print_pruned(json_object *reply)
{
    dv_autofree char *size = dv_size_decimal(dv_jget_int(reply, "SpaceReclaimed"), 4);
    json_object *names = dv_jget(reply, "VolumesDeleted");

    if (dv_jlen(names))
        puts("Deleted Volumes:");
    for (size_t i = 0; i < dv_jlen(names); i++)
        puts(dv_jat_str(names, i));
    printf("%sTotal reclaimed space: %s\n", dv_jlen(names) ? "\n" : "", size);
}

int dv_cmd_volume_prune(struct dv_cli_call *call)
{
    bool all = dv_cli_on(call, "all");
    dv_autojson json_object *reply = NULL;
    dv_autostrv values = { 0 };
    dv_autofree char *filters = NULL;
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_error err = { 0 };

    if (!dv_cli_on(call, "force") &&
        !dv_cli_confirm(all ? "WARNING! This will remove all local volumes not used by at least one "
                              "container."
                            : "WARNING! This will remove anonymous local volumes not used by at "
                              "least one container.")) {
        fputs("volume prune has been cancelled\n", stderr);
        return 1;
    }
    for (size_t i = 0; i < dv_cli_list(call, "filter")->n; i++)
        dv_xadd(&values, dv_cli_list(call, "filter")->items[i]);
    if (all)
        dv_xadd(&values, "all=true");
    filters = dv_filters_text(&values);
    dv_xput(&target, "/volumes/prune");
    dv_xput_query(&target, "filters", filters);
    if (dv_client_call(call->client, "POST", target.data, NULL, &reply, &err) < 0)
        return dv_cli_fail(&err);
    print_pruned(reply);
    return 0;
}
