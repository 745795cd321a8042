/* config_types.c - the JSON types of a create request, where decoding does not look: what is refused or
 * only shown must be of its type too, as for every client that is typed. */
#include <stdio.h>

#include "core/base/buf.h"
#include "core/container/config_fields.h"

/* What a value of a shape is, and what is in it. */
static const struct shape {
    enum json_type type;
    const char *name;
    enum dv_config_shape items;      /* of a list or a map; RAW: not looked into */
} shapes[] = {
    [DV_SHAPE_STR] = { json_type_string, "string", DV_SHAPE_RAW },
    [DV_SHAPE_BOOL] = { json_type_boolean, "bool", DV_SHAPE_RAW },
    [DV_SHAPE_I64] = { json_type_int, "number", DV_SHAPE_RAW },
    [DV_SHAPE_U64] = { json_type_int, "number", DV_SHAPE_RAW },
    [DV_SHAPE_STRV] = { json_type_array, "array", DV_SHAPE_STR },
    [DV_SHAPE_WORDS] = { json_type_array, "array", DV_SHAPE_STR },
    [DV_SHAPE_WORDLISTS] = { json_type_array, "array", DV_SHAPE_STRV },
    [DV_SHAPE_LIST] = { json_type_array, "array", DV_SHAPE_OBJ },
    [DV_SHAPE_MAP] = { json_type_object, "object", DV_SHAPE_STR },
    [DV_SHAPE_OBJ] = { json_type_object, "object", DV_SHAPE_RAW },
    [DV_SHAPE_MAPOF] = { json_type_object, "object", DV_SHAPE_OBJ },
    [DV_SHAPE_MAPLIST] = { json_type_object, "object", DV_SHAPE_LIST },
    [DV_SHAPE_SET] = { json_type_object, "object", DV_SHAPE_OBJ },
};
static const char *const type_names[] = {
    [json_type_null] = "null",     [json_type_boolean] = "bool",  [json_type_double] = "number",
    [json_type_int] = "number",    [json_type_object] = "object", [json_type_array] = "array",
    [json_type_string] = "string",
};

/* Where a value is: printed only when it is wrong. */
struct place {
    const struct place *outer;
    const char *key;                 /* NULL: INDEX */
    size_t index;
};

static void put_place(const struct place *place, struct dv_buf *to, struct dv_error *err)
{
    char index[24];

    if (!place)
        return;
    put_place(place->outer, to, err);
    snprintf(index, sizeof(index), "[%zu]", place->index);
    if (place->key && to->len && dv_buf_puts(to, ".", err) < 0)
        return;
    (void)!dv_buf_puts(to, place->key ? place->key : index, err);
}

static int fail(const struct place *place, const struct shape *wanted, json_object *found,
                struct dv_error *err)
{
    dv_autobuf text = DV_BUF_INIT(512, "name of a field");
    struct dv_error ignored = { 0 };

    put_place(place, &text, &ignored);
    if (json_object_is_type(found, json_type_double) && wanted->type == json_type_int)
        return dv_fail(err, DV_E_INVALID, "%.*s: expected a whole number", (int)text.len, text.data);
    return dv_fail(err, DV_E_INVALID, "%.*s: expected %s, found %s", (int)text.len, text.data,
                   wanted->name, type_names[json_object_get_type(found)]);
}

static int check_fields(json_object *in, const struct dv_config_field *fields, size_t n,
                        const struct place *place, struct dv_error *err);

/* A value of SHAPE; ROW has the fields of the objects in it. */
static int check(json_object *value, enum dv_config_shape shape, const struct dv_config_field *row,
                 const struct place *place, struct dv_error *err)
{
    const struct shape *s = &shapes[shape];
    int r = 0;

    if (!value || shape == DV_SHAPE_RAW)
        return 0;
    if (!json_object_is_type(value, s->type))
        return fail(place, s, value, err);
    if (shape == DV_SHAPE_OBJ)
        return check_fields(value, row->sub, row->n_sub, place, err);
    if (s->type == json_type_array && s->items != DV_SHAPE_RAW) {
        for (size_t i = 0; i < json_object_array_length(value) && r == 0; i++) {
            const struct place here = { place, NULL, i };

            r = check(json_object_array_get_idx(value, i), s->items, row, &here, err);
        }
    } else if (s->type == json_type_object) {
        json_object_object_foreach(value, key, item)
        {
            const struct place here = { place, key, 0 };

            r = r < 0 ? r : check(item, s->items, row, &here, err);
        }
    }
    return r;
}

/* Decoded by core/base/json, which says the same. */
static bool is_decoded(const struct dv_config_field *f)
{
    switch (f->shape) {
    case DV_SHAPE_STR:
    case DV_SHAPE_BOOL:
    case DV_SHAPE_I64:
    case DV_SHAPE_U64:
    case DV_SHAPE_STRV:
    case DV_SHAPE_WORDS:
    case DV_SHAPE_MAP:
        return f->rule == DV_RULE_KEPT;
    default:
        return false;
    }
}

static int check_fields(json_object *in, const struct dv_config_field *fields, size_t n,
                        const struct place *place, struct dv_error *err)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        const struct place here = { place, fields[i].key, 0 };
        json_object *value = NULL;

        if (!is_decoded(&fields[i]) && json_object_object_get_ex(in, fields[i].key, &value))
            r = check(value, fields[i].shape, &fields[i], &here, err);
    }
    return r;
}

int dv_config_types(json_object *doc, struct dv_error *err)
{
    return check_fields(doc, dv_config_root, dv_config_root_n, /* place */ NULL, err);
}
