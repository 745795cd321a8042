/* cli_user_config.c - tests of docker's config.json: texts, proxies, files that are broken. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/client/user_config.h"
#include "cli/util.h"

static char dir[] = "/tmp/davit-config.XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    dv_autofree char *path = dv_xformat("%s/config.json", dir);

    (void)state;
    unlink(path);
    return rmdir(dir);
}

static struct dv_client with(const char *text)
{
    dv_autofree char *path = dv_xformat("%s/config.json", dir);
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    return (struct dv_client){ .host = dv_xstrdup("unix:///x.sock"), .config_dir = dir };
}

static void gives_texts(void **state)
{
    struct dv_client client = with("{\"psFormat\": \"x\", \"n\": 1, \"nothing\": null}");

    (void)state;
    assert_string_equal(dv_user_config_text(&client, "psFormat"), "x");
    assert_string_equal(dv_user_config_text(&client, "n"), "");
    assert_string_equal(dv_user_config_text(&client, "nothing"), "");
    assert_string_equal(dv_user_config_text(&client, "absent"), "");
    assert_string_equal(dv_user_config_text(NULL, "psFormat"), "");
    dv_client_done(&client);
}

static void stands_broken_files(void **state)
{
    static const char *const texts[] = { "", "{", "[]", "null", "3", "{\"psFormat\": [}", "{}{}" };

    (void)state;
    for (size_t i = 0; i < N(texts); i++) {
        struct dv_client client = with(texts[i]);

        assert_string_equal(dv_user_config_text(&client, "psFormat"), "");
        dv_client_done(&client);
    }
}

static void gives_proxies_that_are_not_given(void **state)
{
    static const struct {
        const char *text, *given, *env;
    } cases[] = {
        { "{}", "", "" },
        { "{\"proxies\": 3}", "", "" },
        { "{\"proxies\": {\"default\": {\"httpProxy\": \"a\", \"noProxy\": \"\"}}}", "",
          "HTTP_PROXY=a http_proxy=a" },
        { "{\"proxies\": {\"default\": {\"httpProxy\": \"a\"}}}", "HTTP_PROXY", "http_proxy=a" },
        { "{\"proxies\": {\"default\": {\"httpProxy\": \"a\"}}}", "http_proxy=", "HTTP_PROXY=a" },
        { "{\"proxies\": {\"default\": {\"httpProxy\": \"a\"}}}", "HTTP_PROXYX=b",
          "HTTP_PROXY=a http_proxy=a" },
        { "{\"proxies\": {\"default\": {\"httpProxy\": \"a\"}, \"unix:///x.sock\": "
          "{\"ftpProxy\": \"f\"}}}", "", "FTP_PROXY=f ftp_proxy=f" },
        { "{\"proxies\": {\"default\": {\"httpProxy\": [\"a\"]}}}", "", "" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_client client = with(cases[i].text);
        dv_autostrv given = { 0 }, env = { 0 };
        dv_autobuf line = DV_TEXT_INIT;

        if (*cases[i].given)
            dv_xadd(&given, cases[i].given);
        dv_user_config_proxies(&client, &given, &env);
        dv_xput(&line, "");
        for (size_t k = 0; k < env.n; k++)
            dv_xprintf(&line, "%s%s", k ? " " : "", env.items[k]);
        assert_string_equal(line.data ? line.data : "", cases[i].env);
        dv_client_done(&client);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_texts),
        cmocka_unit_test(stands_broken_files),
        cmocka_unit_test(gives_proxies_that_are_not_given),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
