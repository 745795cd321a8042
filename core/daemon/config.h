/* config.h - davit.ini and the command line of davitd. */
#pragma once

#include "core/daemon/engine.h"

struct dv_error;

/* One driver that the config names. */
struct dv_config_driver {
    uint32_t kind;
    char *name, *path, *sha256;      /* path, sha256: NULL unless a [plugin "x"] section gives them */
    bool chosen;
};
/* A key of a driver's own section, [storage.overlay] and the like. */
struct dv_config_option {
    uint32_t kind;
    char *driver, *key, *value;
};
struct dv_config {
    struct dv_engine_config engine;
    struct dv_config_driver *drivers;
    size_t n_drivers;
    struct dv_config_option *options;
    size_t n_options;
    char *network_drivers, *registry_drivers;  /* lists, comma-separated */
};
void dv_config_done(struct dv_config *config);

/* What the command line says; borrowed from argv. */
struct dv_config_args {
    const char *file;                /* NULL: the default file, which may be missing */
    const char *root, *run_dir, *plugin_dir;
    struct dv_strv hosts, sets;      /* -H, --set section.key=value */
};
/* Defaults, then the file, then the command line. INVALID names file, line, key and the nearest known
 * one. */
int dv_config_read(const struct dv_config_args *args, struct dv_config *ret, struct dv_error *err);
