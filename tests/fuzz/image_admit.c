/* image_admit.c - fuzz target: a worker's description of an image, as davitd reads it: the worker has met
 * outside data, so it may say anything. Nothing was stored, so nothing must be taken. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/image/internal.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dv_image_job_spec spec = { .name = "load", .action = "load" };
    struct dv_images images = { 0 };
    struct dv_image_job job = { .images = &images, .spec = &spec };
    struct dv_error err = { 0 };
    char id[72];
    int fd = memfd_create("description", MFD_CLOEXEC);

    if (fd < 0 || dv_write_all(fd, data, size) < 0)
        fuzz_fail("make a file", "");
    if (dv_image_admit(&job, fd, id, &err) == 0)
        fuzz_fail("an image whose parts are not there", id);
    if (!err.code || !err.msg[0])
        fuzz_fail("refused without a reason", "");
    close(fd);
    return 0;
}
