/* plugins.c - plugin ls, inspect, retry, check; config check. */
#include <stdio.h>

#include "cli/format/document.h"
#include "cli/format/json_text.h"
#include "cli/format/list.h"
#include "cli/system/commands.h"
#include "cli/system/helper.h"

static const char *heading(const char *field)
{
    static const char *const fields[] = { "Name", "Kind", "Version", "State", "Reason", "Path",
                                          "Since" };
    static const char *const headings[] = { "NAME", "KIND", "VERSION", "STATE", "REASON", "PATH",
                                            "SINCE" };
    size_t i;

    for (i = 0; i < N(fields); i++)
        if (dv_streq(fields[i], field))
            return headings[i];
    return field;
}

int dv_cmd_plugin_ls(struct dv_cli_call *call)
{
    const char *format = dv_cli_str(call, "format");
    bool quiet = dv_cli_on(call, "quiet") && (!*format || dv_streq(format, "table"));
    struct dv_list list = {
        .columns = dv_cli_on(call, "no-trunc")
                       ? "{{.Name}}\t{{.Kind}}\t{{.Version}}\t{{.State}}\t{{.Reason}}\t{{.Path}}"
                       : "{{.Name}}\t{{.Kind}}\t{{.Version}}\t{{.State}}\t{{.Reason}}",
        .heading = heading,
    };
    dv_autojson json_object *rows = NULL;
    struct dv_error err = { 0 };
    int r = dv_list_init(&list, quiet ? "{{.Name}}" : format, &err);

    if (r == 0)
        r = dv_client_call(call->client, "GET", "/davit/plugins", NULL, &rows, &err);
    if (r == 0)
        r = dv_list_print(&list, rows, NULL, &err);
    dv_list_done(&list);
    return r < 0 ? dv_cli_fail(&err) : 0;
}

static char *plugin_target(const char *name, const char *suffix)
{
    dv_autobuf target = DV_TEXT_INIT;

    dv_xput(&target, "/davit/plugins/");
    dv_xput_path(&target, name);
    dv_xput(&target, suffix);
    return dv_xstrdup(target.data);
}

/* An array of documents, or each by the template, as every inspect. */
int dv_cmd_plugin_inspect(struct dv_cli_call *call)
{
    const char *format = dv_cli_str(call, "format");
    dv_autojson json_object *all = dv_jarr();
    struct dv_error err = { 0 };
    dv_autobuf out = DV_TEXT_INIT;
    int code = 0;
    size_t i;

    for (i = 0; i < call->n_args; i++) {
        dv_autofree char *target = plugin_target(call->args[i], "");
        json_object *doc = NULL;

        if (dv_client_call(call->client, "GET", target, NULL, &doc, &err) < 0) {
            code = dv_cli_fail(&err);
            dv_error_clear(&err);
            continue;
        }
        dv_jpush(all, doc);
        if (*format && dv_document_print(doc, format, &err) < 0)
            return dv_cli_fail(&err);
    }
    if (!*format) {
        dv_json_put(&out, all, DV_JSON_PRETTY);
        puts(out.data);
    }
    return code;
}

int dv_cmd_plugin_retry(struct dv_cli_call *call)
{
    struct dv_error err = { 0 };
    int code = 0;
    size_t i;

    for (i = 0; i < call->n_args; i++) {
        dv_autofree char *target = plugin_target(call->args[i], "/retry");

        if (dv_client_call(call->client, "POST", target, NULL, NULL, &err) < 0) {
            code = dv_cli_fail(&err);
            dv_error_clear(&err);
        } else {
            puts(call->args[i]);
        }
    }
    return code;
}

static int run_helper(char *const argv[])
{
    struct dv_error err = { 0 };
    int r = dv_helper_run(argv, NULL, &err);

    return r < 0 ? dv_cli_fail(&err) : r;
}

int dv_cmd_plugin_check(struct dv_cli_call *call)
{
    const struct dv_strv *values = dv_cli_list(call, "option");
    dv_autostrv argv = { 0 };
    size_t i;

    dv_xadd(&argv, "davit-plugin-probe");
    dv_xadd(&argv, "--check");
    dv_xadd(&argv, call->args[0]);
    for (i = 0; i < values->n; i++)
        dv_xadd(&argv, values->items[i]);
    return run_helper(argv.items);
}

int dv_cmd_config_check(struct dv_cli_call *call)
{
    char *argv[] = { (char *)"davitd", (char *)"--check-config",
                     call->n_args ? (char *)"--config" : NULL,
                     call->n_args ? call->args[0] : NULL, NULL };

    return run_helper(argv);
}
