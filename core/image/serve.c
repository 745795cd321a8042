/* serve.c - davitd's answers to the questions of a davit-worker.
 *
 * The worker has met outside data, so each field is checked; what it asks for concerns only what
 * its own job holds: keys of layers and blobs, and workspaces that it was given. */
#include <stdio.h>

#include "core/base/id.h"
#include "core/base/log.h"
#include "core/image/internal.h"
#include "core/worker/image_config.h"
#include "core/worker/protocol.h"

enum { MAX_WORKSPACES = 64 };

struct request {
    struct dv_image_job *job;
    const struct dv_msg *msg;
    struct dv_packet *packet;
    struct dv_msg_writer *reply;
    int *ret_fd;
    struct dv_error *err;
};

int dv_job_hold(struct dv_image_job *job, const char *key, struct dv_error *err)
{
    int r;

    if (dv_strv_has(&job->held, key))
        return 0;
    r = dv_hold_take(job->images, key, err);
    if (r < 0)
        return r;
    if (dv_strv_add(&job->held, key) < 0) {
        dv_hold_drop(job->images, key);
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a job");
    }
    return 0;
}

/* The digest in field TAG; INVALID if it is missing or none. "" where it may be absent. */
static int get_digest(const struct request *q, uint16_t tag, bool may_miss, const char **ret)
{
    const char *text = dv_msg_get_str(q->msg, tag, "");

    if (!dv_is_digest(text) && !(may_miss && !*text))
        return dv_fail(q->err, DV_E_INVALID, "davit-worker sent '%.80s' as a digest", text);
    *ret = text;
    return 0;
}

static int serve_blob_open(struct request *q)
{
    return dv_store_new_blob(q->job->images, q->ret_fd, q->err);
}

static int serve_blob_done(struct request *q)
{
    char key[DV_KEY_BYTES];
    const char *digest = NULL;
    int r;

    r = get_digest(q, DV_WT_DIGEST, false, &digest);
    if (r < 0)
        return r;
    if (q->packet->n_fds < 1)
        return dv_fail(q->err, DV_E_INVALID, "davit-worker sent no file of blob %s", digest);
    snprintf(key, sizeof(key), "blob:%s", digest);
    r = dv_job_hold(q->job, key, q->err);
    if (r < 0)
        return r;
    return dv_store_link_blob(q->job->images, q->packet->fds[0], digest,
                              dv_msg_get_u64(q->msg, DV_WT_SIZE, UINT64_MAX), q->err);
}

static int serve_blob_read(struct request *q)
{
    const char *digest = NULL;
    int r = get_digest(q, DV_WT_DIGEST, false, &digest);

    return r < 0 ? r : dv_store_open_blob(q->job->images, digest, q->ret_fd, q->err);
}

/* Also what another job holds does: a parent must be this job's own. */
static int check_parent(const struct request *q, const char *parent)
{
    if (*parent && !dv_strv_has(&q->job->held, parent))
        return dv_fail(q->err, DV_E_INVALID, "davit-worker names a parent that it did not ask for");
    return 0;
}

static int new_workspace(struct request *q, const char *parent)
{
    struct dv_layer_dir dir = { .fd = -1 };
    char token[DV_ID_BYTES];
    int r;

    if (q->job->tokens.n >= MAX_WORKSPACES)
        return dv_fail(q->err, DV_E_INVALID, "davit-worker asks for more than %d directories at "
                       "once", MAX_WORKSPACES);
    dv_id_new(token);
    r = dv_layer_prepare(q->job->spec->driver, token, parent, &dir, q->err);
    if (r < 0)
        return r;
    *q->ret_fd = dir.fd;
    if (dv_strv_add(&q->job->tokens, token) < 0) {
        struct dv_error ignored = { 0 };

        if (dv_layer_remove(q->job->spec->driver, token, &ignored) < 0)
            dv_log_warn(NULL, "remove workspace %s: %s", token, ignored.msg);
        return dv_fail(q->err, DV_E_NO_MEMORY, "out of memory for a job");
    }
    dv_msg_str(q->reply, DV_WT_TOKEN, token);
    dv_msg_u64(q->reply, DV_WT_WHITEOUTS, dir.whiteouts);
    return 0;
}

static int serve_layer_prepare(struct request *q)
{
    char id[DV_LAYER_ID_BYTES];
    const char *chain = NULL, *parent = NULL;
    int r;

    r = get_digest(q, DV_WT_CHAIN, true, &chain);
    r = r < 0 ? r : get_digest(q, DV_WT_PARENT, true, &parent);
    r = r < 0 ? r : check_parent(q, parent);
    if (r < 0)
        return r;
    if (*chain) {
        r = dv_job_hold(q->job, chain, q->err);
        if (r < 0)
            return r;
        dv_layer_id(chain, id);
        r = dv_layer_present(q->job->spec->driver, id, q->err);
        if (r < 0)
            return r;
        if (r > 0) {
            dv_msg_u64(q->reply, DV_WT_PRESENT, 1);
            return 0;
        }
    }
    return new_workspace(q, parent);
}

static void forget_token(struct dv_image_job *job, size_t i)
{
    free(job->tokens.items[i]);
    job->tokens.items[i] = job->tokens.items[--job->tokens.n];
    job->tokens.items[job->tokens.n] = NULL;
}

static int find_token(const struct request *q, size_t *ret)
{
    const char *token = dv_msg_get_str(q->msg, DV_WT_TOKEN, "");
    size_t i;

    for (i = 0; i < q->job->tokens.n; i++) {
        if (dv_streq(q->job->tokens.items[i], token)) {
            *ret = i;
            return 0;
        }
    }
    return dv_fail(q->err, DV_E_INVALID, "davit-worker names a directory that it was not given");
}

static int serve_layer_commit(struct request *q)
{
    const char *chain = NULL, *parent = NULL;
    size_t i = 0;
    int r;

    r = get_digest(q, DV_WT_CHAIN, false, &chain);
    r = r < 0 ? r : get_digest(q, DV_WT_PARENT, true, &parent);
    r = r < 0 ? r : check_parent(q, parent);
    r = r < 0 ? r : find_token(q, &i);
    r = r < 0 ? r : dv_job_hold(q->job, chain, q->err);
    if (r < 0)
        return r;
    r = dv_layer_commit(q->job->spec->driver, q->job->tokens.items[i], chain, parent, q->err);
    if (r == 0)
        forget_token(q->job, i);
    return r;
}

static int serve_layer_abort(struct request *q)
{
    size_t i = 0;
    int r = find_token(q, &i);

    r = r < 0 ? r : dv_layer_remove(q->job->spec->driver, q->job->tokens.items[i], q->err);
    if (r == 0) {
        forget_token(q->job, i);
        dv_janitor_wake(q->job->images);
    }
    return r;
}

static int serve_image(struct request *q)
{
    char id[72];
    int r;

    if (q->packet->n_fds < 1)
        return dv_fail(q->err, DV_E_INVALID, "davit-worker sent no description of an image");
    r = dv_image_admit(q->job, q->packet->fds[0], id, q->err);
    if (r == 0)
        dv_msg_str(q->reply, DV_WT_DIGEST, id);
    return r;
}

static int serve_message(struct request *q)
{
    if (q->job->spec->message)
        q->job->spec->message(q->job->spec->message_arg, dv_msg_get_str(q->msg, DV_WT_TEXT, ""));
    return 0;
}

static int serve_progress(struct request *q)
{
    (void)q; /* load and import show none; pull's own lines come with it */
    return 0;
}

static int serve_result(struct request *q)
{
    uint64_t code = dv_msg_get_u64(q->msg, DV_WT_CODE, 0);
    const char *digest = dv_msg_get_str(q->msg, DV_WT_DIGEST, "");

    q->job->done = true;
    if (code > 0)
        return dv_fail(q->err, dv_code_from_wire(code), "%s",
                       dv_msg_get_str(q->msg, DV_WT_MESSAGE, "davit-worker gave no reason"));
    if (dv_is_digest(digest))
        snprintf(q->job->answer, sizeof(q->job->answer), "%s", digest);
    return 0;
}

static const struct {
    uint16_t kind;
    bool asked;
    int (*serve)(struct request *q);
} messages[] = {
    { DV_W_BLOB_OPEN, true, serve_blob_open },
    { DV_W_BLOB_DONE, true, serve_blob_done },
    { DV_W_BLOB_READ, true, serve_blob_read },
    { DV_W_LAYER_PREPARE, true, serve_layer_prepare },
    { DV_W_LAYER_COMMIT, true, serve_layer_commit },
    { DV_W_LAYER_ABORT, true, serve_layer_abort },
    { DV_W_IMAGE, true, serve_image },
    { DV_W_MESSAGE, false, serve_message },
    { DV_W_PROGRESS, false, serve_progress },
    { DV_W_RESULT, false, serve_result },
};

int dv_job_serve(struct dv_image_job *job, struct dv_packet *packet, struct dv_msg_writer *reply,
                 bool *ret_asked, int *ret_fd, struct dv_error *err)
{
    struct request q = { .job = job, .msg = &packet->msg, .packet = packet, .reply = reply,
                         .ret_fd = ret_fd, .err = err };
    size_t i;

    for (i = 0; i < N(messages); i++) {
        if (messages[i].kind != packet->msg.kind)
            continue;
        *ret_asked = messages[i].asked;
        if (*ret_asked)
            dv_msg_begin(reply, DV_W_REPLY, packet->msg.seq, DV_WORKER_MSG_BYTES);
        return messages[i].serve(&q);
    }
    return dv_fail(err, DV_E_INTERNAL, "davit-worker sent a message of unknown kind %u; davitd and "
                   "davit-worker must be of one version", packet->msg.kind);
}

void dv_job_clean(struct dv_image_job *job)
{
    struct dv_images *images = job->images;
    struct dv_error err = { 0 };
    bool any = job->tokens.n > 0;
    size_t i;

    for (i = 0; i < job->tokens.n; i++)
        if (dv_layer_remove(job->spec->driver, job->tokens.items[i], &err) < 0)
            dv_log_warn(NULL, "remove workspace %s: %s", job->tokens.items[i], err.msg);
    for (i = 0; i < job->held.n; i++)
        dv_hold_drop(images, job->held.items[i]);
    /* Children before their parents, which came first. */
    for (i = job->held.n; i > 0; i--)
        dv_collect_key(images, job->spec->driver, job->held.items[i - 1]);
    if (any)
        dv_janitor_wake(images);
    dv_strv_done(&job->tokens);
    dv_strv_done(&job->held);
}
