/* update.c - limits and restart policy of a container that exists: docker update.
 *
 * Only what the table below names can change. A configuration is otherwise immutable and read
 * without a lock; these fields are read by operations, one at a time, and under the object's lock. */
#include <stddef.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/container/internal.h"
#include "core/container/spec_parts.h"
#include "core/daemon/engine.h"
#include "core/runtime/cgroup.h"
#include "core/state/db.h"

/* The request's body, in the places of a configuration. */
struct wish {
    struct dv_container_config c;
    bool has_pids;
};

#define FIELD(k, t, member) { .key = k, .type = t, .offset = offsetof(struct wish, c.member) }
static const struct dv_json_field policy_fields[] = {
    FIELD("Name", DV_JSON_STR, restart_name),
    FIELD("MaximumRetryCount", DV_JSON_I64, restart_max),
};
/* Engine API 1.51, ContainerUpdate. 0 and "" mean: as it is. */
static const struct dv_json_field fields[] = {
    FIELD("BlkioWeight", DV_JSON_I64, blkio_weight),
    FIELD("CpuPeriod", DV_JSON_I64, cpu_period),
    FIELD("CpuQuota", DV_JSON_I64, cpu_quota),
    FIELD("CpuRealtimePeriod", DV_JSON_I64, cpu_rt_period),
    FIELD("CpuRealtimeRuntime", DV_JSON_I64, cpu_rt_runtime),
    FIELD("CpuShares", DV_JSON_I64, cpu_shares),
    FIELD("CpusetCpus", DV_JSON_STR, cpuset_cpus),
    FIELD("CpusetMems", DV_JSON_STR, cpuset_mems),
    FIELD("Memory", DV_JSON_I64, memory),
    FIELD("MemoryReservation", DV_JSON_I64, memory_reservation),
    FIELD("MemorySwap", DV_JSON_I64, memory_swap),
    FIELD("NanoCpus", DV_JSON_I64, nano_cpus),
    { .key = "PidsLimit", .type = DV_JSON_I64, .offset = offsetof(struct wish, c.pids_limit),
      .seen_offset = offsetof(struct wish, has_pids) },
    { .key = "RestartPolicy", .type = DV_JSON_OBJ, .sub = policy_fields,
      .n_sub = N(policy_fields) },
};
/* Known to create, not to update: refused rather than dropped. */
static const char *const fixed[] = {
    "BlkioDeviceReadBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteBps", "BlkioDeviceWriteIOps",
    "BlkioWeightDevice", "CgroupParent", "CpuCount", "CpuPercent", "DeviceCgroupRules",
    "DeviceRequests", "Devices", "IOMaximumBandwidth", "IOMaximumIOps", "Init", "KernelMemory",
    "KernelMemoryTCP", "MemorySwappiness", "OomKillDisable", "Ulimits",
};

static void wish_done(struct wish *w)
{
    free(w->c.cpuset_cpus);
    free(w->c.cpuset_mems);
    free(w->c.restart_name);
}

static bool is_default(json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_boolean:
        return !json_object_get_boolean(value);
    case json_type_int:
        return json_object_get_int64(value) == 0 || json_object_get_int64(value) == -1;
    case json_type_string:
        return json_object_get_string_len(value) == 0;
    case json_type_array:
        return json_object_array_length(value) == 0;
    default:
        return value == NULL;
    }
}

static int check_fixed(json_object *body, struct dv_error *err)
{
    for (size_t i = 0; i < N(fixed); i++) {
        json_object *value = NULL;

        if (json_object_object_get_ex(body, fixed[i], &value) && !is_default(value))
            return dv_fail(err, DV_E_INVALID,
                           "%s cannot be changed by an update; create the container anew with it",
                           fixed[i]);
    }
    return 0;
}

/* Docker's rules of what may come on top of what there is. */
static int check_conflicts(const struct dv_container *c, const struct wish *w, struct dv_error *err)
{
    const struct dv_container_config *now = c->config, *new = &w->c;
    int64_t swap = now->memory_swap ? now->memory_swap : 2 * now->memory;
    const struct {
        bool hit;
        const char *text;
    } rules[] = {
        { new->nano_cpus > 0 && now->cpu_period > 0,
          "Nano CPUs cannot be updated as CPU Period has already been set" },
        { new->nano_cpus > 0 && now->cpu_quota > 0,
          "Nano CPUs cannot be updated as CPU Quota has already been set" },
        { new->cpu_period > 0 && now->nano_cpus > 0,
          "CPU Period cannot be updated as NanoCPUs has already been set" },
        { new->cpu_quota > 0 && now->nano_cpus > 0,
          "CPU Quota cannot be updated as NanoCPUs has already been set" },
    };

    for (size_t i = 0; i < N(rules); i++)
        if (rules[i].hit)
            return dv_fail(err, DV_E_CONFLICT, "Conflicting options: %s", rules[i].text);
    if (swap > 0 && new->memory > swap && new->memory_swap == 0)
        return dv_fail(err, DV_E_CONFLICT, "Memory limit should be smaller than already set "
                                           "memoryswap limit, update the memoryswap at the same "
                                           "time");
    if (!dv_empty(new->restart_name) && !dv_streq(new->restart_name, "no") && c->auto_remove)
        return dv_fail(err, DV_E_CONFLICT, "Restart policy cannot be updated because AutoRemove is "
                                           "enabled for the container");
    return 0;
}

static const void *at(const struct dv_container_config *c, const struct dv_json_field *f)
{
    return (const char *)c + f->offset; /* WISH begins with one */
}

/* One value, from the wish where it has one, else from what there is. */
static json_object *value_of(const struct dv_json_field *f, const struct wish *w,
                             const struct dv_container_config *now)
{
    if (f->type == DV_JSON_STR) {
        const char *text = *(char *const *)at(&w->c, f);

        if (dv_empty(text))
            text = *(char *const *)at(now, f);
        return json_object_new_string(text ? text : "");
    } else {
        int64_t n = *(const int64_t *)at(&w->c, f);

        return json_object_new_int64(n ? n : *(const int64_t *)at(now, f));
    }
}

static json_object *policy_of(const struct wish *w, const struct dv_container_config *now)
{
    const struct dv_container_config *from = dv_empty(w->c.restart_name) ? now : &w->c;
    json_object *policy = json_object_new_object();

    if (policy) {
        json_object_object_add(policy, "Name",
                               json_object_new_string(from->restart_name ? from->restart_name : ""));
        json_object_object_add(policy, "MaximumRetryCount",
                               json_object_new_int64(from->restart_max));
    }
    return policy;
}

/* The whole of the new values goes through the same checks as a create. */
static int make_next(const struct dv_container *c, const struct wish *w, struct dv_strv *warnings,
                     struct dv_container_config **ret, struct dv_error *err)
{
    dv_autojson json_object *body = json_object_new_object();
    json_object *host = json_object_new_object();

    if (!body || !host || json_object_object_add(body, "HostConfig", host) < 0) {
        json_object_put(host);
        return dv_fail(err, DV_E_NO_MEMORY, "update container %s", c->id);
    }
    for (size_t i = 0; i < N(fields); i++)
        json_object_object_add(host, fields[i].key,
                               fields[i].type == DV_JSON_OBJ ? policy_of(w, c->config)
                                                             : value_of(&fields[i], w, c->config));
    /* Lower than before, with no word of swap: that stays what it was. */
    if (w->c.memory && !w->c.memory_swap && !c->config->memory_swap && c->config->memory)
        json_object_object_add(host, "MemorySwap", json_object_new_int64(2 * c->config->memory));
    if (w->has_pids && w->c.pids_limit <= 0)
        json_object_object_add(host, "PidsLimit", json_object_new_int64(0));
    return dv_container_config_parse(body, warnings, ret, err);
}

/* The document that inspect shows, as text: NOW's with NEXT's values. */
static char *make_document(const struct dv_container_config *now,
                           const struct dv_container_config *next)
{
    dv_autojson json_object *doc = NULL;
    struct dv_error ignored = { 0 };
    const char *text = now->host_config_text;

    if (dv_json_parse(text, strlen(text), &doc, &ignored) < 0)
        return NULL;
    for (size_t i = 0; i < N(fields); i++) {
        json_object *value = NULL;

        if (!json_object_object_get_ex(next->host_config_json, fields[i].key, &value))
            continue;
        if (json_object_object_add(doc, fields[i].key, json_object_get(value)) < 0) {
            json_object_put(value);
            return NULL;
        }
    }
    return dv_json_text(doc);
}

#define SWAP(a, b)                                                                                 \
    do {                                                                                           \
        __typeof__(a) swapped_ = (a);                                                              \
                                                                                                   \
        (a) = (b);                                                                                 \
        (b) = swapped_;                                                                            \
    } while (0)

static void swap_field(struct dv_container_config *a, struct dv_container_config *b,
                       const struct dv_json_field *f)
{
    char *x = (char *)a + f->offset, *y = (char *)b + f->offset;

    if (f->type == DV_JSON_STR)
        SWAP(*(char **)(void *)x, *(char **)(void *)y);
    else
        SWAP(*(int64_t *)(void *)x, *(int64_t *)(void *)y);
}

/* The values of NOW and NEXT, and their documents, change places. Under c->lock. */
static void swap_values(struct dv_container_config *now, struct dv_container_config *next)
{
    for (size_t i = 0; i < N(fields); i++)
        if (fields[i].type != DV_JSON_OBJ)
            swap_field(now, next, &fields[i]);
    for (size_t i = 0; i < N(policy_fields); i++)
        swap_field(now, next, &policy_fields[i]);
    SWAP(now->host_config_text, next->host_config_text);
}

static int exchange(struct dv_container *c, struct dv_container_config *next, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    int r = 0;

    dv_lock_take(&c->lock);
    swap_values(c->config, next);
    text = dv_container_config_save(c->config);
    if (!text)
        r = dv_fail(err, DV_E_NO_MEMORY, "update container %s", c->id);
    else
        r = dv_db_exec(c->cs->engine->db, err, "UPDATE containers SET config_json = ? WHERE id = ?",
                       "ss", text, c->id);
    if (r < 0)
        swap_values(c->config, next);
    dv_lock_drop(&c->lock);
    return r;
}

static void free_resources(struct dv_spec_resources *res)
{
    struct dv_spec *spec = calloc(1, sizeof(*spec));

    if (!spec)
        return; /* a leak of some bytes, where there is no memory at all */
    spec->resources = *res;
    dv_spec_free(spec);
}

/* What the kernel is told: all limits that are on record, so that one call sets and takes back. */
static int apply(struct dv_container *c, bool unlimit_pids, struct dv_error *err)
{
    struct dv_spec_resources res = { .memory_swappiness = -1 };
    int r = dv_spec_limits(c->config, &res, err);

    if (unlimit_pids && res.pids_limit == 0)
        res.pids_limit = -1;
    if (r == 0)
        r = dv_cgroup_update(c->cs->engine->cgroups, c->cs->cgroup_parent, c->id, &res, err);
    free_resources(&res);
    return r;
}

static int apply_or_undo(struct dv_container *c, struct dv_container_config *next,
                         bool unlimit_pids, struct dv_error *err)
{
    struct dv_error ignored = { 0 };
    bool up;

    dv_lock_take(&c->lock);
    up = c->status == DV_RUNNING || c->status == DV_PAUSED;
    dv_lock_drop(&c->lock);
    if (!up || apply(c, unlimit_pids, err) == 0)
        return 0;
    if (err->code == DV_E_NOT_FOUND) { /* it has just ended: the values are for its next run */
        dv_error_clear(err);
        return 0;
    }
    if (exchange(c, next, &ignored) < 0 || apply(c, false, &ignored) < 0)
        dv_log_warn(NULL, "container %s: take a failed update back: %s", c->id, ignored.msg);
    return -err->code;
}

static int update(struct dv_container *c, const struct wish *w, struct dv_strv *warnings,
                  struct dv_error *err)
{
    dv_auto(dv_container_config) *next = NULL;
    int r = check_conflicts(c, w, err);

    if (r < 0)
        return dv_wrap(err, "Cannot update container %s", c->id);
    r = make_next(c, w, warnings, &next, err); /* what no container may have: no word of this one */
    if (r < 0)
        return r;
    next->host_config_text = make_document(c->config, next);
    if (!next->host_config_text)
        return dv_fail(err, DV_E_NO_MEMORY, "update container %s", c->id);
    r = exchange(c, next, err);
    if (r == 0)
        r = apply_or_undo(c, next, w->has_pids, err);
    if (r == 0)
        dv_shim_watch_oom(c);
    return r < 0 ? dv_wrap(err, "Cannot update container %s", c->id) : 0;
}

int dv_container_update(struct dv_container *c, json_object *body, struct dv_strv *warnings,
                        struct dv_error *err)
{
    struct wish w = { .has_pids = false };
    int r = dv_json_decode(body, fields, N(fields), &w, err);

    if (r == 0)
        r = check_fixed(body, err);
    if (r == 0)
        r = dv_op_begin(c, "update", err);
    if (r < 0) {
        wish_done(&w);
        return r;
    }
    r = update(c, &w, warnings, err);
    dv_op_end(c);
    wish_done(&w);
    if (r < 0)
        return r;
    dv_container_emit(c, "update", NULL);
    return 0;
}
