/* cgroups.c - which control groups the host has, and what they can limit. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/doctor/finding.h"
#include "core/runtime/cgroup.h"

enum { MOUNTINFO_MAX = 8 << 20 };

static const struct controller {
    const char *name, *means;
} controllers[] = {
    { "memory", "--memory and --memory-swap limit nothing" },
    { "cpu", "--cpus and --cpu-shares limit nothing" },
    { "cpuset", "--cpuset-cpus and --cpuset-mems limit nothing" },
    { "pids", "--pids-limit limits nothing" },
};

static void check_controllers(struct dv_findings *f, const struct dv_cgroups *cg)
{
    bool v1 = dv_cgroups_mode(cg) == DV_CGROUP_V1;

    for (size_t i = 0; i < N(controllers); i++) {
        const struct controller *c = &controllers[i];

        if (dv_cgroups_has(cg, c->name))
            dv_found(f, DV_OK, c->name, "", "", "the controller is there");
        else
            dv_found(f, DV_WARNING, c->name, c->means,
                     v1 ? "mount its hierarchy, or boot without cgroup_disable= and with the "
                          "controller built in"
                        : "let the parent group delegate it (write +NAME to its "
                          "cgroup.subtree_control), or boot without cgroup_disable=",
                     "no hierarchy has the controller %s", c->name);
    }
}

static bool mounted_with(const char *word)
{
    dv_autofree char *text = NULL;
    dv_autostrv lines = { 0 };
    struct dv_error err = { 0 };

    if (dv_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, &err) < 0 ||
        dv_strv_split(&lines, text, '\n') < 0)
        return false;
    for (size_t i = 0; i < lines.n; i++)
        if (strstr(lines.items[i], " - cgroup") && strstr(lines.items[i], word))
            return true;
    return false;
}

static void check_mode(struct dv_findings *f, const struct dv_cgroups *cg)
{
    bool hybrid = access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0;

    if (dv_cgroups_mode(cg) == DV_CGROUP_V2)
        dv_found(f, DV_OK, "version", "", "", "control groups v2");
    else
        dv_found(f, DV_NOTE, "version",
                 "all works, but distributions are giving v1 up",
                 "boot with systemd.unified_cgroup_hierarchy=1 for v2",
                 hybrid ? "control groups v1, v2 beside them (hybrid)" : "control groups v1");
}

/* Of v1 the hierarchies count: the directory that they are mounted in may well be read-only. */
static void check_writable(struct dv_findings *f, bool v1)
{
    const char *points[] = { v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup",
                             v1 ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup" };

    if (geteuid() != 0) {
        dv_unseen(f, "writable", "whether davitd could make groups");
        return;
    }
    for (size_t i = 0; i < N(points); i++)
        if (access(points[i], F_OK) == 0 && access(points[i], W_OK) < 0 && errno == EROFS) {
            dv_found(f, DV_PROBLEM, "writable", "davitd can make no group for a container",
                     "inside a container, start it with its cgroups writable (--privileged, or "
                     "--cgroupns=private with a writable /sys/fs/cgroup)",
                     "%s is read-only", points[i]);
            return;
        }
    dv_found(f, DV_OK, "writable", "", "", "groups can be made");
}

void dv_doctor_cgroups(struct dv_findings *f)
{
    struct dv_cgroups *cg = NULL;
    struct dv_error err = { 0 };

    f->section = "cgroups";
    if (dv_cgroups_detect(&cg, &err) < 0) {
        dv_found(f, DV_PROBLEM, "version", "no container can be started",
                 "mount -t cgroup2 none /sys/fs/cgroup", "%s", err.msg);
        return;
    }
    check_mode(f, cg);
    check_controllers(f, cg);
    check_writable(f, dv_cgroups_mode(cg) == DV_CGROUP_V1);
    dv_found(f, DV_NOTE, "favordynmods",
             mounted_with("favordynmods")
                 ? "moving a process into a group waits for no grace period; the machine pays a "
                   "little at each fork and exit"
                 : "where no hierarchy that davitd holds has it, a start takes some 10 ms longer",
             "", mounted_with("favordynmods") ? "a mounted hierarchy has it"
                                              : "no mounted hierarchy has it (davitd holds one of "
                                                "its own that is mounted nowhere)");
    dv_cgroups_free(cg);
}
