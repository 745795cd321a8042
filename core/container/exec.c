/* exec.c - further processes in a running container. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/id.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/sock.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/container/test_hooks.h"
#include "core/runtime/spec.h"
#include "core/runtime/spec_msg.h"

/* Ended execs are kept for inspect until this many are there; the oldest that do not run go first. */
enum { EXECS_KEPT = 256 };
enum { START_WAIT_S = 2 };      /* a start that takes longer is looked at as it is */

void dv_exec_config_done(struct dv_exec_config *config)
{
    dv_strv_done(&config->cmd);
    dv_strv_done(&config->env);
    free(config->user);
    free(config->working_dir);
    free(config->detach_keys);
    *config = (struct dv_exec_config){ 0 };
}

void dv_exec_view_done(struct dv_exec_view *view)
{
    dv_strv_done(&view->cmd);
    free(view->user);
    *view = (struct dv_exec_view){ 0 };
}

static void exec_free(struct dv_exec *e)
{
    dv_exec_config_done(&e->config);
    free(e);
}

void dv_execs_free(struct dv_container *c)
{
    while (c->execs) {
        struct dv_exec *e = c->execs;

        c->execs = e->next;
        exec_free(e);
    }
}

/* Under c->lock. One that was never started counts as ended: whoever made so many without a start
 * does not come back for the oldest. */
static void forget_old(struct dv_container *c)
{
    struct dv_exec **at, **oldest = NULL;
    size_t n = 0;

    for (at = &c->execs; *at; at = &(*at)->next) {
        n++;
        if (at != &c->execs && !(*at)->running && !(*at)->claimed)
            oldest = at; /* the list is newest first */
    }
    if (n > EXECS_KEPT && oldest) {
        struct dv_exec *e = *oldest;

        *oldest = e->next;
        exec_free(e);
    }
}

static int not_running(struct dv_container *c, struct dv_error *err)
{
    if (c->status == DV_PAUSED)
        return dv_fail(err, DV_E_CONFLICT,
                       "Container %s is paused, unpause the container before exec", c->name);
    if (c->status == DV_RESTARTING)
        return dv_fail(err, DV_E_CONFLICT,
                       "Container %s is restarting, wait until the container is running", c->id);
    if (c->status != DV_RUNNING)
        return dv_fail(err, DV_E_CONFLICT, "container %s is not running", c->id);
    return 0;
}

/* "exec_start: sh -c true": the command is part of the action, and a space follows where it stands
 * alone, as Docker joins them. */
static void emit_command(struct dv_container *c, const char *what, const struct dv_strv *cmd,
                         const char *exec_id)
{
    dv_autofree char *action = dv_format("%s: %s%s", what, cmd->n ? cmd->items[0] : "",
                                         cmd->n > 1 ? "" : " ");

    for (size_t i = 1; action && i < cmd->n; i++) {
        char *longer = dv_format("%s %s", action, cmd->items[i]);

        free(action);
        action = longer;
    }
    if (action)
        dv_container_emit(c, action, (const char *const[]){ "execID", exec_id, NULL });
}

int dv_exec_create(struct dv_container *c, struct dv_exec_config *config, char ret_id[65],
                   struct dv_error *err)
{
    struct dv_exec *e = calloc(1, sizeof(*e));
    dv_autostrv cmd = { 0 };
    int r;

    /* A copy to tell of: the exec itself may be gone by then. */
    if (!e || dv_strv_copy(&cmd, &config->cmd) < 0) {
        free(e);
        return dv_fail(err, DV_E_NO_MEMORY, "create an exec in container %s", c->id);
    }
    dv_id_new(e->id);
    dv_lock_take(&c->lock);
    r = not_running(c, err);
    if (r == 0) {
        e->config = *config;
        *config = (struct dv_exec_config){ 0 };
        e->next = c->execs;
        c->execs = e;
        memcpy(ret_id, e->id, sizeof(e->id));
        forget_old(c);
    }
    dv_lock_drop(&c->lock);
    if (r < 0)
        free(e);
    else
        emit_command(c, "exec_create", &cmd, ret_id);
    return r;
}

/* Under c->lock. */
static struct dv_exec *find_in(struct dv_container *c, const char *id)
{
    for (struct dv_exec *e = c->execs; e; e = e->next)
        if (dv_streq(e->id, id))
            return e;
    return NULL;
}

/* The container that has the exec; new reference. */
static int owner(struct dv_containers *cs, const char *id, struct dv_container **ret,
                 struct dv_error *err)
{
    struct dv_container **list = NULL;
    size_t n = dv_container_list(cs, &list);

    for (size_t i = 0; i < n; i++) {
        bool here;

        dv_lock_take(&list[i]->lock);
        here = find_in(list[i], id) != NULL;
        dv_lock_drop(&list[i]->lock);
        if (here && !*ret)
            *ret = dv_container_ref(list[i]);
        dv_container_unref(list[i]);
    }
    free(list);
    if (!*ret)
        return dv_fail(err, DV_E_NOT_FOUND, "No such exec instance: %s", id);
    return 0;
}

static int look(struct dv_exec *e, struct dv_container *c, struct dv_exec_view *v)
{
    snprintf(v->id, sizeof(v->id), "%s", e->id);
    snprintf(v->container_id, sizeof(v->container_id), "%s", c->id);
    v->running = e->running;
    v->tty = e->config.tty;
    v->privileged = e->config.privileged;
    v->attach_stdin = e->config.attach_stdin;
    v->attach_stdout = e->config.attach_stdout;
    v->attach_stderr = e->config.attach_stderr;
    v->has_exit_code = e->started && !e->running;
    v->exit_code = e->exit_code;
    v->pid = e->pid;
    v->n_key_bytes = e->config.n_key_bytes;
    memcpy(v->key_bytes, e->config.key_bytes, sizeof(v->key_bytes));
    v->user = dv_strdup(e->config.user ? e->config.user : "");
    return v->user && dv_strv_copy(&v->cmd, &e->config.cmd) == 0 ? 0 : -1;
}

/* Under c->lock: the exec, whose start is not under way, or NULL. The shim tells the client of a
 * start that failed before it tells us; who asks for the code when its stream has ended, as
 * `docker exec` does, must find it. */
static struct dv_exec *find_settled(struct dv_container *c, const char *id)
{
    uint64_t deadline = dv_mono_ns() + START_WAIT_S * UINT64_C(1000000000);
    struct dv_exec *e = find_in(c, id);

    while (e && e->claimed && dv_lock_wait(&c->lock, &c->changed, deadline) == 0)
        e = find_in(c, id);
    return e ? find_in(c, id) : NULL;
}

int dv_exec_look(struct dv_containers *cs, const char *exec_id, struct dv_exec_view *ret,
                 struct dv_error *err)
{
    struct dv_container *c = NULL;
    struct dv_exec *e;
    int r = owner(cs, exec_id, &c, err);

    if (r < 0)
        return r;
    dv_lock_take(&c->lock);
    e = find_settled(c, exec_id);
    if (!e)
        r = dv_fail(err, DV_E_NOT_FOUND, "No such exec instance: %s", exec_id);
    else if (look(e, c, ret) < 0)
        r = dv_fail(err, DV_E_NO_MEMORY, "look at exec %s", exec_id);
    dv_lock_drop(&c->lock);
    dv_container_unref(c);
    return r;
}

int dv_exec_start_check(struct dv_containers *cs, const char *exec_id, struct dv_error *err)
{
    struct dv_container *c = NULL;
    struct dv_exec *e;
    int r = owner(cs, exec_id, &c, err);

    if (r < 0)
        return r;
    dv_lock_take(&c->lock);
    e = find_in(c, exec_id);
    if (!e)
        r = dv_fail(err, DV_E_NOT_FOUND, "No such exec instance: %s", exec_id);
    else if (e->started)
        r = dv_fail(err, DV_E_CONFLICT, "Error: Exec command %s is already running", exec_id);
    else
        r = not_running(c, err);
    dv_lock_drop(&c->lock);
    dv_container_unref(c);
    return r;
}

/* ---- for the davitd after this one: what the shim gives back in its STATE ---- */

static const struct dv_json_field note_fields[] = {
    { "in", DV_JSON_BOOL, offsetof(struct dv_exec_config, attach_stdin) },
    { "out", DV_JSON_BOOL, offsetof(struct dv_exec_config, attach_stdout) },
    { "err", DV_JSON_BOOL, offsetof(struct dv_exec_config, attach_stderr) },
    { "tty", DV_JSON_BOOL, offsetof(struct dv_exec_config, tty) },
    { "privileged", DV_JSON_BOOL, offsetof(struct dv_exec_config, privileged) },
    { "user", DV_JSON_STR, offsetof(struct dv_exec_config, user) },
    { "cmd", DV_JSON_STRV, offsetof(struct dv_exec_config, cmd) },
};

static void put_note(struct dv_msg_writer *w, const struct dv_exec_config *config)
{
    dv_autojson json_object *obj = dv_json_encode(note_fields, N(note_fields), config);
    dv_autofree char *text = obj ? dv_json_text(obj) : NULL;

    dv_msg_str(w, DV_ST_NOTE, text);
}

static void read_note(const struct dv_msg *group, struct dv_exec_config *ret)
{
    dv_autojson json_object *obj = NULL;
    struct dv_error err = { 0 };
    struct dv_field f;

    if (!dv_msg_find(group, DV_ST_NOTE, &f) || f.len == 0)
        return; /* inspect shows id, pid and code */
    if (dv_json_parse((const char *)f.data, f.len - 1, &obj, &err) < 0 ||
        dv_json_decode(obj, note_fields, N(note_fields), ret, &err) < 0)
        dv_log_warn(NULL, "what an earlier davitd noted of an exec: %s", err.msg);
}

static void found_one(struct dv_container *c, const struct dv_msg *group)
{
    const char *id = dv_msg_get_str(group, DV_ST_EXEC_ID, "");
    struct dv_exec *e = strlen(id) == DV_ID_BYTES - 1 ? calloc(1, sizeof(*e)) : NULL;

    if (!e)
        return;
    memcpy(e->id, id, sizeof(e->id));
    e->started = true;
    e->pid = dv_msg_get_i64(group, DV_ST_PID, 0);
    e->exit_code = dv_msg_get_i64(group, DV_ST_EXIT_CODE, -1);
    e->running = e->exit_code < 0;
    read_note(group, &e->config);
    e->next = c->execs;
    c->execs = e;
}

void dv_execs_found(struct dv_container *c, const struct dv_msg *state)
{
    struct dv_field f;
    struct dv_msg group;
    struct dv_error err = { 0 };
    size_t pos = 0;

    while (dv_msg_next(state, &pos, &f))
        if (f.tag == DV_ST_EXEC && dv_field_group(&f, &group, &err) == 0)
            found_one(c, &group);
}

static int put_request(struct dv_container *c, struct dv_exec *e, const struct dv_attach *a,
                       struct dv_msg_writer *w, struct dv_error *err)
{
    static const char default_keys[] = { 16, 17 }; /* ^P ^Q */
    size_t n_keys = e->config.n_key_bytes;
    struct dv_spec_process process = { 0 };
    int r = dv_spec_process_build(c, &e->config, &process, err);

    if (r == 0) {
        dv_process_encode(w, DV_ST_PROCESS, &process);
        dv_msg_str(w, DV_ST_EXEC_ID, e->id);
        dv_msg_u64(w, DV_ST_OPEN_STDIN, e->config.attach_stdin && a);
        put_note(w, &e->config);
        if (a) {
            dv_msg_u64(w, DV_ST_ATTACH_FLAGS, a->flags);
            dv_msg_bytes(w, DV_ST_DETACH_KEYS, n_keys ? e->config.key_bytes : default_keys,
                         n_keys ? n_keys : sizeof(default_keys));
            if (a->n_early)
                dv_msg_bytes(w, DV_ST_EARLY, a->early, a->n_early);
        }
    }
    dv_spec_process_done(&process);
    return r;
}

/* Mark it started, so that nobody starts it twice. Under no lock. */
static struct dv_exec *claim(struct dv_container *c, const char *id, uint16_t rows, uint16_t cols,
                             struct dv_error *err)
{
    struct dv_exec *e;

    dv_lock_take(&c->lock);
    e = find_in(c, id);
    if (!e || e->started) {
        dv_fail(err, DV_E_CONFLICT, "Error: Exec command %s is already running", id);
        e = NULL;
    } else if (not_running(c, err) < 0) {
        e = NULL;
    } else {
        e->started = e->running = e->claimed = true;
        if (rows && cols)
            e->config.rows = rows, e->config.cols = cols;
    }
    dv_lock_drop(&c->lock);
    return e;
}


static int start_in(struct dv_container *c, const char *exec_id, struct dv_attach *a,
                    uint16_t rows, uint16_t cols, struct dv_error *err)
{
    struct dv_exec *e = claim(c, exec_id, rows, cols, err);
    struct dv_msg_writer w;
    dv_autopacket answer = { 0 };
    int64_t code = 126;
    int r;

    if (!e)
        return -err->code;
    emit_command(c, "exec_start", &e->config.cmd, e->id); /* before its end can be told */
    dv_msg_begin(&w, DV_SHIM_EXEC, 0, DV_MAX_MSG_BYTES);
    r = put_request(c, e, a, &w, err);
    if (r == 0)
        r = dv_shim_request(c, &w, a ? &a->fd : NULL, a ? 1 : 0, &answer, &code, err);
    dv_msg_done(&w);
    dv_test_point("exec-sent");

    dv_lock_take(&c->lock);
    e->claimed = false;
    pthread_cond_broadcast(&c->changed);
    if (r < 0) {
        e->running = false;
        e->exit_code = code;
    } else if (e->running) {
        e->pid = dv_msg_get_i64(&answer.msg, DV_ST_PID, 0);
    }
    dv_lock_drop(&c->lock);
    return r;
}

int dv_exec_start(struct dv_containers *cs, const char *exec_id, struct dv_attach *a,
                  uint16_t rows, uint16_t cols, struct dv_error *err)
{
    struct dv_container *c = NULL;
    int r = owner(cs, exec_id, &c, err);

    if (r == 0)
        r = start_in(c, exec_id, a, rows, cols, err);
    if (a)
        dv_close(a->fd); /* the shim has its own, or nobody needs it */
    dv_container_unref(c);
    return r;
}

int dv_exec_resize(struct dv_containers *cs, const char *exec_id, unsigned rows, unsigned cols,
                   struct dv_error *err)
{
    struct dv_container *c = NULL;
    struct dv_msg_writer w;
    dv_autopacket answer = { 0 };
    int r = owner(cs, exec_id, &c, err);

    if (r < 0)
        return r;
    dv_msg_begin(&w, DV_SHIM_RESIZE, 0, DV_MAX_MSG_BYTES);
    dv_msg_str(&w, DV_ST_EXEC_ID, exec_id);
    dv_msg_u64(&w, DV_ST_ROWS, rows);
    dv_msg_u64(&w, DV_ST_COLS, cols);
    r = dv_shim_request(c, &w, NULL, 0, &answer, NULL, err);
    dv_msg_done(&w);
    dv_container_unref(c);
    return r;
}

void dv_exec_exited(struct dv_container *c, const char *exec_id, int64_t exit_code)
{
    struct dv_exec *e;
    char code[24];

    snprintf(code, sizeof(code), "%lld", (long long)exit_code);
    dv_lock_take(&c->lock);
    e = find_in(c, exec_id);
    if (e) {
        e->running = false;
        e->pid = 0;
        e->exit_code = exit_code;
    }
    dv_lock_drop(&c->lock);
    if (e)
        dv_container_emit(c, "exec_die", (const char *const[]){ "execID", exec_id, "exitCode", code,
                                                                NULL });
}

void dv_execs_ended(struct dv_container *c)
{
    for (struct dv_exec *e = c->execs; e; e = e->next)
        if (e->running) {
            e->running = false;
            e->exit_code = 137;
        }
}
