/* store.c - the content store: an OCI image layout (OCI image-spec, image-layout.md). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/image/internal.h"
#include "core/worker/image_config.h"

enum { TRASH_SECONDS = 24 * 60 * 60 };

static int open_dir(int dir_fd, const char *name, int *ret, struct dv_error *err)
{
    int r = dv_mkdirs(dir_fd, name, 0700, err);

    if (r < 0)
        return r;
    *ret = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? dv_fail_errno(err, DV_E_INTERNAL, "open '%s'", name) : 0;
}

int dv_store_open(struct dv_images *images, int root_fd, struct dv_error *err)
{
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    int r;

    r = open_dir(root_fd, "images", &images->dir_fd, err);
    r = r < 0 ? r : open_dir(images->dir_fd, "blobs/sha256", &images->blobs_fd, err);
    r = r < 0 ? r : open_dir(images->dir_fd, "trash", &images->trash_fd, err);
    if (r == 0 && faccessat(images->dir_fd, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        r = dv_file_replace(images->dir_fd, "oci-layout", layout, strlen(layout), 0600, DV_DURABLE,
                            err);
    return r < 0 ? dv_wrap(err, "image store") : 0;
}

/* ---- blobs ---- */

static const char *hex_of(const char *digest)
{
    return digest + strlen("sha256:");
}

int dv_store_new_blob(struct dv_images *images, int *ret_fd, struct dv_error *err)
{
    int fd = openat(images->blobs_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        return dv_fail(err, DV_E_UNSUPPORTED, "the file system of the image store has no unnamed "
                       "files (O_TMPFILE): put davit's root on ext4, xfs, btrfs or tmpfs");
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make a file in the image store");
    *ret_fd = fd;
    return 0;
}

static int check_new_blob(struct dv_images *images, int fd, const char *digest, uint64_t size_bytes,
                          struct dv_error *err)
{
    struct stat st, dir;

    if (fstat(fd, &st) < 0 || fstat(images->blobs_fd, &dir) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "look at blob %s", digest);
    if (!S_ISREG(st.st_mode) || st.st_dev != dir.st_dev || (uint64_t)st.st_size != size_bytes)
        return dv_fail(err, DV_E_INVALID, "blob %s: what the worker sent is no file of the image "
                       "store with %llu bytes", digest, (unsigned long long)size_bytes);
    return 0;
}

int dv_store_link_blob(struct dv_images *images, int fd, const char *digest, uint64_t size_bytes,
                       struct dv_error *err)
{
    uint64_t there = 0;
    char path[40];
    int r;

    r = dv_store_blob_size(images, digest, &there, err);
    if (r == 0 && there == size_bytes)
        return 0;
    if (r == 0)
        return dv_fail(err, DV_E_INTERNAL, "blob %s in the image store has %llu bytes instead of "
                       "%llu: the store is damaged; remove the file and load again", digest,
                       (unsigned long long)there, (unsigned long long)size_bytes);
    if (r != -DV_E_NOT_FOUND)
        return r;
    dv_error_clear(err);
    r = check_new_blob(images, fd, digest, size_bytes, err);
    if (r < 0)
        return r;
    /* The contents before the name: a name that survives power loss must not stand for less. */
    if (fsync(fd) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write blob %s", digest);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, path, images->blobs_fd, hex_of(digest), AT_SYMLINK_FOLLOW) < 0 &&
        errno != EEXIST)
        return dv_fail_errno(err, DV_E_INTERNAL, "name blob %s", digest);
    return 0;
}

int dv_store_open_blob(struct dv_images *images, const char *digest, int *ret_fd,
                       struct dv_error *err)
{
    int fd = openat(images->blobs_fd, hex_of(digest), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return dv_fail(err, DV_E_NOT_FOUND, "the image store lacks blob %s", digest);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open blob %s", digest);
    *ret_fd = fd;
    return 0;
}

int dv_store_blob_size(struct dv_images *images, const char *digest, uint64_t *ret,
                       struct dv_error *err)
{
    struct stat st;

    if (fstatat(images->blobs_fd, hex_of(digest), &st, AT_SYMLINK_NOFOLLOW) == 0) {
        *ret = (uint64_t)st.st_size;
        return 0;
    }
    if (errno == ENOENT)
        return dv_fail(err, DV_E_NOT_FOUND, "the image store lacks blob %s", digest);
    return dv_fail_errno(err, DV_E_INTERNAL, "look at blob %s", digest);
}

void dv_store_unlink_blob(struct dv_images *images, const char *digest)
{
    if (unlinkat(images->blobs_fd, hex_of(digest), 0) < 0 && errno != ENOENT)
        dv_log_warn(NULL, "remove blob %s: %s", digest, strerror(errno));
}

int dv_store_sync(struct dv_images *images, struct dv_error *err)
{
    if (fsync(images->blobs_fd) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write the image store");
    return 0;
}

/* ---- index.json ---- */

struct platform {
    char *architecture, *os, *variant;
};
struct index_entry {
    char *media_type, *digest;
    uint64_t size;
    struct platform platform;
    struct dv_json_map annotations;
};
struct index {
    uint64_t schema_version;
    char *media_type;
    struct dv_json_array manifests;
    size_t cap;
};
static const struct dv_json_field platform_fields[] = {
    {.key = "architecture", .type = DV_JSON_STR, .offset = offsetof(struct platform, architecture)},
    {.key = "os", .type = DV_JSON_STR, .offset = offsetof(struct platform, os)},
    {.key = "variant",
     .type = DV_JSON_STR,
     .offset = offsetof(struct platform, variant),
     .flags = DV_JSON_OMITEMPTY},
};
static const struct dv_json_field entry_fields[] = {
    {.key = "mediaType", .type = DV_JSON_STR, .offset = offsetof(struct index_entry, media_type)},
    {.key = "digest", .type = DV_JSON_STR, .offset = offsetof(struct index_entry, digest)},
    {.key = "size", .type = DV_JSON_U64, .offset = offsetof(struct index_entry, size)},
    {.key = "platform",
     .type = DV_JSON_OBJ,
     .offset = offsetof(struct index_entry, platform),
     .sub = platform_fields,
     .n_sub = N(platform_fields)},
    {.key = "annotations",
     .type = DV_JSON_MAP,
     .offset = offsetof(struct index_entry, annotations),
     .flags = DV_JSON_OMITEMPTY},
};
static const struct dv_json_field index_fields[] = {
    {.key = "schemaVersion", .type = DV_JSON_U64, .offset = offsetof(struct index, schema_version)},
    {.key = "mediaType", .type = DV_JSON_STR, .offset = offsetof(struct index, media_type)},
    {.key = "manifests",
     .type = DV_JSON_ARRAY,
     .offset = offsetof(struct index, manifests),
     .sub = entry_fields,
     .n_sub = N(entry_fields),
     .sub_size = sizeof(struct index_entry)},
};

/* "os/arch[/variant]" as the images table has it. */
static int set_platform(struct platform *p, const char *text)
{
    dv_autostrv parts = { 0 };

    if (dv_strv_split(&parts, text, '/') < 0)
        return -1;
    p->os = dv_strdup(parts.n > 0 ? parts.items[0] : "");
    p->architecture = dv_strdup(parts.n > 1 ? parts.items[1] : "");
    p->variant = dv_strdup(parts.n > 2 ? parts.items[2] : "");
    return p->os && p->architecture && p->variant ? 0 : -1;
}

/* The names that containerd and skopeo look for. */
static int set_names(struct index_entry *e, const char *canonical)
{
    dv_autofree char *familiar = NULL;

    if (!*canonical)
        return 0;
    familiar = dv_ref_familiar(canonical);
    if (!familiar || dv_strv_add(&e->annotations.keys, "io.containerd.image.name") < 0 ||
        dv_strv_add(&e->annotations.values, canonical) < 0 ||
        dv_strv_add(&e->annotations.keys, "org.opencontainers.image.ref.name") < 0 ||
        dv_strv_add(&e->annotations.values, familiar) < 0)
        return -1;
    return 0;
}

static int add_entry(void *arg, sqlite3_stmt *row)
{
    struct index *index = arg;
    struct index_entry *e;

    if (index->manifests.n == index->cap) {
        size_t cap = index->cap ? index->cap * 2 : 32;

        e = realloc(index->manifests.items, cap * sizeof(*e));
        if (!e)
            return -DV_E_NO_MEMORY;
        index->manifests.items = e;
        index->cap = cap;
    }
    e = (struct index_entry *)index->manifests.items + index->manifests.n++;
    memset(e, 0, sizeof(*e));
    e->media_type = dv_strdup("application/vnd.oci.image.manifest.v1+json");
    e->digest = dv_strdup(dv_row_text(row, 0));
    e->size = (uint64_t)sqlite3_column_int64(row, 1);
    if (!e->media_type || !e->digest || set_platform(&e->platform, dv_row_text(row, 2)) < 0 ||
        set_names(e, dv_row_text(row, 3)) < 0)
        return -DV_E_NO_MEMORY;
    return 0;
}

/* Under the store's lock: of two writers the later one has read the later rows. */
static int write_index(struct dv_images *images, struct index *index, struct dv_error *err)
{
    dv_autojson json_object *doc = NULL;
    dv_autofree char *text = NULL;
    int r;

    r = dv_db_query(images->db, add_entry, index, err,
                    "SELECT i.manifest_digest, b.size_bytes, i.platform, r.reference FROM images i"
                    " JOIN blobs b ON b.digest = i.manifest_digest"
                    " LEFT JOIN image_refs r ON r.image_id = i.id ORDER BY r.reference, i.id", "");
    if (r < 0)
        return err->code ? r : dv_fail(err, DV_E_NO_MEMORY, "out of memory for index.json");
    doc = dv_json_encode(index_fields, N(index_fields), index);
    text = doc ? dv_json_text(doc) : NULL;
    if (!text)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for index.json");
    return dv_file_replace(images->dir_fd, "index.json", text, strlen(text), 0600, DV_VOLATILE,
                           err);
}

void dv_store_write_index(struct dv_images *images)
{
    struct index index = { .schema_version = 2,
                           .media_type = dv_strdup("application/vnd.oci.image.index.v1+json") };
    struct dv_error err = { 0 };
    int r;

    /* A list that is empty is [] and not null. */
    index.manifests.items = calloc(32, sizeof(struct index_entry));
    index.cap = index.manifests.items ? 32 : 0;
    dv_lock_take(&images->lock);
    r = write_index(images, &index, &err);
    dv_lock_drop(&images->lock);
    dv_json_release(index_fields, N(index_fields), &index);
    if (r < 0)
        dv_log_warn(NULL, "write index.json of the image store: %s", err.msg);
}

/* ---- sweeping ---- */

static void sweep_blob(struct dv_images *images, const char *name)
{
    char digest[80];
    struct dv_error err = { 0 };
    int64_t known = 0;

    snprintf(digest, sizeof(digest), "sha256:%.72s", name);
    if (!dv_is_digest(digest))
        return; /* not ours by its name: stays */
    if (dv_row_count(images->db, &known, &err,
                     "SELECT EXISTS (SELECT 1 FROM blobs WHERE digest = ?)", digest) < 0 || known)
        return;
    dv_log_info(NULL, "blob %s belongs to no image: to the trash", digest);
    if (renameat(images->blobs_fd, name, images->trash_fd, name) < 0)
        dv_log_warn(NULL, "move blob %s to the trash: %s", digest, strerror(errno));
}

static void expire_trash(struct dv_images *images, const char *name)
{
    struct stat st;

    if (fstatat(images->trash_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_ctim.tv_sec + TRASH_SECONDS < time(NULL))
        (void)unlinkat(images->trash_fd, name, 0);
}

static void each_name(struct dv_images *images, int dir_fd,
                      void (*fn)(struct dv_images *images, const char *name))
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!dir) {
        dv_close(fd);
        return;
    }
    while ((e = readdir(dir)))
        if (e->d_name[0] != '.')
            fn(images, e->d_name);
    closedir(dir);
}

void dv_store_sweep(struct dv_images *images)
{
    each_name(images, images->trash_fd, expire_trash);
    each_name(images, images->blobs_fd, sweep_blob);
}
