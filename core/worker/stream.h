/* stream.h - a layer's bytes on their way: blob -> (digest) -> decompressor -> (diff id) -> tar. */
#pragma once

#include <archive.h>
#include <stdbool.h>

#include "core/worker/digest.h"

enum dv_compression { DV_PLAIN, DV_GZIP, DV_ZSTD, DV_BZIP2, DV_XZ };
const char *dv_compression_name(enum dv_compression c);
/* Media type of a layer in that form; NULL where the OCI has none. */
const char *dv_layer_media_type(enum dv_compression c);

struct dv_stream;
struct dv_stream_config {
    int fd;                      /* read from its current position to its end; borrowed */
    int tee_fd;                  /* file that becomes the blob, or -1: the source is the blob */
    bool tee_plain_others;       /* bzip2 and xz, which no layer may have: keep them decompressed */
    int cancel_fd;               /* readable: give up; -1 for none */
};
/* Looks at the first bytes to know the compression. */
DV_CHECK int dv_stream_new(const struct dv_stream_config *config, struct dv_stream **ret,
                           struct dv_error *err);
void dv_stream_free(struct dv_stream *s);
DV_DEFINE_AUTO(dv_stream, dv_stream_free);
/* The tar reader over the decompressed bytes; owned by the stream. */
struct archive *dv_stream_tar(struct dv_stream *s);
/* The real cause where reading the tar failed: of the stream below it, else the archive's own. */
int dv_stream_fail(struct dv_stream *s, const char *what, struct dv_error *err);

struct dv_stream_result {
    char blob_digest[DV_DIGEST_BYTES], diff_id[DV_DIGEST_BYTES];
    uint64_t blob_bytes, diff_bytes;
    const char *media_type;      /* of the blob */
};
/* Read what is left (padding, trailing bytes) and give the digests. */
DV_CHECK int dv_stream_finish(struct dv_stream *s, struct dv_stream_result *ret,
                              struct dv_error *err);
