/* file.h - whole files, durable replacement, trees, and paths that never leave their root. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

/* Read all of FD (any kind of file) into a NUL-terminated *RET of *RET_LEN bytes (RET_LEN may be
 * NULL). INVALID beyond MAX bytes. */
DV_CHECK int dv_read_fd(int fd, size_t max, char **ret, size_t *ret_len, struct dv_error *err);
/* Open DIR_FD/NAME without following a final link, and read it. NOT_FOUND if it is not there. */
DV_CHECK int dv_read_file(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_len,
                          struct dv_error *err);
/* Write all N bytes; -1 and errno on failure (EINTR is retried, EAGAIN is not). */
DV_CHECK int dv_write_all(int fd, const void *data, size_t n);
/* Write a small kernel file (cgroup, proc) in one write; -1 and errno. */
DV_CHECK int dv_write_file_at(int dir_fd, const char *name, const char *text);
/* Create or replace DIR_FD/NAME atomically: temporary name, fsync if DURABLE, rename, fsync dir. */
enum dv_durability { DV_VOLATILE, DV_DURABLE };
DV_CHECK int dv_file_replace(int dir_fd, const char *name, const void *data, size_t n, mode_t mode,
                             enum dv_durability durability, struct dv_error *err);
/* mkdir -p of a trusted absolute or DIR_FD-relative PATH. */
DV_CHECK int dv_mkdirs(int dir_fd, const char *path, mode_t mode, struct dv_error *err);
/* Remove NAME below DIR_FD, a whole tree if a directory; follows no link and crosses no mount. Of a
 * NAME with slashes only the last part is removed; the folders before it are trusted. 0 if it was
 * not there; CONFLICT where something is mounted in it. */
DV_CHECK int dv_remove_tree(int dir_fd, const char *name, struct dv_error *err);

/* The only way below a container root or any tree that outsiders fill: openat2 with
 * RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS (and O_CLOEXEC), EAGAIN retried 32 times. New fd, or -1
 * and errno. */
DV_CHECK int dv_open_in_root(int root_fd, const char *path, int flags, mode_t mode);
/* Create PATH below ROOT_FD with its parents (mode 0755) as a directory, or as an empty file when
 * IS_FILE; what exists is kept. Returns an O_PATH descriptor of it, or -1 and errno. */
DV_CHECK int dv_make_in_root(int root_fd, const char *path, int is_file);
