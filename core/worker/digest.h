/* digest.h - streaming SHA-256. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

enum { DV_DIGEST_BYTES = 72 };       /* "sha256:" + 64 hex + NUL */
struct dv_digest {
    void *ctx;                       /* EVP_MD_CTX */
    uint64_t n_bytes;                /* fed so far */
};
#define dv_autodigest __attribute__((cleanup(dv_digest_done))) struct dv_digest

DV_CHECK int dv_digest_init(struct dv_digest *d, struct dv_error *err);
void dv_digest_done(struct dv_digest *d);
void dv_digest_put(struct dv_digest *d, const void *data, size_t n);
/* The text form; feeds nothing more. */
void dv_digest_end(struct dv_digest *d, char out[DV_DIGEST_BYTES]);
DV_CHECK int dv_digest_of(const void *data, size_t n, char out[DV_DIGEST_BYTES],
                          struct dv_error *err);
/* OCI image-spec, config.md, "Layer ChainID": of DIFF_ID on PARENT ("" for the base layer). */
DV_CHECK int dv_digest_chain(const char *parent, const char *diff_id, char out[DV_DIGEST_BYTES],
                             struct dv_error *err);
