/* exit_record.c - how a container ended, on disk before anyone is told. */
#include "core/shim/exit_record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"

enum { RECORD_VERSION = 1, BOOT_ID_BYTES = 36 };

static void read_boot_id(char out[BOOT_ID_BYTES + 1])
{
    dv_autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, BOOT_ID_BYTES);

    out[n == BOOT_ID_BYTES ? n : 0] = '\0';
    if (!out[0])
        memcpy(out, "-", 2);
}

int dv_exit_record_write(int state_dir, const struct dv_exit_record *record, struct dv_error *err)
{
    char boot_id[BOOT_ID_BYTES + 1], text[128];
    int n, r;

    read_boot_id(boot_id);
    n = snprintf(text, sizeof(text), "%d %d 0 %" PRIu64 " %" PRIu64 " %s\n", RECORD_VERSION,
                 record->exit_code, record->started_ns, record->finished_ns, boot_id);
    r = dv_file_replace(state_dir, "exit", text, (size_t)n, 0600, DV_VOLATILE, err);
    return r < 0 ? dv_wrap(err, "write the exit record") : 0;
}
