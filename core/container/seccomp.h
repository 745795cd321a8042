/* seccomp.h - the compiled seccomp filter that a container's process gets. */
#pragma once

#include <stdint.h>

#include "core/base/error.h"

struct dv_engine_config;

/* Docker's default profile for a process with capabilities CAPS (bit n = capability n), as an array
 * of struct sock_filter: made at build time for Docker's default set, else compiled by davit-seccomp
 * once and kept below the root. *RET is the caller's. */
DV_CHECK int dv_seccomp_default(const struct dv_engine_config *config, uint64_t caps, char **ret,
                                size_t *ret_bytes, struct dv_error *err);
