/* daemon_config.c - fuzz target: davit.ini, and --set words after a NUL. */
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/str.h"
#include "core/daemon/config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data, size }, ini = { 0 };
    struct dv_config_args args = { 0 };
    struct dv_config config = { 0 };
    struct dv_error err = { 0 };
    dv_autofree char *path = dv_format("%s/davit.ini", fuzz_dir_path());

    (void)fuzz_next(&rest, 0, &ini);
    fuzz_file(fuzz_dir(), "davit.ini", ini.data, ini.n);
    while (rest.n)
        if (dv_strv_add_take(&args.sets, fuzz_text(&rest, 0)) < 0)
            fuzz_fail("out of memory", "");
    args.file = path;
    if (dv_config_read(&args, &config, &err) == 0) {
        if (dv_empty(config.engine.root) || dv_empty(config.engine.bridge_name))
            fuzz_fail("a config without its defaults", "");
    } else if (!err.code || !err.msg[0]) {
        fuzz_fail("refused without a reason", "");
    }
    dv_config_done(&config);
    dv_strv_done(&args.sets);
    return 0;
}
