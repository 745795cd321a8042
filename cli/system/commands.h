/* commands.h - the commands about the daemon itself, as dv_cli_run. */
#pragma once

#include "cli/command.h"

int dv_cmd_container_prune(struct dv_cli_call *call);
int dv_cmd_df(struct dv_cli_call *call);
int dv_cmd_doctor(struct dv_cli_call *call);
int dv_cmd_events(struct dv_cli_call *call);
int dv_cmd_image_prune(struct dv_cli_call *call);
int dv_cmd_info(struct dv_cli_call *call);
int dv_cmd_config_check(struct dv_cli_call *call);
int dv_cmd_plugin_check(struct dv_cli_call *call);
int dv_cmd_plugin_inspect(struct dv_cli_call *call);
int dv_cmd_plugin_ls(struct dv_cli_call *call);
int dv_cmd_plugin_retry(struct dv_cli_call *call);
int dv_cmd_shutdown(struct dv_cli_call *call);
int dv_cmd_system_prune(struct dv_cli_call *call);
int dv_cmd_version(struct dv_cli_call *call);
