/* log_reader.c - reading json-file logs across rotated files, from the end, and on as they grow. */
#include "core/api/log_reader.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/api/frame.h"
#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/container/container.h"

enum {
    BLOCK_BYTES = 64 << 10,
    DETAILS_MAX = 64,            /* labels shown with a line */
    LINE_MAX_BYTES = 1 << 20,    /* of JSON: 16 KiB of text, escaped, and the labels it carries */
};

/* A file being read. Rotation renames it, so it is known by its inode. */
struct file {
    int fd;
    off_t at;                    /* of the next byte to be read into `in` */
    struct stat st;
};
struct dv_log_reader {
    struct dv_log_query query;
    int dir_fd;
    char *name;
    struct file *files;          /* still to be read, oldest first; the first is current */
    size_t n_files, first;
    struct dv_buf in;            /* read, not yet formatted */
    bool skipping;               /* within a line that is too long */
    bool past_until;
};

/* ---- files ---- */

static void file_name(const struct dv_log_reader *r, size_t k, char out[NAME_MAX + 1])
{
    if (k == 0)
        snprintf(out, NAME_MAX + 1, "%s", r->name);
    else
        snprintf(out, NAME_MAX + 1, "%s.%zu", r->name, k);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The K-th file from the newest; false if there is none. */
static bool open_file(const struct dv_log_reader *r, size_t k, struct file *ret)
{
    char name[NAME_MAX + 1];

    file_name(r, k, name);
    ret->fd = openat(r->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ret->at = 0;
    if (ret->fd < 0)
        return false;
    if (fstat(ret->fd, &ret->st) == 0 && S_ISREG(ret->st.st_mode))
        return true;
    dv_close(dv_take_fd(ret->fd));
    return false;
}

static bool still_at(const struct dv_log_reader *r, const struct file *f, size_t k)
{
    char name[NAME_MAX + 1];
    struct stat st;

    file_name(r, k, name);
    return fstatat(r->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&st, &f->st);
}

static void close_files(struct dv_log_reader *r)
{
    for (size_t i = r->first; i < r->n_files; i++)
        dv_close(r->files[i].fd);
    free(r->files);
    r->files = NULL;
    r->n_files = r->first = 0;
}

/* Takes F->fd, also on failure. */
static int add_file(struct dv_log_reader *r, const struct file *f, struct dv_error *err)
{
    struct file *grown;

    if (r->first > 0) {
        r->n_files -= r->first;
        memmove(r->files, r->files + r->first, r->n_files * sizeof(*r->files));
        r->first = 0;
    }
    grown = reallocarray(r->files, r->n_files + 1, sizeof(*grown));
    if (!grown) {
        dv_close(f->fd);
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to read the log");
    }
    r->files = grown;
    r->files[r->n_files++] = *f;
    return 0;
}

static bool exists(const struct dv_log_reader *r, size_t k)
{
    char name[NAME_MAX + 1];

    file_name(r, k, name);
    return faccessat(r->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* While files are being renamed, oldest first, one number is free for a moment. */
static bool any_from(const struct dv_log_reader *r, size_t k)
{
    return k < DV_LOG_FILES_MAX && (exists(r, k) || exists(r, k + 1));
}

static void reverse(struct file *files, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct file f = files[i];

        files[i] = files[n - 1 - i];
        files[n - 1 - i] = f;
    }
}

/* All files there are, oldest first. A rotation in between is seen by the newest one having moved;
 * then all is looked up again. */
static int open_all(struct dv_log_reader *r, struct dv_error *err)
{
    for (int tries = 0; tries < 8; tries++) {
        struct file f;

        close_files(r);
        for (size_t k = 0; any_from(r, k); k++) {
            if (!open_file(r, k, &f))
                continue;
            if (r->n_files > 0 && same_file(&f.st, &r->files[r->n_files - 1].st))
                dv_close(f.fd); /* it was renamed behind the last look */
            else if (add_file(r, &f, err) < 0)
                return -err->code;
        }
        if (r->n_files == 0 || still_at(r, &r->files[0], 0))
            break;
    }
    reverse(r->files, r->n_files);
    return 0;
}

/* Where the file after NOW stands: *RET. 0: NOW is the newest, or the next is just being made. */
static int next_number(const struct dv_log_reader *r, const struct file *now, size_t *ret)
{
    size_t k, oldest = 0;

    for (k = 0; any_from(r, k); k++) {
        if (still_at(r, now, k))
            break;
        if (exists(r, k))
            oldest = k;
    }
    if (!any_from(r, k)) { /* it was deleted meanwhile: go on with the oldest that is left */
        *ret = oldest;
        return exists(r, oldest);
    }
    if (k == 0)
        return 0;
    *ret = k - 1;
    if (k >= 2 && !exists(r, k - 1))
        *ret = k - 2;
    return exists(r, *ret);
}

/* The current file was read to its end: which comes after it? Adds it to the list. 0: none yet. */
static int find_next(struct dv_log_reader *r, struct dv_error *err)
{
    for (int tries = 0; tries < 8; tries++) {
        const struct file *now = &r->files[r->first];
        struct file next;
        size_t number;

        if (!next_number(r, now, &number))
            return 0;
        if (!open_file(r, number, &next))
            continue;
        if (still_at(r, &next, number) && !same_file(&next.st, &now->st))
            return add_file(r, &next, err) < 0 ? -err->code : 1;
        dv_close(next.fd);
    }
    return 0;
}

/* ---- tail ---- */

/* Look for the LINES-th line end from the end of F; *LINES is what is missing then. Positions F. */
static int seek_tail(struct file *f, int64_t *lines, char *block, struct dv_error *err)
{
    off_t end = f->st.st_size;

    while (end > 0) {
        size_t n = end < BLOCK_BYTES ? (size_t)end : BLOCK_BYTES;
        ssize_t got = pread(f->fd, block, n, end - (off_t)n);

        if (got != (ssize_t)n)
            return dv_fail_errno(err, DV_E_INTERNAL, "read the log");
        for (size_t i = n; i-- > 0;) {
            if (block[i] != '\n')
                continue;
            /* The end of the last wanted line's predecessor is where reading begins. */
            if (*lines == 0) {
                f->at = end - (off_t)n + (off_t)i + 1;
                return 1;
            }
            --*lines;
        }
        end -= (off_t)n;
    }
    return 0;
}

static int seek(struct dv_log_reader *r, struct dv_error *err)
{
    int64_t lines = r->query.tail;
    dv_autofree char *block = NULL;

    if (lines < 0 || r->n_files == 0)
        return 0;
    block = malloc(BLOCK_BYTES);
    if (!block)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to read the log");
    for (size_t i = r->n_files; i-- > 0;) {
        int found;

        /* What is written after this is new to whoever follows. */
        found = seek_tail(&r->files[i], &lines, block, err);
        if (found < 0)
            return found;
        if (found == 0 && lines > 0)
            continue; /* all of it, and more of an older one */
        if (found == 0 && r->query.tail == 0)
            continue; /* an empty file */
        while (r->first < i)
            dv_close(r->files[r->first++].fd);
        return 0;
    }
    return 0;
}

/* ---- lines ---- */

/* As Go's url.QueryEscape: a label's value may hold a comma or a space. */
static int put_escaped(struct dv_buf *out, const char *text, struct dv_error *err)
{
    int r = 0;

    for (; *text && r == 0; text++) {
        if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
            r = dv_buf_put(out, text, 1, err);
        else if (*text == ' ')
            r = dv_buf_put(out, "+", 1, err);
        else
            r = dv_buf_printf(out, err, "%%%02X", (unsigned char)*text);
    }
    return r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "k=v,k=v ", sorted by key. */
static int put_details(json_object *attrs, struct dv_buf *out, struct dv_error *err)
{
    const char *keys[DETAILS_MAX];
    size_t n = 0;
    int r = 0;

    if (!json_object_is_type(attrs, json_type_object))
        return dv_buf_put(out, " ", 1, err); /* Docker's, too, where there is nothing to tell */
    json_object_object_foreach(attrs, key, ignored)
    {
        (void)ignored;
        if (n < DETAILS_MAX)
            keys[n++] = key;
    }
    qsort(keys, n, sizeof(*keys), by_name);
    for (size_t i = 0; i < n && r == 0; i++) {
        json_object *value = NULL;

        json_object_object_get_ex(attrs, keys[i], &value);
        r = i ? dv_buf_put(out, ",", 1, err) : 0;
        if (r == 0)
            r = put_escaped(out, keys[i], err);
        if (r == 0)
            r = dv_buf_put(out, "=", 1, err);
        if (r == 0)
            r = put_escaped(out, value ? json_object_get_string(value) : "", err);
    }
    return r < 0 ? r : dv_buf_put(out, " ", 1, err);
}

/* One message as it stands in the file: TEXT still escaped. */
struct message {
    const char *text;
    size_t n_text;
    bool is_err;
    uint64_t time_ns;
};

static bool skip(const char **at, const char *end, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(end - *at) < n || memcmp(*at, word, n) != 0)
        return false;
    *at += n;
    return true;
}

/* The end of the JSON string at AT: its quote, or NULL. */
static const char *string_end(const char *at, const char *end)
{
    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return at < end ? at : NULL;
}

/* The form that our own shim writes. False for any other, which put_line() reads by the book. */
static bool read_plain(const char *at, size_t n, struct message *ret)
{
    const char *end = at + n, *quote;
    char stamp[DV_TIME_TEXT_BYTES];

    if (!skip(&at, end, "{\"log\":\"") || !(quote = string_end(at, end)))
        return false;
    ret->text = at;
    ret->n_text = (size_t)(quote - at);
    at = quote;
    ret->is_err = false;
    if (skip(&at, end, "\",\"stream\":\"stderr\",\"time\":\""))
        ret->is_err = true;
    else if (!skip(&at, end, "\",\"stream\":\"stdout\",\"time\":\""))
        return false;
    quote = string_end(at, end);
    if (!quote || (size_t)(quote - at) >= sizeof(stamp) || end - quote != 2 || quote[1] != '}')
        return false;
    memcpy(stamp, at, (size_t)(quote - at));
    stamp[quote - at] = '\0';
    return dv_time_parse(stamp, &ret->time_ns) == 0;
}

static int hex4(const char *at)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, tolower((unsigned char)at[i]));

        if (!at[i] || !d)
            return -1;
        value = value * 16 + (int)(d - digits);
    }
    return value;
}

static size_t utf8_of(int c, char out[3])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

/* One escape at AT (behind the backslash, N bytes left): bytes to OUT, *RET_USED. 0: not one that
 * is read here (surrogate pairs). */
static size_t unescape(const char *at, size_t n, char out[3], size_t *ret_used)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found = n > 0 && *at ? strchr(from, *at) : NULL;
    int c;

    *ret_used = 1;
    if (found) {
        out[0] = to[found - from];
        return 1;
    }
    if (n < 5 || *at != 'u' || (c = hex4(at + 1)) < 0 || (c >= 0xd800 && c < 0xe000))
        return 0;
    *ret_used = 5;
    return utf8_of(c, out);
}

/* 1: done; 0: it holds what unescape() does not read. */
static int put_unescaped(const char *text, size_t n, struct dv_buf *out, struct dv_error *err)
{
    while (n > 0) {
        const char *slash = memchr(text, '\\', n);
        size_t plain = slash ? (size_t)(slash - text) : n, used, len;
        char c[3];

        if (dv_buf_put(out, text, plain, err) < 0)
            return -err->code;
        if (!slash)
            break;
        len = unescape(slash + 1, n - plain - 1, c, &used);
        if (len == 0)
            return 0;
        if (dv_buf_put(out, c, len, err) < 0)
            return -err->code;
        text = slash + 1 + used;
        n -= plain + 1 + used;
    }
    return 1;
}

/* Frame header (its length is filled in by end_message) and prefixes. */
static int begin_message(const struct dv_log_query *q, uint64_t time_ns, json_object *attrs,
                         struct dv_buf *out, struct dv_error *err)
{
    char header[DV_FRAME_HEADER_BYTES] = { 0 }, stamp[DV_TIME_TEXT_BYTES];
    int r = q->framed ? dv_buf_put(out, header, sizeof(header), err) : 0;

    if (r == 0 && q->timestamps) {
        dv_time_format_fixed(time_ns, stamp);
        r = dv_buf_printf(out, err, "%s ", stamp);
    }
    return r == 0 && q->details ? put_details(attrs, out, err) : r;
}

static void end_message(const struct dv_log_query *q, bool is_err, size_t begin,
                        struct dv_buf *out)
{
    if (q->framed)
        dv_frame_header(out->data + begin, is_err ? DV_FRAME_STDERR : DV_FRAME_STDOUT,
                        out->len - begin - DV_FRAME_HEADER_BYTES);
}

/* Is a message of this time and stream asked for? */
static bool is_wanted(struct dv_log_reader *r, uint64_t time_ns, bool is_err)
{
    const struct dv_log_query *q = &r->query;

    if (q->since_ns && time_ns < q->since_ns)
        return false;
    if (q->until_ns && time_ns > q->until_ns) {
        r->past_until = true;
        return false;
    }
    return is_err ? q->err : q->out;
}

/* 1: done; 0: to be read by the book. OUT is unchanged then. */
static int put_plain(struct dv_log_reader *r, const char *data, size_t n, struct dv_buf *out,
                     struct dv_error *err)
{
    size_t begin = out->len;
    struct message m;
    int done;

    if (r->query.details || !read_plain(data, n, &m))
        return 0;
    if (!is_wanted(r, m.time_ns, m.is_err))
        return 1;
    if (begin_message(&r->query, m.time_ns, /* attrs */ NULL, out, err) < 0)
        return -err->code;
    done = put_unescaped(m.text, m.n_text, out, err);
    if (done > 0)
        end_message(&r->query, m.is_err, begin, out);
    else if (done == 0)
        out->len = begin;
    return done;
}

/* Any JSON. A line that is no message (a torn write at a crash) is passed over. */
static int put_line(struct dv_log_reader *r, const char *data, size_t n, struct dv_buf *out,
                    struct dv_error *err)
{
    dv_autojson json_object *line = NULL;
    json_object *stream = NULL, *stamp = NULL, *text = NULL, *attrs = NULL;
    struct dv_error broken = { 0 };
    size_t begin = out->len;
    uint64_t time_ns = 0;
    bool is_err;
    int done = put_plain(r, data, n, out, err);

    if (done != 0)
        return done < 0 ? done : 0;
    if (n == 0 || dv_json_parse(data, n, &line, &broken) < 0 ||
        !json_object_is_type(line, json_type_object) ||
        !json_object_object_get_ex(line, "log", &text) ||
        !json_object_is_type(text, json_type_string))
        return 0;
    if (json_object_object_get_ex(line, "time", &stamp) &&
        dv_time_parse(json_object_get_string(stamp), &time_ns) < 0)
        time_ns = 0;
    is_err = json_object_object_get_ex(line, "stream", &stream) &&
             dv_streq(json_object_get_string(stream), "stderr");
    if (!is_wanted(r, time_ns, is_err))
        return 0;
    json_object_object_get_ex(line, "attrs", &attrs);
    if (begin_message(&r->query, time_ns, attrs, out, err) < 0 ||
        dv_buf_put(out, json_object_get_string(text), (size_t)json_object_get_string_len(text),
                   err) < 0)
        return -err->code;
    end_message(&r->query, is_err, begin, out);
    return 0;
}

/* Format the whole lines of r->in, until OUT is full. */
static int put_lines(struct dv_log_reader *r, struct dv_buf *out, struct dv_error *err)
{
    size_t used = 0;

    while (!r->past_until && out->len < DV_LOG_BATCH_BYTES) {
        const char *end = memchr(r->in.data + used, '\n', r->in.len - used);
        size_t n;

        if (!end)
            break;
        n = (size_t)(end - (r->in.data + used));
        if (!r->skipping && put_line(r, r->in.data + used, n, out, err) < 0)
            return -err->code;
        r->skipping = false;
        used += n + 1;
    }
    dv_buf_consume(&r->in, used);
    return 0;
}

/* More bytes of the current file. 0: its end for now. */
static int fill(struct dv_log_reader *r, struct dv_error *err)
{
    struct file *f = &r->files[r->first];
    ssize_t n;

    if (r->in.len > LINE_MAX_BYTES) { /* no line: drop it up to its end */
        r->skipping = true;
        dv_buf_reset(&r->in);
    }
    if (dv_buf_reserve(&r->in, BLOCK_BYTES, err) < 0)
        return -err->code;
    n = pread(f->fd, r->in.data + r->in.len, BLOCK_BYTES, f->at);
    if (n < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "read the log");
    f->at += n;
    r->in.len += (size_t)n;
    return n > 0;
}

/* The current file has ended. 1: go on with the next; 0: nothing more now. */
static int next_file(struct dv_log_reader *r, struct dv_error *err)
{
    int found;

    if (r->first + 1 == r->n_files) {
        found = find_next(r, err);
        if (found <= 0)
            return found;
        /* It was rotated after our last look: what came in between still stands in it. */
        found = fill(r, err);
        if (found != 0)
            return found;
    }
    dv_close(r->files[r->first++].fd);
    dv_buf_reset(&r->in); /* a torn line never goes on in another file */
    r->skipping = false;
    return 1;
}

int dv_log_read(struct dv_log_reader *r, struct dv_buf *out, struct dv_error *err)
{
    int more = 1;

    if (r->first == r->n_files) {
        close_files(r);
        if (open_all(r, err) < 0)
            return -err->code;
        if (r->n_files == 0)
            return 0; /* nothing was ever written */
    }
    while (more > 0) {
        if (r->in.len > 0 && put_lines(r, out, err) < 0)
            return -err->code;
        if (r->past_until)
            return 2;
        if (out->len >= DV_LOG_BATCH_BYTES)
            return 1;
        more = fill(r, err);
        if (more == 0)
            more = next_file(r, err);
    }
    return more;
}

/* ---- */

int dv_log_open_dir(int dir_fd, const char *name, const struct dv_log_query *query,
                    struct dv_log_reader **ret, struct dv_error *err)
{
    dv_auto(dv_log_reader) *r = calloc(1, sizeof(*r));

    if (!r) {
        dv_close(dir_fd);
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to read the log");
    }
    r->query = *query;
    r->dir_fd = dir_fd;
    r->in = (struct dv_buf)DV_BUF_INIT(LINE_MAX_BYTES + 2 * BLOCK_BYTES, "log line");
    r->name = dv_strdup(name);
    if (!r->name)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to read the log");
    if (open_all(r, err) < 0 || seek(r, err) < 0)
        return -err->code;
    *ret = dv_take(r);
    return 0;
}

int dv_log_open(struct dv_container *c, const struct dv_log_query *query,
                struct dv_log_reader **ret, struct dv_error *err)
{
    dv_autofree char *name = NULL;
    int dir_fd = -1;
    int r = dv_container_log_dir(c, &dir_fd, &name, err);

    return r < 0 ? r : dv_log_open_dir(dir_fd, name, query, ret, err);
}

void dv_log_free(struct dv_log_reader *r)
{
    if (!r)
        return;
    close_files(r);
    dv_close(r->dir_fd);
    dv_buf_done(&r->in);
    free(r->name);
    free(r);
}
