/* version.c - version: of this program, and of the daemon. */
#include <sys/utsname.h>

#include "cli/format/document.h"
#include "cli/system/commands.h"
#include "cli/util.h"

/* Go's name of this machine's architecture, as the API uses it. */
static const char *architecture(const struct utsname *host)
{
    if (dv_streq(host->machine, "x86_64"))
        return "amd64";
    return dv_streq(host->machine, "aarch64") ? "arm64" : host->machine;
}

static json_object *client_document(void)
{
    json_object *client = dv_jobj();
    struct utsname host = { 0 };

    uname(&host);
    dv_jset_str(client, "Version", DAVIT_VERSION);
    dv_jset_str(client, "ApiVersion", DV_API_VERSION);
    dv_jset_str(client, "DefaultAPIVersion", DV_API_VERSION);
    dv_jset_str(client, "Os", "linux");
    dv_jset_str(client, "Arch", architecture(&host));
    return client;
}

static void put_client(json_object *client)
{
    printf("Client:\n");
    printf(" Version:           %s\n", dv_jget_str(client, "Version"));
    printf(" API version:       %s\n", dv_jget_str(client, "ApiVersion"));
    printf(" OS/Arch:           %s/%s\n", dv_jget_str(client, "Os"), dv_jget_str(client, "Arch"));
    fflush(stdout);
}

static void put_component(json_object *component)
{
    static const struct {
        const char *label, *key;
    } lines[] = {
        { "Git commit", "GitCommit" },
        { "Built", "BuildTime" },
    };
    json_object *details = dv_jget(component, "Details");
    size_t i;

    printf(" %s:\n", dv_jget_str(component, "Name"));
    printf("  Version:          %s\n", dv_jget_str(component, "Version"));
    if (*dv_jget_str(details, "ApiVersion"))
        printf("  API version:      %s (minimum version %s)\n",
               dv_jget_str(details, "ApiVersion"), dv_jget_str(details, "MinAPIVersion"));
    for (i = 0; i < N(lines); i++)
        if (*dv_jget_str(details, lines[i].key))
            printf("  %s:%*s%s\n", lines[i].label, (int)(17 - strlen(lines[i].label)), "",
                   dv_jget_str(details, lines[i].key));
    if (*dv_jget_str(details, "Os"))
        printf("  OS/Arch:          %s/%s\n", dv_jget_str(details, "Os"),
               dv_jget_str(details, "Arch"));
}

static void put_server(json_object *server)
{
    const char *platform = dv_jget_str(dv_jget(server, "Platform"), "Name");
    json_object *components = dv_jget(server, "Components");
    size_t i;

    printf("\nServer:%s%s\n", *platform ? " " : "", platform);
    for (i = 0; i < dv_jlen(components); i++)
        put_component(json_object_array_get_idx(components, i));
    if (dv_jlen(components) == 0)
        printf(" Engine:\n  Version:          %s\n  API version:      %s\n",
               dv_jget_str(server, "Version"), dv_jget_str(server, "ApiVersion"));
}

int dv_cmd_version(struct dv_cli_call *call)
{
    const char *format = dv_cli_str(call, "format");
    dv_autojson json_object *both = dv_jobj();
    json_object *client = client_document(), *server = NULL;
    struct dv_error err = { 0 };
    int r;

    dv_jset(both, "Client", client);
    if (!*format)
        put_client(client);
    r = dv_client_call(call->client, "GET", "/version", NULL, &server, &err);
    dv_jset(both, "Server", server);
    if (*format) {
        struct dv_error format_err = { 0 };

        if (dv_document_print(both, format, &format_err) < 0)
            return dv_cli_fail(&format_err);
    } else if (r == 0) {
        put_server(server);
    }
    return r < 0 ? dv_cli_fail(&err) : 0;
}
