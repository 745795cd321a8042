/* inspect.c - inspect: the daemon's documents of containers, images, networks and volumes. */
#include "cli/container/commands.h"
#include "cli/format/document.h"
#include "cli/format/json_text.h"
#include "cli/image/commands.h"
#include "cli/util.h"
#include "cli/volume/commands.h"

/* In the order in which a name is looked for. */
static const struct kind {
    const char *type, *path, *suffix;
    bool has_size;
} kinds[] = {
    { "container", "/containers/", "/json", true },
    { "image", "/images/", "/json", false },
    { "network", "/networks/", "", false },
    { "volume", "/volumes/", "", false },
};

static int get(struct dv_client *client, const struct kind *kind, const char *name, bool size,
               json_object **ret, struct dv_error *err)
{
    dv_autobuf target = DV_TEXT_INIT;

    dv_xput(&target, kind->path);
    dv_xput_path(&target, name);
    dv_xput(&target, kind->suffix);
    dv_xput_query(&target, "size", size && kind->has_size ? "1" : NULL);
    return dv_client_call(client, "GET", target.data, NULL, ret, err);
}

/* TYPE: of the table, or "" for whichever has that name. */
static int look_up(struct dv_cli_call *call, const char *type, const char *name,
                   json_object **ret, struct dv_error *err)
{
    bool size = dv_cli_has(call, "size") && dv_cli_on(call, "size");
    int r = -DV_E_NOT_FOUND;

    for (size_t i = 0; i < N(kinds) && r == -DV_E_NOT_FOUND; i++) {
        if (*type && !dv_streq(type, kinds[i].type))
            continue;
        dv_error_clear(err);
        r = get(call->client, &kinds[i], name, size, ret, err);
    }
    if (r == -DV_E_NOT_FOUND && !*type)
        return dv_fail(err, DV_E_NOT_FOUND, "Error: No such object: %s", name);
    return r;
}

static void print_all(json_object *docs)
{
    dv_autobuf out = DV_TEXT_INIT;

    dv_json_put(&out, docs, DV_JSON_PRETTY);
    puts(out.data);
}

/* All that were found are printed before what went wrong is said. */
static int inspect_all(struct dv_cli_call *call, const char *type)
{
    const char *format = dv_cli_str(call, "format");
    dv_autojson json_object *docs = dv_jarr();
    dv_autobuf errors = DV_TEXT_INIT;
    size_t i;

    for (i = 0; i < call->n_args; i++) {
        struct dv_error err = { 0 };
        json_object *doc = NULL;

        if (look_up(call, type, call->args[i], &doc, &err) == 0) {
            dv_jpush(docs, doc);
        } else {
            dv_xprintf(&errors, "%s\n", err.msg);
            if (err.code == DV_E_UNAVAILABLE)
                break;
        }
    }
    for (i = 0; *format && i < dv_jlen(docs); i++) {
        struct dv_error err = { 0 };

        if (dv_document_print(json_object_array_get_idx(docs, i), format, &err) < 0) {
            puts("");
            fflush(stdout);
            return dv_cli_fail(&err);
        }
    }
    if (!*format)
        print_all(docs);
    fflush(stdout);
    if (errors.data)
        fputs(errors.data, stderr);
    return errors.data ? 1 : 0;
}

int dv_cmd_inspect(struct dv_cli_call *call)
{
    const char *type = dv_cli_str(call, "type");
    bool known = !*type;

    for (size_t i = 0; i < N(kinds); i++)
        known = known || dv_streq(type, kinds[i].type);
    if (!known) {
        fprintf(stderr, "unknown type: \"%s\": must be one of \"container\", \"image\", "
                "\"network\", \"volume\"\n", type);
        return DV_EXIT_USAGE;
    }
    return inspect_all(call, type);
}

int dv_cmd_container_inspect(struct dv_cli_call *call)
{
    return inspect_all(call, "container");
}

int dv_cmd_volume_inspect(struct dv_cli_call *call)
{
    return inspect_all(call, "volume");
}

int dv_cmd_image_inspect(struct dv_cli_call *call)
{
    return inspect_all(call, "image");
}
