/* images.c - images: the list of images, a row a tag. */
#include <time.h>

#include "cli/format/filters.h"
#include "cli/format/list.h"
#include "cli/format/units.h"
#include "cli/image/commands.h"
#include "cli/image/ref.h"

static const char none[] = "<none>";

const char *dv_image_heading(const char *field)
{
    static const struct {
        const char *field, *text;
    } headings[] = {
        { "ID", "IMAGE ID" },           { "Repository", "REPOSITORY" }, { "Tag", "TAG" },
        { "Digest", "DIGEST" },         { "CreatedSince", "CREATED" },  { "Size", "SIZE" },
        { "CreatedAt", "CREATED AT" },  { "Containers", "CONTAINERS" }, { "VirtualSize", "SIZE" },
        { "SharedSize", "SHARED SIZE" }, { "UniqueSize", "UNIQUE SIZE" },
    };
    size_t i;

    for (i = 0; i < N(headings); i++)
        if (dv_streq(headings[i].field, field))
            return headings[i].text;
    return field;
}

static void take(json_object *row, const char *key, char *text)
{
    dv_jset_str(row, key, text);
    free(text);
}

/* A size that the daemon may not have worked out (-1). */
static char *optional_size(int64_t bytes)
{
    return bytes < 0 ? dv_xstrdup("N/A") : dv_size_decimal(bytes, 4);
}

struct row {
    const char *repository, *tag, *digest;
};

/* Keys in the order of the alphabet: {{json .}} prints them so. */
static json_object *new_row(json_object *image, const struct row *r, bool full, int64_t now)
{
    int64_t size = dv_jget_int(image, "Size"), shared = dv_jget_int(image, "SharedSize");
    int64_t containers = dv_jget_int(image, "Containers");
    const char *id = dv_jget_str(image, "Id");
    json_object *row = dv_jobj();

    take(row, "Containers", containers < 0 ? dv_xstrdup("N/A")
                                           : dv_xformat("%lld", (long long)containers));
    take(row, "CreatedAt", dv_local_time_text(dv_jget_int(image, "Created")));
    take(row, "CreatedSince", dv_ago_text(dv_jget_int(image, "Created"), now));
    dv_jset_str(row, "Digest", r->digest);
    take(row, "ID", full ? dv_xstrdup(id) : dv_short_id(id));
    dv_jset_str(row, "Repository", r->repository);
    take(row, "SharedSize", optional_size(shared));
    take(row, "Size", dv_size_decimal(size, 3));
    dv_jset_str(row, "Tag", r->tag);
    take(row, "UniqueSize", optional_size(shared < 0 ? -1 : size - shared));
    take(row, "VirtualSize", dv_size_decimal(size, 4));
    return row;
}

/* The digest that REPOSITORY gave the image, or "<none>". */
static const char *digest_of(json_object *image, const char *repository)
{
    json_object *digests = dv_jget(image, "RepoDigests");
    size_t n = strlen(repository), i;

    for (i = 0; i < dv_jlen(digests); i++) {
        const char *text = dv_jat_str(digests, i);

        if (strncmp(text, repository, n) == 0 && text[n] == '@')
            return text + n + 1;
    }
    return none;
}

struct rows {
    json_object *rows;
    bool full, digests;
    int64_t now;
};

static void push(struct rows *out, json_object *image, const struct row *r)
{
    struct row shown = *r;

    if (!out->digests)
        shown.digest = none;
    dv_jpush(out->rows, new_row(image, &shown, out->full, out->now));
}

/* A row a tag, then one for each digest without a tag; one of "<none>" where there is neither. */
static void push_image(struct rows *out, json_object *image)
{
    json_object *tags = dv_jget(image, "RepoTags"), *digests = dv_jget(image, "RepoDigests");
    dv_autostrv seen = { 0 };
    size_t i;

    for (i = 0; i < dv_jlen(tags); i++) {
        const char *text = dv_jat_str(tags, i);
        const char *colon = strrchr(text, ':');
        dv_autofree char *repository = dv_xstrndup(text, colon ? (size_t)(colon - text)
                                                               : strlen(text));

        dv_xadd(&seen, repository);
        push(out, image, &(struct row){ repository, colon ? colon + 1 : none,
                                        digest_of(image, repository) });
    }
    for (i = 0; i < dv_jlen(digests); i++) {
        const char *text = dv_jat_str(digests, i);
        size_t n = strcspn(text, "@");
        dv_autofree char *repository = dv_xstrndup(text, n);

        if (!text[n] || dv_strv_has(&seen, repository))
            continue;
        push(out, image, &(struct row){ repository, none, text + n + 1 });
        dv_xadd(&seen, repository);
    }
    if (seen.n == 0)
        push(out, image, &(struct row){ none, none, none });
}

json_object *dv_image_rows(json_object *images, bool full, bool digests)
{
    struct rows out = { .rows = dv_jarr(), .full = full, .digests = digests,
                        .now = (int64_t)time(NULL) };

    for (size_t i = 0; i < dv_jlen(images); i++)
        push_image(&out, json_object_array_get_idx(images, i));
    return out.rows;
}

static int list_images(const struct dv_cli_call *call, json_object **ret, struct dv_error *err)
{
    dv_autostrv values = { 0 };
    dv_autobuf target = DV_TEXT_INIT;
    dv_autofree char *filters = NULL;

    if (dv_strv_copy(&values, dv_cli_list(call, "filter")) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the filters");
    if (call->n_args > 0)
        dv_xadd_take(&values, dv_xformat("reference=%s", call->args[0]));
    filters = dv_filters_text(&values);
    dv_xput(&target, "/images/json");
    dv_xput_query(&target, "all", dv_cli_on(call, "all") ? "1" : NULL);
    dv_xput_query(&target, "filters", filters);
    return dv_client_call(call->client, "GET", target.data, NULL, ret, err);
}

int dv_cmd_images(struct dv_cli_call *call)
{
    const char *format = dv_cli_format(call);
    bool quiet = dv_cli_on(call, "quiet") && (!*format || dv_streq(format, "table"));
    struct dv_list list = {
        .columns = dv_cli_on(call, "digests")
                       ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t"
                         "{{.Size}}"
                       : "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
        .heading = dv_image_heading,
    };
    dv_autojson json_object *images = NULL, *rows = NULL;
    struct dv_error err = { 0 };
    int r = dv_list_init(&list, quiet ? "{{.ID}}" : format, &err);

    if (r == 0)
        r = list_images(call, &images, &err);
    if (r == 0)
        rows = dv_image_rows(images, dv_cli_on(call, "no-trunc"),
                             dv_cli_on(call, "digests") ||
                                 dv_template_names(list.template, "Digest"));
    if (r == 0)
        r = dv_list_print(&list, rows, NULL, &err);
    dv_list_done(&list);
    return r < 0 ? dv_cli_fail(&err) : 0;
}
