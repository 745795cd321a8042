/* sandbox.c - what a worker gives up before it touches outside data. */
#include "core/worker/sandbox.h"

#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Unpacking: owners, modes, set-uid bits, file capabilities, devices; whoever owns the files. */
static const unsigned kept_caps[] = {
    CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP, CAP_MKNOD,
};

/* Nothing here has a use in a job, and each is a way to the kernel or to other processes. */
static const int denied_calls[] = {
    SCMP_SYS(acct),
    SCMP_SYS(add_key),
    SCMP_SYS(adjtimex),
    SCMP_SYS(bpf),
    SCMP_SYS(chroot),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(clock_settime),
    SCMP_SYS(delete_module),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(finit_module),
    SCMP_SYS(fork),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fspick),
    SCMP_SYS(init_module),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(kcmp),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(mount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(move_mount),
    SCMP_SYS(move_pages),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(open_tree),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(personality),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(pivot_root),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(ptrace),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    SCMP_SYS(reboot),
    SCMP_SYS(request_key),
    SCMP_SYS(setdomainname),
    SCMP_SYS(sethostname),
    SCMP_SYS(setns),
    SCMP_SYS(settimeofday),
    SCMP_SYS(swapoff),
    SCMP_SYS(swapon),
    SCMP_SYS(syslog),
    SCMP_SYS(tkill),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
    SCMP_SYS(uselib),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(vfork),
    SCMP_SYS(vhangup),
};

/* Spool files: a descriptor each. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A tmpfs that is mounted nowhere, as the root directory: no path leads to anything, while the
 * descriptors of layers and blobs go on to work. */
static int empty_root(struct dv_error *err)
{
    dv_autoclose int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    dv_autoclose int mnt = -1;

    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make an empty root directory");
    mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                           MOUNT_ATTR_NOEXEC);
    if (mnt < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make an empty root directory");
    if (fchdir(mnt) < 0 || chroot(".") < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "enter an empty root directory");
    return 0;
}

static bool may(unsigned cap)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { 0 };

    return syscall(SYS_capget, &header, data) == 0 &&
           (data[cap / 32].effective & (1u << (cap % 32))) != 0;
}

static int drop_capabilities(struct dv_error *err)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct has[2] = { 0 }, want[2] = { 0 };
    unsigned cap;
    size_t i;

    if (syscall(SYS_capget, &header, has) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "capget");
    for (i = 0; i < N(kept_caps); i++)
        want[kept_caps[i] / 32].effective |= 1u << (kept_caps[i] % 32);
    for (i = 0; i < N(want); i++) {
        want[i].effective &= has[i].permitted;
        want[i].permitted = want[i].effective;
    }
    if (may(CAP_SETPCAP))
        for (cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
            if (!(want[cap / 32].permitted & (1u << (cap % 32))) &&
                prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
                return dv_fail_errno(err, DV_E_INTERNAL, "drop capability %u", cap);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "clear ambient capabilities");
    if (syscall(SYS_capset, &header, want) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "drop capabilities");
    return 0;
}

static int fill_filter(scmp_filter_ctx ctx)
{
    size_t i;
    int r = 0;

    for (i = 0; i < N(denied_calls) && r == 0; i++) {
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), denied_calls[i], 0);
        /* A call that this architecture does not have. */
        if (r == -EDOM || r == -EINVAL)
            r = 0;
    }
    /* Netlink, packet and the like reach drivers; unix and inet are what transports use. */
    r = r ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                 SCMP_A0(SCMP_CMP_GT, 10 /* AF_INET6 */));
    /* Another program's terminal must not be typed into. */
    r = r ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                 SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, 0x5412 /* TIOCSTI */));
    return r ? r : seccomp_load(ctx);
}

static int filter_calls(struct dv_error *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int r;

    if (!ctx)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a system call filter");
    r = fill_filter(ctx);
    seccomp_release(ctx);
    if (r < 0) {
        errno = -r;
        return dv_fail_errno(err, DV_E_INTERNAL, "load the system call filter");
    }
    return 0;
}

int dv_sandbox_enter(unsigned flags, struct dv_error *err)
{
    int r = 0;

    raise_descriptors();
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "PR_SET_DUMPABLE");
    if (may(CAP_SYS_ADMIN)) {
        if (!(flags & DV_SANDBOX_NETWORK) && unshare(CLONE_NEWNET) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "make an empty network namespace");
        r = empty_root(err);
    }
    r = r < 0 ? r : drop_capabilities(err);
    if (r < 0)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "PR_SET_NO_NEW_PRIVS");
    return filter_calls(err);
}
