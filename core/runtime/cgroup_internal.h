/* cgroup_internal.h - what the files cgroup*.c share. */
#pragma once

#include <limits.h>
#include <pthread.h>

#include "core/runtime/cgroup.h"
#include "core/runtime/spec.h"

/* Controllers by their v1 names; v2's "io" is BLKIO. */
enum dv_ctl {
    DV_CTL_CPU, DV_CTL_CPUACCT, DV_CTL_CPUSET, DV_CTL_MEMORY, DV_CTL_DEVICES, DV_CTL_FREEZER,
    DV_CTL_BLKIO, DV_CTL_PIDS, DV_CTL_NET_CLS, DV_CTL_NET_PRIO, DV_CTL_PERF_EVENT, DV_CTL_HUGETLB,
    DV_CTL_RDMA, DV_CTL_MISC, DV_CTL_MAX_,
};

struct dv_hierarchy {
    int fd;                /* its mounted root */
    char *mount;
    char *options;         /* of the superblock: "rw,cpu,cpuacct" */
    bool v2;
};
struct dv_cgroups {        /* immutable after detect, but for the cached program */
    enum dv_cgroup_mode mode;
    struct dv_hierarchy h[DV_CGROUP_MAX_HIERARCHIES];
    size_t n;
    const struct dv_hierarchy *by[DV_CTL_MAX_]; /* where a controller is; NULL: nowhere */
    const struct dv_hierarchy *unified;         /* v2, also on a hybrid host: it has cgroup.kill */
    const struct dv_hierarchy *tracking;        /* whose cgroup.procs tells who is there */
    pthread_mutex_t mutex;                      /* nothing else is taken under it */
    int prog_fd;           /* under mutex: the last device program loaded, or -1 */
    uint64_t prog_hash;    /* under mutex */
};

/* A group: its path below each hierarchy's root, without a leading slash. */
struct dv_group {
    char rel[PATH_MAX];
};

/* One request to set limits. */
struct dv_cg_change {
    struct dv_cgroups *cg;
    const struct dv_group *group;
    const struct dv_spec_resources *res;
    bool live;             /* an update: the order of lowering and raising matters */
    bool ask;              /* write nothing: is it there at all? */
    struct dv_strv *warnings; /* NULL: what is missing is an error */
    struct dv_error *err;
};
/* One file that takes a limit. */
struct dv_cg_knob {
    enum dv_ctl ctl;
    const char *file;
    const char *field;     /* as an error names it: "memory limit" */
    const char *what;      /* "Your kernel does not support WHAT or the cgroup is not mounted." */
    const char *loss;      /* "LOSS discarded." */
};

/* Paths and small files. All relative to hierarchy H and group G. */
DV_CHECK int dv_cg_path(const char *parent, const char *name, struct dv_group *ret,
                        struct dv_error *err);
DV_CHECK int dv_cg_open(const struct dv_hierarchy *h, const struct dv_group *g, const char *file,
                        int flags);
DV_CHECK int dv_cg_write(const struct dv_hierarchy *h, const struct dv_group *g, const char *file,
                         const char *value);
/* Up to SIZE - 1 bytes, NUL-terminated, the last newline dropped; -1 and errno. */
DV_CHECK int dv_cg_read(const struct dv_hierarchy *h, const struct dv_group *g, const char *file,
                        char *out, size_t size);
/* The number after KEY in a file of "key number" lines; FALLBACK if absent. */
int64_t dv_cg_read_key(const struct dv_hierarchy *h, const struct dv_group *g, const char *file,
                       const char *key, int64_t fallback);

/* Write VALUE (or only ask). 0; 1 if this host lacks the file or its controller; INVALID naming field and value. */
DV_CHECK int dv_cg_try(const struct dv_cg_change *c, const struct dv_cg_knob *knob,
                       const char *value);
/* Say that it is missing: a warning, or UNSUPPORTED where there is no list of warnings. */
DV_CHECK int dv_cg_missing(const struct dv_cg_change *c, const struct dv_cg_knob *knob);
/* Both. */
DV_CHECK int dv_cg_set(const struct dv_cg_change *c, const struct dv_cg_knob *knob,
                       const char *value);
DV_CHECK int dv_cg_set_i64(const struct dv_cg_change *c, const struct dv_cg_knob *knob, int64_t v);
DV_CHECK int dv_cg_set_u64(const struct dv_cg_change *c, const struct dv_cg_knob *knob, uint64_t v);

/* Per version. */
DV_CHECK int dv_cg1_parent(struct dv_cgroups *cg, const char *parent, struct dv_error *err);
DV_CHECK int dv_cg2_parent(struct dv_cgroups *cg, const char *parent, struct dv_error *err);
DV_CHECK int dv_cg1_prepare(struct dv_cgroups *cg, const struct dv_group *g, struct dv_error *err);
DV_CHECK int dv_cg1_limit(const struct dv_cg_change *c);
DV_CHECK int dv_cg2_limit(const struct dv_cg_change *c);

/* The device rules, in order. */
DV_CHECK int dv_cg1_devices(const struct dv_cg_change *c);
DV_CHECK int dv_cg2_devices(const struct dv_cg_change *c);
