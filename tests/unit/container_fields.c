/* container_fields.c - the table of create's fields and tests/data/container-config.tsv name the same
 * fields; what each does is tests/api/fields.py's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/container/config_fields.h"

enum { MAX_ROWS = 400 };

/* A line's first three columns. */
static struct row {
    char field[200], type[40], answer[20];
    bool found;
} rows[MAX_ROWS];
static size_t n_rows;

static int read_rows(void **state)
{
    FILE *f = fopen(TEST_SOURCE_DIR "/tests/data/container-config.tsv", "re");
    char line[2000];

    (void)state;
    if (!f || !fgets(line, sizeof(line), f)) /* the heading */
        return -1;
    while (n_rows < MAX_ROWS && fgets(line, sizeof(line), f)) {
        struct row *r = &rows[n_rows];

        if (sscanf(line, "%199[^\t]\t%39[^\t]\t%19[^\t]", r->field, r->type, r->answer) == 3)
            n_rows++;
    }
    fclose(f);
    return 0;
}

static struct row *find(const char *field)
{
    for (size_t i = 0; i < n_rows; i++)
        if (strcmp(rows[i].field, field) == 0)
            return &rows[i];
    return NULL;
}

/* How the data writes the shape: its first letters. */
static const char *const types[] = {
    [DV_SHAPE_STR] = "string", [DV_SHAPE_BOOL] = "boolean", [DV_SHAPE_I64] = "integer go:int64",
    [DV_SHAPE_U64] = "integer", [DV_SHAPE_STRV] = "[", [DV_SHAPE_WORDS] = "[string]",
    [DV_SHAPE_WORDLISTS] = "[[string]]", [DV_SHAPE_LIST] = "[", [DV_SHAPE_MAP] = "map[string]",
    [DV_SHAPE_RAW] = "[integer] map[string]", [DV_SHAPE_OBJ] = "", [DV_SHAPE_MAPOF] = "map[",
    [DV_SHAPE_MAPLIST] = "PortMap", [DV_SHAPE_SET] = "map[object]",
};

/* One of the WORDS begins TYPE. */
static bool is_type(const char *type, const char *words)
{
    size_t n;

    if (!*words)
        return true;
    for (; *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        if (strncmp(type, words, n) == 0)
            return true;
    }
    return false;
}

static const char *const answers[] = {
    [DV_RULE_KEPT] = "honoured host refused", /* a value may be refused where the field is not */
    [DV_RULE_LATER] = "refused",
    [DV_RULE_NEVER] = "refused",
    [DV_RULE_WARN] = "warned",
    [DV_RULE_SHOWN] = "honoured output",
};

static void check_row(const struct dv_config_field *f, const char *path, bool inside_refused)
{
    struct row *row = find(path);

    if (!row)
        fail_msg("%s is in the table, and not in the data", path);
    row->found = true;
    if (!is_type(row->type, types[f->shape]))
        fail_msg("%s: the table reads '%s', the data has %s", path, types[f->shape], row->type);
    if (!is_type(row->answer, inside_refused ? "refused" : answers[f->rule]))
        fail_msg("%s: the table says '%s', the data %s", path, answers[f->rule], row->answer);
}

static void walk(const struct dv_config_field *fields, size_t n, const char *prefix,
                 bool inside_refused)
{
    for (size_t i = 0; i < n; i++) {
        const struct dv_config_field *f = &fields[i];
        bool list = f->shape == DV_SHAPE_LIST, map = f->shape == DV_SHAPE_MAPOF;
        bool refused = inside_refused || f->rule == DV_RULE_LATER || strcmp(f->key, "ImageOptions") == 0;
        char path[200], below[220];

        snprintf(path, sizeof(path), "%s%s", prefix, f->key);
        check_row(f, path, inside_refused);
        if (f->shape == DV_SHAPE_MAPLIST) {
            snprintf(below, sizeof(below), "%s.<key>", path);
            check_row(&(const struct dv_config_field){ .key = f->key, .shape = DV_SHAPE_LIST,
                                                       .rule = f->rule }, below, refused);
        }
        snprintf(below, sizeof(below), "%s%s", path,
                 f->shape == DV_SHAPE_MAPLIST ? ".<key>[]." : map ? ".<key>." : list ? "[]." : ".");
        walk(f->sub, f->n_sub, below, refused);
    }
}

static void table_and_data_name_the_same(void **state)
{
    (void)state;
    assert_true(n_rows > 100);
    walk(dv_config_root, dv_config_root_n, "", false);
    for (size_t i = 0; i < n_rows; i++)
        if (!rows[i].found)
            fail_msg("%s is in the data, and not in the table", rows[i].field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_and_data_name_the_same),
    };

    return cmocka_run_group_tests(tests, read_rows, NULL);
}
