/* runtime_cgroup.c - unit tests of core/runtime/cgroup*: with the host's own hierarchies, as root.
 *
 * v2 is tried twice: for real in whatever v2 tree there is (kill, freeze, device programs need no
 * controller), and with plain files in a temporary folder for the values that limits become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/file.h"
#include "core/base/time.h"
#include "core/runtime/cgroup_internal.h"

struct fixture {
    struct dv_cgroups *cg;
    struct dv_error err;
    char parent[64];
    int fds[DV_CGROUP_MAX_HIERARCHIES], dir;
    size_t n;
    struct dv_strv warnings;
};

static const struct dv_spec_resources no_limits = { .memory_swappiness = -1 };

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    f->dir = -1;
    snprintf(f->parent, sizeof(f->parent), "/davit-ut-%d", (int)getpid());
    *state = f;
    if (geteuid() != 0)
        return 0;
    if (dv_cgroups_detect(&f->cg, &f->err) < 0 || dv_cgroup_parent(f->cg, f->parent, &f->err) < 0) {
        print_message("no cgroups to try with: %s\n", f->err.msg);
        dv_cgroups_free(f->cg);
        f->cg = NULL;
    }
    return 0;
}

static void need_cgroups(const struct fixture *f)
{
    if (!f->cg) {
        print_message("skipped: needs root and cgroups that may be changed\n");
        skip();
    }
}

static void close_fds(struct fixture *f)
{
    size_t i;

    for (i = 0; i < f->n; i++)
        close(f->fds[i]);
    dv_close(f->dir);
    f->n = 0;
    f->dir = -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct dv_group g;
    size_t i;

    close_fds(f);
    /* Also what a failed test left: a process in there would hold our caller's pipes. */
    if (f->cg && (dv_cgroup_kill(f->cg, f->parent, "a", &f->err) < 0 ||
                  dv_cgroup_remove(f->cg, f->parent, "a", &f->err) < 0))
        print_message("%s\n", f->err.msg);
    for (i = 0; f->cg && i < f->cg->n; i++)
        if (dv_cg_path(f->parent, NULL, &g, &f->err) == 0)
            unlinkat(f->cg->h[i].fd, g.rel, AT_REMOVEDIR);
    dv_cgroups_free(f->cg);
    dv_strv_done(&f->warnings);
    free(f);
    return 0;
}

static int create(struct fixture *f, const char *name, const struct dv_spec_resources *res)
{
    close_fds(f);
    dv_strv_done(&f->warnings);
    return dv_cgroup_create(f->cg, f->parent, name, res, &f->warnings, f->fds, &f->n, &f->dir,
                            &f->err);
}

/* A child in the group, which forks N more and then sleeps. */
static pid_t start_in(struct fixture *f, int n)
{
    int ready[2];
    char byte;
    pid_t pid;
    size_t i;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (i = 0; i < f->n; i++)
            if (write(f->fds[i], "0", 1) != 1)
                _exit(1);
        while (n-- > 0 && fork() > 0)
            ;
        if (write(ready[1], "x", 1) != 1)
            _exit(2);
        for (;;)
            pause();
    }
    for (; n >= 0; n--)
        assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static bool is_v1(const struct fixture *f)
{
    return dv_cgroups_mode(f->cg) == DV_CGROUP_V1;
}

static void assert_file(struct fixture *f, enum dv_ctl ctl, const char *name, const char *file,
                        const char *expected)
{
    struct dv_group g;
    char text[4096];

    assert_int_equal(dv_cg_path(f->parent, name, &g, &f->err), 0);
    assert_int_equal(dv_cg_read(f->cg->by[ctl], &g, file, text, sizeof(text)), 0);
    assert_string_equal(text, expected);
}

static void paths_do_not_lead_out(void **state)
{
    static const struct {
        const char *parent, *name;
        bool ok;
    } rows[] = {
        { "/a", "b", true },  { "/", "b", true },     { "/a/c", "b", true },  { "a", "b", false },
        { "", "b", false },   { "/a/../c", "b", false }, { "/a//c", "b", false }, { "/a/", "b", false },
        { "/a", "..", false }, { "/a", ".", false },  { "/a", "", false },    { "/a", "b/c", false },
    };
    struct dv_error err = { 0 };
    struct dv_group g;
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++)
        assert_int_equal(dv_cg_path(rows[i].parent, rows[i].name, &g, &err),
                         rows[i].ok ? 0 : -DV_E_INVALID);
    assert_int_equal(dv_cg_path("/a/c", "b", &g, &err), 0);
    assert_string_equal(g.rel, "a/c/b");
    assert_int_equal(dv_cg_path("/", NULL, &g, &err), 0);
    assert_string_equal(g.rel, "");
}

static void a_group_is_made_listed_and_removed(void **state)
{
    struct fixture *f = *state;
    dv_autostrv names = { 0 };
    pid_t *pids = NULL;
    size_t n = 9;

    need_cgroups(f);
    assert_int_equal(dv_cgroup_parent(f->cg, f->parent, &f->err), 0);
    assert_int_equal(create(f, "b", &no_limits), 0);
    assert_int_equal(f->n, f->cg->n);
    assert_int_equal(fcntl(f->fds[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(create(f, "a", &no_limits), 0);
    assert_int_equal(f->warnings.n, 0);
    assert_int_equal(dv_cgroup_list(f->cg, f->parent, &names, &f->err), 0);
    assert_int_equal(names.n, 2);
    assert_string_equal(names.items[0], "a");
    assert_string_equal(names.items[1], "b");
    assert_int_equal(dv_cgroup_pids(f->cg, f->parent, "a", &pids, &n, &f->err), 0);
    assert_int_equal(n, 0);
    free(pids);
    assert_int_equal(dv_cgroup_oom_kills(f->cg, f->parent, "a"), f->cg->by[DV_CTL_MEMORY] ? 0 : -1);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "b", &f->err), 0);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "b", &f->err), 0);
    dv_strv_done(&names);
    assert_int_equal(dv_cgroup_list(f->cg, f->parent, &names, &f->err), 0);
    assert_int_equal(names.n, 0);
}

static void a_leftover_is_replaced_and_a_missing_parent_made(void **state)
{
    struct fixture *f = *state;
    struct dv_spec_resources res = no_limits;

    need_cgroups(f);
    if (!f->cg->by[DV_CTL_PIDS])
        skip();
    res.pids_limit = 5;
    assert_int_equal(create(f, "a", &res), 0);
    assert_int_equal(create(f, "a", &no_limits), 0);
    assert_file(f, DV_CTL_PIDS, "a", "pids.max", "max");
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(dv_cgroup_remove(f->cg, "/", f->parent + 1, &f->err), 0);
    assert_int_equal(create(f, "a", &no_limits), 0);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
}

static void all_processes_are_killed_also_nested_ones(void **state)
{
    struct fixture *f = *state;
    struct dv_group g;
    pid_t pid, *pids = NULL;
    size_t n = 0;
    int fd, status;

    need_cgroups(f);
    assert_int_equal(create(f, "a", &no_limits), 0);
    pid = start_in(f, 5);
    assert_int_equal(dv_cgroup_pids(f->cg, f->parent, "a", &pids, &n, &f->err), 0);
    assert_int_equal(n, 6);
    free(pids);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), -DV_E_CONFLICT);
    assert_non_null(strstr(f->err.msg, "processes are in it"));
    assert_int_equal(create(f, "a", &no_limits), -DV_E_CONFLICT);

    /* What a container with a writable cgroup file system may do. */
    assert_int_equal(dv_cg_path(f->parent, "a", &g, &f->err), 0);
    strcat(g.rel, "/x");
    assert_int_equal(mkdirat(f->cg->tracking->fd, g.rel, 0755), 0);
    strcat(g.rel, "/y");
    assert_int_equal(mkdirat(f->cg->tracking->fd, g.rel, 0755), 0);
    fd = dv_cg_open(f->cg->tracking, &g, "cgroup.procs", O_WRONLY);
    assert_true(dprintf(fd, "%d", (int)pid) > 0);
    close(fd);
    pids = NULL;
    assert_int_equal(dv_cgroup_pids(f->cg, f->parent, "a", &pids, &n, &f->err), 0);
    assert_int_equal(n, 6);
    free(pids);

    assert_int_equal(dv_cgroup_kill(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(dv_cgroup_kill(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(dv_cgroup_kill(f->cg, f->parent, "a", &f->err), 0);
}

/* Whoever put it there was killed before it came to the hierarchy that is looked at first. */
static void a_process_in_one_hierarchy_alone_is_killed(void **state)
{
    struct fixture *f = *state;
    struct dv_group g;
    size_t last;
    pid_t pid;
    int fd, status;

    need_cgroups(f);
    last = f->cg->n - 1;
    if (&f->cg->h[last] == f->cg->tracking && last > 0)
        last--;
    assert_int_equal(create(f, "a", &no_limits), 0);
    pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    assert_int_equal(dv_cg_path(f->parent, "a", &g, &f->err), 0);
    fd = dv_cg_open(&f->cg->h[last], &g, "cgroup.procs", O_WRONLY);
    assert_true(dprintf(fd, "%d", (int)pid) > 0);
    close(fd);
    assert_int_equal(dv_cgroup_kill(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
}

/* Without the v2 tree's cgroup.kill: only signals, and a group that forks as fast as it can. */
static void a_fork_bomb_is_killed_by_signals_alone(void **state)
{
    struct fixture *f = *state;
    struct dv_spec_resources res = no_limits;
    const struct dv_hierarchy *unified;
    int status;
    pid_t pid;

    need_cgroups(f);
    if (!is_v1(f) || !f->cg->by[DV_CTL_PIDS])
        skip();
    res.pids_limit = 20;
    assert_int_equal(create(f, "a", &res), 0);
    pid = fork();
    if (pid == 0) {
        size_t i;

        for (i = 0; i < f->n; i++)
            if (write(f->fds[i], "0", 1) != 1)
                _exit(1);
        signal(SIGCHLD, SIG_IGN);
        for (;;) { /* each dies by itself after a moment, and was two by then */
            if (fork() < 0)
                usleep(100);
            else if (dv_mono_ns() % 5 == 0)
                usleep(50);
        }
    }
    usleep(20000);
    unified = f->cg->unified;
    f->cg->unified = NULL;
    assert_int_equal(dv_cgroup_kill(f->cg, f->parent, "a", &f->err), 0);
    f->cg->unified = unified;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
}

static void a_frozen_group_stands_still_and_can_be_killed(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid;

    need_cgroups(f);
    if (!f->cg->by[DV_CTL_FREEZER])
        skip();
    assert_int_equal(create(f, "a", &no_limits), 0);
    pid = start_in(f, 2);
    assert_int_equal(dv_cgroup_freeze(f->cg, f->parent, "a", true, &f->err), 0);
    if (is_v1(f)) { /* v2 lets a frozen process be killed by any signal */
        kill(pid, SIGTERM);
        usleep(5000);
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    }
    assert_int_equal(dv_cgroup_freeze(f->cg, f->parent, "a", false, &f->err), 0);
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_int_equal(dv_cgroup_freeze(f->cg, f->parent, "a", true, &f->err), 0);
    assert_int_equal(dv_cgroup_kill(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(dv_cgroup_freeze(f->cg, f->parent, "a", true, &f->err), -DV_E_NOT_FOUND);
}

static void v1_limits_are_set_and_changed_in_the_right_order(void **state)
{
    struct fixture *f = *state;
    struct dv_spec_resources res = no_limits;

    need_cgroups(f);
    if (!is_v1(f) || !f->cg->by[DV_CTL_MEMORY] || !f->cg->by[DV_CTL_CPU] || !f->cg->by[DV_CTL_PIDS])
        skip();
    res.memory_limit = 64 << 20;
    res.memory_swap = 96 << 20;
    res.memory_reservation = 32 << 20;
    res.memory_swappiness = 10;
    res.cpu_shares = 512;
    res.cpu_period = 50000;
    res.cpu_quota = 25000;
    res.pids_limit = 33;
    res.cpuset_cpus = (char[]){ "0" };
    assert_int_equal(create(f, "a", &res), 0);
    assert_file(f, DV_CTL_MEMORY, "a", "memory.limit_in_bytes", "67108864");
    assert_file(f, DV_CTL_MEMORY, "a", "memory.memsw.limit_in_bytes", "100663296");
    assert_file(f, DV_CTL_MEMORY, "a", "memory.soft_limit_in_bytes", "33554432");
    assert_file(f, DV_CTL_MEMORY, "a", "memory.swappiness", "10");
    assert_file(f, DV_CTL_CPU, "a", "cpu.shares", "512");
    assert_file(f, DV_CTL_CPU, "a", "cpu.cfs_period_us", "50000");
    assert_file(f, DV_CTL_CPU, "a", "cpu.cfs_quota_us", "25000");
    assert_file(f, DV_CTL_PIDS, "a", "pids.max", "33");
    if (f->cg->by[DV_CTL_CPUSET])
        assert_file(f, DV_CTL_CPUSET, "a", "cpuset.cpus", "0");

    res = no_limits; /* raise, lower, lift */
    res.memory_limit = 256 << 20;
    res.memory_swap = 512 << 20;
    assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), 0);
    assert_file(f, DV_CTL_MEMORY, "a", "memory.memsw.limit_in_bytes", "536870912");
    res.memory_limit = 16 << 20;
    res.memory_swap = 32 << 20;
    assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), 0);
    assert_file(f, DV_CTL_MEMORY, "a", "memory.limit_in_bytes", "16777216");
    assert_file(f, DV_CTL_MEMORY, "a", "memory.memsw.limit_in_bytes", "33554432");
    assert_file(f, DV_CTL_CPU, "a", "cpu.shares", "512");
    res.memory_limit = res.memory_swap = -1;
    res.pids_limit = -1;
    res.cpu_quota = -1;
    assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), 0);
    assert_file(f, DV_CTL_PIDS, "a", "pids.max", "max");
    assert_file(f, DV_CTL_CPU, "a", "cpu.cfs_quota_us", "-1");

    res = no_limits; /* BFQ's file, or none at all */
    res.blkio_weight = 500;
    if (dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err) == 0)
        assert_file(f, DV_CTL_BLKIO, "a", "blkio.bfq.weight", "500");
    else
        assert_int_equal(f->err.code, DV_E_UNSUPPORTED);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
    assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), -DV_E_NOT_FOUND);
}

static void v2_limits_are_set_for_real(void **state)
{
    struct fixture *f = *state;
    struct dv_spec_resources res = no_limits;

    need_cgroups(f);
    if (is_v1(f) || !f->cg->by[DV_CTL_MEMORY] || !f->cg->by[DV_CTL_CPU] || !f->cg->by[DV_CTL_PIDS])
        skip();
    res.memory_limit = 64 << 20;
    res.memory_swap = 96 << 20;
    res.memory_reservation = 32 << 20;
    res.cpu_shares = 512;
    res.cpu_period = 50000;
    res.cpu_quota = 25000;
    res.pids_limit = 33;
    res.cpuset_cpus = (char[]){ "0" };
    res.cpuset_mems = (char[]){ "0" };
    res.blkio_weight = 500;
    assert_int_equal(create(f, "a", &res), 0);
    assert_file(f, DV_CTL_MEMORY, "a", "memory.max", "67108864");
    assert_file(f, DV_CTL_MEMORY, "a", "memory.low", "33554432");
    assert_file(f, DV_CTL_CPU, "a", "cpu.weight", "20");
    assert_file(f, DV_CTL_CPU, "a", "cpu.max", "25000 50000");
    assert_file(f, DV_CTL_PIDS, "a", "pids.max", "33");
    assert_file(f, DV_CTL_CPUSET, "a", "cpuset.cpus", "0");
    res = no_limits;
    res.memory_limit = res.memory_swap = res.pids_limit = res.cpu_quota = -1;
    assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), 0);
    assert_file(f, DV_CTL_MEMORY, "a", "memory.max", "max");
    assert_file(f, DV_CTL_CPU, "a", "cpu.max", "max 100000");
    res.cpuset_cpus = (char[]){ "4000" };
    assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), -DV_E_INVALID);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
}

static bool is_ready(const struct dv_cgroup_oom *oom, int ms)
{
    struct pollfd p = { .fd = oom->fd, .events = (short)oom->events };

    return poll(&p, 1, ms) > 0;
}

/* The OOM killer's mark, which the exit status alone does not give, and word of it. */
static void an_oom_kill_is_seen(void **state)
{
    struct fixture *f = *state;
    struct dv_spec_resources res = no_limits;
    struct dv_cgroup_oom oom;
    int status;
    pid_t pid;

    need_cgroups(f);
    if (!f->cg->by[DV_CTL_MEMORY])
        skip();
    assert_int_equal(dv_cgroup_oom_open(f->cg, f->parent, "a", &oom, &f->err), -DV_E_NOT_FOUND);
    res.memory_limit = res.memory_swap = 16 << 20;
    assert_int_equal(create(f, "a", &res), 0);
    assert_int_equal(dv_cgroup_oom_open(f->cg, f->parent, "a", &oom, &f->err), 0);
    assert_true(dv_cgroup_oom_rearm(&oom));
    assert_false(is_ready(&oom, 0));
    pid = fork();
    if (pid == 0) {
        size_t i, size = 64 << 20;
        volatile char *p;

        for (i = 0; i < f->n; i++)
            if (write(f->fds[i], "0", 1) != 1)
                _exit(1);
        p = malloc(size);
        for (i = 0; p && i < size; i += 4096)
            p[i] = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(is_ready(&oom, 10000));
    assert_true(dv_cgroup_oom_rearm(&oom));
    assert_false(is_ready(&oom, 0));
    assert_int_equal(dv_cgroup_oom_kills(f->cg, f->parent, "a"), 1);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
    assert_true(is_ready(&oom, 10000));
    assert_int_equal(dv_cgroup_oom_kills(f->cg, f->parent, "a"), -1);
    close(oom.fd);
}

static void a_refused_value_is_named_and_nothing_stays(void **state)
{
    struct fixture *f = *state;
    struct dv_spec_resources res = no_limits;
    dv_autostrv names = { 0 };

    need_cgroups(f);
    if (!f->cg->by[DV_CTL_CPUSET])
        skip();
    res.cpuset_cpus = (char[]){ "4000" };
    assert_int_equal(create(f, "a", &res), -DV_E_INVALID);
    assert_non_null(strstr(f->err.msg, "cpuset CPUs 4000"));
    assert_int_equal(dv_cgroup_list(f->cg, f->parent, &names, &f->err), 0);
    assert_int_equal(names.n, 0);
}

static void what_is_missing_is_a_warning(void **state)
{
    struct fixture *f = *state;
    struct dv_spec_resources res = no_limits;
    const struct dv_hierarchy *memory;

    need_cgroups(f);
    memory = f->cg->by[DV_CTL_MEMORY];
    f->cg->by[DV_CTL_MEMORY] = NULL;
    assert_false(dv_cgroups_has(f->cg, "memory"));
    res.memory_limit = 1 << 20;
    assert_int_equal(create(f, "a", &res), 0);
    assert_int_equal(f->warnings.n, 1);
    assert_string_equal(f->warnings.items[0],
                        "Your kernel does not support memory limit capabilities or the cgroup is "
                        "not mounted. Limitation discarded.");
    assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), -DV_E_UNSUPPORTED);
    f->cg->by[DV_CTL_MEMORY] = memory;
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
}

/* Asked beforehand, it is the same sentence, and nothing is made or written. */
static void what_is_missing_is_known_before(void **state)
{
    struct fixture *f = *state;
    struct dv_spec_resources res = no_limits;
    dv_autostrv names = { 0 };
    const struct dv_hierarchy *pids;

    need_cgroups(f);
    pids = f->cg->by[DV_CTL_PIDS];
    res.memory_limit = 1 << 20;
    res.pids_limit = 7;
    assert_int_equal(dv_cgroup_check(f->cg, f->parent, &res, &f->warnings, &f->err), 0);
    assert_int_equal(f->warnings.n, !f->cg->by[DV_CTL_MEMORY] + !pids);
    f->cg->by[DV_CTL_PIDS] = NULL;
    dv_strv_done(&f->warnings);
    f->warnings = (struct dv_strv){ 0 };
    assert_int_equal(dv_cgroup_check(f->cg, f->parent, &res, &f->warnings, &f->err), 0);
    assert_non_null(strstr(f->warnings.items[f->warnings.n - 1], "PIDs limit discarded"));
    f->cg->by[DV_CTL_PIDS] = pids;
    assert_int_equal(dv_cgroup_list(f->cg, f->parent, &names, &f->err), 0);
    assert_int_equal(names.n, 0);
}

/* What the children of the group may do with /dev/NAME made anew (mknod is free for root):
 * "r", "w", "rw" or "". */
static const char *may(struct fixture *f, unsigned major_nr, unsigned minor_nr)
{
    static const char *const answers[] = { "", "r", "w", "rw" };
    char path[64];
    int status;
    pid_t pid;

    snprintf(path, sizeof(path), "/tmp/davit-ut-node-%d", (int)getpid());
    unlink(path);
    assert_int_equal(mknod(path, S_IFCHR | 0600, (dev_t)((major_nr << 8) | minor_nr)), 0);
    pid = fork();
    if (pid == 0) {
        size_t i;
        int answer = 0;

        for (i = 0; i < f->n; i++)
            if (write(f->fds[i], "0", 1) != 1)
                _exit(99);
        answer |= open(path, O_RDONLY | O_CLOEXEC) >= 0 ? 1 : 0;
        answer |= open(path, O_WRONLY | O_CLOEXEC) >= 0 ? 2 : 0;
        _exit(answer);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unlink(path);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 4);
    return answers[WEXITSTATUS(status)];
}

static void check_devices(struct fixture *f)
{
    struct dv_spec_device_rule rules[] = {
        { false, 'a', -1, -1, "rwm" }, /* nothing, but: */
        { true, 'c', 1, 3, "rwm" },    /* null */
        { true, 'c', 1, 5, "r" },      /* zero */
        { true, 'c', 1, 7, "rw" },     /* full */
        { false, 'c', 1, 7, "w" },
    };
    struct dv_spec_device_rule all_but[] = {
        { true, 'a', -1, -1, "rwm" },
        { false, 'c', 1, 5, "w" },
    };
    struct dv_spec_device_rule wrong = { true, 'x', 1, 1, "r" };
    struct dv_spec_resources res = no_limits;

    res.devices = rules;
    res.n_devices = N(rules);
    assert_int_equal(create(f, "a", &res), 0);
    assert_string_equal(may(f, 1, 3), "rw");
    assert_string_equal(may(f, 1, 5), "r");
    assert_string_equal(may(f, 1, 7), "r");
    assert_string_equal(may(f, 1, 8), "");
    if (f->cg->mode == DV_CGROUP_V2) { /* an update replaces; the same once more changes nothing */
        assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), 0);
        assert_string_equal(may(f, 1, 3), "rw");
    }
    res.devices = all_but;
    res.n_devices = N(all_but);
    assert_int_equal(dv_cgroup_update(f->cg, f->parent, "a", &res, &f->err), 0);
    assert_string_equal(may(f, 1, 5), "r");
    assert_string_equal(may(f, 1, 8), "rw");
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
    res.devices = &wrong;
    res.n_devices = 1;
    assert_int_equal(create(f, "a", &res), -DV_E_INVALID);
}

static void device_rules_hold(void **state)
{
    struct fixture *f = *state;

    need_cgroups(f);
    if (!f->cg->by[DV_CTL_DEVICES])
        skip();
    check_devices(f);
}

/* The same on the v2 tree of a hybrid host, as if it were all there is: no controllers. */
static int set_up_v2(void **state)
{
    struct fixture *f;
    struct dv_cgroups *cg;
    size_t i;

    if (set_up(state) < 0)
        return -1;
    f = *state;
    cg = f->cg;
    if (!cg || cg->mode == DV_CGROUP_V2)
        return 0;
    for (i = 0; i < cg->n; i++) /* the parent of the v1 trees */
        unlinkat(cg->h[i].fd, f->parent + 1, AT_REMOVEDIR);
    if (!cg->unified) {
        dv_cgroups_free(cg);
        f->cg = NULL;
        return 0;
    }
    for (i = 0; i < cg->n; i++) {
        struct dv_hierarchy h = cg->h[0];

        if (&cg->h[i] != cg->unified)
            continue;
        cg->h[0] = cg->h[i];
        cg->h[i] = h;
    }
    for (i = 1; i < cg->n; i++) {
        close(cg->h[i].fd);
        free(cg->h[i].mount);
        free(cg->h[i].options);
    }
    cg->n = 1;
    cg->mode = DV_CGROUP_V2;
    memset(cg->by, 0, sizeof(cg->by));
    cg->unified = cg->tracking = cg->by[DV_CTL_DEVICES] = cg->by[DV_CTL_FREEZER] = &cg->h[0];
    return dv_cgroup_parent(cg, f->parent, &f->err);
}

static void v2_gives_the_directory_for_clone(void **state)
{
    struct fixture *f = *state;

    need_cgroups(f);
    assert_int_equal(create(f, "a", &no_limits), 0);
    assert_int_equal(f->n, 1);
    assert_int_equal(fcntl(f->dir, F_GETFD), FD_CLOEXEC);
    assert_int_equal(dv_cgroup_remove(f->cg, f->parent, "a", &f->err), 0);
}

/* ---- v2's values, in plain files ---- */

struct plain {
    char folder[64];
    struct dv_cgroups cg;
    struct dv_group group;
    struct dv_strv warnings;
    struct dv_error err;
};

static void plain_init(struct plain *p, const char *const *files, size_t n)
{
    size_t i;

    memset(p, 0, sizeof(*p));
    snprintf(p->folder, sizeof(p->folder), "/tmp/davit-ut-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->group.rel, sizeof(p->group.rel), "g");
    p->cg.mode = DV_CGROUP_V2;
    p->cg.n = 1;
    p->cg.h[0] = (struct dv_hierarchy){
        .fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .mount = p->folder, .v2 = true
    };
    p->cg.unified = p->cg.tracking = &p->cg.h[0];
    for (i = 0; i < DV_CTL_MAX_; i++)
        p->cg.by[i] = &p->cg.h[0];
    assert_int_equal(mkdirat(p->cg.h[0].fd, "g", 0755), 0);
    for (i = 0; i < n; i++) {
        char path[64];

        snprintf(path, sizeof(path), "g/%s", files[i]);
        close(openat(p->cg.h[0].fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
}

static void plain_done(struct plain *p)
{
    dv_strv_done(&p->warnings);
    close(p->cg.h[0].fd);
    assert_int_equal(dv_remove_tree(AT_FDCWD, p->folder, &p->err), 0);
}

static void assert_plain(struct plain *p, const char *file, const char *expected)
{
    char text[256];

    assert_int_equal(dv_cg_read(&p->cg.h[0], &p->group, file, text, sizeof(text)), 0);
    assert_string_equal(text, expected);
}

static int plain_limit(struct plain *p, const struct dv_spec_resources *res)
{
    const struct dv_cg_change change = { .cg = &p->cg, .group = &p->group, .res = res,
                                         .warnings = &p->warnings, .err = &p->err };

    return dv_cg2_limit(&change);
}

static void v2_counts_oom_kills(void **state)
{
    static const char *const files[] = { "memory.events" };
    static const char text[] = "low 0\nhigh 0\nmax 31\noom 3\noom_kill 2\noom_group_kill 1\n";
    struct plain p;

    (void)state;
    plain_init(&p, files, N(files));
    assert_int_equal(dv_cgroup_oom_kills(&p.cg, "/", "g"), -1);
    assert_int_equal(dv_cg_write(&p.cg.h[0], &p.group, files[0], text), 0);
    assert_int_equal(dv_cgroup_oom_kills(&p.cg, "/", "g"), 2);
    plain_done(&p);
}

static void v2_takes_v1_units(void **state)
{
    static const char *const files[] = { "memory.max", "memory.swap.max", "memory.low",
                                         "cpu.weight", "cpu.max", "cpuset.cpus", "cpuset.mems",
                                         "pids.max", "io.weight", "io.max" };
    struct dv_spec_throttle read_bps = { 8, 16, 1048576 };
    struct dv_spec_resources res = {
        .memory_limit = 64 << 20, .memory_swap = 96 << 20, .memory_reservation = 32 << 20,
        .memory_swappiness = 10, .cpu_shares = 1024, .cpu_quota = 50000,
        .cpuset_cpus = (char[]){ "0-1" }, .cpuset_mems = (char[]){ "0" }, .pids_limit = -1,
        .blkio_weight = 500, .read_bps = &read_bps, .n_read_bps = 1, .cpu_rt_runtime = 1,
    };
    struct plain p;

    (void)state;
    plain_init(&p, files, N(files));
    assert_int_equal(plain_limit(&p, &res), 0);
    assert_plain(&p, "memory.max", "67108864");
    assert_plain(&p, "memory.swap.max", "33554432");
    assert_plain(&p, "memory.low", "33554432");
    assert_plain(&p, "cpu.weight", "39");
    assert_plain(&p, "cpu.max", "50000 100000");
    assert_plain(&p, "cpuset.cpus", "0-1");
    assert_plain(&p, "cpuset.mems", "0");
    assert_plain(&p, "pids.max", "max");
    assert_plain(&p, "io.weight", "4950");
    assert_plain(&p, "io.max", "8:16 rbps=1048576");
    assert_int_equal(p.warnings.n, 2); /* swappiness and real time */
    plain_done(&p);
}

static void v2_maps_the_ends_of_the_ranges(void **state)
{
    static const char *const files[] = { "memory.max", "memory.swap.max", "cpu.weight", "cpu.max" };
    static const struct {
        uint64_t shares;
        const char *weight;
    } rows[] = { { 1, "1" }, { 2, "1" }, { 262144, "10000" }, { 999999, "10000" } };
    struct dv_spec_resources res = no_limits;
    struct plain p;
    size_t i;

    (void)state;
    for (i = 0; i < N(rows); i++) {
        plain_init(&p, files, N(files));
        res = no_limits;
        res.cpu_shares = rows[i].shares;
        res.memory_limit = res.memory_swap = -1;
        res.cpu_period = 20000;
        assert_int_equal(plain_limit(&p, &res), 0);
        assert_plain(&p, "cpu.weight", rows[i].weight);
        assert_plain(&p, "memory.max", "max");
        assert_plain(&p, "memory.swap.max", "max");
        assert_plain(&p, "cpu.max", "max 20000");
        assert_int_equal(p.warnings.n, 0);
        plain_done(&p);
    }
    plain_init(&p, files, N(files));
    res = no_limits;
    res.memory_swap = 5;
    assert_int_equal(plain_limit(&p, &res), -DV_E_INVALID);
    plain_done(&p);
}

static void favordynmods_is_held_by_a_descriptor(void **state)
{
    struct fixture *f = *state;
    char name[64];
    int fd = -1;
    bool on = false;

    need_cgroups(f);
    assert_int_equal(dv_cgroups_favordynmods(f->cg, "a,b", &fd, &on, &f->err), -DV_E_INVALID);
    if (!is_v1(f)) /* would change the host's only tree */
        return;
    snprintf(name, sizeof(name), "davit-ut-%d", (int)getpid());
    assert_int_equal(dv_cgroups_favordynmods(f->cg, name, &fd, &on, &f->err), 0);
    assert_int_equal(on, fd >= 0);
    if (fd >= 0)
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    dv_close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_V2(name) { #name " (v2)", name, set_up_v2, tear_down, NULL }
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_do_not_lead_out),
        TEST(a_group_is_made_listed_and_removed),
        TEST(a_leftover_is_replaced_and_a_missing_parent_made),
        TEST(all_processes_are_killed_also_nested_ones),
        TEST(a_process_in_one_hierarchy_alone_is_killed),
        TEST(a_fork_bomb_is_killed_by_signals_alone),
        TEST(a_frozen_group_stands_still_and_can_be_killed),
        TEST(v1_limits_are_set_and_changed_in_the_right_order),
        TEST(v2_limits_are_set_for_real),
        TEST(an_oom_kill_is_seen),
        TEST(a_refused_value_is_named_and_nothing_stays),
        TEST(what_is_missing_is_a_warning),
        TEST(what_is_missing_is_known_before),
        TEST(device_rules_hold),
        TEST_V2(a_group_is_made_listed_and_removed),
        TEST_V2(v2_gives_the_directory_for_clone),
        TEST_V2(all_processes_are_killed_also_nested_ones),
        TEST_V2(a_frozen_group_stands_still_and_can_be_killed),
        TEST_V2(what_is_missing_is_a_warning),
        TEST_V2(what_is_missing_is_known_before),
        TEST_V2(device_rules_hold),
        cmocka_unit_test(v2_counts_oom_kills),
        cmocka_unit_test(v2_takes_v1_units),
        cmocka_unit_test(v2_maps_the_ends_of_the_ranges),
        TEST(favordynmods_is_held_by_a_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
