/* container_etc_files.c - tests of a container's hosts, hostname and resolv.conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/container/internal.h"
#include "core/container/spec_parts.h"
#include "core/daemon/engine.h"
#include "core/network/network.h"

static struct dv_endpoint_view endpoints[2];
static size_t n_endpoints;

size_t dv_endpoint_list(struct dv_net *net, const char *container_id, struct dv_endpoint_view **ret)
{
    (void)net;
    (void)container_id;
    *ret = calloc(n_endpoints + 1, sizeof(**ret));
    assert_non_null(*ret);
    memcpy(*ret, endpoints, n_endpoints * sizeof(**ret));
    return n_endpoints;
}

char *dv_spec_hostname(struct dv_container *c)
{
    return dv_strdup(c->config->hostname);
}

static struct dv_container *net_owner; /* NULL: each its own */

struct dv_container *dv_container_net_owner(struct dv_container *c)
{
    return net_owner ? net_owner : c;
}

struct dv_container *dv_container_unref(struct dv_container *c)
{
    (void)c;
    return NULL;
}

struct test {
    char dir[64];
    int fd;
    struct dv_engine engine;
    struct dv_containers cs;
    struct dv_container_config config;
    struct dv_container c;
};

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    static char hostname[] = "box";

    if (!t)
        return -1;
    snprintf(t->dir, sizeof(t->dir), "/tmp/davit-etc.XXXXXX");
    if (!mkdtemp(t->dir))
        return -1;
    t->fd = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->cs.engine = &t->engine;
    t->config.hostname = hostname;
    t->c.cs = &t->cs;
    t->c.config = &t->config;
    n_endpoints = 0;
    memset(endpoints, 0, sizeof(endpoints));
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;
    struct dv_error err = { 0 };

    dv_strv_done(&t->config.extra_hosts);
    dv_strv_done(&t->config.dns);
    dv_strv_done(&t->config.dns_search);
    dv_strv_done(&t->config.dns_options);
    close(t->fd);
    (void)!dv_remove_tree(AT_FDCWD, t->dir, &err);
    free(t);
    return 0;
}

static void write_all(struct test *t)
{
    struct dv_error err = { 0 };

    if (dv_etc_files_write(&t->c, t->fd, &err) < 0)
        fail_msg("%s", err.msg);
}

static char *text_of(struct test *t, const char *name)
{
    struct dv_error err = { 0 };
    char *text = NULL;

    assert_int_equal(dv_read_file(t->fd, name, 1 << 20, &text, NULL, &err), 0);
    return text;
}

static void assert_has(struct test *t, const char *name, const char *line)
{
    dv_autofree char *text = text_of(t, name);

    if (!strstr(text, line))
        fail_msg("%s lacks '%s':\n%s", name, line, text);
}

static void assert_lacks(struct test *t, const char *name, const char *line)
{
    dv_autofree char *text = text_of(t, name);

    if (strstr(text, line))
        fail_msg("%s has '%s':\n%s", name, line, text);
}

static void names_the_container(void **state)
{
    struct test *t = *state;
    char domain[] = "example.org";
    struct stat st;

    n_endpoints = 2;
    snprintf(endpoints[0].ip, sizeof(endpoints[0].ip), "172.17.0.2");
    snprintf(endpoints[0].gateway, sizeof(endpoints[0].gateway), "172.17.0.1");
    assert_int_equal(dv_strv_add(&t->config.extra_hosts, "db:10.0.0.1"), 0);
    assert_int_equal(dv_strv_add(&t->config.extra_hosts, "six=fd00::1"), 0);
    assert_int_equal(dv_strv_add(&t->config.extra_hosts, "host:host-gateway"), 0);
    write_all(t);
    assert_has(t, "hostname", "box\n");
    assert_has(t, "hosts", "127.0.0.1\tlocalhost\n");
    assert_has(t, "hosts", "10.0.0.1\tdb\n");
    assert_has(t, "hosts", "fd00::1\tsix\n");
    assert_has(t, "hosts", "172.17.0.1\thost\n");
    assert_has(t, "hosts", "172.17.0.2\tbox\n");
    assert_int_equal(fstatat(t->fd, "hosts", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0644);

    t->config.domainname = domain;
    write_all(t); /* at each start anew */
    assert_has(t, "hosts", "172.17.0.2\tbox.example.org box\n");
    assert_lacks(t, "hosts", "172.17.0.2\tbox\n");
}

static void refuses_what_it_cannot_name(void **state)
{
    struct test *t = *state;
    struct dv_error err = { 0 };

    assert_int_equal(dv_strv_add(&t->config.extra_hosts, "host:host-gateway"), 0);
    assert_int_equal(dv_etc_files_write(&t->c, t->fd, &err), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "host-gateway"));
}

static void shares_the_hosts_names(void **state)
{
    struct test *t = *state;
    char mode[] = "host";
    dv_autofree char *hosts = NULL, *ours = NULL;
    struct dv_error err = { 0 };

    t->config.network_mode = mode;
    write_all(t);
    if (dv_read_file(AT_FDCWD, "/etc/hosts", 1 << 20, &hosts, NULL, &err) < 0)
        skip();
    ours = text_of(t, "hosts");
    assert_string_equal(ours, hosts);
}

static void keeps_only_servers_that_are_reached(void **state)
{
    struct test *t = *state;

    write_all(t);
    assert_has(t, "resolv.conf", "nameserver ");
    assert_lacks(t, "resolv.conf", "nameserver 127.");
}

static void options_replace_the_hosts(void **state)
{
    struct test *t = *state;
    dv_autofree char *text = NULL;

    assert_int_equal(dv_strv_add(&t->config.dns, "10.9.9.9"), 0);
    assert_int_equal(dv_strv_add(&t->config.dns, "fd00::9"), 0);
    assert_int_equal(dv_strv_add(&t->config.dns_search, "a.example"), 0);
    assert_int_equal(dv_strv_add(&t->config.dns_search, "b.example"), 0);
    assert_int_equal(dv_strv_add(&t->config.dns_options, "ndots:2"), 0);
    write_all(t);
    text = text_of(t, "resolv.conf");
    assert_int_equal(strncmp(text, "nameserver 10.9.9.9\nnameserver fd00::9\n", 39), 0);
    assert_null(strstr(text + 39, "nameserver"));
    assert_non_null(strstr(text, "search a.example b.example\n"));
    assert_non_null(strstr(text, "options ndots:2\n"));

    dv_strv_done(&t->config.dns_search);
    assert_int_equal(dv_strv_add(&t->config.dns_search, "."), 0);
    write_all(t);
    assert_lacks(t, "resolv.conf", "search");
}

/* What the container put in place of its file is not followed. */
static void follows_no_link(void **state)
{
    struct test *t = *state;
    struct dv_error err = { 0 };

    assert_int_equal(symlinkat("/tmp/davit-etc-must-not-appear", t->fd, "hosts"), 0);
    assert_true(dv_etc_files_write(&t->c, t->fd, &err) < 0);
    assert_int_equal(access("/tmp/davit-etc-must-not-appear", F_OK), -1);
}

static void one_who_joins_anothers_network_has_no_files(void **state)
{
    struct test *t = *state;
    struct dv_container other = { 0 };
    struct dv_error err = { 0 };

    net_owner = &other;
    assert_int_equal(dv_etc_files_write(&t->c, t->fd, &err), 0);
    net_owner = NULL;
    assert_int_equal(faccessat(t->fd, "hosts", F_OK, 0), -1);
    assert_int_equal(faccessat(t->fd, "hostname", F_OK, 0), -1);
    assert_int_equal(faccessat(t->fd, "resolv.conf", F_OK, 0), -1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names_the_container),
        TEST(refuses_what_it_cannot_name),
        TEST(shares_the_hosts_names),
        TEST(keeps_only_servers_that_are_reached),
        TEST(options_replace_the_hosts),
        TEST(follows_no_link),
        TEST(one_who_joins_anothers_network_has_no_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
