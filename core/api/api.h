/* api.h - the Engine API server: listeners, connections, routes. */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"

struct dv_engine;
struct dv_api;

/* Serve ENGINE on LISTEN_FDS (listening unix sockets, taken, also on failure). Runs on engine->loop
 * plus a bounded pool of request threads. */
DV_CHECK int dv_api_start(struct dv_engine *engine, const int *listen_fds, size_t n_fds,
                          struct dv_api **ret, struct dv_error *err);
/* Stop accepting, let running requests end (up to 5 s), close the rest. In the loop's thread, after
 * dv_loop_run returned and while the engine's parts still live: the loop runs on for those requests.
 * NULL does nothing. False: requests go on in their threads and use the engine, which then must not be
 * closed. */
bool dv_api_stop(struct dv_api *api);
