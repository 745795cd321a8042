/* worker_wire.c - a worker's questions and whatever davitd answers: each job ends with the reason and
 * keeps no descriptor, at whichever question davitd fails, lies or goes. */
#include "worker_box.h"

/* A DV_W_JOB of these fields. */
struct job_message {
    struct dv_msg_writer w;
    struct dv_packet packet;
};

static void end_job(struct job_message *m, int fd)
{
    assert_int_equal(dv_msg_end(&m->w, &err), 0);
    assert_int_equal(dv_msg_parse(m->w.buf.data, m->w.buf.len, &m->packet.msg, &err), 0);
    m->packet.fds[0] = fd;
    m->packet.n_fds = fd >= 0 ? 1 : 0;
}

static void begin_import(struct job_message *m, const char *change, const char *platform)
{
    memset(m, 0, sizeof(*m));
    dv_msg_begin(&m->w, DV_W_JOB, 0, DV_WORKER_MSG_BYTES);
    dv_msg_str(&m->w, DV_WT_CHANGE, change);
    dv_msg_str(&m->w, DV_WT_PLATFORM, platform);
    dv_msg_str(&m->w, DV_WT_IMPORT_NAME, "docker.io/library/fs:t");
}

static int tar_fd(const char *filter)
{
    struct tar t;
    int fd;

    tar_begin(&t, filter);
    tar_add(&t, "bin/sh", '-', "shell", .mode = 0755);
    tar_end(&t);
    fd = bytes_fd(t.data, t.len);
    tar_done(&t);
    return fd;
}

static void an_import_asks_in_its_order(void **state)
{
    struct job_message m;
    struct dv_msg doc;
    int fd = tar_fd(NULL);

    (void)state;
    NEEDS_ROOT();
    davitd.has_layer = false;
    begin_import(&m, "CMD [\"sh\"]", "linux/amd64");
    end_job(&m, fd);
    if (run(dv_job_import, &m.packet, HONEST, 0) < 0)
        fail_msg("%s", err.msg);
    /* The layer is durable before the config that names it, and that before the image. */
    assert_string_equal(davitd.kinds, "podcododi");
    assert_int_equal(davitd.committed, 1);
    assert_int_equal(davitd.aborted, 0);
    assert_int_equal(dv_msg_parse(davitd.doc, davitd.doc_len, &doc, &err), 0);
    assert_string_equal(dv_msg_get_str(&doc, DV_WD_NAME, ""), "docker.io/library/fs:t");
    assert_true(dv_is_digest(dv_msg_get_str(&doc, DV_WD_ID, "")));
    assert_true(dv_is_digest(dv_msg_get_str(&doc, DV_WD_MANIFEST, "")));
    close(fd);
    dv_msg_done(&m.w);
}

/* Every lie at every question: an error with a text, no image, no descriptor, no directory. */
static void whatever_davitd_answers_ends_cleanly(void **state)
{
    size_t before;
    struct job_message m;
    int fd = tar_fd("gzip");

    (void)state;
    NEEDS_ROOT();
    davitd.has_layer = false;
    begin_import(&m, NULL, NULL);
    end_job(&m, fd);
    for (int lie = REFUSES; lie < N_LIES; lie++) {
        unsigned at;

        for (at = 1;; at++) {
            int r;

            before = open_fds();
            assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
            r = run(dv_job_import, &m.packet, (enum lie)lie, at);
            assert_int_equal(open_fds(), before);
            if (davitd.asked < at) /* all questions were answered honestly */
                break;
            if (lie == NO_DESCRIPTOR && r == 0)
                continue; /* this question asks for none */
            if (r >= 0 || !err.msg[0])
                fail_msg("lie %d at question %u: %d '%s'", lie, at, r, err.msg);
            if (lie == REFUSES) {
                assert_int_equal(r, -DV_E_NO_SPACE);
                assert_non_null(strstr(err.msg, "the disk is full"));
            }
            if (lie == CANCELS || lie == GOES)
                assert_int_equal(r, -DV_E_CANCELED);
            if (lie == HUGE_CODE)
                assert_int_equal(r, -DV_E_INTERNAL);
            if (at > 1 && lie != GOES && lie != CANCELS) /* else davitd cleans up by itself */
                assert_int_equal(faccessat(dir_fd, "layer", F_OK, 0), -1);
            {
                struct dv_error e = { 0 };

                (void)!dv_remove_tree(dir_fd, "layer", &e);
            }
        }
        assert_int_equal(at, strlen("podcododi") + 1);
    }
    close(fd);
    dv_msg_done(&m.w);
}

/* Before anything is read or asked. */
static void refuses_an_import_that_makes_no_sense(void **state)
{
    static const struct {
        const char *change, *platform, *text;
        int code;
    } cases[] = {
        { "RUN make", NULL, "RUN is not a valid change command", DV_E_INVALID },
        { "EXPOSE 99999", NULL, "99999", DV_E_INVALID },
        { NULL, "windows/amd64", "only linux images can be imported", DV_E_INVALID },
        { NULL, "linux/arm/v7/x", "is no platform", DV_E_INVALID },
        { NULL, "/amd64", "is no platform", DV_E_INVALID },
    };
    struct dv_packet none = { .n_fds = 0 };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct job_message m;
        int fd = tar_fd(NULL);

        begin_import(&m, cases[i].change, cases[i].platform);
        end_job(&m, fd);
        assert_int_equal(run(dv_job_import, &m.packet, HONEST, 0), -cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].text));
        assert_int_equal(davitd.asked, 0);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
        close(fd);
        dv_msg_done(&m.w);
    }
    assert_int_equal(run(dv_job_import, &none, HONEST, 0), -DV_E_INVALID);
    assert_int_equal(run(dv_job_save, &none, HONEST, 0), -DV_E_INVALID);
}

/* ---- unpack: blobs that the store has ---- */

struct unpack_layer {
    const char *digest, *diff_id;
};

static int run_unpack(const struct unpack_layer *layers, size_t n, enum lie lie, unsigned at)
{
    struct job_message m = { 0 };
    int r;

    dv_msg_begin(&m.w, DV_W_JOB, 0, DV_WORKER_MSG_BYTES);
    for (size_t i = 0; i < n; i++) {
        size_t mark = dv_msg_open(&m.w, DV_WT_LAYER);

        dv_msg_str(&m.w, DV_WT_DIGEST, layers[i].digest);
        dv_msg_str(&m.w, DV_WT_DIFF_ID, layers[i].diff_id);
        dv_msg_close(&m.w, mark);
    }
    end_job(&m, -1);
    r = run(dv_job_unpack, &m.packet, lie, at);
    dv_msg_done(&m.w);
    return r;
}

static void a_blob_must_be_what_it_is_called(void **state)
{
    char digest[DV_DIGEST_BYTES];
    struct unpack_layer layer = { digest, digest };
    struct tar t;

    (void)state;
    NEEDS_ROOT();
    davitd.has_layer = false;
    tar_begin(&t, NULL);
    tar_add(&t, "etc/passwd", '-', "root");
    tar_end(&t);
    assert_int_equal(dv_file_replace(dir_fd, "blob", t.data, t.len, 0600, DV_VOLATILE, &err), 0);
    assert_int_equal(dv_digest_of(t.data, t.len, digest, &err), 0);
    if (run_unpack(&layer, 1, HONEST, 0) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(davitd.kinds, "rpc");

    layer.diff_id = IMAGE_ID;
    assert_int_equal(run_unpack(&layer, 1, HONEST, 0), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "but the image config says"));
    assert_string_equal(davitd.kinds, "rpa"); /* what was unpacked is thrown away */
    layer = (struct unpack_layer){ IMAGE_ID, digest };
    assert_int_equal(run_unpack(&layer, 1, HONEST, 0), -DV_E_INVALID);
    assert_non_null(strstr(err.msg, "was promised: the archive is damaged or was changed"));
    assert_int_equal(davitd.committed, 0);
    layer = (struct unpack_layer){ "../../etc/passwd", digest };
    assert_int_equal(run_unpack(&layer, 1, HONEST, 0), -DV_E_INVALID);
    assert_int_equal(davitd.asked, 0);

    /* A layer that is there is read through all the same: its blob may have rotted. */
    davitd.has_layer = true;
    layer = (struct unpack_layer){ digest, digest };
    assert_int_equal(run_unpack(&layer, 1, HONEST, 0), 0);
    assert_string_equal(davitd.kinds, "rp");
    layer.diff_id = IMAGE_ID;
    assert_int_equal(run_unpack(&layer, 1, HONEST, 0), -DV_E_INVALID);
    davitd.has_layer = false;
    assert_int_equal(run_unpack(&(struct unpack_layer){ digest, digest }, 1, NO_DESCRIPTOR, 1),
                     -DV_E_INTERNAL);
    assert_non_null(strstr(err.msg, "sent no descriptor of"));
    tar_done(&t);
}

/* ---- the manifest that an image is listed by ---- */

static struct dv_layer_put one_layer = { .media_type = "application/vnd.oci.image.layer.v1.tar",
                                         .blob_bytes = 3, .size_bytes = 2 };
static struct dv_image_report report;

static int run_report(struct dv_job *job, struct dv_error *e)
{
    return dv_report_image(&job->wire, &report, e);
}

/* The source's own where it is of exactly what was stored; else one is generated. */
static void keeps_the_manifest_only_if_it_fits(void **state)
{
    static const char oci[] = "application/vnd.oci.image.manifest.v1+json";
    static const char docker[] = "application/vnd.docker.distribution.manifest.v2+json";
    static const struct {
        const char *type, *config, *layer, *more;
        bool kept, has_source;
    } cases[] = {
        { oci, IMAGE_ID, IMAGE_ID, "", true, false },
        { docker, IMAGE_ID, IMAGE_ID, "", false, true },
        { oci, IMAGE_ID, "sha256:1", "", false, false },
        { oci, "sha256:1", IMAGE_ID, "", false, false },
        { docker, "sha256:1", IMAGE_ID, "", false, false },
        { oci, IMAGE_ID, IMAGE_ID, "{\"digest\":\"" IMAGE_ID "\"}", false, false },
        { "application/json", IMAGE_ID, IMAGE_ID, "", false, false },
        { NULL, IMAGE_ID, IMAGE_ID, "", false, false },
    };
    struct dv_image_config config = { 0 };
    struct dv_packet none = { 0 };

    (void)state;
    snprintf(one_layer.digest, sizeof(one_layer.digest), "%s", IMAGE_ID);
    snprintf(one_layer.diff_id, sizeof(one_layer.diff_id), "%s", IMAGE_ID);
    for (size_t i = 0; i < N(cases); i++) {
        dv_autofree char *text = dv_format(
            "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\"},\"layers\":[{\"digest\":\"%s\"}%s%s]}",
            cases[i].config, cases[i].layer, *cases[i].more ? "," : "", cases[i].more);
        char digest[DV_DIGEST_BYTES];
        struct dv_msg doc;

        report = (struct dv_image_report){ .id = IMAGE_ID, .config_bytes = 9, .config = &config,
                                           .layers = &one_layer, .n_layers = 1, .given = text,
                                           .given_len = strlen(text),
                                           .given_type = cases[i].type };
        if (run(run_report, &none, HONEST, 0) < 0)
            fail_msg("%s", err.msg);
        assert_int_equal(dv_digest_of(text, strlen(text), digest, &err), 0);
        assert_int_equal(dv_msg_parse(davitd.doc, davitd.doc_len, &doc, &err), 0);
        if (dv_streq(dv_msg_get_str(&doc, DV_WD_MANIFEST, ""), digest) != cases[i].kept ||
            dv_streq(dv_msg_get_str(&doc, DV_WD_SOURCE, ""), digest) != cases[i].has_source)
            fail_msg("case %zu", i);
        assert_true(dv_is_digest(dv_msg_get_str(&doc, DV_WD_MANIFEST, "")));
    }
    report.given = "{"; /* what cannot be read is as good as none */
    report.given_len = 1;
    report.given_type = oci;
    assert_int_equal(run(run_report, &none, HONEST, 0), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_import_asks_in_its_order),
        TEST(whatever_davitd_answers_ends_cleanly),
        TEST(refuses_an_import_that_makes_no_sense),
        TEST(a_blob_must_be_what_it_is_called),
        TEST(keeps_the_manifest_only_if_it_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
