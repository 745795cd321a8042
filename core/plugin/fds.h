/* fds.h - which descriptors this process has: to name those that a plugin leaves behind. */
#pragma once

#include <stddef.h>

enum { DV_FDS_MAX = 4096 };          /* numbers from there on are not looked at */
struct dv_fds {
    unsigned char set[DV_FDS_MAX / 8]; /* a bit a number */
};
/* Those that are open now, but the standard three. */
void dv_fds_list(struct dv_fds *ret);
/* Those open now that BEFORE lacks, as "7 (/etc/passwd), 8 (socket)", cut to SIZE; their number. */
size_t dv_fds_added(const struct dv_fds *before, char *text, size_t size);
/* The same for those without close-on-exec. They are marked close-on-exec and added to BEFORE: each
 * is told of once. */
size_t dv_fds_inheritable(struct dv_fds *before, char *text, size_t size);
