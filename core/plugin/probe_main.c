/* probe_main.c - davit-plugin-probe: load and describe one plugin, report, end.
 *
 *   --probe KIND NAME PATH [--options]   for davitd; reports on descriptor 3 (probe.h)
 *   --check FILE...                      for `davit plugin check` (probe_check.c)
 */

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/plugin/fds.h"
#include "core/plugin/internal.h"
#include "core/plugin/probe.h"
#include "core/plugin/probe_check.h"

enum { OPTIONS_MAX_BYTES = 1 << 20, MAX_OPTIONS = 256 };

#ifdef __SANITIZE_ADDRESS__
/* What a plugin leaves at its end is no business of a probe, and looking for it needs ptrace. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

/* Nothing of what root may do is needed to load a library; and no core file of what goes wrong: a limit
 * of 1 is what the kernel takes as "none" for a core_pattern with a pipe as well. */
static void give_up_privileges(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    const struct __user_cap_data_struct none[2] = { 0 };
    const struct rlimit no_core = { 1, 1 };

    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)syscall(SYS_capset, &header, none);
}

static void stage(const char *name)
{
    dprintf(DV_PROBE_FD, "\n" DV_PROBE_STAGE "%s", name);
}

static json_object *text(const char *s)
{
    return json_object_new_string(s ? s : "");
}

static json_object *describe_options(const struct dv_plugin *p)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < p->n_options; i++) {
        const struct dv_option *o = (const void *)((const char *)p->options + i * p->option_stride);
        json_object *row = json_object_new_object();

        json_object_object_add(row, "Name", text(o->name));
        json_object_object_add(row, "Type", text(o->type));
        json_object_object_add(row, "Default", o->fallback ? text(o->fallback) : NULL);
        json_object_object_add(row, "Help", text(o->help));
        json_object_array_add(list, row);
    }
    return list;
}

static json_object *describe(const struct dv_plugin *p)
{
    json_object *doc = json_object_new_object();
    char abi[16];

    snprintf(abi, sizeof(abi), "%u.%u", p->abi_major, p->abi_minor);
    json_object_object_add(doc, "Name", text(p->name));
    json_object_object_add(doc, "Kind", text(dv_kind_name(p->kind)));
    json_object_object_add(doc, "Version", text(p->version));
    json_object_object_add(doc, "Vendor", text(p->vendor));
    json_object_object_add(doc, "License", text(p->license));
    json_object_object_add(doc, "URL", text(p->url));
    json_object_object_add(doc, "ABI", text(abi));
    json_object_object_add(doc, "Capabilities", dv_caps_names(p->kind, p->caps));
    json_object_object_add(doc, "Options", describe_options(p));
    return doc;
}

/* "key\0value\0" pairs of standard input. */
static int read_options(char **ret_text, struct dv_kv items[MAX_OPTIONS], struct dv_kvs *ret,
                        struct dv_error *err)
{
    size_t len;
    int r = dv_read_fd(STDIN_FILENO, OPTIONS_MAX_BYTES, ret_text, &len, err);

    *ret = (struct dv_kvs){ items, 0 };
    for (const char *p = r < 0 ? NULL : *ret_text; p && p < *ret_text + len;) {
        const char *value = p + strlen(p) + 1;

        if (ret->n == MAX_OPTIONS || value > *ret_text + len)
            return dv_fail(err, DV_E_INVALID, "options for a probe are malformed");
        items[ret->n++] = (struct dv_kv){ p, value };
        p = value + strlen(value) + 1;
    }
    return r;
}

static int check_options(const struct dv_plugin *p, const char *kind, char key[64],
                         struct dv_error *err)
{
    struct dv_kv items[MAX_OPTIONS];
    dv_autofree char *buf = NULL;
    struct dv_kvs given, config = { 0 };
    char section[64];
    int r = read_options(&buf, items, &given, err);

    snprintf(section, sizeof(section), "%s.%s", kind, p->name);
    if (r == 0)
        r = dv_options_resolve(p, &given, section, &config, key, err);
    dv_options_free(&config);
    return r;
}

/* Steps 5 to 7, and the options if wanted. */
static int probe(char **argv, bool with_options, json_object **ret_doc, char key[64],
                 struct dv_error *err)
{
    const struct dv_plugin_file file = { .kind = (uint32_t)dv_kind_parse(argv[0]), .name = argv[1],
                                         .path = argv[2] };
    struct dv_described described = { 0 };
    struct dv_open_report report;
    char left[200];
    struct dv_fds before;
    int r = dv_plugin_examine(&file, &report, err);

    if (r < 0)
        return r;
    dv_fds_list(&before);
    stage("dlopen");
    r = dv_plugin_load(&report, stage, &described, err);
    if (r == 0 && dv_fds_added(&before, left, sizeof(left)) > 0)
        r = dv_fail(err, DV_E_INVALID, "plugin %s leaves descriptor %s open when it is loaded: "
                    "constructors and " DV_PLUGIN_ENTRY "() must have no effect", argv[2], left);
    if (r == 0)
        *ret_doc = describe(&described.plugin);
    if (r == 0 && with_options) {
        stage("options");
        r = check_options(&described.plugin, argv[0], key, err);
    }
    dv_described_done(&described);
    return r;
}

static void report(int r, json_object *description, const char *key, const struct dv_error *err)
{
    json_object *doc = json_object_new_object();

    json_object_object_add(doc, "Code", json_object_new_int(r < 0 ? -r : 0));
    json_object_object_add(doc, "Message", text(r < 0 ? err->msg : ""));
    json_object_object_add(doc, "Key", text(key));
    json_object_object_add(doc, "Description", description);
    dprintf(DV_PROBE_FD, "\n" DV_PROBE_DONE "%s\n",
            json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN));
}

int main(int argc, char **argv)
{
    bool with_options = argc == 6 && dv_streq(argv[5], "--options");
    struct dv_error err = { 0 };
    json_object *doc = NULL;
    char key[64] = "";
    int r;

    if (argc >= 3 && dv_streq(argv[1], "--check"))
        return dv_probe_check(argv[0], argc - 2, argv + 2);
    if ((argc != 5 && !with_options) || !dv_streq(argv[1], "--probe") ||
        fcntl(DV_PROBE_FD, F_SETFD, FD_CLOEXEC) < 0) {
        fprintf(stderr, "%s is started by davitd and davit; see `davit plugin check --help`\n",
                argv[0]);
        return 2;
    }
    give_up_privileges();
    r = probe(argv + 2, with_options, &doc, key, &err);
    report(r, doc, key, &err);
    /* Without the plugin's destructors: they are not what was asked for. */
    _exit(r < 0 ? 1 : 0);
}
