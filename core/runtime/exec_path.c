/* exec_path.c - in the child, after "go": find the program, put the filter on, exec. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

static const char *get_env(const struct dv_strv *env, const char *key)
{
    size_t n = strlen(key);

    for (size_t i = 0; i < env->n; i++)
        if (strncmp(env->items[i], key, n) == 0 && env->items[i][n] == '=')
            return env->items[i] + n + 1;
    return NULL;
}

/* 0, or the error: a program is a file that we may execute. */
static int check_program(const char *path, bool *ret_stat_failed)
{
    struct stat st;

    *ret_stat_failed = stat(path, &st) < 0;
    if (*ret_stat_failed)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
        return 0;
    if (errno != ENOSYS && errno != EPERM)
        return errno;
    return st.st_mode & 0111 ? 0 : EACCES;
}

int dv_child_fail_text(struct dv_error *err, int error, const char *prefix)
{
    static const struct {
        int error, code;
        const char *text;
    } table[] = {
        { ENOENT, DV_E_NOT_FOUND, "no such file or directory" },
        { ENOTDIR, DV_E_NOT_FOUND, "not a directory" },
        { EACCES, DV_E_FORBIDDEN, "permission denied" },
        { EPERM, DV_E_FORBIDDEN, "operation not permitted" },
        { EISDIR, DV_E_FORBIDDEN, "is a directory" },
        { ENOEXEC, DV_E_FORBIDDEN, "exec format error" },
        { E2BIG, DV_E_FORBIDDEN, "argument list too long" },
    };

    for (size_t i = 0; i < N(table); i++) {
        if (table[i].error != error)
            continue;
        dv_fail(err, table[i].code, "%s: %s", prefix, table[i].text);
        err->sys_errno = error;
        return -err->code;
    }
    errno = error;
    return dv_fail_errno(err, DV_E_FORBIDDEN, "%s", prefix);
}

/* As Go's exec.LookPath, whose words clients know. */
static int find_program(const char *name, const char *path, char *ret, size_t size,
                        struct dv_error *err)
{
    char prefix[PATH_MAX + 64];
    bool stat_failed;
    int error;

    if (strchr(name, '/')) {
        error = check_program(name, &stat_failed);
        if (stat_failed)
            snprintf(prefix, sizeof(prefix), "exec: \"%.400s\": stat %.400s", name, name);
        else
            snprintf(prefix, sizeof(prefix), "exec: \"%.400s\"", name);
        if (error)
            return dv_child_fail_text(err, error, prefix);
        if ((size_t)snprintf(ret, size, "%s", name) >= size)
            return dv_fail(err, DV_E_NOT_FOUND, "exec: \"%.400s...\": file name too long", name);
        return 0;
    }
    for (const char *at = path; at && *at && *name; at += *at == ':') {
        size_t n = strcspn(at, ":");

        /* Relative directories would depend on where we stand: Go refuses them too. */
        if (*at == '/' && (size_t)snprintf(ret, size, "%.*s/%s", (int)n, at, name) < size &&
            check_program(ret, &stat_failed) == 0)
            return 0;
        at += n;
    }
    return dv_fail(err, DV_E_NOT_FOUND, "exec: \"%.400s\": executable file not found in $PATH",
                   name);
}

/* args, or the bundled init in front of them. */
static char **build_argv(struct dv_child *c)
{
    static char init[] = "/sbin/docker-init", dashes[] = "--";
    const struct dv_strv *args = &c->process->args;
    bool with_init = c->prep && c->prep->init >= 0;
    char **argv = calloc(args->n + 3, sizeof(*argv));
    size_t n = 0;

    if (!argv)
        return NULL;
    if (with_init) {
        argv[n++] = init;
        argv[n++] = dashes;
    }
    for (size_t i = 0; i < args->n; i++)
        argv[n++] = args->items[i];
    return argv;
}

static char **build_envp(struct dv_child *c)
{
    const struct dv_strv *env = &c->process->env;
    char **envp = calloc(env->n + 2, sizeof(*envp));

    if (!envp)
        return NULL;
    if (env->n)
        memcpy(envp, env->items, env->n * sizeof(*envp));
    if (c->process->set_home && !get_env(env, "HOME"))
        envp[env->n] = dv_format("HOME=%s", c->user.home);
    return envp;
}

int dv_child_exec(struct dv_child *c, struct dv_error *err)
{
    char **argv = build_argv(c), **envp = build_envp(c);
    char program[PATH_MAX], prefix[512];
    int r;

    if (!argv || !envp)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory for arguments and environment");
    if (!argv[0])
        return dv_fail(err, DV_E_INVALID, "no command specified");
    r = find_program(argv[0], get_env(&c->process->env, "PATH"), program, sizeof(program), err);
    if (r == 0)
        r = dv_seccomp_load(c->process, err);
    if (r < 0)
        return r;
    execve(program, argv, envp);
    snprintf(prefix, sizeof(prefix), "exec %.400s", program);
    return dv_child_fail_text(err, errno, prefix);
}
