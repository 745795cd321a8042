/* restart.h - restart policies: Docker's rules, its back-off, and the waiting between two runs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

struct dv_container;
struct dv_containers;

/* HostConfig.RestartPolicy.Name. */
enum dv_restart_policy {
    DV_RESTART_NO,
    DV_RESTART_ALWAYS,
    DV_RESTART_ON_FAILURE,
    DV_RESTART_UNLESS_STOPPED,
};

/* "" and NULL are "no". INVALID with Docker's text for an unknown name, or a MAX that does not fit. */
DV_CHECK int dv_restart_parse(const char *name, int64_t max, enum dv_restart_policy *ret,
                              struct dv_error *err);
/* Shall a container go on after an exit? COUNT: how often it was restarted so far. */
bool dv_restart_wanted(enum dv_restart_policy policy, int64_t max, int64_t exit_code,
                       int64_t count, bool stopped_by_user);
/* How long to wait before the next run, where LAST_NS (0: none) was waited for the last one, which
 * then took RAN_NS. */
uint64_t dv_restart_delay(uint64_t last_ns, uint64_t ran_ns);

/* ---- under c->lock ---- */
/* C has ended with its exit code and times on record: is it to be restarted? Then it is RESTARTING,
 * counted, and *RET_TURN names this restart for dv_restart_schedule(). */
bool dv_restart_begin(struct dv_container *c, uint64_t *ret_turn);
/* A container that davitd found ended at its start. */
bool dv_restart_found(struct dv_container *c, uint64_t *ret_turn);
/* The user (or a shutdown) ends the restarts: one that was awaited is given up, waiters are told. */
void dv_restart_cancel(struct dv_container *c);

/* ---- under no lock; any thread ---- */
/* Start C in its back-off time, unless it was cancelled. */
void dv_restart_schedule(struct dv_container *c, uint64_t turn);

/* The thread that starts them. */
DV_CHECK int dv_restarts_open(struct dv_containers *cs, struct dv_error *err);
/* At the close, in the loop's thread: what waits is resumed by the next daemon. */
void dv_restarts_close(struct dv_containers *cs);
