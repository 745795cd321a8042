/* probe_check.c - `davit plugin check`: every step of loading a plugin, shown, without a daemon. */

#include "core/plugin/probe_check.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/plugin/internal.h"
#include "core/plugin/probe.h"

enum { MAX_OPTIONS = 64, STEP_WIDTH = 10 };

/* What one check has found so far. */
struct check {
    const char *self, *path;
    struct dv_note note;
    struct dv_kv options[MAX_OPTIONS];
    size_t n_options;
    int failed;
};

static void passed(const char *step, const char *fmt, ...) DV_PRINTF(2, 3);
static void passed(const char *step, const char *fmt, ...)
{
    va_list ap;

    printf("%-*s ok      ", STEP_WIDTH, step);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

static void failed(struct check *c, const char *step, const struct dv_error *err)
{
    printf("%-*s FAILED  %s\n", STEP_WIDTH, step, err->msg);
    c->failed = 1;
}

static void check_trust(struct check *c)
{
    struct dv_error err = { 0 };
    dv_autoclose int fd = dv_plugin_trust(c->path, NULL, &err);

    if (fd < 0)
        failed(c, "trust", &err);
    else
        passed("trust", "file and folders are its owner's alone to write");
}

/* The last part of PATH without ".so". */
static void stem(const char *path, char out[64])
{
    const char *slash = strrchr(path, '/');

    snprintf(out, 64, "%s", slash ? slash + 1 : path);
    if (dv_ends(out, ".so"))
        out[strlen(out) - 3] = '\0';
}

static int check_note(struct check *c)
{
    struct dv_plugin_file file = { .name = c->note.name, .path = c->path };
    struct dv_error err = { 0 };
    char name[64];
    int r = dv_plugin_note(c->path, &c->note, &err);

    if (r == 0) {
        stem(c->path, name);
        file.kind = c->note.kind;
        file.name = name;
        r = dv_plugin_note_check(&c->note, &file, c->path, &err);
    }
    if (r == 0 && !dv_kind_name(c->note.kind))
        r = dv_fail(&err, DV_E_INVALID, "plugin %s is of kind %u, which this engine does not know",
                    c->path, c->note.kind);
    if (r < 0) {
        failed(c, "note", &err);
        return r;
    }
    passed("note", "%s driver '%s' %s for ABI %u.%u, read without running anything",
           dv_kind_name(c->note.kind), c->note.name, c->note.version, c->note.abi_major,
           c->note.abi_minor);
    return 0;
}

static const char *field(json_object *obj, const char *key)
{
    json_object *value;

    return json_object_object_get_ex(obj, key, &value) && value ? json_object_get_string(value) : "";
}

static void print_options(json_object *list, const char *section)
{
    size_t n = json_object_array_length(list);

    if (n == 0)
        passed("options", "none");
    else
        passed("options", "%zu key%s of [%s]:", n, n == 1 ? "" : "s", section);
    for (size_t i = 0; i < n; i++) {
        json_object *o = json_object_array_get_idx(list, i);
        const char *fallback = field(o, "Default");
        bool required = !json_object_object_get(o, "Default");
        bool given = dv_streq(field(o, "Name"), "state_dir"); /* whatever the config says */

        printf("%*s %-20s %-8s %-14s %s\n", STEP_WIDTH + 8, "", field(o, "Name"),
               field(o, "Type"),
               given ? "(by davitd)" : required ? "(required)" : *fallback ? fallback : "(unset)",
               field(o, "Help"));
    }
}

/* Steps 5 to 7, in a process of their own. */
static void check_probe(struct check *c)
{
    const struct dv_kvs options = { c->options, c->n_options };
    const struct dv_probe probe = {
        .program = c->self, .kind = dv_kind_name(c->note.kind), .name = c->note.name,
        .path = c->path, .options = c->n_options ? &options : NULL,
        .limit_ns = DV_PROBE_SECONDS * UINT64_C(1000000000), .show_output = true,
    };
    struct dv_probe_result result;
    struct dv_error err = { 0 };
    json_object *value = NULL;
    char section[64];
    int r;

    fflush(stdout);
    r = dv_probe_run(&probe, &result, &err);
    snprintf(section, sizeof(section), "%s.%s", probe.kind, probe.name);
    if (r < 0 && !result.description) {
        failed(c, dv_streq(result.stage, "describe") ? "describe" : "load", &err);
        dv_probe_result_done(&result);
        return;
    }
    passed("load", "in a process of its own, every symbol resolved");
    passed("describe", "as its note says; all operations of a %s driver are there", probe.kind);
    if (json_object_object_get_ex(result.description, "Options", &value))
        print_options(value, section);
    if (r < 0)
        failed(c, "values", &err);
    else if (c->n_options)
        passed("values", "%zu given, all fit", c->n_options);
    dv_probe_result_done(&result);
}

static int read_values(struct check *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        char *equals = strchr(argv[i], '=');

        if (!equals || c->n_options == MAX_OPTIONS) {
            fprintf(stderr, "option '%s': write it as key=value, at most %d of them\n", argv[i],
                    MAX_OPTIONS);
            return -1;
        }
        *equals = '\0';
        c->options[c->n_options++] = (struct dv_kv){ argv[i], equals + 1 };
    }
    return 0;
}

int dv_probe_check(const char *self, int argc, char **argv)
{
    struct check c = { .self = self };
    char path[PATH_MAX], program[PATH_MAX];

    if (read_values(&c, argc - 1, argv + 1) < 0)
        return 2;
    /* Only its folder: a link in place of the file itself is for the trust check to see. */
    if (argv[0][0] == '/') {
        snprintf(path, sizeof(path), "%s", argv[0]);
    } else {
        char cwd[PATH_MAX];

        if (!getcwd(cwd, sizeof(cwd)) ||
            snprintf(path, sizeof(path), "%s/%s", cwd, argv[0]) >= (int)sizeof(path)) {
            fprintf(stderr, "%s: the path is too long\n", argv[0]);
            return 2;
        }
    }
    c.path = path;
    if (realpath("/proc/self/exe", program))
        c.self = program;
    printf("%-*s         %s\n", STEP_WIDTH, "file", path);
    check_trust(&c);
    if (check_note(&c) == 0)
        check_probe(&c);
    printf("%s\n", c.failed ? "davitd would not load this plugin."
                            : "davitd would load this plugin. What only init() can tell was not "
                              "tried.");
    return c.failed;
}
