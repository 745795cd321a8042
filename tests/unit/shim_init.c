/* shim_init.c - tests of davit-init, the bundled init of `run --init`. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/spawn.h"

enum { MAX_ARGS = 8 };

static int start(const char *const *args, int out, pid_t *ret_pid)
{
    char *argv[MAX_ARGS + 2] = { "davit-init" };
    int fds[] = { -1, out, -1 }, pidfd;
    struct dv_spawn spawn = { .path = INIT_PROGRAM, .argv = argv, .envp = environ, .fds = fds,
                              .n_fds = N(fds) };
    struct dv_error err = { 0 };

    for (size_t i = 0; args[i]; i++)
        argv[i + 1] = (char *)args[i];
    if (dv_spawn(&spawn, ret_pid, &pidfd, &err) < 0)
        fail_msg("%s", err.msg);
    return pidfd;
}

static int wait_code(int pidfd)
{
    siginfo_t info = { 0 };

    assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
    close(pidfd);
    assert_int_equal(info.si_code, CLD_EXITED);
    return info.si_status;
}

static void ends_with_the_programs_code(void **state)
{
    static const struct {
        const char *args[MAX_ARGS];
        int code;
    } cases[] = {
        { { "--", "/bin/sh", "-c", "exit 7" }, 7 },
        { { "--", "true" }, 0 },                      /* found in PATH */
        { { "true" }, 0 },
        { { "--", "/bin/sh", "-c", "kill -9 $$" }, 137 },
        { { "--", "/no/such/program" }, 127 },
        { { "--", "/etc/passwd" }, 126 },
        { { "--" }, 125 },
        { { NULL }, 125 },
    };
    pid_t pid;

    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        assert_int_equal(wait_code(start(cases[i].args, -1, &pid)), cases[i].code);
}

static void forwards_signals(void **state)
{
    static const char *const args[] = {
        "--", "/bin/sh", "-c", "trap 'exit 3' TERM; trap 'echo usr' USR1; echo ready; "
                               "while :; do sleep 0.05; done", NULL };
    int ends[2], pidfd;
    char text[16];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pidfd = start(args, ends[1], &pid);
    close(ends[1]);
    assert_int_equal(read(ends[0], text, sizeof(text)), 6);
    assert_int_equal(kill(pid, SIGUSR1), 0);
    assert_int_equal(read(ends[0], text, sizeof(text)), 4);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(wait_code(pidfd), 3);
    close(ends[0]);
}

/* What became an orphan is ours when we are a process 1; a subreaper's are too, and need no root. */
static void reaps_orphans(void **state)
{
    /* The orphan's parent is davit-init then; a zombie would still answer to kill -0. */
    static const char *const args[] = {
        "--", "/bin/sh", "-c", "orphan=$(sh -c 'sleep 0.1 >/dev/null & echo $!'); "
                               "kill -0 $orphan || exit 1; sleep 0.6; "
                               "kill -0 $orphan 2>/dev/null && exit 2; exit 0", NULL };
    char *argv[MAX_ARGS + 2] = { "davit-init" };
    int status;
    pid_t pid;

    (void)state;
    for (size_t i = 0; args[i]; i++)
        argv[i + 1] = (char *)args[i];
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        execv(INIT_PROGRAM, argv);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_with_the_programs_code),
        cmocka_unit_test(forwards_signals),
        cmocka_unit_test(reaps_orphans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
