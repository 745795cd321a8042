/* nl.h - rtnetlink for the bridge driver: messages in one send, and what a link is. */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NL_BATCH_BYTES = 2048, NL_BATCH_STEPS = 4, NL_ALIAS_BYTES = 256 };

struct nl_link {
    uint32_t ifindex;       /* 0: no such link */
    uint32_t peer_ifindex;  /* a veth's other end, in its own namespace */
    int32_t peer_nsid;      /* id of that namespace as this one sees it; -1 = none */
    uint8_t mac[6];
    char name[16], kind[16];
    char alias[NL_ALIAS_BYTES];
};

struct nl_batch {
    _Alignas(NLMSG_ALIGNTO) char data[NL_BATCH_BYTES];
    size_t len;
    struct nlmsghdr *msg;   /* under construction */
    unsigned n;
    bool overflow;
};
/* What the kernel said to each message. */
struct nl_result {
    int errnos[NL_BATCH_STEPS];
    struct nl_link link;    /* of the last link that was asked for */
    int32_t nsid;           /* of the last namespace that was asked for */
    char text[160];         /* its own words about the first failure, "" if none */
};

void nl_init(struct nl_batch *b);
void nl_msg(struct nl_batch *b, uint16_t type, uint16_t flags, const void *body, size_t n);
void nl_put(struct nl_batch *b, uint16_t type, const void *data, size_t n);
void nl_u32(struct nl_batch *b, uint16_t type, uint32_t value);
void nl_str(struct nl_batch *b, uint16_t type, const char *text);
/* NULL when full; nl_nest_end takes it. */
struct nlattr *nl_nest(struct nl_batch *b, uint16_t type);
void nl_nest_end(struct nl_batch *b, struct nlattr *nest);
/* Room for N bytes inside a nest that are no attribute (a veth peer's header). */
void nl_raw(struct nl_batch *b, const void *data, size_t n);

/* A socket in the calling thread's namespace; -1 and errno. */
int nl_open(void);
/* Send all, read all answers. 0, or -1 and errno where nothing could be sent or read at all. One
 * caller at a time. */
int nl_run(int fd, struct nl_batch *b, struct nl_result *ret);
/* FN for each link of the namespace; non-zero ends it and is returned. -1 and errno on failure;
 * EINTR: links came or went meanwhile, and FN may have missed some. */
int nl_each_link(int fd, int (*fn)(const struct nl_link *link, void *arg), void *arg);
