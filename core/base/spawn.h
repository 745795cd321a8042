/* spawn.h - the one way davitd starts a process: posix_spawn, never fork. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

struct dv_spawn {
    const char *path;           /* absolute */
    char *const *argv;          /* NULL-terminated, argv[0] included */
    char *const *envp;          /* NULL-terminated; NULL = empty environment */
    const int *fds;             /* fds[i] becomes descriptor i in the child; -1 = /dev/null */
    size_t n_fds;               /* at least 3; all other descriptors are closed */
    int new_session;            /* setsid */
};
/* Start it. *RET_PIDFD becomes the caller's: wait with waitid(P_PIDFD). */
DV_CHECK int dv_spawn(const struct dv_spawn *s, pid_t *ret_pid, int *ret_pidfd,
                      struct dv_error *err);
