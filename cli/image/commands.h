/* commands.h - the commands of images, as dv_cli_run. */
#pragma once

#include "cli/command.h"

int dv_cmd_image_inspect(struct dv_cli_call *call);
int dv_cmd_images(struct dv_cli_call *call);
int dv_cmd_import(struct dv_cli_call *call);
int dv_cmd_load(struct dv_cli_call *call);
int dv_cmd_pull(struct dv_cli_call *call);
int dv_cmd_rmi(struct dv_cli_call *call);
int dv_cmd_save(struct dv_cli_call *call);
int dv_cmd_tag(struct dv_cli_call *call);
