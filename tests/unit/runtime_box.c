/* runtime_box.c - a container of busybox for the tests of core/runtime. */
#include "tests/unit/runtime_box.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <davit/storage.h>

#include "core/base/file.h"

#define CAPS_DOCKER UINT64_C(0xa80425fb)

const char *box_unable(void)
{
    if (geteuid() != 0)
        return "needs root";
    if (access("/bin/busybox", X_OK) < 0)
        return "needs /bin/busybox (package busybox-static)";
    return NULL;
}

static char *path_of(const struct box *b, const char *name)
{
    char *path = dv_format("%s/%s", b->dir, name);

    assert_non_null(path);
    return path;
}

static void copy_busybox(const struct box *b, const char *dir)
{
    static const char *const tools[] = {"sh",    "cat",   "id",   "ls",
                                        "sleep", "mount", "grep", "hostname"};
    struct dv_error err = { 0 };
    dv_autofree char *bin = dv_format("%s/%s/bin", b->dir, dir), *data = NULL;
    size_t n = 0;
    int fd;

    assert_int_equal(dv_mkdirs(AT_FDCWD, bin, 0755, &err), 0);
    fd = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(dv_read_fd(fd, 64 << 20, &data, &n, &err), 0);
    close(fd);
    fd = open(bin, O_PATH | O_CLOEXEC);
    assert_int_equal(dv_file_replace(fd, "busybox", data, n, 0755, DV_VOLATILE, &err), 0);
    for (size_t i = 0; i < N(tools); i++)
        assert_int_equal(symlinkat("busybox", fd, tools[i]), 0);
    close(fd);
}

void box_write(struct box *b, const char *name, const char *text, unsigned mode)
{
    dv_autofree char *path = path_of(b, name), *parent = strdup(path);
    struct dv_error err = { 0 };

    *strrchr(parent, '/') = '\0';
    assert_int_equal(dv_mkdirs(AT_FDCWD, parent, 0755, &err), 0);
    assert_int_equal(dv_file_replace(AT_FDCWD, path, text, strlen(text), mode, DV_VOLATILE, &err),
                     0);
}

struct dv_spec_mount *box_add_mount(struct box *b, const char *type, const char *source,
                                    const char *destination, const char *options)
{
    struct dv_spec *spec = b->spec;
    struct dv_spec_mount *m = reallocarray(spec->mounts, spec->n_mounts + 1, sizeof(*m));

    assert_non_null(m);
    spec->mounts = m;
    m += spec->n_mounts++;
    *m = (struct dv_spec_mount){ .type = strdup(type), .source = strdup(source),
                                 .destination = strdup(destination) };
    assert_int_equal(dv_strv_split(&m->options, options, ','), 0);
    return m;
}

static void add_defaults(struct box *b)
{
    static const struct {
        const char *destination, *type, *options;
    } mounts[] = {
        { "/proc", "proc", "nosuid,noexec,nodev" },
        { "/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
        { "/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
        { "/sys", "sysfs", "nosuid,noexec,nodev,ro" },
        { "/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,ro" },
        { "/dev/mqueue", "mqueue", "nosuid,noexec,nodev" },
        { "/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=67108864" },
    };
    static const struct {
        const char *path;
        uint32_t major, minor;
    } devices[] = {
        { "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
        { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
    };
    static const char *const masked[] = { "/proc/asound", "/proc/acpi", "/proc/interrupts",
                                          "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                                          "/proc/timer_list", "/proc/timer_stats",
                                          "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                                          "/sys/devices/virtual/powercap" };
    static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                            "/proc/sysrq-trigger" };
    struct dv_spec *spec = b->spec;

    for (size_t i = 0; i < N(mounts); i++)
        box_add_mount(b, mounts[i].type, i == 6 ? "shm" : mounts[i].type, mounts[i].destination,
                      mounts[i].options);
    spec->devices = calloc(N(devices), sizeof(*spec->devices));
    for (size_t i = 0; i < N(devices); i++)
        spec->devices[spec->n_devices++] = (struct dv_spec_device){
            .path = strdup(devices[i].path), .type = 'c', .major = devices[i].major,
            .minor = devices[i].minor, .mode = 0666 };
    for (size_t i = 0; i < N(masked); i++)
        assert_int_equal(dv_strv_add(&spec->masked_paths, masked[i]), 0);
    for (size_t i = 0; i < N(readonly); i++)
        assert_int_equal(dv_strv_add(&spec->readonly_paths, readonly[i]), 0);
}

void box_open(struct box *b)
{
    struct dv_spec *spec = calloc(1, sizeof(*spec));

    memset(b, 0, sizeof(*b));
    assert_non_null(spec);
    b->spec = spec;
    b->out = -1;
    b->init = (struct dv_init){ 0, -1, -1, -1, -1, -1 };
    b->fds = (struct dv_runtime_fds){ .cgroup_dir = -1, .stdio = { -1, -1, -1 },
                                      .init_program = -1 };
    snprintf(b->dir, sizeof(b->dir), "/tmp/davit-runtime-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    copy_busybox(b, "root");
    spec->rootfs = calloc(1, sizeof(*spec->rootfs));
    spec->n_rootfs = 1;
    spec->rootfs->type = strdup("bind");
    spec->rootfs->source = path_of(b, "root");
    spec->hostname = strdup("box");
    for (int i = 0; i < DV_NS_MAX_; i++)
        spec->ns[i] = (struct dv_spec_ns){ .wanted = i != DV_NS_USER, .fd_index = -1 };
    spec->process.cwd = strdup("/");
    spec->process.create_cwd = true;
    spec->process.set_home = true;
    spec->process.caps.bounding = spec->process.caps.effective = spec->process.caps.permitted =
        CAPS_DOCKER;
    assert_int_equal(dv_strv_add(&spec->process.env, "PATH=/usr/bin:/bin"), 0);
    add_defaults(b);
}

void box_kill(struct box *b)
{
    if (b->init.pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, b->init.pidfd, SIGKILL, NULL, 0);
        box_wait(b->init.pidfd);
    }
    dv_init_done(&b->init);
}

void box_close(struct box *b)
{
    struct dv_error err = { 0 };

    box_kill(b);
    dv_close(b->out);
    dv_spec_free(b->spec);
    dv_strv_done(&b->warnings);
    assert_int_equal(dv_remove_tree(AT_FDCWD, b->dir, &err), 0);
}

void box_args(struct box *b, const char *const *args)
{
    dv_strv_done(&b->spec->process.args);
    for (; *args; args++)
        assert_int_equal(dv_strv_add(&b->spec->process.args, *args), 0);
}

void box_script(struct box *b, const char *script)
{
    box_args(b, (const char *const[]){ "sh", "-c", script, NULL });
}

static void add_param(struct dv_spec_rootfs *r, int kind, const char *key, char *value)
{
    r->params = reallocarray(r->params, r->n_params + 1, sizeof(*r->params));
    assert_non_null(r->params);
    r->params[r->n_params++] = (struct dv_spec_param){ .key = strdup(key), .value = value,
                                                       .kind = (uint8_t)kind,
                                                       .idmap = kind == DV_PARAM_PATH };
}

void box_overlay(struct box *b, size_t lowers)
{
    struct dv_spec_rootfs *r = b->spec->rootfs;
    static const char *const own[] = { "upper", "work" };
    struct dv_error err = { 0 };

    free(r->type);
    free(r->source);
    r->type = strdup("overlay");
    r->source = strdup("overlay");
    for (size_t i = 0; i + 1 < lowers; i++) {
        char name[128];

        /* As long as a driver's: 64 digits and "diff". */
        snprintf(name, sizeof(name), "layers/%064zu/diff/layer-%zu", i, i);
        box_write(b, name, "here\n", 0644);
        snprintf(name, sizeof(name), "layers/%064zu/diff", i);
        add_param(r, DV_PARAM_PATH, "lowerdir+", path_of(b, name));
    }
    add_param(r, DV_PARAM_PATH, "lowerdir+", path_of(b, "root"));
    for (size_t i = 0; i < N(own); i++) {
        char *path = path_of(b, own[i]);

        assert_int_equal(dv_mkdirs(AT_FDCWD, path, 0755, &err), 0);
        add_param(r, DV_PARAM_PATH, i ? "workdir" : "upperdir", path);
    }
    add_param(r, DV_PARAM_FLAG, "userxattr", NULL);
    add_param(r, DV_PARAM_STRING, "index", strdup("off"));
}

void box_add_option(struct box *b, const char *destination, const char *option)
{
    for (size_t i = 0; i < b->spec->n_mounts; i++)
        if (dv_streq(b->spec->mounts[i].destination, destination))
            assert_int_equal(dv_strv_add(&b->spec->mounts[i].options, option), 0);
}

int box_wait(int pidfd)
{
    siginfo_t info;

    while (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED) < 0)
        if (errno != EINTR)
            return -1;
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

int box_create(struct box *b)
{
    int pipes[2], r;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    if (!b->spec->process.terminal)
        b->fds.stdio[1] = b->fds.stdio[2] = pipes[1];
    dv_error_clear(&b->err);
    r = dv_runtime_create(b->spec, &b->fds, &b->warnings, &b->init, &b->err);
    close(pipes[1]);
    dv_close(b->out);
    b->out = pipes[0];
    return r;
}

static void read_all(struct box *b, int fd)
{
    size_t len = 0;
    ssize_t n;

    while (len < sizeof(b->text) - 1 &&
           (n = read(fd, b->text + len, sizeof(b->text) - 1 - len)) > 0)
        len += (size_t)n;
    b->text[len] = '\0';
}

int box_run(struct box *b)
{
    int r = box_create(b), code;

    if (r < 0)
        return r;
    r = dv_runtime_start(&b->init, &b->err);
    read_all(b, b->spec->process.terminal ? b->init.pty_master : b->out);
    code = box_wait(b->init.pidfd);
    dv_init_done(&b->init);
    return r < 0 ? r : code;
}

int box_exec(struct box *b, const struct dv_spec_process *p)
{
    int pipes[2], pidfd = -1, pty = -1, code, r;
    struct dv_runtime_fds fds = b->fds;
    pid_t pid;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    if (!p->terminal)
        fds.stdio[1] = fds.stdio[2] = pipes[1];
    dv_error_clear(&b->err);
    r = dv_runtime_exec(&b->init, b->spec, p, &fds, &pid, &pidfd, &pty, &b->err);
    close(pipes[1]);
    if (r == 0)
        read_all(b, p->terminal ? pty : pipes[0]);
    close(pipes[0]);
    dv_close(pty);
    if (r < 0)
        return r;
    code = box_wait(pidfd);
    close(pidfd);
    return code;
}
