/* cgroup_v2.c - cgroup v2: handing controllers down, and v1's units in v2's files. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/runtime/cgroup_internal.h"

/* ---- controllers ---- */

/* Whether the words of LIST have NAME. */
static bool has_name(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (; *list; list += strcspn(list, " "), list += strspn(list, " "))
        if (strncmp(list, name, n) == 0 && (list[n] == ' ' || !list[n]))
            return true;
    return false;
}

static int fail_enable(const struct dv_hierarchy *h, const struct dv_group *g, const char *name,
                       struct dv_error *err)
{
    if (errno == EBUSY)
        return dv_fail(err, DV_E_CONFLICT,
                       "hand the %s controller to the groups below '%s/%s': processes are in that "
                       "group itself; start davitd in a group of its own (systemd: Delegate=yes; in "
                       "a container: first move all processes to a child group)",
                       name, h->mount, g->rel);
    return dv_fail_errno(err, DV_E_FORBIDDEN,
                         "hand the %s controller to the groups below '%s/%s': the group is not "
                         "delegated to davit (systemd: Delegate=yes in its unit)",
                         name, h->mount, g->rel);
}

/* Let G's children have what G has of the controllers that limits need. What a kernel cannot do
 * (cpu with real-time tasks around, say) becomes a warning where a limit asks for it. */
static int enable(const struct dv_hierarchy *h, const struct dv_group *g, struct dv_error *err)
{
    static const char *const wanted[] = { "cpuset", "cpu", "io", "memory", "pids" };
    char have[512], on[512], word[16];
    size_t i;

    if (dv_cg_read(h, g, "cgroup.controllers", have, sizeof(have)) < 0 ||
        dv_cg_read(h, g, "cgroup.subtree_control", on, sizeof(on)) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "read the controllers of cgroup '%s/%s'", h->mount,
                             g->rel);
    for (i = 0; i < N(wanted); i++) {
        if (!has_name(have, wanted[i]) || has_name(on, wanted[i]))
            continue;
        snprintf(word, sizeof(word), "+%s", wanted[i]);
        if (dv_cg_write(h, g, "cgroup.subtree_control", word) == 0)
            continue;
        if (errno == EBUSY || errno == EACCES || errno == EPERM)
            return fail_enable(h, g, wanted[i], err);
    }
    return 0;
}

int dv_cg2_parent(struct dv_cgroups *cg, const char *rel, struct dv_error *err)
{
    const struct dv_hierarchy *h = cg->unified;
    const char *end = rel;
    struct dv_group g = { "" };
    int r = enable(h, &g, err);

    while (r == 0 && *end) {
        end += strcspn(end + 1, "/") + 1;
        snprintf(g.rel, sizeof(g.rel), "%.*s", (int)(end - rel), rel);
        if (mkdirat(h->fd, g.rel, 0755) < 0 && errno != EEXIST)
            return dv_fail_errno(err, errno == EACCES ? DV_E_FORBIDDEN : DV_E_INTERNAL,
                                 "create cgroup '%s/%s'", h->mount, g.rel);
        r = enable(h, &g, err);
    }
    return r;
}

/* ---- limits ---- */

enum {
    MEM_MAX, MEM_SWAP, MEM_LOW, MEM_SWAPPINESS, MEM_OOM, CPU_WEIGHT, CPU_MAX, CPU_RT, SET_CPUS,
    SET_MEMS, PIDS, IO_BFQ_WEIGHT, IO_WEIGHT, IO_MAX,
};
static const struct dv_cg_knob knobs[] = {
    [MEM_MAX] = { DV_CTL_MEMORY, "memory.max", "memory limit", "memory limit capabilities",
                  "Limitation" },
    [MEM_SWAP] = { DV_CTL_MEMORY, "memory.swap.max", "swap limit", "swap limit capabilities",
                   "Swap limit" },
    [MEM_LOW] = { DV_CTL_MEMORY, "memory.low", "memory reservation",
                  "memory soft limit capabilities", "Limitation" },
    [MEM_SWAPPINESS] = { DV_CTL_MEMORY, "", "memory swappiness", "memory swappiness capabilities",
                         "Memory swappiness" },
    [MEM_OOM] = { DV_CTL_MEMORY, "", "OomKillDisable", "OomKillDisable", "OomKillDisable" },
    [CPU_WEIGHT] = { DV_CTL_CPU, "cpu.weight", "CPU shares", "CPU shares", "Shares" },
    [CPU_MAX] = { DV_CTL_CPU, "cpu.max", "CPU quota and period", "CPU CFS scheduler quota",
                  "Quota" },
    [CPU_RT] = { DV_CTL_CPU, "", "CPU real-time runtime", "CPU real-time scheduler",
                 "CPU real-time runtime" },
    [SET_CPUS] = { DV_CTL_CPUSET, "cpuset.cpus", "cpuset CPUs", "cpuset", "Cpuset" },
    [SET_MEMS] = { DV_CTL_CPUSET, "cpuset.mems", "cpuset memory nodes", "cpuset", "Cpuset" },
    [PIDS] = { DV_CTL_PIDS, "pids.max", "pids limit", "PIDs limit capabilities", "PIDs limit" },
    [IO_BFQ_WEIGHT] = { DV_CTL_BLKIO, "io.bfq.weight", "block I/O weight", "Block I/O weight",
                        "Weight" },
    [IO_WEIGHT] = { DV_CTL_BLKIO, "io.weight", "block I/O weight", "Block I/O weight", "Weight" },
    [IO_MAX] = { DV_CTL_BLKIO, "io.max", "block I/O limit", "Block I/O limits",
                 "Block I/O limit" },
};

/* A number, or "max" for -1. */
static int set_max(const struct dv_cg_change *c, int knob, int64_t v)
{
    return v < 0 ? dv_cg_set(c, &knobs[knob], "max") : dv_cg_set_i64(c, &knobs[knob], v);
}

/* v1 counts memory and swap together, v2 swap alone. */
static int limit_swap(const struct dv_cg_change *c)
{
    int64_t limit = c->res->memory_limit, both = c->res->memory_swap;

    if (both == 0)
        return 0;
    if (both < 0)
        return set_max(c, MEM_SWAP, -1);
    if (limit <= 0 || both < limit)
        return dv_fail(c->err, DV_E_INVALID,
                       "memory and swap limit %lld needs a memory limit that is not above it",
                       (long long)both);
    return set_max(c, MEM_SWAP, both - limit);
}

static int limit_memory(const struct dv_cg_change *c)
{
    const struct dv_spec_resources *res = c->res;
    int r = limit_swap(c);

    if (r == 0 && res->memory_limit)
        r = set_max(c, MEM_MAX, res->memory_limit);
    if (r == 0 && res->memory_reservation)
        r = set_max(c, MEM_LOW, res->memory_reservation);
    if (r == 0 && res->memory_swappiness >= 0)
        r = dv_cg_missing(c, &knobs[MEM_SWAPPINESS]);
    if (r == 0 && res->oom_kill_disable)
        r = dv_cg_missing(c, &knobs[MEM_OOM]);
    return r;
}

/* Shares 2..262144 to weight 1..10000, as runc maps them. */
static uint64_t weight_of_shares(uint64_t shares)
{
    if (shares < 2)
        shares = 2;
    if (shares > 262144)
        shares = 262144;
    return 1 + (shares - 2) * 9999 / 262142;
}

static int limit_cpu(const struct dv_cg_change *c)
{
    const struct dv_spec_resources *res = c->res;
    unsigned long long period = res->cpu_period ? res->cpu_period : 100000;
    char text[64];
    int r = 0;

    if (res->cpu_shares)
        r = dv_cg_set_u64(c, &knobs[CPU_WEIGHT], weight_of_shares(res->cpu_shares));
    if (r == 0 && (res->cpu_quota || res->cpu_period)) {
        if (res->cpu_quota > 0)
            snprintf(text, sizeof(text), "%lld %llu", (long long)res->cpu_quota, period);
        else
            snprintf(text, sizeof(text), "max %llu", period);
        r = dv_cg_set(c, &knobs[CPU_MAX], text);
    }
    if (r == 0 && (res->cpu_rt_period || res->cpu_rt_runtime))
        r = dv_cg_missing(c, &knobs[CPU_RT]);
    if (r == 0 && !dv_empty(res->cpuset_cpus))
        r = dv_cg_set(c, &knobs[SET_CPUS], res->cpuset_cpus);
    if (r == 0 && !dv_empty(res->cpuset_mems))
        r = dv_cg_set(c, &knobs[SET_MEMS], res->cpuset_mems);
    return r;
}

/* BFQ has v1's range 1..1000; io.weight 1..10000 for v1's 10..1000. */
static int set_weight(const struct dv_cg_change *c, const char *device, uint64_t weight)
{
    char text[64];
    int r;

    snprintf(text, sizeof(text), "%s%llu", device, (unsigned long long)weight);
    r = dv_cg_try(c, &knobs[IO_BFQ_WEIGHT], text);
    if (r != 1)
        return r;
    weight = weight < 10 ? 10 : weight > 1000 ? 1000 : weight;
    snprintf(text, sizeof(text), "%s%llu", device,
             (unsigned long long)(1 + (weight - 10) * 9999 / 990));
    return dv_cg_set(c, &knobs[IO_WEIGHT], text);
}

static int throttle(const struct dv_cg_change *c, const char *key,
                    const struct dv_spec_throttle *list, size_t n)
{
    size_t i;
    int r = 0;

    for (i = 0; i < n && r == 0; i++) {
        char line[96], rate[32] = "max"; /* 0 lifts the limit, as in v1 */

        if (list[i].rate)
            snprintf(rate, sizeof(rate), "%llu", (unsigned long long)list[i].rate);
        snprintf(line, sizeof(line), "%u:%u %s=%s", list[i].major, list[i].minor, key, rate);
        r = dv_cg_set(c, &knobs[IO_MAX], line);
    }
    return r;
}

static int limit_io(const struct dv_cg_change *c)
{
    const struct dv_spec_resources *res = c->res;
    size_t i;
    int r = 0;

    if (res->blkio_weight)
        r = set_weight(c, "", res->blkio_weight);
    for (i = 0; i < res->n_weight_device && r == 0; i++) {
        char device[32];

        snprintf(device, sizeof(device), "%u:%u ", res->weight_device[i].major,
                 res->weight_device[i].minor);
        r = set_weight(c, device, res->weight_device[i].rate);
    }
    if (r == 0)
        r = throttle(c, "rbps", res->read_bps, res->n_read_bps);
    if (r == 0)
        r = throttle(c, "wbps", res->write_bps, res->n_write_bps);
    if (r == 0)
        r = throttle(c, "riops", res->read_iops, res->n_read_iops);
    if (r == 0)
        r = throttle(c, "wiops", res->write_iops, res->n_write_iops);
    return r;
}

int dv_cg2_limit(const struct dv_cg_change *c)
{
    int r = limit_memory(c);

    if (r == 0)
        r = limit_cpu(c);
    if (r == 0 && c->res->pids_limit)
        r = set_max(c, PIDS, c->res->pids_limit);
    if (r == 0)
        r = limit_io(c);
    return r;
}
