/* summaries.h - objects as lists show them: of the lists themselves, and of GET /system/df. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

struct dv_container_view;
struct dv_engine;
struct dv_image;
struct dv_volume_view;

/* SIZES: measure what it wrote, which may take long. */
json_object *dv_container_summary_json(struct dv_engine *engine, const struct dv_container_view *v,
                                       unsigned version, bool sizes);
/* Add SizeRw and SizeRootFs. ALWAYS: also a size of 0, as inspect has it; nothing where it cannot be
 * measured. */
void dv_put_sizes(json_object *obj, struct dv_engine *engine, const struct dv_container_view *v,
                  bool always);
/* SHARED, CONTAINERS: -1 where nobody asked. */
json_object *dv_image_summary_json(const struct dv_image *image, unsigned version, int64_t shared,
                                   int64_t containers);
json_object *dv_volume_json(const struct dv_volume_view *v, unsigned version);
