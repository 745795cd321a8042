/* spool.c - files of the content store for a transport, remembered by their inode. */
#include "core/worker/spool.h"

#include <sys/stat.h>

#include "core/plugin/load.h"
#include "core/worker/inoset.h"
#include "core/worker/job.h"

struct dv_spool_list {
    struct dv_inoset inodes;
    dev_t dev;                   /* all come from one directory */
};

static int32_t spool_file(void *host, struct dv_call *c)
{
    struct dv_job *job = dv_host_arg(host);
    dv_autoclose int fd = -1;
    struct stat st;
    int r;

    r = dv_wire_blob_open(&job->wire, &fd, c->err);
    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0)
        return dv_fail_errno(c->err, DV_E_INTERNAL, "look at a spool file");
    job->spooled->dev = st.st_dev;
    if (dv_inoset_add(&job->spooled->inodes, st.st_ino) < 0)
        return dv_fail(c->err, DV_E_NO_MEMORY, "out of memory for spool files");
    return dv_take_fd(fd);
}

const struct dv_spool dv_spool_service = { .struct_size = sizeof(struct dv_spool),
                                           .file = spool_file };

struct dv_spool_list *dv_spool_list_new(void)
{
    return calloc(1, sizeof(struct dv_spool_list));
}

void dv_spool_list_free(struct dv_spool_list *list)
{
    if (!list)
        return;
    dv_inoset_done(&list->inodes);
    free(list);
}

bool dv_spool_has(const struct dv_spool_list *list, int fd)
{
    struct stat st;

    /* Read-write: it is to be adopted as it is. */
    return list && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == list->dev &&
           dv_inoset_has(&list->inodes, st.st_ino);
}
