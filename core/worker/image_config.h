/* image_config.h - an image's config as a C struct (OCI image-spec, config.md; with Docker's own
 * additions), for the worker, which checks what came, and for davitd, which reads what was checked.
 */
#pragma once

#include "core/base/json.h"

struct dv_image_exec_config {            /* "config" of config.md */
    char *user, *working_dir, *stop_signal, *hostname, *domainname;
    struct dv_strv env, entrypoint, cmd, shell, on_build;
    bool has_entrypoint, has_cmd;
    json_object *volumes, *exposed_ports;/* objects whose keys are the values; NULL if none */
    struct dv_json_map labels;
    json_object *healthcheck;            /* object, or NULL */
    bool args_escaped;
};
struct dv_image_rootfs {
    char *type;
    struct dv_strv diff_ids;
};
struct dv_image_config {
    char *architecture, *os, *variant, *os_version, *author, *comment, *docker_version, *created;
    struct dv_image_exec_config config;
    struct dv_image_rootfs rootfs;
    json_object *history;                /* array, or NULL */
};

/* Parse and check a config document: types, diff ids in form, at most DV_MAX_LAYERS of them. OUT is
 * zero before; release it also after a failure. */
DV_CHECK int dv_image_config_parse(const char *text, size_t len, struct dv_image_config *out,
                                   struct dv_error *err);
/* The document of what was understood; NULL on no memory. Caller frees. */
char *dv_image_config_text(const struct dv_image_config *config);
void dv_image_config_done(struct dv_image_config *config);
/* "sha256:" and 64 lower-case hexadecimal digits? */
bool dv_is_digest(const char *text);
/* This machine's architecture as images name it ("amd64"). Static string. */
const char *dv_machine_arch(void);
