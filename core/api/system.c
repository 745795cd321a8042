/* system.c - ping, options and version. */
#include <stdio.h>
#include <sys/utsname.h>

#include "core/api/build.h"
#include "core/api/handlers.h"
#include "core/api/request.h"
#include "core/api/system.h"

int dv_api_ping(struct dv_request *req, struct dv_error *err)
{
    (void)err;
    dv_reply_header(req, "Builder-Version: 1\r\nSwarm: inactive\r\n"
                         "Cache-Control: no-cache, no-store, must-revalidate\r\n"
                         "Pragma: no-cache\r\n");
    dv_reply_text(req, 200, dv_streq(req->route->method, "HEAD") ? "" : "OK");
    return 0;
}

/* Of any path, known or not: browsers ask before they send; Docker says yes without a word. */
int dv_api_options(struct dv_request *req, struct dv_error *err)
{
    (void)err;
    dv_reply_empty(req, 200);
    return 0;
}

const char *dv_go_arch(const char *machine)
{
    static const struct {
        const char *machine, *arch;
    } names[] = {
        { "x86_64", "amd64" },   { "aarch64", "arm64" },   { "riscv64", "riscv64" },
        { "ppc64le", "ppc64le" }, { "s390x", "s390x" },    { "loongarch64", "loong64" },
    };

    for (size_t i = 0; i < N(names); i++)
        if (dv_streq(machine, names[i].machine))
            return names[i].arch;
    return machine;
}

static void put_details(json_object *obj, const struct utsname *host, bool as_text)
{
    char api[16], oldest[16];

    snprintf(api, sizeof(api), "%d.%d", DV_API_MAJOR, DV_API_MAX);
    snprintf(oldest, sizeof(oldest), "%d.%d", DV_API_MAJOR, DV_API_MIN);
    dv_put_str(obj, "ApiVersion", api);
    dv_put_str(obj, "MinAPIVersion", oldest);
    dv_put_str(obj, "GitCommit", "");
    dv_put_str(obj, "GoVersion", "");
    dv_put_str(obj, "Os", "linux");
    dv_put_str(obj, "Arch", dv_go_arch(host->machine));
    dv_put_str(obj, "KernelVersion", host->release);
    if (as_text)
        dv_put_str(obj, "Experimental", "false");
    dv_put_str(obj, "BuildTime", "");
}

int dv_api_version(struct dv_request *req, struct dv_error *err)
{
    json_object *obj = json_object_new_object(), *platform = json_object_new_object();
    json_object *components = json_object_new_array(), *engine = json_object_new_object();
    json_object *details = json_object_new_object();
    struct utsname host;

    (void)err;
    uname(&host);
    dv_put_str(platform, "Name", "davit");
    dv_put(obj, "Platform", platform);
    put_details(details, &host, /* as_text */ true);
    dv_put_str(engine, "Name", "Engine");
    dv_put_str(engine, "Version", DAVIT_VERSION);
    dv_put(engine, "Details", details);
    json_object_array_add(components, engine);
    dv_put(obj, "Components", components);
    dv_put_str(obj, "Version", DAVIT_VERSION);
    put_details(obj, &host, /* as_text */ false);
    dv_put_bool(obj, "Experimental", false);
    dv_reply_json(req, 200, obj);
    return 0;
}
