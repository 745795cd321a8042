/* json_text.h - JSON as Go's encoder writes it. */
#pragma once

#include <stdbool.h>

#include "cli/util.h"

enum dv_json_style {
    DV_JSON_COMPACT,
    DV_JSON_COMPACT_HTML, /* < > & as \u003c ...: what json.Marshal does */
    DV_JSON_PRETTY,       /* four spaces */
};
/* Append OBJ (NULL is null). */
void dv_json_put(struct dv_buf *out, json_object *obj, enum dv_json_style style);
