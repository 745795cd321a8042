/* volumes.c - the volumes of a container: made and filled at its creation, let go at its end. */
#include "core/container/volumes.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/container/events.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"
#include "core/image/image.h"
#include "core/image/lease.h"
#include "core/state/db.h"
#include "core/volume/volume.h"

static int no_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "no memory for a container's volumes");
}

static struct dv_mount_point *find_target(const struct dv_container_config *config,
                                          const char *target)
{
    for (size_t i = 0; i < config->n_mounts; i++)
        if (dv_streq(config->mounts[i].target, target))
            return &config->mounts[i];
    return NULL;
}

static struct dv_mount_point *add_point(struct dv_container_config *config)
{
    struct dv_mount_point *m = reallocarray(config->mounts, config->n_mounts + 1, sizeof(*m));

    if (!m)
        return NULL;
    config->mounts = m;
    m += config->n_mounts++;
    *m = (struct dv_mount_point){ 0 };
    return m;
}

/* ---- --volumes-from ---- */

static bool set(char **to, const char *text)
{
    if (!text)
        return true;
    free(*to);
    *to = dv_strdup(text);
    return *to != NULL;
}

/* What other containers gave stands behind what was asked for here; the last of them wins. */
static int take_point(struct dv_container_config *config, const struct dv_mount_point *from,
                      size_t n_own, bool read_only, struct dv_error *err)
{
    struct dv_mount_point *m = find_target(config, from->target);

    if (m && (size_t)(m - config->mounts) < n_own)
        return 0;
    if (m) {
        dv_mount_point_done(m);
        *m = (struct dv_mount_point){ 0 };
    } else {
        m = add_point(config);
    }
    if (!m || !set(&m->type, from->type) || !set(&m->name, from->name) ||
        !set(&m->driver, from->driver) || !set(&m->source, from->source) ||
        !set(&m->target, from->target) || !set(&m->propagation, from->propagation) ||
        !set(&m->subpath, from->subpath) || !set(&m->tmpfs_options, from->tmpfs_options))
        return no_memory(err);
    m->read_only = from->read_only || read_only;
    m->non_recursive = from->non_recursive;
    m->create_mountpoint = from->create_mountpoint;
    m->tmpfs_size = from->tmpfs_size;
    m->tmpfs_mode = from->tmpfs_mode;
    m->no_copy = true;
    return 0;
}

/* "container[:ro|rw]" */
static int parse_from(const char *spec, struct dv_strv *parts, bool *ret_read_only,
                      struct dv_error *err)
{
    const char *mode;

    if (!*spec)
        return dv_fail(err, DV_E_INVALID, "volumes-from specification cannot be an empty string");
    if (dv_strv_split(parts, spec, ':') < 0)
        return no_memory(err);
    mode = parts->n > 1 ? parts->items[1] : "rw";
    if (parts->n > 2 || (!dv_streq(mode, "ro") && !dv_streq(mode, "rw") && !dv_streq(mode, "z") &&
                         !dv_streq(mode, "Z")))
        return dv_fail(err, DV_E_INVALID, "invalid mode: %s",
                       spec + strlen(parts->items[0]) + 1);
    *ret_read_only = dv_streq(mode, "ro");
    return 0;
}

static int take_from(struct dv_container *c, const char *spec, size_t n_own, struct dv_error *err)
{
    struct dv_container *other;
    dv_autostrv parts = { 0 };
    bool read_only = false;
    int r = parse_from(spec, &parts, &read_only, err);

    r = r < 0 ? r : dv_container_get(c->cs, parts.items[0], &other, err);
    if (r == -DV_E_NOT_FOUND)
        err->code = DV_E_INVALID; /* clients take a 404 for a missing image, and pull */
    if (r < 0)
        return -err->code;
    /* Its config never changes once it can be found. */
    for (size_t i = 0; i < other->config->n_mounts && r == 0; i++)
        if (!dv_streq(other->config->mounts[i].type, "tmpfs"))
            r = take_point(c->config, &other->config->mounts[i], n_own, read_only, err);
    dv_container_unref(other);
    return r;
}

/* ---- Config.Volumes, of the request and of the image ---- */

/* Without a trailing slash; images write it with one at times. */
static char *target_of(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return dv_format("%s%.*s", *path == '/' ? "" : "/", (int)n, path);
}

static int add_declared(struct dv_container_config *config, const char *path, struct dv_error *err)
{
    dv_autofree char *target = target_of(path);
    struct dv_mount_point *m;

    if (!target)
        return no_memory(err);
    if (dv_streq(target, "/"))
        return dv_fail(err, DV_E_INVALID, "invalid volume specification: '%s': invalid "
                       "specification: destination can't be '/'", path);
    if (find_target(config, target))
        return 0;
    m = add_point(config);
    if (!m || !set(&m->type, "volume") || !set(&m->name, "") || !set(&m->source, "") ||
        !set(&m->propagation, "") || !set(&m->target, target))
        return no_memory(err);
    return 0;
}

/* ---- the volumes themselves ---- */

static int make_volume(struct dv_container *c, struct dv_mount_point *m, struct dv_error *err)
{
    struct dv_volumes *volumes = c->cs->engine->volumes;
    const struct dv_volume_req req = {
        .name = m->name, .labels_json = m->labels_json, .options_json = m->options_json,
        .driver = dv_empty(m->driver) ? c->config->volume_driver : m->driver,
        .container_id = c->id,
    };
    bool named = !dv_empty(m->name);
    char name[DV_VOLUME_NAME_BYTES];
    int r = dv_volume_create(volumes, &req, name, err);

    if (r < 0 && m->options_json) /* the driver names the option, and not whose it is */
        return dv_wrap(err, "mount '%s': VolumeOptions.DriverConfig.Options", m->target);
    if (r < 0)
        return r;
    free(m->source);
    m->source = dv_volume_path(volumes, name);
    /* Docker shows its SELinux default for named ones. */
    if (!m->source || !set(&m->name, name) || !set(&m->driver, "local") ||
        (named && dv_empty(m->mode) && !m->no_copy && !set(&m->mode, "z")))
        return no_memory(err);
    return 0;
}

int dv_container_volumes_make(struct dv_container *c, struct dv_error *err)
{
    struct dv_container_config *config = c->config;
    size_t n_own = config->n_mounts;
    int r = 0;

    for (size_t i = 0; i < config->volumes_from.n && r == 0; i++)
        r = take_from(c, config->volumes_from.items[i], n_own, err);
    for (size_t i = 0; i < config->volumes.n && r == 0; i++)
        r = add_declared(config, config->volumes.items[i], err);
    for (size_t i = 0; i < config->n_mounts && r == 0; i++)
        if (dv_streq(config->mounts[i].type, "volume"))
            r = make_volume(c, &config->mounts[i], err);
    config->mounts_settled = config->n_mounts > 0;
    return r;
}

void dv_container_volumes_undo(struct dv_container *c)
{
    struct dv_db *db = c->cs->engine->db;
    dv_autostrv gone = { 0 };
    struct dv_error err = { 0 };
    int r = dv_tx_begin(db, DV_SYNC_NORMAL, &err);

    if (r == 0) {
        r = dv_volumes_release(c->cs->engine->volumes, c->id, /* anonymous */ true, &gone, &err);
        if (r == 0)
            r = dv_tx_commit(db, &err);
        else
            dv_tx_rollback(db);
    }
    if (r < 0)
        dv_log_warn(NULL, "container %s: remove its volumes: %s; the next start does", c->id,
                    err.msg);
    else
        dv_volumes_discard(c->cs->engine->volumes, &gone);
}

/* ---- first files ---- */

static int by_name(const void *a, const void *b)
{
    const struct dv_mount_point *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* In the order of their names, as everybody takes them: two containers never wait for each other. */
static size_t candidates(const struct dv_container_config *config,
                         const struct dv_mount_point **list)
{
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < config->n_mounts; i++)
        if (dv_streq(config->mounts[i].type, "volume") && !config->mounts[i].no_copy)
            list[n++] = &config->mounts[i];
    qsort(list, n, sizeof(*list), by_name);
    for (size_t i = 0; i < n; i++) /* a volume that is mounted twice */
        if (kept == 0 || !dv_streq(list[kept - 1]->name, list[i]->name))
            list[kept++] = list[i];
    return kept;
}

struct fills {
    const struct dv_mount_point **points;
    struct dv_volume_fill *fills;
    struct dv_copy_up *copies;
    size_t n;
};

static int begin_fills(struct dv_container *c, size_t n_points, struct fills *f,
                       struct dv_error *err)
{
    for (size_t i = 0; i < n_points; i++) {
        int r = dv_volume_fill(c->cs->engine->volumes, f->points[i]->name, c->id, &f->fills[f->n],
                               err);

        if (r < 0)
            return r;
        if (r == 0)
            continue;
        f->copies[f->n] = (struct dv_copy_up){ f->points[i]->target, f->fills[f->n].fd };
        f->n++;
    }
    return 0;
}

static int end_fills(struct dv_container *c, struct fills *f, int r, struct dv_error *err)
{
    for (size_t i = 0; i < f->n; i++) {
        struct dv_error own = { 0 };

        if (dv_volume_filled(c->cs->engine->volumes, &f->fills[i], r == 0, &own) < 0 && r == 0) {
            *err = own;
            r = -own.code;
        }
    }
    return r;
}

static int copy_up(struct dv_container *c, const struct fills *f, struct dv_error *err)
{
    struct dv_engine *engine = c->cs->engine;
    int r = dv_lease_take(engine->leases, c->id, DV_LEASE_COPY_UP, /* wait_ns */ 0, err);

    if (r < 0)
        return r;
    r = dv_workspace_copy_up(engine->images, c->storage_driver, c->id, f->copies, f->n, err);
    dv_lease_drop(engine->leases, c->id, DV_LEASE_COPY_UP);
    return r;
}

int dv_container_volumes_fill(struct dv_container *c, struct dv_error *err)
{
    size_t n = c->config->n_mounts;
    dv_autofree const struct dv_mount_point **points = calloc(n + 1, sizeof(*points));
    dv_autofree struct dv_volume_fill *fills = calloc(n + 1, sizeof(*fills));
    dv_autofree struct dv_copy_up *copies = calloc(n + 1, sizeof(*copies));
    struct fills f = { points, fills, copies, 0 };
    int r;

    if (!points || !fills || !copies)
        return no_memory(err);
    n = candidates(c->config, points);
    if (!n)
        return 0;
    r = begin_fills(c, n, &f, err);
    if (r == 0 && f.n)
        r = copy_up(c, &f, err);
    return end_fills(c, &f, r, err);
}

/* ---- events ---- */

void dv_container_volumes_emit(struct dv_container *c, const char *action)
{
    bool mounted = dv_streq(action, "mount");

    for (size_t i = 0; i < c->config->n_mounts; i++) {
        const struct dv_mount_point *m = &c->config->mounts[i];
        const char *const shown[] = { "container", c->id, "destination", m->target, "driver",
                                      "local", "propagation", "", "read/write",
                                      m->read_only ? "false" : "true", NULL };
        const char *const gone[] = { "container", c->id, "driver", "local", NULL };

        if (dv_streq(m->type, "volume"))
            dv_events_emit(c->cs->engine->events, "volume", action, m->name,
                           mounted ? shown : gone);
    }
}
