/* platform.c - the "platform" parameter of requests for images. */
#include "core/api/platform.h"

#include <string.h>

#include "core/api/request.h"
#include "core/base/json.h"
#include "core/image/image.h"

enum { PLATFORM_SINCE = 48 };

struct platform {                    /* of the OCI */
    char *os, *architecture, *variant;
};
static const struct dv_json_field platform_fields[] = {
    { .key = "os", .type = DV_JSON_STR, .offset = offsetof(struct platform, os) },
    { .key = "architecture", .type = DV_JSON_STR,
      .offset = offsetof(struct platform, architecture) },
    { .key = "variant", .type = DV_JSON_STR, .offset = offsetof(struct platform, variant) },
};

static int platform_text(const struct platform *p, char **ret, struct dv_error *err)
{
    if (dv_empty(p->os) || dv_empty(p->architecture))
        return dv_fail(err, DV_E_INVALID, "invalid platform: os and architecture must be given");
    *ret = dv_format("%s/%s%s%s", p->os, p->architecture, dv_empty(p->variant) ? "" : "/",
                     dv_empty(p->variant) ? "" : p->variant);
    return *ret ? 0 : dv_fail(err, DV_E_NO_MEMORY, "no memory for the platform");
}

int dv_query_platform(struct dv_request *req, char **ret, struct dv_error *err)
{
    const char *text = dv_query(req, "platform");
    dv_autojson json_object *doc = NULL;
    struct platform p = { 0 };
    int r;

    if (req->version < PLATFORM_SINCE || dv_empty(text))
        return 0;
    r = dv_json_parse(text, strlen(text), &doc, err);
    if (r == 0 && !json_object_is_type(doc, json_type_object))
        r = dv_fail(err, DV_E_INVALID, "expected a JSON object");
    r = r < 0 ? r : dv_json_decode(doc, platform_fields, N(platform_fields), &p, err);
    if (r < 0)
        dv_wrap(err, "invalid platform");
    r = r < 0 ? r : platform_text(&p, ret, err);
    dv_json_release(platform_fields, N(platform_fields), &p);
    return r;
}

int dv_platform_check(const struct dv_image *image, const char *wanted, struct dv_error *err)
{
    dv_autofree char *own = dv_format("%s/%s/%s", image->os, image->architecture, image->variant);
    size_t n = wanted ? strlen(wanted) : 0;

    if (!own)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the platform");
    /* "linux/arm64" is any variant of it. */
    if (n == 0 || (strncmp(own, wanted, n) == 0 && (!own[n] || own[n] == '/')))
        return 0;
    return dv_fail(err, DV_E_NOT_FOUND, "image %.19s is for platform %s/%s; it does not provide the "
                   "specified platform (%s)", image->id, image->os, image->architecture, wanted);
}
