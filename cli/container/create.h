/* create.h - what run and create share: their options, and the request made of them. */
#pragma once

#include "cli/command.h"
#include "cli/util.h"

/* Options of both, sorted by name; each row of the table that uses them adds its own. */
enum { DV_N_CREATE_OPTIONS = 103 }; /* a table of another file must have a constant size */
extern const struct dv_cli_option dv_create_options[];

/* Checks of single values (create_check.c), as dv_cli_option.check. */
int dv_check_env(const char *value, char **ret, struct dv_error *err);
int dv_check_label(const char *value, char **ret, struct dv_error *err);
int dv_check_attach(const char *value, char **ret, struct dv_error *err);
int dv_check_add_host(const char *value, char **ret, struct dv_error *err);
int dv_check_ip(const char *value, char **ret, struct dv_error *err);
int dv_check_domain(const char *value, char **ret, struct dv_error *err);
int dv_check_link(const char *value, char **ret, struct dv_error *err);
int dv_check_sysctl(const char *value, char **ret, struct dv_error *err);
int dv_check_device_rule(const char *value, char **ret, struct dv_error *err);
int dv_check_weight(const char *value, char **ret, struct dv_error *err);
int dv_check_bps(const char *value, char **ret, struct dv_error *err);
int dv_check_iops(const char *value, char **ret, struct dv_error *err);
int dv_check_ulimit(const char *value, char **ret, struct dv_error *err);
int dv_check_mount(const char *value, char **ret, struct dv_error *err);
int dv_check_network(const char *value, char **ret, struct dv_error *err);
int dv_check_gpus(const char *value, char **ret, struct dv_error *err);

/* One value as the object of the API. */
DV_CHECK int dv_parse_mount(const char *value, json_object **ret, struct dv_error *err);
DV_CHECK int dv_parse_gpus(const char *value, json_object **ret, struct dv_error *err);
/* "nofile=10:20" */
DV_CHECK int dv_parse_ulimit(const char *value, json_object **ret, struct dv_error *err);
/* "/dev/sda:1mb", KEY "Rate" or "Weight". */
json_object *dv_device_value(const char *value, const char *key);
/* Fields of one line of comma-separated values; a field may be "quoted". */
DV_CHECK int dv_csv_fields(const char *line, struct dv_strv *ret, struct dv_error *err);
bool dv_is_ip(const char *text);
/* "on-failure:3" */
DV_CHECK int dv_restart_policy_json(const char *value, json_object **ret, struct dv_error *err);
/* /DIR/NAME of a path that begins with "." ; others as they are. Caller frees. */
char *dv_absolute_path(const char *path);

/* "80-82/udp" and the like (ports.c). EXPOSED and BINDINGS are objects of the API that are added
 * to. The messages are docker's. */
DV_CHECK int dv_add_published(const char *spec, json_object *exposed, json_object *bindings,
                              struct dv_error *err);
DV_CHECK int dv_add_exposed(const char *spec, json_object *exposed, struct dv_error *err);

/* NetworkingConfig of the call's network options (networks.c); *RET_MODE: HostConfig.NetworkMode,
 * caller frees. */
DV_CHECK int dv_network_config(const struct dv_cli_call *call, json_object **ret, char **ret_mode,
                               struct dv_error *err);

/* Lines of an env or label file appended to RET: blank ones and "#..." left out. ENV: "NAME" alone
 * takes the value of this process, or nothing where it has none. */
DV_CHECK int dv_read_lines(const char *path, const char *what, bool env, struct dv_strv *ret,
                           struct dv_error *err);

/* The body of POST /containers/create. INVALID in docker's words. */
DV_CHECK int dv_create_body(const struct dv_cli_call *call, json_object **ret,
                            struct dv_error *err);

/* Checks of the whole, then the body. */
DV_CHECK int dv_create_prepare(const struct dv_cli_call *call, json_object **ret,
                               struct dv_error *err);

/* Create the container of the call (image pull policy, --cidfile, --name, warnings on stderr).
 * *RET_ID: caller frees. */
DV_CHECK int dv_create_container(const struct dv_cli_call *call, json_object *body, char **ret_id,
                                 struct dv_error *err);
