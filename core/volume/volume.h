/* volume.h - volumes: named and anonymous directories that outlive the containers that use them.
 *
 * The driver is `local`: the files of a volume lie in <root>/volumes/<name>/_data. Which containers
 * use a volume is in the database, and changes with their rows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/str.h"

struct dv_db;
struct dv_volumes;

enum { DV_VOLUME_NAME_BYTES = 256 };

struct dv_volumes_config {
    int root_fd;                     /* of the engine's state directory */
    const char *root;                /* its absolute path */
    struct dv_db *db;
    /* A volume was made ("create") or is gone ("destroy"). */
    void (*event)(void *arg, const char *action, const char *name);
    void *event_arg;
};
/* Undoes what a kill left half done. Before the containers are opened. */
DV_CHECK int dv_volumes_open(const struct dv_volumes_config *config, struct dv_volumes **ret,
                             struct dv_error *err);
void dv_volumes_close(struct dv_volumes *vs);

/* ---- one volume ---- */

struct dv_volume_req {
    const char *name;                /* NULL or "": an anonymous one, with a random name */
    const char *driver;              /* NULL or "": local */
    const char *labels_json, *options_json; /* JSON objects; NULL: none were given */
    const char *container_id;        /* who will use it, recorded with it; NULL: nobody yet */
};
/* Find or make it; what exists is kept as it is. A named one is durable on return. INVALID for a
 * name or an option, NOT_FOUND for a driver, UNSUPPORTED for what `local` does not do yet. */
DV_CHECK int dv_volume_create(struct dv_volumes *vs, const struct dv_volume_req *req,
                              char ret_name[DV_VOLUME_NAME_BYTES], struct dv_error *err);

struct dv_volume_view {
    char name[DV_VOLUME_NAME_BYTES];
    char *driver, *path, *labels_json, *options_json; /* "null" where none were given */
    uint64_t created_ns;
    bool anonymous;
    size_t n_uses;
};
void dv_volume_view_done(struct dv_volume_view *view);
void dv_volume_views_free(struct dv_volume_view *list, size_t n);
/* NOT_FOUND "get x: no such volume". */
DV_CHECK int dv_volume_look(struct dv_volumes *vs, const char *name, struct dv_volume_view *ret,
                            struct dv_error *err);
DV_CHECK int dv_volume_list(struct dv_volumes *vs, struct dv_volume_view **ret, size_t *ret_n,
                            struct dv_error *err);
/* CONFLICT while a container uses it. FORCE: 0 also where there is none. */
DV_CHECK int dv_volume_remove(struct dv_volumes *vs, const char *name, bool force,
                              struct dv_error *err);
/* Bytes of its files on disk; -1 if they cannot be counted. */
int64_t dv_volume_size(struct dv_volumes *vs, const char *name);
/* <root>/volumes/<name>/_data; NULL on no memory. Caller frees. */
char *dv_volume_path(const struct dv_volumes *vs, const char *name);

/* ---- for containers ---- */

/* Inside the caller's transaction: CONTAINER_ID uses nothing any more. ANONYMOUS: anonymous volumes
 * that nobody else uses go with it; their names are added to GONE. */
DV_CHECK int dv_volumes_release(struct dv_volumes *vs, const char *container_id, bool anonymous,
                                struct dv_strv *gone, struct dv_error *err);
/* After that was committed: the files of GONE. */
void dv_volumes_discard(struct dv_volumes *vs, const struct dv_strv *gone);

/* The first files of an empty volume: 1 and a directory in *RET_FD to be filled (new), then
 * dv_volume_filled(); 0: it has files, or nothing is to be done. One at a time for each volume. Where
 * no other container has the volume, its files appear all at once. */
struct dv_volume_fill {
    char name[DV_VOLUME_NAME_BYTES];
    int fd;
    bool staged;
};
DV_CHECK int dv_volume_fill(struct dv_volumes *vs, const char *name, const char *container_id,
                            struct dv_volume_fill *ret, struct dv_error *err);
/* GOOD: keep what was filled in. */
DV_CHECK int dv_volume_filled(struct dv_volumes *vs, struct dv_volume_fill *fill, bool good,
                              struct dv_error *err);
