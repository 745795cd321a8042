/* containers.h - what the container handlers share. */
#pragma once

#include "core/api/build.h"
#include "core/api/request.h"
#include "core/container/container.h"

static inline void dv_cleanup_container(struct dv_container **c)
{
    if (*c)
        dv_container_unref(*c);
}
#define dv_autocontainer __attribute__((cleanup(dv_cleanup_container))) struct dv_container
static inline void dv_cleanup_view(struct dv_container_view *v)
{
    dv_container_view_done(v);
}
#define dv_autoview __attribute__((cleanup(dv_cleanup_view))) struct dv_container_view

/* The container that {id} names; new reference. */
DV_CHECK int dv_request_container(struct dv_request *req, struct dv_container **ret,
                                  struct dv_error *err);
bool dv_status_is_up(enum dv_status status);                /* has processes */
/* NetworkSettings.Networks: by network name. */
json_object *dv_networks_json(struct dv_engine *engine, const struct dv_container_view *view,
                              unsigned version);
/* Mounts of inspect and lists. */
json_object *dv_mounts_json(const struct dv_container_view *view);
/* INVALID unless it is a signal's name or number; 0 for NULL or "". */
DV_CHECK int dv_signal_of(const char *text, int *ret, struct dv_error *err);
/* Answer an attach that begins with the log; A has flags and keys. GOES_ON: with what comes,
 * too. C is taken. */
DV_CHECK int dv_attach_behind_log(struct dv_request *req, struct dv_container *c,
                                  const struct dv_attach *a, bool goes_on, struct dv_error *err);
/* "ctrl-p,ctrl-q", "a,ctrl-@": bytes in RET; INVALID otherwise. */
DV_CHECK int dv_detach_keys(const char *text, char ret[DV_DETACH_KEYS_MAX], size_t *ret_n,
                            struct dv_error *err);
