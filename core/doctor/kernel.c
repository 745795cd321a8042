/* kernel.c - what the kernel must have, asked of the kernel itself without changing anything. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/parse.h"
#include "core/doctor/finding.h"

enum { OLDEST_MAJOR = 6, OLDEST_MINOR = 1, SMALL_FILE = 64 << 10 };

static void check_version(struct dv_findings *f)
{
    unsigned major = 0, minor = 0;
    struct utsname host;

    uname(&host);
    if (sscanf(host.release, "%u.%u", &major, &minor) == 2 &&
        (major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR)))
        dv_found(f, DV_OK, "version", "", "", "Linux %s (%s)", host.release, host.machine);
    else
        dv_found(f, DV_PROBLEM, "version", "davit is built for and tested on Linux 6.1 and newer",
                 "boot a newer kernel", "Linux %s", host.release);
}

/* ---- system calls: one that exists complains of our arguments, one that does not says ENOSYS ---- */

struct call {
    const char *check;
    long number;
    long args[5];
    const char *name, *means;
};
static const struct call calls[] = {
    { "clone3", SYS_clone3, { 0, 0 }, "clone3(2)",
      "a container's first process is made with all its namespaces at once" },
    { "pidfd", SYS_pidfd_open, { -1, 0 }, "pidfd_open(2)",
      "processes are held by descriptors, so that no signal hits another one" },
    { "mount-api", SYS_fsopen, { 0, 0xffff }, "fsopen(2)",
      "root file systems are built out of sight and never mounted on the host" },
    { "idmapped-mounts", SYS_mount_setattr, { -1, 0, 0xffffff, 0, 0 }, "mount_setattr(2)",
      "layers are given to user namespaces without a copy" },
    { "openat2", SYS_openat2, { -1, 0, 0, 0 }, "openat2(2)",
      "paths inside containers are opened without ever leaving them" },
};

static void check_calls(struct dv_findings *f)
{
    for (size_t i = 0; i < N(calls); i++) {
        const struct call *c = &calls[i];

        errno = 0;
        if (syscall(c->number, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4]) >= 0 ||
            errno != ENOSYS)
            dv_found(f, DV_OK, c->check, "", "", "%s is there", c->name);
        else
            dv_found(f, DV_PROBLEM, c->check, c->means,
                     "boot Linux 6.1 or newer; inside a sandbox, let its seccomp filter pass this "
                     "call", "%s is not there", c->name);
    }
}

/* ---- files that tell ---- */

static bool file_has_word(const char *path, const char *word)
{
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };
    size_t n = strlen(word);

    if (dv_read_file(AT_FDCWD, path, SMALL_FILE, &text, NULL, &err) < 0)
        return false;
    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || strchr(" \t\n", p[-1])) && (!p[n] || strchr(" \t\n", p[n])))
            return true;
    return false;
}

static void check_overlay(struct dv_findings *f)
{
    if (file_has_word("/proc/filesystems", "overlay"))
        dv_found(f, DV_OK, "overlay", "", "", "the overlay file system is there");
    else
        dv_found(f, DV_WARNING, "overlay",
                 "the storage driver overlay has nothing to mount, unless the kernel loads the "
                 "module when it is asked",
                 "modprobe overlay; or set [storage] driver = vfs, which copies whole trees",
                 "overlay is not in /proc/filesystems");
}

static void check_namespaces(struct dv_findings *f)
{
    static const struct {
        const char *name, *means;
    } kinds[] = {
        { "cgroup", "containers would see the host's control groups" },
        { "ipc", "containers cannot be separated" },
        { "mnt", "containers cannot be separated" },
        { "net", "containers cannot be separated" },
        { "pid", "containers cannot be separated" },
        { "uts", "containers cannot be separated" },
    };
    size_t missing = 0;

    for (size_t i = 0; i < N(kinds); i++) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].name);
        if (access(path, F_OK) == 0)
            continue;
        missing++;
        dv_found(f, DV_PROBLEM, "namespaces", kinds[i].means,
                 "boot a kernel with CONFIG_NAMESPACES and all kinds of them",
                 "the kernel has no %s namespaces", kinds[i].name);
    }
    if (!missing)
        dv_found(f, DV_OK, "namespaces", "", "", "cgroup, ipc, mnt, net, pid and uts are there");
}

static void check_userns(struct dv_findings *f)
{
    static const char path[] = "/proc/sys/user/max_user_namespaces";
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };

    if (access("/proc/self/ns/user", F_OK) < 0)
        dv_found(f, DV_WARNING, "userns", "userns_remap cannot be used",
                 "boot a kernel with CONFIG_USER_NS", "the kernel has no user namespaces");
    else if (dv_read_file(AT_FDCWD, path, 64, &text, NULL, &err) == 0 && *text == '0')
        dv_found(f, DV_WARNING, "userns", "userns_remap cannot be used",
                 "sysctl -w user.max_user_namespaces=15000", "%s is 0", path);
    else
        dv_found(f, DV_OK, "userns", "", "", "user namespaces are there");
}

static void check_seccomp(struct dv_findings *f)
{
    uint32_t action = SECCOMP_RET_ERRNO;

    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
        dv_found(f, DV_OK, "seccomp", "", "", "filters are there");
    else
        dv_found(f, DV_PROBLEM, "seccomp",
                 "containers run under a filter of system calls; without one only --security-opt "
                 "seccomp=unconfined starts",
                 "boot a kernel with CONFIG_SECCOMP_FILTER", "the kernel has no seccomp filters: %s",
                 strerror(errno));
}

void dv_doctor_kernel(struct dv_findings *f)
{
    f->section = "kernel";
    check_version(f);
    check_overlay(f);
    check_namespaces(f);
    check_userns(f);
    check_seccomp(f);
    check_calls(f);
}
