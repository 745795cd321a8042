/* container_volumes.c - which mounts a container ends up with, and which volumes are made for them. */
#include "container_box.h"

#include "core/container/volumes.h"
#include "core/volume/volume.h"

static int set_up(void **state)
{
    struct dv_volumes_config config = { 0 };
    struct dv_error err = { 0 };
    struct box *b;

    if (box_set_up(state) < 0)
        return -1;
    b = *state;
    config.root_fd = b->cs.dirs_fd;
    config.root = b->dir;
    config.db = b->engine.db;
    return dv_volumes_open(&config, &b->engine.volumes, &err);
}

static int tear_down(void **state)
{
    struct box *b = *state;

    dv_volumes_close(b->engine.volumes);
    return box_tear_down(state);
}

/* A container with HOST for its HostConfig and MORE members of the body, its volumes made. */
static struct dv_container *make(struct box *b, const char *name, const char *host, const char *more)
{
    dv_autofree char *body = dv_format("{\"Image\":\"i\",\"HostConfig\":%s%s}", host, more);
    struct dv_container *c = box_make_with(b, name, DV_CREATED, body);
    struct dv_error err = { 0 };

    if (dv_container_volumes_make(c, &err) < 0)
        fail_msg("%s: %s", body, err.msg);
    return c;
}

static const struct dv_mount_point *point(struct dv_container *c, const char *target)
{
    for (size_t i = 0; i < c->config->n_mounts; i++)
        if (dv_streq(c->config->mounts[i].target, target))
            return &c->config->mounts[i];
    fail_msg("nothing at %s", target);
    return NULL;
}

static size_t count_volumes(struct box *b)
{
    struct dv_volume_view *list = NULL;
    struct dv_error err = { 0 };
    size_t n = 0;

    assert_int_equal(dv_volume_list(b->engine.volumes, &list, &n, &err), 0);
    dv_volume_views_free(list, n);
    return n;
}

static void makes_what_the_image_and_the_request_declare(void **state)
{
    struct box *b = *state;
    struct dv_container *c = make(b, "c", "{\"Binds\":[\"named:/n\",\"/host:/bind\"]}",
                                  ",\"Volumes\":{\"/data/\":{},\"rel\":{},\"/n\":{},\"/bind\":{}}");
    const struct dv_mount_point *m = point(c, "/data"); /* images write it with a slash at times */
    dv_autofree char *path = dv_volume_path(b->engine.volumes, "named");

    assert_int_equal(c->config->n_mounts, 4);
    assert_string_equal(m->type, "volume");
    assert_true(dv_is_hex(m->name, 64));
    assert_int_equal(access(m->source, F_OK), 0);
    assert_true(dv_is_hex(point(c, "/rel")->name, 64));
    assert_string_equal(point(c, "/n")->name, "named"); /* asked for: the declaration adds nothing */
    assert_string_equal(point(c, "/n")->source, path);
    assert_string_equal(point(c, "/n")->mode, "z");
    assert_string_equal(point(c, "/bind")->type, "bind");
    assert_true(c->config->mounts_settled);
    assert_int_equal(count_volumes(b), 3);
}

static void undoes_the_anonymous_ones_only(void **state)
{
    struct box *b = *state;
    struct dv_container *c = make(b, "c", "{\"Binds\":[\"named:/n\"]}", ",\"Volumes\":{\"/d\":{}}");
    struct dv_volume_view view;
    struct dv_error err = { 0 };

    assert_int_equal(count_volumes(b), 2);
    dv_container_volumes_undo(c);
    assert_int_equal(count_volumes(b), 1);
    assert_int_equal(dv_volume_look(b->engine.volumes, "named", &view, &err), 0);
    assert_int_equal(view.n_uses, 0);
    dv_volume_view_done(&view);
    dv_container_volumes_undo(c); /* nothing is left to undo */
    assert_int_equal(count_volumes(b), 1);
}

/* --volumes-from: what was asked for here stands before it, of several the last wins. */
static void takes_mounts_of_others(void **state)
{
    struct box *b = *state;
    struct dv_container *c;

    make(b, "one", "{\"Binds\":[\"v1:/a\",\"v1:/b\",\"/host:/c:ro\"],\"Tmpfs\":{\"/t\":\"\"}}", "");
    make(b, "two", "{\"Binds\":[\"v2:/a\",\"v2:/b:ro\"]}", "");
    c = make(b, "c", "{\"Binds\":[\"own:/a\"],\"VolumesFrom\":[\"one\",\"two\"]}", "");
    assert_int_equal(c->config->n_mounts, 3); /* a tmpfs is nobody else's */
    assert_string_equal(point(c, "/a")->name, "own");
    assert_string_equal(point(c, "/b")->name, "v2");
    assert_true(point(c, "/b")->read_only);
    assert_true(point(c, "/b")->no_copy);
    assert_string_equal(point(c, "/c")->source, "/host");
    assert_true(point(c, "/c")->read_only);
    c = make(b, "d", "{\"VolumesFrom\":[\"one:ro\"]}", "");
    assert_true(point(c, "/a")->read_only);
    c = make(b, "e", "{\"VolumesFrom\":[\"one:rw\"]}", "");
    assert_false(point(c, "/a")->read_only);
    assert_true(point(c, "/c")->read_only); /* "rw" gives no more than there was */
}

static void refuses_what_makes_no_sense(void **state)
{
    static const struct {
        const char *host, *more;
        int code;
        const char *text;
    } cases[] = {
        { "{\"VolumesFrom\":[\"\"]}", "", DV_E_INVALID, "cannot be an empty string" },
        { "{\"VolumesFrom\":[\"one:rx\"]}", "", DV_E_INVALID, "invalid mode: rx" },
        { "{\"VolumesFrom\":[\"one:ro:rw\"]}", "", DV_E_INVALID, "invalid mode: ro:rw" },
        { "{\"VolumesFrom\":[\":ro\"]}", "", DV_E_INVALID, "No such container" },
        /* No 404: clients would take it for a missing image, and pull. */
        { "{\"VolumesFrom\":[\"nosuch\"]}", "", DV_E_INVALID, "No such container: nosuch" },
        { "{}", ",\"Volumes\":{\"/\":{}}", DV_E_INVALID, "destination can't be '/'" },
        { "{}", ",\"Volumes\":{\"///\":{}}", DV_E_INVALID, "destination can't be '/'" },
    };
    struct box *b = *state;

    make(b, "one", "{}", "");
    for (size_t i = 0; i < N(cases); i++) {
        dv_autofree char *body = dv_format("{\"Image\":\"i\",\"HostConfig\":%s%s}", cases[i].host,
                                           cases[i].more);
        dv_autofree char *name = dv_format("c%zu", i);
        struct dv_container *c = box_make_with(b, name, DV_CREATED, body);
        struct dv_error err = { 0 };

        if (dv_container_volumes_make(c, &err) != -cases[i].code)
            fail_msg("%s: %s", body, err.msg);
        box_assert_has(err.msg, cases[i].text);
        dv_container_volumes_undo(c);
    }
    assert_int_equal(count_volumes(b), 0);
}

static void volumes_tell_of_their_mounting(void **state)
{
    struct box *b = *state;
    struct dv_container *c = make(b, "c", "{\"Binds\":[\"vol:/n:ro\",\"/host:/bind\"]}", "");
    struct box_events events;

    dv_container_volumes_emit(c, "mount");
    dv_container_volumes_emit(c, "unmount");
    box_events(b, &events);
    box_assert_has(events.text, "destination=/n driver=local propagation= read/write=false\n");
    box_assert_has(events.text, "volume unmount container=");
    assert_null(strstr(events.text, "bind"));
}

/* A mount that wants no files of the image asks nothing of any driver. */
static void fills_nothing_where_nothing_is_wanted(void **state)
{
    struct box *b = *state;
    struct dv_container *c = make(b, "c", "{\"Binds\":[\"vol:/n:nocopy\",\"/host:/bind\"]}", "");
    struct dv_error err = { 0 };

    assert_int_equal(dv_container_volumes_fill(c, &err), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(makes_what_the_image_and_the_request_declare),
        TEST(undoes_the_anonymous_ones_only),
        TEST(takes_mounts_of_others),
        TEST(refuses_what_makes_no_sense),
        TEST(volumes_tell_of_their_mounting),
        TEST(fills_nothing_where_nothing_is_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
