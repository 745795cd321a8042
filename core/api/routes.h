/* routes.h - the one table of URLs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/api/pool.h"
#include "core/base/error.h"

struct dv_request;

typedef int dv_handler_fn(struct dv_request *req, struct dv_error *err);
enum dv_route_flags {
    DV_ROUTE_SLOW = 1,    /* may last long: works on disks */
    DV_ROUTE_SWARM = 2,   /* answered 503 until there is a cluster */
    DV_ROUTE_PATIENT = 4, /* waits for a container, as long as the client wishes */
    DV_ROUTE_UPLOAD = 8,  /* its handler reads the body as it comes; all others find it complete */
};
struct dv_api_route {
    const char *method;
    const char *pattern; /* "/images/{name}/json": {...} takes slashes too, as much as it can */
    dv_handler_fn *handler;   /* NULL: known, not built yet */
    unsigned char since;      /* minor of the first API version that has it; 0 = all we speak */
    unsigned char flags;
};
extern const struct dv_api_route dv_routes[];
extern const size_t dv_routes_n;

/* The kind of request threads that serve it; NULL: the answer that there is none. */
enum dv_pool_class dv_route_class(const struct dv_api_route *route);

/* A part of the path that {...} matched. */
struct dv_route_param {
    const char *text;
    size_t n;
};
/* PATH has no version prefix. NULL if there is none of that method. */
const struct dv_api_route *dv_route_find(const char *method, const char *path,
                                     struct dv_route_param params[2]);
/* Split "/v1.44/containers/json": returns the rest, and sets *RET_VERSION (NUL-terminated, "" if
 * there is no prefix). */
const char *dv_route_version(const char *path, char ret_version[16]);
/* INVALID with Docker's text for a version that we do not speak. "" gives the newest. */
DV_CHECK int dv_route_version_check(const char *version, unsigned *ret_minor,
                                    struct dv_error *err);
