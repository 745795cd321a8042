/* daemon_config.c - tests of davit.ini and davitd's command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include <davit/plugin.h>

#include "core/base/error.h"
#include "core/daemon/config.h"

struct test {
    char file[64];
    struct dv_config_args args;
    struct dv_config config;
    struct dv_error err;
};

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    int fd;

    if (!t)
        return -1;
    snprintf(t->file, sizeof(t->file), "/tmp/davit-ini.XXXXXX");
    fd = mkstemp(t->file);
    if (fd < 0)
        return -1;
    close(fd);
    t->args.file = t->file;
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;

    dv_config_done(&t->config);
    dv_strv_done(&t->args.sets);
    dv_strv_done(&t->args.hosts);
    unlink(t->file);
    free(t);
    return 0;
}

static int read_ini(struct test *t, const char *text)
{
    FILE *f = fopen(t->file, "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    dv_config_done(&t->config);
    dv_error_clear(&t->err);
    return dv_config_read(&t->args, &t->config, &t->err);
}

static void read_ok(struct test *t, const char *text)
{
    if (read_ini(t, text) < 0)
        fail_msg("%s", t->err.msg);
}

static void refuse(struct test *t, const char *text, const char *why)
{
    if (read_ini(t, text) == 0 || !strstr(t->err.msg, why))
        fail_msg("'%s' gave '%s'", text, t->err.msg);
}

static void defaults(void **state)
{
    struct test *t = *state;
    const struct dv_engine_config *e = &t->config.engine;

    read_ok(t, "");
    assert_string_equal(e->root, "/var/lib/davit");
    assert_string_equal(e->run_dir, "/run/davit");
    assert_string_equal(e->bridge_name, "davit0");
    assert_string_equal(e->nft_table, "davit");
    assert_string_equal(e->cgroup_parent, "/davit");
    assert_string_equal(e->hosts.items[0], "unix:///run/davit/davit.sock");
    assert_string_equal(e->storage_driver, "overlay");
    assert_int_equal(e->log_max_bytes, 20 << 20);
    assert_int_equal(e->log_max_files, 5);
    assert_true(e->favordynmods);
    assert_int_equal(t->config.n_drivers, 4); /* overlay; bridge host none */
}

static void another_root_has_names_of_its_own(void **state)
{
    struct test *t = *state;
    const struct dv_engine_config *e = &t->config.engine;
    char bridge[64];

    read_ok(t, "[engine]\nroot = /srv/one\n");
    assert_int_equal(strlen(e->instance), 6);
    assert_int_equal(strlen(e->bridge_name), 9); /* an interface name has 15 */
    assert_string_not_equal(e->run_dir, "/run/davit");
    snprintf(bridge, sizeof(bridge), "%s", e->bridge_name);
    read_ok(t, "[engine]\nroot = /srv/two\n");
    assert_string_not_equal(e->bridge_name, bridge);
}

static void the_command_line_wins(void **state)
{
    struct test *t = *state;
    const struct dv_engine_config *e = &t->config.engine;

    t->args.root = "relative";
    assert_int_equal(dv_strv_add(&t->args.sets, "engine.log_level=debug"), 0);
    assert_int_equal(dv_strv_add(&t->args.sets, "network.default_pool=10.1.0.0/16=x"), 0);
    assert_int_equal(dv_strv_add(&t->args.sets, "storage.overlay.option=v"), 0);
    assert_int_equal(dv_strv_add(&t->args.hosts, "unix:///a/b"), 0);
    read_ok(t, "[engine]\nroot = /x\nlog_level = error\nhosts = unix:///c , unix:///d\n"
               "[storage.overlay]\noption = file\n");
    assert_true(e->root[0] == '/' && strstr(e->root, "/relative"));
    assert_string_equal(e->log_level, "debug");
    assert_string_equal(e->default_pool, "10.1.0.0/16=x");
    assert_int_equal(e->hosts.n, 1);
    assert_string_equal(e->hosts.items[0], "unix:///a/b");
    assert_int_equal(t->config.n_options, 1);
    assert_string_equal(t->config.options[0].value, "v");
}

static void lists_and_sizes(void **state)
{
    struct test *t = *state;

    read_ok(t, "; a comment\n[engine]\nhosts = unix:///c , unix:///d\nfavordynmods = no\n"
               "[log]\nmax_size = 1g\nmax_file = 2\n[network]\ndrivers = bridge\n");
    assert_int_equal(t->config.engine.hosts.n, 2);
    assert_string_equal(t->config.engine.hosts.items[1], "unix:///d");
    assert_false(t->config.engine.favordynmods);
    assert_int_equal(t->config.engine.log_max_bytes, 1 << 30);
    assert_int_equal(t->config.n_drivers, 2);
}

static void plugins_from_outside(void **state)
{
    struct test *t = *state;
    const struct dv_config_driver *d;

    read_ok(t, "[storage]\ndriver = mine\n[plugin \"mine\"]\nkind = storage\npath = /p.so\n"
               "sha256 = 00\nisolation = in-process\n[storage.mine]\nkey = value\n");
    d = &t->config.drivers[0];
    assert_string_equal(d->name, "mine");
    assert_string_equal(d->path, "/p.so");
    assert_int_equal(d->kind, DV_KIND_STORAGE);
    assert_true(d->chosen);
    refuse(t, "[plugin \"mine\"]\npath = /p.so\n", "lacks 'kind ='");
    refuse(t, "[plugin mine]\nkind = storage\n", "write it as [plugin \"name\"]");
    refuse(t, "[plugin \"mine\"]\nkind = storrage\n", "unknown kind 'storrage'");
    refuse(t, "[plugin \"mine\"]\nkinds = storage\n", "known: kind, path, sha256, isolation");
    refuse(t, "[plugin \"mine\"]\nisolation = process\n", "not supported yet");
}

static void one_name_twice(void **state)
{
    struct test *t = *state;

    /* Kinds have names of their own. */
    read_ok(t, "[plugin \"overlay\"]\nkind = network\npath = /o.so\n");
    assert_int_equal(t->config.drivers[0].kind, DV_KIND_NETWORK);
    assert_string_equal(t->config.drivers[1].name, "overlay");
    assert_int_equal(t->config.drivers[1].kind, DV_KIND_STORAGE);
    assert_null(t->config.drivers[1].path);
    /* A second path is a second plugin, to be turned away when it is loaded. */
    read_ok(t, "[plugin \"a\"]\nkind = storage\npath = /1.so\n"
               "[plugin \"a\"]\npath = /2.so\nsha256 = 00\n");
    assert_string_equal(t->config.drivers[0].path, "/1.so");
    assert_null(t->config.drivers[0].sha256);
    assert_string_equal(t->config.drivers[1].path, "/2.so");
    assert_string_equal(t->config.drivers[1].sha256, "00");
    assert_int_equal(t->config.drivers[1].kind, DV_KIND_STORAGE);
    assert_int_equal(t->config.drivers[1].line, 5);
}

static char told[512];

static void on_mistake(const char *text)
{
    strncat(told, text, sizeof(told) - strlen(told) - 2);
    strcat(told, "\n");
}

static void tells_all_mistakes(void **state)
{
    struct test *t = *state;
    char expected[512];

    t->args.mistake = on_mistake;
    read_ok(t, "[engine]\nrooot = /x\nlog_level = debug\n[lock]\na = b\n[storage.x]\nk = v\n");
    snprintf(expected, sizeof(expected),
             "%s:2: unknown key 'rooot' in [engine]; the nearest known one is 'root'\n"
             "%s:5: unknown section [lock]", t->file, t->file);
    assert_memory_equal(told, expected, strlen(expected));
    assert_string_equal(t->config.engine.log_level, "debug");
    assert_int_equal(t->config.options[0].line, 7);
}

static void names_what_is_wrong(void **state)
{
    struct test *t = *state;
    char where[80];

    snprintf(where, sizeof(where), "%s:2", t->file);
    refuse(t, "[engine]\nrooot = /x\n", where);
    refuse(t, "[engine]\nrooot = /x\n", "the nearest known one is 'root'");
    refuse(t, "[engines]\nroot = /x\n", "unknown section [engines]");
    refuse(t, "[engine]\nroot = x\n", "not an absolute path");
    refuse(t, "[engine]\nfavordynmods = maybe\n", "neither true nor false");
    refuse(t, "[log]\nmax_file = -1\n", "not a number");
    refuse(t, "[log]\nmax_size = much\n", "not a size such as 20m");
    refuse(t, "[engine]\nlog_level = loud\n", "none of error, warn, info, debug");
    refuse(t, "[engine]\nnonsense\n", where);
    refuse(t, "[paint.red]\na = b\n", "'paint' is not a kind of driver");
    t->args.file = "/nonexistent/davit.ini";
    refuse(t, "", "/nonexistent/davit.ini");
}

static void sets_that_are_no_sets(void **state)
{
    static const char *const sets[] = { "x", "a=b", "=", "engine=b", "engine.=b" };
    struct test *t = *state;

    for (size_t i = 0; i < N(sets); i++) {
        dv_strv_done(&t->args.sets);
        assert_int_equal(dv_strv_add(&t->args.sets, sets[i]), 0);
        refuse(t, "", "--set");
    }
}

/* The library would cut the line in two, and take an indented one for more of the value before. */
static void lines_that_would_be_misread(void **state)
{
    static const char head[] = "[engine]\nuserns_remap = ";
    struct test *t = *state;
    char text[1024];
    size_t n = strlen(head);

    memcpy(text, head, n);
    memset(text + n, 'x', 400);
    text[9 + 198] = '\0';
    read_ok(t, text);
    assert_int_equal(strlen(t->config.engine.userns_remap), 9 + 198 - n);
    text[9 + 198] = 'x';
    text[9 + 199] = '\0';
    refuse(t, text, ":2: the line is longer than 198 bytes");
    refuse(t, "[engine]\nroot = /x\n  log_level = debug\n", ":3: the line is indented");
    read_ok(t, "[engine]\r\nroot = /x\r\n\t \r\n  ; a comment\r\n\n\n");
    assert_string_equal(t->config.engine.root, "/x");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(another_root_has_names_of_its_own),
        TEST(the_command_line_wins),
        TEST(lists_and_sizes),
        TEST(plugins_from_outside),
        TEST(one_name_twice),
        TEST(tells_all_mistakes),
        TEST(names_what_is_wrong),
        TEST(sets_that_are_no_sets),
        TEST(lines_that_would_be_misread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
