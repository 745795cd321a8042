/* internal.h - what the files of core/plugin share: the steps of loading, in their order. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/plugin/load.h"

enum {
    DV_PLUGIN_PATH_MAX = 1024,       /* bytes of a plugin's path */
    DV_PLUGIN_STRUCT_MAX = 16 << 10, /* bytes of a table; more is a lie or another format */
    DV_PLUGIN_OPTIONS_MAX = 256,     /* rows of an option table */
    DV_PLUGIN_TEXT_MAX = 4096,       /* bytes of a string in a description */
    DV_PLUGIN_FILE_MAX = 256 << 20,  /* bytes of a plugin file */
};

/* How far a plugin came; what stands before DV_STAGE_OPTIONS turns it away as a file. */
enum dv_stage { DV_STAGE_FIND, DV_STAGE_TRUST, DV_STAGE_NOTE, DV_STAGE_PROBE, DV_STAGE_DLOPEN,
                DV_STAGE_DESCRIBE, DV_STAGE_OPTIONS, DV_STAGE_START, DV_STAGE_ACTIVE };

/* What is known of a plugin, filled as far as it came. */
struct dv_open_report {
    enum dv_stage stage;
    char path[DV_PLUGIN_PATH_MAX];
    struct dv_note note;             /* zero before DV_STAGE_PROBE */
    struct stat st;                  /* of the trusted file */
};
/* Steps 1 to 3: nothing of the plugin runs. */
int dv_plugin_examine(const struct dv_plugin_file *file, struct dv_open_report *report,
                      struct dv_error *err);
/* Steps 5 to 7, what a probe does: load and describe. ON_STAGE, unless NULL, is told before a step.
 * *RET to be given to dv_described_done(); the object stays mapped. */
struct dv_described;
int dv_plugin_load(struct dv_open_report *report, void (*on_stage)(const char *stage),
                   struct dv_described *ret, struct dv_error *err);
/* Steps 5 to 8 of a plugin that was examined. */
int dv_plugin_start(struct dv_open_report *report, const struct dv_kvs *options,
                    const struct dv_host_config *host, struct dv_driver **ret,
                    struct dv_error *err);

/* ---- trust.c: steps 1 and 2 ---- */
/* PATH of FILE, absolute; INVALID if it can be none. */
int dv_plugin_path(const struct dv_plugin_file *file, char path[DV_PLUGIN_PATH_MAX],
                   struct dv_error *err);
/* Check PATH and each directory above it. SHA256: NULL or 64 hexadecimal digits. Gives a new
 * descriptor of the file. */
int dv_plugin_trust(const char *path, const char *sha256, struct dv_error *err);

/* ---- note.c: step 3 ---- */
int dv_plugin_note_fd(int fd, const char *path, struct dv_note *ret, struct dv_error *err);
/* The same over memory: what the fuzz target drives. */
int dv_plugin_note_parse(const void *data, size_t len, const char *path, struct dv_note *ret,
                         struct dv_error *err);
/* Magic, ABI, kind and name as FILE wants them. */
int dv_plugin_note_check(const struct dv_note *note, const struct dv_plugin_file *file,
                         const char *path, struct dv_error *err);

/* ---- describe.c: steps 6 and 7 ---- */
struct dv_described {
    struct dv_plugin plugin;         /* our own zero-extended copy; ops points below */
    void *ops;                       /* owned; the same for its table */
    uintptr_t image_begin;           /* where the object is mapped */
    size_t image_bytes;
};
void dv_described_done(struct dv_described *described);
/* Leaves RET's image alone. */
int dv_plugin_describe(const struct dv_plugin *theirs, const struct dv_note *note,
                       const char *path, struct dv_described *ret, struct dv_error *err);

/* ---- options.c: step 8 ---- */
/* Table checked when it is described: names, types, defaults. */
int dv_options_check_table(const struct dv_plugin *plugin, const char *path, struct dv_error *err);
/* GIVEN completed and in canonical form, in the table's order; free with dv_options_free. SECTION
 * names the place in the config for messages ("storage.overlay"). KEY, unless NULL: the one at fault. */
int dv_options_resolve(const struct dv_plugin *plugin, const struct dv_kvs *given,
                       const char *section, struct dv_kvs *ret, char key[64],
                       struct dv_error *err);
int dv_options_copy(const struct dv_kvs *from, struct dv_kvs *ret); /* FROM may be NULL; -1: no memory */
void dv_options_free(struct dv_kvs *kvs);

/* ---- host.c: the services ---- */
struct dv_arena_block {              /* dv_host.alloc; chained from dv_call.arena */
    struct dv_arena_block *next;
    size_t size;                     /* bytes of data */
    max_align_t data[];
};
struct dv_host *dv_host_new(uint32_t kind, const char *name, const struct dv_host_config *config);
void dv_host_free(struct dv_host *host);

/* ---- kinds.c ---- */
struct dv_slot {
    const char *name;
    size_t offset;
};
struct dv_kind {
    uint32_t kind;
    const char *name;
    size_t ops_size;                 /* of this engine; 0: kind has no table yet */
    const struct dv_slot *required;  /* the last one gives the smallest table */
    size_t n_required;
};
const struct dv_kind *dv_kind_find(uint32_t kind); /* or NULL */
