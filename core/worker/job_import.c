/* job_import.c - a root file system's tar as an image of one layer. */
#include <stdio.h>

#include "core/base/limits.h"
#include "core/base/str.h"
#include "core/base/time.h"
#include "core/worker/changes.h"
#include "core/worker/image_config.h"
#include "core/worker/job.h"
#include "core/worker/layer.h"
#include "core/worker/protocol.h"

#define OCI_CONFIG "application/vnd.oci.image.config.v1+json"

static int set(char **field, const char *text, struct dv_error *err)
{
    *field = dv_strdup(text);
    return *field ? 0 : dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image config");
}

/* "os[/arch[/variant]]"; what is not said is this machine's. */
static int set_platform(struct dv_image_config *config, const char *platform, struct dv_error *err)
{
    dv_autostrv parts = { 0 };
    int r;

    if (!dv_empty(platform) && dv_strv_split(&parts, platform, '/') < 0)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for a platform");
    if (parts.n > 3 || (parts.n > 0 && dv_empty(parts.items[0])))
        return dv_fail(err, DV_E_INVALID, "'%.100s' is no platform (os/arch[/variant])", platform);
    if (parts.n > 0 && !dv_streq(parts.items[0], "linux"))
        return dv_fail(err, DV_E_INVALID, "platform '%.100s': only linux images can be imported",
                       platform);
    r = set(&config->os, "linux", err);
    r = r < 0 ? r
              : set(&config->architecture, parts.n > 1 ? parts.items[1] : dv_machine_arch(), err);
    if (r == 0 && parts.n > 2)
        r = set(&config->variant, parts.items[2], err);
    return r;
}

static int apply_changes(const struct dv_msg *m, struct dv_image_config *config,
                         struct dv_error *err)
{
    struct dv_field f;
    size_t pos = 0;
    int r = 0;

    while (r == 0 && dv_msg_next(m, &pos, &f)) {
        const char *text;

        if (f.tag != DV_WT_CHANGE)
            continue;
        r = dv_field_str(&f, &text, err);
        r = r < 0 ? r : dv_change_apply(config, text, err);
    }
    return r;
}

static int set_history(struct dv_image_config *config, struct dv_error *err)
{
    json_object *step = json_object_new_object();

    config->history = json_object_new_array();
    if (!step || !config->history ||
        json_object_object_add(step, "created", json_object_new_string(config->created)) < 0 ||
        json_object_object_add(step, "comment", json_object_new_string(config->comment)) < 0 ||
        json_object_array_add(config->history, step) < 0) {
        json_object_put(step);
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image config");
    }
    return 0;
}

static int make_config(const struct dv_msg *m, struct dv_image_config *config, struct dv_error *err)
{
    char created[DV_TIME_TEXT_BYTES];
    int r;

    dv_time_format(dv_now_ns(), created);
    r = set(&config->created, created, err);
    r = r < 0 ? r : set(&config->comment, dv_msg_get_str(m, DV_WT_COMMENT, "Imported from -"), err);
    r = r < 0 ? r : set(&config->rootfs.type, "layers", err);
    r = r < 0 ? r : set_platform(config, dv_msg_get_str(m, DV_WT_PLATFORM, NULL), err);
    r = r < 0 ? r : apply_changes(m, config, err);
    return r < 0 ? r : set_history(config, err);
}

static int put_config(struct dv_job *job, struct dv_image_config *config,
                      const struct dv_layer_put *layer, uint64_t *ret_bytes, struct dv_error *err)
{
    dv_autofree char *text = NULL;

    if (dv_strv_add(&config->rootfs.diff_ids, layer->diff_id) == 0)
        text = dv_image_config_text(config);
    if (!text)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for an image config");
    *ret_bytes = strlen(text);
    return dv_blob_put(&job->wire, text, strlen(text), OCI_CONFIG, job->answer, err);
}

static int import(struct dv_job *job, struct dv_image_config *config, struct dv_error *err)
{
    const char *name = dv_msg_get_str(&job->packet->msg, DV_WT_IMPORT_NAME, NULL);
    const struct dv_layer_source source = { .fd = job->packet->fds[0], .blob = DV_BLOB_COPY,
                                            .any_compression = true, .parent = "" };
    struct dv_layer_put layer;
    struct dv_image_report report;
    uint64_t config_bytes = 0;
    int r;

    /* The config first: a wrong change should not cost an upload. */
    r = make_config(&job->packet->msg, config, err);
    r = r < 0 ? r : dv_layer_put(&job->wire, &source, &layer, err);
    r = r < 0 ? r : put_config(job, config, &layer, &config_bytes, err);
    if (r < 0)
        return r;
    report = (struct dv_image_report){
        .id = job->answer, .config_bytes = config_bytes, .config = config, .layers = &layer,
        .n_layers = 1, .names = &name, .n_names = name ? 1 : 0,
    };
    return dv_report_image(&job->wire, &report, err);
}

int dv_job_import(struct dv_job *job, struct dv_error *err)
{
    struct dv_image_config config = { 0 };
    int r;

    if (job->packet->n_fds < 1)
        return dv_fail(err, DV_E_INVALID, "import: no archive was given");
    r = import(job, &config, err);
    dv_image_config_done(&config);
    return r;
}
