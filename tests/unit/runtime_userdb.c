/* runtime_userdb.c - users of an image, hostile ones too. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/limits.h"
#include "core/runtime/internal.h"

static char dir[64];
static int root;
static struct dv_user user;
static struct dv_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/davit-userdb-XXXXXX");
    assert_non_null(mkdtemp(dir));
    root = open(dir, O_PATH | O_CLOEXEC);
    assert_true(root >= 0);
    return mkdirat(root, "etc", 0755);
}

static int tear_down(void **state)
{
    struct dv_error e = { 0 };

    (void)state;
    close(root);
    return dv_remove_tree(AT_FDCWD, dir, &e);
}

static void put(const char *name, const char *text)
{
    struct dv_error e = { 0 };

    assert_int_equal(dv_file_replace(root, name, text, strlen(text), 0644, DV_VOLATILE, &e), 0);
}

static int resolve(const char *text, const struct dv_strv *add)
{
    dv_error_clear(&err);
    return dv_user_resolve(root, text, add, &user, &err);
}

static void nothing_is_needed_for_numbers(void **state)
{
    (void)state;
    assert_int_equal(resolve(NULL, NULL), 0);
    assert_int_equal(user.uid, 0);
    assert_string_equal(user.home, "/");
    assert_int_equal(resolve("", NULL), 0);
    assert_int_equal(resolve("12:34", NULL), 0);
    assert_int_equal(user.uid, 12);
    assert_int_equal(user.gid, 34);
    assert_int_equal(user.n_groups, 1);
    assert_int_equal(user.groups[0], 34);
}

static void names_numbers_and_groups(void **state)
{
    dv_autostrv add = { 0 };

    (void)state;
    put("etc/passwd", "# a comment\n\nroot:x:0:0:root:/root:/bin/sh\r\nshort:x\n"
                      "7:x:8:9::/seven:\nann:x:1000:100:Ann,,,:/home/ann:/bin/sh");
    put("etc/group", "root:x:0:\nusers:x:100:\naudio:x:29:ann,bob\nanna:x:30:anna\nx:x:y:ann\n"
                     "video:x:44:bob,ann");
    assert_int_equal(resolve("ann", NULL), 0); /* the last line, with no newline */
    assert_int_equal(user.uid, 1000);
    assert_int_equal(user.gid, 100);
    assert_string_equal(user.home, "/home/ann");
    assert_int_equal(user.n_groups, 3);
    assert_int_equal(user.groups[1], 29);
    assert_int_equal(user.groups[2], 44);
    assert_int_equal(resolve("1000", NULL), 0);
    assert_int_equal(user.n_groups, 3);
    assert_int_equal(resolve("7", NULL), 0); /* digits are a number, never a name */
    assert_int_equal(user.uid, 7);
    assert_int_equal(user.gid, 0);
    assert_int_equal(resolve("ann:video", NULL), 0); /* a group that was named is the only one */
    assert_int_equal(user.gid, 44);
    assert_int_equal(user.n_groups, 1);
    assert_int_equal(dv_strv_add(&add, "audio"), 0);
    assert_int_equal(dv_strv_add(&add, "5"), 0);
    assert_int_equal(resolve("0", &add), 0);
    assert_int_equal(user.n_groups, 3);
    assert_string_equal(user.home, "/root");
}

static void errors_are_dockers(void **state)
{
    dv_autostrv add = { 0 };

    (void)state;
    put("etc/passwd", "root:x:0:0::/root:\n");
    put("etc/group", "root:x:0:\n");
    assert_int_equal(resolve("bob", NULL), -DV_E_INVALID);
    assert_string_equal(err.msg, "unable to find user bob: no matching entries in passwd file");
    assert_int_equal(resolve("0:bob", NULL), -DV_E_INVALID);
    assert_string_equal(err.msg, "unable to find group bob: no matching entries in group file");
    assert_int_equal(resolve("2147483648", NULL), -DV_E_INVALID);
    assert_string_equal(err.msg, "uids and gids must be in range 0-2147483647");
    assert_int_equal(resolve("-1", NULL), -DV_E_INVALID);
    assert_int_equal(resolve("0:99999999999999999999", NULL), -DV_E_INVALID);
    assert_int_equal(dv_strv_add(&add, "wheel"), 0);
    assert_int_equal(resolve("0", &add), -DV_E_INVALID);
    assert_string_equal(err.msg, "unable to find group wheel: no matching entries in group file");
}

static void a_huge_file_is_refused(void **state)
{
    char *text = malloc(DV_MAX_PASSWD_BYTES + 2);
    dv_autofree char *path = NULL;

    (void)state;
    memset(text, 'a', DV_MAX_PASSWD_BYTES + 1);
    text[DV_MAX_PASSWD_BYTES + 1] = '\0';
    put("etc/passwd", text);
    free(text);
    assert_int_equal(resolve("0", NULL), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "/etc/passwd of the container"));
    path = dv_format("%s/etc/passwd", dir);
    assert_int_equal(truncate(path, DV_MAX_PASSWD_BYTES), 0);
    assert_int_equal(resolve("0", NULL), 0); /* one line over the limit: skipped */
}

static void links_stay_in_the_root(void **state)
{
    (void)state;
    assert_int_equal(symlinkat("/etc/passwd", root, "etc/link"), 0);
    assert_int_equal(symlinkat("../../../../etc/passwd", root, "etc/passwd"), 0);
    assert_int_equal(resolve("daemon", NULL),
                     -DV_E_INVALID); /* links to itself, not to the host's */
    assert_int_equal(unlinkat(root, "etc/passwd", 0), 0);
    assert_int_equal(symlinkat("/proc/self/root/etc/passwd", root, "etc/passwd"), 0);
    assert_int_equal(resolve("daemon", NULL), -DV_E_INVALID);
    assert_int_equal(unlinkat(root, "etc/passwd", 0), 0);
    put("etc/real", "ann:x:5:6::/:\n");
    assert_int_equal(symlinkat("/etc/real", root, "etc/passwd"), 0);
    assert_int_equal(resolve("ann", NULL), 0);
}

static void other_kinds_of_files_are_refused(void **state)
{
    (void)state;
    assert_int_equal(mkfifoat(root, "etc/passwd", 0644), 0); /* does not hang */
    assert_int_equal(resolve("0", NULL), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "no regular file"));
}

static void too_many_groups_are_refused(void **state)
{
    char *text = malloc(64 << 10);
    size_t len = 0;

    (void)state;
    put("etc/passwd", "ann:x:1:1::/:\n");
    for (int i = 0; i <= DV_MAX_GROUPS; i++)
        len += (size_t)snprintf(text + len, 32, "g%d:x:%d:ann\n", i, i + 10);
    put("etc/group", text);
    free(text);
    assert_int_equal(resolve("ann", NULL), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "groups of one user"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_needed_for_numbers), TEST(names_numbers_and_groups),
        TEST(errors_are_dockers),            TEST(a_huge_file_is_refused),
        TEST(links_stay_in_the_root),        TEST(other_kinds_of_files_are_refused),
        TEST(too_many_groups_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
