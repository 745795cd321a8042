/* log_reader.h - a container's log, as json-file writes it: files NAME (newest), NAME.1, NAME.2...,
 * one JSON object a line: {"log": text, "stream": "stdout", "attrs": {...}, "time": RFC 3339}. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"

struct dv_container;
struct dv_log_reader;

enum {
    DV_LOG_BATCH_BYTES = 64 << 10,    /* of output, at which dv_log_read returns */
    DV_LOG_BATCH_MAX = 2 << 20,       /* of one batch with its longest line */
    DV_LOG_FILES_MAX = 1000,
};
struct dv_log_query {
    bool out, err;                    /* which streams */
    bool timestamps, details;
    bool framed;                      /* 8-byte headers: no terminal */
    int64_t tail;                     /* last lines, -1 = all */
    uint64_t since_ns, until_ns;      /* 0: no bound */
};

/* Open the log of C, at its TAILth line from the end. UNSUPPORTED when its driver cannot be read.
 */
DV_CHECK int dv_log_open(struct dv_container *c, const struct dv_log_query *query,
                         struct dv_log_reader **ret, struct dv_error *err);
/* The same for files in a directory (DIR_FD is taken, also on failure). */
DV_CHECK int dv_log_open_dir(int dir_fd, const char *name, const struct dv_log_query *query,
                             struct dv_log_reader **ret, struct dv_error *err);
void dv_log_free(struct dv_log_reader *reader);
static inline void dv_autoclean_dv_log_reader(struct dv_log_reader **p)
{
    dv_log_free(*p);
}
/* Append formatted lines to OUT, up to about DV_LOG_BATCH_BYTES. 1: there may be more at once; 0:
 * the end of what is written so far (call again when more was); 2: a line beyond UNTIL was met, no
 * more will come. An unfinished or broken line is waited for or passed over. */
DV_CHECK int dv_log_read(struct dv_log_reader *reader, struct dv_buf *out, struct dv_error *err);
