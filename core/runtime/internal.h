/* internal.h - what the files of core/runtime share: the parent's preparations, the child's life,
 * and the talk between the two. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"
#include "core/runtime/runtime.h"

enum { DV_PREP_MAX_CGROUPS = 16 };

/* ---- mount options (mount_opts.c) ---- */

struct dv_mount_opts {
    uint64_t set, clr;               /* MOUNT_ATTR_* of the mount itself */
    uint64_t rec_set, rec_clr;       /* of the whole tree: "rro" and so on */
    uint64_t propagation;            /* MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE; 0 = none */
    bool propagation_rec;
    bool bind, bind_rec;
    bool idmap, idmap_rec;
    const char *data[32];            /* words for the file system itself: borrowed */
    size_t n_data;
};
/* INVALID for too many words. */
DV_CHECK int dv_mount_opts_parse(const struct dv_strv *words, struct dv_mount_opts *ret,
                                 struct dv_error *err);
/* One word of propagation ("rslave"); false if it is none. */
bool dv_mount_propagation(const char *word, uint64_t *ret, bool *ret_rec);

/* ---- file systems (fs.c) ---- */

/* A new superblock of TYPE with SOURCE (may be NULL), DATA words ("size=64m", "newinstance") and
 * MOUNT_ATTR_* ATTRS, detached. The kernel's own words are in the error. */
DV_CHECK int dv_fs_new(const char *type, const char *source, const char *const *data, size_t n_data,
                       uint64_t attrs, int *ret, struct dv_error *err);
/* Finish FS_FD: create, mount. Not closed. */
DV_CHECK int dv_fs_mount(int fs_fd, const char *type, uint64_t attrs, int *ret,
                         struct dv_error *err);
/* dv_fail_errno with what the kernel said in FS_FD's log. */
int dv_fs_fail(int fs_fd, struct dv_error *err, const char *what);
/* Apply propagation, attributes and idmap of OPTS to a detached bind. */
DV_CHECK int dv_fs_apply(int tree_fd, const struct dv_mount_opts *opts, int userns_fd,
                         struct dv_error *err);

/* ---- user namespaces (idmap.c) ---- */

/* A user namespace with the container's maps, held by nobody but *RET; for idmapped mounts. */
DV_CHECK int dv_idmap_userns(const struct dv_spec *spec, int *ret, struct dv_error *err);
DV_CHECK int dv_idmap_write(pid_t pid, const struct dv_spec *spec, struct dv_error *err);
DV_CHECK int dv_idmap_apply(int tree_fd, bool recursive, int userns_fd);  /* -1 and errno */
/* The host's id of the container's ID; false if it is not mapped. */
bool dv_idmap_to_host(const struct dv_spec_idmap *maps, size_t n, uint32_t id, uint32_t *ret);

/* ---- root file system (rootfs.c) ---- */

enum dv_rootfs_way {
    DV_ROOTFS_ANY,        /* the new mount calls, else mount(2) in a private namespace */
    DV_ROOTFS_CLASSIC,    /* mount(2) only, as on Linux 6.1; for tests */
};
/* Build spec->rootfs detached; *RET is its mount. USERNS_FD: -1, or idmap what says so. */
DV_CHECK int dv_rootfs_build(const struct dv_spec *spec, enum dv_rootfs_way way, int userns_fd,
                             int *ret, struct dv_error *err);

/* ---- preparation by the parent (prepare.c) ---- */

struct dv_prep {
    int root;                                    /* detached mounts, -1 = none */
    int *mounts; /* one for each of spec->mounts; -1: child's work */
    struct {
        int tree;
        char name[64];                           /* "cpu,cpuacct" */
    } cgroups[DV_PREP_MAX_CGROUPS];
    size_t n_cgroups;
    bool cgroup2;                                /* the one tree is /sys/fs/cgroup itself */
    int init;                                    /* the bundled init program */
    int userns;                                  /* for idmaps only */
};
DV_CHECK int dv_prep_build(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                           struct dv_prep *ret, struct dv_error *err);
void dv_prep_done(struct dv_prep *prep, const struct dv_spec *spec);

/* ---- users (userdb.c) ---- */

struct dv_user {
    uint32_t uid, gid;
    uint32_t groups[1024 + 1];                   /* DV_MAX_GROUPS, and the primary one first */
    size_t n_groups;
    char home[4096];                             /* "/" if passwd has none */
};
/* USER as in dv_spec_process. Messages are Docker's: clients print them. INVALID. */
DV_CHECK int dv_user_resolve(int root_fd, const char *user, const struct dv_strv *add_groups,
                             struct dv_user *ret, struct dv_error *err);

/* ---- talk between parent and child (sync.c) ---- */

enum dv_sync_kind {
    DV_SYNC_MAPPED = 1,   /* to the child: the user namespace has its maps */
    DV_SYNC_PLACED,       /* to the child: it is in its control groups, its limits are raised */
    DV_SYNC_GO,           /* to the child: exec */
    DV_SYNC_READY,        /* to the parent: all done up to the exec */
    DV_SYNC_PTY,          /* to the parent: the terminal's master comes along */
    DV_SYNC_WARNING,      /* to the parent: a sentence */
    DV_SYNC_ERROR,        /* to the parent: the child's last words */
};
struct dv_sync {
    uint32_t kind;
    int32_t code, sys_errno;
    char text[1008];
};
DV_CHECK int dv_sync_send(int fd, enum dv_sync_kind kind, int pass_fd); /* -1 and errno */
void dv_sync_send_error(int fd, const struct dv_error *err);
void dv_sync_send_warning(int fd, const char *text);
/* 1: a message, with *RET_FD -1 or a descriptor; 0: the peer is gone; -1 and errno. */
DV_CHECK int dv_sync_recv(int fd, struct dv_sync *ret, int *ret_fd);
/* In the child: wait for KIND; ends the process if the parent is gone. */
void dv_sync_await(int fd, enum dv_sync_kind kind);

/* ---- the child ---- */

struct dv_child {
    const struct dv_spec *spec;
    const struct dv_spec_process *process;
    const struct dv_runtime_fds *fds;
    const struct dv_prep *prep;      /* NULL: exec */
    int sync_fd;
    int null_fd;                     /* the host's /dev/null, seen before anything of the image */
    int root_fd;                     /* the container's root */
    struct dv_user user;
};
/* First steps: default signals, untraceable, own session, umask 0. */
void dv_child_begin(void);
DV_CHECK int dv_child_open_null(struct dv_child *c, struct dv_error *err);
DV_CHECK int dv_child_become_root(struct dv_error *err);
/* R 0: say READY, wait for GO, exec. Whatever fails is told, and the process ends. */
_Noreturn void dv_child_finish(struct dv_child *c, int r, struct dv_error *err);
/* Mount all below the root and make it the root (mounts.c, dev.c, paths.c). */
DV_CHECK int dv_child_mounts(struct dv_child *c, struct dv_error *err);
DV_CHECK int dv_child_dev(struct dv_child *c, struct dv_error *err);
DV_CHECK int dv_child_paths(struct dv_child *c, struct dv_error *err);
DV_CHECK int dv_child_sysctls(const struct dv_spec *spec, struct dv_error *err);
/* Open the place PATH below the root for a mount, making it if it is not there. */
DV_CHECK int dv_child_target(struct dv_child *c, const char *path, bool is_file, bool *ret_existed,
                             int *ret, struct dv_error *err);
/* Streams, terminal, user, limits, capabilities; then READY (process.c). */
DV_CHECK int dv_child_process(struct dv_child *c, struct dv_error *err);
/* After "go": seccomp and exec; returns only on failure (exec_path.c). */
DV_CHECK int dv_child_exec(struct dv_child *c, struct dv_error *err);
/* "PREFIX: text" in Go's words, which clients know (strerror's begin with a capital), and the code
 * that tells exit 127 (not there) from 126 (not to be run). */
int dv_child_fail_text(struct dv_error *err, int error, const char *prefix);
/* Bounding set to effective; EXTRA is kept in effective and permitted until the exec (caps.c). */
DV_CHECK int dv_caps_drop_bounding(uint64_t bounding, struct dv_error *err);
DV_CHECK int dv_caps_set(const struct dv_spec_caps *caps, uint32_t uid, uint64_t extra,
                         struct dv_error *err);
DV_CHECK int dv_seccomp_load(const struct dv_spec_process *p, struct dv_error *err);

/* ---- the parent's part that create and exec share (parent.c) ---- */

/* Namespaces the caller itself enters around a clone, since a child would lack the right or would
 * not be in it (pid). */
struct dv_detour {
    int back[DV_NS_MAX_];            /* the caller's own, -1 = not left */
};
DV_CHECK int dv_detour_enter(struct dv_detour *d, enum dv_ns ns, int fd, struct dv_error *err);
DV_CHECK int dv_detour_leave(struct dv_detour *d, struct dv_error *err);
int dv_ns_flag(enum dv_ns ns);       /* CLONE_NEW* */

struct dv_spawned {
    pid_t pid;
    int pidfd, sync_fd, child_sync_fd;
    bool placed;                     /* CLONE_INTO_CGROUP did it */
};
/* clone3 with FLAGS; 0 in the child, 1 in the parent. */
DV_CHECK int dv_spawned_clone(struct dv_spawned *s, uint64_t flags, int cgroup_dir,
                              struct dv_error *err);
/* Control groups, limits, oom_score_adj; then PLACED. */
DV_CHECK int dv_spawned_place(struct dv_spawned *s, const struct dv_runtime_fds *fds,
                              const struct dv_spec_process *p, struct dv_strv *warnings,
                              struct dv_error *err);
/* Read until READY or the end; *PTY gets the master. */
DV_CHECK int dv_spawned_ready(struct dv_spawned *s, struct dv_strv *warnings, int *pty,
                              struct dv_error *err);
/* GO, and wait for the exec. */
DV_CHECK int dv_spawned_go(int sync_fd, struct dv_error *err);
/* After a failure: kill, reap, close. If the process told why it died, that replaces ERR. */
void dv_spawned_abort(struct dv_spawned *s, struct dv_error *err);
