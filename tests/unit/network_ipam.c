/* network_ipam.c - the addresses of one network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/network/ipam.h"

static struct dv_ipam make(const char *subnet)
{
    struct dv_ipam ipam;
    struct dv_net4 net;

    assert_int_equal(dv_cidr4_parse(subnet, &net), 0);
    assert_int_equal(dv_ipam_init(&ipam, net), 0);
    return ipam;
}

static uint32_t next(struct dv_ipam *ipam)
{
    uint32_t addr = 0;

    assert_int_equal(dv_ipam_next(ipam, &addr), 0);
    return addr;
}

static void hands_out_in_sequence(void **state)
{
    struct dv_ipam ipam = make("172.17.0.0/16");

    (void)state;
    assert_int_equal(ipam.gateway, 0xac110001);
    assert_int_equal(next(&ipam), 0xac110002);
    assert_int_equal(next(&ipam), 0xac110003);
    dv_ipam_release(&ipam, 0xac110002);
    assert_int_equal(next(&ipam), 0xac110004); /* behind the last one, not the freed one */
    dv_ipam_done(&ipam);
}

static void wraps_and_ends(void **state)
{
    struct dv_ipam ipam = make("10.0.0.0/29"); /* .1 gateway, .2 to .6 */
    uint32_t addr = 7;

    (void)state;
    for (uint32_t i = 2; i <= 6; i++)
        assert_int_equal(next(&ipam), 0x0a000000 + i);
    assert_int_equal(dv_ipam_next(&ipam, &addr), DV_IPAM_FULL);
    assert_int_equal(addr, 7);
    dv_ipam_release(&ipam, 0x0a000003);
    assert_int_equal(next(&ipam), 0x0a000003);
    dv_ipam_release(&ipam, 0x0a000005);
    dv_ipam_release(&ipam, 0x0a000002);
    assert_int_equal(next(&ipam), 0x0a000005);
    assert_int_equal(next(&ipam), 0x0a000002);
    assert_int_equal(dv_ipam_next(&ipam, &addr), DV_IPAM_FULL);
    dv_ipam_done(&ipam);
}

static void takes_wished_addresses(void **state)
{
    struct dv_ipam ipam = make("10.0.0.0/24");

    (void)state;
    assert_int_equal(dv_ipam_claim(&ipam, 0x0a000003), 0);
    assert_int_equal(dv_ipam_claim(&ipam, 0x0a000003), DV_IPAM_TAKEN);
    assert_int_equal(dv_ipam_claim(&ipam, 0x0a000001), DV_IPAM_TAKEN); /* gateway */
    assert_int_equal(dv_ipam_claim(&ipam, 0x0a000000), DV_IPAM_OUTSIDE);
    assert_int_equal(dv_ipam_claim(&ipam, 0x0a0000ff), DV_IPAM_OUTSIDE);
    assert_int_equal(dv_ipam_claim(&ipam, 0x0a000103), DV_IPAM_OUTSIDE);
    assert_int_equal(next(&ipam), 0x0a000002);
    assert_int_equal(next(&ipam), 0x0a000004); /* the wished one is skipped */
    dv_ipam_release(&ipam, 0x0a000099);        /* free anyway */
    assert_int_equal(ipam.n, 3);
    dv_ipam_done(&ipam);
}

static void refuses_subnets_without_room(void **state)
{
    struct dv_ipam ipam;
    uint32_t addr;

    (void)state;
    assert_int_equal(dv_ipam_init(&ipam, (struct dv_net4){ 0x0a000000, 31 }), DV_IPAM_OUTSIDE);
    assert_int_equal(dv_ipam_init(&ipam, (struct dv_net4){ 0, 0 }), DV_IPAM_OUTSIDE);
    ipam = make("10.0.0.0/30");
    assert_int_equal(next(&ipam), 0x0a000002);
    assert_int_equal(dv_ipam_next(&ipam, &addr), DV_IPAM_FULL);
    dv_ipam_done(&ipam);
    /* A network without addresses. */
    ipam = (struct dv_ipam){ 0 };
    assert_int_equal(dv_ipam_next(&ipam, &addr), DV_IPAM_OUTSIDE);
    assert_int_equal(dv_ipam_claim(&ipam, 1), DV_IPAM_OUTSIDE);
}

/* Random takes, claims and releases against a plain table of flags. */
static void agrees_with_a_plain_table(void **state)
{
    struct dv_ipam ipam = make("10.0.0.0/26");
    uint8_t used[64] = { 0 };
    uint32_t seed = 4711;

    (void)state;
    used[0] = used[1] = used[63] = 1;
    for (int i = 0; i < 20000; i++) {
        uint32_t at, addr;
        int r, full = 1;

        seed = seed * 1664525 + 1013904223;
        at = (seed >> 16) & 63;
        switch ((seed >> 28) % 3) {
        case 0:
            for (int k = 0; k < 64; k++)
                full &= used[k];
            r = dv_ipam_next(&ipam, &addr);
            assert_int_equal(r, full ? DV_IPAM_FULL : 0);
            if (!r) {
                assert_int_equal(used[addr & 63], 0);
                used[addr & 63] = 1;
            }
            break;
        case 1:
            r = dv_ipam_claim(&ipam, 0x0a000000 + at);
            assert_int_equal(r == 0, !used[at]);
            used[at] = 1;
            break;
        default:
            if (at < 2 || at == 63)
                break;
            dv_ipam_release(&ipam, 0x0a000000 + at);
            used[at] = 0;
        }
    }
    dv_ipam_done(&ipam);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_in_sequence), cmocka_unit_test(wraps_and_ends),
        cmocka_unit_test(takes_wished_addresses), cmocka_unit_test(refuses_subnets_without_room),
        cmocka_unit_test(agrees_with_a_plain_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
