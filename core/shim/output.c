/* output.c - what a process writes: from its pipe or pty to the log and the clients. */
#include "core/shim/output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/shim/client.h"
#include "core/shim/life.h"
#include "core/shim/logfile.h"
#include "core/shim/session.h"

static const char *const stream_names[] = { [1] = "stdout", [2] = "stderr" };

struct log_batch {
    struct dv_output *output;
    uint64_t time_ns;
};

static void log_piece(void *ctx, const char *data, size_t n, bool newline)
{
    const struct log_batch *batch = ctx;

    dv_logfile_put(batch->output->life->log, stream_names[batch->output->stream], batch->time_ns,
                   data, n, newline);
}

static bool has_log(const struct dv_output *output)
{
    return output->logged && output->life->log;
}

static void deliver(struct dv_output *output, const char *data, size_t n)
{
    struct dv_session *session = output->session;

    if (!session)
        return;
    if (has_log(output)) {
        struct log_batch batch = { output, dv_now_ns() };

        dv_splitter_feed(&output->lines, data, n, log_piece, &batch);
        dv_logfile_flush(output->life->log);
    }
    for (struct dv_client *c = session->clients; c; c = c->next)
        dv_client_put(c, output->stream, data, n);
}

/* The log gets the unfinished line. */
static void finish_log(struct dv_output *output)
{
    struct log_batch batch = { output, dv_now_ns() };

    if (!output->session || !has_log(output))
        return;
    dv_splitter_end(&output->lines, log_piece, &batch);
    dv_logfile_flush(output->life->log);
}

static void end(struct dv_output *output)
{
    dv_watch_remove(dv_take(output->watch));
    dv_close(dv_take_fd(output->fd));
    finish_log(output);
}

/* All that counts was read, though somebody may write yet. */
static void cut_off(struct dv_output *output)
{
    output->cut = true;
    finish_log(output);
    dv_output_update(output);
}

static bool clients_have_room(const struct dv_output *output)
{
    if (!output->session)
        return true;
    for (const struct dv_client *c = output->session->clients; c; c = c->next)
        if (!c->gone && (output->allowance > 0 ? dv_client_crammed(c) : dv_client_full(c)))
            return false;
    return true;
}

static bool is_held(const struct dv_output *output)
{
    if (!output->session)
        return false;
    for (const struct dv_client *c = output->session->clients; c; c = c->next)
        if (dv_client_is_held(c))
            return true;
    return false;
}

/* How much may be read now; 0 = nothing, the clients come first. */
static size_t read_size(const struct dv_output *output)
{
    if (output->cut || is_held(output) || !clients_have_room(output))
        return 0;
    if (output->allowance > 0 && output->allowance < DV_SCRATCH_BYTES)
        return output->allowance;
    return DV_SCRATCH_BYTES;
}

static bool process_lives(const struct dv_output *output)
{
    return output->session && output->session->phase == DV_SESSION_RUNNING;
}

/* A pty says EIO when nobody has it open. Once is not the end: the kernel looks for bytes first and
 * for the closing then, so that what was written just before the closing comes after the EIO. And
 * while the process lives, the terminal may be opened again. */
static bool is_hung_up(struct dv_output *output)
{
    bool twice = output->hung;

    output->hung = true;
    return twice && !process_lives(output);
}

static void read_some(struct dv_output *output, char *scratch, size_t size)
{
    ssize_t n;

    do
        n = read(output->fd, scratch, size);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EIO && !is_hung_up(output))
        return;
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        end(output);
        return;
    }
    output->hung = false;
    if (n > 0) {
        output->allowance -= output->allowance < (size_t)n ? output->allowance : (size_t)n;
        deliver(output, scratch, (size_t)n);
    }
    if (output->last && (n < 0 || output->allowance == 0))
        cut_off(output);
}

static void free_stray(struct dv_output *output)
{
    struct dv_output **at = &output->life->strays;

    while (*at && *at != output)
        at = &(*at)->next;
    if (*at)
        *at = output->next;
    dv_output_free(output);
}

/* False: nothing may be read now. */
static bool read_once(struct dv_output *output)
{
    size_t size = read_size(output);
    char *scratch = size > 0 ? dv_life_scratch(output->life) : NULL;
    char small[512];

    if (size == 0)
        return false;
    if (scratch)
        read_some(output, scratch, size);
    else /* no memory for the buffer: a small one does */
        read_some(output, small, size < sizeof(small) ? size : sizeof(small));
    return true;
}

static void output_event(void *data, uint32_t events)
{
    struct dv_output *output = data;
    struct dv_life *life = output->life;

    /* Nobody can write any more, so that there is no need to wait for slow clients: the end comes
     * after a pipe's content at most. */
    if (events & EPOLLHUP && output->session && !process_lives(output) && !output->last)
        output->allowance = SIZE_MAX;
    read_once(output);
    if (output->fd < 0 && !output->session)
        free_stray(output);
    dv_life_settle(life);
}

int dv_output_open(struct dv_session *session, int fd, uint8_t stream, bool logged,
                   struct dv_output **ret, struct dv_error *err)
{
    struct dv_output *output = calloc(1, sizeof(*output));
    int r;

    if (!output) {
        dv_close(fd);
        return dv_fail(err, DV_E_NO_MEMORY, "read the output of the process");
    }
    *output = (struct dv_output){
        .life = session->life,
        .session = session,
        .fd = fd,
        .stream = stream,
        .logged = logged,
        .events = EPOLLIN,
        .lines = DV_SPLITTER_INIT,
    };
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        r = dv_fail_errno(err, DV_E_INTERNAL, "make an output nonblocking");
    else
        r = dv_loop_add(session->life->loop, fd, EPOLLIN, output_event, output, &output->watch,
                        err);
    if (r < 0) {
        dv_output_free(output);
        return dv_wrap(err, "read the output of the process");
    }
    *ret = output;
    return 0;
}

void dv_output_free(struct dv_output *output)
{
    if (!output)
        return;
    dv_watch_remove(output->watch);
    dv_close(output->fd);
    dv_buf_done(&output->lines.rest);
    free(output);
}

bool dv_output_ended(const struct dv_output *output)
{
    return !output || output->fd < 0 || output->cut;
}

/* With EPOLLET a hang-up is told once, not all the time: where nothing may be read, and of a
 * terminal that may be opened again. */
static uint32_t wanted_events(const struct dv_output *output)
{
    if (read_size(output) == 0)
        return EPOLLET;
    return output->hung && process_lives(output) ? EPOLLIN | EPOLLET : EPOLLIN;
}

void dv_output_update(struct dv_output *output)
{
    uint32_t events;

    if (!output || output->fd < 0)
        return;
    events = wanted_events(output);
    if (events == output->events)
        return;
    output->events = events;
    dv_watch_set(output->watch, events);
}

void dv_output_allow(struct dv_output *output, bool last)
{
    int n = 0;

    if (dv_output_ended(output))
        return;
    /* A pty counts only what its line discipline has seen, which may be less than there is; its
     * buffer is smaller than this. */
    if (ioctl(output->fd, FIONREAD, &n) < 0 || n < 0)
        n = 0;
    if (isatty(output->fd) && n < DV_SCRATCH_BYTES)
        n = DV_SCRATCH_BYTES;
    output->allowance = (size_t)n;
    output->last = last;
    output->events = 0; /* set anew: a hang-up that was told while the process lived is told again */
    if (last && n == 0)
        cut_off(output);
    else
        dv_output_update(output);
}

void dv_output_finish(struct dv_output *output)
{
    dv_output_allow(output, true);
    while (!dv_output_ended(output) && read_once(output))
        ;
}

void dv_output_abandon(struct dv_output *output)
{
    struct dv_life *life;

    if (!output || output->fd < 0) {
        dv_output_free(output);
        return;
    }
    life = output->life;
    output->session = NULL;
    output->allowance = 0;
    output->last = output->cut = false;
    dv_buf_done(&output->lines.rest);
    output->next = life->strays;
    life->strays = output;
    dv_output_update(output);
}
