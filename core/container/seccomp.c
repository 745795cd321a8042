/* seccomp.c - the compiled seccomp filter that a container's process gets. */
#include "core/container/seccomp.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/base/file.h"
#include "core/base/spawn.h"
#include "core/base/str.h"
#include "core/container/caps.h"
#include "core/daemon/engine.h"

enum { FILTER_MAX_BYTES = 64 << 10 };
/* Capabilities that add system calls to the profile; the others do not change the filter. */
static const uint64_t relevant_caps = UINT64_C(0xc406ff0004);

/* Run davit-seccomp to its end; its output goes to OUT_FD. */
static int compile(const char *program, const char *caps, int out_fd, struct dv_error *err)
{
    char *const argv[] = { "davit-seccomp", (char *)caps, NULL };
    const int fds[] = { -1, out_fd, STDERR_FILENO };
    const struct dv_spawn spawn = { .path = program, .argv = argv, .fds = fds, .n_fds = N(fds) };
    dv_autoclose int pidfd = -1;
    siginfo_t info = { 0 };
    pid_t pid;
    int r = dv_spawn(&spawn, &pid, &pidfd, err);

    if (r < 0)
        return dv_wrap(err, "start davit-seccomp");
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
        if (errno != EINTR)
            return dv_fail_errno(err, DV_E_INTERNAL, "wait for davit-seccomp");
    if (info.si_code != CLD_EXITED || info.si_status != 0)
        return dv_fail(err, DV_E_INTERNAL, "davit-seccomp failed (status %d); see davitd's log",
                       info.si_status);
    return 0;
}

static int compile_into(const char *program, uint64_t caps, int dir_fd, const char *name,
                        char **ret, size_t *ret_bytes, struct dv_error *err)
{
    dv_autoclose int fd = memfd_create("davit-seccomp", MFD_CLOEXEC);
    char text[24];
    int r;

    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "create a memfd");
    snprintf(text, sizeof(text), "%" PRIx64, caps);
    r = compile(program, text, fd, err);
    if (r < 0)
        return r;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "rewind a memfd");
    r = dv_read_fd(fd, FILTER_MAX_BYTES, ret, ret_bytes, err);
    if (r == 0)
        r = dv_file_replace(dir_fd, name, *ret, *ret_bytes, 0600, DV_DURABLE, err);
    return r;
}

int dv_seccomp_default(const struct dv_engine_config *config, uint64_t caps, char **ret,
                       size_t *ret_bytes, struct dv_error *err)
{
    bool usual = (caps & relevant_caps) == (DV_CAPS_DEFAULT & relevant_caps);
    dv_autofree char *program = dv_format("%s/davit-seccomp", config->libexec_dir);
    dv_autofree char *cache = dv_format("%s/seccomp", config->root);
    dv_autoclose int dir_fd = -1;
    char name[64];
    int r;

    if (!program || !cache)
        return dv_fail(err, DV_E_NO_MEMORY, "read the seccomp filter");
    snprintf(name, sizeof(name), "seccomp-default.bpf");
    if (!usual) {
        snprintf(name, sizeof(name), DAVIT_VERSION "-%" PRIx64 ".bpf", caps & relevant_caps);
        r = dv_mkdirs(AT_FDCWD, cache, 0700, err);
        if (r < 0)
            return r;
    }
    dir_fd = open(usual ? config->libexec_dir : cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s", usual ? config->libexec_dir : cache);
    r = dv_read_file(dir_fd, name, FILTER_MAX_BYTES, ret, ret_bytes, err);
    if (r == -DV_E_NOT_FOUND && usual) /* not the container that is not there */
        return dv_fail(err, DV_E_INTERNAL,
                       "the seccomp filter %s/%s is missing: build or install davit wholly",
                       config->libexec_dir, name);
    if (r != -DV_E_NOT_FOUND)
        return r < 0 ? dv_wrap(err, "read the seccomp filter") : 0;
    dv_error_clear(err);
    return compile_into(program, caps & relevant_caps, dir_fd, name, ret, ret_bytes, err);
}
