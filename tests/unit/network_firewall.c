/* network_firewall.c - what the table of the networks holds, and how its making fails. Needs root; each
 * test has a network namespace of its own. That the rules do what they say is for network_root.c. */
#include <arpa/inet.h>

#include "nft_rules.h"

#include <davit/network.h>
#include <stdio.h>
#include <sys/wait.h>

#include "core/base/str.h"
#include "core/network/firewall.h"

#define TABLE "davit-unit"

static struct dv_firewall *fw;

static int set_up(void **state)
{
    struct dv_error err = { 0 };

    (void)state;
    return unshare(CLONE_NEWNET) < 0 ? -1 : dv_firewall_new(TABLE, &fw, &err);
}

static int tear_down(void **state)
{
    (void)state;
    dv_firewall_free(fw);
    return 0;
}

static void install(const struct dv_fw_net *nets, size_t n)
{
    struct dv_error err = { 0 };

    if (dv_firewall_install(fw, nets, n, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(dv_firewall_present(fw));
}

static size_t size_of(const char *set)
{
    return nft_set_size(NFPROTO_INET, TABLE, set);
}

struct wanted {
    const void *key;
    uint32_t n;
    bool found;
};

static int is_wanted(struct nftnl_set_elem *e, void *arg)
{
    struct wanted *w = arg;
    uint32_t n;
    const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &n);

    w->found = w->found || (n == w->n && memcmp(key, w->key, n) == 0);
    return 0;
}

static bool set_has(const char *name, const void *key, uint32_t n)
{
    struct nftnl_set *set = nft_elements(NFPROTO_INET, TABLE, name);
    struct wanted w = { key, n, false };

    nftnl_set_elem_foreach(set, is_wanted, &w);
    nftnl_set_free(set);
    return w.found;
}

static bool has_name(const char *set, const char *ifname)
{
    char key[IFNAMSIZ] = "";

    snprintf(key, sizeof(key), "%s", ifname);
    return set_has(set, key, sizeof(key));
}

static bool has_address(const char *ip)
{
    struct in_addr addr;

    assert_int_equal(inet_pton(AF_INET, ip, &addr), 1);
    return set_has("masquerade", &addr, sizeof(addr));
}

static void sorts_networks_by_what_they_may(void **state)
{
    static const struct dv_fw_net nets[] = {
        { "open", { 0x0a010000, 24 }, DV_NET_FORWARD | DV_NET_MASQUERADE },
        { "inner", { 0x0a020000, 24 }, 0 },
        { "apart", { 0x0a030000, 24 }, DV_NET_FORWARD | DV_NET_ISOLATE | DV_NET_MASQUERADE },
        { "bare", { 0, 0 }, DV_NET_FORWARD | DV_NET_MASQUERADE }, /* no addresses of ours */
    };
    static const char pair[2 * IFNAMSIZ] = "open\0\0\0\0\0\0\0\0\0\0\0\0open";

    (void)state;
    install(nets, N(nets));
    assert_int_equal(size_of("bridges"), 4);
    assert_int_equal(size_of("internal"), 1);
    assert_true(has_name("internal", "inner"));
    assert_int_equal(size_of("isolated"), 1);
    assert_true(has_name("isolated", "apart"));
    assert_int_equal(size_of("same"), 4);
    assert_true(set_has("same", pair, sizeof(pair)));
    assert_true(has_address("10.1.0.0") && has_address("10.1.1.0")); /* the interval's two ends */
    assert_true(has_address("10.3.0.0") && has_address("10.3.1.0"));
    assert_false(has_address("10.2.0.0"));

    install(nets + 1, 1); /* in place of the former ones, not beside them */
    assert_int_equal(size_of("bridges"), 1);
    assert_int_equal(size_of("same"), 1);
    assert_false(has_address("10.1.0.0"));
    install(NULL, 0);
    assert_int_equal(size_of("bridges"), 0);
}

/* Where one ends the next begins; behind the last address there is nothing. */
static void takes_neighbours_and_the_last_addresses(void **state)
{
    static const struct dv_fw_net nets[] = {
        { "a", { 0x0a000000, 24 }, DV_NET_MASQUERADE }, { "b", { 0x0a000100, 24 }, DV_NET_MASQUERADE },
        { "c", { 0xffffff00, 24 }, DV_NET_MASQUERADE }, { "d", { 0xc0a80001, 32 }, DV_NET_MASQUERADE },
    };

    (void)state;
    install(nets, N(nets));
    assert_true(has_address("10.0.0.0") && has_address("10.0.1.0") && has_address("10.0.2.0"));
    assert_true(has_address("255.255.255.0"));
    assert_true(has_address("192.168.0.1") && has_address("192.168.0.2"));
}

static struct dv_fw_net *many(size_t n)
{
    struct dv_fw_net *nets = calloc(n, sizeof(*nets));

    assert_non_null(nets);
    for (size_t i = 0; i < n; i++) {
        snprintf(nets[i].ifname, sizeof(nets[i].ifname), "dvnet%u", (unsigned)i % 100000);
        nets[i].subnet = (struct dv_net4){ 0x0a000000 + (uint32_t)i * 512, 24 };
        nets[i].policy = DV_NET_FORWARD | DV_NET_ISOLATE | DV_NET_MASQUERADE;
    }
    return nets;
}

/* More than one message of netlink can list, and more than a socket sends by default. */
static void holds_thousands_of_networks(void **state)
{
    enum { MANY = 4000 };
    struct dv_fw_net *nets = many(MANY);

    (void)state;
    install(nets, MANY);
    assert_int_equal(size_of("bridges"), MANY);
    assert_int_equal(size_of("isolated"), MANY);
    assert_int_equal(size_of("internal"), 0);
    assert_int_equal(size_of("same"), MANY);
    assert_true(has_name("bridges", nets[0].ifname));
    assert_true(has_name("bridges", nets[MANY - 1].ifname));
    assert_true(has_address("10.0.0.0"));
    free(nets);
}

/* All or nothing: what was there stays as it was. */
static void a_failure_changes_nothing(void **state)
{
    enum { TOO_MANY = 60000 };
    static const struct dv_fw_net good = { "good", { 0x0a010000, 24 }, DV_NET_MASQUERADE };
    static const struct dv_fw_net overlap[] = {
        { "wide", { 0x0a000000, 8 }, DV_NET_MASQUERADE },
        { "within", { 0x0a010000, 24 }, DV_NET_MASQUERADE },
    };
    struct dv_fw_net *nets = many(TOO_MANY);
    struct dv_error err = { 0 };

    (void)state;
    install(&good, 1);
    assert_int_equal(dv_firewall_install(fw, nets, TOO_MANY, &err), -DV_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "nftables table 'inet " TABLE "'"));
    assert_true(has_name("bridges", "good"));
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_firewall_install(fw, overlap, N(overlap), &err), -DV_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "masquerade"));
    assert_int_equal(size_of("bridges"), 1);
    assert_true(has_name("bridges", "good"));
    nets[999].subnet = (struct dv_net4){ nets[0].subnet.addr, 23 }; /* one of many, in a late message */
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_firewall_install(fw, nets, 1000, &err), -DV_E_UNAVAILABLE);
    assert_true(has_name("bridges", "good"));
    install(&good, 1); /* and the socket is as usable as before */
    free(nets);
}

static void checks_the_table_s_name(void **state)
{
    struct dv_firewall *other = NULL;
    struct dv_error err = { 0 };
    char name[NFT_NAME_MAXLEN + 1];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[NFT_NAME_MAXLEN] = '\0';
    assert_int_equal(dv_firewall_new(name, &other, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "nft_table"));
    assert_null(other);
    name[NFT_NAME_MAXLEN - 1] = '\0';
    assert_int_equal(dv_firewall_new(name, &other, &err), 0);
    assert_false(dv_firewall_present(other));
    assert_int_equal(dv_firewall_install(other, NULL, 0, &err), 0);
    assert_true(dv_firewall_present(other));
    assert_false(dv_firewall_present(fw));
    assert_int_equal(dv_firewall_remove(other, &err), 0);
    assert_false(dv_firewall_present(other));
    assert_int_equal(dv_firewall_remove(other, &err), 0); /* gone already */
    dv_firewall_free(other);
    dv_firewall_free(NULL);
}

/* What dies with its owner where the kernel knows owners must not: containers go on without davitd. */
static void the_table_outlives_its_maker(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        struct dv_firewall *own;
        struct dv_error err = { 0 };

        _exit(dv_firewall_new(TABLE, &own, &err) == 0 &&
                      dv_firewall_install(own, NULL, 0, &err) == 0 ? 7 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_true(dv_firewall_present(fw));
    install(NULL, 0); /* an orphan is taken over */
}

static void needs_the_right_to_change_it(void **state)
{
    struct dv_firewall *own;
    struct dv_error err = { 0 };
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0)
        _exit(setuid(65534) == 0 && dv_firewall_new(TABLE, &own, &err) == 0 &&
                      dv_firewall_install(own, NULL, 0, &err) < 0 && err.msg[0] ? 7 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_false(dv_firewall_present(fw));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sorts_networks_by_what_they_may),
        TEST(takes_neighbours_and_the_last_addresses),
        TEST(holds_thousands_of_networks),
        TEST(a_failure_changes_nothing),
        TEST(checks_the_table_s_name),
        TEST(the_table_outlives_its_maker),
        TEST(needs_the_right_to_change_it),
    };

    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "skipped: network namespaces need root: %s\n", strerror(errno));
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
