/* archive_docs.c - fuzz target: the documents of a saved image: manifest.json, or an OCI layout's
 * index.json with its manifests. "NAME\nCONTENTS" for each file, divided by NUL; a CONTENTS that begins
 * with "->" is a link. */
#include <stdlib.h>
#include <string.h>

#include "archive_host.h"
#include "fuzz.h"

enum { MAX_FILES = 32 };

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void add_file(struct source *s, struct fuzz_part part)
{
    struct file *f = &s->files[s->n_files];
    char *name = fuzz_text(&part, '\n');

    *f = (struct file){ .name = clean_name(name), .fd = -1 };
    free(name);
    if (!f->name)
        return;
    if (part.n > 2 && memcmp(part.data, "->", 2) == 0) {
        part.data += 2, part.n -= 2;
        name = fuzz_text(&part, 0);
        f->target = clean_name(name);
        free(name);
        if (!f->target) {
            free(f->name);
            return;
        }
    } else {
        f->data = calloc(part.n + 1, 1);
        f->size = part.n;
        memcpy(f->data, part.n ? part.data : (const uint8_t *)"", part.n);
    }
    s->n_files++;
}

/* As read_archive() leaves them: sorted, one of each name. */
static void sort_files(struct source *s)
{
    size_t kept = 0;

    qsort(s->files, s->n_files, sizeof(*s->files), by_name);
    for (size_t i = 0; i < s->n_files; i++) {
        if (kept > 0 && strcmp(s->files[kept - 1].name, s->files[i].name) == 0) {
            free(s->files[i].name);
            free(s->files[i].target);
            free(s->files[i].data);
        } else {
            s->files[kept++] = s->files[i];
        }
    }
    s->n_files = kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data, size }, part;
    struct source s = { .host = &fuzz_host };
    struct dv_call c = { "" };
    const struct file *manifest, *index;
    int32_t r = -1;

    s.files = calloc(MAX_FILES + 1, sizeof(*s.files));
    while (s.n_files < MAX_FILES && fuzz_next(&rest, 0, &part))
        add_file(&s, part);
    sort_files(&s);
    manifest = find_file(&s, "manifest.json");
    index = find_file(&s, "index.json");
    if (manifest)
        r = read_docker(&s, &c, manifest);
    else if (index)
        r = read_oci(&s, &c, index);
    if (r == 0)
        fuzz_use_source(&s);
    else if ((manifest || index) && !c.message[0])
        fuzz_fail("refused without a reason", "");
    for (size_t i = 0; i < s.n_images; i++)
        free_image(&s.images[i]);
    free(s.images);
    free_files(&s);
    return 0;
}
