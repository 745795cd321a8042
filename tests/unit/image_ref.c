/* image_ref.c - references as Docker reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/image/image.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void normalises(void **state)
{
    static const struct {
        const char *text, *canonical, *familiar, *repository, *tag, *digest;
    } cases[] = {
        {"busybox", "docker.io/library/busybox:latest", "busybox:latest", "busybox", "latest",
         NULL},
        {"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36", "busybox", "1.36", NULL},
        {"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest", "busybox",
         "latest", NULL},
        {"index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest",
         "busybox", "latest", NULL},
        {"user/app:v1", "docker.io/user/app:v1", "user/app:v1", "user/app", "v1", NULL},
        {"localhost/app", "localhost/app:latest", "localhost/app:latest", "localhost/app", "latest",
         NULL},
        {"localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest",
         "localhost:5000/app", "latest", NULL},
        {"reg.example.org:443/a/b/c:t", "reg.example.org:443/a/b/c:t",
         "reg.example.org:443/a/b/c:t", "reg.example.org:443/a/b/c", "t", NULL},
        {"[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest", "[::1]:5000/app",
         "latest", NULL},
        {"a--b__c.d_e", "docker.io/library/a--b__c.d_e:latest", "a--b__c.d_e:latest", "a--b__c.d_e",
         "latest", NULL},
        {"busybox@sha256:" HEX, "docker.io/library/busybox", "busybox", "busybox", "",
         "sha256:" HEX},
        {"busybox:x@sha256:" HEX, "docker.io/library/busybox:x", "busybox:x", "busybox", "x",
         "sha256:" HEX},
        {"Upper.example/app", "Upper.example/app:latest", "Upper.example/app:latest",
         "Upper.example/app", "latest", NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        struct dv_error err = { 0 };
        struct dv_ref ref = { 0 };

        if (dv_ref_parse(cases[i].text, &ref, &err) < 0)
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_string_equal(ref.canonical, cases[i].canonical);
        assert_string_equal(ref.familiar, cases[i].familiar);
        assert_string_equal(ref.repository, cases[i].repository);
        assert_string_equal(ref.tag, cases[i].tag);
        if (cases[i].digest)
            assert_string_equal(ref.digest, cases[i].digest);
        else
            assert_null(ref.digest);
        dv_ref_done(&ref);
    }
}

static void refuses_in_dockers_words(void **state)
{
    static const char *const cases[][2] = {
        { "", "invalid reference format" },
        { ":tag", "invalid reference format" },
        { "a:b:c", "invalid reference format" },
        { "a//b", "invalid reference format" },
        { "a/", "invalid reference format" },
        { "-a", "invalid reference format" },
        { "a-", "invalid reference format" },
        { "a..b", "invalid reference format" },
        { "a___b", "invalid reference format" },
        { "a b", "invalid reference format" },
        { "../x", "invalid reference format" },
        { "a:", "invalid reference format" },
        { "a:-x", "invalid reference format" },
        { "a@b", "invalid reference format" },
        { "ex_ample.org/a", "invalid reference format" },
        { "example.org:x/a", "invalid reference format" },
        { "Busybox",
          "invalid reference format: repository name (library/Busybox) must be lowercase" },
        { HEX, "invalid repository name (" HEX "), cannot specify 64-byte hexadecimal strings" },
        { "a@sha256:abc", "invalid checksum digest length" },
        { "a@md5:0123456789abcdef0123456789abcdef", "unsupported digest algorithm" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(cases); i++) {
        struct dv_error err = { 0 };
        struct dv_ref ref = { 0 };

        if (dv_ref_parse(cases[i][0], &ref, &err) == 0)
            fail_msg("'%s' was taken", cases[i][0]);
        assert_int_equal(err.code, DV_E_INVALID);
        assert_string_equal(err.msg, cases[i][1]);
    }
}

static void bounds_names_and_tags(void **state)
{
    struct dv_error err = { 0 };
    struct dv_ref ref = { 0 };
    char text[400] = "a:";

    (void)state;
    memset(text + 2, 't', 128);
    assert_int_equal(dv_ref_parse(text, &ref, &err), 0);
    dv_ref_done(&ref);
    text[130] = 't';
    assert_int_equal(dv_ref_parse(text, &ref, &err), -DV_E_INVALID);
    memset(text, 'a', 300);
    text[300] = 0;
    assert_int_equal(dv_ref_parse(text, &ref, &err), -DV_E_INVALID);
    assert_string_equal(err.msg, "repository name must not be more than 255 characters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalises),
        cmocka_unit_test(refuses_in_dockers_words),
        cmocka_unit_test(bounds_names_and_tags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
