/* json.h - JSON by field tables, on json-c. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/str.h"

static inline void dv_cleanup_json(json_object **o)
{
    json_object_put(*o);
}
#define dv_autojson __attribute__((cleanup(dv_cleanup_json)))

/* Parse exactly one value of LEN bytes (depth DV_MAX_JSON_DEPTH, UTF-8 checked, nothing after it
 * but space). INVALID with position otherwise. */
DV_CHECK int dv_json_parse(const char *text, size_t len, json_object **ret, struct dv_error *err);
/* Plain text with slashes not escaped, as Go prints it; NULL on no memory. Caller frees. */
char *dv_json_text(json_object *obj);

enum dv_json_type {
    DV_JSON_STR,    /* char *          owned */
    DV_JSON_BOOL,   /* bool */
    DV_JSON_I64,    /* int64_t */
    DV_JSON_U64,    /* uint64_t */
    DV_JSON_F64,    /* double */
    DV_JSON_STRV,   /* struct dv_strv  of strings */
    DV_JSON_RAW,    /* json_object *   owned reference, any type */
    DV_JSON_OBJ,    /* nested struct at offset, by .sub table */
    DV_JSON_ARRAY,  /* struct dv_json_array of .sub structs */
    DV_JSON_MAP,    /* struct dv_json_map string -> string, in the order of the document */
};
enum { DV_JSON_REQUIRED = 1 << 0,   /* decode: absent or null is an error */
       DV_JSON_OMITEMPTY = 1 << 1,  /* encode: leave out "", 0, false, empty lists */
       DV_JSON_NULLEMPTY = 1 << 2 };/* encode: an empty list or map or NULL string is null */
struct dv_json_field {
    const char *key;                /* matched as Go's encoding/json does: exact, else any case */
    enum dv_json_type type;
    size_t offset;
    unsigned flags;
    size_t seen_offset;             /* 0, or offset of a bool set when the key is there, not null */
    const struct dv_json_field *sub;
    size_t n_sub, sub_size;
};
struct dv_json_array {
    void *items;                    /* n structs of the field's sub_size */
    size_t n;
};
struct dv_json_map {
    struct dv_strv keys, values;
    bool present;                   /* the document had an object there */
};
const char *dv_json_map_get(const struct dv_json_map *map, const char *key); /* or NULL */

/* [height, width] of a terminal, 0 to 65535 each; NULL leaves both as they are. INVALID names KEY. */
DV_CHECK int dv_json_size(json_object *size, const char *key, uint16_t *rows, uint16_t *cols,
                          struct dv_error *err);

/* A list "[]" becomes non-NULL items with n 0, so that it can be told from null. Of a number or bool
 * with a seen_offset, encoding leaves out (OMITEMPTY) or nulls (NULLEMPTY) zero only where it was
 * not seen. Keys of the tables must live as long as what was encoded: they are not copied. */

/* Fill OUT (zeroed by the caller) from OBJ. Unknown keys are ignored; null leaves a field as it is.
 * INVALID: "HostConfig.Memory: expected number, found string". What was filled is released with
 * dv_json_release, also after a failure. */
DV_CHECK int dv_json_decode(json_object *obj, const struct dv_json_field *fields, size_t n,
                            void *out, struct dv_error *err);
/* New object from IN; NULL on no memory. */
json_object *dv_json_encode(const struct dv_json_field *fields, size_t n, const void *in);
void dv_json_release(const struct dv_json_field *fields, size_t n, void *out);
