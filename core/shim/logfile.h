/* logfile.h - the json-file log of a container: records in, rotated files out. */
#pragma once

#include <stdint.h>

#include "core/shim/json_line.h"

struct dv_logfile;
struct dv_logfile_options {
    int dir_fd;            /* borrowed until dv_logfile_free() */
    const char *name;      /* copied, as ATTRS */
    const char *attrs;     /* or NULL */
    uint64_t max_bytes;    /* of one file, exceeded by one record at most; 0 = no rotation */
    uint64_t max_files;    /* NAME, NAME.1, ...; 0 counts as 1 */
};

/* Open for appending: the runs of a container share its log. INVALID for a name with a slash. */
DV_CHECK int dv_logfile_open(const struct dv_logfile_options *options, struct dv_logfile **ret,
                             struct dv_error *err);
void dv_logfile_free(struct dv_logfile *log); /* flushes */
/* Add one record to the batch. A record that cannot be written (disk full) is dropped, with one
 * note on stderr when that begins and one when it is over: the container never waits for a disk
 * that has no room. TIME_NS: when it was read. */
void dv_logfile_put(struct dv_logfile *log, const char *stream, uint64_t time_ns, const char *data,
                    size_t n, bool newline);
/* Write the batch. */
void dv_logfile_flush(struct dv_logfile *log);
/* Give the batch's memory back; for quiet times. */
void dv_logfile_trim(struct dv_logfile *log);
