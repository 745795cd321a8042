/* addr.h - IPv4 addresses and subnets as numbers: parsing, text, overlap, and the choice of a free
 * subnet. Pure. */
#pragma once

#include <davit/network.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/cleanup.h"

enum { DV_IP4_BYTES = 16, DV_CIDR4_BYTES = 20, DV_MAC_TEXT_BYTES = 18 };

struct dv_net4 {
    uint32_t addr;  /* host byte order; as written, host bits included */
    uint8_t prefix; /* 0 to 32 */
};

/* "172.17.0.0/16" or "172.17.0.5/16"; -1 on anything else (a missing prefix too). */
DV_CHECK int dv_cidr4_parse(const char *text, struct dv_net4 *ret);
DV_CHECK int dv_ip4_parse(const char *text, uint32_t *ret);
void dv_ip4_format(uint32_t addr, char out[DV_IP4_BYTES]);
void dv_cidr4_format(struct dv_net4 net, char out[DV_CIDR4_BYTES]);

uint32_t dv_net4_first(struct dv_net4 net); /* the network address */
uint32_t dv_net4_last(struct dv_net4 net);  /* the broadcast address */
bool dv_net4_overlap(struct dv_net4 a, struct dv_net4 b);
bool dv_net4_has(struct dv_net4 net, uint32_t addr);

/* The first of Docker's default local pools that overlaps none of TAKEN: 172.17.0.0/16 to
 * 172.31.0.0/16, then 192.168.0.0/20 to 192.168.240.0/20. A default route (prefix 0) takes
 * nothing. -1 if all are taken. */
DV_CHECK int dv_subnet_choose(const struct dv_net4 *taken, size_t n, struct dv_net4 *ret);

/* Docker's address of an interface: 02:42 and the four bytes of its IPv4 address. */
void dv_mac_from_ip4(uint32_t addr, uint8_t mac[6]);
/* "02:42:ac:11:00:02" (or with '-'), a unicast address; -1 otherwise. */
DV_CHECK int dv_mac_parse(const char *text, uint8_t mac[6]);
void dv_mac_format(const uint8_t mac[6], char out[DV_MAC_TEXT_BYTES]);

/* The ABI's form. FAMILY 0 when ADDR is 0. */
struct dv_cidr dv_cidr_from4(uint32_t addr, uint8_t prefix);
