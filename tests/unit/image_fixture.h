/* image_fixture.h - a store of its own for each test, and the archives that go into it. */
#pragma once

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

TAR_HELPER void on_event(void *arg, const char *action, const char *id, const char *name)
{
    size_t n;

    (void)arg;
    (void)id;
    pthread_mutex_lock(&lock);
    n = strlen(events);
    snprintf(events + n, sizeof(events) - n, "%s %.16s;", action, name);
    pthread_mutex_unlock(&lock);
}

TAR_HELPER void on_message(void *arg, const char *text)
{
    size_t n;

    (void)arg;
    pthread_mutex_lock(&lock);
    n = strlen(said);
    snprintf(said + n, sizeof(said) - n, "%s", text);
    pthread_mutex_unlock(&lock);
}

TAR_HELPER void add_storage(const char *name)
{
    dv_autofree char *state = dv_format("%s/%s", root, name);
    const struct dv_kv kv[] = {{"state_dir", state}};
    const struct dv_kvs options = {kv, 1};
    const struct dv_plugin_file file = {.kind = DV_KIND_STORAGE, .name = name, .plugin_dir = dir};

    mkdir(state, 0700);
    dv_drivers_add(drivers, &file, &options);
}

TAR_HELPER void open_store(const char *driver)
{
    dv_autofree char *path = dv_format("%s/davit.db", root);
    struct dv_images_config config = {.root_fd = root_fd,
                                      .storage_driver = driver,
                                      .worker_path = TEST_BUILD_DIR "/bin/davit-worker",
                                      .plugin_dir = dir,
                                      .event = on_event};

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

TAR_HELPER void close_store(void)
{
    dv_images_close(images);
    dv_leases_free(leases);
    dv_drivers_free(drivers);
    dv_db_close(db);
    images = NULL;
    drivers = NULL;
    db = NULL;
}

TAR_HELPER int setup_driver(const char *driver)
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

TAR_HELPER int setup_overlay(void **state)
{
    (void)state;
    return setup_driver("overlay");
}

TAR_HELPER int setup_vfs(void **state)
{
    (void)state;
    return setup_driver("vfs");
}

TAR_HELPER int teardown(void **state)
{
    struct dv_error e = {0};

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

TAR_HELPER int setup_group(void **state)
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
    const char *name; /* NULL: none */
    struct tar layers[MAX_L];
    char diff[MAX_L][DV_DIGEST_BYTES];
    size_t n;
    char config[2048], id[DV_DIGEST_BYTES];
};

TAR_HELPER void digest(const void *data, size_t n, char out[DV_DIGEST_BYTES])
{
    assert_int_equal(dv_digest_of(data, n, out, &err), 0);
}

TAR_HELPER struct tar *new_layer(struct test_image *i)
{
    struct tar *t = &i->layers[i->n++];

    tar_begin(t, NULL);
    return t;
}

TAR_HELPER void finish_image(struct test_image *i, const char *more)
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
             "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}",
             more, list);
    digest(i->config, strlen(i->config), i->id);
}

/* Two layers: files and links, then a whiteout and an opaque directory. */
TAR_HELPER void make_image(struct test_image *i, const char *name, const char *salt)
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

TAR_HELPER void free_image(struct test_image *i)
{
    size_t k;

    for (k = 0; k < i->n; k++)
        tar_done(&i->layers[k]);
}

/* docker save before 25: <hex>.json, <n>/layer.tar; the last layer as a link. Manifest last. */
TAR_HELPER void put_old(struct tar *t, const struct test_image *i, const char *prefix)
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

TAR_HELPER void put_blob(struct tar *t, const char *digest_text, const void *data, size_t n)
{
    char name[200];

    snprintf(name, sizeof(name), "blobs/sha256/%s", digest_text + 7);
    tar_add(t, name, '-', data, .text_len = n);
}

/* Config, layers and manifest blob of an OCI layout; its digest. */
TAR_HELPER void put_oci_image(struct tar *t, const struct test_image *i,
                              char manifest[DV_DIGEST_BYTES], size_t *ret_size)
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
        at += (size_t)snprintf(text + at, sizeof(text) - at,
                               "%s{\"mediaType\":"
                               "\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\","
                               "\"size\":%zu}",
                               k ? "," : "", i->diff[k], i->layers[k].len);
    }
    at += (size_t)snprintf(text + at, sizeof(text) - at, "]}");
    digest(text, at, manifest);
    put_blob(t, manifest, text, at);
    *ret_size = at;
}

TAR_HELPER void put_index(struct tar *t, const char *name, const char *manifest, size_t size,
                          const char *platform, const char *more)
{
    char text[3000];

    tar_add(t, "oci-layout", '-', "{\"imageLayoutVersion\":\"1.0.0\"}");
    snprintf(text, sizeof(text),
             "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":"
             "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":%zu%s,"
             "\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}}%s]}",
             manifest, size, platform, name, more);
    tar_add(t, "index.json", '-', text);
}

/* Load through a pipe, since that is what davitd has. */
struct feed {
    const char *data;
    size_t len;
    int fd;
};

TAR_HELPER void *feed(void *arg)
{
    struct feed *f = arg;

    if (dv_write_all(f->fd, f->data, f->len) < 0)
        errno = 0; /* the worker has seen enough */
    close(f->fd);
    return NULL;
}

TAR_HELPER int load_bytes(const char *data, size_t len, struct dv_error *e)
{
    struct feed f = {data, len, -1};
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

TAR_HELPER void load_ok(const struct tar *t)
{
    memset(&err, 0, sizeof(err));
    if (load_bytes(t->data, t->len, &err) < 0)
        fail_msg("load: %s", err.msg);
}

TAR_HELPER void load_old(struct test_image *i, const char *filter)
{
    struct tar t;

    tar_begin(&t, filter);
    put_old(&t, i, "");
    tar_end(&t);
    load_ok(&t);
    tar_done(&t);
}

/* ---- looking ---- */

TAR_HELPER int count(const char *sub)
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

TAR_HELPER int count_rows(const char *sql);

TAR_HELPER int copy_int(void *arg, sqlite3_stmt *row)
{
    *(int *)arg = sqlite3_column_int(row, 0);
    return 1;
}

TAR_HELPER int count_rows(const char *sql)
{
    int n = -1;

    assert_true(dv_db_query(db, copy_int, &n, &err, sql, "") >= 0);
    return n;
}

/* Nothing but the layout itself. */
TAR_HELPER void assert_empty_store(void)
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

TAR_HELPER char *index_text(void)
{
    char *text = NULL;

    assert_int_equal(dv_read_file(root_fd, "images/index.json", 1 << 20, &text, NULL, &err), 0);
    return text;
}

TAR_HELPER void free_deleted(struct dv_image_deleted *list, size_t n)
{
    while (n > 0)
        free(list[--n].name);
    free(list);
}

static bool in_use_answer, in_use_running;
TAR_HELPER const char *in_use(void *arg, const char *id, bool *ret_running)
{
    (void)arg;
    (void)id;
    *ret_running = in_use_running;
    return in_use_answer ? "c0ffee000000c0ffee000000" : NULL;
}

TAR_HELPER void remove_ok(const char *name, bool force)
{
    struct dv_image_deleted *list;
    size_t n;

    memset(&err, 0, sizeof(err));
    if (dv_image_remove(images, name, force, false, in_use, NULL, &list, &n, &err) < 0)
        fail_msg("rmi %s: %s", name, err.msg);
    free_deleted(list, n);
}

TAR_HELPER void remove_fails(const char *name, bool force, int code, const char *text)
{
    struct dv_image_deleted *list;
    size_t n;

    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_image_remove(images, name, force, false, in_use, NULL, &list, &n, &err),
                     -code);
    assert_contains(err.msg, text);
}

/* The merged file NAME of a workspace over IMAGE, mounted in a namespace of a child. */
TAR_HELPER void check_workspace(const char *id)
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

TAR_HELPER void remove_workspace(const char *driver)
{
    assert_int_equal(dv_lease_take(leases, "workspace1", DV_LEASE_REMOVE, 0, &err), 0);
    if (dv_workspace_remove(images, driver, "workspace1", &err) < 0)
        fail_msg("%s", err.msg);
    dv_lease_drop(leases, "workspace1", DV_LEASE_REMOVE);
}
