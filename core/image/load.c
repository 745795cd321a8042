/* load.c - docker load and import: each a worker's job. */
#include "core/image/internal.h"
#include "core/worker/protocol.h"

/* The transport of archives. Its format is found out by the transport. */
static const char archive_transport[] = "archive";

static void fill_load(struct dv_msg_writer *w, const void *arg)
{
    (void)arg;
    dv_msg_str(w, DV_WT_TRANSPORT, archive_transport);
}

int dv_image_load(struct dv_images *images, int body_fd, int cancel_fd,
                  dv_image_message_fn *message, void *arg, struct dv_error *err)
{
    struct dv_image_job_spec spec = { .name = "load", .fill = fill_load, .body_fd = body_fd,
                                      .cancel_fd = cancel_fd, .message = message,
                                      .message_arg = arg, .action = "load" };
    char answer[72];
    int r;

    r = dv_storage_get(images, images->storage_driver, &spec.driver, err);
    return r < 0 ? r : dv_image_job_run(images, &spec, answer, err);
}

struct import {
    const struct dv_image_import *request;
    char *name;                      /* "repo:tag", or NULL */
};

static void fill_import(struct dv_msg_writer *w, const void *arg)
{
    const struct import *import = arg;
    size_t i;

    dv_msg_str(w, DV_WT_IMPORT_NAME, import->name);
    if (!dv_empty(import->request->message))
        dv_msg_str(w, DV_WT_COMMENT, import->request->message);
    if (!dv_empty(import->request->platform))
        dv_msg_str(w, DV_WT_PLATFORM, import->request->platform);
    for (i = 0; i < import->request->changes.n; i++)
        dv_msg_str(w, DV_WT_CHANGE, import->request->changes.items[i]);
}

/* Checked before anything is read: a wrong name should not cost an upload. */
static int import_name(const struct dv_image_import *request, char **ret, struct dv_error *err)
{
    dv_autofree char *name = NULL;
    struct dv_ref ref = { 0 };
    int r;

    if (dv_empty(request->repository))
        return 0;
    name = dv_format("%s%s%s", request->repository, dv_empty(request->tag) ? "" : ":",
                     dv_empty(request->tag) ? "" : request->tag);
    if (!name)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a name");
    r = dv_ref_parse(name, &ref, err);
    if (r < 0)
        return r;
    if (ref.digest)
        r = dv_fail(err, DV_E_INVALID, "cannot import digest reference");
    dv_ref_done(&ref);
    if (r == 0)
        *ret = dv_take(name);
    return r;
}

int dv_image_import(struct dv_images *images, int body_fd, int cancel_fd,
                    const struct dv_image_import *request, char **ret_id, struct dv_error *err)
{
    struct import import = { .request = request };
    struct dv_image_job_spec spec = { .name = "import", .fill = fill_import, .arg = &import,
                                      .body_fd = body_fd, .cancel_fd = cancel_fd,
                                      .action = "import" };
    char answer[72] = "";
    int r;

    r = import_name(request, &import.name, err);
    r = r < 0 ? r : dv_storage_get(images, images->storage_driver, &spec.driver, err);
    r = r < 0 ? r : dv_image_job_run(images, &spec, answer, err);
    free(import.name);
    if (r < 0)
        return r;
    *ret_id = dv_strdup(answer);
    return *ret_id ? 0 : dv_fail(err, DV_E_NO_MEMORY, "out of memory for an id");
}
