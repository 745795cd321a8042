/* networks.c - the network options of run and create as the API's NetworkingConfig. */
#include <ctype.h>
#include <errno.h>

#include "cli/container/create.h"
#include "core/base/parse.h"

/* One --network, with what the other options add to the first. Strings are owned. */
struct endpoint {
    char *target, *ipv4, *ipv6, *mac;
    struct dv_strv aliases, link_local, links, driver_options;
    int64_t priority;
};

static void endpoint_done(struct endpoint *e)
{
    free(e->target);
    free(e->ipv4);
    free(e->ipv6);
    free(e->mac);
    dv_strv_done(&e->aliases);
    dv_strv_done(&e->link_local);
    dv_strv_done(&e->links);
    dv_strv_done(&e->driver_options);
}

static void replace(char **slot, const char *value)
{
    free(*slot);
    *slot = dv_xstrdup(value);
}

static int set_priority(struct endpoint *e, const char *value, struct dv_error *err)
{
    if (dv_parse_i64(value, INT32_MIN, INT32_MAX, &e->priority) < 0)
        return dv_fail(err, DV_E_INVALID, "invalid gw-priority (%s): %s", value,
                       errno == ERANGE ? "value out of range" : "invalid syntax");
    return 0;
}

static int set_field(struct endpoint *e, const char *field, struct dv_error *err)
{
    size_t n = strcspn(field, "=");
    dv_autofree char *key = dv_xstrndup(field, n);
    const char *value = field + n + 1;
    const struct {
        const char *key;
        char **text;
        struct dv_strv *list;
    } slots[] = {
        { "name", &e->target, NULL },         { "ip", &e->ipv4, NULL },
        { "ip6", &e->ipv6, NULL },            { "mac-address", &e->mac, NULL },
        { "alias", NULL, &e->aliases },       { "link-local-ip", NULL, &e->link_local },
        { "driver-opt", NULL, &e->driver_options },
    };
    size_t i;

    if (!field[n])
        return dv_fail(err, DV_E_INVALID, "invalid field %s", field);
    if (dv_streq(key, "gw-priority"))
        return set_priority(e, value, err);
    if (dv_streq(key, "driver-opt") && !strchr(value, '='))
        return dv_fail(err, DV_E_INVALID, "invalid key value pair format in driver options");
    for (i = 0; i < N(slots); i++) {
        if (!dv_streq(slots[i].key, key))
            continue;
        if (slots[i].text)
            replace(slots[i].text, value);
        else
            dv_xadd(slots[i].list, value);
        return 0;
    }
    return dv_fail(err, DV_E_INVALID, "invalid field key %s", key);
}

/* "mynet", or "name=mynet,alias=web,ip=10.0.0.9". */
static int parse_endpoint(const char *value, struct endpoint *e, struct dv_error *err)
{
    dv_autostrv fields = { 0 };
    size_t i;

    if (!strchr(value, '=')) {
        replace(&e->target, value);
        return 0;
    }
    if (dv_csv_fields(value, &fields, err) < 0)
        return -err->code;
    for (i = 0; i < fields.n; i++)
        if (set_field(e, fields.items[i], err) < 0)
            return -err->code;
    if (dv_empty(e->target))
        return dv_fail(err, DV_E_INVALID, "network name/id is not specified");
    return 0;
}

int dv_check_network(const char *value, char **ret, struct dv_error *err)
{
    struct endpoint e = { 0 };
    int r = parse_endpoint(value, &e, err);

    (void)ret;
    endpoint_done(&e);
    return r;
}

static bool is_user_defined(const char *mode)
{
    static const char *const fixed[] = { "default", "bridge", "host", "none" };
    size_t i;

    for (i = 0; i < N(fixed); i++)
        if (dv_streq(mode, fixed[i]))
            return false;
    return !dv_starts(mode, "container:");
}

static bool is_mac(const char *text)
{
    size_t i, n = strlen(text);

    if (n != 17 && n != 23 && n != 59)
        return false;
    for (i = 0; i < n; i++)
        if (i % 3 == 2 ? text[i] != ':' && text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

static int conflict(struct dv_error *err, const char *option, const char *what)
{
    return dv_fail(err, DV_E_INVALID, "conflicting options: cannot specify both --%s and "
                   "per-network %s", option, what);
}

/* What --ip, --network-alias and so on say belongs to the first network. */
static int add_flags(const struct dv_cli_call *call, struct endpoint *e, struct dv_error *err)
{
    const struct {
        const char *option, *what;
        char **text;
        struct dv_strv *list;
    } flags[] = {
        { "network-alias", "alias", NULL, &e->aliases },
        { "ip", "IPv4 address", &e->ipv4, NULL },
        { "ip6", "IPv6 address", &e->ipv6, NULL },
        { "mac-address", "MAC address", &e->mac, NULL },
        { "link-local-ip", "link-local IP addresses", NULL, &e->link_local },
    };
    size_t i, k;

    for (i = 0; i < N(flags); i++) {
        const struct dv_cli_value *v = dv_cli_get(call, flags[i].option);
        bool there = flags[i].text ? *flags[i].text != NULL : flags[i].list->n > 0;

        if (v->texts.n == 0)
            continue;
        if (there)
            return conflict(err, flags[i].option, flags[i].what);
        if (flags[i].text)
            replace(flags[i].text, v->texts.items[v->texts.n - 1]);
        for (k = 0; flags[i].list && k < v->texts.n; k++)
            dv_xadd(flags[i].list, v->texts.items[k]);
    }
    if (is_user_defined(e->target) && dv_strv_copy(&e->links, dv_cli_list(call, "link")) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for --link");
    return 0;
}

static bool is_plain(const struct endpoint *e)
{
    return !e->ipv4 && !e->ipv6 && !e->mac && e->aliases.n == 0 && e->link_local.n == 0 &&
           e->driver_options.n == 0 && e->priority == 0;
}

static int check_endpoint(const struct endpoint *e, struct dv_error *err)
{
    if (dv_empty(e->target))
        return dv_fail(err, DV_E_INVALID, "no name set for network");
    if (!is_user_defined(e->target) && e->aliases.n > 0)
        return dv_fail(err, DV_E_INVALID,
                       "network-scoped aliases are only supported for user-defined networks");
    if (e->mac && !is_mac(e->mac))
        return dv_fail(err, DV_E_INVALID, "%s is not a valid mac address", e->mac);
    return 0;
}

static json_object *driver_options(const struct dv_strv *pairs)
{
    json_object *obj = pairs->n ? dv_jobj() : NULL;
    size_t i;

    for (i = 0; i < pairs->n; i++) {
        const char *equal = strchr(pairs->items[i], '=');
        dv_autofree char *key = dv_xstrndup(pairs->items[i], (size_t)(equal - pairs->items[i]));

        dv_jset_str(obj, key, equal + 1);
    }
    return obj;
}

static json_object *endpoint_json(const struct endpoint *e)
{
    json_object *obj = dv_jobj(), *ipam = NULL;

    if (e->ipv4 || e->ipv6 || e->link_local.n > 0) {
        ipam = dv_jobj();
        if (e->ipv4)
            dv_jset_str(ipam, "IPv4Address", e->ipv4);
        if (e->ipv6)
            dv_jset_str(ipam, "IPv6Address", e->ipv6);
        if (e->link_local.n > 0)
            dv_jset(ipam, "LinkLocalIPs", dv_jstrv(&e->link_local, true));
    }
    dv_jset(obj, "IPAMConfig", ipam);
    dv_jset(obj, "Links", dv_jstrv(&e->links, true));
    dv_jset(obj, "Aliases", dv_jstrv(&e->aliases, true));
    dv_jset_str(obj, "MacAddress", e->mac ? e->mac : "");
    dv_jset(obj, "DriverOpts", driver_options(&e->driver_options));
    dv_jset_int(obj, "GwPriority", e->priority);
    return obj;
}

/* The I-th network into ENDPOINTS. */
static int add_endpoint(const struct dv_cli_call *call, const struct dv_strv *values, size_t i,
                        json_object *endpoints, char **mode, struct dv_error *err)
{
    struct endpoint e = { 0 };
    int r = parse_endpoint(values->n ? values->items[i] : "default", &e, err);

    if (r == 0 && i == 0)
        r = add_flags(call, &e, err);
    if (r == 0)
        r = check_endpoint(&e, err);
    if (r == 0 && i > 0 && is_user_defined(e.target) != is_user_defined(*mode) &&
        dv_starts(*mode, "container:"))
        r = dv_fail(err, DV_E_INVALID, "conflicting options: cannot attach both user-defined and "
                    "non-user-defined network-modes");
    if (r == 0 && dv_jget(endpoints, e.target))
        r = dv_fail(err, DV_E_INVALID, "network \"%s\" is specified multiple times", e.target);
    /* A single fixed mode that nothing is said about needs no endpoint. */
    if (r == 0 && (values->n != 1 || is_user_defined(e.target) || !is_plain(&e)))
        dv_jset(endpoints, e.target, endpoint_json(&e));
    if (r == 0 && i == 0)
        *mode = dv_take(e.target);
    endpoint_done(&e);
    return r;
}

int dv_network_config(const struct dv_cli_call *call, json_object **ret, char **ret_mode,
                      struct dv_error *err)
{
    const struct dv_strv *values = dv_cli_list(call, "network");
    dv_autojson json_object *endpoints = dv_jobj();
    dv_autofree char *mode = NULL;
    size_t i;

    for (i = 0; i < (values->n ? values->n : 1); i++)
        if (add_endpoint(call, values, i, endpoints, &mode, err) < 0)
            return -err->code;
    *ret = dv_jobj();
    dv_jset(*ret, "EndpointsConfig", dv_take(endpoints));
    *ret_mode = dv_take(mode);
    return 0;
}
