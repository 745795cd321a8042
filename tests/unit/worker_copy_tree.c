/* worker_copy_tree.c - a tree of every kind of file, copied with all that belongs to each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/worker/copy_tree.h"

static char dir[64];
static int from = -1, to = -1, base = -1;
static struct dv_error err;

static int set_up(void **state)
{
    (void)state;
    memset(&err, 0, sizeof(err));
    snprintf(dir, sizeof(dir), "/var/tmp/davit-copy-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mkdirat(base, "from", 0755);
    mkdirat(base, "to", 0700);
    from = openat(base, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    to = openat(base, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return from < 0 || to < 0 ? -1 : 0;
}

/* Deeper than a path may be long, so by steps. */
static int tear_down(void **state)
{
    struct dv_error e = { 0 };

    (void)state;
    close(from);
    close(to);
    close(base);
    return dv_remove_tree(AT_FDCWD, dir, &e);
}

static void need_root(void)
{
    if (geteuid() != 0) {
        print_message("skipped: owners and devices need root\n");
        skip();
    }
}

static void put(const char *name, const void *data, size_t n, mode_t mode)
{
    int fd = openat(from, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(dv_write_all(fd, data, n), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void copy(void)
{
    if (dv_copy_tree(from, to, &err) < 0)
        fail_msg("%s", err.msg);
}

static struct stat look(int at, const char *name)
{
    struct stat st;

    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("%s: %s", name, strerror(errno));
    return st;
}

/* Owner, mode, size, device and time are those of the original. */
static void assert_alike(const char *name)
{
    struct stat a = look(from, name), b = look(to, name);

    assert_int_equal(a.st_mode, b.st_mode);
    assert_int_equal(a.st_uid, b.st_uid);
    assert_int_equal(a.st_gid, b.st_gid);
    assert_int_equal(a.st_rdev, b.st_rdev);
    assert_int_equal(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
    assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
    if (!S_ISDIR(a.st_mode))
        assert_int_equal(a.st_size, b.st_size);
}

static void copies_every_kind(void **state)
{
    const struct timespec old[2] = { { 1000, 1 }, { 2000, 2 } };
    char target[32] = "", data[3] = "";
    static char big[700000];
    int fd;

    (void)state;
    need_root();
    put("big", big, sizeof(big), 0640);
    put("set-uid", "x", 1, 04755); /* a change of the owner would take the bit away */
    assert_int_equal(fchownat(from, "set-uid", 12, 34, 0), 0);
    assert_int_equal(fchmodat(from, "set-uid", 06755, 0), 0);
    assert_int_equal(mkdirat(from, "d", 01777), 0);
    assert_int_equal(fchmodat(from, "d", 01777, 0), 0);
    put("d/in", "abc", 3, 0);
    assert_int_equal(symlinkat("/etc/passwd", from, "link"), 0);
    assert_int_equal(symlinkat("loop", from, "loop"), 0);
    assert_int_equal(mkfifoat(from, "pipe", 0622), 0);
    assert_int_equal(mknodat(from, "dev", S_IFCHR | 0600, makedev(1, 3)), 0);
    assert_int_equal(mknodat(from, "sock", S_IFSOCK | 0600, 0), 0);
    assert_int_equal(utimensat(from, "d", old, 0), 0);
    assert_int_equal(utimensat(from, "link", old, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(utimensat(from, ".", old, 0), 0);
    copy();
    assert_alike("big");
    assert_alike("set-uid");
    assert_alike("d");
    assert_alike("d/in");
    assert_alike("link");
    assert_alike("loop");
    assert_alike("pipe");
    assert_alike("dev");
    assert_alike("sock");
    assert_alike("."); /* the target itself, and its time though files were put into it */
    assert_int_equal(readlinkat(to, "link", target, sizeof(target) - 1), 11);
    assert_string_equal(target, "/etc/passwd");
    fd = openat(to, "d/in", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, data, 3), 3);
    assert_memory_equal(data, "abc", 3);
    close(fd);
}

/* Names of one file stay names of one file, over directories too. */
static void keeps_hard_links_together(void **state)
{
    (void)state;
    need_root();
    put("a", "text", 4, 0600);
    assert_int_equal(mkdirat(from, "d", 0755), 0);
    assert_int_equal(linkat(from, "a", from, "d/b", 0), 0);
    assert_int_equal(symlinkat("x", from, "s1"), 0);
    assert_int_equal(linkat(from, "s1", from, "s2", 0), 0);
    put("alone", "text", 4, 0600);
    copy();
    assert_int_equal(look(to, "a").st_ino, look(to, "d/b").st_ino);
    assert_int_equal(look(to, "a").st_nlink, 2);
    assert_int_equal(look(to, "s1").st_ino, look(to, "s2").st_ino);
    assert_int_equal(look(to, "alone").st_nlink, 1);
    assert_int_not_equal(look(to, "a").st_ino, look(from, "a").st_ino);
}

/* What describes layers to an overlay is not the file's own. */
static void copies_attributes_of_its_own(void **state)
{
    char value[16] = "";
    int fd;

    (void)state;
    need_root();
    put("f", "x", 1, 0400);
    fd = openat(from, "f", O_RDONLY | O_CLOEXEC);
    if (fsetxattr(fd, "user.mine", "value", 5, 0) < 0) {
        close(fd);
        print_message("skipped: no user attributes here: %s\n", strerror(errno));
        skip();
    }
    assert_int_equal(fsetxattr(fd, "user.overlay.opaque", "y", 1, 0), 0);
    (void)!fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0);
    close(fd);
    assert_int_equal(fsetxattr(from, "user.mine", "top", 3, 0), 0);
    copy();
    fd = openat(to, "f", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fgetxattr(fd, "user.mine", value, sizeof(value)), 5);
    assert_int_equal(fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)), -1);
    assert_int_equal(fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)), -1);
    close(fd);
    assert_int_equal(fgetxattr(to, "user.mine", value, sizeof(value)), 3);
}

static void an_end_to_depth(void **state)
{
    int at = dup(from);

    (void)state;
    for (int i = 0; i < 600; i++) {
        int next;

        assert_int_equal(mkdirat(at, "d", 0755), 0);
        next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
    }
    close(at);
    assert_int_equal(dv_copy_tree(from, to, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "deeper than"));
}

static void never_writes_over_what_is_there(void **state)
{
    int fd;
    struct stat st;

    (void)state;
    put("f", "new", 3, 0600);
    assert_int_equal(symlinkat("outside", to, "f"), 0); /* would lead elsewhere */
    assert_int_equal(dv_copy_tree(from, to, &err), -DV_E_INTERNAL);
    assert_non_null(strstr(err.msg, "create /f"));
    assert_int_equal(fstatat(to, "outside", &st, 0), -1);
    memset(&err, 0, sizeof(err));
    fd = openat(from, "f", O_RDONLY | O_CLOEXEC); /* no directory at all */
    assert_int_equal(dv_copy_tree(fd, to, &err), -DV_E_INTERNAL);
    close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(copies_every_kind),
        TEST(keeps_hard_links_together),
        TEST(copies_attributes_of_its_own),
        TEST(an_end_to_depth),
        TEST(never_writes_over_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
