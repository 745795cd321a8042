/* firewall.h - the one nftables table of this engine: masquerade, forwarding and isolation of the
 * networks. What differs between networks are elements of sets; the rules are always the same. */
#pragma once

#include "core/base/error.h"
#include "core/network/addr.h"

struct dv_firewall;

struct dv_fw_net {
    char ifname[16];        /* host side of the network */
    struct dv_net4 subnet;  /* prefix 0 = none */
    uint32_t policy;        /* DV_NET_* */
};

/* TABLE: name of the inet table. Makes nothing yet. */
DV_CHECK int dv_firewall_new(const char *table, struct dv_firewall **ret, struct dv_error *err);
/* Closes the socket; the table stays (PERSIST, or plain). */
void dv_firewall_free(struct dv_firewall *fw);
/* Make the table hold just NETS, replacing what was there in one batch. CONFLICT if another running
 * process owns a table of that name. One caller at a time. */
DV_CHECK int dv_firewall_install(struct dv_firewall *fw, const struct dv_fw_net *nets, size_t n,
                                 struct dv_error *err);
/* Remove the table; 0 if it is not there. */
DV_CHECK int dv_firewall_remove(struct dv_firewall *fw, struct dv_error *err);
/* The table is there. */
bool dv_firewall_present(struct dv_firewall *fw);
/* The kernel keeps other tools' flushes away from it (OWNER and PERSIST). */
bool dv_firewall_is_owned(const struct dv_firewall *fw);
