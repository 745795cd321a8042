/* list.h - a list of rows (ps, images, plugin ls) in the format that --format asks for. */
#pragma once

#include "cli/format/template.h"

struct dv_list {
    const char *columns;                    /* the table's own template: "{{.ID}}\t{{.Names}}" */
    const char *(*heading)(const char *field);
    struct dv_template *template;
    bool table;                             /* with headings, aligned */
};

/* FORMAT: "" or "table": the columns; "json"; "table TEMPLATE"; TEMPLATE. */
DV_CHECK int dv_list_init(struct dv_list *list, const char *format, struct dv_error *err);
void dv_list_done(struct dv_list *list);
/* Whether the template finds its fields in ROW, which stands for all where there are none. */
DV_CHECK int dv_list_check(const struct dv_list *list, json_object *row, struct dv_error *err);
/* Print ROWS (an array of objects; LABELS, if not NULL, an array of the same length). */
DV_CHECK int dv_list_print(const struct dv_list *list, json_object *rows, json_object *labels,
                           struct dv_error *err);
