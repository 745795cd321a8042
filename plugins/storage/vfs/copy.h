/* copy.h - a whole directory tree copied as it is: vfs's way of putting a layer on its parent. */
#pragma once

#include "../common/store.h"

/* Copy the tree FROM_FD into the empty directory TO_FD: owners, modes, times, xattrs, hard links,
 * holes, devices. LINKS_FD: an empty directory on the same file system, for files with several
 * names; what it holds afterwards is rubbish. */
int32_t dv_copy_tree(struct dv_store *s, struct dv_call *c, int from_fd, int to_fd, int links_fd);
