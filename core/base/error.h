/* error.h - the one error type: filled where a thing fails, prefixed on the way up. */
#pragma once

#include <stdint.h>

#include <davit/plugin.h> /* DV_E_* */

#include "core/base/cleanup.h"

/* A value: no heap, no free, cannot fail itself. Zero-initialise before use. */
struct dv_error {
    int code;        /* 0 when unset, else DV_E_*: what the caller can act upon */
    int sys_errno;   /* cause, for logs and rare decisions; 0 if none */
    char msg[1008];  /* UTF-8, outermost context first, cut with "..." */
};

/* Record CODE and a message; returns -CODE. Overwrites what was recorded. */
int dv_fail(struct dv_error *err, int code, const char *fmt, ...) DV_PRINTF(3, 4);

/* The same, with ": " and the text of the current errno appended. ENOSPC and EDQUOT turn CODE
 * INTERNAL into NO_SPACE, ENOMEM into NO_MEMORY. */
int dv_fail_errno(struct dv_error *err, int code, const char *fmt, ...) DV_PRINTF(3, 4);

/* Prefix what is recorded: "fmt: old"; returns -(recorded code). */
int dv_wrap(struct dv_error *err, const char *fmt, ...) DV_PRINTF(2, 3);

/* Forget the error, so that the variable can be used again. */
void dv_error_clear(struct dv_error *err);

/* A code that came over a wire; INTERNAL for what is none, so that an error stays one. */
int dv_code_from_wire(int64_t code);

/* "INVALID" for DV_E_INVALID and so on; "UNKNOWN" for what is not a code. Static string. */
const char *dv_code_name(int code);
