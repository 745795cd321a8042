/* main.c - davit-worker: one job, then the end. */
#include <davit/registry.h>
#include <fcntl.h>
#include <locale.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/plugin/load.h"
#include "core/worker/job.h"
#include "core/worker/protocol.h"
#include "core/worker/sandbox.h"
#include "core/worker/spool.h"

#ifdef __SANITIZE_ADDRESS__
/* The leak check attaches to its own process, which the sandbox forbids; the tests of the parts
 * look for leaks without one. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

static const struct dv_job_kind kinds[] = {
    { "copy-up", false, dv_job_copy_up, dv_job_copy_up_open },
    { "import", false, dv_job_import, NULL },
    { "load", true, dv_job_load, NULL },
    { "save", false, dv_job_save, NULL },
    { "unpack", false, dv_job_unpack, NULL },
};

static const struct dv_job_kind *find_kind(const char *name)
{
    size_t i;

    for (i = 0; i < N(kinds); i++)
        if (dv_streq(kinds[i].name, name))
            return &kinds[i];
    return NULL;
}

/* A transport's event is a line for the user: which image was left out, and why. */
static void driver_event(void *arg, const char *action, const char *id, const struct dv_kvs *attrs)
{
    struct dv_job *job = arg;
    const char *reason = attrs && attrs->n > 0 ? attrs->items[0].value : "";

    dv_wire_message(&job->wire, "%.40s %.200s: %.400s\n", action, id, reason);
}

static int open_driver(struct dv_job *job, struct dv_error *err)
{
    static const struct dv_host_service services[] = { { "dv.spool/1", &dv_spool_service } };
    const struct dv_msg *m = &job->packet->msg;
    const struct dv_plugin_file file = {
        .kind = DV_KIND_REGISTRY,
        .name = dv_msg_get_str(m, DV_WT_TRANSPORT, ""),
        .plugin_dir = dv_msg_get_str(m, DV_WT_PLUGIN_DIR, ""),
    };
    const struct dv_host_config host = { .services = services, .n_services = N(services),
                                         .event = driver_event, .event_arg = job };
    const struct dv_kvs options = { 0 };

    job->spooled = dv_spool_list_new();
    if (!job->spooled)
        return dv_fail(err, DV_E_NO_MEMORY, "out of memory");
    return dv_driver_open(&file, &options, &host, &job->driver, err);
}

static int run(struct dv_job *job, struct dv_error *err)
{
    const char *name = dv_msg_get_str(&job->packet->msg, DV_WT_NAME, "");
    const struct dv_job_kind *kind = find_kind(name);
    int r = 0;

    if (!kind)
        return dv_fail(err, DV_E_UNSUPPORTED, "davit-worker knows no job '%.40s'; davitd and "
                       "davit-worker must be of one version", name);
    if (kind->needs_driver)
        r = open_driver(job, err);
    if (r == 0 && kind->open)
        r = kind->open(job, err);
    r = r < 0 ? r : dv_sandbox_enter(0, err);
    return r < 0 ? r : kind->run(job, err);
}

int main(int argc, char **argv)
{
    dv_autopacket packet = { 0 };
    struct dv_job job = { .packet = &packet, .root_fd = -1 };
    struct dv_error err = { 0 };
    int r;

    (void)argc;
    if (fcntl(DV_WORKER_FD, F_SETFD, FD_CLOEXEC) < 0) {
        dprintf(STDERR_FILENO, "%s is started by davitd, not by hand\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    /* Names in archives are UTF-8: libarchive converts to what the locale says. */
    setlocale(LC_CTYPE, "C.UTF-8");
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);

    dv_wire_init(&job.wire, DV_WORKER_FD);
    r = dv_sock_recv(DV_WORKER_FD, &packet, &err);
    if (r == 0)
        return 0; /* davitd changed its mind */
    if (r > 0 && packet.msg.kind == DV_W_JOB)
        r = run(&job, &err);
    else if (r > 0)
        r = dv_fail(&err, DV_E_INVALID, "davit-worker: first message is no job");
    dv_wire_result(&job.wire, r, job.answer[0] && r == 0 ? job.answer : NULL, &err);
    dv_driver_close(job.driver);
    dv_spool_list_free(job.spooled);
    return r < 0 ? 1 : 0;
}
