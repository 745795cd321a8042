/* archive_host.h - the engine's side of transport "archive", for its fuzz targets. */
#pragma once

#include "plugins/registry/archive/archive.h"

struct dv_call {
    char message[800];           /* "" as long as nothing failed */
};
extern const struct dv_host fuzz_host;
/* All of a source that was read: next_image, and each blob opened. Aborts where it is no image. */
void fuzz_use_source(struct source *s);
