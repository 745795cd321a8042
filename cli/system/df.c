/* df.c - system df: what images, containers, volumes and the build cache take on the disk. */
#include <time.h>

#include "cli/container/commands.h"
#include "cli/format/document.h"
#include "cli/format/list.h"
#include "cli/format/units.h"
#include "cli/image/commands.h"
#include "cli/system/commands.h"
#include "cli/util.h"
#include "cli/volume/commands.h"

enum { SIZE_DIGITS = 4 };

/* ---- a row a kind ---- */

struct total {
    const char *type;
    int64_t n, active, bytes, reclaimable;
    bool percent;                    /* say how much of it can be reclaimed */
};

static const char *heading(const char *field)
{
    static const struct {
        const char *field, *text;
    } headings[] = {
        { "Type", "TYPE" }, { "TotalCount", "TOTAL" }, { "Active", "ACTIVE" }, { "Size", "SIZE" },
        { "Reclaimable", "RECLAIMABLE" },
    };

    for (size_t i = 0; i < N(headings); i++)
        if (dv_streq(headings[i].field, field))
            return headings[i].text;
    return field;
}

/* What images in use have of their own stays; layers that several share are counted as free, as
 * docker counts them. */
static struct total of_images(json_object *df)
{
    json_object *list = dv_jget(df, "Images");
    struct total t = { .type = "Images", .n = (int64_t)dv_jlen(list),
                       .bytes = dv_jget_int(df, "LayersSize"), .percent = true };

    t.reclaimable = t.bytes;
    for (size_t i = 0; i < dv_jlen(list); i++) {
        json_object *image = json_object_array_get_idx(list, i);

        if (dv_jget_int(image, "Containers") == 0)
            continue;
        t.active++;
        t.reclaimable -= dv_jget_int(image, "Size") - dv_jget_int(image, "SharedSize");
    }
    return t;
}

static bool is_up(json_object *container)
{
    static const char *const states[] = { "running", "paused", "restarting" };

    for (size_t i = 0; i < N(states); i++)
        if (dv_streq(dv_jget_str(container, "State"), states[i]))
            return true;
    return false;
}

static struct total of_containers(json_object *df)
{
    json_object *list = dv_jget(df, "Containers");
    struct total t = { .type = "Containers", .n = (int64_t)dv_jlen(list), .percent = true };

    for (size_t i = 0; i < dv_jlen(list); i++) {
        json_object *container = json_object_array_get_idx(list, i);
        int64_t bytes = dv_jget_int(container, "SizeRw");

        t.bytes += bytes;
        t.active += is_up(container);
        t.reclaimable += is_up(container) ? 0 : bytes;
    }
    return t;
}

static struct total of_volumes(json_object *df)
{
    json_object *list = dv_jget(df, "Volumes");
    struct total t = { .type = "Local Volumes", .n = (int64_t)dv_jlen(list), .percent = true };

    for (size_t i = 0; i < dv_jlen(list); i++) {
        json_object *usage = dv_jget(json_object_array_get_idx(list, i), "UsageData");
        int64_t bytes = dv_jget_int(usage, "Size");
        bool used = dv_jget_int(usage, "RefCount") > 0;

        if (bytes > 0)
            t.bytes += bytes;
        t.active += used;
        t.reclaimable += used || bytes < 0 ? 0 : bytes;
    }
    return t;
}

static struct total of_build_cache(json_object *df)
{
    json_object *list = dv_jget(df, "BuildCache");
    struct total t = { .type = "Build Cache", .n = (int64_t)dv_jlen(list) };

    for (size_t i = 0; i < dv_jlen(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        bool used = dv_jget_bool(entry, "InUse");

        t.bytes += dv_jget_int(entry, "Size");
        t.active += used;
        t.reclaimable += used ? 0 : dv_jget_int(entry, "Size");
    }
    return t;
}

static void take(json_object *row, const char *key, char *text)
{
    dv_jset_str(row, key, text);
    free(text);
}

static char *reclaimable_text(const struct total *t)
{
    dv_autofree char *size = dv_size_decimal(t->reclaimable, SIZE_DIGITS);

    if (!t->percent || t->bytes <= 0)
        return dv_xstrdup(size);
    return dv_xformat("%s (%lld%%)", size, (long long)(t->reclaimable * 100 / t->bytes));
}

/* Keys in the order of the alphabet: {{json .}} prints them so. */
static json_object *total_row(struct total t)
{
    json_object *row = dv_jobj();

    take(row, "Active", dv_xformat("%lld", (long long)t.active));
    take(row, "Reclaimable", reclaimable_text(&t));
    take(row, "Size", dv_size_decimal(t.bytes, SIZE_DIGITS));
    take(row, "TotalCount", dv_xformat("%lld", (long long)t.n));
    dv_jset_str(row, "Type", t.type);
    return row;
}

static int print_totals(json_object *df, const char *format, struct dv_error *err)
{
    struct dv_list list = {
        .columns = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
        .heading = heading,
    };
    dv_autojson json_object *rows = dv_jarr();
    int r = dv_list_init(&list, format, err);

    dv_jpush(rows, total_row(of_images(df)));
    dv_jpush(rows, total_row(of_containers(df)));
    dv_jpush(rows, total_row(of_volumes(df)));
    dv_jpush(rows, total_row(of_build_cache(df)));
    r = r < 0 ? r : dv_list_print(&list, rows, NULL, err);
    dv_list_done(&list);
    return r;
}

/* ---- each object ---- */

static const char *cache_heading(const char *field)
{
    static const struct {
        const char *field, *text;
    } headings[] = {
        { "ID", "CACHE ID" }, { "CacheType", "CACHE TYPE" }, { "Size", "SIZE" },
        { "CreatedSince", "CREATED" }, { "LastUsedSince", "LAST USED" }, { "UsageCount", "USAGE" },
        { "Shared", "SHARED" },
    };

    for (size_t i = 0; i < N(headings); i++)
        if (dv_streq(headings[i].field, field))
            return headings[i].text;
    return field;
}

/* Everything as rows, for templates and JSON too. */
static json_object *all_rows(json_object *df)
{
    json_object *all = dv_jobj(), *containers = dv_jarr(), *volumes = dv_jarr();
    int64_t now = (int64_t)time(NULL);

    for (size_t i = 0; i < dv_jlen(dv_jget(df, "Containers")); i++) {
        json_object *container = json_object_array_get_idx(dv_jget(df, "Containers"), i);

        if (json_object_is_type(container, json_type_object))
            json_object_object_del(container, "SizeRootFs"); /* the image has a row of its own */
        dv_jpush(containers, dv_container_row(container, /* full */ false, now));
    }
    for (size_t i = 0; i < dv_jlen(dv_jget(df, "Volumes")); i++)
        dv_jpush(volumes, dv_volume_row(json_object_array_get_idx(dv_jget(df, "Volumes"), i)));
    dv_jset(all, "BuildCache", dv_jarr());
    dv_jset(all, "Containers", containers);
    dv_jset(all, "Images", dv_image_rows(dv_jget(df, "Images"), /* full */ false,
                                         /* digests */ false));
    dv_jset(all, "Volumes", volumes);
    return all;
}

static int print_all(json_object *all, struct dv_error *err)
{
    static const struct {
        const char *title, *key, *columns;
        const char *(*heading)(const char *field);
    } parts[] = {
        { "Images space usage:", "Images",
          "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t"
          "{{.UniqueSize}}\t{{.Containers}}",
          dv_image_heading },
        { "\nContainers space usage:", "Containers",
          "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t"
          "{{.Status}}\t{{.Names}}",
          dv_container_heading },
        { "\nLocal Volumes space usage:", "Volumes", "{{.Name}}\t{{.Links}}\t{{.Size}}",
          dv_volume_heading },
        { "\nBuild cache usage: 0B", "BuildCache",
          "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t"
          "{{.UsageCount}}\t{{.Shared}}",
          cache_heading },
    };
    int r = 0;

    for (size_t i = 0; i < N(parts) && r == 0; i++) {
        struct dv_list list = { .columns = parts[i].columns, .heading = parts[i].heading };

        printf("%s\n\n", parts[i].title);
        r = dv_list_init(&list, "", err);
        r = r < 0 ? r : dv_list_print(&list, dv_jget(all, parts[i].key), NULL, err);
        dv_list_done(&list);
    }
    return r;
}

int dv_cmd_df(struct dv_cli_call *call)
{
    const char *format = dv_cli_str(call, "format");
    dv_autojson json_object *df = NULL, *all = NULL;
    struct dv_error err = { 0 };
    int r = dv_client_call(call->client, "GET", "/system/df", NULL, &df, &err);

    if (r == 0 && dv_cli_on(call, "verbose")) {
        all = all_rows(df);
        r = *format && !dv_streq(format, "table") ? dv_document_print(all, format, &err)
                                                  : print_all(all, &err);
    } else if (r == 0) {
        r = print_totals(df, format, &err);
    }
    return r < 0 ? dv_cli_fail(&err) : 0;
}
