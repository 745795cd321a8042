/* cgroup_detect.c - which cgroup hierarchies this host has, and where. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "core/base/file.h"
#include "core/runtime/cgroup_internal.h"

enum { MAX_MOUNTINFO_BYTES = 16 << 20, V1_MAGIC = 0x27e0eb, V2_MAGIC = 0x63677270 };

static const char *const ctl_names[DV_CTL_MAX_] = {
    [DV_CTL_CPU] = "cpu",           [DV_CTL_CPUACCT] = "cpuacct",
    [DV_CTL_CPUSET] = "cpuset",     [DV_CTL_MEMORY] = "memory",
    [DV_CTL_DEVICES] = "devices",   [DV_CTL_FREEZER] = "freezer",
    [DV_CTL_BLKIO] = "blkio",       [DV_CTL_PIDS] = "pids",
    [DV_CTL_NET_CLS] = "net_cls",   [DV_CTL_NET_PRIO] = "net_prio",
    [DV_CTL_PERF_EVENT] = "perf_event", [DV_CTL_HUGETLB] = "hugetlb",
    [DV_CTL_RDMA] = "rdma",         [DV_CTL_MISC] = "misc",
};

/* Index, or DV_CTL_MAX_. */
static size_t find_ctl(const char *name, size_t len)
{
    size_t i;

    if (len == 2 && memcmp(name, "io", 2) == 0)
        return DV_CTL_BLKIO;
    for (i = 0; i < DV_CTL_MAX_; i++)
        if (strlen(ctl_names[i]) == len && memcmp(name, ctl_names[i], len) == 0)
            return i;
    return DV_CTL_MAX_;
}

/* One line of mountinfo, cut in place (proc(5)): what of it matters here. */
struct mount_line {
    char *point, *type, *options;
};

/* The kernel writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
    char *to = text;

    for (; *text; text++) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
            *to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 3;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

static bool cut_line(char *line, struct mount_line *ret)
{
    char *rest = strstr(line, " - "), *word;
    int i;

    if (!rest)
        return false;
    *rest = '\0';
    rest += 3;
    for (i = 0; i < 5; i++) { /* id, parent, device, root, mount point */
        word = strsep(&line, " ");
        if (!word)
            return false;
    }
    ret->point = word;
    ret->type = strsep(&rest, " ");
    strsep(&rest, " "); /* source */
    ret->options = strsep(&rest, " ");
    unescape(ret->point);
    return ret->options != NULL;
}

/* Open the mount and keep it, unless something else was mounted over it. */
static struct dv_hierarchy *add_hierarchy(struct dv_cgroups *cg, const struct mount_line *line,
                                          bool v2)
{
    struct dv_hierarchy *h = &cg->h[cg->n];
    struct statfs fs;

    if (cg->n == DV_CGROUP_MAX_HIERARCHIES)
        return NULL;
    h->fd = open(line->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h->fd < 0 || fstatfs(h->fd, &fs) < 0 || fs.f_type != (v2 ? V2_MAGIC : V1_MAGIC))
        goto drop;
    h->mount = strdup(line->point);
    h->options = strdup(line->options);
    if (!h->mount || !h->options)
        goto drop;
    h->v2 = v2;
    cg->n++;
    return h;

drop:
    dv_close(h->fd);
    free(h->mount);
    free(h->options);
    *h = (struct dv_hierarchy){ .fd = -1 };
    return NULL;
}

/* Note in BY which controllers of the words in LIST live in H. False if it has none that is new:
 * a second mount of the same hierarchy, or a named one. */
static bool claim_controllers(struct dv_cgroups *cg, const struct dv_hierarchy *h, const char *list,
                              const char *separators)
{
    bool any = false;

    while (*list) {
        size_t len = strcspn(list, separators), ctl = find_ctl(list, len);

        if (ctl < DV_CTL_MAX_ && !cg->by[ctl]) {
            any = true;
            if (h)
                cg->by[ctl] = h;
        }
        list += len;
        list += strspn(list, separators);
    }
    return any;
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strncmp(list, word, n) == 0 && (list[n] == ',' || !list[n]))
            return true;
    return false;
}

static void take_line(struct dv_cgroups *cg, char *text, const char **systemd)
{
    struct mount_line line;
    struct dv_hierarchy *h;

    if (!cut_line(text, &line))
        return;
    if (dv_streq(line.type, "cgroup2") && !cg->unified) {
        cg->unified = add_hierarchy(cg, &line, true);
    } else if (dv_streq(line.type, "cgroup")) {
        if (has_word(line.options, "name=systemd") && !*systemd)
            *systemd = line.point;
        if (!claim_controllers(cg, NULL, line.options, ","))
            return;
        h = add_hierarchy(cg, &line, false);
        if (h)
            claim_controllers(cg, h, line.options, ",");
    }
}

/* On v1 without a v2 tree systemd follows processes by its own named hierarchy: containers leave
 * davitd's group there too, else they would count as part of its service. */
static void add_systemd(struct dv_cgroups *cg, const char *point)
{
    char copy[PATH_MAX], options[] = "name=systemd";
    struct mount_line line = { .point = copy, .options = options };

    snprintf(copy, sizeof(copy), "%s", point);
    add_hierarchy(cg, &line, false);
}

static int choose_mode(struct dv_cgroups *cg, struct dv_error *err)
{
    static const enum dv_ctl order[] = { DV_CTL_PIDS, DV_CTL_FREEZER, DV_CTL_MEMORY, DV_CTL_CPU };
    static const struct dv_group root = { "" };
    char list[512] = "";
    size_t i;

    for (i = 0; i < DV_CTL_MAX_; i++)
        if (cg->by[i])
            cg->mode = DV_CGROUP_V1;
    if (cg->mode == DV_CGROUP_V1) {
        for (i = 0; i < N(order) && !cg->tracking; i++)
            cg->tracking = cg->by[order[i]];
        if (!cg->tracking)
            cg->tracking = &cg->h[0];
        return 0;
    }
    if (!cg->unified)
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "no cgroups are mounted: \"mount -t cgroup2 none /sys/fs/cgroup\", or start "
                       "davit where an init system has mounted them");
    cg->mode = DV_CGROUP_V2;
    cg->tracking = cg->unified;
    if (dv_cg_read(cg->unified, &root, "cgroup.controllers", list, sizeof(list)) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "read '%s/cgroup.controllers'",
                             cg->unified->mount);
    claim_controllers(cg, cg->unified, list, " \n");
    /* These need no controller there. */
    cg->by[DV_CTL_DEVICES] = cg->by[DV_CTL_FREEZER] = cg->by[DV_CTL_CPUACCT] = cg->unified;
    return 0;
}

static int read_mounts(struct dv_cgroups *cg, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    const char *systemd = NULL;
    char *rest, *line;
    int r;

    r = dv_read_file(AT_FDCWD, "/proc/self/mountinfo", MAX_MOUNTINFO_BYTES, &text, NULL, err);
    if (r < 0)
        return r;
    rest = text;
    while ((line = strsep(&rest, "\n")))
        take_line(cg, line, &systemd);
    if (!cg->unified && cg->n > 0 && systemd)
        add_systemd(cg, systemd);
    return 0;
}

int dv_cgroups_detect(struct dv_cgroups **ret, struct dv_error *err)
{
    struct dv_cgroups *cg = calloc(1, sizeof(*cg));
    int r;

    if (!cg)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to look at cgroups");
    pthread_mutex_init(&cg->mutex, NULL);
    cg->prog_fd = -1;
    r = read_mounts(cg, err);
    if (r == 0)
        r = choose_mode(cg, err);
    if (r < 0) {
        dv_cgroups_free(cg);
        return r;
    }
    *ret = cg;
    return 0;
}

void dv_cgroups_free(struct dv_cgroups *cg)
{
    size_t i;

    if (!cg)
        return;
    for (i = 0; i < cg->n; i++) {
        dv_close(cg->h[i].fd);
        free(cg->h[i].mount);
        free(cg->h[i].options);
    }
    dv_close(cg->prog_fd);
    pthread_mutex_destroy(&cg->mutex);
    free(cg);
}

enum dv_cgroup_mode dv_cgroups_mode(const struct dv_cgroups *cg)
{
    return cg->mode;
}

bool dv_cgroups_has(const struct dv_cgroups *cg, const char *controller)
{
    size_t ctl = find_ctl(controller, strlen(controller));

    return ctl < DV_CTL_MAX_ && cg->by[ctl];
}

/* ---- favordynmods ----
 * The first write to a cgroup.procs after a pause waits for an RCU grace period, some 10 ms, unless
 * any hierarchy has asked for the other way (Linux 6.0). */

/* A named v1 hierarchy without controllers, never attached: it costs no other mount anything. */
static int mount_named(const char *name)
{
    dv_autoclose int fs = fsopen("cgroup", FSOPEN_CLOEXEC);

    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, "none", NULL, 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "name", name, 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_FLAG, "favordynmods", NULL, 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -1;
    return fsmount(fs, FSMOUNT_CLOEXEC, 0);
}

/* Changing a superblock's options sets all of them: name those that it has. */
static int remount_unified(const struct dv_hierarchy *h)
{
    dv_autoclose int fs = fspick(h->fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
    dv_autostrv words = { 0 };
    size_t i;

    if (fs < 0 || dv_strv_split(&words, h->options, ',') < 0)
        return -1;
    for (i = 0; i < words.n; i++) {
        const char *word = words.items[i];

        if (dv_streq(word, "rw") || dv_streq(word, "ro") || !*word)
            continue;
        if (fsconfig(fs, FSCONFIG_SET_FLAG, word, NULL, 0) < 0)
            return -1;
    }
    if (fsconfig(fs, FSCONFIG_SET_FLAG, "favordynmods", NULL, 0) < 0)
        return -1;
    return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
}

int dv_cgroups_favordynmods(struct dv_cgroups *cg, const char *name, int *ret_fd, bool *ret_on,
                            struct dv_error *err)
{
    int fd;

    if (strlen(name) > 63 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789._-") != strlen(name) || !*name)
        return dv_fail(err, DV_E_INVALID, "cgroup hierarchy name '%s'", name);
    if (cg->mode == DV_CGROUP_V2) {
        *ret_fd = -1;
        *ret_on = has_word(cg->unified->options, "favordynmods") || remount_unified(cg->unified) == 0;
        return 0;
    }
    fd = mount_named(name); /* refused by older kernels and without CAP_SYS_ADMIN: just slower */
    *ret_fd = fd;
    *ret_on = fd >= 0;
    return 0;
}
