/* inoset.h - a growing set of inode numbers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/cleanup.h"

struct dv_inoset {
    uint64_t *slots;             /* 0 = free */
    size_t n, cap;               /* cap: a power of two, or 0 */
};
DV_CHECK int dv_inoset_add(struct dv_inoset *set, uint64_t ino); /* -1 on no memory */
bool dv_inoset_has(const struct dv_inoset *set, uint64_t ino);
void dv_inoset_done(struct dv_inoset *set);
