/* wire.h - davitd as a job sees it: questions, and what it is told (protocol.h). One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/sock.h"

struct dv_wire {
    int fd;                       /* the socket, borrowed */
    uint32_t seq;                 /* of the last question */
};

void dv_wire_init(struct dv_wire *wire, int fd);
/* Send question KIND and wait for its answer in REPLY (zero before). FILL puts the fields. CANCELED
 * when davitd gives up, else what davitd answered. */
typedef void dv_wire_fill(struct dv_msg_writer *w, const void *arg);
DV_CHECK int dv_wire_ask(struct dv_wire *wire, uint16_t kind, dv_wire_fill *fill, const void *arg,
                         int send_fd, struct dv_packet *reply, struct dv_error *err);

/* New empty unnamed file of the content store. */
DV_CHECK int dv_wire_blob_open(struct dv_wire *wire, int *ret_fd, struct dv_error *err);
/* Name the file FD by DIGEST; durable on return. */
struct dv_wire_blob {
    const char *digest, *media_type;
    uint64_t size_bytes;
};
DV_CHECK int dv_wire_blob_done(struct dv_wire *wire, const struct dv_wire_blob *blob, int fd,
                               struct dv_error *err);
DV_CHECK int dv_wire_blob_read(struct dv_wire *wire, const char *digest, int *ret_fd,
                               struct dv_error *err);

/* A layer's directory of its own, until it is committed or given back. */
struct dv_wire_layer {
    bool present;                 /* the store has it: no directory */
    char token[80];
    int dir_fd;
    uint32_t whiteouts;           /* as davit/storage.h */
};
/* CHAIN: "" where it is not known before the end; PARENT: "" for none. */
DV_CHECK int dv_wire_layer_prepare(struct dv_wire *wire, const char *chain, const char *parent,
                                   struct dv_wire_layer *ret, struct dv_error *err);
DV_CHECK int dv_wire_layer_commit(struct dv_wire *wire, struct dv_wire_layer *layer,
                                  const char *chain, const char *parent, struct dv_error *err);
/* Throw away what was not committed; nothing if there is nothing. */
void dv_wire_layer_abort(struct dv_wire *wire, struct dv_wire_layer *layer);
/* Make an image visible. DOC: an ended document (DV_WD_*). */
DV_CHECK int dv_wire_image(struct dv_wire *wire, const struct dv_msg_writer *doc,
                           struct dv_error *err);

/* A whole line for the user. Failures are left to the next question. */
void dv_wire_message(struct dv_wire *wire, const char *fmt, ...) DV_PRINTF(2, 3);
void dv_wire_progress(struct dv_wire *wire, const char *what, uint64_t done, uint64_t total);
/* The last word: RESULT of the job (RESULT < 0: ERR). DIGEST: answer of import, or NULL. */
void dv_wire_result(struct dv_wire *wire, int result, const char *digest, struct dv_error *err);
