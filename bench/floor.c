/* floor.c - the kernel's part of a container start, in one process: what no engine can undercut by much.
 *
 * usage: davit-floor [--network none|host|bridge] [--runs N] [--pause MS] [--filter FILE]
 *                    [--favordynmods on] [--keep on] [--steps on] ROOTFS
 *
 * Each run makes what `run --rm IMAGE /bin/true` needs of the kernel: control groups with Docker's rules
 * for devices, an overlay over ROOTFS, pid, mount, ipc, uts and network namespaces, Docker's mounts, masks
 * and devices, a veth on a bridge with address and route, capabilities, the seccomp filter (FILE: an array
 * of struct sock_filter), exec; then it reaps. Parent and child work at the same time, and what nobody
 * waits for (removing groups, directories, mounts) is done after the clock has stopped. No database, no
 * socket, no second program. Prints microseconds, one line a run.
 *
 * With --steps on the medians of the parts go to stderr. Parent and child work side by side, so the parts
 * add up to more than the whole.
 *
 * With --keep on the program is `sleep`, a run ends at its exec, and all containers stay until the last
 * one was started: what N containers on one bridge cost the kernel alone. */
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum network { NET_NONE, NET_HOST, NET_BRIDGE };
enum { MAX_FILTER = 8192, MAX_KEPT = 1023, MAX_STEP_RUNS = 1000 };
/* Points in time; a step is from one to another. CHILD_* are written by the child. */
enum mark { BEGIN, GROUPS_MADE, CLONED, ATTACHED, JOINED, REAPED, CHILD_BEGIN, CHILD_MOUNTED,
            CHILD_MASKED, CHILD_GO, CHILD_EXEC, N_MARKS };
static const struct { const char *name; enum mark from, to; } steps[] = {
    { "make directories and control groups", BEGIN, GROUPS_MADE },
    { "clone with namespaces, until the child runs", GROUPS_MADE, CHILD_BEGIN },
    { "attach to the control groups", CLONED, ATTACHED },
    { "veth, address, route", ATTACHED, JOINED },
    { "overlay, Docker's mounts, pivot_root", CHILD_BEGIN, CHILD_MOUNTED },
    { "masked and read-only paths", CHILD_MOUNTED, CHILD_MASKED },
    { "capabilities, seccomp", CHILD_GO, CHILD_EXEC },
    { "exec, the program, exit, reap", CHILD_EXEC, REAPED },
    { "all", BEGIN, REAPED },
};
struct floor {
    enum network network;
    int runs, pause_ms;
    bool keep, favordynmods, steps, v2;
    double (*marks)[N_MARKS];       /* a page shared with the child; the run under way is [n_marked] */
    int n_marked;
    const char *rootfs;
    char work[64];                  /* a directory of ours */
    char bridge[16], group[32];
    int groups_made, bridge_made;   /* what clean_up() has to undo, */
    int run;                        /* the run under way likewise, */
    pid_t pid;                      /* and its process; 0 = reaped */
    struct sock_filter filter[MAX_FILTER];
    unsigned short n_filter;
    struct mnl_socket *nl;
    unsigned master;                /* index of the bridge */
    int n_kept;
    struct { pid_t pid; int mounts_fd; } kept[MAX_KEPT];
};
static const char *const controllers[] = { "cpu", "cpuacct", "cpuset", "memory", "devices",
                                           "freezer", "blkio", "pids" };
enum { N_CONTROLLERS = sizeof(controllers) / sizeof(*controllers) };
static struct floor f;              /* one a process; die() must reach it to clean up */
static bool in_child;
static volatile sig_atomic_t interrupted;

static void clean_up(void);

static void die(const char *what)
{
    fprintf(stderr, "davit-floor: %s: %s\n", what, strerror(errno));
    if (in_child)
        _exit(1);
    clean_up();
    exit(1);
}
static void must(int ok, const char *what)
{
    if (!ok)
        die(what);
}
static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
    close(fd);
}
static void copy(const char *from, const char *to)
{
    char text[4096];
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    must(n >= 0, from);
    close(fd);
    text[n] = '\0';
    put(to, text);
}
static const char *path_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *path_of(const char *fmt, ...)
{
    static char paths[8][256];
    static unsigned turn;
    char *p = paths[turn++ % 8];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(p, sizeof(paths[0]), fmt, ap);
    va_end(ap);
    return p;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
static void mark(enum mark m)
{
    if (f.marks)
        f.marks[f.n_marked][m] = now_us();
}

/* ---- control groups ---- */

/* Docker's rules: everything may be made, and these may be used. */
static const char *const device_rules[] = { "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",
                                            "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm",
                                            "c 5:2 rwm", "c 136:* rwm" };

static const char *group_of(int controller)
{
    return f.v2 ? path_of("/sys/fs/cgroup/%s", f.group)
                : path_of("/sys/fs/cgroup/%s/%s", controllers[controller], f.group);
}
static int n_hierarchies(void)
{
    return f.v2 ? 1 : N_CONTROLLERS;
}
static void inherit_cpuset(const char *dir)
{
    copy(path_of("%s/../cpuset.cpus", dir), path_of("%s/cpuset.cpus", dir));
    copy(path_of("%s/../cpuset.mems", dir), path_of("%s/cpuset.mems", dir));
}
static void make_parents(void)
{
    for (int i = 0; i < n_hierarchies(); i++) {
        const char *dir = group_of(i);

        must(mkdir(dir, 0755) == 0, dir);
        f.groups_made++;
        if (!f.v2 && strcmp(controllers[i], "cpuset") == 0)
            inherit_cpuset(dir);
    }
    if (f.v2)
        put(path_of("%s/cgroup.subtree_control", group_of(0)), "+cpu +memory +pids");
}
static void make_groups(int run)
{
    for (int i = 0; i < n_hierarchies(); i++) {
        char dir[256];

        snprintf(dir, sizeof(dir), "%s/%d", group_of(i), run);
        must(mkdir(dir, 0755) == 0, dir);
        if (f.v2)
            continue;
        if (strcmp(controllers[i], "cpuset") == 0)
            inherit_cpuset(dir);
        if (strcmp(controllers[i], "devices") != 0)
            continue;
        put(path_of("%s/devices.deny", dir), "a");
        for (size_t r = 0; r < sizeof(device_rules) / sizeof(*device_rules); r++)
            put(path_of("%s/devices.allow", dir), device_rules[r]);
    }
}
static void enter_groups(int run, pid_t pid)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", pid);
    for (int i = 0; i < N_CONTROLLERS; i++)
        put(path_of("%s/%d/cgroup.procs", group_of(i), run), text);
}
static void remove_groups(int run)
{
    for (int i = 0; i < n_hierarchies(); i++)
        rmdir(path_of("%s/%d", group_of(i), run));
}
/* The first write of cgroup.procs after a pause waits a grace period, unless a hierarchy has this. On new
 * kernels it then stays on until the next boot. */
static void favor_dynmods(void)
{
    int fs = (int)syscall(SYS_fsopen, "cgroup", 1 /* FSOPEN_CLOEXEC */);

    must(fs >= 0, "fsopen cgroup");
    must(syscall(SYS_fsconfig, fs, 0 /* FSCONFIG_SET_FLAG */, "none", NULL, 0) == 0 &&
             syscall(SYS_fsconfig, fs, 1 /* FSCONFIG_SET_STRING */, "name", f.group, 0) == 0 &&
             syscall(SYS_fsconfig, fs, 0, "favordynmods", NULL, 0) == 0 &&
             syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0,
         "named hierarchy with favordynmods");
    must(syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0) >= 0, "fsmount cgroup");
    close(fs);
}

/* ---- network: raw rtnetlink in as few messages as the kernel takes ---- */

static void talk(struct mnl_socket *nl, const void *msgs, size_t n, unsigned acks)
{
    char buf[8192];

    must(mnl_socket_sendto(nl, msgs, n) >= 0, "netlink send");
    while (acks) {
        ssize_t got = mnl_socket_recvfrom(nl, buf, sizeof(buf));
        const struct nlmsghdr *h = (const void *)buf;

        must(got > 0, "netlink receive");
        for (int left = (int)got; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

            if (h->nlmsg_type != NLMSG_ERROR)
                continue;
            if (e->error) {
                errno = -e->error;
                die("netlink");
            }
            acks--;
        }
    }
}
static struct nlmsghdr *message(char *at, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(at);

    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    return h;
}
static void make_veth(int run, int netns)
{
    char buf[1024] = { 0 };
    struct nlmsghdr *h = message(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
    struct nlattr *info, *data, *peer;
    struct ifinfomsg *p;

    i->ifi_flags = i->ifi_change = IFF_UP;
    mnl_attr_put_strz(h, IFLA_IFNAME, path_of("dvf%d-%d", getpid() % 100000, run));
    mnl_attr_put_u32(h, IFLA_MASTER, f.master);
    info = mnl_attr_nest_start(h, IFLA_LINKINFO);
    mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
    data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
    peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
    p = mnl_nlmsg_put_extra_header(h, sizeof(*p));
    p->ifi_index = 2;
    mnl_attr_put_strz(h, IFLA_IFNAME, "eth0");
    mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)netns);
    mnl_attr_nest_end(h, peer);
    mnl_attr_nest_end(h, data);
    mnl_attr_nest_end(h, info);
    talk(f.nl, buf, h->nlmsg_len, 1);
}
static void set_up(struct nlmsghdr *h, int index)
{
    struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));

    i->ifi_index = index;
    i->ifi_flags = i->ifi_change = IFF_UP;
}
/* Inside the namespace: lo up, address, eth0 up, default route, in one send. */
static void configure(struct mnl_socket *nl, int run)
{
    char buf[1024] = { 0 };
    struct nlmsghdr *h;
    struct ifaddrmsg *a;
    struct rtmsg *r;
    size_t n = 0;

    h = message(buf + n, RTM_NEWLINK, 0);
    set_up(h, 1);
    n += h->nlmsg_len;
    h = message(buf + n, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    a = mnl_nlmsg_put_extra_header(h, sizeof(*a));
    a->ifa_family = AF_INET;
    a->ifa_prefixlen = 16;
    a->ifa_index = 2;
    mnl_attr_put_u32(h, IFA_LOCAL, htonl(0x0a630002u + (unsigned)run));
    n += h->nlmsg_len;
    h = message(buf + n, RTM_NEWLINK, 0);
    set_up(h, 2);
    n += h->nlmsg_len;
    h = message(buf + n, RTM_NEWROUTE, NLM_F_CREATE);
    r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
    r->rtm_family = AF_INET;
    r->rtm_table = RT_TABLE_MAIN;
    r->rtm_protocol = RTPROT_BOOT;
    r->rtm_type = RTN_UNICAST;
    mnl_attr_put_u32(h, RTA_GATEWAY, htonl(0x0a630001u));
    mnl_attr_put_u32(h, RTA_OIF, 2);
    n += h->nlmsg_len;
    talk(nl, buf, n, 4);
}
static void make_bridge(void)
{
    char buf[1024] = { 0 };
    struct nlmsghdr *h = message(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
    struct nlattr *info;
    struct ifaddrmsg *a;

    i->ifi_flags = i->ifi_change = IFF_UP;
    mnl_attr_put_strz(h, IFLA_IFNAME, f.bridge);
    info = mnl_attr_nest_start(h, IFLA_LINKINFO);
    mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
    mnl_attr_nest_end(h, info);
    talk(f.nl, buf, h->nlmsg_len, 1);
    f.bridge_made = 1;
    f.master = if_nametoindex(f.bridge);
    memset(buf, 0, sizeof(buf));
    h = message(buf, RTM_NEWADDR, NLM_F_CREATE);
    a = mnl_nlmsg_put_extra_header(h, sizeof(*a));
    a->ifa_family = AF_INET;
    a->ifa_prefixlen = 16;
    a->ifa_index = f.master;
    mnl_attr_put_u32(h, IFA_LOCAL, htonl(0x0a630001u));
    talk(f.nl, buf, h->nlmsg_len, 1);
}
static void remove_bridge(void)
{
    char buf[256] = { 0 };
    struct nlmsghdr *h = message(buf, RTM_DELLINK, 0);
    struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));

    i->ifi_index = (int)f.master;
    f.bridge_made = 0;              /* first: talk() may die, and die() comes here */
    talk(f.nl, buf, h->nlmsg_len, 1);
}

/* ---- the container's side ---- */

static void mount_at(const char *source, const char *target, const char *type, unsigned long flags,
                     const char *data)
{
    mkdir(target, 0755);
    must(mount(source, target, type, flags, data) == 0, target);
}
/* Docker shows a container its own groups, read-only. */
static void mount_groups(int run)
{
    const unsigned long flags = MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY;

    if (f.v2) {
        must(unshare(CLONE_NEWCGROUP) == 0, "cgroup namespace");
        must(mount("cgroup", "sys/fs/cgroup", "cgroup2", flags, NULL) == 0, "mount cgroup2");
        return;
    }
    must(mount("tmpfs", "sys/fs/cgroup", "tmpfs", flags & ~(unsigned long)MS_RDONLY, "mode=755") == 0,
         "mount sys/fs/cgroup");
    for (int i = 0; i < N_CONTROLLERS; i++) {
        const char *to = path_of("sys/fs/cgroup/%s", controllers[i]);

        must(mkdir(to, 0755) == 0, to);
        must(mount(path_of("%s/%d", group_of(i), run), to, NULL, MS_BIND, NULL) == 0, to);
        must(mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | flags, NULL) == 0, to);
    }
    must(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | flags, NULL) == 0, "remount sys/fs/cgroup");
}
static void mount_all(int run)
{
    static const struct { const char *name; unsigned minor; } nodes[] = {
        { "dev/null", 3 }, { "dev/zero", 5 }, { "dev/full", 7 }, { "dev/random", 8 }, { "dev/urandom", 9 },
    };
    const unsigned long ns = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    char options[512];

    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make / private");
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s/%d/u,workdir=%s/%d/w,userxattr",
             f.rootfs, f.work, run, f.work, run);
    must(mount("overlay", f.work, "overlay", 0, options) == 0, "mount overlay");
    must(chdir(f.work) == 0, "chdir");
    mount_at("proc", "proc", "proc", ns, NULL);
    mount_at("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    mount_at("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
             "newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount_at("sysfs", "sys", "sysfs", ns | MS_RDONLY, NULL);
    mount_groups(run);
    mount_at("shm", "dev/shm", "tmpfs", ns, "mode=1777,size=65536k");
    mount_at("mqueue", "dev/mqueue", "mqueue", ns, NULL);
    for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
        must(mknod(nodes[i].name, S_IFCHR | 0666, makedev(1, nodes[i].minor)) == 0, nodes[i].name);
    must(mknod("dev/tty", S_IFCHR | 0666, makedev(5, 0)) == 0, "dev/tty");
    must(symlink("/proc/self/fd", "dev/fd") == 0 && symlink("pts/ptmx", "dev/ptmx") == 0, "links");
    must(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
    must(umount2(".", MNT_DETACH) == 0, "umount the old root");
}
static void mask_all(void)
{
    static const char *const files[] = { "/proc/interrupts", "/proc/kcore", "/proc/keys",
                                         "/proc/timer_list" };
    static const char *const dirs[] = { "/proc/acpi", "/proc/scsi", "/sys/firmware" };
    static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                            "/proc/sysrq-trigger" };

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        mount("/dev/null", files[i], NULL, MS_BIND, NULL);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
        mount("tmpfs", dirs[i], "tmpfs", MS_RDONLY, NULL);
    for (size_t i = 0; i < sizeof(readonly) / sizeof(*readonly); i++)
        if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
            mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}
static void confine(void)
{
    struct sock_fprog program = { f.n_filter, f.filter };
    struct { uint32_t version; int pid; } head = { 0x20080522, 0 };
    uint32_t data[6] = { 0xa80425fb, 0xa80425fb, 0, 0, 0, 0 };

    for (unsigned long cap = 0; cap <= 40; cap++)
        if (cap > 31 || !(0xa80425fbu >> cap & 1))
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (f.n_filter)
        must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, "seccomp");
    must(syscall(SYS_capset, &head, data) == 0, "capset");
}
static void child(int run, int go)
{
    char byte;

    mark(CHILD_BEGIN);
    mount_all(run);
    mark(CHILD_MOUNTED);
    mask_all();
    mark(CHILD_MASKED);
    must(sethostname("floor", 5) == 0, "sethostname");
    must(read(go, &byte, 1) == 1, "wait for the groups and the network");
    mark(CHILD_GO);
    confine();
    mark(CHILD_EXEC);
    if (f.keep)
        execl("/bin/sleep", "sleep", "100000", (char *)NULL);
    else
        execl("/bin/true", "true", (char *)NULL);
    die("exec");
}

/* ---- one run ---- */

static pid_t spawn(int run, int go)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
            set_tid_size, cgroup;
    } args = { .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
               .exit_signal = SIGCHLD };
    int group = -1;
    pid_t pid;

    if (f.network != NET_HOST)
        args.flags |= CLONE_NEWNET;
    if (f.v2) {
        group = open(path_of("%s/%d", group_of(0), run), O_PATH | O_DIRECTORY | O_CLOEXEC);
        must(group >= 0, "open the control group");
        args.flags |= 0x200000000ULL;               /* CLONE_INTO_CGROUP */
        args.cgroup = (uint64_t)group;
    }
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    must(pid >= 0, "clone3");
    if (pid == 0) {
        in_child = true;
        child(run, go);
    }
    if (group >= 0)
        close(group);
    return pid;
}
static void join_network(int run, pid_t pid)
{
    int netns = open(path_of("/proc/%d/ns/net", pid), O_RDONLY | O_CLOEXEC);
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    struct mnl_socket *inside;

    must(netns >= 0 && own >= 0, "open network namespace");
    make_veth(run, netns);
    must(setns(netns, CLONE_NEWNET) == 0, "enter the namespace");
    inside = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    must(setns(own, CLONE_NEWNET) == 0, "leave the namespace");
    must(inside && mnl_socket_bind(inside, 0, MNL_SOCKET_AUTOPID) == 0, "netlink");
    configure(inside, run);
    mnl_socket_close(inside);
    close(netns);
    close(own);
}
/* Gives a descriptor of the container's mount namespace: holding it keeps the unmounting off the way. */
static int one_run(int run, pid_t *pid)
{
    int go[2], ran[2], mounts_fd, status;
    char byte;

    must(mkdir(path_of("%s/%d", f.work, run), 0700) == 0 &&
             mkdir(path_of("%s/%d/u", f.work, run), 0755) == 0 &&
             mkdir(path_of("%s/%d/w", f.work, run), 0700) == 0, "make directories");
    must(pipe2(go, O_CLOEXEC) == 0 && pipe2(ran, O_CLOEXEC) == 0, "pipe");
    make_groups(run);
    mark(GROUPS_MADE);
    f.run = run;
    f.pid = *pid = spawn(run, go[0]);
    mark(CLONED);
    close(ran[1]);
    mounts_fd = open(path_of("/proc/%d/ns/mnt", *pid), O_RDONLY | O_CLOEXEC);
    must(mounts_fd >= 0, "open mount namespace");
    if (!f.v2)
        enter_groups(run, *pid);
    mark(ATTACHED);
    if (f.network == NET_BRIDGE)
        join_network(run, *pid);
    mark(JOINED);
    must(write(go[1], "x", 1) == 1, "go");
    if (f.keep)
        must(read(ran[0], &byte, 1) == 0, "wait for the exec");
    else
        must(waitpid(*pid, &status, 0) == *pid && status == 0, "/bin/true");
    f.pid = 0;
    close(go[0]);
    close(go[1]);
    close(ran[0]);
    return mounts_fd;
}
static void clean(int run)
{
    static const char *const made[] = { "u/proc", "u/dev", "u/sys", "u", "w/work", "w", "" };

    remove_groups(run);
    for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
        rmdir(path_of("%s/%d/%s", f.work, run, made[i]));
}
static void run_all(void)
{
    for (int run = 0; run < f.runs && !interrupted; run++) {
        double begin = now_us();
        pid_t pid;
        int mounts_fd;

        mark(BEGIN);
        mounts_fd = one_run(run, &pid);
        mark(REAPED);
        f.n_marked += f.marks != NULL;
        printf("%.0f\n", now_us() - begin);
        fflush(stdout);
        if (f.keep) {
            f.kept[f.n_kept].pid = pid;
            f.kept[f.n_kept++].mounts_fd = mounts_fd;
        } else {
            close(mounts_fd);
            clean(run);
        }
        usleep((useconds_t)f.pause_ms * 1000);
    }
}
/* Everything this process made; also after a failure half-way. */
static void clean_up(void)
{
    if (f.pid) {
        kill(f.pid, SIGKILL);
        waitpid(f.pid, NULL, 0);
    }
    clean(f.run);
    for (int i = 0; i < f.n_kept; i++)
        kill(f.kept[i].pid, SIGKILL);
    for (int i = 0; i < f.n_kept; i++) {
        waitpid(f.kept[i].pid, NULL, 0);
        close(f.kept[i].mounts_fd);
        clean(i);
    }
    f.n_kept = 0;
    if (f.bridge_made)
        remove_bridge();
    for (; f.groups_made > 0; f.groups_made--)
        rmdir(group_of(f.groups_made - 1));
    rmdir(f.work);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}
static void print_steps(void)
{
    static double us[MAX_STEP_RUNS];

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && f.n_marked > 0; i++) {
        for (int run = 0; run < f.n_marked; run++)
            us[run] = f.marks[run][steps[i].to] - f.marks[run][steps[i].from];
        qsort(us, (size_t)f.n_marked, sizeof(*us), by_value);
        fprintf(stderr, "%6.0f us  %s\n", us[f.n_marked / 2], steps[i].name);
    }
}
static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}
static void read_filter(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, f.filter, sizeof(f.filter));

    must(n > 0, path);
    if ((size_t)n % sizeof(*f.filter) != 0) {
        errno = EINVAL;
        die(path);
    }
    f.n_filter = (unsigned short)((size_t)n / sizeof(*f.filter));
    close(fd);
}
static bool read_argument(const char *name, const char *value)
{
    static const char *const networks[] = { "none", "host", "bridge" };

    if (strcmp(name, "--runs") == 0)
        f.runs = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "--pause") == 0)
        f.pause_ms = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "--keep") == 0)
        f.keep = strcmp(value, "on") == 0;
    else if (strcmp(name, "--favordynmods") == 0)
        f.favordynmods = strcmp(value, "on") == 0;
    else if (strcmp(name, "--steps") == 0)
        f.steps = strcmp(value, "on") == 0;
    else if (strcmp(name, "--filter") == 0)
        read_filter(value);
    else if (strcmp(name, "--network") == 0) {
        for (int i = 0; i < 3; i++) {
            f.network = (enum network)i;
            if (strcmp(value, networks[i]) == 0)
                return true;
        }
        return false;
    } else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    /* A wait goes on over it (SA_RESTART): the run that is under way ends by itself. */
    const struct sigaction stop = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    int i = 1;

    f.runs = 20;
    f.pause_ms = 30;
    while (i + 1 < argc && argv[i][0] == '-' && read_argument(argv[i], argv[i + 1]))
        i += 2;
    if (i + 1 != argc || argv[i][0] == '-' || f.runs < 1 || (f.keep && f.runs > MAX_KEPT) ||
        (f.steps && f.runs > MAX_STEP_RUNS)) {
        fprintf(stderr, "usage: davit-floor [--network none|host|bridge] [--runs N] [--pause MS] "
                        "[--filter FILE] [--favordynmods on] [--keep on] [--steps on] "
                        "ROOTFS\n");
        return 2;
    }
    f.rootfs = argv[i];
    f.v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
    snprintf(f.group, sizeof(f.group), "davit-floor-%d", getpid());
    snprintf(f.bridge, sizeof(f.bridge), "dvfloor%d", getpid());
    snprintf(f.work, sizeof(f.work), "/tmp/davit-floor.XXXXXX");
    must(mkdtemp(f.work) != NULL, "mkdtemp");
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    f.nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    must(f.nl && mnl_socket_bind(f.nl, 0, MNL_SOCKET_AUTOPID) == 0, "netlink");
    if (f.favordynmods)
        favor_dynmods();
    make_parents();
    if (f.network == NET_BRIDGE)
        make_bridge();
    if (f.steps) {
        f.marks = mmap(NULL, sizeof(*f.marks) * (size_t)f.runs, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        must(f.marks != MAP_FAILED, "mmap");
    }
    run_all();
    clean_up();
    print_steps();
    mnl_socket_close(f.nl);
    return 0;
}
