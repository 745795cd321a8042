/* network_foreign.c - which chains of others count as such that drop containers' traffic. Needs root;
 * each test has a network namespace of its own. */
#include "nft_rules.h"

#include <stdio.h>
#include <sys/wait.h>

#include "core/base/str.h"
#include "core/network/foreign.h"

#define BRIDGE "davit0"

static const struct nft_chain forward = { NFPROTO_IPV4, "filter", "FORWARD", "filter",
                                          NF_INET_FORWARD, NF_ACCEPT };
static struct dv_foreign_chain found[DV_FOREIGN_MAX];

static int set_up(void **state)
{
    (void)state;
    return unshare(CLONE_NEWNET);
}

static size_t look(void)
{
    struct dv_error err = { 0 };
    size_t n = 77;

    memset(found, 0, sizeof(found));
    if (dv_foreign_chains(BRIDGE, found, &n, &err) < 0)
        fail_msg("%s", err.msg);
    return n;
}

static struct nft_chain chain_with(uint32_t policy)
{
    struct nft_chain c = forward;

    c.policy = policy;
    nft_add_chain(&c);
    return c;
}

static void finds_a_policy_that_drops(void **state)
{
    dv_autofree char *warning = NULL;

    (void)state;
    chain_with(NF_DROP);
    assert_int_equal(look(), 1);
    assert_string_equal(found[0].family, "ip");
    assert_string_equal(found[0].table, "filter");
    assert_string_equal(found[0].chain, "FORWARD");
    assert_true(found[0].by_policy);
    assert_false(found[0].accepts);
    warning = dv_foreign_warning(BRIDGE);
    assert_non_null(warning);
    assert_non_null(strstr(warning, "chain FORWARD of table ip filter"));
    assert_non_null(strstr(warning, "davit doctor"));
}

/* A rule that lets the bridge's packets pass; others' rules do not. */
static void sees_who_is_let_through(void **state)
{
    static const struct {
        struct nft_rule rule;
        bool accepts;
    } cases[] = {
        { { BRIDGE, false, false, "accept" }, true },
        { { BRIDGE, false, true, "accept" }, true },
        { { "davit*", false, false, "accept" }, true },
        { { NULL, false, false, "accept" }, true },
        { { "davit01", false, false, "accept" }, false }, /* another that begins alike */
        { { "davit", false, false, "accept" }, false },
        { { BRIDGE, true, false, "accept" }, false },
        { { BRIDGE, false, false, "drop" }, false },
        { { BRIDGE, false, true, "" }, false },
        { { "docker0", false, false, "accept" }, false },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        dv_autofree char *warning = NULL;
        struct nft_chain c;

        assert_int_equal(unshare(CLONE_NEWNET), 0);
        c = chain_with(NF_DROP);
        assert_int_equal(nft_add_rule(&c, &cases[i].rule), 0);
        assert_int_equal(look(), 1);
        if (found[0].accepts != cases[i].accepts)
            fail_msg("case %zu", i);
        warning = dv_foreign_warning(BRIDGE);
        assert_int_equal(warning == NULL, cases[i].accepts);
    }
}

/* Of a chain that accepts by its policy, the last rule decides, if it asks nothing. */
static void finds_a_last_rule_that_drops(void **state)
{
    static const struct {
        struct nft_rule first, last;
        size_t n;
    } cases[] = {
        { { "eth9", false, false, "accept" }, { NULL, false, true, "drop" }, 1 },
        { { "eth9", false, false, "accept" }, { NULL, false, false, "reject" }, 1 },
        { { NULL, false, false, "drop" }, { "eth9", false, false, "drop" }, 0 },
        { { "eth9", false, false, "drop" }, { NULL, false, true, "" }, 0 },
        { { NULL, false, true, "" }, { "eth9", true, false, "drop" }, 0 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct nft_chain c;

        assert_int_equal(unshare(CLONE_NEWNET), 0);
        c = chain_with(NF_ACCEPT);
        assert_int_equal(nft_add_rule(&c, &cases[i].first), 0);
        if (nft_add_rule(&c, &cases[i].last) == ENOENT) {
            print_message("this kernel has no '%s'\n", cases[i].last.verdict);
            continue;
        }
        if (look() != cases[i].n)
            fail_msg("case %zu", i);
        assert_false(found[0].by_policy);
    }
}

/* Chains of other hooks, types and families drop nothing of ours, nor do tables of davit's. */
static void leaves_the_rest_out(void **state)
{
    static const struct nft_chain others[] = {
        { NFPROTO_IPV4, "filter", "INPUT", "filter", NF_INET_LOCAL_IN, NF_DROP },
        { NFPROTO_IPV6, "filter", "FORWARD", "filter", NF_INET_FORWARD, NF_DROP },
        { NFPROTO_INET, "davit", "forward", "filter", NF_INET_FORWARD, NF_DROP },
        { NFPROTO_INET, "davit-abc123", "forward", "filter", NF_INET_FORWARD, NF_DROP },
        { NFPROTO_INET, "firewalld", "forward", "filter", NF_INET_FORWARD, NF_ACCEPT },
    };

    (void)state;
    for (size_t i = 0; i < N(others); i++)
        nft_add_chain(&others[i]);
    assert_int_equal(look(), 0);
    assert_null(dv_foreign_warning(BRIDGE));
}

static void knows_an_end_to_many(void **state)
{
    enum { MANY = DV_FOREIGN_MAX + 8 };

    (void)state;
    for (int i = 0; i < MANY; i++) {
        char name[16];
        struct nft_chain c = { NFPROTO_INET, "many", name, "filter", NF_INET_FORWARD, NF_DROP };

        snprintf(name, sizeof(name), "f%d", i);
        nft_add_chain(&c);
    }
    assert_int_equal(look(), DV_FOREIGN_MAX);
    for (int i = 0; i < DV_FOREIGN_MAX; i++)
        assert_string_equal(found[i].table, "many");
}

/* A name as long as nftables lets it be is cut, not written past its place. */
static void bears_long_names(void **state)
{
    char table[128], name[128];
    struct nft_chain c = { NFPROTO_INET, table, name, "filter", NF_INET_FORWARD, NF_DROP };

    (void)state;
    memset(table, 't', 120);
    memset(name, 'c', 120);
    table[120] = name[120] = '\0';
    nft_add_chain(&c);
    look();
    assert_int_equal(strlen(found[0].table), sizeof(found[0].table) - 1);
    assert_int_equal(strlen(found[0].chain), sizeof(found[0].chain) - 1);
}

static void tells_who_may_not_look(void **state)
{
    struct dv_error err = { 0 };
    pid_t pid = fork();
    size_t n = 5;
    int status;

    (void)state;
    if (pid == 0)
        _exit(setuid(65534) == 0 &&
                      dv_foreign_chains(BRIDGE, found, &n, &err) == -DV_E_FORBIDDEN && n == 0
                  ? 7 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        TEST(finds_a_policy_that_drops),
        TEST(sees_who_is_let_through),
        TEST(finds_a_last_rule_that_drops),
        TEST(leaves_the_rest_out),
        TEST(knows_an_end_to_many),
        TEST(bears_long_names),
        TEST(tells_who_may_not_look),
    };

    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "skipped: network namespaces need root: %s\n", strerror(errno));
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
