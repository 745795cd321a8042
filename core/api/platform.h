/* platform.h - the "platform" parameter of requests for images. */
#pragma once

#include "core/base/error.h"

struct dv_image;
struct dv_request;

/* The query's {"os": ..., "architecture": ...} as "os/arch[/variant]" (caller frees); *RET stays NULL
 * where none was asked for, and for clients from before it was there. INVALID. */
DV_CHECK int dv_query_platform(struct dv_request *req, char **ret, struct dv_error *err);
/* NOT_FOUND if IMAGE is for another platform than WANTED (NULL: any). */
DV_CHECK int dv_platform_check(const struct dv_image *image, const char *wanted,
                               struct dv_error *err);
/* The same for each of the query's "platforms"; also INVALID. */
DV_CHECK int dv_platforms_check(struct dv_request *req, const struct dv_image *image,
                                struct dv_error *err);
/* UNSUPPORTED if WANTED (NULL: any) is not this machine's. */
DV_CHECK int dv_platform_check_host(const char *wanted, struct dv_error *err);
