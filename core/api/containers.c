/* containers.c - handlers that change one container: start, stop, kill, pause, rename, remove... */
#include "core/api/conn.h"
#include "core/api/containers.h"

#include <signal.h>
#include <string.h>

#include "core/api/handlers.h"
#include "core/container/signals.h"
#include "core/daemon/engine.h"

int dv_request_container(struct dv_request *req, struct dv_container **ret, struct dv_error *err)
{
    return dv_container_get(req->engine->containers, req->params[0], ret, err);
}

bool dv_status_is_up(enum dv_status status)
{
    return status == DV_RUNNING || status == DV_PAUSED || status == DV_RESTARTING;
}

int dv_signal_of(const char *text, int *ret, struct dv_error *err)
{
    *ret = 0;
    if (dv_empty(text))
        return 0;
    *ret = dv_signal_parse(text);
    if (*ret <= 0)
        return dv_fail(err, DV_E_INVALID, "invalid signal: %s", text);
    return 0;
}

static int detach_key(const char *word, size_t n, char *ret)
{
    static const char prefix[] = "ctrl-";
    const size_t n_prefix = sizeof(prefix) - 1;

    if (n == 1) {
        *ret = *word;
        return 0;
    }
    if (n != n_prefix + 1 || memcmp(word, prefix, n_prefix) != 0)
        return -1;
    word += n_prefix;
    if (*word >= 'a' && *word <= 'z')
        *ret = (char)(*word - 'a' + 1);
    else if (*word == '@' || (*word >= '[' && *word <= '_'))
        *ret = (char)(*word - '@');
    else
        return -1;
    return 0;
}

int dv_detach_keys(const char *text, char ret[DV_DETACH_KEYS_MAX], size_t *ret_n,
                   struct dv_error *err)
{
    const char *at = text;

    *ret_n = 0;
    while (*at) {
        size_t n = strcspn(at, ",");

        if (n == 0 && *at == ',' && at[1] != ',')
            n = 1; /* the comma itself */
        if (*ret_n == DV_DETACH_KEYS_MAX || detach_key(at, n, &ret[*ret_n]) < 0)
            return dv_fail(err, DV_E_INVALID, "Invalid detach keys (%s) provided", text);
        (*ret_n)++;
        at += n;
        at += *at == ',';
    }
    return 0;
}

int dv_api_container_start(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    int r;

    if (!dv_empty(dv_query(req, "checkpoint")))
        return dv_fail(err, DV_E_UNSUPPORTED, "checkpoints are not supported yet");
    r = dv_request_container(req, &c, err);
    if (r == 0) {
        dv_gate_wait(&req->conn->api->gate, c);
        r = dv_container_start(c, err);
    }
    if (r == 0)
        dv_reply_empty(req, 204);
    return r;
}

typedef int stop_fn(struct dv_container *c, int signal, int64_t timeout_s, struct dv_error *err);

static int stop_with(struct dv_request *req, stop_fn *fn, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    int64_t timeout = INT64_MIN;
    int signal = 0;
    int r = dv_query_i64(req, "t", &timeout, err);

    if (r == 0 && timeout != INT64_MIN && timeout < -1)
        timeout = -1;
    if (r == 0 && req->version >= 42)
        r = dv_signal_of(dv_query(req, "signal"), &signal, err);
    if (r == 0)
        r = dv_request_container(req, &c, err);
    if (r == 0)
        r = fn(c, signal, timeout, err);
    if (r == 0)
        dv_reply_empty(req, 204);
    return r;
}

int dv_api_container_stop(struct dv_request *req, struct dv_error *err)
{
    return stop_with(req, dv_container_stop, err);
}

int dv_api_container_restart(struct dv_request *req, struct dv_error *err)
{
    return stop_with(req, dv_container_restart, err);
}

int dv_api_container_kill(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    int signal = 0;
    int r = dv_signal_of(dv_query(req, "signal"), &signal, err);

    if (r < 0)
        return r;
    r = dv_request_container(req, &c, err);
    if (r == 0)
        r = dv_container_kill(c, signal ? signal : SIGKILL, err);
    if (r < 0)
        return dv_wrap(err, "cannot kill container: %s", req->params[0]);
    dv_reply_empty(req, 204);
    return 0;
}

static int set_paused(struct dv_request *req, bool pause, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    int r = dv_request_container(req, &c, err);

    if (r == 0)
        r = dv_container_pause(c, pause, err);
    if (r == 0)
        dv_reply_empty(req, 204);
    return r;
}

int dv_api_container_pause(struct dv_request *req, struct dv_error *err)
{
    return set_paused(req, true, err);
}

int dv_api_container_unpause(struct dv_request *req, struct dv_error *err)
{
    return set_paused(req, false, err);
}

int dv_api_container_rename(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    const char *name = dv_query(req, "name");
    int r;

    if (dv_empty(name))
        return dv_fail(err, DV_E_INVALID, "Neither old nor new names may be empty");
    r = dv_request_container(req, &c, err);
    if (r == 0)
        r = dv_container_rename(c, name, err);
    if (r == 0)
        dv_reply_empty(req, 204);
    return r;
}

int dv_api_container_resize(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    unsigned rows, cols;
    int r = dv_query_size(req, &rows, &cols, err);

    if (r == 0)
        r = dv_request_container(req, &c, err);
    if (r == 0)
        r = dv_container_resize(c, rows, cols, err);
    if (r == 0)
        dv_reply_empty(req, 200);
    return r;
}

int dv_api_container_remove(struct dv_request *req, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    int r;

    if (dv_query_bool(req, "link", false))
        return dv_fail(err, DV_E_UNSUPPORTED, "links between containers are not supported yet");
    r = dv_request_container(req, &c, err);
    if (r == 0)
        r = dv_container_remove(c, dv_query_bool(req, "force", false),
                                dv_query_bool(req, "v", false), err);
    if (r == 0)
        dv_reply_empty(req, 204);
    return r;
}
