/* signals.c - signal names as Docker takes them. */
#include "core/container/signals.h"

#include <signal.h>
#include <strings.h>

#include "core/base/parse.h"
#include "core/base/str.h"

static const struct {
    const char *name;
    int number;
} names[] = {
    { "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "BUS", SIGBUS },   { "CHLD", SIGCHLD },
    { "CLD", SIGCHLD },  { "CONT", SIGCONT }, { "FPE", SIGFPE },   { "HUP", SIGHUP },
    { "ILL", SIGILL },   { "INT", SIGINT },   { "IO", SIGIO },     { "IOT", SIGIOT },
    { "KILL", SIGKILL }, { "PIPE", SIGPIPE }, { "POLL", SIGPOLL }, { "PROF", SIGPROF },
    { "PWR", SIGPWR },   { "QUIT", SIGQUIT }, { "SEGV", SIGSEGV }, { "STKFLT", SIGSTKFLT },
    { "STOP", SIGSTOP }, { "SYS", SIGSYS },   { "TERM", SIGTERM }, { "TRAP", SIGTRAP },
    { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU }, { "URG", SIGURG },
    { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "VTALRM", SIGVTALRM }, { "WINCH", SIGWINCH },
    { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ },
};

/* Real-time signals as the kernel numbers them for programs: libc keeps the first two. */
static int parse_realtime(const char *text)
{
    uint64_t n = 0;

    if (strncasecmp(text, "RTMIN", 5) == 0) {
        if (!text[5])
            return 34;
        return text[5] == '+' && dv_parse_u64(text + 6, 0, 30, &n) == 0 ? 34 + (int)n : -1;
    }
    if (strncasecmp(text, "RTMAX", 5) == 0) {
        if (!text[5])
            return 64;
        return text[5] == '-' && dv_parse_u64(text + 6, 0, 30, &n) == 0 ? 64 - (int)n : -1;
    }
    return -1;
}

int dv_signal_parse(const char *text)
{
    uint64_t number;

    if (dv_parse_u64(text, 1, 64, &number) == 0)
        return (int)number;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < N(names); i++)
        if (strcasecmp(text, names[i].name) == 0)
            return names[i].number;
    return parse_realtime(text);
}
