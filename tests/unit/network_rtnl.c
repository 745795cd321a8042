/* network_rtnl.c - the bytes of the batch that sets an interface up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#include "core/network/rtnl.h"

/* Little-endian machines only, as netlink is in host order; davit is built for x86-64 and arm64. */
static const uint8_t wanted[] = {
    /* RTM_NEWLINK, REQUEST: index 2, flags UP, change UP */
    44, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
    9, 0, 3, 0, 'e', 't', 'h', '0', 0, 0, 0, 0,     /* IFLA_IFNAME */
    /* RTM_NEWADDR, REQUEST CREATE EXCL: inet /16, index 2 */
    48, 0, 0, 0, 20, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 16, 0, 0, 2, 0, 0, 0,
    8, 0, 2, 0, 172, 17, 0, 2,                       /* IFA_LOCAL */
    8, 0, 1, 0, 172, 17, 0, 2,                       /* IFA_ADDRESS */
    8, 0, 4, 0, 172, 17, 255, 255,                   /* IFA_BROADCAST */
    /* RTM_NEWROUTE, REQUEST CREATE EXCL: inet /0, main, boot, universe, unicast */
    44, 0, 0, 0, 24, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0,
    8, 0, 5, 0, 172, 17, 0, 1,                       /* RTA_GATEWAY */
    8, 0, 4, 0, 2, 0, 0, 0,                          /* RTA_OIF */
};

static void encodes_the_known_bytes(void **state)
{
    struct dv_if_setup setup = { .ifindex = 2, .name = "eth0", .addr = 0xac110002, .prefix = 16,
                                 .gateway = 0xac110001 };
    struct dv_error err = { 0 };
    struct dv_nl_batch batch;

    (void)state;
    dv_nl_init(&batch);
    assert_int_equal(dv_rtnl_setup_encode(&setup, &batch, &err), 0);
    assert_int_equal(batch.n, 3);
    assert_false(batch.overflow);
    /* The last message is closed only when it is sent. */
    assert_int_equal(batch.len + NLMSG_ALIGN(batch.msg->nlmsg_len), sizeof(wanted));
    assert_memory_equal(batch.data, wanted, sizeof(wanted));
}

static void encodes_routes_and_mtu(void **state)
{
    struct dv_route routes[2] = {
        { { .family = AF_INET, .prefix_len = 8, .addr = { 10 } },
          { .family = AF_INET, .addr = { 172, 17, 0, 9 } } },
        { { .family = AF_INET6, .prefix_len = 8 }, { 0 } }, /* not ours yet: left out */
    };
    struct dv_if_setup setup = { .ifindex = 3, .name = "eth1", .mtu = 1400, .routes = routes,
                                 .n_routes = 2, .route_stride = sizeof(routes[0]) };
    struct dv_error err = { 0 };
    struct dv_nl_batch batch;

    (void)state;
    dv_nl_init(&batch);
    assert_int_equal(dv_rtnl_setup_encode(&setup, &batch, &err), 0);
    assert_int_equal(batch.n, 2);
    assert_string_equal(batch.steps[1].what, "add route");
}

static void refuses_too_many_routes(void **state)
{
    struct dv_route routes[16];
    struct dv_if_setup setup = { .ifindex = 3, .name = "eth1", .routes = routes, .n_routes = 16,
                                 .route_stride = sizeof(routes[0]) };
    struct dv_error err = { 0 };
    struct dv_nl_batch batch;

    (void)state;
    memset(routes, 0, sizeof(routes));
    for (size_t i = 0; i < 16; i++)
        routes[i].dest = (struct dv_cidr){ .family = AF_INET, .prefix_len = 8 };
    dv_nl_init(&batch);
    assert_int_equal(dv_rtnl_setup_encode(&setup, &batch, &err), -DV_E_INVALID);
    assert_string_equal(err.msg, "interface 'eth1' has too many routes (16)");
}

static void an_overfull_batch_is_an_error(void **state)
{
    static const struct ifinfomsg body = { 0 };
    static const char text[DV_NL_BATCH_BYTES];
    struct dv_error err = { 0 };
    struct dv_nl_batch batch;

    (void)state;
    dv_nl_init(&batch);
    dv_nl_msg(&batch, "x", 0, RTM_NEWLINK, 0, &body, sizeof(body));
    dv_nl_put(&batch, IFLA_IFALIAS, text, sizeof(text));
    assert_int_equal(dv_nl_run(-1, &batch, &err), -DV_E_INVALID);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_the_known_bytes), cmocka_unit_test(encodes_routes_and_mtu),
        cmocka_unit_test(refuses_too_many_routes), cmocka_unit_test(an_overfull_batch_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
