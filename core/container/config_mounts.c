/* config_mounts.c - Binds, Mounts and Tmpfs of a create request, turned into one list. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/parse.h"
#include "core/container/config_fields.h"

static int no_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "no memory for a container's mounts");
}

/* ---- paths ---- */

/* PATH without "//", "/./" and trailing slashes, ".." resolved as text: Go's path.Clean. NULL on no
 * memory. */
static char *clean_path(const char *path)
{
    char *out = malloc(strlen(path) + 2), *to = out;

    if (!out)
        return NULL;
    while (*path) {
        size_t n = strcspn(path, "/");

        if (n == 2 && memcmp(path, "..", 2) == 0) {
            while (to > out && *--to != '/')
                ;
        } else if (n > 0 && !(n == 1 && *path == '.')) {
            *to++ = '/';
            memcpy(to, path, n);
            to += n;
        }
        path += n;
        path += strspn(path, "/");
    }
    if (to == out)
        *to++ = '/';
    *to = '\0';
    return out;
}

static int set_target(struct dv_mount_point *m, const char *target, bool check, const char *spec,
                      struct dv_error *err)
{
    if (check && *target != '/')
        return dv_fail(err, DV_E_INVALID,
                       "invalid volume specification: '%s': invalid mount config for type \"%s\": "
                       "invalid mount path: '%s' mount path must be absolute", spec, m->type,
                       target);
    m->target = clean_path(target);
    if (!m->target)
        return no_memory(err);
    if (check && dv_streq(m->target, "/"))
        return dv_fail(err, DV_E_INVALID,
                       "invalid volume specification: '%s': invalid mount config for type \"%s\": "
                       "invalid specification: destination can't be '/'", spec, m->type);
    return 0;
}

static int set_text(char **to, const char *text, struct dv_error *err)
{
    free(*to);
    *to = dv_strdup(text);
    return *to ? 0 : no_memory(err);
}

/* ---- Binds: "source:target[:options]" ---- */

static const char *const propagations[] = { "private", "rprivate", "shared",
                                            "rshared", "slave",    "rslave" };

static bool is_propagation(const char *word)
{
    for (size_t i = 0; i < N(propagations); i++)
        if (dv_streq(word, propagations[i]))
            return true;
    return false;
}

enum bind_word { WORD_RO = 1, WORD_RW = 2, WORD_LABEL = 4, WORD_COPY = 8, WORD_CONSISTENCY = 16 };
static const struct {
    const char *name;
    enum bind_word kind;
} bind_words[] = {
    { "ro", WORD_RO },       { "rw", WORD_RW },
    { "z", WORD_LABEL },     { "Z", WORD_LABEL }, /* SELinux labels: nothing to do without it */
    { "nocopy", WORD_COPY }, { "consistent", WORD_CONSISTENCY },
    { "cached", WORD_CONSISTENCY }, { "delegated", WORD_CONSISTENCY },
};

/* One word of a bind's or a volume's third part. */
static int bind_option(struct dv_mount_point *m, const char *word, unsigned *seen,
                       struct dv_error *err)
{
    static const char bad[] = "invalid mode: ";

    bool volume = dv_streq(m->type, "volume");

    if (is_propagation(word)) {
        if (volume || !dv_empty(m->propagation))
            return dv_fail(err, DV_E_INVALID, "%s%s", bad, word);
        return set_text(&m->propagation, word, err);
    }
    for (size_t i = 0; i < N(bind_words); i++) {
        unsigned kind = bind_words[i].kind;
        unsigned clash = kind & (WORD_RO | WORD_RW) ? WORD_RO | WORD_RW : kind;

        if (!dv_streq(word, bind_words[i].name))
            continue;
        if ((kind == WORD_COPY && !volume) || (*seen & clash))
            break;
        *seen |= kind;
        m->no_copy = m->no_copy || kind == WORD_COPY;
        m->read_only = m->read_only || kind == WORD_RO;
        return 0;
    }
    return dv_fail(err, DV_E_INVALID, "%s%s", bad, word);
}

static int bind_options(struct dv_mount_point *m, const char *text, struct dv_error *err)
{
    dv_autostrv words = { 0 };
    unsigned seen = 0;

    if (dv_strv_split(&words, text, ',') < 0)
        return no_memory(err);
    for (size_t i = 0; i < words.n; i++) {
        int r = *words.items[i] || words.n > 1 ? bind_option(m, words.items[i], &seen, err) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

/* "name:/path", or "/path" alone: a volume. The name is checked where the volume is made. */
static int set_volume(struct dv_mount_point *m, const char *name, struct dv_error *err)
{
    int r = set_text(&m->type, "volume", err);

    if (r == 0)
        r = set_text(&m->name, name, err);
    return r < 0 ? r : set_text(&m->source, "", err);
}

static int set_bind(struct dv_mount_point *m, const char *source, struct dv_error *err)
{
    m->create_mountpoint = true;
    m->source = clean_path(source);
    return m->source ? set_text(&m->type, "bind", err) : no_memory(err);
}

static int add_bind(struct dv_mount_point *m, const char *spec, bool check, struct dv_error *err)
{
    dv_autostrv parts = { 0 };
    const char *source, *target;
    int r;

    if (dv_strv_split(&parts, spec, ':') < 0)
        return no_memory(err);
    if (parts.n > 3 || parts.n == 0 || !*parts.items[parts.n - 1] || !*parts.items[0])
        return dv_fail(err, DV_E_INVALID, "invalid volume specification: '%s'", spec);
    source = parts.n > 1 ? parts.items[0] : "";
    target = parts.items[parts.n > 1];
    r = *source == '/' ? set_bind(m, source, err) : set_volume(m, source, err);
    if (r == 0)
        r = set_target(m, target, check, spec, err);
    if (r == 0 && parts.n == 3)
        r = set_text(&m->mode, parts.items[2], err);
    return r == 0 && parts.n == 3 ? bind_options(m, parts.items[2], err) : r;
}

/* ---- Tmpfs: target -> mount(8) options ---- */

static const char *const tmpfs_flags[] = {
    "async", "atime", "diratime", "dev", "exec", "mand", "noatime", "nodev", "nodiratime",
    "noexec", "nomand", "norelatime", "nostrictatime", "nosuid", "relatime", "remount", "ro", "rw",
    "strictatime", "suid", "sync", "dirsync", "defaults", "private", "rprivate", "shared",
    "rshared", "slave", "rslave", "unbindable", "runbindable", "rbind", "bind",
};
static const char *const tmpfs_values[] = { "size=", "mode=", "uid=", "gid=", "nr_inodes=",
                                            "nr_blocks=", "mpol=", "huge=" };

static bool is_tmpfs_option(const char *word)
{
    for (size_t i = 0; i < N(tmpfs_flags); i++)
        if (dv_streq(word, tmpfs_flags[i]))
            return true;
    for (size_t i = 0; i < N(tmpfs_values); i++)
        if (dv_starts(word, tmpfs_values[i]) && word[strlen(tmpfs_values[i])])
            return true;
    return false;
}

static int check_tmpfs_options(const char *text, struct dv_error *err)
{
    dv_autostrv words = { 0 };

    if (dv_strv_split(&words, text, ',') < 0)
        return no_memory(err);
    for (size_t i = 0; i < words.n; i++)
        if (*words.items[i] && !is_tmpfs_option(words.items[i]))
            return dv_fail(err, DV_E_INVALID, "invalid tmpfs option [\"%s\"]", words.items[i]);
    return 0;
}

static int add_tmpfs(struct dv_mount_point *m, const char *target, const char *options, bool check,
                     struct dv_error *err)
{
    int r = set_text(&m->type, "tmpfs", err);

    if (r == 0)
        r = set_text(&m->source, "tmpfs", err);
    if (r == 0)
        r = set_target(m, target, check, target, err);
    if (r == 0 && check)
        r = check_tmpfs_options(options, err);
    if (r == 0 && *options)
        r = set_text(&m->tmpfs_options, options, err);
    return r;
}

/* ---- Mounts ---- */

static int bad_mount(const struct dv_raw_mount *in, struct dv_error *err, const char *why)
{
    return dv_fail(err, DV_E_INVALID, "invalid mount config for type \"%s\": %s", in->type, why);
}

static int check_source(const struct dv_raw_mount *in, struct dv_error *err)
{
    struct stat st;

    if (dv_empty(in->source))
        return bad_mount(in, err, "field Source must not be empty");
    if (*in->source != '/')
        return dv_fail(
            err, DV_E_INVALID,
            "invalid mount config for type \"bind\": invalid mount path: '%s' mount path "
            "must be absolute",
            in->source);
    if (!in->create_mountpoint && stat(in->source, &st) < 0)
        return dv_fail(
            err, DV_E_INVALID,
            "invalid mount config for type \"bind\": bind source path does not exist: %s",
            in->source);
    return 0;
}

static int check_bind(const struct dv_raw_mount *in, struct dv_error *err)
{
    int r = check_source(in, err);

    if (r < 0)
        return r;
    if (in->has_volume)
        return bad_mount(in, err, "field VolumeOptions must not be specified");
    if (in->has_tmpfs)
        return bad_mount(in, err, "field TmpfsOptions must not be specified");
    if (in->has_image)
        return bad_mount(in, err, "field ImageOptions must not be specified");
    if (!dv_empty(in->propagation) && !is_propagation(in->propagation))
        return dv_fail(err, DV_E_INVALID,
                       "invalid mount config for type \"bind\": invalid propagation mode: %s",
                       in->propagation);
    if (in->ro_force_recursive)
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "HostConfig.Mounts: BindOptions.ReadOnlyForceRecursive "
                       "is not supported yet");
    return 0;
}

static int check_tmpfs(const struct dv_raw_mount *in, struct dv_error *err)
{
    if (!dv_empty(in->source))
        return bad_mount(in, err, "field Source must not be specified");
    if (in->has_bind)
        return bad_mount(in, err, "field BindOptions must not be specified");
    if (in->has_volume)
        return bad_mount(in, err, "field VolumeOptions must not be specified");
    if (in->has_image)
        return bad_mount(in, err, "field ImageOptions must not be specified");
    if (in->tmpfs_size < 0)
        return bad_mount(in, err, "TmpfsOptions.SizeBytes must not be negative");
    if (in->tmpfs_mode > 07777)
        return bad_mount(in, err, "TmpfsOptions.Mode must be a file mode");
    return 0;
}

static int check_volume(const struct dv_raw_mount *in, struct dv_error *err)
{
    if (in->has_bind)
        return bad_mount(in, err, "field BindOptions must not be specified");
    if (in->has_tmpfs)
        return bad_mount(in, err, "field TmpfsOptions must not be specified");
    if (in->has_image)
        return bad_mount(in, err, "field ImageOptions must not be specified");
    if (dv_empty(in->source) && in->read_only)
        return bad_mount(in, err, "must not set ReadOnly mode when using anonymous volumes");
    if (!dv_empty(in->subpath))
        return dv_fail(err, DV_E_UNSUPPORTED, "HostConfig.Mounts: VolumeOptions.Subpath is not "
                       "supported yet (target '%s')", in->target);
    return 0;
}

static int check_later(const struct dv_raw_mount *in, struct dv_error *err)
{
    return dv_fail(err, DV_E_UNSUPPORTED,
                   "HostConfig.Mounts: mounts of type \"%s\" are not supported "
                   "yet (target '%s')",
                   in->type, in->target);
}

static const struct {
    const char *name;
    int (*check)(const struct dv_raw_mount *in, struct dv_error *err);
} mount_types[] = {
    { "bind", check_bind }, { "tmpfs", check_tmpfs },   { "volume", check_volume },
    { "image", check_later }, { "cluster", check_later },
};

static int check_mount(const struct dv_raw_mount *in, struct dv_error *err)
{
    if (dv_empty(in->type))
        return dv_fail(err, DV_E_INVALID, "invalid mount config: mount type must not be empty");
    for (size_t i = 0; i < N(mount_types); i++) {
        if (!dv_streq(in->type, mount_types[i].name))
            continue;
        if (dv_empty(in->target))
            return bad_mount(in, err, "field Target must not be empty");
        return mount_types[i].check(in, err);
    }
    return dv_fail(err, DV_E_INVALID, "invalid mount config for type \"%s\": mount type unknown",
                   in->type);
}

/* [["exec"], ["uid", "1000"]] as "exec,uid=1000". */
static int tmpfs_options_text(json_object *list, char **ret, struct dv_error *err)
{
    dv_autofree char *text = dv_strdup("");

    if (list && !json_object_is_type(list, json_type_array))
        return dv_fail(err, DV_E_INVALID, "TmpfsOptions.Options: expected array");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        json_object *pair = json_object_array_get_idx(list, i);
        size_t n = json_object_is_type(pair, json_type_array) ? json_object_array_length(pair) : 0;
        char *longer;

        if (n < 1 || n > 2)
            return dv_fail(err, DV_E_INVALID,
                           "TmpfsOptions.Options[%zu]: expected a list of one or two strings", i);
        longer =
            dv_format("%s%s%s%s%s", text ? text : "", i ? "," : "",
                      json_object_get_string(json_object_array_get_idx(pair, 0)), n == 2 ? "=" : "",
                      n == 2 ? json_object_get_string(json_object_array_get_idx(pair, 1)) : "");
        free(text);
        text = longer;
    }
    if (!text)
        return no_memory(err);
    *ret = dv_take(text);
    return 0;
}

/* An object as text; NULL where there is none. */
static int keep_object(char **to, json_object *value, const char *field, struct dv_error *err)
{
    if (!value)
        return 0;
    if (!json_object_is_type(value, json_type_object))
        return dv_fail(err, DV_E_INVALID, "VolumeOptions.%s: expected object", field);
    json_object_object_foreach(value, key, item) {
        if (!json_object_is_type(item, json_type_string))
            return dv_fail(err, DV_E_INVALID, "VolumeOptions.%s.%s: expected string", field, key);
    }
    *to = dv_json_text(value);
    return *to ? 0 : no_memory(err);
}

static int add_volume_options(struct dv_mount_point *m, const struct dv_raw_mount *in,
                              struct dv_error *err)
{
    int r = set_text(&m->name, in->source ? in->source : "", err);

    if (r == 0)
        r = set_text(&m->source, "", err);
    if (r == 0 && !dv_empty(in->driver))
        r = set_text(&m->driver, in->driver, err);
    if (r == 0)
        r = keep_object(&m->labels_json, in->labels, "Labels", err);
    if (r == 0)
        r = keep_object(&m->options_json, in->options, "DriverConfig.Options", err);
    m->no_copy = in->no_copy;
    return r;
}

static int add_mount(struct dv_mount_point *m, const struct dv_raw_mount *in, bool check,
                     struct dv_error *err)
{
    bool tmpfs = in->type && dv_streq(in->type, "tmpfs");
    int r = check ? check_mount(in, err) : 0;

    if (r == 0)
        r = set_text(&m->type, in->type ? in->type : "", err);
    if (r == 0)
        r = set_target(m, in->target ? in->target : "", check, in->target ? in->target : "", err);
    if (r < 0)
        return r;
    m->source = tmpfs ? dv_strdup("tmpfs") : clean_path(in->source ? in->source : "");
    if (!m->source)
        return no_memory(err);
    m->read_only = in->read_only;
    m->non_recursive = in->non_recursive;
    m->create_mountpoint = in->create_mountpoint;
    m->tmpfs_size = in->tmpfs_size;
    m->tmpfs_mode = in->tmpfs_mode;
    if (in->type && dv_streq(in->type, "volume"))
        r = add_volume_options(m, in, err);
    if (r == 0 && !dv_empty(in->propagation))
        r = set_text(&m->propagation, in->propagation, err);
    if (r == 0 && tmpfs && in->tmpfs_options) {
        r = tmpfs_options_text(in->tmpfs_options, &m->tmpfs_options, err);
        if (r == 0 && check)
            r = check_tmpfs_options(m->tmpfs_options, err);
    }
    return r;
}

static int check_duplicates(const struct dv_container_config *c, struct dv_error *err)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        for (size_t k = 0; k < i; k++)
            if (dv_streq(c->mounts[i].target, c->mounts[k].target))
                return dv_fail(err, DV_E_INVALID, "Duplicate mount point: %s",
                               c->mounts[i].target);
    return 0;
}

int dv_config_mounts(struct dv_config_raw *raw, bool check, struct dv_error *err)
{
    struct dv_container_config *c = &raw->c;
    const struct dv_raw_mount *mounts = raw->mounts.items;
    size_t n = raw->binds.n + raw->mounts.n + raw->tmpfs.keys.n;
    int r = 0;

    c->mounts = calloc(n + 1, sizeof(*c->mounts));
    if (!c->mounts)
        return no_memory(err);
    for (size_t i = 0; i < raw->binds.n && r == 0; i++)
        r = add_bind(&c->mounts[c->n_mounts++], raw->binds.items[i], check, err);
    for (size_t i = 0; i < raw->mounts.n && r == 0; i++)
        r = add_mount(&c->mounts[c->n_mounts++], &mounts[i], check, err);
    for (size_t i = 0; i < raw->tmpfs.keys.n && r == 0; i++)
        r = add_tmpfs(&c->mounts[c->n_mounts++], raw->tmpfs.keys.items[i],
                      raw->tmpfs.values.items[i], check, err);
    for (size_t i = 0; i < c->n_mounts && r == 0; i++)
        if (!c->mounts[i].propagation)
            r = set_text(&c->mounts[i].propagation, "", err);
    if (r == 0 && check)
        r = check_duplicates(c, err);
    return r;
}
