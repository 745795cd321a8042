/* image_work.c - the jobs of the image store: import, cancel, what a worker may do, a killed daemon. */
#include "image_fixture.h"

static char *import_bytes(const struct tar *t, const char *repository, const char *change)
{
    struct dv_image_import request = { .repository = repository, .tag = repository ? "t" : NULL };
    int fd = bytes_fd(t->data, t->len);
    char *id = NULL;

    if (change)
        assert_int_equal(dv_strv_add(&request.changes, change), 0);
    memset(&err, 0, sizeof(err));
    if (dv_image_import(images, fd, -1, &request, &id, &err) < 0)
        id = NULL;
    dv_strv_done(&request.changes);
    close(fd);
    return id;
}

static void imports_every_compression(void **state)
{
    static const char *const filters[] = { NULL, "gzip", "zstd", "bzip2", "xz" };
    dv_autofree char *first_layer = NULL;
    size_t k;

    (void)state;
    NEEDS_ROOT();
    for (k = 0; k < N(filters); k++) {
        dv_auto(dv_image) *image = NULL;
        dv_autofree char *id = NULL;
        struct tar t;

        tar_begin(&t, filters[k]);
        tar_add(&t, "./", 'd');
        tar_add(&t, "./bin/sh", '-', "shell", .mode = 0755);
        tar_end(&t);
        id = import_bytes(&t, "fs", "CMD [\"/bin/sh\"]");
        if (!id)
            fail_msg("%s: %s", filters[k] ? filters[k] : "plain", err.msg);
        assert_int_equal(dv_image_get(images, "fs:t", &image, &err), 0);
        assert_string_equal(image->id, id);
        assert_string_equal(image->cmd.items[0], "/bin/sh");
        assert_string_equal(image->comment, "Imported from -");
        assert_int_equal(image->size_bytes, 5);
        if (k == 0)
            first_layer = dv_strdup(image->diff_ids.items[0]);
        else
            assert_string_equal(image->diff_ids.items[0], first_layer);
        tar_done(&t);
        if (k == 0)
            assert_contains(events, "import sha256:");
        remove_ok(id, true);
    }
    assert_empty_store();
}

static void import_refuses_before_and_after_reading(void **state)
{
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    tar_begin(&t, NULL);
    tar_add(&t, "a", '-', "1");
    tar_end(&t);
    assert_null(import_bytes(&t, "fs", "RUN x"));
    assert_string_equal(err.msg, "RUN is not a valid change command");
    assert_null(import_bytes(&t, "FS", NULL));
    assert_contains(err.msg, "must be lowercase");
    memset(t.data, 'x', t.len);
    assert_null(import_bytes(&t, "fs", NULL));
    assert_empty_store();
    tar_done(&t);
}

static void cancel_ends_a_load_that_waits(void **state)
{
    int p[2], cancel[2];

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    assert_int_equal(dv_image_load(images, p[0], cancel[0], on_message, NULL, &err),
                     -DV_E_CANCELED);
    close(p[0]);
    close(p[1]);
    close(cancel[0]);
    close(cancel[1]);
    assert_empty_store();
}

/* What a kill in the middle leaves: a layer and a blob that no row names, and an intent. */
static void reconcile_removes_what_no_row_names(void **state)
{
    struct dv_strv none = { 0 };
    struct test_image i;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "new");
    load_old(&i, NULL);
    assert_int_equal(dv_db_exec(db, &err, "DELETE FROM image_refs", ""), 0);
    assert_int_equal(dv_db_exec(db, &err, "DELETE FROM image_layers", ""), 0);
    assert_int_equal(dv_db_exec(db, &err, "DELETE FROM images", ""), 0);
    assert_int_equal(dv_db_exec(db, &err, "DELETE FROM layer_storage", ""), 0);
    assert_int_equal(dv_db_exec(db, &err, "DELETE FROM layers", ""), 0);
    assert_int_equal(dv_db_exec(db, &err, "DELETE FROM blobs", ""), 0);
    assert_int_equal(dv_db_exec(db, &err, "INSERT INTO intents (kind, object, created_ns) VALUES"
                                " ('load', 'x', 0)", ""), 0);
    assert_int_equal(count("overlay/layers"), 2);
    close_store();
    open_store("overlay");
    dv_images_reconcile(images, &none);
    assert_empty_store();
    assert_int_equal(count("images/trash"), 4);
    load_old(&i, NULL);
    dv_images_reconcile(images, &none); /* and keeps what has rows */
    check_workspace("app:v1");
    remove_workspace("overlay");
    free_image(&i);
}

/* /proc/PID/NAME of our one child, which must be the worker; its value of FIELD. */
static void child_file(pid_t pid, const char *name, char *out, size_t n)
{
    char path[64];
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, out, n - 1);
    out[got < 0 ? 0 : got] = 0;
    close(fd);
}

struct waiting {
    int body, cancel, r;
    struct dv_error e;
};

static void *load_and_wait(void *arg)
{
    struct waiting *w = arg;

    w->r = dv_image_load(images, w->body, w->cancel, NULL, NULL, &w->e);
    return NULL;
}

static uint64_t status_hex(const char *status, const char *field)
{
    const char *at = strstr(status, field);

    assert_non_null(at);
    return strtoull(at + strlen(field), NULL, 16);
}

/* A worker that waits for its archive has given up everything that it can do without. */
static void worker_owns_next_to_nothing(void **state)
{
    char status[4096], here[64], there_ns[64], path[64];
    struct waiting w = { 0 };
    int body[2], cancel[2], turns;
    pthread_t thread;
    pid_t pid = 0;
    ssize_t n;

    (void)state;
    NEEDS_ROOT();
    assert_int_equal(pipe2(body, O_CLOEXEC), 0);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    w.body = body[0];
    w.cancel = cancel[0];
    assert_int_equal(pthread_create(&thread, NULL, load_and_wait, &w), 0);
    for (turns = 0; turns < 500; turns++) {
        DIR *tasks = opendir("/proc/self/task");
        struct dirent *e;

        while (!pid && (e = readdir(tasks))) {
            char name[300], text[64] = "";

            if (e->d_name[0] == '.')
                continue;
            snprintf(name, sizeof(name), "/proc/self/task/%s/children", e->d_name);
            {
                int fd = open(name, O_RDONLY | O_CLOEXEC);

                n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
                close(fd);
            }
            pid = (pid_t)strtol(text, NULL, 10);
        }
        closedir(tasks);
        if (pid) {
            child_file(pid, "status", status, sizeof(status));
            if (strstr(status, "Seccomp:\t2"))
                break;
        }
        usleep(10000);
    }
    assert_contains(status, "Seccomp:\t2");
    assert_contains(status, "NoNewPrivs:\t1");
    assert_contains(status, "Threads:\t1");
    /* CHOWN DAC_OVERRIDE FOWNER FSETID SETFCAP MKNOD */
    assert_int_equal(status_hex(status, "CapEff:\t") & ~UINT64_C(0x8800001b), 0);
    assert_int_equal(status_hex(status, "CapBnd:\t") & ~UINT64_C(0x8800001b), 0);
    assert_int_equal(status_hex(status, "CapInh:\t"), 0);
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    n = readlink(path, there_ns, sizeof(there_ns) - 1);
    if (n > 0) {
        there_ns[n] = 0;
        n = readlink("/proc/self/ns/net", here, sizeof(here) - 1);
        here[n > 0 ? n : 0] = 0;
        assert_string_not_equal(here, there_ns);
    }
    snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
    {
        DIR *d = opendir(path);
        struct dirent *e;

        while (d && (e = readdir(d)))
            if (e->d_name[0] != '.')
                fail_msg("worker's root holds '%s'", e->d_name);
        if (d)
            closedir(d);
    }
    assert_int_equal(write(cancel[1], "x", 1), 1);
    pthread_join(thread, NULL);
    assert_int_equal(w.r, -DV_E_CANCELED);
    close(body[0]);
    close(body[1]);
    close(cancel[0]);
    close(cancel[1]);
    assert_empty_store();
}

/* davitd and its worker killed at any moment: then all of the image is there, or nothing. */
static void kill_leaves_all_or_nothing(void **state)
{
    struct dv_strv none = { 0 };
    struct test_image i;
    unsigned turn, complete = 0;
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    make_image(&i, "app:v1", "new");
    tar_begin(&t, NULL);
    put_old(&t, &i, "");
    tar_end(&t);
    for (turn = 0; turn < 24; turn++) {
        struct dv_image *image = NULL;
        pid_t child;

        close_store();
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            open_store("overlay");
            (void)!load_bytes(t.data, t.len, &err);
            pause();
        }
        usleep(1000 + turn * 1000);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        memset(&err, 0, sizeof(err));
        open_store("overlay");
        dv_images_reconcile(images, &none);
        if (dv_image_get(images, "app:v1", &image, &err) == 0) {
            complete++;
            dv_image_free(image);
            check_workspace("app:v1");
            remove_workspace("overlay");
            remove_ok("app:v1", false);
        }
        assert_empty_store();
    }
    print_message("killed 24 times, %u had finished\n", complete);
    tar_done(&t);
    free_image(&i);
}

#define O(f) cmocka_unit_test_setup_teardown(f, setup_overlay, teardown)
#define V(f) cmocka_unit_test_setup_teardown(f, setup_vfs, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        O(imports_every_compression),
        O(import_refuses_before_and_after_reading),
        O(cancel_ends_a_load_that_waits),
        O(reconcile_removes_what_no_row_names),
        O(worker_owns_next_to_nothing),
        O(kill_leaves_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, setup_group, remove_dir);
}
