/* daemon_check.c - davitd --check-config: every mistake of a file and of the drivers it names is told, with
 * its line, and nothing is started. Needs root: drivers lie in a directory that the trust check accepts. */
#include "plugin_helper.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "core/daemon/config.h"

static char out[16384];

/* What a check of this file prints, and its exit code; in a child, since it counts mistakes for its
 * process. */
static int check(const char *ini)
{
    dv_autofree char *text = dv_format("[engine]\nlibexec_dir = %s/bin\nplugin_dir = %s\n%s",
                                       TEST_BUILD_DIR, dir, ini);
    int fd = memfd_create("out", MFD_CLOEXEC), status;
    ssize_t n;
    pid_t pid;

    put("davit.ini", text, strlen(text), 0644);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct dv_config_args args = { .file = in_dir("davit.ini") };

        dup2(fd, STDOUT_FILENO);
        status = dv_config_check(&args);
        fflush(stdout);
        exit(status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    n = pread(fd, out, sizeof(out) - 1, 0);
    out[n > 0 ? n : 0] = '\0';
    close(fd);
    return WEXITSTATUS(status);
}

static int set_up(void **state)
{
    int r = make_dir(state);

    if (r < 0 || geteuid() != 0)
        return r;
    mkdirat(dir_fd, "storage", 0755);
    mkdirat(dir_fd, "network", 0755);
    mkdirat(dir_fd, "registry", 0755);
    copy_plugin("plugins/storage/vfs", "storage/vfs.so", NULL, NULL);
    copy_plugin("plugins/network/bridge", "network/bridge.so", NULL, NULL);
    copy_plugin("plugins/network/host", "network/host.so", NULL, NULL);
    copy_plugin("plugins/network/none", "network/none.so", NULL, NULL);
    copy_plugin("plugins/registry/archive", "registry/archive.so", NULL, NULL);
    copy_plugin("tests/plugins/crash-constructor", "crash-constructor.so", NULL, NULL);
    copy_plugin("tests/plugins/good", "good.so", NULL, NULL);
    return 0;
}

static void a_sound_file_is_fine(void **state)
{
    (void)state;
    NEEDS_ROOT();
    if (check("[storage]\ndriver = vfs\n") != 0)
        fail_msg("%s", out);
    assert_contains(out, "storage driver 'vfs' ");
    assert_contains(out, ": fine (");
    assert_contains(out, "davit.ini is fine\n");
}

/* To the end of the file, not to the first one. */
static void tells_every_mistake_with_its_line(void **state)
{
    (void)state;
    NEEDS_ROOT();
    assert_int_equal(check("[storage]\ndriver = vfs\ndrivver = x\n[engine]\nmax_connections = many\n"
                           "[nonsense]\nkey = 1\n"), 1);
    assert_contains(out, "davit.ini:6");
    assert_contains(out, "drivver");
    assert_contains(out, "driver"); /* the nearest one that there is */
    assert_contains(out, "davit.ini:8");
    assert_contains(out, "max_connections");
    assert_contains(out, "nonsense");
    assert_contains(out, "3 mistakes\n");
}

static void tells_what_drivers_are_not_there(void **state)
{
    (void)state;
    NEEDS_ROOT();
    assert_int_equal(check("[storage]\ndriver = btrfs\n"), 1);
    assert_contains(out, "btrfs");
    assert_contains(out, "1 mistake\n");
    assert_int_equal(check("[storage]\ndriver = vfs\n[storage.overlay]\nstate_dir = /x\n"), 1);
    assert_contains(out, "[storage.overlay] state_dir: no storage driver of that name is loaded");
    assert_contains(out, "davit.ini:7");
}

/* In a process of its own: what the driver does there harms nobody. */
static void bears_a_driver_that_crashes(void **state)
{
    dv_autofree char *ini = NULL;

    (void)state;
    NEEDS_ROOT();
    ini = dv_format("[storage]\ndriver = vfs\n[plugin \"crash-constructor\"]\nkind = storage\npath = "
                    "%s/crash-constructor.so\n", dir);
    assert_int_equal(check(ini), 1);
    assert_contains(out, "crash-constructor");
    assert_contains(out, "storage driver 'vfs' "); /* the others are looked at all the same */
}

static void an_option_that_no_driver_has_is_told(void **state)
{
    (void)state;
    NEEDS_ROOT();
    assert_int_equal(check("[storage]\ndriver = vfs\n[storage.vfs]\nquoota = 1\n"), 1);
    assert_contains(out, "davit.ini:7");
    assert_contains(out, "quoota");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_file_is_fine),
        cmocka_unit_test(tells_every_mistake_with_its_line),
        cmocka_unit_test(tells_what_drivers_are_not_there),
        cmocka_unit_test(bears_a_driver_that_crashes),
        cmocka_unit_test(an_option_that_no_driver_has_is_told),
    };

    return cmocka_run_group_tests(tests, set_up, remove_dir);
}
