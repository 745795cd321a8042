/* store.h - the directory of layers that the bundled storage drivers share.
 *
 *   <state_dir>/layers/<id>/   committed; never written again
 *               work/<id>/     workspaces
 *               tmp/<id>/      workspaces being made: what a kill leaves here is rubbish
 *               trash/<id>.<seconds>.<n>/
 * Each <id>/ has diff/ (the files), parent (a symbolic link whose text is the parent's id; absent:
 * none), usage (layers: the same, "<bytes> <inodes>") and what the driver adds. An object appears,
 * changes its state and goes by one rename. */
#pragma once

#include <davit/storage.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DV_STORE_N(array) (sizeof(array) / sizeof((array)[0]))

#define DV_STORE_DEEP "deep.0."      /* names in the trash of directories that lay too deep */

enum { DV_STORE_ID_MAX = 128,        /* characters of an id */
       DV_STORE_CHAIN_MAX = 500 };   /* layers above one another: overlay's own limit */
enum dv_store_dir { DV_STORE_LAYERS, DV_STORE_WORK, DV_STORE_TMP, DV_STORE_TRASH, DV_STORE_DIRS };

struct dv_store {
    const struct dv_host *host;
    char *path;                      /* state_dir */
    int fd;                          /* of PATH */
    int dirs[DV_STORE_DIRS];
    pthread_mutex_t lock;            /* a parent stays while a child appears; protects all below */
    char **active;                   /* sorted ids */
    size_t n_active, cap_active;
    uint64_t n_trashed;
};

/* ---- messages ---- (C may be NULL in these and where they are used: then nothing is recorded) */
/* Record "text" or "text: strerror(errno)"; -code. */
int32_t dv_store_fail(const struct dv_store *s, struct dv_call *c, int32_t code, const char *fmt,
                      ...) __attribute__((format(printf, 4, 5)));
int32_t dv_store_fail_errno(const struct dv_store *s, struct dv_call *c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* String in the call's arena; NULL on out of memory, which is recorded. */
char *dv_store_text(const struct dv_store *s, struct dv_call *c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* 0, or -CANCELED / -TIMEOUT when the caller has given up. */
int32_t dv_store_poll(const struct dv_store *s, struct dv_call *c);
const char *dv_store_dir_name(enum dv_store_dir dir);

/* ---- life ---- */
/* The value of KEY in CONFIG, "" if absent. */
const char *dv_store_option(const struct dv_kvs *config, const char *key);
int32_t dv_store_init(struct dv_store *s, const struct dv_host *host, struct dv_call *c,
                      const struct dv_kvs *config);
int32_t dv_store_start(struct dv_store *s, struct dv_call *c); /* make and open the directories */
void dv_store_done(struct dv_store *s);

/* ---- operations; each as the slot of that name in davit/storage.h ---- */
/* Make the driver's part of a workspace in DIR_FD (tmp/<id>): diff/ and more. PARENT: or NULL. */
typedef int32_t dv_store_fill(struct dv_store *s, struct dv_call *c, int dir_fd, const char *id,
                              const char *parent);
int32_t dv_store_prepare(struct dv_store *s, struct dv_call *c, const struct dv_layer_req *req,
                         dv_store_fill *fill);
/* Finish DIR_FD (work/<id>) before it becomes a layer: undo what a layer has no use for. */
typedef int32_t dv_store_seal(struct dv_store *s, struct dv_call *c, int dir_fd, const char *id,
                              const char *parent);
/* LATE_PARENT: a workspace made without a parent may get one here (NATIVE_DIFF). */
int32_t dv_store_commit(struct dv_store *s, struct dv_call *c, const char *id, const char *layer,
                        const char *parent, bool late_parent, dv_store_seal *seal);
int32_t dv_store_remove(struct dv_store *s, struct dv_call *c, const char *id);
int32_t dv_store_stat(struct dv_store *s, struct dv_call *c, const char *id,
                      struct dv_layer_info *out);
int32_t dv_store_recover(struct dv_store *s, struct dv_call *c, const char *const *known,
                         size_t n);
int32_t dv_store_empty_trash(struct dv_store *s, struct dv_call *c, uint64_t older_than_s);
int32_t dv_store_open_diff(struct dv_store *s, struct dv_call *c, const char *id,
                           uint32_t for_write, uint32_t whiteouts, struct dv_diff_dir *out);

/* ---- parts ---- */
int32_t dv_store_check_id(const struct dv_store *s, struct dv_call *c, const char *id);
/* Where ID lies: 1 with *RET (LAYERS or WORK), 0: nowhere, -code. */
int32_t dv_store_find(const struct dv_store *s, struct dv_call *c, const char *id,
                      enum dv_store_dir *ret);
/* The same, but NOT_FOUND is a failure. */
int32_t dv_store_need(const struct dv_store *s, struct dv_call *c, const char *id,
                      enum dv_store_dir *ret);
/* Text of ID's parent link, "" if it has none. 0 or -code. */
int32_t dv_store_parent(const struct dv_store *s, struct dv_call *c, enum dv_store_dir dir,
                        const char *id, char ret[DV_STORE_ID_MAX + 1]);
/* NAME below DIR_FD into the trash; 0 if it is not there. Takes no lock; the caller may hold it. */
int32_t dv_store_trash(struct dv_store *s, struct dv_call *c, int dir_fd, const char *name);
/* Remember and forget that ID is in use. */
int32_t dv_store_activate(struct dv_store *s, struct dv_call *c, const char *id);
void dv_store_deactivate(struct dv_store *s, const char *id);
bool dv_store_is_active(const struct dv_store *s, const char *id); /* under the lock */
int dv_store_close(int fd); /* keeps errno; -1 */

/* ---- tree.c ---- */
/* Delete DIR_FD/NAME whatever it is, of any depth, with few descriptors; directories that lie deep
 * are moved into HOIST_FD first. */
int32_t dv_store_delete(struct dv_store *s, struct dv_call *c, int dir_fd, const char *name,
                        int hoist_fd);
/* Bytes and inodes of the tree NAME, each inode once. */
int32_t dv_store_usage(struct dv_store *s, struct dv_call *c, int dir_fd, const char *name,
                       uint64_t *ret_bytes, uint64_t *ret_inodes);
/* "extfs", "xfs"... as Docker names the file system of FD; "<unknown>" */
const char *dv_store_fs_name(int fd);
