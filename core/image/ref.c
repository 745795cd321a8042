/* ref.c - image references: the grammar of distribution/reference and Docker's short forms. */
#include <ctype.h>
#include <stdio.h>

#include "core/base/id.h"
#include "core/image/internal.h"

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL "library/"
enum { MAX_REPOSITORY_BYTES = 255, MAX_TAG_BYTES = 128 };

static int fail_format(struct dv_error *err)
{
    return dv_fail(err, DV_E_INVALID, "invalid reference format");
}

static int fail_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a reference");
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* path-component: [a-z0-9]+ ((. | _ | __ | -+) [a-z0-9]+)* */
static bool valid_component(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t start = i;

        while (i < n && is_lower_alnum(s[i]))
            i++;
        if (i == start)
            return false;
        if (i == n)
            return true;
        if (s[i] == '-') {
            while (i < n && s[i] == '-')
                i++;
        } else if (s[i] == '.') {
            i++;
        } else if (s[i] == '_') {
            i += i + 1 < n && s[i + 1] == '_' ? 2 : 1;
        } else {
            return false;
        }
    }
    return false; /* empty, or ends with a separator */
}

static bool valid_path(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n) {
        const char *slash = memchr(s + i, '/', n - i);
        size_t part = slash ? (size_t)(slash - s) - i : n - i;

        if (!valid_component(s + i, part))
            return false;
        i += part;
        if (slash && ++i == n)
            return false;
    }
    return n > 0;
}

static bool valid_port(const char *s, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (!isdigit((unsigned char)s[i]))
            return false;
    return n > 0;
}

/* domain-component: letters, digits and inner dashes; or an IPv6 address in brackets. */
static bool valid_domain(const char *s, size_t n)
{
    const char *port = memchr(s, ':', n);
    size_t host = port ? (size_t)(port - s) : n, i;

    if (n > 0 && s[0] == '[') {
        const char *end = memchr(s, ']', n);

        if (!end || end == s + 1 ||
            strspn(s + 1, "0123456789abcdefABCDEF:") != (size_t)(end - s) - 1)
            return false;
        host = (size_t)(end - s) + 1;
        return host == n || (s[host] == ':' && valid_port(s + host + 1, n - host - 1));
    }
    for (i = 0; i < host; i++) {
        bool edge = i == 0 || i + 1 == host || s[i - 1] == '.' || s[i + 1] == '.';

        if (!is_alnum(s[i]) && !(s[i] == '-' && !edge) && !(s[i] == '.' && !edge))
            return false;
        if (s[i] == '.' && (i == 0 || s[i - 1] == '.'))
            return false;
    }
    return host > 0 && (host == n || valid_port(port + 1, n - host - 1));
}

static bool valid_tag(const char *s)
{
    size_t n = strlen(s), i;

    for (i = 0; i < n; i++)
        if (!is_alnum(s[i]) && s[i] != '_' && !(i > 0 && (s[i] == '.' || s[i] == '-')))
            return false;
    return n > 0 && n <= MAX_TAG_BYTES;
}

static int check_digest(const char *digest, struct dv_error *err)
{
    const char *hex = strchr(digest, ':');

    if (!hex || hex == digest || !hex[1])
        return fail_format(err);
    if (!dv_starts(digest, "sha256:"))
        return dv_fail(err, DV_E_INVALID, "unsupported digest algorithm");
    hex++;
    if (strlen(hex) != 64)
        return dv_fail(err, DV_E_INVALID, "invalid checksum digest length");
    if (strspn(hex, "0123456789abcdef") != 64)
        return dv_fail(err, DV_E_INVALID, "invalid checksum digest format");
    return 0;
}

/* The parts of a reference, as they were written. */
struct parts {
    char *name;                      /* owned: all before tag and digest */
    const char *tag, *digest;        /* into name's buffer; NULL if absent */
};

static int split(const char *text, struct parts *p, struct dv_error *err)
{
    char *at, *slash, *colon;

    p->name = dv_strdup(text);
    if (!p->name)
        return fail_memory(err);
    at = strchr(p->name, '@');
    if (at) {
        *at = 0;
        p->digest = at + 1;
    }
    slash = strrchr(p->name, '/');
    colon = strchr(slash ? slash : p->name, ':');
    if (colon) {
        *colon = 0;
        p->tag = colon + 1;
    }
    return 0;
}

/* Whether what stands before the first slash is a registry and no part of a path. */
static bool is_domain(const char *s, size_t n)
{
    size_t i;

    if (n == strlen("localhost") && memcmp(s, "localhost", n) == 0)
        return true;
    for (i = 0; i < n; i++)
        if (s[i] == '.' || s[i] == ':' || isupper((unsigned char)s[i]))
            return true;
    return false;
}

static bool has_upper(const char *s)
{
    for (; *s; s++)
        if (isupper((unsigned char)*s))
            return true;
    return false;
}

/* NAME as Docker completes it; checks its grammar. New strings. */
static int normalise(const char *name, char **ret_domain, char **ret_path, struct dv_error *err)
{
    const char *slash = strchr(name, '/'), *rest = name;
    dv_autofree char *domain = NULL, *path = NULL;

    if (slash && is_domain(name, (size_t)(slash - name))) {
        domain = dv_format("%.*s", (int)(slash - name), name);
        rest = slash + 1;
    } else {
        domain = dv_strdup(DEFAULT_DOMAIN);
    }
    if (domain && dv_streq(domain, LEGACY_DOMAIN)) {
        free(domain);
        domain = dv_strdup(DEFAULT_DOMAIN);
    }
    if (!domain)
        return fail_memory(err);
    path = dv_format("%s%s", dv_streq(domain, DEFAULT_DOMAIN) && !strchr(rest, '/') ? OFFICIAL : "",
                     rest);
    if (!path)
        return fail_memory(err);
    if (has_upper(path))
        return dv_fail(err, DV_E_INVALID,
                       "invalid reference format: repository name (%s) must be lowercase", path);
    if (!valid_domain(domain, strlen(domain)) || !valid_path(path, strlen(path)))
        return fail_format(err);
    if (strlen(domain) + 1 + strlen(path) > MAX_REPOSITORY_BYTES)
        return dv_fail(err, DV_E_INVALID, "repository name must not be more than %d characters",
                       MAX_REPOSITORY_BYTES);
    *ret_domain = dv_take(domain);
    *ret_path = dv_take(path);
    return 0;
}

static const char *short_path(const char *domain, const char *path)
{
    if (!dv_streq(domain, DEFAULT_DOMAIN))
        return NULL;
    if (dv_starts(path, OFFICIAL) && !strchr(path + strlen(OFFICIAL), '/'))
        return path + strlen(OFFICIAL);
    return path;
}

static int assemble(const struct parts *p, const char *domain, const char *path,
                    struct dv_ref *ret, struct dv_error *err)
{
    const char *brief = short_path(domain, path), *tag = p->tag;

    if (!tag)
        tag = p->digest ? "" : "latest";
    ret->tag = dv_strdup(tag);
    ret->digest = dv_strdup(p->digest);
    ret->repository = brief ? dv_strdup(brief) : dv_format("%s/%s", domain, path);
    if (ret->repository)
        ret->familiar = dv_format("%s%s%s", ret->repository, *tag ? ":" : "", tag);
    ret->canonical = dv_format("%s/%s%s%s", domain, path, *tag ? ":" : "", tag);
    if (ret->tag && ret->repository && ret->familiar && ret->canonical &&
        (ret->digest || !p->digest))
        return 0;
    dv_ref_done(ret);
    return fail_memory(err);
}

static int parse(const struct parts *p, const char *text, struct dv_ref *ret, struct dv_error *err)
{
    dv_autofree char *domain = NULL, *path = NULL;
    int r;

    if (strlen(text) == 64 && dv_is_hex(text, 64) && !has_upper(text))
        return dv_fail(err, DV_E_INVALID, "invalid repository name (%s), cannot specify 64-byte "
                       "hexadecimal strings", text);
    r = normalise(p->name, &domain, &path, err);
    if (r < 0)
        return r;
    if (p->tag && !valid_tag(p->tag))
        return fail_format(err);
    r = p->digest ? check_digest(p->digest, err) : 0;
    return r < 0 ? r : assemble(p, domain, path, ret, err);
}

int dv_ref_parse(const char *text, struct dv_ref *ret, struct dv_error *err)
{
    struct parts p = { 0 };
    struct dv_ref ref = { 0 };
    int r;

    if (!*text)
        return fail_format(err);
    if (strlen(text) > 4096)
        return fail_format(err);
    r = split(text, &p, err);
    r = r < 0 ? r : parse(&p, text, &ref, err);
    free(p.name);
    if (r == 0)
        *ret = ref;
    return r;
}

void dv_ref_done(struct dv_ref *ref)
{
    free(ref->canonical);
    free(ref->familiar);
    free(ref->repository);
    free(ref->tag);
    free(ref->digest);
    *ref = (struct dv_ref){ 0 };
}

char *dv_ref_familiar(const char *canonical)
{
    struct dv_error ignored = { 0 };
    struct dv_ref ref = { 0 };
    char *familiar;

    if (dv_ref_parse(canonical, &ref, &ignored) < 0)
        return dv_strdup(canonical);
    familiar = dv_take(ref.familiar);
    dv_ref_done(&ref);
    return familiar;
}
