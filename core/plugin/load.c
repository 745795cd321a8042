/* load.c - open one driver: the eight steps of docs/plugin-abi.md, section 4, in their order. */

#include "core/plugin/internal.h"
#include "core/plugin/watch.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

/* Where the object of MAP lies: its constants are good results (results.c). */
struct extent {
    const struct link_map *map;
    uintptr_t begin, end;
};

static int measure(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct extent *e = arg;

    (void)size;
    if (info->dlpi_addr != e->map->l_addr || !dv_streq(info->dlpi_name, e->map->l_name))
        return 0;
    e->begin = UINTPTR_MAX;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + ph->p_vaddr;

        if (ph->p_type != PT_LOAD)
            continue;
        e->begin = at < e->begin ? at : e->begin;
        e->end = at + ph->p_memsz > e->end ? at + ph->p_memsz : e->end;
    }
    return 1;
}

static int load_file(const char *path, struct dv_described *ret, void **ret_handle,
                     dv_plugin_entry **ret_entry, struct dv_error *err)
{
    struct link_map *map = NULL, *owner = NULL;
    Dl_info info;
    void *handle, *symbol;

    /* NOW: a missing symbol fails here. LOCAL: plugins do not see each other. NODELETE: threads,
     * TLS and atexit of a plugin make unmapping unsafe, so a driver that is turned away stays mapped.
     * By path, not by /proc/self/fd/N: glibc compares names first, and a reused number would give
     * the library that was loaded before. That is safe because only root can replace the file. */
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle)
        return dv_fail(err, DV_E_INVALID, "load plugin %s: %s", path, dlerror());
    symbol = dlsym(handle, DV_PLUGIN_ENTRY);
    /* dlsym also looks into the libraries that the plugin links: those do not speak for it. */
    if (!symbol || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 ||
        !dladdr1(symbol, &info, (void **)&owner, RTLD_DL_LINKMAP) || owner != map) {
        dlclose(handle);
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s does not export %s(): build it with DV_PLUGIN_DEFINE", path,
                       DV_PLUGIN_ENTRY);
    }
    struct extent extent = { .map = map };

    dl_iterate_phdr(measure, &extent);
    ret->image_begin = extent.begin;
    ret->image_bytes = extent.end - extent.begin;
    *ret_handle = handle;
    memcpy(ret_entry, &symbol, sizeof(symbol)); /* ISO C has no cast from object to function */
    return 0;
}

/* The first calls: nothing can be stuck or in use yet. */
static void call_begin(struct dv_call *c, const struct dv_driver *d, const char *op,
                       struct dv_error *err)
{
    if (dv_call_begin(c, d, op, err) < 0)
        dv_error_clear(err);
}

/* The host's wording where a plugin failed without a reason; recorded in ERR. */
static int settle(struct dv_call *c, int32_t result, struct dv_driver *d)
{
    int r = dv_call_result(c, result);

    return r < 0 ? dv_wrap(c->err, "%s of driver '%s' (%s)", c->op, d->name, d->path) : r;
}

static int run_init(struct dv_driver *d, const struct dv_kvs *config, struct dv_error *err)
{
    dv_autocall call = { 0 };

    call_begin(&call, d, "init", err);
    return settle(&call, d->plugin->init(d->host, &call, config, &d->self), d);
}

static int run_start(struct dv_driver *d, struct dv_error *err)
{
    dv_autocall call = { 0 };

    if (!d->plugin->start)
        return 0;
    call_begin(&call, d, "start", err);
    return settle(&call, d->plugin->start(d->self, &call), d);
}

static void driver_free(struct dv_driver *d)
{
    if (!d)
        return;
    dv_calls_retire(d->calls);
    if (d->serial)
        pthread_mutex_destroy(d->serial);
    free(d->serial);
    dv_host_free(d->host);
    free((void *)d->ops);
    free((void *)d->plugin);
    free(d->name);
    free(d->version);
    free(d->path);
    free(d);
}

static int add_serial(struct dv_driver *d)
{
    pthread_mutexattr_t attr;

    d->serial = malloc(sizeof(*d->serial));
    if (!d->serial || pthread_mutexattr_init(&attr) != 0)
        return -1;
    /* Recursive: a request that asks the same driver twice at a time must not wait for itself. */
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(d->serial, &attr);
    pthread_mutexattr_destroy(&attr);
    return 0;
}

/* NULL where memory is short: then nobody watches its calls. */
static struct dv_calls *calls_new(struct dv_watchdog *dog, const struct dv_driver *d)
{
    char name[64];

    snprintf(name, sizeof(name), "%s driver '%s'", dv_kind_name(d->kind), d->name);
    return dv_calls_new(dog, name);
}

/* Takes DESCRIBED's table in any case. */
static struct dv_driver *driver_new(const struct dv_described *described, const char *path,
                                    const struct dv_host_config *host)
{
    struct dv_plugin *plugin = malloc(sizeof(*plugin));
    struct dv_driver *d = calloc(1, sizeof(*d));

    if (!plugin || !d) {
        free(plugin);
        free(d);
        free(described->ops);
        return NULL;
    }
    *plugin = described->plugin;
    d->kind = plugin->kind;
    d->caps = plugin->caps;
    d->ops = described->ops;
    d->plugin = plugin;
    d->image_begin = described->image_begin;
    d->image_bytes = described->image_bytes;
    d->name = dv_strdup(plugin->name);
    d->version = dv_strdup(plugin->version);
    d->path = dv_strdup(path);
    d->host = dv_host_new(plugin->kind, plugin->name, host);
    if (host && host->watchdog && d->name)
        d->calls = calls_new(host->watchdog, d);
    if (!d->name || !d->version || !d->path || !d->host ||
        ((plugin->caps & DV_CAP_SERIAL) && add_serial(d) < 0)) {
        driver_free(d);
        return NULL;
    }
    return d;
}

void dv_described_done(struct dv_described *described)
{
    free(described->ops);
    *described = (struct dv_described){ 0 };
}

int dv_plugin_load(struct dv_open_report *rep, void (*on_stage)(const char *stage),
                   struct dv_described *ret, struct dv_error *err)
{
    dv_plugin_entry *entry = NULL;
    void *handle = NULL;
    int r;

    *ret = (struct dv_described){ 0 };
    rep->stage = DV_STAGE_DLOPEN;
    r = load_file(rep->path, ret, &handle, &entry, err);
    if (r < 0)
        return r;
    rep->stage = DV_STAGE_DESCRIBE;
    if (on_stage)
        on_stage("describe");
    r = dv_plugin_describe(entry(), &rep->note, rep->path, ret, err);
    /* Else the handle is kept for ever: NODELETE says so to the linker, this to the reader. */
    if (r < 0)
        dlclose(handle);
    return r;
}

/* Step 8. */
static int start_driver(struct dv_driver *d, const struct dv_kvs *options,
                        struct dv_open_report *rep, struct dv_error *err)
{
    struct dv_kvs config = { 0 };
    char section[64];
    int r;

    rep->stage = DV_STAGE_OPTIONS;
    snprintf(section, sizeof(section), "%s.%s", dv_kind_name(d->kind), d->name);
    r = dv_options_resolve(d->plugin, options, section, &config, NULL, err);
    if (r < 0)
        return r;
    rep->stage = DV_STAGE_START;
    r = run_init(d, &config, err);
    dv_options_free(&config);
    if (r < 0)
        return r;
    r = run_start(d, err);
    if (r < 0) {
        if (d->plugin->fini)
            d->plugin->fini(d->self);
        return r;
    }
    rep->stage = DV_STAGE_ACTIVE;
    return 0;
}

int dv_plugin_examine(const struct dv_plugin_file *file, struct dv_open_report *rep,
                      struct dv_error *err)
{
    dv_autoclose int fd = -1;
    int r;

    *rep = (struct dv_open_report){ .stage = DV_STAGE_FIND };
    r = dv_plugin_path(file, rep->path, err);
    if (r < 0)
        return r;
    rep->stage = DV_STAGE_TRUST;
    fd = dv_plugin_trust(rep->path, file->sha256, err);
    if (fd < 0)
        return fd;
    if (fstat(fd, &rep->st) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "plugin %s: stat", rep->path);
    rep->stage = DV_STAGE_NOTE;
    r = dv_plugin_note_fd(fd, rep->path, &rep->note, err);
    if (r == 0)
        r = dv_plugin_note_check(&rep->note, file, rep->path, err);
    if (r == 0)
        rep->stage = DV_STAGE_PROBE;
    return r;
}

int dv_plugin_start(struct dv_open_report *rep, const struct dv_kvs *options,
                    const struct dv_host_config *host, struct dv_driver **ret,
                    struct dv_error *err)
{
    struct dv_described described = { 0 };
    struct dv_driver *d;
    int r = dv_plugin_load(rep, NULL, &described, err);

    if (r < 0)
        return r;
    d = driver_new(&described, rep->path, host);
    if (!d)
        return dv_fail(err, DV_E_NO_MEMORY, "plugin %s: out of memory", rep->path);
    r = start_driver(d, options, rep, err);
    if (r < 0) {
        driver_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

int dv_driver_open(const struct dv_plugin_file *file, const struct dv_kvs *options,
                   const struct dv_host_config *host, struct dv_driver **ret, struct dv_error *err)
{
    struct dv_open_report report;
    int r = dv_plugin_examine(file, &report, err);

    return r < 0 ? r : dv_plugin_start(&report, options, host, ret, err);
}

void dv_driver_close(struct dv_driver *d)
{
    if (!d)
        return;
    if (d->plugin->stop)
        d->plugin->stop(d->self);
    if (d->plugin->fini)
        d->plugin->fini(d->self);
    driver_free(d);
}
