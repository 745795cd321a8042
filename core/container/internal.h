/* internal.h - what the files of core/container share: the object, the store, the shim's client. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/id.h"
#include "core/base/lock.h"
#include "core/base/sock.h"
#include "core/container/config.h"
#include "core/container/container.h"
#include "core/container/jobs.h"
#include "core/container/store.h"
#include "core/shim/protocol.h"

struct dv_oom;
struct dv_shim;
struct exit_job;
struct dv_spec;
struct dv_spec_process;

/* A client that attached before the start: handed to the shim with CREATE. */
struct pending_client {
    struct pending_client *next;
    int fd;
    unsigned flags;
    char *detach_keys, *early;
    size_t n_detach_keys, n_early;
};
struct dv_waiter {
    struct dv_waiter *next;
    struct dv_containers *cs;
    struct dv_container *c;          /* reference */
    enum dv_wait_for cond;
    dv_wait_fn *fn;
    void *arg;
    int64_t exit_code;
    char *error;
    atomic_bool cancelled;
};
struct dv_exec {
    struct dv_exec *next;
    char id[DV_ID_BYTES];
    struct dv_exec_config config;
    bool started, running;
    bool claimed;                    /* a thread starts it: not to be freed */
    int64_t exit_code, pid;
};

struct dv_container {
    char id[DV_ID_BYTES];            /* immutable, as are the next eight */
    struct dv_containers *cs;
    struct dv_container_config *config;
    char *image_id, *image_name, *storage_driver;
    struct dv_strv argv;
    uint64_t created_ns;
    bool auto_remove;
    atomic_int refs;

    struct dv_lock lock;             /* rank 30; protects all below */
    pthread_cond_t changed;          /* status or busy changed */
    const char *busy;                /* operation under way ("start"...), NULL = none */
    char *name;                      /* changes under cs->lock too, and by the operation's owner only */
    enum dv_status status;
    bool removed;                    /* row is gone */
    bool remove_volumes;             /* the operation's owner's: anonymous volumes go with it */
    bool published;                  /* under cs->lock instead: its creation is through */
    int64_t pid, exit_code, restart_count;
    uint64_t start_time, started_ns, finished_ns;
    uint64_t generation;             /* counts starts; an exit of an older one is ignored */
    int64_t oom_killed;              /* processes of its last run, those that were told of */
    bool stopped_by_user;
    bool no_restart;                 /* until the user's next start: its policy is silent */
    uint64_t restart_delay_ns;       /* waited for last, 0 = not yet */
    uint64_t restart_turn;           /* counts awaited restarts; one of an older turn is over */
    bool restarting;                 /* its next exit is half of a restart: --rm does not remove it */
    char *error;
    struct dv_shim *shim;            /* while running */
    struct pending_client *pending;
    struct dv_waiter *waiters;
    struct dv_follower *followers;
    struct dv_exec *execs;
    struct exit_job *ended;          /* its operation lasts until its shim has let go */
};

struct dv_containers {
    struct dv_engine *engine;        /* immutable; outlives us */
    int dirs_fd, run_fd;             /* <root>/containers, <run>/containers */
    struct dv_jobs *settle;          /* exits, in order */
    struct dv_jobs *releases;        /* unmounting, --rm: their time is not another exit's */
    struct dv_jobs *janitor;         /* slow removal */
    struct dv_jobs *restarts;        /* starts that a policy asks for */
    struct dv_restart_wait *restart_waits; /* loop thread */
    atomic_bool leaving;             /* the store is being closed */
    char boot_id[40];
    const char *cgroup_parent;
    int shim_procs[16];              /* cgroup.procs of the shims' own group */
    size_t n_shim_procs;
    int init_program_fd;
    char *shim_path;

    struct dv_lock lock;             /* rank 20; protects the table */
    struct dv_container **items;     /* owned references, unordered */
    size_t n, cap;
    struct dv_watch *inotify_watch;  /* loop thread */
    struct dv_shim *watched_shims;   /* loop thread */
    struct dv_child *children;       /* loop thread */
    int inotify_fd;
    uint64_t follow_rounds;          /* loop thread */
};

/* ---- store.c ---- */
struct dv_container *dv_container_ref(struct dv_container *c);
struct dv_container *dv_container_new(struct dv_containers *cs, const char *id);
/* Under no lock: enter into or drop from the table. CONFLICT if the name is taken. */
int dv_containers_insert(struct dv_containers *cs, struct dv_container *c, struct dv_error *err);
/* Its name was taken by the insertion; from now on it is found and listed. */
void dv_containers_publish(struct dv_containers *cs, struct dv_container *c);
void dv_containers_forget(struct dv_containers *cs, struct dv_container *c);

/* ---- rows.c ---- */
int dv_container_row_insert(struct dv_container *c, struct dv_error *err);
int dv_container_row_update(struct dv_container *c, struct dv_error *err); /* all mutable columns */
int dv_container_row_delete(struct dv_container *c, struct dv_error *err);
int dv_container_rows_load(struct dv_containers *cs, struct dv_error *err);

/* ---- ops.c: one operation at a time ---- */
int dv_op_begin(struct dv_container *c, const char *what, struct dv_error *err); /* takes no lock on
                                                                                  * return */
void dv_op_end(struct dv_container *c);

/* ---- start.c ---- */
/* The start that a restart policy asked for, as TURN; does nothing where that turn is over. A start
 * that fails ends the restarts, as Docker's does. */
int dv_container_start_again(struct dv_container *c, uint64_t turn, struct dv_error *err);

/* ---- shim.c ---- */
struct dv_exit {
    int64_t exit_code;
    uint64_t started_ns, finished_ns;
    char error[128];
};
struct dv_shim_start {
    int fd;                          /* control connection, ours until dv_shim_new */
    pid_t pid;                       /* the shim */
};
int dv_shim_spawn(struct dv_containers *cs, struct dv_shim_start *ret, struct dv_error *err);
/* One request and its answer on a connection that nobody else reads; EXIT_CODE from an ERROR. */
int dv_shim_call(int fd, struct dv_msg_writer *w, const int *fds, size_t n_fds,
                 struct dv_packet *answer, int64_t *exit_code, struct dv_error *err);
int dv_shim_read_answer(int fd, struct dv_packet *answer, int64_t *exit_code,
                        struct dv_error *err);
/* The loop's end of a connection, which takes FD on success. The caller makes it c->shim under the
 * lock that says that C runs, and then has it watched: from there on events of C's generation
 * GENERATION are settled. Abandoned instead, it is gone. */
int dv_shim_new(struct dv_container *c, int fd, uint64_t generation, struct dv_shim **ret,
                struct dv_error *err);
void dv_shim_watch(struct dv_shim *shim);
void dv_shim_abandon(struct dv_shim *shim);
/* At the close, in the loop's thread: let go of all connections and processes; containers go on. */
void dv_shims_leave(struct dv_containers *cs);
/* A request on an adopted connection, from a request thread. Descriptors are borrowed. */
int dv_shim_request(struct dv_container *c, struct dv_msg_writer *w, const int *fds, size_t n_fds,
                    struct dv_packet *answer, int64_t *exit_code, struct dv_error *err);
/* Its memory limit is new: OOM kills are watched where they were not. */
void dv_shim_watch_oom(struct dv_container *c);
void dv_shim_unref(struct dv_shim *shim);
int dv_shim_open_run_dir(struct dv_containers *cs, const char *id, bool create,
                         struct dv_error *err);

/* ---- exit.c ---- */
/* Its shim says so, and lets go of mounts and namespaces meanwhile; dv_container_released() follows. */
void dv_container_exited(struct dv_container *c, uint64_t generation, const struct dv_exit *exit);
void dv_container_released(struct dv_container *c);
/* It ended while no daemon was there. */
void dv_container_ended(struct dv_container *c, uint64_t generation, const struct dv_exit *exit);
/* From the shim's record; false if there is none. */
bool dv_exit_record_read(int state_fd, const char *boot_id, struct dv_exit *ret);
void dv_container_shim_lost(struct dv_container *c, uint64_t generation); /* EOF without an exit */
void dv_waiters_fire(struct dv_container *c, enum dv_wait_for upto); /* under c->lock */
void dv_pending_close(struct dv_container *c);                       /* under c->lock */

/* ---- oom.c ---- */
/* From here OOM kills in C's control group are told at once, first those that nobody told yet; as long as
 * the caller holds its reference. NULL where there is nothing to be watched: no limit. Loop thread. */
struct dv_oom *dv_oom_watch(struct dv_container *c);
void dv_oom_unwatch(struct dv_oom *oom); /* NULL does nothing */
/* KILLS are those of this run: are there any that were not told? From now on they count as told. Under
 * c->lock. */
bool dv_oom_count(struct dv_container *c, int64_t kills);

/* ---- exec.c ---- */
void dv_exec_exited(struct dv_container *c, const char *exec_id, int64_t exit_code);
/* Those of a shim that an earlier davitd started, from its answer to STATE; under c->lock or before
 * anybody else knows C. */
void dv_execs_found(struct dv_container *c, const struct dv_msg *state);
void dv_execs_ended(struct dv_container *c); /* under c->lock: the container is gone */
void dv_execs_free(struct dv_container *c);  /* with its last reference */

/* ---- follow.c ---- */
int dv_follow_open(struct dv_containers *cs, struct dv_error *err);
void dv_follow_close(struct dv_containers *cs);
void dv_followers_end(struct dv_container *c); /* under c->lock */

/* ---- spec.c and its parts ---- */
struct dv_spec_paths {               /* host paths of the container's own files */
    char *hosts, *hostname, *resolv_conf;
};
/* Namespaces of others that the container joins, in the order in which fd_index counts them; OWN_NETNS:
 * a ready network namespace comes before them, as number 0. SHM: the number of the tree that an IPC
 * namespace brings along, -1 = none. */
struct dv_spec_joins {
    int fds[8];
    size_t n;
    bool own_netns;
    int shm;
};
int dv_spec_build(struct dv_container *c, struct dv_spec **ret, struct dv_spec_joins *joins,
                  struct dv_strv *warnings, struct dv_error *err);
int dv_spec_process_build(struct dv_container *c, const struct dv_exec_config *exec,
                          struct dv_spec_process *ret, struct dv_error *err);
int dv_config_merge_image(struct dv_container_config **config, const struct dv_image *image,
                          struct dv_error *err);
int dv_config_argv(const struct dv_container_config *config, struct dv_strv *argv,
                   struct dv_error *err);

/* ---- spec_joins.c ---- */
/* Whose network C uses, and with it whose hostname and /etc files: another container's where the
 * network mode says "container:NAME" (and so on from there), else C itself, as it is where NAME is
 * gone. New reference. */
struct dv_container *dv_container_net_owner(struct dv_container *c);

/* ---- endpoints.c ---- */
struct dv_sandbox;
/* All of them or none, with Docker's events. */
int dv_container_join_networks(struct dv_container *c, struct dv_sandbox *sandbox,
                               struct dv_error *err);
/* After its end: the sandbox is gone. */
void dv_container_leave_networks(struct dv_container *c);
void dv_container_remove_endpoints(struct dv_container *c);

/* ---- etc_files.c ---- */
/* Nothing where C uses another's. */
int dv_etc_files_write(struct dv_container *c, int dir_fd, struct dv_error *err);

/* ---- remove.c ---- */
/* Take everything of C away; the caller holds the operation, and the lease to remove its layer, which
 * ends here in any case. Rows first, then the rest. */
int dv_container_erase(struct dv_container *c, struct dv_error *err);
void dv_container_clean_kernel(struct dv_container *c); /* cgroup, run directory and, once
                                                          * removed, its files; in background */

/* ---- view.c ---- */
void dv_container_emit(struct dv_container *c, const char *action, const char *const *extra);
void dv_container_emit_locked(struct dv_container *c, const char *action,
                              const char *const *extra); /* under c->lock */

int dv_intent_begin(struct dv_containers *cs, const char *kind, const char *object,
                    uint64_t generation, struct dv_error *err);
int dv_intent_end(struct dv_containers *cs, const char *kind, const char *object,
                  struct dv_error *err);
