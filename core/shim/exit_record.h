/* exit_record.h - how a container ended, on disk before anyone is told. */
#pragma once

#include <stdint.h>

#include "core/base/error.h"

struct dv_exit_record {
    int exit_code;         /* as a shell gives it */
    uint64_t started_ns, finished_ns;
};

/* Replace STATE_DIR/exit atomically; the format is in protocol.h. Not synced: after a crash of the
 * machine the boot id says that the container is gone anyway. */
DV_CHECK int dv_exit_record_write(int state_dir, const struct dv_exit_record *record,
                                  struct dv_error *err);
