/* ref.h - image references as the user types them: checked, and in their long and short forms. */
#pragma once

#include "core/base/error.h"

struct dv_ref {
    char *domain;   /* "docker.io", "reg.example:5000" */
    char *path;     /* "library/busybox" */
    char *tag;      /* NULL: none */
    char *digest;   /* "sha256:..."; NULL: none */
};
#define dv_autoref __attribute__((cleanup(dv_ref_done))) struct dv_ref
void dv_ref_done(struct dv_ref *ref);

/* INVALID in docker's words. A reference with neither tag nor digest stays without. */
DV_CHECK int dv_ref_parse(const char *text, struct dv_ref *ret, struct dv_error *err);
/* The same, and "latest" where neither is given. An image ID (64 hexadecimal digits) is no
 * reference: *RET stays empty. */
DV_CHECK int dv_ref_parse_image(const char *text, struct dv_ref *ret, struct dv_error *err);
/* "docker.io/library/busybox": without tag and digest. Caller frees. */
char *dv_ref_name(const struct dv_ref *ref);
/* "busybox:latest": docker.io/library/ left out. Caller frees. */
char *dv_ref_familiar(const struct dv_ref *ref);
