/* spawn.c - the one way davitd starts a process: posix_spawn, never fork. */
#include "core/base/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/base/str.h"

enum { MAX_FDS = 128 };

/* Duplicates of the sources that lie where a target goes; closed with the plan. */
struct plan {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int copies[MAX_FDS];
    size_t n_copies;
};

static void plan_done(struct plan *plan)
{
    size_t i;

    for (i = 0; i < plan->n_copies; i++)
        dv_close(plan->copies[i]);
    posix_spawn_file_actions_destroy(&plan->actions);
    posix_spawnattr_destroy(&plan->attr);
}

static int plan_init(struct plan *plan)
{
    int r = posix_spawn_file_actions_init(&plan->actions);

    plan->n_copies = 0;
    if (r != 0)
        return r;
    r = posix_spawnattr_init(&plan->attr);
    if (r != 0)
        posix_spawn_file_actions_destroy(&plan->actions);
    return r;
}

/* FD, or a copy of it above all targets, so that no dup2 of the child overwrites it first. */
static int out_of_the_way(struct plan *plan, int fd, size_t n_targets)
{
    int copy;

    if ((size_t)fd >= n_targets)
        return fd;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, (int)n_targets);
    if (copy >= 0)
        plan->copies[plan->n_copies++] = copy;
    return copy;
}

static int plan_fds(struct plan *plan, const struct dv_spawn *s)
{
    size_t i;
    int r = 0;

    for (i = 0; i < s->n_fds && r == 0; i++) {
        int from;

        if (s->fds[i] < 0) {
            r = posix_spawn_file_actions_addopen(&plan->actions, (int)i, "/dev/null", O_RDWR, 0);
            continue;
        }
        from = out_of_the_way(plan, s->fds[i], s->n_fds);
        r = from < 0 ? errno : posix_spawn_file_actions_adddup2(&plan->actions, from, (int)i);
    }
    return r ? r : posix_spawn_file_actions_addclosefrom_np(&plan->actions, (int)s->n_fds);
}

static int plan_attr(struct plan *plan, const struct dv_spawn *s)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    if (s->new_session)
        flags |= POSIX_SPAWN_SETSID;
    r = posix_spawnattr_setsigmask(&plan->attr, &none);
    r = r ? r : posix_spawnattr_setsigdefault(&plan->attr, &all);
    return r ? r : posix_spawnattr_setflags(&plan->attr, flags);
}

int dv_spawn(const struct dv_spawn *s, pid_t *ret_pid, int *ret_pidfd, struct dv_error *err)
{
    char *const no_env[] = { NULL };
    struct plan plan;
    pid_t pid;
    int r, pidfd;

    if (s->n_fds < 3 || s->n_fds > MAX_FDS)
        return dv_fail(err, DV_E_INVALID, "start %s with %zu descriptors", s->path, s->n_fds);
    r = plan_init(&plan);
    if (r == 0) {
        r = plan_fds(&plan, s);
        r = r ? r : plan_attr(&plan, s);
        r = r ? r : posix_spawn(&pid, s->path, &plan.actions, &plan.attr, s->argv,
                                s->envp ? s->envp : no_env);
        plan_done(&plan);
    }
    if (r != 0) {
        errno = r;
        return dv_fail_errno(err, DV_E_INTERNAL, "start %s", s->path);
    }
    /* Our child, not yet waited for by anyone: the number cannot have been given to another. */
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        r = dv_fail_errno(err, DV_E_INTERNAL, "hold the process of %s", s->path);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return r;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}
