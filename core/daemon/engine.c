/* engine.c - open the engine's parts in their order, close them in reverse. */
#include "core/daemon/engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/file.h"
#include "core/base/id.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/container/container.h"
#include "core/container/events.h"
#include "core/container/store.h"
#include "core/daemon/config.h"
#include "core/daemon/engine_open.h"
#include "core/image/image.h"
#include "core/image/lease.h"
#include "core/network/foreign.h"
#include "core/network/network.h"
#include "core/plugin/drivers.h"
#include "core/runtime/cgroup.h"
#include "core/state/db.h"
#include "core/volume/volume.h"

static int open_directory(const char *path, mode_t mode, int *ret, struct dv_error *err)
{
    int r = dv_mkdirs(AT_FDCWD, path, mode, err);

    if (r < 0)
        return r;
    *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "open %s", path) : 0;
}

/* A daemon that was killed a moment ago, and is a zombie already, holds its lock until its last
 * thread and what it was just spawning are gone; so a second of patience. */
static int take_lock(int fd)
{
    enum { TRIES = 50 };
    static const struct timespec pause = { .tv_nsec = 20000000 };
    int i;

    for (i = 0; i < TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        nanosleep(&pause, NULL);
    }
    errno = EWOULDBLOCK;
    return -1;
}

/* Held for the daemon's life. Two daemons on one root would each undo the other's work. */
static int lock_root(struct dv_engine *engine, struct dv_error *err)
{
    engine->lock_fd = openat(engine->root_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                             0600);
    if (engine->lock_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s/lock", engine->config.root);
    if (take_lock(engine->lock_fd) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return dv_fail_errno(err, DV_E_INTERNAL, "lock %s/lock", engine->config.root);
    return dv_fail(err, DV_E_CONFLICT,
                   "another davitd uses %s; stop it, or give this one its own --root",
                   engine->config.root);
}

static int open_state(struct dv_engine *engine, struct dv_error *err)
{
    dv_autofree char *path = dv_format("%s/davit.db", engine->config.root);
    dv_autofree char *id = NULL;
    int r;

    if (!path)
        return dv_fail(err, DV_E_NO_MEMORY, "open the database");
    r = dv_db_open(path, &engine->db, err);
    if (r < 0)
        return r;
    id = dv_meta_get(engine->db, "engine_id");
    if (id) {
        snprintf(engine->id, sizeof(engine->id), "%s", id);
        return 0;
    }
    dv_id_new(engine->id);
    return dv_meta_set(engine->db, "engine_id", engine->id, err);
}

static void add_driver(struct dv_engine *engine, const struct dv_config *config,
                       const struct dv_config_driver *d)
{
    dv_autofree char *state = dv_format("%s/storage/%s", engine->config.root, d->name);
    struct dv_kv items[64];
    struct dv_kvs options = { items, 0 };
    struct dv_plugin_file file = { .kind = d->kind, .name = d->name, .path = d->path,
                                   .plugin_dir = engine->config.plugin_dir, .sha256 = d->sha256 };
    struct dv_error err = { 0 };

    if (!state) {
        dv_log_error(NULL, "driver '%s': out of memory", d->name);
        return;
    }
    options.n = dv_config_options(config, d, state, items, N(items));
    if (d->kind == DV_KIND_STORAGE && dv_mkdirs(AT_FDCWD, state, 0700, &err) < 0)
        dv_log_error(NULL, "%s", err.msg);
    dv_drivers_add(engine->drivers, &file, &options);
}

void dv_engine_adopt(void *data, struct dv_driver *driver)
{
    struct dv_engine *engine = data;

    if (driver->kind == DV_KIND_STORAGE)
        dv_images_adopt(engine->images, driver);
    if (driver->kind == DV_KIND_NETWORK)
        dv_net_adopt(engine->net, driver);
}

/* Drivers that layers and containers lie in, also when the config chooses another by now. */
struct used_drivers {
    struct dv_strv names;
    bool failed;
};

static int used_row(void *arg, sqlite3_stmt *row)
{
    struct used_drivers *used = arg;

    if (dv_strv_add(&used->names, dv_row_text(row, 0)) < 0)
        used->failed = true;
    return 0;
}

static bool is_configured(const struct dv_config *config, const char *name)
{
    for (size_t i = 0; i < config->n_drivers; i++)
        if (config->drivers[i].kind == DV_KIND_STORAGE &&
            dv_streq(config->drivers[i].name, name))
            return true;
    return false;
}

static int open_used_drivers(struct dv_engine *engine, const struct dv_config *config,
                             struct dv_error *err)
{
    struct used_drivers used = { 0 };
    int r = dv_db_query(engine->db, used_row, &used, err,
                        "SELECT storage_driver FROM containers UNION"
                        " SELECT driver FROM layer_storage",
                        "");

    if (r == 0 && used.failed)
        r = dv_fail(err, DV_E_NO_MEMORY, "read which storage drivers are in use");
    for (size_t i = 0; i < used.names.n && r == 0; i++) {
        struct dv_config_driver d = { .kind = DV_KIND_STORAGE, .name = used.names.items[i] };

        if (!is_configured(config, d.name))
            add_driver(engine, config, &d);
    }
    dv_strv_done(&used.names);
    return r;
}

/* What is remembered of plugins lies in <root>/plugins. */
static int guard_drivers(struct dv_engine *engine, struct dv_error *err)
{
    dv_autofree char *probe = dv_format("%s/davit-plugin-probe", engine->config.libexec_dir);
    dv_autofree char *state = dv_format("%s/plugins", engine->config.root);
    struct dv_drivers_guard guard = {
        .probe = probe, .state_fd = -1,
        .timeout_ns = (uint64_t)engine->config.driver_timeout_s * 1000000000,
    };
    int r;

    if (!probe || !state)
        return dv_fail(err, DV_E_NO_MEMORY, "open the drivers");
    r = open_directory(state, 0700, &guard.state_fd, err);
    return r < 0 ? r : dv_drivers_set_guard(engine->drivers, &guard, err);
}

static int open_drivers(struct dv_engine *engine, const struct dv_config *config,
                        struct dv_error *err)
{
    int r = dv_drivers_new(engine->config.plugin_dir, &engine->drivers, err);

    if (r == 0)
        r = guard_drivers(engine, err);
    for (size_t i = 0; r == 0 && i < config->n_drivers; i++)
        if (config->drivers[i].kind == DV_KIND_STORAGE ||
            config->drivers[i].kind == DV_KIND_NETWORK)
            add_driver(engine, config, &config->drivers[i]);
    return r < 0 ? r : open_used_drivers(engine, config, err);
}

/* "driver = overlay, vfs": the first of the list that is active. Where none is, the first, so that its
 * reason is what the user is told. Nothing falls back that the config does not name. */
static int choose_storage(struct dv_engine *engine, struct dv_error *err)
{
    const char *list = engine->config.storage_driver;
    struct dv_driver *driver;
    dv_autostrv names = { 0 };

    if (dv_strv_words(&names, list, ',') < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "choose a storage driver");
    if (!names.n)
        return dv_fail(err, DV_E_INVALID, "storage.driver names no driver");
    for (size_t i = 0; i < names.n && !engine->storage_driver; i++) {
        struct dv_error why = { 0 };

        if (dv_drivers_get(engine->drivers, DV_KIND_STORAGE, names.items[i], &driver, &why) == 0)
            engine->storage_driver = dv_strdup(names.items[i]);
    }
    if (!engine->storage_driver)
        engine->storage_driver = dv_strdup(names.items[0]);
    return engine->storage_driver ? 0 : dv_fail(err, DV_E_NO_MEMORY, "choose a storage driver");
}

static void warn(struct dv_engine *engine, const char *text)
{
    dv_log_warn(NULL, "%s", text);
    if (dv_strv_add(&engine->warnings, text) < 0)
        dv_log_warn(NULL, "out of memory");
}

static int open_cgroups(struct dv_engine *engine, struct dv_error *err)
{
    struct dv_error ignored = { 0 };
    char name[32];
    int r = dv_cgroups_detect(&engine->cgroups, err);

    if (r < 0 || !engine->config.favordynmods)
        return r;
    snprintf(name, sizeof(name), "davit-%s", engine->config.instance);
    if (dv_cgroups_favordynmods(engine->cgroups, name, &engine->favordynmods_fd,
                                &engine->favordynmods_on, &ignored) < 0)
        warn(engine, ignored.msg);
    return 0;
}

static int open_network(struct dv_engine *engine, struct dv_error *err)
{
    const struct dv_engine_config *c = &engine->config;
    struct dv_net_config config = {
        .instance = c->instance, .bridge_name = c->bridge_name, .default_pool = c->default_pool,
        .nft_table = c->nft_table, .pool_size = (unsigned)c->netns_pool, .db = engine->db,
        .drivers = engine->drivers,
    };

    int r = dv_net_open(&config, &engine->net, err);
    dv_autofree char *foreign = r == 0 ? dv_foreign_warning(c->bridge_name) : NULL;

    if (foreign)
        warn(engine, foreign);
    return r;
}

static void on_image_event(void *arg, const char *action, const char *image_id, const char *name)
{
    struct dv_engine *engine = arg;

    dv_events_emit(engine->events, "image", action, image_id,
                   (const char *const[]){ "name", name ? name : image_id, NULL });
}

static int open_images(struct dv_engine *engine, struct dv_error *err)
{
    dv_autofree char *worker = dv_format("%s/davit-worker", engine->config.libexec_dir);
    struct dv_images_config config = {
        .root_fd = engine->root_fd, .db = engine->db, .drivers = engine->drivers,
        .storage_driver = engine->storage_driver, .worker_path = worker,
        .plugin_dir = engine->config.plugin_dir, .event = on_image_event, .event_arg = engine,
        .drop_blobs = engine->config.drop_blobs,
    };
    int r;

    if (!worker)
        return dv_fail(err, DV_E_NO_MEMORY, "open the image store");
    r = dv_leases_new(&engine->leases, err);
    if (r < 0)
        return r;
    config.leases = engine->leases;
    return dv_images_open(&config, &engine->images, err);
}

static void on_volume_event(void *arg, const char *action, const char *name)
{
    struct dv_engine *engine = arg;

    dv_events_emit(engine->events, "volume", action, name,
                   (const char *const[]){ "driver", "local", NULL });
}

static int open_volumes(struct dv_engine *engine, struct dv_error *err)
{
    const struct dv_volumes_config config = {
        .root_fd = engine->root_fd, .root = engine->config.root, .db = engine->db,
        .event = on_volume_event, .event_arg = engine,
    };

    return dv_volumes_open(&config, &engine->volumes, err);
}

int dv_engine_open(struct dv_config *config, struct dv_engine *engine, struct dv_error *err)
{
    int r;

    *engine = (struct dv_engine){ .root_fd = -1, .run_fd = -1, .lock_fd = -1,
                                  .favordynmods_fd = -1, .signal_fd = -1,
                                  .started_ns = dv_now_ns() };
    engine->config = config->engine; /* borrowed: CONFIG outlives the engine */
    r = open_directory(engine->config.root, 0711, &engine->root_fd, err);
    if (r == 0)
        r = lock_root(engine, err);
    if (r == 0)
        r = open_directory(engine->config.run_dir, 0711, &engine->run_fd, err);
    if (r == 0)
        r = open_state(engine, err);
    if (r == 0)
        r = dv_loop_new(&engine->loop, err);
    if (r == 0)
        r = open_drivers(engine, config, err);
    if (r == 0)
        r = choose_storage(engine, err);
    if (r == 0)
        r = open_cgroups(engine, err);
    if (r == 0)
        r = dv_events_open(engine->db, engine->loop, &engine->events, err);
    if (r == 0)
        r = open_network(engine, err);
    if (r == 0)
        r = open_images(engine, err);
    if (r == 0)
        r = open_volumes(engine, err);
    if (r == 0)
        r = dv_containers_open(engine, &engine->containers, err);
    return r;
}

/* With all containers stopped: nothing of this instance stays in the kernel. */
static void leave_kernel(struct dv_engine *engine)
{
    const char *parent = engine->config.cgroup_parent;
    struct dv_error err = { 0 };

    dv_net_teardown(engine->net);
    /* The last shims end right after their containers. */
    if (dv_cgroup_kill(engine->cgroups, parent, "shims", &err) < 0 ||
        dv_cgroup_remove(engine->cgroups, parent, "shims", &err) < 0 ||
        dv_cgroup_remove(engine->cgroups, "/", parent + 1, &err) < 0)
        dv_log_warn(NULL, "remove the engine's control groups: %s", err.msg);
}

void dv_engine_close(struct dv_engine *engine)
{
    dv_containers_close(engine->containers);
    if (atomic_load(&engine->leave_kernel) && engine->net && engine->cgroups)
        leave_kernel(engine);
    dv_volumes_close(engine->volumes);
    dv_images_close(engine->images);
    dv_leases_free(engine->leases);
    dv_net_close(engine->net);
    dv_events_close(engine->events);
    dv_drivers_free(engine->drivers);
    dv_cgroups_free(engine->cgroups);
    dv_close(engine->favordynmods_fd);
    dv_close(engine->signal_fd);
    dv_loop_free(engine->loop);
    dv_db_close(engine->db);
    dv_strv_done(&engine->warnings);
    free(engine->storage_driver);
    dv_close(engine->run_fd);
    dv_close(engine->root_fd);
    dv_close(engine->lock_fd);
}
