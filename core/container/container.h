/* container.h - container objects: what the API calls, what keeps them true.
 *
 * Threads: every function may be called from any request thread unless it says "loop". Objects are
 * reference-counted; lists are snapshots. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/str.h"

struct dv_container;
struct dv_container_config;
struct dv_containers;
struct dv_image;

enum dv_status { DV_CREATED, DV_RUNNING, DV_PAUSED, DV_RESTARTING, DV_REMOVING, DV_EXITED, DV_DEAD };
const char *dv_status_name(enum dv_status status); /* "created" "running" ... */

/* A copy of everything that inspect and ps show; owned. */
struct dv_container_view {
    char id[65], *name;                       /* name without slash */
    uint64_t created_ns, started_ns, finished_ns;
    enum dv_status status;
    int64_t pid, exit_code, restart_count;
    bool oom_killed;
    char *error;                              /* State.Error */
    char *image_id, *image_name;              /* as asked */
    char *storage_driver;
    char *platform;
    char *path;                               /* argv[0] */
    struct dv_strv args;                      /* the rest */
    char *log_path, *hosts_path, *hostname_path, *resolv_conf_path;
    const struct dv_container_config *config; /* immutable; valid while the caller holds a reference */
    json_object *config_json, *host_config_json; /* of a whole view: copies of the caller's own */
    struct dv_strv exec_ids;
    bool tty, open_stdin, auto_remove;
};
void dv_container_view_done(struct dv_container_view *view);

struct dv_create_request {
    const char *name;                         /* wished or NULL */
    struct dv_container_config *config;       /* taken on success */
    const char *platform;                     /* wished or NULL */
};
/* Docker's create: name, image, workspace, endpoints, record. Durable on return, save for --rm.
 * WARNINGS is appended to. */
DV_CHECK int dv_container_create(struct dv_containers *cs, struct dv_create_request *req,
                                 char ret_id[65], struct dv_strv *warnings, struct dv_error *err);
/* NOT_FOUND "No such container: x"; several hits of a prefix are INVALID. New reference. */
DV_CHECK int dv_container_get(struct dv_containers *cs, const char *name,
                              struct dv_container **ret, struct dv_error *err);
struct dv_container *dv_container_unref(struct dv_container *c);
size_t dv_container_list(struct dv_containers *cs, struct dv_container ***ret); /* new references */
DV_CHECK int dv_container_look(struct dv_container *c, struct dv_container_view *ret,
                               struct dv_error *err);
/* With its documents, which are as large as all the rest. */
DV_CHECK int dv_container_look_whole(struct dv_container *c, struct dv_container_view *ret,
                                     struct dv_error *err);
const char *dv_container_id(const struct dv_container *c);

/* NOT_MODIFIED when it already runs (start) or does not run (stop). */
DV_CHECK int dv_container_start(struct dv_container *c, struct dv_error *err);
/* SIGNAL 0 = its stop signal; TIMEOUT_S -1 = wait for ever, INT64_MIN = its own or 10. */
DV_CHECK int dv_container_stop(struct dv_container *c, int signal, int64_t timeout_s,
                               struct dv_error *err);
DV_CHECK int dv_container_restart(struct dv_container *c, int signal, int64_t timeout_s,
                                  struct dv_error *err);
DV_CHECK int dv_container_kill(struct dv_container *c, int signal, struct dv_error *err);
DV_CHECK int dv_container_pause(struct dv_container *c, bool pause, struct dv_error *err);
DV_CHECK int dv_container_remove(struct dv_container *c, bool force, bool volumes,
                                 struct dv_error *err);
DV_CHECK int dv_container_rename(struct dv_container *c, const char *name, struct dv_error *err);
DV_CHECK int dv_container_resize(struct dv_container *c, unsigned rows, unsigned cols,
                                 struct dv_error *err);
/* BODY: ContainerUpdate of the Engine API. INVALID, CONFLICT by Docker's rules; then nothing has
 * changed. WARNINGS is appended to. */
DV_CHECK int dv_container_update(struct dv_container *c, json_object *body, struct dv_strv *warnings,
                                 struct dv_error *err);
/* Its processes as `ps PS_ARGS` prints them, by pid. CONFLICT unless it runs; INVALID for arguments
 * that davit does not know. */
struct dv_top {
    struct dv_strv titles;
    struct dv_strv *rows;                     /* n, each of as many cells */
    size_t n;
};
void dv_top_done(struct dv_top *top);
DV_CHECK int dv_container_top(struct dv_container *c, const char *ps_args, struct dv_top *ret,
                              struct dv_error *err);

/* Hand a client's socket to the container: FD is taken on success (the HTTP answer was sent before
 * the call is made and bytes read past the request are in EARLY). The shim speaks to it from then on;
 * the container need not run yet. FLAGS: DV_ATTACH_*. */
struct dv_attach {
    int fd;
    unsigned flags;
    const char *detach_keys;                  /* bytes, or NULL for ^P^Q */
    size_t n_detach_keys;
    const char *early;                        /* stdin bytes read past the request */
    size_t n_early;
    struct dv_held *held;                     /* or NULL; see below */
};
/* Where the caller has to write the log first: a running container's output stops until the caller
 * has written the log up to its end, then REST, and released. A container that does not run parks the
 * client as ever, with TOKEN 0: then nothing else is to be done. */
struct dv_held {
    uint64_t token;
    char *rest[2];                            /* stdout's and stderr's; owned */
    size_t n_rest[2];
};
void dv_held_done(struct dv_held *held);
DV_CHECK int dv_container_attach_release(struct dv_container *c, uint64_t token,
                                         struct dv_error *err);
DV_CHECK int dv_container_attach(struct dv_container *c, struct dv_attach *a, struct dv_error *err);
/* May one attach now? CONFLICT for paused and restarting ones. Before the headers are sent. */
DV_CHECK int dv_container_attach_check(struct dv_container *c, struct dv_error *err);

/* Wait without a thread: FN is called once, in the loop's thread, with the exit code; or with ERROR
 * text. Returns a handle to cancel with (valid until FN ran). */
enum dv_wait_for { DV_WAIT_NOT_RUNNING, DV_WAIT_NEXT_EXIT, DV_WAIT_REMOVED };
typedef void dv_wait_fn(void *arg, int64_t exit_code, const char *error);
struct dv_waiter;
DV_CHECK int dv_container_wait(struct dv_container *c, enum dv_wait_for cond, dv_wait_fn *fn,
                               void *arg, struct dv_waiter **ret, struct dv_error *err);
void dv_waiter_cancel(struct dv_containers *cs, struct dv_waiter *w); /* loop thread; NULL is fine */

/* Where the log is, for the reader of core/container/logs.h. Changes are signalled through FN (loop
 * thread): more was written (best effort) or the container ended (ENDED). */
typedef void dv_follow_fn(void *arg, bool ended);
struct dv_follower;
DV_CHECK int dv_container_follow(struct dv_container *c, dv_follow_fn *fn, void *arg,
                                 struct dv_follower **ret, struct dv_error *err);
void dv_follower_cancel(struct dv_containers *cs, struct dv_follower *f);
/* A descriptor of the log directory (new) and the log file's name in it. UNSUPPORTED when the log
 * driver cannot be read ("configured logging driver does not support reading"). */
DV_CHECK int dv_container_log_dir(struct dv_container *c, int *ret_fd, char **ret_name,
                                  struct dv_error *err);

/* ---- exec ---- */
enum { DV_DETACH_KEYS_MAX = 16 };
struct dv_exec_config {                       /* Engine API ExecConfig */
    bool attach_stdin, attach_stdout, attach_stderr, tty, privileged;
    struct dv_strv cmd, env;
    char *user, *working_dir, *detach_keys;
    char key_bytes[DV_DETACH_KEYS_MAX];       /* DETACH_KEYS parsed; none: ^P^Q */
    size_t n_key_bytes;
    uint16_t rows, cols;
};
void dv_exec_config_done(struct dv_exec_config *config);
struct dv_exec_view {
    char id[65], container_id[65];
    bool running, tty, privileged, attach_stdin, attach_stdout, attach_stderr, has_exit_code;
    int64_t exit_code, pid;
    struct dv_strv cmd;
    char *user;
    char key_bytes[DV_DETACH_KEYS_MAX];
    size_t n_key_bytes;
};
void dv_exec_view_done(struct dv_exec_view *view);
/* CONFLICT when the container does not run. CONFIG's contents are taken on success. */
DV_CHECK int dv_exec_create(struct dv_container *c, struct dv_exec_config *config,
                            char ret_id[65], struct dv_error *err);
DV_CHECK int dv_exec_look(struct dv_containers *cs, const char *exec_id, struct dv_exec_view *ret,
                          struct dv_error *err);
/* Before the headers are sent: NOT_FOUND, CONFLICT (already ran, container gone). */
DV_CHECK int dv_exec_start_check(struct dv_containers *cs, const char *exec_id,
                                 struct dv_error *err);
/* A NULL: detached. Otherwise A->fd is taken (also on failure after the headers: the caller then
 * writes nothing; the failure's text goes into the stream). */
DV_CHECK int dv_exec_start(struct dv_containers *cs, const char *exec_id, struct dv_attach *a,
                           uint16_t rows, uint16_t cols, struct dv_error *err);
DV_CHECK int dv_exec_resize(struct dv_containers *cs, const char *exec_id, unsigned rows,
                            unsigned cols, struct dv_error *err);

/* Does a container use this image? (dv_image_user_fn of image.h) */
const char *dv_containers_use_image(void *containers, const char *image_id, bool *ret_running);
struct dv_container_counts { size_t total, running, paused, stopped; };
void dv_containers_count(struct dv_containers *cs, struct dv_container_counts *ret);
