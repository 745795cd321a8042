/* finding.h - what davit-doctor sees: each finding with what it means and what to do. */
#pragma once

#include "core/base/json.h"

enum dv_level {
    DV_OK,
    DV_NOTE,     /* worth knowing, nothing to do */
    DV_WARNING,  /* something davit offers will not work, or badly */
    DV_PROBLEM,  /* containers will not run, or not reach the network */
    DV_UNSEEN,   /* could not be looked at */
};
struct dv_findings {
    json_object *list;    /* [{"Section", "Check", "Level", "Found", "Means", "Do"}] */
    const char *section;  /* of what is added next */
};
/* FMT: what was found. MEANS and REMEDY: "" where Found says all. */
void dv_found(struct dv_findings *f, enum dv_level level, const char *check, const char *means,
              const char *remedy, const char *fmt, ...) DV_PRINTF(6, 7);
/* What only root can see. */
void dv_unseen(struct dv_findings *f, const char *check, const char *what);

/* The sections, in their order. CONFIG may be incomplete, its strings are never NULL. */
struct dv_engine_config;
void dv_doctor_kernel(struct dv_findings *f);
void dv_doctor_cgroups(struct dv_findings *f);
void dv_doctor_firewall(struct dv_findings *f, const struct dv_engine_config *config);
void dv_doctor_disk(struct dv_findings *f, const struct dv_engine_config *config);
/* Last: it leaves the network namespace of the caller. */
void dv_doctor_links(struct dv_findings *f);
