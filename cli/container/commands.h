/* commands.h - the commands of containers, as dv_cli_run. */
#pragma once

#include "cli/command.h"

int dv_cmd_attach(struct dv_cli_call *call);
int dv_cmd_container_inspect(struct dv_cli_call *call);
int dv_cmd_create(struct dv_cli_call *call);
int dv_cmd_exec(struct dv_cli_call *call);
int dv_cmd_inspect(struct dv_cli_call *call);
int dv_cmd_kill(struct dv_cli_call *call);
int dv_cmd_logs(struct dv_cli_call *call);
int dv_cmd_pause(struct dv_cli_call *call);
int dv_cmd_ps(struct dv_cli_call *call);
int dv_cmd_rename(struct dv_cli_call *call);
int dv_cmd_restart(struct dv_cli_call *call);
int dv_cmd_rm(struct dv_cli_call *call);
int dv_cmd_run(struct dv_cli_call *call);
int dv_cmd_start(struct dv_cli_call *call);
int dv_cmd_stop(struct dv_cli_call *call);
int dv_cmd_top(struct dv_cli_call *call);
int dv_cmd_unpause(struct dv_cli_call *call);
int dv_cmd_update(struct dv_cli_call *call);
int dv_cmd_wait(struct dv_cli_call *call);

/* Shared by them (util of this folder). */
struct dv_session;
/* The document of a container; the caller's. */
DV_CHECK int dv_container_document(struct dv_client *client, const char *name,
                                   json_object **ret, struct dv_error *err);
/* Run a session to its end and turn it into an exit code: wait's answer, asked again where the
 * daemon was restarted meanwhile. ID: the container. */
int dv_session_finish(struct dv_session *session, const char *id, struct dv_error *err);

/* A row of a list of containers (GET /containers/json), and its headings; for system df. */
json_object *dv_container_row(json_object *container, bool full, int64_t now);
const char *dv_container_heading(const char *field);
