/* container_stop.c - signals, stops, pauses and restarts: what a container is sent and told, with a shim
 * and a control group that only note what they are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>

#include "core/base/loop.h"
#include "core/base/time.h"
#include "core/container/internal.h"
#include "core/container/restart.h"
#include "core/daemon/engine.h"
#include "core/runtime/cgroup.h"

/* ---- what stands in for the rest of the engine ---- */

static struct world {
    int ends_on;                     /* the signal that ends the container; 0: none */
    int shim_fails;                  /* DV_E_* of each request */
    bool ends_unseen;                /* it is down by the time the shim answers */
    int freeze_fails, row_fails, start_fails;
    char log[1024];                  /* what was asked and told, in its order */
    struct dv_container *listed[4];
    size_t n_listed;
} world;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static int starts_again;             /* under log_lock */
static uint64_t last_turn;
static pthread_cond_t started = PTHREAD_COND_INITIALIZER;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
    size_t n;
    va_list ap;

    pthread_mutex_lock(&log_lock);
    n = strlen(world.log);
    va_start(ap, fmt);
    vsnprintf(world.log + n, sizeof(world.log) - n, fmt, ap);
    va_end(ap);
    pthread_mutex_unlock(&log_lock);
}

static void go_down(struct dv_container *c)
{
    dv_lock_take(&c->lock);
    c->status = DV_EXITED;
    pthread_cond_broadcast(&c->changed);
    dv_lock_drop(&c->lock);
}

int dv_shim_request(struct dv_container *c, struct dv_msg_writer *w, const int *fds, size_t n_fds,
                    struct dv_packet *answer, int64_t *exit_code, struct dv_error *err)
{
    struct dv_msg msg;
    int signal;

    (void)fds;
    (void)n_fds;
    (void)answer;
    (void)exit_code;
    assert_int_equal(dv_msg_end(w, err), 0);
    assert_int_equal(dv_msg_parse(w->buf.data, w->buf.len, &msg, err), 0);
    signal = (int)dv_msg_get_u64(&msg, DV_ST_SIGNAL, 0);
    note("%s<%d ", c->name, signal);
    if (world.ends_unseen || signal == world.ends_on)
        go_down(c);
    return world.shim_fails ? dv_fail(err, world.shim_fails, "the shim says no") : 0;
}

int dv_cgroup_freeze(struct dv_cgroups *cg, const char *parent, const char *name, bool frozen,
                     struct dv_error *err)
{
    (void)cg;
    (void)parent;
    (void)name;
    if (frozen)
        note("freeze ");
    return world.freeze_fails ? dv_fail(err, world.freeze_fails, "no freezer") : 0;
}

int dv_cgroup_kill(struct dv_cgroups *cg, const char *parent, const char *name, struct dv_error *err)
{
    (void)cg;
    (void)parent;
    (void)name;
    (void)err;
    note("cgroup-kill ");
    return 0;
}

void dv_container_emit(struct dv_container *c, const char *action, const char *const *extra)
{
    (void)c;
    note("%s%s%s ", action, extra ? "=" : "", extra ? extra[1] : "");
}

int dv_container_row_update(struct dv_container *c, struct dv_error *err)
{
    (void)c;
    note("row ");
    return world.row_fails ? dv_fail(err, world.row_fails, "no database") : 0;
}

int dv_container_start(struct dv_container *c, struct dv_error *err)
{
    assert_true(c->restarting);
    note("start ");
    return world.start_fails ? dv_fail(err, world.start_fails, "no start") : 0;
}

int dv_container_start_again(struct dv_container *c, uint64_t turn, struct dv_error *err)
{
    int fails = world.start_fails;

    (void)c;
    pthread_mutex_lock(&log_lock);
    starts_again++;
    last_turn = turn;
    world.start_fails = 0;
    pthread_cond_broadcast(&started);
    pthread_mutex_unlock(&log_lock);
    return fails ? dv_fail(err, fails, "no start") : 0;
}

struct dv_container *dv_container_ref(struct dv_container *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}
struct dv_container *dv_container_unref(struct dv_container *c)
{
    atomic_fetch_sub(&c->refs, 1);
    return NULL;
}
size_t dv_container_list(struct dv_containers *cs, struct dv_container ***ret)
{
    (void)cs;
    *ret = calloc(N(world.listed), sizeof(**ret));
    for (size_t i = 0; i < world.n_listed; i++)
        (*ret)[i] = dv_container_ref(world.listed[i]);
    return world.n_listed;
}
void dv_waiters_fire(struct dv_container *c, enum dv_wait_for upto)
{
    (void)c;
    (void)upto;
    note("waiters ");
}
void dv_pending_close(struct dv_container *c)
{
    (void)c;
}
void dv_followers_end(struct dv_container *c)
{
    (void)c;
}

/* ---- containers ---- */

static struct dv_engine engine;
static struct dv_containers store;

struct thing {
    struct dv_container_config config;
    struct dv_container c;
};

static struct dv_container *make(const char *name, enum dv_status status, const char *policy)
{
    struct thing *t = calloc(1, sizeof(*t));
    struct dv_container *c = &t->c;

    assert_non_null(t);
    t->config.restart_name = (char *)policy;
    c->config = &t->config;
    c->cs = &store;
    c->name = (char *)name;
    snprintf(c->id, sizeof(c->id), "%s", name);
    atomic_init(&c->refs, 1);
    dv_lock_init(&c->lock, DV_RANK_OBJECT);
    dv_cond_init(&c->changed);
    c->status = status;
    world.log[0] = '\0';
    return c;
}

static void drop(struct dv_container *c)
{
    assert_int_equal(atomic_load(&c->refs), 1); /* nobody forgot his reference */
    pthread_cond_destroy(&c->changed);
    dv_lock_done(&c->lock);
    free((char *)c - offsetof(struct thing, c));
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    memset(&store, 0, sizeof(store));
    store.engine = &engine;
    return 0;
}

static void assert_log(const char *wanted)
{
    if (strcmp(world.log, wanted) != 0)
        fail_msg("'%s' instead of '%s'", world.log, wanted);
}

/* ---- stop ---- */

static void stops_by_the_signal_that_is_wanted(void **state)
{
    static const struct {
        const char *own;
        int wished, sent;
    } cases[] = {
        { NULL, 0, SIGTERM }, { "", 0, SIGTERM },           { "SIGUSR1", 0, SIGUSR1 },
        { "9", 0, SIGKILL },  { "SIGUSR1", SIGINT, SIGINT }, { "nonsense", 0, SIGTERM },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_container *c = make("c", DV_RUNNING, "no");
        struct dv_error err = { 0 };
        char wanted[100];

        c->config->stop_signal = (char *)cases[i].own;
        world.ends_on = cases[i].sent;
        assert_int_equal(dv_container_stop(c, cases[i].wished, INT64_MIN, &err), 0);
        snprintf(wanted, sizeof(wanted), "kill=%d c<%d stop ", cases[i].sent, cases[i].sent);
        assert_log(wanted);
        assert_true(c->stopped_by_user && c->no_restart);
        drop(c);
    }
}

/* One that does not listen is killed when its time is over; 0 s is at once. */
static void kills_what_does_not_stop(void **state)
{
    struct dv_container *c = make("c", DV_RUNNING, "no");
    struct dv_error err = { 0 };

    (void)state;
    world.ends_on = SIGKILL;
    assert_int_equal(dv_container_stop(c, 0, 0, &err), 0);
    assert_log("kill=15 c<15 kill=9 c<9 stop ");
    drop(c);
    c = make("c", DV_PAUSED, "no"); /* its own time-out */
    c->config->has_stop_timeout = true;
    c->config->stop_timeout = 0;
    assert_int_equal(dv_container_stop(c, 0, INT64_MIN, &err), 0);
    assert_log("kill=15 c<15 kill=9 c<9 stop ");
    drop(c);
}

static void stops_nothing_that_is_down(void **state)
{
    static const enum dv_status down[] = { DV_CREATED, DV_EXITED, DV_DEAD };

    (void)state;
    for (size_t i = 0; i < N(down); i++) {
        struct dv_container *c = make("c", down[i], "always");
        struct dv_error err = { 0 };

        assert_int_equal(dv_container_stop(c, 0, INT64_MIN, &err), -DV_E_NOT_MODIFIED);
        assert_log("");
        assert_false(c->stopped_by_user);
        drop(c);
    }
}

/* It waits for its restart: there is nobody to signal, and no restart any more. */
static void a_stop_gives_up_a_restart(void **state)
{
    struct dv_container *c = make("c", DV_RESTARTING, "always");
    struct dv_error err = { 0 };
    uint64_t turn = c->restart_turn;

    (void)state;
    assert_int_equal(dv_container_stop(c, 0, INT64_MIN, &err), 0);
    assert_log("row row waiters stop "); /* who stopped it, then that it stays so */
    assert_int_equal(c->status, DV_EXITED);
    assert_int_not_equal(c->restart_turn, turn);
    drop(c);
}

/* ---- kill ---- */

/* Docker's rule: every signal ends the restarts, but where a stop signal is set only that and KILL do. */
static void a_kill_ends_restarts_by_docker_s_rule(void **state)
{
    static const struct {
        const char *own;
        int signal;
        bool ends;
    } cases[] = {
        { NULL, SIGHUP, true },       { "", SIGTERM, true },         { "SIGUSR1", SIGHUP, false },
        { "SIGUSR1", SIGUSR1, true }, { "SIGUSR1", SIGKILL, true },  { "USR1", SIGTERM, false },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_container *c = make("c", DV_RUNNING, "always");
        struct dv_error err = { 0 };

        c->config->stop_signal = (char *)cases[i].own;
        world.ends_on = SIGKILL;
        assert_int_equal(dv_container_kill(c, cases[i].signal, &err), 0);
        if (c->no_restart != cases[i].ends)
            fail_msg("case %zu", i);
        assert_true(c->stopped_by_user);
        drop(c);
    }
}

static void kills_one_that_runs_only(void **state)
{
    struct dv_container *c = make("c", DV_EXITED, "no");
    struct dv_error err = { 0 };

    (void)state;
    assert_int_equal(dv_container_kill(c, SIGTERM, &err), -DV_E_CONFLICT);
    assert_non_null(strstr(err.msg, "is not running"));
    assert_log("");
    drop(c);
    c = make("c", DV_RESTARTING, "always");
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_container_kill(c, SIGTERM, &err), 0);
    assert_int_equal(c->status, DV_EXITED);
    drop(c);
}

/* It ended between the look and the signal: whoever wanted it killed has what he wanted. */
static void an_end_under_way_is_no_failure_of_a_kill(void **state)
{
    struct dv_container *c = make("c", DV_RUNNING, "no");
    struct dv_error err = { 0 };

    (void)state;
    world.shim_fails = DV_E_CONFLICT;
    world.ends_unseen = true;
    assert_int_equal(dv_container_kill(c, SIGKILL, &err), 0);
    drop(c);
    c = make("c", DV_RUNNING, "no");
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_container_kill(c, SIGUSR1, &err), -DV_E_CONFLICT);
    drop(c);
    world.ends_unseen = false;
    c = make("c", DV_RUNNING, "no");
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_container_kill(c, SIGUSR1, &err), -DV_E_CONFLICT);
    assert_int_equal(c->status, DV_RUNNING);
    drop(c);
}

/* ---- pause ---- */

static void pauses_and_lets_go_on(void **state)
{
    static const struct {
        enum dv_status from;
        bool pause;
        enum dv_status to;
        const char *text;            /* of the refusal; NULL: none */
    } cases[] = {
        { DV_RUNNING, true, DV_PAUSED, NULL },
        { DV_PAUSED, false, DV_RUNNING, NULL },
        { DV_PAUSED, true, DV_PAUSED, "is already paused" },
        { DV_RUNNING, false, DV_RUNNING, "is not paused" },
        { DV_EXITED, true, DV_EXITED, "is not running" },
        { DV_RESTARTING, true, DV_RESTARTING, "is restarting, wait" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_container *c = make("c", cases[i].from, "no");
        struct dv_error err = { 0 };
        int r = dv_container_pause(c, cases[i].pause, &err);

        assert_int_equal(r, cases[i].text ? -DV_E_CONFLICT : 0);
        if (cases[i].text)
            assert_non_null(strstr(err.msg, cases[i].text));
        assert_int_equal(c->status, cases[i].to);
        assert_null(c->busy);
        drop(c);
    }
}

static void a_freezer_that_fails_changes_nothing(void **state)
{
    struct dv_container *c = make("c", DV_RUNNING, "no");
    struct dv_error err = { 0 };

    (void)state;
    world.freeze_fails = DV_E_UNSUPPORTED;
    assert_int_equal(dv_container_pause(c, true, &err), -DV_E_UNSUPPORTED);
    assert_int_equal(c->status, DV_RUNNING);
    assert_log("freeze ");
    assert_null(c->busy);
    drop(c);
}

/* ---- restart ---- */

static void restarts_one_that_is_down_too(void **state)
{
    struct dv_container *c = make("c", DV_RUNNING, "no");
    struct dv_error err = { 0 };

    (void)state;
    world.ends_on = SIGTERM;
    assert_int_equal(dv_container_restart(c, 0, INT64_MIN, &err), 0);
    assert_log("kill=15 c<15 stop start restart ");
    assert_false(c->restarting);
    world.log[0] = '\0';
    assert_int_equal(dv_container_restart(c, 0, INT64_MIN, &err), 0);
    assert_log("start restart ");
    assert_int_equal(err.code, 0);
    world.start_fails = DV_E_CONFLICT;
    world.log[0] = '\0';
    assert_int_equal(dv_container_restart(c, 0, INT64_MIN, &err), -DV_E_CONFLICT);
    assert_log("start ");
    assert_false(c->restarting);
    drop(c);
}

static void stops_all_side_by_side(void **state)
{
    struct dv_container *a = make("a", DV_RUNNING, "always"), *b = make("b", DV_PAUSED, "no");
    struct dv_container *down = make("x", DV_EXITED, "always");
    const struct world three = { .ends_on = SIGTERM, .listed = { a, down, b }, .n_listed = 3 };

    (void)state;
    world = three;
    dv_containers_stop_all(&store);
    assert_log("a<15 b<15 ");
    assert_false(a->stopped_by_user); /* a policy brings it back with the next daemon */
    assert_true(a->no_restart);
    drop(a);
    drop(b);
    drop(down);
}

/* ---- policies ---- */

static void a_policy_decides_what_follows_an_exit(void **state)
{
    static const struct {
        const char *policy;
        int64_t max, code, count;
        bool by_user, wanted;
    } cases[] = {
        { "no", 0, 1, 0, false, false },
        { "always", 0, 0, 100, false, true },
        { "always", 0, 0, 0, true, true }, /* it is the kill that ends those */
        { "unless-stopped", 0, 1, 0, true, false },
        { "on-failure", 0, 0, 0, false, false },
        { "on-failure", 0, 1, 1000, false, true },
        { "on-failure", 3, 1, 2, false, true },
        { "on-failure", 3, 1, 3, false, false },
        { "garbled", 0, 1, 0, false, false }, /* somebody's hand in the database */
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_container *c = make("c", DV_EXITED, cases[i].policy);
        uint64_t turn = 0;

        c->config->restart_max = cases[i].max;
        c->exit_code = cases[i].code;
        c->restart_count = cases[i].count;
        c->stopped_by_user = cases[i].by_user;
        if (dv_restart_begin(c, &turn) != cases[i].wanted)
            fail_msg("case %zu", i);
        assert_int_equal(c->status, cases[i].wanted ? DV_RESTARTING : DV_EXITED);
        assert_int_equal(c->restart_count, cases[i].count + cases[i].wanted);
        drop(c);
    }
}

static void nothing_is_restarted_against_somebody_s_will(void **state)
{
    struct dv_container *c = make("c", DV_EXITED, "always");
    bool *const reasons[] = { &c->no_restart, &c->restarting, &c->removed };
    uint64_t turn = 0;

    (void)state;
    for (size_t i = 0; i < N(reasons); i++) {
        *reasons[i] = true;
        assert_false(dv_restart_begin(c, &turn));
        *reasons[i] = false;
    }
    assert_true(dv_restart_begin(c, &turn));
    assert_int_equal(turn, c->restart_turn);
    drop(c);
}

static void a_new_daemon_brings_back_what_docker_would(void **state)
{
    static const struct {
        enum dv_status status;
        const char *policy;
        bool ran, by_user, wanted;
    } cases[] = {
        { DV_EXITED, "always", true, true, true },       /* though it was stopped */
        { DV_EXITED, "always", true, false, true },
        { DV_EXITED, "always", false, false, false },        /* created, never started */
        { DV_EXITED, "unless-stopped", true, true, false },
        { DV_EXITED, "unless-stopped", true, false, true },
        { DV_EXITED, "on-failure", true, false, false },
        { DV_RESTARTING, "on-failure", true, false, true },  /* its restart was under way */
        { DV_RUNNING, "always", true, false, false },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct dv_container *c = make("c", cases[i].status, cases[i].policy);
        uint64_t turn = 0;

        c->started_ns = cases[i].ran;
        c->stopped_by_user = cases[i].by_user;
        c->exit_code = 1;
        if (dv_restart_found(c, &turn) != cases[i].wanted)
            fail_msg("case %zu", i);
        drop(c);
    }
}

/* ---- the waiting between two runs ---- */

static void *run_loop(void *loop)
{
    struct dv_error err = { 0 };

    assert_int_equal(dv_loop_run(loop, &err), 0);
    return NULL;
}

static bool starts_become(int n)
{
    struct timespec deadline;
    bool hit;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 10;
    pthread_mutex_lock(&log_lock);
    while (starts_again < n && pthread_cond_timedwait(&started, &log_lock, &deadline) == 0)
        ;
    hit = starts_again == n;
    pthread_mutex_unlock(&log_lock);
    return hit;
}

static void stop_loop(void *loop)
{
    dv_loop_stop(loop);
}

static void a_restart_comes_in_its_time(void **state)
{
    struct dv_container *c = make("c", DV_EXITED, "always"), *late = make("late", DV_EXITED, "always");
    struct dv_error err = { 0 };
    uint64_t turn = 0, other = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(dv_loop_new(&engine.loop, &err), 0);
    assert_int_equal(dv_restarts_open(&store, &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, engine.loop), 0);
    assert_true(dv_restart_begin(c, &turn));
    assert_true(c->restart_delay_ns > 0);
    dv_restart_schedule(c, turn);
    assert_true(starts_become(1));
    assert_int_equal(last_turn, turn);
    /* One that another operation is in the way of is tried again. */
    world.start_fails = DV_E_CONFLICT;
    dv_restart_schedule(c, turn);
    assert_true(starts_become(3));
    /* One that waits when the daemon goes is left to the next one. */
    assert_true(dv_restart_begin(late, &other));
    late->restart_delay_ns = UINT64_C(3600) * 1000000000;
    dv_restart_schedule(late, other);
    dv_loop_post(engine.loop, stop_loop, engine.loop);
    pthread_join(thread, NULL);
    dv_restarts_close(&store);
    assert_int_equal(starts_again, 3);
    dv_loop_free(engine.loop);
    drop(c);
    drop(late);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        TEST(stops_by_the_signal_that_is_wanted),
        TEST(kills_what_does_not_stop),
        TEST(stops_nothing_that_is_down),
        TEST(a_stop_gives_up_a_restart),
        TEST(a_kill_ends_restarts_by_docker_s_rule),
        TEST(kills_one_that_runs_only),
        TEST(an_end_under_way_is_no_failure_of_a_kill),
        TEST(pauses_and_lets_go_on),
        TEST(a_freezer_that_fails_changes_nothing),
        TEST(restarts_one_that_is_down_too),
        TEST(stops_all_side_by_side),
        TEST(a_policy_decides_what_follows_an_exit),
        TEST(nothing_is_restarted_against_somebody_s_will),
        TEST(a_new_daemon_brings_back_what_docker_would),
        TEST(a_restart_comes_in_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
