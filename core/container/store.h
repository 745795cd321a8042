/* store.h - open and close the daemon's container store. */
#pragma once

#include "core/base/error.h"

struct dv_containers;
struct dv_engine;

/* Read all rows, connect to running shims, settle what ended meanwhile, undo what was half done. Needs
 * engine->loop, db, images, net, cgroups, events. */
DV_CHECK int dv_containers_open(struct dv_engine *engine, struct dv_containers **ret,
                                struct dv_error *err);
/* In the loop's thread, when the loop and all requests have ended. Stop threads and connections;
 * containers go on. */
void dv_containers_close(struct dv_containers *cs);
/* Stop all running containers, as `docker stop` (davit system shutdown); waits for them. */
void dv_containers_stop_all(struct dv_containers *cs);
