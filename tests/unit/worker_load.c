/* worker_load.c - archives of images through the archive transport into a worker's load: sound, cut short,
 * garbled, hostile. The driver runs in this process, so that sanitizers see it too. */
#include "worker_box.h"

#include <davit/registry.h>
#include <sys/stat.h>

#include "core/plugin/load.h"
#include "core/worker/spool.h"

static char plugins[64];

static void copy_driver(void)
{
    dv_autofree char *to = dv_format("%s/registry/archive.so", plugins), *data = NULL;
    size_t n;

    assert_int_equal(dv_read_file(AT_FDCWD, TEST_BUILD_DIR "/plugins/registry/archive.so", 64 << 20,
                                  &data, &n, &err), 0);
    assert_int_equal(dv_file_replace(AT_FDCWD, to, data, n, 0644, DV_VOLATILE, &err), 0);
}

/* The trust check wants a directory whose parents nobody else may write. */
static int set_up_group(void **state)
{
    static const struct dv_host_service services[] = { { "dv.spool/1", &dv_spool_service } };
    const struct dv_host_config host = { .services = services, .n_services = N(services),
                                         .event_arg = &box_job };
    const struct dv_plugin_file file = { .kind = DV_KIND_REGISTRY, .name = "archive",
                                         .plugin_dir = plugins };
    const struct dv_kvs none = { 0 };
    dv_autofree char *sub = NULL;

    (void)state;
    if (geteuid() != 0)
        return 0;
    snprintf(plugins, sizeof(plugins), "/run/davit-unit-XXXXXX");
    if (!mkdtemp(plugins) || chmod(plugins, 0755) < 0)
        return -1;
    sub = dv_format("%s/registry", plugins);
    mkdir(sub, 0755);
    copy_driver();
    return dv_driver_open(&file, &none, &host, &box_job.driver, &err);
}

static int tear_down_group(void **state)
{
    (void)state;
    dv_driver_close(box_job.driver);
    return *plugins ? dv_remove_tree(AT_FDCWD, plugins, &err) : 0;
}

static int load_lying(int fd, enum lie lie, unsigned at)
{
    struct dv_packet packet = { .fds = { fd }, .n_fds = 1 };
    int r;

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    box_job.spooled = dv_spool_list_new();
    r = run(dv_job_load, &packet, lie, at);
    dv_spool_list_free(box_job.spooled);
    return r;
}

static int load_bytes(const void *data, size_t n)
{
    int fd = bytes_fd(data, n), r = load_lying(fd, HONEST, 0);
    struct dv_error ignored = { 0 };

    close(fd);
    (void)!dv_remove_tree(dir_fd, "layer", &ignored); /* of a job that gave up in the middle */
    return r;
}

/* ---- archives ---- */

struct image {
    struct tar layer;
    char diff_id[DV_DIGEST_BYTES], config[400];
};

static void make_image(struct image *i)
{
    tar_begin(&i->layer, NULL);
    tar_add(&i->layer, "etc/", 'd');
    tar_add(&i->layer, "etc/passwd", '-', "root");
    tar_end(&i->layer);
    assert_int_equal(dv_digest_of(i->layer.data, i->layer.len, i->diff_id, &err), 0);
    snprintf(i->config, sizeof(i->config), "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{"
             "\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}", i->diff_id);
}

/* docker save's form, with this manifest.json. */
static struct tar archive_of(const struct image *i, const char *manifest)
{
    struct tar t;

    tar_begin(&t, NULL);
    tar_add(&t, "c.json", '-', i->config);
    tar_add(&t, "l.tar", '-', i->layer.data, .text_len = i->layer.len);
    tar_add(&t, "pipe", 'p');
    tar_add(&t, "d/", 'd');
    tar_add(&t, "out", 'l', "/etc/passwd");
    tar_add(&t, "manifest.json", '-', manifest);
    tar_end(&t);
    return t;
}
#define MANIFEST "[{\"Config\":\"c.json\",\"RepoTags\":[\"app:v1\"],\"Layers\":[\"l.tar\"]}]"

static void a_load_makes_one_image(void **state)
{
    struct image i;
    struct tar t;
    struct dv_msg doc;

    (void)state;
    NEEDS_ROOT();
    make_image(&i);
    t = archive_of(&i, MANIFEST);
    if (load_bytes(t.data, t.len) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(davitd.images, 1);
    assert_int_equal(davitd.committed, 1);
    assert_int_equal(davitd.aborted, 0);
    assert_int_equal(dv_msg_parse(davitd.doc, davitd.doc_len, &doc, &err), 0);
    assert_string_equal(dv_msg_get_str(&doc, DV_WD_NAME, ""), "app:v1");
    assert_int_equal(davitd.kinds[strlen(davitd.kinds) - 1], 'i'); /* made visible at the end */
    tar_done(&t);
    tar_done(&i.layer);
}

static void whatever_davitd_answers_ends_cleanly(void **state)
{
    struct image i;
    struct tar t;
    int fd;

    (void)state;
    NEEDS_ROOT();
    make_image(&i);
    t = archive_of(&i, MANIFEST);
    fd = bytes_fd(t.data, t.len);
    for (int lie = REFUSES; lie < N_LIES; lie++)
        for (unsigned at = 1;; at++) {
            size_t before = open_fds();
            int r = load_lying(fd, (enum lie)lie, at);
            struct dv_error ignored = { 0 };

            assert_int_equal(open_fds(), before);
            (void)!dv_remove_tree(dir_fd, "layer", &ignored);
            if (davitd.asked < at)
                break;
            if (lie == NO_DESCRIPTOR && r == 0)
                continue;
            if (r >= 0 || !err.msg[0])
                fail_msg("lie %d at question %u: %d '%s'", lie, at, r, err.msg);
        }
    close(fd);
    tar_done(&t);
    tar_done(&i.layer);
}

static void refuses_manifests_that_make_no_sense(void **state)
{
    static const char *const manifests[] = {
        "", "{", "7", "null", "[7]", "[null]", "[{}]", "[[]]",
        "[{\"Config\":7,\"Layers\":[\"l.tar\"]}]",
        "[{\"Config\":\"c.json\",\"Layers\":\"l.tar\"}]",
        "[{\"Config\":\"c.json\",\"Layers\":[7]}]",
        "[{\"Config\":\"c.json\",\"Layers\":[null]}]",
        "[{\"Config\":\"c.json\",\"RepoTags\":[7],\"Layers\":[\"l.tar\"]}]",
        "[{\"Config\":\"c.json\",\"Layers\":[]}]",
        "[{\"Config\":\"c.json\",\"Layers\":[\"l.tar\",\"l.tar\"]}]",
        "[{\"Config\":\"nosuch\",\"Layers\":[\"l.tar\"]}]",
        "[{\"Config\":\"c.json\",\"Layers\":[\"nosuch\"]}]",
        "[{\"Config\":\"pipe\",\"Layers\":[\"l.tar\"]}]",
        "[{\"Config\":\"c.json\",\"Layers\":[\"pipe\"]}]",
        "[{\"Config\":\"c.json\",\"Layers\":[\"d\"]}]",
        "[{\"Config\":\"c.json\",\"Layers\":[\"out\"]}]",
        "[{\"Config\":\"out\",\"Layers\":[\"l.tar\"]}]",
        "[{\"Config\":\"/etc/passwd\",\"Layers\":[\"l.tar\"]}]",
        "[{\"Config\":\"../../../../etc/passwd\",\"Layers\":[\"l.tar\"]}]",
        "[{\"Config\":\"manifest.json\",\"Layers\":[\"l.tar\"]}]",
        "[{\"Config\":\"l.tar\",\"Layers\":[\"c.json\"]}]",
        "[{\"Config\":\"\",\"Layers\":[\"\"]}]",
        "[]",
    };
    struct image i;

    (void)state;
    NEEDS_ROOT();
    make_image(&i);
    for (size_t k = 0; k < N(manifests); k++) {
        struct tar t = archive_of(&i, manifests[k]);
        size_t before = open_fds();
        int r = load_bytes(t.data, t.len);

        if (r != -DV_E_INVALID || !err.msg[0] || davitd.images)
            fail_msg("%s: %d '%s'", manifests[k], r, err.msg);
        assert_int_equal(open_fds(), before);
        tar_done(&t);
    }
    tar_done(&i.layer);
}

/* Each of a hundred entries of an index names the next one, four deep: a hundred million to look at. */
static void indexes_may_not_name_each_other_for_ever(void **state)
{
    enum { ENTRIES = 100, DEEP = 4, PADDING = 200000 }; /* few are read before it is too much */
    dv_autofree char *config = dv_format("blobs/sha256/%s", IMAGE_ID + strlen("sha256:")), *manifest = NULL;
    dv_autofree char *padding = NULL;

    (void)state;
    NEEDS_ROOT();
    padding = calloc(1, PADDING + 1);
    memset(padding, 'x', PADDING);
    manifest = dv_format("[{\"Config\":\"%s\",\"Layers\":[]}]", config);
    for (int with_manifest = 0; with_manifest < 2; with_manifest++) {
        struct tar t;

        tar_begin(&t, NULL);
        tar_add(&t, "oci-layout", '-', "{\"imageLayoutVersion\":\"1.0.0\"}");
        tar_add(&t, config, '-', "{}");
        for (int level = 0; level <= DEEP; level++) {
            dv_autobuf index = DV_BUF_INIT(1 << 20, "index");
            char digest[65], next[65], name[100] = "index.json";

            memset(digest, 'a' + level, 64);
            memset(next, 'b' + level, 64);
            digest[64] = next[64] = '\0';
            if (level > 0)
                snprintf(name, sizeof(name), "blobs/sha256/%s", digest);
            assert_int_equal(dv_buf_printf(&index, &err, "{\"padding\":\"%s\",\"manifests\":[",
                                           padding), 0);
            for (int i = 0; i < ENTRIES && level < DEEP; i++)
                assert_int_equal(dv_buf_printf(&index, &err, "%s{\"mediaType\":\"application/vnd.oci."
                                               "image.index.v1+json\",\"size\":1,\"digest\":"
                                               "\"sha256:%s\"}", i ? "," : "", next), 0);
            assert_int_equal(dv_buf_puts(&index, "]}", &err), 0);
            tar_add(&t, name, '-', index.data);
        }
        if (with_manifest)
            tar_add(&t, "manifest.json", '-', manifest);
        tar_end(&t);
        assert_int_equal(load_bytes(t.data, t.len), -DV_E_INVALID);
        assert_int_equal(davitd.images, 0);
        if (!with_manifest && !strstr(err.msg, "name each other too often"))
            fail_msg("%s", err.msg);
        tar_done(&t);
    }
}

/* At every block, and a byte before it. */
static void notices_an_archive_that_is_cut_short(void **state)
{
    struct image i;
    struct tar t;
    size_t manifest_end;

    (void)state;
    NEEDS_ROOT();
    make_image(&i);
    t = archive_of(&i, MANIFEST);
    manifest_end = (size_t)((char *)memmem(t.data, t.len, MANIFEST, strlen(MANIFEST)) - t.data) +
                   strlen(MANIFEST);
    for (size_t n = 0; n < manifest_end; n += 512)
        for (size_t less = 0; less <= 1 && less <= n; less++) {
            if (load_bytes(t.data, n - less) >= 0 || davitd.images)
                fail_msg("%zu bytes will do", n - less);
        }
    tar_done(&t);
    tar_done(&i.layer);
}

/* Whatever a byte becomes: the image is what its digests say, or there is none. */
static void bears_garbled_bytes(void **state)
{
    enum { TURNS = 200 };
    const char *seed = getenv("CHECK_SEED");
    uint64_t random = (seed ? strtoull(seed, NULL, 10) : 1) * 2654435761u + 1;
    struct image i;
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    make_image(&i);
    t = archive_of(&i, MANIFEST);
    print_message("CHECK_SEED=%s\n", seed ? seed : "1");
    for (int turn = 0; turn < TURNS; turn++) {
        dv_autofree char *copy = malloc(t.len);
        struct dv_msg doc;
        int r;

        memcpy(copy, t.data, t.len);
        for (int k = 0; k < 3; k++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            copy[random % t.len] ^= (char)(1 << (random >> 32) % 8);
        }
        r = load_bytes(copy, t.len);
        if (r < 0) {
            assert_true(err.msg[0]);
            assert_int_equal(davitd.images, 0);
            continue;
        }
        assert_int_equal(dv_msg_parse(davitd.doc, davitd.doc_len, &doc, &err), 0);
        assert_true(dv_is_digest(dv_msg_get_str(&doc, DV_WD_ID, "")));
    }
    tar_done(&t);
    tar_done(&i.layer);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_load_makes_one_image),
        TEST(whatever_davitd_answers_ends_cleanly),
        TEST(refuses_manifests_that_make_no_sense),
        TEST(indexes_may_not_name_each_other_for_ever),
        TEST(notices_an_archive_that_is_cut_short),
        TEST(bears_garbled_bytes),
    };

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
