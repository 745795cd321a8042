/* worker_unpack.c - layers, honest and hostile, into a directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/worker/names.h"
#include "core/worker/stream.h"
#include "core/worker/unpack.h"
#include "image_tar.h"

static char dir[64];
static int dir_fd = -1, root = -1;
static struct dv_error err;

static int setup(void **state)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    snprintf(dir, sizeof(dir), "/var/tmp/davit-unpack-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mkdirat(dir_fd, "root", 0755);
    root = openat(dir_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memset(&err, 0, sizeof(err));
    return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct dv_error e = { 0 };

    (void)state;
    if (dir_fd < 0)
        return 0;
    if (chdir("/") < 0)
        return -1;
    close(root);
    close(dir_fd);
    dir_fd = root = -1;
    return dv_remove_tree(AT_FDCWD, dir, &e);
}

#define NEEDS_ROOT()                                                                               \
    do {                                                                                           \
        if (geteuid() != 0) {                                                                      \
            print_message("skipped: owners and devices need root\n");                              \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static int fail_read(void *arg, struct dv_error *e)
{
    return dv_stream_fail(arg, "read", e);
}

/* Ends T, unpacks it, frees it. */
static int unpack(struct tar *t, enum dv_whiteouts whiteouts)
{
    struct dv_stream_config config = { .tee_fd = -1, .cancel_fd = -1 };
    struct dv_unpack_result result;
    dv_auto(dv_stream) *s = NULL;
    int r;

    if (t->a)
        tar_end(t);
    config.fd = bytes_fd(t->data, t->len);
    r = dv_stream_new(&config, &s, &err);
    r = r < 0 ? r : dv_unpack(dv_stream_tar(s), root, whiteouts, fail_read, s, &result, &err);
    close(config.fd);
    tar_done(t);
    return r;
}

static struct stat look(const char *name)
{
    struct stat st;

    if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("%s: %s", name, strerror(errno));
    return st;
}

static bool there(const char *name)
{
    return faccessat(root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_text(const char *name, const char *text)
{
    dv_autofree char *got = NULL;
    struct dv_error e = { 0 };

    assert_int_equal(dv_read_file(root, name, 4096, &got, NULL, &e), 0);
    assert_string_equal(got, text);
}

static void assert_xattr(const char *name, const char *attr, const char *value)
{
    char path[300], got[64] = "";
    ssize_t n;

    snprintf(path, sizeof(path), "%s/root/%s", dir, name);
    n = lgetxattr(path, attr, got, sizeof(got) - 1);
    if (!value) {
        assert_int_equal(n, -1);
        return;
    }
    assert_int_equal(n, strlen(value));
    assert_string_equal(got, value);
}

static void puts_owner_mode_and_times(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "etc/", 'd', .mode = 0750, .uid = 3, .gid = 4, .mtime = 1111);
    tar_add(&t, "etc/su", '-', "x", .mode = 04755, .uid = 5, .gid = 6, .mtime = 2222);
    tar_add(&t, "etc/link", 'l', "/nowhere", .uid = 7, .gid = 8, .mtime = 3333);
    tar_add(&t, "etc/hard", 'h', "etc/su");
    tar_add(&t, "null", 'c', .major = 1, .minor = 3, .mode = 0666);
    tar_add(&t, "pipe", 'p', .mode = 0600);
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
    assert_int_equal(look("etc").st_mode & 07777, 0750);
    assert_int_equal(look("etc").st_uid, 3);
    assert_int_equal(look("etc").st_mtime, 1111);
    assert_int_equal(look("etc/su").st_mode & 07777, 04755);
    assert_int_equal(look("etc/su").st_gid, 6);
    assert_int_equal(look("etc/su").st_mtime, 2222);
    assert_int_equal(look("etc/su").st_nlink, 2);
    assert_int_equal(look("etc/link").st_uid, 7);
    assert_int_equal(look("etc/link").st_mtime, 3333);
    assert_true(S_ISCHR(look("null").st_mode));
    assert_true(look("null").st_rdev == makedev(1, 3));
    assert_int_equal(look("null").st_mode & 07777, 0666);
    assert_true(S_ISFIFO(look("pipe").st_mode));
}

static void keeps_user_attributes_and_drops_foreign_overlay_ones(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "a", '-', "x", .xattr = "user.note", .xvalue = "hello");
    tar_add(&t, "b/", 'd', .xattr = "user.overlay.opaque", .xvalue = "y");
    tar_add(&t, "c", '-', "x", .xattr = "trusted.overlay.redirect", .xvalue = "/etc");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
    assert_xattr("a", "user.note", "hello");
    assert_xattr("b", "user.overlay.opaque", NULL);
    assert_xattr("c", "trusted.overlay.redirect", NULL);
}

static void refuses_names_that_lead_out(void **state)
{
    static const char *const names[] = { "../x", "a/../../x", "..", "/../x" };
    size_t i;

    (void)state;
    NEEDS_ROOT();
    for (i = 0; i < N(names); i++) {
        struct tar t;

        tar_begin(&t, NULL);
        tar_add(&t, names[i], '-', "bad");
        assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
        assert_non_null(strstr(err.msg, "leads out"));
    }
    assert_int_equal(faccessat(dir_fd, "x", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void takes_absolute_names_below_the_root(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "/davit-test/./b//c", '-', "in");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
    assert_text("davit-test/b/c", "in");
    assert_int_equal(access("/davit-test", F_OK), -1);
}

/* A link first, then a name through it: it resolves inside the root, as in a chroot. */
static void follows_links_inside_the_root_only(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "real/", 'd');
    tar_add(&t, "abs", 'l', "/real");
    tar_add(&t, "up", 'l', "../../../../real");
    tar_add(&t, "abs/one", '-', "1");
    tar_add(&t, "up/two", '-', "2");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
    assert_text("real/one", "1");
    assert_text("real/two", "2");
    assert_int_equal(access("/real", F_OK), -1);
}

static void never_writes_through_a_final_link(void **state)
{
    char outside[128];
    struct tar t;
    int fd;

    (void)state;
    NEEDS_ROOT();
    snprintf(outside, sizeof(outside), "%s/victim", dir);
    fd = open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    tar_begin(&t, NULL);
    tar_add(&t, "x", 'l', outside);
    tar_add(&t, "x", '-', "replaced", .mode = 0777);
    tar_add(&t, "y", 'l', outside);
    tar_add(&t, "y/", 'd', .mode = 0700);
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
    assert_text("x", "replaced");
    assert_true(S_ISDIR(look("y").st_mode));
    assert_int_equal(look("../victim").st_size, 0);
    assert_int_equal(look("../victim").st_mode & 07777, 0600);
}

static void refuses_hard_links_out_of_the_root(void **state)
{
    char outside[128];
    struct tar t;
    int fd;

    (void)state;
    NEEDS_ROOT();
    snprintf(outside, sizeof(outside), "%s/victim", dir);
    fd = open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    tar_begin(&t, NULL);
    tar_add(&t, "h", 'h', outside); /* below the root there is no such file */
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "hard link 'h'"));
    tar_begin(&t, NULL);
    tar_add(&t, "h", 'h', "../victim");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
    tar_begin(&t, NULL);
    tar_add(&t, "d", 'l', "..");
    tar_add(&t, "h", 'h', "d/victim");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
    assert_int_equal(look("../victim").st_nlink, 1);
}

static void replaces_what_was_there(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "d/", 'd');
    tar_add(&t, "d/deep/file", '-', "1");
    tar_add(&t, "d", '-', "now a file");
    tar_add(&t, "f", '-', "1");
    tar_add(&t, "f", '-', "2");
    tar_add(&t, "keep/", 'd', .mode = 0700);
    tar_add(&t, "keep/file", '-', "kept");
    tar_add(&t, "keep/", 'd', .mode = 0711);
    tar_add(&t, "g", '-', "1");
    tar_add(&t, "g/", 'd');
    tar_add(&t, "g/in", '-', "2");
    tar_add(&t, "self", '-', "s");
    tar_add(&t, "self", 'h', "self");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
    assert_text("d", "now a file");
    assert_text("f", "2");
    assert_text("keep/file", "kept");
    assert_int_equal(look("keep").st_mode & 07777, 0711);
    assert_text("g/in", "2");
    assert_text("self", "s");
}

/* The cached parent must not outlive the directory that it was. */
static void sees_a_replaced_parent(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "a/", 'd');
    tar_add(&t, "b/", 'd');
    tar_add(&t, "a/1", '-', "1");
    tar_add(&t, "a", 'l', "b");
    tar_add(&t, "a/2", '-', "2");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
    assert_text("b/2", "2");
    assert_false(there("b/1"));
}

static void refuses_a_file_as_a_directory(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "f", '-', "1");
    tar_add(&t, "f/x", '-', "2");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "'f' is needed as a directory but is a file"));
    tar_begin(&t, NULL);
    tar_add(&t, "loop", 'l', "loop");
    tar_add(&t, "loop/x", '-', "2");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
}

static void makes_overlay_whiteouts(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "d/", 'd');
    tar_add(&t, "d/.wh.gone", '-');
    tar_add(&t, "o/", 'd');
    tar_add(&t, "o/.wh..wh..opq", '-');
    tar_add(&t, "o/new", '-', "n");
    tar_add(&t, "d/.wh..wh.plnk", '-');
    tar_add(&t, ".wh.again", '-');
    tar_add(&t, "again/", 'd');
    tar_add(&t, "again/x", '-', "x");
    tar_add(&t, ".wh.implied", '-');
    tar_add(&t, "implied/x", '-', "x");
    tar_add(&t, "later/", 'd');
    tar_add(&t, ".wh.later", '-');
    tar_add(&t, "both", '-', "b");
    tar_add(&t, ".wh.both", '-');
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
    assert_true(S_ISCHR(look("d/gone").st_mode) && look("d/gone").st_rdev == 0);
    assert_xattr("o", "user.overlay.opaque", "y");
    assert_xattr("d", "user.overlay.opaque", NULL);
    assert_text("o/new", "n");
    assert_false(there("d/.wh..wh.plnk"));
    assert_xattr("again", "user.overlay.opaque", "y");
    assert_text("again/x", "x");
    assert_xattr("implied", "user.overlay.opaque", "y");
    assert_xattr("later", "user.overlay.opaque", "y");
    assert_text("both", "b");
}

static void put_lower(const char *name)
{
    int fd = dv_make_in_root(root, name, 1);

    assert_true(fd >= 0);
    close(fd);
}

static void applies_whiteouts_to_a_copy(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    put_lower("d/gone");
    put_lower("d/stays");
    put_lower("o/old");
    put_lower("o/sub/old");
    put_lower("o/both/old");
    put_lower("tree/a/b/c");
    tar_begin(&t, NULL);
    tar_add(&t, "d/.wh.gone", '-');
    tar_add(&t, "o/new", '-', "n");
    tar_add(&t, "o/both/new", '-', "n");
    tar_add(&t, "o/.wh..wh..opq", '-');
    tar_add(&t, "o/after", '-', "a");
    tar_add(&t, ".wh.tree", '-');
    tar_add(&t, ".wh.nothing", '-');
    if (unpack(&t, DV_WHITEOUT_APPLY) < 0)
        fail_msg("%s", err.msg);
    assert_false(there("d/gone"));
    assert_true(there("d/stays"));
    assert_false(there("o/old"));
    assert_false(there("o/sub"));
    assert_false(there("o/both/old"));
    assert_text("o/both/new", "n");
    assert_text("o/new", "n");
    assert_text("o/after", "a");
    assert_false(there("tree"));
    assert_false(there("nothing"));
}

static void refuses_whiteouts_of_dots(void **state)
{
    static const char *const names[] = { ".wh.", "d/.wh..", "d/.wh..." };
    size_t i;

    (void)state;
    NEEDS_ROOT();
    for (i = 0; i < N(names); i++) {
        struct tar t;

        tar_begin(&t, NULL);
        tar_add(&t, names[i], '-');
        assert_int_equal(unpack(&t, DV_WHITEOUT_APPLY), -DV_E_INVALID);
    }
    assert_true(there("../root"));
}

static void refuses_a_device_that_is_a_whiteout(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "w", 'c');
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
}

static void refuses_long_names(void **state)
{
    char name[400], path[5000];
    struct tar t;
    size_t i;

    (void)state;
    NEEDS_ROOT();
    memset(name, 'x', 300);
    name[300] = 0;
    tar_begin(&t, NULL);
    tar_add(&t, name, '-', "1");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "255"));
    for (i = 0; i + 2 < sizeof(path); i += 2)
        memcpy(path + i, "d/", 3);
    tar_begin(&t, NULL);
    tar_add(&t, path, '-', "1");
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
}

static void refuses_cut_and_broken_archives(void **state)
{
    static char zeros[100000];
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "big", '-', zeros, .text_len = sizeof(zeros));
    tar_end(&t);
    t.len = 50000;
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
    tar_begin(&t, "gzip");
    tar_add(&t, "big", '-', zeros, .text_len = sizeof(zeros));
    tar_end(&t);
    t.len -= 40;
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
    tar_begin(&t, NULL);
    tar_end(&t);
    memset(t.data, 'x', t.len);
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), -DV_E_INVALID);
}

static void takes_an_empty_layer(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    assert_int_equal(unpack(&t, DV_WHITEOUT_OVERLAY), 0);
}

static void cleans_names(void **state)
{
    static const char *const cases[][2] = {
        { "a/b", "a/b" }, { "./a//b/", "a/b" }, { "/", "" }, { ".", "" }, { "a/../b", "b" },
        { "a/b/../../c", "c" }, { "...", "..." },
    };
    char out[DV_MAX_TAR_NAME_BYTES];
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        assert_int_equal(dv_clean_name(cases[i][0], out, &err), 0);
        assert_string_equal(out, cases[i][1]);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(puts_owner_mode_and_times),
        T(keeps_user_attributes_and_drops_foreign_overlay_ones),
        T(refuses_names_that_lead_out),
        T(takes_absolute_names_below_the_root),
        T(follows_links_inside_the_root_only),
        T(never_writes_through_a_final_link),
        T(refuses_hard_links_out_of_the_root),
        T(replaces_what_was_there),
        T(sees_a_replaced_parent),
        T(refuses_a_file_as_a_directory),
        T(makes_overlay_whiteouts),
        T(applies_whiteouts_to_a_copy),
        T(refuses_whiteouts_of_dots),
        T(refuses_a_device_that_is_a_whiteout),
        T(refuses_long_names),
        T(refuses_cut_and_broken_archives),
        T(takes_an_empty_layer),
        T(cleans_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
