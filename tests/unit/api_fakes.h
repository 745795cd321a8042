/* api_fakes.h - an engine with one container, "web", for tests of the API server: it does nothing
 * but note what it was asked. */
#pragma once

#include <pthread.h>

#include "core/container/container.h"
#include "core/daemon/engine.h"

struct fake {
    struct dv_engine engine;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum dv_status status;
    bool tty;
    int started, stopped, removed, killed_by, waits, cancelled_waits, followers, loads, block_stop;
    int64_t stop_timeout;
    int attached, client_fd;      /* how often; the last one's socket */
    char early[64];
    size_t n_early;
    unsigned attach_flags;
    bool attach_fails;
    const char *held_rest;        /* of an attach behind the log; NULL: the container does not run */
    int released;
    dv_wait_fn *wait_fn;
    void *wait_arg;
    dv_follow_fn *follow_fn;
    void *follow_arg;
    char log_dir[64];
    int loaded_bytes;
    int saves;                    /* that are open */
    bool shutdown;
    size_t n_images, n_networks;  /* of those that api_fakes.c knows; 0 at first */
    bool image_used;
    char event[200];              /* "TYPE ACTION", the last one */
    char removed_image[200];
};
extern struct fake fake;
void fake_reset(void);
/* Wait (5 s at most) until *VALUE is WANTED; false if it never was. */
bool fake_until(const int *value, int wanted);
