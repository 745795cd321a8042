/* addr.c - IPv4 addresses and subnets as numbers. */
#include "core/network/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/parse.h"

int dv_ip4_parse(const char *text, uint32_t *ret)
{
    struct in_addr addr;

    /* inet_pton, unlike inet_aton, takes four decimal parts and nothing else. */
    if (inet_pton(AF_INET, text, &addr) != 1)
        return -1;
    *ret = ntohl(addr.s_addr);
    return 0;
}

int dv_cidr4_parse(const char *text, struct dv_net4 *ret)
{
    const char *slash = strchr(text, '/');
    char addr[DV_IP4_BYTES];
    struct dv_net4 net;
    uint64_t prefix;

    if (!slash || (size_t)(slash - text) >= sizeof(addr))
        return -1;
    memcpy(addr, text, (size_t)(slash - text));
    addr[slash - text] = '\0';
    if (dv_ip4_parse(addr, &net.addr) < 0 || dv_parse_u64(slash + 1, 0, 32, &prefix) < 0)
        return -1;
    net.prefix = (uint8_t)prefix;
    *ret = net;
    return 0;
}

void dv_ip4_format(uint32_t addr, char out[DV_IP4_BYTES])
{
    snprintf(out, DV_IP4_BYTES, "%u.%u.%u.%u", addr >> 24, (addr >> 16) & 255, (addr >> 8) & 255,
             addr & 255);
}

void dv_cidr4_format(struct dv_net4 net, char out[DV_CIDR4_BYTES])
{
    char addr[DV_IP4_BYTES];

    dv_ip4_format(net.addr, addr);
    snprintf(out, DV_CIDR4_BYTES, "%s/%u", addr, net.prefix);
}

static uint32_t mask(uint8_t prefix)
{
    return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

uint32_t dv_net4_first(struct dv_net4 net)
{
    return net.addr & mask(net.prefix);
}

uint32_t dv_net4_last(struct dv_net4 net)
{
    return net.addr | ~mask(net.prefix);
}

bool dv_net4_overlap(struct dv_net4 a, struct dv_net4 b)
{
    return dv_net4_first(a) <= dv_net4_last(b) && dv_net4_first(b) <= dv_net4_last(a);
}

bool dv_net4_has(struct dv_net4 net, uint32_t addr)
{
    return (addr & mask(net.prefix)) == dv_net4_first(net);
}

static bool is_free(struct dv_net4 net, const struct dv_net4 *taken, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (taken[i].prefix > 0 && dv_net4_overlap(net, taken[i]))
            return false;
    return true;
}

int dv_subnet_choose(const struct dv_net4 *taken, size_t n, struct dv_net4 *ret)
{
    static const struct {
        uint32_t first, last; /* network addresses */
        uint8_t prefix;
    } pools[] = {
        { 0xac110000, 0xac1f0000, 16 }, /* 172.17.0.0 to 172.31.0.0 */
        { 0xc0a80000, 0xc0a8f000, 20 }, /* 192.168.0.0 to 192.168.240.0 */
    };

    for (size_t i = 0; i < N(pools); i++) {
        uint32_t step = 1u << (32 - pools[i].prefix);

        for (uint32_t addr = pools[i].first; addr <= pools[i].last; addr += step) {
            struct dv_net4 net = { addr, pools[i].prefix };

            if (is_free(net, taken, n)) {
                *ret = net;
                return 0;
            }
        }
    }
    return -1;
}

void dv_mac_from_ip4(uint32_t addr, uint8_t mac[6])
{
    mac[0] = 0x02;
    mac[1] = 0x42;
    for (int i = 0; i < 4; i++)
        mac[2 + i] = (uint8_t)(addr >> (24 - 8 * i));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int dv_mac_parse(const char *text, uint8_t mac[6])
{
    uint8_t parsed[6];
    char separator = strlen(text) == DV_MAC_TEXT_BYTES - 1 ? text[2] : '\0';

    if (separator != ':' && separator != '-')
        return -1;
    for (int i = 0; i < 6; i++) {
        int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != separator))
            return -1;
        parsed[i] = (uint8_t)(high << 4 | low);
    }
    if (parsed[0] & 1) /* a group's address cannot be an interface's */
        return -1;
    memcpy(mac, parsed, 6);
    return 0;
}

void dv_mac_format(const uint8_t mac[6], char out[DV_MAC_TEXT_BYTES])
{
    snprintf(out, DV_MAC_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
             mac[3], mac[4], mac[5]);
}

struct dv_cidr dv_cidr_from4(uint32_t addr, uint8_t prefix)
{
    struct dv_cidr cidr = { .family = addr ? AF_INET : 0, .prefix_len = addr ? prefix : 0 };
    uint32_t net_order = htonl(addr);

    memcpy(cidr.addr, &net_order, sizeof(net_order));
    return cidr;
}
