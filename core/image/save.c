/* save.c - docker save: which images and files an archive has; a davit-worker writes it.
 *
 * No thread waits for it: the worker asks nothing, so davitd only carries the pipe's bytes to the
 * client. What the archive names is held until the worker has ended. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/image/internal.h"
#include "core/worker/protocol.h"

enum { PIPE_BYTES = 1 << 20 };

struct saved_blob {
    char digest[72];
    uint64_t size_bytes;
};
struct saved_image {
    char id[72];
    struct saved_blob manifest;
    char platform[200];
    struct dv_strv names;            /* canonical, as they were asked for */
    struct dv_strv layers;           /* digests, base first */
};
struct dv_image_save {
    struct dv_images *images;
    struct dv_image_save *next;      /* among the ended */
    struct saved_image *list;
    size_t n, cap;
    struct saved_blob *blobs;        /* of all images; sorted for the archive, each once */
    size_t n_blobs, cap_blobs;
    struct dv_strv held;
    struct dv_worker worker;
    int pipe_fd;
    bool over;                       /* the worker said its result */
};

static int fail_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "out of memory to save images");
}

/* ---- which images ---- */

/* The image ID of the list; a new one at its end. NULL: out of memory. */
static struct saved_image *image_of(struct dv_image_save *save, const char *id)
{
    struct saved_image *image;

    for (size_t i = 0; i < save->n; i++)
        if (dv_streq(save->list[i].id, id))
            return &save->list[i];
    if (save->n == save->cap) {
        size_t cap = save->cap ? save->cap * 2 : 8;

        image = reallocarray(save->list, cap, sizeof(*save->list));
        if (!image)
            return NULL;
        save->list = image;
        save->cap = cap;
    }
    image = &save->list[save->n++];
    memset(image, 0, sizeof(*image));
    snprintf(image->id, sizeof(image->id), "%s", id);
    return image;
}

/* NAME: canonical, or NULL. */
static int want(struct dv_image_save *save, const char *id, const char *name)
{
    struct saved_image *image = image_of(save, id);

    if (!image)
        return -1;
    return !name || dv_strv_has(&image->names, name) ? 0 : dv_strv_add(&image->names, name);
}

struct tags {
    struct dv_image_save *save;
    size_t n;
};

static int want_row(void *arg, sqlite3_stmt *row)
{
    struct tags *tags = arg;

    tags->n++;
    return want(tags->save, dv_row_text(row, 1), dv_row_text(row, 0)) < 0 ? -DV_E_NO_MEMORY : 0;
}

/* "busybox", but not "busybox:latest" nor "localhost:5000/busybox:1". */
static bool is_repository(const char *text)
{
    const char *slash = strrchr(text, '/');

    return !strchr(slash ? slash : text, ':') && !strchr(text, '@');
}

/* 1: all tags of repository TEXT; 0: it has none, and may be an id. */
static int want_repository(struct dv_image_save *save, const char *text, struct dv_error *err)
{
    struct tags tags = { .save = save };
    struct dv_ref ref = { 0 };
    dv_autofree char *low = NULL, *high = NULL;
    struct dv_error ignored = { 0 };
    size_t n;
    int r = dv_ref_parse(text, &ref, &ignored);

    if (r < 0)
        return 0;
    n = strlen(ref.canonical) - strlen(ref.tag);
    low = dv_format("%.*s", (int)n, ref.canonical);            /* "docker.io/library/busybox:" */
    high = dv_format("%.*s;", (int)n - 1, ref.canonical);      /* ';' comes behind ':' */
    dv_ref_done(&ref);
    if (!low || !high)
        return fail_memory(err);
    r = dv_db_query(save->images->db, want_row, &tags, err,
                    "SELECT reference, image_id FROM image_refs WHERE reference >= ? AND"
                    " reference < ? ORDER BY reference", "ss", low, high);
    if (r < 0)
        return err->code ? r : fail_memory(err);
    return tags.n > 0;
}

static int want_name(struct dv_image_save *save, const char *text, struct dv_error *err)
{
    struct dv_found found = { 0 };
    int r = is_repository(text) ? want_repository(save, text, err) : 0;

    if (r != 0)
        return r < 0 ? r : 0;
    r = dv_image_find(save->images, text, &found, err);
    if (r < 0)
        return r;
    r = want(save, found.id, found.ref);
    free(found.ref);
    return r < 0 ? fail_memory(err) : 0;
}

/* ---- what they consist of ---- */

static int add_blob(struct dv_image_save *save, const char *digest, uint64_t size_bytes)
{
    struct saved_blob *blob;

    if (save->n_blobs == save->cap_blobs) {
        size_t cap = save->cap_blobs ? save->cap_blobs * 2 : 32;

        blob = reallocarray(save->blobs, cap, sizeof(*blob));
        if (!blob)
            return -1;
        save->blobs = blob;
        save->cap_blobs = cap;
    }
    blob = &save->blobs[save->n_blobs++];
    snprintf(blob->digest, sizeof(blob->digest), "%s", digest);
    blob->size_bytes = size_bytes;
    return 0;
}

struct parts {
    struct dv_image_save *save;
    struct saved_image *image;
};

static int take_image(void *arg, sqlite3_stmt *row)
{
    struct saved_image *image = ((struct parts *)arg)->image;

    snprintf(image->manifest.digest, sizeof(image->manifest.digest), "%s", dv_row_text(row, 0));
    snprintf(image->platform, sizeof(image->platform), "%s", dv_row_text(row, 1));
    return 1;
}

static int take_layer(void *arg, sqlite3_stmt *row)
{
    return dv_strv_add(&((struct parts *)arg)->image->layers, dv_row_text(row, 0)) < 0
               ? -DV_E_NO_MEMORY : 0;
}

static int take_blob(void *arg, sqlite3_stmt *row)
{
    return add_blob(((struct parts *)arg)->save, dv_row_text(row, 0),
                    (uint64_t)sqlite3_column_int64(row, 1)) < 0 ? -DV_E_NO_MEMORY : 0;
}

static int read_parts(struct dv_image_save *save, struct saved_image *image, struct dv_error *err)
{
    struct parts parts = { save, image };
    struct dv_db *db = save->images->db;
    int r;

    r = dv_db_query(db, take_image, &parts, err,
                    "SELECT manifest_digest, platform FROM images WHERE id = ?", "s", image->id);
    if (r >= 0 && !image->manifest.digest[0])
        return dv_fail(err, DV_E_NOT_FOUND, "No such image: %s", image->id);
    r = r < 0 ? r : dv_image_check_blobs(save->images, image->id, err);
    r = r < 0 ? r : dv_db_query(db, take_layer, &parts, err,
                                "SELECT blob_digest FROM image_layers WHERE image_id = ?"
                                " ORDER BY position", "s", image->id);
    r = r < 0 ? r : dv_db_query(db, take_blob, &parts, err,
                                "SELECT digest, size_bytes FROM blobs WHERE digest IN (SELECT ?"
                                " UNION SELECT ? UNION SELECT blob_digest FROM image_layers"
                                " WHERE image_id = ?)", "sss", image->id, image->manifest.digest,
                                image->id);
    return r < 0 && !err->code ? fail_memory(err) : r < 0 ? r : 0;
}

static int hold(struct dv_image_save *save, const char *digest, struct dv_error *err)
{
    char key[DV_KEY_BYTES];
    int r;

    snprintf(key, sizeof(key), "blob:%s", digest);
    if (dv_strv_has(&save->held, key))
        return 0;
    r = dv_hold_take(save->images, key, err);
    if (r < 0)
        return r;
    if (dv_strv_add(&save->held, key) < 0) {
        dv_hold_drop(save->images, key);
        return fail_memory(err);
    }
    return 0;
}

static int check_blob(struct dv_image_save *save, const struct saved_blob *blob,
                      struct dv_error *err)
{
    uint64_t size = 0;
    int r = dv_store_blob_size(save->images, blob->digest, &size, err);

    if (r < 0)
        return dv_wrap(err, "save images");
    if (size != blob->size_bytes)
        return dv_fail(err, DV_E_INTERNAL, "blob %s in the image store has %llu bytes instead of "
                       "%llu: the store is damaged; remove the image and load it again",
                       blob->digest, (unsigned long long)size,
                       (unsigned long long)blob->size_bytes);
    return 0;
}

/* Held first, then looked at: an image that is removed in between is not there any more. */
static int hold_all(struct dv_image_save *save, struct dv_error *err)
{
    int64_t there;
    int r = 0;

    for (size_t i = 0; i < save->n_blobs && r == 0; i++)
        r = hold(save, save->blobs[i].digest, err);
    for (size_t i = 0; i < save->n && r == 0; i++) {
        r = dv_row_count(save->images->db, &there, err,
                         "SELECT EXISTS (SELECT 1 FROM images WHERE id = ?)", save->list[i].id);
        if (r == 0 && !there)
            r = dv_fail(err, DV_E_NOT_FOUND, "No such image: %s", save->list[i].id);
    }
    for (size_t i = 0; i < save->n_blobs && r == 0; i++)
        r = check_blob(save, &save->blobs[i], err);
    return r;
}

static int check_platform(const struct saved_image *image, const char *wanted,
                          struct dv_error *err)
{
    size_t n = wanted ? strlen(wanted) : 0;

    /* "linux/arm64" is any variant of it. */
    if (n == 0 || (strncmp(image->platform, wanted, n) == 0 &&
                   (!image->platform[n] || image->platform[n] == '/')))
        return 0;
    return dv_fail(err, DV_E_NOT_FOUND, "image %.19s is for platform %s; it does not provide the "
                   "specified platform (%s)", image->id, image->platform, wanted);
}

static int by_digest(const void *a, const void *b)
{
    return strcmp(((const struct saved_blob *)a)->digest, ((const struct saved_blob *)b)->digest);
}

static void sort_blobs(struct dv_image_save *save)
{
    size_t n = 0;

    qsort(save->blobs, save->n_blobs, sizeof(*save->blobs), by_digest);
    for (size_t i = 0; i < save->n_blobs; i++)
        if (n == 0 || by_digest(&save->blobs[n - 1], &save->blobs[i]) != 0)
            save->blobs[n++] = save->blobs[i];
    save->n_blobs = n;
}

static int gather(struct dv_image_save *save, const struct dv_strv *names, const char *platform,
                  struct dv_error *err)
{
    int r = 0;

    if (names->n == 0)
        return dv_fail(err, DV_E_INVALID, "no image was named: give names=IMAGE");
    for (size_t i = 0; i < names->n && r == 0; i++)
        r = want_name(save, names->items[i], err);
    for (size_t i = 0; i < save->n && r == 0; i++) {
        r = read_parts(save, &save->list[i], err);
        r = r < 0 ? r : check_platform(&save->list[i], platform, err);
    }
    if (r < 0)
        return r;
    sort_blobs(save);
    return hold_all(save, err);
}

/* ---- the two documents ---- */

/* manifest.json of docker save. */
struct entry {
    char *config;
    struct dv_strv names, layers;
};
struct entries {
    struct dv_json_array list;
};
static const struct dv_json_field entry_fields[] = {
    { .key = "Config", .type = DV_JSON_STR, .offset = offsetof(struct entry, config) },
    { .key = "RepoTags", .type = DV_JSON_STRV, .offset = offsetof(struct entry, names),
      .flags = DV_JSON_NULLEMPTY },
    { .key = "Layers", .type = DV_JSON_STRV, .offset = offsetof(struct entry, layers) },
};
static const struct dv_json_field entries_fields[] = {
    { .key = "list", .type = DV_JSON_ARRAY, .offset = offsetof(struct entries, list),
      .sub = entry_fields, .n_sub = N(entry_fields), .sub_size = sizeof(struct entry) },
};

static char *blob_path(const char *digest)
{
    return dv_format("blobs/sha256/%s", digest + strlen("sha256:"));
}

static int fill_entry(const struct saved_image *image, struct entry *e)
{
    e->config = blob_path(image->id);
    if (!e->config)
        return -1;
    for (size_t i = 0; i < image->names.n; i++)
        if (dv_strv_add_take(&e->names, dv_ref_familiar(image->names.items[i])) < 0)
            return -1;
    for (size_t i = 0; i < image->layers.n; i++)
        if (dv_strv_add_take(&e->layers, blob_path(image->layers.items[i])) < 0)
            return -1;
    return 0;
}

/* NULL: out of memory. */
static char *docker_manifest(const struct dv_image_save *save)
{
    struct entries all = { .list = { calloc(save->n + 1, sizeof(struct entry)), save->n } };
    dv_autojson json_object *doc = NULL;
    char *text = NULL;
    bool ok = all.list.items != NULL;

    for (size_t i = 0; ok && i < save->n; i++)
        ok = fill_entry(&save->list[i], (struct entry *)all.list.items + i) == 0;
    if (ok)
        doc = dv_json_encode(entries_fields, N(entries_fields), &all);
    if (doc)
        text = dv_json_text(json_object_object_get(doc, "list"));
    if (!all.list.items)
        all.list.n = 0;
    dv_json_release(entries_fields, N(entries_fields), &all);
    return text;
}

static int add_to_index(struct dv_index *index, const struct dv_image_save *save,
                        const struct saved_image *image)
{
    const struct saved_blob *manifest = bsearch(&image->manifest, save->blobs, save->n_blobs,
                                                sizeof(*save->blobs), by_digest);
    struct dv_index_entry entry = { .manifest = image->manifest.digest,
                                    .size_bytes = manifest ? manifest->size_bytes : 0,
                                    .platform = image->platform };

    if (image->names.n == 0)
        return dv_index_add(index, &entry);
    for (size_t i = 0; i < image->names.n; i++) {
        const char *name = image->names.items[i];

        entry.canonical = name;
        entry.ref_name = strrchr(name, ':') + 1; /* the tag, as docker save has it */
        if (dv_index_add(index, &entry) < 0)
            return -1;
    }
    return 0;
}

static char *oci_index(const struct dv_image_save *save)
{
    struct dv_index *index = dv_index_new();
    char *text = NULL;
    bool ok = index != NULL;

    for (size_t i = 0; ok && i < save->n; i++)
        ok = add_to_index(index, save, &save->list[i]) == 0;
    if (ok)
        text = dv_index_text(index);
    dv_index_free(index);
    return text;
}

/* ---- the worker ---- */

static void put_file(struct dv_msg_writer *w, const char *name, const char *text)
{
    size_t mark = dv_msg_open(w, DV_WS_FILE);

    dv_msg_str(w, DV_WS_NAME, name);
    dv_msg_bytes(w, DV_WS_BYTES, text, strlen(text));
    dv_msg_close(w, mark);
}

/* In the order in which docker's own archives have them. */
static void put_entries(struct dv_msg_writer *w, const struct dv_image_save *save,
                        const char *index, const char *manifest)
{
    dv_msg_str(w, DV_WS_DIR, "blobs/");
    dv_msg_str(w, DV_WS_DIR, "blobs/sha256/");
    for (size_t i = 0; i < save->n_blobs; i++) {
        size_t mark = dv_msg_open(w, DV_WS_BLOB);

        dv_msg_str(w, DV_WT_DIGEST, save->blobs[i].digest);
        dv_msg_u64(w, DV_WT_SIZE, save->blobs[i].size_bytes);
        dv_msg_close(w, mark);
    }
    put_file(w, "index.json", index);
    put_file(w, "manifest.json", manifest);
    put_file(w, "oci-layout", DV_OCI_LAYOUT);
}

static int make_document(const struct dv_image_save *save, int *ret_fd, struct dv_error *err)
{
    dv_autofree char *index = oci_index(save), *manifest = docker_manifest(save);
    dv_autoclose int fd = -1;
    struct dv_msg_writer w;
    int r;

    if (!index || !manifest)
        return fail_memory(err);
    dv_msg_begin(&w, 0, 0, DV_WORKER_DOC_BYTES);
    put_entries(&w, save, index, manifest);
    r = dv_msg_end(&w, err);
    if (r == 0) {
        fd = memfd_create("save", MFD_CLOEXEC);
        if (fd < 0 || dv_write_all(fd, w.buf.data, w.buf.len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
            r = dv_fail_errno(err, DV_E_INTERNAL, "list what an archive has");
    }
    dv_msg_done(&w);
    if (r == 0)
        *ret_fd = dv_take_fd(fd);
    return r;
}

static int run_worker(struct dv_image_save *save, int doc_fd, int write_fd, struct dv_error *err)
{
    const int fds[] = { write_fd, save->images->blobs_fd, doc_fd };
    const struct dv_image_job_spec spec = { .name = "save", .body_fd = -1, .cancel_fd = -1,
                                            .fds = fds, .n_fds = N(fds) };
    int r = dv_worker_spawn(save->images, &save->worker, err);

    return r < 0 ? r : dv_worker_send_job(save->images, &spec, &save->worker, err);
}

static int begin(struct dv_image_save *save, struct dv_error *err)
{
    dv_autoclose int doc_fd = -1, write_fd = -1;
    int pipe_fds[2];
    int r = make_document(save, &doc_fd, err);

    if (r < 0)
        return r;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make a pipe for an archive");
    save->pipe_fd = pipe_fds[0];
    write_fd = pipe_fds[1];
    (void)fcntl(write_fd, F_SETPIPE_SZ, PIPE_BYTES); /* fewer turns; the default will do */
    if (fcntl(save->pipe_fd, F_SETFL, O_NONBLOCK) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "make a pipe for an archive");
    return run_worker(save, doc_fd, write_fd, err);
}

int dv_image_save_start(struct dv_images *images, const struct dv_strv *names,
                        const char *platform, struct dv_image_save **ret, struct dv_error *err)
{
    struct dv_image_save *save = calloc(1, sizeof(*save));
    int r;

    if (!save)
        return fail_memory(err);
    save->images = images;
    save->pipe_fd = -1;
    save->worker = (struct dv_worker){ .sock_fd = -1, .pidfd = -1 };
    r = gather(save, names, platform, err);
    r = r < 0 ? r : begin(save, err);
    if (r < 0) {
        dv_image_save_free(save);
        return r;
    }
    for (size_t i = 0; images->event && i < save->n; i++)
        images->event(images->event_arg, "save", save->list[i].id, save->list[i].id);
    *ret = save;
    return 0;
}

int dv_image_save_fd(const struct dv_image_save *save)
{
    return save->pipe_fd;
}

/* The worker speaks before it closes the pipe, so what it said is here already. */
int dv_image_save_result(struct dv_image_save *save, struct dv_error *err)
{
    dv_autopacket packet = { 0 };
    int fd = save->worker.sock_fd, r;
    uint64_t code;

    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "ask davit-worker for its result");
    r = dv_sock_recv(fd, &packet, err);
    if (r <= 0 || packet.msg.kind != DV_W_RESULT)
        return dv_fail(err, DV_E_INTERNAL, "davit-worker ended in the middle of an archive");
    save->over = true;
    code = dv_msg_get_u64(&packet.msg, DV_WT_CODE, 0);
    if (code == 0)
        return 0;
    return dv_fail(err, dv_code_from_wire(code), "%s",
                   dv_msg_get_str(&packet.msg, DV_WT_MESSAGE, "davit-worker gave no reason"));
}

void dv_image_save_free(struct dv_image_save *save)
{
    struct dv_images *images;

    if (!save)
        return;
    images = save->images;
    if (save->worker.pidfd >= 0 && !save->over)
        dv_worker_kill(&save->worker);
    dv_close(dv_take_fd(save->pipe_fd));
    dv_guard(&images->lock);
    save->next = images->ended_saves;
    images->ended_saves = save;
    pthread_cond_broadcast(&images->changed);
}

static void bury_one(struct dv_image_save *save)
{
    if (save->worker.pidfd >= 0)
        (void)dv_worker_end(&save->worker);
    for (size_t i = 0; i < save->held.n; i++)
        dv_hold_drop(save->images, save->held.items[i]);
    if (save->held.n > 0) /* an image that was removed meanwhile left its files to us */
        dv_images_collect(save->images, NULL);
    for (size_t i = 0; i < save->n; i++) {
        dv_strv_done(&save->list[i].names);
        dv_strv_done(&save->list[i].layers);
    }
    dv_strv_done(&save->held);
    free(save->list);
    free(save->blobs);
    free(save);
}

void dv_image_save_bury(struct dv_image_save *save)
{
    while (save) {
        struct dv_image_save *next = save->next;

        bury_one(save);
        save = next;
    }
}
