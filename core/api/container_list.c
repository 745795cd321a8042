/* container_list.c - GET /containers/json with Docker's filters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/conn.h"
#include "core/api/containers.h"
#include "core/api/filters.h"
#include "core/api/handlers.h"
#include "core/api/summaries.h"
#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/time.h"
#include "core/container/config.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/network/network.h"

static const char *const filter_keys[] = {
    "ancestor", "before", "exited",  "expose",  "health", "id",     "is-task", "isolation",
    "label",    "name",   "network", "publish", "since",  "status", "volume",  NULL,
};

/* What the filters need, looked up once. */
struct listing {
    struct dv_engine *engine;
    struct dv_filters filters;
    bool all;
    int64_t limit;                      /* 0: none */
    uint64_t before_ns, since_ns;       /* creation times of those containers; 0: not asked */
    struct dv_strv ancestors;           /* image ids */
    bool no_ancestor;                   /* asked for images that do not exist */
};

struct entry {
    struct dv_container *c;
    struct dv_container_view view;
};

/* ---- the Status column ---- */

static void status_text(const struct dv_container_view *v, char out[96])
{
    uint64_t now = dv_now_ns(), from = v->status == DV_EXITED || v->status == DV_RESTARTING
                                           ? v->finished_ns : v->started_ns;
    char age[40];

    dv_human_duration(now > from ? (now - from) / 1000000000 : 0, age);
    switch (v->status) {
    case DV_RUNNING:
        snprintf(out, 96, "Up %s", age);
        return;
    case DV_PAUSED:
        snprintf(out, 96, "Up %s (Paused)", age);
        return;
    case DV_RESTARTING:
        snprintf(out, 96, "Restarting (%lld) %s ago", (long long)v->exit_code, age);
        return;
    case DV_EXITED:
        if (v->finished_ns)
            snprintf(out, 96, "Exited (%lld) %s ago", (long long)v->exit_code, age);
        else
            out[0] = '\0';
        return;
    case DV_REMOVING:
        snprintf(out, 96, "Removal In Progress");
        return;
    case DV_DEAD:
        snprintf(out, 96, "Dead");
        return;
    case DV_CREATED:
        break;
    }
    snprintf(out, 96, "Created");
}

/* ---- filters ---- */

static int check_words(const struct dv_filters *f, const char *key, const char *const *words,
                       struct dv_error *err)
{
    const struct dv_strv *asked = dv_filters_get(f, key);

    for (size_t i = 0; asked && i < asked->n; i++) {
        bool known = false;

        for (const char *const *word = words; *word; word++)
            known = known || dv_streq(*word, asked->items[i]);
        if (!known)
            return dv_fail(err, DV_E_INVALID, "invalid filter '%s=%s'", key, asked->items[i]);
    }
    return 0;
}

static int created_of(struct listing *l, const char *name, uint64_t *ret, struct dv_error *err)
{
    dv_autocontainer *c = NULL;
    dv_autoview view = { 0 };
    int r = dv_container_get(l->engine->containers, name, &c, err);

    if (r == 0)
        r = dv_container_look(c, &view, err);
    if (r == 0)
        *ret = view.created_ns;
    return r;
}

static int look_up_ancestors(struct listing *l, struct dv_error *err)
{
    const struct dv_strv *asked = dv_filters_get(&l->filters, "ancestor");

    for (size_t i = 0; asked && i < asked->n; i++) {
        dv_auto(dv_image) *image = NULL;
        struct dv_error ignored = { 0 }; /* no such image: no container of it */

        if (dv_image_get(l->engine->images, asked->items[i], &image, &ignored) == 0 &&
            dv_strv_add(&l->ancestors, image->id) < 0)
            return dv_fail(err, DV_E_NO_MEMORY, "no memory for the filters");
    }
    l->no_ancestor = asked && l->ancestors.n == 0;
    return 0;
}

static int check_exited(const struct dv_filters *f, struct dv_error *err)
{
    const struct dv_strv *asked = dv_filters_get(f, "exited");
    int64_t code;

    for (size_t i = 0; asked && i < asked->n; i++)
        if (dv_parse_i64(asked->items[i], INT32_MIN, INT32_MAX, &code) < 0)
            return dv_fail(err, DV_E_INVALID, "invalid filter 'exited=%s'", asked->items[i]);
    return 0;
}

/* "80", "80/udp", "8000-8010". */
static int check_ports(const struct dv_filters *f, const char *key, struct dv_error *err)
{
    const struct dv_strv *asked = dv_filters_get(f, key);

    for (size_t i = 0; asked && i < asked->n; i++)
        if (!dv_is_port(asked->items[i]))
            return dv_fail(err, DV_E_INVALID, "error while looking up for %s %s: invalid port", key,
                           asked->items[i]);
    return 0;
}

static int prepare(struct listing *l, struct dv_request *req, struct dv_error *err)
{
    static const char *const statuses[] = { "created", "restarting", "running", "removing",
                                            "paused", "exited", "dead", NULL };
    static const char *const healths[] = { "starting", "healthy", "unhealthy", "none", NULL };
    struct dv_filters *f = &l->filters;
    const struct dv_strv *name;
    bool ignored;
    int r = dv_filters_parse(dv_query(req, "filters"), filter_keys, f, err);

    if (r == 0)
        r = check_words(f, "status", statuses, err);
    if (r == 0)
        r = check_words(f, "health", healths, err);
    if (r == 0)
        r = check_exited(f, err);
    if (r == 0)
        r = check_ports(f, "publish", err);
    if (r == 0)
        r = check_ports(f, "expose", err);
    if (r == 0 && dv_filter_bool(f, "is-task", &ignored, err) < 0)
        r = -err->code;
    if (r == 0)
        r = dv_query_i64(req, "limit", &l->limit, err);
    if (r == 0 && (name = dv_filters_get(f, "before")))
        r = created_of(l, name->items[0], &l->before_ns, err);
    if (r == 0 && (name = dv_filters_get(f, "since")))
        r = created_of(l, name->items[0], &l->since_ns, err);
    if (r == 0)
        r = look_up_ancestors(l, err);
    /* Asking for a state, or for the last ones, means those that do not run too. */
    l->all = dv_query_bool(req, "all", false) || l->limit > 0 || dv_filters_get(f, "status") ||
             dv_filters_get(f, "exited") || l->before_ns || l->since_ns;
    return r;
}

static bool passes_exited(const struct listing *l, const struct dv_container_view *v)
{
    char code[24];

    if (!dv_filters_get(&l->filters, "exited"))
        return true;
    snprintf(code, sizeof(code), "%lld", (long long)v->exit_code);
    return !dv_status_is_up(v->status) && v->status != DV_CREATED &&
           dv_filter_exact(&l->filters, "exited", code);
}

static bool passes_network(const struct listing *l, const struct dv_container_view *v)
{
    const struct dv_strv *asked = dv_filters_get(&l->filters, "network");
    struct dv_endpoint_view *list = NULL;
    size_t n;
    bool found = false;

    if (!asked)
        return true;
    n = dv_endpoint_list(l->engine->net, v->id, &list);
    for (size_t i = 0; i < n && !found; i++)
        found = dv_filter_exact(&l->filters, "network", list[i].network_name) ||
                dv_filter_prefix(&l->filters, "network", list[i].network_id);
    free(list);
    return found || (n == 0 && v->config &&
                     dv_filter_exact(&l->filters, "network", v->config->network_mode));
}

static bool passes_volume(const struct listing *l, const struct dv_container_view *v)
{
    if (!dv_filters_get(&l->filters, "volume"))
        return true;
    for (size_t i = 0; v->config && i < v->config->n_mounts; i++)
        if (dv_filter_exact(&l->filters, "volume", v->config->mounts[i].target) ||
            dv_filter_exact(&l->filters, "volume", v->config->mounts[i].name
                                                       ? v->config->mounts[i].name
                                                       : v->config->mounts[i].source))
            return true;
    return false;
}

/* "80" means "80/tcp". Nothing is published yet, so that filter hits nobody. */
static bool passes_ports(const struct listing *l, const struct dv_container_view *v)
{
    const struct dv_strv *asked = dv_filters_get(&l->filters, "expose");

    if (dv_filters_get(&l->filters, "publish"))
        return false;
    for (size_t i = 0; asked && i < asked->n; i++) {
        dv_autofree char *port = strchr(asked->items[i], '/')
                                     ? dv_strdup(asked->items[i])
                                     : dv_format("%s/tcp", asked->items[i]);

        if (port && v->config && dv_strv_has(&v->config->exposed_ports, port))
            return true;
    }
    return !asked;
}

static bool passes(const struct listing *l, const struct dv_container_view *v)
{
    const struct dv_filters *f = &l->filters;
    const struct dv_json_map *labels = &v->config->labels;

    return (l->all || dv_status_is_up(v->status)) &&
           (!l->before_ns || v->created_ns < l->before_ns) &&
           (!l->since_ns || v->created_ns > l->since_ns) && !l->no_ancestor &&
           (l->ancestors.n == 0 || dv_strv_has(&l->ancestors, v->image_id)) &&
           dv_filter_prefix(f, "id", v->id) && dv_filter_name(f, "name", v->name) &&
           dv_filter_exact(f, "status", dv_status_name(v->status)) &&
           dv_filter_exact(f, "health", "none") &&
           (!dv_filters_get(f, "isolation") || dv_filter_exact(f, "isolation", "default")) &&
           !(dv_filters_get(f, "is-task") && dv_filter_exact(f, "is-task", "true")) &&
           dv_filter_labels(f, &labels->keys, &labels->values) && passes_exited(l, v) &&
           passes_network(l, v) && passes_volume(l, v) && passes_ports(l, v);
}

/* ---- the reply ---- */

/* The command as one line, each argument with a space quoted, as Docker shows it. */
static void put_command(json_object *obj, const struct dv_container_view *v)
{
    dv_autobuf line = DV_BUF_INIT(1 << 20, "command");
    struct dv_error err = { 0 };
    int r = dv_buf_puts(&line, v->path, &err);

    for (size_t i = 0; i < v->args.n && r == 0; i++) {
        const char *quote = strchr(v->args.items[i], ' ') ? "'" : "";

        r = dv_buf_printf(&line, &err, " %s%s%s", quote, v->args.items[i], quote);
    }
    dv_put_str(obj, "Command", line.data);
}

static json_object *ports_json(const struct dv_container_view *v)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < v->config->exposed_ports.n && dv_status_is_up(v->status); i++) {
        const char *port = v->config->exposed_ports.items[i], *slash = strchr(port, '/');
        json_object *obj = json_object_new_object();

        dv_put_int(obj, "PrivatePort", strtol(port, NULL, 10));
        dv_put_str(obj, "Type", slash ? slash + 1 : "tcp");
        json_object_array_add(list, obj);
    }
    return list;
}

void dv_put_sizes(json_object *obj, struct dv_engine *engine, const struct dv_container_view *v,
                  bool always)
{
    dv_auto(dv_image) *image = NULL;
    struct dv_error err = { 0 };
    uint64_t own = 0, all;

    if (dv_workspace_size(engine->images, v->storage_driver, v->id, &own, &err) < 0) {
        dv_log_warn(NULL, "size of container %s: %s", v->id, err.msg);
        return;
    }
    all = own;
    if (dv_image_get(engine->images, v->image_id, &image, &err) == 0) /* it may have been removed */
        all += image->size_bytes;
    if (own || always)
        dv_put_int(obj, "SizeRw", (int64_t)own);
    if (all || always)
        dv_put_int(obj, "SizeRootFs", (int64_t)all);
}

json_object *dv_container_summary_json(struct dv_engine *engine, const struct dv_container_view *v,
                                       unsigned version, bool sizes)
{
    json_object *obj = json_object_new_object(), *names = json_object_new_array();
    json_object *host = json_object_new_object(), *net = json_object_new_object();
    dv_autofree char *name = dv_format("/%s", v->name);
    char status[96];

    status_text(v, status);
    json_object_array_add(names, json_object_new_string(name ? name : ""));
    dv_put_str(obj, "Id", v->id);
    dv_put(obj, "Names", names);
    dv_put_str(obj, "Image", v->image_name);
    dv_put_str(obj, "ImageID", v->image_id);
    put_command(obj, v);
    dv_put_int(obj, "Created", (int64_t)(v->created_ns / 1000000000));
    dv_put(obj, "Ports", ports_json(v));
    if (sizes)
        dv_put_sizes(obj, engine, v, /* always */ false);
    dv_put(obj, "Labels", dv_json_map(&v->config->labels.keys, &v->config->labels.values));
    dv_put_str(obj, "State", dv_status_name(v->status));
    dv_put_str(obj, "Status", status);
    dv_put_str(host, "NetworkMode", v->config->network_mode);
    if (v->config->annotations.keys.n && version >= 46)
        dv_put(host, "Annotations",
               dv_json_map(&v->config->annotations.keys, &v->config->annotations.values));
    dv_put(obj, "HostConfig", host);
    dv_put(net, "Networks", dv_networks_json(engine, v, version));
    dv_put(obj, "NetworkSettings", net);
    dv_put(obj, "Mounts", dv_mounts_json(v));
    return obj;
}

static int newest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->view.created_ns != y->view.created_ns)
        return x->view.created_ns < y->view.created_ns ? 1 : -1;
    return strcmp(x->view.id, y->view.id);
}

/* Looks at all containers; those that go meanwhile are left out. */
static struct entry *collect(struct dv_engine *engine, size_t *ret_n)
{
    struct dv_container **list = NULL;
    size_t n = dv_container_list(engine->containers, &list), used = 0;
    struct entry *entries = calloc(n + 1, sizeof(*entries));

    for (size_t i = 0; i < n; i++) {
        struct dv_error gone = { 0 };

        if (entries && dv_container_look(list[i], &entries[used].view, &gone) == 0)
            entries[used++].c = list[i];
        else
            dv_container_unref(list[i]);
    }
    free(list);
    if (entries)
        qsort(entries, used, sizeof(*entries), newest_first);
    *ret_n = used;
    return entries;
}

int dv_api_container_list(struct dv_request *req, struct dv_error *err)
{
    struct listing l = { .engine = req->engine };
    dv_autobuf list = DV_LIST_INIT;
    struct entry *entries = NULL;
    bool sizes = dv_query_bool(req, "size", false);
    size_t n = 0;
    int64_t shown = 0;
    int r = prepare(&l, req, err);

    if (r == 0) {
        entries = collect(req->engine, &n);
        if (!entries)
            r = dv_fail(err, DV_E_NO_MEMORY, "no memory for the list");
    }
    for (size_t i = 0; i < n; i++) {
        if (r == 0 && (l.limit <= 0 || shown < l.limit) && passes(&l, &entries[i].view)) {
            r = dv_list_add(&list,
                            dv_container_summary_json(req->engine, &entries[i].view, req->version,
                                                      sizes),
                            err);
            shown++;
        }
        dv_container_view_done(&entries[i].view);
        dv_container_unref(entries[i].c);
    }
    free(entries);
    dv_filters_done(&l.filters);
    dv_strv_done(&l.ancestors);
    return r < 0 ? r : dv_reply_list(req, &list, err);
}
