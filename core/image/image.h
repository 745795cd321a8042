/* image.h - images, references, layers and the content store, as the daemon sees them.
 *
 * The store is an OCI image layout below <root>/images (blobs/sha256/..., oci-layout, index.json
 * derived from the database). All file work with outside data is davit-worker's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/str.h"

struct dv_db;
struct dv_drivers;
struct dv_images;
struct dv_leases;

struct dv_images_config {
    int root_fd;                  /* <root>; "images" is made below it */
    struct dv_db *db;
    struct dv_drivers *drivers;
    struct dv_leases *leases;     /* of writable layers (lease.h); outlive the store */
    const char *storage_driver;   /* the chosen one */
    const char *worker_path;      /* davit-worker */
    const char *plugin_dir;
    void (*event)(void *arg, const char *action, const char *image_id, const char *name);
    void *event_arg;
    bool drop_blobs;              /* keep no archive of a layer that is unpacked */
};
DV_CHECK int dv_images_open(const struct dv_images_config *config, struct dv_images **ret,
                            struct dv_error *err);
void dv_images_close(struct dv_images *images);

/* "[host[:port]/]path[:tag][@sha256:...]", normalised as Docker does: familiar form (FAMILIAR:
 * "busybox:latest") and canonical ("docker.io/library/busybox:latest"). INVALID: "invalid reference
 * format" and its variants. */
struct dv_ref {
    char *canonical, *familiar;   /* without digest */
    char *repository;             /* familiar without tag */
    char *tag;                    /* "latest" where none was given and no digest either; "" then */
    char *digest;                 /* "sha256:..." or NULL */
};
DV_CHECK int dv_ref_parse(const char *text, struct dv_ref *ret, struct dv_error *err);
void dv_ref_done(struct dv_ref *ref);

/* The normalised config of an image: what the worker extracted and checked. Owned. */
struct dv_image {
    char id[72];                  /* "sha256:" + 64 hex: digest of the config */
    struct dv_strv repo_tags, repo_digests;
    char *architecture, *os, *variant, *author, *comment, *docker_version;
    uint64_t created_ns, size_bytes;
    struct dv_strv diff_ids;      /* base first */
    struct dv_strv env, entrypoint, cmd, shell, on_build;
    bool has_entrypoint, has_cmd;
    char *user, *working_dir, *stop_signal;
    struct dv_strv volumes, exposed_ports;
    struct dv_strv label_keys, label_values;
    char *healthcheck_json;       /* as in the config, or NULL */
    char *history_json;           /* array, or NULL */
    char *config_json;            /* the normalised document, as in the database */
};
void dv_image_free(struct dv_image *image);
DV_DEFINE_AUTO(dv_image, dv_image_free);

/* By reference, full id ("sha256:" optional) or unique id prefix. NOT_FOUND "No such image: x"
 * (with the tag as Docker prints it). */
DV_CHECK int dv_image_get(struct dv_images *images, const char *name, struct dv_image **ret,
                          struct dv_error *err);
size_t dv_image_list(struct dv_images *images, struct dv_image ***ret); /* caller frees each */
/* Of IMAGE_ID's layers, base first: their bytes, unpacked. *RET is the caller's to free. */
DV_CHECK int dv_image_layer_sizes(struct dv_images *images, const char *image_id, uint64_t **ret,
                                  size_t *ret_n, struct dv_error *err);
/* Of IMAGE_ID's layers those that another image has, too. */
DV_CHECK int dv_image_shared_size(struct dv_images *images, const char *image_id, uint64_t *ret,
                                  struct dv_error *err);
/* All layers of all images, each once. */
DV_CHECK int dv_images_layers_size(struct dv_images *images, uint64_t *ret, struct dv_error *err);
/* GraphDriver.Data of IMAGE's top layer with the chosen driver: paths by Docker's names for them;
 * none where the driver has none to tell or has not unpacked the image. */
DV_CHECK int dv_image_paths(struct dv_images *images, const char *image_id, struct dv_strv *keys,
                            struct dv_strv *values, struct dv_error *err);
/* Tag SOURCE as TARGET ("repo[:tag]"). Durable on return. */
DV_CHECK int dv_image_tag(struct dv_images *images, const char *source, const char *target,
                          struct dv_error *err);
struct dv_image_deleted {
    bool untagged;                /* else deleted */
    char *name;                   /* familiar reference, or image/layer id */
    uint64_t freed_bytes;         /* an image: unpacked, of its layers that went with it */
};
/* Docker's rmi: untag, and delete when the last name goes. IN_USE answers whether a container uses
 * an image id (and names one). CONFLICT texts as Docker's. */
typedef const char *dv_image_user_fn(void *arg, const char *image_id, bool *ret_running);
DV_CHECK int dv_image_remove(struct dv_images *images, const char *name, bool force, bool no_prune,
                             dv_image_user_fn *in_use, void *arg, struct dv_image_deleted **ret,
                             size_t *ret_n, struct dv_error *err);

/* Load an archive that is read from BODY_FD (a pipe), or import a root file system tar from it.
 * MESSAGE gets each progress line, with its newline, as Docker words it ("Loaded image: x:y\n").
 * Runs a davit-worker to its end; call from a request's thread. CANCEL_FD readable = give up. */
typedef void dv_image_message_fn(void *arg, const char *text);
DV_CHECK int dv_image_load(struct dv_images *images, int body_fd, int cancel_fd,
                           dv_image_message_fn *message, void *arg, struct dv_error *err);
/* Write images as one archive, as `docker save` does: an OCI layout with docker's manifest.json
 * beside it. A davit-worker writes it into a pipe, which the caller carries to whoever asked; it
 * takes no thread here, and the images' files stay until it is over.
 * NAMES: each a reference, a repository (all its tags), or an id (which gives the image no name).
 * PLATFORM: "os/arch[/variant]" that all must have, or NULL. NOT_FOUND, INVALID, UNSUPPORTED (its
 * blobs were dropped): nothing was begun then. */
struct dv_image_save;
DV_CHECK int dv_image_save_start(struct dv_images *images, const struct dv_strv *names,
                                 const char *platform, struct dv_image_save **ret,
                                 struct dv_error *err);
int dv_image_save_fd(const struct dv_image_save *save); /* borrowed, nonblocking, read to its end */
/* At the pipe's end: 0 if the archive is whole, else what cut it short. Does not block. */
DV_CHECK int dv_image_save_result(struct dv_image_save *save, struct dv_error *err);
/* Ends it wherever it is. Does not block; any thread. */
void dv_image_save_free(struct dv_image_save *save);

struct dv_image_import {
    const char *repository, *tag; /* may be NULL */
    const char *message;
    struct dv_strv changes; /* Dockerfile instructions: CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD
                             * STOPSIGNAL USER VOLUME WORKDIR */
    const char *platform;         /* "linux/arm64" or NULL */
};
DV_CHECK int dv_image_import(struct dv_images *images, int body_fd, int cancel_fd,
                             const struct dv_image_import *request, char **ret_id,
                             struct dv_error *err);

/* ---- writable layers (workspaces) of containers, by storage driver ---- */

/* Make the container's workspace over IMAGE's top layer with the chosen driver; unpacks missing
 * layers of that driver first. RET_DRIVER: static name to be stored with the container. */
DV_CHECK int dv_workspace_create(struct dv_images *images, const char *workspace_id,
                                 const struct dv_image *image, const char **ret_driver,
                                 struct dv_error *err);
/* Describe its mounts; the caller holds the lease to run it. *RET is the caller's, as struct dv_spec
 * owns it. */
struct dv_spec_rootfs;
DV_CHECK int dv_workspace_activate(struct dv_images *images, const char *driver,
                                   const char *workspace_id, struct dv_spec_rootfs **ret,
                                   size_t *ret_n, struct dv_error *err);
/* The same without a writable layer: for who only reads, with a lease for that. */
DV_CHECK int dv_workspace_describe(struct dv_images *images, const char *driver,
                                   const char *workspace_id, struct dv_spec_rootfs **ret,
                                   size_t *ret_n, struct dv_error *err);
/* Copy what the container's root has at each PATH into the empty directory FD, by a davit-worker; a
 * PATH that is not there is left out. The caller holds the lease to copy up. INVALID: a PATH is a
 * file. */
struct dv_copy_up {
    const char *path;
    int fd;
};
DV_CHECK int dv_workspace_copy_up(struct dv_images *images, const char *driver,
                                  const char *workspace_id, const struct dv_copy_up *items,
                                  size_t n, struct dv_error *err);
void dv_workspace_deactivate(struct dv_images *images, const char *driver,
                             const char *workspace_id);
/* The caller holds the lease to remove it. */
/* Bytes that the container wrote beside its image. Walks all that it wrote: nothing for a plain
 * list. */
DV_CHECK int dv_workspace_size(struct dv_images *images, const char *driver,
                               const char *workspace_id, uint64_t *ret, struct dv_error *err);
/* GraphDriver.Data, as dv_image_paths(); quick. */
DV_CHECK int dv_workspace_paths(struct dv_images *images, const char *driver,
                                const char *workspace_id, struct dv_strv *keys,
                                struct dv_strv *values, struct dv_error *err);
DV_CHECK int dv_workspace_remove(struct dv_images *images, const char *driver,
                                 const char *workspace_id, struct dv_error *err);
/* After start: tell each driver which workspaces and layers are known (recover). Never called on a
 * fresh database. */
void dv_images_reconcile(struct dv_images *images, const struct dv_strv *known_workspaces);
/* The same for one storage driver that came up later; nobody else has it yet. */
struct dv_driver;
void dv_images_adopt(struct dv_images *images, struct dv_driver *driver);
/* Rows of /info for the chosen storage driver: key, value pairs. */
void dv_images_driver_status(struct dv_images *images, struct dv_strv *keys,
                             struct dv_strv *values);
