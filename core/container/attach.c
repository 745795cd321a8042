/* attach.c - clients of a container's streams: parked until the start, then the shim's. */
#include <poll.h>
#include <stdlib.h>

#include "core/base/sock.h"
#include "core/container/internal.h"

/* All go to the shim in one message, beside the other descriptors of a start. */
enum { PENDING_MAX = 24 };

int dv_container_attach_check(struct dv_container *c, struct dv_error *err)
{
    int r = 0;

    dv_lock_take(&c->lock);
    if (c->status == DV_PAUSED)
        r = dv_fail(err, DV_E_CONFLICT,
                    "container %s is paused, unpause the container before attach", c->id);
    else if (c->status == DV_RESTARTING)
        r = dv_fail(err, DV_E_CONFLICT,
                    "container %s is restarting, wait until the container is running", c->id);
    dv_lock_drop(&c->lock);
    return r;
}

static void pending_free(struct pending_client *p)
{
    dv_close(p->fd);
    free(p->detach_keys);
    free(p->early);
    free(p);
}

void dv_pending_close(struct dv_container *c)
{
    while (c->pending) {
        struct pending_client *p = c->pending;

        c->pending = p->next;
        pending_free(p);
    }
}

static char *copy(const char *data, size_t n)
{
    char *p = malloc(n + 1);

    if (p && n)
        memcpy(p, data, n);
    return p;
}

/* Nobody watches a parked client: those that left are noticed when another comes. */
static size_t drop_gone(struct dv_container *c)
{
    struct pending_client **at = &c->pending;
    size_t n = 0;

    while (*at) {
        struct pending_client *p = *at;
        struct pollfd poller = { .fd = p->fd };

        if (poll(&poller, 1, 0) > 0 && poller.revents & (POLLHUP | POLLERR)) {
            *at = p->next;
            pending_free(p);
        } else {
            at = &p->next;
            n++;
        }
    }
    return n;
}

/* Under c->lock. Owns a->fd on success. */
static int park(struct dv_container *c, const struct dv_attach *a, struct dv_error *err)
{
    struct pending_client *p, **last = &c->pending;

    if (drop_gone(c) >= PENDING_MAX)
        return dv_fail(err, DV_E_CONFLICT,
                       "container %s: %d clients wait for its start already", c->id, PENDING_MAX);
    p = calloc(1, sizeof(*p));
    if (!p)
        return dv_fail(err, DV_E_NO_MEMORY, "attach to container %s", c->id);
    p->fd = -1;
    p->flags = a->flags;
    if (a->detach_keys) {
        p->detach_keys = copy(a->detach_keys, a->n_detach_keys);
        p->n_detach_keys = a->n_detach_keys;
    }
    p->early = copy(a->early, a->n_early);
    p->n_early = a->n_early;
    if (!p->early || (a->detach_keys && !p->detach_keys)) {
        pending_free(p);
        return dv_fail(err, DV_E_NO_MEMORY, "attach to container %s", c->id);
    }
    p->fd = a->fd;
    while (*last)
        last = &(*last)->next;
    *last = p;
    return 0;
}

void dv_held_done(struct dv_held *held)
{
    for (size_t i = 0; i < N(held->rest); i++)
        free(held->rest[i]);
    *held = (struct dv_held){ 0 };
}

static int take_held(const struct dv_msg *answer, struct dv_held *held, struct dv_error *err)
{
    static const uint16_t tags[] = { DV_ST_REST_OUT, DV_ST_REST_ERR };

    held->token = dv_msg_get_u64(answer, DV_ST_TOKEN, 0);
    for (size_t i = 0; i < N(tags); i++) {
        struct dv_field f;

        if (!dv_msg_find(answer, tags[i], &f))
            continue;
        held->rest[i] = copy((const char *)f.data, f.len);
        held->n_rest[i] = f.len;
        if (!held->rest[i])
            return dv_fail(err, DV_E_NO_MEMORY, "attach behind the log");
    }
    return 0;
}

static int hand_over(struct dv_container *c, struct dv_attach *a, struct dv_error *err)
{
    static const char default_keys[] = { 16, 17 }; /* ^P ^Q */
    struct dv_msg_writer w;
    dv_autopacket answer = { 0 };
    int r;

    dv_msg_begin(&w, DV_SHIM_ATTACH, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_ATTACH_FLAGS, a->flags | (a->held ? DV_ATTACH_HELD : 0u));
    dv_msg_bytes(&w, DV_ST_DETACH_KEYS, a->detach_keys ? a->detach_keys : default_keys,
                 a->detach_keys ? a->n_detach_keys : sizeof(default_keys));
    if (a->n_early)
        dv_msg_bytes(&w, DV_ST_EARLY, a->early, a->n_early);
    r = dv_shim_request(c, &w, &a->fd, 1, &answer, NULL, err);
    dv_msg_done(&w);
    if (r == 0)
        dv_close(a->fd); /* the shim has its own now */
    if (r == 0 && a->held)
        r = take_held(&answer.msg, a->held, err);
    return r;
}

int dv_container_attach_release(struct dv_container *c, uint64_t token, struct dv_error *err)
{
    struct dv_msg_writer w;
    dv_autopacket answer = { 0 };
    int r;

    dv_msg_begin(&w, DV_SHIM_RELEASE, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_TOKEN, token);
    r = dv_shim_request(c, &w, NULL, 0, &answer, NULL, err);
    dv_msg_done(&w);
    return r;
}

int dv_container_attach(struct dv_container *c, struct dv_attach *a, struct dv_error *err)
{
    bool up;
    int r = 0;

    /* A start hands over what is parked in one step (start.c), so whoever comes while one is under
     * way waits for its end. */
    dv_lock_take(&c->lock);
    while (c->busy && !c->removed && !c->shim && dv_streq(c->busy, "start"))
        (void)dv_lock_wait(&c->lock, &c->changed, 0);
    up = c->shim && (c->status == DV_RUNNING || c->status == DV_PAUSED);
    if (c->removed)
        r = dv_fail(err, DV_E_NOT_FOUND, "No such container: %s", c->id);
    else if (!up)
        r = park(c, a, err);
    dv_lock_drop(&c->lock);
    if (r == 0 && up)
        r = hand_over(c, a, err);
    if (r == 0)
        dv_container_emit(c, "attach", NULL);
    return r;
}

int dv_container_resize(struct dv_container *c, unsigned rows, unsigned cols, struct dv_error *err)
{
    struct dv_msg_writer w;
    dv_autopacket answer = { 0 };
    int r;

    dv_msg_begin(&w, DV_SHIM_RESIZE, 0, DV_MAX_MSG_BYTES);
    dv_msg_u64(&w, DV_ST_ROWS, rows);
    dv_msg_u64(&w, DV_ST_COLS, cols);
    r = dv_shim_request(c, &w, NULL, 0, &answer, NULL, err);
    dv_msg_done(&w);
    if (r == 0)
        dv_container_emit(c, "resize", NULL);
    return r;
}
