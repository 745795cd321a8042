/* engine.h - the one object that all state of a davitd hangs from. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

struct dv_cgroups;
struct dv_containers;
struct dv_db;
struct dv_drivers;
struct dv_events;
struct dv_images;
struct dv_leases;
struct dv_loop;
struct dv_net;
struct dv_volumes;

/* What config file and command line say; immutable after start. */
struct dv_engine_config {
    char *root, *run_dir, *plugin_dir, *libexec_dir; /* absolute */
    struct dv_strv hosts;                            /* "unix:///run/davit.sock" */
    char *storage_driver, *builder_driver, *log_level;
    char *userns_remap;                              /* "" none, "auto", or a name of /etc/subuid */
    char *instance;                                  /* "" for the default root, else 6 letters */
    char *bridge_name, *default_pool, *nft_table, *cgroup_parent;
    int64_t driver_timeout_s;                        /* of a driver's call */
    bool favordynmods;
    bool drop_blobs;                                 /* of layers that are unpacked */
    int64_t log_max_bytes, log_max_files, netns_pool, max_connections;
};
struct dv_engine {
    struct dv_engine_config config;
    struct dv_loop *loop;
    struct dv_db *db;
    struct dv_drivers *drivers;
    struct dv_cgroups *cgroups;
    struct dv_net *net;
    struct dv_leases *leases;                        /* of containers' writable layers */
    struct dv_images *images;
    struct dv_volumes *volumes;
    struct dv_containers *containers;
    struct dv_events *events;
    int root_fd, run_fd, lock_fd, favordynmods_fd, signal_fd;
    atomic_bool stopping_containers;                 /* STOPPER runs or has ended */
    atomic_bool leave_kernel;                        /* at close: bridges, tables, groups go too */
    pthread_t stopper;                               /* for the loop's thread */
    uint64_t started_ns;
    char id[65];                                     /* /info ID */
    bool favordynmods_on;
    char *storage_driver;                            /* the first active of the config's list */
    struct dv_strv warnings;                         /* /info Warnings */
};
/* A driver (struct dv_driver) that a retry made active: compare it with the database. ENGINE is a
 * struct dv_engine: a dv_adopt_fn. */
struct dv_driver;
void dv_engine_adopt(void *engine, struct dv_driver *driver);
/* Ask the daemon to end: API's system shutdown (STOP_CONTAINERS) or a signal. Any thread. */
void dv_engine_stop(struct dv_engine *engine, bool stop_containers);
