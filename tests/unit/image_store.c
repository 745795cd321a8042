/* image_store.c - what the image store holds: load, names, layers, workspaces, removal. */
#include "image_fixture.h"

static void life(const char *driver, const char *filter)
{
    dv_auto(dv_image) *image = NULL;
    dv_autofree char *index = NULL, *after = NULL;
    struct test_image i;

    make_image(&i, "app:v1", "new");
    load_old(&i, filter);
    assert_string_equal(said, "Loaded image: app:v1\n");
    assert_contains(events, "load sha256:");
    assert_int_equal(dv_image_get(images, "app:v1", &image, &err), 0);
    assert_string_equal(image->id, i.id);
    assert_int_equal(image->repo_tags.n, 1);
    assert_string_equal(image->repo_tags.items[0], "app:v1");
    assert_string_equal(image->cmd.items[0], "sh");
    assert_string_equal(image->os, "linux");
    assert_int_equal(image->created_ns, 1704164645000000000u);
    assert_int_equal(count("images/blobs/sha256"), 4); /* config, manifest, two layers */
    assert_int_equal(count_rows("SELECT COUNT(*) FROM layer_storage"), 2);
    index = index_text();
    assert_contains(index, "docker.io/library/app:v1");
    check_workspace("app:v1");
    /* The container uses it: force takes the image, its layers stay until the container goes. */
    in_use_answer = true;
    remove_fails("app:v1", false, DV_E_CONFLICT, "conflict: unable to remove repository reference "
                 "\"app:v1\" (must force) - container c0ffee000000 is using its referenced image ");
    remove_ok("app:v1", true);
    in_use_answer = false;
    assert_int_equal(count("images/blobs/sha256"), 0);
    remove_workspace(driver);
    assert_empty_store();
    after = index_text();
    assert_contains(after, "\"manifests\":[]");
    free_image(&i);
}

static void loads_and_removes_with_overlay(void **state)
{
    (void)state;
    NEEDS_ROOT();
    life("overlay", NULL);
}

static void loads_and_removes_with_vfs(void **state)
{
    (void)state;
    NEEDS_ROOT();
    life("vfs", "gzip");
}

static void loads_both_files_of_a_newer_save(void **state)
{
    char manifest[DV_DIGEST_BYTES], text[1000];
    struct test_image i;
    struct tar t;
    size_t size;
    dv_autofree char *index = NULL;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v2", "new");
    tar_begin(&t, "zstd");
    put_oci_image(&t, &i, manifest, &size);
    put_index(&t, "v2", manifest, size, "", "");
    snprintf(text, sizeof(text),
             "[{\"Config\":\"blobs/sha256/%.64s\",\"RepoTags\":"
             "[\"app:v2\",\"b:x\"],\"Layers\":[\"blobs/sha256/%.64s\",\"blobs/sha256/%.64s\"]}]",
             i.id + 7, i.diff[0] + 7, i.diff[1] + 7);
    tar_add(&t, "manifest.json", '-', text);
    tar_end(&t);
    load_ok(&t);
    assert_string_equal(said, "Loaded image: app:v2\nLoaded image: b:x\n");
    index = index_text();
    assert_contains(index, manifest); /* the source's own, not a generated one */
    remove_ok(i.id, true);
    assert_empty_store();
    tar_done(&t);
    free_image(&i);
}

static void loads_an_oci_layout_and_leaves_others_out(void **state)
{
    char manifest[DV_DIGEST_BYTES];
    struct test_image i;
    struct tar t;
    size_t size;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, NULL, "new");
    tar_begin(&t, NULL);
    put_index(&t, "x", "sha256:0000000000000000000000000000000000000000000000000000000000000000", 1,
              ",\"platform\":{\"os\":\"linux\",\"architecture\":\"sparc\"}", "");
    tar_end(&t);
    assert_int_equal(load_bytes(t.data, t.len, &err), -DV_E_NOT_FOUND);
    assert_contains(err.msg, "no image for linux/");
    assert_contains(said, "Left out sha256:0000");
    tar_done(&t);
    said[0] = 0;
    tar_begin(&t, NULL);
    put_oci_image(&t, &i, manifest, &size);
    put_index(&t, "reg.example/app:z", manifest, size, "", "");
    tar_end(&t);
    load_ok(&t);
    assert_string_equal(said, "Loaded image: reg.example/app:z\n");
    tar_done(&t);
    free_image(&i);
}

static void loads_without_a_name(void **state)
{
    dv_auto(dv_image) *image = NULL;
    struct test_image i;
    char want[200];

    (void)state;
    NEEDS_ROOT();
    make_image(&i, NULL, "new");
    load_old(&i, NULL);
    snprintf(want, sizeof(want), "Loaded image ID: %s\n", i.id);
    assert_string_equal(said, want);
    snprintf(want, sizeof(want), "%.8s", i.id + 7);
    assert_int_equal(dv_image_get(images, want, &image, &err), 0);
    assert_string_equal(image->id, i.id);
    assert_int_equal(dv_image_get(images, "nosuch", &image, &err), -DV_E_NOT_FOUND);
    assert_string_equal(err.msg, "No such image: nosuch:latest");
    assert_int_equal(dv_image_get(images, "Bad", &image, &err), -DV_E_INVALID);
    free_image(&i);
}

static void refused(struct tar *t, const char *text)
{
    memset(&err, 0, sizeof(err));
    tar_end(t);
    assert_int_equal(load_bytes(t->data, t->len, &err), -DV_E_INVALID);
    assert_contains(err.msg, text);
    tar_done(t);
    assert_empty_store();
}

static void refuses_what_does_not_match(void **state)
{
    struct test_image i, broken;
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "new");
    broken = i;
    broken.layers[1] = i.layers[0]; /* a sound tar, but not the one that the config names */
    tar_begin(&t, NULL);
    put_old(&t, &broken, "");
    refused(&t, "layer 2 of 2: layer has the diff id");
    broken = i;
    broken.id[10] = broken.id[10] == 'a' ? 'b' : 'a';
    tar_begin(&t, NULL);
    put_old(&t, &broken, "");
    refused(&t, "image config is sha256:");
    broken = i;
    broken.n = 1;
    tar_begin(&t, NULL);
    put_old(&t, &broken, "");
    refused(&t, "has 1 layers, but its config names 2");
    tar_begin(&t, NULL);
    tar_add(&t, "manifest.json", '-', "[{\"Config\":\"x.json\"}]");
    refused(&t, "lacks the file 'x.json'");
    tar_begin(&t, NULL);
    tar_add(&t, "manifest.json", '-', "{");
    refused(&t, "no JSON document");
    tar_begin(&t, NULL);
    tar_add(&t, "bin/sh", '-', "x");
    refused(&t, "neither manifest.json nor index.json");
    tar_begin(&t, NULL);
    tar_add(&t, "../manifest.json", '-', "x");
    refused(&t, "no usable name");
    tar_begin(&t, NULL);
    tar_add(&t, "a", 'l', "b");
    tar_add(&t, "b", 'l', "a");
    tar_add(&t, "manifest.json", '-', "[{\"Config\":\"a\"}]");
    refused(&t, "lacks the file 'a'");
    assert_string_equal(said, "");
    free_image(&i);
}

static void moves_a_name_and_shares_layers(void **state)
{
    struct test_image a, b;
    char want[400];

    (void)state;
    NEEDS_ROOT();
    make_image(&a, "app:v1", "one");
    make_image(&b, "app:v1", "two");
    load_old(&a, NULL);
    said[0] = 0;
    load_old(&b, NULL);
    snprintf(want, sizeof(want),
             "The image app:v1 already exists, renaming the old one with ID %s to "
             "empty string\nLoaded image: app:v1\n",
             a.id);
    assert_string_equal(said, want);
    assert_int_equal(count_rows("SELECT COUNT(*) FROM layers"), 3); /* the base is shared */
    remove_ok(a.id, false);
    assert_int_equal(count_rows("SELECT COUNT(*) FROM layers"), 2);
    assert_int_equal(count("overlay/layers"), 2);
    check_workspace("app:v1");
    remove_workspace("overlay");
    load_old(&b, "zstd"); /* again: nothing changes */
    remove_ok("app:v1", false);
    assert_empty_store();
    free_image(&a);
    free_image(&b);
}

static void tags_and_untags_as_docker(void **state)
{
    struct test_image i;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "new");
    load_old(&i, NULL);
    assert_int_equal(dv_image_tag(images, "app:v1", "other", &err), 0);
    assert_int_equal(dv_image_tag(images, "nosuch", "x", &err), -DV_E_NOT_FOUND);
    assert_int_equal(dv_image_tag(images, "app:v1", "X", &err), -DV_E_INVALID);
    remove_fails(i.id, false, DV_E_CONFLICT,
                 "(must be forced) - image is referenced in multiple repositories");
    remove_ok("app:v1", false);
    remove_fails("app:v1", false, DV_E_NOT_FOUND, "No such image: app:v1");
    in_use_answer = in_use_running = true;
    remove_fails(i.id, true, DV_E_CONFLICT,
                 "(cannot be forced) - image is being used by running container c0ffee000000");
    in_use_running = false;
    remove_fails(i.id, false, DV_E_CONFLICT, "image is being used by stopped container");
    in_use_answer = false;
    remove_ok(i.id, false);
    assert_contains(events, "untag sha256:");
    assert_contains(events, "delete sha256:");
    assert_empty_store();
    free_image(&i);
}

static void unpacks_for_another_driver_at_first_use(void **state)
{
    struct test_image i;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "new");
    load_old(&i, NULL);
    close_store();
    open_store("vfs");
    assert_int_equal(count("vfs/layers"), 0);
    check_workspace("app:v1");
    assert_int_equal(count("vfs/layers"), 2);
    remove_workspace("vfs");
    remove_ok("app:v1", false);
    assert_empty_store();
    free_image(&i);
}

struct parallel {
    const struct tar *t;
    struct dv_error e;
    int r;
};

static void *load_thread(void *arg)
{
    struct parallel *p = arg;

    p->r = load_bytes(p->t->data, p->t->len, &p->e);
    return NULL;
}

static void loads_the_same_image_many_times_at_once(void **state)
{
    struct parallel p[6];
    pthread_t threads[N(p)];
    struct test_image i;
    struct tar t;
    size_t k;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "new");
    tar_begin(&t, NULL);
    put_old(&t, &i, "");
    tar_end(&t);
    for (k = 0; k < N(p); k++) {
        p[k] = (struct parallel){ .t = &t };
        assert_int_equal(pthread_create(&threads[k], NULL, load_thread, &p[k]), 0);
    }
    for (k = 0; k < N(p); k++) {
        pthread_join(threads[k], NULL);
        if (p[k].r < 0)
            fail_msg("%s", p[k].e.msg);
    }
    assert_int_equal(count("overlay/layers"), 2);
    assert_int_equal(count("overlay/work"), 0);
    check_workspace("app:v1");
    remove_workspace("overlay");
    remove_ok("app:v1", false);
    assert_empty_store();
    tar_done(&t);
    free_image(&i);
}

#define O(f) cmocka_unit_test_setup_teardown(f, setup_overlay, teardown)
#define V(f) cmocka_unit_test_setup_teardown(f, setup_vfs, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        O(loads_and_removes_with_overlay),
        V(loads_and_removes_with_vfs),
        O(loads_both_files_of_a_newer_save),
        O(loads_an_oci_layout_and_leaves_others_out),
        O(loads_without_a_name),
        O(refuses_what_does_not_match),
        V(refuses_what_does_not_match),
        O(moves_a_name_and_shares_layers),
        O(tags_and_untags_as_docker),
        O(unpacks_for_another_driver_at_first_use),
        O(loads_the_same_image_many_times_at_once),
    };

    return cmocka_run_group_tests(tests, setup_group, remove_dir);
}
