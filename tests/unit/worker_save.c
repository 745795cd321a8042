/* worker_save.c - tests of the job that writes an archive: its entries, and how it breaks off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/worker/job.h"
#include "core/worker/protocol.h"

enum { BLOB_BYTES = 300000 };        /* more than one piece */

static char dir[] = "/tmp/davit-save.XXXXXX";
static int dir_fd;
static char blob[BLOB_BYTES], digest[DV_DIGEST_BYTES];
static struct dv_error err;

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof(blob); i++)
        blob[i] = (char)(i * 7 + i / 251);
    return mkdtemp(dir) && (dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0 &&
                   dv_digest_of(blob, sizeof(blob), digest, &err) == 0 &&
                   dv_file_replace(dir_fd, digest + 7, blob, sizeof(blob), 0600, DV_VOLATILE,
                                   &err) == 0
               ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    close(dir_fd);
    return dv_remove_tree(AT_FDCWD, dir, &err);
}

/* A document of one directory, the blob, and one small file. */
static int document(const char *blob_digest, uint64_t size)
{
    struct dv_msg_writer w;
    size_t mark;
    int fd = memfd_create("doc", MFD_CLOEXEC);

    dv_msg_begin(&w, 0, 0, 4096);
    dv_msg_str(&w, DV_WS_DIR, "blobs/");
    mark = dv_msg_open(&w, DV_WS_BLOB);
    dv_msg_str(&w, DV_WT_DIGEST, blob_digest);
    dv_msg_u64(&w, DV_WT_SIZE, size);
    dv_msg_close(&w, mark);
    mark = dv_msg_open(&w, DV_WS_FILE);
    dv_msg_str(&w, DV_WS_NAME, "small");
    dv_msg_bytes(&w, DV_WS_BYTES, "text", 4);
    dv_msg_close(&w, mark);
    assert_int_equal(dv_msg_end(&w, &err), 0);
    assert_int_equal(dv_write_all(fd, w.buf.data, w.buf.len), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    dv_msg_done(&w);
    return fd;
}

/* Run the job into OUT_FD. */
static int run(int out_fd, const char *blob_digest, uint64_t size)
{
    int doc_fd = document(blob_digest, size);
    struct dv_packet packet = { .fds = { out_fd, dir_fd, doc_fd }, .n_fds = 3 };
    struct dv_job job = { .packet = &packet, .root_fd = -1 };
    int r;

    dv_error_clear(&err);
    r = dv_job_save(&job, &err);
    close(doc_fd);
    return r;
}

static void expect_entry(struct archive *tar, const char *name, unsigned type, int64_t size)
{
    struct archive_entry *entry;

    assert_int_equal(archive_read_next_header(tar, &entry), ARCHIVE_OK);
    assert_string_equal(archive_entry_pathname(entry), name);
    assert_int_equal(archive_entry_filetype(entry), type);
    assert_int_equal(archive_entry_size(entry), size);
    assert_int_equal(archive_entry_mtime(entry), 0);
    assert_int_equal(archive_entry_uid(entry), 0);
}

static void writes_its_entries_in_order(void **state)
{
    int fd = memfd_create("tar", MFD_CLOEXEC);
    struct archive *tar = archive_read_new();
    struct archive_entry *entry;
    static char data[BLOB_BYTES];
    char name[128];

    (void)state;
    assert_int_equal(run(fd, digest, sizeof(blob)), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    archive_read_support_format_tar(tar);
    assert_int_equal(archive_read_open_fd(tar, fd, 10240), ARCHIVE_OK);
    expect_entry(tar, "blobs/", AE_IFDIR, 0);
    snprintf(name, sizeof(name), "blobs/sha256/%s", digest + 7);
    expect_entry(tar, name, AE_IFREG, sizeof(blob));
    assert_int_equal(archive_read_data(tar, data, sizeof(data)), sizeof(blob));
    assert_memory_equal(data, blob, sizeof(blob));
    expect_entry(tar, "small", AE_IFREG, 4);
    assert_int_equal(archive_read_data(tar, data, sizeof(data)), 4);
    assert_memory_equal(data, "text", 4);
    assert_int_equal(archive_read_next_header(tar, &entry), ARCHIVE_EOF);
    archive_read_free(tar);
    close(fd);
}

static void refused(const char *blob_digest, uint64_t size, const char *text)
{
    int fd = memfd_create("tar", MFD_CLOEXEC);

    assert_true(run(fd, blob_digest, size) < 0);
    if (!strstr(err.msg, text))
        fail_msg("'%s' is not in: %s", text, err.msg);
    close(fd);
}

static void fails_for_a_blob_that_is_not_as_promised(void **state)
{
    char other[DV_DIGEST_BYTES];

    (void)state;
    assert_int_equal(dv_digest_of("other", 5, other, &err), 0);
    refused(other, 5, "open blob sha256:");
    refused("sha256:../../../etc/passwd", 5, "is no digest");
    refused(digest, sizeof(blob) + 1, "is cut short");
    assert_int_equal(dv_file_replace(dir_fd, other + 7, "OTHER", 5, 0600, DV_VOLATILE, &err), 0);
    refused(other, 5, "the store is damaged");
}

static void fails_when_nobody_reads(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    assert_true(run(fds[1], digest, sizeof(blob)) < 0);
    assert_non_null(strstr(err.msg, "Broken pipe"));
    close(fds[1]);
}

/* libarchive 3.6 never frees its output buffer once an archive has failed; a worker ends right after. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libarchive";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_its_entries_in_order),
        cmocka_unit_test(fails_for_a_blob_that_is_not_as_promised),
        cmocka_unit_test(fails_when_nobody_reads),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
