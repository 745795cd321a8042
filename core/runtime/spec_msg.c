/* spec_msg.c - struct dv_spec to and from a message, by the tables of spec.c. */
#include "core/runtime/spec_msg.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/spec_fields.h"

/* ---- out ---- */

static uint64_t load_uint(const void *at, size_t size)
{
    uint64_t v = 0;

    memcpy(&v, at, size); /* little-endian, as all machines davit runs on; see below */
    return v;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are copied by their low bytes");

static int64_t load_int(const void *at, size_t size)
{
    uint64_t v = load_uint(at, size);
    unsigned unused = 64 - 8 * (unsigned)size;

    return (int64_t)(v << unused) >> unused;
}

static void encode(struct dv_msg_writer *w, const struct dv_spec_table *t, const void *s);

static void encode_group(struct dv_msg_writer *w, uint16_t tag, const struct dv_spec_table *t,
                         const void *s)
{
    size_t mark = dv_msg_open(w, tag);

    encode(w, t, s);
    dv_msg_close(w, mark);
}

static void encode_array(struct dv_msg_writer *w, const struct dv_spec_field *f, const char *items,
                         size_t n)
{
    for (size_t i = 0; i < n; i++)
        encode_group(w, f->tag, f->sub, items + i * f->sub->size);
}

/* What is zero, empty or NULL is left out: a reader starts with zeros. */
static void encode_field(struct dv_msg_writer *w, const struct dv_spec_field *f, const void *s)
{
    const char *at = (const char *)s + f->offset;
    const struct dv_strv *v = (const struct dv_strv *)at;
    const size_t *n = (const size_t *)((const char *)s + f->n_offset);

    switch (f->kind) {
    case DV_SPEC_STR:
        dv_msg_str(w, f->tag, *(char *const *)at);
        break;
    case DV_SPEC_STRV:
        for (size_t i = 0; i < v->n; i++)
            dv_msg_str(w, f->tag, v->items[i]);
        break;
    case DV_SPEC_BYTES:
        if (*(char *const *)at)
            dv_msg_bytes(w, f->tag, *(char *const *)at, *n);
        break;
    case DV_SPEC_BOOL:
    case DV_SPEC_UINT:
        if (load_uint(at, f->size))
            dv_msg_u64(w, f->tag, load_uint(at, f->size));
        break;
    case DV_SPEC_INT:
        if (load_int(at, f->size))
            dv_msg_i64(w, f->tag, load_int(at, f->size));
        break;
    case DV_SPEC_TEXT:
        dv_msg_str(w, f->tag, at);
        break;
    case DV_SPEC_GROUP:
        encode_group(w, f->tag, f->sub, at);
        break;
    case DV_SPEC_LIST:
        encode_array(w, f, *(char *const *)at, *n);
        break;
    case DV_SPEC_ARRAY:
        encode_array(w, f, at, f->size);
        break;
    }
}

static void encode(struct dv_msg_writer *w, const struct dv_spec_table *t, const void *s)
{
    for (size_t i = 0; i < t->n; i++)
        encode_field(w, &t->fields[i], s);
}

void dv_spec_encode(struct dv_msg_writer *w, uint16_t tag, const struct dv_spec *spec)
{
    encode_group(w, tag, &dv_spec_table, spec);
}

void dv_process_encode(struct dv_msg_writer *w, uint16_t tag, const struct dv_spec_process *p)
{
    encode_group(w, tag, &dv_spec_process_table, p);
}

/* ---- in ---- */

static int no_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "no memory to read a container's specification");
}

static int decode(const struct dv_msg *m, const struct dv_spec_table *t, void *s,
                  struct dv_error *err);

static int decode_group(const struct dv_field *field, const struct dv_spec_table *t, void *s,
                        struct dv_error *err)
{
    struct dv_msg m;
    int r = dv_field_group(field, &m, err);

    return r < 0 ? r : decode(&m, t, s, err);
}

/* A struct in place. One that came before (a tag that repeats) goes: its lists have no room. */
static int decode_in_place(const struct dv_field *field, const struct dv_spec_table *t, void *s,
                           struct dv_error *err)
{
    dv_spec_release(t, s);
    return decode_group(field, t, s, err);
}

static int decode_str(const struct dv_field *field, char **at, struct dv_error *err)
{
    const char *text;
    int r = dv_field_str(field, &text, err);

    if (r < 0)
        return r;
    free(*at); /* a tag that repeats: the last one counts */
    *at = strdup(text);
    return *at ? 0 : no_memory(err);
}

static int decode_strv(const struct dv_field *field, struct dv_strv *v, struct dv_error *err)
{
    const char *text;
    int r = dv_field_str(field, &text, err);

    if (r < 0)
        return r;
    return dv_strv_add(v, text) < 0 ? no_memory(err) : 0;
}

static int decode_bytes(const struct dv_field *field, char **at, size_t *n, struct dv_error *err)
{
    free(*at);
    *n = 0;
    *at = malloc(field->len ? field->len : 1);
    if (!*at)
        return no_memory(err);
    memcpy(*at, field->data, field->len);
    *n = field->len;
    return 0;
}

static int decode_number(const struct dv_field *field, const struct dv_spec_field *f, void *at,
                         struct dv_error *err)
{
    uint64_t v;
    bool fits;
    int r = dv_field_u64(field, &v, err);

    if (r < 0)
        return r;
    fits = f->kind == DV_SPEC_INT    ? load_int(&v, f->size) == (int64_t)v
           : f->kind == DV_SPEC_BOOL ? v <= 1
                                     : load_uint(&v, f->size) == v;
    if (!fits)
        return dv_fail(err, DV_E_INVALID, "number in field %u of a specification is out of range",
                       f->tag);
    memcpy(at, &v, f->size);
    return 0;
}

static int decode_text(const struct dv_field *field, const struct dv_spec_field *f, char *at,
                       struct dv_error *err)
{
    const char *text;
    int r = dv_field_str(field, &text, err);

    if (r < 0)
        return r;
    if (strlen(text) >= f->size)
        return dv_fail(err, DV_E_INVALID, "text in field %u of a specification is too long",
                       f->tag);
    memcpy(at, text, strlen(text) + 1);
    return 0;
}

static size_t count(const struct dv_msg *m, uint16_t tag)
{
    struct dv_field field;
    size_t pos = 0, n = 0;

    while (dv_msg_next(m, &pos, &field))
        n += field.tag == tag;
    return n;
}

/* Memory for all of them at the first; their number grows as they are filled, so that a release
 * after a failure finds only what is whole. A message bounds the number by its length. */
static int decode_item(const struct dv_msg *m, const struct dv_field *field,
                       const struct dv_spec_field *f, void *s, struct dv_error *err)
{
    char **items = (char **)((char *)s + f->offset);
    size_t *n = (size_t *)((char *)s + f->n_offset);

    if (!*items) {
        *items = calloc(count(m, f->tag), f->sub->size);
        if (!*items)
            return no_memory(err);
    }
    (*n)++;
    return decode_group(field, f->sub, *items + (*n - 1) * f->sub->size, err);
}

static int decode_field(const struct dv_msg *m, const struct dv_field *field,
                        const struct dv_spec_field *f, void *s, size_t seen, struct dv_error *err)
{
    char *at = (char *)s + f->offset;

    switch (f->kind) {
    case DV_SPEC_STR:
        return decode_str(field, (char **)at, err);
    case DV_SPEC_STRV:
        return decode_strv(field, (struct dv_strv *)at, err);
    case DV_SPEC_BYTES:
        return decode_bytes(field, (char **)at, (size_t *)((char *)s + f->n_offset), err);
    case DV_SPEC_BOOL:
    case DV_SPEC_UINT:
    case DV_SPEC_INT:
        return decode_number(field, f, at, err);
    case DV_SPEC_TEXT:
        return decode_text(field, f, at, err);
    case DV_SPEC_GROUP:
        return decode_in_place(field, f->sub, at, err);
    case DV_SPEC_LIST:
        return decode_item(m, field, f, s, err);
    case DV_SPEC_ARRAY:
        if (seen >= f->size) /* more kinds than this program knows */
            return 0;
        return decode_in_place(field, f->sub, at + seen * f->sub->size, err);
    }
    return 0;
}

static const struct dv_spec_field *find(const struct dv_spec_table *t, uint16_t tag)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->fields[i].tag == tag)
            return &t->fields[i];
    return NULL;
}

static int decode(const struct dv_msg *m, const struct dv_spec_table *t, void *s,
                  struct dv_error *err)
{
    const struct dv_spec_field *f = NULL;
    struct dv_field field;
    size_t pos = 0, seen = 0; /* of fields in a row with the same tag, as an array has them */
    int r = 0;

    while (r == 0 && dv_msg_next(m, &pos, &field)) {
        seen = f && f->tag == field.tag ? seen + 1 : 0;
        f = find(t, field.tag);
        if (f)
            r = decode_field(m, &field, f, s, seen, err);
    }
    return r;
}

int dv_spec_decode(const struct dv_field *f, struct dv_spec **ret, struct dv_error *err)
{
    dv_auto(dv_spec) *spec = calloc(1, sizeof(*spec));
    int r;

    if (!spec)
        return no_memory(err);
    r = decode_group(f, &dv_spec_table, spec, err);
    if (r < 0)
        return r;
    *ret = dv_take(spec);
    return 0;
}

int dv_process_decode(const struct dv_field *f, struct dv_spec_process *p, struct dv_error *err)
{
    return decode_group(f, &dv_spec_process_table, p, err);
}
