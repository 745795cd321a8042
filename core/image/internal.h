/* internal.h - what the files of core/image share. */
#pragma once

#include <pthread.h>
#include <signal.h>

#include "core/base/lock.h"
#include "core/base/sock.h"
#include "core/image/image.h"
#include "core/plugin/drivers.h"
#include "core/state/db.h"

enum { DV_LAYER_ID_BYTES = 33, DV_KEY_BYTES = 80, DV_MAX_IMAGE_NAMES = 1000 };

struct dv_hold;
struct dv_images {
    struct dv_db *db;
    struct dv_drivers *drivers;
    struct dv_leases *leases;
    char *storage_driver, *worker_path, *plugin_dir;
    void (*event)(void *arg, const char *action, const char *image_id, const char *name);
    void *event_arg;
    bool drop_blobs;
    int dir_fd, blobs_fd, trash_fd;  /* <root>/images, its blobs/sha256 and trash */
    struct dv_lock lock;             /* DV_RANK_STORE: all below, and index.json */
    pthread_cond_t changed;
    struct dv_hold *holds;
    bool maybe_orphans;              /* a layer may be left that no image has */
    pthread_t janitor;
    bool janitor_runs, trash_waits, stopping;
    struct dv_image_save *ended_saves; /* for the janitor */
};

/* ---- holds.c: what running jobs use and a collection must not take away ----
 * A key is a layer's chain id or "blob:" and a digest. */
DV_CHECK int dv_hold_take(struct dv_images *images, const char *key, struct dv_error *err);
void dv_hold_drop(struct dv_images *images, const char *key);
/* Claim KEY for removal, if nobody holds it; nobody can until it is released. */
bool dv_hold_claim(struct dv_images *images, const char *key);
void dv_hold_release(struct dv_images *images, const char *key);

/* ---- layers.c: the storage drivers ---- */
void dv_layer_id(const char *chain, char out[DV_LAYER_ID_BYTES]);
DV_CHECK int dv_storage_get(struct dv_images *images, const char *name, struct dv_driver **ret,
                            struct dv_error *err);
/* The I-th driver of all, if it is an active storage driver; else NULL. */
struct dv_driver *dv_storage_at(struct dv_images *images, size_t i);
bool dv_storage_native_diff(const struct dv_driver *driver); /* DV_STORAGE_CAP_NATIVE_DIFF */
/* 1: DRIVER has the layer committed, 0: not. */
int dv_layer_present(struct dv_driver *driver, const char *layer_id, struct dv_error *err);
DV_CHECK int dv_layer_remove(struct dv_driver *driver, const char *layer_id, struct dv_error *err);
/* A workspace for unpacking, and its directory. PARENT: chain id or "". */
struct dv_layer_dir {
    int fd;
    uint32_t whiteouts;
};
DV_CHECK int dv_layer_prepare(struct dv_driver *driver, const char *token, const char *parent,
                              struct dv_layer_dir *ret, struct dv_error *err);
/* CONFLICT-free: a layer that another job committed meanwhile will do. */
DV_CHECK int dv_layer_commit(struct dv_driver *driver, const char *token, const char *chain,
                             const char *parent, struct dv_error *err);
/* Have the trash of the drivers emptied soon, by a thread of its own. */
void dv_janitor_wake(struct dv_images *images);
DV_CHECK int dv_janitor_start(struct dv_images *images, struct dv_error *err);
void dv_janitor_stop(struct dv_images *images);

/* ---- store.c: the OCI image layout ---- */
#define DV_OCI_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}" /* contents of oci-layout */
DV_CHECK int dv_store_open(struct dv_images *images, int root_fd, struct dv_error *err);
DV_CHECK int dv_store_new_blob(struct dv_images *images, int *ret_fd, struct dv_error *err);
/* Name FD by DIGEST; what lies there already stays. Durable after dv_store_sync(). */
DV_CHECK int dv_store_link_blob(struct dv_images *images, int fd, const char *digest,
                                uint64_t size_bytes, struct dv_error *err);
DV_CHECK int dv_store_open_blob(struct dv_images *images, const char *digest, int *ret_fd,
                                struct dv_error *err);
/* Bytes of a blob; NOT_FOUND. */
DV_CHECK int dv_store_blob_size(struct dv_images *images, const char *digest, uint64_t *ret,
                                struct dv_error *err);
void dv_store_unlink_blob(struct dv_images *images, const char *digest);
DV_CHECK int dv_store_sync(struct dv_images *images, struct dv_error *err);
/* Blobs that no row names go to the trash; what lies there long is deleted. */
void dv_store_sweep(struct dv_images *images);

/* ---- index.c: index.json of a layout ---- */
struct dv_index;
struct dv_index_entry {
    const char *manifest;            /* digest of an OCI manifest */
    uint64_t size_bytes;             /* of the manifest */
    const char *platform;            /* "os/arch[/variant]" */
    const char *canonical;           /* the image's name; "" or NULL: it has none */
    const char *ref_name;            /* how readers of a layout call it; with a name only */
};
struct dv_index *dv_index_new(void); /* NULL: out of memory */
void dv_index_free(struct dv_index *index);
DV_CHECK int dv_index_add(struct dv_index *index, const struct dv_index_entry *entry); /* -1 */
char *dv_index_text(const struct dv_index *index); /* caller frees; NULL: out of memory */
/* Derive the store's own anew. A failure is logged: the next change writes it again. */
void dv_store_write_index(struct dv_images *images);

/* ---- job.c: a davit-worker to its end ---- */
struct dv_image_job;
typedef void dv_job_fill(struct dv_msg_writer *w, const void *arg);
struct dv_image_job_spec {
    const char *name;
    dv_job_fill *fill;               /* the job's own fields */
    const void *arg;
    int body_fd, cancel_fd;          /* -1: none */
    const int *fds;                  /* in place of BODY_FD: sent with the job, borrowed */
    size_t n_fds;
    struct dv_driver *driver;        /* where layers go */
    dv_image_message_fn *message;    /* or NULL */
    void *message_arg;
    const char *action;              /* event of each image: "load", "import" */
};
/* Its parts, for a job that takes no thread of davitd (save.c). */
struct dv_worker {
    int sock_fd, pidfd;
    pid_t pid;
};
DV_CHECK int dv_worker_spawn(struct dv_images *images, struct dv_worker *worker,
                             struct dv_error *err);
DV_CHECK int dv_worker_send_job(struct dv_images *images, const struct dv_image_job_spec *spec,
                                const struct dv_worker *worker, struct dv_error *err);
void dv_worker_kill(const struct dv_worker *worker);
/* Let it end by itself, kill it if it takes too long; how it ended. */
siginfo_t dv_worker_end(struct dv_worker *worker);

/* ANSWER: the result's digest ("" if it has none). */
DV_CHECK int dv_image_job_run(struct dv_images *images, const struct dv_image_job_spec *spec,
                              char answer[72], struct dv_error *err);

/* ---- save.c ---- */
/* Wait for the worker of a save that is over, and let go of what it held. */
void dv_image_save_bury(struct dv_image_save *save);

/* ---- serve.c: answers to a worker's questions ---- */
struct dv_image_job {
    struct dv_images *images;
    const struct dv_image_job_spec *spec;
    struct dv_strv held;             /* keys, in the order they were taken */
    struct dv_strv tokens;           /* workspaces that are not yet committed */
    bool done;
    char answer[72];
};
/* Deal with one message; REPLY is begun where KIND is a question (*RET_ASKED). *RET_FD: to be sent
 * along, and closed. */
DV_CHECK int dv_job_serve(struct dv_image_job *job, struct dv_packet *packet,
                          struct dv_msg_writer *reply, bool *ret_asked, int *ret_fd,
                          struct dv_error *err);
/* Throw away what the job left unfinished or nobody refers to. */
void dv_job_clean(struct dv_image_job *job);
DV_CHECK int dv_job_hold(struct dv_image_job *job, const char *key, struct dv_error *err);

/* ---- admit.c: a worker's description of an image becomes rows ---- */
DV_CHECK int dv_image_admit(struct dv_image_job *job, int doc_fd, char ret_id[72],
                            struct dv_error *err);

/* ---- collect.c ---- */
/* Remove layers and blobs that no image has. REMOVED: what of layers went is added, or NULL. */
struct dv_collected {
    struct dv_strv chains;
    uint64_t size_bytes;             /* of them, unpacked */
};
void dv_images_collect(struct dv_images *images, struct dv_collected *removed);
/* The same for keys that a job used and that may have no row at all. */
void dv_collect_key(struct dv_images *images, struct dv_driver *driver, const char *key);

/* ---- rows.c ---- */
/* The id that NAME means: *RET_REF is the reference it matched ("" if it was an id). */
struct dv_found {
    char id[72];
    char *ref;                       /* canonical; NULL: NAME was an id; caller frees */
};
DV_CHECK int dv_image_find(struct dv_images *images, const char *name, struct dv_found *ret,
                           struct dv_error *err);
DV_CHECK int dv_row_count(struct dv_db *db, int64_t *ret, struct dv_error *err, const char *sql,
                          const char *arg);
DV_CHECK int dv_rows_strings(struct dv_db *db, struct dv_strv *ret, struct dv_error *err,
                             const char *sql, const char *arg);
/* UNSUPPORTED, saying what to do, if the archives of IMAGE_ID's layers were dropped. */
DV_CHECK int dv_image_check_blobs(struct dv_images *images, const char *image_id,
                                  struct dv_error *err);
/* "busybox:latest" of "docker.io/library/busybox:latest"; caller frees. NULL on no memory. */
char *dv_ref_familiar(const char *canonical);
