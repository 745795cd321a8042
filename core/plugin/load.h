/* load.h - find, check, open and start one driver's .so (docs/plugin-abi.md, section 4). Used by
 * davitd and davit-worker; lies below both. */
#pragma once

#include <davit/plugin.h>
#include <pthread.h>

#include "core/base/error.h"
#include "core/base/str.h"

struct dv_plugin_file {          /* where a driver is looked for */
    uint32_t kind;
    const char *name;            /* file stem */
    const char *path;            /* absolute, or NULL: <plugin_dir>/<kind>/<name>.so */
    const char *plugin_dir;
    const char *sha256;          /* 64 hex to insist on, or NULL */
};
/* An active driver. OPS is the host's own zero-extended copy of the plugin's table: slots that the
 * plugin does not have are NULL. */
struct dv_driver {
    uint32_t kind;
    char *name, *version, *path;
    uint64_t caps;
    const void *ops;
    void *self;
    struct dv_host *host;        /* the service table it was given */
    const struct dv_plugin *plugin;      /* the host's own zero-extended copy */
    pthread_mutex_t *serial;             /* DV_CAP_SERIAL: held from dv_call_begin to dv_call_done */
    uintptr_t image_begin;               /* where the plugin's object is mapped */
    size_t image_bytes;
    struct dv_calls *calls;              /* its calls as the watchdog sees them; NULL: no watchdog */
};
struct dv_call_slot;
/* A call: arena, error slot, deadline. On the caller's stack. */
struct dv_call {
    struct dv_error *err;
    uint64_t deadline_ns;        /* UINT64_MAX: none */
    int cancel_fd;               /* -1: none */
    const struct dv_driver *driver;
    const char *op;              /* what is called, for messages */
    void *arena;                 /* chain of blocks */
    void (*progress)(void *arg, const char *id, uint64_t done, uint64_t total);
    void *progress_arg;
    pthread_mutex_t *serial;     /* held, or NULL */
    struct dv_call_slot *slot;   /* where the watchdog sees it, or NULL */
};
/* Begins as "= { 0 }". */
#define dv_autocall __attribute__((cleanup(dv_call_done))) struct dv_call
/* Before a call into DRIVER; OP names the operation (a literal). UNAVAILABLE with the reason while
 * an earlier call does not come back. With a DV_CAP_SERIAL driver this waits until no other call is
 * under way. The call itself stays a plain function call: the watchdog only looks at its times. */
DV_CHECK int dv_call_begin(struct dv_call *c, const struct dv_driver *driver, const char *op,
                           struct dv_error *err);
/* The same call goes on with another operation of the driver: its deadline begins anew. */
void dv_call_next(struct dv_call *c, const char *op);
/* For operations that move or delete trees: ten times the usual deadline. */
void dv_call_long(struct dv_call *c);
void dv_call_done(struct dv_call *c);
/* Turn a plugin's result into ours: 0 or -DV_E_*. A positive result, a number that is no code and a
 * failure without a recorded reason become INTERNAL "plugin 'x' misbehaved: ...". */
int dv_call_result(struct dv_call *c, int32_t result);
/* The same where 1 to MAX are answers too (dv_registry_ops.next_image: 1). */
int dv_call_result_upto(struct dv_call *c, int32_t result, int32_t max);
/* Log and record that the driver broke the contract; -DV_E_INTERNAL. */
int dv_call_misbehaved(struct dv_call *c, const char *fmt, ...) DV_PRINTF(2, 3);

/* ---- what a successful call gave, before it is read (results.c) ----
 * Whatever a result points to lies in the call's arena or is constant data of the plugin; anything
 * else may be gone by now. INTERNAL "plugin 'x' misbehaved: ..." names the member. */
struct dv_mounts;
struct dv_net_info;
struct dv_link;
DV_CHECK int dv_result_mounts(struct dv_call *c, const struct dv_mounts *mounts);
DV_CHECK int dv_result_net_info(struct dv_call *c, const struct dv_net_info *info);
DV_CHECK int dv_result_link(struct dv_call *c, const struct dv_link *link);
DV_CHECK int dv_result_kvs(struct dv_call *c, const char *member, const struct dv_kvs *kvs);
DV_CHECK int dv_result_text(struct dv_call *c, const char *member, const char *text); /* or NULL */

/* Extra services that plugins may ask for by dv_host.service(id). */
struct dv_host_service {
    const char *id;
    const void *table;
};
struct dv_host_config {
    const struct dv_host_service *services;
    size_t n_services;
    void (*event)(void *arg, const char *action, const char *id, const struct dv_kvs *attrs);
    void *event_arg;
    struct dv_watchdog *watchdog;    /* over the calls; NULL: none */
};
/* EVENT_ARG of the host that a service was called through (its `void *host`). */
void *dv_host_arg(void *host);
/* Steps 1 to 8 up to start(); each failure is one sentence naming file, found, expected, remedy.
 * OPTIONS: keys of the driver's INI section, checked against its option table (an unknown key names
 * the nearest known one) and completed with its defaults. "state_dir" (where the driver keeps its
 * data) is added by the host when it has such an option. */
DV_CHECK int dv_driver_open(const struct dv_plugin_file *file, const struct dv_kvs *options,
                            const struct dv_host_config *host, struct dv_driver **ret,
                            struct dv_error *err);
void dv_driver_close(struct dv_driver *driver); /* stop, fini; the object stays mapped */
const char *dv_kind_name(uint32_t kind);        /* "storage", ... or NULL */
int dv_kind_parse(const char *name);            /* DV_KIND_*, or -1 */
/* The ELF note of a file, without running any of it (step 3). */
DV_CHECK int dv_plugin_note(const char *path, struct dv_note *ret, struct dv_error *err);
