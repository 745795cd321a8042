/* drivers.c - the drivers of one process: what was asked for and what became of it. */

#include "core/plugin/drivers.h"

#include <pthread.h>
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/time.h"
#include "core/plugin/guard.h"
#include "core/plugin/internal.h"
#include "core/plugin/probe.h"
#include "core/plugin/verdict.h"
#include "core/plugin/watch.h"

#define SECOND_NS UINT64_C(1000000000)
enum { MAX_DRIVERS = 128 };

struct entry {
    /* Immutable: what was asked for, so that it can be asked for again. */
    uint32_t kind;
    char *name, *wanted_path, *sha256;
    struct dv_kvs options;
    /* Under the lock from here. */
    char *path, *reason;
    char version[32], complaint[200];
    enum dv_driver_state state;
    uint64_t since_ns;
    struct dv_driver *driver;        /* while active */
    struct dv_guard_job *job;        /* of a start that did not come back */
    bool busy;                       /* a retry is under way */
};
struct dv_drivers {
    char *plugin_dir;
    struct dv_host_config host;
    struct dv_guard guard;
    struct dv_watchdog *watchdog;
    pthread_mutex_t lock;            /* innermost; never held over a plugin's code */
    struct entry entries[MAX_DRIVERS];
    size_t n;                        /* only grows, at the start */
    struct dv_drivers *next_left;
};

/* For the leak check's eyes alone. */
static struct dv_drivers *left_behind;

const char *dv_driver_state_name(enum dv_driver_state state)
{
    static const char *const names[] = {
        [DV_DRIVER_ACTIVE] = "active",           [DV_DRIVER_REJECTED] = "rejected",
        [DV_DRIVER_FAILED] = "failed",           [DV_DRIVER_QUARANTINED] = "quarantined",
        [DV_DRIVER_STUCK] = "stuck",
    };

    return (size_t)state < N(names) ? names[state] : "unknown";
}

static uint64_t at_most(uint64_t ns, uint64_t seconds)
{
    return ns < seconds * SECOND_NS ? ns : seconds * SECOND_NS;
}

int dv_drivers_new(const char *plugin_dir, struct dv_drivers **ret, struct dv_error *err)
{
    const uint64_t timeout = DV_CALL_SECONDS * SECOND_NS;
    struct dv_drivers *ds = calloc(1, sizeof(*ds));

    if (ds)
        ds->plugin_dir = dv_strdup(plugin_dir);
    if (!ds || (plugin_dir && !ds->plugin_dir)) {
        free(ds);
        return dv_fail(err, DV_E_NO_MEMORY, "table of drivers: out of memory");
    }
    pthread_mutex_init(&ds->lock, NULL);
    ds->guard = (struct dv_guard){ .state_fd = -1, .init_ns = at_most(timeout, DV_INIT_SECONDS) };
    *ret = ds;
    return 0;
}

int dv_drivers_set_guard(struct dv_drivers *ds, const struct dv_drivers_guard *guard,
                         struct dv_error *err)
{
    uint64_t timeout = guard->timeout_ns ? guard->timeout_ns : DV_CALL_SECONDS * SECOND_NS;

    ds->guard = (struct dv_guard){
        .state_fd = guard->state_fd,
        .probe = dv_strdup(guard->probe),
        .probe_ns = at_most(timeout, DV_PROBE_SECONDS),
        .init_ns = at_most(timeout, DV_INIT_SECONDS),
        .alone = true,
    };
    ds->watchdog = dv_watchdog_new(timeout);
    if (!ds->guard.probe || !ds->watchdog)
        return dv_fail(err, DV_E_NO_MEMORY, "table of drivers: out of memory");
    return 0;
}

void dv_drivers_set_host(struct dv_drivers *ds, const struct dv_host_config *host)
{
    ds->host = *host;
}

/* False: something of it may still run. */
static bool entry_done(struct entry *e, const struct dv_guard *guard)
{
    struct dv_calls_info calls;

    if (e->job) {
        /* We end in good order, so it did not kill us. */
        dv_verdict_unmark(guard->state_fd, dv_kind_name(e->kind), e->name);
        if (!dv_guard_job_done(e->job))
            return false;
    }
    if (e->driver) {
        dv_calls_info(e->driver->calls, &calls);
        if (calls.stuck || !dv_guard_close(guard, e->driver))
            return false;
    }
    free(e->name);
    free(e->wanted_path);
    free(e->sha256);
    dv_options_free(&e->options);
    free(e->path);
    free(e->reason);
    return true;
}

void dv_drivers_free(struct dv_drivers *ds)
{
    bool all_done = true;

    if (!ds)
        return;
    /* Last started, first stopped. */
    for (size_t i = ds->n; i-- > 0;)
        all_done = entry_done(&ds->entries[i], &ds->guard) && all_done;
    dv_close(ds->guard.state_fd);
    if (!all_done) { /* what is stuck may yet use it; the process ends soon */
        ds->next_left = left_behind;
        left_behind = ds;
        return;
    }
    dv_watchdog_free(ds->watchdog);
    free(ds->guard.probe);
    free(ds->plugin_dir);
    pthread_mutex_destroy(&ds->lock);
    free(ds);
}

static struct entry *find(struct dv_drivers *ds, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < ds->n; i++)
        if (ds->entries[i].kind == kind && dv_streq(ds->entries[i].name, name))
            return &ds->entries[i];
    return NULL;
}

/* ---- loading ---- */

static struct dv_plugin_file file_of(const struct dv_drivers *ds, const struct entry *e)
{
    return (struct dv_plugin_file){ .kind = e->kind, .name = e->name, .path = e->wanted_path,
                                    .plugin_dir = ds->plugin_dir, .sha256 = e->sha256 };
}

static enum dv_driver_state failure_state(const struct dv_guarded *g, enum dv_stage stage)
{
    if (g->stuck)
        return DV_DRIVER_STUCK;
    if (g->quarantined)
        return DV_DRIVER_QUARANTINED;
    return stage < DV_STAGE_OPTIONS ? DV_DRIVER_REJECTED : DV_DRIVER_FAILED;
}

/* What became of it, for others to see. */
static void publish(struct dv_drivers *ds, struct entry *e, const struct dv_open_report *report,
                    const struct dv_guarded *g, int result, const struct dv_error *err)
{
    char *path = dv_strdup(report->path), *reason = result < 0 ? dv_strdup(err->msg) : NULL;

    pthread_mutex_lock(&ds->lock);
    free(e->path);
    free(e->reason);
    e->path = path;
    e->reason = reason;
    memcpy(e->version, report->note.version, sizeof(e->version)); /* terminated: note.c checks it */
    memcpy(e->complaint, g->complaint, sizeof(e->complaint));
    e->state = result < 0 ? failure_state(g, report->stage) : DV_DRIVER_ACTIVE;
    e->since_ns = g->since_ns ? g->since_ns : dv_now_ns();
    e->driver = g->driver;
    e->job = g->job;
    pthread_mutex_unlock(&ds->lock);
    if (result < 0)
        dv_log_error(NULL, "%s driver '%s' is %s: %s",
                     dv_kind_name(e->kind) ? dv_kind_name(e->kind) : "?", e->name,
                     dv_driver_state_name(e->state), err->msg);
}

static int open_entry(struct dv_drivers *ds, const struct entry *e, struct dv_open_report *report,
                      struct dv_guarded *ret, struct dv_error *err)
{
    const struct dv_plugin_file file = file_of(ds, e);
    struct dv_host_config host = ds->host;

    host.watchdog = ds->watchdog;
    return dv_guard_open(&ds->guard, &file, &e->options, &host, report, ret, err);
}

/* A new entry with a copy of what was asked for; NULL: no memory, or too many. */
static struct entry *entry_new(struct dv_drivers *ds, const struct dv_plugin_file *file,
                               const struct dv_kvs *options)
{
    struct entry *e = &ds->entries[ds->n];

    if (ds->n == MAX_DRIVERS)
        return NULL;
    *e = (struct entry){ .kind = file->kind, .name = dv_strdup(file->name),
                         .wanted_path = dv_strdup(file->path),
                         .sha256 = dv_strdup(file->sha256) };
    if (!e->name || (file->path && !e->wanted_path) || (file->sha256 && !e->sha256) ||
        dv_options_copy(options, &e->options) < 0) {
        (void)entry_done(e, &ds->guard);
        return NULL;
    }
    return e;
}

void dv_drivers_add(struct dv_drivers *ds, const struct dv_plugin_file *file,
                    const struct dv_kvs *options)
{
    const struct entry *taken = find(ds, file->kind, file->name);
    struct dv_open_report report = { 0 };
    struct dv_guarded guarded = { 0 };
    struct dv_error err = { 0 };
    struct entry *e;
    int r;

    if (taken && taken->path && file->path && dv_streq(taken->path, file->path))
        return; /* named twice, meant once */
    e = entry_new(ds, file, options);
    if (!e) {
        dv_log_error(NULL, "driver '%s' is left out: %d drivers are the limit, or memory is short",
                     file->name, MAX_DRIVERS);
        return;
    }
    if (taken) {
        const struct dv_plugin_file f = file_of(ds, e);

        (void)dv_plugin_path(&f, report.path, &err);
        r = dv_fail(&err, DV_E_CONFLICT, "plugin %s: the name '%s' is taken by %s: rename one",
                    report.path, f.name,
                    taken->path && *taken->path ? taken->path : "an earlier one");
    } else {
        r = open_entry(ds, e, &report, &guarded, &err);
    }
    publish(ds, e, &report, &guarded, r, &err);
    ds->n++;
}

/* ---- retry ---- */

/* Under the lock. Why E cannot be tried again now. */
static int may_retry(struct dv_drivers *ds, struct entry *e, struct dv_error *err)
{
    struct dv_calls_info calls = { 0 };

    if (find(ds, e->kind, e->name) != e)
        return dv_fail(err, DV_E_CONFLICT, "%s", e->reason ? e->reason : "its name is taken");
    if (e->busy)
        return dv_fail(err, DV_E_CONFLICT, "driver '%s' is being tried already", e->name);
    if (e->driver)
        dv_calls_info(e->driver->calls, &calls);
    if (calls.stuck)
        return dv_fail(err, DV_E_CONFLICT, "driver '%s' is stuck: %s", e->name, calls.why);
    if (e->state == DV_DRIVER_ACTIVE)
        return dv_fail(err, DV_E_CONFLICT, "driver '%s' is active", e->name);
    if (!dv_guard_job_done(e->job))
        return dv_fail(err, DV_E_CONFLICT, "driver '%s' is still at its start: restart davitd to "
                       "be rid of it, containers go on meanwhile", e->name);
    e->job = NULL;
    e->busy = true;
    return 0;
}

int dv_drivers_retry(struct dv_drivers *ds, const char *name, dv_adopt_fn *adopt, void *arg,
                     struct dv_error *err)
{
    struct dv_open_report report = { 0 };
    struct dv_guarded guarded = { 0 };
    struct entry *e;
    size_t i;
    int r = dv_drivers_find(ds, name, &i, err);

    if (r < 0)
        return r;
    e = &ds->entries[i];
    pthread_mutex_lock(&ds->lock);
    r = may_retry(ds, e, err);
    pthread_mutex_unlock(&ds->lock);
    if (r < 0)
        return r;
    ds->guard.alone = false; /* requests open descriptors meanwhile */
    dv_verdict_forget(ds->guard.state_fd, dv_kind_name(e->kind), e->name);
    r = open_entry(ds, e, &report, &guarded, err);
    if (r == 0 && adopt)
        adopt(arg, guarded.driver);
    publish(ds, e, &report, &guarded, r, err);
    pthread_mutex_lock(&ds->lock);
    e->busy = false;
    pthread_mutex_unlock(&ds->lock);
    return r;
}

/* ---- asking ---- */

int dv_drivers_get(struct dv_drivers *ds, uint32_t kind, const char *name, struct dv_driver **ret,
                   struct dv_error *err)
{
    const char *kind_name = dv_kind_name(kind);
    struct entry *e = find(ds, kind, name);
    int r = 0;

    if (!e)
        return dv_fail(err, DV_E_NOT_FOUND, "no %s driver '%s' is configured",
                       kind_name ? kind_name : "?", name);
    pthread_mutex_lock(&ds->lock);
    if (e->state == DV_DRIVER_ACTIVE)
        *ret = e->driver;
    else
        r = dv_fail(err, DV_E_UNAVAILABLE, "%s driver '%s' is not active: %s", kind_name, name,
                    e->reason ? e->reason : "out of memory while it was loaded");
    pthread_mutex_unlock(&ds->lock);
    if (r == 0 && dv_calls_stuck((*ret)->calls, err))
        r = -err->code;
    return r;
}

struct dv_driver *dv_drivers_at(struct dv_drivers *ds, size_t i, uint32_t kind)
{
    struct dv_error ignored = { 0 };
    struct dv_driver *driver = NULL;

    if (i >= ds->n || ds->entries[i].kind != kind ||
        find(ds, kind, ds->entries[i].name) != &ds->entries[i] ||
        dv_drivers_get(ds, kind, ds->entries[i].name, &driver, &ignored) < 0)
        return NULL;
    return driver;
}

size_t dv_drivers_count(const struct dv_drivers *ds)
{
    return ds->n;
}

int dv_drivers_find(struct dv_drivers *ds, const char *name, size_t *ret, struct dv_error *err)
{
    const char *slash = strchr(name, '/'), *rest = slash ? slash + 1 : name;
    const struct entry *found = NULL;

    for (size_t i = 0; i < ds->n; i++) {
        const struct entry *e = &ds->entries[i];
        const char *kind = dv_kind_name(e->kind);

        if (!dv_streq(e->name, rest) ||
            (slash && (!kind || strncmp(kind, name, (size_t)(slash - name)) != 0 ||
                       kind[slash - name])))
            continue;
        if (found && found->kind != e->kind)
            return dv_fail(err, DV_E_INVALID, "'%s' names two drivers: write %s/%s or %s/%s", name,
                           dv_kind_name(found->kind), name, kind, name);
        if (!found)
            *ret = i;
        found = found ? found : e;
    }
    return found ? 0 : dv_fail(err, DV_E_NOT_FOUND, "no driver '%s' is configured; `davit plugin ls` "
                               "lists them", name);
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

void dv_drivers_info(const struct dv_drivers *const_ds, size_t i, struct dv_driver_info *ret)
{
    struct dv_drivers *ds = (struct dv_drivers *)const_ds; /* but for its lock it stays as it is */
    struct entry *e = &ds->entries[i];
    struct dv_calls_info calls = { 0 };

    *ret = (struct dv_driver_info){ .kind = e->kind };
    copy(ret->name, sizeof(ret->name), e->name);
    pthread_mutex_lock(&ds->lock);
    ret->state = e->state;
    ret->since_ns = e->since_ns;
    memcpy(ret->version, e->version, sizeof(ret->version));
    memcpy(ret->complaint, e->complaint, sizeof(ret->complaint));
    copy(ret->path, sizeof(ret->path), e->path);
    copy(ret->reason, sizeof(ret->reason), e->reason);
    if (e->driver) {
        ret->caps = e->driver->caps;
        ret->plugin = e->driver->plugin;
        dv_calls_info(e->driver->calls, &calls);
    }
    pthread_mutex_unlock(&ds->lock);
    ret->calls = calls.total;
    ret->under_way = calls.under_way;
    if (calls.complaint[0])
        copy(ret->complaint, sizeof(ret->complaint), calls.complaint);
    if (calls.stuck) {
        ret->state = DV_DRIVER_STUCK;
        ret->since_ns = calls.since_ns;
        copy(ret->reason, sizeof(ret->reason), calls.why);
    }
}
