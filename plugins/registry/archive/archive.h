/* archive.h - an image archive: its files by name, and the images that they describe. */
#pragma once

#include <davit/registry.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARCHIVE_MAX_ENTRIES = 20000,        /* files, directories and links of one archive */
    ARCHIVE_MAX_SPOOLED = 4096,         /* large files: a descriptor each */
    ARCHIVE_MAX_NAME = 4096,
    ARCHIVE_SMALL_BYTES = 256 << 10,    /* a file up to here stays in memory... */
    ARCHIVE_MAX_MEMORY = 64 << 20,      /* ...as long as all of them fit */
    ARCHIVE_MAX_DOCUMENT = 4 << 20,     /* manifest.json, index.json, a manifest */
    ARCHIVE_MAX_PARSED = 32 << 20,      /* of documents, each as often as others name it */
    ARCHIVE_MAX_DEPTH = 32,             /* of JSON */
    ARCHIVE_MAX_IMAGES = 1000,
    ARCHIVE_MAX_LAYERS = 500,
    ARCHIVE_MAX_LINKS = 8,
    ARCHIVE_MAX_INDEXES = 4,            /* an index in an index ... */
};

/* One name in the archive: contents in memory or in a spool file, or a link. */
struct file {
    char *name;                         /* cleaned: no "./", no leading slash, no ".." */
    char *target;                       /* of a link: cleaned name; else NULL */
    char *data;                         /* size bytes and a NUL; NULL when spooled */
    int fd;                             /* spool file, or -1 */
    uint64_t size;
};
/* One image as next_image gives it; strings are the source's. */
struct image {
    char *manifest;                     /* document, or NULL */
    size_t manifest_len;
    char *manifest_type;
    struct dv_reg_blob config, *layers;
    uint32_t n_layers, n_names;
    char **names;
};
struct source {
    const struct dv_host *host;
    struct file *files;                 /* sorted by name once read */
    size_t n_files, cap_files, n_spooled;
    uint64_t memory, parsed;
    struct image *images;
    size_t n_images, cap_images, next;
};

/* ---- archive.c ---- */
int32_t fail(const struct source *s, struct dv_call *c, int32_t code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int32_t fail_memory(const struct source *s, struct dv_call *c);

/* ---- files.c ---- */
/* Read all of FD (any compression of layers, as a whole) into S. */
int32_t read_archive(struct source *s, struct dv_call *c, int fd);
void free_files(struct source *s);
/* The file NAME, links followed; NULL if there is none. */
const struct file *find_file(const struct source *s, const char *name);
/* Count F as parsed once more; false: that is more than an archive may ask for. An index may name others,
 * or itself, in each of its thousands of entries. */
bool may_parse(struct source *s, const struct file *f);
/* Its contents as a JSON document. NULL after a recorded failure. */
json_object *file_json(struct source *s, struct dv_call *c, const struct file *f);
/* Contents in memory, NUL-terminated; free it. NULL after a recorded failure. */
char *file_text(struct source *s, struct dv_call *c, const struct file *f);
/* New descriptor at its beginning. */
int32_t file_open(struct source *s, struct dv_call *c, const struct file *f, int32_t *ret);
/* NAME cleaned; NULL if it leads out of the archive, is too long, or on no memory. Free it. */
char *clean_name(const char *name);

/* ---- docker.c, oci.c ---- */
int32_t read_docker(struct source *s, struct dv_call *c, const struct file *manifest);
int32_t read_oci(struct source *s, struct dv_call *c, const struct file *index);
/* New empty image at the end of the list; NULL after a recorded failure. */
struct image *add_image(struct source *s, struct dv_call *c);
void free_image(struct image *image);
int32_t add_name(struct source *s, struct dv_call *c, struct image *image, const char *name);
/* Room for N layers. */
int32_t make_layers(struct source *s, struct dv_call *c, struct image *image, size_t n);
/* BLOB is the file NAME; its digest is the one in a name "blobs/sha256/<hex>", or DIGEST. */
int32_t set_blob(struct source *s, struct dv_call *c, struct dv_reg_blob *blob, const char *name,
                 const char *digest, const char *media_type);
void free_blob(struct dv_reg_blob *blob);
/* The images of a manifest.json get the manifests that the OCI layout beside it has of them. */
void attach_oci_manifests(struct source *s);
/* String member KEY of OBJ, or NULL. */
const char *json_text(json_object *obj, const char *key);
