/* prepare.c - mounts that need the host: made detached by the parent, with its credentials. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>

#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

enum { CGROUP2_MAGIC = 0x63677270 };

/* What only the owner of a namespace may mount: with a user namespace and the host's network (ipc,
 * pid) the container's root owns none, and gets the host's instance. */
static const struct {
    const char *type;
    enum dv_ns ns;
    const char *host_path;
} owned[] = {
    { "sysfs", DV_NS_NET, "/sys" },
    { "mqueue", DV_NS_IPC, "/dev/mqueue" },
    { "proc", DV_NS_PID, "/proc" },
};

/* The host's path to bind in place of M, or NULL. */
static const char *host_instance(const struct dv_spec *spec, const struct dv_spec_mount *m)
{
    for (size_t i = 0; spec->ns[DV_NS_USER].wanted && i < N(owned); i++) {
        const struct dv_spec_ns *ns = &spec->ns[owned[i].ns];

        if (dv_streq(m->type, owned[i].type) && (!ns->wanted || ns->fd_index >= 0))
            return owned[i].host_path;
    }
    return NULL;
}

static int clone_source(const char *source, bool recursive, int *ret, struct dv_error *err)
{
    *ret = dv_sys_clone_tree(AT_FDCWD, source, recursive);
    if (*ret < 0 && errno == ENOENT)
        return dv_fail(err, DV_E_INVALID, "bind source path does not exist: %s", source);
    return *ret < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "open bind source '%s'", source) : 0;
}

/* What came as a descriptor is a detached tree already; it can be attached once. */
static int take_tree(const struct dv_runtime_fds *fds, uint32_t tree, int *ret,
                     struct dv_error *err)
{
    if (tree > fds->n_fds)
        return dv_fail(err, DV_E_INVALID, "the descriptor of a bind mount did not come");
    *ret = fcntl(fds->fds[tree - 1], F_DUPFD_CLOEXEC, 3);
    return *ret < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "take the tree of a bind mount") : 0;
}

static int bind_tree(const struct dv_spec *spec, int tree, struct dv_mount_opts *o, int userns_fd,
                     int *ret, struct dv_error *err)
{
    dv_autoclose int fd = tree;
    int r;

    if (!o->propagation) { /* what was not asked for must not reach the host */
        o->propagation = MS_PRIVATE;
        o->propagation_rec = true;
    }
    /* A less privileged namespace may receive mounts, never send them. */
    if (o->propagation == MS_SHARED && spec->ns[DV_NS_USER].wanted)
        o->propagation = MS_SLAVE;
    r = dv_fs_apply(fd, o, userns_fd, err);
    if (r < 0)
        return r;
    *ret = dv_take_fd(fd);
    return 0;
}

static int prepare_mount(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                         const struct dv_spec_mount *m, int userns_fd, int *ret,
                         struct dv_error *err)
{
    const char *source = host_instance(spec, m);
    struct dv_mount_opts o;
    int tree = -1, r;

    r = dv_mount_opts_parse(&m->options, &o, err);
    if (r < 0)
        return dv_wrap(err, "mount %s", m->destination);
    if (source) {
        o.bind_rec = true;
        o.rec_set |= o.set; /* also what lies below */
    } else if (o.bind || dv_streq(m->type, "bind")) {
        source = m->source;
    } else {
        return 0;
    }
    if (dv_empty(source))
        return dv_fail(err, DV_E_INVALID, "bind mount at %s has no source", m->destination);
    r = m->tree ? take_tree(fds, m->tree, &tree, err)
                : clone_source(source, o.bind_rec, &tree, err);
    if (r == 0)
        r = bind_tree(spec, tree, &o, userns_fd, ret, err);
    return r < 0 ? dv_wrap(err, "mount %s at %s", source, m->destination) : 0;
}

/* ---- control groups: the container's own directory of each hierarchy ---- */

/* The directory of an open cgroup.procs, by its name in /proc. */
static bool cgroup_directory(int procs_fd, char *path, size_t size)
{
    static const char file[] = "/cgroup.procs";
    char link[32];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", procs_fd);
    n = readlink(link, path, size - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    if (!dv_ends(path, file))
        return false;
    path[(size_t)n - (sizeof(file) - 1)] = '\0';
    return path[0] == '/';
}

/* Cut the container's part off PATH: the hierarchy's own mount remains. */
static bool cut_suffix(char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);

    if (m == 0 || m >= n || memcmp(path + n - m, suffix, m) != 0 || suffix[0] != '/')
        return false;
    path[n - m] = '\0';
    return true;
}

static int add_cgroup(struct dv_prep *prep, const struct dv_spec *spec, int procs_fd,
                      const struct dv_mount_opts *o, struct dv_error *err)
{
    char path[PATH_MAX], mount[PATH_MAX];
    const char *name;
    struct statfs fs;
    int fd, r;

    /* One that is not mounted on the host (an own named hierarchy) is not shown. */
    if (!cgroup_directory(procs_fd, path, sizeof(path)))
        return 0;
    memcpy(mount, path, sizeof(mount));
    if (!cut_suffix(mount, spec->cgroups_path) || !(name = strrchr(mount, '/')) ||
        strlen(name + 1) >= sizeof(prep->cgroups[0].name) ||
        prep->n_cgroups == DV_PREP_MAX_CGROUPS || fstatfs(procs_fd, &fs) < 0)
        return 0;
    prep->cgroup2 = fs.f_type == CGROUP2_MAGIC;
    /* On v2 Docker shows all of it when the cgroup namespace is the host's. */
    if (prep->cgroup2 && !spec->ns[DV_NS_CGROUP].wanted && dv_ends(mount, "/fs/cgroup"))
        memcpy(path, mount, sizeof(path));
    fd = dv_sys_clone_tree(AT_FDCWD, path, 0);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open control group '%s'", path);
    snprintf(prep->cgroups[prep->n_cgroups].name, sizeof(prep->cgroups[0].name), "%s", name + 1);
    prep->cgroups[prep->n_cgroups++].tree = fd;
    r = dv_fs_apply(fd, o, -1, err);
    return r < 0 ? dv_wrap(err, "control group '%s'", path) : 0;
}

static int prepare_cgroups(struct dv_prep *prep, const struct dv_spec *spec,
                           const struct dv_runtime_fds *fds, const struct dv_spec_mount *m,
                           struct dv_error *err)
{
    struct dv_mount_opts o;
    int r = dv_mount_opts_parse(&m->options, &o, err);

    o.n_data = 0;
    o.propagation = MS_PRIVATE;
    for (size_t i = 0; r == 0 && spec->cgroups_path && i < fds->n_cgroup_procs; i++)
        r = add_cgroup(prep, spec, fds->cgroup_procs[i], &o, err);
    prep->cgroup2 = prep->cgroup2 && prep->n_cgroups == 1; /* else hybrid: one beside the others */
    return r;
}

/* ---- all of it ---- */

static int prepare_mounts(struct dv_prep *prep, const struct dv_spec *spec,
                          const struct dv_runtime_fds *fds, struct dv_error *err)
{
    int r = 0;

    prep->mounts = malloc((spec->n_mounts + 1) * sizeof(*prep->mounts));
    if (!prep->mounts)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for %zu mounts", spec->n_mounts);
    for (size_t i = 0; i < spec->n_mounts; i++)
        prep->mounts[i] = -1;
    for (size_t i = 0; r == 0 && i < spec->n_mounts; i++) {
        const struct dv_spec_mount *m = &spec->mounts[i];

        if (dv_streq(m->type, "cgroup") || dv_streq(m->type, "cgroup2"))
            r = prepare_cgroups(prep, spec, fds, m, err);
        else
            r = prepare_mount(spec, fds, m, prep->userns, &prep->mounts[i], err);
    }
    return r;
}

static int prepare_init(struct dv_prep *prep, const struct dv_runtime_fds *fds,
                        struct dv_error *err)
{
    struct dv_mount_attr attr = { .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID,
                                  .propagation = MS_PRIVATE };

    if (fds->init_program < 0)
        return dv_fail(err, DV_E_INVALID, "an init program is wanted and none was given");
    prep->init = dv_sys_clone_tree(fds->init_program, "", 0);
    if (prep->init < 0 || dv_sys_setattr(prep->init, 0, &attr) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "clone the mount of the init program");
    return 0;
}

int dv_prep_build(const struct dv_spec *spec, const struct dv_runtime_fds *fds,
                  struct dv_prep *ret, struct dv_error *err)
{
    int r = 0;

    *ret = (struct dv_prep){ .root = -1, .init = -1, .userns = -1 };
    if (spec->ns[DV_NS_USER].wanted)
        r = dv_idmap_userns(spec, &ret->userns, err);
    if (r == 0)
        r = dv_rootfs_build(spec, DV_ROOTFS_ANY, ret->userns, &ret->root, err);
    if (r == 0)
        r = prepare_mounts(ret, spec, fds, err);
    if (r == 0 && spec->init)
        r = prepare_init(ret, fds, err);
    if (r < 0)
        dv_prep_done(ret, spec);
    return r;
}

void dv_prep_done(struct dv_prep *prep, const struct dv_spec *spec)
{
    dv_close(dv_take_fd(prep->root));
    dv_close(dv_take_fd(prep->init));
    dv_close(dv_take_fd(prep->userns));
    for (size_t i = 0; prep->mounts && i < spec->n_mounts; i++)
        dv_close(prep->mounts[i]);
    free(dv_take(prep->mounts));
    for (size_t i = 0; i < prep->n_cgroups; i++)
        dv_close(prep->cgroups[i].tree);
    prep->n_cgroups = 0;
}
