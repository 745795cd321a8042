/* start.c - from a created container to a running process. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/sock.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/container/restart.h"
#include "core/container/test_hooks.h"
#include "core/container/volumes.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/image/lease.h"
#include "core/network/network.h"
#include "core/runtime/cgroup.h"
#include "core/runtime/spec.h"
#include "core/runtime/spec_msg.h"
#include "core/state/db.h"

/* How long the start that a restart policy asks for waits for a reader of the layer. */
#define LEASE_WAIT_NS (UINT64_C(60) * 1000000000)

/* All that one start holds until the shim has it. */
struct start {
    struct dv_container *c;
    struct dv_spec *spec;
    struct dv_strv warnings;
    struct dv_spec_joins joins;
    struct dv_sandbox sandbox;
    struct dv_shim_start shim;
    int state_fd, run_fd, plan_fd;
    int procs[DV_CGROUP_MAX_HIERARCHIES], cgroup_dir;
    size_t n_procs;
    struct pending_client *clients;
    bool cgroup_made, workspace_active, intent, joined;
    int64_t exit_code;
    uint64_t started_ns, start_time, generation;
    int64_t pid;
    struct dv_shim *connection;      /* made, not yet watched */
};

static void start_init(struct start *s, struct dv_container *c)
{
    *s = (struct start){ .c = c };
    s->sandbox = (struct dv_sandbox){ -1, -1 };
    s->joins.shm = -1;
    s->shim.fd = s->state_fd = s->run_fd = s->plan_fd = s->cgroup_dir = -1;
    s->exit_code = 125;
}

static void start_done(struct start *s)
{
    dv_sandbox_done(&s->sandbox);
    dv_close(s->shim.fd);
    dv_close(s->state_fd);
    dv_close(s->run_fd);
    dv_close(s->plan_fd);
    dv_close(s->cgroup_dir);
    for (size_t i = 0; i < s->n_procs; i++)
        dv_close(s->procs[i]);
    for (size_t i = 0; i < s->joins.n; i++)
        dv_close(s->joins.fds[i]);
    dv_spec_free(s->spec);
    dv_strv_done(&s->warnings);
    while (s->clients) {
        struct pending_client *p = s->clients;

        s->clients = p->next;
        dv_close(p->fd);
        free(p->detach_keys);
        free(p->early);
        free(p);
    }
}

static int open_dirs(struct start *s, struct dv_error *err)
{
    struct dv_containers *cs = s->c->cs;

    s->state_fd = openat(cs->dirs_fd, s->c->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->state_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s/containers/%s", cs->engine->config.root,
                             s->c->id);
    /* A record of an earlier run must not be taken for this one's. */
    if (unlinkat(s->state_fd, "exit", 0) < 0 && errno != ENOENT)
        return dv_fail_errno(err, DV_E_INTERNAL, "remove the old exit record of container %s",
                             s->c->id);
    s->run_fd = dv_shim_open_run_dir(cs, s->c->id, true, err);
    return s->run_fd < 0 ? s->run_fd : 0;
}

static int make_cgroups(struct start *s, struct dv_error *err)
{
    struct dv_containers *cs = s->c->cs;
    const char *parent = cs->cgroup_parent;
    int r;

    r = dv_cgroup_create(cs->engine->cgroups, parent, s->c->id, &s->spec->resources, &s->warnings,
                         s->procs, &s->n_procs, &s->cgroup_dir, err);
    if (r < 0)
        return dv_wrap(err, "create the control groups");
    s->cgroup_made = true;
    return 0;
}

static int activate(struct start *s, struct dv_error *err)
{
    struct dv_container *c = s->c;
    int r = dv_workspace_activate(c->cs->engine->images, c->storage_driver, c->id, &s->spec->rootfs,
                                  &s->spec->n_rootfs, err);

    if (r < 0)
        return dv_wrap(err, "storage driver %s", c->storage_driver);
    s->workspace_active = true;
    return 0;
}

static int make_plan(struct start *s, struct dv_error *err)
{
    struct dv_msg_writer w;
    int r;

    dv_msg_begin(&w, DV_SHIM_CREATE, 0, DV_MAX_PLAN_BYTES);
    dv_spec_encode(&w, DV_ST_SPEC, s->spec);
    r = dv_msg_end(&w, err);
    if (r == 0) {
        s->plan_fd = memfd_create("davit-plan", MFD_CLOEXEC);
        if (s->plan_fd < 0 || dv_write_all(s->plan_fd, w.buf.data, w.buf.len) < 0)
            r = dv_fail_errno(err, DV_E_INTERNAL, "write the plan of container %s", s->c->id);
    }
    dv_msg_done(&w);
    return r;
}

/* The descriptors of CREATE, in the order in which they are named. */
struct fd_list {
    int fds[DV_MAX_MSG_FDS];
    size_t n;
};

static void name_fd(struct dv_msg_writer *w, struct fd_list *list, uint16_t tag, int fd)
{
    if (fd < 0 || list->n == N(list->fds))
        return;
    dv_msg_u64(w, tag, list->n);
    list->fds[list->n++] = fd;
}

static void put_clients(struct dv_msg_writer *w, struct fd_list *list, struct start *s)
{
    static const char default_keys[] = { 16, 17 };

    for (struct pending_client *p = s->clients; p; p = p->next) {
        size_t mark;

        if (list->n == N(list->fds))
            break;
        mark = dv_msg_open(w, DV_ST_CLIENT);
        name_fd(w, list, DV_ST_FD_CLIENT, p->fd);
        dv_msg_u64(w, DV_ST_ATTACH_FLAGS, p->flags);
        dv_msg_bytes(w, DV_ST_DETACH_KEYS, p->detach_keys ? p->detach_keys : default_keys,
                     p->detach_keys ? p->n_detach_keys : sizeof(default_keys));
        if (p->n_early)
            dv_msg_bytes(w, DV_ST_EARLY, p->early, p->n_early);
        dv_msg_close(w, mark);
    }
}

static void put_log(struct dv_msg_writer *w, const struct dv_container *c)
{
    const struct dv_engine_config *config = &c->cs->engine->config;
    const char *size = dv_json_map_get(&c->config->log_config, "max-size");
    const char *files = dv_json_map_get(&c->config->log_config, "max-file");
    int64_t max_bytes = config->log_max_bytes;
    uint64_t max_files = (uint64_t)config->log_max_files;
    char name[DV_ID_BYTES + 16];

    if (!dv_empty(c->config->log_type) && dv_streq(c->config->log_type, "none")) {
        dv_msg_u64(w, DV_ST_LOG_KIND, 0);
        return;
    }
    /* Both were checked at create; what cannot be read then keeps the default. */
    if (size && dv_parse_bytes(size, &max_bytes) < 0)
        max_bytes = config->log_max_bytes;
    if (files && dv_parse_u64(files, 1, 1000, &max_files) < 0)
        max_files = (uint64_t)config->log_max_files;
    snprintf(name, sizeof(name), "%s-json.log", c->id);
    dv_msg_u64(w, DV_ST_LOG_KIND, 1);
    dv_msg_str(w, DV_ST_LOG_NAME, name);
    dv_msg_u64(w, DV_ST_LOG_MAX_BYTES, max_bytes > 0 ? (uint64_t)max_bytes : 0);
    dv_msg_u64(w, DV_ST_LOG_MAX_FILES, max_files);
}

static int send_packet(struct start *s, struct dv_msg_writer *w, const struct fd_list *list,
                       const char *what, struct dv_error *err)
{
    int r = dv_msg_end(w, err);

    if (r == 0)
        r = dv_sock_send(s->shim.fd, w, list->fds, list->n, err);
    dv_msg_done(w);
    if (r < 0 && (err->sys_errno == EPIPE || err->sys_errno == ECONNRESET)) {
        dv_error_clear(err); /* it has ended: why, its answer to an earlier question says */
        return 0;
    }
    return r < 0 ? dv_wrap(err, "ask davit-shim to %s", what) : 0;
}

/* Its answer is read with CREATE's. */
static int send_prepare(struct start *s, struct dv_error *err)
{
    const struct dv_containers *cs = s->c->cs;
    struct fd_list list = { .n = 0 };
    struct dv_msg_writer w;

    dv_msg_begin(&w, DV_SHIM_PREPARE, 3, DV_MAX_MSG_BYTES);
    name_fd(&w, &list, DV_ST_FD_RUN_DIR, s->run_fd);
    for (size_t i = 0; i < cs->n_shim_procs; i++)
        name_fd(&w, &list, DV_ST_FD_SHIM_PROCS, cs->shim_procs[i]);
    return send_packet(s, &w, &list, "prepare", err);
}

static int send_create(struct start *s, struct dv_error *err)
{
    const struct dv_container *c = s->c;
    struct fd_list list = { .n = 0 };
    struct dv_msg_writer w;

    dv_msg_begin(&w, DV_SHIM_CREATE, 1, DV_MAX_MSG_BYTES);
    dv_msg_str(&w, DV_ST_ID, c->id);
    name_fd(&w, &list, DV_ST_FD_PLAN, s->plan_fd);
    name_fd(&w, &list, DV_ST_FD_STATE_DIR, s->state_fd);
    name_fd(&w, &list, DV_ST_FD_LOG_DIR, s->state_fd);
    name_fd(&w, &list, DV_ST_FD_NETNS, s->sandbox.netns_fd);
    name_fd(&w, &list, DV_ST_FD_NS, s->sandbox.netns_fd); /* dv_spec_build counts it as the first */
    for (size_t i = 0; i < s->joins.n; i++)
        name_fd(&w, &list, DV_ST_FD_NS, s->joins.fds[i]);
    for (size_t i = 0; i < s->n_procs; i++)
        name_fd(&w, &list, DV_ST_FD_CGROUP_PROCS, s->procs[i]);
    name_fd(&w, &list, DV_ST_FD_CGROUP_DIR, s->cgroup_dir);
    if (s->spec->init)
        name_fd(&w, &list, DV_ST_FD_INIT_PROGRAM, c->cs->init_program_fd);
    dv_msg_u64(&w, DV_ST_OPEN_STDIN, c->config->open_stdin);
    dv_msg_u64(&w, DV_ST_STDIN_ONCE, c->config->stdin_once);
    dv_msg_u64(&w, DV_ST_KILL_CGROUP,
               !s->spec->ns[DV_NS_PID].wanted || s->spec->ns[DV_NS_PID].fd_index >= 0);
    put_log(&w, c);
    put_clients(&w, &list, s);
    return send_packet(s, &w, &list, "create", err);
}

static int join_networks(struct start *s, struct dv_error *err)
{
    int r = dv_container_join_networks(s->c, &s->sandbox, err);

    s->joined = r == 0;
    return r;
}

/* An answer whose warnings go to the log. */
static int read_answer(struct start *s, struct dv_packet *answer, struct dv_error *err)
{
    struct dv_field f;
    size_t pos = 0;
    const char *text;
    int r = dv_shim_read_answer(s->shim.fd, answer, &s->exit_code, err);

    while (r == 0 && dv_msg_next(&answer->msg, &pos, &f))
        if (f.tag == DV_ST_WARNING && dv_field_str(&f, &text, err) == 0)
            dv_log_warn(NULL, "container %s: %s", s->c->id, text);
    return r;
}

static int read_created(struct start *s, struct dv_error *err)
{
    dv_autopacket prepared = { 0 }, answer = { 0 };
    int r = read_answer(s, &prepared, err);

    if (r == 0)
        r = read_answer(s, &answer, err);
    if (r < 0)
        return r;
    s->pid = dv_msg_get_i64(&answer.msg, DV_ST_PID, 0);
    s->start_time = dv_msg_get_u64(&answer.msg, DV_ST_START_TIME, 0);
    if (s->sandbox.netns_fd >= 0)
        return 0;
    s->sandbox.netns_fd = dv_packet_take_fd(&answer, 0); /* none where the init joined another's */
    return s->sandbox.netns_fd < 0 ? 0 : dv_sandbox_adopt(&s->sandbox, err);
}

/* The shim gets to it once the init waits: asked before that answer was read, it loses no time. */
static int send_go(struct start *s, struct dv_error *err)
{
    struct fd_list none = { .n = 0 };
    struct dv_msg_writer w;

    dv_msg_begin(&w, DV_SHIM_START, 2, DV_MAX_MSG_BYTES);
    return send_packet(s, &w, &none, "start", err);
}

static int read_gone(struct start *s, struct dv_error *err)
{
    dv_autopacket answer = { 0 };
    int r = dv_shim_read_answer(s->shim.fd, &answer, &s->exit_code, err);

    if (r == 0)
        s->started_ns = dv_msg_get_u64(&answer.msg, DV_ST_STARTED_NS, dv_now_ns());
    return r;
}

static int write_intent(struct start *s, struct dv_error *err)
{
    struct dv_container *c = s->c;
    int r;

    dv_lock_take(&c->lock);
    s->generation = ++c->generation;
    r = dv_tx_begin(c->cs->engine->db, DV_SYNC_NORMAL, err);
    if (r == 0) {
        r = dv_intent_begin(c->cs, "start", c->id, c->generation, err);
        if (r == 0)
            r = dv_container_row_update(c, err);
        if (r == 0)
            r = dv_tx_commit(c->cs->engine->db, err);
        else
            dv_tx_rollback(c->cs->engine->db);
    }
    dv_lock_drop(&c->lock);
    s->intent = r == 0;
    return r;
}

/* Clients that attached so far go with CREATE, so that no byte of the output passes them by. */
static void take_clients(struct start *s)
{
    dv_lock_take(&s->c->lock);
    s->clients = s->c->pending;
    s->c->pending = NULL;
    dv_lock_drop(&s->c->lock);
}

static int prepare(struct start *s, struct dv_error *err)
{
    struct dv_container *c = s->c;
    int r;

    /* First: it comes up meanwhile. */
    r = dv_shim_spawn(c->cs, &s->shim, err);
    dv_test_point("start-spawned");
    if (r == 0)
        r = open_dirs(s, err);
    if (r == 0)
        r = send_prepare(s, err);
    if (r == 0)
        r = dv_etc_files_write(c, s->state_fd, err);
    if (r == 0)
        r = dv_spec_build(c, &s->spec, &s->joins, &s->warnings, err);
    if (r == 0)
        r = activate(s, err);
    if (r == 0)
        r = make_cgroups(s, err);
    if (r == 0 && s->joins.own_netns)
        r = dv_sandbox_get(c->cs->engine->net, &s->sandbox, err);
    dv_test_point("start-prepared");
    return r;
}

/* The network of a container with a user namespace is born in it: created, joined, then started. */
static int launch_late_network(struct start *s, struct dv_error *err)
{
    int r = read_created(s, err);

    dv_test_point("start-created");
    if (r == 0)
        r = join_networks(s, err);
    dv_test_point("start-joined");
    return r == 0 ? send_go(s, err) : r;
}

/* The endpoints are made while the shim mounts. */
static int launch_ready_network(struct start *s, struct dv_error *err)
{
    int r = join_networks(s, err);

    dv_test_point("start-joined");
    if (r == 0)
        r = send_go(s, err);
    if (r == 0)
        r = read_created(s, err);
    dv_test_point("start-created");
    return r;
}

static int launch(struct start *s, struct dv_error *err)
{
    const struct dv_spec_ns *net = &s->spec->ns[DV_NS_NET];
    int r = make_plan(s, err);

    if (r == 0)
        r = send_create(s, err);
    if (r == 0)
        r = net->wanted && net->fd_index < 0 ? launch_late_network(s, err)
                                             : launch_ready_network(s, err);
    if (r == 0)
        r = read_gone(s, err);
    dv_test_point("start-gone");
    return r;
}

static int store_running(struct dv_container *c, struct dv_error *err)
{
    struct dv_db *db = c->cs->engine->db;
    int r = dv_tx_begin(db, DV_SYNC_NORMAL, err);

    if (r < 0)
        return r;
    r = dv_container_row_update(c, err);
    if (r == 0)
        r = dv_intent_end(c->cs, "start", c->id, err);
    if (r == 0)
        return dv_tx_commit(db, err);
    dv_tx_rollback(db);
    return r;
}

/* State and connection change together: whoever sees that it runs can speak to it. */
static int record_running(struct start *s, struct dv_error *err)
{
    struct dv_container *c = s->c;
    enum dv_status before;
    int r;

    dv_lock_take(&c->lock); /* finished_ns stays that of the run before, as Docker shows it */
    before = c->status;
    c->status = DV_RUNNING;
    c->pid = s->pid;
    c->start_time = s->start_time;
    c->started_ns = s->started_ns;
    c->exit_code = 0;
    c->oom_killed = c->stopped_by_user = false;
    free(dv_take(c->error));
    r = store_running(c, err);
    if (r == 0) {
        c->shim = s->connection;
    } else {
        c->status = before;
        c->pid = 0;
        c->finished_ns = dv_now_ns();
    }
    dv_lock_drop(&c->lock);
    return r;
}

/* Docker keeps a container whose start failed, with the code and the reason in its state. */
static void record_failure(struct start *s, const struct dv_error *why)
{
    struct dv_container *c = s->c;
    struct dv_db *db = c->cs->engine->db;
    struct dv_error err = { 0 };

    dv_lock_take(&c->lock);
    c->exit_code = s->exit_code;
    free(c->error);
    c->error = dv_strdup(why->msg);
    dv_restart_cancel(c); /* Docker's answer to a restart that fails */
    /* Who attached or follows for this start waits in vain; the next one has its own. */
    dv_pending_close(c);
    dv_followers_end(c);
    if (dv_tx_begin(db, DV_SYNC_NORMAL, &err) == 0) {
        if (dv_container_row_update(c, &err) < 0 || dv_intent_end(c->cs, "start", c->id, &err) < 0 ||
            dv_tx_commit(db, &err) < 0)
            dv_tx_rollback(db);
    }
    dv_lock_drop(&c->lock);
    if (err.code)
        dv_log_error(NULL, "container %s: record its failed start: %s", c->id, err.msg);
}

/* Everything that the failed start made in the kernel goes; the shim ends by itself when its
 * connection closes, and takes the init along. */
static void unwind(struct start *s)
{
    struct dv_container *c = s->c;

    if (s->connection)
        dv_shim_abandon(dv_take(s->connection));
    dv_close(dv_take_fd(s->shim.fd));
    if (s->joined)
        dv_container_leave_networks(c);
    if (s->workspace_active)
        dv_workspace_deactivate(c->cs->engine->images, c->storage_driver, c->id);
    if (s->cgroup_made)
        dv_container_clean_kernel(c);
}

static int check_startable(struct dv_container *c, struct dv_error *err)
{
    int r = 0;

    dv_lock_take(&c->lock);
    if (c->status == DV_PAUSED)
        r = dv_fail(err, DV_E_CONFLICT, "cannot start a paused container, try unpause instead");
    else if (c->status == DV_RUNNING || c->status == DV_RESTARTING)
        r = dv_fail(err, DV_E_NOT_MODIFIED, "container %s is already running", c->name);
    else if (c->status == DV_REMOVING || c->status == DV_DEAD)
        r = dv_fail(err, DV_E_CONFLICT,
                    "container is marked for removal and cannot be started");
    if (r == 0) { /* by the user: the policy begins anew */
        c->no_restart = false;
        c->restart_count = 0;
        c->restart_delay_ns = 0;
    }
    dv_lock_drop(&c->lock);
    return r;
}

/* Docker's wording: clients map the end of it to exit codes 126 and 127. */
static int start_failed(struct start *s, struct dv_error *err)
{
    struct dv_container *c = s->c;

    if (s->exit_code == 126 || s->exit_code == 127) {
        dv_wrap(err, "failed to create task for container: failed to create shim task: OCI runtime "
                     "create failed: unable to start container process");
        err->code = DV_E_INVALID;
    }
    unwind(s);
    record_failure(s, err);
    return c->auto_remove ? 1 : 0;
}

static int run_start(struct dv_container *c, bool *erase, struct dv_error *err)
{
    struct start s;
    int r;

    start_init(&s, c);
    r = write_intent(&s, err);
    if (r == 0)
        r = prepare(&s, err);
    if (r == 0) {
        take_clients(&s);
        r = launch(&s, err);
    }
    if (r == 0)
        r = dv_shim_new(c, s.shim.fd, s.generation, &s.connection, err);
    if (r == 0) {
        s.shim.fd = -1;
        r = record_running(&s, err);
    }
    if (r < 0) {
        *erase = start_failed(&s, err) == 1;
        start_done(&s);
        return -err->code;
    }
    dv_container_volumes_emit(c, "mount");
    dv_container_emit(c, "start", NULL); /* before its end can be told */
    dv_shim_watch(s.connection);
    start_done(&s);
    return 0;
}

/* From here the writable layer is the container's until its exit is settled; where somebody else uses
 * it nothing has been begun, and nothing is recorded. */
static int start_leased(struct dv_container *c, uint64_t wait_ns, struct dv_error *err)
{
    struct dv_leases *leases = c->cs->engine->leases;
    struct dv_error ignored = { 0 };
    bool erase = false;
    int r = dv_lease_take(leases, c->id, DV_LEASE_RUN, wait_ns, err);

    if (r < 0)
        return dv_wrap(err, "cannot start container %s", c->name);
    r = run_start(c, &erase, err);
    if (r == 0)
        return 0;
    if (!erase) {
        dv_lease_drop(leases, c->id, DV_LEASE_RUN);
        return r;
    }
    dv_lease_change(leases, c->id, DV_LEASE_RUN, DV_LEASE_REMOVE);
    if (dv_container_erase(c, &ignored) < 0)
        dv_log_error(NULL, "container %s: remove after its failed start: %s", c->id, ignored.msg);
    return r;
}

int dv_container_start(struct dv_container *c, struct dv_error *err)
{
    int r = dv_op_begin(c, "start", err);

    if (r < 0)
        return r;
    r = check_startable(c, err);
    if (r == 0)
        r = start_leased(c, /* wait_ns */ 0, err);
    dv_op_end(c);
    return r;
}

int dv_container_start_again(struct dv_container *c, uint64_t turn, struct dv_error *err)
{
    bool due;
    int r = dv_op_begin(c, "start", err);

    if (r == -DV_E_NOT_FOUND) {
        dv_error_clear(err); /* removed while it waited */
        return 0;
    }
    if (r < 0)
        return r;
    dv_lock_take(&c->lock);
    due = c->status == DV_RESTARTING && c->restart_turn == turn &&
          !atomic_load(&c->cs->engine->stopping_containers);
    dv_lock_drop(&c->lock);
    if (due) /* a reader of the layer delays the policy, and does not end it */
        r = start_leased(c, LEASE_WAIT_NS, err);
    dv_op_end(c);
    return r;
}
