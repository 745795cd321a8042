/* copy_up.c - the first files of volumes, copied out of a container's root by a davit-worker. */
#include "core/base/log.h"
#include "core/image/internal.h"
#include "core/runtime/spec_msg.h"
#include "core/worker/protocol.h"

enum { PER_JOB = DV_MAX_MSG_FDS - 4 };

struct order {
    const struct dv_spec *spec;
    const struct dv_copy_up *items;
    size_t n;
};

static void fill(struct dv_msg_writer *w, const void *arg)
{
    const struct order *order = arg;

    dv_spec_encode(w, DV_WT_SPEC, order->spec);
    for (size_t i = 0; i < order->n; i++)
        dv_msg_str(w, DV_WT_TARGET, order->items[i].path);
}

static int copy_some(struct dv_images *images, const struct order *order, struct dv_error *err)
{
    int fds[PER_JOB];
    const struct dv_image_job_spec job = { .name = "copy-up", .fill = fill, .arg = order,
                                           .body_fd = -1, .cancel_fd = -1, .fds = fds,
                                           .n_fds = order->n };
    char answer[72];

    for (size_t i = 0; i < order->n; i++)
        fds[i] = order->items[i].fd;
    return dv_image_job_run(images, &job, answer, err);
}

int dv_workspace_copy_up(struct dv_images *images, const char *driver, const char *workspace_id,
                         const struct dv_copy_up *items, size_t n, struct dv_error *err)
{
    dv_auto(dv_spec) *spec = calloc(1, sizeof(*spec));
    int r;

    if (!spec || !(spec->id = dv_strdup(workspace_id)))
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to fill volumes");
    r = dv_workspace_describe(images, driver, workspace_id, &spec->rootfs, &spec->n_rootfs, err);
    for (size_t done = 0; r == 0 && done < n; done += PER_JOB) {
        const struct order order = { spec, items + done,
                                     n - done < PER_JOB ? n - done : PER_JOB };

        r = copy_some(images, &order, err);
    }
    dv_workspace_deactivate(images, driver, workspace_id);
    return r;
}
