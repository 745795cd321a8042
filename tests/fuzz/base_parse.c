/* base_parse.c - fuzz target: the small values that people write: numbers, sizes, times, addresses,
 * signals. What is formatted again must parse to the same. */
#include <stdlib.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/time.h"
#include "core/container/signals.h"
#include "core/network/addr.h"
#include "fuzz.h"

static void addresses(const char *text)
{
    char out[DV_CIDR4_BYTES], ip[DV_IP4_BYTES], mac_text[DV_MAC_TEXT_BYTES];
    struct dv_net4 net, net_again;
    uint8_t mac[6], mac_again[6];
    uint32_t addr, addr_again;

    if (dv_cidr4_parse(text, &net) == 0) {
        dv_cidr4_format(net, out);
        if (dv_cidr4_parse(out, &net_again) < 0 || net.addr != net_again.addr ||
            net.prefix != net_again.prefix)
            fuzz_fail(text, out);
    }
    if (dv_ip4_parse(text, &addr) == 0) {
        dv_ip4_format(addr, ip);
        if (dv_ip4_parse(ip, &addr_again) < 0 || addr != addr_again)
            fuzz_fail(text, ip);
    }
    if (dv_mac_parse(text, mac) == 0) {
        dv_mac_format(mac, mac_text);
        if (dv_mac_parse(mac_text, mac_again) < 0 || memcmp(mac, mac_again, 6) != 0)
            fuzz_fail(text, mac_text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data, size };
    char *text = fuzz_text(&rest, '\n'), out[DV_TIME_TEXT_BYTES];
    uint64_t u, ns, again;
    int64_t i;
    bool b;

    if (dv_parse_u64(text, 10, 1000, &u) == 0 && (u < 10 || u > 1000))
        fuzz_fail("beyond the limits", text);
    if (dv_parse_i64(text, -5, 5, &i) == 0 && (i < -5 || i > 5))
        fuzz_fail("beyond the limits", text);
    (void)!dv_parse_bytes(text, &i);
    (void)!dv_parse_bool(text, &b);
    (void)!dv_parse_duration(text, &i);
    (void)!dv_signal_parse(text);
    if (dv_time_parse(text, &ns) == 0) {
        dv_time_format(ns, out);
        if (dv_time_parse(out, &again) < 0 || ns != again)
            fuzz_fail(text, out);
    }
    addresses(text);
    free(text);
    return 0;
}
