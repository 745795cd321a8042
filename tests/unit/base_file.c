/* base_file.c - unit tests of core/base/file and core/base/tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/str.h"

struct fixture {
    char path[64];
    int fd;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    strcat(f->path, "/tmp/davit-ut-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return f->fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    int r = dv_remove_tree(AT_FDCWD, f->path, &err);

    close(f->fd);
    free(f);
    return r;
}

static void put(int dir_fd, const char *name, const char *text)
{
    dv_autoclose int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(dv_write_all(fd, text, strlen(text)), 0);
}

static bool there(int dir_fd, const char *name)
{
    return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void reads_whole_files_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    dv_autofree char *text = NULL, *proc = NULL;
    char big[10001];
    size_t len = 0;

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    put(f->fd, "big", big);
    assert_int_equal(dv_read_file(f->fd, "big", 10000, &text, &len, &err), 0);
    assert_int_equal(len, 10000);
    assert_int_equal(strlen(text), 10000);
    assert_int_equal(dv_read_file(f->fd, "big", 9999, &proc, &len, &err), -DV_E_INVALID);
    assert_string_equal(err.msg, "read 'big': larger than its limit of 9999 bytes");
    assert_null(proc);
    /* A file that claims no size. */
    assert_int_equal(dv_read_file(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &proc, NULL, &err), 0);
    assert_non_null(strstr(proc, " / "));
}

static void reads_the_empty_and_the_tiny(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    char *text = NULL;
    size_t len = 9;

    put(f->fd, "empty", "");
    assert_int_equal(dv_read_file(f->fd, "empty", 0, &text, &len, &err), 0);
    assert_int_equal(len, 0);
    assert_string_equal(text, "");
    free(text);
    put(f->fd, "one", "1");
    assert_int_equal(dv_read_file(f->fd, "one", 0, &text, &len, &err), -DV_E_INVALID);
    assert_int_equal(dv_read_file(f->fd, "one", 1, &text, &len, &err), 0);
    assert_string_equal(text, "1");
    free(text);
}

static void reads_no_links_and_hangs_on_no_pipe(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    char *text = NULL;

    assert_int_equal(dv_read_file(f->fd, "none", 10, &text, NULL, &err), -DV_E_NOT_FOUND);
    assert_int_equal(symlinkat("/etc/passwd", f->fd, "link"), 0);
    assert_int_equal(dv_read_file(f->fd, "link", 10, &text, NULL, &err), -DV_E_INVALID);
    assert_int_equal(mkfifoat(f->fd, "pipe", 0600), 0);
    assert_int_equal(dv_read_file(f->fd, "pipe", 10, &text, NULL, &err), 0);
    assert_string_equal(text, "");
    free(text);
}

static void replaces_atomically_with_the_mode_asked_for(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    dv_autofree char *text = NULL;
    struct stat st;
    mode_t old = umask(077);

    assert_int_equal(dv_file_replace(f->fd, "a", "1", 1, 0644, DV_VOLATILE, &err), 0);
    assert_int_equal(dv_file_replace(f->fd, "a", "22", 2, 0640, DV_DURABLE, &err), 0);
    umask(old);
    assert_int_equal(fstatat(f->fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(dv_read_file(f->fd, "a", 10, &text, NULL, &err), 0);
    assert_string_equal(text, "22");
    /* Below a folder, and over what cannot be replaced: no temporary file stays. */
    assert_int_equal(dv_mkdirs(f->fd, "d/e", 0700, &err), 0);
    assert_int_equal(dv_file_replace(f->fd, "d/x", "3", 1, 0600, DV_DURABLE, &err), 0);
    assert_int_equal(dv_file_replace(f->fd, "d/e", "3", 1, 0600, DV_DURABLE, &err), -DV_E_INTERNAL);
    assert_int_equal(unlinkat(f->fd, "d/x", 0), 0);
    assert_int_equal(unlinkat(f->fd, "d/e", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(f->fd, "d", AT_REMOVEDIR), 0);
}

static void makes_directories_with_parents(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    dv_autofree char *absolute = dv_format("%s/x/y", f->path);

    assert_int_equal(dv_mkdirs(f->fd, "a/b/c", 0755, &err), 0);
    assert_int_equal(dv_mkdirs(f->fd, "a/b/c", 0755, &err), 0);
    assert_int_equal(dv_mkdirs(f->fd, "a//d/", 0755, &err), 0);
    assert_int_equal(dv_mkdirs(AT_FDCWD, absolute, 0755, &err), 0);
    assert_int_equal(dv_mkdirs(AT_FDCWD, "/", 0755, &err), 0);
    assert_true(there(f->fd, "a/b/c") && there(f->fd, "a/d") && there(f->fd, "x/y"));
    put(f->fd, "file", "");
    assert_int_equal(dv_mkdirs(f->fd, "file", 0755, &err), -DV_E_INTERNAL);
    assert_int_equal(dv_mkdirs(f->fd, "file/b", 0755, &err), -DV_E_INTERNAL);
}

static void removes_trees_but_not_what_links_name(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    char name[300];
    int i;

    assert_int_equal(dv_mkdirs(f->fd, "keep", 0755, &err), 0);
    put(f->fd, "keep/file", "x");
    assert_int_equal(dv_mkdirs(f->fd, "t/a/b/c", 0755, &err), 0);
    assert_int_equal(symlinkat("../keep", f->fd, "t/link"), 0);
    assert_int_equal(symlinkat("nowhere", f->fd, "t/a/dangling"), 0);
    assert_int_equal(mkfifoat(f->fd, "t/a/pipe", 0600), 0);
    for (i = 0; i < 700; i++) { /* more than one buffer of names */
        snprintf(name, sizeof(name), "t/a/b/%0200d", i);
        put(f->fd, name, "");
    }
    assert_int_equal(fchmodat(f->fd, "t/a/b/c", 0, 0), 0);
    assert_int_equal(dv_remove_tree(f->fd, "t", &err), 0);
    assert_false(there(f->fd, "t"));
    assert_true(there(f->fd, "keep/file"));
    assert_int_equal(dv_remove_tree(f->fd, "t", &err), 0);
    assert_int_equal(symlinkat("keep", f->fd, "link"), 0);
    assert_int_equal(dv_remove_tree(f->fd, "link", &err), 0);
    assert_true(there(f->fd, "keep/file") && !there(f->fd, "link"));
    assert_int_equal(dv_remove_tree(f->fd, "keep/file", &err), 0);
}

static void removes_trees_deeper_than_any_path(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    int fd, i, next;

    assert_int_equal(mkdirat(f->fd, "deep", 0755), 0);
    fd = openat(f->fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (i = 0; i < 2000; i++) {
        put(fd, "file", "x");
        assert_int_equal(mkdirat(fd, "a-directory", 0755), 0);
        assert_int_equal(mkdirat(fd, "b-directory", 0755), 0);
        put(fd, "b-directory/file", "x");
        next = openat(fd, "a-directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(dv_remove_tree(f->fd, "deep", &err), 0);
    assert_false(there(f->fd, "deep"));
}

static void crosses_no_mount(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    dv_autofree char *at = dv_format("%s/t/m", f->path);
    dv_autofree char *from = dv_format("%s/src", f->path);

    if (geteuid() != 0) {
        print_message("skipped: mounting needs root\n");
        skip();
    }
    assert_int_equal(dv_mkdirs(f->fd, "t/m", 0755, &err), 0);
    assert_int_equal(dv_mkdirs(f->fd, "src", 0755, &err), 0);
    put(f->fd, "src/file", "x");
    assert_int_equal(mount(from, at, NULL, MS_BIND, NULL), 0); /* same device: only the mount tells */
    assert_int_equal(dv_remove_tree(f->fd, "t", &err), -DV_E_CONFLICT);
    assert_non_null(strstr(err.msg, "unmount it first"));
    assert_int_equal(umount2(at, MNT_DETACH), 0);
    assert_true(there(f->fd, "src/file"));
    assert_int_equal(dv_remove_tree(f->fd, "t", &err), 0);
}

static void opens_inside_its_root_only(void **state)
{
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    dv_autoclose int root = -1, fd = -1;
    char byte = 0;

    assert_int_equal(dv_mkdirs(f->fd, "root/etc", 0755, &err), 0);
    put(f->fd, "secret", "outside");
    put(f->fd, "root/secret", "inside");
    assert_int_equal(symlinkat("../../../secret", f->fd, "root/etc/link"), 0);
    assert_int_equal(symlinkat("/secret", f->fd, "root/etc/absolute"), 0);
    assert_int_equal(symlinkat("/proc/self/root", f->fd, "root/magic"), 0);
    root = openat(f->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = dv_open_in_root(root, "/etc/link", O_RDONLY, 0);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'i');
    close(fd);
    fd = dv_open_in_root(root, "etc/absolute", O_RDONLY, 0);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'i');
    close(fd);
    fd = dv_open_in_root(root, "../../secret", O_RDONLY, 0);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'i');
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    fd = dv_open_in_root(root, "magic/secret", O_RDONLY, 0);
    assert_int_equal(fd, -1);
    fd = dv_open_in_root(root, "new", O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0 && there(f->fd, "root/new"));
}

static void makes_inside_its_root_only(void **state)
{
    static const struct {
        const char *path, *made;
        int is_file;
    } rows[] = {
        { "/a/b/c", "root/a/b/c", 0 },
        { "a/b/file", "root/a/b/file", 1 },
        { "../../up/x", "root/up/x", 0 },
        { "/var/run/app", "root/run/app", 0 },      /* through a dangling absolute link */
        { "/rel/app", "root/data/app", 1 },         /* a dangling relative one, out of the root */
        { "/lonely", "root/made/lonely", 1 },       /* the last part is the link */
        { "/a/./b/d/", "root/a/b/d", 0 },
    };
    struct fixture *f = *state;
    struct dv_error err = { 0 };
    dv_autoclose int root = -1;
    size_t i;

    assert_int_equal(dv_mkdirs(f->fd, "root/var", 0755, &err), 0);
    assert_int_equal(symlinkat("/run", f->fd, "root/var/run"), 0);
    assert_int_equal(symlinkat("../../data", f->fd, "root/rel"), 0);
    assert_int_equal(symlinkat("made/lonely", f->fd, "root/lonely"), 0);
    assert_int_equal(symlinkat("loop", f->fd, "root/loop"), 0);
    root = openat(f->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (i = 0; i < N(rows); i++) {
        struct stat st, made;
        dv_autoclose int fd = dv_make_in_root(root, rows[i].path, rows[i].is_file);

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(fstatat(f->fd, rows[i].made, &made, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(st.st_ino == made.st_ino);
        assert_true(rows[i].is_file ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode));
    }
    assert_false(there(f->fd, "data") || there(f->fd, "up"));
    assert_int_equal(dv_make_in_root(root, "loop/x", 0), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(dv_make_in_root(root, "a/b/file/x", 0), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void writes_small_files_in_one_piece(void **state)
{
    struct fixture *f = *state;
    dv_autofree char *text = NULL;
    struct dv_error err = { 0 };

    assert_int_equal(dv_write_file_at(f->fd, "none", "1"), -1);
    assert_int_equal(errno, ENOENT);
    put(f->fd, "knob", "");
    assert_int_equal(dv_write_file_at(f->fd, "knob", "100"), 0);
    assert_int_equal(dv_read_file(f->fd, "knob", 10, &text, NULL, &err), 0);
    assert_string_equal(text, "100");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_whole_files_up_to_the_limit),
        TEST(reads_the_empty_and_the_tiny),
        TEST(reads_no_links_and_hangs_on_no_pipe),
        TEST(replaces_atomically_with_the_mode_asked_for),
        TEST(makes_directories_with_parents),
        TEST(removes_trees_but_not_what_links_name),
        TEST(removes_trees_deeper_than_any_path),
        TEST(crosses_no_mount),
        TEST(opens_inside_its_root_only),
        TEST(makes_inside_its_root_only),
        TEST(writes_small_files_in_one_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
