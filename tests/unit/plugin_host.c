/* plugin_host.c - the services a plugin gets, and the call it gets them through. */

#include <pthread.h>
#include <sched.h>

#include "plugin_helper.h"

#include "core/base/time.h"
#include "core/plugin/internal.h"

static struct dv_host *host;
static struct dv_error err;
static struct dv_call call;
static int event_seen;

static void on_event(void *arg, const char *action, const char *id, const struct dv_kvs *attrs)
{
    (void)attrs;
    assert_string_equal(action, "grow");
    assert_string_equal(id, "x");
    ++*(int *)arg;
}

static int begin(void **state)
{
    static const int table = 7;
    static const struct dv_host_service services[] = { { "dv.test/1", &table } };
    const struct dv_host_config config = { .services = services, .n_services = 1,
                                           .event = on_event, .event_arg = &event_seen };

    (void)state;
    host = dv_host_new(DV_KIND_STORAGE, "test", &config);
    err = (struct dv_error){ 0 };
    assert_int_equal(dv_call_begin(&call, NULL, "test", &err), 0);
    return host ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    dv_call_done(&call);
    dv_host_free(host);
    return 0;
}

static void fail_records_and_prefixes(void **state)
{
    (void)state;
    assert_int_equal((host->fail)(&call, DV_E_CONFLICT, 0, "inner"), -DV_E_CONFLICT);
    assert_int_equal((host->fail)(&call, 0, 0, "outer"), -DV_E_CONFLICT);
    assert_string_equal(err.msg, "outer: inner");
    assert_int_equal((host->fail)(&call, DV_E_INTERNAL, ENOSPC, "write"), -DV_E_NO_SPACE);
    assert_string_equal(err.msg, "write: No space left on device");
    assert_int_equal((host->fail)(&call, 4711, 0, NULL), -DV_E_INTERNAL);
}

static void memory_is_zeroed_and_bounded(void **state)
{
    (void)state;
    for (size_t n = 0; n < 3000; n += 7) {
        char *p = host->alloc(&call, n);

        assert_non_null(p);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 'x', n);
    }
    assert_null(host->alloc(&call, SIZE_MAX));
    assert_null(host->alloc(&call, (size_t)1 << 40));
}

static void services_and_events(void **state)
{
    (void)state;
    assert_int_equal(*(const int *)host->service(host->self, "dv.test/1"), 7);
    assert_null(host->service(host->self, "dv.test/2"));
    host->event(host->self, "grow", "x", NULL);
    assert_int_equal(event_seen, 1);
    assert_ptr_equal(dv_host_arg(host->self), &event_seen);
    assert_int_equal(host->cancel_fd(&call), -1);
    assert_true(host->deadline_ns(&call) == UINT64_MAX);
}

static void opens_below_a_root_only(void **state)
{
    dv_autoclose int root = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd;

    (void)state;
    fd = host->open_in_root(&call, root, "../../status", O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    assert_int_equal(host->open_in_root(&call, root, "none", O_RDONLY, 0), -DV_E_NOT_FOUND);
    assert_contains(err.msg, "open 'none'");
}

static int32_t netns_inode(void *arg)
{
    struct stat st;

    if (stat("/proc/thread-self/ns/net", &st) < 0)
        return -DV_E_INTERNAL;
    *(ino_t *)arg = st.st_ino;
    return 0;
}

static void *make_netns(void *arg)
{
    if (unshare(CLONE_NEWNET) == 0)
        *(int *)arg = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return NULL;
}

static void runs_in_a_netns(void **state)
{
    ino_t inside = 0, here = 0;
    dv_autoclose int fd = -1;
    pthread_t thread;
    struct stat st;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(pthread_create(&thread, NULL, make_netns, &fd), 0);
    pthread_join(thread, NULL);
    assert_true(fd >= 0);
    assert_int_equal(host->run_in_netns(&call, fd, netns_inode, &inside), 0);
    assert_int_equal(netns_inode(&here), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(inside == st.st_ino && here != inside);
    dv_close(fd);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(host->run_in_netns(&call, fd, netns_inode, &inside), -DV_E_INTERNAL);
    assert_contains(err.msg, "enter the network namespace");
}

static void spawns_and_collects(void **state)
{
    const char *const argv[] = { "/bin/sh", "-c", "echo out; exit 3", NULL };
    const char *const killed[] = { "/bin/sh", "-c", "kill -9 $$", NULL };
    const char *const relative[] = { "sh", NULL };
    int fds[2], status = -1;
    char text[8] = "";

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(host->spawn(&call, argv, fds[1], &status), 0);
    assert_int_equal(status, 3);
    assert_int_equal(read(fds[0], text, sizeof(text) - 1), 4);
    assert_string_equal(text, "out\n");
    assert_int_equal(host->spawn(&call, argv, -1, &status), 0);
    assert_int_equal(host->spawn(&call, killed, -1, &status), 0);
    assert_int_equal(status, 128 + 9);
    assert_int_equal(host->spawn(&call, relative, -1, &status), -DV_E_INVALID);
    close(fds[0]);
    close(fds[1]);
}

static void gives_up_on_a_slow_program(void **state)
{
    const char *const argv[] = { "/bin/sleep", "30", NULL };
    int fds[2], status;
    uint64_t before = dv_mono_ns();

    (void)state;
    call.deadline_ns = before + 50000000;
    assert_int_equal(host->spawn(&call, argv, -1, &status), -DV_E_TIMEOUT);
    call.deadline_ns = UINT64_MAX;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    call.cancel_fd = fds[0];
    close(fds[1]);
    assert_int_equal(host->spawn(&call, argv, -1, &status), -DV_E_CANCELED);
    close(fds[0]);
    assert_true(dv_mono_ns() - before < 10000000000u);
}

/* DV_CAP_SERIAL: the second call waits for the first one's end. */
struct serial_job {
    struct dv_driver *driver;
    int *order, *n;
};

static void *second_call(void *arg)
{
    struct serial_job *job = arg;
    struct dv_error e = { 0 };
    dv_autocall c;

    assert_int_equal(dv_call_begin(&c, job->driver, "test", &e), 0);
    job->order[(*job->n)++] = 2;
    return NULL;
}

static void serial_calls_wait(void **state)
{
    const struct dv_plugin_file file = { .kind = DV_KIND_STORAGE, .name = "serial",
                                         .path = in_dir("serial.so") };
    struct serial_job job = { 0 };
    int order[2] = { 0 }, n = 0;
    struct dv_error e = { 0 };
    struct dv_call first;
    pthread_t thread;

    (void)state;
    NEEDS_ROOT();
    copy_plugin("tests/plugins/serial", "serial.so", NULL, NULL);
    assert_int_equal(dv_driver_open(&file, NULL, NULL, &job.driver, &e), 0);
    assert_non_null(job.driver->serial);
    job.order = order;
    job.n = &n;
    assert_int_equal(dv_call_begin(&first, job.driver, "test", &e), 0);
    assert_int_equal(pthread_create(&thread, NULL, second_call, &job), 0);
    usleep(20000);
    order[n++] = 1;
    dv_call_done(&first);
    pthread_join(thread, NULL);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    dv_driver_close(job.driver);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
    const struct CMUnitTest tests[] = {
        T(fail_records_and_prefixes), T(memory_is_zeroed_and_bounded), T(services_and_events),
        T(opens_below_a_root_only),   T(runs_in_a_netns),              T(spawns_and_collects),
        T(gives_up_on_a_slow_program), T(serial_calls_wait),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
