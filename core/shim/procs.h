/* procs.h - single processes and the processes of a control group. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

struct dv_life;

/* 0, or -1 and errno. */
DV_CHECK int dv_pidfd_signal(int pidfd, int signal);
/* Field 22 of /proc/PID/stat; 0 if it cannot be read. */
uint64_t dv_proc_start_time(pid_t pid);
/* Send SIGNAL to every process of the container's control group, by the first group whose list can
 * be read; *RET_N tells how many there were. */
DV_CHECK int dv_cgroup_signal(const struct dv_life *life, int signal, size_t *ret_n,
                              struct dv_error *err);
