/* config.c - davit.ini and the command line of davitd. */
#include "core/daemon/config.h"

#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/file.h"
#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/plugin/load.h"

#ifndef DAVIT_SYSCONFDIR
#define DAVIT_SYSCONFDIR "/etc"
#endif
#ifndef DAVIT_LIBEXECDIR
#define DAVIT_LIBEXECDIR "/usr/local/libexec/davit"
#endif
#ifndef DAVIT_PLUGINDIR
#define DAVIT_PLUGINDIR "/usr/local/lib/davit/plugins"
#endif
static const char default_file[] = DAVIT_SYSCONFDIR "/davit/davit.ini";
static const char default_root[] = "/var/lib/davit";

/* ---- the keys of our own sections ---- */

enum key_type { KEY_STR, KEY_PATH, KEY_BOOL, KEY_U64, KEY_SECONDS, KEY_BYTES, KEY_LIST };
struct key {
    const char *section, *name;
    enum key_type type;
    size_t offset;                   /* in struct dv_config */
    const char *fallback;            /* NULL: worked out in finish() */
};
#define AT(field) offsetof(struct dv_config, field)
static const struct key keys[] = {
    { "engine", "cgroup_parent", KEY_STR, AT(engine.cgroup_parent), NULL },
    { "engine", "driver_timeout", KEY_SECONDS, AT(engine.driver_timeout_s), "120" },
    { "engine", "favordynmods", KEY_BOOL, AT(engine.favordynmods), "true" },
    { "engine", "hosts", KEY_LIST, AT(engine.hosts), NULL },
    { "engine", "libexec_dir", KEY_PATH, AT(engine.libexec_dir), NULL },
    { "engine", "log_level", KEY_STR, AT(engine.log_level), "info" },
    { "engine", "max_connections", KEY_U64, AT(engine.max_connections), "4096" },
    { "engine", "plugin_dir", KEY_PATH, AT(engine.plugin_dir), NULL },
    { "engine", "root", KEY_PATH, AT(engine.root), default_root },
    { "engine", "run_dir", KEY_PATH, AT(engine.run_dir), NULL },
    { "engine", "userns_remap", KEY_STR, AT(engine.userns_remap), "" },
    { "log", "max_file", KEY_U64, AT(engine.log_max_files), "5" },
    { "log", "max_size", KEY_BYTES, AT(engine.log_max_bytes), "20m" },
    { "network", "bridge_name", KEY_STR, AT(engine.bridge_name), NULL },
    { "network", "default_pool", KEY_STR, AT(engine.default_pool), "auto" },
    { "network", "drivers", KEY_STR, AT(network_drivers), "bridge, host, none" },
    { "network", "netns_pool", KEY_U64, AT(engine.netns_pool), "4" },
    { "network", "nft_table", KEY_STR, AT(engine.nft_table), NULL },
    { "registry", "drivers", KEY_STR, AT(registry_drivers), "archive" },
    { "storage", "driver", KEY_STR, AT(engine.storage_driver), "overlay" },
    { "storage", "drop_blobs", KEY_BOOL, AT(engine.drop_blobs), "false" },
};

static int set_list(struct dv_strv *list, const char *value)
{
    dv_strv_done(list);
    return dv_strv_words(list, value, ',');
}

static int set_text(char **at, const char *value)
{
    char *copy = dv_strdup(value);

    if (!copy)
        return -1;
    free(*at);
    *at = copy;
    return 0;
}

static int set_key(struct dv_config *config, const struct key *key, const char *value,
                   struct dv_error *err)
{
    char *at = (char *)config + key->offset;
    uint64_t number;
    int r = 0;

    switch (key->type) {
    case KEY_PATH:
        if (value[0] != '/')
            return dv_fail(err, DV_E_INVALID, "%s.%s: '%s' is not an absolute path", key->section,
                           key->name, value);
        r = set_text((char **)(void *)at, value);
        break;
    case KEY_STR:
        r = set_text((char **)(void *)at, value);
        break;
    case KEY_LIST:
        r = set_list((struct dv_strv *)(void *)at, value);
        break;
    case KEY_BOOL:
        if (dv_parse_bool(value, (bool *)at) < 0)
            return dv_fail(err, DV_E_INVALID, "%s.%s: '%s' is neither true nor false", key->section,
                           key->name, value);
        break;
    case KEY_U64:
        if (dv_parse_u64(value, 0, INT32_MAX, &number) < 0)
            return dv_fail(err, DV_E_INVALID, "%s.%s: '%s' is not a number from 0 to %d",
                           key->section, key->name, value, INT32_MAX);
        *(int64_t *)(void *)at = (int64_t)number;
        break;
    case KEY_SECONDS:
        if (dv_parse_u64(value, 1, 86400, &number) < 0)
            return dv_fail(err, DV_E_INVALID, "%s.%s: '%s' is not a number of seconds from 1 to "
                           "86400", key->section, key->name, value);
        *(int64_t *)(void *)at = (int64_t)number;
        break;
    case KEY_BYTES:
        if (dv_parse_bytes(value, (int64_t *)(void *)at) < 0)
            return dv_fail(err, DV_E_INVALID, "%s.%s: '%s' is not a size such as 20m",
                           key->section, key->name, value);
        break;
    }
    return r < 0 ? dv_fail(err, DV_E_NO_MEMORY, "read the config") : 0;
}

static const struct key *find_key(const char *section, const char *name)
{
    for (size_t i = 0; i < N(keys); i++)
        if (dv_streq(keys[i].section, section) && dv_streq(keys[i].name, name))
            return &keys[i];
    return NULL;
}

static int unknown_key(const char *section, const char *name, struct dv_error *err)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    bool known_section = false;

    for (size_t i = 0; i < N(keys); i++) {
        size_t d;

        if (!dv_streq(keys[i].section, section))
            continue;
        known_section = true;
        d = dv_edit_distance(keys[i].name, name);
        if (d < best)
            best = d, nearest = keys[i].name;
    }
    if (!known_section)
        return dv_fail(err, DV_E_INVALID,
                       "unknown section [%s]; known: [engine] [log] [network] [registry] [storage], "
                       "a driver's own such as [storage.overlay], and [plugin \"name\"]",
                       section);
    return dv_fail(err, DV_E_INVALID, "unknown key '%s' in [%s]; the nearest known one is '%s'",
                   name, section, nearest);
}

/* ---- drivers' own sections, and plugins from outside the tree ---- */

static struct dv_config_driver *driver_new(struct dv_config *config, const char *name)
{
    struct dv_config_driver *grown = reallocarray(config->drivers, config->n_drivers + 1,
                                                  sizeof(*grown));

    if (!grown)
        return NULL;
    config->drivers = grown;
    grown += config->n_drivers;
    *grown = (struct dv_config_driver){ .name = dv_strdup(name), .line = config->line };
    if (!grown->name)
        return NULL;
    config->n_drivers++;
    return grown;
}

/* The last [plugin "NAME"]: what the next keys of that section belong to. */
static struct dv_config_driver *plugin_entry(struct dv_config *config, const char *name)
{
    for (size_t i = config->n_drivers; i-- > 0;)
        if (dv_streq(config->drivers[i].name, name))
            return &config->drivers[i];
    return driver_new(config, name);
}

/* A second path for a name: of the file, it is another plugin that claims the name, and will be
 * turned away with that reason; the command line replaces what the file says. */
static struct dv_config_driver *path_entry(struct dv_config *config, struct dv_config_driver *d,
                                           const char *path)
{
    uint32_t kind = d->kind;

    if (!d->path || config->line == 0 || dv_streq(d->path, path))
        return d;
    d = driver_new(config, d->name);
    if (d)
        d->kind = kind;
    return d;
}

static int set_plugin_key(struct dv_config *config, const char *section, const char *name,
                          const char *value, struct dv_error *err)
{
    char plugin[64] = "";
    struct dv_config_driver *d;
    int kind;

    if (sscanf(section, "plugin \"%63[a-z0-9-]\"", plugin) != 1)
        return dv_fail(err, DV_E_INVALID,
                       "section [%s]: write it as [plugin \"name\"] with a name of [a-z0-9-]",
                       section);
    d = plugin_entry(config, plugin);
    if (d && dv_streq(name, "path"))
        d = path_entry(config, d, value);
    if (!d)
        return dv_fail(err, DV_E_NO_MEMORY, "read the config");
    if (dv_streq(name, "kind")) {
        kind = dv_kind_parse(value);
        if (kind < 0)
            return dv_fail(err, DV_E_INVALID, "[%s]: unknown kind '%s'", section, value);
        d->kind = (uint32_t)kind;
        return 0;
    }
    if (dv_streq(name, "path") || dv_streq(name, "sha256")) {
        if (set_text(*name == 'p' ? &d->path : &d->sha256, value) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "read the config");
        return 0;
    }
    if (dv_streq(name, "isolation")) {
        if (dv_streq(value, "in-process"))
            return 0;
        return dv_fail(err, DV_E_UNSUPPORTED, "[%s]: isolation = %s is not supported yet", section,
                       value);
    }
    return dv_fail(err, DV_E_INVALID,
                   "unknown key '%s' in [%s]; known: kind, path, sha256, isolation", name, section);
}

static int set_driver_option(struct dv_config *config, const char *section, const char *name,
                             const char *value, struct dv_error *err)
{
    const char *dot = strchr(section, '.');
    struct dv_config_option *o;
    char kind_name[16];
    int kind;

    snprintf(kind_name, sizeof(kind_name), "%.*s", (int)(dot - section), section);
    kind = dv_kind_parse(kind_name);
    if (kind < 0)
        return dv_fail(err, DV_E_INVALID, "section [%s]: '%s' is not a kind of driver", section,
                       kind_name);
    for (size_t i = 0; i < config->n_options; i++) {
        o = &config->options[i];
        if (o->kind == (uint32_t)kind && dv_streq(o->driver, dot + 1) && dv_streq(o->key, name))
            return set_text(&o->value, value) < 0
                       ? dv_fail(err, DV_E_NO_MEMORY, "read the config")
                       : 0;
    }
    o = reallocarray(config->options, config->n_options + 1, sizeof(*o));
    if (!o)
        return dv_fail(err, DV_E_NO_MEMORY, "read the config");
    config->options = o;
    o += config->n_options++;
    *o = (struct dv_config_option){ (uint32_t)kind, dv_strdup(dot + 1), dv_strdup(name),
                                    dv_strdup(value), config->line };
    if (!o->driver || !o->key || !o->value)
        return dv_fail(err, DV_E_NO_MEMORY, "read the config");
    return 0;
}

static int set_any(struct dv_config *config, const char *section, const char *name,
                   const char *value, struct dv_error *err)
{
    const struct key *key = find_key(section, name);

    if (key)
        return set_key(config, key, value, err);
    if (dv_starts(section, "plugin"))
        return set_plugin_key(config, section, name, value, err);
    if (strchr(section, '.'))
        return set_driver_option(config, section, name, value, err);
    return unknown_key(section, name, err);
}

/* ---- file and command line ---- */

struct reading {
    struct dv_config *config;
    const char *path, *rest;         /* what is left of the text */
    void (*mistake)(const char *text);
    struct dv_error *err;
};

/* fgets(3) over the text; so that an entry's line is known while it is handled. */
static char *next_line(char *buf, int size, void *stream)
{
    struct reading *r = stream;
    size_t n = strcspn(r->rest, "\n");

    if (!*r->rest)
        return NULL;
    n += r->rest[n] == '\n';
    if (n > (size_t)size - 1)
        n = (size_t)size - 1; /* check_lines() was told the same limit */
    memcpy(buf, r->rest, n);
    buf[n] = '\0';
    r->rest += n;
    r->config->line++;
    return buf;
}

static int on_entry(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;

    if (r->err->code)
        return 0; /* libinih goes on; the first mistake is what is told */
    if (set_any(r->config, section, name, value, r->err) == 0)
        return 1;
    (void)dv_wrap(r->err, "%s:%d", r->path, r->config->line);
    if (!r->mistake)
        return 0;
    r->mistake(r->err->msg);
    dv_error_clear(r->err);
    return 1;
}

/* What libinih would take for something else without a word: it cuts lines at 200 bytes with their
 * newline, reads an indented line as more of the value before it, and stops at a NUL. */
enum { INI_LINE_MAX_BYTES = 198 };

static int check_lines(const char *path, const char *text, size_t size, struct dv_error *err)
{
    int number = 1;

    if (strlen(text) != size)
        return dv_fail(err, DV_E_INVALID, "%s: it holds a NUL byte", path);
    for (const char *line = text; *line; number++) {
        size_t n = strcspn(line, "\n"), indent = strspn(line, " \t\r");

        if (n > INI_LINE_MAX_BYTES)
            return dv_fail(err, DV_E_INVALID,
                           "%s:%d: the line is longer than %d bytes; long lists can be given on the "
                           "command line (-H, --set)",
                           path, number, INI_LINE_MAX_BYTES);
        if (indent > 0 && indent < n && !strchr(";#", line[indent]))
            return dv_fail(err, DV_E_INVALID, "%s:%d: the line is indented; a key starts its line",
                           path, number);
        line += n + (line[n] == '\n');
    }
    return 0;
}

static int read_ini(struct dv_config *config, const char *path, const struct dv_config_args *args,
                    struct dv_error *err)
{
    struct reading r = { .config = config, .path = path, .mistake = args->mistake, .err = err };
    dv_autofree char *text = NULL;
    size_t size = 0;
    int line;

    line = dv_read_file(AT_FDCWD, path, DV_MAX_CONFIG_BYTES, &text, &size, err);
    if (line == -DV_E_NOT_FOUND && !args->file) {
        dv_error_clear(err);
        return 0;
    }
    if (line < 0)
        return dv_wrap(err, "read the config %s", path);
    config->file = dv_strdup(path);
    line = check_lines(path, text, size, err);
    if (line < 0)
        return line;
    r.rest = text;
    line = ini_parse_stream(next_line, &r, on_entry, &r);
    config->line = 0;
    if (err->code)
        return -err->code;
    if (line != 0)
        return dv_fail(err, DV_E_INVALID,
                       "%s:%d: neither a [section], a 'key = value' nor a comment (;)", path, line);
    return 0;
}

static int apply_set(struct dv_config *config, const char *set, struct dv_error *err)
{
    dv_autofree char *copy = dv_strdup(set);
    char *equals, *dot;

    if (!copy)
        return dv_fail(err, DV_E_NO_MEMORY, "read the command line");
    equals = strchr(copy, '=');
    if (equals)
        *equals = '\0';
    dot = equals ? strrchr(copy, '.') : NULL;
    if (!dot)
        return dv_fail(err, DV_E_INVALID, "--set %s: write it as section.key=value", set);
    *dot = '\0';
    if (set_any(config, copy, dot + 1, equals + 1, err) < 0)
        return dv_wrap(err, "--set %s", set);
    return 0;
}

static int apply_args(struct dv_config *config, const struct dv_config_args *args,
                      struct dv_error *err)
{
    const struct {
        const char *key, *value;
    } paths[] = { { "root", args->root }, { "run_dir", args->run_dir },
                  { "plugin_dir", args->plugin_dir } };
    int r = 0;

    for (size_t i = 0; i < args->sets.n && r == 0; i++)
        r = apply_set(config, args->sets.items[i], err);
    for (size_t i = 0; i < N(paths) && r == 0; i++) {
        char cwd[PATH_MAX] = "";
        dv_autofree char *path = NULL;

        if (!paths[i].value)
            continue;
        if (paths[i].value[0] != '/' && !getcwd(cwd, sizeof(cwd)))
            return dv_fail_errno(err, DV_E_INTERNAL, "find the current directory");
        path = dv_format("%s%s%s", cwd, *cwd ? "/" : "", paths[i].value);
        r = path ? set_any(config, "engine", paths[i].key, path, err)
                 : dv_fail(err, DV_E_NO_MEMORY, "read the command line");
    }
    if (r == 0 && args->hosts.n) {
        dv_strv_done(&config->engine.hosts);
        if (dv_strv_copy(&config->engine.hosts, &args->hosts) < 0)
            r = dv_fail(err, DV_E_NO_MEMORY, "read the command line");
    }
    return r;
}

/* ---- what follows from the rest ---- */

/* The folder of our own program: a build tree has helpers and plugins beside it. */
static char *beside_program(const char *suffix, const char *probe)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    dv_autofree char *dir = NULL, *file = NULL;
    char *slash, resolved[PATH_MAX];

    if (n <= 0)
        return NULL;
    exe[n] = '\0';
    slash = strrchr(exe, '/');
    if (slash)
        *slash = '\0';
    dir = dv_format("%s%s", exe, suffix);
    file = dir ? dv_format("%s/%s", dir, probe) : NULL;
    if (!file || access(file, F_OK) < 0 || !realpath(dir, resolved))
        return NULL;
    return dv_strdup(resolved);
}

static int fill(char **at, char *value, struct dv_error *err)
{
    if (*at) {
        free(value);
        return 0;
    }
    *at = value;
    return value ? 0 : dv_fail(err, DV_E_NO_MEMORY, "complete the config");
}

/* Kernel names are derived from the root, so that several engines never meet; the default root has
 * the plain ones. */
static int fill_instance(struct dv_engine_config *e, struct dv_error *err)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t hash = dv_hash64(e->root, strlen(e->root));
    bool plain = dv_streq(e->root, default_root);
    char name[7] = "";
    int r;

    for (int i = 0; i < 6; i++, hash >>= 5)
        name[i] = digits[hash & 31];
    r = fill(&e->instance, dv_strdup(name), err);
    if (r == 0)
        r = fill(&e->bridge_name, plain ? dv_strdup("davit0") : dv_format("dv-%s", name), err);
    if (r == 0)
        r = fill(&e->nft_table, plain ? dv_strdup("davit") : dv_format("davit-%s", name), err);
    if (r == 0)
        r = fill(&e->cgroup_parent, plain ? dv_strdup("/davit") : dv_format("/davit-%s", name),
                 err);
    if (r == 0)
        r = fill(&e->run_dir,
                 plain ? dv_strdup("/run/davit") : dv_format("/run/davit-%s", name), err);
    return r;
}

static int finish(struct dv_engine_config *e, struct dv_error *err)
{
    int r = fill_instance(e, err);
    char *dir;

    if (r == 0 && !e->libexec_dir) {
        dir = beside_program("", "davit-shim");
        r = fill(&e->libexec_dir, dir ? dir : dv_strdup(DAVIT_LIBEXECDIR), err);
    }
    if (r == 0 && !e->plugin_dir) {
        dir = beside_program("/../plugins", "storage");
        r = fill(&e->plugin_dir, dir ? dir : dv_strdup(DAVIT_PLUGINDIR), err);
    }
    if (r == 0 && !e->hosts.n) {
        dv_autofree char *host = dv_format("unix://%s/davit.sock", e->run_dir);

        if (!host || dv_strv_add(&e->hosts, host) < 0)
            r = dv_fail(err, DV_E_NO_MEMORY, "complete the config");
    }
    if (r == 0 && dv_log_level_parse(e->log_level) < 0)
        r = dv_fail(err, DV_E_INVALID, "engine.log_level: '%s' is none of error, warn, info, debug",
                    e->log_level);
    return r;
}

static struct dv_config_driver *named_entry(struct dv_config *config, uint32_t kind,
                                            const char *name)
{
    for (size_t i = 0; i < config->n_drivers; i++)
        if (config->drivers[i].kind == kind && dv_streq(config->drivers[i].name, name))
            return &config->drivers[i];
    return driver_new(config, name);
}

static int name_drivers(struct dv_config *config, uint32_t kind, const char *list,
                        struct dv_error *err)
{
    dv_autostrv names = { 0 };

    if (set_list(&names, list) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "read the config");
    for (size_t i = 0; i < names.n; i++) {
        struct dv_config_driver *d = named_entry(config, kind, names.items[i]);

        if (!d)
            return dv_fail(err, DV_E_NO_MEMORY, "read the config");
        d->kind = kind;
        d->chosen = true;
    }
    return 0;
}

/* Before the lists are read: by then a plugin's kind is known. */
static int check_plugins(const struct dv_config *config, struct dv_error *err)
{
    for (size_t i = 0; i < config->n_drivers; i++)
        if (!config->drivers[i].kind)
            return dv_fail(err, DV_E_INVALID, "[plugin \"%s\"] lacks 'kind ='",
                           config->drivers[i].name);
    return 0;
}

static int fill_defaults(struct dv_config *config, struct dv_error *err)
{
    int r = 0;

    for (size_t i = 0; i < N(keys) && r == 0; i++)
        if (keys[i].fallback)
            r = set_key(config, &keys[i], keys[i].fallback, err);
    return r;
}

int dv_config_read(const struct dv_config_args *args, struct dv_config *ret, struct dv_error *err)
{
    int r = fill_defaults(ret, err);

    if (r == 0)
        r = read_ini(ret, args->file ? args->file : default_file, args, err);
    if (r == 0)
        r = apply_args(ret, args, err);
    if (r == 0)
        r = finish(&ret->engine, err);
    if (r == 0)
        r = check_plugins(ret, err);
    if (r == 0)
        r = name_drivers(ret, DV_KIND_STORAGE, ret->engine.storage_driver, err);
    if (r == 0)
        r = name_drivers(ret, DV_KIND_NETWORK, ret->network_drivers, err);
    return r;
}

size_t dv_config_options(const struct dv_config *config, const struct dv_config_driver *d,
                         const char *state_dir, struct dv_kv *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < config->n_options && n + 2 < max; i++)
        if (config->options[i].kind == d->kind && dv_streq(config->options[i].driver, d->name))
            out[n++] = (struct dv_kv){ config->options[i].key, config->options[i].value };
    if (d->kind == DV_KIND_STORAGE)
        out[n++] = (struct dv_kv){ "state_dir", state_dir };
    if (d->kind == DV_KIND_NETWORK && dv_streq(d->name, "bridge"))
        out[n++] = (struct dv_kv){ "instance", config->engine.instance };
    return n;
}

void dv_config_done(struct dv_config *config)
{
    struct dv_engine_config *e = &config->engine;
    char *texts[] = { e->root, e->run_dir, e->plugin_dir, e->libexec_dir, e->storage_driver,
                      e->builder_driver, e->log_level, e->userns_remap, e->instance,
                      e->bridge_name, e->default_pool, e->nft_table, e->cgroup_parent,
                      config->network_drivers, config->registry_drivers, config->file };

    for (size_t i = 0; i < N(texts); i++)
        free(texts[i]);
    dv_strv_done(&e->hosts);
    for (size_t i = 0; i < config->n_drivers; i++) {
        free(config->drivers[i].name);
        free(config->drivers[i].path);
        free(config->drivers[i].sha256);
    }
    for (size_t i = 0; i < config->n_options; i++) {
        free(config->options[i].driver);
        free(config->options[i].key);
        free(config->options[i].value);
    }
    free(config->drivers);
    free(config->options);
    *config = (struct dv_config){ 0 };
}
