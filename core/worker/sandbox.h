/* sandbox.h - what a worker gives up before it touches outside data. */
#pragma once

#include "core/base/error.h"

enum dv_sandbox_flags {
    DV_SANDBOX_NETWORK = 1
}; /* keep the network: the job talks to a registry */

/* For the whole process, for good: an empty root directory, an empty network namespace, the
 * capabilities that unpacking needs and no more, no new privileges, a system call filter. Load
 * libraries and plugins before. Needs one thread. What takes CAP_SYS_ADMIN is left out where the
 * process has not got it (rootless), the rest must work. */
DV_CHECK int dv_sandbox_enter(unsigned flags, struct dv_error *err);
