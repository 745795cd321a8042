/* platform.c - the "platform" parameter of requests for images. */
#include "core/api/platform.h"

#include <string.h>
#include <sys/utsname.h>

#include "core/api/request.h"
#include "core/api/system.h"
#include "core/base/json.h"
#include "core/image/image.h"

enum { PLATFORM_SINCE = 48, PLATFORMS_SINCE = 50 };

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

static int parse(const char *text, char **ret, struct dv_error *err)
{
    dv_autojson json_object *doc = NULL;
    struct platform p = { 0 };
    int r = dv_json_parse(text, strlen(text), &doc, err);

    if (r == 0 && !json_object_is_type(doc, json_type_object))
        r = dv_fail(err, DV_E_INVALID, "expected a JSON object");
    r = r < 0 ? r : dv_json_decode(doc, platform_fields, N(platform_fields), &p, err);
    if (r < 0)
        dv_wrap(err, "invalid platform");
    r = r < 0 ? r : platform_text(&p, ret, err);
    dv_json_release(platform_fields, N(platform_fields), &p);
    return r;
}

int dv_query_platform(struct dv_request *req, char **ret, struct dv_error *err)
{
    const char *text = dv_query(req, "platform");

    return req->version < PLATFORM_SINCE || dv_empty(text) ? 0 : parse(text, ret, err);
}

int dv_platforms_check(struct dv_request *req, const struct dv_image *image, struct dv_error *err)
{
    int r = 0;

    for (size_t i = 0; req->version >= PLATFORMS_SINCE && i < req->query_keys.n && r == 0; i++) {
        dv_autofree char *platform = NULL;

        if (!dv_streq(req->query_keys.items[i], "platforms"))
            continue;
        r = parse(req->query_values.items[i], &platform, err);
        r = r < 0 ? r : dv_platform_check(image, platform, err);
    }
    return r;
}

/* "linux/arm64" is any variant of it. */
static bool fits(const char *own, const char *wanted)
{
    size_t n = strlen(wanted);

    return strncmp(own, wanted, n) == 0 && (!own[n] || own[n] == '/');
}

int dv_platform_check_host(const char *wanted, struct dv_error *err)
{
    dv_autofree char *own = NULL;
    struct utsname host;

    if (!wanted)
        return 0;
    own = uname(&host) == 0 ? dv_format("linux/%s", dv_go_arch(host.machine)) : NULL;
    if (!own)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the platform");
    if (fits(wanted, own)) /* a variant may be named */
        return 0;
    return dv_fail(err, DV_E_UNSUPPORTED, "platform %s: only images for this machine (%s) can be "
                   "loaded", wanted, own);
}

int dv_platform_check(const struct dv_image *image, const char *wanted, struct dv_error *err)
{
    dv_autofree char *own = dv_format("%s/%s/%s", image->os, image->architecture, image->variant);

    if (!own)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for the platform");
    if (!wanted || fits(own, wanted))
        return 0;
    return dv_fail(err, DV_E_NOT_FOUND, "image %.19s is for platform %s/%s; it does not provide the "
                   "specified platform (%s)", image->id, image->os, image->architecture, wanted);
}
