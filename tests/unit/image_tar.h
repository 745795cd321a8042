/* image_tar.h - tar archives made in memory, also such as no honest tool would write. */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct tar {
    struct archive *a;
    char *data;
    size_t len, cap;
};

#define TAR_HELPER static __attribute__((unused))

TAR_HELPER la_ssize_t tar_write(struct archive *a, void *arg, const void *data, size_t n)
{
    struct tar *t = arg;

    (void)a;
    if (t->len + n > t->cap) {
        t->cap = (t->len + n) * 2;
        t->data = realloc(t->data, t->cap);
        assert_non_null(t->data);
    }
    memcpy(t->data + t->len, data, n);
    t->len += n;
    return (la_ssize_t)n;
}

/* FILTER: as archive_write_add_filter_by_name, or NULL. */
TAR_HELPER void tar_begin(struct tar *t, const char *filter)
{
    *t = (struct tar){ .a = archive_write_new() };
    assert_int_equal(archive_write_set_format_pax(t->a), ARCHIVE_OK);
    if (filter)
        assert_int_equal(archive_write_add_filter_by_name(t->a, filter), ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(t->a, 1);
    assert_int_equal(archive_write_open(t->a, t, NULL, tar_write, NULL), ARCHIVE_OK);
}

struct tar_item {
    const char *name;
    char type;                  /* '-' file, 'd', 'l', 'h' hard link, 'c', 'p' */
    const char *text;           /* contents or target */
    unsigned mode, uid, gid;
    const char *xattr, *xvalue;
    long mtime;
    size_t text_len;            /* 0: strlen */
    unsigned major, minor;
};

TAR_HELPER void tar_put(struct tar *t, const struct tar_item *i)
{
    struct archive_entry *e = archive_entry_new();
    size_t n = i->type == '-' && i->text ? i->text_len ? i->text_len : strlen(i->text) : 0;

    archive_entry_set_pathname(e, i->name);
    archive_entry_set_filetype(e, i->type == 'd' ? AE_IFDIR : i->type == 'l' ? AE_IFLNK :
                               i->type == 'c' ? AE_IFCHR : i->type == 'p' ? AE_IFIFO : AE_IFREG);
    archive_entry_set_perm(e, (mode_t)(i->mode ? i->mode : i->type == 'd' ? 0755 : 0644));
    archive_entry_set_uid(e, i->uid);
    archive_entry_set_gid(e, i->gid);
    archive_entry_set_mtime(e, i->mtime ? i->mtime : 1000000000, 0);
    archive_entry_set_size(e, (la_int64_t)n);
    if (i->type == 'l')
        archive_entry_set_symlink(e, i->text);
    if (i->type == 'h')
        archive_entry_set_hardlink(e, i->text);
    if (i->type == 'c') {
        archive_entry_set_rdevmajor(e, i->major);
        archive_entry_set_rdevminor(e, i->minor);
    }
    if (i->xattr)
        archive_entry_xattr_add_entry(e, i->xattr, i->xvalue, strlen(i->xvalue));
    assert_true(archive_write_header(t->a, e) >= ARCHIVE_WARN);
    if (n > 0)
        assert_int_equal(archive_write_data(t->a, i->text, n), n);
    archive_entry_free(e);
}

#define tar_add(t, ...) tar_put(t, &(const struct tar_item){ __VA_ARGS__ })

TAR_HELPER void tar_end(struct tar *t)
{
    assert_int_equal(archive_write_free(t->a), ARCHIVE_OK);
    t->a = NULL;
}

TAR_HELPER void tar_done(struct tar *t)
{
    free(t->data);
    *t = (struct tar){ 0 };
}

/* A file with these bytes, at its beginning. */
TAR_HELPER int bytes_fd(const void *data, size_t n)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), n);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}
