/* commands.h - the commands of images, as dv_cli_run. */
#pragma once

#include "cli/command.h"

int dv_cmd_history(struct dv_cli_call *call);
int dv_cmd_image_inspect(struct dv_cli_call *call);
int dv_cmd_images(struct dv_cli_call *call);
int dv_cmd_import(struct dv_cli_call *call);
int dv_cmd_load(struct dv_cli_call *call);
int dv_cmd_pull(struct dv_cli_call *call);
int dv_cmd_rmi(struct dv_cli_call *call);
int dv_cmd_save(struct dv_cli_call *call);
int dv_cmd_tag(struct dv_cli_call *call);

/* Rows of a list of images (GET /images/json), and their headings; for system df. FULL: nothing is
 * cut. DIGESTS: fill that field. The caller's. */
json_object *dv_image_rows(json_object *images, bool full, bool digests);
const char *dv_image_heading(const char *field);
/* "linux/arm64/v8" as the API wants platforms in a query: JSON. The caller's. */
char *dv_platform_json(const char *text);
