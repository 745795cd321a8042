/* unpack.h - a layer's tar into a directory that somebody else's names must not lead out of. */
#pragma once

#include <archive.h>
#include <stdint.h>

#include "core/base/error.h"

enum dv_whiteouts {                  /* values of dv_diff_dir.whiteouts in davit/storage.h */
    DV_WHITEOUT_OVERLAY = 1,         /* character device 0:0, user.overlay.opaque=y */
    DV_WHITEOUT_APPLY = 2,           /* the directory holds the parent's files: delete them */
};
enum { DV_MAX_TAR_ENTRIES = 10 << 20 };

struct dv_unpack_result {
    uint64_t bytes;                  /* of regular files, as written */
    uint64_t entries;
};
/* Unpack all of TAR below ROOT_FD, which nobody else writes to meanwhile (the caller's process has
 * one thread, and no other has the directory). Names are relative to it: a leading "/" is dropped,
 * links on the way are followed inside it, ".." beyond it is INVALID. An entry replaces what an
 * earlier one put there, but a directory on a directory keeps the contents. Changes the working
 * directory of the process. Errors: INVALID (what the archive is to blame for, naming the entry),
 * NO_SPACE, INTERNAL. READ_FAIL gives the reason why reading TAR failed. */
typedef int dv_unpack_read_fail(void *arg, struct dv_error *err);
DV_CHECK int dv_unpack(struct archive *tar, int root_fd, enum dv_whiteouts whiteouts,
                       dv_unpack_read_fail *read_fail, void *arg, struct dv_unpack_result *ret,
                       struct dv_error *err);
