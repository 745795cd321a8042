/* mount_option.c - the values of --mount and --gpus as the API's objects. */
#include <strings.h>

#include "cli/container/create.h"
#include "core/base/parse.h"

struct mount {
    json_object *obj;              /* what is being made */
    char *type;
    bool read_only, recursive_ro;  /* bind-recursive=readonly was asked for */
    bool rprivate;
};

/* The object KEY of PARENT, made where it is missing. */
static json_object *child(json_object *parent, const char *key)
{
    json_object *obj = dv_jget(parent, key);

    if (!obj) {
        obj = dv_jobj();
        dv_jset(parent, key, obj);
    }
    return obj;
}

static int bad_value(struct dv_error *err, const char *key, const char *value)
{
    return dv_fail(err, DV_E_INVALID, "invalid value for %s: %s", key, value);
}

static int set_switch(json_object *obj, const char *name, const char *key, const char *value,
                      struct dv_error *err)
{
    bool on = true;

    if (value && dv_parse_bool(value, &on) < 0)
        return bad_value(err, key, value);
    if (on)
        dv_jset_bool(obj, name, true);
    return 0;
}

/* "a=b" of volume-label and volume-opt into OBJ. */
static void set_pair(json_object *obj, const char *value)
{
    size_t n = strcspn(value, "=");
    dv_autofree char *name = dv_xstrndup(value, n);

    dv_jset_str(obj, name, value[n] ? value + n + 1 : "");
}

static int set_source(struct mount *m, const char *key, const char *value, struct dv_error *err)
{
    (void)key;
    (void)err;
    if (*value) {
        dv_autofree char *path = dv_absolute_path(value);

        dv_jset_str(m->obj, "Source", path);
    }
    return 0;
}

static int set_recursive(struct mount *m, const char *key, const char *value, struct dv_error *err)
{
    static const struct {
        const char *value, *name;
    } modes[] = {
        { "enabled", NULL },
        { "disabled", "NonRecursive" },
        { "writable", "ReadOnlyNonRecursive" },
        { "readonly", "ReadOnlyForceRecursive" },
    };
    size_t i;

    for (i = 0; i < N(modes); i++) {
        if (!dv_streq(modes[i].value, value))
            continue;
        if (modes[i].name)
            dv_jset_bool(child(m->obj, "BindOptions"), modes[i].name, true);
        m->recursive_ro = dv_streq(value, "readonly");
        return 0;
    }
    return dv_fail(err, DV_E_INVALID, "invalid value for %s: %s (must be \"enabled\", "
                   "\"disabled\", \"writable\", or \"readonly\")", key, value);
}

static int set_tmpfs_size(struct mount *m, const char *key, const char *value,
                          struct dv_error *err)
{
    int64_t bytes;

    if (dv_parse_bytes(value, &bytes) < 0)
        return bad_value(err, key, value);
    dv_jset_int(child(m->obj, "TmpfsOptions"), "SizeBytes", bytes);
    return 0;
}

static int set_tmpfs_mode(struct mount *m, const char *key, const char *value,
                          struct dv_error *err)
{
    size_t n = strspn(value, "01234567");

    if (n == 0 || n > 10 || value[n])
        return bad_value(err, key, value);
    dv_jset_int(child(m->obj, "TmpfsOptions"), "Mode", (int64_t)strtoul(value, NULL, 8));
    return 0;
}

static int set_label(struct mount *m, const char *key, const char *value, struct dv_error *err)
{
    (void)key;
    (void)err;
    set_pair(child(child(m->obj, "VolumeOptions"), "Labels"), value);
    return 0;
}

static int set_driver(struct mount *m, const char *key, const char *value, struct dv_error *err)
{
    (void)key;
    (void)err;
    dv_jset_str(child(child(m->obj, "VolumeOptions"), "DriverConfig"), "Name", value);
    return 0;
}

static int set_driver_option(struct mount *m, const char *key, const char *value,
                             struct dv_error *err)
{
    (void)key;
    (void)err;
    set_pair(child(child(child(m->obj, "VolumeOptions"), "DriverConfig"), "Options"), value);
    return 0;
}

static const struct mount_key {
    const char *key;
    const char *type;     /* the mount type that it belongs to; NULL: any */
    const char *group;    /* object it goes into; NULL: the mount itself */
    const char *name;     /* of a plain string or switch */
    bool is_switch;       /* the value may be left out */
    int (*set)(struct mount *m, const char *key, const char *value, struct dv_error *err);
} mount_keys[] = {
    { "type", NULL, NULL, "Type" },
    { "source", NULL, NULL, NULL, false, set_source },
    { "src", NULL, NULL, NULL, false, set_source },
    { "target", NULL, NULL, "Target" },
    { "dst", NULL, NULL, "Target" },
    { "destination", NULL, NULL, "Target" },
    { "readonly", NULL, NULL, "ReadOnly", true },
    { "ro", NULL, NULL, "ReadOnly", true },
    { "consistency", NULL, NULL, "Consistency" },
    { "bind-propagation", "bind", "BindOptions", "Propagation" },
    { "bind-nonrecursive", "bind", "BindOptions", "NonRecursive", true },
    { "bind-recursive", "bind", NULL, NULL, false, set_recursive },
    { "image-subpath", "image", "ImageOptions", "Subpath" },
    { "volume-subpath", "volume", "VolumeOptions", "Subpath" },
    { "volume-nocopy", "volume", "VolumeOptions", "NoCopy", true },
    { "volume-label", "volume", NULL, NULL, false, set_label },
    { "volume-driver", "volume", NULL, NULL, false, set_driver },
    { "volume-opt", "volume", NULL, NULL, false, set_driver_option },
    { "tmpfs-size", "tmpfs", NULL, NULL, false, set_tmpfs_size },
    { "tmpfs-mode", "tmpfs", NULL, NULL, false, set_tmpfs_mode },
};

static const struct mount_key *find_key(const char *key)
{
    size_t i;

    for (i = 0; i < N(mount_keys); i++)
        if (dv_streq(mount_keys[i].key, key))
            return &mount_keys[i];
    return NULL;
}

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

/* FIELD: "key=value" or "switch". */
static int set_field(struct mount *m, const char *field, struct dv_error *err)
{
    size_t n = strcspn(field, "=");
    const char *value = field[n] ? field + n + 1 : NULL;
    dv_autofree char *key = dv_xstrndup(field, n);
    const struct mount_key *row;
    json_object *into;

    lower(key);
    row = find_key(key);
    if (!value && (!row || !row->is_switch))
        return dv_fail(err, DV_E_INVALID, "invalid field '%s' must be a key=value pair", field);
    if (!row)
        return dv_fail(err, DV_E_INVALID, "unexpected key '%s' in '%s'", key, field);
    if (row->set)
        return row->set(m, key, value, err);
    into = row->group ? child(m->obj, row->group) : m->obj;
    if (row->is_switch)
        return set_switch(into, row->name, key, value, err);
    dv_jset_str(into, row->name, value);
    return 0;
}

/* Options of another type are refused, as docker's client does. */
static int check_groups(const struct mount *m, const char *type, struct dv_error *err)
{
    static const struct {
        const char *group, *type;
    } groups[] = {
        { "BindOptions", "bind" }, { "VolumeOptions", "volume" },
        { "ImageOptions", "image" }, { "TmpfsOptions", "tmpfs" },
    };
    size_t i;

    for (i = 0; i < N(groups); i++)
        if (dv_jget(m->obj, groups[i].group) && !dv_streq(groups[i].type, type))
            return dv_fail(err, DV_E_INVALID, "cannot mix '%s-*' options with mount type '%s'",
                           groups[i].type, type);
    return 0;
}

static int check_mount(const struct mount *m, const char *type, struct dv_error *err)
{
    const char *propagation = dv_jget_str(dv_jget(m->obj, "BindOptions"), "Propagation");

    if (!*type)
        return dv_fail(err, DV_E_INVALID, "type is required");
    if (!*dv_jget_str(m->obj, "Target"))
        return dv_fail(err, DV_E_INVALID, "target is required");
    if (m->recursive_ro && !dv_jget_bool(m->obj, "ReadOnly"))
        return dv_fail(err, DV_E_INVALID, "option 'bind-recursive=readonly' requires 'readonly' "
                       "to be specified in conjunction");
    if (m->recursive_ro && !dv_streq(propagation, "rprivate"))
        return dv_fail(err, DV_E_INVALID, "option 'bind-recursive=readonly' requires "
                       "'bind-propagation=rprivate' to be specified in conjunction");
    return check_groups(m, type, err);
}

int dv_parse_mount(const char *value, json_object **ret, struct dv_error *err)
{
    dv_autojson json_object *obj = dv_jobj();
    struct mount m = { .obj = obj };
    dv_autofree char *type = NULL;
    dv_autostrv fields = { 0 };
    size_t i;

    dv_jset_str(obj, "Type", "volume");
    if (dv_csv_fields(value, &fields, err) < 0)
        return -err->code;
    for (i = 0; i < fields.n; i++)
        if (set_field(&m, fields.items[i], err) < 0)
            return -err->code;
    type = dv_xstrdup(dv_jget_str(obj, "Type"));
    lower(type);
    dv_jset_str(obj, "Type", type);
    if (check_mount(&m, type, err) < 0)
        return -err->code;
    *ret = dv_take(obj);
    return 0;
}

int dv_check_mount(const char *value, char **ret, struct dv_error *err)
{
    dv_autojson json_object *obj = NULL;

    (void)ret;
    return dv_parse_mount(value, &obj, err);
}

/* --- GPUs ------------------------------------------------------------------------------------- */

struct gpus {
    int64_t count;
    bool has_count, has_gpu;
    const char *driver;
    json_object *ids, *capabilities, *options;
};

static int set_gpu_count(struct gpus *g, const char *value, struct dv_error *err)
{
    g->has_count = true;
    if (dv_streq(value, "all"))
        g->count = -1;
    else if (dv_parse_i64(value, INT32_MIN, INT32_MAX, &g->count) < 0)
        return dv_fail(err, DV_E_INVALID, "invalid count (%s): value must be either \"all\" or an "
                       "integer: invalid syntax", value);
    return 0;
}

static void push_all(json_object *into, const char *list)
{
    dv_autostrv items = { 0 };
    size_t i;

    dv_xsplit(&items, list, ',');
    for (i = 0; i < items.n; i++)
        dv_jpush(into, dv_jstr(items.items[i]));
}

static int set_gpu_field(struct gpus *g, const char *field, struct dv_error *err)
{
    size_t n = strcspn(field, "=");
    const char *value = field[n] ? field + n + 1 : NULL;
    dv_autofree char *key = dv_xstrndup(field, n);
    dv_autostrv pairs = { 0 };
    size_t i;

    if (!value || dv_streq(key, "count"))
        return set_gpu_count(g, value ? value : field, err);
    if (dv_streq(key, "driver")) {
        g->driver = value;
    } else if (dv_streq(key, "device")) {
        if (!g->ids)
            g->ids = dv_jarr();
        push_all(g->ids, value);
    } else if (dv_streq(key, "capabilities")) {
        push_all(g->capabilities, value);
    } else if (dv_streq(key, "options")) {
        dv_xsplit(&pairs, value, ',');
        for (i = 0; i < pairs.n; i++)
            set_pair(g->options, pairs.items[i]);
    } else {
        return dv_fail(err, DV_E_INVALID, "unexpected key '%s' in '%s'", key, field);
    }
    return 0;
}

/* "gpu" is always among the capabilities, last unless it was named. */
static void finish_capabilities(struct gpus *g, json_object *obj)
{
    json_object *outer = dv_jarr();
    size_t i;

    for (i = 0; i < dv_jlen(g->capabilities); i++)
        g->has_gpu = g->has_gpu || dv_streq(dv_jat_str(g->capabilities, i), "gpu");
    if (!g->has_gpu)
        dv_jpush(g->capabilities, dv_jstr("gpu"));
    dv_jpush(outer, g->capabilities);
    dv_jset(obj, "Capabilities", outer);
}

int dv_parse_gpus(const char *value, json_object **ret, struct dv_error *err)
{
    struct gpus g = { .capabilities = dv_jarr(), .options = dv_jobj() };
    dv_autojson json_object *obj = dv_jobj();
    dv_autostrv fields = { 0 };
    int r = dv_csv_fields(value, &fields, err);
    size_t i;

    for (i = 0; r == 0 && i < fields.n; i++)
        r = set_gpu_field(&g, fields.items[i], err);
    dv_jset_str(obj, "Driver", g.driver ? g.driver : "");
    /* Without a count and without devices it is one GPU. */
    dv_jset_int(obj, "Count", g.has_count ? g.count : g.ids ? 0 : 1);
    dv_jset(obj, "DeviceIDs", g.ids);
    finish_capabilities(&g, obj);
    dv_jset(obj, "Options", g.options);
    if (r == 0)
        *ret = dv_take(obj);
    return r;
}

int dv_check_gpus(const char *value, char **ret, struct dv_error *err)
{
    dv_autojson json_object *obj = NULL;

    (void)ret;
    return dv_parse_gpus(value, &obj, err);
}
