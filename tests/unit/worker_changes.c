/* worker_changes.c - Dockerfile instructions on an image config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/worker/changes.h"

static struct dv_image_config config;
static struct dv_error err;

static int teardown(void **state)
{
    (void)state;
    dv_image_config_done(&config);
    memset(&config, 0, sizeof(config));
    memset(&err, 0, sizeof(err));
    return 0;
}

static void apply(const char *text)
{
    if (dv_change_apply(&config, text, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
}

static void refuse(const char *text, const char *why)
{
    assert_true(dv_change_apply(&config, text, &err) < 0);
    if (!strstr(err.msg, why))
        fail_msg("%s: '%s' does not say '%s'", text, err.msg, why);
}

static void assert_list(const struct dv_strv *list, const char *a, const char *b, const char *c)
{
    const char *const want[] = { a, b, c };
    size_t i, n = a ? b ? c ? 3 : 2 : 1 : 0;

    assert_int_equal(list->n, n);
    for (i = 0; i < n; i++)
        assert_string_equal(list->items[i], want[i]);
}

static void sets_commands_in_both_forms(void **state)
{
    (void)state;
    apply("CMD [\"/bin/sh\", \"-l\"]");
    assert_list(&config.config.cmd, "/bin/sh", "-l", NULL);
    apply("  cmd echo $HOME \"x y\" ");
    assert_list(&config.config.cmd, "/bin/sh", "-c", "echo $HOME \"x y\"");
    apply("ENTRYPOINT [\"/init\"]");
    assert_list(&config.config.entrypoint, "/init", NULL, NULL);
    apply("CMD [\"broken\"");
    assert_list(&config.config.cmd, "/bin/sh", "-c", "[\"broken\"");
}

static void sets_environment_and_labels(void **state)
{
    (void)state;
    apply("ENV A=1 B=\"two words\" C='$A'");
    assert_list(&config.config.env, "A=1", "B=two words", "C=$A");
    apply("ENV A=${A}2");
    assert_string_equal(config.config.env.items[0], "A=12");
    apply("ENV C the  rest of it");
    assert_string_equal(config.config.env.items[2], "C=the  rest of it");
    apply("LABEL x=y \"a b\"=c");
    assert_string_equal(dv_json_map_get(&config.config.labels, "x"), "y");
    assert_string_equal(dv_json_map_get(&config.config.labels, "a b"), "c");
    apply("ENV X=1\vY=2\fZ=3"); /* all that is white space divides words */
    assert_string_equal(config.config.env.items[config.config.env.n - 2], "Y=2");
    refuse("ENV", "at least one argument");
    refuse("ENV A", "no value");
    refuse("ENV A=1 B", "NAME=value");
    refuse("ENV A=\"open", "quote");
    refuse("ENV A=${A:-x}", "only $NAME");
}

static void sets_the_rest(void **state)
{
    (void)state;
    apply("EXPOSE 80 53/udp 8000-8001");
    assert_true(json_object_object_get_ex(config.config.exposed_ports, "80/tcp", NULL));
    assert_true(json_object_object_get_ex(config.config.exposed_ports, "53/udp", NULL));
    assert_true(json_object_object_get_ex(config.config.exposed_ports, "8001/tcp", NULL));
    apply("VOLUME [\"/data\"]");
    apply("VOLUME /a /b");
    assert_int_equal(json_object_object_length(config.config.volumes), 3);
    apply("WORKDIR /a/b");
    apply("WORKDIR ../c/./d");
    assert_string_equal(config.config.working_dir, "/a/c/d");
    apply("USER 1000:1000");
    assert_string_equal(config.config.user, "1000:1000");
    apply("STOPSIGNAL SIGTERM");
    assert_string_equal(config.config.stop_signal, "SIGTERM");
    apply("ONBUILD RUN make");
    assert_list(&config.config.on_build, "RUN make", NULL, NULL);
    apply("   ");
}

static void refuses_by_name(void **state)
{
    (void)state;
    refuse("ENV A=\xff", "not UTF-8");
    refuse("RUN true", "RUN is not a valid change command");
    refuse("HEALTHCHECK NONE", "HEALTHCHECK");
    refuse("EXPOSE 0", "no port");
    refuse("EXPOSE 80/xyz", "protocol");
    refuse("EXPOSE 9-8", "no port");
    refuse("USER a b", "exactly one argument");
    refuse("ONBUILD FROM x", "FROM isn't allowed");
}

static void writes_dockers_document(void **state)
{
    dv_autofree char *text = NULL;

    (void)state;
    config.os = strdup("linux");
    config.architecture = strdup("amd64");
    apply("CMD [\"/bin/sh\"]");
    text = dv_image_config_text(&config);
    assert_string_equal(text, "{\"config\":{\"Cmd\":[\"/bin/sh\"]},\"architecture\":\"amd64\","
                              "\"os\":\"linux\",\"rootfs\":{\"type\":\"\",\"diff_ids\":[]}}");
}

static void reads_only_sound_configs(void **state)
{
    static const char *const bad[] = {
        "", "[]", "{", "{}", "{\"rootfs\":{\"diff_ids\":[\"sha256:xyz\"]}}",
        "{\"rootfs\":{\"diff_ids\":[1]}}", "{\"rootfs\":{},\"config\":{\"Cmd\":\"x\"}}",
        "{\"rootfs\":{},\"config\":{\"Volumes\":[]}}", "{\"rootfs\":{},\"history\":{}}",
        "{\"rootfs\":{},\"created\":\"yesterday\"}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < N(bad); i++) {
        if (dv_image_config_parse(bad[i], strlen(bad[i]), &config, &err) == 0)
            fail_msg("'%s' was taken", bad[i]);
        teardown(state);
    }
}

#define T(f) cmocka_unit_test_teardown(f, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sets_commands_in_both_forms), T(sets_environment_and_labels), T(sets_the_rest),
        T(refuses_by_name), T(writes_dockers_document), T(reads_only_sound_configs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
