/* plugin_trust.c - only root may have put a plugin where it lies. */

#include "plugin_helper.h"

#include "core/plugin/internal.h"

static int trust(const char *path, const char *sha256, struct dv_error *err)
{
    dv_autoclose int fd = dv_plugin_trust(path, sha256, err);

    return fd < 0 ? fd : 0;
}

static void expect(const char *path, int result, const char *says)
{
    struct dv_error err = { 0 };

    assert_int_equal(trust(path, NULL, &err), result);
    assert_contains(err.msg, says);
}

static int fill(void **state)
{
    int r = make_dir(state);

    if (r == 0 && dir_fd >= 0) {
        r = mkdirat(dir_fd, "a", 0755);
        put("a/x.so", "abc", 3, 0644);
    }
    return r;
}

static void accepts_roots_own(void **state)
{
    (void)state;
    NEEDS_ROOT();
    expect(in_dir("a/x.so"), 0, "");
}

static void refuses_a_writable_file(void **state)
{
    static const mode_t modes[] = { 0664, 0646, 0666 };

    (void)state;
    NEEDS_ROOT();
    for (size_t i = 0; i < N(modes); i++) {
        chmod(in_dir("a/x.so"), modes[i]);
        expect(in_dir("a/x.so"), -DV_E_FORBIDDEN, "chmod go-w");
    }
    chmod(in_dir("a/x.so"), 0644);
}

/* As /tmp: nobody but the owner may swap an entry of a sticky directory. */
static void accepts_a_sticky_parent(void **state)
{
    (void)state;
    NEEDS_ROOT();
    chmod(in_dir("a"), 01777);
    expect(in_dir("a/x.so"), 0, "");
    chmod(in_dir("a"), 0755);
}

static void refuses_a_writable_parent(void **state)
{
    static const mode_t modes[] = { 0775, 0757, 0777 };

    (void)state;
    NEEDS_ROOT();
    for (size_t i = 0; i < N(modes); i++) {
        chmod(in_dir("a"), modes[i]);
        expect(in_dir("a/x.so"), -DV_E_FORBIDDEN, in_dir("a"));
    }
    chmod(in_dir("a"), 0755);
    expect(in_dir("a/x.so"), 0, "");
}

static void refuses_another_owner(void **state)
{
    (void)state;
    NEEDS_ROOT();
    assert_int_equal(chown(in_dir("a/x.so"), 12345, 0), 0);
    expect(in_dir("a/x.so"), -DV_E_FORBIDDEN, "owned by uid 12345, expected root");
    assert_int_equal(chown(in_dir("a/x.so"), 0, 0), 0);
    assert_int_equal(chown(in_dir("a"), 12345, 0), 0);
    expect(in_dir("a/x.so"), -DV_E_FORBIDDEN, "owned by uid 12345");
    assert_int_equal(chown(in_dir("a"), 0, 0), 0);
}

static void refuses_links_and_other_kinds(void **state)
{
    (void)state;
    NEEDS_ROOT();
    assert_int_equal(symlink("x.so", in_dir("a/link.so")), 0);
    expect(in_dir("a/link.so"), -DV_E_FORBIDDEN, "symbolic link");
    assert_int_equal(symlink("a", in_dir("b")), 0);
    expect(in_dir("b/x.so"), -DV_E_FORBIDDEN, "symbolic link");
    assert_int_equal(mkfifo(in_dir("a/fifo.so"), 0644), 0);
    expect(in_dir("a/fifo.so"), -DV_E_FORBIDDEN, "not a regular file");
    expect(in_dir("a"), -DV_E_FORBIDDEN, "not a regular file");
    expect(in_dir("a/x.so/y.so"), -DV_E_FORBIDDEN, "not a directory");
    expect(in_dir("a/none.so"), -DV_E_NOT_FOUND, "does not exist");
}

static void refuses_crooked_paths(void **state)
{
    (void)state;
    NEEDS_ROOT();
    expect("a/x.so", -DV_E_INVALID, "not absolute");
    expect(in_dir("a/../a/x.so"), -DV_E_INVALID, "write it plainly");
    expect(in_dir("./a/x.so"), -DV_E_INVALID, "write it plainly");
    expect(in_dir("a//x.so"), -DV_E_INVALID, "write it plainly");
    expect(in_dir("a/x.so/"), -DV_E_FORBIDDEN, "not a directory");
}

static void compares_sha256(void **state)
{
    /* FIPS 180-2, "abc" */
    const char *abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const char *abc_upper = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    const char *other = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae";
    struct dv_error err = { 0 };

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(trust(in_dir("a/x.so"), abc, &err), 0);
    assert_int_equal(trust(in_dir("a/x.so"), abc_upper, &err), 0);
    assert_int_equal(trust(in_dir("a/x.so"), other, &err), -DV_E_FORBIDDEN);
    assert_contains(err.msg, abc);
    assert_contains(err.msg, other);
    assert_int_equal(trust(in_dir("a/x.so"), "abc", &err), -DV_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_roots_own),
        cmocka_unit_test(refuses_a_writable_file),
        cmocka_unit_test(accepts_a_sticky_parent),
        cmocka_unit_test(refuses_a_writable_parent),
        cmocka_unit_test(refuses_another_owner),
        cmocka_unit_test(refuses_links_and_other_kinds),
        cmocka_unit_test(refuses_crooked_paths),
        cmocka_unit_test(compares_sha256),
    };

    return cmocka_run_group_tests(tests, fill, remove_dir);
}
