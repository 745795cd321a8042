/* openat2.h - openat2(2) without kernel headers, for core/base itself. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* RESOLVE_* of <linux/openat2.h>. */
enum {
    DV_RESOLVE_NO_XDEV = 0x01,
    DV_RESOLVE_NO_MAGICLINKS = 0x02,
    DV_RESOLVE_NO_SYMLINKS = 0x04,
    DV_RESOLVE_BENEATH = 0x08,
    DV_RESOLVE_IN_ROOT = 0x10,
};
/* O_CLOEXEC is added, EAGAIN retried 32 times. New descriptor, or -1 and errno. */
long dv_openat2(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve);
