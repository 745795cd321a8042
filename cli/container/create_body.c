/* create_body.c - the options of run and create as the body of POST /containers/create: the same
 * document that docker's client makes, defaults included. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

#include "cli/client/user_config.h"
#include "cli/container/create.h"
#include "core/base/file.h"
#include "core/base/parse.h"

enum { MAX_LINES_BYTES = 1 << 20, MAX_PROFILE_BYTES = 1 << 20 };

/* --- files ------------------------------------------------------------------------------------ */

/* Errors of the operating system as Go words them: "no such file or directory". */
static int os_error(struct dv_error *err, const char *what, const char *path)
{
    char text[128];

    snprintf(text, sizeof(text), "%s", strerror(errno));
    text[0] = (char)tolower((unsigned char)text[0]);
    return dv_fail(err, DV_E_INVALID, "%s %s: %s", what, path, text);
}

static int read_text(const char *path, size_t max, char **ret, struct dv_error *err)
{
    dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct dv_error cause = { 0 };

    if (fd < 0)
        return os_error(err, "open", path);
    if (dv_read_fd(fd, max, ret, NULL, &cause) == 0)
        return 0;
    errno = cause.sys_errno;
    return cause.sys_errno ? os_error(err, "read", path)
                           : dv_fail(err, DV_E_INVALID, "%s: %s", path, cause.msg);
}

static int add_line(const char *line, const char *path, const char *what, bool env,
                    struct dv_strv *ret, struct dv_error *err)
{
    size_t name = strcspn(line, "=");
    const char *inherited;

    if (name == 0)
        return dv_fail(err, DV_E_INVALID, "invalid %s file (%s): no variable name on line '%s'",
                       what, path, line);
    if (memchr(line, ' ', name) || memchr(line, '\t', name))
        return dv_fail(err, DV_E_INVALID,
                       "invalid %s file (%s): variable '%.*s' contains whitespaces", what, path,
                       (int)name, line);
    if (line[name] || !env) {
        dv_xadd(ret, line);
        return 0;
    }
    inherited = getenv(line);
    if (inherited)
        dv_xadd_take(ret, dv_xformat("%s=%s", line, inherited));
    return 0;
}

int dv_read_lines(const char *path, const char *what, bool env, struct dv_strv *ret,
                  struct dv_error *err)
{
    dv_autofree char *text = NULL;
    char *line, *next;

    if (read_text(path, MAX_LINES_BYTES, &text, err) < 0) {
        if (!dv_starts(err->msg, "open "))
            dv_wrap(err, "invalid %s file (%s)", what, path);
        return -err->code;
    }
    for (line = text; *line; line = next) {
        size_t n = strcspn(line, "\n");

        next = line + n + (line[n] == '\n');
        line[n] = '\0';
        if (n > 0 && line[n - 1] == '\r')
            line[n - 1] = '\0';
        line += strspn(line, " \t\v\f");
        if (!*line || *line == '#')
            continue;
        if (add_line(line, path, what, env, ret, err) < 0)
            return -err->code;
    }
    return 0;
}

/* --- lists of key=value ----------------------------------------------------------------------- */

static void set_pair(json_object *obj, const char *pair)
{
    size_t n = strcspn(pair, "=");
    dv_autofree char *key = dv_xstrndup(pair, n);

    dv_jset_str(obj, key, pair[n] ? pair + n + 1 : "");
}

static json_object *pairs(const struct dv_strv *v)
{
    json_object *obj = dv_jobj();
    size_t i;

    for (i = 0; i < v->n; i++)
        set_pair(obj, v->items[i]);
    return obj;
}

static json_object *list_of(const struct dv_cli_call *call, const char *option, bool null_empty)
{
    return dv_jstrv(dv_cli_list(call, option), null_empty);
}

/* --- the Config half -------------------------------------------------------------------------- */

static int put_env(const struct dv_cli_call *call, json_object *config, struct dv_error *err)
{
    const struct dv_strv *files = dv_cli_list(call, "env-file"), *flags = dv_cli_list(call, "env");
    dv_autostrv env = { 0 };
    size_t i;

    for (i = 0; i < files->n; i++)
        if (dv_read_lines(files->items[i], "env", true, &env, err) < 0)
            return -err->code;
    for (i = 0; i < flags->n; i++)
        dv_xadd(&env, flags->items[i]);
    dv_user_config_proxies(call->client, flags, &env);
    dv_jset(config, "Env", dv_jstrv(&env, true));
    return 0;
}

static int put_labels(const struct dv_cli_call *call, json_object *config, struct dv_error *err)
{
    const struct dv_strv *files = dv_cli_list(call, "label-file");
    const struct dv_strv *flags = dv_cli_list(call, "label");
    dv_autostrv labels = { 0 };
    size_t i;

    for (i = 0; i < files->n; i++)
        if (dv_read_lines(files->items[i], "label", false, &labels, err) < 0)
            return -err->code;
    for (i = 0; i < flags->n; i++)
        dv_xadd(&labels, flags->items[i]);
    dv_jset(config, "Labels", pairs(&labels));
    return 0;
}

/* Which streams are attached: those of -a, else stdout and stderr; stdin with -i. */
static void put_streams(const struct dv_cli_call *call, json_object *config)
{
    const struct dv_strv *attach = dv_cli_list(call, "attach");
    bool detach = dv_cli_has(call, "detach") && dv_cli_on(call, "detach");
    bool interactive = dv_cli_on(call, "interactive");
    bool in = !detach && (interactive || dv_strv_has(attach, "stdin"));
    bool all = attach->n == 0;

    dv_jset_bool(config, "AttachStdin", in);
    dv_jset_bool(config, "AttachStdout", !detach && (all || dv_strv_has(attach, "stdout")));
    dv_jset_bool(config, "AttachStderr", !detach && (all || dv_strv_has(attach, "stderr")));
    dv_jset_bool(config, "Tty", dv_cli_on(call, "tty"));
    dv_jset_bool(config, "OpenStdin", interactive);
    dv_jset_bool(config, "StdinOnce", interactive && in);
}

static int check_health(const struct dv_cli_call *call, struct dv_error *err)
{
    static const char *const spans[] = { "health-interval", "health-timeout",
                                         "health-start-period", "health-start-interval",
                                         "health-retries" };
    size_t i;

    for (i = 0; i < N(spans); i++)
        if (dv_cli_num(call, spans[i]) < 0)
            return dv_fail(err, DV_E_INVALID, "--%s cannot be negative", spans[i]);
    return 0;
}

static int put_health(const struct dv_cli_call *call, json_object *config, struct dv_error *err)
{
    static const struct {
        const char *option, *key;
    } numbers[] = {
        { "health-interval", "Interval" },
        { "health-timeout", "Timeout" },
        { "health-start-period", "StartPeriod" },
        { "health-start-interval", "StartInterval" },
        { "health-retries", "Retries" },
    };
    dv_autojson json_object *health = dv_jobj();
    const char *command = dv_cli_str(call, "health-cmd");
    json_object *test = NULL;
    size_t i;

    if (*command) {
        test = dv_jarr();
        dv_jpush(test, dv_jstr("CMD-SHELL"));
        dv_jpush(test, dv_jstr(command));
        dv_jset(health, "Test", test);
    }
    for (i = 0; i < N(numbers); i++)
        if (dv_cli_num(call, numbers[i].option) != 0)
            dv_jset_int(health, numbers[i].key, dv_cli_num(call, numbers[i].option));
    if (dv_cli_on(call, "no-healthcheck")) {
        if (json_object_object_length(health) > 0)
            return dv_fail(err, DV_E_INVALID, "--no-healthcheck conflicts with --health-* options");
        test = dv_jarr();
        dv_jpush(test, dv_jstr("NONE"));
        dv_jset(health, "Test", test);
    }
    if (check_health(call, err) < 0)
        return -err->code;
    if (json_object_object_length(health) > 0)
        dv_jset(config, "Healthcheck", dv_take(health));
    return 0;
}

static int put_ports(const struct dv_cli_call *call, json_object *config, json_object *host,
                     struct dv_error *err)
{
    const struct dv_strv *published = dv_cli_list(call, "publish");
    const struct dv_strv *exposed = dv_cli_list(call, "expose");
    dv_autojson json_object *ports = dv_jobj(), *bindings = dv_jobj();
    size_t i;

    for (i = 0; i < published->n; i++)
        if (dv_add_published(published->items[i], ports, bindings, err) < 0)
            return -err->code;
    for (i = 0; i < exposed->n; i++)
        if (dv_add_exposed(exposed->items[i], ports, err) < 0)
            return -err->code;
    if (json_object_object_length(ports) > 0)
        dv_jset(config, "ExposedPorts", dv_take(ports));
    dv_jset(host, "PortBindings", dv_take(bindings));
    return 0;
}

static void put_command(const struct dv_cli_call *call, json_object *config)
{
    json_object *cmd = NULL, *entrypoint = NULL;
    size_t i;

    for (i = 1; i < call->n_args; i++) {
        if (!cmd)
            cmd = dv_jarr();
        dv_jpush(cmd, dv_jstr(call->args[i]));
    }
    dv_jset(config, "Cmd", cmd);
    if (dv_cli_set(call, "entrypoint")) { /* "" clears the image's */
        entrypoint = dv_jarr();
        dv_jpush(entrypoint, dv_jstr(dv_cli_str(call, "entrypoint")));
    }
    dv_jset(config, "Entrypoint", entrypoint);
}

static int put_config(const struct dv_cli_call *call, json_object *config, struct dv_error *err)
{
    static const struct {
        const char *option, *key;
    } texts[] = {
        { "hostname", "Hostname" },
        { "domainname", "Domainname" },
        { "user", "User" },
        { "workdir", "WorkingDir" },
    };
    size_t i;

    for (i = 0; i < N(texts); i++)
        dv_jset_str(config, texts[i].key, dv_cli_str(call, texts[i].option));
    put_streams(call, config);
    if (put_env(call, config, err) < 0 || put_labels(call, config, err) < 0 ||
        put_health(call, config, err) < 0)
        return -err->code;
    put_command(call, config);
    dv_jset_str(config, "Image", call->args[0]);
    dv_jset(config, "OnBuild", NULL);
    if (*dv_cli_str(call, "stop-signal"))
        dv_jset_str(config, "StopSignal", dv_cli_str(call, "stop-signal"));
    if (dv_cli_set(call, "stop-timeout"))
        dv_jset_int(config, "StopTimeout", dv_cli_num(call, "stop-timeout"));
    return 0;
}

/* --- the HostConfig half ---------------------------------------------------------------------- */

/* -v: a bind or a named volume ("src:dst[:options]") goes to Binds, a bare path to Volumes. */
static int put_volumes(const struct dv_cli_call *call, json_object *config, json_object *host,
                       struct dv_error *err)
{
    const struct dv_strv *values = dv_cli_list(call, "volume");
    json_object *volumes = dv_jobj();
    dv_autostrv binds = { 0 };
    size_t i;

    dv_jset(config, "Volumes", volumes);
    for (i = 0; i < values->n; i++) {
        const char *value = values->items[i], *colon = strchr(value, ':');
        dv_autofree char *source = NULL, *path = NULL;

        if (!*value)
            return dv_fail(err, DV_E_INVALID, "invalid empty volume spec");
        if (colon == value || dv_ends(value, ":") || strstr(value, "::"))
            return dv_fail(err, DV_E_INVALID,
                           "invalid spec: %s: empty section between colons", value);
        if (!colon) {
            dv_jset(volumes, value, dv_jobj());
            continue;
        }
        source = dv_xstrndup(value, (size_t)(colon - value));
        path = dv_absolute_path(source);
        dv_xadd_take(&binds, dv_xformat("%s%s", path, colon));
    }
    dv_jset(host, "Binds", dv_jstrv(&binds, true));
    return 0;
}

static int put_mounts(const struct dv_cli_call *call, json_object *host, struct dv_error *err)
{
    const struct dv_strv *values = dv_cli_list(call, "mount"), *tmpfs = dv_cli_list(call, "tmpfs");
    json_object *mounts = NULL, *mount, *dirs = NULL;
    size_t i;

    for (i = 0; i < tmpfs->n; i++) {
        size_t n = strcspn(tmpfs->items[i], ":");
        dv_autofree char *path = dv_xstrndup(tmpfs->items[i], n);

        if (!dirs)
            dirs = dv_jobj();
        dv_jset_str(dirs, path, tmpfs->items[i][n] ? tmpfs->items[i] + n + 1 : "");
    }
    if (dirs)
        dv_jset(host, "Tmpfs", dirs);
    for (i = 0; i < values->n; i++) {
        if (!mounts) {
            mounts = dv_jarr();
            dv_jset(host, "Mounts", mounts);
        }
        if (dv_parse_mount(values->items[i], &mount, err) < 0)
            return -err->code;
        dv_jpush(mounts, mount);
    }
    return 0;
}

static bool is_device_mode(const char *text)
{
    size_t n = strspn(text, "rwm");

    return n > 0 && n <= 3 && !text[n];
}

static json_object *new_device(const char *host, const char *container, const char *mode)
{
    json_object *obj = dv_jobj();

    dv_jset_str(obj, "PathOnHost", host);
    dv_jset_str(obj, "PathInContainer", container);
    dv_jset_str(obj, "CgroupPermissions", mode);
    return obj;
}

/* "/dev/x", "/dev/x:/dev/y", "/dev/x:rw", "/dev/x:/dev/y:r". */
static int add_device(const char *value, json_object *devices, struct dv_error *err)
{
    dv_autostrv parts = { 0 };
    const char *target, *mode = "rwm";

    dv_xsplit(&parts, value, ':');
    if (!*value || parts.n > 3)
        return dv_fail(err, DV_E_INVALID, "bad format for path: %s", value);
    target = parts.items[0];
    if (parts.n == 2 && is_device_mode(parts.items[1]))
        mode = parts.items[1];
    else if (parts.n >= 2)
        target = parts.items[1];
    if (parts.n == 3)
        mode = parts.items[2];
    if (parts.n == 3 && !is_device_mode(mode))
        return dv_fail(err, DV_E_INVALID, "bad mode specified: %s", mode);
    if (target[0] != '/')
        return dv_fail(err, DV_E_INVALID, "%s is not an absolute path", target);
    dv_jpush(devices, new_device(parts.items[0], target, mode));
    return 0;
}

/* "vendor.com/class=name", a device of the Container Device Interface. */
static bool is_cdi(const char *value)
{
    const char *slash = strchr(value, '/'), *equal = strchr(value, '=');

    return value[0] != '/' && slash && equal && slash < equal && equal[1];
}

static int put_devices(const struct dv_cli_call *call, json_object *host, struct dv_error *err)
{
    const struct dv_strv *values = dv_cli_list(call, "device"), *gpus = dv_cli_list(call, "gpus");
    dv_autojson json_object *devices = dv_jarr(), *requests = dv_jarr();
    json_object *request, *ids = NULL;
    size_t i;

    for (i = 0; i < gpus->n; i++) {
        if (dv_parse_gpus(gpus->items[i], &request, err) < 0)
            return -err->code;
        dv_jpush(requests, request);
    }
    for (i = 0; i < values->n; i++) {
        if (is_cdi(values->items[i])) {
            if (!ids) {
                request = dv_jobj();
                ids = dv_jarr();
                dv_jset_str(request, "Driver", "cdi");
                dv_jset_int(request, "Count", 0);
                dv_jset(request, "DeviceIDs", ids);
                dv_jset(request, "Capabilities", NULL);
                dv_jset(request, "Options", NULL);
                dv_jpush(requests, request);
            }
            dv_jpush(ids, dv_jstr(values->items[i]));
        } else if (add_device(values->items[i], devices, err) < 0) {
            return -err->code;
        }
    }
    dv_jset(host, "Devices", dv_take(devices));
    dv_jset(host, "DeviceCgroupRules", list_of(call, "device-cgroup-rule", true));
    dv_jset(host, "DeviceRequests", dv_jlen(requests) ? dv_take(requests) : NULL);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in upper case with CAP_ in front, sorted, each once; ALL stands for all. */
static json_object *capabilities(const struct dv_strv *v)
{
    dv_autostrv names = { 0 };
    size_t i;

    for (i = 0; i < v->n; i++) {
        dv_autofree char *name = dv_xstrdup(v->items[i]), *full = NULL;
        char *p;

        for (p = name; *p; p++)
            *p = (char)toupper((unsigned char)*p);
        full = dv_streq(name, "ALL") || dv_starts(name, "CAP_") ? dv_xstrdup(name)
                                                                : dv_xformat("CAP_%s", name);
        if (dv_streq(full, "ALL")) {
            dv_strv_done(&names);
            dv_xadd(&names, "ALL");
            break;
        }
        if (!dv_strv_has(&names, full))
            dv_xadd(&names, full);
    }
    if (names.n > 0)
        qsort(names.items, names.n, sizeof(*names.items), by_text);
    return dv_jstrv(&names, true);
}

/* seccomp=FILE becomes seccomp=<its text, without space>. */
static int seccomp_option(const char *path, char **ret, struct dv_error *err)
{
    dv_autojson json_object *profile = NULL;
    dv_autofree char *text = NULL, *compact = NULL;
    struct dv_error cause = { 0 };

    if (read_text(path, MAX_PROFILE_BYTES, &text, &cause) < 0)
        return dv_fail(err, DV_E_INVALID, "opening seccomp profile (%s) failed: %s", path,
                       cause.msg);
    if (dv_json_parse(text, strlen(text), &profile, &cause) < 0)
        return dv_fail(err, DV_E_INVALID, "compacting json for seccomp profile (%s) failed: %s",
                       path, cause.msg);
    compact = dv_json_text(profile);
    *ret = dv_xformat("seccomp=%s", compact ? compact : "{}");
    return 0;
}

static int put_security(const struct dv_cli_call *call, json_object *host, struct dv_error *err)
{
    const struct dv_strv *values = dv_cli_list(call, "security-opt");
    json_object *list = values->n ? dv_jarr() : NULL;
    bool open_paths = false;
    size_t i;

    dv_jset(host, "SecurityOpt", list);
    for (i = 0; i < values->n; i++) {
        const char *value = values->items[i];
        const char *profile = dv_starts(value, "seccomp=") ? value + strlen("seccomp=") : NULL;
        dv_autofree char *text = NULL;

        if (!strpbrk(value, "=:") && !dv_streq(value, "no-new-privileges"))
            return dv_fail(err, DV_E_INVALID, "Invalid --security-opt: \"%s\"", value);
        if (dv_streq(value, "systempaths=unconfined")) {
            open_paths = true;
            continue;
        }
        if (profile && !dv_streq(profile, "unconfined") && !dv_streq(profile, "builtin") &&
            seccomp_option(profile, &text, err) < 0)
            return -err->code;
        dv_jpush(list, dv_jstr(text ? text : value));
    }
    dv_jset(host, "MaskedPaths", open_paths ? dv_jarr() : NULL);
    dv_jset(host, "ReadonlyPaths", open_paths ? dv_jarr() : NULL);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(dv_jget_str(*(json_object *const *)a, "Name"),
                  dv_jget_str(*(json_object *const *)b, "Name"));
}

/* Sorted by name; where one is given twice the last counts. */
static int put_ulimits(const struct dv_cli_call *call, json_object *host, struct dv_error *err)
{
    const struct dv_strv *values = dv_cli_list(call, "ulimit");
    dv_autojson json_object *named = dv_jobj();
    json_object *list = dv_jarr(), *limit;
    size_t i;

    dv_jset(host, "Ulimits", list);
    for (i = 0; i < values->n; i++) {
        if (dv_parse_ulimit(values->items[i], &limit, err) < 0)
            return -err->code;
        dv_jset(named, dv_jget_str(limit, "Name"), limit);
    }
    json_object_object_foreach(named, key, value) {
        (void)key;
        dv_jpush(list, json_object_get(value));
    }
    json_object_array_sort(list, by_name);
    return 0;
}

int dv_restart_policy_json(const char *value, json_object **ret, struct dv_error *err)
{
    size_t n = strcspn(value, ":");
    dv_autofree char *name = dv_xstrndup(value, n);
    int64_t count = 0;

    if (value[n] && n == 0)
        return dv_fail(err, DV_E_INVALID,
                       "invalid restart policy format: no policy provided before colon");
    if (value[n] && dv_parse_i64(value + n + 1, INT32_MIN, INT32_MAX, &count) < 0)
        return dv_fail(err, DV_E_INVALID, "invalid restart policy format: maximum retry count "
                       "must be an integer");
    *ret = dv_jobj();
    dv_jset_str(*ret, "Name", name);
    dv_jset_int(*ret, "MaximumRetryCount", count);
    return 0;
}

static int put_restart(const struct dv_cli_call *call, json_object *host, struct dv_error *err)
{
    json_object *policy = NULL;
    const char *name;

    if (dv_restart_policy_json(dv_cli_str(call, "restart"), &policy, err) < 0)
        return -err->code;
    dv_jset(host, "RestartPolicy", policy);
    name = dv_jget_str(policy, "Name");
    if (dv_cli_on(call, "rm") && *name && !dv_streq(name, "no"))
        return dv_fail(err, DV_E_INVALID,
                       "conflicting options: cannot specify both --restart and --rm");
    return 0;
}

static int put_log(const struct dv_cli_call *call, json_object *host, struct dv_error *err)
{
    const struct dv_strv *options = dv_cli_list(call, "log-opt");
    json_object *log = dv_jobj();

    dv_jset(host, "LogConfig", log);
    if (dv_streq(dv_cli_str(call, "log-driver"), "none") && options->n > 0)
        return dv_fail(err, DV_E_INVALID, "invalid logging opts for driver none");
    dv_jset_str(log, "Type", dv_cli_str(call, "log-driver"));
    dv_jset(log, "Config", pairs(options));
    return 0;
}

/* "", "host" and, where CONTAINERS, "container:NAME". */
static int check_mode(const char *value, bool containers, const char *also, const char *message,
                      struct dv_error *err)
{
    if (!*value || dv_streq(value, "host") || (also && dv_streq(value, also)) ||
        (containers && dv_starts(value, "container:") && value[strlen("container:")]))
        return 0;
    return dv_fail(err, DV_E_INVALID, "%s", message);
}

static int check_modes(const struct dv_cli_call *call, struct dv_error *err)
{
    int64_t swappiness = dv_cli_num(call, "memory-swappiness");

    if (swappiness != -1 && (swappiness < 0 || swappiness > 100))
        return dv_fail(err, DV_E_INVALID,
                       "invalid value: %lld. Valid memory swappiness range is 0-100",
                       (long long)swappiness);
    if (check_mode(dv_cli_str(call, "pid"), true, NULL, "--pid: invalid PID mode", err) < 0 ||
        check_mode(dv_cli_str(call, "uts"), false, NULL, "--uts: invalid UTS mode", err) < 0 ||
        check_mode(dv_cli_str(call, "userns"), false, NULL, "--userns: invalid USER mode",
                   err) < 0 ||
        check_mode(dv_cli_str(call, "cgroupns"), false, "private",
                   "--cgroupns: invalid CGROUP mode", err) < 0)
        return -err->code;
    if (!dv_cli_on(call, "disable-content-trust"))
        return dv_fail(err, DV_E_UNSUPPORTED, "unsupported: --disable-content-trust=false: davit "
                       "verifies no signatures yet");
    return 0;
}

static void put_numbers(const struct dv_cli_call *call, json_object *host)
{
    static const struct {
        const char *option, *key;
        bool omit_zero;
    } numbers[] = {
        { "oom-score-adj", "OomScoreAdj", false },
        { "shm-size", "ShmSize", false },
        { "cpu-shares", "CpuShares", false },
        { "memory", "Memory", false },
        { "cpus", "NanoCpus", false },
        { "blkio-weight", "BlkioWeight", false },
        { "cpu-period", "CpuPeriod", false },
        { "cpu-quota", "CpuQuota", false },
        { "cpu-rt-period", "CpuRealtimePeriod", false },
        { "cpu-rt-runtime", "CpuRealtimeRuntime", false },
        { "memory-reservation", "MemoryReservation", false },
        { "memory-swap", "MemorySwap", false },
        { "memory-swappiness", "MemorySwappiness", false },
        { "pids-limit", "PidsLimit", false },
        { "kernel-memory", "KernelMemory", true },
    };
    size_t i;

    for (i = 0; i < N(numbers); i++)
        if (!numbers[i].omit_zero || dv_cli_num(call, numbers[i].option) != 0)
            dv_jset_int(host, numbers[i].key, dv_cli_num(call, numbers[i].option));
}

static void put_texts(const struct dv_cli_call *call, json_object *host)
{
    static const struct {
        const char *option, *key;
    } texts[] = {
        { "cidfile", "ContainerIDFile" },
        { "volume-driver", "VolumeDriver" },
        { "cgroupns", "CgroupnsMode" },
        { "ipc", "IpcMode" },
        { "pid", "PidMode" },
        { "uts", "UTSMode" },
        { "userns", "UsernsMode" },
        { "isolation", "Isolation" },
        { "cgroup-parent", "CgroupParent" },
        { "cpuset-cpus", "CpusetCpus" },
        { "cpuset-mems", "CpusetMems" },
    };
    static const struct {
        const char *option, *key;
    } switches[] = {
        { "rm", "AutoRemove" },
        { "privileged", "Privileged" },
        { "publish-all", "PublishAllPorts" },
        { "read-only", "ReadonlyRootfs" },
        { "oom-kill-disable", "OomKillDisable" },
    };
    size_t i;

    for (i = 0; i < N(texts); i++)
        dv_jset_str(host, texts[i].key, dv_cli_str(call, texts[i].option));
    for (i = 0; i < N(switches); i++)
        dv_jset_bool(host, switches[i].key, dv_cli_on(call, switches[i].option));
    if (*dv_cli_str(call, "runtime"))
        dv_jset_str(host, "Runtime", dv_cli_str(call, "runtime"));
    if (dv_cli_set(call, "init"))
        dv_jset_bool(host, "Init", dv_cli_on(call, "init"));
}

static void put_lists(const struct dv_cli_call *call, json_object *host)
{
    static const struct {
        const char *option, *key;
        bool null_empty;
    } lists[] = {
        { "dns", "Dns", false },           { "dns-option", "DnsOptions", false },
        { "dns-search", "DnsSearch", false }, { "add-host", "ExtraHosts", true },
        { "group-add", "GroupAdd", true }, { "link", "Links", true },
        { "volumes-from", "VolumesFrom", true },
    };
    static const struct {
        const char *option, *key, *number;
    } devices[] = {
        { "blkio-weight-device", "BlkioWeightDevice", "Weight" },
        { "device-read-bps", "BlkioDeviceReadBps", "Rate" },
        { "device-write-bps", "BlkioDeviceWriteBps", "Rate" },
        { "device-read-iops", "BlkioDeviceReadIOps", "Rate" },
        { "device-write-iops", "BlkioDeviceWriteIOps", "Rate" },
    };
    size_t i, k;

    for (i = 0; i < N(lists); i++)
        dv_jset(host, lists[i].key, list_of(call, lists[i].option, lists[i].null_empty));
    for (i = 0; i < N(devices); i++) {
        const struct dv_strv *values = dv_cli_list(call, devices[i].option);
        json_object *list = dv_jarr();

        for (k = 0; k < values->n; k++)
            dv_jpush(list, dv_device_value(values->items[k], devices[i].number));
        dv_jset(host, devices[i].key, list);
    }
    dv_jset(host, "CapAdd", capabilities(dv_cli_list(call, "cap-add")));
    dv_jset(host, "CapDrop", capabilities(dv_cli_list(call, "cap-drop")));
}

static int put_maps(const struct dv_cli_call *call, json_object *host, struct dv_error *err)
{
    static const struct {
        const char *option, *key;
    } maps[] = {
        { "sysctl", "Sysctls" },
        { "annotation", "Annotations" },
        { "storage-opt", "StorageOpt" },
    };
    const struct dv_strv *storage = dv_cli_list(call, "storage-opt");
    size_t i;

    for (i = 0; i < storage->n; i++)
        if (!strchr(storage->items[i], '='))
            return dv_fail(err, DV_E_INVALID, "invalid storage option");
    for (i = 0; i < N(maps); i++)
        if (dv_cli_list(call, maps[i].option)->n > 0)
            dv_jset(host, maps[i].key, pairs(dv_cli_list(call, maps[i].option)));
    return 0;
}

static int put_host(const struct dv_cli_call *call, json_object *config, json_object *host,
                    struct dv_error *err)
{
    json_object *size = dv_jarr();

    put_texts(call, host);
    put_numbers(call, host);
    put_lists(call, host);
    dv_jpush(size, json_object_new_int(0));
    dv_jpush(size, json_object_new_int(0));
    dv_jset(host, "ConsoleSize", size);
    if (put_volumes(call, config, host, err) < 0 || put_mounts(call, host, err) < 0 ||
        put_ports(call, config, host, err) < 0 || put_devices(call, host, err) < 0 ||
        put_security(call, host, err) < 0 || put_ulimits(call, host, err) < 0 ||
        put_restart(call, host, err) < 0 || put_log(call, host, err) < 0 ||
        put_maps(call, host, err) < 0)
        return -err->code;
    return 0;
}

int dv_create_body(const struct dv_cli_call *call, json_object **ret, struct dv_error *err)
{
    dv_autojson json_object *body = dv_jobj(), *networking = NULL;
    dv_autofree char *mode = NULL;
    json_object *host = dv_jobj();

    if (check_modes(call, err) < 0 || put_config(call, body, err) < 0) {
        json_object_put(host);
        return -err->code;
    }
    dv_jset(body, "HostConfig", host);
    if (put_host(call, body, host, err) < 0 ||
        dv_network_config(call, &networking, &mode, err) < 0)
        return -err->code;
    dv_jset_str(host, "NetworkMode", mode);
    dv_jset(body, "NetworkingConfig", dv_take(networking));
    *ret = dv_take(body);
    return 0;
}
