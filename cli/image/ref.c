/* ref.c - image references as the user types them.
 * Grammar: distribution/reference (domain, path, tag, digest), with Docker's defaults. */
#include "cli/image/ref.h"

#include <ctype.h>

#include "cli/util.h"
#include "core/base/id.h"

enum { MAX_NAME = 255, MAX_TAG = 128, ID_HEX = 64 };

void dv_ref_done(struct dv_ref *ref)
{
    free(ref->domain);
    free(ref->path);
    free(ref->tag);
    free(ref->digest);
    *ref = (struct dv_ref){ 0 };
}

static int bad_format(struct dv_error *err)
{
    return dv_fail(err, DV_E_INVALID, "invalid reference format");
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Letters and digits with single separators between: '.', '_', '__' or any number of '-'. */
static bool is_component(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t start = i;

        while (i < n && is_lower_alnum(p[i]))
            i++;
        if (i == start)
            return false;
        if (i == n)
            return true;
        if (p[i] == '-')
            while (i < n && p[i] == '-')
                i++;
        else if (p[i] == '_')
            i += i + 1 < n && p[i + 1] == '_' ? 2 : 1;
        else if (p[i] == '.')
            i++;
        else
            return false;
    }
    return false; /* empty, or it ends in a separator */
}

static bool is_path(const char *path)
{
    for (;;) {
        size_t n = strcspn(path, "/");

        if (!is_component(path, n))
            return false;
        if (!path[n])
            return true;
        path += n + 1;
    }
}

/* "host", "host.name:port", "[v6]:port". */
static bool is_domain(const char *domain)
{
    const char *p = domain;

    if (*p == '[') {
        p += 1 + strspn(p + 1, "0123456789abcdefABCDEF:");
        if (*p++ != ']')
            return false;
    } else {
        while (isalnum((unsigned char)*p) || *p == '.' || *p == '-')
            p++;
        if (p == domain || !isalnum((unsigned char)p[-1]) || !isalnum((unsigned char)domain[0]) ||
            memmem(domain, (size_t)(p - domain), "..", 2))
            return false;
    }
    if (*p == ':')
        return p[1] && !p[1 + strspn(p + 1, "0123456789")];
    return !*p;
}

static bool is_tag(const char *tag)
{
    size_t i, n = strlen(tag);

    if (n == 0 || n > MAX_TAG || !(isalnum((unsigned char)tag[0]) || tag[0] == '_'))
        return false;
    for (i = 0; i < n; i++)
        if (!isalnum((unsigned char)tag[i]) && !strchr("._-", tag[i]))
            return false;
    return true;
}

static bool is_digest(const char *digest)
{
    static const char sha256[] = "sha256:", sha512[] = "sha512:";
    const char *hex = digest + sizeof(sha256) - 1;

    if (dv_starts(digest, sha256))
        return strlen(hex) == 64 && dv_is_hex(hex, 64);
    return dv_starts(digest, sha512) && strlen(hex) == 128 && dv_is_hex(hex, 128);
}

/* The part before the first slash is a domain if it looks like one. */
static void split_domain(const char *name, struct dv_ref *ref)
{
    size_t n = strcspn(name, "/"), i;
    bool domain = false;

    if (name[n]) {
        domain = n == 9 && strncmp(name, "localhost", n) == 0;
        for (i = 0; i < n; i++)
            domain = domain || name[i] == '.' || name[i] == ':' || isupper((unsigned char)name[i]);
    }
    ref->domain = domain ? dv_xstrndup(name, n) : dv_xstrdup("docker.io");
    ref->path = dv_xstrdup(domain ? name + n + 1 : name);
    if (dv_streq(ref->domain, "index.docker.io")) {
        free(ref->domain);
        ref->domain = dv_xstrdup("docker.io");
    }
    if (dv_streq(ref->domain, "docker.io") && !strchr(ref->path, '/')) {
        char *path = dv_xformat("library/%s", ref->path);

        free(ref->path);
        ref->path = path;
    }
}

/* NAME: without tag and digest. */
static int set_name(const char *name, struct dv_ref *ref, struct dv_error *err)
{
    const char *p;

    split_domain(name, ref);
    for (p = ref->path; *p; p++)
        if (isupper((unsigned char)*p))
            return dv_fail(err, DV_E_INVALID, "invalid reference format: repository name (%s) "
                           "must be lowercase", ref->path);
    if (!is_path(ref->path) || !is_domain(ref->domain))
        return bad_format(err);
    if (strlen(ref->path) + strlen(ref->domain) + 1 > MAX_NAME)
        return dv_fail(err, DV_E_INVALID, "repository name must not be more than %d characters",
                       MAX_NAME);
    return 0;
}

int dv_ref_parse(const char *text, struct dv_ref *ret, struct dv_error *err)
{
    dv_autofree char *name = dv_xstrdup(text);
    dv_autoref ref = { 0 };
    char *at = strchr(name, '@'), *slash, *colon;

    if (dv_is_hex(text, strlen(text)) && strlen(text) == ID_HEX)
        return dv_fail(err, DV_E_INVALID,
                       "invalid repository name (%s), cannot specify 64-byte hexadecimal strings",
                       text);
    if (at) {
        *at++ = '\0';
        if (!is_digest(at))
            return bad_format(err);
        ref.digest = dv_xstrdup(at);
    }
    slash = strrchr(name, '/');
    colon = strchr(slash ? slash : name, ':');
    if (colon) {
        *colon++ = '\0';
        if (!is_tag(colon))
            return bad_format(err);
        ref.tag = dv_xstrdup(colon);
    }
    if (set_name(name, &ref, err) < 0)
        return -err->code;
    *ret = ref;
    ref = (struct dv_ref){ 0 };
    return 0;
}

int dv_ref_parse_image(const char *text, struct dv_ref *ret, struct dv_error *err)
{
    *ret = (struct dv_ref){ 0 };
    if ((strlen(text) == ID_HEX && dv_is_hex(text, ID_HEX)) || is_digest(text))
        return 0;
    if (dv_ref_parse(text, ret, err) < 0)
        return -err->code;
    if (!ret->tag && !ret->digest)
        ret->tag = dv_xstrdup("latest");
    return 0;
}

char *dv_ref_name(const struct dv_ref *ref)
{
    return dv_xformat("%s/%s", ref->domain, ref->path);
}

char *dv_ref_familiar(const struct dv_ref *ref)
{
    bool hub = dv_streq(ref->domain, "docker.io");
    const char *path = ref->path + (hub && dv_starts(ref->path, "library/") ? 8 : 0);

    return dv_xformat("%s%s%s%s%s%s%s", hub ? "" : ref->domain, hub ? "" : "/", path,
                      ref->tag ? ":" : "", ref->tag ? ref->tag : "", ref->digest ? "@" : "",
                      ref->digest ? ref->digest : "");
}
