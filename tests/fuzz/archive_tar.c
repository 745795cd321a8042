/* archive_tar.c - fuzz target: a saved image from arbitrary bytes, through transport "archive". */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive_host.h"
#include "core/base/file.h"
#include "fuzz.h"

extern const struct dv_plugin *dv_plugin_v0(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct dv_registry_ops *ops = dv_plugin_v0()->ops;
    struct dv_call c = { "" };
    struct dv_reg_req req = { .struct_size = sizeof(req) };
    struct dv_reg_image image = { .struct_size = sizeof(image) };
    void *handle = NULL;

    req.source_fd = memfd_create("archive", MFD_CLOEXEC);
    if (req.source_fd < 0 || dv_write_all(req.source_fd, data, size) < 0 ||
        lseek(req.source_fd, 0, SEEK_SET) < 0)
        fuzz_fail("make a file", "");
    if (ops->open((void *)&fuzz_host, &c, &req, &handle) == 0) {
        fuzz_use_source(handle);
        while (ops->next_image((void *)&fuzz_host, &c, handle, &image) == 1)
            ;
        ops->close((void *)&fuzz_host, handle);
    } else if (!c.message[0]) {
        fuzz_fail("refused without a reason", "");
    }
    close(req.source_fd);
    return 0;
}
