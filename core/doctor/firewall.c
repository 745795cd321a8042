/* firewall.c - what keeps containers from other hosts: forwarding, and the firewalls of others. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/daemon/config.h"
#include "core/doctor/finding.h"
#include "core/doctor/legacy.h"
#include "core/network/foreign.h"

enum { RULESET_MAX_BYTES = 16 << 20 };

/* '1', '0', or 0 where the file is not there. */
static char first_char(const char *path)
{
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };

    return dv_read_file(AT_FDCWD, path, 64, &text, NULL, &err) < 0 ? '\0' : *text;
}

static void check_forwarding(struct dv_findings *f)
{
    if (first_char("/proc/sys/net/ipv4/ip_forward") == '1')
        dv_found(f, DV_OK, "ip_forward", "", "", "net.ipv4.ip_forward is 1");
    else
        dv_found(f, DV_WARNING, "ip_forward",
                 "containers reach no other host; davitd sets it when it makes its bridge, so "
                 "something has put it back, or no davitd has run yet",
                 "sysctl -w net.ipv4.ip_forward=1, and see what in /etc/sysctl.d says 0",
                 "net.ipv4.ip_forward is 0");
}

static void check_bridge_netfilter(struct dv_findings *f)
{
    if (first_char("/proc/sys/net/bridge/bridge-nf-call-iptables") != '1')
        dv_found(f, DV_OK, "br_netfilter", "", "", "bridged packets do not pass iptables");
    else
        dv_found(f, DV_NOTE, "br_netfilter",
                 "what containers on one bridge send each other passes the rules of iptables and of "
                 "nftables' ip family, and a chain that drops forwarded packets drops these, too",
                 "sysctl -w net.bridge.bridge-nf-call-iptables=0, unless another program needs it",
                 "net.bridge.bridge-nf-call-iptables is 1");
}

/* Tables made by iptables-nft are best changed by it: nft -f may not be able to write them back. */
static void found_chain(struct dv_findings *f, const struct dv_foreign_chain *c, const char *bridge)
{
    bool iptables = dv_streq(c->family, "ip") && dv_streq(c->table, "filter") &&
                    dv_streq(c->chain, "FORWARD");
    dv_autofree char *remedy = iptables
        ? dv_format("iptables -I FORWARD -i %s -j ACCEPT; iptables -I FORWARD -o %s -j ACCEPT; and "
                    "have the program that makes that chain do so", bridge, bridge)
        : dv_format("nft insert rule %s %s %s iifname %s accept; nft insert rule %s %s %s oifname "
                    "%s accept; and put both into what makes that table", c->family, c->table,
                    c->chain, bridge, c->family, c->table, c->chain, bridge);

    if (c->accepts)
        dv_found(f, DV_OK, "nftables", "", "", "chain %s of table %s %s drops what is forwarded, but "
                 "accepts %s", c->chain, c->family, c->table, bridge);
    else
        dv_found(f, DV_PROBLEM, "nftables",
                 "containers on the bridge do not reach other hosts, and published ports are not "
                 "reached: a drop there is not overridden by an accept in davit's table",
                 remedy ? remedy : "", "chain %s of table %s %s drops what is forwarded (%s)",
                 c->chain, c->family, c->table, c->by_policy ? "its policy" : "its last rule");
}

static void check_nftables(struct dv_findings *f, const char *bridge)
{
    struct dv_foreign_chain chains[DV_FOREIGN_MAX];
    struct dv_error err = { 0 };
    size_t n;
    int r = dv_foreign_chains(bridge, chains, &n, &err);

    if (r == -DV_E_FORBIDDEN) {
        dv_unseen(f, "nftables", "chains that drop forwarded packets");
        return;
    }
    if (r < 0) {
        dv_found(f, DV_PROBLEM, "nftables",
                 "networks have no masquerade and no isolation: containers reach no other host",
                 "modprobe nf_tables, or boot a kernel that has it", "%s", err.msg);
        return;
    }
    for (size_t i = 0; i < n; i++)
        found_chain(f, &chains[i], bridge);
    if (n == 0)
        dv_found(f, DV_OK, "nftables", "", "", "no chain of others drops what is forwarded");
}

/* Where the kernel lets a table have an owner, only davitd may write its own. */
static void check_saved_ruleset(struct dv_findings *f, const char *table)
{
    static const char path[] = "/etc/nftables.conf";
    dv_autofree char *ours = dv_format("table inet %s {", table), *text = NULL;
    struct dv_error err = { 0 };

    if (!ours || dv_read_file(AT_FDCWD, path, RULESET_MAX_BYTES, &text, NULL, &err) < 0 ||
        !strstr(text, ours))
        return;
    dv_found(f, DV_WARNING, "saved-ruleset",
             "`nft -f` of that file fails as a whole while davitd runs, since the table has an owner",
             "remove davit's table from the file: davitd makes it at each start",
             "%s holds davit's own table %s", path, table);
}

static void check_legacy(struct dv_findings *f, const char *bridge)
{
    struct dv_legacy legacy;

    if (dv_legacy_read(&legacy) < 0) {
        if (errno == EPERM || errno == EACCES)
            dv_unseen(f, "iptables-legacy", "rules of iptables-legacy");
        else
            dv_found(f, DV_UNSEEN, "iptables-legacy", "", "", "read its rules: %s",
                     strerror(errno));
        return;
    }
    if (!legacy.present)
        dv_found(f, DV_OK, "iptables-legacy", "", "", "it has no filter table");
    else if (!legacy.policy_drops && !legacy.n_drops)
        dv_found(f, DV_OK, "iptables-legacy", "", "", "its FORWARD chain drops nothing");
    else {
        dv_autofree char *remedy =
            dv_format("iptables-legacy -I FORWARD -i %s -j ACCEPT; iptables-legacy -I FORWARD -o %s "
                      "-j ACCEPT; or move to iptables-nft and flush it: iptables-legacy -P FORWARD "
                      "ACCEPT; iptables-legacy -F", bridge, bridge);

        dv_found(f, legacy.policy_drops ? DV_PROBLEM : DV_WARNING, "iptables-legacy",
                 "nftables, which davit uses, neither sees nor overrides it: packets of containers "
                 "that it drops are lost", remedy ? remedy : "",
                 "its FORWARD chain drops: policy %s, %u rule%s with DROP or REJECT",
                 legacy.policy_drops ? "DROP" : "ACCEPT", legacy.n_drops,
                 legacy.n_drops == 1 ? "" : "s");
    }
}

void dv_doctor_firewall(struct dv_findings *f, const struct dv_engine_config *config)
{
    f->section = "firewall";
    check_forwarding(f);
    check_bridge_netfilter(f);
    check_nftables(f, config->bridge_name);
    check_saved_ruleset(f, config->nft_table);
    check_legacy(f, config->bridge_name);
}
