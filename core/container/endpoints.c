/* endpoints.c - a container's endpoints through its life: join, leave, remove, and their events. */
#include <stdlib.h>

#include "core/base/log.h"
#include "core/container/events.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"
#include "core/network/network.h"

static void tell(struct dv_container *c, const char *action, const char *network_id,
                 const char *name, const char *driver)
{
    dv_events_emit(c->cs->engine->events, "network", action, network_id,
                   (const char *const[]){ "container", c->id, "name", name, "type",
                                          dv_net_shown_driver(driver), NULL });
}

/* On "host" and "none" there is no endpoint, and Docker tells of them all the same. */
static void tell_shared(struct dv_container *c, const char *action)
{
    const char *mode = c->config->network_mode;
    struct dv_net_view view;
    struct dv_error ignored = { 0 };

    if (!dv_empty(mode) && (dv_streq(mode, "host") || dv_streq(mode, "none")) &&
        dv_net_find(c->cs->engine->net, mode, &view, &ignored) == 0)
        tell(c, action, view.id, view.name, view.driver);
}

static void leave(struct dv_container *c, const struct dv_endpoint_view *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dv_endpoint_leave(c->cs->engine->net, list[i].id, -1);
        tell(c, "disconnect", list[i].network_id, list[i].network_name, list[i].driver);
    }
}

int dv_container_join_networks(struct dv_container *c, struct dv_sandbox *sandbox,
                               struct dv_error *err)
{
    struct dv_endpoint_view *list = NULL, joined;
    struct dv_net *net = c->cs->engine->net;
    size_t n = dv_endpoint_list(net, c->id, &list);
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        r = dv_endpoint_join(net, list[i].id, sandbox, &joined, err);
        if (r == 0) {
            tell(c, "connect", list[i].network_id, list[i].network_name, list[i].driver);
            continue;
        }
        r = dv_wrap(err, "join network '%s'", list[i].network_name);
        leave(c, list, i);
    }
    free(list);
    if (r == 0)
        tell_shared(c, "connect");
    return r;
}

void dv_container_leave_networks(struct dv_container *c)
{
    struct dv_endpoint_view *list = NULL;
    size_t n = dv_endpoint_list(c->cs->engine->net, c->id, &list);

    leave(c, list, n);
    free(list);
    tell_shared(c, "disconnect");
}

void dv_container_remove_endpoints(struct dv_container *c)
{
    struct dv_endpoint_view *list = NULL;
    struct dv_error err = { 0 };
    size_t n = dv_endpoint_list(c->cs->engine->net, c->id, &list);

    for (size_t i = 0; i < n; i++)
        if (dv_endpoint_remove(c->cs->engine->net, list[i].id, &err) < 0)
            dv_log_warn(NULL, "container %s: remove its endpoint: %s", c->id, err.msg);
    free(list);
}
