/* image_usage.c - how much images and writable layers take, and where they lie. */
#include "image_fixture.h"

#define WS "workspace1"

static const char *driver;

static void make_workspace(const char *name)
{
    dv_auto(dv_image) *image = NULL;

    assert_int_equal(dv_image_get(images, name, &image, &err), 0);
    if (dv_workspace_create(images, WS, image, &driver, &err) < 0)
        fail_msg("%s", err.msg);
}

/* The value of KEY among GraphDriver.Data, or NULL. */
static const char *value_of(const struct dv_strv *keys, const struct dv_strv *values,
                            const char *key)
{
    assert_int_equal(keys->n, values->n);
    for (size_t i = 0; i < keys->n; i++)
        if (dv_streq(keys->items[i], key))
            return values->items[i];
    return NULL;
}

static uint64_t workspace_size(void)
{
    uint64_t n = 0;

    memset(&err, 0, sizeof(err));
    if (dv_workspace_size(images, driver, WS, &n, &err) < 0)
        fail_msg("%s", err.msg);
    return n;
}

static void write_file(const char *path, const char *name, size_t n)
{
    dv_autofree char *whole = dv_format("%s/%s", path, name), *text = calloc(1, n);
    dv_autoclose int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(dv_write_all(fd, text, n), 0);
}

/* Layers count each once, however many images have them; "shared" is what others have, too. */
static void adds_up_layers(void **state)
{
    dv_autofree uint64_t *sizes = NULL;
    struct test_image a, b;
    uint64_t bytes = 1;
    size_t n = 0;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_images_layers_size(images, &bytes, &err), 0);
    assert_int_equal(bytes, 0);
    make_image(&a, "app:v1", "one");
    load_old(&a, NULL);
    assert_int_equal(dv_image_layer_sizes(images, a.id, &sizes, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(sizes[0], strlen("#!shell") + strlen("x") + strlen("old"));
    assert_int_equal(sizes[1], strlen("one"));
    assert_int_equal(dv_image_shared_size(images, a.id, &bytes, &err), 0);
    assert_int_equal(bytes, 0);

    make_image(&b, "app:v2", "three");
    load_old(&b, NULL);
    assert_int_equal(dv_image_shared_size(images, a.id, &bytes, &err), 0);
    assert_int_equal(bytes, sizes[0]);
    assert_int_equal(dv_images_layers_size(images, &bytes, &err), 0);
    assert_int_equal(bytes, sizes[0] + strlen("one") + strlen("three"));
    remove_ok("app:v2", false);
    assert_int_equal(dv_image_shared_size(images, a.id, &bytes, &err), 0);
    assert_int_equal(bytes, 0);
    free_image(&a);
    free_image(&b);
}

static void of_no_image_there_is_nothing(void **state)
{
    dv_autostrv keys = { 0 }, values = { 0 };
    uint64_t *sizes = NULL, bytes = 7;
    size_t n = 7;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(dv_image_layer_sizes(images, "sha256:no", &sizes, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_null(sizes);
    assert_int_equal(dv_image_shared_size(images, "sha256:no", &bytes, &err), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(dv_image_paths(images, "sha256:no", &keys, &values, &err), 0);
    assert_int_equal(keys.n, 0);
    bytes = 7;
    assert_true(dv_workspace_size(images, "overlay", "nosuch", &bytes, &err) < 0);
    assert_contains(err.msg, "measure workspace nosuch");
    assert_int_equal(bytes, 7);
    memset(&err, 0, sizeof(err));
    assert_true(dv_workspace_paths(images, "overlay", "nosuch", &keys, &values, &err) < 0);
    assert_contains(err.msg, "look at workspace nosuch");
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_workspace_size(images, "btrfs", "nosuch", &bytes, &err),
                     -DV_E_NOT_FOUND);
    assert_contains(err.msg, "btrfs");
    assert_int_equal(keys.n, 0);
}

/* Only what the container wrote, though vfs has the image's files in the same directory. */
static void measures_what_was_written(const char *data_key)
{
    dv_autostrv keys = { 0 }, values = { 0 };
    struct test_image i;
    uint64_t before;
    const char *path;

    make_image(&i, "app:v1", "one");
    load_old(&i, NULL);
    make_workspace("app:v1");
    before = workspace_size();
    assert_int_equal(before, 0);
    assert_int_equal(dv_workspace_paths(images, driver, WS, &keys, &values, &err), 0);
    path = data_key ? value_of(&keys, &values, data_key) : NULL;
    if (path) {
        write_file(path, "mine", 100000);
        assert_int_equal(workspace_size() - before, 100000);
        write_file(path, "mine", 10);
        assert_int_equal(workspace_size() - before, 10);
    }
    remove_workspace(driver);
    free_image(&i);
}

static void measures_an_overlay(void **state)
{
    (void)state;
    NEEDS_ROOT();
    measures_what_was_written("UpperDir");
}

static void measures_a_whole_tree(void **state)
{
    (void)state;
    NEEDS_ROOT();
    measures_what_was_written(NULL);
}

/* As docker inspect shows it: base last, no work directory of an image. */
static void tells_where_an_overlay_lies(void **state)
{
    dv_autostrv keys = { 0 }, values = { 0 }, image_keys = { 0 }, image_values = { 0 };
    dv_autostrv lower = { 0 };
    struct test_image i;
    const char *upper;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "one");
    load_old(&i, NULL);
    make_workspace("app:v1");
    assert_int_equal(dv_image_paths(images, i.id, &image_keys, &image_values, &err), 0);
    upper = value_of(&image_keys, &image_values, "UpperDir");
    assert_non_null(upper);
    assert_int_equal(access(upper, F_OK), 0);
    assert_int_equal(dv_workspace_paths(images, driver, WS, &keys, &values, &err), 0);
    assert_non_null(value_of(&keys, &values, "LowerDir"));
    assert_int_equal(dv_strv_split(&lower, value_of(&keys, &values, "LowerDir"), ':'), 0);
    assert_int_equal(lower.n, 2);
    assert_string_equal(lower.items[0], upper);
    assert_int_equal(access(lower.items[1], F_OK), 0);
    assert_non_null(value_of(&keys, &values, "WorkDir"));
    assert_string_not_equal(value_of(&keys, &values, "UpperDir"), upper);
    remove_workspace(driver);

    close_store(); /* for another driver the image is not unpacked: nothing to tell, no failure */
    open_store("vfs");
    dv_strv_done(&image_keys);
    dv_strv_done(&image_values);
    assert_int_equal(dv_image_paths(images, i.id, &image_keys, &image_values, &err), 0);
    assert_int_equal(image_keys.n, 0);
    assert_int_equal(err.code, 0);
    free_image(&i);
}

#define O(f) cmocka_unit_test_setup_teardown(f, setup_overlay, teardown)
#define V(f) cmocka_unit_test_setup_teardown(f, setup_vfs, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        O(adds_up_layers),
        O(of_no_image_there_is_nothing),
        O(measures_an_overlay),
        V(measures_a_whole_tree),
        O(tells_where_an_overlay_lies),
    };

    return cmocka_run_group_tests(tests, setup_group, remove_dir);
}
