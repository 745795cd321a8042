/* document.h - print one document of the daemon by --format. */
#pragma once

#include "cli/format/template.h"

/* FORMAT "json": compact; else a template. A failure is "template parsing error: ..." */
DV_CHECK int dv_document_print(json_object *doc, const char *format, struct dv_error *err);
