/* base_spawn.c - unit tests of core/base/spawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "core/base/file.h"
#include "core/base/spawn.h"
#include "core/base/str.h"

static int wait_for(int pidfd)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
    close(pidfd);
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* Run a shell line with FDS; its exit status. */
static int run_line(const char *line, const int *fds, size_t n)
{
    char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)(uintptr_t)line, NULL };
    struct dv_spawn s = { .path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = n };
    struct dv_error err = { 0 };
    pid_t pid;
    int pidfd;

    assert_int_equal(dv_spawn(&s, &pid, &pidfd, &err), 0);
    assert_int_equal(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
    return wait_for(pidfd);
}

static void descriptors_go_where_they_belong_though_they_overlap(void **state)
{
    int a[2], b[2], fds[5];
    char text[16] = "";

    (void)state;
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    /* Each source is another one's target: 3 and 4 change places. */
    assert_int_equal(dup3(a[1], 103, O_CLOEXEC), 103);
    assert_int_equal(dup3(b[1], 104, O_CLOEXEC), 104);
    {
        int saved3 = fcntl(3, F_DUPFD_CLOEXEC, 200), saved4 = fcntl(4, F_DUPFD_CLOEXEC, 200);

        assert_int_equal(dup3(103, 3, O_CLOEXEC), 3);
        assert_int_equal(dup3(104, 4, O_CLOEXEC), 4);
        memcpy(fds, (int[]){ -1, -1, -1, 4, 3 }, sizeof(fds));
        assert_int_equal(run_line("echo three >&3; echo four >&4", fds, 5), 0);
        /* As they were: 3 and 4 may be ends of the pipes. */
        if (saved3 >= 0)
            dup3(saved3, 3, O_CLOEXEC);
        if (saved4 >= 0)
            dup3(saved4, 4, O_CLOEXEC);
        dv_close(saved3);
        dv_close(saved4);
    }
    assert_int_equal(read(b[0], text, sizeof(text)), 6);
    assert_memory_equal(text, "three\n", 6);
    assert_int_equal(read(a[0], text, sizeof(text)), 5);
    assert_memory_equal(text, "four\n", 5);
    close(103);
    close(104);
    close(a[0]);
    close(a[1]);
    close(b[0]);
    close(b[1]);
}

static void nothing_else_is_inherited(void **state)
{
    const int fds[] = { -1, -1, -1 };
    int leak = fcntl(STDIN_FILENO, F_DUPFD, 50); /* not close-on-exec */

    (void)state;
    assert_true(leak >= 50);
    assert_int_equal(run_line("for f in /proc/self/fd/*; do f=${f##*/}; case $f in 0|1|2) ;;"
                              " *) [ -e /proc/$$/fd/$f ] && exit 1;; esac; done; exit 0",
                              fds, 3), 0);
    close(leak);
}

static void signals_are_as_new(void **state)
{
    const int fds[] = { -1, -1, -1 };
    sigset_t all, old;

    (void)state;
    signal(SIGTERM, SIG_IGN);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    assert_int_equal(run_line("kill -TERM $$; exit 3", fds, 3), 128 + SIGTERM);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGTERM, SIG_DFL);
}

static void environment_is_empty_unless_given(void **state)
{
    char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "[ -z \"$HOME\" ]" }, NULL };
    const int fds[] = { -1, -1, -1 };
    struct dv_spawn s = { .path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = 3,
                          .new_session = 1 };
    struct dv_error err = { 0 };
    pid_t pid;
    int pidfd;

    (void)state;
    assert_int_equal(dv_spawn(&s, &pid, &pidfd, &err), 0);
    assert_int_equal(wait_for(pidfd), 0);
    s.envp = (char *[]){ (char[]){ "HOME=/x" }, NULL };
    assert_int_equal(dv_spawn(&s, &pid, &pidfd, &err), 0);
    assert_int_equal(wait_for(pidfd), 1);
}

static void a_new_session_is_led(void **state)
{
    char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "read x" }, NULL };
    struct dv_error err = { 0 };
    int hold[2], pidfd, fds[] = { -1, -1, -1 };
    struct dv_spawn s = { .path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = 3,
                          .new_session = 1 };
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
    fds[0] = hold[0];
    assert_int_equal(dv_spawn(&s, &pid, &pidfd, &err), 0);
    assert_int_equal(getsid(pid), pid);
    close(hold[0]);
    close(hold[1]);
    wait_for(pidfd);
}

static void a_missing_program_is_an_error(void **state)
{
    char *argv[] = { (char[]){ "x" }, NULL };
    const int fds[] = { -1, -1, -1 };
    struct dv_spawn s = { .path = "/nonexistent/x", .argv = argv, .fds = fds, .n_fds = 3 };
    struct dv_error err = { 0 };
    pid_t pid;
    int pidfd;

    (void)state;
    assert_int_equal(dv_spawn(&s, &pid, &pidfd, &err), -DV_E_INTERNAL);
    assert_string_equal(err.msg, "start /nonexistent/x: No such file or directory");
    s.n_fds = 2;
    assert_int_equal(dv_spawn(&s, &pid, &pidfd, &err), -DV_E_INVALID);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_go_where_they_belong_though_they_overlap),
        cmocka_unit_test(nothing_else_is_inherited),
        cmocka_unit_test(signals_are_as_new),
        cmocka_unit_test(environment_is_empty_unless_given),
        cmocka_unit_test(a_new_session_is_led),
        cmocka_unit_test(a_missing_program_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
