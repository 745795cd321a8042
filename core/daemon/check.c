/* check.c - davitd --check-config: what a start would find wrong, without one. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/error.h"
#include "core/daemon/config.h"
#include "core/plugin/probe.h"

static int mistakes;                 /* allow-listed: the process does nothing else */

static void mistake(const char *text)
{
    printf("%s\n", text);
    mistakes++;
}

/* Where the file gives D's option KEY, else where it names D; 0: nowhere. */
static int line_of(const struct dv_config *config, const struct dv_config_driver *d,
                   const char *key)
{
    for (size_t i = 0; key && i < config->n_options; i++)
        if (config->options[i].kind == d->kind && dv_streq(config->options[i].driver, d->name) &&
            dv_streq(config->options[i].key, key))
            return config->options[i].line;
    return d->line;
}

static const char *version_of(const struct dv_probe_result *result)
{
    json_object *value = NULL;

    json_object_object_get_ex(result->description, "Version", &value);
    return value ? json_object_get_string(value) : "";
}

static void check_driver(const struct dv_config *config, const struct dv_config_driver *d,
                         const char *probe)
{
    const struct dv_plugin_file file = { .kind = d->kind, .name = d->name, .path = d->path,
                                         .plugin_dir = config->engine.plugin_dir,
                                         .sha256 = d->sha256 };
    struct dv_kv items[64];
    struct dv_kvs options = { items, dv_config_options(config, d, "/", items, N(items)) };
    const char *kind = dv_kind_name(d->kind);
    struct dv_probe_result result = { 0 };
    struct dv_error err = { 0 };
    char path[1024] = "";
    int line, r = 0;

    for (const struct dv_config_driver *other = config->drivers; other < d; other++)
        if (other->kind == d->kind && dv_streq(other->name, d->name))
            r = dv_fail(&err, DV_E_CONFLICT, "plugin %s: the name '%s' is taken by %s: rename one",
                        d->path ? d->path : "", d->name, other->path ? other->path : "another");
    if (r == 0)
        r = dv_probe_file(probe, &file, &options, path, &result, &err);
    if (r == 0) {
        printf("%s driver '%s' %s: fine (%s)\n", kind, d->name, version_of(&result), path);
    } else {
        line = line_of(config, d, result.key);
        if (config->file && line > 0)
            (void)dv_wrap(&err, "%s:%d", config->file, line);
        mistake(err.msg);
    }
    dv_probe_result_done(&result);
}

/* Options of a driver that nothing names would be dropped in silence. */
static void check_orphans(const struct dv_config *config)
{
    for (size_t i = 0; i < config->n_options; i++) {
        const struct dv_config_option *o = &config->options[i];
        bool found = o->kind == DV_KIND_REGISTRY;
        struct dv_error err = { 0 };

        for (size_t j = 0; j < config->n_drivers && !found; j++)
            found = config->drivers[j].kind == o->kind && dv_streq(config->drivers[j].name, o->driver);
        if (found)
            continue;
        (void)dv_fail(&err, DV_E_INVALID, "[%s.%s] %s: no %s driver of that name is loaded; it is "
                      "chosen by [%s] or given by a [plugin] section", dv_kind_name(o->kind),
                      o->driver, o->key, dv_kind_name(o->kind), dv_kind_name(o->kind));
        if (config->file && o->line > 0)
            (void)dv_wrap(&err, "%s:%d", config->file, o->line);
        mistake(err.msg);
    }
}

int dv_config_check(struct dv_config_args *args)
{
    struct dv_config config = { 0 };
    dv_autofree char *probe = NULL;
    struct dv_error err = { 0 };

    args->mistake = mistake;
    if (dv_config_read(args, &config, &err) < 0) {
        mistake(err.msg);
    } else {
        probe = dv_format("%s/davit-plugin-probe", config.engine.libexec_dir);
        for (size_t i = 0; probe && i < config.n_drivers; i++)
            check_driver(&config, &config.drivers[i], probe);
        check_orphans(&config);
    }
    if (mistakes)
        printf("%s: %d mistake%s\n", config.file ? config.file : "config", mistakes,
               mistakes == 1 ? "" : "s");
    else if (config.file)
        printf("%s is fine\n", config.file);
    else
        printf("there is no config file; the defaults are fine\n");
    dv_config_done(&config);
    return mistakes > 0;
}
