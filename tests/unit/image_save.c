/* image_save.c - docker save: what an archive has, what is held meanwhile, how it is cut short. */
#include "image_fixture.h"

#include <poll.h>
#include <signal.h>

enum { BIG_BYTES = 3 << 19 }; /* more than the pipe holds: the worker waits for its reader */

struct bytes {
    char *data;
    size_t len;
};

static int start(const char *name, const char *platform, struct dv_image_save **ret)
{
    dv_autostrv names = { 0 };

    memset(&err, 0, sizeof(err));
    if (name)
        assert_int_equal(dv_strv_split(&names, name, ' '), 0);
    return dv_image_save_start(images, &names, platform, ret, &err);
}

static struct dv_image_save *started(const char *name)
{
    struct dv_image_save *save = NULL;

    if (start(name, NULL, &save) < 0)
        fail_msg("save %s: %s", name, err.msg);
    return save;
}

/* To the pipe's end, or LIMIT. */
static struct bytes drain(struct dv_image_save *save, size_t limit)
{
    struct pollfd p = { .fd = dv_image_save_fd(save), .events = POLLIN };
    struct bytes b = { malloc(BIG_BYTES * 2), 0 };

    assert_non_null(b.data);
    while (b.len < limit) {
        ssize_t n;

        assert_int_equal(poll(&p, 1, 10000), 1);
        n = read(p.fd, b.data + b.len, BIG_BYTES * 2 - b.len);
        if (n == 0)
            break;
        assert_true(n > 0);
        b.len += (size_t)n;
    }
    return b;
}

static struct bytes save_all(const char *names)
{
    struct dv_image_save *save = started(names);
    struct bytes b = drain(save, SIZE_MAX);

    if (dv_image_save_result(save, &err) < 0)
        fail_msg("save %s: %s", names, err.msg);
    dv_image_save_free(save);
    return b;
}

/* The janitor lets go of an ended save in its own time. */
static bool store_empties(void)
{
    for (int i = 0; i < 500 && count("images/blobs/sha256") + count("overlay/layers") > 0; i++)
        usleep(10000);
    return count("images/blobs/sha256") == 0;
}

static void make_big(struct test_image *i, const char *name)
{
    char *text = malloc(BIG_BYTES);

    memset(i, 0, sizeof(*i));
    memset(text, 'x', BIG_BYTES);
    i->name = name;
    tar_add(new_layer(i), "big", '-', text, .text_len = BIG_BYTES);
    finish_image(i, "");
    free(text);
}

/* A repository stands for all its tags; what was saved comes back as it was. */
static void gives_back_what_it_took(void **state)
{
    struct test_image a, b, other;
    struct bytes first, second;

    (void)state;
    NEEDS_ROOT();
    make_image(&a, "app:v1", "one");
    make_image(&b, "app:v2", "two");
    make_image(&other, "apple:v1", "three");
    load_old(&a, NULL);
    load_old(&b, NULL);
    load_old(&other, NULL);
    assert_int_equal(dv_image_tag(images, "app:v1", "app.more:x", &err), 0);
    events[0] = '\0';
    first = save_all("app");
    second = save_all("app:v2 app:v1 app");
    assert_contains(events, "save sha256:");
    assert_int_equal(first.len, second.len); /* an image that is named twice is there once */
    remove_ok(a.id, true);
    remove_ok(b.id, true);
    remove_ok(other.id, true);
    assert_true(store_empties());
    said[0] = '\0';
    load_bytes(first.data, first.len, &err);
    assert_string_equal(said, "Loaded image: app:v1\nLoaded image: app:v2\n");
    remove_ok(a.id, false); /* by its id: it has one name only, and is the same image */
    remove_ok(b.id, false);
    assert_empty_store();
    free(first.data);
    free(second.data);
    free_image(&a);
    free_image(&b);
    free_image(&other);
}

static void an_id_gives_no_name(void **state)
{
    struct test_image i;
    struct bytes b;
    char want[200];

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "one");
    load_old(&i, "gzip");
    b = save_all(i.id);
    remove_ok("app:v1", false);
    assert_true(store_empties());
    said[0] = '\0';
    assert_int_equal(load_bytes(b.data, b.len, &err), 0);
    snprintf(want, sizeof(want), "Loaded image ID: %s\n", i.id);
    assert_string_equal(said, want);
    free(b.data);
    free_image(&i);
}

static void refuses_what_it_cannot_save(void **state)
{
    static const struct {
        const char *names, *platform;
        int code;
        const char *text;
    } cases[] = {
        { NULL, NULL, DV_E_INVALID, "no image was named" },
        { "nosuch", NULL, DV_E_NOT_FOUND, "No such image: nosuch:latest" },
        { "app:v1 nosuch:x", NULL, DV_E_NOT_FOUND, "No such image: nosuch:x" },
        { "app:v2", NULL, DV_E_NOT_FOUND, "No such image: app:v2" },
        { "ap", NULL, DV_E_NOT_FOUND, "No such image: ap:latest" }, /* no repository of that name */
        { "App", NULL, DV_E_INVALID, "must be lowercase" },
        { "app:v1", "linux/arm64", DV_E_NOT_FOUND, "does not provide the specified platform" },
        { "app:v1", "linux/amd", DV_E_NOT_FOUND, "does not provide the specified platform" },
        { "app:v1", "linux/amd64/v3", DV_E_NOT_FOUND, "is for platform linux/amd64" },
    };
    struct dv_image_save *save = NULL;
    struct test_image i;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "one");
    load_old(&i, NULL);
    for (size_t k = 0; k < N(cases); k++) {
        assert_int_equal(start(cases[k].names, cases[k].platform, &save), -cases[k].code);
        assert_contains(err.msg, cases[k].text);
        assert_null(save);
    }
    assert_int_equal(start("app:v1", "linux/amd64", &save), 0);
    dv_image_save_free(save);
    remove_ok("app:v1", false);
    assert_true(store_empties()); /* the refused ones hold nothing */
    free_image(&i);
}

/* A reader who takes his time still gets all of an image that is removed meanwhile. */
static void a_removed_image_stays_until_the_end(void **state)
{
    struct dv_image_save *save;
    struct bytes head, rest;
    struct test_image i;

    (void)state;
    NEEDS_ROOT();
    make_big(&i, "big:1");
    load_old(&i, NULL);
    save = started("big:1");
    head = drain(save, 1);
    remove_ok("big:1", false);
    assert_int_equal(count_rows("SELECT COUNT(*) FROM images"), 0);
    assert_true(count("images/blobs/sha256") > 0);
    rest = drain(save, SIZE_MAX);
    assert_int_equal(dv_image_save_result(save, &err), 0);
    dv_image_save_free(save);
    assert_true(store_empties());
    head.data = realloc(head.data, head.len + rest.len);
    memcpy(head.data + head.len, rest.data, rest.len);
    said[0] = '\0';
    assert_int_equal(load_bytes(head.data, head.len + rest.len, &err), 0);
    assert_string_equal(said, "Loaded image: big:1\n");
    free(head.data);
    free(rest.data);
    free_image(&i);
}

static void a_reader_who_goes_leaves_nothing(void **state)
{
    struct dv_image_save *save;
    struct test_image i;

    (void)state;
    NEEDS_ROOT();
    make_big(&i, "big:1");
    load_old(&i, NULL);
    save = started("big:1");
    free(drain(save, 1).data);
    assert_int_equal(dv_image_save_result(save, &err), -DV_E_INTERNAL); /* it is not over */
    dv_image_save_free(save);
    dv_image_save_free(NULL);
    remove_ok("big:1", false);
    assert_true(store_empties());
    free_image(&i);
}

/* Our one child: the worker. */
static pid_t worker(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *e;
    pid_t pid = 0;

    assert_non_null(tasks);
    while (!pid && (e = readdir(tasks))) {
        char path[300], text[64] = "";
        int fd;

        snprintf(path, sizeof(path), "/proc/self/task/%s/children", e->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
            pid = (pid_t)strtol(text, NULL, 10);
        dv_close(fd);
    }
    closedir(tasks);
    return pid;
}

/* The stream just ends then: only the result tells a whole archive from half of one. */
static void tells_of_a_worker_that_died(void **state)
{
    struct dv_image_save *save;
    struct test_image i;
    pid_t pid;

    (void)state;
    NEEDS_ROOT();
    make_big(&i, "big:1");
    load_old(&i, NULL);
    save = started("big:1");
    free(drain(save, 1).data);
    pid = worker();
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    free(drain(save, SIZE_MAX).data);
    assert_int_equal(dv_image_save_result(save, &err), -DV_E_INTERNAL);
    assert_contains(err.msg, "ended in the middle of an archive");
    dv_image_save_free(save);
    remove_ok("big:1", false);
    assert_true(store_empties());
    free_image(&i);
}

static void blob_path(const char *digest_text, char out[200])
{
    snprintf(out, 200, "%s/images/blobs/sha256/%.64s", root, digest_text + 7);
}

static void tells_of_a_damaged_store(void **state)
{
    struct dv_image_save *save = NULL;
    struct test_image i;
    char path[200];

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "one");
    load_old(&i, NULL);
    blob_path(i.diff[1], path);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(start("app:v1", NULL, &save), -DV_E_INTERNAL);
    assert_contains(err.msg, i.diff[1]);
    assert_contains(err.msg, "has 100 bytes instead of");
    assert_contains(err.msg, "remove the image and load it again");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(start("app:v1", NULL, &save), -DV_E_NOT_FOUND);
    assert_contains(err.msg, "save images: the image store lacks blob");
    remove_ok("app:v1", false);
    said[0] = '\0';
    load_old(&i, NULL); /* as it says */
    free(save_all("app:v1").data);
    free_image(&i);
}

static void cannot_save_what_it_did_not_keep(void **state)
{
    struct dv_image_save *save = NULL;
    struct test_image i;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "one");
    load_old(&i, NULL);
    assert_int_equal(dv_db_exec(db, &err, "DELETE FROM blobs WHERE digest = ?", "s", i.diff[0]), 0);
    assert_int_equal(start("app:v1", NULL, &save), -DV_E_UNSUPPORTED);
    assert_contains(err.msg, "storage.drop_blobs");
    free_image(&i);
}

#define O(f) cmocka_unit_test_setup_teardown(f, setup_overlay, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        O(gives_back_what_it_took),
        O(an_id_gives_no_name),
        O(refuses_what_it_cannot_save),
        O(a_removed_image_stays_until_the_end),
        O(a_reader_who_goes_leaves_nothing),
        O(tells_of_a_worker_that_died),
        O(tells_of_a_damaged_store),
        O(cannot_save_what_it_did_not_keep),
    };

    return cmocka_run_group_tests(tests, setup_group, remove_dir);
}
