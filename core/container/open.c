/* open.c - open and close the store; find running containers again, settle and undo the rest. */
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/sock.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/container/restart.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/image/lease.h"
#include "core/network/network.h"
#include "core/runtime/cgroup.h"
#include "core/state/db.h"

enum { SPARE_BYTES = 2 << 20 };       /* of freed memory, kept for what comes next */
enum { EXIT_UNKNOWN = 255 };         /* the machine went down with the container */
static const char shims_group[] = "shims";

/* ---- places ---- */

static int open_place(int base_fd, const char *base, int *ret, struct dv_error *err)
{
    if (mkdirat(base_fd, "containers", 0711) < 0 && errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "create %s/containers", base);
    *ret = openat(base_fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s/containers", base);
    return 0;
}

static int read_boot_id(struct dv_containers *cs, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    int r = dv_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 4096, &text, NULL, err);

    if (r < 0)
        return r;
    snprintf(cs->boot_id, sizeof(cs->boot_id), "%.36s", text);
    return 0;
}

static int open_helpers(struct dv_containers *cs, struct dv_error *err)
{
    const char *dir = cs->engine->config.libexec_dir;
    dv_autofree char *init = dv_format("%s/davit-init", dir);

    cs->shim_path = dv_format("%s/davit-shim", dir);
    if (!init || !cs->shim_path)
        return dv_fail(err, DV_E_NO_MEMORY, "open the container store");
    if (access(cs->shim_path, X_OK) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "find davit-shim at %s", cs->shim_path);
    cs->init_program_fd = open(init, O_PATH | O_CLOEXEC);
    if (cs->init_program_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s", init);
    return 0;
}

/* Containers' groups and the shims' own are siblings below the instance's. */
static int open_cgroups(struct dv_containers *cs, struct dv_error *err)
{
    int r = dv_cgroup_parent(cs->engine->cgroups, cs->cgroup_parent, err);

    if (r == 0)
        r = dv_cgroup_keep(cs->engine->cgroups, cs->cgroup_parent, shims_group, cs->shim_procs,
                           &cs->n_shim_procs, err);
    return r < 0 ? dv_wrap(err, "create the engine's control groups") : 0;
}

/* Containers that went leave holes all over the heap, and glibc gives those back only when asked. */
static void give_memory_back(void)
{
    if (mallinfo2().fordblks > SPARE_BYTES)
        malloc_trim(SPARE_BYTES / 2);
}

static int open_places(struct dv_containers *cs, struct dv_error *err)
{
    const struct dv_engine *engine = cs->engine;
    int r;

    r = open_place(engine->root_fd, engine->config.root, &cs->dirs_fd, err);
    if (r == 0)
        r = open_place(engine->run_fd, engine->config.run_dir, &cs->run_fd, err);
    if (r == 0)
        r = read_boot_id(cs, err);
    if (r == 0)
        r = open_helpers(cs, err);
    if (r == 0)
        r = open_cgroups(cs, err);
    if (r == 0)
        r = dv_follow_open(cs, err);
    if (r == 0)
        r = dv_jobs_new("davit-settle", 1, &cs->settle, err);
    if (r == 0)
        r = dv_jobs_new("davit-release", DV_JOBS_MAX_THREADS, &cs->releases, err);
    if (r == 0)
        r = dv_jobs_new("davit-janitor", 1, &cs->janitor, err);
    if (r == 0)
        dv_jobs_at_rest(cs->janitor, give_memory_back);
    if (r == 0)
        r = dv_restarts_open(cs, err);
    return r;
}

/* ---- containers that ran when we stopped ---- */

struct found {
    int fd;                          /* connection to the shim, -1 = none */
    uint64_t state;                  /* of DV_ST_STATE */
    int64_t pid;
    uint64_t started_ns, start_time;
};

static void ask_state(struct dv_container *c, struct found *f)
{
    struct dv_containers *cs = c->cs;
    const char *id = c->id;
    struct dv_error err = { 0 };
    dv_autoclose int dir = dv_shim_open_run_dir(cs, id, false, &err);
    dv_autopacket answer = { 0 };
    struct timeval limit = { .tv_sec = 10 };
    struct dv_msg_writer w;
    int fd;

    *f = (struct found){ .fd = -1 };
    if (dir < 0)
        return;
    fd = dv_sock_connect(dir, "shim.sock", SOCK_SEQPACKET, &err);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    dv_msg_begin(&w, DV_SHIM_STATE, 1, DV_MAX_MSG_BYTES);
    if (dv_shim_call(fd, &w, NULL, 0, &answer, NULL, &err) == 0) {
        f->fd = fd;
        f->state = dv_msg_get_u64(&answer.msg, DV_ST_STATE, 0);
        f->pid = dv_msg_get_i64(&answer.msg, DV_ST_PID, 0);
        f->started_ns = dv_msg_get_u64(&answer.msg, DV_ST_STARTED_NS, 0);
        f->start_time = dv_msg_get_u64(&answer.msg, DV_ST_START_TIME, 0);
        dv_execs_found(c, &answer.msg);
    } else {
        dv_log_debug(NULL, "container %s: ask its shim: %s", id, err.msg);
        dv_close(fd);
    }
    dv_msg_done(&w);
}

static void adopt(struct dv_container *c, const struct found *f)
{
    struct dv_shim *shim;
    struct dv_error err = { 0 };

    if (dv_shim_new(c, f->fd, c->generation, &shim, &err) < 0) {
        dv_log_error(NULL, "container %s: watch its shim: %s", c->id, err.msg);
        dv_close(f->fd);
        return;
    }
    dv_lock_take(&c->lock);
    if (c->status != DV_PAUSED)
        c->status = DV_RUNNING;
    c->pid = f->pid;
    c->start_time = f->start_time;
    if (f->started_ns)
        c->started_ns = f->started_ns;
    c->shim = shim;
    if (dv_container_row_update(c, &err) < 0)
        dv_log_error(NULL, "container %s: record that it runs: %s", c->id, err.msg);
    dv_lock_drop(&c->lock);
    dv_shim_watch(shim);
    dv_log_info(NULL, "container %s runs on, pid %lld", c->id, (long long)f->pid);
}

static bool read_record(struct dv_container *c, struct dv_exit *ret)
{
    dv_autoclose int fd = openat(c->cs->dirs_fd, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 && dv_exit_record_read(fd, c->cs->boot_id, ret);
}

/* It is recorded as running, and nobody runs it any more. */
static void settle_ended(struct dv_container *c, bool same_boot)
{
    struct dv_exit exit = { .exit_code = EXIT_UNKNOWN, .finished_ns = dv_now_ns() };

    if (same_boot && !read_record(c, &exit)) {
        dv_container_shim_lost(c, c->generation); /* kills what is left of it */
        return;
    }
    if (!same_boot)
        snprintf(exit.error, sizeof(exit.error), "the machine was restarted while it ran");
    dv_container_ended(c, c->generation, &exit);
}

/* No request is served yet: nobody can be in the way. */
static void lease_again(struct dv_container *c, enum dv_lease_use use)
{
    struct dv_error err = { 0 };

    if (dv_lease_take(c->cs->engine->leases, c->id, use, /* wait_ns */ 0, &err) < 0)
        dv_log_error(NULL, "container %s: %s", c->id, err.msg);
}

static void erase_now(void *arg)
{
    struct dv_container *c = arg;
    struct dv_error err = { 0 };

    if (dv_container_erase(c, &err) < 0)
        dv_log_error(NULL, "container %s: remove: %s", c->id, err.msg);
    dv_op_end(c);
    dv_container_unref(c);
}

/* The operation and the lease are the job's from now on, before a request can come first. */
static void queue_erase(struct dv_container *c)
{
    dv_lock_take(&c->lock);
    c->busy = "remove";
    dv_lock_drop(&c->lock);
    lease_again(c, DV_LEASE_REMOVE);
    dv_jobs_add(c->cs->settle, erase_now, dv_container_ref(c));
}

/* What its policy brings back at the daemon's start. */
static bool start_found(struct dv_container *c)
{
    uint64_t turn = 0;
    bool wanted;

    dv_lock_take(&c->lock);
    wanted = dv_restart_found(c, &turn);
    dv_lock_drop(&c->lock);
    if (wanted)
        dv_restart_schedule(c, turn);
    return wanted;
}

/* A start that was under way: it came through, or it never was, and then nobody was told of it. */
static void settle_start(struct dv_container *c)
{
    struct dv_exit exit;
    struct found f;

    ask_state(c, &f);
    c->oom_killed = 0; /* its row is still that of the run before */
    if (f.fd >= 0 && f.state >= 2) {
        lease_again(c, DV_LEASE_RUN);
        adopt(c, &f);
        return;
    }
    dv_close(f.fd);
    if (read_record(c, &exit)) {
        dv_lock_take(&c->lock);
        c->status = DV_RUNNING;
        c->started_ns = exit.started_ns;
        dv_lock_drop(&c->lock);
        lease_again(c, DV_LEASE_RUN); /* until its exit is settled */
        dv_container_ended(c, c->generation, &exit);
        return;
    }
    if (c->auto_remove)
        queue_erase(c);
    else
        dv_container_clean_kernel(c);
    start_found(c);
}

static int start_row(void *arg, sqlite3_stmt *row)
{
    return dv_strv_add(arg, dv_row_text(row, 0)) < 0 ? -DV_E_NO_MEMORY : 0;
}

/* Nobody else knows C yet: its state is its row's, and may change as soon as a job is queued. */
static void find_again(struct dv_container *c, const char *row_boot_id, bool starting)
{
    bool same_boot = dv_streq(row_boot_id, c->cs->boot_id);
    struct found f = { .fd = -1 };

    if (c->status == DV_RUNNING || c->status == DV_PAUSED) {
        lease_again(c, DV_LEASE_RUN); /* an end that is found is settled as one that is told */
        if (same_boot)
            ask_state(c, &f);
        if (f.fd >= 0)
            adopt(c, &f);
        else
            settle_ended(c, same_boot);
    } else if (starting && same_boot) {
        settle_start(c);
    } else if (c->auto_remove &&
               (c->status == DV_EXITED || (c->status == DV_CREATED && !dv_empty(c->error)))) {
        queue_erase(c);
    } else {
        if (faccessat(c->cs->run_fd, c->id, F_OK, 0) == 0)
            dv_container_clean_kernel(c); /* its end was recorded, and not yet cleaned up after */
        start_found(c);
    }
}

static int boot_row(void *arg, sqlite3_stmt *row)
{
    struct dv_strv *pairs = arg;

    return dv_strv_add(pairs, dv_row_text(row, 0)) < 0 || dv_strv_add(pairs, dv_row_text(row, 1)) < 0
               ? -DV_E_NO_MEMORY
               : 0;
}

static const char *boot_of(const struct dv_strv *pairs, const char *id)
{
    for (size_t i = 0; i + 1 < pairs->n; i += 2)
        if (dv_streq(pairs->items[i], id))
            return pairs->items[i + 1];
    return "";
}

/* From a list of our own: jobs that are queued on the way remove containers from the table. */
static int find_each_again(struct dv_containers *cs, const struct dv_strv *boots,
                           const struct dv_strv *starts, struct dv_error *err)
{
    struct dv_container **list = NULL;
    size_t n = dv_container_list(cs, &list);

    if (!list)
        return dv_fail(err, DV_E_NO_MEMORY, "read the containers");
    for (size_t i = 0; i < n; i++) {
        find_again(list[i], boot_of(boots, list[i]->id), dv_strv_has(starts, list[i]->id));
        dv_container_unref(list[i]);
    }
    free(list);
    return 0;
}

static int find_all_again(struct dv_containers *cs, struct dv_error *err)
{
    dv_autostrv starts = { 0 }, boots = { 0 };
    int r;

    r = dv_db_query(cs->engine->db, start_row, &starts, err,
                    "SELECT object FROM intents WHERE kind = 'start'", "");
    if (r == 0)
        r = dv_db_query(cs->engine->db, boot_row, &boots, err, "SELECT id, boot_id FROM containers",
                        "");
    if (r == 0)
        r = find_each_again(cs, &boots, &starts, err);
    if (r == 0) /* an earlier davitd noted creations, too */
        r = dv_db_exec(cs->engine->db, err,
                       "DELETE FROM intents WHERE kind IN ('start', 'create')", "");
    return r < 0 && !err->code ? dv_fail(err, DV_E_NO_MEMORY, "read the intents") : r;
}

/* ---- what no record names ---- */

static bool is_known(const struct dv_containers *cs, const char *id)
{
    for (size_t i = 0; i < cs->n; i++)
        if (dv_streq(cs->items[i]->id, id))
            return true;
    return false;
}

struct orphan_job {
    struct dv_containers *cs;
    char id[256];
};

/* Our mark is the place: the instance's own control group. */
static void kill_orphan(void *arg)
{
    struct orphan_job *job = arg;
    struct dv_cgroups *cgroups = job->cs->engine->cgroups;
    struct dv_error err = { 0 };

    if (dv_cgroup_kill(cgroups, job->cs->cgroup_parent, job->id, &err) < 0 ||
        dv_cgroup_remove(cgroups, job->cs->cgroup_parent, job->id, &err) < 0)
        dv_log_warn(NULL, "remove the control group of unknown container %s: %s", job->id, err.msg);
    dv_error_clear(&err);
    if (dv_remove_tree(job->cs->run_fd, job->id, &err) < 0)
        dv_log_warn(NULL, "remove the run directory of unknown container %s: %s", job->id, err.msg);
    free(job);
}

static void queue_orphan(struct dv_containers *cs, const char *id)
{
    struct orphan_job *job = calloc(1, sizeof(*job));

    if (!job)
        return; /* the next start finds it again */
    job->cs = cs;
    snprintf(job->id, sizeof(job->id), "%s", id);
    dv_log_info(NULL, "removing what is left of unknown container %s", id);
    dv_jobs_add(cs->janitor, kill_orphan, job);
}

static int list_names(int dir_fd, struct dv_strv *ret, struct dv_error *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int r = 0;

    if (!dir) {
        dv_close(fd);
        return dv_fail_errno(err, DV_E_INTERNAL, "read a containers directory");
    }
    while (r == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            r = dv_strv_add(ret, entry->d_name);
    closedir(dir);
    return r < 0 ? dv_fail(err, DV_E_NO_MEMORY, "read a containers directory") : 0;
}

/* Their files go to <root>/trash first, emptied of what lay there since an earlier start. */
static void trash_directory(struct dv_containers *cs, const char *id)
{
    char to[DV_MAX_NAME_BYTES + 64];

    if (mkdirat(cs->engine->root_fd, "trash", 0700) < 0 && errno != EEXIST)
        return;
    snprintf(to, sizeof(to), "trash/%s.%llu", id, (unsigned long long)dv_now_ns());
    if (renameat(cs->dirs_fd, id, cs->engine->root_fd, to) < 0)
        dv_log_warn(NULL, "move the directory of unknown container %s to the trash: %m", id);
}

static int remove_orphans(struct dv_containers *cs, struct dv_error *err)
{
    dv_autostrv groups = { 0 }, runs = { 0 }, dirs = { 0 };
    struct dv_error ignored = { 0 };
    int r = dv_cgroup_list(cs->engine->cgroups, cs->cgroup_parent, &groups, err);

    if (r == 0)
        r = list_names(cs->run_fd, &runs, err);
    if (r == 0)
        r = list_names(cs->dirs_fd, &dirs, err);
    for (size_t i = 0; r == 0 && i < groups.n; i++)
        if (!dv_streq(groups.items[i], shims_group) && !is_known(cs, groups.items[i]))
            queue_orphan(cs, groups.items[i]);
    for (size_t i = 0; r == 0 && i < runs.n; i++)
        if (!is_known(cs, runs.items[i]) && !dv_strv_has(&groups, runs.items[i]))
            queue_orphan(cs, runs.items[i]);
    if (r == 0 && dv_remove_tree(cs->engine->root_fd, "trash", &ignored) < 0)
        dv_log_warn(NULL, "empty the trash: %s", ignored.msg);
    for (size_t i = 0; r == 0 && i < dirs.n; i++)
        if (!is_known(cs, dirs.items[i]))
            trash_directory(cs, dirs.items[i]);
    return r;
}

static int reconcile(struct dv_containers *cs, struct dv_error *err)
{
    dv_autostrv ids = { 0 };
    int r = 0;

    for (size_t i = 0; i < cs->n; i++)
        if (dv_strv_add(&ids, cs->items[i]->id) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "reconcile");
    dv_net_reconcile(cs->engine->net, &ids);
    dv_images_reconcile(cs->engine->images, &ids);
    r = remove_orphans(cs, err);
    return r;
}

int dv_containers_open(struct dv_engine *engine, struct dv_containers **ret, struct dv_error *err)
{
    struct dv_containers *cs = calloc(1, sizeof(*cs));
    int r;

    if (!cs)
        return dv_fail(err, DV_E_NO_MEMORY, "open the container store");
    cs->engine = engine;
    cs->dirs_fd = cs->run_fd = cs->init_program_fd = cs->inotify_fd = -1;
    cs->cgroup_parent = engine->config.cgroup_parent;
    dv_lock_init(&cs->lock, DV_RANK_STORE);
    r = open_places(cs, err);
    if (r == 0)
        r = dv_container_rows_load(cs, err);
    /* Right after a fresh database nothing is known, and so nothing is an orphan. */
    if (r == 0 && !dv_db_is_fresh(engine->db))
        r = reconcile(cs, err);
    if (r == 0)
        r = find_all_again(cs, err);
    if (r < 0) {
        dv_containers_close(cs);
        return dv_wrap(err, "open the container store");
    }
    *ret = cs;
    return 0;
}

static void stop_loop(void *data)
{
    dv_loop_stop(data);
}

/* Run what was posted to the loop, and what that posts: it owns memory and references. */
static void drain_loop(struct dv_containers *cs)
{
    struct dv_error err = { 0 };

    for (int i = 0; i < 3; i++) {
        dv_loop_post(cs->engine->loop, stop_loop, cs->engine->loop);
        if (dv_loop_run(cs->engine->loop, &err) < 0)
            dv_log_warn(NULL, "close the container store: %s", err.msg);
    }
}

void dv_containers_close(struct dv_containers *cs)
{
    if (!cs)
        return;
    /* In this order: connections add jobs, jobs post to the loop. */
    drain_loop(cs);
    dv_restarts_close(cs);
    dv_shims_leave(cs);
    dv_jobs_free(cs->settle);
    dv_jobs_free(cs->releases);
    dv_jobs_free(cs->janitor);
    drain_loop(cs);
    dv_follow_close(cs);
    for (size_t i = 0; i < cs->n; i++)
        dv_container_unref(cs->items[i]);
    free(cs->items);
    free(cs->shim_path);
    for (size_t i = 0; i < cs->n_shim_procs; i++)
        dv_close(cs->shim_procs[i]);
    dv_close(cs->init_program_fd);
    dv_close(cs->dirs_fd);
    dv_close(cs->run_fd);
    dv_lock_done(&cs->lock);
    free(cs);
}
