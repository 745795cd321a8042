/* internal.h - what the files of core/volume share. */
#pragma once

#include <pthread.h>

#include "core/base/lock.h"
#include "core/volume/volume.h"

struct dv_volumes {
    struct dv_volumes_config config; /* root_fd is not kept */
    char *root;                      /* <root>/volumes */
    int dir_fd, trash_fd;            /* it, and .trash in it */
    struct dv_lock lock;             /* DV_RANK_STORE: making and removing; and all below */
    pthread_cond_t changed;
    struct dv_strv filling;          /* volumes that get their first files now */
    struct dv_strv doomed;           /* names in the trash, to be deleted */
    pthread_t janitor;
    bool janitor_runs, stopping;
};

/* ---- trash.c ---- */

/* Move the directory of volume NAME to the trash; 0 if there is none. DELETE: and have it deleted soon,
 * else it stays there until the next start. Under the lock. */
enum dv_volume_trash { DV_VOLUME_KEEP, DV_VOLUME_DELETE };
void dv_volume_to_trash(struct dv_volumes *vs, const char *name, enum dv_volume_trash what);
/* Have all deleted that lies in the trash by now. */
void dv_volume_empty_trash(struct dv_volumes *vs);
void dv_volume_janitor_stop(struct dv_volumes *vs);
/* Entries of DIR_FD that do not begin with a dot. */
DV_CHECK int dv_volume_names(int dir_fd, struct dv_strv *ret, struct dv_error *err);

/* ---- local.c ---- */
DV_CHECK int dv_local_check_name(const char *name, struct dv_error *err);
DV_CHECK int dv_local_check_options(const char *name, const char *options_json,
                                    struct dv_error *err);
