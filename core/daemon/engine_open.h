/* engine_open.h - life of the engine object; for main only. */
#pragma once

struct dv_config;
struct dv_engine;
struct dv_error;

/* All parts, in their order; containers that ran are found again. On failure close what was opened. */
int dv_engine_open(struct dv_config *config, struct dv_engine *engine, struct dv_error *err);
void dv_engine_close(struct dv_engine *engine);
