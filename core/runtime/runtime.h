/* runtime.h - the OCI's two steps, create and start, and exec. For a single-threaded caller (the
 * shim, davit-oci). Knows nothing of the daemon; builds with glibc and musl; raw system calls. */
#pragma once

#include <sys/types.h>

#include "core/base/error.h"
#include "core/runtime/spec.h"

/* Descriptors that come with a spec; all borrowed. */
struct dv_runtime_fds {
    const int *fds;                 /* what dv_spec_ns.fd_index points into */
    size_t n_fds;
    const int *cgroup_procs;        /* an open cgroup.procs (v1: one a hierarchy; v2: one) each */
    size_t n_cgroup_procs;
    int cgroup_dir;                 /* v2: directory for CLONE_INTO_CGROUP, -1 otherwise */
    int stdio[3];                   /* the container's 0, 1, 2; terminal: all three are the pty slave
                                     * made by the init itself when -1 */
    int init_program;               /* O_PATH of the bundled init for spec->init, -1 */
};

/* A created container: everything done up to the exec, init waits. */
struct dv_init {
    pid_t pid;
    int pidfd;
    int sync_fd;                    /* our end of the pair the init waits on */
    int netns_fd;                   /* the new network namespace when the init made it, else -1 */
    int root_fd;                    /* O_PATH of the container's root, usable from outside */
    int pty_master;                 /* terminal: the master, else -1 */
};
void dv_init_done(struct dv_init *init); /* closes descriptors; kills nothing */

/* SPEC's root file system alone, mounted nowhere: *RET is its root, as its user sees it without a user
 * namespace. */
DV_CHECK int dv_runtime_rootfs(const struct dv_spec *spec, int *ret, struct dv_error *err);
/* Step one. On failure nothing is left: no process, no mount. Warnings about what the host lacks
 * (for example a rlimit that may not be raised) are added to WARNINGS, one sentence each. */
DV_CHECK int dv_runtime_create(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                               struct dv_strv *warnings, struct dv_init *ret, struct dv_error *err);
/* Step two: exec. Returns when the exec succeeded (0), or its failure: NOT_FOUND (exit 127: no such
 * program), FORBIDDEN (exit 126: not executable), others (125). The init is dead after a failure;
 * the caller reaps it. */
DV_CHECK int dv_runtime_start(struct dv_init *init, struct dv_error *err);
/* Run another process in the container of INIT (alive): joins its namespaces by pidfd and its
 * cgroups, and execs. STDIO as above; *RET_PTY is the master when P->terminal, else -1. Same
 * failure codes as start. *RET_PID is our child: wait for it by *RET_PIDFD. */
DV_CHECK int dv_runtime_exec(const struct dv_init *init, const struct dv_spec *spec,
                             const struct dv_spec_process *p, const struct dv_runtime_fds *fds,
                             pid_t *ret_pid, int *ret_pidfd, int *ret_pty, struct dv_error *err);
