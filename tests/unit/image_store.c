/* image_store.c - load, import, tag, rmi and workspaces with the real worker and the real drivers.
 */
#include "plugin_helper.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "core/image/image.h"
#include "core/image/lease.h"
#include "core/plugin/drivers.h"
#include "core/runtime/spec.h"
#include "core/state/db.h"
#include "core/worker/digest.h"
#include "image_tar.h"

static char root[64];
static int root_fd = -1;
static struct dv_db *db;
static struct dv_drivers *drivers;
static struct dv_images *images;
static struct dv_leases *leases;
static struct dv_error err;
static char said[4096], events[4096];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- fixture ---- */

static void on_event(void *arg, const char *action, const char *id, const char *name)
{
    size_t n;

    (void)arg;
    (void)id;
    pthread_mutex_lock(&lock);
    n = strlen(events);
    snprintf(events + n, sizeof(events) - n, "%s %.16s;", action, name);
    pthread_mutex_unlock(&lock);
}

static void on_message(void *arg, const char *text)
{
    size_t n;

    (void)arg;
    pthread_mutex_lock(&lock);
    n = strlen(said);
    snprintf(said + n, sizeof(said) - n, "%s", text);
    pthread_mutex_unlock(&lock);
}

static void add_storage(const char *name)
{
    dv_autofree char *state = dv_format("%s/%s", root, name);
    const struct dv_kv kv[] = { { "state_dir", state } };
    const struct dv_kvs options = { kv, 1 };
    const struct dv_plugin_file file = { .kind = DV_KIND_STORAGE, .name = name, .plugin_dir = dir };

    mkdir(state, 0700);
    dv_drivers_add(drivers, &file, &options);
}

static void open_store(const char *driver)
{
    dv_autofree char *path = dv_format("%s/davit.db", root);
    struct dv_images_config config = { .root_fd = root_fd, .storage_driver = driver,
                                       .worker_path = TEST_BUILD_DIR "/bin/davit-worker",
                                       .plugin_dir = dir, .event = on_event };

    if (dv_db_open(path, &db, &err) < 0 || dv_drivers_new(dir, &drivers, &err) < 0)
        fail_msg("%s", err.msg);
    add_storage("overlay");
    add_storage("vfs");
    if (dv_leases_new(&leases, &err) < 0)
        fail_msg("%s", err.msg);
    config.leases = leases;
    config.db = db;
    config.drivers = drivers;
    if (dv_images_open(&config, &images, &err) < 0)
        fail_msg("%s", err.msg);
}

static void close_store(void)
{
    dv_images_close(images);
    dv_leases_free(leases);
    dv_drivers_free(drivers);
    dv_db_close(db);
    images = NULL;
    drivers = NULL;
    db = NULL;
}

static int setup_driver(const char *driver)
{
    if (geteuid() != 0)
        return 0;
    memset(&err, 0, sizeof(err));
    said[0] = events[0] = 0;
    snprintf(root, sizeof(root), "/var/tmp/davit-images-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    open_store(driver);
    return 0;
}

static int setup_overlay(void **state)
{
    (void)state;
    return setup_driver("overlay");
}

static int setup_vfs(void **state)
{
    (void)state;
    return setup_driver("vfs");
}

static int teardown(void **state)
{
    struct dv_error e = { 0 };

    (void)state;
    if (root_fd < 0)
        return 0;
    if (images)
        close_store();
    close(root_fd);
    root_fd = -1;
    if (dv_remove_tree(AT_FDCWD, root, &e) < 0)
        print_message("%s\n", e.msg);
    return 0;
}

static int setup_group(void **state)
{
    int r = make_dir(state);

    if (r < 0 || geteuid() != 0)
        return r;
    mkdirat(dir_fd, "storage", 0755);
    mkdirat(dir_fd, "registry", 0755);
    copy_plugin("plugins/storage/overlay", "storage/overlay.so", NULL, NULL);
    copy_plugin("plugins/storage/vfs", "storage/vfs.so", NULL, NULL);
    copy_plugin("plugins/registry/archive", "registry/archive.so", NULL, NULL);
    return 0;
}

/* ---- archives ---- */

enum { MAX_L = 4 };
struct test_image {
    const char *name;                   /* NULL: none */
    struct tar layers[MAX_L];
    char diff[MAX_L][DV_DIGEST_BYTES];
    size_t n;
    char config[2048], id[DV_DIGEST_BYTES];
};

static void digest(const void *data, size_t n, char out[DV_DIGEST_BYTES])
{
    assert_int_equal(dv_digest_of(data, n, out, &err), 0);
}

static struct tar *new_layer(struct test_image *i)
{
    struct tar *t = &i->layers[i->n++];

    tar_begin(t, NULL);
    return t;
}

static void finish_image(struct test_image *i, const char *more)
{
    char list[600] = "";
    size_t k;

    for (k = 0; k < i->n; k++) {
        size_t at = strlen(list);

        if (i->layers[k].a)
            tar_end(&i->layers[k]);
        digest(i->layers[k].data, i->layers[k].len, i->diff[k]);
        snprintf(list + at, sizeof(list) - at, "%s\"%s\"", k ? "," : "", i->diff[k]);
    }
    snprintf(i->config, sizeof(i->config),
             "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2024-01-02T03:04:05Z\","
             "\"config\":{\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"]%s},"
             "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}", more, list);
    digest(i->config, strlen(i->config), i->id);
}

/* Two layers: files and links, then a whiteout and an opaque directory. */
static void make_image(struct test_image *i, const char *name, const char *salt)
{
    struct tar *t;

    memset(i, 0, sizeof(*i));
    i->name = name;
    t = new_layer(i);
    tar_add(t, "bin/", 'd');
    tar_add(t, "bin/sh", '-', "#!shell", .mode = 0755);
    tar_add(t, "bin/ls", 'h', "bin/sh");
    tar_add(t, "etc/", 'd');
    tar_add(t, "etc/gone", '-', "x");
    tar_add(t, "data/", 'd');
    tar_add(t, "data/old", '-', "old");
    t = new_layer(i);
    tar_add(t, "etc/.wh.gone", '-');
    tar_add(t, "data/", 'd');
    tar_add(t, "data/.wh..wh..opq", '-');
    tar_add(t, "data/new", '-', salt);
    finish_image(i, "");
}

static void free_image(struct test_image *i)
{
    size_t k;

    for (k = 0; k < i->n; k++)
        tar_done(&i->layers[k]);
}

/* docker save before 25: <hex>.json, <n>/layer.tar; the last layer as a link. Manifest last. */
static void put_old(struct tar *t, const struct test_image *i, const char *prefix)
{
    char name[200], target[200], text[4000];
    size_t k, at;

    snprintf(name, sizeof(name), "%s.json", i->id + 7);
    tar_add(t, name, '-', i->config);
    at = (size_t)snprintf(text, sizeof(text),
                          "[{\"Config\":\"%s\",\"RepoTags\":%s%s%s,\"Layers\":[", name,
                          i->name ? "[\"" : "null", i->name ? i->name : "", i->name ? "\"]" : "");
    for (k = 0; k < i->n; k++) {
        snprintf(name, sizeof(name), "%sreal%zu/layer.tar", prefix, k);
        tar_add(t, name, '-', i->layers[k].data, .text_len = i->layers[k].len);
        snprintf(target, sizeof(target), "../%sreal%zu/layer.tar", prefix, k);
        snprintf(name, sizeof(name), "%s%zu/layer.tar", prefix, k);
        tar_add(t, name, 'l', target);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\"%s\"", k ? "," : "", name);
    }
    snprintf(text + at, sizeof(text) - at, "]}]");
    tar_add(t, "manifest.json", '-', text);
}

static void put_blob(struct tar *t, const char *digest_text, const void *data, size_t n)
{
    char name[200];

    snprintf(name, sizeof(name), "blobs/sha256/%s", digest_text + 7);
    tar_add(t, name, '-', data, .text_len = n);
}

/* Config, layers and manifest blob of an OCI layout; its digest. */
static void put_oci_image(struct tar *t, const struct test_image *i, char manifest[DV_DIGEST_BYTES],
                          size_t *ret_size)
{
    char text[4000];
    size_t k, at;

    put_blob(t, i->id, i->config, strlen(i->config));
    at =
        (size_t)snprintf(text, sizeof(text),
                         "{\"schemaVersion\":2,\"mediaType\":"
                         "\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
                         "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\","
                         "\"size\":%zu},\"layers\":[",
                         i->id, strlen(i->config));
    for (k = 0; k < i->n; k++) {
        put_blob(t, i->diff[k], i->layers[k].data, i->layers[k].len);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s{\"mediaType\":"
                               "\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\","
                               "\"size\":%zu}", k ? "," : "", i->diff[k], i->layers[k].len);
    }
    at += (size_t)snprintf(text + at, sizeof(text) - at, "]}");
    digest(text, at, manifest);
    put_blob(t, manifest, text, at);
    *ret_size = at;
}

static void put_index(struct tar *t, const char *name, const char *manifest, size_t size,
                      const char *platform, const char *more)
{
    char text[3000];

    tar_add(t, "oci-layout", '-', "{\"imageLayoutVersion\":\"1.0.0\"}");
    snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":"
             "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":%zu%s,"
             "\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}}%s]}", manifest, size,
             platform, name, more);
    tar_add(t, "index.json", '-', text);
}

/* Load through a pipe, since that is what davitd has. */
struct feed {
    const char *data;
    size_t len;
    int fd;
};

static void *feed(void *arg)
{
    struct feed *f = arg;

    if (dv_write_all(f->fd, f->data, f->len) < 0)
        errno = 0; /* the worker has seen enough */
    close(f->fd);
    return NULL;
}

static int load_bytes(const char *data, size_t len, struct dv_error *e)
{
    struct feed f = { data, len, -1 };
    pthread_t thread;
    int p[2], r;

    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    f.fd = p[1];
    assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
    r = dv_image_load(images, p[0], -1, on_message, NULL, e);
    close(p[0]);
    pthread_join(thread, NULL);
    return r;
}

static void load_ok(const struct tar *t)
{
    memset(&err, 0, sizeof(err));
    if (load_bytes(t->data, t->len, &err) < 0)
        fail_msg("load: %s", err.msg);
}

static void load_old(struct test_image *i, const char *filter)
{
    struct tar t;

    tar_begin(&t, filter);
    put_old(&t, i, "");
    tar_end(&t);
    load_ok(&t);
    tar_done(&t);
}

/* ---- looking ---- */

static int count(const char *sub)
{
    dv_autofree char *path = dv_format("%s/%s", root, sub);
    DIR *d = opendir(path);
    struct dirent *e;
    int n = 0;

    if (!d)
        return 0;
    while ((e = readdir(d)))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int count_rows(const char *sql);

static int copy_int(void *arg, sqlite3_stmt *row)
{
    *(int *)arg = sqlite3_column_int(row, 0);
    return 1;
}

static int count_rows(const char *sql)
{
    int n = -1;

    assert_true(dv_db_query(db, copy_int, &n, &err, sql, "") >= 0);
    return n;
}

/* Nothing but the layout itself. */
static void assert_empty_store(void)
{
    assert_int_equal(count("images/blobs/sha256"), 0);
    assert_int_equal(count("overlay/layers"), 0);
    assert_int_equal(count("overlay/work"), 0);
    assert_int_equal(count("vfs/layers"), 0);
    assert_int_equal(count("vfs/work"), 0);
    assert_int_equal(
        count_rows("SELECT (SELECT COUNT(*) FROM images) + (SELECT COUNT(*) FROM layers)"
                   " + (SELECT COUNT(*) FROM blobs) + (SELECT COUNT(*) FROM"
                   " layer_storage) + (SELECT COUNT(*) FROM intents)"),
        0);
}

static char *index_text(void)
{
    char *text = NULL;

    assert_int_equal(dv_read_file(root_fd, "images/index.json", 1 << 20, &text, NULL, &err), 0);
    return text;
}

static void free_deleted(struct dv_image_deleted *list, size_t n)
{
    while (n > 0)
        free(list[--n].name);
    free(list);
}

static bool in_use_answer, in_use_running;
static const char *in_use(void *arg, const char *id, bool *ret_running)
{
    (void)arg;
    (void)id;
    *ret_running = in_use_running;
    return in_use_answer ? "c0ffee000000c0ffee000000" : NULL;
}

static void remove_ok(const char *name, bool force)
{
    struct dv_image_deleted *list;
    size_t n;

    memset(&err, 0, sizeof(err));
    if (dv_image_remove(images, name, force, false, in_use, NULL, &list, &n, &err) < 0)
        fail_msg("rmi %s: %s", name, err.msg);
    free_deleted(list, n);
}

static void remove_fails(const char *name, bool force, int code, const char *text)
{
    struct dv_image_deleted *list;
    size_t n;

    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_image_remove(images, name, force, false, in_use, NULL, &list, &n, &err),
                     -code);
    assert_contains(err.msg, text);
}

/* The merged file NAME of a workspace over IMAGE, mounted in a namespace of a child. */
static void check_workspace(const char *id)
{
    dv_autofree char *top = NULL;
    struct dv_spec_rootfs *mounts = NULL;
    dv_auto(dv_image) *image = NULL;
    const char *driver = NULL;
    size_t n = 0, k;

    assert_int_equal(dv_image_get(images, id, &image, &err), 0);
    if (dv_workspace_create(images, "workspace1", image, &driver, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(dv_workspace_activate(images, driver, "workspace1", &mounts, &n, &err),
                     -DV_E_INTERNAL); /* without a lease */
    dv_error_clear(&err);
    assert_int_equal(dv_lease_take(leases, "workspace1", DV_LEASE_RUN, 0, &err), 0);
    if (dv_workspace_activate(images, driver, "workspace1", &mounts, &n, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(n >= 1);
    assert_non_null(mounts[0].type);
    for (k = 0; k < mounts[0].n_params; k++)
        if (dv_streq(mounts[0].params[k].key, "lowerdir+") && !top)
            top = dv_strdup(mounts[0].params[k].value);
    if (dv_streq(driver, "overlay"))
        assert_non_null(top);
    else
        top = dv_strdup(mounts[0].source);
    /* The top layer (overlay) or the whole tree (vfs). */
    {
        dv_autofree char *data = dv_format("%s/data", top), *gone = dv_format("%s/etc/gone", top);
        dv_autofree char *fresh = dv_format("%s/data/new", top);
        dv_autofree char *old = dv_format("%s/data/old", top);
        struct stat st;
        char opaque[4] = "";

        assert_int_equal(access(fresh, F_OK), 0);
        assert_int_equal(access(old, F_OK), -1);
        if (dv_streq(driver, "overlay")) {
            assert_int_equal(lstat(gone, &st), 0);
            assert_true(S_ISCHR(st.st_mode));
            assert_int_equal(getxattr(data, "user.overlay.opaque", opaque, sizeof(opaque)), 1);
        } else {
            dv_autofree char *sh = dv_format("%s/bin/sh", top);

            assert_int_equal(lstat(gone, &st), -1);
            assert_int_equal(lstat(sh, &st), 0);
            assert_int_equal(st.st_nlink, 2);
        }
    }
    {
        struct dv_spec *spec = calloc(1, sizeof(*spec));
        size_t i;

        for (i = 0; i < n; i++) {
            for (k = 0; k < mounts[i].n_params; k++) {
                free(mounts[i].params[k].key);
                free(mounts[i].params[k].value);
            }
            free(mounts[i].params);
            free(mounts[i].type);
            free(mounts[i].source);
        }
        free(mounts);
        free(spec);
    }
    dv_workspace_deactivate(images, driver, "workspace1");
    dv_lease_drop(leases, "workspace1", DV_LEASE_RUN);
}

static void remove_workspace(const char *driver)
{
    assert_int_equal(dv_lease_take(leases, "workspace1", DV_LEASE_REMOVE, 0, &err), 0);
    if (dv_workspace_remove(images, driver, "workspace1", &err) < 0)
        fail_msg("%s", err.msg);
    dv_lease_drop(leases, "workspace1", DV_LEASE_REMOVE);
}

/* ---- tests ---- */

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
        O(imports_every_compression),
        O(import_refuses_before_and_after_reading),
        O(cancel_ends_a_load_that_waits),
        O(reconcile_removes_what_no_row_names),
        O(worker_owns_next_to_nothing),
        O(kill_leaves_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, setup_group, remove_dir);
}
