/* client.c - the daemon as its client sees it: where it is, requests and their errors. */
#include "cli/client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/util.h"

static const char unix_scheme[] = "unix://";

int dv_client_init(struct dv_client *client, const char *option, struct dv_error *err)
{
    const char *host = option;

    *client = (struct dv_client){ 0 };
    if (dv_empty(host))
        host = getenv("DAVIT_HOST");
    if (dv_empty(host))
        host = getenv("DOCKER_HOST");
    client->may_start = dv_empty(host);
    if (dv_empty(host))
        host = "unix://" DV_DEFAULT_SOCKET;
    if (!dv_starts(host, unix_scheme) || host[sizeof(unix_scheme) - 1] != '/')
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "unsupported: host '%s': only unix:///PATH is built so far", host);
    client->host = dv_xstrdup(host);
    client->path = client->host + sizeof(unix_scheme) - 1;
    return 0;
}

void dv_client_done(struct dv_client *client)
{
    dv_http_free(client->http);
    free(client->host);
    json_object_put(client->config);
    *client = (struct dv_client){ 0 };
}

/* Directories may be longer than the 108 bytes of an address: their descriptor stands for them. */
static int make_address(const char *path, int dir_fd, struct sockaddr_un *address)
{
    const char *name = strrchr(path, '/') + 1;
    int n;

    address->sun_family = AF_UNIX;
    n = strlen(path) < sizeof(address->sun_path)
            ? snprintf(address->sun_path, sizeof(address->sun_path), "%s", path)
            : snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", dir_fd,
                       name);
    if (n < 0 || (size_t)n >= sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

int dv_socket_connect(const char *path)
{
    dv_autofree char *dir = dv_xstrndup(path, (size_t)(strrchr(path, '/') - path) + 1);
    dv_autoclose int dir_fd = -1, fd = -1;
    struct sockaddr_un address = { 0 };

    if (strlen(path) >= sizeof(address.sun_path)) {
        dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
            return -1;
    }
    if (make_address(path, dir_fd, &address) < 0)
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -1;
    return dv_take_fd(fd);
}

int dv_client_connect(struct dv_client *client, struct dv_http **ret, struct dv_error *err)
{
    int fd = dv_socket_connect(client->path);

    if (fd < 0 && errno == EACCES)
        return dv_fail(err, DV_E_FORBIDDEN,
                       "permission denied while trying to connect to the davit daemon socket at "
                       "%s: be root, or a member of the group 'davit'", client->host);
    if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED) && client->may_start &&
        geteuid() == 0) {
        fd = dv_autostart(client->path, err);
        if (fd < 0)
            return fd;
    }
    if (fd < 0)
        return dv_fail(err, DV_E_UNAVAILABLE,
                       "Cannot connect to the davit daemon at %s. Is davitd running?",
                       client->host);
    *ret = dv_http_new(fd);
    return 0;
}

/* --- replies ---------------------------------------------------------------------------------- */

static int status_code(int status)
{
    static const struct {
        int status, code;
    } codes[] = {
        { 400, DV_E_INVALID },     { 401, DV_E_UNAUTHORIZED }, { 403, DV_E_FORBIDDEN },
        { 404, DV_E_NOT_FOUND },   { 409, DV_E_CONFLICT },     { 501, DV_E_UNSUPPORTED },
        { 503, DV_E_UNAVAILABLE },
    };
    size_t i;

    for (i = 0; i < N(codes); i++)
        if (codes[i].status == status)
            return codes[i].code;
    return DV_E_INTERNAL;
}

static int read_error(struct dv_http *http, const struct dv_http_reply *reply,
                      struct dv_error *err)
{
    dv_autobuf body = DV_BUF_INIT(DV_HTTP_MAX_ERROR_BYTES * 2, "error reply");
    dv_autojson json_object *obj = NULL;
    struct dv_error ignored = { 0 };
    const char *message = "";

    if (dv_http_read_all(http, DV_HTTP_MAX_ERROR_BYTES, &body, &ignored) == 0 && body.len > 0) {
        if (dv_json_parse(body.data, body.len, &obj, &ignored) == 0)
            message = dv_jget_str(obj, "message");
        else
            message = body.data;
    }
    if (!*message)
        return dv_fail(err, status_code(reply->status),
                       "Error response from daemon: status %d without a message", reply->status);
    return dv_fail(err, status_code(reply->status), "Error response from daemon: %s", message);
}

int dv_client_header(struct dv_client *client, struct dv_http *http, struct dv_http_reply *ret,
                     struct dv_error *err)
{
    int r = dv_http_head(http, ret, err);

    if (r < 0)
        return r;
    client->status = ret->status;
    return ret->status >= 400 ? read_error(http, ret, err) : 0;
}

int dv_client_reply(struct dv_client *client, struct dv_http *http, struct dv_error *err)
{
    dv_autobuf body = DV_BUF_INIT((size_t)DV_HTTP_MAX_JSON_BYTES * 2, "reply");
    struct dv_http_reply reply;
    int r = dv_client_header(client, http, &reply, err);

    return r < 0 ? r : dv_http_read_all(http, DV_HTTP_MAX_JSON_BYTES, &body, err);
}

int dv_client_send(struct dv_client *client, struct dv_http *http,
                   const struct dv_http_request *request, struct dv_error *err)
{
    dv_autofree char *target = dv_xformat("/v" DV_API_VERSION "%s", request->target);
    struct dv_http_request versioned = *request;

    versioned.target = target;
    if (client->debug)
        fprintf(stderr, "davit: debug: %s %s\n", request->method, target);
    client->status = 0;
    return dv_http_send(http, &versioned, err);
}

int dv_client_begin(struct dv_client *client, struct dv_http *http,
                    const struct dv_http_request *request, struct dv_http_reply *ret,
                    struct dv_error *err)
{
    int r = dv_client_send(client, http, request, err);

    return r < 0 ? r : dv_client_header(client, http, ret, err);
}

int dv_client_open(struct dv_client *client, const struct dv_http_request *request,
                   struct dv_http **ret_http, struct dv_http_reply *ret, struct dv_error *err)
{
    int r;

    if (client->http && !dv_http_reusable(client->http)) {
        dv_http_free(client->http);
        client->http = NULL;
    }
    if (!client->http) {
        r = dv_client_connect(client, &client->http, err);
        if (r < 0)
            return r;
    }
    *ret_http = client->http;
    return dv_client_begin(client, client->http, request, ret, err);
}

int dv_client_call(struct dv_client *client, const char *method, const char *target,
                   json_object *body, json_object **ret, struct dv_error *err)
{
    dv_autofree char *text = body ? dv_json_text(body) : NULL;
    dv_autobuf reply_body = DV_BUF_INIT((size_t)DV_HTTP_MAX_JSON_BYTES * 2, "reply");
    struct dv_http_request request = {
        .method = method,
        .target = target,
        .content_type = body ? "application/json" : NULL,
        .body = text,
        .body_len = text ? strlen(text) : 0,
    };
    struct dv_http_reply reply;
    struct dv_http *http;
    int r;

    r = dv_client_open(client, &request, &http, &reply, err);
    if (r < 0)
        return r;
    r = dv_http_read_all(http, DV_HTTP_MAX_JSON_BYTES, &reply_body, err);
    if (r < 0)
        return r;
    if (!ret)
        return 0;
    *ret = NULL;
    if (reply_body.len == 0)
        return 0;
    r = dv_json_parse(reply_body.data, reply_body.len, ret, err);
    return r < 0 ? dv_wrap(err, "the daemon's reply to %s %s", method, target) : 0;
}
