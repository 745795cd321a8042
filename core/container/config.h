/* config.h - what a container was asked to be: the body of POST /containers/create as structs, by
 * one table of fields, kept as JSON in the database.
 *
 * Engine API 1.51, ContainerConfig and HostConfig. One parsing rule (docs/architecture.md): unknown
 * keys are ignored, known ones at their default accepted, what davit does not do is refused by name,
 * what this host cannot do becomes a warning. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/json.h"

/* Lists that keep Docker's difference between null (the image's value) and [] (cleared). */
struct dv_optv {
    struct dv_strv v;
    bool present;
};
struct dv_mount_point {           /* HostConfig.Mounts[]; Binds and Tmpfs are turned into these too */
    char *type;                   /* "bind" "volume" "tmpfs" */
    char *name, *driver;          /* of a volume; NULL or "": an anonymous one, the default driver */
    char *source, *target;        /* source of a volume: its path on the host, once it is made */
    char *mode;                   /* the third part of a bind ("ro,z"), which inspect shows */
    bool read_only;
    char *propagation;            /* "" or "rprivate" "rshared" ... */
    bool non_recursive;
    bool create_mountpoint;       /* Binds and BindOptions.CreateMountpoint: make a missing source */
    int64_t tmpfs_size;
    uint64_t tmpfs_mode;          /* 0 = 1777 */
    char *tmpfs_options;          /* of HostConfig.Tmpfs, comma-separated, or NULL */
    bool no_copy;                 /* a volume that gets no files of the image */
    char *subpath;                /* of a volume: this directory of it */
    char *labels_json, *options_json; /* of a volume that is made for it; of the request only */
};
void dv_mount_point_done(struct dv_mount_point *m);
struct dv_ulimit {
    char *name;
    int64_t soft, hard;
};
struct dv_device_mapping {
    char *host, *container, *permissions;
};
struct dv_blkio_device {
    char *path;
    uint64_t rate;
};
struct dv_endpoint_wish {         /* NetworkingConfig.EndpointsConfig.<key> */
    char *network, *ip, *mac;
    struct dv_strv aliases;
};

struct dv_container_config {
    /* Config */
    char *hostname, *domainname, *user, *image, *working_dir, *stop_signal;
    bool attach_stdin, attach_stdout, attach_stderr, tty, open_stdin, stdin_once;
    bool network_disabled;
    struct dv_strv env;
    struct dv_optv cmd, entrypoint;
    struct dv_json_map labels;
    int64_t stop_timeout;
    bool has_stop_timeout;
    struct dv_strv exposed_ports, volumes;   /* keys of the maps */
    char *mac_address;
    /* HostConfig: isolation */
    char *network_mode, *ipc_mode, *pid_mode, *uts_mode, *userns_mode, *cgroupns_mode;
    bool privileged, readonly_rootfs, auto_remove, init, has_init, publish_all_ports;
    struct dv_strv cap_add, cap_drop, security_opt, group_add, dns, dns_options, dns_search,
        extra_hosts;
    struct dv_optv masked_paths, readonly_paths;
    struct dv_json_map sysctls, annotations;
    char *cgroup_parent, *runtime, *container_id_file;
    int64_t oom_score_adj, shm_size;
    uint16_t rows, cols;                     /* ConsoleSize: of the terminal at its start, 0 = unset */
    /* HostConfig: resources */
    int64_t memory, memory_swap, memory_reservation, memory_swappiness;
    bool has_swappiness, oom_kill_disable;
    int64_t cpu_shares, cpu_period, cpu_quota, nano_cpus, cpu_rt_period, cpu_rt_runtime;
    char *cpuset_cpus, *cpuset_mems;
    int64_t pids_limit;
    int64_t blkio_weight;
    struct dv_blkio_device *read_bps, *write_bps, *read_iops, *write_iops, *weight_device;
    size_t n_read_bps, n_write_bps, n_read_iops, n_write_iops, n_weight_device;
    struct dv_ulimit *ulimits;
    size_t n_ulimits;
    struct dv_device_mapping *devices;
    size_t n_devices;
    struct dv_strv device_cgroup_rules;
    /* HostConfig: the rest */
    struct dv_mount_point *mounts;           /* Binds, Mounts and Tmpfs together */
    size_t n_mounts;
    bool mounts_settled;                     /* volumes are made and named: kept as they are */
    struct dv_strv volumes_from;
    char *volume_driver;
    char *log_type;                          /* "json-file" "none" */
    struct dv_json_map log_config;
    char *restart_name;                      /* "" "no" "always" ... */
    int64_t restart_max;
    /* NetworkingConfig */
    struct dv_endpoint_wish *endpoints;
    size_t n_endpoints;
    /* The request's own documents, unknown keys dropped, defaults filled: what inspect shows. Of a
     * request as objects, which may yet change; what is kept has them as texts, a tenth as large. */
    json_object *config_json, *host_config_json;
    char *config_text, *host_config_text;
};
void dv_container_config_free(struct dv_container_config *config);
DV_DEFINE_AUTO(dv_container_config, dv_container_config_free);

/* "80", "80/tcp", "8000-8010/udp". */
bool dv_is_port(const char *text);
/* BODY: the request's document, or what dv_container_config_save made. WARNINGS: what this host or
 * Docker's rules turn into a warning. INVALID / UNSUPPORTED name the field. */
DV_CHECK int dv_container_config_parse(json_object *body, struct dv_strv *warnings,
                                       struct dv_container_config **ret, struct dv_error *err);
/* The same document from the database: no refusal, no warnings. */
DV_CHECK int dv_container_config_load(const char *text, struct dv_container_config **ret,
                                      struct dv_error *err);
/* *CONFIG, a request whose document the image was merged into, becomes what is kept: as if it had been
 * saved and loaded. On failure it is good for nothing but to be freed. */
DV_CHECK int dv_container_config_keep(struct dv_container_config **config, struct dv_error *err);
/* Caller frees. Of a request: by the thread that has it only. */
char *dv_container_config_save(const struct dv_container_config *config);
