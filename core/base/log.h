/* log.h - one line an event, key=value, to stderr (the journal reads it there). */
#pragma once

#include "core/base/cleanup.h"

enum dv_log_level { DV_LOG_ERROR, DV_LOG_WARN, DV_LOG_INFO, DV_LOG_DEBUG };

void dv_log_set_level(enum dv_log_level level);
int dv_log_level_parse(const char *text); /* level, or -1 */
/* FMT gives the message; it is quoted and escaped as needed: `level=info msg="..."`. CTX is NULL or
 * ready-made pairs such as "container=4f21 op=start". Never pass secrets or environment. */
void dv_log(enum dv_log_level level, const char *ctx, const char *fmt, ...) DV_PRINTF(3, 4);
#define dv_log_error(ctx, ...) dv_log(DV_LOG_ERROR, ctx, __VA_ARGS__)
#define dv_log_warn(ctx, ...) dv_log(DV_LOG_WARN, ctx, __VA_ARGS__)
#define dv_log_info(ctx, ...) dv_log(DV_LOG_INFO, ctx, __VA_ARGS__)
#define dv_log_debug(ctx, ...) dv_log(DV_LOG_DEBUG, ctx, __VA_ARGS__)
