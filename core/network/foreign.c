/* foreign.c - filter chains of others in the kernel's forward hook. */
#include "core/network/foreign.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/str.h"
#include "core/base/time.h"

enum { DUMP_BYTES = 32 << 10 };      /* what the kernel puts into one datagram of a dump */
static const struct {
    uint32_t number;
    const char *name;
} families[] = { { NFPROTO_INET, "inet" }, { NFPROTO_IPV4, "ip" } };

/* What one dump fills. */
struct search {
    const char *bridge;
    struct dv_foreign_chain *chains;
    size_t n;
    struct dv_foreign_chain *chain;  /* whose rules are being read */
    bool last_drops;                 /* the rule read last drops whatever comes */
};

static const char *family_name(uint32_t number)
{
    for (size_t i = 0; i < N(families); i++)
        if (families[i].number == number)
            return families[i].name;
    return NULL;
}

static uint32_t family_number(const char *name)
{
    return dv_streq(name, "inet") ? NFPROTO_INET : NFPROTO_IPV4;
}

static int on_chain(const struct nlmsghdr *msg, void *arg)
{
    struct nftnl_chain *chain = nftnl_chain_alloc();
    struct search *s = arg;

    if (chain && nftnl_chain_nlmsg_parse(msg, chain) == 0 && s->n < DV_FOREIGN_MAX &&
        nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM) &&
        nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == NF_INET_FORWARD) {
        const char *family = family_name(nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY));
        const char *table = nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE);
        const char *type = nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE);

        /* Engines of ours, this one and others, drop nothing that is not theirs. */
        if (family && table && type && dv_streq(type, "filter") && !dv_starts(table, "davit")) {
            struct dv_foreign_chain *c = &s->chains[s->n++];

            *c = (struct dv_foreign_chain){
                .by_policy = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP,
            };
            snprintf(c->family, sizeof(c->family), "%s", family);
            snprintf(c->table, sizeof(c->table), "%s", table);
            snprintf(c->chain, sizeof(c->chain), "%s",
                     nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
        }
    }
    if (chain)
        nftnl_chain_free(chain);
    return MNL_CB_OK;
}

/* What a rule is, as far as it matters here. */
struct rule_shape {
    const char *bridge;
    bool matches;                    /* it asks anything at all of a packet */
    bool names_bridge, accepts, drops;
};

static int on_expr(struct nftnl_expr *e, void *arg)
{
    const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
    struct rule_shape *shape = arg;
    const void *data;
    uint32_t n = 0, verdict;

    if (dv_streq(name, "cmp")) {
        data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &n);
        shape->matches = true;
        if (data && n > 1 && strncmp(data, shape->bridge, n) == 0 &&
            nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP) == NFT_CMP_EQ)
            shape->names_bridge = true;
    } else if (dv_streq(name, "immediate") && nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT)) {
        verdict = nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT);
        shape->accepts = verdict == NF_ACCEPT;
        shape->drops = verdict == NF_DROP;
    } else if (dv_streq(name, "reject")) {
        shape->drops = true;
    } else if (!dv_streq(name, "counter") && !dv_streq(name, "log") && !dv_streq(name, "meta")) {
        shape->matches = true;
    }
    return 0;
}

static int on_rule(const struct nlmsghdr *msg, void *arg)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();
    struct search *s = arg;

    if (rule && nftnl_rule_nlmsg_parse(msg, rule) == 0) {
        struct rule_shape shape = { .bridge = s->bridge };

        nftnl_expr_foreach(rule, on_expr, &shape);
        s->last_drops = shape.drops && !shape.matches;
        s->chain->accepts = s->chain->accepts || (shape.accepts && (shape.names_bridge || !shape.matches));
    }
    if (rule)
        nftnl_rule_free(rule);
    return MNL_CB_OK;
}

/* Send MSG, which asks for a dump, and give each answer to CB: 0 or -1 and errno. */
static int dump(struct mnl_socket *nl, struct nlmsghdr *msg, mnl_cb_t cb, struct search *s)
{
    uint32_t seq = msg->nlmsg_seq, port = mnl_socket_get_portid(nl);
    dv_autofree char *buf = malloc(DUMP_BYTES);
    ssize_t n;
    int r = 1;

    if (!buf || mnl_socket_sendto(nl, msg, msg->nlmsg_len) < 0)
        return -1;
    while (r > 0) {
        n = mnl_socket_recvfrom(nl, buf, DUMP_BYTES);
        r = n <= 0 ? (int)n : mnl_cb_run(buf, (size_t)n, seq, port, cb, s);
    }
    return r;
}

static int dump_chains(struct mnl_socket *nl, struct search *s)
{
    char buf[MNL_NLMSG_HDRLEN + 256];

    return dump(nl,
                nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP,
                                      (uint32_t)dv_mono_ns()),
                on_chain, s);
}

static int dump_rules(struct mnl_socket *nl, struct search *s, struct dv_foreign_chain *c)
{
    char buf[MNL_NLMSG_HDRLEN + 1024];
    struct nftnl_rule *rule = nftnl_rule_alloc();
    struct nlmsghdr *msg;

    if (!rule)
        return -1;
    msg = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETRULE, (uint16_t)family_number(c->family),
                                NLM_F_DUMP, (uint32_t)dv_mono_ns());
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, c->table);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, c->chain);
    nftnl_rule_nlmsg_build_payload(msg, rule);
    nftnl_rule_free(rule);
    s->chain = c;
    s->last_drops = false;
    return dump(nl, msg, on_rule, s);
}

/* Read the rules of each chain, keep those that drop. */
static int sift(struct mnl_socket *nl, struct search *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (dump_rules(nl, s, &s->chains[i]) < 0)
            return -1;
        if (s->chains[i].by_policy || s->last_drops)
            s->chains[kept++] = s->chains[i];
    }
    s->n = kept;
    return 0;
}

int dv_foreign_chains(const char *bridge, struct dv_foreign_chain *ret, size_t *ret_n,
                      struct dv_error *err)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    struct search s = { .bridge = bridge, .chains = ret };
    int r = -1;

    *ret_n = 0;
    if (nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0) {
        r = dump_chains(nl, &s);
        r = r < 0 ? r : sift(nl, &s);
    }
    if (r < 0)
        r = dv_fail_errno(err, errno == EPERM ? DV_E_FORBIDDEN : DV_E_UNSUPPORTED,
                          "read the chains of nftables");
    if (nl)
        mnl_socket_close(nl);
    *ret_n = s.n;
    return r;
}

char *dv_foreign_warning(const char *bridge)
{
    struct dv_foreign_chain chains[DV_FOREIGN_MAX];
    struct dv_error err = { 0 };
    size_t n;

    if (dv_foreign_chains(bridge, chains, &n, &err) < 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (!chains[i].accepts)
            return dv_format("WARNING: chain %s of table %s %s drops what containers on %s send to "
                             "other hosts: accept it there, for both directions of %s; `davit "
                             "doctor` tells how",
                             chains[i].chain, chains[i].family, chains[i].table, bridge, bridge);
    return NULL;
}
