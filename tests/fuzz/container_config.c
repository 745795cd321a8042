/* container_config.c - fuzz target: a create request; what is accepted must load again as it was. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/container/config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dv_auto(dv_container_config) *config = NULL, *again = NULL;
    dv_autojson json_object *body = NULL;
    dv_autofree char *first = NULL, *second = NULL;
    dv_autostrv warnings = { 0 };
    struct dv_error err = { 0 };

    if (dv_json_parse((const char *)data, size, &body, &err) < 0 ||
        dv_container_config_parse(body, &warnings, &config, &err) < 0)
        return 0;
    first = dv_container_config_save(config);
    if (!first || dv_container_config_load(first, &again, &err) < 0)
        abort();
    second = dv_container_config_save(again);
    if (!second || strcmp(first, second) != 0)
        abort();
    return 0;
}
