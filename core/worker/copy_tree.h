/* copy_tree.h - a directory's files with all that belongs to them, into another directory. */
#pragma once

#include "core/base/error.h"

/* Copy what is in FROM_FD into TO_FD, an empty directory, which gets FROM_FD's own owner, mode, times
 * and attributes too: regular files, directories, links (hard ones stay together), devices, pipes,
 * sockets. Follows no link. Both are borrowed. */
DV_CHECK int dv_copy_tree(int from_fd, int to_fd, struct dv_error *err);
