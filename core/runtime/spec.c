/* spec.c - the fields of struct dv_spec, and their release. */
#include "core/runtime/spec.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/spec_fields.h"

#define STR(t, s, f) { t, DV_SPEC_STR, offsetof(struct s, f), 0, 0, NULL }
#define STRV(t, s, f) { t, DV_SPEC_STRV, offsetof(struct s, f), 0, 0, NULL }
#define BOOL(t, s, f) { t, DV_SPEC_BOOL, offsetof(struct s, f), sizeof(bool), 0, NULL }
#define UINT(t, s, f) { t, DV_SPEC_UINT, offsetof(struct s, f), sizeof(((struct s *)0)->f), 0, NULL }
#define INT(t, s, f) { t, DV_SPEC_INT, offsetof(struct s, f), sizeof(((struct s *)0)->f), 0, NULL }
#define TEXT(t, s, f) { t, DV_SPEC_TEXT, offsetof(struct s, f), sizeof(((struct s *)0)->f), 0, NULL }
#define BYTES(t, s, f, n) { t, DV_SPEC_BYTES, offsetof(struct s, f), 0, offsetof(struct s, n), NULL }
#define GROUP(t, s, f, sub) { t, DV_SPEC_GROUP, offsetof(struct s, f), 0, 0, &(sub) }
#define LIST(t, s, f, sub) \
    { t, DV_SPEC_LIST, offsetof(struct s, f), 0, offsetof(struct s, n_##f), &(sub) }
#define ARRAY(t, s, f, sub) \
    { t, DV_SPEC_ARRAY, offsetof(struct s, f), N(((struct s *)0)->f), 0, &(sub) }
#define TABLE(name, s) { name, N(name), sizeof(struct s) }

static const struct dv_spec_field ns_fields[] = {
    BOOL(1, dv_spec_ns, wanted),
    INT(2, dv_spec_ns, fd_index),
};
static const struct dv_spec_table ns_table = TABLE(ns_fields, dv_spec_ns);

static const struct dv_spec_field idmap_fields[] = {
    UINT(1, dv_spec_idmap, container_id),
    UINT(2, dv_spec_idmap, host_id),
    UINT(3, dv_spec_idmap, length),
};
static const struct dv_spec_table idmap_table = TABLE(idmap_fields, dv_spec_idmap);

static const struct dv_spec_field param_fields[] = {
    STR(1, dv_spec_param, key),
    STR(2, dv_spec_param, value),
    UINT(3, dv_spec_param, kind),
    BOOL(4, dv_spec_param, idmap),
};
static const struct dv_spec_table param_table = TABLE(param_fields, dv_spec_param);

static const struct dv_spec_field rootfs_fields[] = {
    STR(1, dv_spec_rootfs, type),
    STR(2, dv_spec_rootfs, source),
    LIST(3, dv_spec_rootfs, params, param_table),
    UINT(4, dv_spec_rootfs, attrs),
};
static const struct dv_spec_table rootfs_table = TABLE(rootfs_fields, dv_spec_rootfs);

static const struct dv_spec_field mount_fields[] = {
    STR(1, dv_spec_mount, destination),
    STR(2, dv_spec_mount, type),
    STR(3, dv_spec_mount, source),
    STRV(4, dv_spec_mount, options),
    BOOL(5, dv_spec_mount, make_source_file),
    UINT(6, dv_spec_mount, tree),
};
static const struct dv_spec_table mount_table = TABLE(mount_fields, dv_spec_mount);

static const struct dv_spec_field device_fields[] = {
    STR(1, dv_spec_device, path),
    UINT(2, dv_spec_device, type),
    UINT(3, dv_spec_device, major),
    UINT(4, dv_spec_device, minor),
    UINT(5, dv_spec_device, mode),
    UINT(6, dv_spec_device, uid),
    UINT(7, dv_spec_device, gid),
};
static const struct dv_spec_table device_table = TABLE(device_fields, dv_spec_device);

static const struct dv_spec_field rlimit_fields[] = {
    INT(1, dv_spec_rlimit, resource),
    UINT(2, dv_spec_rlimit, soft),
    UINT(3, dv_spec_rlimit, hard),
};
static const struct dv_spec_table rlimit_table = TABLE(rlimit_fields, dv_spec_rlimit);

static const struct dv_spec_field caps_fields[] = {
    UINT(1, dv_spec_caps, bounding),
    UINT(2, dv_spec_caps, effective),
    UINT(3, dv_spec_caps, inheritable),
    UINT(4, dv_spec_caps, permitted),
    UINT(5, dv_spec_caps, ambient),
};
static const struct dv_spec_table caps_table = TABLE(caps_fields, dv_spec_caps);

static const struct dv_spec_field rule_fields[] = {
    BOOL(1, dv_spec_device_rule, allow),
    UINT(2, dv_spec_device_rule, type),
    INT(3, dv_spec_device_rule, major),
    INT(4, dv_spec_device_rule, minor),
    TEXT(5, dv_spec_device_rule, access),
};
static const struct dv_spec_table rule_table = TABLE(rule_fields, dv_spec_device_rule);

static const struct dv_spec_field throttle_fields[] = {
    UINT(1, dv_spec_throttle, major),
    UINT(2, dv_spec_throttle, minor),
    UINT(3, dv_spec_throttle, rate),
};
static const struct dv_spec_table throttle_table = TABLE(throttle_fields, dv_spec_throttle);

static const struct dv_spec_field resources_fields[] = {
    INT(1, dv_spec_resources, memory_limit),
    INT(2, dv_spec_resources, memory_swap),
    INT(3, dv_spec_resources, memory_reservation),
    INT(4, dv_spec_resources, memory_swappiness),
    BOOL(5, dv_spec_resources, oom_kill_disable),
    UINT(6, dv_spec_resources, cpu_shares),
    UINT(7, dv_spec_resources, cpu_period),
    INT(8, dv_spec_resources, cpu_quota),
    UINT(9, dv_spec_resources, cpu_rt_period),
    INT(10, dv_spec_resources, cpu_rt_runtime),
    STR(11, dv_spec_resources, cpuset_cpus),
    STR(12, dv_spec_resources, cpuset_mems),
    INT(13, dv_spec_resources, pids_limit),
    UINT(14, dv_spec_resources, blkio_weight),
    LIST(15, dv_spec_resources, read_bps, throttle_table),
    LIST(16, dv_spec_resources, write_bps, throttle_table),
    LIST(17, dv_spec_resources, read_iops, throttle_table),
    LIST(18, dv_spec_resources, write_iops, throttle_table),
    LIST(19, dv_spec_resources, weight_device, throttle_table),
    LIST(20, dv_spec_resources, devices, rule_table),
};
static const struct dv_spec_table resources_table = TABLE(resources_fields, dv_spec_resources);

static const struct dv_spec_field process_fields[] = {
    STRV(1, dv_spec_process, args),
    STRV(2, dv_spec_process, env),
    STR(3, dv_spec_process, cwd),
    BOOL(4, dv_spec_process, create_cwd),
    BOOL(5, dv_spec_process, terminal),
    UINT(6, dv_spec_process, rows),
    UINT(7, dv_spec_process, cols),
    STR(8, dv_spec_process, user),
    STRV(9, dv_spec_process, add_groups),
    GROUP(10, dv_spec_process, caps, caps_table),
    LIST(11, dv_spec_process, rlimits, rlimit_table),
    BOOL(12, dv_spec_process, no_new_privs),
    INT(13, dv_spec_process, oom_score_adj),
    BOOL(14, dv_spec_process, set_home),
    BYTES(15, dv_spec_process, seccomp, seccomp_bytes),
    BOOL(16, dv_spec_process, seccomp_log),
};
const struct dv_spec_table dv_spec_process_table = TABLE(process_fields, dv_spec_process);

static const struct dv_spec_field spec_fields[] = {
    STR(1, dv_spec, id),
    STR(2, dv_spec, hostname),
    STR(3, dv_spec, domainname),
    GROUP(4, dv_spec, process, dv_spec_process_table),
    LIST(5, dv_spec, rootfs, rootfs_table),
    BOOL(6, dv_spec, root_readonly),
    STR(7, dv_spec, root_propagation),
    LIST(8, dv_spec, mounts, mount_table),
    ARRAY(9, dv_spec, ns, ns_table),
    LIST(10, dv_spec, uid_maps, idmap_table),
    LIST(11, dv_spec, gid_maps, idmap_table),
    LIST(12, dv_spec, devices, device_table),
    STRV(13, dv_spec, masked_paths),
    STRV(14, dv_spec, readonly_paths),
    STRV(15, dv_spec, sysctls),
    STR(16, dv_spec, cgroups_path),
    GROUP(17, dv_spec, resources, resources_table),
    BOOL(18, dv_spec, init),
};
const struct dv_spec_table dv_spec_table = TABLE(spec_fields, dv_spec);

void dv_spec_release(const struct dv_spec_table *t, void *s)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct dv_spec_field *f = &t->fields[i];
        char *at = (char *)s + f->offset;

        switch (f->kind) {
        case DV_SPEC_STR:
        case DV_SPEC_BYTES:
            free(*(void **)at);
            break;
        case DV_SPEC_STRV:
            dv_strv_done((struct dv_strv *)at);
            break;
        case DV_SPEC_GROUP:
            dv_spec_release(f->sub, at);
            break;
        case DV_SPEC_LIST: {
            char *items = *(char **)at;

            for (size_t k = 0; k < *(size_t *)((char *)s + f->n_offset); k++)
                dv_spec_release(f->sub, items + k * f->sub->size);
            free(items);
            break;
        }
        case DV_SPEC_ARRAY:
            for (size_t k = 0; k < f->size; k++)
                dv_spec_release(f->sub, at + k * f->sub->size);
            break;
        default:
            break;
        }
    }
    memset(s, 0, t->size);
}

void dv_spec_process_done(struct dv_spec_process *process)
{
    dv_spec_release(&dv_spec_process_table, process);
}

void dv_spec_free(struct dv_spec *spec)
{
    if (!spec)
        return;
    dv_spec_release(&dv_spec_table, spec);
    free(spec);
}
