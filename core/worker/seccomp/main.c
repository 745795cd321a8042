/* main.c - davit-seccomp: compile Docker's default profile for a set of capabilities.
 *
 * Usage: davit-seccomp CAPS   (hexadecimal; bit n = capability n). Writes an array of struct
 * sock_filter to stdout. The build runs it once for Docker's default set; davitd runs it for other
 * sets and keeps the result, so that no start pays for it and davitd maps no libseccomp. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/worker/seccomp/table.h"

enum { CAP_SYS_ADMIN_BIT = 21, MAX_FILTER = 8192, X32_BIT = 0x40000000 };
/* CLONE_NEW* bits that need CAP_SYS_ADMIN: a clone() may not carry any. */
static const uint64_t clone_new_mask = 0x7e020000;

/* The calls that libseccomp cannot name and the profile allows; put before its program. */
struct unnamed {
    int numbers[16];
    size_t n;
};

static int allow_by_number(struct unnamed *unnamed, const char *name)
{
    for (const struct dv_seccomp_number *n = dv_seccomp_numbers; n->name; n++)
        if (strcmp(n->name, name) == 0 && unnamed->n < sizeof(unnamed->numbers) / sizeof(int)) {
            unnamed->numbers[unnamed->n++] = n->number;
            return 1;
        }
    return 0;
}

/* A call that an architecture of the filter does not have is no error: libseccomp leaves it out. */
static int allow(scmp_filter_ctx ctx, struct unnamed *unnamed, const char *name)
{
    int nr;

    if (allow_by_number(unnamed, name))
        return 0;
    nr = seccomp_syscall_resolve_name(name);

    if (nr == __NR_SCMP_ERROR)
        return 0;
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
}

static int allow_all(scmp_filter_ctx ctx, struct unnamed *unnamed, const char *const *names)
{
    int r = 0;

    for (; *names && r == 0; names++)
        r = allow(ctx, unnamed, *names);
    return r;
}

/* socket(): all families but AF_VSOCK, which names the hypervisor's host. */
static int allow_sockets(scmp_filter_ctx ctx)
{
    int nr = SCMP_SYS(socket), r;

    r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_LT, AF_VSOCK - 2));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_EQ, AF_VSOCK - 1));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_GT, AF_VSOCK));
    return r;
}

/* personality(): the default, 32 bits, UNAME26, both, and the question. */
static int allow_personalities(scmp_filter_ctx ctx)
{
    static const uint64_t values[] = { 0x0, 0x8, 0x20000, 0x20008, 0xffffffff };
    int r = 0;

    for (size_t i = 0; i < sizeof(values) / sizeof(*values) && r == 0; i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
                             SCMP_A0(SCMP_CMP_EQ, values[i]));
    return r;
}

/* Without CAP_SYS_ADMIN: clone() without new namespaces; clone3() hides its flags in memory, so it
 * answers ENOSYS and the libc falls back to clone(). */
static int allow_clone(scmp_filter_ctx ctx, uint64_t caps)
{
    int r;

    if (caps >> CAP_SYS_ADMIN_BIT & 1)
        return 0;
    r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                         SCMP_A0(SCMP_CMP_MASKED_EQ, clone_new_mask, 0));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return r;
}

static int build(scmp_filter_ctx ctx, struct unnamed *unnamed, uint64_t caps)
{
    int r = 0;

#if defined(__x86_64__)
    r = seccomp_arch_add(ctx, SCMP_ARCH_X86);
    if (r == 0)
        r = seccomp_arch_add(ctx, SCMP_ARCH_X32);
#endif
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree */
    if (r == 0)
        r = allow_all(ctx, unnamed, dv_seccomp_always);
    for (const struct dv_seccomp_cap *c = dv_seccomp_caps; c->names && r == 0; c++)
        if (caps >> c->cap & 1)
            r = allow_all(ctx, unnamed, c->names);
    if (r == 0)
        r = allow_sockets(ctx);
    if (r == 0)
        r = allow_personalities(ctx);
    if (r == 0)
        r = allow_clone(ctx, caps);
    return r;
}

static int put(struct sock_filter instruction)
{
    return fwrite(&instruction, sizeof(instruction), 1, stdout) == 1 ? 0 : -1;
}

/* What comes before libseccomp's program: calls newer than the profile answer ENOSYS, those that
 * libseccomp cannot name are allowed by number (the same on x86-64 and i386, or allowed on both). The
 * x32 range, whose numbers carry a bit of their own, is left to the program. */
static int put_prologue(const struct unnamed *unnamed)
{
    const unsigned rest = 2 * (unsigned)unnamed->n; /* instructions of the loop below */
    int r;

    r = put((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0 /* seccomp_data.nr */));
    if (r == 0)
        r = put((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT,
                                             (uint8_t)(rest + 2), 0));
    if (r == 0)
        r = put((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, DV_SECCOMP_LAST_CALL, 0, 1));
    if (r == 0)
        r = put((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
    for (size_t i = 0; i < unnamed->n && r == 0; i++) {
        r = put((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                             (uint32_t)unnamed->numbers[i], 0, 1));
        if (r == 0)
            r = put((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    return r;
}

static int put_program(scmp_filter_ctx ctx)
{
    static char program[MAX_FILTER * sizeof(struct sock_filter)];
    FILE *file = tmpfile();
    size_t n = 0;

    if (!file)
        return -1;
    if (seccomp_export_bpf(ctx, fileno(file)) == 0 && fseek(file, 0, SEEK_SET) == 0)
        n = fread(program, 1, sizeof(program), file);
    fclose(file);
    if (n == 0 || n == sizeof(program) || n % sizeof(struct sock_filter))
        return -1;
    return fwrite(program, n, 1, stdout) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct unnamed unnamed = { .n = 0 };
    scmp_filter_ctx ctx;
    uint64_t caps;
    char *end;
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: davit-seccomp CAPS (hexadecimal)\n");
        return 2;
    }
    caps = strtoull(argv[1], &end, 16);
    if (*end || end == argv[1]) {
        fprintf(stderr, "davit-seccomp: '%s' is not hexadecimal\n", argv[1]);
        return 2;
    }
    ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    r = ctx ? build(ctx, &unnamed, caps) : -ENOMEM;
    if (r < 0) {
        fprintf(stderr, "davit-seccomp: compile the profile: %s\n", strerror(-r));
        return 1;
    }
    if (put_prologue(&unnamed) < 0 || put_program(ctx) < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "davit-seccomp: write the filter: %s\n", strerror(errno));
        return 1;
    }
    seccomp_release(ctx);
    return 0;
}
