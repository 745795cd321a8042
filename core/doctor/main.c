/* main.c - davit-doctor: what of this host keeps davit from working, as JSON for `davit doctor`. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/daemon/config.h"
#include "core/doctor/finding.h"
#include "core/plugin/probe.h"

static struct dv_findings findings;  /* allow-listed: the process makes nothing else */

static void on_mistake(const char *text)
{
    dv_found(&findings, DV_PROBLEM, "davit.ini", "davitd does not start",
             "correct it, then try `davit config check`", "%s", text);
}

static void check_config(struct dv_config_args *args, struct dv_config *config)
{
    size_t before = json_object_array_length(findings.list);
    struct dv_error err = { 0 };

    findings.section = "config";
    args->mistake = on_mistake;
    if (dv_config_read(args, config, &err) < 0)
        on_mistake(err.msg);
    if (json_object_array_length(findings.list) > before)
        return;
    if (config->file)
        dv_found(&findings, DV_OK, "davit.ini", "", "", "%s is fine", config->file);
    else
        dv_found(&findings, DV_OK, "davit.ini", "", "", "there is none; the defaults hold");
}

/* davitd's own programs. */
static void check_programs(const struct dv_engine_config *e)
{
    static const char *const names[] = { "davit-shim", "davit-worker", "davit-init",
                                         "davit-plugin-probe", "davit-seccomp" };
    size_t missing = 0;

    for (size_t i = 0; i < N(names); i++) {
        dv_autofree char *path = dv_format("%s/%s", e->libexec_dir, names[i]);

        if (!path || access(path, X_OK) == 0)
            continue;
        missing++;
        dv_found(&findings, DV_PROBLEM, "programs", "davitd starts it and cannot do without",
                 "install davit whole, or set [engine] libexec_dir", "%s: %m", path);
    }
    if (!missing)
        dv_found(&findings, DV_OK, "programs", "", "", "all are in %s", e->libexec_dir);
}

static void check_plugin(const struct dv_config *config, const struct dv_config_driver *d,
                         const char *probe)
{
    const struct dv_plugin_file file = { .kind = d->kind, .name = d->name, .path = d->path,
                                         .plugin_dir = config->engine.plugin_dir,
                                         .sha256 = d->sha256 };
    struct dv_kv items[64];
    const struct dv_kvs options = { items, dv_config_options(config, d, "/", items, N(items)) };
    struct dv_probe_result result = { 0 };
    struct dv_error err = { 0 };
    char path[1024] = "";

    if (dv_probe_file(probe, &file, &options, path, &result, &err) == 0)
        dv_found(&findings, DV_OK, d->name, "", "", "%s driver, loads from %s",
                 dv_kind_name(d->kind), path);
    else
        dv_found(&findings, DV_PROBLEM, d->name,
                 "what needs this driver is answered 503; nothing falls back to another",
                 "`davit plugin check FILE` shows each step; then `davit plugin retry NAME`, or "
                 "restart davitd", "%s driver: %s", dv_kind_name(d->kind), err.msg);
    dv_probe_result_done(&result);
}

static void check_plugins(const struct dv_config *config)
{
    dv_autofree char *probe = dv_format("%s/davit-plugin-probe", config->engine.libexec_dir);

    findings.section = "plugins";
    for (size_t i = 0; probe && i < config->n_drivers; i++)
        check_plugin(config, &config->drivers[i], probe);
}

int main(int argc, char **argv)
{
    struct dv_config_args args = { .file = argc > 1 ? argv[1] : NULL };
    struct dv_config_args none = { .file = "/dev/null" };
    struct dv_config config = { 0 };
    struct dv_error ignored = { 0 };

    findings.list = json_object_new_array();
    check_config(&args, &config);
    /* With half a config the rest is looked at as the defaults would have it. */
    if (!config.engine.bridge_name) {
        dv_config_done(&config);
        if (dv_config_read(&none, &config, &ignored) < 0) {
            fprintf(stderr, "davit-doctor: %s\n", ignored.msg);
            return 1;
        }
    }
    check_programs(&config.engine);
    dv_doctor_kernel(&findings);
    dv_doctor_cgroups(&findings);
    dv_doctor_firewall(&findings, &config.engine);
    dv_doctor_disk(&findings, &config.engine);
    check_plugins(&config);
    dv_doctor_links(&findings);
    puts(json_object_to_json_string_ext(findings.list, JSON_C_TO_STRING_PLAIN |
                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(findings.list);
    dv_config_done(&config);
    return 0;
}
