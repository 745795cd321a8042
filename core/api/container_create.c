/* container_create.c - POST /containers/create. */
#include "core/api/containers.h"
#include "core/api/handlers.h"
#include "core/container/config.h"
#include "core/daemon/engine.h"

/* What older clients mean where they say nothing. */
static void apply_version(json_object *body, unsigned version)
{
    static const struct {
        unsigned before;
        const char *key, *value;
    } defaults[] = {
        { 40, "IpcMode", "shareable" },
        { 41, "CgroupnsMode", "host" },
    };
    json_object *host = NULL, *value;

    if (!json_object_object_get_ex(body, "HostConfig", &host) ||
        !json_object_is_type(host, json_type_object))
        return;
    for (size_t i = 0; i < N(defaults); i++)
        if (version < defaults[i].before &&
            (!json_object_object_get_ex(host, defaults[i].key, &value) || !value ||
             (json_object_is_type(value, json_type_string) &&
              json_object_get_string_len(value) == 0)))
            dv_put_str(host, defaults[i].key, defaults[i].value);
}

static int create(struct dv_request *req, json_object *body, char id[65], struct dv_strv *warnings,
                  struct dv_error *err)
{
    dv_auto(dv_container_config) *config = NULL;
    struct dv_create_request create = { .name = dv_query(req, "name"),
                                        .platform = dv_query(req, "platform") };
    int r;

    if (dv_empty(create.name))
        create.name = NULL;
    if (dv_empty(create.platform))
        create.platform = NULL;
    apply_version(body, req->version);
    r = dv_container_config_parse(body, warnings, &config, err);
    if (r < 0)
        return r;
    create.config = dv_take(config);
    r = dv_container_create(req->engine->containers, &create, id, warnings, err);
    if (r < 0)
        config = create.config; /* ours still, or NULL where it was taken nevertheless */
    return r;
}

int dv_api_container_create(struct dv_request *req, struct dv_error *err)
{
    dv_autojson json_object *body = NULL;
    dv_autostrv warnings = { 0 };
    json_object *obj;
    char id[65];
    int r = dv_request_json(req, /* may_be_empty */ false, &body, err);

    if (r == 0)
        r = create(req, body, id, &warnings, err);
    if (r < 0)
        return r;
    obj = json_object_new_object();
    dv_put_str(obj, "Id", id);
    dv_put(obj, "Warnings", dv_json_strings(&warnings));
    dv_reply_json(req, 201, obj);
    return 0;
}
