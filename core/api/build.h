/* build.h - small helpers to build reply documents. Out of memory leaves a key out or null: the
 * reply as a whole then fails in dv_reply_json, or soon after. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/json.h"

void dv_put(json_object *obj, const char *key, json_object *take); /* NULL: a JSON null */
/* A list that is null where it is empty, as Go writes one that nobody added to. */
void dv_put_list(json_object *obj, const char *key, json_object *take);
void dv_put_str(json_object *obj, const char *key, const char *text); /* NULL: "" */
void dv_put_int(json_object *obj, const char *key, int64_t value);
void dv_put_bool(json_object *obj, const char *key, bool value);
void dv_put_time(json_object *obj, const char *key, uint64_t ns);     /* RFC3339Nano */
json_object *dv_json_strings(const struct dv_strv *v);                /* [] when empty */
json_object *dv_json_strings_or_null(const struct dv_strv *v);        /* null when empty */
json_object *dv_json_map(const struct dv_strv *keys, const struct dv_strv *values);
json_object *dv_json_set(const struct dv_strv *keys);                 /* {"k": {}} */
json_object *dv_json_text_or_null(const char *text);                  /* parsed; null for NULL */
/* GraphDriver: Data is null when empty. */
json_object *dv_json_graph_driver(const char *name, const struct dv_strv *keys,
                                  const struct dv_strv *values);

/* Go's units.HumanDuration: "About a minute", "3 hours". */
void dv_human_duration(uint64_t seconds, char out[40]);
/* "sec[.nano]" or RFC 3339; -1 if neither. "" and "0" give 0. */
int dv_parse_timestamp(const char *text, uint64_t *ret_ns);
