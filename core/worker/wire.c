/* wire.c - questions of a job to davitd, and their answers. */
#include "core/worker/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/worker/protocol.h"

void dv_wire_init(struct dv_wire *wire, int fd)
{
    wire->fd = fd;
    wire->seq = 0;
}

/* The code of a reply as our own failure. */
static int reply_result(const struct dv_msg *m, struct dv_error *err)
{
    uint64_t code = dv_msg_get_u64(m, DV_WT_CODE, 0);

    if (code == 0)
        return 0;
    if (code > DV_E_INTERNAL)
        code = DV_E_INTERNAL;
    return dv_fail(err, (int)code, "%s", dv_msg_get_str(m, DV_WT_MESSAGE, "davitd gave no reason"));
}

static int send_message(struct dv_wire *wire, struct dv_msg_writer *w, int fd, struct dv_error *err)
{
    int r = dv_msg_end(w, err);

    if (r == 0)
        r = dv_sock_send(wire->fd, w, &fd, fd >= 0 ? 1 : 0, err);
    return r;
}

int dv_wire_ask(struct dv_wire *wire, uint16_t kind, dv_wire_fill *fill, const void *arg,
                int send_fd, struct dv_packet *reply, struct dv_error *err)
{
    struct dv_msg_writer w;
    int r;

    dv_msg_begin(&w, kind, ++wire->seq, DV_WORKER_MSG_BYTES);
    if (fill)
        fill(&w, arg);
    r = send_message(wire, &w, send_fd, err);
    dv_msg_done(&w);
    if (r < 0)
        return r;
    r = dv_sock_recv(wire->fd, reply, err);
    if (r < 0)
        return r;
    if (r == 0 || reply->msg.kind == DV_W_CANCEL)
        return dv_fail(err, DV_E_CANCELED, "job was canceled");
    if (reply->msg.kind != DV_W_REPLY || reply->msg.seq != wire->seq)
        return dv_fail(err, DV_E_INTERNAL, "davitd answered question %u with message %u of kind %u",
                       wire->seq, reply->msg.seq, reply->msg.kind);
    return reply_result(&reply->msg, err);
}

static int take_fd(struct dv_packet *reply, const char *what, int *ret_fd, struct dv_error *err)
{
    int fd = dv_packet_take_fd(reply, 0);

    if (fd < 0)
        return dv_fail(err, DV_E_INTERNAL, "davitd sent no descriptor of %s", what);
    *ret_fd = fd;
    return 0;
}

int dv_wire_blob_open(struct dv_wire *wire, int *ret_fd, struct dv_error *err)
{
    dv_autopacket reply = { 0 };
    int r = dv_wire_ask(wire, DV_W_BLOB_OPEN, NULL, NULL, -1, &reply, err);

    return r < 0 ? r : take_fd(&reply, "a new blob", ret_fd, err);
}

static void fill_blob(struct dv_msg_writer *w, const void *arg)
{
    const struct dv_wire_blob *blob = arg;

    dv_msg_str(w, DV_WT_DIGEST, blob->digest);
    dv_msg_u64(w, DV_WT_SIZE, blob->size_bytes);
    dv_msg_str(w, DV_WT_MEDIA_TYPE, blob->media_type);
}

int dv_wire_blob_done(struct dv_wire *wire, const struct dv_wire_blob *blob, int fd,
                      struct dv_error *err)
{
    dv_autopacket reply = { 0 };

    return dv_wire_ask(wire, DV_W_BLOB_DONE, fill_blob, blob, fd, &reply, err);
}

static void fill_digest(struct dv_msg_writer *w, const void *arg)
{
    dv_msg_str(w, DV_WT_DIGEST, arg);
}

int dv_wire_blob_read(struct dv_wire *wire, const char *digest, int *ret_fd, struct dv_error *err)
{
    dv_autopacket reply = { 0 };
    int r = dv_wire_ask(wire, DV_W_BLOB_READ, fill_digest, digest, -1, &reply, err);

    return r < 0 ? r : take_fd(&reply, digest, ret_fd, err);
}

struct layer_question {
    const char *token, *chain, *parent;
};

static void fill_layer(struct dv_msg_writer *w, const void *arg)
{
    const struct layer_question *q = arg;

    dv_msg_str(w, DV_WT_TOKEN, q->token);
    if (!dv_empty(q->chain))
        dv_msg_str(w, DV_WT_CHAIN, q->chain);
    if (!dv_empty(q->parent))
        dv_msg_str(w, DV_WT_PARENT, q->parent);
}

int dv_wire_layer_prepare(struct dv_wire *wire, const char *chain, const char *parent,
                          struct dv_wire_layer *ret, struct dv_error *err)
{
    const struct layer_question q = { .chain = chain, .parent = parent };
    struct dv_wire_layer layer = { .dir_fd = -1 };
    dv_autopacket reply = { 0 };
    int r;

    r = dv_wire_ask(wire, DV_W_LAYER_PREPARE, fill_layer, &q, -1, &reply, err);
    if (r < 0)
        return r;
    layer.present = dv_msg_get_u64(&reply.msg, DV_WT_PRESENT, 0) != 0;
    if (!layer.present) {
        snprintf(layer.token, sizeof(layer.token), "%s",
                 dv_msg_get_str(&reply.msg, DV_WT_TOKEN, ""));
        layer.whiteouts = (uint32_t)dv_msg_get_u64(&reply.msg, DV_WT_WHITEOUTS, 0);
        r = take_fd(&reply, "a layer's directory", &layer.dir_fd, err);
        if (r < 0)
            return r;
    }
    *ret = layer;
    return 0;
}

static void close_layer(struct dv_wire_layer *layer)
{
    dv_close(dv_take_fd(layer->dir_fd));
    layer->token[0] = 0;
}

int dv_wire_layer_commit(struct dv_wire *wire, struct dv_wire_layer *layer, const char *chain,
                         const char *parent, struct dv_error *err)
{
    const struct layer_question q = { .token = layer->token, .chain = chain, .parent = parent };
    dv_autopacket reply = { 0 };
    int r;

    /* The driver may rename or unmount the directory: no descriptor of ours below it. */
    dv_close(dv_take_fd(layer->dir_fd));
    r = dv_wire_ask(wire, DV_W_LAYER_COMMIT, fill_layer, &q, -1, &reply, err);
    if (r == 0)
        close_layer(layer);
    return r;
}

void dv_wire_layer_abort(struct dv_wire *wire, struct dv_wire_layer *layer)
{
    const struct layer_question q = { .token = layer->token };
    dv_autopacket reply = { 0 };
    struct dv_error ignored = { 0 };

    if (!layer->token[0])
        return;
    dv_close(dv_take_fd(layer->dir_fd));
    /* davitd throws away what is left in any case when the job ends. */
    if (dv_wire_ask(wire, DV_W_LAYER_ABORT, fill_layer, &q, -1, &reply, &ignored) < 0)
        dv_error_clear(&ignored);
    close_layer(layer);
}

int dv_wire_image(struct dv_wire *wire, const struct dv_msg_writer *doc, struct dv_error *err)
{
    dv_autopacket reply = { 0 };
    dv_autoclose int fd = memfd_create("davit-image", MFD_CLOEXEC);

    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "memfd_create");
    if (dv_write_all(fd, doc->buf.data, doc->buf.len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write the description of an image");
    return dv_wire_ask(wire, DV_W_IMAGE, NULL, NULL, fd, &reply, err);
}

/* Things told: a failure shows at the next question. */
static void tell(struct dv_wire *wire, struct dv_msg_writer *w)
{
    struct dv_error ignored = { 0 };

    if (send_message(wire, w, -1, &ignored) < 0)
        dv_error_clear(&ignored);
    dv_msg_done(w);
}

void dv_wire_message(struct dv_wire *wire, const char *fmt, ...)
{
    struct dv_msg_writer w;
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    dv_msg_begin(&w, DV_W_MESSAGE, 0, DV_WORKER_MSG_BYTES);
    dv_msg_str(&w, DV_WT_TEXT, text);
    tell(wire, &w);
}

void dv_wire_progress(struct dv_wire *wire, const char *what, uint64_t done, uint64_t total)
{
    struct dv_msg_writer w;

    dv_msg_begin(&w, DV_W_PROGRESS, 0, DV_WORKER_MSG_BYTES);
    dv_msg_str(&w, DV_WT_TEXT, what);
    dv_msg_u64(&w, DV_WT_DONE, done);
    dv_msg_u64(&w, DV_WT_TOTAL, total);
    tell(wire, &w);
}

void dv_wire_result(struct dv_wire *wire, int result, const char *digest, struct dv_error *err)
{
    struct dv_msg_writer w;

    dv_msg_begin(&w, DV_W_RESULT, 0, DV_WORKER_MSG_BYTES);
    if (result < 0) {
        dv_msg_u64(&w, DV_WT_CODE, (uint64_t)(err->code ? err->code : DV_E_INTERNAL));
        dv_msg_str(&w, DV_WT_MESSAGE, err->msg);
    }
    dv_msg_str(&w, DV_WT_DIGEST, digest);
    tell(wire, &w);
}
