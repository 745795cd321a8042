/* nft_rules.h - nftables as other programs make them, in a network namespace of the test's own, and
 * what lies in a set. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NFT_HELPER static __attribute__((unused))

/* One message in a batch of its own: 0, or the errno that the kernel gave. */
NFT_HELPER int nft_send(void (*fill)(struct nlmsghdr *msg, void *object), uint16_t type,
                        uint16_t family, uint16_t flags, void *object)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    static char buf[64 << 10];
    struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buf, sizeof(buf) / 2);
    struct nlmsghdr *msg;
    ssize_t n;
    int r = 0;

    assert_non_null(nl);
    assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
    nftnl_batch_begin(mnl_nlmsg_batch_current(batch), 1);
    mnl_nlmsg_batch_next(batch);
    msg = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), type, family, flags | NLM_F_ACK, 2);
    fill(msg, object);
    mnl_nlmsg_batch_next(batch);
    nftnl_batch_end(mnl_nlmsg_batch_current(batch), 3);
    mnl_nlmsg_batch_next(batch);
    assert_true(mnl_socket_sendto(nl, buf, mnl_nlmsg_batch_size(batch)) > 0);
    mnl_nlmsg_batch_stop(batch);
    n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
    if (n < 0 || mnl_cb_run(buf, (size_t)n, 2, mnl_socket_get_portid(nl), NULL, NULL) < 0)
        r = errno;
    mnl_socket_close(nl);
    return r;
}

NFT_HELPER void nft_fill_table(struct nlmsghdr *msg, void *object)
{
    nftnl_table_nlmsg_build_payload(msg, object);
}

NFT_HELPER void nft_table(uint16_t family, const char *name)
{
    struct nftnl_table *t = nftnl_table_alloc();

    nftnl_table_set_str(t, NFTNL_TABLE_NAME, name);
    assert_int_equal(nft_send(nft_fill_table, NFT_MSG_NEWTABLE, family, NLM_F_CREATE, t), 0);
    nftnl_table_free(t);
}

struct nft_chain {
    uint16_t family;
    const char *table, *name, *type;
    uint32_t hook, policy;
};

NFT_HELPER void nft_fill_chain(struct nlmsghdr *msg, void *object)
{
    nftnl_chain_nlmsg_build_payload(msg, object);
}

/* With its table. */
NFT_HELPER void nft_add_chain(const struct nft_chain *c)
{
    struct nftnl_chain *chain = nftnl_chain_alloc();

    nft_table(c->family, c->table);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, c->table);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, c->name);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, c->type);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, c->hook);
    nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, 0);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, c->policy);
    assert_int_equal(nft_send(nft_fill_chain, NFT_MSG_NEWCHAIN, c->family, NLM_F_CREATE, chain), 0);
    nftnl_chain_free(chain);
}

struct nft_rule {
    const char *ifname;              /* of the incoming interface; ends in '*': a prefix; NULL: any */
    bool unlike;                     /* any interface but that */
    bool counts;
    const char *verdict;             /* "accept" "drop" "reject" "" */
};

NFT_HELPER struct nftnl_expr *nft_expr(struct nftnl_rule *rule, const char *name)
{
    struct nftnl_expr *e = nftnl_expr_alloc(name);

    assert_non_null(e);
    nftnl_rule_add_expr(rule, e);
    return e;
}

NFT_HELPER void nft_match(struct nftnl_rule *rule, const struct nft_rule *r)
{
    struct nftnl_expr *meta = nft_expr(rule, "meta"), *cmp = nft_expr(rule, "cmp");
    char name[IFNAMSIZ] = "";
    size_t n = strlen(r->ifname);

    memcpy(name, r->ifname, n);
    nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, NFT_META_IIFNAME);
    nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, NFT_REG_1);
    nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_OP, r->unlike ? NFT_CMP_NEQ : NFT_CMP_EQ);
    nftnl_expr_set(cmp, NFTNL_EXPR_CMP_DATA, name,
                   r->ifname[n - 1] == '*' ? (uint32_t)n - 1 : IFNAMSIZ);
}

NFT_HELPER void nft_fill_rule(struct nlmsghdr *msg, void *object)
{
    nftnl_rule_nlmsg_build_payload(msg, object);
}

/* At the chain's end; the kernel's errno (ENOENT: it cannot reject). */
NFT_HELPER int nft_add_rule(const struct nft_chain *c, const struct nft_rule *r)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();
    struct nftnl_expr *e;
    int result;

    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, c->table);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, c->name);
    if (r->ifname)
        nft_match(rule, r);
    if (r->counts)
        nft_expr(rule, "counter");
    if (strcmp(r->verdict, "reject") == 0) {
        e = nft_expr(rule, "reject");
        nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
        nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, 3);
    } else if (*r->verdict) {
        e = nft_expr(rule, "immediate");
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT,
                           strcmp(r->verdict, "drop") == 0 ? NF_DROP : NF_ACCEPT);
    }
    result = nft_send(nft_fill_rule, NFT_MSG_NEWRULE, c->family, NLM_F_CREATE | NLM_F_APPEND, rule);
    nftnl_rule_free(rule);
    return result;
}

NFT_HELPER int nft_on_elements(const struct nlmsghdr *msg, void *set)
{
    return nftnl_set_elems_nlmsg_parse(msg, set) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

/* The elements of a set; free with nftnl_set_free(). */
NFT_HELPER struct nftnl_set *nft_elements(uint16_t family, const char *table, const char *name)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    struct nftnl_set *set = nftnl_set_alloc();
    static char buf[64 << 10];
    struct nlmsghdr *msg;
    int r = 1;

    assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
    nftnl_set_set_str(set, NFTNL_SET_TABLE, table);
    nftnl_set_set_str(set, NFTNL_SET_NAME, name);
    msg = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSETELEM, family, NLM_F_DUMP | NLM_F_ACK, 7);
    nftnl_set_nlmsg_build_payload(msg, set);
    assert_true(mnl_socket_sendto(nl, msg, msg->nlmsg_len) > 0);
    while (r > 0) {
        ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

        r = n <= 0 ? -1 : mnl_cb_run(buf, (size_t)n, 7, mnl_socket_get_portid(nl),
                                     nft_on_elements, set);
    }
    assert_int_equal(r, 0);
    mnl_socket_close(nl);
    return set;
}

NFT_HELPER int nft_count_element(struct nftnl_set_elem *e, void *arg)
{
    (void)e;
    ++*(size_t *)arg;
    return 0;
}

NFT_HELPER size_t nft_set_size(uint16_t family, const char *table, const char *name)
{
    struct nftnl_set *set = nft_elements(family, table, name);
    size_t n = 0;

    nftnl_set_elem_foreach(set, nft_count_element, &n);
    nftnl_set_free(set);
    return n;
}
