/* job.c - start a davit-worker, answer what it asks, until it has ended. */
#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/base/id.h"
#include "core/base/log.h"
#include "core/base/spawn.h"
#include "core/base/time.h"
#include "core/image/internal.h"
#include "core/worker/protocol.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum { GRACE_MS = 2000 };            /* from the end of the talk to the end of the process */

int dv_worker_spawn(struct dv_images *images, struct dv_worker *w, struct dv_error *err)
{
    char *const argv[] = { (char *)"davit-worker", NULL };
    int fds[] = { -1, -1, STDERR_FILENO, -1 }, pair[2], r;
    const struct dv_spawn s = { .path = images->worker_path, .argv = argv, .fds = fds,
                                .n_fds = N(fds), .new_session = 1 };

    static_assert(DV_WORKER_FD == N(fds) - 1, "the socket is the last descriptor");
    r = dv_sock_pair(SOCK_SEQPACKET, pair, err);
    if (r < 0)
        return r;
    fds[DV_WORKER_FD] = pair[1];
    r = dv_spawn(&s, &w->pid, &w->pidfd, err);
    dv_close(pair[1]);
    if (r < 0) {
        dv_close(pair[0]);
        return r;
    }
    w->sock_fd = pair[0];
    return 0;
}

void dv_worker_kill(const struct dv_worker *w)
{
    (void)syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
}

siginfo_t dv_worker_end(struct dv_worker *w)
{
    struct pollfd p = { w->pidfd, POLLIN, 0 };
    siginfo_t info = { 0 };
    int n;

    dv_close(w->sock_fd);
    do
        n = poll(&p, 1, GRACE_MS);
    while (n < 0 && errno == EINTR);
    if (n <= 0) /* it may sit in a read: it owns nothing that a kill would harm */
        dv_worker_kill(w);
    while (waitid((idtype_t)P_PIDFD, (id_t)w->pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    dv_close(w->pidfd);
    return info;
}

int dv_worker_send_job(struct dv_images *images, const struct dv_image_job_spec *spec,
                       const struct dv_worker *worker, struct dv_error *err)
{
    struct dv_msg_writer w;
    int r;

    dv_msg_begin(&w, DV_W_JOB, 0, DV_MAX_MSG_BYTES);
    dv_msg_str(&w, DV_WT_NAME, spec->name);
    dv_msg_str(&w, DV_WT_PLUGIN_DIR, images->plugin_dir);
    if (spec->fill)
        spec->fill(&w, spec->arg);
    r = dv_msg_end(&w, err);
    if (r == 0)
        r = spec->n_fds ? dv_sock_send(worker->sock_fd, &w, spec->fds, spec->n_fds, err)
                        : dv_sock_send(worker->sock_fd, &w, &spec->body_fd,
                                       spec->body_fd >= 0 ? 1 : 0, err);
    dv_msg_done(&w);
    return r;
}

static int send_reply(const struct dv_worker *worker, struct dv_msg_writer *reply, uint32_t seq,
                      int fd, int result, const struct dv_error *failure, struct dv_error *err)
{
    int r;

    if (result < 0) { /* begin anew: the answer is the failure alone */
        dv_msg_done(reply);
        dv_msg_begin(reply, DV_W_REPLY, seq, DV_WORKER_MSG_BYTES);
        dv_msg_u64(reply, DV_WT_CODE, (uint64_t)failure->code);
        dv_msg_str(reply, DV_WT_MESSAGE, failure->msg);
    }
    r = dv_msg_end(reply, err);
    return r < 0 ? r
                 : dv_sock_send(worker->sock_fd, reply, &fd, fd >= 0 && result == 0 ? 1 : 0, err);
}

/* One message. A question that fails is the worker's to report; the rest ends the job. */
static int serve_one(struct dv_image_job *job, const struct dv_worker *worker,
                     struct dv_packet *packet, struct dv_error *err)
{
    struct dv_msg_writer reply = { 0 };
    struct dv_error failure = { 0 };
    dv_autoclose int fd = -1;
    bool asked = false;
    int r = dv_job_serve(job, packet, &reply, &asked, &fd, &failure);

    if (asked)
        r = send_reply(worker, &reply, packet->msg.seq, fd, r, &failure, err);
    else if (r < 0)
        *err = failure;
    dv_msg_done(&reply);
    return r;
}

/* Readable means: the caller has gone. */
static int wait_message(const struct dv_worker *worker, int cancel_fd, struct dv_error *err)
{
    struct pollfd p[] = { { worker->sock_fd, POLLIN, 0 }, { cancel_fd, POLLIN, 0 } };

    while (poll(p, N(p), -1) < 0)
        if (errno != EINTR)
            return dv_fail_errno(err, DV_E_INTERNAL, "wait for davit-worker");
    if (p[1].revents)
        return dv_fail(err, DV_E_CANCELED, "the request was canceled");
    return 0;
}

static void send_cancel(const struct dv_worker *worker)
{
    struct dv_error ignored = { 0 };
    struct dv_msg_writer w;

    dv_msg_begin(&w, DV_W_CANCEL, 0, DV_WORKER_MSG_BYTES);
    if (dv_sock_send(worker->sock_fd, &w, NULL, 0, &ignored) < 0)
        dv_error_clear(&ignored); /* it has gone, which is what we want */
    dv_msg_done(&w);
}

static int talk(struct dv_image_job *job, const struct dv_worker *worker, struct dv_error *err)
{
    int r = dv_worker_send_job(job->images, job->spec, worker, err);

    while (r == 0 && !job->done) {
        dv_autopacket packet = { 0 };

        r = wait_message(worker, job->spec->cancel_fd, err);
        if (r < 0) {
            send_cancel(worker);
            return r;
        }
        r = dv_sock_recv(worker->sock_fd, &packet, err);
        if (r == 0)
            return dv_fail(err, DV_E_INTERNAL, "davit-worker ended without a result");
        if (r > 0)
            r = serve_one(job, worker, &packet, err);
    }
    return r;
}

static int run(struct dv_image_job *job, struct dv_error *err)
{
    struct dv_worker worker = { .sock_fd = -1, .pidfd = -1 };
    siginfo_t info;
    int r;

    r = dv_worker_spawn(job->images, &worker, err);
    if (r < 0)
        return r;
    r = talk(job, &worker, err);
    info = dv_worker_end(&worker);
    if (r < 0 && !job->done && r != -DV_E_CANCELED && info.si_code != CLD_EXITED)
        r = dv_fail(err, DV_E_INTERNAL,
                    "davit-worker was killed by signal %d in the middle of '%s'", info.si_status,
                    job->spec->name);
    return r;
}

int dv_image_job_run(struct dv_images *images, const struct dv_image_job_spec *spec,
                     char answer[72], struct dv_error *err)
{
    struct dv_image_job job = { .images = images, .spec = spec };
    struct dv_error ignored = { 0 };
    char id[DV_ID_BYTES];
    int r;

    /* Says to the next start that files without rows may lie about. */
    dv_id_new(id);
    r = dv_db_exec(images->db, err,
                   "INSERT INTO intents (kind, object, step, created_ns) VALUES ('load', ?, ?, ?)",
                   "ssi", id, spec->name, (int64_t)dv_now_ns());
    if (r < 0)
        return r;
    r = run(&job, err);
    dv_job_clean(&job);
    if (dv_db_exec(images->db, &ignored, "DELETE FROM intents WHERE kind = 'load' AND object = ?",
                   "s", id) < 0)
        dv_log_warn(NULL, "end the intent of job '%s': %s", spec->name, ignored.msg);
    if (r == 0)
        memcpy(answer, job.answer, sizeof(job.answer));
    return r;
}
