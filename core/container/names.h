/* names.h - container names: the rule for them, and random ones. */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+, one leading slash allowed. INVALID with Docker's text. */
DV_CHECK int dv_name_check(const char *name, struct dv_error *err);
/* "adjective_surname", with a digit after it when RETRY is not 0. */
void dv_name_random(char out[64], unsigned retry);
