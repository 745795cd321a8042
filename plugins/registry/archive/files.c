/* files.c - every file of an archive by its name; large ones in spool files.
 *
 * The archive may come through a pipe and its manifest may be last, so all of it is kept until the
 * end: nothing can be known before. */
#include "archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_BYTES = 256 << 10 };

/* ---- names ---- */

char *clean_name(const char *name)
{
    char *out = malloc(strlen(name) + 1);
    size_t len = 0;

    if (!out || strlen(name) >= ARCHIVE_MAX_NAME) {
        free(out);
        return NULL;
    }
    while (*name) {
        size_t n = strcspn(name, "/");

        if (n == 2 && name[0] == '.' && name[1] == '.') {
            if (len == 0) {
                free(out);
                return NULL;
            }
            while (len > 0 && out[--len] != '/')
                ;
        } else if (n > 0 && !(n == 1 && name[0] == '.')) {
            if (len > 0)
                out[len++] = '/';
            memcpy(out + len, name, n);
            len += n;
        }
        name += n;
        name += *name == '/';
    }
    out[len] = 0;
    return out;
}

/* The target of a symbolic link is relative to the link's own directory. */
static char *link_target(const char *name, const char *target)
{
    const char *slash = strrchr(name, '/');
    size_t dir = slash && target[0] != '/' ? (size_t)(slash - name) + 1 : 0;
    char *joined = malloc(dir + strlen(target) + 1), *clean;

    if (!joined)
        return NULL;
    memcpy(joined, name, dir);
    memcpy(joined + dir, target, strlen(target) + 1);
    clean = clean_name(joined);
    free(joined);
    return clean;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static const struct file *find_exact(const struct source *s, const char *name)
{
    const struct file key = { .name = (char *)name };

    return s->n_files ? bsearch(&key, s->files, s->n_files, sizeof(key), by_name) : NULL;
}

const struct file *find_file(const struct source *s, const char *name)
{
    char *clean = clean_name(name);
    const struct file *f = clean ? find_exact(s, clean) : NULL;
    int links;

    free(clean);
    for (links = 0; f && f->target; links++)
        f = links < ARCHIVE_MAX_LINKS ? find_exact(s, f->target) : NULL;
    return f;
}

/* ---- contents ---- */

char *file_text(struct source *s, struct dv_call *c, const struct file *f)
{
    char *text;
    ssize_t n;

    if (f->size > ARCHIVE_MAX_DOCUMENT) {
        fail(s, c, DV_E_INVALID, "'%.200s' has %llu bytes, at most %d are read", f->name,
             (unsigned long long)f->size, ARCHIVE_MAX_DOCUMENT);
        return NULL;
    }
    text = malloc(f->size + 1);
    if (!text) {
        fail_memory(s, c);
        return NULL;
    }
    if (f->data) {
        memcpy(text, f->data, f->size);
    } else {
        n = f->fd < 0 ? 0 : pread(f->fd, text, f->size, 0);
        if (n < 0 || (uint64_t)n != f->size) {
            free(text);
            s->host->fail(c, DV_E_INTERNAL, n < 0 ? errno : EIO, "read a spool file");
            return NULL;
        }
    }
    text[f->size] = 0;
    return text;
}

bool may_parse(struct source *s, const struct file *f)
{
    s->parsed += f->size;
    return s->parsed <= ARCHIVE_MAX_PARSED;
}

json_object *file_json(struct source *s, struct dv_call *c, const struct file *f)
{
    char *text = file_text(s, c, f);
    json_tokener *tok = text ? json_tokener_new_ex(ARCHIVE_MAX_DEPTH) : NULL;
    json_object *obj = NULL;

    if (text && !may_parse(s, f)) {
        fail(s, c, DV_E_INVALID, "the archive's documents name each other too often: more than %d MiB "
             "would have to be read", ARCHIVE_MAX_PARSED >> 20);
        json_tokener_free(tok);
        free(text);
        return NULL;
    }
    if (tok) {
        json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
                                        JSON_TOKENER_VALIDATE_UTF8);
        obj = json_tokener_parse_ex(tok, text, (int)f->size + 1);
        if (json_tokener_get_error(tok) != json_tokener_success ||
            text[json_tokener_get_parse_end(tok) +
                 strspn(text + json_tokener_get_parse_end(tok), " \t\r\n")]) {
            fail(s, c, DV_E_INVALID, "'%.200s' is no JSON document: %s", f->name,
                 json_tokener_error_desc(json_tokener_get_error(tok)));
            json_object_put(obj);
            obj = NULL;
        } else if (!obj) {
            fail(s, c, DV_E_INVALID, "'%.200s' holds null", f->name);
        }
        json_tokener_free(tok);
    } else if (text) {
        fail_memory(s, c);
    }
    free(text);
    return obj;
}

/* Small files have no spool file yet: one is made when somebody wants to read them. */
static int32_t memory_fd(struct source *s, struct dv_call *c, const struct file *f)
{
    int fd = memfd_create("davit-archive", MFD_CLOEXEC);
    size_t done = 0;

    while (fd >= 0 && done < f->size) {
        ssize_t n = write(fd, f->data + done, f->size - done);

        if (n < 0 && errno != EINTR) {
            int saved = errno;

            close(fd);
            return s->host->fail(c, DV_E_INTERNAL, saved, "write a memory file");
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return s->host->fail(c, DV_E_INTERNAL, errno, "make a memory file");
    return fd;
}

int32_t file_open(struct source *s, struct dv_call *c, const struct file *f, int32_t *ret)
{
    int fd;

    if (f->fd < 0) {
        fd = memory_fd(s, c, f);
        if (fd < 0)
            return fd;
    } else {
        fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
            return s->host->fail(c, DV_E_INTERNAL, errno, "open a spool file");
    }
    *ret = fd;
    return 0;
}

/* ---- reading the archive ---- */

struct reader {
    struct source *s;
    struct dv_call *c;
    const struct dv_spool *spool;
    int fd, cancel_fd;
    int32_t result;                     /* first failure below libarchive */
    char buf[CHUNK_BYTES];
};

static la_ssize_t read_callback(struct archive *a, void *arg, const void **ret)
{
    struct reader *r = arg;
    struct pollfd p[] = { { r->fd, POLLIN, 0 }, { r->cancel_fd, POLLIN, 0 } };
    ssize_t n;

    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            break;
    if (p[1].revents) {
        r->result = fail(r->s, r->c, DV_E_CANCELED, "reading the archive was given up");
        archive_set_error(a, ECANCELED, "given up");
        return ARCHIVE_FATAL;
    }
    do
        n = read(r->fd, r->buf, sizeof(r->buf));
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        r->result = r->s->host->fail(r->c, DV_E_INTERNAL, errno, "read the archive");
        archive_set_error(a, EIO, "read");
        return ARCHIVE_FATAL;
    }
    *ret = r->buf;
    return n;
}

static int32_t fail_archive(struct reader *r, struct archive *a)
{
    const char *text = archive_error_string(a);

    if (r->result < 0)
        return r->result;
    return fail(r->s, r->c, DV_E_INVALID, "archive: %s", text ? text : "malformed");
}

static int32_t write_spool(struct reader *r, int fd, const void *data, size_t n, int64_t offset)
{
    while (n > 0) {
        ssize_t put = pwrite(fd, data, n, offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return r->s->host->fail(r->c, errno == ENOSPC || errno == EDQUOT ? DV_E_NO_SPACE :
                                    DV_E_INTERNAL, errno, "write a spool file");
        data = (const char *)data + put;
        n -= (size_t)put;
        offset += put;
    }
    return 0;
}

static int32_t spool_file(struct reader *r, struct archive *a, struct file *f)
{
    const void *data;
    int64_t offset;
    int32_t result;
    size_t n;
    int more;

    if (++r->s->n_spooled > ARCHIVE_MAX_SPOOLED)
        return fail(r->s, r->c, DV_E_INVALID, "archive holds more than %d large files",
                    ARCHIVE_MAX_SPOOLED);
    f->fd = r->spool->file(r->s->host->self, r->c);
    if (f->fd < 0) {
        result = f->fd;
        f->fd = -1;
        return result;
    }
    while ((more = archive_read_data_block(a, &data, &n, &offset)) == ARCHIVE_OK) {
        result = write_spool(r, f->fd, data, n, offset);
        if (result < 0)
            return result;
    }
    if (more != ARCHIVE_EOF)
        return fail_archive(r, a);
    /* A file that ends with a hole. */
    if (ftruncate(f->fd, (off_t)f->size) < 0)
        return r->s->host->fail(r->c, DV_E_INTERNAL, errno, "write a spool file");
    return 0;
}

static int32_t read_contents(struct reader *r, struct archive *a, struct file *f)
{
    ssize_t n;

    if (f->size > ARCHIVE_SMALL_BYTES || r->s->memory + f->size > ARCHIVE_MAX_MEMORY)
        return spool_file(r, a, f);
    f->data = malloc(f->size + 1);
    if (!f->data)
        return fail_memory(r->s, r->c);
    n = archive_read_data(a, f->data, f->size);
    if (n < 0)
        return fail_archive(r, a);
    if ((uint64_t)n != f->size)
        return fail(r->s, r->c, DV_E_INVALID, "archive: '%.200s' is cut", f->name);
    f->data[f->size] = 0;
    r->s->memory += f->size;
    return 0;
}

static struct file *new_file(struct source *s)
{
    if (s->n_files == s->cap_files) {
        size_t cap = s->cap_files ? s->cap_files * 2 : 64;
        struct file *more = realloc(s->files, cap * sizeof(*more));

        if (!more)
            return NULL;
        s->files = more;
        s->cap_files = cap;
    }
    s->files[s->n_files] = (struct file){ .fd = -1 };
    return &s->files[s->n_files++];
}

static int32_t read_entry(struct reader *r, struct archive *a, struct archive_entry *e)
{
    const char *name = archive_entry_pathname(e), *hard = archive_entry_hardlink(e);
    const char *soft = archive_entry_symlink(e);
    char *clean = name ? clean_name(name) : NULL;
    struct file *f;

    if (!clean)
        return fail(r->s, r->c, DV_E_INVALID, "archive: '%.200s' is no usable name",
                    name ? name : "");
    if (!hard && !soft && archive_entry_filetype(e) != AE_IFREG) {
        free(clean); /* directories; nothing else is looked for */
        return 0;
    }
    f = new_file(r->s);
    if (!f) {
        free(clean);
        return fail_memory(r->s, r->c);
    }
    f->name = clean;
    if (hard || soft) {
        f->target = hard ? clean_name(hard) : link_target(clean, soft);
        /* A link out of the archive is no error by itself: nobody may ask for it. */
        if (!f->target)
            f->target = strdup("");
        return f->target ? 0 : fail_memory(r->s, r->c);
    }
    f->size = archive_entry_size(e) < 0 ? 0 : (uint64_t)archive_entry_size(e);
    return read_contents(r, a, f);
}

static void free_file(struct file *f)
{
    free(f->name);
    free(f->target);
    free(f->data);
    if (f->fd >= 0)
        close(f->fd);
}

/* Sorted for the search; of two files of one name that no longer counts which came first. */
static int32_t sort_files(struct reader *r)
{
    struct source *s = r->s;
    size_t i;

    if (s->n_files == 0)
        return 0;
    qsort(s->files, s->n_files, sizeof(*s->files), by_name);
    for (i = 1; i < s->n_files; i++)
        if (strcmp(s->files[i - 1].name, s->files[i].name) == 0)
            return fail(s, r->c, DV_E_INVALID, "archive holds '%.200s' twice", s->files[i].name);
    return 0;
}

static int32_t read_entries(struct reader *r, struct archive *a)
{
    struct archive_entry *e;
    size_t n = 0;
    int more;

    while ((more = archive_read_next_header(a, &e)) == ARCHIVE_OK || more == ARCHIVE_WARN) {
        int32_t result;

        if (++n > ARCHIVE_MAX_ENTRIES)
            return fail(r->s, r->c, DV_E_INVALID, "archive has more than %d entries",
                        ARCHIVE_MAX_ENTRIES);
        result = read_entry(r, a, e);
        if (result < 0)
            return result;
    }
    return more == ARCHIVE_EOF ? sort_files(r) : fail_archive(r, a);
}

int32_t read_archive(struct source *s, struct dv_call *c, int fd)
{
    struct archive *a = archive_read_new();
    struct reader *r = calloc(1, sizeof(*r));
    int32_t result;

    if (!a || !r) {
        archive_read_free(a);
        free(r);
        return fail_memory(s, c);
    }
    r->s = s;
    r->c = c;
    r->fd = fd;
    r->cancel_fd = s->host->cancel_fd(c);
    r->spool = s->host->service(s->host->self, "dv.spool/1");
    archive_read_support_format_tar(a);
    archive_read_support_format_empty(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    if (!r->spool)
        result = fail(s, c, DV_E_UNSUPPORTED, "this engine offers no service dv.spool/1");
    else if (archive_read_open2(a, r, NULL, read_callback, NULL, NULL) != ARCHIVE_OK)
        result = fail_archive(r, a);
    else
        result = read_entries(r, a);
    archive_read_free(a);
    free(r);
    return result;
}

void free_files(struct source *s)
{
    size_t i;

    for (i = 0; i < s->n_files; i++)
        free_file(&s->files[i]);
    free(s->files);
}
