/* caps.c - capabilities, by the bare system calls. */
#include <linux/capability.h>
#include <sys/prctl.h>

#include "core/runtime/internal.h"
#include "core/runtime/sys.h"

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

enum { CAPS_BITS = 64 };

int dv_caps_drop_bounding(uint64_t bounding, struct dv_error *err)
{
    for (int i = 0; i < CAPS_BITS; i++) {
        if (bounding & (UINT64_C(1) << i))
            continue;
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0)
            continue;
        if (errno == EINVAL) /* past the last one this kernel knows */
            return 0;
        return dv_fail_errno(err, DV_E_INTERNAL, "drop capability %d", i);
    }
    return 0;
}

static int get_permitted(uint64_t *ret)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data) < 0)
        return -1;
    *ret = data[0].permitted | (uint64_t)data[1].permitted << 32;
    return 0;
}

static int set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];

    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(effective >> (32 * i));
        data[i].permitted = (uint32_t)(permitted >> (32 * i));
        data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
    }
    return (int)syscall(SYS_capset, &header, data);
}

/* What the host does not have itself cannot be given: the caller warned about it. */
int dv_caps_set(const struct dv_spec_caps *caps, uint32_t uid, uint64_t extra, struct dv_error *err)
{
    uint64_t have, permitted, effective, inheritable;

    if (get_permitted(&have) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "read capabilities");
    inheritable = caps->inheritable & have;
    permitted = caps->permitted & have;
    effective = caps->effective & permitted;
    if (uid != 0) { /* an exec would clear them but for the ambient ones */
        permitted &= caps->ambient;
        effective &= caps->ambient;
    }
    if (set(effective | (extra & have), permitted | (extra & have), inheritable) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "set capabilities");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "clear ambient capabilities");
    for (int i = 0; i < CAPS_BITS; i++) {
        uint64_t bit = UINT64_C(1) << i;

        if (!(caps->ambient & bit & permitted & inheritable))
            continue;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "raise ambient capability %d", i);
    }
    return 0;
}
