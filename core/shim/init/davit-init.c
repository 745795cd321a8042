/* davit-init.c - the bundled init of `run --init`: runs one program, forwards signals, reaps.
 *
 * davit-init -- PROGRAM [ARGUMENT...]. Ends when PROGRAM does, with its exit code, or 128 + n where
 * signal n ended it; 127 and 126 where it cannot be executed. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_USAGE = 125, EXIT_NO_EXEC = 126, EXIT_NOT_FOUND = 127 };

/* A fault of our own must kill us, not be put in a queue. */
static const int faults[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS };
/* Handing the terminal to the program would stop us otherwise. */
static const int terminal_stops[] = { SIGTTIN, SIGTTOU };

static int complain(const char *what, const char *name)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "davit-init: %s%s%s: %s\n", what, name ? " " : "",
                     name ? name : "", strerror(errno));

    if (n > 0 && write(STDERR_FILENO, text, (size_t)n < sizeof(text) ? (size_t)n
                                                                     : sizeof(text) - 1) < 0)
        return EXIT_USAGE;
    return EXIT_USAGE;
}

static void block_signals(sigset_t *ret_waited, sigset_t *ret_old)
{
    sigfillset(ret_waited);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(ret_waited, faults[i]);
    for (size_t i = 0; i < sizeof(terminal_stops) / sizeof(terminal_stops[0]); i++) {
        sigdelset(ret_waited, terminal_stops[i]);
        signal(terminal_stops[i], SIG_IGN);
    }
    sigprocmask(SIG_SETMASK, ret_waited, ret_old);
}

/* A process group of its own, in the foreground if there is a terminal: what is typed reaches the
 * program and its children once, not a second time by us. */
static void run_program(char **argv, const sigset_t *mask)
{
    int saved;

    if (setpgid(0, 0) == 0 && tcsetpgrp(STDIN_FILENO, getpgrp()) < 0)
        errno = 0; /* no terminal */
    for (size_t i = 0; i < sizeof(terminal_stops) / sizeof(terminal_stops[0]); i++)
        signal(terminal_stops[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    saved = errno;
    complain("execute", argv[0]);
    _exit(saved == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXEC);
}

/* Everybody who is dead. True when the program is among them. */
static bool reap(pid_t program, int *ret_code)
{
    bool ended = false;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR)) {
        if (pid != program)
            continue;
        ended = true;
        *ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return ended;
}

int main(int argc, char **argv)
{
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1, code = 0;
    sigset_t waited, old;
    pid_t program;

    if (argc <= first) {
        errno = EINVAL;
        return complain("usage: davit-init -- PROGRAM [ARGUMENT...]", NULL);
    }
    block_signals(&waited, &old);
    program = fork();
    if (program < 0)
        return complain("fork", NULL);
    if (program == 0)
        run_program(argv + first, &old);
    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(&waited, &info);

        if (number == SIGCHLD && reap(program, &code))
            return code;
        if (number > 0 && number != SIGCHLD && kill(program, number) < 0 && errno == EPERM)
            complain("forward a signal", NULL);
    }
}
