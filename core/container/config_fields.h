/* config_fields.h - the one table of every field of POST /containers/create, and what is done with
 * each; shared by the config_*.c files and their tests only. */
#pragma once

#include "core/base/json.h"
#include "core/container/config.h"

/* What a field of the request means to davit. */
enum dv_config_rule {
    DV_RULE_KEPT,   /* honoured: decoded into the struct, checked in config_check.c */
    DV_RULE_LATER,  /* not built yet: any value but the default is UNSUPPORTED, by name */
    DV_RULE_NEVER,  /* another platform's: any value but the default is INVALID, by name */
    DV_RULE_WARN,   /* accepted, has no effect, which a warning says */
    DV_RULE_SHOWN,  /* changes nothing by its nature (client's own, read-only); inspect shows it */
};
/* How its JSON is read. */
enum dv_config_shape {
    DV_SHAPE_STR, DV_SHAPE_BOOL, DV_SHAPE_I64, DV_SHAPE_U64, DV_SHAPE_STRV, DV_SHAPE_MAP,
    DV_SHAPE_RAW,    /* any JSON, kept as it is */
    DV_SHAPE_WORDS,  /* a list of strings; Cmd and Entrypoint also take one string */
    DV_SHAPE_OBJ,    /* nested fields of the same struct, by SUB at OFFSET */
    DV_SHAPE_LIST,   /* dv_json_array of structs, by SUB */
    DV_SHAPE_MAPOF,  /* map name -> object with the fields of SUB; decoded by hand */
    DV_SHAPE_MAPLIST, /* map name -> list of objects with the fields of SUB */
    DV_SHAPE_SET,    /* map name -> {}; decoded by hand */
    DV_SHAPE_WORDLISTS, /* a list of lists of strings; decoded by hand */
};
struct dv_config_field {
    const char *key;
    enum dv_config_shape shape;
    enum dv_config_rule rule;
    size_t offset;           /* into struct dv_config_raw, or the list's struct */
    size_t seen_offset;      /* as in dv_json_field */
    const char *unset;       /* JSON that inspect shows where nothing was asked; NULL: left out */
    const char *what;        /* LATER, NEVER, WARN: the subject of the sentence */
    const struct dv_config_field *sub;
    size_t n_sub, sub_size;
};

/* HostConfig.Mounts[] as the request has it. */
struct dv_raw_mount {
    char *type, *source, *target, *consistency;
    bool read_only;
    char *propagation, *driver, *subpath;
    json_object *labels, *options;   /* of a volume */
    bool no_copy;
    bool non_recursive, create_mountpoint, ro_non_recursive, ro_force_recursive;
    bool has_bind, has_volume, has_tmpfs, has_image;
    int64_t tmpfs_size;
    uint64_t tmpfs_mode;
    json_object *tmpfs_options;  /* [["exec"], ["uid", "1000"]] */
};
/* What the table decodes into: the result, and what is turned into it afterwards. */
struct dv_config_raw {
    struct dv_container_config c; /* first: offsets into it are offsets into this */
    struct dv_json_array ulimits, devices, mounts;
    struct dv_json_array read_bps, write_bps, read_iops, write_iops, weights;
    struct dv_strv binds;
    struct dv_json_map tmpfs;
    json_object *exposed_ports, *volumes, *endpoints, *console_size;
};
/* NetworkingConfig.EndpointsConfig.<key>. */
struct dv_raw_endpoint {
    char *ip, *ip6, *mac;
    struct dv_strv aliases;
};

extern const struct dv_config_field dv_config_root[];
extern const size_t dv_config_root_n;
extern const struct dv_config_field dv_config_endpoint[];
extern const size_t dv_config_endpoint_n;

/* The table as core/base/json reads it, in one allocation with all nested ones; NULL on no memory.
 */
struct dv_json_field *dv_config_json_fields(const struct dv_config_field *fields, size_t n,
                                            size_t *ret_n);

/* ---- config_types.c ---- */
/* Refuse a value of DOC whose type is not that of its row, where decoding would not: in what is not
 * decoded, or by hand. INVALID: "HostConfig.CpuCount: expected number, found string". */
int dv_config_types(json_object *doc, struct dv_error *err);

/* ---- config_check.c, config_mounts.c ---- */
int dv_container_config_check(const struct dv_config_raw *raw, struct dv_strv *warnings,
                    struct dv_error *err);
/* Binds, Mounts and Tmpfs into raw->c.mounts. CHECK: refuse what is wrong (a request), else take it
 * as it is (the database). */
int dv_config_mounts(struct dv_config_raw *raw, bool check, struct dv_error *err);

/* ---- config_points.c: settled mounts, as the database has them ---- */
int dv_config_points_save(const struct dv_container_config *c, json_object *doc); /* -1: no memory */
int dv_config_points_load(struct dv_config_raw *raw, json_object *body, struct dv_error *err);
