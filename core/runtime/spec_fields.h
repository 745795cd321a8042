/* spec_fields.h - struct dv_spec as tables: what is sent, read and freed, in one place. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/runtime/spec.h"

enum dv_spec_kind {
    DV_SPEC_STR,     /* char *, owned */
    DV_SPEC_STRV,    /* struct dv_strv */
    DV_SPEC_BYTES,   /* void *, and its size_t at n_offset */
    DV_SPEC_BOOL,
    DV_SPEC_UINT,    /* unsigned of .size bytes */
    DV_SPEC_INT,     /* signed of .size bytes */
    DV_SPEC_TEXT,    /* char[size], NUL-terminated */
    DV_SPEC_GROUP,   /* a struct in place: .sub */
    DV_SPEC_LIST,    /* pointer to .sub structs, their number at n_offset */
    DV_SPEC_ARRAY,   /* .size structs in place, all sent in order */
};
struct dv_spec_table;
/* A row. TAG is the wire form: never change or reuse one, only add. */
struct dv_spec_field {
    uint16_t tag;
    enum dv_spec_kind kind;
    size_t offset, size, n_offset;
    const struct dv_spec_table *sub;
};
struct dv_spec_table {
    const struct dv_spec_field *fields;
    size_t n, size;  /* rows; bytes of the struct */
};
extern const struct dv_spec_table dv_spec_table, dv_spec_process_table;
/* Release what the struct at S owns, and zero it. */
void dv_spec_release(const struct dv_spec_table *t, void *s);
