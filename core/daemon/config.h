/* config.h - davit.ini and the command line of davitd. */
#pragma once

#include "core/daemon/engine.h"

struct dv_error;
struct dv_kv;

/* One driver that the config names. */
struct dv_config_driver {
    uint32_t kind;
    char *name, *path, *sha256;      /* path, sha256: NULL unless a [plugin "x"] section gives them */
    bool chosen;
    int line;                        /* where the file first names it; 0: it does not */
};
/* A key of a driver's own section, [storage.overlay] and the like. */
struct dv_config_option {
    uint32_t kind;
    char *driver, *key, *value;
    int line;                        /* of the file, or 0 */
};
struct dv_config {
    struct dv_engine_config engine;
    struct dv_config_driver *drivers;
    size_t n_drivers;
    struct dv_config_option *options;
    size_t n_options;
    char *network_drivers, *registry_drivers;  /* lists, comma-separated */
    char *file;                      /* that was read; NULL: none */
    int line;                        /* of the entry being read, 0 for the command line */
};
void dv_config_done(struct dv_config *config);

/* What the command line says; borrowed from argv. */
struct dv_config_args {
    const char *file;                /* NULL: the default file, which may be missing */
    const char *root, *run_dir, *plugin_dir;
    struct dv_strv hosts, sets;      /* -H, --set section.key=value */
    /* Unless NULL: told of each mistake of the file, which is read to its end then. */
    void (*mistake)(const char *text);
};
/* Defaults, then the file, then the command line. INVALID names file, line, key and the nearest known
 * one. */
int dv_config_read(const struct dv_config_args *args, struct dv_config *ret, struct dv_error *err);

/* The keys of D's own section into OUT, with room for MAX, and the two that only the engine knows:
 * STATE_DIR for a storage driver, whose links they are for the bridge. Borrowed. How many. */
size_t dv_config_options(const struct dv_config *config, const struct dv_config_driver *d,
                         const char *state_dir, struct dv_kv *out, size_t max);

/* davitd --check-config: print all that is wrong with the config and with each driver that it names
 * (loaded and described in a process of its own); the exit code. */
int dv_config_check(struct dv_config_args *args);
