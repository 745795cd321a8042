/* list.c - a list of rows in the format that --format asks for. */
#include "cli/format/list.h"

#include <stdio.h>

#include "cli/format/table.h"

static const char table_word[] = "table";

int dv_list_init(struct dv_list *list, const char *format, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    int r;

    list->table = dv_empty(format) || dv_streq(format, table_word) || dv_starts(format, "table ");
    if (dv_empty(format) || dv_streq(format, table_word))
        text = dv_xstrdup(list->columns);
    else if (dv_streq(format, "json"))
        text = dv_xstrdup("{{json .}}");
    else if (list->table)
        text = dv_template_unescape(format + sizeof(table_word));
    else
        text = dv_template_unescape(format);
    r = dv_template_parse(text, &list->template, err);
    return r < 0 && err->code == DV_E_INVALID ? dv_wrap(err, "failed to parse template") : r;
}

void dv_list_done(struct dv_list *list)
{
    dv_template_free(list->template);
    list->template = NULL;
}

int dv_list_check(const struct dv_list *list, json_object *row, struct dv_error *err)
{
    dv_autobuf ignored = DV_TEXT_INIT;
    const struct dv_template_data data = { .value = row, .row = true };
    int r = dv_template_run(list->template, &data, &ignored, err);

    return r < 0 ? dv_wrap(err, "failed to execute template") : 0;
}

int dv_list_print(const struct dv_list *list, json_object *rows, json_object *labels,
                  struct dv_error *err)
{
    dv_autobuf out = DV_TEXT_INIT;
    size_t i;

    if (list->table) {
        dv_template_headings(list->template, list->heading, &out);
        dv_xput(&out, "\n");
    }
    for (i = 0; i < dv_jlen(rows); i++) {
        struct dv_template_data data = {
            .value = json_object_array_get_idx(rows, i),
            .row = true,
            .labels = labels ? json_object_array_get_idx(labels, i) : NULL,
        };

        if (dv_template_run(list->template, &data, &out, err) < 0)
            return dv_wrap(err, "failed to execute template");
        dv_xput(&out, "\n");
    }
    if (list->table)
        dv_table_print(stdout, out.data);
    else if (out.data)
        fwrite(out.data, 1, out.len, stdout);
    return 0;
}
