/* helper.h - davit's own programs that do what a client cannot: find one, run it to its end. */
#pragma once

#include "core/base/buf.h"

/* Where NAME ("davitd", "davit-plugin-probe") is: beside this program (the build tree), else where it
 * is installed. NOT_FOUND. Caller frees. */
char *dv_helper_find(const char *name, struct dv_error *err);
/* Run it with ARGV (NULL-terminated; argv[0] is NAME) and our environment; its stdout to OUT, or to ours if
 * NULL. The exit code (128 + signal), or a failure. */
DV_CHECK int dv_helper_run(char *const argv[], struct dv_buf *out, struct dv_error *err);
