/* config_fields.c - the one table of every field of POST /containers/create. */
#include "core/container/config_fields.h"

#include <stddef.h>

/* Engine API 1.51, ContainerConfig, HostConfig and NetworkingConfig, in the order in which Docker's
 * inspect prints them. A field that is missing here is ignored, as Docker ignores unknown keys. */

#define AT(member) offsetof(struct dv_config_raw, member)
#define ON(type, member) offsetof(struct type, member)
#define KEPT(k, s, member, shown)                                                                  \
    { .key = (k), .shape = DV_SHAPE_##s, .rule = DV_RULE_KEPT, .offset = AT(member),               \
      .unset = (shown) }
#define KEPT_SEEN(k, s, member, flag, shown)                                                       \
    { .key = (k), .shape = DV_SHAPE_##s, .rule = DV_RULE_KEPT, .offset = AT(member),               \
      .seen_offset = AT(flag), .unset = (shown) }
#define ITEM(k, s, type, member)                                                                   \
    { .key = (k), .shape = DV_SHAPE_##s, .rule = DV_RULE_KEPT, .offset = ON(type, member) }
#define LIST(k, member, table, type, shown)                                                        \
    { .key = (k), .shape = DV_SHAPE_LIST, .rule = DV_RULE_KEPT, .offset = AT(member),              \
      .unset = (shown), .sub = (table), .n_sub = N(table), .sub_size = sizeof(struct type) }
#define OBJ(k, table, shown)                                                                       \
    { .key = (k), .shape = DV_SHAPE_OBJ, .rule = DV_RULE_KEPT, .unset = (shown), .sub = (table),   \
      .n_sub = N(table) }
#define NOT_KEPT(r, k, s, shown, text)                                                             \
    { .key = (k), .shape = DV_SHAPE_##s, .rule = DV_RULE_##r, .unset = (shown), .what = (text) }
#define LATER(k, s, shown, text) NOT_KEPT(LATER, k, s, shown, text)
#define LATER_SUB(k, s, table, shown, text)                                                        \
    { .key = (k), .shape = DV_SHAPE_##s, .rule = DV_RULE_LATER, .unset = (shown), .what = (text),  \
      .sub = (table), .n_sub = N(table) }
#define NEVER(k, s, shown, text) NOT_KEPT(NEVER, k, s, shown, text)
#define WARN(k, s, shown, text) NOT_KEPT(WARN, k, s, shown, text)
#define SHOWN(k, s, shown) NOT_KEPT(SHOWN, k, s, shown, NULL)

/* Objects of which no part is read yet: named so that inspect can show what it was given. */
static const struct dv_config_field health_fields[] = {
    SHOWN("Test", STRV, NULL),       SHOWN("Interval", I64, NULL),
    SHOWN("Timeout", I64, NULL),     SHOWN("StartPeriod", I64, NULL),
    SHOWN("StartInterval", I64, NULL), SHOWN("Retries", I64, NULL),
};
static const struct dv_config_field device_request_fields[] = {
    SHOWN("Driver", STR, NULL),             SHOWN("Count", I64, NULL),
    SHOWN("DeviceIDs", STRV, NULL),         SHOWN("Capabilities", WORDLISTS, NULL),
    SHOWN("Options", MAP, NULL),
};
static const struct dv_config_field port_binding_fields[] = {
    SHOWN("HostIp", STR, NULL),
    SHOWN("HostPort", STR, NULL),
};

static const struct dv_config_field ulimit_fields[] = {
    ITEM("Name", STR, dv_ulimit, name),
    ITEM("Hard", I64, dv_ulimit, hard),
    ITEM("Soft", I64, dv_ulimit, soft),
};
static const struct dv_config_field device_fields[] = {
    ITEM("PathOnHost", STR, dv_device_mapping, host),
    ITEM("PathInContainer", STR, dv_device_mapping, container),
    ITEM("CgroupPermissions", STR, dv_device_mapping, permissions),
};
static const struct dv_config_field weight_fields[] = {
    ITEM("Path", STR, dv_blkio_device, path),
    ITEM("Weight", U64, dv_blkio_device, rate),
};
static const struct dv_config_field throttle_fields[] = {
    ITEM("Path", STR, dv_blkio_device, path),
    ITEM("Rate", U64, dv_blkio_device, rate),
};

static const struct dv_config_field bind_fields[] = {
    ITEM("Propagation", STR, dv_raw_mount, propagation),
    ITEM("NonRecursive", BOOL, dv_raw_mount, non_recursive),
    ITEM("CreateMountpoint", BOOL, dv_raw_mount, create_mountpoint),
    ITEM("ReadOnlyNonRecursive", BOOL, dv_raw_mount, ro_non_recursive),
    ITEM("ReadOnlyForceRecursive", BOOL, dv_raw_mount, ro_force_recursive),
};
static const struct dv_config_field volume_driver_fields[] = {
    ITEM("Name", STR, dv_raw_mount, driver),
    ITEM("Options", RAW, dv_raw_mount, options),
};
static const struct dv_config_field volume_fields[] = {
    ITEM("NoCopy", BOOL, dv_raw_mount, no_copy),
    ITEM("Labels", RAW, dv_raw_mount, labels),
    { .key = "DriverConfig", .shape = DV_SHAPE_OBJ, .rule = DV_RULE_KEPT,
      .sub = volume_driver_fields, .n_sub = N(volume_driver_fields) },
    ITEM("Subpath", STR, dv_raw_mount, subpath),
};
/* A mount of type image is refused as such, with all its options. */
static const struct dv_config_field image_mount_fields[] = {
    SHOWN("Subpath", STR, NULL),
};
static const struct dv_config_field tmpfs_fields[] = {
    ITEM("SizeBytes", I64, dv_raw_mount, tmpfs_size),
    ITEM("Mode", U64, dv_raw_mount, tmpfs_mode),
    ITEM("Options", WORDLISTS, dv_raw_mount, tmpfs_options),
};
#define MOUNT_PART(k, flag, table)                                                                 \
    { .key = (k), .shape = DV_SHAPE_OBJ, .rule = DV_RULE_KEPT,                                     \
      .seen_offset = ON(dv_raw_mount, flag), .sub = (table), .n_sub = N(table) }
static const struct dv_config_field mount_fields[] = {
    ITEM("Type", STR, dv_raw_mount, type),
    ITEM("Source", STR, dv_raw_mount, source),
    ITEM("Target", STR, dv_raw_mount, target),
    ITEM("ReadOnly", BOOL, dv_raw_mount, read_only),
    ITEM("Consistency", STR, dv_raw_mount, consistency),
    MOUNT_PART("BindOptions", has_bind, bind_fields),
    MOUNT_PART("VolumeOptions", has_volume, volume_fields),
    MOUNT_PART("ImageOptions", has_image, image_mount_fields),
    MOUNT_PART("TmpfsOptions", has_tmpfs, tmpfs_fields),
};

static const struct dv_config_field log_fields[] = {
    KEPT("Type", STR, c.log_type, "\"json-file\""),
    KEPT("Config", MAP, c.log_config, "{}"),
};
static const struct dv_config_field restart_fields[] = {
    KEPT("Name", STR, c.restart_name, "\"no\""),
    KEPT("MaximumRetryCount", I64, c.restart_max, "0"),
};

#define MASKED                                                                                     \
    "[\"/proc/asound\",\"/proc/acpi\",\"/proc/interrupts\",\"/proc/kcore\",\"/proc/keys\","        \
    "\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\","    \
    "\"/proc/scsi\",\"/sys/firmware\",\"/sys/devices/virtual/powercap\"]"
#define READONLY "[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]"

static const struct dv_config_field host_fields[] = {
    KEPT("Binds", STRV, binds, "null"),
    KEPT("ContainerIDFile", STR, c.container_id_file, "\"\""),
    OBJ("LogConfig", log_fields, "{\"Type\":\"json-file\",\"Config\":{}}"),
    KEPT("NetworkMode", STR, c.network_mode, "\"bridge\""),
    LATER_SUB("PortBindings", MAPLIST, port_binding_fields, "{}", "published ports"),
    OBJ("RestartPolicy", restart_fields, "{\"Name\":\"no\",\"MaximumRetryCount\":0}"),
    KEPT("AutoRemove", BOOL, c.auto_remove, "false"),
    KEPT("VolumeDriver", STR, c.volume_driver, "\"\""),
    KEPT("VolumesFrom", STRV, c.volumes_from, "null"),
    KEPT("ConsoleSize", RAW, console_size, "[0,0]"),
    KEPT("Annotations", MAP, c.annotations, NULL),
    KEPT("CapAdd", STRV, c.cap_add, "null"),
    KEPT("CapDrop", STRV, c.cap_drop, "null"),
    KEPT("CgroupnsMode", STR, c.cgroupns_mode, "\"\""),
    KEPT("Dns", STRV, c.dns, "[]"),
    KEPT("DnsOptions", STRV, c.dns_options, "[]"),
    KEPT("DnsSearch", STRV, c.dns_search, "[]"),
    KEPT("ExtraHosts", STRV, c.extra_hosts, "null"),
    KEPT("GroupAdd", STRV, c.group_add, "null"),
    KEPT("IpcMode", STR, c.ipc_mode, "\"private\""),
    SHOWN("Cgroup", STR, "\"\""),
    LATER("Links", STRV, "null", "links between containers"),
    KEPT("OomScoreAdj", I64, c.oom_score_adj, "0"),
    KEPT("PidMode", STR, c.pid_mode, "\"\""),
    KEPT("Privileged", BOOL, c.privileged, "false"),
    KEPT("PublishAllPorts", BOOL, c.publish_all_ports, "false"),
    KEPT("ReadonlyRootfs", BOOL, c.readonly_rootfs, "false"),
    KEPT("SecurityOpt", STRV, c.security_opt, "null"),
    LATER("StorageOpt", MAP, NULL, "storage options"),
    KEPT("Tmpfs", MAP, tmpfs, NULL),
    KEPT("UTSMode", STR, c.uts_mode, "\"\""),
    KEPT("UsernsMode", STR, c.userns_mode, "\"\""),
    KEPT("ShmSize", I64, c.shm_size, "67108864"),
    KEPT("Sysctls", MAP, c.sysctls, NULL),
    KEPT("Runtime", STR, c.runtime, "\"davit\""),
    NEVER("Isolation", STR, "\"\"", "isolation technologies"),
    KEPT("CpuShares", I64, c.cpu_shares, "0"),
    KEPT("Memory", I64, c.memory, "0"),
    KEPT("NanoCpus", I64, c.nano_cpus, "0"),
    KEPT("CgroupParent", STR, c.cgroup_parent, "\"\""),
    KEPT("BlkioWeight", I64, c.blkio_weight, "0"),
    LIST("BlkioWeightDevice", weights, weight_fields, dv_blkio_device, "[]"),
    LIST("BlkioDeviceReadBps", read_bps, throttle_fields, dv_blkio_device, "null"),
    LIST("BlkioDeviceWriteBps", write_bps, throttle_fields, dv_blkio_device, "null"),
    LIST("BlkioDeviceReadIOps", read_iops, throttle_fields, dv_blkio_device, "null"),
    LIST("BlkioDeviceWriteIOps", write_iops, throttle_fields, dv_blkio_device, "null"),
    KEPT("CpuPeriod", I64, c.cpu_period, "0"),
    KEPT("CpuQuota", I64, c.cpu_quota, "0"),
    KEPT("CpuRealtimePeriod", I64, c.cpu_rt_period, "0"),
    KEPT("CpuRealtimeRuntime", I64, c.cpu_rt_runtime, "0"),
    KEPT("CpusetCpus", STR, c.cpuset_cpus, "\"\""),
    KEPT("CpusetMems", STR, c.cpuset_mems, "\"\""),
    LIST("Devices", devices, device_fields, dv_device_mapping, "[]"),
    KEPT("DeviceCgroupRules", STRV, c.device_cgroup_rules, "null"),
    LATER_SUB("DeviceRequests", LIST, device_request_fields, "null", "device requests (GPUs)"),
    WARN("KernelMemory", I64, NULL, "kernel memory limits"),
    WARN("KernelMemoryTCP", I64, NULL, "kernel TCP memory limits"),
    KEPT("MemoryReservation", I64, c.memory_reservation, "0"),
    KEPT("MemorySwap", I64, c.memory_swap, "0"),
    KEPT_SEEN("MemorySwappiness", I64, c.memory_swappiness, c.has_swappiness, "null"),
    KEPT("OomKillDisable", BOOL, c.oom_kill_disable, "false"),
    KEPT_SEEN("Init", BOOL, c.init, c.has_init, NULL),
    KEPT("PidsLimit", I64, c.pids_limit, "null"),
    LIST("Ulimits", ulimits, ulimit_fields, dv_ulimit, "null"),
    NEVER("CpuCount", I64, "0", "Windows' CPU counts"),
    NEVER("CpuPercent", I64, "0", "Windows' CPU percentages"),
    NEVER("IOMaximumIOps", I64, "0", "Windows' I/O limits"),
    NEVER("IOMaximumBandwidth", I64, "0", "Windows' I/O limits"),
    LIST("Mounts", mounts, mount_fields, dv_raw_mount, NULL),
    KEPT_SEEN("MaskedPaths", STRV, c.masked_paths.v, c.masked_paths.present, MASKED),
    KEPT_SEEN("ReadonlyPaths", STRV, c.readonly_paths.v, c.readonly_paths.present, READONLY),
};

static const struct dv_config_field ipam_fields[] = {
    ITEM("IPv4Address", STR, dv_raw_endpoint, ip),
    ITEM("IPv6Address", STR, dv_raw_endpoint, ip6),
    LATER("LinkLocalIPs", STRV, NULL, "link-local addresses of endpoints"),
};
/* What davit fills in itself is taken and forgotten, since clients send back what inspect gave. */
const struct dv_config_field dv_config_endpoint[] = {
    { .key = "IPAMConfig", .shape = DV_SHAPE_OBJ, .rule = DV_RULE_KEPT, .sub = ipam_fields,
      .n_sub = N(ipam_fields) },
    LATER("Links", STRV, NULL, "links between containers"),
    ITEM("MacAddress", STR, dv_raw_endpoint, mac),
    ITEM("Aliases", STRV, dv_raw_endpoint, aliases),
    LATER("DriverOpts", MAP, NULL, "driver options of endpoints"),
    LATER("GwPriority", I64, NULL, "gateway priorities"),
    SHOWN("NetworkID", STR, NULL),
    SHOWN("EndpointID", STR, NULL),
    SHOWN("Gateway", STR, NULL),
    SHOWN("IPAddress", STR, NULL),
    SHOWN("IPPrefixLen", I64, NULL),
    SHOWN("IPv6Gateway", STR, NULL),
    SHOWN("GlobalIPv6Address", STR, NULL),
    SHOWN("GlobalIPv6PrefixLen", I64, NULL),
    SHOWN("DNSNames", STRV, NULL),
};
const size_t dv_config_endpoint_n = N(dv_config_endpoint);

static const struct dv_config_field networking_fields[] = {
    { .key = "EndpointsConfig", .shape = DV_SHAPE_MAPOF, .rule = DV_RULE_KEPT,
      .offset = AT(endpoints), .sub = dv_config_endpoint, .n_sub = N(dv_config_endpoint) },
};

const struct dv_config_field dv_config_root[] = {
    KEPT("Hostname", STR, c.hostname, "\"\""),
    KEPT("Domainname", STR, c.domainname, "\"\""),
    KEPT("User", STR, c.user, "\"\""),
    KEPT("AttachStdin", BOOL, c.attach_stdin, "false"),
    KEPT("AttachStdout", BOOL, c.attach_stdout, "false"),
    KEPT("AttachStderr", BOOL, c.attach_stderr, "false"),
    KEPT("ExposedPorts", SET, exposed_ports, NULL),
    KEPT("Tty", BOOL, c.tty, "false"),
    KEPT("OpenStdin", BOOL, c.open_stdin, "false"),
    KEPT("StdinOnce", BOOL, c.stdin_once, "false"),
    KEPT("Env", STRV, c.env, "[]"),
    KEPT_SEEN("Cmd", WORDS, c.cmd.v, c.cmd.present, "null"),
    LATER_SUB("Healthcheck", OBJ, health_fields, NULL, "health checks"),
    SHOWN("ArgsEscaped", BOOL, NULL),
    KEPT("Image", STR, c.image, "\"\""),
    KEPT("Volumes", SET, volumes, "null"),
    KEPT("WorkingDir", STR, c.working_dir, "\"\""),
    KEPT_SEEN("Entrypoint", WORDS, c.entrypoint.v, c.entrypoint.present, "null"),
    KEPT("NetworkDisabled", BOOL, c.network_disabled, NULL),
    KEPT("MacAddress", STR, c.mac_address, NULL),
    SHOWN("OnBuild", STRV, "null"),
    KEPT("Labels", MAP, c.labels, "{}"),
    KEPT("StopSignal", STR, c.stop_signal, NULL),
    KEPT_SEEN("StopTimeout", I64, c.stop_timeout, c.has_stop_timeout, NULL),
    SHOWN("Shell", STRV, NULL),
    OBJ("HostConfig", host_fields, NULL),
    OBJ("NetworkingConfig", networking_fields, NULL),
};
const size_t dv_config_root_n = N(dv_config_root);

static const enum dv_json_type json_types[] = {
    [DV_SHAPE_STR] = DV_JSON_STR,     [DV_SHAPE_BOOL] = DV_JSON_BOOL, [DV_SHAPE_I64] = DV_JSON_I64,
    [DV_SHAPE_U64] = DV_JSON_U64,     [DV_SHAPE_STRV] = DV_JSON_STRV, [DV_SHAPE_MAP] = DV_JSON_MAP,
    [DV_SHAPE_RAW] = DV_JSON_RAW,     [DV_SHAPE_WORDS] = DV_JSON_STRV,
    [DV_SHAPE_OBJ] = DV_JSON_OBJ,     [DV_SHAPE_LIST] = DV_JSON_ARRAY,
    [DV_SHAPE_MAPOF] = DV_JSON_RAW,   [DV_SHAPE_MAPLIST] = DV_JSON_RAW,
    [DV_SHAPE_SET] = DV_JSON_RAW,     [DV_SHAPE_WORDLISTS] = DV_JSON_RAW,
};

static size_t count(const struct dv_config_field *fields, size_t n)
{
    size_t total = n;

    for (size_t i = 0; i < n; i++)
        total += count(fields[i].sub, fields[i].n_sub);
    return total;
}

/* Rows of one table stand together at TO; nested ones are put behind them, from *FREE on. */
static size_t convert(const struct dv_config_field *fields, size_t n, struct dv_json_field *to,
                      struct dv_json_field **next)
{
    size_t used = 0;

    *next = to + n;
    for (size_t i = 0; i < n; i++) {
        const struct dv_config_field *f = &fields[i];
        struct dv_json_field *j;

        if (f->rule != DV_RULE_KEPT)
            continue;
        j = &to[used++];
        *j = (struct dv_json_field){ .key = f->key, .type = json_types[f->shape],
                                     .offset = f->offset, .seen_offset = f->seen_offset,
                                     .sub_size = f->sub_size };
        if (f->shape == DV_SHAPE_OBJ || f->shape == DV_SHAPE_LIST) {
            j->sub = *next;
            j->n_sub = convert(f->sub, f->n_sub, *next, next);
        }
    }
    return used;
}

struct dv_json_field *dv_config_json_fields(const struct dv_config_field *fields, size_t n,
                                            size_t *ret_n)
{
    struct dv_json_field *all = calloc(count(fields, n) + 1, sizeof(*all)), *end;

    if (all)
        *ret_n = convert(fields, n, all, &end);
    return all;
}
