/* layer.c - one layer from its blob into the store. */
#include "core/worker/layer.h"

#include <archive_entry.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/worker/unpack.h"

static int fail_read(void *arg, struct dv_error *err)
{
    return dv_stream_fail(arg, "read the layer", err);
}

/* The size that unpacking gives, where the store has the layer already. */
static int measure(struct dv_stream *s, uint64_t *ret, struct dv_error *err)
{
    struct archive *tar = dv_stream_tar(s);
    struct archive_entry *entry;
    uint64_t bytes = 0;
    int r;

    while ((r = archive_read_next_header(tar, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN)
        if (archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry))
            bytes += (uint64_t)archive_entry_size(entry);
    if (r != ARCHIVE_EOF)
        return fail_read(s, err);
    *ret = bytes;
    return 0;
}

static int check_digests(const struct dv_layer_source *source, const struct dv_layer_put *put,
                         struct dv_error *err)
{
    if (source->digest && !dv_streq(source->digest, put->digest))
        return dv_fail(err, DV_E_INVALID, "layer blob is %s, but %s was promised: the archive is "
                       "damaged or was changed", put->digest, source->digest);
    if (source->diff_id && !dv_streq(source->diff_id, put->diff_id))
        return dv_fail(err, DV_E_INVALID, "layer has the diff id %s, but the image config says %s: "
                       "the archive is damaged or was changed", put->diff_id, source->diff_id);
    return 0;
}

/* Read all of it: into LAYER's directory, or through only. */
static int read_layer(struct dv_stream *s, const struct dv_wire_layer *layer,
                      struct dv_layer_put *put, struct dv_error *err)
{
    struct dv_unpack_result unpacked = { 0 };
    struct dv_stream_result result;
    int r;

    if (layer->present)
        r = measure(s, &unpacked.bytes, err);
    else
        r = dv_unpack(dv_stream_tar(s), layer->dir_fd, (enum dv_whiteouts)layer->whiteouts,
                      fail_read, s, &unpacked, err);
    r = r < 0 ? r : dv_stream_finish(s, &result, err);
    if (r < 0)
        return r;
    put->size_bytes = unpacked.bytes;
    put->blob_bytes = result.blob_bytes;
    put->media_type = result.media_type;
    memcpy(put->digest, result.blob_digest, sizeof(put->digest));
    memcpy(put->diff_id, result.diff_id, sizeof(put->diff_id));
    return 0;
}

static int store_blob(struct dv_wire *wire, const struct dv_layer_source *source, int tee_fd,
                      const struct dv_layer_put *put, struct dv_error *err)
{
    const struct dv_wire_blob blob = { .digest = put->digest, .media_type = put->media_type,
                                       .size_bytes = put->blob_bytes };

    if (source->blob == DV_BLOB_KEPT)
        return 0;
    return dv_wire_blob_done(wire, &blob, source->blob == DV_BLOB_ADOPT ? source->fd : tee_fd, err);
}

static int put_in(struct dv_wire *wire, const struct dv_layer_source *source,
                  struct dv_wire_layer *layer, struct dv_layer_put *put, struct dv_error *err)
{
    struct dv_stream_config config = { .fd = source->fd, .tee_fd = -1, .cancel_fd = wire->fd,
                                       .tee_plain_others = source->any_compression };
    dv_auto(dv_stream) *s = NULL;
    dv_autoclose int tee_fd = -1;
    int r = 0;

    if (source->blob == DV_BLOB_COPY) {
        r = dv_wire_blob_open(wire, &tee_fd, err);
        config.tee_fd = tee_fd;
    }
    r = r < 0 ? r : dv_stream_new(&config, &s, err);
    r = r < 0 ? r : read_layer(s, layer, put, err);
    r = r < 0 ? r : check_digests(source, put, err);
    r = r < 0 ? r : dv_digest_chain(source->parent, put->diff_id, put->chain, err);
    r = r < 0 ? r : store_blob(wire, source, tee_fd, put, err);
    if (r == 0 && !layer->present)
        r = dv_wire_layer_commit(wire, layer, put->chain, source->parent, err);
    return r;
}

int dv_layer_put(struct dv_wire *wire, const struct dv_layer_source *source,
                 struct dv_layer_put *ret, struct dv_error *err)
{
    struct dv_wire_layer layer = { .dir_fd = -1 };
    struct dv_layer_put put = { 0 };
    char chain[DV_DIGEST_BYTES] = "";
    int r = 0;

    if (source->diff_id)
        r = dv_digest_chain(source->parent, source->diff_id, chain, err);
    r = r < 0 ? r : dv_wire_layer_prepare(wire, chain, source->parent, &layer, err);
    if (r < 0)
        return r;
    r = put_in(wire, source, &layer, &put, err);
    dv_wire_layer_abort(wire, &layer);
    if (r < 0)
        return r;
    *ret = put;
    return 0;
}

int dv_blob_put(struct dv_wire *wire, const void *data, size_t n, const char *media_type,
                char ret[DV_DIGEST_BYTES], struct dv_error *err)
{
    struct dv_wire_blob blob = { .digest = ret, .media_type = media_type, .size_bytes = n };
    dv_autoclose int fd = -1;
    int r;

    r = dv_digest_of(data, n, ret, err);
    r = r < 0 ? r : dv_wire_blob_open(wire, &fd, err);
    if (r < 0)
        return r;
    if (dv_write_all(fd, data, n) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write a blob of %zu bytes", n);
    return dv_wire_blob_done(wire, &blob, fd, err);
}
