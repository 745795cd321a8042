/* ps.c - what `ps` prints of some processes: its arguments understood, its columns from /proc. */
#include "core/container/ps.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/time.h"

enum {
    STAT_MAX_BYTES = 4096,
    COMMAND_MAX_BYTES = 32 << 10,
    PASSWD_MAX_BYTES = 4 << 20,
    NAME_CHARS = 8,                  /* a longer user name ends in "+" */
    CELL_BYTES = 64,
};

/* One process, looked at once for all of its cells. */
struct process {
    const struct dv_ps_host *host;
    struct dv_proc_stat stat;
    uid_t uid;
    gid_t gid;
    char *command;
    uint64_t start_ns;               /* since 1970 */
};

typedef void cell_fn(const struct process *p, char out[CELL_BYTES]);

/* ---- cells ---- */

#define NUMBER_CELL(name, value)                                                                   \
    static void name(const struct process *p, char out[CELL_BYTES])                                \
    {                                                                                              \
        snprintf(out, CELL_BYTES, "%lld", (long long)(value));                                     \
    }
NUMBER_CELL(put_pid, p->stat.pid)
NUMBER_CELL(put_ppid, p->stat.ppid)
NUMBER_CELL(put_pgid, p->stat.pgrp)
NUMBER_CELL(put_sid, p->stat.session)
NUMBER_CELL(put_uid, p->uid)
NUMBER_CELL(put_gid, p->gid)
NUMBER_CELL(put_nice, p->stat.nice)
NUMBER_CELL(put_pri, 39 - p->stat.priority)
NUMBER_CELL(put_nlwp, p->stat.n_threads)
NUMBER_CELL(put_vsz, p->stat.vsize_bytes / 1024)
NUMBER_CELL(put_rss, (uint64_t)p->stat.rss_pages * p->host->page_bytes / 1024)

/* "name:x:uid:..." of the host's file: a name service is not asked, it may take for ever. */
static bool find_name(const char *passwd, uid_t uid, char out[CELL_BYTES])
{
    for (const char *line = passwd; line && *line; line = strchr(line, '\n')) {
        unsigned long found;
        const char *x;

        line += *line == '\n';
        x = strchr(line, ':');
        x = x ? strchr(x + 1, ':') : NULL;
        if (!x || sscanf(x + 1, "%lu:", &found) != 1 || found != uid)
            continue;
        snprintf(out, CELL_BYTES, "%.*s", (int)strcspn(line, ":\n"), line);
        return *out != '\0';
    }
    return false;
}

static void put_user(const struct process *p, char out[CELL_BYTES])
{
    if (!find_name(p->host->passwd, p->uid, out))
        snprintf(out, CELL_BYTES, "%u", p->uid);
    else if (strlen(out) > NAME_CHARS)
        memcpy(out + NAME_CHARS - 1, "+", 2);
}

static void put_comm(const struct process *p, char out[CELL_BYTES])
{
    snprintf(out, CELL_BYTES, "%s", p->stat.comm);
}

static void put_state(const struct process *p, char out[CELL_BYTES])
{
    snprintf(out, CELL_BYTES, "%c", p->stat.state);
}

static void put_stat(const struct process *p, char out[CELL_BYTES])
{
    const struct dv_proc_stat *s = &p->stat;

    snprintf(out, CELL_BYTES, "%c%s%s%s%s", s->state, s->nice < 0 ? "<" : s->nice > 0 ? "N" : "",
             s->session == s->pid ? "s" : "", s->n_threads > 1 ? "l" : "",
             s->tty_nr && s->tpgid == s->pgrp ? "+" : "");
}

/* Device numbers of the kernel's devices.txt: 136 to 143 are the pseudo-terminals. */
static void put_tty(const struct process *p, char out[CELL_BYTES])
{
    unsigned nr = (unsigned)p->stat.tty_nr, major_nr = nr >> 8 & 0xfff;
    unsigned minor_nr = (nr & 0xff) | (nr >> 12 & 0xfff00);

    if (major_nr >= 136 && major_nr <= 143)
        snprintf(out, CELL_BYTES, "pts/%u", (major_nr - 136) * 256 + minor_nr);
    else if (major_nr == 4)
        snprintf(out, CELL_BYTES, minor_nr < 64 ? "tty%u" : "ttyS%u", minor_nr % 64);
    else
        snprintf(out, CELL_BYTES, "?");
}

static uint64_t cpu_seconds(const struct process *p)
{
    return (p->stat.utime + p->stat.stime) / p->host->ticks_per_s;
}

static uint64_t elapsed_seconds(const struct process *p)
{
    return p->host->now_ns > p->start_ns ? (p->host->now_ns - p->start_ns) / 1000000000 : 0;
}

static void put_span(uint64_t s, bool hours, char out[CELL_BYTES])
{
    unsigned long long days = s / 86400, h = s / 3600 % 24, m = s / 60 % 60;

    if (days)
        snprintf(out, CELL_BYTES, "%llu-%02llu:%02llu:%02llu", days, h, m,
                 (unsigned long long)(s % 60));
    else if (hours || h)
        snprintf(out, CELL_BYTES, "%02llu:%02llu:%02llu", h, m, (unsigned long long)(s % 60));
    else
        snprintf(out, CELL_BYTES, "%02llu:%02llu", m, (unsigned long long)(s % 60));
}

static void put_time(const struct process *p, char out[CELL_BYTES])
{
    put_span(cpu_seconds(p), true, out);
}

static void put_bsd_time(const struct process *p, char out[CELL_BYTES])
{
    uint64_t s = cpu_seconds(p);

    snprintf(out, CELL_BYTES, "%llu:%02llu", (unsigned long long)(s / 60),
             (unsigned long long)(s % 60));
}

static void put_etime(const struct process *p, char out[CELL_BYTES])
{
    put_span(elapsed_seconds(p), false, out);
}

/* Of the process's whole life, in thousandths. */
static uint64_t cpu_permille(const struct process *p)
{
    uint64_t s = elapsed_seconds(p);

    return s ? (p->stat.utime + p->stat.stime) * 1000 / p->host->ticks_per_s / s : 0;
}

static void put_c(const struct process *p, char out[CELL_BYTES])
{
    uint64_t percent = cpu_permille(p) / 10;

    snprintf(out, CELL_BYTES, "%llu", (unsigned long long)(percent < 99 ? percent : 99));
}

static void put_permille(uint64_t permille, char out[CELL_BYTES])
{
    snprintf(out, CELL_BYTES, "%llu.%llu", (unsigned long long)(permille / 10),
             (unsigned long long)(permille % 10));
}

static void put_pcpu(const struct process *p, char out[CELL_BYTES])
{
    put_permille(cpu_permille(p), out);
}

static void put_pmem(const struct process *p, char out[CELL_BYTES])
{
    uint64_t bytes = (uint64_t)p->stat.rss_pages * p->host->page_bytes;

    put_permille(p->host->memory_bytes ? bytes * 1000 / p->host->memory_bytes : 0, out);
}

/* "11:19" today, "Nov23" before that, the year where it is another one. */
static void put_start(const struct process *p, char out[CELL_BYTES])
{
    time_t then = (time_t)(p->start_ns / 1000000000), now = (time_t)(p->host->now_ns / 1000000000);
    struct tm t, today;

    localtime_r(&then, &t);
    localtime_r(&now, &today);
    strftime(out, CELL_BYTES,
             t.tm_year != today.tm_year   ? "%Y"
             : t.tm_yday != today.tm_yday ? "%b%d"
                                          : "%H:%M",
             &t);
}

static void put_lstart(const struct process *p, char out[CELL_BYTES])
{
    time_t then = (time_t)(p->start_ns / 1000000000);
    struct tm t;

    localtime_r(&then, &t);
    strftime(out, CELL_BYTES, "%a %b %e %H:%M:%S %Y", &t);
}

/* ---- the columns ---- */

/* Names are ps's own for -o; those of one column stand together. The command has no function: it
 * may be long. The last ones are the shapes that only -ef and aux show. */
static const struct column {
    const char *name, *title;
    cell_fn *put;
} columns[] = {
    { "args", "COMMAND", NULL },     { "cmd", "CMD", NULL },          { "command", "COMMAND", NULL },
    { "c", "C", put_c },             { "comm", "COMMAND", put_comm }, { "ucmd", "CMD", put_comm },
    { "etime", "ELAPSED", put_etime }, { "gid", "GID", put_gid },     { "egid", "EGID", put_gid },
    { "lstart", "STARTED", put_lstart }, { "ni", "NI", put_nice },    { "nice", "NI", put_nice },
    { "nlwp", "NLWP", put_nlwp },    { "thcount", "THCNT", put_nlwp }, { "pcpu", "%CPU", put_pcpu },
    { "%cpu", "%CPU", put_pcpu },    { "pgid", "PGID", put_pgid },    { "pgrp", "PGRP", put_pgid },
    { "pid", "PID", put_pid },       { "tgid", "TGID", put_pid },     { "pmem", "%MEM", put_pmem },
    { "%mem", "%MEM", put_pmem },    { "ppid", "PPID", put_ppid },    { "pri", "PRI", put_pri },
    { "rss", "RSS", put_rss },       { "rssize", "RSS", put_rss },    { "s", "S", put_state },
    { "state", "S", put_state },     { "stat", "STAT", put_stat },    { "sess", "SESS", put_sid },
    { "sid", "SID", put_sid },       { "start_time", "START", put_start },
    { "stime", "STIME", put_start }, { "time", "TIME", put_time },    { "cputime", "TIME", put_time },
    { "tname", "TTY", put_tty },     { "tt", "TT", put_tty },         { "tty", "TT", put_tty },
    { "uid", "UID", put_uid },       { "euid", "EUID", put_uid },     { "user", "USER", put_user },
    { "uname", "USER", put_user },   { "euser", "EUSER", put_user },  { "vsz", "VSZ", put_vsz },
    { "vsize", "VSZ", put_vsz },     { " uid", "UID", put_user },     { " time", "TIME", put_bsd_time },
    { " tty", "TTY", put_tty },
};

/* Arguments that stand for columns; "-e" and its like only choose processes, and all are the
 * container's. */
static const struct {
    const char *args, *names;
} styles[] = {
    { "", " uid,pid,ppid,c,stime, tty,time,cmd" },
    { "-ef", " uid,pid,ppid,c,stime, tty,time,cmd" },
    { "-eaf", " uid,pid,ppid,c,stime, tty,time,cmd" },
    { "-f", " uid,pid,ppid,c,stime, tty,time,cmd" },
    { "-fe", " uid,pid,ppid,c,stime, tty,time,cmd" },
    { "-Af", " uid,pid,ppid,c,stime, tty,time,cmd" },
    { "-e", "pid, tty,time,ucmd" },
    { "-A", "pid, tty,time,ucmd" },
    { "ax", "pid, tty,stat, time,args" },
    { "-ax", "pid, tty,stat, time,args" },
    { "x", "pid, tty,stat, time,args" },
    { "aux", "user,pid,%cpu,%mem,vsz,rss, tty,stat,start_time, time,args" },
    { "-aux", "user,pid,%cpu,%mem,vsz,rss, tty,stat,start_time, time,args" },
    { "auxw", "user,pid,%cpu,%mem,vsz,rss, tty,stat,start_time, time,args" },
    { "auxww", "user,pid,%cpu,%mem,vsz,rss, tty,stat,start_time, time,args" },
    { "u", "user,pid,%cpu,%mem,vsz,rss, tty,stat,start_time, time,args" },
};
/* Beside -o: no columns of their own. */
static const char *const selections[] = { "-e", "-A", "-a", "-x", "-ax", "a", "x", "ax", "-w",
                                          "-ww", "w", "ww" };

static int add_column(struct dv_ps_format *format, const char *name, struct dv_error *err)
{
    size_t i = 0;

    while (i < N(columns) && !dv_streq(columns[i].name, name))
        i++;
    if (i == N(columns) && strchr(name, '='))
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "ps option '-o %s': columns cannot be renamed in davit's top", name);
    if (i == N(columns))
        return dv_fail(err, DV_E_INVALID, "unknown ps column '%s'; davit's top knows pid, ppid, "
                       "user, uid, comm, args, stat, tty, time, etime, pcpu, pmem, rss, vsz and "
                       "their like", name);
    if (format->n == N(format->columns))
        return dv_fail(err, DV_E_INVALID, "more than %d ps columns", DV_PS_MAX_COLUMNS);
    format->columns[format->n++] = (uint8_t)i;
    return 0;
}

static int add_columns(struct dv_ps_format *format, const char *names, struct dv_error *err)
{
    dv_autostrv list = { 0 };
    int r = 0;

    if (dv_strv_split(&list, names, ',') < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "read ps's arguments");
    for (size_t i = 0; i < list.n && r == 0; i++)
        r = add_column(format, list.items[i], err);
    return r;
}

static bool is_selection(const char *word)
{
    for (size_t i = 0; i < N(selections); i++)
        if (dv_streq(selections[i], word))
            return true;
    return false;
}

/* "-o", "-eo", "o", "-opid": the names behind it, "" for the next word; NULL: another option. */
static const char *names_of(const char *word)
{
    static const char *const prefixes[] = { "-eo", "-Ao", "-axo", "axo", "-o", "o" };

    for (size_t i = 0; i < N(prefixes); i++)
        if (dv_starts(word, prefixes[i]))
            return word + strlen(prefixes[i]);
    return NULL;
}

static int refuse(const char *args, struct dv_error *err)
{
    return dv_fail(err, DV_E_INVALID,
                   "ps arguments '%s' are not supported by davit's top; use -ef, aux, or -o with a "
                   "list of columns", args);
}

static int add_words(struct dv_ps_format *format, const struct dv_strv *words, const char *args,
                     struct dv_error *err)
{
    int r = 0;

    for (size_t i = 0; i < words->n && r == 0; i++) {
        const char *names = names_of(words->items[i]);

        if (is_selection(words->items[i]))
            continue;
        if (names && !*names)
            names = ++i < words->n ? words->items[i] : NULL;
        r = names ? add_columns(format, names, err) : refuse(args, err);
    }
    return r == 0 && format->n == 0 ? refuse(args, err) : r;
}

static int need_pid(const struct dv_ps_format *format, struct dv_error *err)
{
    for (size_t i = 0; i < format->n; i++)
        if (dv_streq(columns[format->columns[i]].title, "PID"))
            return 0;
    return dv_fail(err, DV_E_INVALID, "Couldn't find PID field in ps output");
}

int dv_ps_parse(const char *args, struct dv_ps_format *ret, struct dv_error *err)
{
    dv_autostrv words = { 0 };
    int r;

    *ret = (struct dv_ps_format){ .n = 0 };
    for (size_t i = 0; i < N(styles); i++)
        if (dv_streq(styles[i].args, args))
            return add_columns(ret, styles[i].names, err);
    if (dv_strv_words(&words, args, ' ') < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "read ps's arguments");
    r = add_words(ret, &words, args, err);
    return r < 0 ? r : need_pid(ret, err);
}

const char *dv_ps_title(const struct dv_ps_format *format, size_t column)
{
    return columns[format->columns[column]].title;
}

/* ---- processes ---- */

int dv_proc_stat_parse(const char *text, struct dv_proc_stat *ret)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    struct dv_proc_stat s = { 0 };
    long long pid, ppid, pgrp, session, tty_nr, tpgid, priority, nice_value, n_threads, rss;
    unsigned long long utime, stime, start, vsize;

    if (!open || !close || close < open || sscanf(text, "%lld", &pid) != 1 ||
        sscanf(close + 1,
               " %c %lld %lld %lld %lld %lld %*u %*u %*u %*u %*u %llu %llu %*d %*d %lld %lld %lld "
               "%*d %llu %llu %lld",
               &s.state, &ppid, &pgrp, &session, &tty_nr, &tpgid, &utime, &stime, &priority,
               &nice_value, &n_threads, &start, &vsize, &rss) != 14)
        return -1;
    snprintf(s.comm, sizeof(s.comm), "%.*s", (int)(close - open - 1), open + 1);
    s.pid = pid, s.ppid = ppid, s.pgrp = pgrp, s.session = session;
    s.tty_nr = tty_nr, s.tpgid = tpgid, s.utime = utime, s.stime = stime;
    s.priority = priority, s.nice = nice_value, s.n_threads = n_threads;
    s.start_time = start, s.vsize_bytes = vsize, s.rss_pages = rss < 0 ? 0 : rss;
    *ret = s;
    return 0;
}

/* A process names itself as it likes: JSON and terminals get valid text without control bytes. */
static void clean(char *text)
{
    size_t left = strlen(text);

    while (left) {
        size_t n = dv_utf8_len(text, left);

        if (n <= 1 && (n == 0 || (unsigned char)*text < 0x20 || *text == 0x7f))
            *text = '?';
        n = n ? n : 1;
        text += n;
        left -= n;
    }
}

/* The arguments with blanks between; "[name]" for a process that has none. */
static char *read_command(int dir_fd, const char *comm)
{
    dv_autoclose int fd = openat(dir_fd, "cmdline", O_RDONLY | O_CLOEXEC);
    dv_autofree char *text = calloc(1, COMMAND_MAX_BYTES + 1);
    ssize_t n = fd < 0 || !text ? 0 : read(fd, text, COMMAND_MAX_BYTES);

    if (!text)
        return NULL;
    while (n > 0 && !text[n - 1])
        n--;
    if (n <= 0)
        return dv_format("[%s]", comm);
    for (ssize_t i = 0; i < n; i++)
        if (!text[i])
            text[i] = ' ';
    clean(text);
    return dv_strdup(text);
}

/* 0: gone; 1: read. */
static int look(pid_t pid, struct process *p, struct dv_error *err)
{
    dv_autoclose int dir_fd = -1;
    dv_autofree char *text = NULL;
    struct dv_error ignored = { 0 };
    struct stat st;
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || fstat(dir_fd, &st) < 0 ||
        dv_read_file(dir_fd, "stat", STAT_MAX_BYTES, &text, NULL, &ignored) < 0 ||
        dv_proc_stat_parse(text, &p->stat) < 0)
        return 0;
    clean(p->stat.comm);
    p->uid = st.st_uid;
    p->gid = st.st_gid;
    p->start_ns = p->host->boot_ns +
                  p->stat.start_time * (UINT64_C(1000000000) / p->host->ticks_per_s);
    p->command = read_command(dir_fd, p->stat.comm);
    return p->command ? 1 : dv_fail(err, DV_E_NO_MEMORY, "list the processes");
}

int dv_ps_row(const struct dv_ps_format *format, const struct dv_ps_host *host, pid_t pid,
              struct dv_strv *ret, struct dv_error *err)
{
    struct process p = { .host = host };
    char cell[CELL_BYTES];
    int r = look(pid, &p, err);
    bool full = false;

    for (size_t i = 0; i < format->n && r == 1 && !full; i++) {
        const struct column *column = &columns[format->columns[i]];

        if (column->put)
            column->put(&p, cell);
        full = dv_strv_add(ret, column->put ? cell : p.command) < 0;
    }
    free(p.command);
    return full ? dv_fail(err, DV_E_NO_MEMORY, "list the processes") : r;
}

void dv_ps_host_look(struct dv_ps_host *ret)
{
    struct dv_error ignored = { 0 };
    struct timespec up;
    long ticks = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE), pages = sysconf(_SC_PHYS_PAGES);

    clock_gettime(CLOCK_BOOTTIME, &up);
    *ret = (struct dv_ps_host){
        .now_ns = dv_now_ns(),
        .ticks_per_s = ticks > 0 ? (uint64_t)ticks : 100,
        .page_bytes = page > 0 ? (uint64_t)page : 4096,
    };
    ret->boot_ns = ret->now_ns - ((uint64_t)up.tv_sec * UINT64_C(1000000000) + (uint64_t)up.tv_nsec);
    ret->memory_bytes = pages > 0 ? (uint64_t)pages * ret->page_bytes : 0;
    /* Without it the numbers stand for the names. */
    if (dv_read_file(AT_FDCWD, "/etc/passwd", PASSWD_MAX_BYTES, &ret->passwd, NULL, &ignored) < 0)
        ret->passwd = NULL;
}

void dv_ps_host_done(struct dv_ps_host *host)
{
    free(host->passwd);
    host->passwd = NULL;
}
