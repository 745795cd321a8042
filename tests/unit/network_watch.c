/* network_watch.c - the table that others may flush: each change of nftables is looked at, and the table put
 * back, with a firewall that only says what it was asked. Needs root; a network namespace of its own. */
#include "nft_rules.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "core/base/log.h"
#include "core/network/internal.h"

/* ---- the firewall ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool owned, present, install_fails;
static int looked, installed;

static int count(int *what)
{
    int n;

    pthread_mutex_lock(&lock);
    n = ++*what;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return n;
}

bool dv_firewall_is_owned(const struct dv_firewall *fw)
{
    (void)fw;
    return owned;
}
bool dv_firewall_present(struct dv_firewall *fw)
{
    (void)fw;
    count(&looked);
    return present;
}
int dv_net_install_firewall(struct dv_net *net, struct dv_error *err)
{
    (void)net;
    if (install_fails) {
        count(&installed);
        return dv_fail(err, DV_E_UNAVAILABLE, "no nftables");
    }
    present = true;
    count(&installed);
    return 0;
}

/* 5 s at most. */
static bool becomes(const int *what, int n)
{
    struct timespec deadline;
    bool hit;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 5;
    pthread_mutex_lock(&lock);
    while (*what < n && pthread_cond_timedwait(&changed, &lock, &deadline) == 0)
        ;
    hit = *what >= n;
    pthread_mutex_unlock(&lock);
    return hit;
}

/* ---- tests ---- */

static struct dv_net net;

static int set_up(void **state)
{
    (void)state;
    owned = present = install_fails = false;
    looked = installed = 0;
    memset(&net, 0, sizeof(net));
    net.watch_fd = net.watch_stop_fd = -1;
    net.config.nft_table = "davit-unit";
    dv_lock_init(&net.firewall_lock, DV_RANK_QUEUE);
    return unshare(CLONE_NEWNET);
}

static int tear_down(void **state)
{
    (void)state;
    dv_net_watch_stop(&net);
    dv_net_watch_stop(&net); /* stopped already */
    dv_lock_done(&net.firewall_lock);
    return 0;
}

static void start(void)
{
    struct dv_error err = { 0 };

    if (dv_net_watch_start(&net, &err) < 0)
        fail_msg("%s", err.msg);
}

static void puts_back_a_table_that_is_gone(void **state)
{
    (void)state;
    start();
    nft_table(NFPROTO_INET, "somebody's"); /* any change is looked at */
    assert_true(becomes(&installed, 1));
    present = false;
    nft_table(NFPROTO_INET, "another");
    assert_true(becomes(&installed, 2));
}

static void leaves_a_table_that_is_there(void **state)
{
    (void)state;
    present = true;
    start();
    nft_table(NFPROTO_INET, "somebody's");
    assert_true(becomes(&looked, 1));
    assert_int_equal(installed, 0);
}

/* A reload of a ruleset is a thousand events. */
static void looks_once_at_many_changes(void **state)
{
    enum { MANY = 50 };

    (void)state;
    present = true;
    start();
    for (int i = 0; i < MANY; i++) {
        char name[16];

        snprintf(name, sizeof(name), "t%d", i);
        nft_table(NFPROTO_INET, name);
    }
    assert_true(becomes(&looked, 1));
    dv_net_watch_stop(&net);
    assert_true(looked < MANY / 2);
}

static void goes_on_after_a_failure(void **state)
{
    (void)state;
    install_fails = true;
    start();
    nft_table(NFPROTO_INET, "one");
    assert_true(becomes(&installed, 1));
    install_fails = false;
    nft_table(NFPROTO_INET, "two");
    assert_true(becomes(&installed, 2));
}

/* Where the kernel keeps others out there is nothing to watch, and no thread. */
static void watches_nothing_that_is_owned(void **state)
{
    (void)state;
    owned = true;
    start();
    assert_false(net.has_watch);
    assert_int_equal(net.watch_fd, -1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(puts_back_a_table_that_is_gone),
        TEST(leaves_a_table_that_is_there),
        TEST(looks_once_at_many_changes),
        TEST(goes_on_after_a_failure),
        TEST(watches_nothing_that_is_owned),
    };

    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "skipped: network namespaces need root: %s\n", strerror(errno));
        return 77;
    }
    dv_log_set_level(DV_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
