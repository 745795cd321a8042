/* ps.h - what `ps` prints of some processes: its arguments understood, its columns from /proc. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "core/base/str.h"

enum { DV_PS_MAX_COLUMNS = 32 };

/* The columns that ps's arguments ask for; indexes into one table. */
struct dv_ps_format {
    uint8_t columns[DV_PS_MAX_COLUMNS];
    size_t n;
};
/* ARGS: "" or "-ef", "-f", "-e", "aux", or "-o NAME,NAME..." with -e, -a, -x, -A beside it. INVALID,
 * naming it, for what davit does not know, and where no column is the PID, as Docker says it. */
DV_CHECK int dv_ps_parse(const char *args, struct dv_ps_format *ret, struct dv_error *err);
const char *dv_ps_title(const struct dv_ps_format *format, size_t column);

/* Some of /proc/PID/stat, by the numbers of proc_pid_stat(5). */
struct dv_proc_stat {
    char comm[64], state;                               /* 2, 3 */
    int64_t pid, ppid, pgrp, session, tty_nr, tpgid;    /* 1, 4 to 8 */
    uint64_t utime, stime;                              /* 14, 15: clock ticks */
    int64_t priority, nice, n_threads;                  /* 18 to 20 */
    uint64_t start_time, vsize_bytes;                   /* 22, 23 */
    int64_t rss_pages;                                  /* 24 */
};
/* -1 if TEXT is none. A name may hold anything, ")" and line breaks too. */
DV_CHECK int dv_proc_stat_parse(const char *text, struct dv_proc_stat *ret);

/* What is true of the host for all rows. */
struct dv_ps_host {
    uint64_t now_ns, boot_ns, ticks_per_s, page_bytes, memory_bytes;
    char *passwd;                                       /* /etc/passwd, or NULL */
};
void dv_ps_host_look(struct dv_ps_host *ret);
void dv_ps_host_done(struct dv_ps_host *host);
/* The cells of one process; 0: it is gone. */
DV_CHECK int dv_ps_row(const struct dv_ps_format *format, const struct dv_ps_host *host, pid_t pid,
                       struct dv_strv *ret, struct dv_error *err);
