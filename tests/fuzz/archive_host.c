/* archive_host.c - the engine's side of transport "archive", for its fuzz targets. */
#include "archive_host.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

static int32_t record(struct dv_call *c, int32_t code, int32_t sys_errno, const char *msg)
{
    snprintf(c->message, sizeof(c->message), "%s", msg);
    if (code <= 0)
        fuzz_fail("a failure without a code", msg);
    (void)sys_errno;
    return -code;
}

static void event(void *host, const char *action, const char *id, const struct dv_kvs *attrs)
{
    (void)host;
    (void)attrs;
    if (!action[0] || !id)
        fuzz_fail("an event of nothing", action);
}

static int32_t no_cancel(struct dv_call *c)
{
    (void)c;
    return -1;
}

static int32_t spool_file(void *host, struct dv_call *c)
{
    (void)host;
    (void)c;
    return memfd_create("spool", MFD_CLOEXEC);
}

static const void *service(void *host, const char *id)
{
    static const struct dv_spool spool = { .struct_size = sizeof(spool), .file = spool_file };

    (void)host;
    return strcmp(id, "dv.spool/1") == 0 ? &spool : NULL;
}

const struct dv_host fuzz_host = { .struct_size = sizeof(fuzz_host), .event = event, .fail = record,
                                   .cancel_fd = no_cancel, .service = service };

static void use_blob(struct source *s, const struct dv_reg_blob *blob)
{
    struct dv_call c = { "" };
    const struct file *f = blob->key ? find_file(s, blob->key) : NULL;
    int fd = -1;

    if (!f)
        fuzz_fail("a blob that the archive lacks", blob->key);
    if (!blob->media_type)
        fuzz_fail("a blob without a type", blob->key);
    if (file_open(s, &c, f, &fd) == 0)
        close(fd);
    else if (!c.message[0])
        fuzz_fail("refused without a reason", blob->key);
}

void fuzz_use_source(struct source *s)
{
    for (size_t i = 0; i < s->n_images; i++) {
        const struct image *image = &s->images[i];

        if (image->n_layers > ARCHIVE_MAX_LAYERS)
            fuzz_fail("too many layers", "");
        use_blob(s, &image->config);
        for (uint32_t k = 0; k < image->n_layers; k++)
            use_blob(s, &image->layers[k]);
        for (uint32_t k = 0; k < image->n_names; k++)
            if (!image->names[k])
                fuzz_fail("a name that is none", "");
        if (image->manifest && strlen(image->manifest) > image->manifest_len)
            fuzz_fail("a manifest beyond its end", "");
    }
}
