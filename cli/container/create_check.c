/* create_check.c - checks of single option values of run and create, in docker's words. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <strings.h>

#include "cli/container/create.h"
#include "core/base/parse.h"

static int bad(struct dv_error *err, const char *what, const char *value)
{
    return dv_fail(err, DV_E_INVALID, "%s: %s", what, value);
}

bool dv_is_ip(const char *text)
{
    unsigned char address[16];

    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

int dv_check_env(const char *value, char **ret, struct dv_error *err)
{
    const char *inherited;

    if (!*value || *value == '=')
        return bad(err, "invalid environment variable", value);
    /* "NAME" alone takes this process's value; where it has none the daemon is told the bare
     * name, which unsets it there. */
    inherited = strchr(value, '=') ? NULL : getenv(value);
    if (inherited)
        *ret = dv_xformat("%s=%s", value, inherited);
    return 0;
}

int dv_check_label(const char *value, char **ret, struct dv_error *err)
{
    (void)ret;
    if (!*value || *value == '=')
        return dv_fail(err, DV_E_INVALID, "invalid label '%s': empty name", value);
    return 0;
}

int dv_check_attach(const char *value, char **ret, struct dv_error *err)
{
    static const char *const streams[] = { "stdin", "stdout", "stderr" };
    size_t i;

    for (i = 0; i < N(streams); i++) {
        if (strcasecmp(value, streams[i]) == 0) {
            *ret = dv_xstrdup(streams[i]);
            return 0;
        }
    }
    return dv_fail(err, DV_E_INVALID, "valid streams are STDIN, STDOUT and STDERR");
}

int dv_check_add_host(const char *value, char **ret, struct dv_error *err)
{
    size_t n = strcspn(value, ":=");
    const char *address = value + n + 1;
    dv_autofree char *bare = NULL;

    if (n == 0 || !value[n])
        return dv_fail(err, DV_E_INVALID, "bad format for add-host: \"%s\"", value);
    if (address[0] == '[' && dv_ends(address, "]"))
        bare = dv_xstrndup(address + 1, strlen(address) - 2);
    else
        bare = dv_xstrdup(address);
    if (!dv_streq(bare, "host-gateway") && !dv_is_ip(bare))
        return dv_fail(err, DV_E_INVALID, "invalid IP address in add-host: \"%s\"", address);
    *ret = dv_xformat("%.*s:%s", (int)n, value, bare);
    return 0;
}

int dv_check_ip(const char *value, char **ret, struct dv_error *err)
{
    (void)ret;
    return dv_is_ip(value) ? 0 : bad(err, "IP address is not correctly formatted", value);
}

/* Labels of letters, digits, '-' and '_', with dots between; or "." alone. */
int dv_check_domain(const char *value, char **ret, struct dv_error *err)
{
    const char *p;
    bool letter = false;

    (void)ret;
    if (dv_streq(value, "."))
        return 0;
    for (p = value; *p; p++) {
        letter = letter || isalpha((unsigned char)*p);
        if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
            break;
    }
    if (!letter || *p || strlen(value) > 255 || strstr(value, "..") || value[0] == '.')
        return dv_fail(err, DV_E_INVALID, "%s is not a valid domain", value);
    return 0;
}

int dv_check_link(const char *value, char **ret, struct dv_error *err)
{
    const char *colon = strchr(value, ':');

    (void)ret;
    if (!*value)
        return dv_fail(err, DV_E_INVALID, "empty string specified for links");
    if (colon && strchr(colon + 1, ':'))
        return bad(err, "bad format for links", value);
    return 0;
}

int dv_check_sysctl(const char *value, char **ret, struct dv_error *err)
{
    static const char *const known[] = {
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
        "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
    };
    size_t n = strcspn(value, "="), i;

    (void)ret;
    if (value[n]) {
        if (dv_starts(value, "net.") || dv_starts(value, "fs.mqueue."))
            return 0;
        for (i = 0; i < N(known); i++)
            if (strlen(known[i]) == n && strncmp(value, known[i], n) == 0)
                return 0;
    }
    return dv_fail(err, DV_E_INVALID, "sysctl '%s' is not allowed", value);
}

/* "c 1:3 rwm": type, major:minor with '*', permissions. */
int dv_check_device_rule(const char *value, char **ret, struct dv_error *err)
{
    const char *p = value;
    size_t major, minor, modes;

    (void)ret;
    if (!*p || !strchr("acb", *p++) || *p++ != ' ')
        goto bad_format;
    major = *p == '*' ? 1 : strspn(p, "0123456789");
    p += major;
    if (major == 0 || *p++ != ':')
        goto bad_format;
    minor = *p == '*' ? 1 : strspn(p, "0123456789");
    p += minor;
    if (minor == 0 || *p++ != ' ')
        goto bad_format;
    modes = strspn(p, "rwm");
    if (modes >= 1 && modes <= 3 && !p[modes])
        return 0;
bad_format:
    return dv_fail(err, DV_E_INVALID, "invalid device cgroup format '%s'", value);
}

/* --- devices with a number -------------------------------------------------------------------- */

static int device_path(const char *value, const char **ret_number, struct dv_error *err)
{
    const char *colon = strchr(value, ':');

    if (!colon || colon == value)
        return bad(err, "bad format", value);
    if (!dv_starts(value, "/dev/"))
        return bad(err, "bad format for device path", value);
    *ret_number = colon + 1;
    return 0;
}

int dv_check_weight(const char *value, char **ret, struct dv_error *err)
{
    const char *number = NULL;
    uint64_t weight;

    (void)ret;
    if (device_path(value, &number, err) < 0)
        return -err->code;
    if (dv_parse_u64(number, 0, 1000, &weight) < 0 || (weight > 0 && weight < 10))
        return bad(err, "invalid weight for device", value);
    return 0;
}

int dv_check_bps(const char *value, char **ret, struct dv_error *err)
{
    const char *number = NULL;
    int64_t rate;

    (void)ret;
    if (device_path(value, &number, err) < 0)
        return -err->code;
    if (dv_parse_bytes(number, &rate) < 0)
        return dv_fail(err, DV_E_INVALID,
                       "invalid rate for device: %s. The correct format is "
                       "<device-path>:<number>[<unit>]. Number must be a positive integer. Unit is "
                       "optional and can be kb, mb, or gb", value);
    return 0;
}

int dv_check_iops(const char *value, char **ret, struct dv_error *err)
{
    const char *number = NULL;
    uint64_t rate;

    (void)ret;
    if (device_path(value, &number, err) < 0)
        return -err->code;
    if (dv_parse_u64(number, 0, UINT64_MAX, &rate) < 0)
        return dv_fail(err, DV_E_INVALID,
                       "invalid rate for device: %s. The correct format is "
                       "<device-path>:<number>. Number must be a positive integer", value);
    return 0;
}

json_object *dv_device_value(const char *value, const char *key)
{
    const char *colon = strchr(value, ':');
    dv_autofree char *path = dv_xstrndup(value, (size_t)(colon - value));
    json_object *obj = dv_jobj();
    int64_t number = 0;

    /* Checked when the option was parsed; an iops number has no unit and parses the same. */
    if (dv_parse_bytes(colon + 1, &number) < 0)
        number = 0;
    dv_jset_str(obj, "Path", path);
    dv_jset_int(obj, key, number);
    return obj;
}

/* --- ulimits ---------------------------------------------------------------------------------- */

static int parse_limit(const char *text, int64_t *ret, struct dv_error *err)
{
    if (dv_parse_i64(text, INT64_MIN, INT64_MAX, ret) < 0)
        return dv_fail(err, DV_E_INVALID, "strconv.ParseInt: parsing \"%s\": %s", text,
                       errno == ERANGE ? "value out of range" : "invalid syntax");
    return 0;
}

static bool is_rlimit(const char *name)
{
    static const char *const names[] = { "as", "core", "cpu", "data", "fsize", "locks", "memlock",
                                         "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
                                         "rttime", "sigpending", "stack" };
    size_t i;

    for (i = 0; i < N(names); i++)
        if (dv_streq(names[i], name))
            return true;
    return false;
}

static int check_limits(int64_t soft, int64_t hard, struct dv_error *err)
{
    if (hard == -1 || (soft != -1 && soft <= hard))
        return 0;
    if (soft == -1)
        return dv_fail(err, DV_E_INVALID,
                       "ulimit soft limit must be less than or equal to hard limit: soft: -1 "
                       "(unlimited), hard: %lld", (long long)hard);
    return dv_fail(err, DV_E_INVALID,
                   "ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
                   (long long)soft, (long long)hard);
}

int dv_parse_ulimit(const char *value, json_object **ret, struct dv_error *err)
{
    const char *equal = strchr(value, '=');
    dv_autofree char *name = NULL;
    dv_autostrv limits = { 0 };
    int64_t soft, hard;

    if (!equal)
        return bad(err, "invalid ulimit argument", value);
    name = dv_xstrndup(value, (size_t)(equal - value));
    if (!is_rlimit(name))
        return bad(err, "invalid ulimit type", name);
    dv_xsplit(&limits, equal + 1, ':');
    if (limits.n > 2)
        return dv_fail(err, DV_E_INVALID, "too many limit value arguments - %s, can only have up "
                       "to two, `soft[:hard]`", equal + 1);
    if (parse_limit(limits.items[0], &soft, err) < 0)
        return -err->code;
    hard = soft;
    if (limits.n == 2 && parse_limit(limits.items[1], &hard, err) < 0)
        return -err->code;
    if (check_limits(soft, hard, err) < 0)
        return -err->code;
    *ret = dv_jobj();
    dv_jset_str(*ret, "Name", name);
    dv_jset_int(*ret, "Hard", hard);
    dv_jset_int(*ret, "Soft", soft);
    return 0;
}

int dv_check_ulimit(const char *value, char **ret, struct dv_error *err)
{
    dv_autojson json_object *obj = NULL;

    (void)ret;
    return dv_parse_ulimit(value, &obj, err);
}

/* --- comma-separated fields ------------------------------------------------------------------- */

/* One field at *P, which moves behind it. */
static int csv_field(const char **p, struct dv_buf *field, struct dv_error *err)
{
    size_t n;

    if (**p != '"') {
        n = strcspn(*p, ",");
        if (memchr(*p, '"', n))
            return dv_fail(err, DV_E_INVALID, "parse error: bare \" in non-quoted field");
        dv_xputn(field, *p, n);
        *p += n;
        return 0;
    }
    for (++*p; **p; ++*p) {
        if (**p == '"' && *++*p != '"')
            break;
        dv_xputn(field, *p, 1);
    }
    if ((*p)[-1] != '"' || (**p && **p != ','))
        return dv_fail(err, DV_E_INVALID, "parse error: extraneous or missing \" in quoted field");
    return 0;
}

int dv_csv_fields(const char *line, struct dv_strv *ret, struct dv_error *err)
{
    const char *p = line;

    if (!*p)
        return dv_fail(err, DV_E_INVALID, "EOF");
    for (;;) {
        dv_autobuf field = DV_TEXT_INIT;

        if (csv_field(&p, &field, err) < 0)
            return -err->code;
        dv_xadd(ret, field.data ? field.data : "");
        if (!*p)
            return 0;
        p++;
    }
}

/* "./a" and "../a" by the working directory, without "." and ".." steps where they are plain. */
char *dv_absolute_path(const char *path)
{
    char cwd[PATH_MAX];
    dv_autostrv steps = { 0 }, kept = { 0 };
    dv_autofree char *joined = NULL;
    dv_autobuf out = DV_TEXT_INIT;
    size_t i;

    if (path[0] != '.' || !getcwd(cwd, sizeof(cwd)))
        return dv_xstrdup(path);
    joined = dv_xformat("%s/%s", cwd, path);
    dv_xsplit(&steps, joined, '/');
    for (i = 0; i < steps.n; i++) {
        if (dv_streq(steps.items[i], "..") && kept.n > 0) {
            free(kept.items[--kept.n]);
            kept.items[kept.n] = NULL;
        } else if (*steps.items[i] && !dv_streq(steps.items[i], ".") &&
                   !dv_streq(steps.items[i], "..")) {
            dv_xadd(&kept, steps.items[i]);
        }
    }
    for (i = 0; i < kept.n; i++)
        dv_xprintf(&out, "/%s", kept.items[i]);
    return dv_xstrdup(out.data ? out.data : "/");
}
