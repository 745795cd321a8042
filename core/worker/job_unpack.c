/* job_unpack.c - layers whose blobs the store has, for a storage driver that lacks them. */
#include "core/base/str.h"
#include "core/worker/image_config.h"
#include "core/worker/job.h"
#include "core/worker/layer.h"
#include "core/worker/protocol.h"

static int unpack_one(struct dv_job *job, const struct dv_msg *group, struct dv_error *err)
{
    struct dv_layer_source source = {
        .fd = -1,
        .blob = DV_BLOB_KEPT,
        .digest = dv_msg_get_str(group, DV_WT_DIGEST, ""),
        .diff_id = dv_msg_get_str(group, DV_WT_DIFF_ID, ""),
        .parent = dv_msg_get_str(group, DV_WT_PARENT, ""),
    };
    struct dv_layer_put put;
    dv_autoclose int fd = -1;
    int r;

    if (!dv_is_digest(source.digest) || !dv_is_digest(source.diff_id))
        return dv_fail(err, DV_E_INVALID, "unpack: layer without digests");
    r = dv_wire_blob_read(&job->wire, source.digest, &fd, err);
    if (r < 0)
        return r;
    source.fd = fd;
    r = dv_layer_put(&job->wire, &source, &put, err);
    return r < 0 ? dv_wrap(err, "unpack %s", source.digest) : 0;
}

int dv_job_unpack(struct dv_job *job, struct dv_error *err)
{
    struct dv_field f;
    size_t pos = 0;

    while (dv_msg_next(&job->packet->msg, &pos, &f)) {
        struct dv_msg group;
        int r;

        if (f.tag != DV_WT_LAYER)
            continue;
        r = dv_field_group(&f, &group, err);
        r = r < 0 ? r : unpack_one(job, &group, err);
        if (r < 0)
            return r;
    }
    return 0;
}
