/* filters.h - the "filters" parameter: {"key": {"value": true}} or {"key": ["value"]}. Different
 * keys must all match; of one key's values one must, save for labels, of which all must. */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"

enum { DV_FILTERS_MAX = 32 };
struct dv_filters {
    struct {
        char *key;
        struct dv_strv values;
    } items[DV_FILTERS_MAX];
    size_t n;
};
void dv_filters_done(struct dv_filters *f);
#define dv_autofilters __attribute__((cleanup(dv_filters_done))) struct dv_filters

/* TEXT may be NULL. KEYS: NULL-terminated list of those that the endpoint knows; another one is
 * INVALID. RET: zero before. */
DV_CHECK int dv_filters_parse(const char *text, const char *const *keys, struct dv_filters *ret,
                              struct dv_error *err);
/* The same for a prune, which has "until" among KEYS: its time in *RET_NS, as dv_filter_until() gives it. */
DV_CHECK int dv_filters_parse_prune(const char *text, const char *const *keys, struct dv_filters *ret,
                                    uint64_t *ret_ns, struct dv_error *err);
const struct dv_strv *dv_filters_get(const struct dv_filters *f, const char *key); /* NULL: none */
/* The next three are true where the key was not asked for. */
bool dv_filter_exact(const struct dv_filters *f, const char *key, const char *value);
bool dv_filter_prefix(const struct dv_filters *f, const char *key, const char *value);
/* "k" or "k=v", each of which LABELS must have. */
bool dv_filter_labels(const struct dv_filters *f, const struct dv_strv *keys,
                      const struct dv_strv *values);
/* None of those that "label!" refuses. */
bool dv_filter_without_labels(const struct dv_filters *f, const struct dv_strv *keys,
                              const struct dv_strv *values);
/* Docker's name filter: a substring, or a regular expression. */
bool dv_filter_name(const struct dv_filters *f, const char *key, const char *name);
/* The single "until" in *RET_NS: a time, or a span before now ("24h"); UINT64_MAX where it was not
 * asked for. INVALID for anything else. */
DV_CHECK int dv_filter_until(const struct dv_filters *f, uint64_t *ret_ns, struct dv_error *err);
/* The single boolean of KEY in *RET; INVALID for anything else. 0: not asked, 1: given. */
DV_CHECK int dv_filter_bool(const struct dv_filters *f, const char *key, bool *ret,
                            struct dv_error *err);
