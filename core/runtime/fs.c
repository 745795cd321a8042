/* fs.c - detached mounts by the new mount calls. */
#include <stdio.h>

#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

enum { OPTION_BYTES = 256 }; /* the kernel takes no longer string */

/* The last message of the context; each begins with its kind: "e overlay: ...". */
static void kernel_words(int fs_fd, char *text, size_t size)
{
    char line[512];
    ssize_t n;

    text[0] = '\0';
    while ((n = read(fs_fd, line, sizeof(line) - 1)) > 0) {
        while (n > 0 && line[n - 1] == '\n')
            n--;
        line[n] = '\0';
        if (n > 2)
            snprintf(text, size, "%s", line + 2);
    }
}

int dv_fs_fail(int fs_fd, struct dv_error *err, const char *what)
{
    int saved = errno;
    char words[512];

    kernel_words(fs_fd, words, sizeof(words));
    errno = saved;
    if (words[0])
        return dv_fail_errno(err, DV_E_INTERNAL, "%s: the kernel says '%s'", what, words);
    return dv_fail_errno(err, DV_E_INTERNAL, "%s", what);
}

static int set_word(int fs_fd, const char *word, struct dv_error *err)
{
    const char *equals = strchr(word, '=');
    char key[OPTION_BYTES], what[OPTION_BYTES + 32];
    int r;

    if (!equals) {
        r = dv_sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, word, NULL, 0);
    } else {
        snprintf(key, sizeof(key), "%.*s", (int)(equals - word), word);
        r = dv_sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, equals + 1, 0);
    }
    if (r == 0)
        return 0;
    snprintf(what, sizeof(what), "option '%.200s'", word);
    r = dv_fs_fail(fs_fd, err, what);
    if (err->sys_errno == EINVAL)
        err->code = DV_E_INVALID;
    return -err->code;
}

int dv_fs_mount(int fs_fd, const char *type, uint64_t attrs, int *ret, struct dv_error *err)
{
    int fd;

    if (dv_sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return dv_fs_fail(fs_fd, err, type);
    fd = dv_sys_fsmount(fs_fd, (unsigned)attrs);
    if (fd < 0)
        return dv_fs_fail(fs_fd, err, type);
    *ret = fd;
    return 0;
}

int dv_fs_new(const char *type, const char *source, const char *const *data, size_t n_data,
              uint64_t attrs, int *ret, struct dv_error *err)
{
    dv_autoclose int fs_fd = dv_sys_fsopen(type);
    int r;

    if (fs_fd < 0 && errno == ENODEV)
        return dv_fail(err, DV_E_UNSUPPORTED, "this kernel has no file system '%s'", type);
    if (fs_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open file system '%s'", type);
    if (!dv_empty(source) &&
        dv_sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0)
        return dv_fs_fail(fs_fd, err, "source");
    for (size_t i = 0; i < n_data; i++) {
        r = set_word(fs_fd, data[i], err);
        if (r < 0)
            return r;
    }
    return dv_fs_mount(fs_fd, type, attrs, ret, err);
}

int dv_fs_apply(int tree_fd, const struct dv_mount_opts *o, int userns_fd, struct dv_error *err)
{
    struct dv_mount_attr own = { .set = o->set, .clr = o->clr };
    struct dv_mount_attr whole = { .set = o->rec_set, .clr = o->rec_clr };

    if (o->propagation_rec)
        whole.propagation = o->propagation;
    else
        own.propagation = o->propagation;
    if (o->idmap && userns_fd >= 0) {
        struct dv_mount_attr *attr = o->idmap_rec ? &whole : &own;

        attr->set |= MOUNT_ATTR_IDMAP;
        attr->userns_fd = (uint64_t)userns_fd;
    }
    if ((whole.set || whole.clr || whole.propagation) && dv_sys_setattr(tree_fd, 1, &whole) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "set its attributes%s",
                             whole.set & MOUNT_ATTR_IDMAP ? " (idmapped)" : "");
    if ((own.set || own.clr || own.propagation) && dv_sys_setattr(tree_fd, 0, &own) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "set its attributes%s",
                             own.set & MOUNT_ATTR_IDMAP ? " (idmapped)" : "");
    return 0;
}
