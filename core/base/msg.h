/* msg.h - messages between our own processes: a kind and tagged fields. Knows no JSON and no
 * sockets; builds with glibc and musl.
 *
 * Wire form, host byte order (one machine): u32 magic, u16 version, u16 kind, u32 seq, then fields
 * { u16 tag, u16 0, u32 len, len bytes, padded to 4 }. Tags may repeat (lists). A reader skips tags
 * it does not know, so that fields can be added while old shims run. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"

struct dv_msg_writer {
    struct dv_buf buf;
    struct dv_error err;   /* first failure; later puts do nothing */
};
void dv_msg_begin(struct dv_msg_writer *w, uint16_t kind, uint32_t seq, size_t max_bytes);
void dv_msg_u64(struct dv_msg_writer *w, uint16_t tag, uint64_t v);
void dv_msg_i64(struct dv_msg_writer *w, uint16_t tag, int64_t v);
void dv_msg_str(struct dv_msg_writer *w, uint16_t tag, const char *s);   /* NULL: nothing put */
void dv_msg_bytes(struct dv_msg_writer *w, uint16_t tag, const void *data, size_t n);
/* A nested group: fields between open and close are one field of the outer message. */
size_t dv_msg_open(struct dv_msg_writer *w, uint16_t tag);
void dv_msg_close(struct dv_msg_writer *w, size_t mark);
DV_CHECK int dv_msg_end(struct dv_msg_writer *w, struct dv_error *err); /* 0 or the first failure */
void dv_msg_done(struct dv_msg_writer *w);
/* Number an ended message just before it is sent. */
static inline void dv_msg_set_seq(struct dv_msg_writer *w, uint32_t seq)
{
    if (w->buf.len >= 12)
        __builtin_memcpy(w->buf.data + 8, &seq, sizeof(seq));
}

/* Reader: borrowed memory; strings point into the message and are NUL-checked. */
struct dv_msg {
    uint16_t kind;
    uint32_t seq;
    const uint8_t *fields;
    size_t len;
};
struct dv_field {
    uint16_t tag;
    uint32_t len;
    const uint8_t *data;
};
DV_CHECK int dv_msg_parse(const void *data, size_t n, struct dv_msg *ret, struct dv_error *err);
/* Iterate: POS starts at 0; false at the end. The framing was checked by dv_msg_parse for the outer
 * message and by dv_field_group for an inner one. */
bool dv_msg_next(const struct dv_msg *m, size_t *pos, struct dv_field *ret);
DV_CHECK int dv_field_group(const struct dv_field *f, struct dv_msg *ret, struct dv_error *err);
DV_CHECK int dv_field_u64(const struct dv_field *f, uint64_t *ret, struct dv_error *err);
DV_CHECK int dv_field_i64(const struct dv_field *f, int64_t *ret, struct dv_error *err);
DV_CHECK int dv_field_str(const struct dv_field *f, const char **ret, struct dv_error *err);
/* First field of TAG, with a fallback when it is absent (or malformed). */
uint64_t dv_msg_get_u64(const struct dv_msg *m, uint16_t tag, uint64_t fallback);
int64_t dv_msg_get_i64(const struct dv_msg *m, uint16_t tag, int64_t fallback);
const char *dv_msg_get_str(const struct dv_msg *m, uint16_t tag, const char *fallback);
bool dv_msg_find(const struct dv_msg *m, uint16_t tag, struct dv_field *ret);
