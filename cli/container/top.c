/* top.c - top and update: a container's processes, its limits. */
#include "cli/container/commands.h"
#include "cli/container/create.h"
#include "cli/util.h"

enum { COLUMN_CHARS = 20, GAP_CHARS = 3 };

/* --- top -------------------------------------------------------------------------------------- */

static size_t width_of(json_object *titles, json_object *rows, size_t column)
{
    size_t width = strlen(dv_jat_str(titles, column)) + GAP_CHARS, i;

    for (i = 0; i < dv_jlen(rows); i++) {
        size_t w = strlen(dv_jat_str(json_object_array_get_idx(rows, i), column)) + GAP_CHARS;

        width = w > width ? w : width;
    }
    return width < COLUMN_CHARS ? COLUMN_CHARS : width;
}

static void print_row(json_object *row, const size_t *widths)
{
    size_t n = dv_jlen(row), i;

    for (i = 0; i < n; i++)
        if (i + 1 < n)
            printf("%-*s", (int)widths[i], dv_jat_str(row, i));
        else
            puts(dv_jat_str(row, i));
}

static void print_table(json_object *titles, json_object *rows)
{
    size_t n = dv_jlen(titles), i;
    dv_autofree size_t *widths = dv_xcalloc(n + 1, sizeof(*widths));

    for (i = 0; i < n; i++)
        widths[i] = width_of(titles, rows, i);
    print_row(titles, widths);
    for (i = 0; i < dv_jlen(rows); i++)
        print_row(json_object_array_get_idx(rows, i), widths);
}

int dv_cmd_top(struct dv_cli_call *call)
{
    dv_autojson json_object *reply = NULL;
    dv_autobuf target = DV_TEXT_INIT, args = DV_TEXT_INIT;
    struct dv_error err = { 0 };
    size_t i;

    for (i = 1; i < call->n_args; i++)
        dv_xprintf(&args, "%s%s", i > 1 ? " " : "", call->args[i]);
    dv_xput(&target, "/containers/");
    dv_xput_escaped(&target, call->args[0]);
    dv_xput(&target, "/top");
    dv_xput_query(&target, "ps_args", args.data);
    if (dv_client_call(call->client, "GET", target.data, NULL, &reply, &err) < 0)
        return dv_cli_fail(&err);
    print_table(dv_jget(reply, "Titles"), dv_jget(reply, "Processes"));
    return 0;
}

/* --- update ----------------------------------------------------------------------------------- */

static const struct {
    const char *option, *key;
    bool text;
} update_keys[] = {
    { "blkio-weight", "BlkioWeight", false },
    { "cpu-period", "CpuPeriod", false },
    { "cpu-quota", "CpuQuota", false },
    { "cpu-rt-period", "CpuRealtimePeriod", false },
    { "cpu-rt-runtime", "CpuRealtimeRuntime", false },
    { "cpu-shares", "CpuShares", false },
    { "cpus", "NanoCpus", false },
    { "cpuset-cpus", "CpusetCpus", true },
    { "cpuset-mems", "CpusetMems", true },
    { "memory", "Memory", false },
    { "memory-reservation", "MemoryReservation", false },
    { "memory-swap", "MemorySwap", false },
    { "pids-limit", "PidsLimit", false },
};

static int put_body(const struct dv_cli_call *call, json_object *body, struct dv_error *err)
{
    bool any = dv_cli_set(call, "restart");
    json_object *policy = NULL;
    size_t i;

    for (i = 0; i < N(update_keys); i++) {
        const char *option = update_keys[i].option;

        if (!dv_cli_set(call, option))
            continue;
        any = true;
        if (update_keys[i].text)
            dv_jset_str(body, update_keys[i].key, dv_cli_str(call, option));
        else
            dv_jset_int(body, update_keys[i].key, dv_cli_num(call, option));
    }
    if (!any)
        return dv_fail(err, DV_E_INVALID,
                       "you must provide one or more flags when using this command");
    if (!dv_cli_set(call, "restart"))
        return 0;
    if (dv_restart_policy_json(dv_cli_str(call, "restart"), &policy, err) < 0)
        return -err->code;
    dv_jset(body, "RestartPolicy", policy);
    return 0;
}

static int update_one(struct dv_cli_call *call, const char *name, json_object *body)
{
    dv_autojson json_object *reply = NULL;
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_error err = { 0 };
    json_object *warnings;
    size_t i;

    dv_xput(&target, "/containers/");
    dv_xput_escaped(&target, name);
    dv_xput(&target, "/update");
    if (dv_client_call(call->client, "POST", target.data, body, &reply, &err) < 0) {
        fflush(stdout);
        return dv_cli_fail(&err);
    }
    puts(name);
    fflush(stdout);
    warnings = dv_jget(reply, "Warnings");
    for (i = 0; i < dv_jlen(warnings); i++)
        fprintf(stderr, "%s\n", dv_jat_str(warnings, i));
    return 0;
}

int dv_cmd_update(struct dv_cli_call *call)
{
    dv_autojson json_object *body = dv_jobj();
    struct dv_error err = { 0 };
    int code = 0;
    size_t i;

    if (put_body(call, body, &err) < 0)
        return dv_cli_fail(&err);
    for (i = 0; i < call->n_args; i++)
        code |= update_one(call, call->args[i], body);
    return code;
}
