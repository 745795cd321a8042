/* runtime_create.c - containers of busybox: create, start, exec. Needs root. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/runtime/cgroup_internal.h"
#include "core/runtime/internal.h"
#include "tests/unit/open_fds.h"
#include "tests/unit/runtime_box.h"

static struct box box;
static size_t fds_before;

static int open_box(void **state)
{
    (void)state;
    fds_before = open_fds();
    if (!box_unable())
        box_open(&box);
    return 0;
}

static int close_box(void **state)
{
    (void)state;
    if (!box_unable())
        box_close(&box);
    assert_int_equal(open_fds(), fds_before);
    return 0;
}

static void set(char **at, const char *text)
{
    free(*at);
    *at = strdup(text);
}

static void expect_run(int code)
{
    int r = box_run(&box);

    if (r != code)
        print_message("exit %d instead of %d: %s\n%s\n", r, code, box.err.msg, box.text);
    assert_int_equal(r, code);
}

static void expect_text(const char *part)
{
    if (!strstr(box.text, part))
        print_message("no '%s' in:\n%s\n", part, box.text);
    assert_non_null(strstr(box.text, part));
}

static void expect_error(const char *text)
{
    assert_string_equal(box.err.msg, text);
}

/* ---- what a container is ---- */

static void runs_with_all_namespaces(void **state)
{
    (void)state;
    box_script(&box, "echo pid $$; hostname; ls /; echo home $HOME; ls -l /dev; cat /proc/mounts;"
                     "id; umask; ls /proc/self/fd | wc -l; exit 7");
    expect_run(7);
    expect_text("pid 1\n");
    expect_text("box\n");
    expect_text("home /\n");
    expect_text("fd -> /proc/self/fd");
    expect_text("ptmx -> pts/ptmx");
    expect_text("uid=0 gid=0 groups=0\n");
    expect_text("0022\n4\n"); /* its streams and the directory itself */
    assert_null(strstr(box.text, "/tmp/davit-runtime")); /* nothing of the host's tree */
}

static void masks_and_protects_paths(void **state)
{
    (void)state;
    box_script(&box,
               "wc -c < /proc/keys; ls /sys/firmware | wc -l; echo 1 > /proc/sys/kernel/panic;"
               "touch /sys/x; touch /sys/fs/cgroup/x; cat /proc/interrupts | wc -c;"
               "grep -c 'proc/sys proc ro' /proc/mounts");
    expect_run(0);
    expect_text("0\n0\n");
    expect_text("can't create /proc/sys/kernel/panic: Read-only file system");
    expect_text("touch: /sys/x: Read-only file system");
    expect_text("touch: /sys/fs/cgroup/x: Read-only file system");
    expect_text("\n0\n1\n");
}

static void gives_capabilities_as_asked(void **state)
{
    (void)state;
    box_script(&box, "grep -E 'Cap|NoNew|Groups' /proc/self/status");
    expect_run(0);
    expect_text("CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
                "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\n");
    box.spec->process.no_new_privs = true;
    set(&box.spec->process.user, "1000");
    expect_run(0);
    expect_text("CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\n"
                "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
    box.spec->process.caps.ambient = box.spec->process.caps.inheritable = 1 << 10;
    expect_run(0);
    expect_text("CapPrm:\t0000000000000400\nCapEff:\t0000000000000400\n");
}

static void tells_why_a_program_does_not_run(void **state)
{
    static const struct {
        const char *program, *text;
        int code;
    } cases[] = {
        { "foo", "exec: \"foo\": executable file not found in $PATH", DV_E_NOT_FOUND },
        { "/x", "exec: \"/x\": stat /x: no such file or directory", DV_E_NOT_FOUND },
        { "/etc/passwd", "exec: \"/etc/passwd\": permission denied", DV_E_FORBIDDEN },
        { "/etc", "exec: \"/etc\": is a directory", DV_E_FORBIDDEN },
        { "/etc/script", "exec /etc/script: exec format error", DV_E_FORBIDDEN },
        { "/etc/lost", "exec /etc/lost: no such file or directory", DV_E_NOT_FOUND },
        { "/bin/busybox/x", "exec: \"/bin/busybox/x\": stat /bin/busybox/x: not a directory",
          DV_E_NOT_FOUND },
        /* The directory descriptor of the host is no way out. */
        { "/proc/self/fd/4/bin/busybox",
          "exec: \"/proc/self/fd/4/bin/busybox\": stat /proc/self/fd/4/bin/busybox: "
          "no such file or directory", DV_E_NOT_FOUND },
    };

    (void)state;
    box_write(&box, "root/etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0644);
    box_write(&box, "root/etc/script", "no interpreter", 0755);
    box_write(&box, "root/etc/lost", "#!/nowhere\n", 0755);
    for (size_t i = 0; i < N(cases); i++) {
        box_args(&box, (const char *const[]){ cases[i].program, NULL });
        expect_run(-cases[i].code);
        expect_error(cases[i].text);
    }
}

static void finds_users_of_the_image(void **state)
{
    (void)state;
    box_write(&box, "root/etc/passwd",
              "root:x:0:0::/root:/bin/sh\nann:x:1000:1001::/home/ann:", 0644);
    box_write(&box, "root/etc/group",
              "root:x:0:\nann:x:1001:\nvideo:x:44:bob,ann\nwheel:x:10:root\n", 0644);
    box_script(&box, "id -u; id -g; id -G; echo $HOME; echo hi > /dev/stdout; pwd");
    set(&box.spec->process.user, "ann");
    set(&box.spec->process.cwd, "/some/where");
    expect_run(0);
    expect_text("1000\n1001\n1001 44\n/home/ann\nhi\n/some/where\n");
    set(&box.spec->process.user, "7:wheel");
    assert_int_equal(dv_strv_add(&box.spec->process.add_groups, "video"), 0);
    expect_run(0);
    expect_text("7\n10\n10 44\n/\n");
    set(&box.spec->process.user, "bob");
    expect_run(-DV_E_INVALID);
    expect_error("unable to find user bob: no matching entries in passwd file");
    set(&box.spec->process.user, "ann:staff");
    expect_run(-DV_E_INVALID);
    expect_error("unable to find group staff: no matching entries in group file");
}

static void keeps_a_readonly_root(void **state)
{
    (void)state;
    box_script(&box, "touch /x; touch /dev/shm/y && echo shm");
    box.spec->root_readonly = true;
    expect_run(0);
    expect_text("touch: /x: Read-only file system\nshm\n");
}

static void mounts_binds_and_tmpfs(void **state)
{
    dv_autofree char *source = dv_format("%s/data", box.dir),
                     *file = dv_format("%s/data/f", box.dir);
    dv_autofree char *link = dv_format("%s/root/out", box.dir);

    (void)state;
    box_write(&box, "data/f", "content\n", 0644);
    box_write(&box, "root/etc/link-to-host", "", 0644);
    assert_int_equal(symlink("/../../../tmp", link), 0);
    box_add_mount(&box, "bind", source, "/data", "rbind,ro");
    box_add_mount(&box, "bind", file, "/etc/one", "bind,rprivate")->make_source_file = true;
    box_add_mount(&box, "bind", source, "/out/inside",
                  "bind"); /* through a link: within the root */
    box_add_mount(&box, "tmpfs", "tmpfs", "/scratch", "size=1m,mode=700,noexec");
    box_script(&box, "cat /data/f; echo x > /data/f; echo more >> /etc/one; cat /etc/one;"
                     "ls /tmp/inside; grep scratch /proc/mounts");
    expect_run(0);
    expect_text("content\n");
    expect_text("can't create /data/f: Read-only file system");
    expect_text("content\nmore\nf\n");
    expect_text("tmpfs /scratch tmpfs rw,noexec,relatime,size=1024k,mode=700");
    box_add_mount(&box, "bind", "/nowhere", "/n", "bind");
    expect_run(-DV_E_INVALID);
    assert_non_null(strstr(box.err.msg, "bind source path does not exist: /nowhere"));
}

static void reports_a_directory_onto_a_file(void **state)
{
    (void)state;
    box_write(&box, "root/etc/hosts", "", 0644);
    box_add_mount(&box, "bind", box.dir, "/etc/hosts", "bind");
    box_script(&box, "true");
    expect_run(-DV_E_INVALID);
    assert_non_null(strstr(box.err.msg, "Are you trying to mount a directory onto a file"));
}

static void gives_a_terminal(void **state)
{
    (void)state;
    box.spec->process.terminal = true;
    box.spec->process.rows = 33;
    box.spec->process.cols = 99;
    set(&box.spec->process.user, "1000");
    box_script(&box, "tty; stty size; ls -l /dev/console; echo hi > /dev/tty; ls -ln /dev/pts/0");
    expect_run(0);
    expect_text("/dev/pts/0\r\n33 99\r\n");
    expect_text("/dev/console\r\nhi\r\n");
    expect_text("crw--w----    1 1000     5 ");
}

static void warns_of_limits_that_cannot_be_raised(void **state)
{
    struct rlimit have;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &have), 0);
    box.spec->process.rlimits = calloc(2, sizeof(struct dv_spec_rlimit));
    box.spec->process.n_rlimits = 2;
    box.spec->process.rlimits[0] = (struct dv_spec_rlimit){ RLIMIT_NOFILE, have.rlim_max + 1,
                                                           have.rlim_max + 1 };
    box.spec->process.rlimits[1] = (struct dv_spec_rlimit){ RLIMIT_CORE, 0, 0 };
    box_script(&box, "ulimit -n; ulimit -c");
    expect_run(0);
    if (box.warnings.n == 0) {
        print_message("this root has CAP_SYS_RESOURCE: nothing to warn of\n");
        return;
    }
    assert_non_null(strstr(box.warnings.items[0], "ulimit nofile: "));
    assert_int_equal(atol(box.text), have.rlim_max);
}

static void sets_sysctls_of_its_own_only(void **state)
{
    (void)state;
    assert_int_equal(dv_strv_add(&box.spec->sysctls, "net.ipv4.ip_unprivileged_port_start=0"), 0);
    assert_int_equal(dv_strv_add(&box.spec->sysctls, "kernel/shmmni=77"), 0);
    box_script(&box, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni");
    expect_run(0);
    expect_text("0\n77\n");
    assert_int_equal(dv_strv_add(&box.spec->sysctls, "kernel.panic=1"), 0);
    expect_run(-DV_E_INVALID);
    expect_error("sysctl \"kernel.panic\" is not in a separate kernel namespace");
    box.spec->sysctls.n--;
    free(box.spec->sysctls.items[box.spec->sysctls.n]);
    assert_int_equal(dv_strv_add(&box.spec->sysctls, "net/../kernel/panic=1"), 0);
    expect_run(-DV_E_INVALID);
}

static void runs_the_bundled_init(void **state)
{
    (void)state;
    box.fds.init_program = open("/bin/busybox", O_PATH | O_CLOEXEC);
    box.spec->init = true;
    /* busybox under that name: "docker-init: applet not found" proves who is run. */
    box_script(&box, "true");
    expect_run(127);
    expect_text("docker-init: applet not found");
    close(box.fds.init_program);
}

static void leaves_the_container_no_way_by_cwd(void **state)
{
    (void)state;
    box_script(&box, "pwd");
    set(&box.spec->process.cwd, "/proc/self/fd/8");
    assert_true(box_run(&box) < 0);
    assert_non_null(strstr(box.err.msg, "working directory"));
}

static void loads_its_filter_last(void **state)
{
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_capset, 2,
                 0), /* what comes before is not hindered */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setresuid, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    (void)state;
    box.spec->process.seccomp = malloc(sizeof(filter));
    memcpy(box.spec->process.seccomp, filter, sizeof(filter));
    box.spec->process.seccomp_bytes = sizeof(filter);
    box_script(&box, "grep -E 'Seccomp:|CapEff|CapPrm' /proc/self/status;"
                     "busybox mkdir /dev/shm/a || echo refused");
    for (int i = 0; i < 2; i++) { /* without no_new_privs, as root and as another */
        expect_run(0);
        expect_text("Seccomp:\t2\n");
        expect_text("refused\n");
        expect_text(i ? "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                      : "CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n");
        set(&box.spec->process.user, "1000");
    }
    box.spec->process.seccomp_bytes = 7;
    expect_run(-DV_E_INVALID);
}

/* ---- control groups ---- */

static void lives_in_its_control_groups(void **state)
{
    int procs[DV_CGROUP_MAX_HIERARCHIES], dir = -1;
    char parent[64];
    struct dv_cgroups *cg = NULL;
    struct dv_group group;
    struct dv_error err = { 0 };
    size_t n = 0;

    (void)state;
    snprintf(parent, sizeof(parent), "/davit-test-rt%d", (int)getpid());
    assert_int_equal(dv_cgroups_detect(&cg, &err), 0);
    assert_int_equal(dv_cgroup_parent(cg, parent, &err), 0);
    box.spec->resources.memory_swappiness = -1;
    assert_int_equal(dv_cgroup_create(cg, parent, "box", &box.spec->resources, &box.warnings, procs,
                                      &n, &dir, &err),
                     0);
    box.spec->cgroups_path = dv_format("%s/box", parent);
    box.fds.cgroup_procs = procs;
    box.fds.n_cgroup_procs = n;
    box.fds.cgroup_dir = dir;
    box_script(&box,
               "grep -v ':/$' /proc/self/cgroup | wc -l; ls /sys/fs/cgroup;"
               "cat /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs | sort -u | head -1;"
               "echo 1 > /sys/fs/cgroup/pids/cgroup.procs; mkdir /sys/fs/cgroup/x");
    expect_run(1);
    if (dv_cgroups_mode(cg) == DV_CGROUP_V1) {
        expect_text("0\n");
        expect_text("pids\n");
        expect_text("memory\n");
        expect_text("\n1\n");
        expect_text("cgroup/pids/cgroup.procs: Read-only file system\n");
    }
    box.spec->ns[DV_NS_CGROUP].wanted = false;
    box_script(&box, "cat /proc/self/cgroup");
    expect_run(0);
    expect_text(box.spec->cgroups_path);
    for (size_t i = 0; i < n; i++)
        close(procs[i]);
    dv_close(dir);
    assert_int_equal(dv_cgroup_remove(cg, parent, "box", &err), 0);
    assert_int_equal(dv_cg_path(parent, NULL, &group, &err), 0);
    for (size_t i = 0; i < cg->n; i++)
        assert_int_equal(unlinkat(cg->h[i].fd, group.rel, AT_REMOVEDIR), 0);
    dv_cgroups_free(cg);
}

/* v2, where the clone itself goes into the group; here on the v2 tree of a hybrid host. */
static void is_born_in_its_v2_group(void **state)
{
    char path[128], procs_path[160];
    int procs;

    (void)state;
    snprintf(path, sizeof(path), "%s/davit-test-v2-%d",
             access("/sys/fs/cgroup/unified", F_OK) == 0 ? "/sys/fs/cgroup/unified"
                                                         : "/sys/fs/cgroup",
             (int)getpid());
    if (mkdir(path, 0755) < 0) {
        print_message("no cgroup v2 here: %s\n", path);
        return;
    }
    snprintf(procs_path, sizeof(procs_path), "%s/cgroup.procs", path);
    procs = open(procs_path, O_WRONLY | O_CLOEXEC);
    box.fds.cgroup_procs = &procs;
    box.fds.n_cgroup_procs = 1;
    box.fds.cgroup_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    box.spec->cgroups_path = strdup(strrchr(path, '/'));
    box_script(
        &box,
        "grep 0:: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/x");
    expect_run(1);
    expect_text("0::/\n1\n");
    expect_text("Read-only file system");
    close(procs);
    close(box.fds.cgroup_dir);
    assert_int_equal(rmdir(path), 0);
}

/* ---- root file systems ---- */

static void runs_on_an_overlay(void **state)
{
    size_t lowers = (size_t)(uintptr_t)*state;
    char text[64];

    box_overlay(&box, lowers);
    box_script(&box, "ls / | grep -c ^layer-; echo new > /new; cat /new; ls -ld /new");
    expect_run(0);
    snprintf(text, sizeof(text), "%zu\nnew\n", lowers - 1);
    expect_text(text);
}

static void userns(struct box *b)
{
    struct dv_spec *spec = b->spec;

    spec->ns[DV_NS_USER].wanted = true;
    spec->uid_maps = calloc(1, sizeof(*spec->uid_maps));
    spec->gid_maps = calloc(1, sizeof(*spec->gid_maps));
    spec->n_uid_maps = spec->n_gid_maps = 1;
    *spec->uid_maps = *spec->gid_maps = (struct dv_spec_idmap){ 0, 200000, 65536 };
}

static void runs_in_a_user_namespace(void **state)
{
    size_t lowers = (size_t)(uintptr_t)*state;
    dv_autofree char *new_path = NULL;
    struct stat st;

    if (lowers)
        box_overlay(&box, lowers);
    userns(&box);
    assert_int_equal(chmod(box.dir, 0700), 0);
    box_write(&box, "root/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:\n",
              0644);
    box_script(&box,
               "cat /proc/self/uid_map; id -u; echo x > /new; ls -ln /new | grep -c '1 0 *0 ';"
               "echo y >> /etc/passwd; ls -ln /etc/passwd | grep -c '1 0 *0 ';"
               "echo n > /dev/null; cat /proc/keys | wc -c; ls -d /sys/class/net/lo;"
               "echo out > /dev/stdout; mount -t tmpfs x /dev/shm || echo refused");
    expect_run(0);
    expect_text("0     200000      65536\n0\n");
    expect_text("\n1\n1\n0\n");
    expect_text("/sys/class/net/lo\nout\n");
    expect_text("refused\n"); /* CAP_SYS_ADMIN is not among Docker's */
    new_path = dv_format("%s/%s/new", box.dir, lowers ? "upper" : "root");
    assert_int_equal(stat(new_path, &st), 0);
    assert_int_equal(st.st_uid, 0); /* idmapped: no foreign owner reaches the disk */
    set(&box.spec->process.user, "ann");
    box_script(&box, "id -u; echo out > /dev/stdout");
    expect_run(0);
    expect_text("1000\nout\n");
}

/* Its root owns neither the host's network nor ipc: it gets the host's instances. */
static void shares_the_hosts_network_in_a_user_namespace(void **state)
{
    (void)state;
    userns(&box);
    box.spec->ns[DV_NS_NET].wanted = false;
    box.spec->ns[DV_NS_IPC].wanted = false;
    box_script(&box,
               "ls /sys/class/net | wc -l; touch /sys/x; grep -c ' /sys sysfs ro' /proc/mounts;"
               "grep -c mqueue /proc/mounts");
    if (access("/dev/mqueue", F_OK) < 0)
        set(&box.spec->mounts[5].type, "tmpfs");
    box_run(&box);
    expect_text("touch: /sys/x: Read-only file system\n1\n");
}

static void builds_overlays_the_old_way(void **state)
{
    size_t lowers = (size_t)(uintptr_t)*state;
    struct dv_error err = { 0 };
    struct stat st;
    int fd = -1, userns_fd = -1, r, inside;

    box_overlay(&box, lowers);
    r = dv_rootfs_build(box.spec, DV_ROOTFS_CLASSIC, -1, &fd, &err);
    if (r < 0)
        print_message("%s\n", err.msg);
    assert_int_equal(r, 0);
    assert_int_equal(fstatat(fd, "bin/busybox", &st, 0), 0);
    assert_int_equal(fstatat(fd, "layer-0", &st, 0), 0);
    close(fd);

    userns(&box);
    assert_int_equal(dv_idmap_userns(box.spec, &userns_fd, &err), 0);
    r = dv_rootfs_build(box.spec, DV_ROOTFS_CLASSIC, userns_fd, &fd, &err);
    if (r < 0)
        print_message("%s\n", err.msg);
    assert_int_equal(r, 0);
    assert_int_equal(fstatat(fd, "bin/busybox", &st, 0), 0);
    assert_int_equal(st.st_uid, 200000);
    inside = openat(fd, "bin", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fchmod(inside, 0711), 0); /* copied up through the idmap */
    close(inside);
    close(userns_fd);
    close(fd);
}

/* ---- joining, exec, failures ---- */

static void joins_namespaces_of_another(void **state)
{
    char path[64];
    int fds[3];
    static const char *const names[] = { "net", "ipc", "pid" };
    static const enum dv_ns kinds[] = { DV_NS_NET, DV_NS_IPC, DV_NS_PID };
    struct box other;

    (void)state;
    box_args(&box, (const char *const[]){ "sleep", "100", NULL });
    assert_int_equal(box_create(&box), 0);
    assert_int_equal(dv_runtime_start(&box.init, &box.err), 0);
    box_open(&other);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)box.init.pid, names[i]);
        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
        other.spec->ns[kinds[i]].fd_index = i;
    }
    other.fds.fds = fds;
    other.fds.n_fds = 3;
    box_script(&other, "readlink /proc/1/ns/net /proc/1/ns/ipc /proc/self/ns/net /proc/self/ns/ipc;"
                       "cat /proc/1/cmdline; echo; ps | grep -c 'sleep 100'");
    other.spec->process.caps.bounding |= 1 << 19;  /* ptrace: to read the links */
    other.spec->process.caps.effective |= 1 << 19;
    other.spec->process.caps.permitted |= 1 << 19;
    if (box_run(&other) != 0)
        print_message("%s\n%s\n", other.err.msg, other.text);
    assert_non_null(strstr(other.text, "sleep"));
    assert_int_equal(other.init.pidfd, -1);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    box_close(&other);
}

static void runs_more_processes(void **state)
{
    struct dv_spec_process p = box.spec->process; /* shallow: ARGS and others stay the box's */
    struct dv_strv args = { 0 };

    if (*state)
        userns(&box);
    box_write(&box, "root/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:\n",
              0644);
    box_args(&box, (const char *const[]){ "sleep", "100", NULL });
    assert_int_equal(box_create(&box), 0);
    assert_int_equal(dv_runtime_start(&box.init, &box.err), 0);
    assert_int_equal(dv_strv_split(&args, "sh,-c,ps; hostname; id -u; ls /proc/self/fd | wc -l;"
                                          "echo $HOME; pwd; exit 5", ','), 0);
    p.args = args;
    p.user = (char *)(uintptr_t)"ann";
    p.cwd = (char *)(uintptr_t)"/etc";
    assert_int_equal(box_exec(&box, &p), 5);
    expect_text("1 root     sleep 100\n");
    expect_text("box\n1000\n4\n/home/ann\n/etc\n");
    p.terminal = true;
    p.rows = 12;
    p.cols = 34;
    dv_strv_done(&args);
    assert_int_equal(dv_strv_split(&args, "sh,-c,tty; stty size", ','), 0);
    p.args = args;
    assert_int_equal(box_exec(&box, &p), 0);
    expect_text("/dev/pts/0\r\n12 34\r\n");
    p.terminal = false;
    free(args.items[0]);
    args.items[0] = strdup("nothing");
    assert_int_equal(box_exec(&box, &p), -DV_E_NOT_FOUND);
    expect_error("exec: \"nothing\": executable file not found in $PATH");
    box_kill(&box);
    dv_strv_done(&args);
}

static void makes_its_own_network_namespace(void **state)
{
    struct stat ours, theirs;

    (void)state;
    box_script(&box, "true");
    assert_int_equal(box_create(&box), 0);
    assert_true(box.init.netns_fd >= 0);
    assert_int_equal(stat("/proc/self/ns/net", &ours), 0);
    assert_int_equal(fstat(box.init.netns_fd, &theirs), 0);
    assert_true(ours.st_ino != theirs.st_ino);
    assert_int_equal(faccessat(box.init.root_fd, "bin/busybox", X_OK, 0), 0);
}

/* The host's mount namespace never shows a container's root. */
static void mounts_nothing_on_the_host(void **state)
{
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };
    int fd;

    (void)state;
    box_overlay(&box, 3);
    box_script(&box, "true");
    assert_int_equal(box_create(&box), 0);
    fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    assert_int_equal(dv_read_fd(fd, 1 << 20, &text, NULL, &err), 0);
    close(fd);
    assert_null(strstr(text, box.dir)); /* an overlay's own line names its layers */
}

static void dies_with_its_maker_before_start(void **state)
{
    (void)state;
    box_script(&box, "true");
    assert_int_equal(box_create(&box), 0);
    close(box.init.sync_fd);
    box.init.sync_fd = -1;
    assert_int_equal(box_wait(box.init.pidfd), 125);
    close(box.init.pidfd);
    box.init.pidfd = -1;
}

static void fails_and_leaves_nothing(void **state)
{
    size_t before;

    (void)state;
    before = open_fds();
    box_script(&box, "true");
    box_add_mount(&box, "nosuchfs", "x", "/mnt", "");
    expect_run(-DV_E_UNSUPPORTED);
    expect_error("mount nosuchfs x at /mnt: this kernel has no file system 'nosuchfs'");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    set(&box.spec->mounts[box.spec->n_mounts - 1].type, "tmpfs");
    assert_int_equal(dv_strv_add(&box.spec->mounts[box.spec->n_mounts - 1].options, "bogus=1"), 0);
    expect_run(-DV_E_INVALID);
    assert_non_null(strstr(box.err.msg, "option 'bogus=1'"));
    dv_close(box.out);
    box.out = -1;
    assert_int_equal(open_fds(), before);
}

static void refuses_what_is_incomplete(void **state)
{
    struct dv_spec *spec = box.spec;
    char *kept;

    (void)state;
    box_script(&box, "true");
    kept = dv_take(spec->mounts[0].type);
    expect_run(-DV_E_INVALID);
    spec->mounts[0].type = kept;
    kept = dv_take(spec->devices[0].path);
    expect_run(-DV_E_INVALID);
    spec->devices[0].path = kept;
    kept = dv_take(spec->rootfs->type);
    expect_run(-DV_E_INVALID);
    spec->rootfs->type = kept;
    spec->ns[DV_NS_NET].fd_index = 3;
    expect_run(-DV_E_INVALID);
    spec->ns[DV_NS_NET].fd_index = -1;
    spec->ns[DV_NS_MNT].wanted = false;
    expect_run(-DV_E_UNSUPPORTED);
    spec->ns[DV_NS_MNT].wanted = true;
    dv_strv_done(&spec->process.args);
    expect_run(-DV_E_INVALID);
    expect_error("no command specified");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, open_box, close_box)
#define TEST_OF(fn, n) { #fn " " #n, fn, open_box_of, close_box, (void *)(uintptr_t)(n) }

/* A setup that keeps the test's own state. */
static int open_box_of(void **state)
{
    void *kept = *state;
    int r = open_box(state);

    *state = kept;
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_with_all_namespaces),
        TEST(masks_and_protects_paths),
        TEST(gives_capabilities_as_asked),
        TEST(tells_why_a_program_does_not_run),
        TEST(finds_users_of_the_image),
        TEST(keeps_a_readonly_root),
        TEST(mounts_binds_and_tmpfs),
        TEST(reports_a_directory_onto_a_file),
        TEST(gives_a_terminal),
        TEST(warns_of_limits_that_cannot_be_raised),
        TEST(sets_sysctls_of_its_own_only),
        TEST(runs_the_bundled_init),
        TEST(leaves_the_container_no_way_by_cwd),
        TEST(loads_its_filter_last),
        TEST(lives_in_its_control_groups),
        TEST(is_born_in_its_v2_group),
        TEST_OF(runs_on_an_overlay, 3),
        TEST_OF(runs_on_an_overlay, 45),
        TEST_OF(runs_on_an_overlay, 500),
        TEST_OF(runs_in_a_user_namespace, 0),
        TEST_OF(runs_in_a_user_namespace, 3),
        TEST_OF(runs_in_a_user_namespace, 45),
        TEST(shares_the_hosts_network_in_a_user_namespace),
        TEST_OF(builds_overlays_the_old_way, 3),
        TEST_OF(builds_overlays_the_old_way, 45),
        TEST_OF(builds_overlays_the_old_way, 480),
        TEST(joins_namespaces_of_another),
        TEST_OF(runs_more_processes, 0),
        TEST_OF(runs_more_processes, 1),
        TEST(makes_its_own_network_namespace),
        TEST(mounts_nothing_on_the_host),
        TEST(dies_with_its_maker_before_start),
        TEST(fails_and_leaves_nothing),
        TEST(refuses_what_is_incomplete),
    };

    if (box_unable()) {
        printf("skipped: %s\n", box_unable());
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
