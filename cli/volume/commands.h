/* commands.h - the commands of volumes, as dv_cli_run. */
#pragma once

#include "cli/command.h"

int dv_cmd_volume_create(struct dv_cli_call *call);
int dv_cmd_volume_inspect(struct dv_cli_call *call);
int dv_cmd_volume_ls(struct dv_cli_call *call);
int dv_cmd_volume_prune(struct dv_cli_call *call);
int dv_cmd_volume_rm(struct dv_cli_call *call);

/* A row of a list of volumes, and its headings; for system df. The caller's. */
json_object *dv_volume_row(json_object *volume);
const char *dv_volume_heading(const char *field);
