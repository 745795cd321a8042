/* legacy.c - the FORWARD chain of iptables-legacy, read by its own socket options. */
#include "core/doctor/legacy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/str.h"

enum { NAMES_MAX = 64 << 10, ENTRIES_MAX_BYTES = 64 << 20 };

/* 1: the table is there; 0: not. Asking for a table by name would load the module and make it. */
static int has_table(const char *name)
{
    dv_autoclose int fd = open("/proc/net/ip_tables_names", O_RDONLY | O_CLOEXEC);
    dv_autofree char *text = NULL;
    dv_autostrv names = { 0 };
    struct dv_error err = { 0 };

    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (dv_read_fd(fd, NAMES_MAX, &text, NULL, &err) < 0 || dv_strv_split(&names, text, '\n') < 0)
        return -1;
    return dv_strv_has(&names, name);
}

static struct ipt_get_entries *read_entries(int fd, struct ipt_getinfo *info)
{
    struct ipt_get_entries *entries;
    socklen_t n = sizeof(*info);

    memset(info, 0, sizeof(*info));
    memcpy(info->name, "filter", sizeof("filter"));
    if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, info, &n) < 0)
        return NULL;
    if (info->size > ENTRIES_MAX_BYTES) {
        errno = EFBIG;
        return NULL;
    }
    n = (socklen_t)(sizeof(*entries) + info->size);
    entries = calloc(1, n);
    if (!entries)
        return NULL;
    memcpy(entries->name, "filter", sizeof("filter"));
    entries->size = info->size;
    if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, entries, &n) == 0)
        return entries;
    free(entries);
    return NULL;
}

/* A standard target holds -verdict - 1; chains jumped to have other numbers. */
static bool drops(const struct ipt_entry *e)
{
    const struct xt_entry_target *target = (const void *)((const char *)e + e->target_offset);
    int verdict;

    if (dv_streq(target->u.user.name, "REJECT"))
        return true;
    if (target->u.user.name[0] || target->u.user.target_size < sizeof(struct xt_standard_target))
        return false;
    memcpy(&verdict, target->data, sizeof(verdict));
    return verdict == -NF_DROP - 1;
}

/* FORWARD lies between its first entry and its policy. What user chains drop is not looked for. */
static void walk(const struct ipt_getinfo *info, const struct ipt_get_entries *entries,
                 struct dv_legacy *ret)
{
    unsigned at = info->hook_entry[NF_INET_FORWARD], last = info->underflow[NF_INET_FORWARD];

    while (at <= last && at + sizeof(struct ipt_entry) <= entries->size) {
        const struct ipt_entry *e = (const void *)((const char *)entries->entrytable + at);

        if (e->next_offset < sizeof(*e) ||
            e->target_offset + sizeof(struct xt_entry_target) > e->next_offset)
            return;
        if (at == last)
            ret->policy_drops = drops(e);
        else
            ret->n_drops += drops(e);
        at += e->next_offset;
    }
}

int dv_legacy_read(struct dv_legacy *ret)
{
    struct ipt_get_entries *entries;
    struct ipt_getinfo info;
    dv_autoclose int fd = -1;
    int r = has_table("filter");

    *ret = (struct dv_legacy){ .present = r > 0 };
    if (r <= 0)
        return r;
    fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0)
        return -1;
    entries = read_entries(fd, &info);
    if (!entries)
        return -1;
    walk(&info, entries, ret);
    free(entries);
    return 0;
}
