/* spec_msg.h - struct dv_spec to and from a message (core/base/msg.h): what davitd compiles and the
 * shim reads. Unknown tags are skipped, so an older shim serves a newer daemon. */
#pragma once

#include "core/base/msg.h"
#include "core/runtime/spec.h"

void dv_spec_encode(struct dv_msg_writer *w, uint16_t tag, const struct dv_spec *spec);
DV_CHECK int dv_spec_decode(const struct dv_field *f, struct dv_spec **ret, struct dv_error *err);
void dv_process_encode(struct dv_msg_writer *w, uint16_t tag, const struct dv_spec_process *p);
/* P: zeroed by the caller; released with dv_spec_process_done(), also after a failure. */
DV_CHECK int dv_process_decode(const struct dv_field *f, struct dv_spec_process *p,
                               struct dv_error *err);
