/* template.h - the part of Go's templates that davit's --format knows: text and {{...}} with a
 * field (.A.B), "json X", "upper X", "lower X", "title X", "len X", "index X KEY" and, on rows,
 * .Label "KEY". Anything more is refused by name. */
#pragma once

#include <stdbool.h>

#include "cli/util.h"

struct dv_template;

/* INVALID with docker's message for a broken template; UNSUPPORTED for what davit does not know. */
DV_CHECK int dv_template_parse(const char *text, struct dv_template **ret, struct dv_error *err);
void dv_template_free(struct dv_template *template);
DV_DEFINE_AUTO(dv_template, dv_template_free);
/* What a template looks at: a daemon's document, or one row of a list. */
struct dv_template_data {
    json_object *value;
    bool row;            /* a row: {{json .}} escapes for HTML, as docker's rows do */
    json_object *labels; /* a row's, for .Label "KEY"; else NULL */
};
/* Append what the template makes of DATA. NOT_FOUND if DATA lacks a field. */
DV_CHECK int dv_template_run(const struct dv_template *template,
                             const struct dv_template_data *data, struct dv_buf *out,
                             struct dv_error *err);
/* True if a placeholder names FIELD. */
bool dv_template_names(const struct dv_template *template, const char *field);
/* Does it show KEY of the row, a part of it, or the whole row? */
bool dv_template_shows(const struct dv_template *template, const char *key);
/* The template with each placeholder replaced by HEADING(its last name): a table's first line. */
void dv_template_headings(const struct dv_template *template, const char *(*heading)(const char *),
                          struct dv_buf *out);
/* TEXT with "\\t" and "\\n" typed as two characters made one, as docker does for lists. */
char *dv_template_unescape(const char *text);
