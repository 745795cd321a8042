/* image_ref.c - fuzz target: an image reference; its canonical form must mean the same again. */
#include <stdlib.h>
#include <string.h>

#include "core/image/image.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data, size };
    char *text = fuzz_text(&rest, '\n');
    struct dv_error err = { 0 };
    struct dv_ref ref = { 0 }, again = { 0 };

    if (dv_ref_parse(text, &ref, &err) == 0) {
        if (dv_ref_parse(ref.canonical, &again, &err) < 0)
            fuzz_fail(ref.canonical, err.msg);
        if (strcmp(ref.repository, again.repository) != 0)
            fuzz_fail(ref.repository, again.repository);
        /* Without a tag, because it had a digest, it gets the usual one. */
        if (ref.tag[0] && (strcmp(ref.canonical, again.canonical) != 0 ||
                           strcmp(ref.familiar, again.familiar) != 0))
            fuzz_fail(ref.canonical, again.canonical);
    } else if (!err.code || !err.msg[0]) {
        fuzz_fail("refused without a reason", text);
    }
    dv_ref_done(&ref);
    dv_ref_done(&again);
    free(text);
    return 0;
}
