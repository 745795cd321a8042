/* table.c - lines of tab-separated cells, aligned as docker aligns them. */
#include "cli/format/table.h"

#include "cli/format/units.h"

enum { MIN_WIDTH = 10, PADDING = 3 };

struct widths {
    size_t *items, n;
};

/* The width of every cell but a line's last, which nothing follows. */
static void measure(const char *text, struct widths *w)
{
    size_t column = 0;

    while (*text) {
        size_t bytes = strcspn(text, "\t\n"), width;

        if (text[bytes] == '\t') {
            width = dv_text_width(text, bytes) + PADDING;
            if (column >= w->n) {
                w->items = dv_xrealloc(w->items, column + 1, sizeof(*w->items));
                w->items[w->n++] = MIN_WIDTH;
            }
            if (width > w->items[column])
                w->items[column] = width;
            column++;
        } else {
            column = 0;
        }
        text += bytes + (text[bytes] != '\0');
    }
}

void dv_table_print(FILE *out, const char *text)
{
    dv_autobuf lines = DV_TEXT_INIT;
    struct widths w = { 0 };
    size_t column = 0;

    measure(text, &w);
    while (*text) {
        size_t bytes = strcspn(text, "\t\n");

        dv_xputn(&lines, text, bytes);
        if (text[bytes] == '\t') {
            dv_xput_spaces(&lines, w.items[column++] - dv_text_width(text, bytes));
        } else {
            column = 0;
            dv_xput(&lines, "\n");
        }
        text += bytes + (text[bytes] != '\0');
    }
    fwrite(lines.data, 1, lines.len, out);
    free(w.items);
}
