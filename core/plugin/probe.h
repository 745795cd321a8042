/* probe.h - step 4: a plugin is loaded and described in a process of its own (davit-plugin-probe)
 * first, so that one which crashes or hangs there hurts nobody. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/json.h"
#include "core/plugin/load.h"

enum { DV_PROBE_FD = 3,              /* where davit-plugin-probe reports */
       DV_PROBE_SECONDS = 10 };      /* its time, where the config's driver_timeout is not shorter */
/* Lines that it writes there: "stage NAME" before each step, last "done {...}". */
#define DV_PROBE_STAGE "stage "
#define DV_PROBE_DONE "done "

struct dv_probe {
    const char *program;             /* davit-plugin-probe */
    const char *kind, *name, *path;  /* of a file that passed steps 1 to 3 */
    const struct dv_kvs *options;    /* NULL: not checked */
    uint64_t limit_ns;
    bool show_output;                /* what the plugin prints goes to our stderr */
};
struct dv_probe_result {
    bool broke;                      /* it died or hung, and would have done so to us */
    char stage[24];                  /* the last it began */
    char *key;                       /* option at fault, or NULL; owned */
    json_object *description;        /* what it says of itself; NULL before step 7 passed; owned */
};
/* 0: good. Else why not, in one sentence; RESULT->broke tells which kind of failure. */
DV_CHECK int dv_probe_run(const struct dv_probe *probe, struct dv_probe_result *result,
                          struct dv_error *err);
/* Steps 1 to 7 of FILE in this way, and OPTIONS against its table. PATH: where it lies, as far as it is
 * known. */
DV_CHECK int dv_probe_file(const char *program, const struct dv_plugin_file *file,
                           const struct dv_kvs *options, char path[1024],
                           struct dv_probe_result *result, struct dv_error *err);
void dv_probe_result_done(struct dv_probe_result *result);

/* The names of CAPS' bits: ["serial", "native-diff"]; new reference, NULL on no memory. */
json_object *dv_caps_names(uint32_t kind, uint64_t caps);
