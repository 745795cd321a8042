/* cgroup_devices.c - which devices a group may use: v1's files, v2's BPF program. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/base/id.h"
#include "core/runtime/cgroup_internal.h"

enum { MAX_RULES = 1024, INSNS_OF_RULE = 10, INSNS_FIXED = 8 };

static bool valid(const struct dv_spec_device_rule *r)
{
    return (r->type == 'a' || r->type == 'b' || r->type == 'c') && r->major >= -1 &&
           r->major <= UINT32_MAX && r->minor >= -1 && r->minor <= UINT32_MAX && r->access[0] &&
           strnlen(r->access, sizeof(r->access)) < sizeof(r->access) &&
           strspn(r->access, "rwm") == strlen(r->access);
}

/* BPF_DEVCG_ACC_* of "rwm". */
static uint32_t access_bits(const char *access)
{
    return (strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0) |
           (strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0) |
           (strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0);
}

/* Every device and every access: what v1 calls "a". */
static bool is_all(const struct dv_spec_device_rule *r)
{
    return r->type == 'a' && r->major < 0 && r->minor < 0 && access_bits(r->access) == 7;
}

static int check_rules(const struct dv_cg_change *c)
{
    size_t i;

    if (c->res->n_devices > MAX_RULES)
        return dv_fail(c->err, DV_E_INVALID, "%zu device rules, at most %d", c->res->n_devices,
                       MAX_RULES);
    for (i = 0; i < c->res->n_devices; i++)
        if (!valid(&c->res->devices[i]))
            return dv_fail(c->err, DV_E_INVALID, "device rule %zu is malformed", i + 1);
    return 0;
}

/* ---- v1 ---- */

static void number_text(int64_t v, char out[24])
{
    if (v < 0)
        snprintf(out, 24, "*");
    else
        snprintf(out, 24, "%lld", (long long)v);
}

static int write_rule(const struct dv_cg_change *c, int fd, const struct dv_spec_device_rule *r,
                      char type)
{
    char line[64], major[24], minor[24];

    number_text(r->major, major);
    number_text(r->minor, minor);
    if (type == 'a')
        snprintf(line, sizeof(line), "a");
    else
        snprintf(line, sizeof(line), "%c %s:%s %s", type, major, minor, r->access);
    if (write(fd, line, strlen(line)) >= 0)
        return 0;
    if (errno == EPERM)
        return dv_fail(c->err, DV_E_FORBIDDEN,
                       "device rule \"%s %s\": the group that davit runs in may not give that",
                       r->allow ? "allow" : "deny", line);
    return dv_fail_errno(c->err, DV_E_INVALID, "device rule \"%s %s\"",
                         r->allow ? "allow" : "deny", line);
}

int dv_cg1_devices(const struct dv_cg_change *c)
{
    static const struct dv_cg_knob knob = { DV_CTL_DEVICES, "devices.allow", "device rules",
                                            "device rules", "Device rules" };
    const struct dv_hierarchy *h = c->cg->by[DV_CTL_DEVICES];
    dv_autoclose int allow_fd = -1, deny_fd = -1;
    size_t i;
    int r = check_rules(c);

    if (r < 0)
        return r;
    if (!h)
        return dv_cg_missing(c, &knob);
    allow_fd = dv_cg_open(h, c->group, "devices.allow", O_WRONLY);
    deny_fd = dv_cg_open(h, c->group, "devices.deny", O_WRONLY);
    if (allow_fd < 0 || deny_fd < 0)
        return dv_fail_errno(c->err, DV_E_INTERNAL, "open the device rules of cgroup '%s/%s'",
                             h->mount, c->group->rel);
    for (i = 0; i < c->res->n_devices && r == 0; i++) {
        const struct dv_spec_device_rule *rule = &c->res->devices[i];
        int fd = rule->allow ? allow_fd : deny_fd;

        if (rule->type != 'a' || is_all(rule)) {
            r = write_rule(c, fd, rule, rule->type);
            continue;
        }
        r = write_rule(c, fd, rule, 'c'); /* v1's "a" would ignore the numbers and the access */
        r = r ? r : write_rule(c, fd, rule, 'b');
    }
    return r;
}

/* ---- v2 ---- */

/* What v1 would have made of the rules (security/device_cgroup.c): a default and exceptions. */
struct exception {
    uint32_t type;            /* BPF_DEVCG_DEV_* */
    int64_t major, minor;     /* -1 = any */
    uint32_t access;          /* 0: taken back */
};
struct policy {
    bool allow;
    struct exception *list;
    size_t n;
};

static struct exception *find_exception(struct policy *p, uint32_t type, int64_t major,
                                        int64_t minor)
{
    size_t i;

    for (i = 0; i < p->n; i++)
        if (p->list[i].type == type && p->list[i].major == major && p->list[i].minor == minor)
            return &p->list[i];
    return NULL;
}

static void apply_rule(struct policy *p, const struct dv_spec_device_rule *r, uint32_t type)
{
    uint32_t access = access_bits(r->access);
    struct exception *e = find_exception(p, type, r->major, r->minor);

    if (r->allow == p->allow) { /* back to the default */
        if (e)
            e->access &= ~access;
    } else if (e) {
        e->access |= access;
    } else {
        p->list[p->n++] = (struct exception){ type, r->major, r->minor, access };
    }
}

static void make_policy(const struct dv_spec_resources *res, struct policy *p)
{
    size_t i;

    p->allow = true; /* without rules everything may be used, as in a new v1 group */
    for (i = 0; i < res->n_devices; i++) {
        const struct dv_spec_device_rule *r = &res->devices[i];

        if (is_all(r)) {
            p->allow = r->allow;
            p->n = 0;
            continue;
        }
        if (r->type != 'b')
            apply_rule(p, r, BPF_DEVCG_DEV_CHAR);
        if (r->type != 'c')
            apply_rule(p, r, BPF_DEVCG_DEV_BLOCK);
    }
}

/* The program: R2 type, R3 access, R4 major, R5 minor of struct bpf_cgroup_dev_ctx; R0 the answer,
 * 1 = yes. */
struct program {
    struct bpf_insn *insns;
    size_t n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
    p->insns[p->n++] = (struct bpf_insn){
        .code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm
    };
}

/* A jump to the end of this exception, patched when that is known. */
static void emit_skip(struct program *p, uint8_t op, uint8_t reg, uint32_t value)
{
    emit(p, BPF_JMP32 | op | BPF_K, reg, 0, 0, (int32_t)value);
}

static void emit_exception(struct program *p, const struct exception *e, bool allow)
{
    size_t start = p->n, i;

    emit_skip(p, BPF_JNE, BPF_REG_2, e->type);
    if (e->major >= 0)
        emit_skip(p, BPF_JNE, BPF_REG_4, (uint32_t)e->major);
    if (e->minor >= 0)
        emit_skip(p, BPF_JNE, BPF_REG_5, (uint32_t)e->minor);
    if (e->access != 7) {
        /* An exception that allows must cover the whole request; one that denies, any of it. */
        emit(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_3, 0, 0);
        emit(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_0, 0, 0,
             (int32_t)(allow ? 7 & ~e->access : e->access));
        emit_skip(p, allow ? BPF_JNE : BPF_JEQ, BPF_REG_0, 0);
    }
    emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
    emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    for (i = start; i < p->n; i++)
        if (BPF_CLASS(p->insns[i].code) == BPF_JMP32)
            p->insns[i].off = (int16_t)(p->n - i - 1);
}

static void make_program(const struct policy *policy, struct program *p)
{
    size_t i;

    emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0);
    emit(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
    emit(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
    emit(p, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
    emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, 4, 0);
    emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, 8, 0);
    for (i = 0; i < policy->n; i++)
        if (policy->list[i].access)
            emit_exception(p, &policy->list[i], !policy->allow);
    emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, policy->allow);
    emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int bpf(int command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load(const struct program *p)
{
    static const char license[] = "Apache-2.0";
    union bpf_attr attr;
    int fd, tries;

    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = (uintptr_t)p->insns;
    attr.insn_cnt = (uint32_t)p->n;
    attr.license = (uintptr_t)license;
    snprintf(attr.prog_name, sizeof(attr.prog_name), "davit_devices");
    for (tries = 0; tries < 5; tries++) { /* EAGAIN: a signal while it was verified */
        fd = bpf(BPF_PROG_LOAD, &attr);
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    return fd; /* close-on-exec by itself */
}

/* Most containers have the same rules: the last program is kept and attached again. New fd. */
static int load_cached(struct dv_cgroups *cg, const struct program *p)
{
    uint64_t hash = dv_hash64(p->insns, p->n * sizeof(p->insns[0]));
    int fd = -1;

    pthread_mutex_lock(&cg->mutex);
    if (cg->prog_fd >= 0 && cg->prog_hash == hash)
        fd = fcntl(cg->prog_fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&cg->mutex);
    if (fd >= 0)
        return fd;
    fd = load(p);
    if (fd < 0)
        return -1;
    pthread_mutex_lock(&cg->mutex);
    dv_close(cg->prog_fd);
    cg->prog_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    cg->prog_hash = hash;
    pthread_mutex_unlock(&cg->mutex);
    return fd;
}

enum { MAX_ATTACHED = 64 };

/* Programs attached to the group itself. */
static size_t attached(int dir_fd, uint32_t ids[MAX_ATTACHED])
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.query.target_fd = (uint32_t)dir_fd;
    attr.query.attach_type = BPF_CGROUP_DEVICE;
    attr.query.prog_ids = (uintptr_t)ids;
    attr.query.prog_cnt = MAX_ATTACHED;
    return bpf(BPF_PROG_QUERY, &attr) < 0 ? 0 : attr.query.prog_cnt;
}

static int attach(int command, int dir_fd, int prog_fd)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.target_fd = (uint32_t)dir_fd;
    attr.attach_bpf_fd = (uint32_t)prog_fd;
    attr.attach_type = BPF_CGROUP_DEVICE;
    if (command == BPF_PROG_ATTACH)
        attr.attach_flags = BPF_F_ALLOW_MULTI;
    return bpf(command, &attr);
}

/* New first, old away after: at no moment is everything allowed. */
static int replace_program(int dir_fd, int prog_fd, bool live)
{
    uint32_t old[MAX_ATTACHED];
    size_t i, n = live ? attached(dir_fd, old) : 0;

    if (attach(BPF_PROG_ATTACH, dir_fd, prog_fd) < 0)
        return live && errno == EINVAL ? 0 : -1; /* the very same program is there already */
    for (i = 0; i < n; i++) {
        dv_autoclose int fd = -1;
        union bpf_attr attr;

        memset(&attr, 0, sizeof(attr));
        attr.prog_id = old[i];
        fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
        if (fd < 0 || attach(BPF_PROG_DETACH, dir_fd, fd) < 0)
            return -1;
    }
    return 0;
}

int dv_cg2_devices(const struct dv_cg_change *c)
{
    const struct dv_hierarchy *h = c->cg->unified;
    dv_autoclose int dir_fd = -1, prog_fd = -1;
    dv_autofree struct exception *list = NULL;
    dv_autofree struct bpf_insn *insns = NULL;
    struct policy policy = { 0 };
    struct program program = { 0 };
    int r = check_rules(c);

    if (r < 0)
        return r;
    list = calloc(2 * c->res->n_devices + 1, sizeof(*list));
    if (!list)
        return dv_fail(c->err, DV_E_NO_MEMORY, "no memory for device rules");
    policy.list = list;
    make_policy(c->res, &policy);
    insns = calloc(INSNS_FIXED + INSNS_OF_RULE * policy.n, sizeof(*insns));
    if (!insns)
        return dv_fail(c->err, DV_E_NO_MEMORY, "no memory for device rules");
    program.insns = insns;
    make_program(&policy, &program);

    dir_fd = openat(h->fd, c->group->rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return dv_fail_errno(c->err, DV_E_INTERNAL, "open cgroup '%s/%s'", h->mount, c->group->rel);
    prog_fd = load_cached(c->cg, &program);
    if (prog_fd < 0)
        return dv_fail_errno(c->err, DV_E_INTERNAL,
                             "load the device rules of cgroup '%s' (needs CAP_BPF or "
                             "CAP_SYS_ADMIN)",
                             c->group->rel);
    if (replace_program(dir_fd, prog_fd, c->live) < 0)
        return dv_fail_errno(c->err, DV_E_INTERNAL, "attach the device rules to cgroup '%s'",
                             c->group->rel);
    return 0;
}
