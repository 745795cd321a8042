/* spec_devices.c - devices and their rules, masked and read-only paths, rlimits. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/base/parse.h"
#include "core/container/spec_parts.h"

static const struct {
    const char *path;
    uint32_t major, minor;
} default_devices[] = {
    { "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
    { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};
/* What Docker lets every container use: its own devices, ptys, and mknod of anything. */
static const struct dv_spec_device_rule default_rules[] = {
    { false, 'a', -1, -1, "rwm" }, { true, 'c', -1, -1, "m" },   { true, 'b', -1, -1, "m" },
    { true, 'c', 1, 3, "rwm" },    { true, 'c', 1, 5, "rwm" },   { true, 'c', 1, 7, "rwm" },
    { true, 'c', 1, 8, "rwm" },    { true, 'c', 1, 9, "rwm" },   { true, 'c', 5, 0, "rwm" },
    { true, 'c', 5, 1, "rwm" },    { true, 'c', 5, 2, "rwm" },   { true, 'c', 136, -1, "rwm" },
};
static const char *const masked[] = {
    "/proc/asound",       "/proc/acpi",       "/proc/interrupts",  "/proc/kcore",
    "/proc/keys",         "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug",  "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap",
};
static const char *const readonly[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static int no_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "describe the devices");
}

static int add_device(struct dv_spec *spec, const char *path, char type, uint32_t major_no,
                      uint32_t minor_no, uint32_t mode)
{
    struct dv_spec_device *d = reallocarray(spec->devices, spec->n_devices + 1, sizeof(*d));

    if (!d)
        return -1;
    spec->devices = d;
    d += spec->n_devices;
    *d = (struct dv_spec_device){ .path = dv_strdup(path), .type = type, .major = major_no,
                                  .minor = minor_no, .mode = mode };
    spec->n_devices++;
    return d->path ? 0 : -1;
}

static int add_rule(struct dv_spec *spec, const struct dv_spec_device_rule *rule)
{
    struct dv_spec_resources *res = &spec->resources;
    struct dv_spec_device_rule *r = reallocarray(res->devices, res->n_devices + 1, sizeof(*r));

    if (!r)
        return -1;
    res->devices = r;
    r[res->n_devices++] = *rule;
    return 0;
}

/* One node of the host, under its name in the container. */
static int add_host_node(struct dv_spec *spec, const char *host, const char *container,
                         const char *access, struct dv_error *err)
{
    struct dv_spec_device_rule rule = { .allow = true };
    struct stat st;

    if (stat(host, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
        return dv_fail(err, DV_E_INVALID,
                       "error gathering device information while adding custom device \"%s\": %s",
                       host, errno == ENOENT ? "no such file or directory" : "not a device node");
    rule.type = S_ISCHR(st.st_mode) ? 'c' : 'b';
    rule.major = major(st.st_rdev);
    rule.minor = minor(st.st_rdev);
    snprintf(rule.access, sizeof(rule.access), "%.3s", access);
    if (add_device(spec, container, rule.type, major(st.st_rdev), minor(st.st_rdev),
                   st.st_mode & 0777) < 0 ||
        add_rule(spec, &rule) < 0)
        return no_memory(err);
    spec->devices[spec->n_devices - 1].uid = st.st_uid;
    spec->devices[spec->n_devices - 1].gid = st.st_gid;
    return 0;
}

/* --device DIRECTORY means every node in it (Docker: deviceMapping of a directory). */
static int add_host_directory(struct dv_spec *spec, const struct dv_device_mapping *m,
                              const char *access, DIR *dir, struct dv_error *err)
{
    const struct dirent *entry;
    int r = 0;

    while (r == 0 && (entry = readdir(dir))) {
        dv_autofree char *host = dv_format("%s/%s", m->host, entry->d_name);
        dv_autofree char *container = dv_format("%s/%s", m->container, entry->d_name);
        struct stat st;

        if (!host || !container)
            return no_memory(err);
        if (stat(host, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
            r = add_host_node(spec, host, container, access, err);
    }
    return r;
}

static int add_mapping(struct dv_spec *spec, const struct dv_device_mapping *m,
                       struct dv_error *err)
{
    const char *access = dv_empty(m->permissions) ? "rwm" : m->permissions;
    DIR *dir = opendir(m->host);
    int r;

    if (!dir)
        return add_host_node(spec, m->host, dv_empty(m->container) ? m->host : m->container, access,
                             err);
    r = add_host_directory(spec, m, access, dir, err);
    closedir(dir);
    return r;
}

/* Privileged: all of the host's own nodes directly in /dev, as Docker gives them (ptys and the like
 * stay the container's own). */
static int add_all_of_host(struct dv_spec *spec, struct dv_error *err)
{
    static const char *const skipped[] = { "pts", "shm", "fd", "mqueue", "console", "ptmx", "core",
                                           "null", "zero", "full", "random", "urandom", "tty" };
    DIR *dir = opendir("/dev");
    const struct dirent *entry;
    int r = 0;

    if (!dir)
        return dv_fail_errno(err, DV_E_INTERNAL, "read /dev");
    while (r == 0 && (entry = readdir(dir))) {
        char path[300];
        struct stat st;
        bool skip = false;

        for (size_t i = 0; i < N(skipped); i++)
            skip = skip || dv_streq(skipped[i], entry->d_name);
        snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
        if (skip || lstat(path, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
            continue;
        if (add_device(spec, path, S_ISCHR(st.st_mode) ? 'c' : 'b', major(st.st_rdev),
                       minor(st.st_rdev), st.st_mode & 0777) < 0)
            r = no_memory(err);
    }
    closedir(dir);
    return r;
}

/* "c 1:3 rwm", "a *:* rwm": checked at create. */
static int parse_rule(const char *text, struct dv_spec_device_rule *rule)
{
    char major_text[16], minor_text[16], access[8];
    uint64_t n;

    if (sscanf(text, "%c %15[0-9*]:%15[0-9*] %7s", &rule->type, major_text, minor_text, access) != 4)
        return -1;
    rule->allow = true;
    rule->major = rule->minor = -1;
    if (!dv_streq(major_text, "*")) {
        if (dv_parse_u64(major_text, 0, UINT32_MAX, &n) < 0)
            return -1;
        rule->major = (int64_t)n;
    }
    if (!dv_streq(minor_text, "*")) {
        if (dv_parse_u64(minor_text, 0, UINT32_MAX, &n) < 0)
            return -1;
        rule->minor = (int64_t)n;
    }
    snprintf(rule->access, sizeof(rule->access), "%.3s", access);
    return 0;
}

static int add_user_rules(const struct dv_container_config *config, struct dv_spec *spec,
                          struct dv_error *err)
{
    for (size_t i = 0; i < config->device_cgroup_rules.n; i++) {
        const char *text = config->device_cgroup_rules.items[i];
        struct dv_spec_device_rule rule = { 0 };

        if (parse_rule(text, &rule) < 0)
            return dv_fail(err, DV_E_INVALID, "invalid device cgroup rule format: '%s'", text);
        if (add_rule(spec, &rule) < 0)
            return no_memory(err);
    }
    return 0;
}

static int build_devices(const struct dv_container_config *config, struct dv_spec *spec,
                         struct dv_error *err)
{
    static const struct dv_spec_device_rule everything = { true, 'a', -1, -1, "rwm" };
    int r = 0;

    for (size_t i = 0; i < N(default_devices); i++)
        if (add_device(spec, default_devices[i].path, 'c', default_devices[i].major,
                       default_devices[i].minor, 0666) < 0)
            return no_memory(err);
    if (config->privileged) {
        if (add_rule(spec, &everything) < 0)
            return no_memory(err);
        r = add_all_of_host(spec, err);
    } else {
        for (size_t i = 0; i < N(default_rules); i++)
            if (add_rule(spec, &default_rules[i]) < 0)
                return no_memory(err);
        r = add_user_rules(config, spec, err);
    }
    for (size_t i = 0; i < config->n_devices && r == 0; i++)
        r = add_mapping(spec, &config->devices[i], err);
    return r;
}

static int build_paths(struct dv_strv *out, const struct dv_optv *own, bool none,
                       const char *const *defaults, size_t n)
{
    if (none)
        return 0;
    if (own->present)
        return dv_strv_copy(out, &own->v);
    for (size_t i = 0; i < n; i++)
        if (dv_strv_add(out, defaults[i]) < 0)
            return -1;
    return 0;
}

int dv_spec_paths_and_devices(struct dv_container *c, struct dv_spec *spec, struct dv_error *err)
{
    const struct dv_container_config *config = c->config;
    bool none = config->privileged || dv_strv_has(&config->security_opt, "systempaths=unconfined");

    if (build_paths(&spec->masked_paths, &config->masked_paths, none, masked, N(masked)) < 0 ||
        build_paths(&spec->readonly_paths, &config->readonly_paths, none, readonly, N(readonly)) < 0)
        return no_memory(err);
    return build_devices(config, spec, err);
}

static const struct {
    const char *name;
    int resource;
} rlimits[] = {
    { "as", RLIMIT_AS },           { "core", RLIMIT_CORE },       { "cpu", RLIMIT_CPU },
    { "data", RLIMIT_DATA },       { "fsize", RLIMIT_FSIZE },     { "locks", RLIMIT_LOCKS },
    { "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
    { "nofile", RLIMIT_NOFILE },   { "nproc", RLIMIT_NPROC },     { "rss", RLIMIT_RSS },
    { "rtprio", RLIMIT_RTPRIO },   { "rttime", RLIMIT_RTTIME },   { "sigpending", RLIMIT_SIGPENDING },
    { "stack", RLIMIT_STACK },
};

int dv_spec_rlimits(const struct dv_container_config *config, struct dv_spec_process *p,
                    struct dv_error *err)
{
    p->rlimits = calloc(config->n_ulimits + 1, sizeof(*p->rlimits));
    if (!p->rlimits)
        return dv_fail(err, DV_E_NO_MEMORY, "describe the ulimits");
    for (size_t i = 0; i < config->n_ulimits; i++) {
        const struct dv_ulimit *u = &config->ulimits[i];

        for (size_t k = 0; k < N(rlimits); k++)
            if (dv_streq(rlimits[k].name, u->name))
                p->rlimits[p->n_rlimits++] = (struct dv_spec_rlimit){
                    rlimits[k].resource, (uint64_t)u->soft, (uint64_t)u->hard };
        if (p->n_rlimits != i + 1)
            return dv_fail(err, DV_E_INVALID, "invalid ulimit type: %s", u->name);
    }
    return 0;
}
