/* firewall.c - the one nftables table of this engine, as libnftnl messages in one batch.
 *
 *   table inet NAME {
 *     set bridges   { type ifname }             all networks' host sides
 *     set internal  { type ifname }             of those without FORWARD
 *     set isolated  { type ifname }             of those with ISOLATE
 *     set same      { type ifname . ifname }    a . a for each network
 *     set masquerade { type ipv4_addr; flags interval }
 *     chain postrouting: ip saddr @masquerade oifname != @bridges masquerade
 *     chain forward:     see forward_rules()
 *   }
 */
#include "core/network/firewall.h"

#include <arpa/inet.h>
#include <assert.h>
#include <davit/network.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/str.h"
#include "core/base/time.h"

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif
#ifndef NFT_TABLE_F_PERSIST
#define NFT_TABLE_F_PERSIST 0x4 /* since Linux 6.9; not in Debian 12's headers */
#endif

enum {
    BATCH_BYTES = 2 << 20, /* some 14,000 networks */
    BATCH_SLACK = 16 << 10, /* behind it, for the message that does not fit */
    MAX_MESSAGES = 512,
    ELEMENTS_PER_MESSAGE = 300, /* a list in a message ends at 64 KiB, without a word */
    MAX_ELEMENT_BYTES = 2 * IFNAMSIZ + 16,
    IPV4_SADDR_OFFSET = 12,
    /* nft's own numbers of types, so that `nft list` prints elements as what they are. */
    TYPE_IPV4 = 7, TYPE_IFNAME = 41, TYPE_BITS = 6,
    TYPE_IFNAME_PAIR = TYPE_IFNAME << TYPE_BITS | TYPE_IFNAME,
};

static_assert((ELEMENTS_PER_MESSAGE + 1) * MAX_ELEMENT_BYTES < BATCH_SLACK,
              "what does not fit any more must still fit behind it");

struct dv_firewall {
    char *table;
    struct mnl_socket *nl; /* its port owns the table, so it stays open */
    bool owned;
};

/* A batch under construction; the first failure sticks. */
struct batch {
    const char *table;
    struct mnl_nlmsg_batch *b;
    char *buf;
    const char *what[MAX_MESSAGES]; /* by sequence number, for errors */
    uint32_t first_seq, n;
    size_t n_elements; /* of the message being built */
    bool no_memory, overflow;
};

/* Answers without the message that they are about, which may be larger than they have room for. */
static int open_socket(struct dv_firewall *fw)
{
    int on = 1;

    fw->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!fw->nl || mnl_socket_bind(fw->nl, 0, MNL_SOCKET_AUTOPID) < 0)
        return -1;
    return mnl_socket_setsockopt(fw->nl, NETLINK_CAP_ACK, &on, sizeof(on));
}

int dv_firewall_new(const char *table, struct dv_firewall **ret, struct dv_error *err)
{
    struct dv_firewall *fw;

    if (strlen(table) >= NFT_NAME_MAXLEN)
        return dv_fail(err, DV_E_INVALID, "nft_table: name '%s' is too long", table);
    fw = calloc(1, sizeof(*fw));
    if (!fw || !(fw->table = dv_strdup(table))) {
        free(fw);
        return dv_fail(err, DV_E_NO_MEMORY, "firewall");
    }
    if (open_socket(fw) < 0) {
        (void)dv_fail_errno(err, DV_E_UNAVAILABLE, "open nfnetlink socket");
        dv_firewall_free(fw);
        return -err->code;
    }
    *ret = fw;
    return 0;
}

void dv_firewall_free(struct dv_firewall *fw)
{
    if (!fw)
        return;
    if (fw->nl)
        mnl_socket_close(fw->nl);
    free(fw->table);
    free(fw);
}

bool dv_firewall_is_owned(const struct dv_firewall *fw)
{
    return fw->owned;
}

/* ---- messages ---- */

static int batch_begin(struct batch *batch, const char *table)
{
    *batch = (struct batch){ .table = table, .first_seq = (uint32_t)dv_mono_ns() };
    batch->buf = malloc(BATCH_BYTES + BATCH_SLACK);
    if (batch->buf)
        batch->b = mnl_nlmsg_batch_start(batch->buf, BATCH_BYTES);
    if (!batch->b)
        return -1;
    nftnl_batch_begin(mnl_nlmsg_batch_current(batch->b), batch->first_seq);
    batch->what[batch->n++] = "commit";
    mnl_nlmsg_batch_next(batch->b);
    return 0;
}

static void batch_done(struct batch *batch)
{
    if (batch->b)
        mnl_nlmsg_batch_stop(batch->b);
    free(batch->buf);
}

/* The caller fills in the payload, then calls next(). */
static struct nlmsghdr *message(struct batch *batch, const char *what, uint16_t type,
                                uint16_t flags)
{
    uint32_t seq = batch->first_seq + batch->n;

    if (batch->n < MAX_MESSAGES - 1)
        batch->what[batch->n++] = what;
    else
        batch->overflow = true;
    return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch->b), type, NFPROTO_INET, flags,
                                 seq);
}

static void next(struct batch *batch)
{
    if (!mnl_nlmsg_batch_next(batch->b))
        batch->overflow = true;
}

static void put_table(struct batch *batch, const char *what, uint16_t type, uint32_t flags)
{
    struct nftnl_table *table = nftnl_table_alloc();

    if (!table) {
        batch->no_memory = true;
        return;
    }
    nftnl_table_set_str(table, NFTNL_TABLE_NAME, batch->table);
    if (flags)
        nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, flags);
    nftnl_table_nlmsg_build_payload(
        message(batch, what, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0), table);
    next(batch);
    nftnl_table_free(table);
}

static void put_chain(struct batch *batch, const char *name, const char *type, uint32_t hook,
                      int32_t priority)
{
    struct nftnl_chain *chain = nftnl_chain_alloc();

    if (!chain) {
        batch->no_memory = true;
        return;
    }
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, batch->table);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
    nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    nftnl_chain_nlmsg_build_payload(message(batch, name, NFT_MSG_NEWCHAIN, NLM_F_CREATE), chain);
    next(batch);
    nftnl_chain_free(chain);
}

/* ---- sets ---- */

struct set_kind {
    const char *name;
    uint32_t key_type, key_len, flags;
    uint32_t policy, policy_value; /* networks with (policy & mask) == value; mask 0 = all */
};
enum set_index { SET_BRIDGES, SET_INTERNAL, SET_ISOLATED, SET_SAME, SET_MASQUERADE, N_SETS };
static const struct set_kind set_kinds[N_SETS] = {
    [SET_BRIDGES] = { "bridges", TYPE_IFNAME, IFNAMSIZ, 0, 0, 0 },
    [SET_INTERNAL] = { "internal", TYPE_IFNAME, IFNAMSIZ, 0, DV_NET_FORWARD, 0 },
    [SET_ISOLATED] = { "isolated", TYPE_IFNAME, IFNAMSIZ, 0, DV_NET_ISOLATE, DV_NET_ISOLATE },
    [SET_SAME] = { "same", TYPE_IFNAME_PAIR, 2 * IFNAMSIZ, 0, 0, 0 },
    [SET_MASQUERADE] = { "masquerade", TYPE_IPV4, 4, NFT_SET_INTERVAL, DV_NET_MASQUERADE,
                         DV_NET_MASQUERADE },
};

static void add_element(struct batch *batch, struct nftnl_set *set, const void *key, uint32_t len,
                        uint32_t flags)
{
    struct nftnl_set_elem *elem = nftnl_set_elem_alloc();

    if (!elem) {
        batch->no_memory = true;
        return;
    }
    nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, key, len);
    if (flags)
        nftnl_set_elem_set_u32(elem, NFTNL_SET_ELEM_FLAGS, flags);
    nftnl_set_elem_add(set, elem); /* the set's now */
    batch->n_elements++;
}

static void add_network(struct batch *batch, struct nftnl_set *set, const struct set_kind *kind,
                        const struct dv_fw_net *net)
{
    char pair[2 * IFNAMSIZ] = { 0 };
    uint32_t first = htonl(dv_net4_first(net->subnet));
    uint32_t after = htonl(dv_net4_last(net->subnet) + 1);

    if ((net->policy & kind->policy) != kind->policy_value)
        return;
    if (kind->key_type == TYPE_IPV4) {
        if (!net->subnet.prefix)
            return;
        /* An interval is two elements: its start, and the first key behind it (none behind the
         * last address there is). */
        add_element(batch, set, &first, sizeof(first), 0);
        if (after)
            add_element(batch, set, &after, sizeof(after), NFT_SET_ELEM_INTERVAL_END);
        return;
    }
    snprintf(pair, IFNAMSIZ, "%s", net->ifname);
    snprintf(pair + IFNAMSIZ, IFNAMSIZ, "%s", net->ifname);
    add_element(batch, set, pair, kind->key_len, 0);
}

/* What nft keeps beside a set to print its keys: names are in host byte order. */
static void put_byte_order(struct batch *batch, struct nftnl_set *set)
{
    enum { HOST_ENDIAN = 1 };
    struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

    if (!udata || !nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_KEYBYTEORDER, HOST_ENDIAN))
        batch->no_memory = true;
    else
        nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(udata),
                           nftnl_udata_buf_len(udata));
    if (udata)
        nftnl_udata_buf_free(udata);
}

static struct nftnl_set *new_set(struct batch *batch, enum set_index index)
{
    struct nftnl_set *set = nftnl_set_alloc();

    if (!set) {
        batch->no_memory = true;
        return NULL;
    }
    nftnl_set_set_str(set, NFTNL_SET_TABLE, batch->table);
    nftnl_set_set_str(set, NFTNL_SET_NAME, set_kinds[index].name);
    nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_u32(set, NFTNL_SET_ID, index + 1);
    return set;
}

static void put_set(struct batch *batch, enum set_index index)
{
    const struct set_kind *kind = &set_kinds[index];
    struct nftnl_set *set = new_set(batch, index);

    if (!set)
        return;
    nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, kind->key_type);
    nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, kind->key_len);
    if (kind->key_type == TYPE_IFNAME)
        put_byte_order(batch, set);
    if (kind->flags)
        nftnl_set_set_u32(set, NFTNL_SET_FLAGS, kind->flags);
    nftnl_set_nlmsg_build_payload(message(batch, kind->name, NFT_MSG_NEWSET, NLM_F_CREATE), set);
    next(batch);
    nftnl_set_free(set);
}

/* One message's worth of NETS; how many it took. */
static size_t put_some_elements(struct batch *batch, enum set_index index,
                                const struct dv_fw_net *nets, size_t n)
{
    const struct set_kind *kind = &set_kinds[index];
    struct nftnl_set *set = new_set(batch, index);
    size_t i = 0;

    if (!set)
        return n;
    batch->n_elements = 0;
    while (i < n && batch->n_elements < ELEMENTS_PER_MESSAGE)
        add_network(batch, set, kind, &nets[i++]);
    if (batch->n_elements) {
        nftnl_set_elems_nlmsg_build_payload(
            message(batch, kind->name, NFT_MSG_NEWSETELEM, NLM_F_CREATE), set);
        next(batch);
    }
    nftnl_set_free(set);
    return i;
}

/* ---- rules ---- */

enum { MAX_RULE_EXPRS = 8 };
enum lookup { IS_IN = 0, IS_NOT_IN = NFT_LOOKUP_F_INV };

static struct nftnl_expr *add_expr(struct batch *batch, struct nftnl_rule *rule, const char *name)
{
    struct nftnl_expr *expr = nftnl_expr_alloc(name);

    if (expr)
        nftnl_rule_add_expr(rule, expr);
    else
        batch->no_memory = true;
    return expr;
}

static void add_meta(struct batch *batch, struct nftnl_rule *rule, uint32_t key, uint32_t reg)
{
    struct nftnl_expr *expr = add_expr(batch, rule, "meta");

    if (!expr)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, reg);
}

static void add_lookup(struct batch *batch, struct nftnl_rule *rule, enum set_index set,
                       enum lookup how)
{
    struct nftnl_expr *expr = add_expr(batch, rule, "lookup");

    if (!expr)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
    nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set_kinds[set].name);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SET_ID, set + 1);
    if (how)
        nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, how);
}

static void add_if(struct batch *batch, struct nftnl_rule *rule, uint32_t key, enum set_index set,
                   enum lookup how)
{
    add_meta(batch, rule, key, NFT_REG_1);
    add_lookup(batch, rule, set, how);
}

static void add_verdict(struct batch *batch, struct nftnl_rule *rule, uint32_t verdict)
{
    struct nftnl_expr *expr = add_expr(batch, rule, "immediate");

    if (!expr)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, verdict);
}

/* ct KEY has any of BITS. */
static void add_ct(struct batch *batch, struct nftnl_rule *rule, uint32_t key, uint32_t bits)
{
    struct nftnl_expr *ct = add_expr(batch, rule, "ct");
    struct nftnl_expr *bitwise = add_expr(batch, rule, "bitwise");
    struct nftnl_expr *cmp = add_expr(batch, rule, "cmp");
    static const uint32_t zero = 0;

    if (!ct || !bitwise || !cmp)
        return;
    nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_LEN, sizeof(bits));
    nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_MASK, &bits, sizeof(bits));
    nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero));
    nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_OP, NFT_CMP_NEQ);
    nftnl_expr_set(cmp, NFTNL_EXPR_CMP_DATA, &zero, sizeof(zero));
}

static void add_ip_saddr(struct batch *batch, struct nftnl_rule *rule)
{
    struct nftnl_expr *cmp, *payload;
    static const uint8_t ipv4 = NFPROTO_IPV4;

    add_meta(batch, rule, NFT_META_NFPROTO, NFT_REG_1);
    cmp = add_expr(batch, rule, "cmp");
    payload = add_expr(batch, rule, "payload");
    if (!cmp || !payload)
        return;
    nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
    nftnl_expr_set(cmp, NFTNL_EXPR_CMP_DATA, &ipv4, sizeof(ipv4));
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_OFFSET, IPV4_SADDR_OFFSET);
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_LEN, 4);
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

static struct nftnl_rule *rule_begin(struct batch *batch, const char *chain)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();

    if (!rule) {
        batch->no_memory = true;
        return NULL;
    }
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, batch->table);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
    return rule;
}

static void rule_end(struct batch *batch, struct nftnl_rule *rule)
{
    nftnl_rule_nlmsg_build_payload(
        message(batch, nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), NFT_MSG_NEWRULE,
                NLM_F_CREATE | NLM_F_APPEND),
        rule);
    next(batch);
    nftnl_rule_free(rule);
}

/* What a rule of chain forward asks; they are tried in order. */
struct forward_rule {
    int in_set, out_set;         /* SET_*, or -1; with SET_SAME in IN: both interfaces together */
    enum lookup in_how, out_how;
    uint32_t ct_key, ct_bits;    /* bits 0 = not asked */
    uint32_t verdict;
};
static const struct forward_rule forward_rules[] = {
    /* Others' traffic is none of our business. */
    { SET_BRIDGES, SET_BRIDGES, IS_NOT_IN, IS_NOT_IN, 0, 0, NF_ACCEPT },
    { -1, -1, 0, 0, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) |
      NF_CT_STATE_BIT(IP_CT_RELATED), NF_ACCEPT },
    /* Within a network: seen here only where bridge-nf-call-iptables is on. */
    { SET_SAME, -1, IS_IN, 0, 0, 0, NF_ACCEPT },
    { SET_INTERNAL, -1, IS_IN, 0, 0, 0, NF_DROP },
    { -1, SET_INTERNAL, 0, IS_IN, 0, 0, NF_DROP },
    /* Published ports, from wherever they come. */
    { -1, -1, 0, 0, NFT_CT_STATUS, IPS_DST_NAT, NF_ACCEPT },
    { SET_ISOLATED, SET_ISOLATED, IS_IN, IS_IN, 0, 0, NF_DROP },
    { SET_BRIDGES, -1, IS_IN, 0, 0, 0, NF_ACCEPT },
    /* From outside to an address of a container, past its published ports. */
    { -1, SET_BRIDGES, 0, IS_IN, 0, 0, NF_DROP },
};

static void put_forward_rule(struct batch *batch, const struct forward_rule *what)
{
    struct nftnl_rule *rule = rule_begin(batch, "forward");

    if (!rule)
        return;
    if (what->in_set == SET_SAME) {
        add_meta(batch, rule, NFT_META_IIFNAME, NFT_REG_1);
        add_meta(batch, rule, NFT_META_OIFNAME, NFT_REG_2);
        add_lookup(batch, rule, SET_SAME, what->in_how);
    } else if (what->in_set >= 0) {
        add_if(batch, rule, NFT_META_IIFNAME, (enum set_index)what->in_set, what->in_how);
    }
    if (what->out_set >= 0)
        add_if(batch, rule, NFT_META_OIFNAME, (enum set_index)what->out_set, what->out_how);
    if (what->ct_bits)
        add_ct(batch, rule, what->ct_key, what->ct_bits);
    add_verdict(batch, rule, what->verdict);
    rule_end(batch, rule);
}

static void put_masquerade_rule(struct batch *batch)
{
    struct nftnl_rule *rule = rule_begin(batch, "postrouting");

    if (!rule)
        return;
    add_ip_saddr(batch, rule);
    add_lookup(batch, rule, SET_MASQUERADE, IS_IN);
    add_if(batch, rule, NFT_META_OIFNAME, SET_BRIDGES, IS_NOT_IN);
    add_expr(batch, rule, "masq");
    rule_end(batch, rule);
}

/* ---- sending ---- */

/* Answers are queued by the time sendto() returns. FAILED: a message's what, or NULL. */
static int read_answers(struct dv_firewall *fw, const struct batch *batch, const char **failed)
{
    _Alignas(NLMSG_ALIGNTO) char buf[8192];
    int fd = mnl_socket_get_fd(fw->nl), found = 0;

    for (;;) {
        ssize_t got = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        const struct nlmsghdr *msg = (const struct nlmsghdr *)buf;
        int left = (int)got;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return found;
        for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left)) {
            const struct nlmsgerr *answer = mnl_nlmsg_get_payload(msg);
            uint32_t i = msg->nlmsg_seq - batch->first_seq;

            if (msg->nlmsg_type != NLMSG_ERROR || i >= batch->n || !answer->error || found)
                continue;
            found = -answer->error;
            *failed = batch->what[i];
        }
    }
}

/* A message must fit into the socket's own limit, whose default holds some 1,500 networks. Where it
 * cannot grow, sending tells. */
static void grow_socket(struct dv_firewall *fw, size_t bytes)
{
    int n = (int)bytes;

    (void)!setsockopt(mnl_socket_get_fd(fw->nl), SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof(n));
}

/* 0, or the errno of the first message that failed. */
static int batch_send(struct dv_firewall *fw, struct batch *batch, const char **failed)
{
    size_t size;

    *failed = "batch";
    if (batch->no_memory)
        return ENOMEM;
    nftnl_batch_end(mnl_nlmsg_batch_current(batch->b), batch->first_seq + batch->n);
    mnl_nlmsg_batch_next(batch->b);
    size = mnl_nlmsg_batch_size(batch->b);
    if (batch->overflow)
        return E2BIG;
    grow_socket(fw, size);
    if (mnl_socket_sendto(fw->nl, batch->buf, size) < 0)
        return errno;
    return read_answers(fw, batch, failed);
}

bool dv_firewall_present(struct dv_firewall *fw)
{
    _Alignas(NLMSG_ALIGNTO) char buf[4096];
    uint32_t seq = (uint32_t)dv_mono_ns();
    struct nftnl_table *table = nftnl_table_alloc();
    struct nlmsghdr *msg;
    ssize_t got;

    if (!table)
        return false;
    msg = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETTABLE, NFPROTO_INET, 0, seq);
    nftnl_table_set_str(table, NFTNL_TABLE_NAME, fw->table);
    nftnl_table_nlmsg_build_payload(msg, table);
    nftnl_table_free(table);
    if (mnl_socket_sendto(fw->nl, msg, msg->nlmsg_len) < 0)
        return false;
    got = recv(mnl_socket_get_fd(fw->nl), buf, sizeof(buf), MSG_DONTWAIT);
    msg = (struct nlmsghdr *)buf;
    return got > 0 && mnl_nlmsg_ok(msg, (int)got) && msg->nlmsg_seq == seq &&
           msg->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE);
}

static int install(struct dv_firewall *fw, uint32_t flags, const struct dv_fw_net *nets, size_t n,
                   const char **failed)
{
    bool replace = dv_firewall_present(fw);
    struct batch batch;
    int r;

    if (batch_begin(&batch, fw->table) < 0) {
        batch_done(&batch);
        *failed = "batch";
        return ENOMEM;
    }
    if (replace)
        put_table(&batch, "remove old table", NFT_MSG_DELTABLE, 0);
    put_table(&batch, "table", NFT_MSG_NEWTABLE, flags);
    for (int i = 0; i < N_SETS; i++) {
        put_set(&batch, (enum set_index)i);
        for (size_t done = 0; done < n && !batch.overflow;)
            done += put_some_elements(&batch, (enum set_index)i, nets + done, n - done);
    }
    put_chain(&batch, "postrouting", "nat", NF_INET_POST_ROUTING, 100);
    put_chain(&batch, "forward", "filter", NF_INET_FORWARD, 0);
    put_masquerade_rule(&batch);
    for (size_t i = 0; i < N(forward_rules); i++)
        put_forward_rule(&batch, &forward_rules[i]);
    r = batch_send(fw, &batch, failed);
    batch_done(&batch);
    return r;
}

int dv_firewall_install(struct dv_firewall *fw, const struct dv_fw_net *nets, size_t n,
                        struct dv_error *err)
{
    /* OWNER alone is worse than nothing: such a table dies with us. */
    static const uint32_t flags[] = { NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST, 0 };
    const char *failed = "";
    int r = EOPNOTSUPP;

    for (size_t i = 0; i < N(flags) && (r == EOPNOTSUPP || r == EINVAL); i++) {
        r = install(fw, flags[i], nets, n, &failed);
        fw->owned = !r && flags[i];
    }
    if (!r)
        return 0;
    errno = r;
    if (r == EPERM)
        return dv_fail(err, DV_E_CONFLICT,
                       "nftables table 'inet %s' belongs to another running process; set another "
                       "name with network.nft_table", fw->table);
    return dv_fail_errno(err, DV_E_UNAVAILABLE, "nftables table 'inet %s': %s", fw->table, failed);
}

int dv_firewall_remove(struct dv_firewall *fw, struct dv_error *err)
{
    const char *failed = "";
    struct batch batch;
    int r;

    if (!dv_firewall_present(fw))
        return 0;
    if (batch_begin(&batch, fw->table) < 0) {
        batch_done(&batch);
        return dv_fail(err, DV_E_NO_MEMORY, "remove nftables table 'inet %s'", fw->table);
    }
    put_table(&batch, "remove table", NFT_MSG_DELTABLE, 0);
    r = batch_send(fw, &batch, &failed);
    batch_done(&batch);
    if (!r || r == ENOENT)
        return 0;
    errno = r;
    return dv_fail_errno(err, DV_E_INTERNAL, "remove nftables table 'inet %s'", fw->table);
}
