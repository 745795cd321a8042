/* verdict.h - what is remembered of a plugin file between starts: that a probe found it good, or why
 * it is quarantined; and the mark that stands while it is being initialised. Small files in
 * <root>/plugins. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/base/error.h"

enum dv_verdict_state { DV_VERDICT_NONE, DV_VERDICT_GOOD, DV_VERDICT_QUARANTINED };
struct dv_verdict {
    enum dv_verdict_state state;
    bool initialised;                /* init() of this very file has come back before */
    uint64_t time_ns;                /* CLOCK_REALTIME */
    char reason[600];                /* quarantined: one sentence */
};
/* Tells a file from each other one, and from itself after a change. */
enum { DV_IDENTITY_BYTES = 160 };
void dv_verdict_identity(const struct stat *st, char out[DV_IDENTITY_BYTES]);

/* About the plugin NAME of KIND ("storage"), as long as it is the file IDENTITY and, for a good one,
 * as this version of the engine probed it; else *RET is NONE. DIR_FD -1: nothing is remembered. */
void dv_verdict_read(int dir_fd, const char *kind, const char *name, const char *identity,
                     struct dv_verdict *ret);
/* What cannot be written is logged: then the next start probes again. */
void dv_verdict_write(int dir_fd, const char *kind, const char *name, const char *identity,
                      const struct dv_verdict *verdict);
/* The mark: a start that finds it knows that the one before ended while that plugin was in init().
 * STRIKES: how many starts in a row did so before this one. DURABLE: it outlives a crash of the
 * machine, too. */
void dv_verdict_mark(int dir_fd, const char *kind, const char *name, const char *identity,
                     unsigned strikes, bool durable);
/* How many starts in a row ended in init() of that file, and when the last one began; 0: there is no
 * mark. One for another file is removed. */
unsigned dv_verdict_marked(int dir_fd, const char *kind, const char *name, const char *identity,
                           uint64_t *ret_ns);
void dv_verdict_unmark(int dir_fd, const char *kind, const char *name);
/* Verdict and mark. */
void dv_verdict_forget(int dir_fd, const char *kind, const char *name);
