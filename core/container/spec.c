/* spec.c - from image config and create request to the OCI spec: nothing else decides how a
 * container is isolated. */
#include "core/runtime/spec.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/container/caps.h"
#include "core/container/internal.h"
#include "core/container/seccomp.h"
#include "core/container/spec_parts.h"
#include "core/daemon/engine.h"
#include "core/runtime/cgroup.h"

static const char default_path[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* ---- process ---- */

static int set_variable(struct dv_strv *env, const char *entry)
{
    size_t n = strcspn(entry, "=");

    for (size_t i = 0; i < env->n; i++)
        if (strncmp(env->items[i], entry, n) == 0 && env->items[i][n] == '=') {
            char *copy = dv_strdup(entry);

            if (!copy)
                return -1;
            free(env->items[i]);
            env->items[i] = copy;
            return 0;
        }
    return dv_strv_add(env, entry);
}

static int build_env(const struct dv_container *c, const char *hostname, bool tty,
                     const struct dv_strv *more, struct dv_strv *env)
{
    dv_autofree char *host = dv_format("HOSTNAME=%s", hostname);
    const struct dv_strv *own = &c->config->env;

    if (!host || dv_strv_add(env, default_path) < 0 || dv_strv_add(env, host) < 0 ||
        (tty && dv_strv_add(env, "TERM=xterm") < 0))
        return -1;
    for (size_t i = 0; i < own->n; i++)
        if (strchr(own->items[i], '=') && set_variable(env, own->items[i]) < 0)
            return -1;
    for (size_t i = 0; more && i < more->n; i++)
        if (strchr(more->items[i], '=') && set_variable(env, more->items[i]) < 0)
            return -1;
    return 0;
}

char *dv_spec_hostname(struct dv_container *c)
{
    struct dv_container *owner = dv_container_net_owner(c);
    const char *own = owner->config->hostname;
    char *name = dv_empty(own) ? dv_format("%.12s", owner->id) : dv_strdup(own);

    dv_container_unref(owner);
    return name;
}

static bool wants_no_new_privs(const struct dv_container_config *config)
{
    const struct dv_strv *opts = &config->security_opt;

    return dv_strv_has(opts, "no-new-privileges") || dv_strv_has(opts, "no-new-privileges=true") ||
           dv_strv_has(opts, "no-new-privileges:true");
}

static bool wants_seccomp(const struct dv_container_config *config, bool privileged)
{
    const struct dv_strv *opts = &config->security_opt;

    return !privileged && !dv_strv_has(opts, "seccomp=unconfined") &&
           !dv_strv_has(opts, "seccomp:unconfined");
}

static void warn_lacking(uint64_t lacking, bool privileged, struct dv_strv *warnings)
{
    for (int cap = 0; lacking; cap++, lacking >>= 1) {
        dv_autofree char *text = NULL;

        if (!(lacking & 1))
            continue;
        text = dv_format("%s cannot be given to the container%s: davitd itself lacks it",
                         dv_cap_name(cap), privileged ? " (privileged)" : "");
        if (text && warnings && dv_strv_add(warnings, text) < 0)
            return;
    }
}

static int build_security(const struct dv_container *c, bool privileged,
                          struct dv_spec_process *p, struct dv_strv *warnings,
                          struct dv_error *err)
{
    const struct dv_container_config *config = c->config;
    uint64_t lacking, caps;
    int r = 0;

    caps = dv_caps_compute(privileged, &config->cap_add, &config->cap_drop, &lacking);
    warn_lacking(lacking, privileged, warnings);
    p->caps.bounding = p->caps.effective = p->caps.permitted = caps;
    p->no_new_privs = wants_no_new_privs(config);
    p->oom_score_adj = (int)config->oom_score_adj;
    if (wants_seccomp(config, privileged))
        r = dv_seccomp_default(&c->cs->engine->config, caps, &p->seccomp, &p->seccomp_bytes, err);
    if (r == 0)
        r = dv_spec_rlimits(config, p, err);
    return r;
}

static int build_process(struct dv_container *c, const char *hostname, struct dv_spec_process *p,
                         struct dv_strv *warnings, struct dv_error *err)
{
    const struct dv_container_config *config = c->config;

    p->cwd = dv_strdup(dv_empty(config->working_dir) ? "/" : config->working_dir);
    p->create_cwd = true;
    p->terminal = config->tty;
    p->rows = config->rows;
    p->cols = config->cols;
    p->user = dv_strdup(config->user ? config->user : "");
    p->set_home = true;
    if (!p->cwd || !p->user || dv_strv_copy(&p->args, &c->argv) < 0 ||
        dv_strv_copy(&p->add_groups, &config->group_add) < 0 ||
        build_env(c, hostname, config->tty, NULL, &p->env) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "describe the process of container %s", c->id);
    return build_security(c, config->privileged, p, warnings, err);
}

int dv_spec_process_build(struct dv_container *c, const struct dv_exec_config *exec,
                          struct dv_spec_process *ret, struct dv_error *err)
{
    const struct dv_container_config *config = c->config;
    dv_autofree char *hostname = dv_spec_hostname(c);
    const char *cwd = dv_empty(exec->working_dir) ? config->working_dir : exec->working_dir;
    const char *user = dv_empty(exec->user) ? config->user : exec->user;

    ret->cwd = dv_strdup(dv_empty(cwd) ? "/" : cwd);
    ret->user = dv_strdup(user ? user : "");
    ret->terminal = exec->tty;
    ret->rows = exec->rows;
    ret->cols = exec->cols;
    ret->set_home = true;
    if (!hostname || !ret->cwd || !ret->user || dv_strv_copy(&ret->args, &exec->cmd) < 0 ||
        dv_strv_copy(&ret->add_groups, &config->group_add) < 0 ||
        build_env(c, hostname, exec->tty, &exec->env, &ret->env) < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "describe an exec in container %s", c->id);
    return build_security(c, config->privileged || exec->privileged, ret, NULL, err);
}

/* ---- namespaces ---- */

static bool is_host(const char *mode)
{
    return mode && dv_streq(mode, "host");
}
static bool is_container(const char *mode)
{
    return mode && dv_starts(mode, "container:");
}

static void new_ns(struct dv_spec *spec, enum dv_ns ns, bool wanted)
{
    spec->ns[ns].wanted = wanted;
    spec->ns[ns].fd_index = -1;
}

static int build_namespaces(struct dv_container *c, struct dv_spec *spec,
                            struct dv_spec_joins *joins, struct dv_error *err)
{
    const struct dv_container_config *config = c->config;
    const char *cgroupns = config->cgroupns_mode;
    bool private_cgroup = dv_cgroups_mode(c->cs->engine->cgroups) == DV_CGROUP_V2;
    int r = 0;

    if (!dv_empty(cgroupns))
        private_cgroup = dv_streq(cgroupns, "private");
    new_ns(spec, DV_NS_USER, spec->n_uid_maps > 0);
    new_ns(spec, DV_NS_MNT, true);
    new_ns(spec, DV_NS_UTS, !is_host(config->uts_mode));
    new_ns(spec, DV_NS_PID, !is_host(config->pid_mode));
    new_ns(spec, DV_NS_IPC, !is_host(config->ipc_mode));
    new_ns(spec, DV_NS_CGROUP, private_cgroup);
    new_ns(spec, DV_NS_NET, !is_host(config->network_mode));
    /* A network namespace made beforehand belongs to the initial user namespace: a container with
     * one of its own makes both together. */
    joins->own_netns = spec->ns[DV_NS_NET].wanted && !is_container(config->network_mode) &&
                       !spec->ns[DV_NS_USER].wanted;
    if (joins->own_netns)
        spec->ns[DV_NS_NET].fd_index = 0;
    if (is_container(config->network_mode))
        r = dv_spec_join(c, config->network_mode, DV_NS_NET, spec, joins, err);
    if (r == 0 && is_container(config->pid_mode))
        r = dv_spec_join(c, config->pid_mode, DV_NS_PID, spec, joins, err);
    if (r == 0 && is_container(config->ipc_mode))
        r = dv_spec_join(c, config->ipc_mode, DV_NS_IPC, spec, joins, err);
    return r;
}

/* ---- the whole ---- */

static int add_sysctl(struct dv_spec *spec, const char *key, const char *value)
{
    char *text = dv_format("%s=%s", key, value);

    return text ? dv_strv_add_take(&spec->sysctls, text) : -1;
}

/* Docker's defaults in a network namespace of one's own: ping and low ports without privilege. */
static int build_sysctls(const struct dv_container_config *config, struct dv_spec *spec,
                         struct dv_error *err)
{
    const struct dv_json_map *own = &config->sysctls;
    static const char *const defaults[][2] = {
        { "net.ipv4.ip_unprivileged_port_start", "0" },
        { "net.ipv4.ping_group_range", "0 2147483647" },
    };
    bool own_network = spec->ns[DV_NS_NET].wanted && !is_container(config->network_mode);
    int r = 0;

    for (size_t i = 0; own_network && i < N(defaults) && r == 0; i++)
        if (!dv_json_map_get(own, defaults[i][0]) &&
            !(spec->ns[DV_NS_USER].wanted && i == 1)) /* the range must be mapped there */
            r = add_sysctl(spec, defaults[i][0], defaults[i][1]);
    for (size_t i = 0; i < own->keys.n && r == 0; i++)
        r = add_sysctl(spec, own->keys.items[i], own->values.items[i]);
    return r < 0 ? dv_fail(err, DV_E_NO_MEMORY, "describe the sysctls") : 0;
}

static int build_names(struct dv_container *c, struct dv_spec *spec, struct dv_error *err)
{
    const struct dv_container_config *config = c->config;

    spec->id = dv_strdup(c->id);
    spec->cgroups_path = dv_format("%s/%s", c->cs->cgroup_parent, c->id);
    spec->hostname = is_host(config->uts_mode) ? dv_strdup("") : dv_spec_hostname(c);
    spec->domainname = dv_strdup(config->domainname ? config->domainname : "");
    spec->root_readonly = config->readonly_rootfs;
    spec->init = config->init;
    if (!spec->id || !spec->cgroups_path || !spec->hostname || !spec->domainname)
        return dv_fail(err, DV_E_NO_MEMORY, "describe container %s", c->id);
    return 0;
}

int dv_spec_build(struct dv_container *c, struct dv_spec **ret, struct dv_spec_joins *joins,
                  struct dv_strv *warnings, struct dv_error *err)
{
    dv_auto(dv_spec) *spec = calloc(1, sizeof(*spec));
    dv_autofree char *hostname = dv_spec_hostname(c);
    int r;

    if (!spec || !hostname)
        return dv_fail(err, DV_E_NO_MEMORY, "describe container %s", c->id);
    r = build_names(c, spec, err);
    if (r == 0)
        r = dv_spec_user_namespace(c, spec, err);
    if (r == 0)
        r = build_namespaces(c, spec, joins, err);
    if (r == 0)
        r = build_process(c, hostname, &spec->process, warnings, err);
    if (r == 0)
        r = build_sysctls(c->config, spec, err);
    if (r == 0)
        r = dv_spec_mounts(c, joins, spec, err);
    if (r == 0)
        r = dv_spec_paths_and_devices(c, spec, err);
    if (r == 0)
        r = dv_spec_resources(c, spec, warnings, err);
    if (r < 0)
        return r;
    *ret = dv_take(spec);
    return 0;
}
