/* pull.c - ask the daemon to pull an image. */
#include "cli/image/pull.h"

#include "cli/client/progress.h"
#include "cli/util.h"

int dv_pull(struct dv_client *client, const struct dv_ref *ref, const char *platform, FILE *out,
            struct dv_error *err)
{
    dv_autofree char *name = dv_ref_name(ref);
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_http_request request = { .method = "POST", .registry_auth = "e30=" }; /* "{}" */
    struct dv_http_reply reply;
    struct dv_http *http;
    int r;

    dv_xput(&target, "/images/create");
    dv_xput_query(&target, "fromImage", name);
    dv_xput_query(&target, "tag", ref->digest ? ref->digest : ref->tag);
    dv_xput_query(&target, "platform", *platform ? platform : NULL);
    request.target = target.data;
    r = dv_client_open(client, &request, &http, &reply, err);
    return r < 0 ? r : dv_progress_run(http, out, err);
}
