/* stopwatch.c - start a command again and again as a person would, and print how long each took.
 *
 * usage: davit-stopwatch [--runs N] [--pause MS] [--at-once N] COMMAND [ARGUMENT...] [::: COMMAND...]
 *
 * Prints microseconds, one line a run: from before the spawn until the process has been reaped. Commands
 * between ":::" count together as one run. "{}" in an argument becomes the number of the run. With
 * --at-once N so many are kept running, without pauses, and one line is printed: for all runs together.
 * What the commands print goes to /dev/null; one that fails ends the measurement with its own stderr.
 * A shell or an interpreter in this place would add more than what is measured. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
enum { MAX_ARGUMENTS = 128, MAX_ARGUMENT = 512, MAX_AT_ONCE = 256 };

struct plan {
    int runs, pause_ms, at_once;
    char **argv;                    /* the commands, ended by NULL, with ":::" between them */
    posix_spawn_file_actions_t quiet;
};

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "davit-stopwatch: %s: %s\n", what, why);
    exit(1);
}

/* Copy ARG to TO with the first "{}" replaced by RUN. */
static void fill_in(char *to, const char *arg, int run)
{
    const char *mark = strstr(arg, "{}");
    int n = mark ? snprintf(to, MAX_ARGUMENT, "%.*s%d%s", (int)(mark - arg), arg, run, mark + 2)
                 : snprintf(to, MAX_ARGUMENT, "%s", arg);

    if (n >= MAX_ARGUMENT)
        die(arg, "argument is too long");
}

/* Spawn the command at AT for RUN; gives its pid, and in *NEXT the place after its end. */
static pid_t spawn(const struct plan *plan, char **at, int run, char ***next)
{
    static char text[MAX_ARGUMENTS][MAX_ARGUMENT];
    char *argv[MAX_ARGUMENTS + 1];
    pid_t pid;
    int n = 0, r;

    for (; *at && strcmp(*at, ":::") != 0; at++) {
        if (n == MAX_ARGUMENTS)
            die(argv[0], "too many arguments");
        fill_in(text[n], *at, run);
        argv[n] = text[n];
        n++;
    }
    argv[n] = NULL;
    if (n == 0)
        die("command", "is empty");
    r = posix_spawnp(&pid, argv[0], &plan->quiet, NULL, argv, environ);
    if (r != 0)
        die(argv[0], strerror(r));
    *next = *at ? at + 1 : at;
    return pid;
}

static void check(const struct plan *plan, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    fprintf(stderr, "davit-stopwatch: %s: %s %d\n", plan->argv[0],
            WIFEXITED(status) ? "exit code" : "signal",
            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    exit(1);
}

static void one_after_another(const struct plan *plan)
{
    const struct timespec pause = { plan->pause_ms / 1000, plan->pause_ms % 1000 * 1000000L };

    for (int run = 0; run < plan->runs; run++) {
        char **at = plan->argv;
        double begin;

        nanosleep(&pause, NULL);
        begin = now_us();
        while (*at) {
            pid_t pid = spawn(plan, at, run, &at);
            int status;

            if (waitpid(pid, &status, 0) != pid)
                die("wait", strerror(errno));
            check(plan, status);
        }
        printf("%.0f\n", now_us() - begin);
        fflush(stdout);
    }
}

static void many_at_once(const struct plan *plan)
{
    int started = 0, running = 0, status;
    double begin = now_us();
    char **next;

    while (started < plan->runs || running > 0) {
        if (started < plan->runs && running < plan->at_once) {
            spawn(plan, plan->argv, started++, &next);
            running++;
            continue;
        }
        if (wait(&status) < 0)
            die("wait", strerror(errno));
        check(plan, status);
        running--;
    }
    printf("%.0f\n", now_us() - begin);
}

static int number(const char *text, int min, int max)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (*end || end == text || n < min || n > max)
        die(text, "is no number in the allowed range");
    return (int)n;
}

static int usage(void)
{
    fprintf(stderr, "usage: davit-stopwatch [--runs N] [--pause MS] [--at-once N] COMMAND "
                    "[ARGUMENT...] [::: COMMAND...]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct plan plan = { .runs = 20, .pause_ms = 0 };
    int i = 1;

    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--runs") == 0)
            plan.runs = number(argv[i + 1], 1, 100000);
        else if (strcmp(argv[i], "--pause") == 0)
            plan.pause_ms = number(argv[i + 1], 0, 60000);
        else if (strcmp(argv[i], "--at-once") == 0)
            plan.at_once = number(argv[i + 1], 1, MAX_AT_ONCE);
        else
            return usage();
    }
    if (i >= argc)
        return usage();
    plan.argv = argv + i;
    posix_spawn_file_actions_init(&plan.quiet);
    posix_spawn_file_actions_addopen(&plan.quiet, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&plan.quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (plan.at_once)
        many_at_once(&plan);
    else
        one_after_another(&plan);
    posix_spawn_file_actions_destroy(&plan.quiet);
    return 0;
}
