/* layer.h - one layer from its blob into the store: digests checked, unpacked, committed. */
#pragma once

#include "core/worker/digest.h"
#include "core/worker/stream.h"
#include "core/worker/wire.h"

enum dv_layer_blob {
    DV_BLOB_ADOPT,               /* FD is a spool file: it becomes the blob */
    DV_BLOB_COPY,                /* what is read from FD is written to a new one */
    DV_BLOB_KEPT,                /* FD is a blob of the store already */
};
struct dv_layer_source {
    int fd;                      /* read from its current position to its end */
    enum dv_layer_blob blob;
    bool any_compression;        /* bzip2 and xz too: such a blob is kept decompressed */
    const char *digest;          /* of the blob, as claimed; NULL if nothing is */
    const char *diff_id;         /* as the config says; NULL: whatever comes out */
    const char *parent;          /* chain id, "" for none */
};
struct dv_layer_put {
    char digest[DV_DIGEST_BYTES], diff_id[DV_DIGEST_BYTES], chain[DV_DIGEST_BYTES];
    const char *media_type;
    uint64_t blob_bytes, size_bytes; /* size: regular files, unpacked */
};
/* Nothing of the layer is visible after a failure. INVALID: a digest differs, or the tar is bad. */
DV_CHECK int dv_layer_put(struct dv_wire *wire, const struct dv_layer_source *source,
                          struct dv_layer_put *ret, struct dv_error *err);

/* Store DATA as a blob; its digest in RET. */
DV_CHECK int dv_blob_put(struct dv_wire *wire, const void *data, size_t n, const char *media_type,
                         char ret[DV_DIGEST_BYTES], struct dv_error *err);
