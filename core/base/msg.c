/* msg.c - messages between our own processes: a kind and tagged fields. */
#include "core/base/msg.h"

#include <assert.h>
#include <string.h>

/* The wire form is in the header; this is its layout. */
static const uint32_t magic = 0x44564d31; /* "DVM1" */
enum { VERSION = 1 };
struct header {
    uint32_t magic;
    uint16_t version, kind;
    uint32_t seq;
};
struct field {
    uint16_t tag, zero;
    uint32_t len;
};
static_assert(sizeof(struct header) == 12 && sizeof(struct field) == 8, "no padding on the wire");
static_assert(offsetof(struct header, seq) == 8, "dv_msg_set_seq writes there");

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

void dv_msg_begin(struct dv_msg_writer *w, uint16_t kind, uint32_t seq, size_t max_bytes)
{
    struct header h = { .magic = magic, .version = VERSION, .kind = kind, .seq = seq };

    memset(w, 0, sizeof(*w));
    w->buf.max = max_bytes;
    w->buf.name = "message";
    if (dv_buf_put(&w->buf, &h, sizeof(h), &w->err) < 0)
        return;
}

/* Room for a field of N bytes, its header and zeroed padding in place; NULL on failure. */
static char *put_field(struct dv_msg_writer *w, uint16_t tag, size_t n)
{
    struct field f = { .tag = tag, .zero = 0, .len = (uint32_t)n };
    char *at;

    if (w->err.code)
        return NULL;
    if (n > UINT32_MAX - sizeof(f) - 3) {
        dv_fail(&w->err, DV_E_INVALID, "message field %u is too large", tag);
        return NULL;
    }
    if (dv_buf_reserve(&w->buf, sizeof(f) + padded(n), &w->err) < 0)
        return NULL;
    at = w->buf.data + w->buf.len;
    memcpy(at, &f, sizeof(f));
    memset(at + sizeof(f) + n, 0, padded(n) - n + 1);
    w->buf.len += sizeof(f) + padded(n);
    return at + sizeof(f);
}

void dv_msg_bytes(struct dv_msg_writer *w, uint16_t tag, const void *data, size_t n)
{
    char *at = put_field(w, tag, n);

    if (at && n > 0)
        memcpy(at, data, n);
}

void dv_msg_u64(struct dv_msg_writer *w, uint16_t tag, uint64_t v)
{
    dv_msg_bytes(w, tag, &v, sizeof(v));
}

void dv_msg_i64(struct dv_msg_writer *w, uint16_t tag, int64_t v)
{
    dv_msg_bytes(w, tag, &v, sizeof(v));
}

void dv_msg_str(struct dv_msg_writer *w, uint16_t tag, const char *s)
{
    if (s)
        dv_msg_bytes(w, tag, s, strlen(s) + 1);
}

size_t dv_msg_open(struct dv_msg_writer *w, uint16_t tag)
{
    size_t mark = w->buf.len;

    put_field(w, tag, 0);
    return mark;
}

void dv_msg_close(struct dv_msg_writer *w, size_t mark)
{
    uint32_t len;

    if (w->err.code)
        return;
    assert(mark + sizeof(struct field) <= w->buf.len);
    len = (uint32_t)(w->buf.len - mark - sizeof(struct field)); /* inner fields are padded */
    memcpy(w->buf.data + mark + offsetof(struct field, len), &len, sizeof(len));
}

int dv_msg_end(struct dv_msg_writer *w, struct dv_error *err)
{
    if (!w->err.code)
        return 0;
    *err = w->err;
    return -err->code;
}

void dv_msg_done(struct dv_msg_writer *w)
{
    dv_buf_done(&w->buf);
}

/* Walk all headers once, so that readers need not check. */
static bool framing_ok(const uint8_t *fields, size_t len)
{
    size_t pos = 0;

    while (pos < len) {
        struct field f;

        if (len - pos < sizeof(f))
            return false;
        memcpy(&f, fields + pos, sizeof(f));
        pos += sizeof(f);
        if (f.len > len - pos || padded(f.len) > len - pos)
            return false;
        pos += padded(f.len);
    }
    return true;
}

int dv_msg_parse(const void *data, size_t n, struct dv_msg *ret, struct dv_error *err)
{
    const uint8_t *from = data;
    struct header h;

    if (n < sizeof(h))
        return dv_fail(err, DV_E_INVALID, "message of %zu bytes is too short", n);
    memcpy(&h, from, sizeof(h));
    if (h.magic != magic)
        return dv_fail(err, DV_E_INVALID, "message does not begin as one of davit's");
    if (h.version != VERSION)
        return dv_fail(err, DV_E_UNSUPPORTED, "message of version %u; this program knows %d",
                       h.version, VERSION);
    if (!framing_ok(from + sizeof(h), n - sizeof(h)))
        return dv_fail(err, DV_E_INVALID, "message of kind %u is cut or malformed", h.kind);
    ret->kind = h.kind;
    ret->seq = h.seq;
    ret->fields = from + sizeof(h);
    ret->len = n - sizeof(h);
    return 0;
}

bool dv_msg_next(const struct dv_msg *m, size_t *pos, struct dv_field *ret)
{
    struct field f;

    if (*pos >= m->len)
        return false;
    memcpy(&f, m->fields + *pos, sizeof(f));
    ret->tag = f.tag;
    ret->len = f.len;
    ret->data = m->fields + *pos + sizeof(f);
    *pos += sizeof(f) + padded(f.len);
    return true;
}

int dv_field_group(const struct dv_field *f, struct dv_msg *ret, struct dv_error *err)
{
    if (!framing_ok(f->data, f->len))
        return dv_fail(err, DV_E_INVALID, "message field %u is no group of fields", f->tag);
    ret->kind = f->tag;
    ret->seq = 0;
    ret->fields = f->data;
    ret->len = f->len;
    return 0;
}

int dv_field_u64(const struct dv_field *f, uint64_t *ret, struct dv_error *err)
{
    if (f->len != sizeof(*ret))
        return dv_fail(err, DV_E_INVALID, "message field %u is no number", f->tag);
    memcpy(ret, f->data, sizeof(*ret));
    return 0;
}

int dv_field_i64(const struct dv_field *f, int64_t *ret, struct dv_error *err)
{
    uint64_t v = 0;
    int r = dv_field_u64(f, &v, err);

    if (r < 0)
        return r;
    *ret = (int64_t)v;
    return 0;
}

int dv_field_str(const struct dv_field *f, const char **ret, struct dv_error *err)
{
    if (f->len == 0 || memchr(f->data, 0, f->len) != f->data + f->len - 1)
        return dv_fail(err, DV_E_INVALID, "message field %u is no text", f->tag);
    *ret = (const char *)f->data;
    return 0;
}

bool dv_msg_find(const struct dv_msg *m, uint16_t tag, struct dv_field *ret)
{
    struct dv_field f;
    size_t pos = 0;

    while (dv_msg_next(m, &pos, &f)) {
        if (f.tag == tag) {
            *ret = f;
            return true;
        }
    }
    return false;
}

uint64_t dv_msg_get_u64(const struct dv_msg *m, uint16_t tag, uint64_t fallback)
{
    struct dv_field f;

    if (!dv_msg_find(m, tag, &f) || f.len != sizeof(fallback))
        return fallback;
    memcpy(&fallback, f.data, sizeof(fallback));
    return fallback;
}

int64_t dv_msg_get_i64(const struct dv_msg *m, uint16_t tag, int64_t fallback)
{
    return (int64_t)dv_msg_get_u64(m, tag, (uint64_t)fallback);
}

const char *dv_msg_get_str(const struct dv_msg *m, uint16_t tag, const char *fallback)
{
    struct dv_field f;

    if (!dv_msg_find(m, tag, &f) || f.len == 0 || memchr(f.data, 0, f.len) != f.data + f.len - 1)
        return fallback;
    return (const char *)f.data;
}
