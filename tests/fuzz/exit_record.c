/* exit_record.c - fuzz target: the shim's exit record as a restarted davitd reads it. */
#include "core/container/internal.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_exit exit = { 0 };

    fuzz_file(fuzz_dir(), "exit", data, size);
    (void)dv_exit_record_read(fuzz_dir(), "11111111-2222-3333-4444-555555555555", &exit);
    return 0;
}
