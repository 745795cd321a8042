/* http.c - one HTTP/1.1 connection to the daemon. */
#include "cli/client/http.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "cli/util.h"
#include "core/base/parse.h"

enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

struct dv_http {
    int fd;
    bool broken;        /* a failure, or a body whose end is the connection's */
    bool asked_upgrade;
    bool head_request;
    struct dv_buf in;   /* received, not yet taken */
    size_t at;          /* of in: consumed up to here */
    enum framing framing;
    uint64_t left;      /* bytes of the body, or of the current chunk */
    bool body_done;
    bool in_chunk;
};

struct dv_http *dv_http_new(int fd)
{
    struct dv_http *http = dv_xcalloc(1, sizeof(*http));

    http->fd = fd;
    http->body_done = true;
    http->in = (struct dv_buf)DV_BUF_INIT(DV_HTTP_MAX_EARLY_BYTES, "early reply");
    return http;
}

void dv_http_free(struct dv_http *http)
{
    if (!http)
        return;
    dv_close(http->fd);
    dv_buf_done(&http->in);
    free(http);
}

int dv_http_fd(const struct dv_http *http)
{
    return http->fd;
}

static size_t buffered(const struct dv_http *http)
{
    return http->in.len - http->at;
}

bool dv_http_pending(const struct dv_http *http)
{
    return buffered(http) > 0;
}

bool dv_http_reusable(const struct dv_http *http)
{
    struct pollfd p = { .fd = http->fd, .events = POLLIN };

    /* Between two replies the daemon has nothing to say: readable means it closed. */
    return !http->broken && http->body_done && buffered(http) == 0 && poll(&p, 1, 0) == 0;
}

static int closed(struct dv_http *http, struct dv_error *err, const char *what)
{
    http->broken = true;
    return dv_fail(err, DV_E_UNAVAILABLE, "the daemon closed the connection %s", what);
}

/* Receive once into the buffer; bytes, 0 at the end. */
static ssize_t fill(struct dv_http *http, struct dv_error *err)
{
    enum { PIECE = 32 << 10 };
    ssize_t n;

    if (http->at > 0) {
        dv_buf_consume(&http->in, http->at);
        http->at = 0;
    }
    if (dv_buf_reserve(&http->in, PIECE, err) < 0)
        return -err->code;
    do
        n = recv(http->fd, http->in.data + http->in.len, PIECE, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == ECONNRESET)
        return closed(http, err, "(reset)");
    if (n < 0) {
        http->broken = true;
        return dv_fail_errno(err, DV_E_UNAVAILABLE, "read from the daemon");
    }
    http->in.len += (size_t)n;
    return n;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* 1 if an error reply is there already: its status line came while the body was being sent. */
static bool refused(const struct dv_http *http)
{
    const char *p = http->in.data + http->at;

    return buffered(http) >= 12 && dv_starts(p, "HTTP/1.") && p[9] >= '4';
}

/* Send all; where the daemon talks meanwhile its bytes are kept, or both would wait for ever.
 * 0 sent, 1 given up since the daemon refused or closed (its reply is to be read). */
static int send_all(struct dv_http *http, const char *data, size_t n, struct dv_error *err)
{
    bool listening = true;

    while (n > 0) {
        struct pollfd p = { .fd = http->fd, .events = POLLOUT | (listening ? POLLIN : 0) };
        ssize_t sent;

        if (poll(&p, 1, -1) < 0 && errno != EINTR)
            return dv_fail_errno(err, DV_E_UNAVAILABLE, "wait for the daemon");
        if (listening && (p.revents & POLLIN)) {
            ssize_t got = fill(http, err);

            if (got < 0 && buffered(http) == 0)
                return (int)got;
            if (got <= 0)
                listening = false;
            if (refused(http))
                return 1;
        }
        if (!(p.revents & (POLLOUT | POLLERR | POLLHUP)))
            continue;
        sent = send(http->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return 1;
        if (sent < 0 && errno != EINTR && errno != EAGAIN)
            return dv_fail_errno(err, DV_E_UNAVAILABLE, "send to the daemon");
        if (sent > 0) {
            data += sent;
            n -= (size_t)sent;
        }
    }
    return 0;
}

static int send_chunk(struct dv_http *http, char *piece, size_t head, size_t n,
                      struct dv_error *err)
{
    char size[20];
    int m = snprintf(size, sizeof(size), "%zx\r\n", n);

    memcpy(piece + head - m, size, (size_t)m);
    memcpy(piece + head + n, "\r\n", 2);
    return send_all(http, piece + head - m, (size_t)m + n + 2, err);
}

static int send_stream(struct dv_http *http, int fd, struct dv_error *err)
{
    enum { HEAD = 20, PIECE = 128 << 10 };
    dv_autofree char *piece = dv_xcalloc(1, HEAD + PIECE + 2);
    ssize_t n;
    int r;

    for (;;) {
        n = read(fd, piece + HEAD, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            http->broken = true;
            return dv_fail_errno(err, DV_E_INTERNAL, "read what is to be sent");
        }
        if (n == 0)
            return send_all(http, "0\r\n\r\n", 5, err);
        r = send_chunk(http, piece, HEAD, (size_t)n, err);
        if (r != 0)
            return r;
    }
}

static void put_head(struct dv_buf *out, const struct dv_http_request *request)
{
    dv_xprintf(out, "%s %s HTTP/1.1\r\nHost: davit\r\nUser-Agent: davit/%s\r\n", request->method,
               request->target, DAVIT_VERSION);
    if (request->content_type)
        dv_xprintf(out, "Content-Type: %s\r\n", request->content_type);
    if (request->registry_auth)
        dv_xprintf(out, "X-Registry-Auth: %s\r\n", request->registry_auth);
    if (request->upgrade)
        dv_xput(out, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
    if (request->stream_body)
        dv_xput(out, "Transfer-Encoding: chunked\r\n");
    else if (request->body_len > 0 || dv_streq(request->method, "POST"))
        dv_xprintf(out, "Content-Length: %zu\r\n", request->body_len);
    dv_xput(out, "\r\n");
}

int dv_http_send(struct dv_http *http, const struct dv_http_request *request, struct dv_error *err)
{
    dv_autobuf out = DV_TEXT_INIT;
    int r;

    http->asked_upgrade = request->upgrade;
    http->head_request = dv_streq(request->method, "HEAD");
    put_head(&out, request);
    if (request->body_len > 0)
        dv_xputn(&out, request->body, request->body_len);
    r = send_all(http, out.data, out.len, err);
    if (r == 0 && request->stream_body)
        r = send_stream(http, request->body_fd, err);
    if (r != 0)
        http->broken = true; /* half a request: no other may follow */
    return r < 0 ? r : 0;
}

/* --- reply header ----------------------------------------------------------------------------- */

/* The header's length with its empty line, or 0 while it is incomplete. */
static size_t head_length(const struct dv_http *http)
{
    const char *start = http->in.data + http->at;
    const char *end = buffered(http) ? memmem(start, buffered(http), "\r\n\r\n", 4) : NULL;

    return end ? (size_t)(end - start) + 4 : 0;
}

static int parse_status(const char *line, int *ret, struct dv_error *err)
{
    uint64_t status;
    char digits[4];

    if (!dv_starts(line, "HTTP/1.") || strlen(line) < 12 || line[8] != ' ')
        return dv_fail(err, DV_E_INVALID, "the daemon's answer is not HTTP/1.1: '%.40s'", line);
    memcpy(digits, line + 9, 3);
    digits[3] = '\0';
    if (dv_parse_u64(digits, 100, 599, &status) < 0)
        return dv_fail(err, DV_E_INVALID, "the daemon's answer has the status '%s'", digits);
    *ret = (int)status;
    return 0;
}

/* True if the comma-separated list VALUE has TOKEN. */
static bool has_token(const char *value, const char *token)
{
    size_t n = strlen(token);

    while (*value) {
        size_t len;

        value += strspn(value, " \t,");
        len = strcspn(value, " \t,");
        if (len == n && strncasecmp(value, token, n) == 0)
            return true;
        value += len;
    }
    return false;
}

static int parse_line(struct dv_http *http, char *line, struct dv_http_reply *reply,
                      struct dv_error *err)
{
    char *value = strchr(line, ':');
    size_t n;

    if (!value)
        return dv_fail(err, DV_E_INVALID, "the daemon sent a header without a colon: '%.40s'",
                       line);
    *value++ = '\0';
    value += strspn(value, " \t");
    n = strlen(value);
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        value[--n] = '\0';
    if (strcasecmp(line, "Content-Type") == 0) {
        snprintf(reply->content_type, sizeof(reply->content_type), "%s", value);
    } else if (strcasecmp(line, "Connection") == 0 && has_token(value, "close")) {
        http->broken = true;
    } else if (strcasecmp(line, "Transfer-Encoding") == 0) {
        if (!has_token(value, "chunked"))
            return dv_fail(err, DV_E_INVALID, "the daemon used transfer encoding '%.40s'", value);
        http->framing = FRAMING_CHUNKED;
    } else if (strcasecmp(line, "Content-Length") == 0 && http->framing != FRAMING_CHUNKED) {
        if (dv_parse_u64(value, 0, INT64_MAX, &http->left) < 0)
            return dv_fail(err, DV_E_INVALID, "the daemon sent a content length of '%.40s'", value);
        http->framing = FRAMING_LENGTH;
    }
    return 0;
}

/* HEAD: N bytes ending in an empty line. */
static int parse_head(struct dv_http *http, char *head, size_t n, struct dv_http_reply *reply,
                      struct dv_error *err)
{
    char *end = head + n - 2, *line = head, *next;
    int r;

    if (memchr(head, '\0', n))
        return dv_fail(err, DV_E_INVALID, "the daemon sent a header with a NUL byte");
    for (; line < end; line = next) {
        next = strstr(line, "\r\n");
        *next = '\0';
        next += 2;
        r = line == head ? parse_status(line, &reply->status, err)
                         : parse_line(http, line, reply, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void begin_body(struct dv_http *http, struct dv_http_reply *reply)
{
    int status = reply->status;

    http->in_chunk = false;
    http->body_done = false;
    reply->upgraded = status == 101 || (http->asked_upgrade && status == 200 &&
                                        http->framing == FRAMING_CLOSE);
    if (http->head_request || status == 204 || status == 304)
        http->framing = FRAMING_NONE;
    if (http->framing == FRAMING_CLOSE || reply->upgraded)
        http->broken = true;
    if (http->framing == FRAMING_NONE || (http->framing == FRAMING_LENGTH && http->left == 0))
        http->body_done = true;
}

static int read_one_head(struct dv_http *http, struct dv_http_reply *reply, struct dv_error *err)
{
    dv_autofree char *head = NULL;
    size_t n;
    ssize_t got;
    int r;

    while ((n = head_length(http)) == 0) {
        if (buffered(http) > DV_HTTP_MAX_HEAD_BYTES)
            return dv_fail(err, DV_E_INVALID, "the daemon's reply header exceeds %d bytes",
                           DV_HTTP_MAX_HEAD_BYTES);
        got = fill(http, err);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return closed(http, err, buffered(http) ? "in the middle of a header"
                                                    : "without an answer");
    }
    *reply = (struct dv_http_reply){ 0 };
    http->framing = FRAMING_CLOSE;
    head = dv_xcalloc(n + 1, 1);
    memcpy(head, http->in.data + http->at, n);
    http->at += n;
    r = parse_head(http, head, n, reply, err);
    if (r < 0)
        http->broken = true;
    return r;
}

int dv_http_head(struct dv_http *http, struct dv_http_reply *ret, struct dv_error *err)
{
    struct dv_http_reply reply;
    int r;

    do {
        r = read_one_head(http, &reply, err);
        if (r < 0)
            return r;
    } while (reply.status < 200 && reply.status != 101);
    begin_body(http, &reply);
    *ret = reply;
    return 0;
}

/* --- reply body ------------------------------------------------------------------------------- */

ssize_t dv_http_read_raw(struct dv_http *http, void *data, size_t n, struct dv_error *err)
{
    ssize_t got;

    if (buffered(http) == 0) {
        got = fill(http, err);
        if (got <= 0)
            return got;
    }
    if (n > buffered(http))
        n = buffered(http);
    memcpy(data, http->in.data + http->at, n);
    http->at += n;
    return (ssize_t)n;
}

/* One CRLF-ended line of the chunked framing into LINE. */
static int read_line(struct dv_http *http, char *line, size_t size, struct dv_error *err)
{
    size_t n = 0;
    char c;

    for (;;) {
        ssize_t got = dv_http_read_raw(http, &c, 1, err);

        if (got < 0)
            return (int)got;
        if (got == 0)
            return closed(http, err, "in the middle of a reply");
        if (c == '\n')
            break;
        if (n + 1 >= size) {
            http->broken = true;
            return dv_fail(err, DV_E_INVALID, "the daemon sent a chunk header beyond %zu bytes",
                           size);
        }
        line[n++] = c;
    }
    if (n > 0 && line[n - 1] == '\r')
        n--;
    line[n] = '\0';
    return 0;
}

/* Sizes are hexadecimal, at most 16 digits, and may be followed by ";extension". */
static int parse_chunk_size(const char *line, uint64_t *ret)
{
    size_t n = strspn(line, "0123456789abcdefABCDEF");
    uint64_t v = 0;
    size_t i;

    if (n == 0 || n > 15 || (line[n] && line[n] != ';' && line[n] != ' '))
        return -1;
    for (i = 0; i < n; i++) {
        char c = line[i];

        v = v * 16 + (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    *ret = v;
    return 0;
}

static int next_chunk(struct dv_http *http, struct dv_error *err)
{
    char line[1024];
    int r;

    if (http->in_chunk) { /* the CRLF behind the chunk before */
        r = read_line(http, line, sizeof(line), err);
        if (r < 0)
            return r;
        if (line[0]) {
            http->broken = true;
            return dv_fail(err, DV_E_INVALID, "the daemon sent a chunk longer than it said");
        }
    }
    r = read_line(http, line, sizeof(line), err);
    if (r < 0)
        return r;
    if (parse_chunk_size(line, &http->left) < 0) {
        http->broken = true;
        return dv_fail(err, DV_E_INVALID, "the daemon sent a chunk of size '%.40s'", line);
    }
    http->in_chunk = true;
    while (http->left == 0) { /* trailers, up to the empty line */
        r = read_line(http, line, sizeof(line), err);
        if (r < 0)
            return r;
        if (!line[0]) {
            http->body_done = true;
            return 0;
        }
    }
    return 0;
}

ssize_t dv_http_read(struct dv_http *http, void *data, size_t n, struct dv_error *err)
{
    ssize_t got;
    int r;

    if (!http->body_done && http->framing == FRAMING_CHUNKED && http->left == 0) {
        r = next_chunk(http, err);
        if (r < 0)
            return r;
    }
    if (http->body_done || n == 0)
        return 0;
    if (http->framing != FRAMING_CLOSE && n > http->left)
        n = (size_t)http->left;
    got = dv_http_read_raw(http, data, n, err);
    if (got < 0)
        return got;
    if (http->framing == FRAMING_CLOSE) {
        http->body_done = got == 0;
        return got;
    }
    if (got == 0)
        return closed(http, err, "in the middle of a reply");
    http->left -= (uint64_t)got;
    if (http->left == 0 && http->framing == FRAMING_LENGTH)
        http->body_done = true;
    return got;
}

int dv_http_read_all(struct dv_http *http, size_t max, struct dv_buf *ret, struct dv_error *err)
{
    enum { PIECE = 32 << 10 };
    ssize_t got;

    for (;;) {
        if (ret->len >= max) {
            http->broken = true;
            return dv_fail(err, DV_E_INVALID, "the daemon's reply exceeds %zu bytes", max);
        }
        if (dv_buf_reserve(ret, PIECE + 1, err) < 0)
            return -err->code;
        got = dv_http_read(http, ret->data + ret->len, PIECE, err);
        if (got < 0)
            return (int)got;
        if (got == 0)
            break;
        ret->len += (size_t)got;
    }
    ret->data[ret->len] = '\0';
    return 0;
}
