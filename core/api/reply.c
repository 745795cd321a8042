/* reply.c - answers: status line and header, JSON, errors, chunks, and handing the socket on. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/api/conn.h"
#include "core/base/json.h"

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },           { 201, "Created" },          { 204, "No Content" },
    { 304, "Not Modified" }, { 400, "Bad Request" },      { 401, "Unauthorized" },
    { 403, "Forbidden" },    { 404, "Not Found" },        { 408, "Request Timeout" },
    { 409, "Conflict" },     { 413, "Content Too Large" }, { 414, "URI Too Long" },
    { 431, "Request Header Fields Too Large" },           { 500, "Internal Server Error" },
    { 501, "Not Implemented" }, { 503, "Service Unavailable" },
};

const char *dv_http_reason(int status)
{
    for (size_t i = 0; i < N(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

/* The one table from what failed to what the client is told. */
int dv_http_status(int code)
{
    static const uint16_t statuses[] = {
        [0] = 200,
        [DV_E_INVALID] = 400,      [DV_E_UNAUTHORIZED] = 401, [DV_E_FORBIDDEN] = 403,
        [DV_E_NOT_FOUND] = 404,    [DV_E_CONFLICT] = 409,     [DV_E_NOT_MODIFIED] = 304,
        [DV_E_UNSUPPORTED] = 501,  [DV_E_UNAVAILABLE] = 503,  [DV_E_CANCELED] = 500,
        [DV_E_TIMEOUT] = 500,      [DV_E_NO_SPACE] = 500,     [DV_E_NO_MEMORY] = 500,
        [DV_E_INTERNAL] = 500,
    };

    return code >= 0 && (size_t)code < N(statuses) && statuses[code] ? statuses[code] : 500;
}

int dv_reply_head(struct dv_buf *out, struct dv_conn *conn, int status, const char *content_type,
                  int64_t length, bool chunked, bool keep_alive, struct dv_error *err)
{
    int r = dv_buf_printf(out, err,
                          "HTTP/1.1 %d %s\r\nApi-Version: %d.%d\r\nDocker-Experimental: false\r\n"
                          "Ostype: linux\r\nServer: Docker/" DAVIT_VERSION " (linux)\r\n",
                          status, dv_http_reason(status), DV_API_MAJOR, DV_API_MAX);

    if (r == 0 && conn->extra_headers)
        r = dv_buf_puts(out, conn->extra_headers, err);
    if (r == 0 && content_type)
        r = dv_buf_printf(out, err, "Content-Type: %s\r\n", content_type);
    if (r == 0 && length >= 0)
        r = dv_buf_printf(out, err, "Content-Length: %lld\r\n", (long long)length);
    if (r == 0 && chunked)
        r = dv_buf_puts(out, "Transfer-Encoding: chunked\r\n", err);
    if (r == 0 && !keep_alive)
        r = dv_buf_puts(out, "Connection: close\r\n", err);
    else if (r == 0 && conn->http.http10)
        r = dv_buf_puts(out, "Connection: keep-alive\r\n", err);
    return r < 0 ? r : dv_buf_puts(out, "\r\n", err);
}

/* {"message": TEXT} and a newline; NULL on no memory. Caller frees. */
static char *error_text(const char *message)
{
    dv_autojson json_object *obj = json_object_new_object();
    dv_autofree char *text = NULL;

    if (!obj || json_object_object_add(obj, "message", json_object_new_string(message)) < 0)
        return NULL;
    text = dv_json_text(obj);
    return text ? dv_format("%s\n", text) : NULL;
}

int dv_reply_raw_error(struct dv_buf *out, struct dv_conn *conn, int status, const char *text,
                       struct dv_error *err)
{
    dv_autofree char *body = error_text(text);
    int r;

    if (!body)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for an error reply");
    r = dv_reply_head(out, conn, status, "application/json", (int64_t)strlen(body),
                      /* chunked */ false, /* keep_alive */ false, err);
    return r < 0 ? r : dv_buf_puts(out, body, err);
}

/* ---- in a request's thread ---- */

/* All N bytes; -1 when the client is gone or takes nothing for too long. */
static int send_all(struct dv_conn *conn, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(conn->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        struct pollfd p = { .fd = conn->fd, .events = POLLOUT };

        if (sent >= 0) {
            data += sent;
            n -= (size_t)sent;
        } else if (errno == EAGAIN) {
            if (poll(&p, 1, DV_CONN_SEND_SECONDS * 1000) == 0)
                return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int dv_reply_flush(struct dv_conn *conn)
{
    size_t sent = 0;

    while (sent < conn->out.len) {
        ssize_t n = send(conn->fd, conn->out.data + sent, conn->out.len - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            return -1;
    }
    dv_buf_consume(&conn->out, sent);
    return 0;
}

static void send_buf(struct dv_request *req, const struct dv_buf *out)
{
    if (send_all(req->conn, out->data, out->len) < 0)
        req->keep_alive = false;
}

static bool is_head(const struct dv_request *req)
{
    return dv_streq(req->conn->http.method, "HEAD");
}

static void reply(struct dv_request *req, int status, const char *type, const char *body, size_t n)
{
    bool bare = status == 204 || status == 304; /* RFC 9110: these have neither body nor length */
    struct dv_buf *out = &req->conn->out;
    struct dv_error err = { 0 };

    if (req->state != DV_REPLY_NONE)
        return;
    req->state = DV_REPLY_DONE;
    *out = (struct dv_buf)DV_BUF_INIT(DV_REPLY_MAX_BYTES, "reply");
    if (dv_reply_head(out, req->conn, status, bare ? NULL : type, bare ? -1 : (int64_t)n,
                      /* chunked */ false, req->keep_alive, &err) < 0 ||
        (!bare && !is_head(req) && dv_buf_put(out, body, n, &err) < 0)) {
        dv_buf_done(out); /* out of memory: the client sees the connection close */
        req->keep_alive = false;
    } else if (dv_reply_flush(req->conn) < 0) {
        dv_buf_done(out); /* what it does not take now, the loop's thread sends */
        req->keep_alive = false;
    }
}

void dv_reply_header(struct dv_request *req, const char *lines)
{
    req->conn->extra_headers = lines;
}

void dv_reply_text(struct dv_request *req, int status, const char *text)
{
    reply(req, status, "text/plain; charset=utf-8", text, strlen(text));
}

void dv_reply_empty(struct dv_request *req, int status)
{
    reply(req, status, NULL, "", 0);
}

void dv_reply_json(struct dv_request *req, int status, json_object *take)
{
    dv_autojson json_object *obj = take;
    const char *text = obj ? json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE)
                           : NULL;
    dv_autofree char *line = text ? dv_format("%s\n", text) : NULL;

    if (line) {
        reply(req, status, "application/json", line, strlen(line));
    } else {
        struct dv_error err = { 0 };

        dv_fail(&err, DV_E_NO_MEMORY, "no memory for the reply");
        dv_reply_error(req, &err);
    }
}

int dv_list_add(struct dv_buf *list, json_object *take, struct dv_error *err)
{
    dv_autojson json_object *obj = take;
    const char *text = obj ? json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE)
                           : NULL;

    if (!text)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the list");
    return dv_buf_printf(list, err, "%c%s", list->len ? ',' : '[', text);
}

int dv_reply_list(struct dv_request *req, struct dv_buf *list, struct dv_error *err)
{
    int r = dv_buf_puts(list, list->len ? "]\n" : "[]\n", err);

    if (r == 0)
        reply(req, 200, "application/json", list->data, list->len);
    return r;
}

void dv_reply_error(struct dv_request *req, const struct dv_error *err)
{
    int status = req->conn->http.status ? req->conn->http.status : dv_http_status(err->code);
    dv_autofree char *text = NULL;

    if (status == 304) {
        dv_reply_empty(req, status);
        return;
    }
    text = error_text(err->msg);
    reply(req, status, "application/json", text ? text : "", text ? strlen(text) : 0);
}

int dv_reply_begin(struct dv_request *req, int status, const char *content_type)
{
    dv_autobuf out = DV_BUF_INIT(8192, "reply header");
    struct dv_error err = { 0 };
    bool chunked = !req->conn->http.http10;

    if (!chunked)
        req->keep_alive = false;
    req->state = DV_REPLY_CHUNKED;
    if (dv_reply_head(&out, req->conn, status, content_type, -1, chunked, req->keep_alive, &err) <
        0)
        req->keep_alive = false;
    else
        send_buf(req, &out);
    return 0;
}

int dv_reply_chunk(struct dv_request *req, const void *data, size_t n)
{
    char size[24];
    int digits = snprintf(size, sizeof(size), "%zx\r\n", n);
    bool chunked = !req->conn->http.http10;

    if (n == 0) /* would be the last chunk */
        return 0;
    if ((chunked && send_all(req->conn, size, (size_t)digits) < 0) ||
        send_all(req->conn, data, n) < 0 || (chunked && send_all(req->conn, "\r\n", 2) < 0)) {
        req->keep_alive = false;
        return -1;
    }
    return 0;
}

void dv_reply_end(struct dv_request *req)
{
    if (req->state != DV_REPLY_CHUNKED)
        return;
    req->state = DV_REPLY_DONE;
    if (!req->conn->http.http10 && send_all(req->conn, "0\r\n\r\n", 5) < 0)
        req->keep_alive = false;
}

/* Docker answers 101 to whoever asks for an upgrade, else a 200 without length. */
static int hijack_head(struct dv_request *req, bool multiplexed, struct dv_buf *out,
                       struct dv_error *err)
{
    bool upgrade = req->conn->http.upgrade;
    const char *type = upgrade && multiplexed && req->version >= 42
                           ? "application/vnd.docker.multiplexed-stream"
                           : "application/vnd.docker.raw-stream";

    return dv_buf_printf(out, err,
                         "HTTP/1.1 %s\r\nContent-Type: %s\r\n%sApi-Version: %d.%d\r\n"
                         "Docker-Experimental: false\r\nOstype: linux\r\n"
                         "Server: Docker/" DAVIT_VERSION " (linux)\r\n\r\n",
                         upgrade ? "101 UPGRADED" : "200 OK", type,
                         upgrade ? "Connection: Upgrade\r\nUpgrade: tcp\r\n" : "", DV_API_MAJOR,
                         DV_API_MAX);
}

int dv_reply_hijack(struct dv_request *req, bool multiplexed, int *ret_fd, char **ret_early,
                    size_t *ret_n_early, struct dv_error *err)
{
    struct dv_conn *conn = req->conn;
    dv_autobuf out = DV_BUF_INIT(8192, "reply header");
    int r = dv_request_finish(req, err);

    if (r < 0)
        return r;
    *ret_n_early = conn->in.len;
    *ret_early = dv_buf_take(&conn->in);
    if (!*ret_early)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the stream's first bytes");
    r = hijack_head(req, multiplexed, &out, err);
    if (r == 0 && send_all(conn, out.data, out.len) < 0)
        r = dv_fail(err, DV_E_CANCELED, "the client is gone");
    if (r < 0) {
        free(dv_take(*ret_early));
        return r;
    }
    req->state = DV_REPLY_GONE;
    *ret_fd = dv_take_fd(conn->fd);
    return 0;
}

int dv_reply_hijack_stream(struct dv_request *req, bool multiplexed, char **ret_early,
                           size_t *ret_n_early, const struct dv_stream_ops *ops, void *arg,
                           struct dv_error *err)
{
    struct dv_conn *conn = req->conn;
    dv_autofree struct dv_stream *stream = calloc(1, sizeof(*stream));
    int r = dv_request_finish(req, err);

    if (r < 0)
        return r;
    if (!stream)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for a stream");
    *stream = (struct dv_stream){ .conn = conn, .ops = ops, .arg = arg,
                                  .out = DV_BUF_INIT(DV_STREAM_MAX_BYTES, "stream") };
    *ret_n_early = conn->in.len;
    *ret_early = dv_buf_take(&conn->in);
    if (!*ret_early)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the stream's first bytes");
    r = hijack_head(req, multiplexed, &stream->out, err);
    if (r < 0) {
        free(dv_take(*ret_early));
        return r;
    }
    req->keep_alive = false;
    req->state = DV_REPLY_DONE;
    conn->stream = dv_take(stream);
    return 0;
}

void dv_reply_stream(struct dv_request *req, int status, const char *content_type,
                     const struct dv_stream_ops *ops, void *arg)
{
    struct dv_conn *conn = req->conn;
    struct dv_stream *stream = calloc(1, sizeof(*stream));
    struct dv_error err = { 0 };

    if (!stream) {
        dv_fail(&err, DV_E_NO_MEMORY, "no memory for a stream");
        dv_loop_post(conn->api->loop, ops->free, arg); /* it belongs to that thread */
        dv_reply_error(req, &err);
        return;
    }
    stream->conn = conn;
    stream->ops = ops;
    stream->arg = arg;
    stream->out = (struct dv_buf)DV_BUF_INIT(DV_STREAM_MAX_BYTES, "stream");
    stream->chunked = !conn->http.http10;
    if (!stream->chunked)
        req->keep_alive = false;
    if (dv_request_finish(req, &err) < 0)
        req->keep_alive = false;
    if (dv_reply_head(&stream->out, conn, status, content_type, -1, stream->chunked,
                      req->keep_alive, &err) < 0)
        stream->broken = true;
    req->state = DV_REPLY_DONE;
    conn->stream = stream;
}
