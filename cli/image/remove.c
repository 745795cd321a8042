/* remove.c - rmi and tag: the names of images. */
#include "cli/image/commands.h"
#include "cli/image/ref.h"
#include "cli/util.h"

static void print_removed(json_object *list)
{
    static const char *const keys[] = { "Deleted", "Untagged" };
    size_t i, k;

    for (i = 0; i < dv_jlen(list); i++) {
        json_object *item = json_object_array_get_idx(list, i);

        for (k = 0; k < N(keys); k++)
            if (*dv_jget_str(item, keys[k]))
                printf("%s: %s\n", keys[k], dv_jget_str(item, keys[k]));
    }
}

int dv_cmd_rmi(struct dv_cli_call *call)
{
    const struct dv_strv *platforms = dv_cli_list(call, "platform");
    bool force = dv_cli_on(call, "force");
    int code = 0;
    size_t i, k;

    for (i = 0; i < call->n_args; i++) {
        dv_autojson json_object *list = NULL;
        dv_autobuf target = DV_TEXT_INIT;
        struct dv_error err = { 0 };

        dv_xput(&target, "/images/");
        dv_xput_path(&target, call->args[i]);
        dv_xput_query(&target, "force", force ? "1" : NULL);
        dv_xput_query(&target, "noprune", dv_cli_on(call, "no-prune") ? "1" : NULL);
        for (k = 0; k < platforms->n; k++) {
            dv_autofree char *json = dv_platform_json(platforms->items[k]);

            dv_xput_query(&target, "platforms", json);
        }
        if (dv_client_call(call->client, "DELETE", target.data, NULL, &list, &err) == 0) {
            print_removed(list);
        } else {
            fflush(stdout);
            fprintf(stderr, "%s\n", err.msg);
            if (!force || err.code != DV_E_NOT_FOUND)
                code = 1;
        }
    }
    return code;
}

int dv_cmd_tag(struct dv_cli_call *call)
{
    dv_autofree char *name = NULL;
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_error err = { 0 };
    dv_autoref ref = { 0 };

    if (dv_ref_parse(call->args[1], &ref, &err) < 0) {
        fprintf(stderr, "Error parsing reference: \"%s\" is not a valid repository/tag: %s\n",
                call->args[1], err.msg);
        return 1;
    }
    if (ref.digest) {
        fputs("refusing to create a tag with a digest reference\n", stderr);
        return 1;
    }
    name = dv_ref_name(&ref);
    dv_xput(&target, "/images/");
    dv_xput_path(&target, call->args[0]);
    dv_xput(&target, "/tag");
    dv_xput_query(&target, "repo", name);
    dv_xput_query(&target, "tag", ref.tag ? ref.tag : "latest");
    if (dv_client_call(call->client, "POST", target.data, NULL, NULL, &err) < 0)
        return dv_cli_fail(&err);
    return 0;
}
