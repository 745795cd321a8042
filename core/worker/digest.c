/* digest.c - streaming SHA-256 by libcrypto, which uses the CPU's own instructions. */
#include "core/worker/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "core/base/id.h"
#include "core/base/str.h"

int dv_digest_init(struct dv_digest *d, struct dv_error *err)
{
    d->n_bytes = 0;
    d->ctx = EVP_MD_CTX_new();
    if (!d->ctx || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
        dv_digest_done(d);
        return dv_fail(err, DV_E_INTERNAL, "libcrypto gives no SHA-256");
    }
    return 0;
}

void dv_digest_done(struct dv_digest *d)
{
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
}

void dv_digest_put(struct dv_digest *d, const void *data, size_t n)
{
    if (EVP_DigestUpdate(d->ctx, data, n) != 1)
        abort(); /* only on misuse: a wrong digest must never come out */
    d->n_bytes += n;
}

void dv_digest_end(struct dv_digest *d, char out[DV_DIGEST_BYTES])
{
    unsigned char md[32];
    unsigned int n = 0;

    if (EVP_DigestFinal_ex(d->ctx, md, &n) != 1 || n != sizeof(md))
        abort();
    memcpy(out, "sha256:", 7);
    dv_hex(md, sizeof(md), out + 7);
}

int dv_digest_of(const void *data, size_t n, char out[DV_DIGEST_BYTES], struct dv_error *err)
{
    dv_autodigest d = { 0 };
    int r = dv_digest_init(&d, err);

    if (r < 0)
        return r;
    dv_digest_put(&d, data, n);
    dv_digest_end(&d, out);
    return 0;
}

int dv_digest_chain(const char *parent, const char *diff_id, char out[DV_DIGEST_BYTES],
                    struct dv_error *err)
{
    char both[2 * DV_DIGEST_BYTES];
    int n;

    if (dv_empty(parent)) {
        snprintf(out, DV_DIGEST_BYTES, "%s", diff_id);
        return 0;
    }
    n = snprintf(both, sizeof(both), "%s %s", parent, diff_id);
    return dv_digest_of(both, (size_t)n, out, err);
}
