/* caps.c - capability names, and the set that a container gets. */
#include "core/container/caps.h"

#include <stdio.h>
#include <strings.h>
#include <sys/prctl.h>

/* <linux/capability.h>, by number. */
static const char *const names[] = {
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
    "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};
#define ALL_CAPS ((UINT64_C(1) << N(names)) - 1)

int dv_cap_parse(const char *name)
{
    for (size_t i = 0; i < N(names); i++)
        if (strcasecmp(name, names[i]) == 0 || strcasecmp(name, names[i] + 4) == 0)
            return (int)i;
    return -1;
}

const char *dv_cap_name(int cap)
{
    return cap >= 0 && (size_t)cap < N(names) ? names[cap] : NULL;
}

uint64_t dv_caps_of_host(void)
{
    uint64_t caps = 0;

    for (size_t i = 0; i < N(names); i++)
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
            caps |= UINT64_C(1) << i;
    return caps;
}

static bool has_all(const struct dv_strv *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcasecmp(v->items[i], "ALL") == 0)
            return true;
    return false;
}

static uint64_t set_of(const struct dv_strv *v)
{
    uint64_t caps = 0;

    for (size_t i = 0; i < v->n; i++) {
        int cap = dv_cap_parse(v->items[i]);

        if (cap >= 0)
            caps |= UINT64_C(1) << cap;
    }
    return caps;
}

uint64_t dv_caps_compute(bool privileged, const struct dv_strv *add, const struct dv_strv *drop,
                         uint64_t *ret_lacking)
{
    uint64_t host = dv_caps_of_host(), caps = DV_CAPS_DEFAULT;

    if (privileged)
        caps = ALL_CAPS;
    else if (has_all(add))
        caps = ALL_CAPS & ~set_of(drop);
    else if (has_all(drop))
        caps = set_of(add);
    else
        caps = (caps & ~set_of(drop)) | set_of(add);
    *ret_lacking = caps & ~host;
    return caps & host;
}
