/* seccomp_load.c - put a compiled filter on this process. */
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

int dv_seccomp_load(const struct dv_spec_process *p, struct dv_error *err)
{
    struct sock_fprog program = { .filter = (struct sock_filter *)(void *)p->seccomp };
    unsigned flags = p->seccomp_log ? SECCOMP_FILTER_FLAG_LOG : 0;

    if (!p->seccomp)
        return 0;
    if (p->seccomp_bytes % sizeof(struct sock_filter) != 0 || p->seccomp_bytes == 0 ||
        p->seccomp_bytes / sizeof(struct sock_filter) > BPF_MAXINSNS)
        return dv_fail(err, DV_E_INVALID, "seccomp filter of %zu bytes is none", p->seccomp_bytes);
    program.len = (unsigned short)(p->seccomp_bytes / sizeof(struct sock_filter));
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0)
        return 0;
    if (errno == EACCES)
        return dv_fail(err, DV_E_FORBIDDEN, "load the seccomp filter: without CAP_SYS_ADMIN it "
                       "needs no_new_privs (--security-opt no-new-privileges)");
    return dv_fail_errno(err, DV_E_INTERNAL, "load the seccomp filter");
}
