/* client.h - an attached client: the socket of a hijacked connection, with its bounded queue. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/shim/detach_keys.h"

struct dv_msg;
struct dv_session;
struct dv_timer;
struct dv_watch;

struct dv_client {
    struct dv_client *next;
    struct dv_session *session;
    int fd;
    unsigned flags;            /* DV_ATTACH_* */
    struct dv_watch *watch;
    uint32_t events;           /* what it is watched for */
    struct dv_buf queue;
    size_t head;               /* bytes of QUEUE already sent */
    bool input_ended;          /* its half-close, or nothing is read from it */
    bool hung;                 /* the peer is gone: no output any more, input to its end */
    bool gone;                 /* closed; freed when the event is over */
    uint64_t token;            /* not 0: held, davitd writes to the socket yet */
    struct dv_keys keys;
    struct dv_timer *stall;
    uint64_t progress_ns;      /* when it last took a byte, or began to be waited for */
};

/* Attach FD (taken, also on failure). ASK has ATTACH_FLAGS, DETACH_KEYS and EARLY. */
DV_CHECK int dv_client_add(struct dv_session *session, int fd, const struct dv_msg *ask,
                           struct dv_error *err);
/* Queue a piece of output of STREAM; nothing if the client did not ask for it. */
void dv_client_put(struct dv_client *client, uint8_t stream, const char *data, size_t n);
bool dv_client_full(const struct dv_client *client);    /* the container should wait for it */
bool dv_client_crammed(const struct dv_client *client); /* one more read would not fit */
/* Must output wait for this one to be released? */
bool dv_client_is_held(const struct dv_client *client);
/* Release the one with TOKEN; false: there is none. */
bool dv_clients_release(struct dv_client *list, uint64_t token);
/* Whoever would release them is gone, or has had its time. */
void dv_clients_drop_held(struct dv_client *list);
bool dv_client_flushed(const struct dv_client *client); /* nothing queued, or nobody to take it */
/* Let it go on where it can: called after each event, since stdin may have room again. */
void dv_client_update(struct dv_client *client);
/* Output is over: close, with everything sent or not. */
void dv_client_close(struct dv_client *client);
void dv_client_free(struct dv_client *client);
/* Close the gone ones of a list for good; true if any were. */
bool dv_clients_reap(struct dv_client **list);
/* Write TEXT and the end to a client that never got a session; FD is taken. */
void dv_client_refuse(int fd, unsigned flags, const char *text);
