/* container_spec.c - tests of the spec that image config and create request turn into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/container/caps.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"
#include "core/runtime/cgroup.h"
#include "core/runtime/spec.h"

struct test {
    struct dv_engine engine;
    struct dv_containers cs;
    struct dv_container *c;
    struct dv_spec *spec;
    struct dv_spec_joins joins;
    struct dv_error err;
};

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    static char root[] = "/root-of-test", none[] = "";
    static char libexec[] = TEST_BUILD_DIR "/bin";

    if (!t)
        return -1;
    t->engine.config.root = root;
    t->engine.config.userns_remap = none;
    t->engine.config.libexec_dir = libexec;
    if (dv_cgroups_detect(&t->engine.cgroups, &t->err) < 0)
        return -1;
    t->cs.engine = &t->engine;
    t->cs.cgroup_parent = "/davit-test";
    dv_lock_init(&t->cs.lock, DV_RANK_STORE);
    *state = t;
    return 0;
}

static void clear(struct test *t)
{
    for (size_t i = 0; i < t->joins.n; i++)
        dv_close(t->joins.fds[i]);
    t->joins = (struct dv_spec_joins){ .shm = -1 };
    dv_spec_free(t->spec);
    t->spec = NULL;
    t->c = dv_container_unref(t->c);
    dv_error_clear(&t->err);
}

static int tear_down(void **state)
{
    struct test *t = *state;

    clear(t);
    while (t->cs.n)
        dv_containers_forget(&t->cs, t->cs.items[0]);
    free(t->cs.items);
    dv_lock_done(&t->cs.lock);
    dv_cgroups_free(t->engine.cgroups);
    free(t);
    return 0;
}

/* CONFIG and HOST: what stands between the braces of Config and HostConfig. */
static struct dv_container *make(struct test *t, const char *config, const char *host)
{
    dv_autofree char *text = dv_format("{\"Image\":\"i\",\"Cmd\":[\"sh\",\"-c\",\"x\"],"
                                       "\"Hostname\":\"box\"%s%s,\"HostConfig\":{%s}}",
                                       *config ? "," : "", config, host);
    dv_autojson json_object *body = NULL;
    dv_autostrv warnings = { 0 };
    char id[DV_ID_BYTES];
    struct dv_container *c;

    dv_id_new(id);
    c = dv_container_new(&t->cs, id);
    assert_non_null(c);
    if (dv_json_parse(text, strlen(text), &body, &t->err) < 0 ||
        dv_container_config_parse(body, &warnings, &c->config, &t->err) < 0 ||
        dv_config_argv(c->config, &c->argv, &t->err) < 0)
        fail_msg("%s: %s", text, t->err.msg);
    return c;
}

static int try_build(struct test *t, const char *config, const char *host)
{
    dv_autostrv warnings = { 0 };

    clear(t);
    t->c = make(t, config, host);
    return dv_spec_build(t->c, &t->spec, &t->joins, &warnings, &t->err);
}

static struct dv_spec *build(struct test *t, const char *config, const char *host)
{
    if (try_build(t, config, host) < 0)
        fail_msg("%s / %s: %s", config, host, t->err.msg);
    return t->spec;
}

static const struct dv_spec_mount *mount_at(const struct dv_spec *spec, const char *path)
{
    for (size_t i = 0; i < spec->n_mounts; i++)
        if (dv_streq(spec->mounts[i].destination, path))
            return &spec->mounts[i];
    return NULL;
}

static bool has_device(const struct dv_spec *spec, const char *path)
{
    for (size_t i = 0; i < spec->n_devices; i++)
        if (dv_streq(spec->devices[i].path, path))
            return true;
    return false;
}

static void a_plain_container(void **state)
{
    struct test *t = *state;
    const struct dv_spec *s = build(t, "", "");
    char path[128];

    snprintf(path, sizeof(path), "/davit-test/%s", t->c->id);
    assert_string_equal(s->cgroups_path, path);
    assert_string_equal(s->hostname, "box");
    assert_string_equal(s->process.args.items[2], "x");
    assert_string_equal(s->process.cwd, "/");
    assert_true(dv_strv_has(&s->process.env, "HOSTNAME=box"));
    assert_false(dv_strv_has(&s->process.env, "TERM=xterm"));
    assert_true(s->process.caps.bounding == (DV_CAPS_DEFAULT & dv_caps_of_host()));
    assert_true(s->process.caps.inheritable == 0 && s->process.caps.ambient == 0);
    assert_non_null(s->process.seccomp);
    assert_false(s->process.no_new_privs);
    for (int ns = DV_NS_PID; ns < DV_NS_MAX_; ns++)
        assert_true(s->ns[ns].wanted || ns == DV_NS_CGROUP);
    assert_false(s->ns[DV_NS_USER].wanted);
    assert_true(t->joins.own_netns);
    assert_int_equal(s->ns[DV_NS_NET].fd_index, 0);
    assert_int_equal(s->ns[DV_NS_PID].fd_index, -1);
    assert_true(dv_strv_has(&s->masked_paths, "/proc/kcore"));
    assert_true(dv_strv_has(&s->readonly_paths, "/proc/sys"));
    assert_true(has_device(s, "/dev/null"));
    assert_int_equal(s->n_devices, 6);
    assert_true(dv_strv_has(&mount_at(s, "/sys")->options, "ro"));
    assert_true(dv_strv_has(&mount_at(s, "/dev/shm")->options, "size=67108864"));
    assert_true(mount_at(s, "/etc/hosts")->make_source_file);
    assert_true(dv_strv_has(&s->sysctls, "net.ipv4.ip_unprivileged_port_start=0"));
    assert_false(s->resources.devices[0].allow); /* nothing, then what is allowed */
    assert_int_equal(s->resources.memory_swappiness, -1);
}

static void the_process(void **state)
{
    struct test *t = *state;
    const struct dv_spec *s =
        build(t,
              "\"Env\":[\"PATH=/x\",\"A=1\",\"B\",\"A=2\"],\"Tty\":true,\"User\":\"7:8\","
              "\"WorkingDir\":\"/srv\"",
              "\"SecurityOpt\":[\"no-new-privileges\",\"seccomp=unconfined\"],\"CapAdd\":"
              "[\"SYS_ADMIN\"],\"GroupAdd\":[\"adm\"],\"OomScoreAdj\":5,\"Init\":true,"
              "\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":10,\"Hard\":20}]");
    const struct dv_spec_process *p = &s->process;

    assert_string_equal(p->env.items[0], "PATH=/x"); /* in the default's place */
    assert_true(dv_strv_has(&p->env, "A=2"));
    assert_false(dv_strv_has(&p->env, "A=1"));
    assert_false(dv_strv_has(&p->env, "B"));
    assert_true(dv_strv_has(&p->env, "TERM=xterm"));
    assert_true(p->terminal && p->no_new_privs && s->init);
    assert_null(p->seccomp);
    assert_string_equal(p->user, "7:8");
    assert_string_equal(p->cwd, "/srv");
    assert_string_equal(p->add_groups.items[0], "adm");
    assert_int_equal(p->oom_score_adj, 5);
    assert_int_equal(p->n_rlimits, 1);
    assert_int_equal(p->rlimits[0].resource, RLIMIT_NOFILE);
    assert_int_equal(p->rlimits[0].hard, 20);
}

static void a_privileged_container(void **state)
{
    struct test *t = *state;
    const struct dv_spec *s = build(t, "", "\"Privileged\":true");

    assert_true(s->process.caps.bounding == (dv_caps_of_host() & ((UINT64_C(1) << 41) - 1)));
    assert_null(s->process.seccomp);
    assert_int_equal(s->masked_paths.n + s->readonly_paths.n, 0);
    assert_true(dv_strv_has(&mount_at(s, "/sys")->options, "rw"));
    assert_int_equal(s->resources.n_devices, 1);
    assert_true(s->resources.devices[0].allow && s->resources.devices[0].type == 'a');
    for (size_t i = 0, k; i < s->n_devices; i++)
        for (k = 0; k < i; k++)
            assert_string_not_equal(s->devices[i].path, s->devices[k].path);
}

static void namespaces_of_the_host(void **state)
{
    struct test *t = *state;
    const struct dv_spec *s = build(t, "",
                                    "\"NetworkMode\":\"host\",\"PidMode\":\"host\",\"IpcMode\":"
                                    "\"host\",\"CgroupnsMode\":\"private\"");

    assert_false(s->ns[DV_NS_NET].wanted || s->ns[DV_NS_PID].wanted || s->ns[DV_NS_IPC].wanted);
    assert_true(s->ns[DV_NS_CGROUP].wanted);
    assert_false(t->joins.own_netns);
    assert_int_equal(s->sysctls.n, 0); /* the host's would be changed */
    assert_string_equal(mount_at(s, "/dev/shm")->type, "bind");
    assert_null(mount_at(build(t, "", "\"IpcMode\":\"none\""), "/dev/shm"));
}

static void mounts_of_the_user(void **state)
{
    struct test *t = *state;
    const struct dv_spec *s =
        build(t, "",
              "\"Binds\":[\"/tmp:/a/b:ro\",\"/etc/passwd:/etc/hosts\"],\"Tmpfs\":{\"/a\":\"size=1m\"},"
              "\"ShmSize\":4096");
    const struct dv_spec_mount *hosts = mount_at(s, "/etc/hosts");
    size_t a = (size_t)(mount_at(s, "/a") - s->mounts);
    size_t b = (size_t)(mount_at(s, "/a/b") - s->mounts);

    assert_true(a < b); /* else it would be hidden */
    assert_string_equal(hosts->source, "/etc/passwd");
    assert_true(hosts->make_source_file);
    assert_true(dv_strv_has(&mount_at(s, "/a")->options, "size=1m"));
    assert_true(dv_strv_has(&mount_at(s, "/a/b")->options, "rprivate"));
    assert_true(dv_strv_has(&mount_at(s, "/dev/shm")->options, "size=4096"));
    for (size_t i = 0, n = 0; i < s->n_mounts; i++) {
        n += dv_streq(s->mounts[i].destination, "/etc/hosts");
        assert_true(n <= 1);
    }
}

/* It was there at the creation. */
static void a_bind_source_that_went_away(void **state)
{
    struct test *t = *state;
    char dir[] = "/tmp/davit-spec.XXXXXX";
    dv_autofree char *host = NULL;
    dv_autostrv warnings = { 0 };

    assert_non_null(mkdtemp(dir));
    host = dv_format("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"%s\",\"Target\":\"/x\"}]", dir);
    clear(t);
    t->c = make(t, "", host);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(dv_spec_build(t->c, &t->spec, &t->joins, &warnings, &t->err), -DV_E_INVALID);
    assert_non_null(strstr(t->err.msg, "bind source path does not exist: /tmp/davit-spec."));
}

static void resources(void **state)
{
    struct test *t = *state;
    const struct dv_spec *s = build(t, "",
                                    "\"Memory\":8388608,\"NanoCpus\":1500000000,\"PidsLimit\":5,"
                                    "\"CpuShares\":7,\"CpusetCpus\":\"0\"");

    assert_int_equal(s->resources.memory_limit, 8388608);
    assert_int_equal(s->resources.memory_swap, 2 * 8388608);
    assert_int_equal(s->resources.cpu_period, 100000);
    assert_int_equal(s->resources.cpu_quota, 150000);
    assert_int_equal(s->resources.pids_limit, 5);
    assert_int_equal(s->resources.cpu_shares, 7);
    assert_string_equal(s->resources.cpuset_cpus, "0");
}

static void devices(void **state)
{
    struct test *t = *state;
    const struct dv_spec_device_rule *last;
    const struct dv_spec *s = build(t, "",
                                    "\"Devices\":[{\"PathOnHost\":\"/dev/zero\",\"PathInContainer\":"
                                    "\"/dev/nought\",\"CgroupPermissions\":\"r\"}],"
                                    "\"DeviceCgroupRules\":[\"c 10:* rw\"]");

    assert_true(has_device(s, "/dev/nought"));
    last = &s->resources.devices[s->resources.n_devices - 1];
    assert_true(last->allow && last->type == 'c' && last->major == 1 && last->minor == 5);
    assert_string_equal(last->access, "r");
    last--;
    assert_true(last->major == 10 && last->minor == -1);
    assert_int_equal(try_build(t, "", "\"Devices\":[{\"PathOnHost\":\"/dev/nonexistent\"}]"),
                     -DV_E_INVALID);
    assert_non_null(strstr(t->err.msg, "/dev/nonexistent"));
}

/* The init of the other container is this process. */
static struct dv_container *make_other(struct test *t, const char *host)
{
    struct dv_container *other = make(t, "", host);
    char text[1024] = "", *at;
    FILE *f = fopen("/proc/self/stat", "re");

    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    at = strrchr(text, ')');
    for (int i = 0; i < 20; i++)
        at = strchr(at + 1, ' ');
    other->name = dv_strdup("other");
    other->status = DV_RUNNING;
    other->pid = getpid();
    other->start_time = strtoull(at, NULL, 10);
    assert_int_equal(dv_containers_insert(&t->cs, other, &t->err), 0);
    dv_containers_publish(&t->cs, other);
    dv_container_unref(other);
    return other;
}

static void joins_another(void **state)
{
    struct test *t = *state;
    struct dv_container *other = make_other(t, "");
    const struct dv_spec *s;

    s = build(t, "", "\"PidMode\":\"container:other\"");
    assert_int_equal(t->joins.n, 1);
    assert_int_equal(s->ns[DV_NS_NET].fd_index, 0); /* its own, ready one comes first */
    assert_int_equal(s->ns[DV_NS_PID].fd_index, 1);

    /* Its number is somebody else's now. */
    other->start_time++;
    assert_int_equal(try_build(t, "", "\"PidMode\":\"container:other\""), -DV_E_CONFLICT);
    assert_non_null(strstr(t->err.msg, "cannot join pid namespace of a non running container"));
    other->start_time--;
    other->status = DV_EXITED;
    assert_int_equal(try_build(t, "", "\"PidMode\":\"container:other\""), -DV_E_CONFLICT);
    assert_int_equal(try_build(t, "", "\"PidMode\":\"container:nobody\""), -DV_E_NOT_FOUND);
}

static void ipc_is_shared_by_who_says_so(void **state)
{
    struct test *t = *state;

    make_other(t, "");
    assert_int_equal(try_build(t, "", "\"IpcMode\":\"container:other\""), -DV_E_CONFLICT);
    assert_non_null(strstr(t->err.msg, "use IpcMode:shareable for the donor container"));
}

static void an_exec(void **state)
{
    struct test *t = *state;
    struct dv_exec_config exec = { .rows = 3, .tty = true };
    struct dv_spec_process p = { 0 };
    char user[] = "root", dir[] = "/tmp";

    clear(t);
    t->c = make(t, "\"User\":\"9\",\"WorkingDir\":\"/srv\",\"Env\":[\"A=1\"]", "");
    assert_int_equal(dv_strv_add(&exec.cmd, "ls"), 0);
    assert_int_equal(dv_strv_add(&exec.env, "A=2"), 0);
    assert_int_equal(dv_spec_process_build(t->c, &exec, &p, &t->err), 0);
    assert_string_equal(p.user, "9");
    assert_string_equal(p.cwd, "/srv");
    assert_true(dv_strv_has(&p.env, "A=2") && !dv_strv_has(&p.env, "A=1"));
    assert_true(p.caps.bounding == (DV_CAPS_DEFAULT & dv_caps_of_host()));
    assert_int_equal(p.rows, 3);
    dv_spec_process_done(&p);

    memset(&p, 0, sizeof(p));
    exec.user = user;
    exec.working_dir = dir;
    exec.privileged = true;
    assert_int_equal(dv_spec_process_build(t->c, &exec, &p, &t->err), 0);
    assert_string_equal(p.user, "root");
    assert_string_equal(p.cwd, "/tmp");
    assert_null(p.seccomp);
    dv_spec_process_done(&p);
    exec.user = exec.working_dir = NULL;
    dv_exec_config_done(&exec);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_plain_container),
        TEST(the_process),
        TEST(a_privileged_container),
        TEST(namespaces_of_the_host),
        TEST(mounts_of_the_user),
        TEST(a_bind_source_that_went_away),
        TEST(resources),
        TEST(devices),
        TEST(joins_another),
        TEST(ipc_is_shared_by_who_says_so),
        TEST(an_exec),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
