/* spec_msg.c - fuzz target: a message between our programs, and the container spec that one carries.
 * What decodes must encode to what decodes to the same. */
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/runtime/spec_msg.h"
#include "fuzz.h"

/* Every field as every type, and groups as groups. */
static void walk(const struct dv_msg *m, int depth)
{
    struct dv_field f;
    size_t pos = 0;

    while (dv_msg_next(m, &pos, &f)) {
        struct dv_error err = { 0 };
        struct dv_msg inner;
        const char *text;
        uint64_t u;
        int64_t i;

        if (dv_field_str(&f, &text, &err) == 0 && strlen(text) >= f.len)
            fuzz_fail("a string beyond its field", "");
        (void)!dv_field_u64(&f, &u, &err);
        (void)!dv_field_i64(&f, &i, &err);
        if (depth < 8 && dv_field_group(&f, &inner, &err) == 0)
            walk(&inner, depth + 1);
    }
}

static void encode(const struct dv_spec *spec, struct dv_msg_writer *w)
{
    struct dv_error err = { 0 };

    dv_msg_begin(w, 1, 1, DV_MAX_PLAN_BYTES);
    dv_spec_encode(w, 1, spec);
    if (dv_msg_end(w, &err) < 0)
        fuzz_fail("encode", err.msg);
}

static struct dv_spec *decode(const struct dv_msg *m)
{
    struct dv_error err = { 0 };
    struct dv_spec *spec = NULL;
    struct dv_field f;

    if (!dv_msg_find(m, 1, &f) || dv_spec_decode(&f, &spec, &err) < 0)
        return NULL;
    return spec;
}

static void round_trip(struct dv_spec *spec)
{
    struct dv_msg_writer first, second;
    struct dv_error err = { 0 };
    struct dv_spec *again;
    struct dv_msg m;

    encode(spec, &first);
    if (dv_msg_parse(first.buf.data, first.buf.len, &m, &err) < 0 || !(again = decode(&m)))
        fuzz_fail("its own message is refused", err.msg);
    encode(again, &second);
    if (first.buf.len != second.buf.len ||
        memcmp(first.buf.data, second.buf.data, first.buf.len) != 0)
        fuzz_fail("another message for the same spec", "");
    dv_spec_free(again);
    dv_msg_done(&first);
    dv_msg_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_error err = { 0 };
    struct dv_spec *spec;
    struct dv_msg m;

    if (dv_msg_parse(data, size, &m, &err) < 0)
        return 0;
    walk(&m, 0);
    spec = decode(&m);
    if (spec)
        round_trip(spec);
    dv_spec_free(spec);
    return 0;
}
