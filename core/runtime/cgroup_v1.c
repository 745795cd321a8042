/* cgroup_v1.c - cgroup v1: cpusets that must be filled, and the order in which limits change. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/parse.h"
#include "core/runtime/cgroup_internal.h"

/* ---- cpuset: a new group has no CPUs and no memory nodes, and then takes no process ---- */

static int copy_file(const struct dv_hierarchy *h, const struct dv_group *from,
                     const struct dv_group *to, const char *file, struct dv_error *err)
{
    char value[4096];

    if (dv_cg_read(h, from, file, value, sizeof(value)) < 0 ||
        dv_cg_write(h, to, file, value) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "copy %s to cgroup '%s/%s'", file, h->mount,
                             to->rel);
    return 0;
}

/* Fill G from the group above it, unless the kernel has done so (cgroup.clone_children). */
static int fill_cpuset(const struct dv_hierarchy *h, const struct dv_group *g, struct dv_error *err)
{
    struct dv_group above = *g;
    char *slash = strrchr(above.rel, '/'), value[8];
    int r;

    if (dv_cg_read(h, g, "cpuset.mems", value, sizeof(value)) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "read cpuset.mems of cgroup '%s/%s'", h->mount,
                             g->rel);
    if (*value)
        return 0;
    above.rel[slash ? slash - above.rel : 0] = '\0';
    r = copy_file(h, &above, g, "cpuset.cpus", err);
    return r < 0 ? r : copy_file(h, &above, g, "cpuset.mems", err);
}

int dv_cg1_prepare(struct dv_cgroups *cg, const struct dv_group *g, struct dv_error *err)
{
    return cg->by[DV_CTL_CPUSET] ? fill_cpuset(cg->by[DV_CTL_CPUSET], g, err) : 0;
}

/* Make REL in H, from the root down. */
static int make_path(const struct dv_cgroups *cg, const struct dv_hierarchy *h, const char *rel,
                     struct dv_error *err)
{
    bool is_cpuset = h == cg->by[DV_CTL_CPUSET];
    const char *end = rel;

    while (*end) {
        struct dv_group g;
        int r;

        end += strcspn(end + 1, "/") + 1;
        snprintf(g.rel, sizeof(g.rel), "%.*s", (int)(end - rel), rel);
        if (mkdirat(h->fd, g.rel, 0755) < 0 && errno != EEXIST)
            return dv_fail_errno(err, DV_E_INTERNAL, "create cgroup '%s/%s'", h->mount, g.rel);
        r = is_cpuset ? fill_cpuset(h, &g, err) : 0;
        if (r < 0)
            return r;
        /* Children are then born filled: saves four small files a container. */
        if (is_cpuset && !*end && dv_cg_write(h, &g, "cgroup.clone_children", "1") < 0 &&
            errno != ENOENT)
            return dv_fail_errno(err, DV_E_INTERNAL, "set clone_children of cgroup '%s/%s'",
                                 h->mount, g.rel);
    }
    return 0;
}

int dv_cg1_parent(struct dv_cgroups *cg, const char *rel, struct dv_error *err)
{
    size_t i;
    int r = 0;

    for (i = 0; i < cg->n && r == 0; i++)
        r = make_path(cg, &cg->h[i], rel, err);
    return r;
}

/* ---- limits ---- */

enum {
    MEM_LIMIT, MEM_SWAP, MEM_SOFT, MEM_SWAPPINESS, MEM_OOM, CPU_SHARES, CPU_PERIOD, CPU_QUOTA,
    CPU_RT_PERIOD, CPU_RT_RUNTIME, SET_CPUS, SET_MEMS, PIDS, IO_WEIGHT, IO_BFQ_WEIGHT,
    IO_WEIGHT_DEVICE, IO_BFQ_WEIGHT_DEVICE, IO_READ_BPS, IO_WRITE_BPS, IO_READ_IOPS, IO_WRITE_IOPS,
};
static const struct dv_cg_knob knobs[] = {
    [MEM_LIMIT] = { DV_CTL_MEMORY, "memory.limit_in_bytes", "memory limit",
                    "memory limit capabilities", "Limitation" },
    [MEM_SWAP] = { DV_CTL_MEMORY, "memory.memsw.limit_in_bytes", "memory and swap limit",
                   "swap limit capabilities", "Swap limit" },
    [MEM_SOFT] = { DV_CTL_MEMORY, "memory.soft_limit_in_bytes", "memory reservation",
                   "memory soft limit capabilities", "Limitation" },
    [MEM_SWAPPINESS] = { DV_CTL_MEMORY, "memory.swappiness", "memory swappiness",
                         "memory swappiness capabilities", "Memory swappiness" },
    [MEM_OOM] = { DV_CTL_MEMORY, "memory.oom_control", "OomKillDisable", "OomKillDisable",
                  "OomKillDisable" },
    [CPU_SHARES] = { DV_CTL_CPU, "cpu.shares", "CPU shares", "CPU shares", "Shares" },
    [CPU_PERIOD] = { DV_CTL_CPU, "cpu.cfs_period_us", "CPU period", "CPU CFS scheduler period",
                     "Period" },
    [CPU_QUOTA] = { DV_CTL_CPU, "cpu.cfs_quota_us", "CPU quota", "CPU CFS scheduler quota",
                    "Quota" },
    [CPU_RT_PERIOD] = { DV_CTL_CPU, "cpu.rt_period_us", "CPU real-time period",
                        "CPU real-time scheduler", "CPU real-time period" },
    [CPU_RT_RUNTIME] = { DV_CTL_CPU, "cpu.rt_runtime_us", "CPU real-time runtime",
                         "CPU real-time scheduler", "CPU real-time runtime" },
    [SET_CPUS] = { DV_CTL_CPUSET, "cpuset.cpus", "cpuset CPUs", "cpuset", "Cpuset" },
    [SET_MEMS] = { DV_CTL_CPUSET, "cpuset.mems", "cpuset memory nodes", "cpuset", "Cpuset" },
    [PIDS] = { DV_CTL_PIDS, "pids.max", "pids limit", "PIDs limit capabilities", "PIDs limit" },
    [IO_WEIGHT] = { DV_CTL_BLKIO, "blkio.weight", "block I/O weight", "Block I/O weight",
                    "Weight" },
    [IO_BFQ_WEIGHT] = { DV_CTL_BLKIO, "blkio.bfq.weight", "block I/O weight", "Block I/O weight",
                        "Weight" },
    [IO_WEIGHT_DEVICE] = { DV_CTL_BLKIO, "blkio.weight_device", "block I/O weight of a device",
                           "Block I/O weight_device", "Weight-device" },
    [IO_BFQ_WEIGHT_DEVICE] = { DV_CTL_BLKIO, "blkio.bfq.weight_device",
                               "block I/O weight of a device", "Block I/O weight_device",
                               "Weight-device" },
    [IO_READ_BPS] = { DV_CTL_BLKIO, "blkio.throttle.read_bps_device", "block I/O read rate",
                      "BPS Block I/O read limit", "Block I/O BPS read limit" },
    [IO_WRITE_BPS] = { DV_CTL_BLKIO, "blkio.throttle.write_bps_device", "block I/O write rate",
                       "BPS Block I/O write limit", "Block I/O BPS write limit" },
    [IO_READ_IOPS] = { DV_CTL_BLKIO, "blkio.throttle.read_iops_device", "block I/O read operations",
                       "IOPS Block read limit", "Block I/O IOPS read limit" },
    [IO_WRITE_IOPS] = { DV_CTL_BLKIO, "blkio.throttle.write_iops_device",
                        "block I/O write operations", "IOPS Block write limit",
                        "Block I/O IOPS write limit" },
};

/* The kernel keeps memory.limit <= memory.memsw.limit at every moment: a raise begins with memsw,
 * a lowering with the limit. A new group has none, so there the limit goes first. */
static bool swap_goes_first(const struct dv_cg_change *c)
{
    char text[32];
    uint64_t now;

    if (!c->live || c->res->memory_swap == 0)
        return false;
    if (c->res->memory_swap < 0)
        return true;
    return dv_cg_read(c->cg->by[DV_CTL_MEMORY], c->group, knobs[MEM_SWAP].file, text,
                      sizeof(text)) == 0 &&
           dv_parse_u64(text, 0, UINT64_MAX, &now) == 0 && (uint64_t)c->res->memory_swap > now;
}

static int limit_memory(const struct dv_cg_change *c)
{
    const struct dv_spec_resources *res = c->res;
    bool swap_first;
    int r = 0;

    if (!c->cg->by[DV_CTL_MEMORY])
        return res->memory_limit || res->memory_swap || res->memory_reservation
                   ? dv_cg_missing(c, &knobs[MEM_LIMIT])
                   : 0;
    swap_first = swap_goes_first(c);
    if (swap_first)
        r = dv_cg_set_i64(c, &knobs[MEM_SWAP], res->memory_swap);
    if (r == 0 && res->memory_limit)
        r = dv_cg_set_i64(c, &knobs[MEM_LIMIT], res->memory_limit);
    if (r == 0 && res->memory_swap && !swap_first)
        r = dv_cg_set_i64(c, &knobs[MEM_SWAP], res->memory_swap);
    if (r == 0 && res->memory_reservation)
        r = dv_cg_set_i64(c, &knobs[MEM_SOFT], res->memory_reservation);
    if (r == 0 && res->memory_swappiness >= 0)
        r = dv_cg_set_i64(c, &knobs[MEM_SWAPPINESS], res->memory_swappiness);
    if (r == 0 && res->oom_kill_disable)
        r = dv_cg_set(c, &knobs[MEM_OOM], "1");
    return r;
}

/* The kernel refuses a pair that is more than the group above has, also halfway: where the period
 * does not go first, the quota does. */
static int limit_bandwidth(const struct dv_cg_change *c)
{
    char period[32];
    int r = 0;
    bool again = false;

    if (c->res->cpu_period) {
        snprintf(period, sizeof(period), "%llu", (unsigned long long)c->res->cpu_period);
        r = dv_cg_try(c, &knobs[CPU_PERIOD], period);
        again = r == -DV_E_INVALID && c->res->cpu_quota;
        if (r == 1)
            r = dv_cg_missing(c, &knobs[CPU_PERIOD]);
    }
    if ((r == 0 || again) && c->res->cpu_quota)
        r = dv_cg_set_i64(c, &knobs[CPU_QUOTA], c->res->cpu_quota);
    return r == 0 && again ? dv_cg_set(c, &knobs[CPU_PERIOD], period) : r;
}

static int limit_cpu(const struct dv_cg_change *c)
{
    const struct dv_spec_resources *res = c->res;
    int r = 0;

    if (res->cpu_shares)
        r = dv_cg_set_u64(c, &knobs[CPU_SHARES], res->cpu_shares);
    if (r == 0)
        r = limit_bandwidth(c);
    if (r == 0 && res->cpu_rt_period)
        r = dv_cg_set_u64(c, &knobs[CPU_RT_PERIOD], res->cpu_rt_period);
    if (r == 0 && res->cpu_rt_runtime)
        r = dv_cg_set_i64(c, &knobs[CPU_RT_RUNTIME], res->cpu_rt_runtime);
    if (r == 0 && !dv_empty(res->cpuset_cpus))
        r = dv_cg_set(c, &knobs[SET_CPUS], res->cpuset_cpus);
    if (r == 0 && !dv_empty(res->cpuset_mems))
        r = dv_cg_set(c, &knobs[SET_MEMS], res->cpuset_mems);
    return r;
}

/* The file of the CFQ days, else BFQ's. */
static int set_weight(const struct dv_cg_change *c, int knob, int bfq_knob, const char *value)
{
    int r = dv_cg_try(c, &knobs[knob], value);

    return r == 1 ? dv_cg_set(c, &knobs[bfq_knob], value) : r;
}

static int throttle(const struct dv_cg_change *c, int knob, const struct dv_spec_throttle *list,
                    size_t n)
{
    size_t i;
    int r = 0;

    for (i = 0; i < n && r == 0; i++) {
        char line[64];

        snprintf(line, sizeof(line), "%u:%u %llu", list[i].major, list[i].minor,
                 (unsigned long long)list[i].rate);
        r = knob == IO_WEIGHT_DEVICE ? set_weight(c, knob, IO_BFQ_WEIGHT_DEVICE, line)
                                     : dv_cg_set(c, &knobs[knob], line);
    }
    return r;
}

static int limit_io(const struct dv_cg_change *c)
{
    const struct dv_spec_resources *res = c->res;
    char weight[16];
    int r = 0;

    snprintf(weight, sizeof(weight), "%u", res->blkio_weight);
    if (res->blkio_weight)
        r = set_weight(c, IO_WEIGHT, IO_BFQ_WEIGHT, weight);
    if (r == 0)
        r = throttle(c, IO_WEIGHT_DEVICE, res->weight_device, res->n_weight_device);
    if (r == 0)
        r = throttle(c, IO_READ_BPS, res->read_bps, res->n_read_bps);
    if (r == 0)
        r = throttle(c, IO_WRITE_BPS, res->write_bps, res->n_write_bps);
    if (r == 0)
        r = throttle(c, IO_READ_IOPS, res->read_iops, res->n_read_iops);
    if (r == 0)
        r = throttle(c, IO_WRITE_IOPS, res->write_iops, res->n_write_iops);
    return r;
}

int dv_cg1_limit(const struct dv_cg_change *c)
{
    int r = limit_memory(c);

    if (r == 0)
        r = limit_cpu(c);
    if (r == 0 && c->res->pids_limit)
        r = c->res->pids_limit < 0 ? dv_cg_set(c, &knobs[PIDS], "max")
                                   : dv_cg_set_i64(c, &knobs[PIDS], c->res->pids_limit);
    if (r == 0)
        r = limit_io(c);
    return r;
}
