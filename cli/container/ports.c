/* ports.c - the values of -p and --expose, in docker's words. */
#include <strings.h>

#include "cli/container/create.h"
#include "core/base/parse.h"

struct range {
    uint64_t first, last;
};

static int parse_range(const char *text, struct range *ret)
{
    size_t n = strcspn(text, "-");
    dv_autofree char *first = dv_xstrndup(text, n);

    if (dv_parse_u64(first, 0, UINT16_MAX, &ret->first) < 0)
        return -1;
    ret->last = ret->first;
    if (text[n] && dv_parse_u64(text + n + 1, ret->first, UINT16_MAX, &ret->last) < 0)
        return -1;
    return 0;
}

/* Cut "/proto" off PORT; the protocol, in lower case. */
static char *split_protocol(char *port)
{
    char *slash = strchr(port, '/'), *protocol, *p;

    if (!slash)
        return dv_xstrdup("tcp");
    *slash = '\0';
    protocol = dv_xstrndup(slash + 1, strcspn(slash + 1, "/"));
    for (p = protocol; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    if (!*protocol) {
        free(protocol);
        return dv_xstrdup("tcp");
    }
    return protocol;
}

static bool is_protocol(const char *protocol)
{
    return dv_streq(protocol, "tcp") || dv_streq(protocol, "udp") || dv_streq(protocol, "sctp");
}

static void expose(json_object *exposed, const char *key)
{
    if (!dv_jget(exposed, key))
        dv_jset(exposed, key, dv_jobj());
}

static void bind_port(json_object *bindings, const char *key, const char *ip, const char *host)
{
    json_object *list = dv_jget(bindings, key), *binding = dv_jobj();

    dv_jset_str(binding, "HostIp", ip);
    dv_jset_str(binding, "HostPort", host);
    if (!list) {
        list = dv_jarr();
        dv_jset(bindings, key, list);
    }
    dv_jpush(list, binding);
}

/* "[ip:][host:]container[/proto]", the address with its colons at the front. */
struct spec {
    char *ip, *host, *container, *protocol;
};

static void spec_done(struct spec *s)
{
    free(s->ip);
    free(s->host);
    free(s->container);
    free(s->protocol);
}

static void split_spec(const char *text, struct spec *s)
{
    char *colon;

    s->container = dv_xstrdup(text);
    s->host = dv_xstrdup("");
    s->ip = dv_xstrdup("");
    colon = strrchr(s->container, ':');
    if (colon) {
        char *rest = s->container;

        *colon = '\0';
        s->container = dv_xstrdup(colon + 1);
        colon = strrchr(rest, ':');
        free(s->host);
        s->host = dv_xstrdup(colon ? colon + 1 : rest);
        if (colon) {
            free(s->ip);
            s->ip = dv_xstrndup(rest, (size_t)(colon - rest));
        }
        free(rest);
    }
    s->protocol = split_protocol(s->container);
}

static int check_address(struct spec *s, struct dv_error *err)
{
    size_t n = strlen(s->ip);

    if (n >= 2 && s->ip[0] == '[' && s->ip[n - 1] == ']') {
        memmove(s->ip, s->ip + 1, n - 2);
        s->ip[n - 2] = '\0';
    }
    if (*s->ip && !dv_is_ip(s->ip))
        return dv_fail(err, DV_E_INVALID, "invalid IP address: %s", s->ip);
    return 0;
}

static int check_spec(const char *text, struct spec *s, struct range *container,
                      struct range *host, struct dv_error *err)
{
    if (check_address(s, err) < 0)
        return -err->code;
    if (!*s->container)
        return dv_fail(err, DV_E_INVALID, "no port specified: %s<empty>", text);
    if (parse_range(s->container, container) < 0)
        return dv_fail(err, DV_E_INVALID, "invalid containerPort: %s", s->container);
    if (*s->host && parse_range(s->host, host) < 0)
        return dv_fail(err, DV_E_INVALID, "invalid hostPort: %s", s->host);
    if (*s->host && container->last != container->first &&
        container->last - container->first != host->last - host->first)
        return dv_fail(err, DV_E_INVALID,
                       "invalid ranges specified for container and host Ports: %s and %s",
                       s->container, s->host);
    if (!is_protocol(s->protocol))
        return dv_fail(err, DV_E_INVALID, "invalid proto: %s", s->protocol);
    return 0;
}

/* "target=80,published=8080,protocol=udp" as "8080:80/udp"; other texts as they are. */
static int short_form(const char *text, char **ret, struct dv_error *err)
{
    dv_autofree char *target = NULL, *published = NULL, *protocol = NULL;
    dv_autostrv fields = { 0 };
    size_t i;

    if (!strchr(text, '=')) {
        *ret = dv_xstrdup(text);
        return 0;
    }
    if (dv_csv_fields(text, &fields, err) < 0)
        return -err->code;
    for (i = 0; i < fields.n; i++) {
        const char *equal = strchr(fields.items[i], '=');
        size_t n = equal ? (size_t)(equal - fields.items[i]) : 0;
        char **into = n == 6 && strncmp(fields.items[i], "target", n) == 0      ? &target
                      : n == 9 && strncmp(fields.items[i], "published", n) == 0 ? &published
                      : n == 8 && strncmp(fields.items[i], "protocol", n) == 0  ? &protocol
                                                                                : NULL;

        if (!into)
            return dv_fail(err, DV_E_INVALID, "invalid field %s", fields.items[i]);
        free(*into);
        *into = dv_xstrdup(equal + 1);
    }
    *ret = dv_xformat("%s:%s/%s", published ? published : "", target ? target : "",
                      protocol ? protocol : "tcp");
    return 0;
}

static int add_spec(const char *text, struct spec *s, json_object *exposed, json_object *bindings,
                    struct dv_error *err)
{
    struct range container, host = { 0 };
    uint64_t i;

    if (check_spec(text, s, &container, &host, err) < 0)
        return -err->code;
    for (i = 0; i <= container.last - container.first; i++) {
        dv_autofree char *key = dv_xformat("%llu/%s", (unsigned long long)(container.first + i),
                                           s->protocol);
        dv_autofree char *port = NULL;

        if (!*s->host)
            port = dv_xstrdup("");
        else if (container.first == container.last) /* one port, anywhere in the host's range */
            port = dv_xstrdup(s->host);
        else
            port = dv_xformat("%llu", (unsigned long long)(host.first + i));
        expose(exposed, key);
        bind_port(bindings, key, s->ip, port);
    }
    return 0;
}

int dv_add_published(const char *spec, json_object *exposed, json_object *bindings,
                     struct dv_error *err)
{
    dv_autofree char *text = NULL;
    struct spec s = { 0 };
    int r = short_form(spec, &text, err);

    if (r < 0)
        return r;
    split_spec(text, &s);
    r = add_spec(text, &s, exposed, bindings, err);
    spec_done(&s);
    return r;
}

int dv_add_exposed(const char *spec, json_object *exposed, struct dv_error *err)
{
    dv_autofree char *port = dv_xstrdup(spec);
    dv_autofree char *protocol = NULL;
    struct range range;
    uint64_t i;

    if (strchr(spec, ':'))
        return dv_fail(err, DV_E_INVALID, "invalid port format for --expose: %s", spec);
    protocol = split_protocol(port);
    if (parse_range(port, &range) < 0) {
        bool backwards = port[0] && strspn(port, "0123456789-") == strlen(port);

        if (backwards)
            return dv_fail(err, DV_E_INVALID, "invalid range format for --expose: %s, error: "
                           "invalid range specified for port: %s", spec, port);
        return dv_fail(err, DV_E_INVALID, "invalid range format for --expose: %s, error: "
                       "strconv.ParseUint: parsing \"%s\": invalid syntax", spec, port);
    }
    for (i = range.first; i <= range.last; i++) {
        dv_autofree char *key = dv_xformat("%llu/%s", (unsigned long long)i, protocol);

        expose(exposed, key);
    }
    return 0;
}
