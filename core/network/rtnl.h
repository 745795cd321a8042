/* rtnl.h - rtnetlink: several messages in one send, answers matched to the steps they failed at,
 * and the dumps that the choice of a subnet needs. */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "core/base/error.h"
#include "core/network/addr.h"

enum { DV_NL_BATCH_BYTES = 2048, DV_NL_BATCH_STEPS = 8 };

/* Messages that go to the kernel in one sendmsg: it works them off in order inside that one call,
 * so that no kill comes between them. */
struct dv_nl_batch {
    _Alignas(NLMSG_ALIGNTO) char data[DV_NL_BATCH_BYTES];
    size_t len;
    struct nlmsghdr *msg; /* the message being built */
    struct {
        const char *what; /* for the error: "set address" */
        int ok_errno;     /* an answer that is fine too (EEXIST), or 0 */
    } steps[DV_NL_BATCH_STEPS];
    unsigned n;
    bool overflow;        /* reported by dv_nl_run */
};

void dv_nl_init(struct dv_nl_batch *batch);
/* Begin a message; BODY is its family header. */
void dv_nl_msg(struct dv_nl_batch *batch, const char *what, int ok_errno, uint16_t type,
               uint16_t flags, const void *body, size_t n);
void dv_nl_put(struct dv_nl_batch *batch, uint16_t type, const void *data, size_t n);
void dv_nl_u32(struct dv_nl_batch *batch, uint16_t type, uint32_t value);
void dv_nl_str(struct dv_nl_batch *batch, uint16_t type, const char *text);

/* A close-on-exec rtnetlink socket in the calling thread's network namespace. */
DV_CHECK int dv_rtnl_open(struct dv_error *err);
/* Send all and read the answers. The first step that failed is reported: "set address: text".
 * One caller at a time per FD. */
DV_CHECK int dv_nl_run(int fd, struct dv_nl_batch *batch, struct dv_error *err);

/* What an endpoint's interface gets inside its sandbox. */
struct dv_if_setup {
    uint32_t ifindex;
    const char *name;
    uint32_t mtu;                  /* 0 = leave */
    uint32_t addr;                 /* 0 = none */
    uint8_t prefix;
    uint32_t gateway;              /* 0 = no default route */
    const struct dv_route *routes; /* further ones, IPv4 */
    uint32_t n_routes, route_stride;
};
/* Put the messages of SETUP into BATCH: name and up, address, routes, default route (kept if the
 * sandbox has one already). INVALID if there are too many routes. */
DV_CHECK int dv_rtnl_setup_encode(const struct dv_if_setup *setup, struct dv_nl_batch *batch,
                                  struct dv_error *err);
/* The same, done: one system call to send and one or two to read. */
DV_CHECK int dv_rtnl_setup(int fd, const struct dv_if_setup *setup, struct dv_error *err);
/* Set interface IFINDEX up: index 1 is the loopback of a new namespace. */
DV_CHECK int dv_rtnl_up(int fd, uint32_t ifindex, struct dv_error *err);
/* Give a host interface its address; 0 if it has it. */
DV_CHECK int dv_rtnl_add_addr(int fd, uint32_t ifindex, struct dv_net4 addr, struct dv_error *err);
/* All IPv4 addresses and routes of the namespace, whatever table they are in; caller frees *RET. */
DV_CHECK int dv_rtnl_taken(int fd, struct dv_net4 **ret, size_t *ret_n, struct dv_error *err);
