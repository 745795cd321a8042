/* container_merge.c - tests of what an image gives a container. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/container/internal.h"
#include "core/image/image.h"

static void fill(struct dv_strv *v, const char *comma_separated)
{
    if (comma_separated)
        assert_int_equal(dv_strv_split(v, comma_separated, ','), 0);
}

static struct dv_container_config *merge(const char *request, const struct dv_image *image)
{
    dv_autojson json_object *body = NULL;
    dv_autostrv warnings = { 0 };
    struct dv_container_config *config = NULL;
    struct dv_error err = { 0 };

    if (dv_json_parse(request, strlen(request), &body, &err) < 0 ||
        dv_container_config_parse(body, &warnings, &config, &err) < 0 ||
        dv_config_merge_image(&config, image, &err) < 0)
        fail_msg("%s: %s", request, err.msg);
    return config;
}

static void done(struct dv_image *image)
{
    dv_strv_done(&image->env);
    dv_strv_done(&image->entrypoint);
    dv_strv_done(&image->cmd);
    dv_strv_done(&image->exposed_ports);
    dv_strv_done(&image->label_keys);
    dv_strv_done(&image->label_values);
}

static char *join(const struct dv_strv *v)
{
    char *text = dv_strdup("");

    for (size_t i = 0; i < v->n; i++) {
        char *longer = dv_format("%s%s%s", text, i ? "," : "", v->items[i]);

        free(text);
        text = longer;
    }
    return text;
}

/* Docker: an entrypoint of one's own drops the image's command; [""] clears the entrypoint. */
static void commands(void **state)
{
    static const struct {
        const char *entrypoint, *cmd;    /* the image's */
        const char *request, *want;      /* want NULL: no command specified */
    } rows[] = {
        { NULL, "sh", "{\"Image\":\"i\"}", "sh" },
        { "ep", "a,b", "{\"Image\":\"i\"}", "ep,a,b" },
        { "ep", "a", "{\"Image\":\"i\",\"Cmd\":[\"c\"]}", "ep,c" },
        { "ep", "a", "{\"Image\":\"i\",\"Entrypoint\":[\"own\"]}", "own" },
        { "ep", "a", "{\"Image\":\"i\",\"Entrypoint\":[\"own\"],\"Cmd\":[\"c\"]}", "own,c" },
        { "ep", "a", "{\"Image\":\"i\",\"Entrypoint\":[\"\"],\"Cmd\":[\"c\"]}", "c" },
        { "ep", "a", "{\"Image\":\"i\",\"Entrypoint\":[\"\"]}", NULL },
        { "ep", "a", "{\"Image\":\"i\",\"Entrypoint\":[]}", "a" },
        { NULL, NULL, "{\"Image\":\"i\"}", NULL },
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct dv_image image = { 0 };
        dv_auto(dv_container_config) *config = NULL;
        dv_autostrv argv = { 0 };
        dv_autofree char *text = NULL;
        struct dv_error err = { 0 };
        int r;

        fill(&image.entrypoint, rows[i].entrypoint);
        fill(&image.cmd, rows[i].cmd);
        config = merge(rows[i].request, &image);
        r = dv_config_argv(config, &argv, &err);
        text = join(&argv);
        if ((r == 0) != (rows[i].want != NULL) || (r == 0 && !dv_streq(text, rows[i].want)))
            fail_msg("row %zu: %d %s", i, r, text);
        if (r < 0)
            assert_string_equal(err.msg, "no command specified");
        done(&image);
    }
}

static void the_rest(void **state)
{
    char user[] = "nobody", dir[] = "/srv", sig[] = "SIGINT";
    struct dv_image image = { .user = user, .working_dir = dir, .stop_signal = sig };
    dv_auto(dv_container_config) *plain = NULL, *own = NULL;
    dv_autofree char *env = NULL;

    (void)state;
    fill(&image.env, "PATH=/bin,A=image,C=3");
    fill(&image.cmd, "sh");
    fill(&image.exposed_ports, "80/tcp,53/udp");
    fill(&image.label_keys, "l1,l2");
    fill(&image.label_values, "v1,v2");
    plain = merge("{\"Image\":\"i\"}", &image);
    assert_string_equal(plain->user, "nobody");
    assert_string_equal(plain->working_dir, "/srv");
    assert_string_equal(plain->stop_signal, "SIGINT");
    assert_int_equal(plain->exposed_ports.n, 2);
    assert_string_equal(dv_json_map_get(&plain->labels, "l2"), "v2");

    own = merge("{\"Image\":\"i\",\"User\":\"root\",\"WorkingDir\":\"/\",\"StopSignal\":\"9\","
                "\"Env\":[\"A=own\",\"C\"],\"Labels\":{\"l1\":\"mine\"},"
                "\"ExposedPorts\":{\"80/tcp\":{}}}",
                &image);
    env = join(&own->env);
    assert_string_equal(own->user, "root");
    assert_string_equal(own->working_dir, "/");
    assert_string_equal(own->stop_signal, "9");
    assert_string_equal(env, "A=own,C,PATH=/bin"); /* "C" alone takes the image's away */
    assert_int_equal(own->exposed_ports.n, 2);
    assert_string_equal(dv_json_map_get(&own->labels, "l1"), "mine");
    assert_string_equal(dv_json_map_get(&own->labels, "l2"), "v2");
    done(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands),
        cmocka_unit_test(the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
