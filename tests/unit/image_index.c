/* image_index.c - tests of index.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/image/internal.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void lists_nothing_as_an_empty_list(void **state)
{
    struct dv_index *index = dv_index_new();
    char *text = dv_index_text(index);

    (void)state;
    assert_string_equal(text, "{\"schemaVersion\":2,\"mediaType\":"
                              "\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}");
    free(text);
    dv_index_free(index);
    dv_index_free(NULL);
}

static void names_and_platform_of_an_entry(void **state)
{
    const struct dv_index_entry named = { .manifest = DIGEST, .size_bytes = 7,
                                          .platform = "linux/arm64/v8",
                                          .canonical = "docker.io/library/a:1", .ref_name = "1" };
    const struct dv_index_entry nameless = { .manifest = DIGEST, .size_bytes = 7,
                                             .platform = "linux/amd64", .canonical = "" };
    struct dv_index *index = dv_index_new();
    char *text;

    (void)state;
    assert_int_equal(dv_index_add(index, &named), 0);
    assert_int_equal(dv_index_add(index, &nameless), 0);
    text = dv_index_text(index);
    assert_string_equal(
        strstr(text, "\"manifests\""),
        "\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
        "\"digest\":\"" DIGEST "\",\"size\":7,"
        "\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\"},"
        "\"annotations\":{\"io.containerd.image.name\":\"docker.io/library/a:1\","
        "\"org.opencontainers.image.ref.name\":\"1\"}},"
        "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
        "\"digest\":\"" DIGEST "\",\"size\":7,"
        "\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}]}");
    free(text);
    dv_index_free(index);
}

static void grows(void **state)
{
    const struct dv_index_entry entry = { .manifest = DIGEST, .platform = "linux/amd64" };
    struct dv_index *index = dv_index_new();
    size_t n = 0;
    char *text;

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(dv_index_add(index, &entry), 0);
    text = dv_index_text(index);
    for (const char *p = text; (p = strstr(p, DIGEST)); p++)
        n++;
    assert_int_equal(n, 1000);
    free(text);
    dv_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_nothing_as_an_empty_list),
        cmocka_unit_test(names_and_platform_of_an_entry),
        cmocka_unit_test(grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
