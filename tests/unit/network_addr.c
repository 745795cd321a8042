/* network_addr.c - addresses and subnets: text, overlap, choice of a free subnet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#include "core/network/addr.h"

static struct dv_net4 net(const char *text)
{
    struct dv_net4 n;

    assert_int_equal(dv_cidr4_parse(text, &n), 0);
    return n;
}

static void parses_subnets(void **state)
{
    static const char *const bad[] = { "", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8",
                                       "10.0.0.0/-1", "10.0.0.0/8x", "010.0.0.0/8", "::1/64",
                                       "1234567890123456789.0.0.0/8", "a.b.c.d/8", " 10.0.0.0/8" };
    char text[DV_CIDR4_BYTES];

    (void)state;
    dv_cidr4_format(net("172.17.0.5/16"), text);
    assert_string_equal(text, "172.17.0.5/16");
    dv_cidr4_format(net("255.255.255.255/32"), text);
    assert_string_equal(text, "255.255.255.255/32");
    for (size_t i = 0; i < N(bad); i++) {
        struct dv_net4 n = { 1, 2 };

        assert_int_equal(dv_cidr4_parse(bad[i], &n), -1);
        assert_int_equal(n.addr, 1); /* untouched */
    }
}

static void knows_overlap(void **state)
{
    (void)state;
    assert_true(dv_net4_overlap(net("10.0.0.0/8"), net("10.200.0.0/16")));
    assert_true(dv_net4_overlap(net("10.200.3.0/24"), net("10.0.0.0/8")));
    assert_false(dv_net4_overlap(net("10.0.0.0/9"), net("10.128.0.0/9")));
    assert_true(dv_net4_overlap(net("0.0.0.0/0"), net("10.128.0.0/9")));
    assert_true(dv_net4_has(net("10.0.0.0/9"), 0x0a7fffff));
    assert_false(dv_net4_has(net("10.0.0.0/9"), 0x0a800000));
    assert_int_equal(dv_net4_last(net("10.0.0.0/8")), 0x0affffff);
    assert_int_equal(dv_net4_first(net("10.1.2.3/32")), 0x0a010203);
}

static void expect_choice(const struct dv_net4 *taken, size_t n, const char *wanted)
{
    char text[DV_CIDR4_BYTES];
    struct dv_net4 chosen;

    assert_int_equal(dv_subnet_choose(taken, n, &chosen), 0);
    dv_cidr4_format(chosen, text);
    assert_string_equal(text, wanted);
}

static void chooses_the_first_free_pool(void **state)
{
    struct dv_net4 taken[3];

    (void)state;
    expect_choice(NULL, 0, "172.17.0.0/16");
    taken[0] = net("172.17.5.0/24");
    expect_choice(taken, 1, "172.18.0.0/16");
    taken[0] = net("0.0.0.0/0"); /* a default route takes nothing */
    expect_choice(taken, 1, "172.17.0.0/16");
    taken[0] = net("172.16.0.0/12");
    expect_choice(taken, 1, "192.168.0.0/20");
    taken[1] = net("192.168.1.0/24");
    expect_choice(taken, 2, "192.168.16.0/20");
    taken[1] = net("192.168.0.0/16");
    assert_int_equal(dv_subnet_choose(taken, 2, &taken[2]), -1);
}

static void parses_hardware_addresses(void **state)
{
    static const char *const bad[] = { "", "02:42:ac:11:00", "02:42:ac:11:00:2", "0242ac110002",
                                       "02:42:ac:11:00:0g", "02:42:ac-11:00:02",
                                       "03:42:ac:11:00:02", "02:42:ac:11:00:02:03" };
    char text[DV_MAC_TEXT_BYTES];
    uint8_t mac[6];

    (void)state;
    dv_mac_from_ip4(0xac110002, mac);
    dv_mac_format(mac, text);
    assert_string_equal(text, "02:42:ac:11:00:02");
    assert_int_equal(dv_mac_parse("0A-42-aC-11-00-ff", mac), 0);
    dv_mac_format(mac, text);
    assert_string_equal(text, "0a:42:ac:11:00:ff");
    for (size_t i = 0; i < N(bad); i++)
        assert_int_equal(dv_mac_parse(bad[i], mac), -1);
}

static void gives_the_abi_form(void **state)
{
    struct dv_cidr cidr = dv_cidr_from4(0xac110001, 16);

    (void)state;
    assert_int_equal(cidr.family, AF_INET);
    assert_int_equal(cidr.prefix_len, 16);
    assert_memory_equal(cidr.addr, "\xac\x11\x00\x01", 4);
    assert_int_equal(dv_cidr_from4(0, 16).family, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_subnets),          cmocka_unit_test(knows_overlap),
        cmocka_unit_test(chooses_the_first_free_pool),
        cmocka_unit_test(parses_hardware_addresses), cmocka_unit_test(gives_the_abi_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
