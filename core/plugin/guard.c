/* guard.c - open a driver so that it cannot hurt the daemon. */

#include "core/plugin/guard.h"

#include <pthread.h>
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/time.h"
#include "core/plugin/fds.h"
#include "core/plugin/probe.h"
#include "core/plugin/verdict.h"

/* One file under guard. */
struct subject {
    const struct dv_guard *guard;
    const char *kind, *name;
    char identity[DV_IDENTITY_BYTES];
    struct dv_verdict verdict;
    unsigned strikes;                /* starts in a row that ended in its init() */
};

/* Who ended the daemon in a plugin's init(), the plugin or a kill(1) that came just then? One strike
 * is enough for a file that never came back from init(), so that a crash loop ends after one turn; one
 * that always did has more, so that no kill costs a good driver. */
enum { STRIKES_OF_A_KNOWN_FILE = 3 };

/* ---- steps 5 to 8 in a thread that may be left behind ---- */

/* Owned by the opener, unless it gave up waiting: then by whoever keeps it (dv_guarded.job). */
struct dv_guard_job {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, abandoned;            /* under lock */
    int state_fd;
    char *kind, *name;
    struct dv_kvs options;           /* copies */
    struct dv_host_config host;
    struct dv_open_report report;
    struct dv_driver *driver;
    struct dv_error err;
    int result;
};

static void job_free(struct dv_guard_job *job)
{
    dv_options_free(&job->options);
    free(job->kind);
    free(job->name);
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

static struct dv_guard_job *job_new(const struct subject *s, const struct dv_open_report *report,
                                    const struct dv_kvs *options,
                                    const struct dv_host_config *host)
{
    struct dv_guard_job *job = calloc(1, sizeof(*job));
    pthread_condattr_t attr;

    if (!job)
        return NULL;
    pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&job->changed, &attr);
    pthread_condattr_destroy(&attr);
    job->state_fd = s->guard->state_fd;
    job->kind = dv_strdup(s->kind);
    job->name = dv_strdup(s->name);
    job->report = *report;
    if (host)
        job->host = *host;
    if (!job->kind || !job->name || dv_options_copy(options, &job->options) < 0) {
        job_free(job);
        return NULL;
    }
    return job;
}

/* Nobody waits any more: what it made is of no use. */
static void came_back_late(struct dv_guard_job *job)
{
    dv_verdict_unmark(job->state_fd, job->kind, job->name);
    dv_log_info(NULL, "%s driver '%s' came back from its start after all (%s); `davit plugin retry %s` "
                      "takes it", job->kind, job->name,
                job->result < 0 ? job->err.msg : "it succeeded", job->name);
    dv_driver_close(job->driver);
    job->driver = NULL;
}

static void *run_job(void *arg)
{
    struct dv_guard_job *job = arg;

    job->result = dv_plugin_start(&job->report, &job->options, &job->host, &job->driver,
                                  &job->err);
    pthread_mutex_lock(&job->lock);
    if (job->abandoned)
        came_back_late(job);
    job->done = true;
    pthread_cond_signal(&job->changed);
    pthread_mutex_unlock(&job->lock);
    return NULL;
}

bool dv_guard_job_done(struct dv_guard_job *job)
{
    bool done;

    if (!job)
        return true;
    pthread_mutex_lock(&job->lock);
    done = job->done;
    pthread_mutex_unlock(&job->lock);
    if (done)
        job_free(job);
    return done;
}

/* True: it came back in time. */
static bool wait_job(struct dv_guard_job *job, uint64_t limit_ns)
{
    uint64_t until = dv_mono_ns() + limit_ns;
    struct timespec t = { (time_t)(until / 1000000000), (long)(until % 1000000000) };
    int r = 0;

    pthread_mutex_lock(&job->lock);
    while (!job->done && r == 0)
        r = pthread_cond_timedwait(&job->changed, &job->lock, &t);
    job->abandoned = !job->done;
    pthread_mutex_unlock(&job->lock);
    return !job->abandoned;
}

static int run_guarded(const struct subject *s, struct dv_guard_job *job,
                       struct dv_open_report *report, struct dv_guarded *ret, struct dv_error *err)
{
    pthread_t thread;
    int r = pthread_create(&thread, NULL, run_job, job);

    if (r != 0) {
        errno = r;
        job_free(job);
        return dv_fail_errno(err, DV_E_INTERNAL, "start a thread for plugin '%s'", s->name);
    }
    if (!wait_job(job, s->guard->init_ns)) {
        pthread_detach(thread);
        ret->stuck = true;
        ret->job = job;
        return dv_fail(err, DV_E_TIMEOUT, "plugin %s has not come back from its start (init) for "
                       "%llu s: see its own log, then restart davitd, or `davit plugin retry %s` "
                       "once it came back",
                       report->path, (unsigned long long)(s->guard->init_ns / 1000000000), s->name);
    }
    pthread_join(thread, NULL);
    *report = job->report;
    *err = job->err;
    ret->driver = job->driver;
    r = job->result;
    job_free(job);
    return r;
}

/* ---- before and after ---- */

static int check_quarantine(struct subject *s, const char *path, struct dv_guarded *ret,
                            struct dv_error *err)
{
    const struct dv_guard *g = s->guard;
    char when[DV_TIME_TEXT_BYTES];
    uint64_t marked_ns = 0;

    dv_verdict_read(g->state_fd, s->kind, s->name, s->identity, &s->verdict);
    s->strikes = dv_verdict_marked(g->state_fd, s->kind, s->name, s->identity, &marked_ns);
    if (s->strikes >= (s->verdict.initialised ? STRIKES_OF_A_KNOWN_FILE : 1U)) {
        dv_time_format(marked_ns, when);
        s->verdict = (struct dv_verdict){ .state = DV_VERDICT_QUARANTINED, .time_ns = dv_now_ns() };
        snprintf(s->verdict.reason, sizeof(s->verdict.reason),
                 "plugin %s: davitd died while it was in init(), at %s", path, when);
        dv_verdict_write(g->state_fd, s->kind, s->name, s->identity, &s->verdict);
        dv_verdict_unmark(g->state_fd, s->kind, s->name);
    }
    if (s->verdict.state != DV_VERDICT_QUARANTINED) {
        if (s->strikes)
            dv_log_warn(NULL, "davitd ended while %s driver '%s' was in init(); it is tried again, %d "
                              "such ends in a row quarantine it", s->kind, s->name,
                        STRIKES_OF_A_KNOWN_FILE);
        return 0;
    }
    ret->quarantined = true;
    ret->since_ns = s->verdict.time_ns;
    return dv_fail(err, DV_E_UNAVAILABLE, "%s; it is left alone until the file changes or `davit "
                   "plugin retry %s`", s->verdict.reason, s->name);
}

/* Step 4, unless this very file was found good before. */
static int probe(struct subject *s, const char *path, struct dv_guarded *ret, struct dv_error *err)
{
    const struct dv_probe p = { .program = s->guard->probe, .kind = s->kind, .name = s->name,
                                .path = path, .limit_ns = s->guard->probe_ns };
    struct dv_probe_result result = { 0 };
    bool broke;
    int r;

    if (!p.program || s->verdict.state == DV_VERDICT_GOOD)
        return 0;
    r = dv_probe_run(&p, &result, err);
    broke = result.broke;
    dv_probe_result_done(&result);
    if (r < 0 && !broke)
        return r;
    s->verdict = (struct dv_verdict){ .state = r < 0 ? DV_VERDICT_QUARANTINED : DV_VERDICT_GOOD,
                                      .time_ns = dv_now_ns() };
    if (r < 0)
        snprintf(s->verdict.reason, sizeof(s->verdict.reason), "%.*s",
                 (int)sizeof(s->verdict.reason) - 1, err->msg);
    dv_verdict_write(s->guard->state_fd, s->kind, s->name, s->identity, &s->verdict);
    return r < 0 ? check_quarantine(s, path, ret, err) : 0;
}

/* Descriptors that a start left behind; see docs/plugin-abi.md, section 5. */
static void look_for_leaks(const struct subject *s, struct dv_fds *before, int result,
                           struct dv_guarded *ret)
{
    char left[140];

    if (!s->guard->alone)
        return;
    if (result < 0 && dv_fds_added(before, left, sizeof(left)) > 0)
        snprintf(ret->complaint, sizeof(ret->complaint),
                 "it left descriptor %s open when its start failed", left);
    if (result == 0 && dv_fds_inheritable(before, left, sizeof(left)) > 0)
        snprintf(ret->complaint, sizeof(ret->complaint),
                 "it left descriptor %s open without close-on-exec", left);
    if (ret->complaint[0])
        dv_log_warn(NULL, "plugin '%s' misbehaved: %s", s->name, ret->complaint);
}

static int start(struct subject *s, const struct dv_kvs *options, const struct dv_host_config *host,
                 struct dv_open_report *report, struct dv_guarded *ret, struct dv_error *err)
{
    struct dv_guard_job *job = job_new(s, report, options, host);
    struct dv_fds before;
    int r;

    if (!job)
        return dv_fail(err, DV_E_NO_MEMORY, "plugin %s: out of memory", report->path);
    dv_fds_list(&before);
    /* A file that came back from init() once needs no mark that survives the machine's crash. */
    dv_verdict_mark(s->guard->state_fd, s->kind, s->name, s->identity, s->strikes,
                    !s->verdict.initialised);
    r = run_guarded(s, job, report, ret, err);
    if (ret->stuck)
        return r; /* the mark stays: should it kill us yet, the next start knows */
    dv_verdict_unmark(s->guard->state_fd, s->kind, s->name);
    look_for_leaks(s, &before, r, ret);
    if (s->verdict.state == DV_VERDICT_GOOD && !s->verdict.initialised) {
        s->verdict.initialised = true;
        dv_verdict_write(s->guard->state_fd, s->kind, s->name, s->identity, &s->verdict);
    }
    return r;
}

int dv_guard_open(const struct dv_guard *guard, const struct dv_plugin_file *file,
                  const struct dv_kvs *options, const struct dv_host_config *host,
                  struct dv_open_report *report, struct dv_guarded *ret, struct dv_error *err)
{
    struct subject s = { .guard = guard, .name = file->name };
    int r;

    *ret = (struct dv_guarded){ .since_ns = dv_now_ns() };
    r = dv_plugin_examine(file, report, err);
    if (r < 0)
        return r;
    s.kind = dv_kind_name(file->kind);
    dv_verdict_identity(&report->st, s.identity);
    r = check_quarantine(&s, report->path, ret, err);
    if (r == 0)
        r = probe(&s, report->path, ret, err);
    return r < 0 ? r : start(&s, options, host, report, ret, err);
}

/* ---- the end ---- */

static void *run_close(void *driver)
{
    dv_driver_close(driver);
    return NULL;
}

bool dv_guard_close(const struct dv_guard *guard, struct dv_driver *driver)
{
    uint64_t until = dv_now_ns() + guard->init_ns;
    struct timespec t = { (time_t)(until / 1000000000), (long)(until % 1000000000) };
    dv_autofree char *name = dv_strdup(driver->name);
    pthread_t thread;

    if (pthread_create(&thread, NULL, run_close, driver) != 0) {
        dv_driver_close(driver);
        return true;
    }
    /* Not pthread_clockjoin_np(): ThreadSanitizer does not know it, and tells of a leak. */
    if (pthread_timedjoin_np(thread, NULL, &t) == 0)
        return true;
    pthread_detach(thread);
    dv_log_error(NULL, "driver '%s' has not come back from its stop for %llu s: it is left behind",
                 name ? name : "?", (unsigned long long)(guard->init_ns / 1000000000));
    return false;
}
