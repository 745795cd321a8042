/* request.c - one request in its thread: its path and query, its body, the handler, and the end. */
#include "core/api/request.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "core/api/conn.h"
#include "core/api/messages.h"
#include "core/api/routes.h"
#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/daemon/engine.h"

/* ---- the URL ---- */

const char *dv_query(const struct dv_request *req, const char *key)
{
    for (size_t i = 0; i < req->query_keys.n; i++)
        if (dv_streq(req->query_keys.items[i], key))
            return req->query_values.items[i];
    return NULL;
}

bool dv_query_bool(const struct dv_request *req, const char *key, bool fallback)
{
    static const char *const falses[] = { "", "0", "no", "false", "none" };
    const char *value = dv_query(req, key);

    if (!value)
        return fallback;
    for (size_t i = 0; i < N(falses); i++)
        if (strcasecmp(value, falses[i]) == 0)
            return false;
    return true;
}

int dv_query_i64(const struct dv_request *req, const char *key, int64_t *ret,
                 struct dv_error *err)
{
    const char *value = dv_query(req, key);

    if (dv_empty(value))
        return 0;
    if (dv_parse_i64(value, INT64_MIN + 1, INT64_MAX, ret) < 0)
        return dv_fail(err, DV_E_INVALID,
                       "invalid value of query parameter '%s': '%s' is not a whole "
                       "number",
                       key, value);
    return 0;
}

int dv_query_size(const struct dv_request *req, unsigned *ret_rows, unsigned *ret_cols,
                  struct dv_error *err)
{
    static const char *const names[] = { "h", "w" };
    unsigned *to[] = { ret_rows, ret_cols };

    for (size_t i = 0; i < N(names); i++) {
        const char *text = dv_query(req, names[i]);
        uint64_t value;

        if (dv_parse_u64(text ? text : "", 0, UINT16_MAX, &value) < 0)
            return dv_fail(err, DV_E_INVALID, "invalid resize value of '%s': '%s'", names[i],
                           text ? text : "");
        *to[i] = (unsigned)value;
    }
    return 0;
}

static int parse_pair(struct dv_request *req, const char *pair, size_t n, struct dv_error *err)
{
    const char *equals = memchr(pair, '=', n);
    size_t n_key = equals ? (size_t)(equals - pair) : n;
    char *key = dv_http_unescape(pair, n_key, /* plus */ true, err), *value;

    if (!key)
        return -err->code;
    value = dv_http_unescape(equals ? equals + 1 : "", equals ? n - n_key - 1 : 0, true, err);
    if (!value) {
        free(key);
        return -err->code;
    }
    if (dv_strv_add_take(&req->query_keys, key) < 0) {
        free(value);
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the query");
    }
    if (dv_strv_add_take(&req->query_values, value) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the query");
    return 0;
}

static int parse_query(struct dv_request *req, const char *query, struct dv_error *err)
{
    while (*query) {
        size_t n = strcspn(query, "&");

        if (n > 0 && parse_pair(req, query, n, err) < 0)
            return -err->code;
        query += n + (query[n] == '&');
    }
    return 0;
}

/* "http://host/path" (a proxy's form), "/path", and what lies behind "#". */
static const char *strip_host(const char *url, size_t *ret_n)
{
    const char *scheme = strstr(url, "://");
    const char *path = url;

    if (*url != '/' && scheme)
        path = scheme + 3 + strcspn(scheme + 3, "/?#");
    *ret_n = strcspn(path, "?#");
    return path;
}

static int take_param(char **ret, const struct dv_route_param *param, struct dv_error *err)
{
    if (!param->text)
        return 0;
    *ret = strndup(param->text, param->n);
    return *ret ? 0 : dv_fail(err, DV_E_NO_MEMORY, "no memory for the path");
}

/* Finds the route; a path that is unknown is said to be so before its version is looked at. */
static int parse_url(struct dv_request *req, struct dv_error *err)
{
    const struct dv_http *h = &req->conn->http;
    struct dv_route_param params[2] = { { 0 } };
    char version[16];
    size_t n;
    const char *path = strip_host(h->url.data ? h->url.data : "", &n), *rest;
    int r;

    req->path = dv_http_unescape(path, n, /* plus */ false, err);
    if (!req->path)
        return -err->code;
    rest = dv_route_version(req->path, version);
    req->route = dv_route_find(h->method, rest, params);
    if (!req->route)
        return dv_fail(err, DV_E_NOT_FOUND, DV_MSG_PAGE_NOT_FOUND);
    r = dv_route_version_check(version, &req->version, err);
    if (r < 0)
        return r;
    if (req->version < req->route->since)
        return dv_fail(err, DV_E_NOT_FOUND, DV_MSG_PAGE_NOT_FOUND);
    if (take_param(&req->params[0], &params[0], err) < 0 ||
        take_param(&req->params[1], &params[1], err) < 0)
        return -err->code;
    return path[n] == '?' ? parse_query(req, path + n + 1, err) : 0;
}

const struct dv_api_route *dv_request_route(const struct dv_http *h)
{
    size_t n;
    const char *raw = strip_host(h->url.data ? h->url.data : "", &n);
    struct dv_error err = { 0 };
    dv_autofree char *path = dv_http_unescape(raw, n, /* plus */ false, &err);
    char version[16];

    return path ? dv_route_find(h->method, dv_route_version(path, version), NULL) : NULL;
}

const char *dv_request_header(const struct dv_request *req, const char *name)
{
    return dv_http_header(&req->conn->http, name);
}

/* ---- the body ---- */

void dv_conn_continue(struct dv_conn *conn)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (!conn->continued && conn->http.expect_continue && conn->http.has_body &&
        conn->in.len <= 1) /* the head's own line end is still there */
        (void)!send(conn->fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    conn->continued = true;
}

/* More bytes into conn->in. 0: the client closed. */
static int receive(struct dv_conn *conn, int timeout_ms, int cancel_fd, struct dv_error *err)
{
    struct pollfd p[2] = { { .fd = conn->fd, .events = POLLIN },
                           { .fd = cancel_fd, .events = POLLIN } };
    ssize_t n;
    int r;

    r = dv_buf_reserve(&conn->in, DV_CONN_READ_BYTES, err);
    if (r < 0)
        return r;
    for (;;) {
        n = recv(conn->fd, conn->in.data + conn->in.len, DV_CONN_READ_BYTES, MSG_DONTWAIT);
        if (n >= 0)
            break;
        if (errno != EAGAIN && errno != EINTR)
            return dv_fail(err, DV_E_CANCELED, "the client is gone");
        r = poll(p, 2, timeout_ms);
        if (r == 0)
            return dv_fail(err, DV_E_TIMEOUT, "the request body did not arrive in time");
        if (r > 0 && p[1].revents)
            return dv_fail(err, DV_E_CANCELED, "reading the request body was canceled");
    }
    conn->in.len += (size_t)n;
    conn->in.data[conn->in.len] = '\0';
    return n > 0;
}

/* Decode some of conn->in into conn->body. */
static int decode(struct dv_conn *conn, struct dv_error *err)
{
    size_t used = 0, n = conn->in.len < DV_CONN_READ_BYTES ? conn->in.len : DV_CONN_READ_BYTES;
    int r;

    conn->http.body = &conn->body;
    r = dv_http_feed(&conn->http, conn->in.data, n, &used, err);
    dv_buf_consume(&conn->in, used);
    return r;
}

/* 1: there are body bytes; 0: the request is over. */
static int more_body(struct dv_request *req, int timeout_ms, int cancel_fd, struct dv_error *err)
{
    struct dv_conn *conn = req->conn;

    dv_conn_continue(conn);
    while (conn->body.len == 0 && conn->http.state != DV_HTTP_DONE) {
        int r = conn->in.len > 0 ? 1 : receive(conn, timeout_ms, cancel_fd, err);

        if (r == 0)
            r = dv_fail(err, DV_E_CANCELED, "the client closed the connection within its request");
        if (r > 0)
            r = decode(conn, err);
        if (r < 0) {
            req->keep_alive = false;
            return r;
        }
    }
    return conn->body.len > 0;
}

int dv_request_read(struct dv_request *req, void *buf, size_t n, int timeout_ms, int cancel_fd,
                    size_t *ret_n, struct dv_error *err)
{
    struct dv_buf *body = &req->conn->body;
    int r = more_body(req, timeout_ms, cancel_fd, err);

    if (r < 0)
        return r;
    *ret_n = body->len < n ? body->len : n;
    if (*ret_n > 0) {
        memcpy(buf, body->data, *ret_n);
        dv_buf_consume(body, *ret_n);
    }
    return 0;
}

int dv_request_finish(struct dv_request *req, struct dv_error *err)
{
    struct dv_conn *conn = req->conn;

    dv_buf_reset(&conn->body);
    while (conn->in.len > 0 && conn->http.state != DV_HTTP_DONE) {
        int r = decode(conn, err);

        if (r < 0)
            return r;
        dv_buf_reset(&conn->body);
    }
    return conn->http.state == DV_HTTP_DONE
               ? 0
               : dv_fail(err, DV_E_INVALID, "the request body was not read to its end");
}

/* Docker's rule: a body must say that it is JSON; without a body nothing need be said. */
static int check_content_type(struct dv_request *req, struct dv_error *err)
{
    const char *type = dv_request_header(req, "Content-Type");
    size_t n = type ? strcspn(type, "; ") : 0;

    if (!req->conn->http.has_body && dv_empty(type))
        return 0;
    if (type && n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0)
        return 0;
    return dv_fail(err, DV_E_INVALID, DV_MSG_CONTENT_TYPE, type ? type : "");
}

static bool is_blank(const struct dv_buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (!strchr(" \t\r\n", text->data[i]))
            return false;
    return true;
}

int dv_request_json(struct dv_request *req, bool may_be_empty, json_object **ret,
                    struct dv_error *err)
{
    struct dv_buf *text = &req->conn->body; /* complete: see conn.c */
    int r = check_content_type(req, err);

    *ret = NULL;
    if (r < 0)
        return r;
    if (is_blank(text))
        return may_be_empty ? 0 : dv_fail(err, DV_E_INVALID, DV_MSG_EMPTY_BODY);
    r = dv_json_parse(text->data, text->len, ret, err);
    dv_buf_done(text); /* what was parsed takes more than enough */
    return r < 0 ? dv_wrap(err, "invalid JSON") : 0;
}

/* ---- the request ---- */

static int not_built(struct dv_request *req, struct dv_error *err)
{
    if (req->route->flags & DV_ROUTE_SWARM)
        return dv_fail(err, DV_E_UNAVAILABLE, DV_MSG_NO_SWARM);
    return dv_fail(err, DV_E_UNSUPPORTED, DV_MSG_NOT_BUILT, req->route->method,
                   req->route->pattern);
}

void dv_request_advise(const struct dv_request *req, struct dv_error *err)
{
    /* Not where addresses or the like ran out; the cause's number may be lost by now, as between
     * processes, its text is not. */
    if (err->code != DV_E_NO_SPACE ||
        !(strstr(err->msg, "No space left on device") || strstr(err->msg, "Disk quota exceeded")))
        return;
    dv_fail(err, DV_E_NO_SPACE,
            "%s; free some below %s ('davit system prune' removes what no container uses), then "
            "try again", err->msg, req->engine->config.root);
}

static void answer(struct dv_request *req)
{
    struct dv_error err = { 0 };
    int r = parse_url(req, &err);

    if (r == 0)
        r = req->route->handler ? req->route->handler(req, &err) : not_built(req, &err);
    if (r < 0)
        dv_request_advise(req, &err);
    if (r < 0 && req->state == DV_REPLY_NONE) {
        if (dv_http_status(err.code) >= 500 && err.code != DV_E_UNSUPPORTED &&
            !(req->route && (req->route->flags & DV_ROUTE_SWARM)))
            dv_log_error(NULL, "%s %s: %s", req->conn->http.method,
                         req->path ? req->path : "?", err.msg);
        dv_reply_error(req, &err);
    } else if (r < 0) {
        /* The header is gone: all that is left is to break the connection off. */
        dv_log_error(NULL, "%s %s: %s", req->conn->http.method, req->path, err.msg);
        req->keep_alive = false;
    }
}

static void end(struct dv_request *req)
{
    struct dv_conn *conn = req->conn;

    dv_reply_end(req);
    conn->keep = req->keep_alive;
    free(req->path);
    free(req->params[0]);
    free(req->params[1]);
    dv_strv_done(&req->query_keys);
    dv_strv_done(&req->query_values);
    dv_conn_finished(conn);
}

void dv_conn_run(void *arg)
{
    struct dv_conn *conn = arg;
    struct dv_request req = { .engine = conn->api->engine, .conn = conn, .version = DV_API_MAX,
                              .keep_alive = conn->http.keep_alive };

    answer(&req);
    end(&req);
}
