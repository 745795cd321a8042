/* config.c - what a container was asked to be: from the request to the struct and back. */
#include "core/container/config.h"

#include <string.h>
#include <strings.h>

#include "core/base/limits.h"
#include "core/container/config_fields.h"

static int no_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "no memory for a container's configuration");
}

/* ---- freeing ---- */

static void free_blkio(struct dv_blkio_device *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i].path);
    free(list);
}

static void free_resources(struct dv_container_config *c)
{
    free_blkio(c->read_bps, c->n_read_bps);
    free_blkio(c->write_bps, c->n_write_bps);
    free_blkio(c->read_iops, c->n_read_iops);
    free_blkio(c->write_iops, c->n_write_iops);
    free_blkio(c->weight_device, c->n_weight_device);
    for (size_t i = 0; i < c->n_ulimits; i++)
        free(c->ulimits[i].name);
    free(c->ulimits);
    for (size_t i = 0; i < c->n_devices; i++) {
        free(c->devices[i].host);
        free(c->devices[i].container);
        free(c->devices[i].permissions);
    }
    free(c->devices);
}

static void free_lists(struct dv_container_config *c)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        dv_mount_point_done(&c->mounts[i]);
    free(c->mounts);
    for (size_t i = 0; i < c->n_endpoints; i++) {
        free(c->endpoints[i].network);
        free(c->endpoints[i].ip);
        free(c->endpoints[i].mac);
        dv_strv_done(&c->endpoints[i].aliases);
    }
    free(c->endpoints);
    dv_strv_done(&c->exposed_ports);
    dv_strv_done(&c->volumes);
}

/* What the table filled, and only that. */
static void release_decoded(struct dv_config_raw *raw)
{
    size_t n = 0;
    struct dv_json_field *fields = dv_config_json_fields(dv_config_root, dv_config_root_n, &n);

    if (fields) /* else it leaks: better than a daemon that ends here */
        dv_json_release(fields, n, raw);
    free(fields);
}

void dv_container_config_free(struct dv_container_config *c)
{
    struct dv_config_raw *raw = (struct dv_config_raw *)(void *)c;

    if (!c)
        return;
    free_resources(c);
    free_lists(c);
    json_object_put(c->config_json);
    json_object_put(c->host_config_json);
    free(c->config_text);
    free(c->host_config_text);
    release_decoded(raw);
    free(raw);
}

/* ---- the document: unknown keys dropped, names in Docker's spelling, defaults filled ---- */

static json_object *find(json_object *obj, const char *wanted)
{
    json_object *found = NULL;

    if (json_object_object_get_ex(obj, wanted, &found))
        return found;
    json_object_object_foreach(obj, key, value)
    {
        if (strcasecmp(key, wanted) == 0)
            found = value;
    }
    return found;
}

static json_object *filter(json_object *in, const struct dv_config_field *fields, size_t n);

static json_object *filter_list(json_object *in, const struct dv_config_field *f)
{
    json_object *out = json_object_new_array();
    size_t n = json_object_array_length(in);

    for (size_t i = 0; out && i < n; i++) {
        json_object *item = json_object_array_get_idx(in, i);

        if (json_object_is_type(item, json_type_object))
            item = filter(item, f->sub, f->n_sub);
        else
            item = json_object_get(item);
        if (json_object_array_add(out, item) < 0)
            json_object_put(item);
    }
    return out;
}

static json_object *filter_map(json_object *in, const struct dv_config_field *f)
{
    json_object *out = json_object_new_object();

    json_object_object_foreach(in, key, value)
    {
        json_object *item = json_object_is_type(value, json_type_object)
                                ? filter(value, f->sub, f->n_sub)
                                : json_object_get(value);

        if (out && json_object_object_add(out, key, item) < 0)
            json_object_put(item);
    }
    return out;
}

/* New reference. A value of a wrong type stays as it is: decoding will say so with its path. */
static json_object *filter_value(json_object *in, const struct dv_config_field *f)
{
    json_object *copy = NULL;

    if (f->shape == DV_SHAPE_OBJ && json_object_is_type(in, json_type_object))
        return filter(in, f->sub, f->n_sub);
    if (f->shape == DV_SHAPE_LIST && json_object_is_type(in, json_type_array))
        return filter_list(in, f);
    if (f->shape == DV_SHAPE_MAPOF && json_object_is_type(in, json_type_object))
        return filter_map(in, f);
    if (f->shape == DV_SHAPE_WORDS && json_object_is_type(in, json_type_string)) {
        copy = json_object_new_array();
        if (copy)
            json_object_array_add(copy, json_object_get(in));
        return copy;
    }
    return json_object_deep_copy(in, &copy, NULL) == 0 ? copy : NULL;
}

/* New object with the known keys of IN that are not null; NULL on no memory. */
static json_object *filter(json_object *in, const struct dv_config_field *fields, size_t n)
{
    dv_autojson json_object *out = json_object_new_object();

    for (size_t i = 0; out && i < n; i++) {
        json_object *value = find(in, fields[i].key), *kept;

        if (!value)
            continue;
        kept = filter_value(value, &fields[i]);
        if (!kept || json_object_object_add(out, fields[i].key, kept) < 0) {
            json_object_put(kept);
            return NULL;
        }
    }
    return dv_take(out);
}

/* New object: the rows of the table in their order, with their defaults where DOC has nothing. */
static json_object *complete(json_object *doc, const struct dv_config_field *fields, size_t n)
{
    dv_autojson json_object *out = json_object_new_object();

    for (size_t i = 0; out && i < n; i++) {
        const struct dv_config_field *f = &fields[i];
        json_object *value = NULL;

        if (dv_streq(f->key, "HostConfig") || dv_streq(f->key, "NetworkingConfig"))
            continue;
        if (json_object_object_get_ex(doc, f->key, &value) && value)
            value = f->shape == DV_SHAPE_OBJ ? complete(value, f->sub, f->n_sub)
                                             : json_object_get(value);
        else if (!f->unset)
            continue;
        else if (!dv_streq(f->unset, "null"))
            value = json_tokener_parse(f->unset);
        if (json_object_object_add(out, f->key, value) < 0) {
            json_object_put(value);
            return NULL;
        }
    }
    return dv_take(out);
}

/* ---- rules ---- */

/* Asks for nothing: null, false, 0, "", and lists and objects of such. */
static bool is_nothing(json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return true;
    case json_type_boolean:
        return !json_object_get_boolean(value);
    case json_type_int:
        return json_object_get_int64(value) == 0;
    case json_type_double:
        return json_object_get_double(value) >= 0 && json_object_get_double(value) <= 0;
    case json_type_string:
        return json_object_get_string_len(value) == 0;
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(value); i++)
            if (!is_nothing(json_object_array_get_idx(value, i)))
                return false;
        return true;
    case json_type_object: {
        json_object_object_foreach(value, key, item)
        {
            (void)key;
            if (!is_nothing(item))
                return false;
        }
        return true;
    }
    }
    return false;
}

/* {"Test": ["NONE"]}: the image's check is off, which is all that davit can do today. */
static bool is_no_healthcheck(const struct dv_config_field *f, json_object *value)
{
    json_object *test = NULL;

    if (!dv_streq(f->key, "Healthcheck") || !json_object_object_get_ex(value, "Test", &test) ||
        !json_object_is_type(test, json_type_array) || json_object_array_length(test) == 0)
        return false;
    return dv_streq(json_object_get_string(json_object_array_get_idx(test, 0)), "NONE");
}

static bool is_default_isolation(const struct dv_config_field *f, json_object *value)
{
    return dv_streq(f->key, "Isolation") && json_object_is_type(value, json_type_string) &&
           strcasecmp(json_object_get_string(value), "default") == 0;
}

static int apply_rules(json_object *doc, const struct dv_config_field *fields, size_t n,
                       const char *path, struct dv_strv *warnings, struct dv_error *err);

static int apply_rule(json_object *value, const struct dv_config_field *f, const char *path,
                      struct dv_strv *warnings, struct dv_error *err)
{
    if (is_nothing(value) || is_no_healthcheck(f, value) || is_default_isolation(f, value))
        return 0;
    switch (f->rule) {
    case DV_RULE_LATER:
        return dv_fail(err, DV_E_UNSUPPORTED, "%s%s: %s are not supported yet", path, f->key,
                       f->what);
    case DV_RULE_NEVER:
        return dv_fail(err, DV_E_INVALID, "%s%s: %s are not supported on Linux", path, f->key,
                       f->what);
    case DV_RULE_WARN: {
        char *text = dv_format("%s%s: %s are not supported by this host's kernel and were ignored",
                               path, f->key, f->what);

        return text && dv_strv_add_take(warnings, text) == 0 ? 0 : no_memory(err);
    }
    case DV_RULE_KEPT:
    case DV_RULE_SHOWN:
        break;
    }
    if (f->shape == DV_SHAPE_OBJ && json_object_is_type(value, json_type_object)) {
        dv_autofree char *below = dv_format("%s%s.", path, f->key);

        return below ? apply_rules(value, f->sub, f->n_sub, below, warnings, err) : no_memory(err);
    }
    if (f->shape == DV_SHAPE_MAPOF && json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, key, item)
        {
            dv_autofree char *below = dv_format("%s%s.%s.", path, f->key, key);
            int r = !below ? no_memory(err)
                    : json_object_is_type(item, json_type_object)
                        ? apply_rules(item, f->sub, f->n_sub, below, warnings, err)
                        : 0;

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int apply_rules(json_object *doc, const struct dv_config_field *fields, size_t n,
                       const char *path, struct dv_strv *warnings, struct dv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        json_object *value = NULL;
        int r;

        if (!json_object_object_get_ex(doc, fields[i].key, &value))
            continue;
        r = apply_rule(value, &fields[i], path, warnings, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* On the host's network there is nothing to publish: Docker discards it with a warning. */
static int discard_ports(json_object *doc, struct dv_strv *warnings, struct dv_error *err)
{
    json_object *host = NULL, *mode = NULL, *ports = NULL, *all = NULL;

    if (!json_object_object_get_ex(doc, "HostConfig", &host) ||
        !json_object_is_type(host, json_type_object) ||
        !json_object_object_get_ex(host, "NetworkMode", &mode) ||
        !json_object_is_type(mode, json_type_string) ||
        !dv_streq(json_object_get_string(mode), "host"))
        return 0;
    json_object_object_get_ex(host, "PortBindings", &ports);
    json_object_object_get_ex(host, "PublishAllPorts", &all);
    if (is_nothing(ports) && is_nothing(all))
        return 0;
    json_object_object_del(host, "PortBindings");
    json_object_object_del(host, "PublishAllPorts");
    if (dv_strv_add(warnings, "Published ports are discarded when using host network mode") < 0)
        return no_memory(err);
    return 0;
}

/* ---- decoding ---- */

static int keys_of(json_object *map, const char *path, struct dv_strv *ret, struct dv_error *err)
{
    if (!map)
        return 0;
    if (!json_object_is_type(map, json_type_object))
        return dv_fail(err, DV_E_INVALID, "%s: expected object", path);
    json_object_object_foreach(map, key, value)
    {
        (void)value;
        if (dv_strv_add(ret, key) < 0)
            return no_memory(err);
    }
    return 0;
}

static int decode_endpoint(const char *name, json_object *value, const struct dv_json_field *fields,
                           size_t n, struct dv_endpoint_wish *wish, struct dv_error *err)
{
    struct dv_raw_endpoint e = { 0 };
    int r = value ? dv_json_decode(value, fields, n, &e, err) : 0;

    wish->network = dv_strdup(name);
    wish->ip = dv_take(e.ip);
    wish->mac = dv_take(e.mac);
    wish->aliases = e.aliases;
    if (r == 0 && !dv_empty(e.ip6))
        r = dv_fail(err, DV_E_UNSUPPORTED, "IPAMConfig.IPv6Address: IPv6 addresses of endpoints "
                                           "are not supported yet");
    free(e.ip6);
    if (r < 0)
        return dv_wrap(err, "NetworkingConfig.EndpointsConfig.%s", name);
    return wish->network ? 0 : no_memory(err);
}

static int decode_endpoints(struct dv_config_raw *raw, struct dv_error *err)
{
    size_t n_fields = 0;
    dv_autofree struct dv_json_field *fields = NULL;

    if (!raw->endpoints)
        return 0;
    if (!json_object_is_type(raw->endpoints, json_type_object))
        return dv_fail(err, DV_E_INVALID, "NetworkingConfig.EndpointsConfig: expected object");
    fields = dv_config_json_fields(dv_config_endpoint, dv_config_endpoint_n, &n_fields);
    raw->c.endpoints = calloc((size_t)json_object_object_length(raw->endpoints) + 1,
                              sizeof(*raw->c.endpoints));
    if (!fields || !raw->c.endpoints)
        return no_memory(err);
    json_object_object_foreach(raw->endpoints, key, value)
    {
        int r = decode_endpoint(key, value, fields, n_fields,
                                &raw->c.endpoints[raw->c.n_endpoints++], err);

        if (r < 0)
            return r;
    }
    return 0;
}

/* The lists were decoded into the very structs that config.h shows. */
static void take_lists(struct dv_config_raw *raw)
{
    struct dv_container_config *c = &raw->c;
    struct {
        struct dv_json_array *from;
        struct dv_blkio_device **to;
        size_t *n;
    } blkio[] = {
        { &raw->read_bps, &c->read_bps, &c->n_read_bps },
        { &raw->write_bps, &c->write_bps, &c->n_write_bps },
        { &raw->read_iops, &c->read_iops, &c->n_read_iops },
        { &raw->write_iops, &c->write_iops, &c->n_write_iops },
        { &raw->weights, &c->weight_device, &c->n_weight_device },
    };

    for (size_t i = 0; i < N(blkio); i++) {
        *blkio[i].to = blkio[i].from->items;
        *blkio[i].n = blkio[i].from->n;
        *blkio[i].from = (struct dv_json_array){ 0 };
    }
    c->ulimits = raw->ulimits.items;
    c->n_ulimits = raw->ulimits.n;
    raw->ulimits = (struct dv_json_array){ 0 };
    c->devices = raw->devices.items;
    c->n_devices = raw->devices.n;
    raw->devices = (struct dv_json_array){ 0 };
}

/* What means the same as nothing is shown as nothing was asked; a limit of memory brings one of swap. */
static int settle_limits(struct dv_container_config *c, json_object *host, struct dv_error *err)
{
    if (dv_empty(c->ipc_mode))
        json_object_object_del(host, "IpcMode");
    if (c->has_swappiness && c->memory_swappiness == -1) {
        c->has_swappiness = false;
        json_object_object_del(host, "MemorySwappiness");
    }
    if (c->pids_limit <= 0) {
        c->pids_limit = 0;
        json_object_object_del(host, "PidsLimit");
    }
    if (c->memory > 0 && c->memory <= INT64_MAX / 2 && c->memory_swap == 0) {
        c->memory_swap = 2 * c->memory;
        if (json_object_object_add(host, "MemorySwap", json_object_new_int64(c->memory_swap)) < 0)
            return no_memory(err);
    }
    return 0;
}

/* "default" and nothing are the bridge, as inspect shows it. */
static int settle_defaults(struct dv_config_raw *raw, json_object *host, struct dv_error *err)
{
    struct dv_container_config *c = &raw->c;

    if (dv_empty(c->network_mode) || dv_streq(c->network_mode, "default")) {
        free(c->network_mode);
        c->network_mode = dv_strdup(c->network_disabled ? "none" : "bridge");
        if (!c->network_mode)
            return no_memory(err);
        json_object_object_add(host, "NetworkMode", json_object_new_string(c->network_mode));
    }
    if (dv_empty(c->log_type)) {
        json_object *log = NULL;

        free(c->log_type);
        c->log_type = dv_strdup("json-file");
        if (!c->log_type)
            return no_memory(err);
        if (json_object_object_get_ex(host, "LogConfig", &log))
            json_object_object_del(log, "Type");
    }
    if (c->shm_size == 0) {
        c->shm_size = 64 << 20;
        json_object_object_del(host, "ShmSize");
    }
    if (settle_limits(c, host, err) < 0)
        return -err->code;
    /* A privileged container masks nothing unless it asks for it. */
    if (c->privileged && !c->masked_paths.present)
        json_object_object_add(host, "MaskedPaths", NULL);
    if (c->privileged && !c->readonly_paths.present)
        json_object_object_add(host, "ReadonlyPaths", NULL);
    return 0;
}

static int decode(json_object *doc, struct dv_config_raw *raw, struct dv_error *err)
{
    size_t n = 0;
    dv_autofree struct dv_json_field *fields =
        dv_config_json_fields(dv_config_root, dv_config_root_n, &n);
    int r;

    if (!fields)
        return no_memory(err);
    r = dv_json_decode(doc, fields, n, raw, err);
    if (r == 0)
        r = keys_of(raw->exposed_ports, "ExposedPorts", &raw->c.exposed_ports, err);
    if (r == 0)
        r = dv_json_size(raw->console_size, "HostConfig.ConsoleSize", &raw->c.rows, &raw->c.cols,
                         err);
    if (r == 0)
        r = keys_of(raw->volumes, "Volumes", &raw->c.volumes, err);
    if (r == 0)
        r = decode_endpoints(raw, err);
    if (r == 0)
        take_lists(raw);
    return r;
}

static int make_documents(struct dv_config_raw *raw, json_object *doc, struct dv_error *err)
{
    json_object *host = NULL;
    const struct dv_config_field *host_row = dv_config_root;

    while (!dv_streq(host_row->key, "HostConfig"))
        host_row++;
    if (!json_object_object_get_ex(doc, "HostConfig", &host) || !host) {
        host = json_object_new_object();
        if (!host || json_object_object_add(doc, "HostConfig", host) < 0)
            return no_memory(err);
    }
    if (settle_defaults(raw, host, err) < 0)
        return -err->code;
    if (raw->c.volumes.n == 0)
        json_object_object_del(doc, "Volumes");
    raw->c.config_json = complete(doc, dv_config_root, dv_config_root_n);
    raw->c.host_config_json = complete(host, host_row->sub, host_row->n_sub);
    if (!raw->c.config_json || !raw->c.host_config_json)
        return no_memory(err);
    /* complete() shows the default for a null; these nulls are answers. */
    if (raw->c.privileged && !raw->c.masked_paths.present)
        json_object_object_add(raw->c.host_config_json, "MaskedPaths", NULL);
    if (raw->c.privileged && !raw->c.readonly_paths.present)
        json_object_object_add(raw->c.host_config_json, "ReadonlyPaths", NULL);
    return 0;
}

/* What is kept for as long as the container: no objects, each of which takes hundreds of bytes. */
static int keep_as_texts(struct dv_config_raw *raw, struct dv_error *err)
{
    struct dv_container_config *c = &raw->c;
    json_object **const used[] = { &c->config_json, &c->host_config_json, &raw->exposed_ports,
                                   &raw->volumes, &raw->endpoints, &raw->console_size };

    c->config_text = dv_json_text(c->config_json);
    c->host_config_text = dv_json_text(c->host_config_json);
    if (!c->config_text || !c->host_config_text)
        return no_memory(err);
    for (size_t i = 0; i < N(used); i++)
        json_object_put(dv_take(*used[i]));
    return 0;
}

/* CHECK: a request, with its refusals and warnings; else the database's own. */
static int build(json_object *body, bool check, struct dv_strv *warnings,
                 struct dv_container_config **ret, struct dv_error *err)
{
    dv_autojson json_object *doc = filter(body, dv_config_root, dv_config_root_n);
    struct dv_config_raw *raw = calloc(1, sizeof(*raw));
    int r = doc && raw ? 0 : no_memory(err);

    if (r == 0 && check)
        r = dv_config_types(doc, err);
    if (r == 0 && check)
        r = discard_ports(doc, warnings, err);
    if (r == 0 && check)
        r = apply_rules(doc, dv_config_root, dv_config_root_n, "", warnings, err);
    if (r == 0)
        r = decode(doc, raw, err);
    if (r == 0)
        r = !check && json_object_object_get_ex(body, "MountPoints", NULL)
                ? dv_config_points_load(raw, body, err)
                : dv_config_mounts(raw, check, err);
    if (r == 0)
        r = make_documents(raw, doc, err);
    if (r == 0 && check)
        r = dv_container_config_check(raw, warnings, err);
    if (r == 0 && !check)
        r = keep_as_texts(raw, err);
    if (r < 0) {
        dv_container_config_free((struct dv_container_config *)(void *)raw);
        return r;
    }
    *ret = &raw->c;
    return 0;
}

int dv_container_config_parse(json_object *body, struct dv_strv *warnings,
                              struct dv_container_config **ret, struct dv_error *err)
{
    if (!json_object_is_type(body, json_type_object))
        return dv_fail(err, DV_E_INVALID, "config cannot be empty in order to create a container");
    return build(body, /* check */ true, warnings, ret, err);
}

int dv_container_config_load(const char *text, struct dv_container_config **ret,
                             struct dv_error *err)
{
    dv_autojson json_object *body = NULL;
    int r = dv_json_parse(text, strlen(text), &body, err);

    if (r < 0)
        return dv_wrap(err, "parse a container's stored configuration");
    if (!json_object_is_type(body, json_type_object))
        return dv_fail(err, DV_E_INTERNAL, "a container's stored configuration is no object");
    return build(body, /* check */ false, /* warnings */ NULL, ret, err);
}

static json_object *endpoint_json(const struct dv_endpoint_wish *wish)
{
    json_object *out = json_object_new_object(), *aliases = json_object_new_array();

    if (!out || !aliases) {
        json_object_put(out);
        json_object_put(aliases);
        return NULL;
    }
    if (!dv_empty(wish->ip)) {
        json_object *ipam = json_object_new_object();

        json_object_object_add(ipam, "IPv4Address", json_object_new_string(wish->ip));
        json_object_object_add(out, "IPAMConfig", ipam);
    }
    if (!dv_empty(wish->mac))
        json_object_object_add(out, "MacAddress", json_object_new_string(wish->mac));
    for (size_t i = 0; i < wish->aliases.n; i++)
        json_object_array_add(aliases, json_object_new_string(wish->aliases.items[i]));
    json_object_object_add(out, "Aliases", aliases);
    return out;
}

static int put_networking(const struct dv_container_config *c, json_object *doc)
{
    json_object *endpoints = json_object_new_object(), *networking = json_object_new_object();

    if (!endpoints || !networking ||
        json_object_object_add(doc, "NetworkingConfig", networking) < 0) {
        json_object_put(endpoints);
        json_object_put(networking);
        return -1;
    }
    json_object_object_add(networking, "EndpointsConfig", endpoints);
    for (size_t i = 0; i < c->n_endpoints; i++)
        json_object_object_add(endpoints, c->endpoints[i].network,
                               endpoint_json(&c->endpoints[i]));
    return 0;
}

int dv_container_config_keep(struct dv_container_config **config, struct dv_error *err)
{
    struct dv_container_config *own = *config;
    json_object *doc = own->config_json;
    int r;

    if (json_object_object_add(doc, "HostConfig", json_object_get(own->host_config_json)) < 0 ||
        put_networking(own, doc) < 0)
        return no_memory(err);
    r = build(doc, /* check */ false, /* warnings */ NULL, config, err);
    if (r == 0)
        dv_container_config_free(own);
    return r;
}

/* What is no document: networks, and mount points once they are settled. */
static char *save_rest(const struct dv_container_config *c)
{
    dv_autojson json_object *rest = json_object_new_object();

    return rest && put_networking(c, rest) == 0 && dv_config_points_save(c, rest) == 0
               ? dv_json_text(rest)
               : NULL;
}

char *dv_container_config_save(const struct dv_container_config *c)
{
    bool request = c->config_json != NULL;
    dv_autofree char *own = request ? dv_json_text(c->config_json) : NULL;
    dv_autofree char *own_host = request ? dv_json_text(c->host_config_json) : NULL;
    dv_autofree char *rest = save_rest(c);
    const char *config = request ? own : c->config_text;
    const char *host = request ? own_host : c->host_config_text;

    if (!config || !host || !rest)
        return NULL;
    /* None of them is "{}", so they are joined by the commas alone. */
    return dv_format("%.*s,\"HostConfig\":%s,%s", (int)strlen(config) - 1, config, host, rest + 1);
}
