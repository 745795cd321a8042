/* caps.h - capability names, and the set that a container gets. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

#define DV_CAPS_DEFAULT UINT64_C(0xa80425fb) /* Docker's fourteen */

/* "CAP_NET_ADMIN" or "net_admin": its number, or -1. */
int dv_cap_parse(const char *name);
const char *dv_cap_name(int cap); /* "CAP_CHOWN", or NULL */
/* The capabilities that this process has and may give on. */
uint64_t dv_caps_of_host(void);
/* Docker's rule: the default (all when PRIVILEGED), plus ADD, less DROP; "ALL" in either. What the
 * host itself lacks is left out; *RET_LACKING names it. */
uint64_t dv_caps_compute(bool privileged, const struct dv_strv *add, const struct dv_strv *drop,
                         uint64_t *ret_lacking);
