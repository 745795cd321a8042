/* job.h - what each job of davit-worker is given, and the table of them. */
#pragma once

#include "core/worker/digest.h"
#include "core/worker/wire.h"

struct dv_driver;

struct dv_job {
    struct dv_wire wire;
    struct dv_packet *packet;        /* the DV_W_JOB message */
    struct dv_driver *driver;        /* registry transport, where the job has one */
    struct dv_spool_list *spooled;   /* files that the driver was given */
    int root_fd;                     /* copy-up: the root to copy from, -1 = none */
    char answer[DV_DIGEST_BYTES];    /* DIGEST of the result; "" for none */
};
struct dv_job_kind {
    const char *name;
    bool needs_driver;               /* DV_WT_PLUGIN_DIR and DV_WT_TRANSPORT */
    int (*run)(struct dv_job *job, struct dv_error *err);
    int (*open)(struct dv_job *job, struct dv_error *err); /* or NULL: before the sandbox */
};
int dv_job_copy_up_open(struct dv_job *job, struct dv_error *err);
int dv_job_copy_up(struct dv_job *job, struct dv_error *err);
int dv_job_load(struct dv_job *job, struct dv_error *err);
int dv_job_import(struct dv_job *job, struct dv_error *err);
int dv_job_save(struct dv_job *job, struct dv_error *err);
int dv_job_unpack(struct dv_job *job, struct dv_error *err);

/* Report an image whose parts are in the store: its manifest (GIVEN, if it is an OCI manifest of
 * exactly these parts, else a generated one) and its description. */
struct dv_layer_put;
struct dv_image_config;
struct dv_image_report {
    const char *id;                  /* digest of the config */
    uint64_t config_bytes;
    const struct dv_image_config *config;
    const struct dv_layer_put *layers;
    size_t n_layers;
    const char *const *names;
    size_t n_names;
    const char *given;               /* manifest document of the source, or NULL */
    size_t given_len;
    const char *given_type;
};
DV_CHECK int dv_report_image(struct dv_wire *wire, const struct dv_image_report *report,
                             struct dv_error *err);
