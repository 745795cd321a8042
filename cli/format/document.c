/* document.c - print one document of the daemon by --format. */
#include "cli/format/document.h"

#include <stdio.h>

#include "cli/format/json_text.h"

int dv_document_print(json_object *doc, const char *format, struct dv_error *err)
{
    struct dv_template_data data = { .value = doc };
    dv_auto(dv_template) *template = NULL;
    dv_autobuf out = DV_TEXT_INIT;

    if (dv_streq(format, "json")) {
        dv_json_put(&out, doc, DV_JSON_COMPACT_HTML);
    } else {
        if (dv_template_parse(format, &template, err) < 0)
            return err->code == DV_E_INVALID ? dv_wrap(err, "template parsing error") : -err->code;
        if (dv_template_run(template, &data, &out, err) < 0)
            return dv_wrap(err, "template parsing error");
    }
    puts(out.data ? out.data : "");
    return 0;
}
