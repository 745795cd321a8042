/* view.c - copies of a container for inspect and ps, and the events it sends. */
#include <stdio.h>
#include <stdlib.h>

#include "core/container/events.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"

static const char *const status_names[] = {
    [DV_CREATED] = "created",   [DV_RUNNING] = "running", [DV_PAUSED] = "paused",
    [DV_RESTARTING] = "restarting", [DV_REMOVING] = "removing", [DV_EXITED] = "exited",
    [DV_DEAD] = "dead",
};

const char *dv_status_name(enum dv_status status)
{
    return (size_t)status < N(status_names) ? status_names[status] : "dead";
}

void dv_container_view_done(struct dv_container_view *v)
{
    free(v->name);
    free(v->error);
    free(v->image_id);
    free(v->image_name);
    free(v->storage_driver);
    free(v->platform);
    free(v->path);
    free(v->log_path);
    free(v->hosts_path);
    free(v->hostname_path);
    free(v->resolv_conf_path);
    dv_strv_done(&v->args);
    dv_strv_done(&v->exec_ids);
    json_object_put(v->config_json);
    json_object_put(v->host_config_json);
    *v = (struct dv_container_view){ 0 };
}

static char *own_path(const struct dv_container *c, const char *name)
{
    return dv_format("%s/containers/%s/%s", c->cs->engine->config.root, c->id, name);
}

/* Those of the container whose network is joined, where one is. */
static void look_at_names(struct dv_container *c, struct dv_container_view *v)
{
    struct dv_container *owner = dv_container_net_owner(c);

    v->hosts_path = own_path(owner, "hosts");
    v->hostname_path = own_path(owner, "hostname");
    v->resolv_conf_path = own_path(owner, "resolv.conf");
    dv_container_unref(owner);
}

/* What never changes; needs no lock. */
static int look_fixed(struct dv_container *c, struct dv_container_view *v)
{
    snprintf(v->id, sizeof(v->id), "%s", c->id);
    v->created_ns = c->created_ns;
    v->image_id = dv_strdup(c->image_id);
    v->image_name = dv_strdup(c->image_name);
    v->storage_driver = dv_strdup(c->storage_driver);
    v->platform = dv_strdup("linux");
    v->path = dv_strdup(c->argv.n ? c->argv.items[0] : "");
    for (size_t i = 1; i < c->argv.n; i++)
        if (dv_strv_add(&v->args, c->argv.items[i]) < 0)
            return -1;
    look_at_names(c, v);
    if (dv_empty(c->config->log_type) || dv_streq(c->config->log_type, "json-file"))
        v->log_path = dv_format("%s/containers/%s/%s-json.log", c->cs->engine->config.root, c->id,
                                c->id);
    else
        v->log_path = dv_strdup("");
    v->config = c->config;
    v->tty = c->config->tty;
    v->open_stdin = c->config->open_stdin;
    v->auto_remove = c->auto_remove;
    return v->image_id && v->image_name && v->storage_driver && v->platform && v->path &&
                   v->hosts_path && v->hostname_path && v->resolv_conf_path && v->log_path
               ? 0
               : -1;
}

int dv_container_look(struct dv_container *c, struct dv_container_view *ret, struct dv_error *err)
{
    int r = look_fixed(c, ret);

    dv_lock_take(&c->lock);
    ret->name = dv_strdup(c->name);
    ret->error = dv_strdup(c->error ? c->error : "");
    ret->started_ns = c->started_ns;
    ret->finished_ns = c->finished_ns;
    ret->status = c->status;
    ret->pid = c->pid;
    ret->exit_code = c->exit_code;
    ret->restart_count = c->restart_count;
    ret->oom_killed = c->oom_killed > 0;
    for (struct dv_exec *e = c->execs; e && r == 0; e = e->next)
        if (e->running)
            r = dv_strv_add(&ret->exec_ids, e->id);
    dv_lock_drop(&c->lock);
    if (r < 0 || !ret->name || !ret->error) {
        dv_container_view_done(ret);
        return dv_fail(err, DV_E_NO_MEMORY, "look at container %s", c->id);
    }
    return 0;
}

static int parse_document(const char *text, json_object **ret, struct dv_error *err)
{
    if (!text)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for its configuration");
    return dv_json_parse(text, strlen(text), ret, err);
}

int dv_container_look_whole(struct dv_container *c, struct dv_container_view *ret,
                            struct dv_error *err)
{
    dv_autofree char *host = NULL;
    int r = dv_container_look(c, ret, err);

    if (r < 0)
        return r;
    dv_lock_take(&c->lock); /* an update replaces it */
    host = dv_strdup(c->config->host_config_text);
    dv_lock_drop(&c->lock);
    r = parse_document(c->config->config_text, &ret->config_json, err);
    if (r == 0)
        r = parse_document(host, &ret->host_config_json, err);
    if (r == 0)
        return 0;
    dv_container_view_done(ret);
    return dv_wrap(err, "look at container %s", c->id);
}

/* Attributes of container events: image, name, labels, then EXTRA. */
void dv_container_emit_locked(struct dv_container *c, const char *action,
                              const char *const *extra)
{
    const struct dv_json_map *labels = &c->config->labels;
    const char **attrs = calloc(2 * labels->keys.n + 4 + 16 + 1, sizeof(*attrs));
    size_t n = 0;

    if (!attrs)
        return;
    for (size_t i = 0; i < labels->keys.n; i++) {
        attrs[n++] = labels->keys.items[i];
        attrs[n++] = labels->values.items[i];
    }
    for (size_t i = 0; extra && extra[i] && i < 16; i++)
        attrs[n++] = extra[i];
    attrs[n++] = "image";
    attrs[n++] = c->image_name;
    attrs[n++] = "name";
    attrs[n++] = c->name;
    dv_events_emit(c->cs->engine->events, "container", action, c->id, attrs);
    free(attrs);
}

void dv_container_emit(struct dv_container *c, const char *action, const char *const *extra)
{
    dv_lock_take(&c->lock);
    dv_container_emit_locked(c, action, extra);
    dv_lock_drop(&c->lock);
}
