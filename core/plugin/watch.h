/* watch.h - the watchdog over driver calls: sees which call does not come back, without a thread or
 * a system call for each.
 *
 * A call writes its deadline into a slot of its driver; one thread looks at the slots once a second
 * while calls are under way, and sleeps otherwise. At its deadline a call's cancel_fd becomes
 * readable; a call that overruns by the grace makes its driver stuck until it comes back. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/plugin/load.h"

enum {
    DV_CALL_SECONDS = 120,           /* deadline of a call where the config says nothing else */
    DV_CALL_GRACE_SECONDS = 30,      /* beyond it, or the deadline again where that is shorter */
};

struct dv_watchdog;
/* LIMIT_NS: the deadline of a call. The thread starts with the first call. */
struct dv_watchdog *dv_watchdog_new(uint64_t limit_ns); /* NULL: no memory */
/* After the last call of every driver; frees their tables, too. */
void dv_watchdog_free(struct dv_watchdog *dog);

/* The table of one driver's calls; lives as long as the watchdog. NAME: "storage driver 'x'", copied. */
struct dv_calls *dv_calls_new(struct dv_watchdog *dog, const char *name);
/* The driver is closed: its table is looked at no more. */
void dv_calls_retire(struct dv_calls *calls);

/* All below take NULL for "no watchdog". */
void dv_calls_enter(struct dv_calls *calls, struct dv_call *c);
void dv_calls_leave(struct dv_call *c);
void dv_calls_extend(struct dv_call *c, unsigned times);
/* The driver reports progress: the deadline begins anew. */
void dv_calls_renew(struct dv_call *c);
/* Descriptor that becomes readable at C's deadline, made at the first question; -1 if it cannot. */
int dv_calls_cancel_fd(struct dv_call *c);
/* True, and UNAVAILABLE recorded in ERR, while a call does not come back. */
bool dv_calls_stuck(struct dv_calls *calls, struct dv_error *err);
/* Remember what the driver did wrong last. */
void dv_calls_complain(struct dv_calls *calls, const char *what);

/* A consistent copy of what is known. */
struct dv_calls_info {
    bool stuck;
    uint64_t since_ns;               /* stuck since then, CLOCK_REALTIME */
    char why[200];                   /* "" unless stuck */
    char complaint[200];             /* "" if it never misbehaved */
    uint64_t total;                  /* calls so far */
    unsigned under_way;
};
void dv_calls_info(struct dv_calls *calls, struct dv_calls_info *ret);
