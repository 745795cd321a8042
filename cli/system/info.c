/* info.c - info: what the daemon says of itself and its host. */
#include "cli/format/document.h"
#include "cli/format/units.h"
#include "cli/system/commands.h"

enum line_type { LINE_TEXT, LINE_INT, LINE_BOOL, LINE_BYTES };
struct line {
    const char *label, *key;
    enum line_type type;
    bool if_there;   /* left out where the daemon has nothing to say */
};

static void put_line(const struct line *line, json_object *info)
{
    dv_autofree char *size = NULL;

    if (line->if_there && !*dv_jget_str(info, line->key) && line->type == LINE_TEXT)
        return;
    switch (line->type) {
    case LINE_TEXT:
        printf(" %s: %s\n", line->label, dv_jget_str(info, line->key));
        break;
    case LINE_INT:
        printf(" %s: %lld\n", line->label, (long long)dv_jget_int(info, line->key));
        break;
    case LINE_BOOL:
        printf(" %s: %s\n", line->label, dv_jget_bool(info, line->key) ? "true" : "false");
        break;
    case LINE_BYTES:
        size = dv_size_binary(dv_jget_int(info, line->key));
        printf(" %s: %s\n", line->label, size);
        break;
    }
}

static void put_lines(const struct line *lines, size_t n, json_object *info)
{
    size_t i;

    for (i = 0; i < n; i++)
        put_line(&lines[i], info);
}

/* [["Backing Filesystem", "extfs"], ...] */
static void put_driver_status(json_object *info)
{
    json_object *status = dv_jget(info, "DriverStatus");
    size_t i;

    for (i = 0; i < dv_jlen(status); i++) {
        json_object *pair = json_object_array_get_idx(status, i);

        if (dv_jlen(pair) == 2)
            printf("  %s: %s\n", dv_jat_str(pair, 0), dv_jat_str(pair, 1));
    }
}

static void put_words(const char *label, json_object *list)
{
    size_t i;

    printf("  %s:", label);
    for (i = 0; i < dv_jlen(list); i++)
        printf(" %s", dv_jat_str(list, i));
    putchar('\n');
}

static void put_plugins(json_object *info)
{
    static const char *const kinds[] = { "Volume", "Network", "Authorization", "Log" };
    json_object *plugins = dv_jget(info, "Plugins");
    size_t i;

    puts(" Plugins:");
    for (i = 0; i < N(kinds); i++)
        if (dv_jlen(dv_jget(plugins, kinds[i])) > 0 || i < 2)
            put_words(kinds[i], dv_jget(plugins, kinds[i]));
}

static void put_runtimes(json_object *info)
{
    json_object *runtimes = dv_jget(info, "Runtimes");

    printf(" Runtimes:");
    if (json_object_is_type(runtimes, json_type_object)) {
        json_object_object_foreach(runtimes, key, value) {
            (void)value;
            printf(" %s", key);
        }
    }
    putchar('\n');
}

/* "name=seccomp,profile=builtin" as two lines. */
static void put_security_option(const char *option)
{
    dv_autostrv parts = { 0 };
    size_t i;

    dv_xsplit(&parts, option, ',');
    for (i = 0; i < parts.n; i++) {
        char *equal = strchr(parts.items[i], '='), *key = parts.items[i];

        if (!equal)
            continue;
        *equal = '\0';
        if (dv_streq(key, "name")) {
            printf("  %s\n", equal + 1);
            continue;
        }
        key[0] = (char)(key[0] >= 'a' && key[0] <= 'z' ? key[0] - 'a' + 'A' : key[0]);
        printf("   %s: %s\n", key, equal + 1);
    }
}

static void put_security(json_object *info)
{
    json_object *options = dv_jget(info, "SecurityOptions");
    size_t i;

    if (dv_jlen(options) == 0)
        return;
    puts(" Security Options:");
    for (i = 0; i < dv_jlen(options); i++)
        put_security_option(dv_jat_str(options, i));
}

static void put_labels(json_object *info)
{
    json_object *labels = dv_jget(info, "Labels");
    size_t i;

    if (dv_jlen(labels) == 0)
        return;
    puts(" Labels:");
    for (i = 0; i < dv_jlen(labels); i++)
        printf("  %s\n", dv_jat_str(labels, i));
}

static void put_server(json_object *info)
{
    static const struct line counts[] = {
        { "Containers", "Containers", LINE_INT },
        { " Running", "ContainersRunning", LINE_INT },
        { " Paused", "ContainersPaused", LINE_INT },
        { " Stopped", "ContainersStopped", LINE_INT },
        { "Images", "Images", LINE_INT },
        { "Server Version", "ServerVersion" },
        { "Storage Driver", "Driver" },
    };
    static const struct line drivers[] = {
        { "Logging Driver", "LoggingDriver" },
        { "Cgroup Driver", "CgroupDriver", LINE_TEXT, true },
        { "Cgroup Version", "CgroupVersion", LINE_TEXT, true },
    };
    static const struct line runtime[] = {
        { "Default Runtime", "DefaultRuntime" },
        { "Init Binary", "InitBinary", LINE_TEXT, true },
    };
    static const struct line host[] = {
        { "Kernel Version", "KernelVersion" },  { "Operating System", "OperatingSystem" },
        { "OSType", "OSType" },                 { "Architecture", "Architecture" },
        { "CPUs", "NCPU", LINE_INT },           { "Total Memory", "MemTotal", LINE_BYTES },
        { "Name", "Name" },                     { "ID", "ID" },
        { "Docker Root Dir", "DockerRootDir" }, { "Debug Mode", "Debug", LINE_BOOL },
        { "HTTP Proxy", "HttpProxy", LINE_TEXT, true },
        { "HTTPS Proxy", "HttpsProxy", LINE_TEXT, true },
        { "No Proxy", "NoProxy", LINE_TEXT, true },
    };
    static const struct line last[] = {
        { "Experimental", "ExperimentalBuild", LINE_BOOL },
        { "Live Restore Enabled", "LiveRestoreEnabled", LINE_BOOL },
    };
    json_object *warnings = dv_jget(info, "Warnings");
    size_t i;

    put_lines(counts, N(counts), info);
    put_driver_status(info);
    put_lines(drivers, N(drivers), info);
    put_plugins(info);
    printf(" Swarm: %s\n", dv_jget_str(dv_jget(info, "Swarm"), "LocalNodeState"));
    put_runtimes(info);
    put_lines(runtime, N(runtime), info);
    put_security(info);
    put_lines(host, N(host), info);
    put_labels(info);
    put_lines(last, N(last), info);
    putchar('\n');
    fflush(stdout);
    for (i = 0; i < dv_jlen(warnings); i++)
        fprintf(stderr, "%s\n", dv_jat_str(warnings, i));
}

int dv_cmd_info(struct dv_cli_call *call)
{
    const char *format = dv_cli_str(call, "format");
    dv_autojson json_object *info = NULL;
    struct dv_error err = { 0 };
    int r = dv_client_call(call->client, "GET", "/info", NULL, &info, &err);

    if (*format)
        return r < 0 || dv_document_print(info, format, &err) < 0 ? dv_cli_fail(&err) : 0;
    printf("Client:\n Version:    %s\n\nServer:\n", DAVIT_VERSION);
    fflush(stdout);
    if (r < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    put_server(info);
    return 0;
}
