/* sysctl.c - kernel parameters of the container's own namespaces. */
#include <limits.h>
#include <stdio.h>

#include "core/base/file.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

/* Which names belong to which namespace; all others are the whole machine's. A trailing '.' means
 * a prefix. */
static const struct {
    const char *name;
    enum dv_ns ns;
} owners[] = {
    { "net.", DV_NS_NET },
    { "fs.mqueue.", DV_NS_IPC },
    { "kernel.msgmax", DV_NS_IPC },
    { "kernel.msgmnb", DV_NS_IPC },
    { "kernel.msgmni", DV_NS_IPC },
    { "kernel.sem", DV_NS_IPC },
    { "kernel.shmall", DV_NS_IPC },
    { "kernel.shmmax", DV_NS_IPC },
    { "kernel.shmmni", DV_NS_IPC },
    { "kernel.shm_rmid_forced", DV_NS_IPC },
    { "kernel.domainname", DV_NS_UTS },
    { "user.", DV_NS_USER },
};

static bool owned(const struct dv_spec *spec, const char *name)
{
    for (size_t i = 0; i < N(owners); i++)
        if (dv_ends(owners[i].name, ".") ? dv_starts(name, owners[i].name)
                                         : dv_streq(name, owners[i].name))
            return spec->ns[owners[i].ns].wanted;
    return false;
}

/* "a.b/c" has dots in a name behind the slash, as sysctl(8) reads it: the first separator found
 * tells which of the two it is. */
static void to_path(const char *name, char *path, size_t size)
{
    const char *first = strpbrk(name, "./");
    char swap_from = first && *first == '/' ? '\0' : '.';
    size_t i, n = strlen("/proc/sys/");

    snprintf(path, size, "/proc/sys/%s", name);
    for (i = n; swap_from && path[i]; i++) {
        if (path[i] == '.')
            path[i] = '/';
        else if (path[i] == '/')
            path[i] = '.';
    }
}

static void to_dotted(char *name)
{
    const char *first = strpbrk(name, "./");

    if (!first || *first != '/')
        return;
    for (; *name; name++)
        *name = *name == '/' ? '.' : *name == '.' ? '/' : *name;
}

static int set_one(const struct dv_spec *spec, const char *text, struct dv_error *err)
{
    const char *equals = strchr(text, '=');
    char name[256], dotted[256], path[sizeof(name) + 16];

    if (!equals || equals == text || (size_t)(equals - text) >= sizeof(name))
        return dv_fail(err, DV_E_INVALID, "sysctl '%s' is not of the form name=value", text);
    snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
    memcpy(dotted, name, sizeof(dotted));
    to_dotted(dotted);
    if (!owned(spec, dotted))
        return dv_fail(err, DV_E_INVALID, "sysctl \"%s\" is not in a separate kernel namespace",
                       name);
    to_path(name, path, sizeof(path));
    if (strstr(path, "/../") || strstr(path, "//"))
        return dv_fail(err, DV_E_INVALID, "sysctl '%s' is no name", name);
    if (dv_write_file_at(AT_FDCWD, path, equals + 1) < 0)
        return dv_fail_errno(err, errno == EINVAL || errno == ENOENT ? DV_E_INVALID : DV_E_INTERNAL,
                             "set sysctl %s", text);
    return 0;
}

/* By the host's /proc, before the container's root is entered: what shows there under /proc/sys is
 * of the namespaces of who looks, and no image can put something else in its place. */
int dv_child_sysctls(const struct dv_spec *spec, struct dv_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < spec->sysctls.n; i++)
        r = set_one(spec, spec->sysctls.items[i], err);
    return r;
}
