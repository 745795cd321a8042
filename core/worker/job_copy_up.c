/* job_copy_up.c - the first files of volumes: what the image has where they will be mounted. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/runtime/runtime.h"
#include "core/runtime/spec_msg.h"
#include "core/worker/copy_tree.h"
#include "core/worker/job.h"
#include "core/worker/protocol.h"

/* Before the sandbox, which may not mount: the root directory, mounted nowhere. */
int dv_job_copy_up_open(struct dv_job *job, struct dv_error *err)
{
    dv_auto(dv_spec) *spec = NULL;
    struct dv_field f;
    size_t pos = 0;

    while (dv_msg_next(&job->packet->msg, &pos, &f)) {
        int r;

        if (f.tag != DV_WT_SPEC)
            continue;
        r = dv_spec_decode(&f, &spec, err);
        return r < 0 ? r : dv_runtime_rootfs(spec, &job->root_fd, err);
    }
    return dv_fail(err, DV_E_INVALID, "copy-up: no root file system was described");
}

static int copy_one(struct dv_job *job, const char *path, int to_fd, struct dv_error *err)
{
    dv_autoclose int from = dv_open_in_root(job->root_fd, path, O_PATH | O_CLOEXEC, 0);
    dv_autoclose int dir = -1;
    struct stat st;
    int r;

    if (from < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0; /* the volume begins empty */
    if (from < 0 || fstat(from, &st) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s in the image", path);
    if (!S_ISDIR(st.st_mode))
        return dv_fail(err, DV_E_INVALID, "cannot mount volume over existing file, file exists %s",
                       path);
    dir = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s in the image", path);
    r = dv_copy_tree(dir, to_fd, err);
    return r < 0 ? dv_wrap(err, "copy %s of the image into its volume", path) : 0;
}

int dv_job_copy_up(struct dv_job *job, struct dv_error *err)
{
    struct dv_field f;
    size_t pos = 0, n = 0;

    while (dv_msg_next(&job->packet->msg, &pos, &f)) {
        const char *path;
        int r;

        if (f.tag != DV_WT_TARGET)
            continue;
        r = dv_field_str(&f, &path, err);
        if (r == 0 && n >= job->packet->n_fds)
            r = dv_fail(err, DV_E_INVALID, "copy-up: no directory for %s", path);
        r = r < 0 ? r : copy_one(job, path, job->packet->fds[n++], err);
        if (r < 0)
            return r;
    }
    return 0;
}
