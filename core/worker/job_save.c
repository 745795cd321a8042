/* job_save.c - the archive of docker save: a list of entries from davitd, as a tar into a pipe.
 *
 * The same images give the same bytes: entries come in davitd's order, all of one owner and time. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/worker/image_config.h"
#include "core/worker/job.h"
#include "core/worker/protocol.h"

enum { PIPE_FD, BLOBS_FD, DOC_FD, N_FDS, COPY_BYTES = 256 << 10 };

struct save {
    struct archive *tar;
    int blobs_fd;
    char *buf;                       /* COPY_BYTES */
};

/* A pipe whose reader has gone is the usual reason. */
static int fail_write(const struct save *s, const char *name, struct dv_error *err)
{
    const char *why = archive_error_string(s->tar);

    errno = archive_errno(s->tar);
    if (errno > 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "write '%s' into the archive", name);
    return dv_fail(err, DV_E_INTERNAL, "write '%s' into the archive: %s", name,
                   why ? why : "unknown failure");
}

static int put_header(const struct save *s, const char *name, unsigned type, uint64_t size_bytes,
                      struct dv_error *err)
{
    struct archive_entry *entry = archive_entry_new();
    int r;

    if (!entry)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory for '%s'", name);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_mtime(entry, 0, 0);
    archive_entry_set_size(entry, (int64_t)size_bytes);
    r = archive_write_header(s->tar, entry) == ARCHIVE_OK ? 0 : fail_write(s, name, err);
    archive_entry_free(entry);
    return r;
}

static int put_data(const struct save *s, const char *name, const void *data, size_t n,
                    struct dv_error *err)
{
    return archive_write_data(s->tar, data, n) == (la_ssize_t)n ? 0 : fail_write(s, name, err);
}

static int put_dir(struct save *s, const struct dv_field *f, struct dv_error *err)
{
    const char *name;
    int r = dv_field_str(f, &name, err);

    return r < 0 ? r : put_header(s, name, AE_IFDIR, 0, err);
}

static int put_file(struct save *s, const struct dv_field *f, struct dv_error *err)
{
    struct dv_field bytes = { 0 };
    struct dv_msg group;
    const char *name;
    int r = dv_field_group(f, &group, err);

    if (r < 0)
        return r;
    name = dv_msg_get_str(&group, DV_WS_NAME, "");
    if (!dv_msg_find(&group, DV_WS_BYTES, &bytes))
        return dv_fail(err, DV_E_INVALID, "save: file '%s' has no contents", name);
    r = put_header(s, name, AE_IFREG, bytes.len, err);
    return r < 0 ? r : put_data(s, name, bytes.data, bytes.len, err);
}

/* Hashed on its way: a file that rots in the store must not travel on as a sound one. */
static int copy_blob(struct save *s, int fd, const char *digest, uint64_t left,
                     struct dv_error *err)
{
    dv_autodigest sum = { 0 };
    char actual[DV_DIGEST_BYTES];
    int r = dv_digest_init(&sum, err);

    while (r == 0 && left > 0) {
        ssize_t n = read(fd, s->buf, left < COPY_BYTES ? (size_t)left : COPY_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "read blob %s", digest);
        if (n == 0)
            return dv_fail(err, DV_E_INTERNAL, "blob %s in the image store is cut short", digest);
        dv_digest_put(&sum, s->buf, (size_t)n);
        r = put_data(s, digest, s->buf, (size_t)n, err);
        left -= (uint64_t)n;
    }
    if (r < 0)
        return r;
    dv_digest_end(&sum, actual);
    if (!dv_streq(actual, digest))
        return dv_fail(err, DV_E_INTERNAL, "blob %s in the image store has the digest %s: the store "
                       "is damaged; remove the image and load it again", digest, actual);
    return 0;
}

static int put_blob(struct save *s, const struct dv_field *f, struct dv_error *err)
{
    struct dv_msg group;
    dv_autoclose int fd = -1;
    const char *digest;
    char name[128];
    uint64_t size;
    int r = dv_field_group(f, &group, err);

    if (r < 0)
        return r;
    digest = dv_msg_get_str(&group, DV_WT_DIGEST, "");
    size = dv_msg_get_u64(&group, DV_WT_SIZE, 0);
    if (!dv_is_digest(digest))
        return dv_fail(err, DV_E_INVALID, "save: '%.80s' is no digest", digest);
    fd = openat(s->blobs_fd, digest + strlen("sha256:"), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open blob %s", digest);
    snprintf(name, sizeof(name), "blobs/sha256/%s", digest + strlen("sha256:"));
    r = put_header(s, name, AE_IFREG, size, err);
    return r < 0 ? r : copy_blob(s, fd, digest, size, err);
}

static int put_entries(struct save *s, const struct dv_msg *doc, struct dv_error *err)
{
    static int (*const put[])(struct save *s, const struct dv_field *f, struct dv_error *err) = {
        [DV_WS_DIR] = put_dir,
        [DV_WS_FILE] = put_file,
        [DV_WS_BLOB] = put_blob,
    };
    struct dv_field f;
    size_t pos = 0;
    int r = 0;

    while (r == 0 && dv_msg_next(doc, &pos, &f))
        if (f.tag < N(put) && put[f.tag])
            r = put[f.tag](s, &f, err);
    return r;
}

static int write_archive(struct save *s, int pipe_fd, const struct dv_msg *doc,
                         struct dv_error *err)
{
    int r;

    /* Plain ustar, with a pax header only for a blob of 8 GiB and more. */
    archive_write_set_format_pax_restricted(s->tar);
    archive_write_set_bytes_per_block(s->tar, 64 << 10);
    archive_write_set_bytes_in_last_block(s->tar, 1);
    if (archive_write_open_fd(s->tar, pipe_fd) != ARCHIVE_OK)
        return fail_write(s, "its beginning", err);
    r = put_entries(s, doc, err);
    if (r == 0 && archive_write_close(s->tar) != ARCHIVE_OK)
        r = fail_write(s, "its end", err);
    return r;
}

int dv_job_save(struct dv_job *job, struct dv_error *err)
{
    const int *fds = job->packet->fds;
    struct save s = { 0 };
    dv_autofree char *data = NULL, *buf = NULL;
    struct dv_msg doc;
    size_t len = 0;
    int r;

    if (job->packet->n_fds < N_FDS)
        return dv_fail(err, DV_E_INVALID, "save: descriptors are missing");
    r = dv_read_fd(fds[DOC_FD], DV_WORKER_DOC_BYTES, &data, &len, err);
    r = r < 0 ? r : dv_msg_parse(data, len, &doc, err);
    if (r < 0)
        return r;
    s.blobs_fd = fds[BLOBS_FD];
    s.buf = buf = malloc(COPY_BYTES);
    s.tar = archive_write_new();
    if (s.buf && s.tar)
        r = write_archive(&s, fds[PIPE_FD], &doc, err);
    else
        r = dv_fail(err, DV_E_NO_MEMORY, "out of memory for an archive");
    if (r < 0)
        archive_write_fail(s.tar); /* no end marker: what was cut short must look so */
    archive_write_free(s.tar);
    return r;
}
