/* worker_changes.c - fuzz target: instructions of import -c, a line each, on an image config; the
 * result must be a config. */
#include <stdlib.h>
#include <string.h>

#include "core/worker/changes.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data, size };
    struct dv_image_config config = { 0 }, again = { 0 };
    struct dv_error err = { 0 };
    char *text;

    for (int i = 0; rest.n && i < 20; i++) {
        char *line = fuzz_text(&rest, '\n');

        memset(&err, 0, sizeof(err));
        if (dv_change_apply(&config, line, &err) < 0 && !err.msg[0])
            fuzz_fail("refused without a reason", line);
        free(line);
    }
    text = dv_image_config_text(&config);
    if (!text)
        fuzz_fail("no text", "");
    memset(&err, 0, sizeof(err));
    if (dv_image_config_parse(text, strlen(text), &again, &err) < 0)
        fuzz_fail(text, err.msg);
    free(text);
    dv_image_config_done(&config);
    dv_image_config_done(&again);
    return 0;
}
