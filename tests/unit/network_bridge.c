/* network_bridge.c - the bridge driver's names and marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "plugins/network/bridge/bridge.h"

static const char ep_id[] = "0123456789abcdef"
                            "fedcba9876543210"
                            "00112233445566778"
                            "899aabbccddeeff";

/* What link.c needs of bridge.c. */
int32_t bridge_fail(struct bridge *b, struct dv_call *c, int32_t code, int sys_errno,
                    const char *fmt, ...)
{
    (void)b;
    (void)c;
    (void)sys_errno;
    (void)fmt;
    return -code;
}

struct bridge_net *bridge_find_net(struct bridge *b, const char *id)
{
    (void)b;
    (void)id;
    return NULL;
}

struct bridge_ep *bridge_find_ep(struct bridge *b, const char *id)
{
    (void)b;
    (void)id;
    return NULL;
}

static void names_links_by_instance_and_endpoint(void **state)
{
    static const struct bridge plain = { .instance = "" }, longest = { .instance = "abcdef" };
    char names[NAME_WINDOWS][16];

    (void)state;
    bridge_veth_name(&plain, ep_id, 0, names[0]);
    assert_string_equal(names[0], "v01234567");
    for (unsigned i = 0; i < NAME_WINDOWS; i++) {
        bridge_veth_name(&longest, ep_id, i, names[i]);
        assert_int_equal(strlen(names[i]), 15); /* the kernel's most */
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
    assert_string_equal(names[7], "vabcdefccddeeff");
}

static void proves_ownership_by_the_mark(void **state)
{
    static const struct bridge a = { .instance = "a" }, ab = { .instance = "ab" },
                               plain = { .instance = "" };
    struct nl_link link = { 0 };

    (void)state;
    assert_null(bridge_marked_id(&plain, &link)); /* no mark at all */
    bridge_mark(&a, ep_id, link.alias);
    assert_string_equal(link.alias, "davit:a:0123456789abcdeffedcba987654321000112233445566778"
                                    "899aabbccddeeff");
    assert_string_equal(bridge_marked_id(&a, &link), ep_id);
    assert_null(bridge_marked_id(&ab, &link));
    assert_null(bridge_marked_id(&plain, &link));
    bridge_mark(&ab, ep_id, link.alias);
    assert_null(bridge_marked_id(&a, &link));
    bridge_mark(&plain, ep_id, link.alias);
    assert_string_equal(bridge_marked_id(&plain, &link), ep_id);
    assert_null(bridge_marked_id(&a, &link));
}

static void an_overfull_message_is_an_error(void **state)
{
    static const struct ifinfomsg body = { 0 };
    static const char text[NL_BATCH_BYTES];
    struct nl_result result;
    struct nl_batch batch;

    (void)state;
    nl_init(&batch);
    nl_msg(&batch, RTM_NEWLINK, 0, &body, sizeof(body));
    nl_put(&batch, IFLA_IFALIAS, text, sizeof(text));
    assert_int_equal(nl_run(-1, &batch, &result), -1);
    nl_init(&batch);
    for (int i = 0; i <= NL_BATCH_STEPS; i++)
        nl_msg(&batch, RTM_NEWLINK, 0, &body, sizeof(body));
    assert_true(batch.overflow);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_links_by_instance_and_endpoint),
        cmocka_unit_test(proves_ownership_by_the_mark),
        cmocka_unit_test(an_overfull_message_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
