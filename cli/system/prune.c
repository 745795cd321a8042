/* prune.c - container, image and system prune: remove what nobody uses. */
#include "cli/confirm.h"
#include "cli/format/filters.h"
#include "cli/format/units.h"
#include "cli/system/commands.h"
#include "cli/util.h"

enum { SIZE_DIGITS = 4 };

/* What one request of the API prunes. */
struct kind {
    const char *target, *heading, *key;
};
static const struct kind containers = { "/containers/prune", "Deleted Containers:",
                                        "ContainersDeleted" };
static const struct kind networks = { "/networks/prune", "Deleted Networks:", "NetworksDeleted" };
static const struct kind volumes = { "/volumes/prune", "Deleted Volumes:", "VolumesDeleted" };
static const struct kind images = { "/images/prune", "Deleted Images:", "ImagesDeleted" };

/* Images come as {"Untagged": ...} or {"Deleted": ...}. */
static void print_deleted(json_object *item)
{
    if (!json_object_is_type(item, json_type_object))
        printf("%s\n", dv_jtext(item));
    else if (*dv_jget_str(item, "Untagged"))
        printf("untagged: %s\n", dv_jget_str(item, "Untagged"));
    else
        printf("deleted: %s\n", dv_jget_str(item, "Deleted"));
}

static int prune(struct dv_cli_call *call, const struct kind *kind, const struct dv_strv *filters,
                 int64_t *space, struct dv_error *err)
{
    dv_autojson json_object *reply = NULL;
    dv_autofree char *text = dv_filters_text(filters);
    dv_autobuf target = DV_TEXT_INIT;
    json_object *list;
    size_t i;
    int r;

    dv_xput(&target, kind->target);
    dv_xput_query(&target, "filters", text);
    r = dv_client_call(call->client, "POST", target.data, NULL, &reply, err);
    if (r < 0)
        return r;
    list = dv_jget(reply, kind->key);
    if (dv_jlen(list))
        puts(kind->heading);
    for (i = 0; i < dv_jlen(list); i++)
        print_deleted(json_object_array_get_idx(list, i));
    if (dv_jlen(list))
        puts("");
    *space += dv_jget_int(reply, "SpaceReclaimed");
    return 0;
}

static void print_space(int64_t space)
{
    dv_autofree char *text = dv_size_decimal(space, SIZE_DIGITS);

    printf("Total reclaimed space: %s\n", text);
}

/* True if the user says so, or said it by --force. */
static bool confirmed(const struct dv_cli_call *call, const char *warning)
{
    if (dv_cli_on(call, "force") || dv_cli_confirm(warning))
        return true;
    fprintf(stderr, "%s has been cancelled\n", call->path);
    return false;
}

int dv_cmd_container_prune(struct dv_cli_call *call)
{
    struct dv_error err = { 0 };
    int64_t space = 0;

    if (!confirmed(call, "WARNING! This will remove all stopped containers."))
        return 1;
    if (prune(call, &containers, dv_cli_list(call, "filter"), &space, &err) < 0)
        return dv_cli_fail(&err);
    print_space(space);
    return 0;
}

/* The filters of the call, and which images it means. */
static void image_filters(const struct dv_cli_call *call, struct dv_strv *ret)
{
    const struct dv_strv *filters = dv_cli_list(call, "filter");

    for (size_t i = 0; i < filters->n; i++)
        dv_xadd(ret, filters->items[i]);
    dv_xadd(ret, dv_cli_on(call, "all") ? "dangling=false" : "dangling=true");
}

int dv_cmd_image_prune(struct dv_cli_call *call)
{
    dv_autostrv filters = { 0 };
    struct dv_error err = { 0 };
    int64_t space = 0;

    if (!confirmed(call, dv_cli_on(call, "all")
                             ? "WARNING! This will remove all images without at least one container "
                               "associated to them."
                             : "WARNING! This will remove all dangling images."))
        return 1;
    image_filters(call, &filters);
    if (prune(call, &images, &filters, &space, &err) < 0)
        return dv_cli_fail(&err);
    print_space(space);
    return 0;
}

static char *system_warning(const struct dv_cli_call *call)
{
    return dv_xformat("WARNING! This will remove:\n"
                      "  - all stopped containers\n"
                      "  - all networks not used by at least one container\n"
                      "%s  - all %s\n",
                      dv_cli_on(call, "volumes")
                          ? "  - all anonymous volumes not used by at least one container\n"
                          : "",
                      dv_cli_on(call, "all")
                          ? "images without at least one container associated to them"
                          : "dangling images");
}

static bool filters_by_time(const struct dv_strv *filters)
{
    for (size_t i = 0; i < filters->n; i++)
        if (dv_starts(filters->items[i], "until="))
            return true;
    return false;
}

int dv_cmd_system_prune(struct dv_cli_call *call)
{
    const struct dv_strv *filters = dv_cli_list(call, "filter");
    bool with_volumes = dv_cli_on(call, "volumes");
    dv_autofree char *warning = system_warning(call);
    dv_autostrv of_images = { 0 };
    struct dv_error err = { 0 };
    int64_t space = 0;

    if (with_volumes && filters_by_time(filters)) {
        fprintf(stderr, "ERROR: The \"until\" filter is not supported with \"--volumes\"\n");
        return 1;
    }
    if (!confirmed(call, warning))
        return 1;
    image_filters(call, &of_images);
    if (prune(call, &containers, filters, &space, &err) < 0 ||
        prune(call, &networks, filters, &space, &err) < 0 ||
        (with_volumes && prune(call, &volumes, filters, &space, &err) < 0) ||
        prune(call, &images, &of_images, &space, &err) < 0)
        return dv_cli_fail(&err);
    print_space(space);
    return 0;
}
