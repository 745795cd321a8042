/* progress.h - a stream of JSON messages: what load, import and pull say while they work. */
#pragma once

#include <stdio.h>

#include "cli/client/client.h"

/* Read the reply on HTTP to its end, printing each message as a line to OUT (NULL: none).
 * An error in the stream is returned as one. */
DV_CHECK int dv_progress_run(struct dv_http *http, FILE *out, struct dv_error *err);
