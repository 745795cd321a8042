/* spec.h - one container as the runtime understands it: the OCI runtime spec as a C struct.
 *
 * Field names follow config.json (OCI runtime-spec 1.2, config.md and config-linux.md). davitd fills
 * it from image config and create request; the shim gets it encoded (spec_msg.h), so that it needs
 * no JSON. All memory is owned by the struct: dv_spec_free(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

/* Bits of namespaces, mirrored from CLONE_NEW*. */
enum dv_ns { DV_NS_USER, DV_NS_PID, DV_NS_NET, DV_NS_IPC, DV_NS_UTS, DV_NS_CGROUP, DV_NS_MNT,
             DV_NS_MAX_ };

struct dv_spec_ns {
    bool wanted;       /* a new one, or FD; false: the host's (the shim's own) */
    int fd_index;      /* -1 = new; else index into the descriptors sent with the plan: join it */
};
struct dv_spec_idmap {
    uint32_t container_id, host_id, length;
};
/* What storage drivers describe (davit/storage.h struct dv_mount): rootfs, in order, one target. */
struct dv_spec_param {
    char *key, *value;
    uint8_t kind;      /* DV_PARAM_* */
    bool idmap;        /* use an idmapped clone when the container has a user namespace */
};
struct dv_spec_rootfs {
    char *type, *source;            /* "overlay"; or "bind" with source a path */
    struct dv_spec_param *params;
    size_t n_params;
    uint64_t attrs;                 /* MOUNT_ATTR_* */
};
struct dv_spec_mount {
    char *destination;              /* absolute in the container */
    char *type;                     /* "bind", "tmpfs", "proc", "sysfs", "cgroup", "devpts", ... */
    char *source;                   /* host path for binds; else as for mount(8) */
    struct dv_strv options;         /* OCI/mount(8) words: "ro", "nosuid", "rprivate", "size=64m" */
    bool make_source_file;          /* bind of a file: create the destination as a file */
    uint32_t tree;                  /* of a bind: 1 + index into the descriptors sent with the plan,
                                     * a detached tree in place of SOURCE; 0 = none */
};
struct dv_spec_device {
    char *path;                     /* in the container */
    char type;                      /* 'c' 'b' 'p' */
    uint32_t major, minor, mode, uid, gid;
};
struct dv_spec_rlimit {
    int resource;                   /* RLIMIT_* */
    uint64_t soft, hard;
};
struct dv_spec_caps {               /* bit n = capability n of <linux/capability.h> */
    uint64_t bounding, effective, inheritable, permitted, ambient;
};
/* config-linux.md "Devices" of linux.resources: rules in order. */
struct dv_spec_device_rule {
    bool allow;
    char type;                      /* 'a' 'c' 'b' */
    int64_t major, minor;           /* -1 = any */
    char access[4];                 /* of "rwm" */
};
struct dv_spec_throttle {
    uint32_t major, minor;
    uint64_t rate;
};
struct dv_spec_resources {          /* 0 / NULL / negative-one where said = not set */
    int64_t memory_limit, memory_swap, memory_reservation;
    int64_t memory_swappiness;      /* -1 = not set */
    bool oom_kill_disable;
    uint64_t cpu_shares, cpu_period;
    int64_t cpu_quota;
    uint64_t cpu_rt_period;
    int64_t cpu_rt_runtime;
    char *cpuset_cpus, *cpuset_mems;
    int64_t pids_limit;             /* 0 = not set, -1 = unlimited */
    uint16_t blkio_weight;
    struct dv_spec_throttle *read_bps, *write_bps, *read_iops, *write_iops, *weight_device;
    size_t n_read_bps, n_write_bps, n_read_iops, n_write_iops, n_weight_device;
    struct dv_spec_device_rule *devices;
    size_t n_devices;
};
/* process of config.md; also what exec takes. */
struct dv_spec_process {
    struct dv_strv args, env;
    char *cwd;                      /* absolute; created if missing when CREATE_CWD */
    bool create_cwd;
    bool terminal;
    uint16_t rows, cols;            /* 0 = leave */
    char *user;                     /* "", "uid", "name", "uid:gid", "name:group": resolved inside
                                     * the container's own passwd and group; NULL = root */
    struct dv_strv add_groups;      /* names or numbers */
    struct dv_spec_caps caps;       /* non-root users: effective/permitted are cleared as runc does */
    struct dv_spec_rlimit *rlimits;
    size_t n_rlimits;
    bool no_new_privs;
    int oom_score_adj;              /* always written */
    bool set_home;                  /* put HOME from passwd into env unless env has it */
    char *seccomp;                  /* compiled struct sock_filter array, NULL = unconfined */
    size_t seccomp_bytes;
    bool seccomp_log;
};
struct dv_spec {
    char *id;                       /* 64 hex */
    char *hostname, *domainname;
    struct dv_spec_process process;
    struct dv_spec_rootfs *rootfs;
    size_t n_rootfs;
    bool root_readonly;
    char *root_propagation;         /* "rslave" "private" ...; NULL = "rprivate" */
    struct dv_spec_mount *mounts;   /* in this order */
    size_t n_mounts;
    struct dv_spec_ns ns[DV_NS_MAX_];
    struct dv_spec_idmap *uid_maps, *gid_maps;
    size_t n_uid_maps, n_gid_maps;
    struct dv_spec_device *devices;
    size_t n_devices;
    struct dv_strv masked_paths, readonly_paths;
    struct dv_strv sysctls;         /* "net.ipv4.ip_forward=1" */
    char *cgroups_path;             /* below each hierarchy, e.g. "/davit-ab12/ID"; see cgroup.h */
    struct dv_spec_resources resources;
    bool init;                      /* run the bundled init as pid 1 (docker run --init) */
};

void dv_spec_free(struct dv_spec *spec);
void dv_spec_process_done(struct dv_spec_process *process);
DV_DEFINE_AUTO(dv_spec, dv_spec_free);
