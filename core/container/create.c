/* create.c - a new container: name, image, workspace, endpoints, record. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/id.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/base/undo.h"
#include "core/container/internal.h"
#include "core/container/names.h"
#include "core/container/spec_parts.h"
#include "core/container/test_hooks.h"
#include "core/container/volumes.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/image/lease.h"
#include "core/network/network.h"
#include "core/runtime/cgroup.h"
#include "core/runtime/spec.h"
#include "core/state/db.h"

enum { NAME_TRIES = 6 };

static int enter_named(struct dv_container *c, const char *wished, struct dv_error *err)
{
    char name[64];
    int r;

    if (wished) {
        r = dv_name_check(wished, err);
        if (r < 0)
            return r;
        c->name = dv_strdup(*wished == '/' ? wished + 1 : wished);
        return c->name ? dv_containers_insert(c->cs, c, err)
                       : dv_fail(err, DV_E_NO_MEMORY, "create container %s", wished);
    }
    for (unsigned i = 0; i <= NAME_TRIES; i++) {
        if (i < NAME_TRIES)
            dv_name_random(name, i);
        else
            snprintf(name, sizeof(name), "%.12s", c->id);
        free(c->name);
        c->name = dv_strdup(name);
        if (!c->name)
            return dv_fail(err, DV_E_NO_MEMORY, "create a container");
        r = dv_containers_insert(c->cs, c, err);
        if (r != -DV_E_CONFLICT)
            return r;
        dv_error_clear(err);
    }
    return dv_fail(err, DV_E_CONFLICT, "no free name was found for container %s", c->id);
}

static void undo_forget(void *arg)
{
    struct dv_container *c = arg;

    dv_lock_take(&c->lock);
    c->removed = true;
    pthread_cond_broadcast(&c->changed);
    dv_lock_drop(&c->lock);
    dv_containers_forget(c->cs, c);
}

static void undo_workspace(void *arg)
{
    struct dv_container *c = arg;
    struct dv_engine *engine = c->cs->engine;
    struct dv_error err = { 0 };
    int r = dv_lease_take(engine->leases, c->id, DV_LEASE_REMOVE, /* wait_ns */ 0, &err);

    if (r == 0) {
        r = dv_workspace_remove(engine->images, c->storage_driver, c->id, &err);
        dv_lease_drop(engine->leases, c->id, DV_LEASE_REMOVE);
    }
    if (r < 0)
        dv_log_warn(NULL, "container %s: remove its layer: %s", c->id, err.msg);
}

static void undo_directory(void *arg)
{
    struct dv_container *c = arg;
    struct dv_error err = { 0 };

    if (dv_remove_tree(c->cs->dirs_fd, c->id, &err) < 0)
        dv_log_warn(NULL, "container %s: remove its directory: %s", c->id, err.msg);
}

static void undo_volumes(void *arg)
{
    dv_container_volumes_undo(arg);
}

static void undo_endpoints(void *arg)
{
    dv_container_remove_endpoints(arg);
}

static int make_directory(struct dv_container *c, struct dv_error *err)
{
    if (mkdirat(c->cs->dirs_fd, c->id, 0700) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "create %s/containers/%s",
                             c->cs->engine->config.root, c->id);
    return 0;
}

static bool joins_networks(const struct dv_container_config *config)
{
    const char *mode = config->network_mode;

    return !config->network_disabled &&
           (dv_empty(mode) ||
            (!dv_streq(mode, "none") && !dv_streq(mode, "host") && !dv_starts(mode, "container:")));
}

/* "default" is what clients call the network that is named bridge. */
static const char *network_name(const char *name)
{
    return dv_empty(name) || dv_streq(name, "default") ? "bridge" : name;
}

static const struct dv_endpoint_wish *wish_of(const struct dv_container_config *config,
                                              const char *network)
{
    for (size_t i = 0; i < config->n_endpoints; i++)
        if (dv_streq(network_name(config->endpoints[i].network), network))
            return &config->endpoints[i];
    return NULL;
}

static int make_endpoint(struct dv_container *c, const char *network,
                         const struct dv_endpoint_wish *wish, struct dv_error *err)
{
    struct dv_endpoint_req req = { .network = network, .container_id = c->id,
                                   .container_name = c->name,
                                   .mac = dv_empty(c->config->mac_address)
                                              ? NULL
                                              : c->config->mac_address };
    struct dv_endpoint_view made;
    int r;

    if (wish) {
        req.ip = dv_empty(wish->ip) ? NULL : wish->ip;
        req.mac = dv_empty(wish->mac) ? req.mac : wish->mac;
        req.aliases = wish->aliases;
    }
    r = dv_endpoint_create(c->cs->engine->net, &req, &made, err);
    if (r == -DV_E_NOT_FOUND) /* clients take a 404 for a missing image, and pull */
        r = dv_fail(err, DV_E_INVALID, "network %s not found", network);
    return r;
}

static int make_endpoints(struct dv_container *c, struct dv_error *err)
{
    const struct dv_container_config *config = c->config;
    const char *mode = network_name(config->network_mode);
    int r;

    if (!joins_networks(config))
        return 0;
    r = make_endpoint(c, mode, wish_of(config, mode), err);
    for (size_t i = 0; i < config->n_endpoints && r == 0; i++) {
        const char *name = network_name(config->endpoints[i].network);

        if (!dv_streq(name, mode))
            r = make_endpoint(c, name, &config->endpoints[i], err);
    }
    return r;
}

static int record(struct dv_container *c, struct dv_error *err)
{
    struct dv_db *db = c->cs->engine->db;
    int r = dv_tx_begin(db, c->auto_remove ? DV_SYNC_NORMAL : DV_SYNC_FULL, err);

    if (r < 0)
        return r;
    r = dv_container_row_insert(c, err);
    if (r == 0)
        return dv_tx_commit(db, err);
    dv_tx_rollback(db);
    return r;
}

/* The steps, each undone by the next one's failure. A kill before the last one leaves what no container's
 * row names: the next davitd takes it away. */
static int build(struct dv_container *c, const struct dv_image *image, const char *name,
                 struct dv_error *err)
{
    dv_autoundo undo = { 0 };
    const char *driver;
    int r;

    r = enter_named(c, name, err);
    if (r < 0)
        return r;
    dv_undo_push(&undo, undo_forget, c);
    r = make_directory(c, err);
    if (r < 0)
        return r;
    dv_undo_push(&undo, undo_directory, c);
    dv_test_point("create-directory");

    r = dv_workspace_create(c->cs->engine->images, c->id, image, &driver, err);
    if (r < 0)
        return dv_wrap(err, "create the layer of container %s", c->name);
    c->storage_driver = dv_strdup(driver);
    if (!c->storage_driver)
        return dv_fail(err, DV_E_NO_MEMORY, "create container %s", c->name);
    dv_undo_push(&undo, undo_workspace, c);
    dv_test_point("create-workspace");

    dv_undo_push(&undo, undo_volumes, c);
    r = dv_container_volumes_make(c, err);
    if (r < 0)
        return r;
    dv_test_point("create-volumes");
    r = dv_container_volumes_fill(c, err);
    if (r < 0)
        return r;
    dv_test_point("create-filled");

    dv_undo_push(&undo, undo_endpoints, c);
    r = make_endpoints(c, err);
    if (r < 0)
        return r;
    dv_test_point("create-endpoints");
    r = record(c, err);
    if (r < 0)
        return dv_wrap(err, "record container %s", c->name);
    dv_test_point("create-recorded");
    dv_undo_commit(&undo);
    return 0;
}

static int check_platform(const struct dv_image *image, const char *wished, struct dv_error *err)
{
    dv_autofree char *have = dv_format("%s/%s", image->os, image->architecture);

    if (dv_empty(wished) || dv_streq(wished, image->os) || (have && dv_starts(wished, have)))
        return 0;
    return dv_fail(err, DV_E_NOT_FOUND,
                   "image with reference was found but its platform (%s) does not match the "
                   "specified platform (%s)",
                   have ? have : "?", wished);
}

/* Docker's rule: the short id; the host's own name where the host's network is shared. */
static int default_hostname(struct dv_container *c, struct dv_container_config *config,
                            struct dv_error *err)
{
    char name[256] = "";

    if (!dv_empty(config->hostname))
        return 0;
    if ((config->network_mode && dv_streq(config->network_mode, "host")) ||
        (config->uts_mode && dv_streq(config->uts_mode, "host")))
        gethostname(name, sizeof(name) - 1);
    if (!name[0])
        snprintf(name, sizeof(name), "%.12s", c->id);
    if (json_object_object_add(config->config_json, "Hostname", json_object_new_string(name)) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "create a container");
    return 0;
}

static int fill(struct dv_container *c, struct dv_create_request *req,
                const struct dv_image *image, struct dv_error *err)
{
    int r = default_hostname(c, req->config, err);

    if (r == 0)
        r = dv_config_merge_image(&req->config, image, err);
    if (r < 0)
        return r;
    r = dv_config_argv(req->config, &c->argv, err);
    if (r < 0)
        return r;
    c->created_ns = dv_now_ns();
    c->image_id = dv_strdup(image->id);
    c->image_name = dv_strdup(req->config->image);
    c->auto_remove = req->config->auto_remove;
    c->config = dv_take(req->config);
    if (!c->image_id || !c->image_name)
        return dv_fail(err, DV_E_NO_MEMORY, "create a container");
    return 0;
}

/* What only the image asks for and davit does not do yet must not stop real images. */
static int warn_of_image(const struct dv_image *image, struct dv_strv *warnings,
                         struct dv_error *err)
{
    int r = 0;

    if (image->healthcheck_json)
        r = dv_strv_add(warnings,
                        "The image declares a HEALTHCHECK; health checks are not supported yet.");
    return r < 0 ? dv_fail(err, DV_E_NO_MEMORY, "create a container") : 0;
}

/* Limits that this host has not got: the container goes without, and whoever asked is told now, since a
 * start answers nothing. A value that cannot be turned into a limit is the start's to refuse. */
static int warn_of_host(struct dv_container *c, struct dv_strv *warnings, struct dv_error *err)
{
    dv_auto(dv_spec) *spec = calloc(1, sizeof(*spec));
    struct dv_error ignored = { 0 };

    if (!spec)
        return dv_fail(err, DV_E_NO_MEMORY, "create a container");
    spec->resources.memory_swappiness = -1;
    if (dv_spec_limits(c->config, &spec->resources, &ignored) < 0)
        return 0;
    return dv_cgroup_check(c->cs->engine->cgroups, c->cs->cgroup_parent, &spec->resources, warnings,
                           err);
}

int dv_container_create(struct dv_containers *cs, struct dv_create_request *req, char ret_id[65],
                        struct dv_strv *warnings, struct dv_error *err)
{
    dv_auto(dv_image) *image = NULL;
    struct dv_container *c;
    char id[DV_ID_BYTES];
    int r;

    r = dv_image_get(cs->engine->images, req->config->image ? req->config->image : "", &image, err);
    if (r < 0)
        return r;
    r = check_platform(image, req->platform, err);
    if (r < 0)
        return r;
    r = warn_of_image(image, warnings, err);
    if (r < 0)
        return r;
    dv_id_new(id);
    c = dv_container_new(cs, id);
    if (!c)
        return dv_fail(err, DV_E_NO_MEMORY, "create a container");
    c->busy = "create";
    r = fill(c, req, image, err);
    if (r == 0)
        r = warn_of_host(c, warnings, err);
    if (r == 0)
        r = build(c, image, req->name, err);
    if (r == 0) {
        memcpy(ret_id, id, sizeof(id));
        dv_op_end(c);
        dv_containers_publish(cs, c);
        dv_container_emit(c, "create", NULL);
    }
    dv_container_unref(c);
    return r;
}
