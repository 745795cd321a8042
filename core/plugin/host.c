/* host.c - the services that the host offers a plugin (struct dv_host). */

#include "core/plugin/internal.h"
#include "core/plugin/watch.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/spawn.h"
#include "core/base/time.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum {
    ARENA_MAX_BYTES = 64 << 20,      /* of one allocation */
    NETNS_STACK_BYTES = 256 << 10,
    SPAWN_LINE_BYTES = 1024,         /* a longer line of a program's output is logged in pieces */
    LOG_MAX_BYTES = 4096,
};

/* What dv_host.self points to; the table is its first member. */
struct host {
    struct dv_host table;
    struct dv_host_config config;
    char label[80];                  /* "plugin=storage/overlay" */
    char name[40];
};

static void host_log(void *self, struct dv_call *c, uint32_t level, const char *msg)
{
    struct host *h = self;

    (void)c;
    if (level > DV_LOG_DEBUG)
        level = DV_LOG_DEBUG;
    dv_log((enum dv_log_level)level, h->label, "%.*s", LOG_MAX_BYTES, msg ? msg : "");
}

static int32_t host_fail(struct dv_call *c, int32_t code, int32_t sys_errno, const char *msg)
{
    if (!msg)
        msg = "(no reason given)";
    if (code == 0 && c->err->code != 0) {
        if (sys_errno)
            return dv_wrap(c->err, "%s: %s", msg, strerror(sys_errno));
        return dv_wrap(c->err, "%s", msg);
    }
    if (code <= 0 || code > DV_E_INTERNAL)
        code = DV_E_INTERNAL;
    if (!sys_errno)
        return dv_fail(c->err, code, "%s", msg);
    errno = sys_errno;
    return dv_fail_errno(c->err, code, "%s", msg);
}

static void *host_alloc(struct dv_call *c, size_t size)
{
    struct dv_arena_block *b;

    if (size > ARENA_MAX_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    b = calloc(1, offsetof(struct dv_arena_block, data) + size);
    if (!b)
        return NULL;
    b->size = size;
    b->next = c->arena;
    c->arena = b;
    return b->data;
}

static int32_t host_cancel_fd(struct dv_call *c)
{
    return dv_calls_cancel_fd(c);
}

static uint64_t host_deadline_ns(struct dv_call *c)
{
    return c->deadline_ns;
}

static void host_progress(struct dv_call *c, const char *id, uint64_t done, uint64_t total)
{
    dv_calls_renew(c); /* slow, but not stuck */
    if (c->progress)
        c->progress(c->progress_arg, id, done, total);
}

static void host_event(void *self, const char *action, const char *id, const struct dv_kvs *attrs)
{
    struct host *h = self;

    if (h->config.event)
        h->config.event(h->config.event_arg, action, id, attrs);
}

static int32_t host_open_in_root(struct dv_call *c, int32_t root_fd, const char *path,
                                 int32_t oflags, uint32_t mode)
{
    int fd = dv_open_in_root(root_fd, path, oflags, mode);

    if (fd >= 0)
        return fd;
    return dv_fail_errno(c->err, errno == ENOENT ? DV_E_NOT_FOUND : DV_E_INTERNAL, "open '%s'",
                         path);
}

/* A thread made for one function, since setns(2) changes only its caller. */
struct netns_job {
    int32_t netns_fd;
    int32_t (*fn)(void *);
    void *arg;
    int32_t result;
    int setns_errno;
};

static void *netns_thread(void *arg)
{
    struct netns_job *job = arg;

    if (setns(job->netns_fd, CLONE_NEWNET) < 0)
        job->setns_errno = errno;
    else
        job->result = job->fn(job->arg);
    return NULL;
}

static int32_t host_run_in_netns(struct dv_call *c, int32_t netns_fd, int32_t (*fn)(void *),
                                 void *arg)
{
    struct netns_job job = { .netns_fd = netns_fd, .fn = fn, .arg = arg };
    pthread_attr_t attr;
    pthread_t thread;
    int r;

    r = pthread_attr_init(&attr);
    if (r == 0) {
        pthread_attr_setstacksize(&attr, NETNS_STACK_BYTES);
        r = pthread_create(&thread, &attr, netns_thread, &job);
        pthread_attr_destroy(&attr);
    }
    if (r != 0) {
        errno = r;
        return dv_fail_errno(c->err, DV_E_INTERNAL, "thread for a network namespace");
    }
    pthread_join(thread, NULL);
    if (job.setns_errno) {
        errno = job.setns_errno;
        return dv_fail_errno(c->err, DV_E_INTERNAL, "enter the network namespace");
    }
    return job.result;
}

/* ---- spawn ---- */

struct output {
    int fd;                          /* read end, or -1 when it is closed or goes elsewhere */
    char line[SPAWN_LINE_BYTES];
    size_t n;
};

static void log_line(struct output *out, const char *program)
{
    if (out->n > 0)
        dv_log_info(NULL, "%s: %.*s", program, (int)out->n, out->line);
    out->n = 0;
}

static void read_output(struct output *out, const char *program)
{
    char chunk[SPAWN_LINE_BYTES];
    ssize_t got = read(out->fd, chunk, sizeof(chunk));

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        log_line(out, program);
        dv_close(out->fd);
        out->fd = -1;
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (chunk[i] == '\n' || out->n == sizeof(out->line))
            log_line(out, program);
        if (chunk[i] != '\n')
            out->line[out->n++] = chunk[i];
    }
}

static int poll_timeout_ms(uint64_t deadline_ns)
{
    uint64_t now = dv_mono_ns(), ms;

    if (deadline_ns == UINT64_MAX)
        return -1;
    if (deadline_ns <= now)
        return 0;
    ms = (deadline_ns - now) / 1000000 + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* Until PIDFD is readable: 0, or CANCELED / TIMEOUT. */
static int wait_program(struct dv_call *c, int pidfd, struct output *out, const char *program)
{
    for (;;) {
        struct pollfd p[] = { { pidfd, POLLIN, 0 },
                              { c->cancel_fd, POLLIN, 0 },
                              { out->fd, POLLIN, 0 } };
        int n = poll(p, N(p), poll_timeout_ms(c->deadline_ns));

        if (n < 0 && errno != EINTR)
            return dv_fail_errno(c->err, DV_E_INTERNAL, "wait for %s", program);
        if (n == 0)
            return dv_fail(c->err, DV_E_TIMEOUT, "%s did not end in time", program);
        if (n < 0)
            continue;
        if (p[2].revents)
            read_output(out, program);
        if (p[1].revents)
            return dv_fail(c->err, DV_E_CANCELED, "%s was given up", program);
        if (p[0].revents) {
            /* What is in the pipe still counts; a grandchild that holds it open does not. */
            if (out->fd >= 0)
                fcntl(out->fd, F_SETFL, O_NONBLOCK);
            while (out->fd >= 0 && poll(&p[2], 1, 0) > 0)
                read_output(out, program);
            if (out->fd >= 0)
                log_line(out, program);
            return 0;
        }
    }
}

static int32_t host_spawn(struct dv_call *c, const char *const argv[], int32_t out_fd,
                          int32_t *status)
{
    static char path_env[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *const envp[] = { path_env, NULL };
    struct output out = { .fd = -1 };
    dv_autoclose int pidfd = -1, write_end = -1;
    siginfo_t info = { 0 };
    int pipe_fds[2], r;
    pid_t pid;

    if (!argv || !argv[0] || argv[0][0] != '/')
        return dv_fail(c->err, DV_E_INVALID, "a program to run is named by its absolute path");
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return dv_fail_errno(c->err, DV_E_INTERNAL, "pipe for %s", argv[0]);
    out.fd = pipe_fds[0];
    write_end = pipe_fds[1];
    const int fds[] = { -1, out_fd >= 0 ? out_fd : write_end, write_end };
    const struct dv_spawn s = { .path = argv[0], .argv = (char *const *)argv, .envp = envp,
                                .fds = fds, .n_fds = N(fds), .new_session = 1 };

    r = dv_spawn(&s, &pid, &pidfd, c->err);
    dv_close(dv_take_fd(write_end));
    if (r == 0) {
        r = wait_program(c, pidfd, &out, argv[0]);
        if (r < 0)
            syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
            ;
    }
    dv_close(out.fd);
    if (r < 0)
        return r;
    *status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    return 0;
}

static const void *host_service(void *self, const char *id)
{
    struct host *h = self;

    for (size_t i = 0; i < h->config.n_services; i++)
        if (dv_streq(h->config.services[i].id, id))
            return h->config.services[i].table;
    return NULL;
}

void *dv_host_arg(void *self)
{
    return ((struct host *)self)->config.event_arg;
}

struct dv_host *dv_host_new(uint32_t kind, const char *name, const struct dv_host_config *config)
{
    struct host *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    if (config)
        h->config = *config;
    snprintf(h->name, sizeof(h->name), "%s", name);
    snprintf(h->label, sizeof(h->label), "plugin=%s/%s", dv_kind_name(kind), h->name);
    h->table = (struct dv_host){
        .struct_size = sizeof(h->table),
        .abi_major = DV_ABI_MAJOR,
        .abi_minor = DV_ABI_MINOR,
        .engine_version = DAVIT_VERSION,
        .self = h,
        .log = host_log,
        .fail = host_fail,
        .alloc = host_alloc,
        .cancel_fd = host_cancel_fd,
        .deadline_ns = host_deadline_ns,
        .progress = host_progress,
        .event = host_event,
        .open_in_root = host_open_in_root,
        .run_in_netns = host_run_in_netns,
        .spawn = host_spawn,
        .service = host_service,
    };
    return &h->table;
}

void dv_host_free(struct dv_host *host)
{
    free(host); /* the table is the first member of struct host */
}
