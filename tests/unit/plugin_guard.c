/* plugin_guard.c - plugins that would kill, hang or soil their host (tests/plugins), and what is
 * remembered of them. */

#include "plugin_helper.h"

#include <davit/storage.h>
#include <sys/wait.h>

#include "core/plugin/drivers.h"
#include "core/plugin/verdict.h"

#define SECOND UINT64_C(1000000000)
static const char probe[] = TEST_BUILD_DIR "/bin/davit-plugin-probe";

static struct dv_drivers *open_drivers(const char *program, uint64_t timeout_ns)
{
    struct dv_drivers_guard guard = { .probe = program, .timeout_ns = timeout_ns };
    struct dv_drivers *ds = NULL;
    struct dv_error err = { 0 };

    if (mkdirat(dir_fd, "state", 0700) < 0)
        assert_int_equal(errno, EEXIST);
    guard.state_fd = openat(dir_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(guard.state_fd >= 0);
    assert_int_equal(dv_drivers_new(dir, &ds, &err), 0);
    assert_int_equal(dv_drivers_set_guard(ds, &guard, &err), 0);
    return ds;
}

/* tests/plugins/SOURCE.so as storage/NAME.so. */
static void install(const char *source, const char *name)
{
    dv_autofree char *from = dv_format("tests/plugins/%s", source);
    dv_autofree char *to = dv_format("storage/%s.so", name);

    if (mkdirat(dir_fd, "storage", 0755) < 0)
        assert_int_equal(errno, EEXIST);
    copy_plugin(from, to, NULL, NULL);
}

/* As if a probe had found it good, however long that takes on a busy machine. */
static void found_good(const char *name)
{
    const struct dv_verdict verdict = { .state = DV_VERDICT_GOOD, .initialised = true };
    dv_autofree char *file = dv_format("storage/%s.so", name);
    dv_autoclose int state_fd = openat(dir_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char identity[DV_IDENTITY_BYTES];
    struct stat st;

    assert_int_equal(fstatat(dir_fd, file, &st, 0), 0);
    dv_verdict_identity(&st, identity);
    dv_verdict_write(state_fd, "storage", name, identity, &verdict);
}

/* Load it and see what became of it. */
static void add(struct dv_drivers *ds, const char *name, struct dv_driver_info *ret)
{
    const struct dv_plugin_file file = { .kind = DV_KIND_STORAGE, .name = name };

    dv_drivers_add(ds, &file, NULL);
    dv_drivers_info(ds, dv_drivers_count(ds) - 1, ret);
    assert_string_equal(ret->name, name);
}

static void expect_state(const char *name, uint64_t timeout_ns, enum dv_driver_state state,
                         const char *says)
{
    struct dv_drivers *ds = open_drivers(probe, timeout_ns);
    struct dv_driver_info info;

    install(name, name);
    add(ds, name, &info);
    if (info.state != state)
        fail_msg("%s is %s: %s", name, dv_driver_state_name(info.state), info.reason);
    assert_contains(info.reason, says);
    assert_contains(info.reason, name);
    dv_drivers_free(ds);
}

static void a_crash_hits_the_probe(void **state)
{
    (void)state;
    NEEDS_ROOT();
    expect_state("crash-constructor", 0, DV_DRIVER_QUARANTINED, "while it was loaded");
    expect_state("crash-describe", 0, DV_DRIVER_QUARANTINED, "in dv_plugin_v0()");
    expect_state("exit-constructor", 0, DV_DRIVER_QUARANTINED, "exit code 3");
    expect_state("crash-describe", 0, DV_DRIVER_QUARANTINED, "davit plugin retry");
}

static void a_hang_hits_the_probe(void **state)
{
    (void)state;
    NEEDS_ROOT();
    expect_state("hang-constructor", SECOND, DV_DRIVER_QUARANTINED, "within 1 s");
    expect_state("hang-describe", SECOND, DV_DRIVER_QUARANTINED, "in dv_plugin_v0()");
}

static void a_probe_turns_away(void **state)
{
    (void)state;
    NEEDS_ROOT();
    expect_state("leak-constructor", 0, DV_DRIVER_REJECTED, "/etc/passwd");
    expect_state("missing-slot", 0, DV_DRIVER_REJECTED, "prepare()");
    expect_state("unresolved", 0, DV_DRIVER_REJECTED, "dv_of_the_engine");
}

static void quarantine_lasts_until_the_file_changes(void **state)
{
    struct dv_drivers *ds;
    struct dv_driver_info first, again;

    (void)state;
    NEEDS_ROOT();
    install("crash-constructor", "good");
    ds = open_drivers(probe, 0);
    add(ds, "good", &first);
    assert_int_equal(first.state, DV_DRIVER_REJECTED); /* its note says another name */
    dv_drivers_free(ds);
    install("crash-constructor", "crash-constructor");
    ds = open_drivers(probe, 0);
    add(ds, "crash-constructor", &first);
    dv_drivers_free(ds);
    /* No probe is run for it: there is none here. */
    ds = open_drivers("/nonexistent", 0);
    add(ds, "crash-constructor", &again);
    assert_int_equal(again.state, DV_DRIVER_QUARANTINED);
    assert_int_equal(again.since_ns, first.since_ns);
    assert_string_equal(again.reason, first.reason);
    dv_drivers_free(ds);
    install("crash-constructor", "crash-constructor");
    ds = open_drivers("/nonexistent", 0);
    add(ds, "crash-constructor", &again);
    assert_int_equal(again.state, DV_DRIVER_REJECTED);
    assert_contains(again.reason, "/nonexistent");
    dv_drivers_free(ds);
}

static void a_good_file_is_probed_once(void **state)
{
    struct dv_drivers *ds;
    struct dv_driver_info info;

    (void)state;
    NEEDS_ROOT();
    install("good", "good");
    ds = open_drivers("/nonexistent", 0);
    add(ds, "good", &info);
    assert_int_equal(info.state, DV_DRIVER_REJECTED);
    dv_drivers_free(ds);
    ds = open_drivers(probe, 0);
    add(ds, "good", &info);
    assert_int_equal(info.state, DV_DRIVER_ACTIVE);
    dv_drivers_free(ds);
    ds = open_drivers("/nonexistent", 0);
    add(ds, "good", &info);
    assert_int_equal(info.state, DV_DRIVER_ACTIVE);
    assert_string_equal(info.plugin->version, "1.2.3");
    dv_drivers_free(ds);
}

/* A kill(1) that comes while a good driver is in init() does not cost it; a row of them does. */
static void a_known_file_has_three_strikes(void **state)
{
    char identity[DV_IDENTITY_BYTES];
    struct dv_driver_info info;
    struct dv_drivers *ds;
    struct stat st;

    (void)state;
    NEEDS_ROOT();
    install("good", "good");
    found_good("good");
    assert_int_equal(stat(in_dir("storage/good.so"), &st), 0);
    dv_verdict_identity(&st, identity);
    for (unsigned before = 0; before < 3; before++) {
        dv_autoclose int state_fd = openat(dir_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        dv_verdict_mark(state_fd, "storage", "good", identity, before, false);
        ds = open_drivers(probe, 0);
        add(ds, "good", &info);
        assert_int_equal(info.state, before < 2 ? DV_DRIVER_ACTIVE : DV_DRIVER_QUARANTINED);
        dv_drivers_free(ds);
        if (before < 2) /* it came back: the row is over */
            assert_int_equal(faccessat(dir_fd, "state/storage.good.starting", F_OK, 0), -1);
    }
}

static void on_adopt(void *arg, struct dv_driver *driver)
{
    assert_string_equal(driver->name, "good");
    ++*(int *)arg;
}

/* What kills the daemon in init() is left alone at the next start. */
static void a_death_in_init_is_remembered(void **state)
{
    struct dv_drivers *ds;
    struct dv_driver_info info;
    int status;
    pid_t pid;

    (void)state;
    NEEDS_ROOT();
    install("crash-init", "crash-init");
    pid = fork();
    if (pid == 0) {
        ds = open_drivers(probe, 0);
        add(ds, "crash-init", &info);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ds = open_drivers(probe, 0);
    add(ds, "crash-init", &info);
    assert_int_equal(info.state, DV_DRIVER_QUARANTINED);
    assert_contains(info.reason, "davitd died while it was in init()");
    dv_drivers_free(ds);
}

static void retry_takes_it_out_of_quarantine(void **state)
{
    char identity[DV_IDENTITY_BYTES];
    struct dv_drivers *ds = open_drivers(probe, 0);
    struct dv_driver_info info;
    struct dv_error err = { 0 };
    struct dv_driver *d = NULL;
    struct stat st;
    int adopted = 0, state_fd;

    (void)state;
    NEEDS_ROOT();
    install("good", "good");
    install("refuses", "refuses");
    assert_int_equal(stat(in_dir("storage/good.so"), &st), 0);
    dv_verdict_identity(&st, identity);
    state_fd = openat(dir_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dv_verdict_mark(state_fd, "storage", "good", identity, 0, true);
    dv_close(state_fd);
    add(ds, "good", &info);
    assert_int_equal(info.state, DV_DRIVER_QUARANTINED);
    add(ds, "refuses", &info);
    assert_int_equal(dv_drivers_get(ds, DV_KIND_STORAGE, "good", &d, &err), -DV_E_UNAVAILABLE);
    assert_int_equal(dv_drivers_retry(ds, "good", on_adopt, &adopted, &err), 0);
    assert_int_equal(adopted, 1);
    assert_int_equal(dv_drivers_get(ds, DV_KIND_STORAGE, "good", &d, &err), 0);
    assert_int_equal(dv_drivers_retry(ds, "storage/good", NULL, NULL, &err), -DV_E_CONFLICT);
    assert_contains(err.msg, "is active");
    assert_int_equal(dv_drivers_retry(ds, "refuses", NULL, NULL, &err), -DV_E_UNSUPPORTED);
    assert_contains(err.msg, "never starts");
    assert_int_equal(dv_drivers_retry(ds, "network/good", NULL, NULL, &err), -DV_E_NOT_FOUND);
    dv_drivers_free(ds);
}

/* It costs its own driver only. */
static void a_hang_in_init_ends_the_wait(void **state)
{
    struct dv_drivers *ds;
    struct dv_driver_info info;
    struct dv_error err = { 0 };
    struct dv_driver *d = NULL;

    (void)state;
    NEEDS_ROOT();
    install("hang-init", "hang-init");
    install("good", "good");
    found_good("hang-init");
    found_good("good");
    ds = open_drivers(probe, 2 * SECOND);
    add(ds, "hang-init", &info);
    if (info.state != DV_DRIVER_STUCK)
        fail_msg("%s: %s", dv_driver_state_name(info.state), info.reason);
    assert_contains(info.reason, "for 2 s");
    add(ds, "good", &info);
    assert_int_equal(info.state, DV_DRIVER_ACTIVE);
    assert_int_equal(dv_drivers_get(ds, DV_KIND_STORAGE, "hang-init", &d, &err),
                     -DV_E_UNAVAILABLE);
    assert_int_equal(dv_drivers_retry(ds, "hang-init", NULL, NULL, &err), -DV_E_CONFLICT);
    assert_int_equal(faccessat(dir_fd, "state/storage.hang-init.starting", F_OK, 0), 0);
    dv_drivers_free(ds);
    /* We ended in good order, so it did not kill us. */
    assert_int_equal(faccessat(dir_fd, "state/storage.hang-init.starting", F_OK, 0), -1);
}

/* Nor does a hang at the end keep the daemon from ending. */
static void a_hang_in_fini_is_left_behind(void **state)
{
    struct dv_drivers *ds;
    struct dv_driver_info info;

    (void)state;
    NEEDS_ROOT();
    install("hang-fini", "hang-fini");
    found_good("hang-fini");
    ds = open_drivers(probe, SECOND);
    add(ds, "hang-fini", &info);
    assert_int_equal(info.state, DV_DRIVER_ACTIVE);
    dv_drivers_free(ds);
}

static void leaks_are_named(void **state)
{
    struct dv_drivers *ds = open_drivers(probe, 0);
    struct dv_driver_info info;

    (void)state;
    NEEDS_ROOT();
    install("leak", "leak");
    install("leak-fails", "leak-fails");
    add(ds, "leak", &info);
    assert_int_equal(info.state, DV_DRIVER_ACTIVE);
    assert_contains(info.complaint, "(/etc/passwd) open without close-on-exec");
    add(ds, "leak-fails", &info);
    assert_int_equal(info.state, DV_DRIVER_FAILED);
    assert_contains(info.complaint, "(/etc/passwd) open when its start failed");
    dv_drivers_free(ds);
}

static void results_outside_the_call_are_refused(void **state)
{
    struct dv_drivers *ds = open_drivers(probe, 0);
    const struct dv_storage_ops *ops;
    struct dv_driver *d = NULL;
    struct dv_driver_info info;
    struct dv_error err = { 0 };
    struct dv_kvs rows = { 0 };
    dv_autocall c = { 0 };

    (void)state;
    NEEDS_ROOT();
    install("outside", "outside");
    add(ds, "outside", &info);
    assert_int_equal(dv_drivers_get(ds, DV_KIND_STORAGE, "outside", &d, &err), 0);
    ops = d->ops;
    assert_int_equal(dv_call_begin(&c, d, "status", &err), 0);
    assert_int_equal(dv_call_result(&c, ops->status(d->self, &c, &rows)), 0);
    assert_int_equal(dv_result_kvs(&c, "row", &rows), -DV_E_INTERNAL);
    assert_contains(err.msg, "plugin 'outside' misbehaved: status() gave a 'row'");
    /* Its constants and the call's memory are fine. */
    assert_int_equal(dv_result_text(&c, "key", rows.items[0].key), 0);
    assert_int_equal(dv_result_text(&c, "name", d->plugin->name), 0);
    assert_int_equal(dv_result_text(&c, "nothing", NULL), 0);
    dv_call_done(&c);
    dv_drivers_info(ds, 0, &info);
    assert_contains(info.complaint, "status() gave a 'row'");
    dv_drivers_free(ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_hits_the_probe),
        cmocka_unit_test(a_hang_hits_the_probe),
        cmocka_unit_test(a_probe_turns_away),
        cmocka_unit_test(quarantine_lasts_until_the_file_changes),
        cmocka_unit_test(a_good_file_is_probed_once),
        cmocka_unit_test(a_death_in_init_is_remembered),
        cmocka_unit_test(a_known_file_has_three_strikes),
        cmocka_unit_test(retry_takes_it_out_of_quarantine),
        cmocka_unit_test(a_hang_in_init_ends_the_wait),
        cmocka_unit_test(a_hang_in_fini_is_left_behind),
        cmocka_unit_test(leaks_are_named),
        cmocka_unit_test(results_outside_the_call_are_refused),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
