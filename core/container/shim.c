/* shim.c - the daemon's end of the shim protocol: start one, ask it, hear its events. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/sock.h"
#include "core/base/spawn.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/daemon/engine.h"

/* A shim answers within milliseconds; a mount of a dead network file system may hang it. */
enum { ANSWER_S = 60 };

struct request {                     /* on the asking thread's stack */
    struct request *next;
    uint32_t seq;
    bool answered, lost;
    struct dv_packet *answer;
};
struct dv_shim {
    atomic_int refs;                 /* the container's, the loop's, each asker's */
    struct dv_container *c;          /* reference */
    uint64_t generation;
    int fd;
    struct dv_watch *watch;          /* loop thread, as the next four */
    bool exited;                     /* EVENT_EXIT came */
    struct dv_oom *oom;              /* NULL: no memory limit */
    struct dv_shim *next_watched, **at_watched; /* cs->watched_shims */
    struct dv_lock lock;             /* rank 40; protects below */
    pthread_cond_t answered;
    struct request *waiting;
    uint32_t last_seq;
    bool closed;
};

void dv_shim_unref(struct dv_shim *shim)
{
    if (!shim || atomic_fetch_sub_explicit(&shim->refs, 1, memory_order_acq_rel) != 1)
        return;
    dv_close(shim->fd);
    pthread_cond_destroy(&shim->answered);
    dv_lock_done(&shim->lock);
    free(shim);
}

/* ---- the process: a child of ours, unless we were restarted meanwhile ---- */

struct dv_child {
    struct dv_child *next, **at;     /* cs->children */
    struct dv_containers *cs;
    pid_t pid;
    int pidfd;
    struct dv_watch *watch;
};

static void child_free(struct dv_child *child)
{
    if (child->at) {
        *child->at = child->next;
        if (child->next)
            child->next->at = child->at;
    }
    dv_watch_remove(child->watch);
    dv_close(child->pidfd);
    free(child);
}

/* Nobody else waits for it. What its end means is told by its connection. */
static void on_child_end(void *data, uint32_t events)
{
    struct dv_child *child = data;
    siginfo_t info = { 0 };

    (void)events;
    if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return;
    if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
        dv_log_warn(NULL, "davit-shim %d was ended by signal %d", (int)child->pid, info.si_status);
    child_free(child);
}

static void watch_child(void *data)
{
    struct dv_child *child = data;
    struct dv_containers *cs = child->cs;
    struct dv_error err = { 0 };

    if (dv_loop_add(cs->engine->loop, child->pidfd, EPOLLIN, on_child_end, child, &child->watch,
                    &err) < 0) {
        dv_log_error(NULL, "wait for davit-shim %d: %s", (int)child->pid, err.msg);
        child_free(child);
        return;
    }
    child->at = &cs->children;
    child->next = cs->children;
    if (child->next)
        child->next->at = &child->next;
    cs->children = child;
}

static int spawn_child(struct dv_containers *cs, const struct dv_spawn *spawn, pid_t *ret,
                       struct dv_error *err)
{
    struct dv_child *child = calloc(1, sizeof(*child));

    if (!child)
        return dv_fail(err, DV_E_NO_MEMORY, "start davit-shim");
    child->cs = cs;
    if (dv_spawn(spawn, &child->pid, &child->pidfd, err) < 0) {
        free(child);
        return -err->code;
    }
    *ret = child->pid;
    dv_loop_post(cs->engine->loop, watch_child, child);
    return 0;
}

int dv_shim_spawn(struct dv_containers *cs, struct dv_shim_start *ret, struct dv_error *err)
{
    char *const argv[] = { "davit-shim", NULL };
    int pair[2], fds[4] = { -1, -1, STDERR_FILENO, -1 };
    struct dv_spawn spawn = { .path = cs->shim_path, .argv = argv, .fds = fds, .n_fds = N(fds),
                              .new_session = 1 };
    struct timeval limit = { .tv_sec = ANSWER_S };
    int r;

    r = dv_sock_pair(SOCK_SEQPACKET, pair, err);
    if (r < 0)
        return r;
    fds[3] = pair[1];
    r = spawn_child(cs, &spawn, &ret->pid, err);
    dv_close(pair[1]);
    if (r < 0) {
        dv_close(pair[0]);
        return dv_wrap(err, "start davit-shim");
    }
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ret->fd = pair[0];
    return 0;
}

/* Turn an ERROR message into an error; 0 for a REPLY. */
static int answer_result(const struct dv_packet *p, int64_t *exit_code, struct dv_error *err)
{
    if (p->msg.kind == DV_SHIM_REPLY)
        return 0;
    if (exit_code)
        *exit_code = dv_msg_get_i64(&p->msg, DV_ST_EXIT_CODE, 125);
    return dv_fail(err, dv_code_from_wire(dv_msg_get_i64(&p->msg, DV_ST_CODE, 0)), "%s",
                   dv_msg_get_str(&p->msg, DV_ST_MESSAGE, "davit-shim failed without a reason"));
}

/* A shim that ended with a request of ours unread: the kernel tells that once, and before the last words
 * that it had sent. */
static int receive(int fd, struct dv_packet *packet, struct dv_error *err)
{
    int r = dv_sock_recv(fd, packet, err);

    if (r >= 0 || err->sys_errno != ECONNRESET)
        return r;
    dv_packet_done(packet);
    dv_error_clear(err);
    return dv_sock_recv(fd, packet, err);
}

int dv_shim_read_answer(int fd, struct dv_packet *answer, int64_t *exit_code,
                        struct dv_error *err)
{
    int r = receive(fd, answer, err);

    /* Events before the answer are about what the answer contains, or the connection ends behind
     * them. */
    while (r > 0 && answer->msg.kind != DV_SHIM_REPLY && answer->msg.kind != DV_SHIM_ERROR) {
        dv_packet_done(answer);
        r = receive(fd, answer, err);
    }
    /* ECONNRESET: it ended before it read all that it was sent. */
    if (r == 0 || (r < 0 && err->sys_errno == ECONNRESET))
        return dv_fail(err, DV_E_UNAVAILABLE, "davit-shim ended before it answered");
    if (r == -DV_E_UNAVAILABLE)
        return dv_fail(err, DV_E_TIMEOUT, "davit-shim did not answer within %d s", ANSWER_S);
    if (r < 0)
        return dv_wrap(err, "read davit-shim's answer");
    return answer_result(answer, exit_code, err);
}

int dv_shim_call(int fd, struct dv_msg_writer *w, const int *fds, size_t n_fds,
                 struct dv_packet *answer, int64_t *exit_code, struct dv_error *err)
{
    int r = dv_msg_end(w, err);

    if (r == 0)
        r = dv_sock_send(fd, w, fds, n_fds, err);
    if (r < 0)
        return dv_wrap(err, "ask davit-shim");
    return dv_shim_read_answer(fd, answer, exit_code, err);
}

/* ---- an adopted connection ---- */

static void wake_asker(struct dv_shim *shim, struct dv_packet *packet)
{
    struct request **at;

    dv_lock_take(&shim->lock);
    for (at = &shim->waiting; *at; at = &(*at)->next)
        if ((*at)->seq == packet->msg.seq) {
            struct request *request = *at;

            *at = request->next;
            *request->answer = *packet; /* its bytes and descriptors are the asker's now */
            *packet = (struct dv_packet){ 0 };
            request->answered = true;
            pthread_cond_broadcast(&shim->answered);
            break;
        }
    dv_lock_drop(&shim->lock);
}

static void lose_askers(struct dv_shim *shim)
{
    dv_lock_take(&shim->lock);
    shim->closed = true;
    for (struct request *r = shim->waiting; r; r = r->next)
        r->lost = true;
    shim->waiting = NULL;
    pthread_cond_broadcast(&shim->answered);
    dv_lock_drop(&shim->lock);
}

static void on_exit_event(struct dv_shim *shim, const struct dv_msg *m)
{
    struct dv_exit exit = {
        .exit_code = dv_msg_get_i64(m, DV_ST_EXIT_CODE, 255),
        .started_ns = dv_msg_get_u64(m, DV_ST_STARTED_NS, 0),
        .finished_ns = dv_msg_get_u64(m, DV_ST_FINISHED_NS, dv_now_ns()),
    };

    shim->exited = true;
    dv_container_exited(shim->c, shim->generation, &exit);
}

static void tell_detach(struct dv_container *c, const char *exec_id)
{
    if (dv_empty(exec_id))
        dv_container_emit(c, "detach", NULL);
    else
        dv_container_emit(c, "exec_detach", (const char *const[]){ "execID", exec_id, NULL });
}

static void on_event(struct dv_shim *shim, const struct dv_msg *m)
{
    switch (m->kind) {
    case DV_SHIM_EVENT_EXIT:
        on_exit_event(shim, m);
        break;
    case DV_SHIM_EVENT_EXEC_EXIT:
        dv_exec_exited(shim->c, dv_msg_get_str(m, DV_ST_EXEC_ID, ""),
                       dv_msg_get_i64(m, DV_ST_EXIT_CODE, 255));
        break;
    case DV_SHIM_EVENT_DETACH:
        tell_detach(shim->c, dv_msg_get_str(m, DV_ST_EXEC_ID, ""));
        break;
    default: /* a newer shim's event */
        break;
    }
}

/* The loop lets go of it. Does nothing to the container. */
static void unwatch(struct dv_shim *shim)
{
    struct dv_container *c = shim->c;

    if (shim->at_watched) {
        *shim->at_watched = shim->next_watched;
        if (shim->next_watched)
            shim->next_watched->at_watched = shim->at_watched;
        shim->at_watched = NULL;
    }
    dv_oom_unwatch(dv_take(shim->oom));
    dv_watch_remove(shim->watch);
    lose_askers(shim);
    if (shim->exited)
        dv_container_released(c);
    dv_shim_unref(shim); /* the loop's */
    dv_container_unref(c);
}

static void drop_connection(struct dv_shim *shim)
{
    if (!shim->exited)
        dv_container_shim_lost(shim->c, shim->generation);
    unwatch(shim);
}

static void on_readable(void *data, uint32_t events)
{
    struct dv_shim *shim = data;

    (void)events;
    for (;;) {
        dv_autopacket packet = { 0 };
        struct dv_error err = { 0 };
        int r = dv_sock_recv(shim->fd, &packet, &err);

        if (r == -DV_E_UNAVAILABLE)
            return;
        if (r < 0)
            dv_log_warn(NULL, "container %s: bad message of its shim: %s", shim->c->id, err.msg);
        if (r <= 0) {
            drop_connection(shim);
            return;
        }
        if (packet.msg.kind == DV_SHIM_REPLY || packet.msg.kind == DV_SHIM_ERROR)
            wake_asker(shim, &packet);
        else
            on_event(shim, &packet.msg);
    }
}

static void watch_in_loop(void *data)
{
    struct dv_shim *shim = data;
    struct dv_containers *cs = shim->c->cs;
    struct dv_error err = { 0 };

    if (dv_loop_add(cs->engine->loop, shim->fd, EPOLLIN, on_readable, shim, &shim->watch, &err) <
        0) {
        dv_log_error(NULL, "container %s: watch its shim: %s", shim->c->id, err.msg);
        drop_connection(shim);
        return;
    }
    shim->at_watched = &cs->watched_shims;
    shim->next_watched = cs->watched_shims;
    if (shim->next_watched)
        shim->next_watched->at_watched = &shim->next_watched;
    cs->watched_shims = shim;
    shim->oom = dv_oom_watch(shim->c);
}

void dv_shims_leave(struct dv_containers *cs)
{
    while (cs->watched_shims)
        unwatch(cs->watched_shims);
    while (cs->children)
        child_free(cs->children);
}

int dv_shim_new(struct dv_container *c, int fd, uint64_t generation, struct dv_shim **ret,
                struct dv_error *err)
{
    struct dv_shim *shim = calloc(1, sizeof(*shim));

    if (!shim)
        return dv_fail(err, DV_E_NO_MEMORY, "watch the shim of container %s", c->id);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        free(shim);
        return dv_fail_errno(err, DV_E_INTERNAL, "make a socket nonblocking");
    }
    atomic_init(&shim->refs, 2); /* the container's and the loop's */
    shim->c = dv_container_ref(c);
    shim->generation = generation;
    shim->fd = fd;
    dv_lock_init(&shim->lock, DV_RANK_QUEUE);
    dv_cond_init(&shim->answered);
    *ret = shim;
    return 0;
}

void dv_shim_watch(struct dv_shim *shim)
{
    dv_loop_post(shim->c->cs->engine->loop, watch_in_loop, shim);
}

void dv_shim_abandon(struct dv_shim *shim)
{
    dv_container_unref(shim->c);
    dv_shim_unref(shim);
    dv_shim_unref(shim);
}

static struct dv_shim *borrow(struct dv_container *c)
{
    struct dv_shim *shim;

    dv_lock_take(&c->lock);
    shim = c->shim;
    if (shim)
        atomic_fetch_add_explicit(&shim->refs, 1, memory_order_relaxed);
    dv_lock_drop(&c->lock);
    return shim;
}

static void watch_oom_in_loop(void *data)
{
    struct dv_shim *shim = data;

    if (shim->at_watched && !shim->oom)
        shim->oom = dv_oom_watch(shim->c);
    dv_shim_unref(shim);
}

void dv_shim_watch_oom(struct dv_container *c)
{
    struct dv_shim *shim = borrow(c);

    if (shim)
        dv_loop_post(c->cs->engine->loop, watch_oom_in_loop, shim);
}

static int ask(struct dv_shim *shim, struct dv_msg_writer *w, const int *fds, size_t n_fds,
               struct dv_packet *answer, struct dv_error *err)
{
    struct request request = { .answer = answer }, **at;
    uint64_t deadline = dv_mono_ns() + ANSWER_S * UINT64_C(1000000000);
    int r = 0;

    dv_lock_take(&shim->lock);
    request.seq = ++shim->last_seq ? shim->last_seq : ++shim->last_seq;
    request.lost = shim->closed;
    request.next = shim->waiting;
    shim->waiting = &request;
    dv_msg_set_seq(w, request.seq);
    if (!request.lost)
        r = dv_sock_send(shim->fd, w, fds, n_fds, err);
    while (r == 0 && !request.answered && !request.lost)
        r = dv_lock_wait(&shim->lock, &shim->answered, deadline);
    for (at = &shim->waiting; *at; at = &(*at)->next)
        if (*at == &request) {
            *at = request.next;
            break;
        }
    dv_lock_drop(&shim->lock);
    if (request.answered)
        return 0;
    if (request.lost)
        return dv_fail(err, DV_E_CONFLICT, "container is not running");
    if (err->code)
        return -err->code;
    return dv_fail(err, DV_E_TIMEOUT, "davit-shim did not answer within %d s", ANSWER_S);
}

int dv_shim_request(struct dv_container *c, struct dv_msg_writer *w, const int *fds, size_t n_fds,
                    struct dv_packet *answer, int64_t *exit_code, struct dv_error *err)
{
    struct dv_shim *shim;
    int r = dv_msg_end(w, err);

    if (r < 0)
        return r;
    shim = borrow(c);
    if (!shim)
        return dv_fail(err, DV_E_CONFLICT, "container %s is not running", c->id);
    r = ask(shim, w, fds, n_fds, answer, err);
    dv_shim_unref(shim);
    return r < 0 ? r : answer_result(answer, exit_code, err);
}

int dv_shim_open_run_dir(struct dv_containers *cs, const char *id, bool create,
                         struct dv_error *err)
{
    int fd;

    if (create && mkdirat(cs->run_fd, id, 0700) < 0 && errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "create %s/containers/%s",
                             cs->engine->config.run_dir, id);
    fd = openat(cs->run_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return dv_fail_errno(err, errno == ENOENT ? DV_E_NOT_FOUND : DV_E_INTERNAL,
                             "open %s/containers/%s", cs->engine->config.run_dir, id);
    return fd;
}
