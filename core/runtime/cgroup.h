/* cgroup.h - control groups v1, v2 and hybrid behind one interface, chosen at start.
 *
 * A container's groups are <parent>/<name> in each hierarchy, PARENT relative to the hierarchy's
 * mount ("/davit-ab12"). The caller is davitd or davit-oci; the shim only writes pids into the open
 * cgroup.procs it was given. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "core/base/str.h"

struct dv_spec_resources;
struct dv_cgroups; /* the host's layout: which hierarchies, mounted where */

enum dv_cgroup_mode { DV_CGROUP_V1 = 1, DV_CGROUP_V2 = 2 }; /* hybrid hosts count as v1 */
enum { DV_CGROUP_MAX_HIERARCHIES = 16 };

/* Look at the host once (/proc/self/mountinfo, /proc/self/cgroup, cgroup.controllers). UNSUPPORTED
 * with a remedy if there is none. */
DV_CHECK int dv_cgroups_detect(struct dv_cgroups **ret, struct dv_error *err);
void dv_cgroups_free(struct dv_cgroups *cg);
enum dv_cgroup_mode dv_cgroups_mode(const struct dv_cgroups *cg);
bool dv_cgroups_has(const struct dv_cgroups *cg, const char *controller); /* "memory", "pids" ... */
/* Switch on favordynmods: v1 by an own named hierarchy NAME held as a detached mount (*RET_FD keeps
 * it), v2 by remount where allowed. Tells whether it is on. */
DV_CHECK int dv_cgroups_favordynmods(struct dv_cgroups *cg, const char *name, int *ret_fd,
                                     bool *ret_on, struct dv_error *err);

/* Create PARENT in every hierarchy (v2: enable controllers in its subtree_control). Idempotent. */
DV_CHECK int dv_cgroup_parent(struct dv_cgroups *cg, const char *parent, struct dv_error *err);
/* Create PARENT/NAME with limits; what the host cannot do is one sentence in WARNINGS (missing
 * controller, no swap accounting), a value the kernel refuses is INVALID naming field and value.
 * Gives open cgroup.procs descriptors (close-on-exec), and for v2 also the directory, else -1. */
DV_CHECK int dv_cgroup_create(struct dv_cgroups *cg, const char *parent, const char *name,
                              const struct dv_spec_resources *res, struct dv_strv *warnings,
                              int procs_fds[DV_CGROUP_MAX_HIERARCHIES], size_t *ret_n,
                              int *ret_dir, struct dv_error *err);
/* The same sentences before there is a group: PARENT is there, nothing is written, no value is looked at. */
DV_CHECK int dv_cgroup_check(struct dv_cgroups *cg, const char *parent,
                             const struct dv_spec_resources *res, struct dv_strv *warnings,
                             struct dv_error *err);
/* Make PARENT/NAME without limits, or find it with its processes: a group that outlives the daemon. Gives
 * open cgroup.procs descriptors as above. */
DV_CHECK int dv_cgroup_keep(struct dv_cgroups *cg, const char *parent, const char *name,
                            int procs_fds[DV_CGROUP_MAX_HIERARCHIES], size_t *ret_n,
                            struct dv_error *err);
/* Change limits of a live group (docker update). */
DV_CHECK int dv_cgroup_update(struct dv_cgroups *cg, const char *parent, const char *name,
                              const struct dv_spec_resources *res, struct dv_error *err);
/* Kill every process in the group, until none is left or 10 s passed (TIMEOUT). 0 if it is gone. */
DV_CHECK int dv_cgroup_kill(struct dv_cgroups *cg, const char *parent, const char *name,
                            struct dv_error *err);
/* Remove the directories (and nested ones). CONFLICT while processes are in it; 0 if gone. */
DV_CHECK int dv_cgroup_remove(struct dv_cgroups *cg, const char *parent, const char *name,
                              struct dv_error *err);
/* Names below PARENT in any hierarchy (for reconciliation). */
DV_CHECK int dv_cgroup_list(struct dv_cgroups *cg, const char *parent, struct dv_strv *ret,
                            struct dv_error *err);
/* FREEZE 1 or 0, and wait until the kernel says so (2 s). */
DV_CHECK int dv_cgroup_freeze(struct dv_cgroups *cg, const char *parent, const char *name,
                              bool freeze, struct dv_error *err);
/* Pids in the group; for top and for "is anybody left". */
DV_CHECK int dv_cgroup_pids(struct dv_cgroups *cg, const char *parent, const char *name,
                            pid_t **ret, size_t *ret_n, struct dv_error *err);
/* How many processes of the group the OOM killer has killed so far; -1 where nobody counts, or the group
 * is gone. (v1 memory.oom_control oom_kill, v2 memory.events) */
int64_t dv_cgroup_oom_kills(struct dv_cgroups *cg, const char *parent, const char *name);
/* Word of the next kills: FD becomes ready for the EVENTS of epoll, until it is armed again; so it does
 * when the group is removed. */
struct dv_cgroup_oom {
    int fd;                         /* the caller's */
    uint32_t events;
    bool early;                     /* v1: word comes just before the kill, which is counted a little
                                     * later, or not at all */
};
/* NOT_FOUND where the group is gone. */
DV_CHECK int dv_cgroup_oom_open(struct dv_cgroups *cg, const char *parent, const char *name,
                                struct dv_cgroup_oom *ret, struct dv_error *err);
/* Before the kills are counted, so that none falls between. False: the group is gone. */
bool dv_cgroup_oom_rearm(const struct dv_cgroup_oom *oom);
