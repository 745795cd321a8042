/* guard.h - open a driver so that it cannot hurt the daemon: a probe before it is loaded, a mark while
 * it is initialised, a deadline over that. */
#pragma once

#include "core/plugin/internal.h"

struct dv_guard_job;

enum { DV_INIT_SECONDS = 30 };       /* for steps 5 to 8, where driver_timeout is not shorter */
struct dv_guard {
    int state_fd;                    /* directory of verdicts and marks; -1: nothing is remembered */
    char *probe;                     /* davit-plugin-probe; NULL: no probe (tests) */
    uint64_t probe_ns, init_ns;      /* deadlines */
    bool alone;                      /* no other thread opens descriptors: what is new is the plugin's */
};
struct dv_guarded {
    struct dv_driver *driver;        /* on success */
    bool quarantined, stuck;
    uint64_t since_ns;
    char complaint[200];             /* what it did wrong without failing; "" if nothing */
    struct dv_guard_job *job;        /* stuck: for dv_guard_job_done() */
};
/* Steps 1 to 8. On failure RET says which kind it was, REPORT how far it came. */
DV_CHECK int dv_guard_open(const struct dv_guard *guard, const struct dv_plugin_file *file,
                           const struct dv_kvs *options, const struct dv_host_config *host,
                           struct dv_open_report *report, struct dv_guarded *ret,
                           struct dv_error *err);
/* stop(), fini(); false, said in the log: it did not come back in the time of a start, and may yet use
 * what it was given. */
bool dv_guard_close(const struct dv_guard *guard, struct dv_driver *driver);
/* Release a job that came back after all; false: it has not. NULL is true. */
bool dv_guard_job_done(struct dv_guard_job *job);
