/* shim_process.c - the real davit-shim with real containers: needs root and a static busybox. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/base/time.h"
#include "core/runtime/cgroup.h"
#include "shim_player.h"

enum { SOON_MS = 8000, BOTH = DV_ATTACH_STDOUT | DV_ATTACH_STDERR,
       FRAMED = BOTH | DV_ATTACH_FRAMED };

static const char busybox[] = "/usr/bin/busybox";

struct test {
    struct player p;
    struct dv_spec *spec;
    struct player_plan plan;
    struct dv_cgroups *cg;
    char cgroup[32];       /* of this run alone */
    int cgroup_fds[DV_CGROUP_MAX_HIERARCHIES];
    size_t n_cgroup_fds;
};

static const struct {
    const char *destination, *type, *source, *options;
} mounts[] = {
    { "/proc", "proc", "proc", "nosuid,noexec,nodev" },
    { "/dev", "tmpfs", "tmpfs", "nosuid,mode=755,size=65536k" },
    { "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620" },
    /* what a shell runs in the background reads from it */
    { "/dev/null", "bind", "/dev/null", "bind,nosuid,noexec" },
};

static void copy_file(const char *from, int dir_fd, const char *name)
{
    struct dv_error err = { 0 };
    dv_autofree char *data = NULL;
    size_t n;

    assert_int_equal(dv_read_file(AT_FDCWD, from, 16 << 20, &data, &n, &err), 0);
    dv_autoclose int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    assert_true(fd >= 0 && dv_write_all(fd, data, n) == 0);
}

static void make_root(struct test *t)
{
    static const char *const dirs[] = { "root", "root/bin", "root/proc", "root/dev", "root/tmp",
                                        "root/sbin" };
    static const char *const tools[] = { "sh", "sleep", "echo", "cat", "seq", "wc", "ps", "true" };

    for (size_t i = 0; i < N(dirs); i++)
        assert_int_equal(mkdirat(t->p.dir_fd, dirs[i], 0755), 0);
    copy_file(busybox, t->p.dir_fd, "root/bin/busybox");
    for (size_t i = 0; i < N(tools); i++) {
        dv_autofree char *name = dv_format("root/bin/%s", tools[i]);

        assert_int_equal(symlinkat("busybox", t->p.dir_fd, name), 0);
    }
}

static void set_process(struct dv_spec_process *p, const char *script)
{
    const char *const args[] = { "sh", "-c", script };

    for (size_t i = 0; i < N(args); i++)
        assert_int_equal(dv_strv_add(&p->args, args[i]), 0);
    assert_int_equal(dv_strv_add(&p->env, "PATH=/bin:/sbin"), 0);
    p->cwd = dv_strdup("/");
    p->caps.bounding = p->caps.effective = p->caps.permitted = 0xa80425fb;
}

static struct dv_spec *make_spec(struct test *t)
{
    static const enum dv_ns wanted[] = { DV_NS_PID, DV_NS_NET, DV_NS_IPC, DV_NS_UTS, DV_NS_MNT };
    struct dv_spec *spec = calloc(1, sizeof(*spec));

    spec->id = dv_strdup("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    spec->hostname = dv_strdup("box");
    spec->rootfs = calloc(1, sizeof(*spec->rootfs));
    spec->n_rootfs = 1;
    spec->rootfs[0].type = dv_strdup("bind");
    spec->rootfs[0].source = dv_format("%s/root", t->p.path);
    spec->n_mounts = N(mounts);
    spec->mounts = calloc(N(mounts), sizeof(*spec->mounts));
    for (size_t i = 0; i < N(mounts); i++) {
        spec->mounts[i].destination = dv_strdup(mounts[i].destination);
        spec->mounts[i].type = dv_strdup(mounts[i].type);
        spec->mounts[i].source = dv_strdup(mounts[i].source);
        spec->mounts[i].make_source_file = dv_streq(mounts[i].type, "bind");
        assert_int_equal(dv_strv_split(&spec->mounts[i].options, mounts[i].options, ','), 0);
    }
    for (size_t i = 0; i < N(spec->ns); i++)
        spec->ns[i].fd_index = -1;
    for (size_t i = 0; i < N(wanted); i++)
        spec->ns[wanted[i]].wanted = true;
    spec->resources.memory_swappiness = -1;
    return spec;
}

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    *state = t;
    if (geteuid() != 0 || access(busybox, X_OK) < 0)
        return 0;
    player_begin(&t->p, SHIM_PROGRAM);
    make_root(t);
    t->plan.spec = t->spec = make_spec(t);
    return 0;
}

static void need_root(const struct test *t)
{
    if (t->spec)
        return;
    print_message("skipped: needs root and %s (busybox-static)\n", busybox);
    skip();
}

static int tear_down(void **state)
{
    struct test *t = *state;
    struct dv_error err = { 0 };

    if (t->spec)
        player_end(&t->p);
    for (size_t i = 0; i < t->n_cgroup_fds; i++)
        close(t->cgroup_fds[i]);
    if (t->plan.cgroup_dir > 0)
        close(t->plan.cgroup_dir);
    if (t->cg && (dv_cgroup_kill(t->cg, t->cgroup, "c", &err) < 0 ||
                  dv_cgroup_remove(t->cg, t->cgroup, "c", &err) < 0 ||
                  dv_cgroup_remove(t->cg, "/", t->cgroup + 1, &err) < 0))
        print_error("%s\n", err.msg);
    dv_cgroups_free(t->cg);
    dv_spec_free(t->spec);
    free(t);
    return 0;
}

static void run(struct test *t, const char *script)
{
    set_process(&t->spec->process, script);
    player_run(&t->p, &t->plan);
}

static int early_client(struct test *t, unsigned flags)
{
    int fd, ours = player_socket(&fd);

    t->plan.clients[0] = (struct player_client){ .fd = fd, .flags = flags };
    return ours;
}

static void expect_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    free(text);
}

static void runs_a_container(void **state)
{
    struct test *t = *state;
    dv_autofree char *log = NULL;

    need_root(t);
    dv_autoclose int client = early_client(t, BOTH);
    run(t, "echo $$ $(cat /proc/sys/kernel/hostname); exit 7");
    expect_text(player_drain(client, NULL), "1 box\n");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 7);
    assert_int_equal(player_expect_end(&t->p, SOON_MS), 0);
    log = player_read(&t->p, "log", NULL);
    assert_non_null(strstr(log, "{\"log\":\"1 box\\n\",\"stream\":\"stdout\",\"time\":\""));
}

static void everybody_dies_with_the_init(void **state)
{
    struct test *t = *state;
    uint64_t start = dv_mono_ns();

    need_root(t);
    dv_autoclose int client = early_client(t, BOTH);
    run(t, "sleep 100 & sleep 100 & echo done");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    assert_true(dv_mono_ns() - start < 1500000000);
    expect_text(player_drain(client, NULL), "done\n");
}

static void reports_a_program_that_is_not_there(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };

    need_root(t);
    set_process(&t->spec->process, "");
    free(t->spec->process.args.items[0]);
    t->spec->process.args.items[0] = dv_strdup("nosuch");
    assert_int_equal(player_create(&t->p, &t->plan, &answer), DV_SHIM_REPLY);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_START, &answer), DV_SHIM_ERROR);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_EXIT_CODE, 0), 127);
    player_expect_end(&t->p, SOON_MS);
}

static void execs_and_ends_with_them(void **state)
{
    struct test *t = *state;
    dv_autopacket answer = { 0 };
    struct dv_spec_process process = { 0 };
    struct player_client client = { .flags = FRAMED | DV_ATTACH_STDIN };
    dv_autofree char *data = NULL;
    struct dv_msg_writer w;
    size_t n;

    need_root(t);
    run(t, "sleep 100");
    dv_autoclose int ours = player_socket(&client.fd);
    set_process(&process, "cat; cat /proc/sys/kernel/hostname >&2; exit 5");
    assert_int_equal(player_exec(&t->p, "e1", &process, &client, &answer), DV_SHIM_REPLY);
    assert_int_equal(write(ours, "in\n", 3), 3);
    shutdown(ours, SHUT_WR);
    data = player_drain(ours, &n);
    expect_text(player_unframe(data, n, 1, NULL), "in\n");
    expect_text(player_unframe(data, n, 2, NULL), "box\n");
    player_expect(&t->p, DV_SHIM_EVENT_EXEC_EXIT, SOON_MS, &answer);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_EXIT_CODE, -1), 5);
    dv_spec_process_done(&process);

    process = (struct dv_spec_process){ 0 };
    set_process(&process, "sleep 100");
    assert_int_equal(player_exec(&t->p, "e2", &process, NULL, &answer), DV_SHIM_REPLY);
    dv_spec_process_done(&process);
    dv_msg_begin(&w, DV_SHIM_SIGNAL, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_SIGNAL, SIGKILL);
    assert_int_equal(player_ask(&t->p, &w, NULL, 0, &answer), DV_SHIM_REPLY);
    player_expect(&t->p, DV_SHIM_EVENT_EXEC_EXIT, SOON_MS, &answer);
    assert_int_equal(dv_msg_get_i64(&answer.msg, DV_ST_EXIT_CODE, -1), 137);
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 137);
}

static void a_terminal_ends_without_loss(void **state)
{
    enum { LINES = 20000 };
    struct test *t = *state;
    dv_autofree char *data = NULL;
    const char *at;
    char line[16];
    size_t n, len;

    need_root(t);
    dv_autoclose int client = early_client(t, BOTH | DV_ATTACH_STDIN);
    t->spec->process.terminal = true;
    t->spec->process.rows = 30;
    t->spec->process.cols = 120;
    run(t, "seq 1 20000; sleep 100 & exit 3");
    data = player_drain(client, &n);
    at = data;
    for (int i = 1; i <= LINES; i++) {
        len = (size_t)snprintf(line, sizeof(line), "%d\r\n", i);
        if ((size_t)(data + n - at) < len || memcmp(at, line, len) != 0)
            fail_msg("%zu bytes; in place of line %d there is '%.40s'", n, i, at);
        at += len;
    }
    assert_string_equal(at, "");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 3);
}

static void runs_the_bundled_init(void **state)
{
    struct test *t = *state;

    need_root(t);
    dv_autoclose int program = open(INIT_PROGRAM, O_PATH | O_CLOEXEC);
    dv_autoclose int client = early_client(t, BOTH);
    assert_true(program >= 0);
    t->plan.init_program = program;
    t->spec->init = true;
    run(t, "cat /proc/1/comm; exit 9");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 9);
    expect_text(player_drain(client, NULL), "docker-init\n"); /* its name in the container */
}

static int lend(struct test *t, unsigned what)
{
    dv_autopacket answer = { 0 };
    struct dv_msg_writer w;
    int fd;

    dv_msg_begin(&w, DV_SHIM_LEND, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_WHAT, what);
    if (player_ask(&t->p, &w, NULL, 0, &answer) != DV_SHIM_REPLY)
        fail_msg("%s", dv_msg_get_str(&answer.msg, DV_ST_MESSAGE, ""));
    fd = dv_packet_take_fd(&answer, 0);
    assert_true(fd >= 0);
    return fd;
}

static void lends_the_live_tree(void **state)
{
    struct test *t = *state;
    dv_autofree char *text = NULL;
    dv_autopacket answer = { 0 };
    struct dv_error err = { 0 };
    struct stat st;
    char up[8];

    need_root(t);
    t->plan.open_stdin = true;
    dv_autoclose int client = early_client(t, DV_ATTACH_STDOUT);
    run(t, "echo inside > /tmp/file; echo up; read x");
    assert_int_equal(read(client, up, sizeof(up)), 3); /* the file is written */
    dv_autoclose int whole = lend(t, DV_LEND_ROOT);
    dv_autoclose int only = lend(t, DV_LEND_ROOT_ONLY);
    assert_int_equal(dv_read_file(only, "tmp/file", 100, &text, NULL, &err), 0);
    assert_string_equal(text, "inside\n");
    assert_int_equal(fstatat(whole, "proc/1/status", &st, 0), 0);   /* mounts below are there */
    assert_int_equal(fstatat(only, "proc/1/status", &st, 0), -1);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_CLOSE_STDIN, &answer), DV_SHIM_REPLY);
    player_expect_exit(&t->p, SOON_MS);
}

/* With the host's process ids only the control group tells who belongs to the container. */
static void kills_what_is_left_by_the_control_group(void **state)
{
    struct test *t = *state;
    struct dv_error err = { 0 };
    dv_autostrv warnings = { 0 };
    dv_autofree pid_t *pids = NULL;
    int dir = -1;
    size_t n;
    uint64_t start;

    need_root(t);
    assert_int_equal(dv_cgroups_detect(&t->cg, &err), 0);
    snprintf(t->cgroup, sizeof(t->cgroup), "/davit-shim-test-%d", (int)getpid());
    assert_int_equal(dv_cgroup_parent(t->cg, t->cgroup, &err), 0);
    if (dv_cgroup_create(t->cg, t->cgroup, "c", &t->spec->resources, &warnings,
                         t->cgroup_fds, &t->n_cgroup_fds, &dir, &err) < 0)
        fail_msg("%s", err.msg);
    t->plan.procs_fd = t->cgroup_fds[0];
    t->plan.cgroup_dir = dir;
    t->plan.kill_cgroup = true;
    t->spec->ns[DV_NS_PID].wanted = false;
    dv_autoclose int client = early_client(t, BOTH);
    start = dv_mono_ns();
    run(t, "sleep 100 & sleep 100 & echo done");
    assert_int_equal(player_expect_exit(&t->p, SOON_MS), 0);
    assert_true(dv_mono_ns() - start < 1500000000);
    expect_text(player_drain(client, NULL), "done\n");
    assert_int_equal(dv_cgroup_pids(t->cg, t->cgroup, "c", &pids, &n, &err), 0);
    assert_int_equal(n, 0);
}

static void is_small(void **state)
{
    struct test *t = *state;
    dv_autofree char *text = NULL, *path = NULL;
    struct dv_error err = { 0 };
    dv_autopacket answer = { 0 };
    char *at;
    unsigned pss = 0;
    pid_t pid = 0;

    need_root(t);
    run(t, "seq 1 100000; sleep 100");
    usleep(2500000); /* buffers are given back when output rests */
    path = dv_format("/proc/self/fdinfo/%d", t->p.pidfd);
    assert_int_equal(dv_read_file(AT_FDCWD, path, 4096, &text, NULL, &err), 0);
    assert_non_null(at = strstr(text, "Pid:"));
    assert_int_equal(sscanf(at, "Pid: %d", &pid), 1);
    free(dv_take(text));
    free(path);
    path = dv_format("/proc/%d/smaps_rollup", pid);
    assert_int_equal(dv_read_file(AT_FDCWD, path, 4096, &text, NULL, &err), 0);
    assert_non_null(at = strstr(text, "Pss:"));
    assert_int_equal(sscanf(at, "Pss: %u", &pss), 1);
    print_message("Pss of davit-shim: %u kB\n", pss);
    assert_int_equal(player_ask_plain(&t->p, DV_SHIM_STATE, &answer), DV_SHIM_REPLY);
#ifdef SHIM_IS_MUSL
    assert_true(pss <= 512);
#endif
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(runs_a_container),
        TEST(everybody_dies_with_the_init),
        TEST(reports_a_program_that_is_not_there),
        TEST(execs_and_ends_with_them),
        TEST(a_terminal_ends_without_loss),
        TEST(runs_the_bundled_init),
        TEST(lends_the_live_tree),
        TEST(kills_what_is_left_by_the_control_group),
        TEST(is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
