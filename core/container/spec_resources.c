/* spec_resources.c - HostConfig's limits as linux.resources. */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/container/spec_parts.h"
#include "core/daemon/engine.h"
#include "core/runtime/cgroup.h"

enum { CPU_PERIOD_US = 100000 };

static int throttles(const struct dv_blkio_device *in, size_t n, struct dv_spec_throttle **out,
                     size_t *n_out, struct dv_error *err)
{
    *out = calloc(n + 1, sizeof(**out));
    if (!*out)
        return dv_fail(err, DV_E_NO_MEMORY, "describe the block device limits");
    for (size_t i = 0; i < n; i++) {
        struct stat st;

        if (stat(in[i].path, &st) < 0 || !S_ISBLK(st.st_mode))
            return dv_fail(err, DV_E_INVALID, "not a block device: %s", in[i].path);
        (*out)[(*n_out)++] = (struct dv_spec_throttle){ major(st.st_rdev), minor(st.st_rdev),
                                                        in[i].rate };
    }
    return 0;
}

static int build_blkio(const struct dv_container_config *config, struct dv_spec_resources *res,
                       struct dv_error *err)
{
    int r;

    res->blkio_weight = (uint16_t)config->blkio_weight;
    r = throttles(config->read_bps, config->n_read_bps, &res->read_bps, &res->n_read_bps, err);
    if (r == 0)
        r = throttles(config->write_bps, config->n_write_bps, &res->write_bps, &res->n_write_bps,
                      err);
    if (r == 0)
        r = throttles(config->read_iops, config->n_read_iops, &res->read_iops, &res->n_read_iops,
                      err);
    if (r == 0)
        r = throttles(config->write_iops, config->n_write_iops, &res->write_iops,
                      &res->n_write_iops, err);
    if (r == 0)
        r = throttles(config->weight_device, config->n_weight_device, &res->weight_device,
                      &res->n_weight_device, err);
    return r;
}

static void build_memory(const struct dv_container_config *config, struct dv_spec_resources *res)
{
    res->memory_limit = config->memory;
    res->memory_swap = config->memory_swap;
    if (config->memory > 0 && config->memory_swap == 0)
        res->memory_swap = 2 * config->memory; /* Docker's default */
    res->memory_reservation = config->memory_reservation;
    res->memory_swappiness = config->has_swappiness ? config->memory_swappiness : -1;
    res->oom_kill_disable = config->oom_kill_disable;
}

static int build_cpu(const struct dv_container_config *config, struct dv_spec_resources *res,
                     struct dv_error *err)
{
    res->cpu_shares = (uint64_t)config->cpu_shares;
    res->cpu_period = (uint64_t)config->cpu_period;
    res->cpu_quota = config->cpu_quota;
    if (config->nano_cpus > 0) {
        res->cpu_period = CPU_PERIOD_US;
        res->cpu_quota = config->nano_cpus / (1000000000 / CPU_PERIOD_US);
    }
    res->cpu_rt_period = (uint64_t)config->cpu_rt_period;
    res->cpu_rt_runtime = config->cpu_rt_runtime;
    res->cpuset_cpus = dv_strdup(config->cpuset_cpus);
    res->cpuset_mems = dv_strdup(config->cpuset_mems);
    if ((config->cpuset_cpus && !res->cpuset_cpus) || (config->cpuset_mems && !res->cpuset_mems))
        return dv_fail(err, DV_E_NO_MEMORY, "describe the cpu limits");
    return 0;
}

int dv_spec_limits(const struct dv_container_config *config, struct dv_spec_resources *res,
                   struct dv_error *err)
{
    int r;

    build_memory(config, res);
    res->pids_limit = config->pids_limit;
    r = build_cpu(config, res, err);
    return r < 0 ? r : build_blkio(config, res, err);
}

int dv_spec_resources(struct dv_container *c, struct dv_spec *spec, struct dv_strv *warnings,
                      struct dv_error *err)
{
    (void)warnings;
    return dv_spec_limits(c->config, &spec->resources, err);
}
