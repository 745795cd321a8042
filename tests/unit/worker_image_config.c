/* worker_image_config.c - unit tests of core/worker/image_config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/limits.h"
#include "core/worker/image_config.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX "\"]}"

static int parse(const char *text, struct dv_image_config *out, struct dv_error *err)
{
    return dv_image_config_parse(text, strlen(text), out, err);
}

static void reads_and_writes_the_same(void **state)
{
    static const char text[] =
        "{\"created\":\"2024-01-02T03:04:05Z\",\"author\":\"me\",\"architecture\":\"amd64\",\"os\":"
        "\"linux\","
        "\"config\":{\"User\":\"1:2\",\"Env\":[\"A=b\"],\"Cmd\":[\"sh\"],\"Volumes\":{\"/v\":{}},"
        "\"Labels\":{\"k\":\"v\"},\"StopSignal\":\"SIGINT\"}," ROOTFS
        ",\"history\":[{\"created_by\":\"x\"}]}";
    struct dv_image_config c = {0}, again = {0};
    struct dv_error err = {0};
    dv_autofree char *out = NULL;

    (void)state;
    assert_int_equal(parse(text, &c, &err), 0);
    assert_string_equal(c.config.user, "1:2");
    assert_true(c.config.has_cmd);
    assert_false(c.config.has_entrypoint);
    assert_int_equal(c.rootfs.diff_ids.n, 1);
    out = dv_image_config_text(&c);
    assert_non_null(out);
    assert_int_equal(parse(out, &again, &err), 0);
    assert_string_equal(again.config.env.items[0], "A=b");
    assert_string_equal(again.config.stop_signal, "SIGINT");
    assert_string_equal(again.created, "2024-01-02T03:04:05Z");
    assert_true(json_object_equal(c.history, again.history));
    assert_true(json_object_equal(c.config.volumes, again.config.volumes));
    dv_image_config_done(&c);
    dv_image_config_done(&again);
}

static void refuses_by_the_name_of_the_field(void **state)
{
    static const struct {
        const char *text, *named;
    } rows[] = {
        {"", "image config"},
        {"[]", "image config"},
        {"{}", "rootfs"},
        {"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:12\"]}}", "rootfs.diff_ids[0]"},
        {"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":\"x\"}}", "diff_ids"},
        {"{\"created\":\"yesterday\"," ROOTFS "}", "created: 'yesterday'"},
        {"{\"history\":{}," ROOTFS "}", "history: expected list"},
        {"{\"config\":{\"Volumes\":[]}," ROOTFS "}", "config.Volumes: expected object"},
        {"{\"config\":{\"ExposedPorts\":1}," ROOTFS "}", "config.ExposedPorts: expected object"},
        {"{\"config\":{\"Healthcheck\":\"x\"}," ROOTFS "}", "config.Healthcheck: expected object"},
        {"{\"config\":{\"Env\":{}}," ROOTFS "}", "Env"},
        {"{\"os\":1," ROOTFS "}", "os"},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct dv_image_config c = {0};
        struct dv_error err = {0};

        assert_int_equal(parse(rows[i].text, &c, &err), -DV_E_INVALID);
        if (!strstr(err.msg, rows[i].named))
            fail_msg("row %zu: '%s' does not name '%s'", i, err.msg, rows[i].named);
        dv_image_config_done(&c);
    }
}

static void bounds_the_layers(void **state)
{
    size_t size = (size_t)(DV_MAX_LAYERS + 1) * 80 + 100, len = 0;
    dv_autofree char *text = malloc(size);
    struct dv_image_config c = {0};
    struct dv_error err = {0};

    (void)state;
    assert_non_null(text);
    len += (size_t)snprintf(text, size, "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
    for (int i = 0; i < DV_MAX_LAYERS + 1; i++)
        len += (size_t)snprintf(text + len, size - len, "%s\"sha256:" HEX "\"", i ? "," : "");
    snprintf(text + len, size - len, "]}}");
    assert_int_equal(parse(text, &c, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "layers, at most"));
    dv_image_config_done(&c);
}

static void knows_a_digest(void **state)
{
    (void)state;
    assert_true(dv_is_digest("sha256:" HEX));
    assert_false(dv_is_digest("sha256:" HEX "0"));
    assert_false(dv_is_digest("sha512:" HEX));
    assert_false(
        dv_is_digest("sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"));
    assert_false(dv_is_digest("sha256:../../../../etc/passwd"));
    assert_false(dv_is_digest(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_the_same),
        cmocka_unit_test(refuses_by_the_name_of_the_field),
        cmocka_unit_test(bounds_the_layers),
        cmocka_unit_test(knows_a_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
