/* Tests of core/volume: rows and directories, uses, first files, what a kill leaves. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/time.h"
#include "core/state/db.h"
#include "core/volume/volume.h"

struct fixture {
    char root[32];
    int root_fd;
    struct dv_db *db;
    struct dv_volumes *vs;
    struct dv_error err;
    char event[300];
};

static void on_event(void *arg, const char *action, const char *name)
{
    struct fixture *f = arg;

    snprintf(f->event, sizeof(f->event), "%s %s", action, name);
}

static void open_store(struct fixture *f)
{
    dv_autofree char *path = dv_format("%s/davit.db", f->root);
    struct dv_volumes_config config = { .root_fd = f->root_fd, .root = f->root, .event = on_event,
                                        .event_arg = f };

    assert_int_equal(dv_db_open(path, &f->db, &f->err), 0);
    config.db = f->db;
    if (dv_volumes_open(&config, &f->vs, &f->err) < 0)
        fail_msg("%s", f->err.msg);
}

static void close_store(struct fixture *f)
{
    dv_volumes_close(f->vs);
    dv_db_close(f->db);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->root, sizeof(f->root), "/tmp/davit-unit.XXXXXX");
    assert_non_null(mkdtemp(f->root));
    f->root_fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    open_store(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close_store(f);
    dv_error_clear(&f->err);
    assert_int_equal(dv_remove_tree(AT_FDCWD, f->root, &f->err), 0);
    dv_close(f->root_fd);
    free(f);
    return 0;
}

static int make(struct fixture *f, const char *name, const char *container, char out[256])
{
    const struct dv_volume_req req = { .name = name, .container_id = container };

    dv_error_clear(&f->err);
    return dv_volume_create(f->vs, &req, out, &f->err);
}

static bool there(struct fixture *f, const char *path)
{
    return faccessat(f->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put(struct fixture *f, const char *path)
{
    dv_autoclose int fd = openat(f->root_fd, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
}

/* The janitor deletes in its own time. */
static bool goes(struct fixture *f, const char *path)
{
    for (int i = 0; i < 200 && there(f, path); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    return !there(f, path);
}

static void makes_and_removes(void **state)
{
    struct fixture *f = *state;
    struct dv_volume_view view;
    char name[256];

    assert_int_equal(make(f, "data", NULL, name), 0);
    assert_string_equal(name, "data");
    assert_string_equal(f->event, "create data");
    assert_true(there(f, "volumes/data/_data"));
    f->event[0] = '\0';
    assert_int_equal(make(f, "data", NULL, name), 0);
    assert_string_equal(f->event, "");
    assert_int_equal(dv_volume_look(f->vs, "data", &view, &f->err), 0);
    assert_false(view.anonymous);
    assert_int_equal(view.n_uses, 0);
    assert_string_equal(view.labels_json, "null");
    dv_volume_view_done(&view);

    assert_int_equal(dv_volume_remove(f->vs, "data", false, &f->err), 0);
    assert_string_equal(f->event, "destroy data");
    assert_true(goes(f, "volumes/data"));
    assert_int_equal(dv_volume_look(f->vs, "data", &view, &f->err), -DV_E_NOT_FOUND);
    assert_string_equal(f->err.msg, "get data: no such volume");
    dv_error_clear(&f->err);
    assert_int_equal(dv_volume_remove(f->vs, "data", true, &f->err), 0);
}

static void checks_names_and_options(void **state)
{
    static const struct {
        const char *name, *driver, *options;
        int code;
    } cases[] = {
        { "a", NULL, NULL, DV_E_INVALID },      { "../x", NULL, NULL, DV_E_INVALID },
        { ".hidden", NULL, NULL, DV_E_INVALID }, { "a b", NULL, NULL, DV_E_INVALID },
        { "ok", "nfs", NULL, DV_E_NOT_FOUND },  { "ok", "local", "{\"o\":\"x\"}", DV_E_UNSUPPORTED },
        { "ok", "", "{\"x\":\"y\"}", DV_E_INVALID },
    };
    struct fixture *f = *state;
    char name[256];

    for (size_t i = 0; i < N(cases); i++) {
        const struct dv_volume_req req = { .name = cases[i].name, .driver = cases[i].driver,
                                           .options_json = cases[i].options };

        dv_error_clear(&f->err);
        assert_int_equal(dv_volume_create(f->vs, &req, name, &f->err), -cases[i].code);
    }
    assert_false(there(f, "volumes/ok"));
}

static void container_row(struct fixture *f, const char *id)
{
    assert_int_equal(dv_db_exec(f->db, &f->err,
                                "INSERT INTO containers (id, name, created_ns, image_id, image_name,"
                                " storage_driver, config_json, argv_json, status)"
                                " VALUES (?, ?, 1, '', '', '', '{}', '[]', 0)", "ss", id, id), 0);
}

static void counts_uses(void **state)
{
    struct fixture *f = *state;
    char anon[256], name[256];
    dv_autostrv gone = { 0 };

    assert_int_equal(make(f, "shared", "c1", name), 0);
    assert_int_equal(make(f, "shared", "c2", name), 0);
    assert_int_equal(make(f, NULL, "c1", anon), 0);
    assert_int_equal(strlen(anon), 64);
    assert_int_equal(dv_volume_remove(f->vs, "shared", false, &f->err), -DV_E_CONFLICT);
    assert_string_equal(f->err.msg, "remove shared: volume is in use - [c1, c2]");
    dv_error_clear(&f->err);
    /* Somebody else has the anonymous one too: it stays. */
    assert_int_equal(make(f, anon, "c2", name), 0);
    assert_int_equal(dv_volumes_release(f->vs, "c1", true, &gone, &f->err), 0);
    assert_int_equal(gone.n, 0);
    assert_int_equal(dv_volumes_release(f->vs, "c2", true, &gone, &f->err), 0);
    assert_int_equal(gone.n, 1);
    assert_string_equal(gone.items[0], anon);
    dv_volumes_discard(f->vs, &gone);
    assert_int_equal(dv_volume_remove(f->vs, "shared", false, &f->err), 0);
}

static void fills_once(void **state)
{
    struct fixture *f = *state;
    struct dv_volume_fill fill;
    char name[256];

    assert_int_equal(make(f, "vol", "c1", name), 0);
    assert_int_equal(dv_volume_fill(f->vs, "vol", "c1", &fill, &f->err), 1);
    assert_true(fill.staged);
    put(f, "volumes/vol/_fill/file");
    assert_false(there(f, "volumes/vol/_data/file"));
    assert_int_equal(dv_volume_filled(f->vs, &fill, true, &f->err), 0);
    assert_true(there(f, "volumes/vol/_data/file"));
    assert_false(there(f, "volumes/vol/_fill"));
    assert_int_equal(dv_volume_fill(f->vs, "vol", "c1", &fill, &f->err), 0);
    /* One that fails leaves nothing. */
    assert_int_equal(make(f, "bad", "c1", name), 0);
    assert_int_equal(dv_volume_fill(f->vs, "bad", "c1", &fill, &f->err), 1);
    put(f, "volumes/bad/_fill/file");
    assert_int_equal(dv_volume_filled(f->vs, &fill, false, &f->err), 0);
    assert_false(there(f, "volumes/bad/_fill"));
    assert_false(there(f, "volumes/bad/_data/file"));
    /* A directory that somebody may have mounted is not replaced. */
    assert_int_equal(make(f, "bad", "c2", name), 0);
    assert_int_equal(dv_volume_fill(f->vs, "bad", "c1", &fill, &f->err), 1);
    assert_false(fill.staged);
    assert_int_equal(dv_volume_filled(f->vs, &fill, true, &f->err), 0);
}

static void undoes_what_a_kill_left(void **state)
{
    struct fixture *f = *state;
    struct dv_volume_view *list = NULL;
    char anon[256], kept[256], name[256];
    size_t n;

    container_row(f, "there");
    assert_int_equal(make(f, NULL, "there", kept), 0);
    assert_int_equal(make(f, NULL, "never-recorded", anon), 0);
    assert_int_equal(make(f, "named", "never-recorded", name), 0);
    assert_int_equal(mkdirat(f->root_fd, "volumes/stray", 0700), 0);
    assert_int_equal(mkdirat(f->root_fd, "volumes/named/_fill", 0700), 0);
    close_store(f);
    open_store(f);
    assert_int_equal(dv_volume_list(f->vs, &list, &n, &f->err), 0);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++)
        assert_true(dv_streq(list[i].name, kept) || dv_streq(list[i].name, "named"));
    dv_volume_views_free(list, n);
    assert_false(there(f, "volumes/stray"));
    assert_false(there(f, "volumes/named/_fill"));
    assert_int_equal(dv_volume_remove(f->vs, "named", false, &f->err), 0);
    assert_int_equal(dv_volume_remove(f->vs, kept, false, &f->err), -DV_E_CONFLICT);
}

/* A lost database must not cost the files, nor their names. */
static void keeps_all_beside_a_fresh_database(void **state)
{
    struct fixture *f = *state;
    char name[256];

    assert_int_equal(make(f, "precious", NULL, name), 0);
    put(f, "volumes/precious/_data/file");
    close_store(f);
    assert_int_equal(unlinkat(f->root_fd, "davit.db", 0), 0);
    open_store(f);
    assert_true(there(f, "volumes/precious/_data/file"));
    assert_int_equal(make(f, "precious", NULL, name), 0);
    assert_true(there(f, "volumes/precious/_data/file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_and_removes, setup, teardown),
        cmocka_unit_test_setup_teardown(checks_names_and_options, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_uses, setup, teardown),
        cmocka_unit_test_setup_teardown(fills_once, setup, teardown),
        cmocka_unit_test_setup_teardown(undoes_what_a_kill_left, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_all_beside_a_fresh_database, setup, teardown),
    };

    return cmocka_run_group_tests_name("volume_store", tests, NULL, NULL);
}
