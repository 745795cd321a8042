/* doctor.c - doctor: what keeps davit from working here, what it means, what to do. The host is
 * looked at by davit-doctor; the daemon is asked here. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/format/document.h"
#include "cli/system/commands.h"
#include "cli/system/helper.h"
#include "cli/util.h"

static void add(json_object *list, const char *section, const char *check, const char *level,
                const char *found, const char *means, const char *remedy)
{
    json_object *obj = dv_jobj();

    dv_jset_str(obj, "Section", section);
    dv_jset_str(obj, "Check", check);
    dv_jset_str(obj, "Level", level);
    dv_jset_str(obj, "Found", found);
    dv_jset_str(obj, "Means", means);
    dv_jset_str(obj, "Do", remedy);
    dv_jpush(list, obj);
}

/* ---- the daemon ---- */

static void ask_plugins(struct dv_client *client, json_object *list)
{
    dv_autojson json_object *plugins = NULL;
    struct dv_error err = { 0 };
    size_t i;

    if (dv_client_call(client, "GET", "/davit/plugins", NULL, &plugins, &err) < 0)
        return;
    for (i = 0; i < dv_jlen(plugins); i++) {
        json_object *p = json_object_array_get_idx(plugins, i);
        bool active = dv_streq(dv_jget_str(p, "State"), "active");
        dv_autofree char *found = dv_xformat("%s driver, %s%s%s", dv_jget_str(p, "Kind"),
                                             dv_jget_str(p, "State"), active ? "" : ": ",
                                             dv_jget_str(p, "Reason"));
        dv_autofree char *remedy = dv_xformat("see the reason; then `davit plugin retry %s`",
                                              dv_jget_str(p, "Name"));

        add(list, "daemon", dv_jget_str(p, "Name"), active ? "ok" : "problem", found,
            active ? "" : "what needs this driver is answered 503", active ? "" : remedy);
    }
}

static void ask_version(struct dv_client *client, json_object *list)
{
    dv_autojson json_object *version = NULL;
    dv_autofree char *found = NULL;
    struct dv_error err = { 0 };
    const char *theirs;

    if (dv_client_call(client, "GET", "/version", NULL, &version, &err) < 0) {
        add(list, "daemon", "version", "problem", err.msg, "", "");
        return;
    }
    theirs = dv_jget_str(version, "Version");
    found = dv_xformat("davit %s, daemon %s", DAVIT_VERSION, theirs);
    if (dv_streq(theirs, DAVIT_VERSION))
        add(list, "daemon", "version", "ok", found, "", "");
    else
        add(list, "daemon", "version", "warning", found,
            "davit's own commands (plugin, doctor) may not be understood",
            "restart the daemon after an upgrade; containers go on meanwhile");
}

/* What the daemon warns of itself, but for drivers: those come by their own rows. */
static void ask_warnings(struct dv_client *client, json_object *list)
{
    dv_autojson json_object *info = NULL;
    json_object *warnings;
    struct dv_error err = { 0 };
    size_t i;

    if (dv_client_call(client, "GET", "/info", NULL, &info, &err) < 0)
        return;
    warnings = dv_jget(info, "Warnings");
    for (i = 0; i < dv_jlen(warnings); i++) {
        const char *text = dv_jat_str(warnings, i);

        if (!strstr(text, " driver '"))
            add(list, "daemon", "warning", "warning", text, "", "");
    }
}

static void ask_daemon(struct dv_client *client, json_object *list)
{
    struct dv_error err = { 0 };

    client->may_start = false; /* to look is not to change */
    if (dv_client_connect(client, &client->http, &err) < 0) {
        bool denied = err.code == DV_E_FORBIDDEN;

        add(list, "daemon", "reachable", denied ? "problem" : "warning", err.msg,
            denied ? "the daemon's socket is not yours to use"
                   : "no daemon answers; where none is named, root's next command starts one",
            denied ? "run davit as root, or have root add you to the group davit"
                   : "davit version, as root; or systemctl start davit.socket");
        return;
    }
    add(list, "daemon", "reachable", "ok", "the daemon answers", "", "");
    ask_version(client, list);
    ask_plugins(client, list);
    ask_warnings(client, list);
}

/* ---- the host ---- */

static int ask_host(const char *config, json_object **ret, struct dv_error *err)
{
    char *argv[] = { (char *)"davit-doctor", *config ? (char *)config : NULL, NULL };
    dv_autobuf out = DV_TEXT_INIT;
    int r = dv_helper_run(argv, &out, err);

    if (r < 0)
        return r;
    if (r > 0 || !out.data)
        return dv_fail(err, DV_E_INTERNAL, "davit-doctor ended with exit code %d", r);
    return dv_json_parse(out.data, strcspn(out.data, "\n"), ret, err);
}

/* ---- told ---- */

static bool is_problem(json_object *finding)
{
    return dv_streq(dv_jget_str(finding, "Level"), "problem");
}

static void print_finding(json_object *f)
{
    const char *level = dv_jget_str(f, "Level"), *means = dv_jget_str(f, "Means");
    const char *remedy = dv_jget_str(f, "Do");

    printf("  %-8s %-16s %s\n", is_problem(f) ? "PROBLEM" : level, dv_jget_str(f, "Check"),
           dv_jget_str(f, "Found"));
    if (*means)
        printf("  %-8s %-16s means: %s\n", "", "", means);
    if (*remedy)
        printf("  %-8s %-16s do: %s\n", "", "", remedy);
}

static void print_all(json_object *list, size_t problems)
{
    const char *section = "";
    size_t i;

    for (i = 0; i < dv_jlen(list); i++) {
        json_object *f = json_object_array_get_idx(list, i);

        if (!dv_streq(section, dv_jget_str(f, "Section"))) {
            section = dv_jget_str(f, "Section");
            printf("%s%s\n", i ? "\n" : "", section);
        }
        print_finding(f);
    }
    if (problems)
        printf("\n%zu problem%s\n", problems, problems == 1 ? "" : "s");
    else
        printf("\nno problems\n");
}

int dv_cmd_doctor(struct dv_cli_call *call)
{
    const char *format = dv_cli_str(call, "format");
    dv_autojson json_object *list = NULL;
    struct dv_error err = { 0 };
    size_t problems = 0, i;

    if (ask_host(dv_cli_str(call, "config"), &list, &err) < 0)
        return dv_cli_fail(&err);
    ask_daemon(call->client, list);
    for (i = 0; i < dv_jlen(list); i++)
        problems += is_problem(json_object_array_get_idx(list, i));
    if (!*format)
        print_all(list, problems);
    else if (dv_document_print(list, format, &err) < 0)
        return dv_cli_fail(&err);
    return problems > 0;
}
