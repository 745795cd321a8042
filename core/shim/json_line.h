/* json_line.h - container output as records of Docker's json-file log. */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"

/* What the records of one batch have in common; borrowed, NUL-terminated. */
struct dv_json_record {
    const char *stream;    /* "stdout" or "stderr" */
    const char *time;      /* RFC3339Nano */
    const char *attrs;     /* a ready-made JSON object, or NULL */
};

/* Append {"log":"DATA\n","stream":...,"attrs":...,"time":...}\n to OUT. NEWLINE false: a piece of a
 * longer line, without the "\n" in the text. Escapes are those of Docker's jsonlog: ", \, \n, \r,
 * \u00XX for other control characters and < > &, U+2028 and U+2029, \ufffd for each byte that is no
 * UTF-8. Errors of dv_buf_reserve(); OUT is then unchanged. */
DV_CHECK int dv_json_record_put(struct dv_buf *out, const struct dv_json_record *record,
                                const char *data, size_t n, bool newline, struct dv_error *err);

/* Splits one stream into records: at newlines, and after DV_LOG_LINE_BYTES without one, or up to
 * three less where a UTF-8 character would be cut. Holds the unfinished line; the zero value with a named limit is empty. */
struct dv_splitter {
    struct dv_buf rest;
};
#define DV_SPLITTER_INIT { .rest = DV_BUF_INIT(DV_LOG_LINE_BYTES + 1, "unfinished log line") }

/* PUT gets each piece once. NEWLINE as above. */
typedef void dv_piece_fn(void *ctx, const char *data, size_t n, bool newline);
/* Out of memory for an unfinished line: it is put as a partial piece instead; nothing is lost. */
void dv_splitter_feed(struct dv_splitter *s, const char *data, size_t n, dv_piece_fn *put,
                      void *ctx);
/* The end of the stream: what is left is put as a piece without newline, as Docker does. */
void dv_splitter_end(struct dv_splitter *s, dv_piece_fn *put, void *ctx);
