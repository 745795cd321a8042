/* logfile.c - the json-file log of a container: records in, rotated files out. */
#include "core/shim/logfile.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/base/time.h"

enum {
    FLUSH_BYTES = 64 << 10,      /* a batch this large is written before it is complete */
    BATCH_BYTES = FLUSH_BYTES + 7 * DV_LOG_LINE_BYTES + (64 << 10), /* and one record of any kind */
    LOG_MODE = 0640,
    MAX_FILES = 1000,
    NAME_BYTES = DV_MAX_NAME_BYTES + 16,
};

struct dv_logfile {
    int dir_fd, fd;              /* fd -1: could not be opened; tried again with each batch */
    char *name, *attrs;
    uint64_t max_bytes, size;
    unsigned max_files;
    struct dv_buf batch;
    uint64_t lost_records;       /* since the disk stopped taking them */
    bool rotation_failed;        /* noted already */
    uint64_t time_ns;            /* what TIME says, so that a batch formats it once */
    char time[DV_TIME_TEXT_BYTES];
};

static int open_file(struct dv_logfile *log, int extra_flags)
{
    struct stat st;
    int fd = openat(log->dir_fd, log->name,
                    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | extra_flags, LOG_MODE);

    if (fd < 0)
        return -1;
    log->fd = fd;
    log->size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    return 0;
}

int dv_logfile_open(const struct dv_logfile_options *options, struct dv_logfile **ret,
                    struct dv_error *err)
{
    struct dv_logfile *log;

    if (dv_empty(options->name) || strchr(options->name, '/') ||
        strlen(options->name) > DV_MAX_NAME_BYTES)
        return dv_fail(err, DV_E_INVALID, "log file name '%s' is not a plain file name",
                       options->name ? options->name : "");
    log = calloc(1, sizeof(*log));
    if (!log)
        return dv_fail(err, DV_E_NO_MEMORY, "open the log");
    *log = (struct dv_logfile){
        .dir_fd = options->dir_fd,
        .fd = -1,
        .name = dv_strdup(options->name),
        .attrs = dv_strdup(options->attrs),
        .max_bytes = options->max_bytes,
        .max_files = options->max_files > MAX_FILES ? MAX_FILES : (unsigned)options->max_files,
        .batch = DV_BUF_INIT(BATCH_BYTES, "batch of log records"),
    };
    if (!log->name || (options->attrs && !log->attrs)) {
        dv_logfile_free(log);
        return dv_fail(err, DV_E_NO_MEMORY, "open the log");
    }
    if (open_file(log, 0) < 0) {
        dv_fail_errno(err, DV_E_INTERNAL, "open the log file '%s'", log->name);
        dv_logfile_free(log);
        return -err->code;
    }
    *ret = log;
    return 0;
}

void dv_logfile_free(struct dv_logfile *log)
{
    if (!log)
        return;
    dv_logfile_flush(log);
    dv_close(log->fd);
    dv_buf_done(&log->batch);
    free(log->name);
    free(log->attrs);
    free(log);
}

static uint64_t count_records(const char *data, size_t n)
{
    uint64_t count = 0;

    for (const char *end = data + n; (data = memchr(data, '\n', (size_t)(end - data))); data++)
        count++;
    return count;
}

/* Note the first loss only: a full disk must not fill the journal too. */
static void lose(struct dv_logfile *log, uint64_t records, const char *why)
{
    if (log->lost_records == 0)
        dv_log_warn(NULL, "log file %s: %s; output is dropped until it can be written again",
                    log->name, why);
    log->lost_records += records;
}

static void note_recovery(struct dv_logfile *log)
{
    if (log->lost_records == 0)
        return;
    dv_log_warn(NULL, "log file %s can be written again; %" PRIu64 " lines were lost", log->name,
                log->lost_records);
    log->lost_records = 0;
}

/* One write for the batch. Of a write cut short the whole records stay and the rest is cut off, so
 * that the file holds nothing but records. */
static void write_batch(struct dv_logfile *log)
{
    const char *data = log->batch.data, *end;
    size_t n = log->batch.len, kept;
    ssize_t written;

    if (log->fd < 0 && open_file(log, 0) < 0) {
        lose(log, count_records(data, n), strerror(errno));
        return;
    }
    do
        written = write(log->fd, data, n);
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)n) {
        log->size += n;
        note_recovery(log);
        return;
    }
    end = written > 0 ? memrchr(data, '\n', (size_t)written) : NULL;
    kept = end ? (size_t)(end - data) + 1 : 0;
    lose(log, count_records(data + kept, n - kept), written < 0 ? strerror(errno) : "disk is full");
    log->size += kept;
    if (written > (ssize_t)kept && ftruncate(log->fd, (off_t)log->size) < 0)
        log->size += (size_t)written - kept;
}

static void name_of(const struct dv_logfile *log, unsigned i, char out[NAME_BYTES])
{
    if (i == 0)
        snprintf(out, NAME_BYTES, "%s", log->name);
    else
        snprintf(out, NAME_BYTES, "%s.%u", log->name, i);
}

/* NAME.1 becomes NAME.2 and so on; the oldest is overwritten by the rename before it. */
static int shift_files(struct dv_logfile *log)
{
    char from[NAME_BYTES], to[NAME_BYTES];

    if (log->max_files < 2)
        return unlinkat(log->dir_fd, log->name, 0) < 0 && errno != ENOENT ? -1 : 0;
    for (unsigned i = log->max_files - 1; i > 0; i--) {
        name_of(log, i - 1, from);
        name_of(log, i, to);
        if (renameat(log->dir_fd, from, log->dir_fd, to) < 0 && errno != ENOENT)
            return -1;
    }
    return 0;
}

/* Always a new file, never a truncated one: a follower sees by the inode that it has to go on. */
static void rotate(struct dv_logfile *log)
{
    int old_fd = log->fd;

    if (shift_files(log) < 0 || open_file(log, O_EXCL) < 0) {
        if (!log->rotation_failed)
            dv_log_warn(NULL, "rotate log file %s: %s; it grows on", log->name, strerror(errno));
        log->rotation_failed = true;
        return;
    }
    log->rotation_failed = false;
    dv_close(old_fd);
}

void dv_logfile_flush(struct dv_logfile *log)
{
    if (log->batch.len == 0)
        return;
    write_batch(log);
    dv_buf_reset(&log->batch);
    if (log->max_bytes > 0 && log->size >= log->max_bytes && log->fd >= 0)
        rotate(log);
}

void dv_logfile_put(struct dv_logfile *log, const char *stream, uint64_t time_ns, const char *data,
                    size_t n, bool newline)
{
    struct dv_json_record record = { stream, log->time, log->attrs };
    struct dv_error err = { 0 };

    if (time_ns != log->time_ns || !log->time[0]) {
        dv_time_format(time_ns, log->time);
        log->time_ns = time_ns;
    }
    if (dv_json_record_put(&log->batch, &record, data, n, newline, &err) < 0) {
        lose(log, 1, err.msg);
        return;
    }
    if (log->batch.len >= FLUSH_BYTES ||
        (log->max_bytes > 0 && log->size + log->batch.len >= log->max_bytes))
        dv_logfile_flush(log);
}

void dv_logfile_trim(struct dv_logfile *log)
{
    dv_logfile_flush(log);
    dv_buf_done(&log->batch);
}
