/* client.h - the daemon as its client sees it: where it is, requests and their errors. */
#pragma once

#include <json-c/json.h>

#include "cli/client/http.h"

#define DV_DEFAULT_SOCKET "/run/davit/davit.sock"
#define DV_API_VERSION "1.51"

struct dv_client {
    char *host;            /* as messages show it: "unix:///run/davit/davit.sock" */
    const char *path;      /* of the socket, within host */
    bool debug;            /* each request is told on stderr */
    bool may_start;        /* nobody named a daemon: one may be started */
    struct dv_http *http;  /* kept alive between calls; NULL before the first */
    const char *config_dir; /* of --config; NULL: DOCKER_CONFIG, or ~/.docker */
    json_object *config;   /* of its config.json, once config_read; user_config.c */
    bool config_read;
    int status;            /* of the last reply; 0 where there was none */
};

/* Decide which daemon is meant: OPTION (of -H, may be NULL), DAVIT_HOST, DOCKER_HOST, or the
 * default. UNSUPPORTED for anything but unix://. */
DV_CHECK int dv_client_init(struct dv_client *client, const char *option, struct dv_error *err);
void dv_client_done(struct dv_client *client);

/* A connection of the caller's own, for streams. Starts a daemon where that is allowed.
 * UNAVAILABLE: nobody answers there. */
DV_CHECK int dv_client_connect(struct dv_client *client, struct dv_http **ret,
                               struct dv_error *err);

/* Send REQUEST (its target without the version prefix) over HTTP. */
DV_CHECK int dv_client_send(struct dv_client *client, struct dv_http *http,
                            const struct dv_http_request *request, struct dv_error *err);
/* Read the header of its reply. A status of 400 or more becomes an error: "Error response from daemon:
 * <message>", with the code that fits it (404 NOT_FOUND, 409 CONFLICT ...), and the status in
 * client->status. */
DV_CHECK int dv_client_header(struct dv_client *client, struct dv_http *http,
                              struct dv_http_reply *ret, struct dv_error *err);
/* Both. */
DV_CHECK int dv_client_begin(struct dv_client *client, struct dv_http *http,
                             const struct dv_http_request *request, struct dv_http_reply *ret,
                             struct dv_error *err);
/* The reply of a request that was sent over HTTP by dv_http_send, read to its end and dropped. */
DV_CHECK int dv_client_reply(struct dv_client *client, struct dv_http *http,
                             struct dv_error *err);
/* The same as dv_client_begin over the connection that is kept, lent in *RET_HTTP until the next
 * call. */
DV_CHECK int dv_client_open(struct dv_client *client, const struct dv_http_request *request,
                            struct dv_http **ret_http, struct dv_http_reply *ret,
                            struct dv_error *err);
/* A whole exchange. BODY (borrowed) may be NULL; RET may be NULL, *RET is NULL for an empty body
 * and otherwise the caller's. */
DV_CHECK int dv_client_call(struct dv_client *client, const char *method, const char *target,
                            json_object *body, json_object **ret, struct dv_error *err);

/* Start davitd for the default socket, wait until it answers. Prints what it did on stderr.
 * New connected socket, or a failure (UNAVAILABLE) that names the reason. */
DV_CHECK int dv_autostart(const char *socket_path, struct dv_error *err);
/* Connect to a unix socket: new descriptor, or -1 and errno. */
DV_CHECK int dv_socket_connect(const char *path);
