/* ipam.c - the addresses of one network: which are taken, which comes next. */
#include "core/network/ipam.h"

#include <string.h>

int dv_ipam_init(struct dv_ipam *ipam, struct dv_net4 subnet)
{
    if (subnet.prefix < 1 || subnet.prefix > 30)
        return DV_IPAM_OUTSIDE;
    *ipam = (struct dv_ipam){ .subnet = { dv_net4_first(subnet), subnet.prefix } };
    ipam->gateway = ipam->last = ipam->subnet.addr + 1;
    return 0;
}

void dv_ipam_done(struct dv_ipam *ipam)
{
    free(ipam->used);
    *ipam = (struct dv_ipam){ 0 };
}

/* The first position whose address is not below ADDR. */
static size_t position(const struct dv_ipam *ipam, uint32_t addr)
{
    size_t low = 0, high = ipam->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (ipam->used[mid] < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_used(const struct dv_ipam *ipam, size_t at, uint32_t addr)
{
    return at < ipam->n && ipam->used[at] == addr;
}

static int insert(struct dv_ipam *ipam, size_t at, uint32_t addr)
{
    if (ipam->n == ipam->cap) {
        size_t cap = ipam->cap ? 2 * ipam->cap : 16;
        uint32_t *used = reallocarray(ipam->used, cap, sizeof(*used));

        if (!used)
            return DV_IPAM_NO_MEMORY;
        ipam->used = used;
        ipam->cap = cap;
    }
    memmove(ipam->used + at + 1, ipam->used + at, (ipam->n - at) * sizeof(*ipam->used));
    ipam->used[at] = addr;
    ipam->n++;
    ipam->last = addr;
    return 0;
}

/* The lowest free address of FROM..TO, none being the gateway; 0 if there is none. */
static uint32_t first_free(const struct dv_ipam *ipam, uint32_t from, uint32_t to, size_t *at)
{
    *at = position(ipam, from);
    for (uint32_t addr = from; addr <= to; addr++) {
        if (is_used(ipam, *at, addr))
            (*at)++;
        else if (addr != ipam->gateway)
            return addr;
    }
    return 0;
}

int dv_ipam_next(struct dv_ipam *ipam, uint32_t *ret)
{
    uint32_t low = ipam->subnet.addr + 1, high = dv_net4_last(ipam->subnet) - 1;
    uint32_t addr;
    size_t at;
    int r;

    if (!ipam->subnet.prefix)
        return DV_IPAM_OUTSIDE;
    addr = first_free(ipam, ipam->last + 1, high, &at);
    if (!addr)
        addr = first_free(ipam, low, ipam->last, &at);
    if (!addr)
        return DV_IPAM_FULL;
    r = insert(ipam, at, addr);
    if (r < 0)
        return r;
    *ret = addr;
    return 0;
}

int dv_ipam_claim(struct dv_ipam *ipam, uint32_t addr)
{
    size_t at = position(ipam, addr);
    uint32_t last = ipam->last;
    int r;

    if (!ipam->subnet.prefix || addr <= ipam->subnet.addr || addr >= dv_net4_last(ipam->subnet))
        return DV_IPAM_OUTSIDE;
    if (addr == ipam->gateway || is_used(ipam, at, addr))
        return DV_IPAM_TAKEN;
    r = insert(ipam, at, addr);
    ipam->last = last; /* a wished address does not move the sequence */
    return r;
}

void dv_ipam_release(struct dv_ipam *ipam, uint32_t addr)
{
    size_t at = position(ipam, addr);

    if (!is_used(ipam, at, addr))
        return;
    ipam->n--;
    memmove(ipam->used + at, ipam->used + at + 1, (ipam->n - at) * sizeof(*ipam->used));
}
