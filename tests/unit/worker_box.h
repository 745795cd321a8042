/* worker_box.h - a davitd for a worker's jobs, in a thread of the test's: honest, or lying at one question. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/base/file.h"
#include "core/worker/image_config.h"
#include "core/worker/job.h"
#include "core/worker/layer.h"
#include "core/worker/protocol.h"
#include "image_tar.h"
#include "open_fds.h"

#define BOX_HELPER static __attribute__((unused))

#define IMAGE_ID "sha256:0000000000000000000000000000000000000000000000000000000000000000"

/* ---- davitd's side, in a thread ---- */

enum lie { HONEST, REFUSES, HUGE_CODE, WRONG_SEQ, WRONG_KIND, CANCELS, GOES, NO_DESCRIPTOR, N_LIES };

static struct davitd {
    int fd;                          /* its end of the socket */
    enum lie lie;
    unsigned at;                     /* number of the question that gets the lie; 1 is the first */
    unsigned asked;
    bool has_layer;                  /* the store has every layer */
    int committed, aborted, images;
    char kinds[256];                 /* of the questions, a letter each */
    char *doc;                       /* of the last image */
    size_t doc_len;
    pthread_t thread;
} davitd;

static char dir[64];
static int dir_fd;
static struct dv_error err;

BOX_HELPER int answer_fd(const struct dv_packet *p)
{
    switch (p->msg.kind) {
    case DV_W_BLOB_OPEN:
        return openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    case DV_W_BLOB_READ:
        return openat(dir_fd, "blob", O_RDONLY | O_CLOEXEC);
    case DV_W_LAYER_PREPARE:
        if (davitd.has_layer)
            return -1;
        assert_int_equal(mkdirat(dir_fd, "layer", 0755), 0);
        return openat(dir_fd, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    default:
        return -1;
    }
}

BOX_HELPER void look_at(const struct dv_packet *p)
{
    static const char letters[] = { [DV_W_BLOB_OPEN] = 'o', [DV_W_BLOB_DONE] = 'd',
                                    [DV_W_BLOB_READ] = 'r', [DV_W_LAYER_PREPARE] = 'p',
                                    [DV_W_LAYER_COMMIT] = 'c', [DV_W_LAYER_ABORT] = 'a',
                                    [DV_W_IMAGE] = 'i' };
    struct dv_error ignored = { 0 };
    struct dv_error gone = { 0 };

    if (davitd.asked < sizeof(davitd.kinds))
        davitd.kinds[davitd.asked - 1] = letters[p->msg.kind];
    davitd.committed += p->msg.kind == DV_W_LAYER_COMMIT;
    davitd.aborted += p->msg.kind == DV_W_LAYER_ABORT;
    if (p->msg.kind == DV_W_LAYER_ABORT || p->msg.kind == DV_W_LAYER_COMMIT)
        (void)!dv_remove_tree(dir_fd, "layer", &gone);
    if (p->msg.kind == DV_W_IMAGE) {
        davitd.images++;
        free(davitd.doc);
        davitd.doc = NULL;
        (void)!dv_read_fd(p->fds[0], 1 << 20, &davitd.doc, &davitd.doc_len, &ignored);
    }
}

BOX_HELPER int reply(const struct dv_packet *p, enum lie lie)
{
    int fd = lie == NO_DESCRIPTOR ? -1 : answer_fd(p), r;
    uint16_t kind = lie == CANCELS ? DV_W_CANCEL : lie == WRONG_KIND ? DV_W_JOB : DV_W_REPLY;
    struct dv_error e = { 0 };
    struct dv_msg_writer w;

    dv_msg_begin(&w, kind, p->msg.seq + (lie == WRONG_SEQ), DV_WORKER_MSG_BYTES);
    if (lie == REFUSES || lie == HUGE_CODE)
        dv_msg_u64(&w, DV_WT_CODE, lie == REFUSES ? DV_E_NO_SPACE : UINT64_MAX);
    if (lie == REFUSES)
        dv_msg_str(&w, DV_WT_MESSAGE, "the disk is full");
    if (p->msg.kind == DV_W_LAYER_PREPARE) {
        dv_msg_u64(&w, DV_WT_PRESENT, davitd.has_layer);
        dv_msg_str(&w, DV_WT_TOKEN, "token1");
        dv_msg_u64(&w, DV_WT_WHITEOUTS, 1);
    }
    dv_msg_str(&w, DV_WT_DIGEST, IMAGE_ID);
    r = dv_msg_end(&w, &e);
    r = r < 0 ? r : dv_sock_send(davitd.fd, &w, &fd, fd >= 0 ? 1 : 0, &e);
    dv_msg_done(&w);
    dv_close(fd);
    return r;
}

BOX_HELPER void *serve(void *arg)
{
    struct dv_error e = { 0 };

    (void)arg;
    for (;;) {
        dv_autopacket p = { 0 };
        enum lie lie;

        if (dv_sock_recv(davitd.fd, &p, &e) <= 0)
            return NULL;
        if (p.msg.kind >= DV_W_MESSAGE) /* told, not asked */
            continue;
        lie = ++davitd.asked == davitd.at ? davitd.lie : HONEST;
        look_at(&p);
        if (lie == GOES || reply(&p, lie) < 0) {
            shutdown(davitd.fd, SHUT_RDWR);
            return NULL;
        }
    }
}

/* ---- the worker's side ---- */

BOX_HELPER int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    snprintf(dir, sizeof(dir), "/var/tmp/davit-wire-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0 ? -1 : 0;
}

BOX_HELPER int tear_down(void **state)
{
    struct dv_error e = { 0 };

    (void)state;
    free(davitd.doc);
    davitd.doc = NULL;
    close(dir_fd);
    if (chdir("/") < 0)
        return -1;
    return dv_remove_tree(AT_FDCWD, dir, &e);
}

#define NEEDS_ROOT()                                                                               \
    do {                                                                                           \
        if (geteuid() != 0) {                                                                      \
            print_message("skipped: owners of files need root\n");                                 \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* What jobs are run with; driver and spooled files are the test's. */
static struct dv_job box_job;

/* Run JOB against a davitd that lies at question AT. */
BOX_HELPER int run(int (*job_run)(struct dv_job *job, struct dv_error *e), struct dv_packet *packet,
               enum lie lie, unsigned at)
{
    bool has_layer = davitd.has_layer;
    int fds[2], r;

    free(davitd.doc);
    davitd = (struct davitd){ .lie = lie, .at = at, .has_layer = has_layer };
    memset(&err, 0, sizeof(err));
    assert_int_equal(dv_sock_pair(SOCK_SEQPACKET, fds, &err), 0);
    davitd.fd = fds[1];
    assert_int_equal(pthread_create(&davitd.thread, NULL, serve, NULL), 0);
    box_job.packet = packet;
    box_job.root_fd = -1;
    dv_wire_init(&box_job.wire, fds[0]);
    r = job_run(&box_job, &err);
    close(fds[0]);
    pthread_join(davitd.thread, NULL);
    close(fds[1]);
    return r;
}
