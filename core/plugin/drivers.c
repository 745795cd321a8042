/* drivers.c - the drivers of one process: what was asked for and what became of it. */

#include "core/plugin/drivers.h"

#include "core/base/log.h"
#include "core/base/time.h"
#include "core/plugin/internal.h"

enum { MAX_DRIVERS = 128 };

struct entry {
    uint32_t kind;
    char *name, *path, *reason;
    char version[32];
    enum dv_driver_state state;
    uint64_t since_ns;
    struct dv_driver *driver;        /* while active */
};
struct dv_drivers {
    char *plugin_dir;
    struct dv_host_config host;
    struct entry entries[MAX_DRIVERS];
    size_t n;
};

int dv_drivers_new(const char *plugin_dir, struct dv_drivers **ret, struct dv_error *err)
{
    struct dv_drivers *ds = calloc(1, sizeof(*ds));

    if (ds)
        ds->plugin_dir = dv_strdup(plugin_dir);
    if (!ds || (plugin_dir && !ds->plugin_dir)) {
        free(ds);
        return dv_fail(err, DV_E_NO_MEMORY, "table of drivers: out of memory");
    }
    *ret = ds;
    return 0;
}

void dv_drivers_set_host(struct dv_drivers *ds, const struct dv_host_config *host)
{
    ds->host = *host;
}

void dv_drivers_free(struct dv_drivers *ds)
{
    if (!ds)
        return;
    /* Last started, first stopped. */
    for (size_t i = ds->n; i-- > 0;) {
        struct entry *e = &ds->entries[i];

        dv_driver_close(e->driver);
        free(e->name);
        free(e->path);
        free(e->reason);
    }
    free(ds->plugin_dir);
    free(ds);
}

static struct entry *find(struct dv_drivers *ds, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < ds->n; i++)
        if (ds->entries[i].kind == kind && dv_streq(ds->entries[i].name, name))
            return &ds->entries[i];
    return NULL;
}

static void fill(struct entry *e, const struct dv_open_report *report, int result,
                 const struct dv_error *err)
{
    e->path = dv_strdup(report->path);
    memcpy(e->version, report->note.version, sizeof(e->version)); /* terminated: note.c checks it */
    if (result == 0) {
        e->state = DV_DRIVER_ACTIVE;
        return;
    }
    e->state = report->stage < DV_STAGE_OPTIONS ? DV_DRIVER_REJECTED : DV_DRIVER_FAILED;
    e->reason = dv_strdup(err->msg);
    dv_log_error(NULL, "%s driver '%s' is not active: %s",
                 dv_kind_name(e->kind) ? dv_kind_name(e->kind) : "?", e->name, err->msg);
}

void dv_drivers_add(struct dv_drivers *ds, const struct dv_plugin_file *file,
                    const struct dv_kvs *options)
{
    struct dv_plugin_file f = *file;
    struct dv_open_report report = { 0 };
    struct dv_error err = { 0 };
    struct entry *e;
    int r;

    if (ds->n == MAX_DRIVERS) {
        dv_log_error(NULL, "driver '%s' is left out: %d drivers are the limit", file->name,
                     MAX_DRIVERS);
        return;
    }
    if (!f.plugin_dir)
        f.plugin_dir = ds->plugin_dir;
    e = find(ds, f.kind, f.name);
    if (e && e->path && f.path && dv_streq(e->path, f.path))
        return; /* named twice, meant once */
    if (e) {
        (void)dv_plugin_path(&f, report.path, &err);
        r = dv_fail(&err, DV_E_CONFLICT, "plugin %s: the name '%s' is taken by %s: rename one",
                    report.path, f.name, e->path && *e->path ? e->path : "an earlier one");
        e = &ds->entries[ds->n];
    } else {
        e = &ds->entries[ds->n];
        r = dv_plugin_open(&f, options, &ds->host, &report, &e->driver, &err);
    }
    *e = (struct entry){ .kind = f.kind, .name = dv_strdup(f.name), .driver = e->driver,
                         .since_ns = dv_now_ns() };
    if (!e->name) {
        dv_log_error(NULL, "driver '%s': out of memory", f.name);
        dv_driver_close(e->driver);
        e->driver = NULL;
        return;
    }
    fill(e, &report, r, &err);
    ds->n++;
}

int dv_drivers_get(struct dv_drivers *ds, uint32_t kind, const char *name, struct dv_driver **ret,
                   struct dv_error *err)
{
    const char *kind_name = dv_kind_name(kind);
    struct entry *e = find(ds, kind, name);

    if (!e)
        return dv_fail(err, DV_E_NOT_FOUND, "no %s driver '%s' is configured",
                       kind_name ? kind_name : "?", name);
    if (e->state != DV_DRIVER_ACTIVE)
        return dv_fail(err, DV_E_UNAVAILABLE, "%s driver '%s' is not active: %s", kind_name, name,
                       e->reason ? e->reason : "out of memory while it was loaded");
    *ret = e->driver;
    return 0;
}

size_t dv_drivers_count(const struct dv_drivers *ds)
{
    return ds->n;
}

void dv_drivers_info(const struct dv_drivers *ds, size_t i, struct dv_driver_info *ret)
{
    const struct entry *e = &ds->entries[i];

    *ret = (struct dv_driver_info){
        .kind = e->kind,
        .name = e->name,
        .version = e->version,
        .path = e->path ? e->path : "",
        .state = e->state,
        .reason = e->reason ? e->reason : "",
        .since_ns = e->since_ns,
        .caps = e->driver ? e->driver->caps : 0,
    };
}
