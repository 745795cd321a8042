/* mount_opts.c - the option words of OCI mounts (config.md, "Linux mount options"). */
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

enum what { ATTR, PROPAGATION, BIND, IDMAP, IGNORED };
struct word {
    const char *name;
    enum what what;
    uint64_t set, clr;   /* ATTR: MOUNT_ATTR_*; PROPAGATION: set = MS_* */
    bool recursive;
};

/* Sorted by name. Of the access times all bits are cleared at once: the kernel takes nothing less.
 * "sync", "mand" and the like belong to a superblock: they go on as data. */
static const struct word words[] = {
    { "async", IGNORED, 0, 0, false },
    { "atime", ATTR, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME, false },
    { "bind", BIND, 0, 0, false },
    { "defaults", IGNORED, 0, 0, false },
    { "dev", ATTR, 0, MOUNT_ATTR_NODEV, false },
    { "diratime", ATTR, 0, MOUNT_ATTR_NODIRATIME, false },
    { "exec", ATTR, 0, MOUNT_ATTR_NOEXEC, false },
    { "idmap", IDMAP, 0, 0, false },
    { "noatime", ATTR, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, false },
    { "nodev", ATTR, MOUNT_ATTR_NODEV, 0, false },
    { "nodiratime", ATTR, MOUNT_ATTR_NODIRATIME, 0, false },
    { "noexec", ATTR, MOUNT_ATTR_NOEXEC, 0, false },
    { "norelatime", ATTR, 0, 0, false },
    { "nostrictatime", ATTR, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME, false },
    { "nosuid", ATTR, MOUNT_ATTR_NOSUID, 0, false },
    { "nosymfollow", ATTR, MOUNT_ATTR_NOSYMFOLLOW, 0, false },
    { "private", PROPAGATION, MS_PRIVATE, 0, false },
    { "ratime", ATTR, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME, true },
    { "rbind", BIND, 0, 0, true },
    { "rdev", ATTR, 0, MOUNT_ATTR_NODEV, true },
    { "rdiratime", ATTR, 0, MOUNT_ATTR_NODIRATIME, true },
    { "relatime", ATTR, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME, false },
    { "rexec", ATTR, 0, MOUNT_ATTR_NOEXEC, true },
    { "ridmap", IDMAP, 0, 0, true },
    { "rnoatime", ATTR, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, true },
    { "rnodev", ATTR, MOUNT_ATTR_NODEV, 0, true },
    { "rnodiratime", ATTR, MOUNT_ATTR_NODIRATIME, 0, true },
    { "rnoexec", ATTR, MOUNT_ATTR_NOEXEC, 0, true },
    { "rnosuid", ATTR, MOUNT_ATTR_NOSUID, 0, true },
    { "rnosymfollow", ATTR, MOUNT_ATTR_NOSYMFOLLOW, 0, true },
    { "ro", ATTR, MOUNT_ATTR_RDONLY, 0, false },
    { "rprivate", PROPAGATION, MS_PRIVATE, 0, true },
    { "rrelatime", ATTR, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME, true },
    { "rro", ATTR, MOUNT_ATTR_RDONLY, 0, true },
    { "rrw", ATTR, 0, MOUNT_ATTR_RDONLY, true },
    { "rshared", PROPAGATION, MS_SHARED, 0, true },
    { "rslave", PROPAGATION, MS_SLAVE, 0, true },
    { "rstrictatime", ATTR, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, true },
    { "rsuid", ATTR, 0, MOUNT_ATTR_NOSUID, true },
    { "rsymfollow", ATTR, 0, MOUNT_ATTR_NOSYMFOLLOW, true },
    { "runbindable", PROPAGATION, MS_UNBINDABLE, 0, true },
    { "rw", ATTR, 0, MOUNT_ATTR_RDONLY, false },
    { "shared", PROPAGATION, MS_SHARED, 0, false },
    { "slave", PROPAGATION, MS_SLAVE, 0, false },
    { "strictatime", ATTR, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, false },
    { "suid", ATTR, 0, MOUNT_ATTR_NOSUID, false },
    { "symfollow", ATTR, 0, MOUNT_ATTR_NOSYMFOLLOW, false },
    { "unbindable", PROPAGATION, MS_UNBINDABLE, 0, false },
};

static const struct word *find(const char *name)
{
    size_t low = 0, high = N(words);

    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(name, words[mid].name);

        if (order == 0)
            return &words[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

bool dv_mount_propagation(const char *name, uint64_t *ret, bool *ret_rec)
{
    const struct word *w = find(name);

    if (!w || w->what != PROPAGATION)
        return false;
    *ret = w->set;
    *ret_rec = w->recursive;
    return true;
}

/* A later word wins over an earlier one. */
static void apply_attr(const struct word *w, struct dv_mount_opts *o)
{
    uint64_t *set = w->recursive ? &o->rec_set : &o->set;
    uint64_t *clr = w->recursive ? &o->rec_clr : &o->clr;

    *set = (*set & ~w->clr) | w->set;
    *clr = (*clr & ~w->set) | w->clr;
}

static void apply(const struct word *w, struct dv_mount_opts *o)
{
    switch (w->what) {
    case ATTR:
        apply_attr(w, o);
        break;
    case PROPAGATION:
        o->propagation = w->set;
        o->propagation_rec = w->recursive;
        break;
    case BIND:
        o->bind = true;
        o->bind_rec = w->recursive;
        break;
    case IDMAP:
        o->idmap = true;
        o->idmap_rec = w->recursive;
        break;
    case IGNORED:
        break;
    }
}

int dv_mount_opts_parse(const struct dv_strv *options, struct dv_mount_opts *ret,
                        struct dv_error *err)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < options->n; i++) {
        const char *text = options->items[i];
        const struct word *w = find(text);

        if (w) {
            apply(w, ret);
            continue;
        }
        if (!*text)
            continue;
        if (ret->n_data == N(ret->data))
            return dv_fail(err, DV_E_INVALID, "more than %zu mount options of a file system",
                           N(ret->data));
        ret->data[ret->n_data++] = text;
    }
    return 0;
}
