/* api_log_reader.c - fuzz target: log files of a container. The first byte chooses the question, then
 * come the files, newest first, divided by NUL. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/api/log_reader.h"
#include "fuzz.h"

enum { FILES = 3, MAX_READS = 64 };

static void write_files(struct fuzz_part *rest)
{
    for (int i = 0; i < FILES; i++) {
        struct fuzz_part part = { 0 };
        char name[16];

        snprintf(name, sizeof(name), i ? "log.%d" : "log", i);
        if (fuzz_next(rest, 0, &part))
            fuzz_file(fuzz_dir(), name, part.data, part.n);
        else
            (void)unlinkat(fuzz_dir(), name, 0);
    }
}

/* Until there is no more; a reader that gives nothing and claims more would spin. */
static void read_all(struct dv_log_reader *reader)
{
    struct dv_buf out = DV_BUF_INIT(DV_LOG_BATCH_MAX, "log");
    struct dv_error err = { 0 };
    int r = 1;

    for (int i = 0; r == 1 && i < MAX_READS; i++) {
        dv_buf_done(&out);
        out = (struct dv_buf)DV_BUF_INIT(DV_LOG_BATCH_MAX, "log");
        r = dv_log_read(reader, &out, &err);
        if (r < 0 && !err.msg[0])
            fuzz_fail("failed without a reason", "");
        if (r == 1 && out.len == 0)
            fuzz_fail("promises more and gives nothing", "");
    }
    dv_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data + 1, size - 1 };
    struct dv_log_query query = { .out = true, .err = true, .tail = -1 };
    struct dv_log_reader *reader = NULL;
    struct dv_error err = { 0 };

    if (size < 1)
        return 0;
    query.err = data[0] & 1;
    query.timestamps = data[0] & 2;
    query.details = data[0] & 4;
    query.framed = data[0] & 8;
    query.tail = data[0] & 16 ? 2 : -1;
    query.since_ns = data[0] & 32 ? UINT64_C(1700000000000000000) : 0;
    query.until_ns = data[0] & 64 ? UINT64_C(1800000000000000000) : 0;
    write_files(&rest);
    if (dv_log_open_dir(dup(fuzz_dir()), "log", &query, &reader, &err) == 0)
        read_all(reader);
    dv_log_free(reader);
    return 0;
}
