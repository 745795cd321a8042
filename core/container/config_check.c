/* config_check.c - what a create request may ask for: bounds, names, and what excludes what. */
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/parse.h"
#include "core/container/caps.h"
#include "core/container/config_fields.h"
#include "core/container/restart.h"
#include "core/container/signals.h"

typedef int check_fn(const struct dv_container_config *c, struct dv_strv *warnings,
                     struct dv_error *err);

enum {
    MEMORY_MIN = 6 << 20,          /* Docker's: less does not even start */
    CPU_PERIOD_MIN_US = 1000, CPU_PERIOD_MAX_US = 1000000,
    BLKIO_WEIGHT_MIN = 10, BLKIO_WEIGHT_MAX = 1000,
    HOSTNAME_MAX = 64,             /* __NEW_UTS_LEN */
};

static int warn(struct dv_strv *warnings, const char *text, struct dv_error *err)
{
    if (dv_strv_add(warnings, text) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for a warning");
    return 0;
}

/* ---- Config ---- */

/* Labels of letters, digits and hyphens; underscores too, which the kernel and Docker take. */
static bool is_host_name(const char *s)
{
    if (strlen(s) > HOSTNAME_MAX || *s == '-' || *s == '.')
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
            return false;
    return true;
}

static int check_names(const struct dv_container_config *c, struct dv_strv *warnings,
                       struct dv_error *err)
{
    (void)warnings;
    if (!dv_empty(c->hostname) && !is_host_name(c->hostname))
        return dv_fail(err, DV_E_INVALID, "invalid hostname format: %s", c->hostname);
    if (!dv_empty(c->domainname) && !is_host_name(c->domainname))
        return dv_fail(err, DV_E_INVALID, "invalid domainname format: %s", c->domainname);
    if (!dv_empty(c->working_dir) && *c->working_dir != '/')
        return dv_fail(err, DV_E_INVALID,
                       "the working directory '%s' is invalid, it needs to be an absolute path",
                       c->working_dir);
    if (!dv_empty(c->stop_signal) && dv_signal_parse(c->stop_signal) < 0)
        return dv_fail(err, DV_E_INVALID, "invalid signal: %s", c->stop_signal);
    if (c->has_stop_timeout && c->stop_timeout < -1)
        return dv_fail(err, DV_E_INVALID, "StopTimeout: must be -1 (no limit) or seconds");
    for (size_t i = 0; i < c->env.n; i++)
        if (!*c->env.items[i] || *c->env.items[i] == '=')
            return dv_fail(err, DV_E_INVALID, "invalid environment variable: %s", c->env.items[i]);
    return 0;
}

static bool is_mac(const char *s)
{
    for (size_t i = 0; i < 17; i++)
        if (i % 3 == 2 ? s[i] != ':' && s[i] != '-' : !isxdigit((unsigned char)s[i]))
            return false;
    return !s[17];
}

static int check_macs(const struct dv_container_config *c, struct dv_strv *warnings,
                      struct dv_error *err)
{
    (void)warnings;
    if (!dv_empty(c->mac_address) && !is_mac(c->mac_address))
        return dv_fail(err, DV_E_INVALID, "invalid MAC address: %s", c->mac_address);
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (!dv_empty(c->endpoints[i].mac) && !is_mac(c->endpoints[i].mac))
            return dv_fail(err, DV_E_INVALID, "invalid MAC address: %s", c->endpoints[i].mac);
    return 0;
}

bool dv_is_port(const char *text)
{
    unsigned first = 0, last = 0;
    int n = 0;
    char proto[8] = "tcp";

    if (sscanf(text, "%5u-%5u%n", &first, &last, &n) != 2) {
        n = 0;
        if (sscanf(text, "%5u%n", &first, &n) != 1)
            return false;
        last = first;
    }
    if (text[n] == '/' && sscanf(text + n, "/%7[a-zA-Z]%n", proto, &n) != 1)
        return false;
    return first > 0 && first <= last && last <= 65535 &&
           (!strcasecmp(proto, "tcp") || !strcasecmp(proto, "udp") || !strcasecmp(proto, "sctp"));
}

static int check_ports(const struct dv_container_config *c, struct dv_strv *warnings,
                       struct dv_error *err)
{
    (void)warnings;
    for (size_t i = 0; i < c->exposed_ports.n; i++)
        if (!dv_is_port(c->exposed_ports.items[i]))
            return dv_fail(err, DV_E_INVALID, "invalid port specification: \"%s\"",
                           c->exposed_ports.items[i]);
    if (c->publish_all_ports)
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "HostConfig.PublishAllPorts: published ports are not supported yet");
    return 0;
}

/* ---- HostConfig: resources ---- */

static int check_memory(const struct dv_container_config *c, struct dv_strv *warnings,
                        struct dv_error *err)
{
    if (c->memory < 0 || (c->memory > 0 && c->memory < MEMORY_MIN))
        return dv_fail(err, DV_E_INVALID, "Minimum memory limit allowed is 6MB");
    if (c->memory_swap < -1)
        return dv_fail(err, DV_E_INVALID, "HostConfig.MemorySwap: must be -1 (no limit) or bytes");
    if (c->memory > 0 && c->memory_swap > 0 && c->memory_swap < c->memory)
        return dv_fail(err, DV_E_INVALID,
                       "Minimum memoryswap limit should be larger than memory limit, see usage");
    if (c->memory == 0 && c->memory_swap > 0)
        return dv_fail(err, DV_E_INVALID,
                       "You should always set the Memory limit when using Memoryswap limit, see "
                       "usage");
    if (c->has_swappiness && (c->memory_swappiness < -1 || c->memory_swappiness > 100))
        return dv_fail(err, DV_E_INVALID,
                       "Invalid value: %lld, valid memory swappiness range is 0-100",
                       (long long)c->memory_swappiness);
    if (c->memory_reservation < 0 ||
        (c->memory_reservation > 0 && c->memory_reservation < MEMORY_MIN))
        return dv_fail(err, DV_E_INVALID, "Minimum memory reservation allowed is 6MB");
    if (c->memory > 0 && c->memory_reservation > c->memory)
        return dv_fail(err, DV_E_INVALID, "Minimum memory limit can not be less than memory "
                                          "reservation limit, see usage");
    if (c->oom_kill_disable && c->memory == 0)
        return warn(warnings,
                    "OOM killer is disabled for the container, but no memory limit is set, this "
                    "can result in the system running out of resources.", err);
    return 0;
}

static int check_cpu_limits(const struct dv_container_config *c, struct dv_error *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (c->nano_cpus > 0 && c->cpu_period > 0)
        return dv_fail(err, DV_E_INVALID,
                       "Conflicting options: Nano CPUs and CPU Period cannot both be set.");
    if (c->nano_cpus > 0 && c->cpu_quota > 0)
        return dv_fail(err, DV_E_INVALID,
                       "Conflicting options: Nano CPUs and CPU Quota cannot both be set.");
    if (c->nano_cpus < 0 || (c->nano_cpus > 0 && c->nano_cpus < 10000000) ||
        (cpus > 0 && c->nano_cpus > cpus * 1000000000LL))
        return dv_fail(err, DV_E_INVALID,
                       "range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs available",
                       cpus, cpus);
    if (c->cpu_period < 0 ||
        (c->cpu_period > 0 &&
         (c->cpu_period < CPU_PERIOD_MIN_US || c->cpu_period > CPU_PERIOD_MAX_US)))
        return dv_fail(err, DV_E_INVALID, "CPU cfs period can not be less than 1ms (i.e. 1000) or "
                                          "larger than 1s (i.e. 1000000)");
    if (c->cpu_quota > 0 && c->cpu_quota < CPU_PERIOD_MIN_US)
        return dv_fail(err, DV_E_INVALID,
                       "CPU cfs quota can not be less than 1ms (i.e. 1000)");
    if (c->cpu_shares < 0)
        return dv_fail(err, DV_E_INVALID, "invalid CPU shares (%lld): value must be a positive "
                                          "integer", (long long)c->cpu_shares);
    if (c->cpu_rt_period < 0 || (c->cpu_rt_period > 0 && c->cpu_rt_runtime > c->cpu_rt_period))
        return dv_fail(err, DV_E_INVALID, "cpu real-time runtime cannot be higher than cpu "
                                          "real-time period");
    return 0;
}

/* "0-3,7": what the kernel reads. */
static bool is_set(const char *text)
{
    while (*text) {
        unsigned first = 0, last = 0;
        int n = 0;

        if (!isdigit((unsigned char)*text))
            return false;
        if (sscanf(text, "%5u-%5u%n", &first, &last, &n) != 2) {
            n = 0;
            if (sscanf(text, "%5u%n", &first, &n) != 1)
                return false;
            last = first;
        }
        text += n;
        if (last < first || (*text && *text != ','))
            return false;
        if (*text && !*++text)
            return false;
    }
    return true;
}

/* The last number of a set such as "0-3,7": is_set() has seen that there is one. */
static unsigned long last_of(const char *set)
{
    unsigned long last = 0;

    for (const char *at = set; *at; at += strcspn(at, "0123456789")) {
        char *end;
        unsigned long n = strtoul(at, &end, 10);

        last = n > last ? n : last;
        at = end;
    }
    return last;
}

/* Which CPUs there are the kernel says in the same form. */
static int check_present(const char *wished, struct dv_error *err)
{
    dv_autoclose int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
    char online[256];
    ssize_t n = fd < 0 ? -1 : read(fd, online, sizeof(online) - 1);

    if (dv_empty(wished) || n <= 0) /* unknown: the kernel will say */
        return 0;
    online[n] = '\0';
    online[strcspn(online, "\n")] = '\0';
    if (is_set(online) && last_of(wished) > last_of(online))
        return dv_fail(err, DV_E_INVALID,
                       "Requested CPUs are not available - requested %s, available: %s", wished,
                       online);
    return 0;
}

static int check_cpu(const struct dv_container_config *c, struct dv_strv *warnings,
                     struct dv_error *err)
{
    int r = check_cpu_limits(c, err);

    (void)warnings;
    if (r < 0)
        return r;
    if (!dv_empty(c->cpuset_cpus) && !is_set(c->cpuset_cpus))
        return dv_fail(err, DV_E_INVALID, "Invalid value %s for cpuset cpus: invalid format: %s",
                       c->cpuset_cpus, c->cpuset_cpus);
    if (!dv_empty(c->cpuset_mems) && !is_set(c->cpuset_mems))
        return dv_fail(err, DV_E_INVALID, "Invalid value %s for cpuset mems: invalid format: %s",
                       c->cpuset_mems, c->cpuset_mems);
    return check_present(c->cpuset_cpus, err);
}

static int check_paths(const struct dv_blkio_device *list, size_t n, const char *field,
                       struct dv_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (dv_empty(list[i].path) || *list[i].path != '/')
            return dv_fail(err, DV_E_INVALID,
                           "HostConfig.%s[%zu].Path: must be an absolute path of a device", field,
                           i);
    return 0;
}

static int check_blkio(const struct dv_container_config *c, struct dv_strv *warnings,
                       struct dv_error *err)
{
    const struct {
        const char *field;
        const struct dv_blkio_device *list;
        size_t n;
    } lists[] = {
        { "BlkioWeightDevice", c->weight_device, c->n_weight_device },
        { "BlkioDeviceReadBps", c->read_bps, c->n_read_bps },
        { "BlkioDeviceWriteBps", c->write_bps, c->n_write_bps },
        { "BlkioDeviceReadIOps", c->read_iops, c->n_read_iops },
        { "BlkioDeviceWriteIOps", c->write_iops, c->n_write_iops },
    };

    (void)warnings;
    if (c->blkio_weight != 0 &&
        (c->blkio_weight < BLKIO_WEIGHT_MIN || c->blkio_weight > BLKIO_WEIGHT_MAX))
        return dv_fail(err, DV_E_INVALID, "range of blkio weight is from 10 to 1000");
    for (size_t i = 0; i < N(lists); i++)
        if (check_paths(lists[i].list, lists[i].n, lists[i].field, err) < 0)
            return -err->code;
    for (size_t i = 0; i < c->n_weight_device; i++)
        if (c->weight_device[i].rate < BLKIO_WEIGHT_MIN ||
            c->weight_device[i].rate > BLKIO_WEIGHT_MAX)
            return dv_fail(err, DV_E_INVALID, "range of blkio weight is from 10 to 1000");
    return 0;
}

static const char *const ulimit_names[] = {
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
    "rss", "rtprio", "rttime", "sigpending", "stack",
};

static int check_ulimit(const struct dv_ulimit *u, struct dv_error *err)
{
    bool known = false;

    for (size_t i = 0; i < N(ulimit_names); i++)
        known = known || dv_streq(u->name ? u->name : "", ulimit_names[i]);
    if (!known)
        return dv_fail(err, DV_E_INVALID, "invalid ulimit type: %s", u->name ? u->name : "");
    if (u->hard >= 0 && (u->soft > u->hard || u->soft < 0)) /* -1 = no limit */
        return dv_fail(err, DV_E_INVALID,
                       "ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
                       (long long)u->soft, (long long)u->hard);
    return 0;
}

static int check_limits(const struct dv_container_config *c, struct dv_strv *warnings,
                        struct dv_error *err)
{
    (void)warnings;
    for (size_t i = 0; i < c->n_ulimits; i++)
        if (check_ulimit(&c->ulimits[i], err) < 0)
            return -err->code;
    if (c->oom_score_adj < -1000 || c->oom_score_adj > 1000)
        return dv_fail(err, DV_E_INVALID,
                       "Invalid value %lld, range for oom score adj is [-1000, 1000]",
                       (long long)c->oom_score_adj);
    if (c->shm_size < 0)
        return dv_fail(err, DV_E_INVALID, "SHM size can not be less than 0");
    return 0;
}

/* ---- HostConfig: devices ---- */

static bool is_access(const char *s)
{
    size_t n = strlen(s);

    return n >= 1 && n <= 3 && strspn(s, "rwm") == n;
}

static bool is_number_or_star(const char *s, size_t n)
{
    return n > 0 && ((n == 1 && *s == '*') || (n <= 10 && strspn(s, "0123456789") >= n));
}

/* "c 1:3 rwm", "b 8:* r", "a *:* rwm". */
static bool is_device_rule(const char *s)
{
    size_t major, minor;

    if (!*s || !strchr("abc", *s) || s[1] != ' ')
        return false;
    s += 2;
    major = strcspn(s, ":");
    if (!is_number_or_star(s, major) || s[major] != ':')
        return false;
    s += major + 1;
    minor = strcspn(s, " ");
    return is_number_or_star(s, minor) && s[minor] == ' ' && is_access(s + minor + 1);
}

static int check_devices(const struct dv_container_config *c, struct dv_strv *warnings,
                         struct dv_error *err)
{
    (void)warnings;
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct dv_device_mapping *d = &c->devices[i];

        if (dv_empty(d->host) || *d->host != '/')
            return dv_fail(err, DV_E_INVALID,
                           "HostConfig.Devices[%zu].PathOnHost: '%s' is not an absolute path", i,
                           d->host ? d->host : "");
        if (!dv_empty(d->container) && *d->container != '/')
            return dv_fail(err, DV_E_INVALID,
                           "HostConfig.Devices[%zu].PathInContainer: '%s' is not an absolute path",
                           i, d->container);
        if (!dv_empty(d->permissions) && !is_access(d->permissions))
            return dv_fail(err, DV_E_INVALID, "invalid device mode: %s", d->permissions);
    }
    for (size_t i = 0; i < c->device_cgroup_rules.n; i++)
        if (!is_device_rule(c->device_cgroup_rules.items[i]))
            return dv_fail(err, DV_E_INVALID, "invalid device cgroup rule format: '%s'",
                           c->device_cgroup_rules.items[i]);
    return 0;
}

/* ---- HostConfig: isolation ---- */

static int check_caps(const struct dv_container_config *c, struct dv_strv *warnings,
                      struct dv_error *err)
{
    const struct dv_strv *lists[] = { &c->cap_add, &c->cap_drop };

    (void)warnings;
    for (size_t i = 0; i < N(lists); i++)
        for (size_t k = 0; k < lists[i]->n; k++) {
            const char *name = lists[i]->items[k];

            if (strcasecmp(name, "ALL") != 0 && dv_cap_parse(name) < 0)
                return dv_fail(err, DV_E_INVALID, "invalid %s: unknown capability: \"%s%s\"",
                               i == 0 ? "CapAdd" : "CapDrop",
                               strncasecmp(name, "CAP_", 4) == 0 ? "" : "CAP_", name);
        }
    return 0;
}

/* A mode is one of some words, or "container:NAME" where JOINS. */
static bool is_mode(const char *mode, const char *words, bool joins)
{
    size_t n = mode ? strlen(mode) : 0;

    if (n == 0)
        return true;
    if (joins && dv_starts(mode, "container:"))
        return mode[10] != '\0';
    for (const char *at = words; *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strcspn(at, " ") == n && memcmp(at, mode, n) == 0)
            return true;
    return false;
}

static int check_modes(const struct dv_container_config *c, struct dv_strv *warnings,
                       struct dv_error *err)
{
    const struct {
        const char *mode, *words, *what;
        bool joins;
    } modes[] = {
        { c->ipc_mode, "host private shareable none", "IPC mode", true },
        { c->pid_mode, "host", "PID mode", true },
        { c->uts_mode, "host", "UTS mode", false },
        { c->userns_mode, "host", "userns mode", false },
        { c->cgroupns_mode, "host private", "cgroup namespace mode", false },
    };

    (void)warnings;
    for (size_t i = 0; i < N(modes); i++)
        if (!is_mode(modes[i].mode, modes[i].words, modes[i].joins))
            return dv_fail(err, DV_E_INVALID, "invalid %s: %s", modes[i].what, modes[i].mode);
    if (!dv_empty(c->uts_mode) && !dv_empty(c->hostname))
        return dv_fail(err, DV_E_INVALID,
                       "conflicting options: hostname and the UTS mode");
    return 0;
}

static bool starts_container(const char *mode)
{
    return mode && dv_starts(mode, "container:");
}

static int check_network(const struct dv_container_config *c, struct dv_strv *warnings,
                         struct dv_error *err)
{
    bool joins = starts_container(c->network_mode);

    (void)warnings;
    if (dv_streq(c->network_mode, "container") || (joins && !c->network_mode[10]))
        return dv_fail(err, DV_E_INVALID, "Invalid network mode: invalid container format "
                                          "container:<name|id>");
    if (joins && !dv_empty(c->hostname))
        return dv_fail(err, DV_E_INVALID,
                       "conflicting options: hostname and the network mode");
    if (joins && (c->dns.n || c->dns_search.n || c->dns_options.n))
        return dv_fail(err, DV_E_INVALID, "conflicting options: dns and the network mode");
    if (joins && c->extra_hosts.n)
        return dv_fail(err, DV_E_INVALID, "conflicting options: custom host-to-IP mapping and the "
                                          "network mode");
    if ((joins || dv_streq(c->network_mode, "host")) && !dv_empty(c->mac_address))
        return dv_fail(err, DV_E_INVALID,
                       "conflicting options: mac-address and the network mode");
    for (size_t i = 0; i < c->extra_hosts.n; i++) {
        const char *colon = strchr(c->extra_hosts.items[i], ':');

        if (!colon || colon == c->extra_hosts.items[i] || !colon[1])
            return dv_fail(err, DV_E_INVALID, "bad format for add-host: \"%s\"",
                           c->extra_hosts.items[i]);
    }
    return 0;
}

/* Docker's legacy form has ':' in place of '='. */
static const char *option_value(const char *option, const char *key)
{
    size_t n = strlen(key);

    return strncmp(option, key, n) == 0 && (option[n] == '=' || option[n] == ':') ? option + n + 1
                                                                                 : NULL;
}

static int check_security_opt(const char *option, struct dv_error *err)
{
    const char *value;
    bool ignored;

    if (dv_streq(option, "no-new-privileges") || dv_streq(option, "systempaths=unconfined"))
        return 0;
    value = option_value(option, "no-new-privileges");
    if (value && dv_parse_bool(value, &ignored) == 0)
        return 0;
    value = option_value(option, "seccomp");
    if (value && (dv_streq(value, "unconfined") || dv_streq(value, "builtin")))
        return 0;
    if (value)
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "HostConfig.SecurityOpt: seccomp profiles of one's own "
                       "are not supported yet; use 'seccomp=unconfined' or "
                       "'seccomp=builtin'");
    value = option_value(option, "apparmor");
    if (value && (dv_streq(value, "unconfined") || !*value))
        return 0;
    if (value)
        return dv_fail(err, DV_E_UNSUPPORTED, "HostConfig.SecurityOpt: AppArmor profiles are not "
                                              "supported yet: '%s'", option);
    value = option_value(option, "label");
    if (value && dv_streq(value, "disable"))
        return 0;
    if (value)
        return dv_fail(err, DV_E_UNSUPPORTED, "HostConfig.SecurityOpt: SELinux labels are not "
                                              "supported yet: '%s'", option);
    return dv_fail(err, DV_E_INVALID, "invalid --security-opt: \"%s\"", option);
}

static int check_security(const struct dv_container_config *c, struct dv_strv *warnings,
                          struct dv_error *err)
{
    (void)warnings;
    for (size_t i = 0; i < c->security_opt.n; i++)
        if (check_security_opt(c->security_opt.items[i], err) < 0)
            return -err->code;
    if (!dv_empty(c->runtime) && !dv_streq(c->runtime, "davit") && !dv_streq(c->runtime, "runc"))
        return dv_fail(err, DV_E_INVALID, "unknown or invalid runtime name: %s", c->runtime);
    return 0;
}

/* Those of a namespace of the container's own; others would change the host. */
static bool is_namespaced_sysctl(const char *key)
{
    static const char *const names[] = { "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",
                                         "kernel.sem", "kernel.shmall", "kernel.shmmax",
                                         "kernel.shmmni", "kernel.shm_rmid_forced",
                                         "kernel.domainname" };

    for (size_t i = 0; i < N(names); i++)
        if (dv_streq(key, names[i]))
            return true;
    return dv_starts(key, "net.") || dv_starts(key, "fs.mqueue.");
}

static int check_sysctls(const struct dv_container_config *c, struct dv_strv *warnings,
                         struct dv_error *err)
{
    (void)warnings;
    for (size_t i = 0; i < c->sysctls.keys.n; i++) {
        const char *key = c->sysctls.keys.items[i];

        if (!is_namespaced_sysctl(key) || strchr(key, '/') || strstr(key, ".."))
            return dv_fail(err, DV_E_INVALID,
                           "sysctl '%s' is not allowed: it is not of a namespace "
                           "of the container",
                           key);
        if (dv_starts(key, "net.") && dv_streq(c->network_mode, "host"))
            return dv_fail(err, DV_E_INVALID, "sysctl '%s' is not allowed with host network", key);
        if (!dv_starts(key, "net.") && c->ipc_mode && dv_streq(c->ipc_mode, "host") &&
            !dv_streq(key, "kernel.domainname"))
            return dv_fail(err, DV_E_INVALID, "sysctl '%s' is not allowed with host IPC", key);
    }
    return 0;
}

/* ---- HostConfig: the rest ---- */

/* Docker's own that are not there yet, or a word that nobody knows. */
static int refuse_log_opt(const char *key, struct dv_error *err)
{
    static const char *const later[] = { "compress", "env", "env-regex", "labels", "labels-regex",
                                         "max-buffer-size", "mode", "tag" };

    for (size_t i = 0; i < N(later); i++)
        if (dv_streq(later[i], key))
            return dv_fail(err, DV_E_UNSUPPORTED,
                           "HostConfig.LogConfig.Config: log opt '%s' is not supported yet for the "
                           "json-file log driver", key);
    return dv_fail(err, DV_E_INVALID, "unknown log opt '%s' for json-file log driver", key);
}

static int check_log(const struct dv_container_config *c, struct dv_error *err)
{
    bool file = dv_streq(c->log_type, "json-file");

    if (!file && !dv_streq(c->log_type, "none"))
        return dv_fail(err, DV_E_UNSUPPORTED, "HostConfig.LogConfig.Type: log driver '%s' is not "
                                              "supported yet; use 'json-file' or 'none'",
                       c->log_type);
    for (size_t i = 0; i < c->log_config.keys.n; i++) {
        const char *key = c->log_config.keys.items[i], *value = c->log_config.values.items[i];
        int64_t bytes;
        uint64_t files;

        if (!file)
            return dv_fail(err, DV_E_INVALID, "unknown log opt '%s' for none log driver", key);
        if (dv_streq(key, "max-size")) {
            if (!dv_streq(value, "-1") && (dv_parse_bytes(value, &bytes) < 0 || bytes <= 0))
                return dv_fail(err, DV_E_INVALID, "invalid value for log opt max-size: '%s'",
                               value);
        } else if (dv_streq(key, "max-file")) {
            if (dv_parse_u64(value, 1, 1000, &files) < 0)
                return dv_fail(err, DV_E_INVALID,
                               "invalid value for log opt max-file: '%s': must be 1 to 1000",
                               value);
        } else {
            return refuse_log_opt(key, err);
        }
    }
    return 0;
}

static int check_rest(const struct dv_container_config *c, struct dv_strv *warnings,
                      struct dv_error *err)
{
    enum dv_restart_policy policy;
    int r = dv_restart_parse(c->restart_name, c->restart_max, &policy, err);

    (void)warnings;
    if (r < 0)
        return r;
    if (c->auto_remove && policy != DV_RESTART_NO)
        return dv_fail(err, DV_E_INVALID,
                       "can't create 'AutoRemove' container with restart policy");
    return check_log(c, err);
}

int dv_container_config_check(const struct dv_config_raw *raw, struct dv_strv *warnings,
                    struct dv_error *err)
{
    static check_fn *const checks[] = {
        check_names,  check_macs,    check_ports,    check_memory,  check_cpu,
        check_blkio,  check_limits,  check_devices,  check_caps,    check_modes,
        check_network, check_security, check_sysctls, check_rest,
    };

    for (size_t i = 0; i < N(checks); i++) {
        int r = checks[i](&raw->c, warnings, err);

        if (r < 0)
            return r;
    }
    return 0;
}
