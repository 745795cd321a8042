/* sock.h - SOCK_SEQPACKET and stream unix sockets with descriptors, under paths of any length. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/limits.h"
#include "core/base/msg.h"

/* Bind (removing a stale file of that name first) and listen on DIR_FD/NAME, through
 * /proc/self/fd/N/NAME, so that the 108 bytes of sun_path suffice for any directory. TYPE:
 * SOCK_SEQPACKET or SOCK_STREAM. New descriptor (close-on-exec, nonblocking). */
DV_CHECK int dv_sock_listen(int dir_fd, const char *name, int type, mode_t mode,
                            struct dv_error *err);
/* Connect likewise (blocking, close-on-exec). NOT_FOUND: no such socket or nobody listens. */
DV_CHECK int dv_sock_connect(int dir_fd, const char *name, int type, struct dv_error *err);
DV_CHECK int dv_sock_pair(int type, int ret[2], struct dv_error *err);

/* Send one message with N_FDS descriptors (borrowed). UNAVAILABLE if the peer is gone, or, with
 * errno EAGAIN, where FD is nonblocking and its queue is full. */
DV_CHECK int dv_sock_send(int fd, const struct dv_msg_writer *w, const int *fds, size_t n_fds,
                          struct dv_error *err);

/* One received message; owns its bytes and descriptors (close-on-exec). */
struct dv_packet {
    struct dv_msg msg;
    int fds[DV_MAX_MSG_FDS];
    size_t n_fds;
    char *data;
};
#define dv_autopacket __attribute__((cleanup(dv_packet_done))) struct dv_packet
void dv_packet_done(struct dv_packet *p); /* closes what was not taken (set fds[i] = -1 to take) */
int dv_packet_take_fd(struct dv_packet *p, size_t i); /* -1 if there is none */
/* 1: a message; 0: peer closed; -DV_E_UNAVAILABLE with errno EAGAIN where FD is nonblocking and
 * nothing is there; other errors: INVALID (malformed, truncated), INTERNAL. P: zero before. */
DV_CHECK int dv_sock_recv(int fd, struct dv_packet *p, struct dv_error *err);
