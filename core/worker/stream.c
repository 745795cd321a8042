/* stream.c - digests and decompression in one pass, then libarchive's tar reader.
 *
 * Two libarchive readers: the first knows only "raw" and one filter and so is the decompressor; the
 * second knows only tar and no filter. Between them the diff id is taken, which is the digest of
 * every decompressed byte, also of those behind the end of the archive. */
#include "core/worker/stream.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"

enum { CHUNK_BYTES = 256 << 10, MAGIC_BYTES = 6 };

struct dv_stream {
    struct dv_stream_config config;
    enum dv_compression compression;
    struct dv_digest blob, diff;
    struct archive *raw;         /* NULL for plain */
    struct archive *tar;
    struct dv_error error;       /* first failure of the lower half */
    bool eof, tee_diff, opened;
    size_t head_len;             /* bytes of buf that were read to know the compression */
    bool head_given;
    char buf[CHUNK_BYTES];
};

static const struct {
    const char *name, *media_type, *magic;
    size_t magic_len;
    int (*filter)(struct archive *a);
} kinds[] = {
    [DV_PLAIN] = { "no", "application/vnd.oci.image.layer.v1.tar", "", 0, NULL },
    [DV_GZIP] = { "gzip", "application/vnd.oci.image.layer.v1.tar+gzip", "\x1f\x8b", 2,
                  archive_read_support_filter_gzip },
    [DV_ZSTD] = { "zstd", "application/vnd.oci.image.layer.v1.tar+zstd", "\x28\xb5\x2f\xfd", 4,
                  archive_read_support_filter_zstd },
    [DV_BZIP2] = { "bzip2", NULL, "BZh", 3, archive_read_support_filter_bzip2 },
    [DV_XZ] = { "xz", NULL, "\xfd"
                            "7zXZ\0", 6, archive_read_support_filter_xz },
};

const char *dv_compression_name(enum dv_compression c)
{
    return kinds[c].name;
}

const char *dv_layer_media_type(enum dv_compression c)
{
    return kinds[c].media_type;
}

/* Wait for input or for the wish to stop; only descriptors that may block are worth the call. */
static int wait_input(struct dv_stream *s)
{
    struct pollfd p[] = { { s->config.fd, POLLIN, 0 }, { s->config.cancel_fd, POLLIN, 0 } };

    while (poll(p, N(p), -1) < 0)
        if (errno != EINTR)
            return dv_fail_errno(&s->error, DV_E_INTERNAL, "poll");
    if (p[1].revents)
        return dv_fail(&s->error, DV_E_CANCELED, "job was canceled");
    return 0;
}

/* At most N bytes of the source: their number, 0 at the end, negative on failure. */
static ssize_t read_source(struct dv_stream *s, void *data, size_t n)
{
    ssize_t got;

    if (s->error.code)
        return -1;
    if (s->config.cancel_fd >= 0 && wait_input(s) < 0)
        return -1;
    do
        got = read(s->config.fd, data, n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return dv_fail_errno(&s->error, DV_E_INTERNAL, "read the archive");
    if (got == 0)
        s->eof = true;
    return got;
}

static int tee(struct dv_stream *s, bool wanted, const void *data, size_t n)
{
    if (!wanted || s->config.tee_fd < 0 || n == 0)
        return 0;
    if (dv_write_all(s->config.tee_fd, data, n) < 0)
        return dv_fail_errno(&s->error, DV_E_INTERNAL, "write a blob");
    return 0;
}

/* The next bytes of the blob in s->buf, counted and kept. */
static ssize_t next_blob_bytes(struct dv_stream *s)
{
    ssize_t n;

    if (!s->head_given && s->head_len > 0) {
        s->head_given = true;
        n = (ssize_t)s->head_len;
    } else {
        n = s->eof ? 0 : read_source(s, s->buf, sizeof(s->buf));
    }
    if (n <= 0)
        return n;
    dv_digest_put(&s->blob, s->buf, (size_t)n);
    return tee(s, !s->tee_diff, s->buf, (size_t)n) < 0 ? -1 : n;
}

static la_ssize_t blob_callback(struct archive *a, void *arg, const void **ret)
{
    struct dv_stream *s = arg;
    ssize_t n = next_blob_bytes(s);

    *ret = s->buf;
    if (n < 0)
        archive_set_error(a, EIO, "%s", s->error.msg);
    return n < 0 ? ARCHIVE_FATAL : n;
}

/* The next decompressed bytes, wherever they lie; 0 at the end. */
static ssize_t next_diff_bytes(struct dv_stream *s, const void **ret)
{
    la_int64_t offset;
    size_t n = 0;
    int r;

    if (s->compression == DV_PLAIN) {
        ssize_t got = next_blob_bytes(s);

        *ret = s->buf;
        if (got > 0)
            dv_digest_put(&s->diff, s->buf, (size_t)got);
        return got;
    }
    do
        r = archive_read_data_block(s->raw, ret, &n, &offset);
    while (r == ARCHIVE_OK && n == 0);
    if (r == ARCHIVE_EOF)
        return 0;
    if (r < ARCHIVE_WARN) {
        if (!s->error.code)
            dv_fail(&s->error, DV_E_INVALID, "decompress %s: %s", kinds[s->compression].name,
                    archive_error_string(s->raw) ? archive_error_string(s->raw) : "bad data");
        return -1;
    }
    dv_digest_put(&s->diff, *ret, n);
    return tee(s, s->tee_diff, *ret, n) < 0 ? -1 : (ssize_t)n;
}

static la_ssize_t diff_callback(struct archive *a, void *arg, const void **ret)
{
    struct dv_stream *s = arg;
    ssize_t n = next_diff_bytes(s, ret);

    if (n < 0)
        archive_set_error(a, EIO, "%s", s->error.msg);
    return n < 0 ? ARCHIVE_FATAL : n;
}

static int detect(struct dv_stream *s, struct dv_error *err)
{
    size_t i;

    while (s->head_len < MAGIC_BYTES) {
        ssize_t n = read_source(s, s->buf + s->head_len, sizeof(s->buf) - s->head_len);

        if (n < 0) {
            *err = s->error;
            return -err->code;
        }
        if (n == 0)
            break;
        s->head_len += (size_t)n;
    }
    for (i = DV_GZIP; i < N(kinds); i++)
        if (s->head_len >= kinds[i].magic_len &&
            memcmp(s->buf, kinds[i].magic, kinds[i].magic_len) == 0)
            s->compression = (enum dv_compression)i;
    return 0;
}

static int open_decompressor(struct dv_stream *s, struct dv_error *err)
{
    struct archive_entry *entry;
    int r;

    if (s->compression == DV_PLAIN)
        return 0;
    s->raw = archive_read_new();
    if (!s->raw || archive_read_support_format_raw(s->raw) < ARCHIVE_WARN ||
        archive_read_support_format_empty(s->raw) < ARCHIVE_WARN ||
        kinds[s->compression].filter(s->raw) != ARCHIVE_OK)
        return dv_fail(err, DV_E_INTERNAL, "libarchive cannot decompress %s here",
                       kinds[s->compression].name);
    if (archive_read_open2(s->raw, s, NULL, blob_callback, NULL, NULL) != ARCHIVE_OK)
        return dv_stream_fail(s, "open the compressed data", err);
    r = archive_read_next_header(s->raw, &entry);
    if (r < ARCHIVE_WARN)
        return dv_stream_fail(s, "decompress", err);
    /* The magic of a compression with something else behind it is not decompressed at all. */
    if (r != ARCHIVE_EOF && archive_filter_code(s->raw, 0) == ARCHIVE_FILTER_NONE)
        return dv_fail(err, DV_E_INVALID, "data begins as %s but is not",
                       kinds[s->compression].name);
    return 0;
}

static int open_tar(struct dv_stream *s, struct dv_error *err)
{
    s->tar = archive_read_new();
    if (!s->tar || archive_read_support_format_tar(s->tar) < ARCHIVE_WARN ||
        archive_read_support_format_empty(s->tar) < ARCHIVE_WARN)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a tar reader");
    if (archive_read_open2(s->tar, s, NULL, diff_callback, NULL, NULL) != ARCHIVE_OK)
        return dv_stream_fail(s, "open the tar archive", err);
    return 0;
}

int dv_stream_new(const struct dv_stream_config *config, struct dv_stream **ret,
                  struct dv_error *err)
{
    dv_auto(dv_stream) *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a stream");
    s->config = *config;
    r = dv_digest_init(&s->blob, err);
    r = r < 0 ? r : dv_digest_init(&s->diff, err);
    r = r < 0 ? r : detect(s, err);
    if (r < 0)
        return r;
    if (!kinds[s->compression].media_type && !config->tee_plain_others)
        return dv_fail(err, DV_E_UNSUPPORTED,
                       "layer is compressed with %s; an image's layers may be plain, gzip or zstd",
                       kinds[s->compression].name);
    s->tee_diff = !kinds[s->compression].media_type;
    r = open_decompressor(s, err);
    r = r < 0 ? r : open_tar(s, err);
    if (r < 0)
        return r;
    *ret = dv_take(s);
    return 0;
}

void dv_stream_free(struct dv_stream *s)
{
    if (!s)
        return;
    archive_read_free(s->tar);
    archive_read_free(s->raw);
    dv_digest_done(&s->blob);
    dv_digest_done(&s->diff);
    free(s);
}

struct archive *dv_stream_tar(struct dv_stream *s)
{
    return s->tar;
}

int dv_stream_fail(struct dv_stream *s, const char *what, struct dv_error *err)
{
    struct archive *a = s->tar ? s->tar : s->raw;
    const char *text = a ? archive_error_string(a) : NULL;

    if (s->error.code) {
        *err = s->error;
        return dv_wrap(err, "%s", what);
    }
    return dv_fail(err, DV_E_INVALID, "%s: %s", what, text ? text : "malformed archive");
}

int dv_stream_finish(struct dv_stream *s, struct dv_stream_result *ret, struct dv_error *err)
{
    const void *data;
    ssize_t n;

    while ((n = next_diff_bytes(s, &data)) > 0)
        ;
    while (n == 0 && !s->eof)
        n = next_blob_bytes(s);
    if (n < 0)
        return dv_stream_fail(s, "read the rest of the layer", err);
    ret->blob_bytes = s->blob.n_bytes;
    ret->diff_bytes = s->diff.n_bytes;
    dv_digest_end(&s->blob, ret->blob_digest);
    dv_digest_end(&s->diff, ret->diff_id);
    ret->media_type = dv_layer_media_type(s->compression);
    if (s->tee_diff) {
        ret->blob_bytes = ret->diff_bytes;
        memcpy(ret->blob_digest, ret->diff_id, sizeof(ret->blob_digest));
        ret->media_type = dv_layer_media_type(DV_PLAIN);
    }
    return 0;
}
