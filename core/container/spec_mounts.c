/* spec_mounts.c - what is mounted where in a container. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/container/spec_parts.h"
#include "core/daemon/engine.h"
#include "core/volume/volume.h"

struct fixed_mount {
    const char *destination, *type, *source, *options; /* options: comma-separated */
};
static const struct fixed_mount defaults[] = {
    { "/proc", "proc", "proc", "nosuid,noexec,nodev" },
    { "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
    { "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
    { "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro" },
    { "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,ro" },
    { "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
};

static bool user_mounts(const struct dv_container_config *config, const char *target)
{
    for (size_t i = 0; i < config->n_mounts; i++)
        if (dv_streq(config->mounts[i].target, target))
            return true;
    return false;
}

static struct dv_spec_mount *add(struct dv_spec *spec, const char *destination, const char *type,
                                 const char *source)
{
    struct dv_spec_mount *m = reallocarray(spec->mounts, spec->n_mounts + 1, sizeof(*m));

    if (!m)
        return NULL;
    spec->mounts = m;
    m += spec->n_mounts;
    *m = (struct dv_spec_mount){ .destination = dv_strdup(destination), .type = dv_strdup(type),
                                 .source = dv_strdup(source) };
    spec->n_mounts++;
    return m->destination && m->type && m->source ? m : NULL;
}

/* sysfs cannot be mounted for a network namespace that is not ours; Docker binds the host's then. */
static int add_fixed(const struct dv_container_config *config, struct dv_spec *spec,
                     const struct fixed_mount *f)
{
    struct dv_spec_mount *m;
    const char *options = f->options;

    if (user_mounts(config, f->destination))
        return 0;
    if (config->privileged && dv_streq(f->destination, "/sys"))
        options = "nosuid,noexec,nodev,rw";
    if (config->privileged && dv_streq(f->destination, "/sys/fs/cgroup"))
        options = "nosuid,noexec,nodev,rw";
    m = add(spec, f->destination, f->type, f->source);
    return m ? dv_strv_split(&m->options, options, ',') : -1;
}

/* Of an IPC namespace that is joined: the other container's own, by a descriptor. */
static int add_joined_shm(const struct dv_spec_joins *joins, struct dv_spec *spec)
{
    struct dv_spec_mount *m = add(spec, "/dev/shm", "bind", "shm");

    if (!m)
        return -1;
    m->tree = (uint32_t)joins->shm + 1;
    return dv_strv_split(&m->options, "bind,nosuid,noexec,nodev", ',');
}

static int add_shm(const struct dv_container_config *config, const struct dv_spec_joins *joins,
                   struct dv_spec *spec)
{
    int64_t size = config->shm_size > 0 ? config->shm_size : 64 << 20;
    dv_autofree char *options = dv_format("nosuid,noexec,nodev,mode=1777,size=%lld",
                                          (long long)size);
    struct dv_spec_mount *m;

    if (user_mounts(config, "/dev/shm"))
        return 0;
    if (joins->shm >= 0)
        return add_joined_shm(joins, spec);
    if (config->ipc_mode && dv_streq(config->ipc_mode, "none"))
        return 0;
    if (config->ipc_mode && dv_streq(config->ipc_mode, "host")) {
        m = add(spec, "/dev/shm", "bind", "/dev/shm");
        return m ? dv_strv_split(&m->options, "rbind,nosuid,noexec,nodev", ',') : -1;
    }
    m = add(spec, "/dev/shm", "tmpfs", "shm");
    return m && options ? dv_strv_split(&m->options, options, ',') : -1;
}

static int add_defaults(const struct dv_container_config *config, const struct dv_spec_joins *joins,
                        struct dv_spec *spec, struct dv_error *err)
{
    int r = 0;

    for (size_t i = 0; i < N(defaults) && r == 0; i++)
        r = add_fixed(config, spec, &defaults[i]);
    if (r == 0)
        r = add_shm(config, joins, spec);
    return r < 0 ? dv_fail(err, DV_E_NO_MEMORY, "describe the mounts") : 0;
}

/* hosts, hostname, resolv.conf: ours, unless the user mounts something there; those of the container
 * whose network is joined, as one network has one set of names. */
static int add_etc(struct dv_container *c, struct dv_spec *spec, struct dv_error *err)
{
    static const char *const files[] = { "resolv.conf", "hostname", "hosts" };
    struct dv_container *owner = dv_container_net_owner(c);
    int r = 0;

    for (size_t i = 0; i < N(files) && r == 0; i++) {
        dv_autofree char *source = dv_format("%s/containers/%s/%s", c->cs->engine->config.root,
                                             owner->id, files[i]);
        dv_autofree char *target = dv_format("/etc/%s", files[i]);
        struct dv_spec_mount *m;

        if (source && target && user_mounts(c->config, target))
            continue;
        m = source && target ? add(spec, target, "bind", source) : NULL;
        if (!m || dv_strv_split(&m->options, "rbind,rprivate", ',') < 0)
            r = dv_fail(err, DV_E_NO_MEMORY, "describe the mounts");
        else
            m->make_source_file = true;
    }
    dv_container_unref(owner);
    return r;
}

static int bind_source(const struct dv_mount_point *mp, struct stat *st, struct dv_error *err)
{
    if (stat(mp->source, st) == 0)
        return 0;
    if (errno == ENOENT && mp->create_mountpoint) {
        if (dv_mkdirs(AT_FDCWD, mp->source, 0755, err) < 0)
            return dv_wrap(err, "create the bind source '%s'", mp->source);
        if (stat(mp->source, st) == 0)
            return 0;
    }
    if (errno == ENOENT)
        return dv_fail(err, DV_E_INVALID,
                       "invalid mount config for type \"bind\": bind source path does not exist: %s",
                       mp->source);
    return dv_fail_errno(err, DV_E_INTERNAL, "look at the bind source '%s'", mp->source);
}

static int add_bind(struct dv_spec *spec, const struct dv_mount_point *mp, struct dv_error *err)
{
    struct dv_spec_mount *m;
    struct stat st;
    int r = bind_source(mp, &st, err);

    if (r < 0)
        return r;
    m = add(spec, mp->target, "bind", mp->source);
    if (!m || dv_strv_add(&m->options, mp->non_recursive ? "bind" : "rbind") < 0 ||
        dv_strv_add(&m->options, dv_empty(mp->propagation) ? "rprivate" : mp->propagation) < 0 ||
        (mp->read_only && dv_strv_add(&m->options, mp->non_recursive ? "ro" : "rro") < 0))
        return dv_fail(err, DV_E_NO_MEMORY, "describe the mounts");
    m->make_source_file = !S_ISDIR(st.st_mode);
    return 0;
}

/* Its files belong to the container's own ids, as a layer's do: with a user namespace they are seen
 * through its maps, and one volume serves containers with and without. */
static int add_volume(const struct dv_container *c, struct dv_spec *spec,
                      const struct dv_mount_point *mp, struct dv_error *err)
{
    dv_autofree char *source = dv_volume_path(c->cs->engine->volumes, mp->name);
    struct dv_spec_mount *m = source ? add(spec, mp->target, "bind", source) : NULL;

    if (!m || dv_strv_split(&m->options, "bind,rprivate", ',') < 0 ||
        (spec->n_uid_maps && dv_strv_add(&m->options, "idmap") < 0) ||
        (mp->read_only && dv_strv_add(&m->options, "ro") < 0))
        return dv_fail(err, DV_E_NO_MEMORY, "describe the mounts");
    return 0;
}

static int add_tmpfs(struct dv_spec *spec, const struct dv_mount_point *mp, struct dv_error *err)
{
    struct dv_spec_mount *m = add(spec, mp->target, "tmpfs", "tmpfs");
    char text[48];
    int r = m ? 0 : -1;

    if (r == 0)
        r = dv_strv_split(&m->options, "noexec,nosuid,nodev", ',');
    if (r == 0 && mp->tmpfs_size > 0) {
        snprintf(text, sizeof(text), "size=%lld", (long long)mp->tmpfs_size);
        r = dv_strv_add(&m->options, text);
    }
    if (r == 0 && mp->tmpfs_mode) {
        snprintf(text, sizeof(text), "mode=%o", (unsigned)mp->tmpfs_mode);
        r = dv_strv_add(&m->options, text);
    }
    if (r == 0 && mp->read_only)
        r = dv_strv_add(&m->options, "ro");
    if (r == 0 && !dv_empty(mp->tmpfs_options))
        r = dv_strv_split(&m->options, mp->tmpfs_options, ',');
    return r < 0 ? dv_fail(err, DV_E_NO_MEMORY, "describe the mounts") : 0;
}

static int depth(const char *path)
{
    int n = 0;

    for (; *path; path++)
        n += *path == '/' && path[1] && path[1] != '/';
    return n;
}

static int by_depth(const void *a, const void *b)
{
    const struct dv_mount_point *const *x = a, *const *y = b;
    int dx = depth((*x)->target), dy = depth((*y)->target);

    if (dx != dy)
        return dx - dy;
    return strcmp((*x)->target, (*y)->target);
}

/* Parents before children, so that none hides another. */
static int add_users(const struct dv_container *c, struct dv_spec *spec, struct dv_error *err)
{
    const struct dv_container_config *config = c->config;
    const struct dv_mount_point **sorted = calloc(config->n_mounts + 1, sizeof(*sorted));
    int r = 0;

    if (!sorted)
        return dv_fail(err, DV_E_NO_MEMORY, "describe the mounts");
    for (size_t i = 0; i < config->n_mounts; i++)
        sorted[i] = &config->mounts[i];
    qsort(sorted, config->n_mounts, sizeof(*sorted), by_depth);
    for (size_t i = 0; i < config->n_mounts && r == 0; i++) {
        if (dv_streq(sorted[i]->type, "bind"))
            r = add_bind(spec, sorted[i], err);
        else if (dv_streq(sorted[i]->type, "tmpfs"))
            r = add_tmpfs(spec, sorted[i], err);
        else if (dv_streq(sorted[i]->type, "volume"))
            r = add_volume(c, spec, sorted[i], err);
        else
            r = dv_fail(err, DV_E_UNSUPPORTED, "mount type '%s' is not supported yet",
                        sorted[i]->type);
    }
    free(sorted);
    return r;
}

int dv_spec_mounts(struct dv_container *c, const struct dv_spec_joins *joins, struct dv_spec *spec,
                   struct dv_error *err)
{
    int r = add_defaults(c->config, joins, spec, err);

    if (r == 0)
        r = add_etc(c, spec, err);
    if (r == 0)
        r = add_users(c, spec, err);
    return r;
}
