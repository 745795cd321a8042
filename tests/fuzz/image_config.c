/* image_config.c - fuzz target: an image's config; what was understood must read the same again. */
#include <stdlib.h>
#include <string.h>

#include "core/worker/image_config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_image_config config = { 0 }, again = { 0 };
    struct dv_error err = { 0 };
    char *first = NULL, *second = NULL;

    if (dv_image_config_parse((const char *)data, size, &config, &err) == 0) {
        first = dv_image_config_text(&config);
        if (!first || dv_image_config_parse(first, strlen(first), &again, &err) < 0)
            fuzz_fail("its own text is refused", err.msg);
        second = dv_image_config_text(&again);
        if (!second || strcmp(first, second) != 0)
            fuzz_fail(first, second);
    }
    free(first);
    free(second);
    dv_image_config_done(&config);
    dv_image_config_done(&again);
    return 0;
}
