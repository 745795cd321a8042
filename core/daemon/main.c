/* main.c - davitd: read the config, open the engine, serve until a signal or a shutdown. */
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/signalfd.h>

#include "core/api/api.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/container/container.h"
#include "core/container/store.h"
#include "core/daemon/config.h"
#include "core/daemon/engine_open.h"
#include "core/daemon/listen.h"

static const char usage[] =
    "Usage: davitd [OPTIONS]\n"
    "\n"
    "The davit container engine. It serves the Docker Engine API on a unix socket.\n"
    "\n"
    "Options:\n"
    "      --config FILE        INI file (default /etc/davit/davit.ini, if it is there)\n"
    "      --root DIR           state: images, layers, containers, database\n"
    "      --run-dir DIR        sockets; lost at a reboot\n"
    "  -H, --host unix://PATH   where to listen; may be given more than once\n"
    "      --plugin-dir DIR     drivers: DIR/<kind>/<name>.so\n"
    "      --set SECTION.KEY=VALUE\n"
    "                           as if it stood in the INI file; may be given more than once\n"
    "      --check-config       print what is wrong with the config and the drivers it names\n"
    "      --version            print the version\n"
    "  -h, --help               print this\n";

enum { OPT_CONFIG = 256, OPT_ROOT, OPT_RUN_DIR, OPT_PLUGIN_DIR, OPT_SET, OPT_CHECK, OPT_VERSION };

/* 0: go on; else exit with what *STATUS says. */
static int read_arguments(int argc, char **argv, struct dv_config_args *args, bool *check,
                          int *status)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "root", required_argument, NULL, OPT_ROOT },
        { "run-dir", required_argument, NULL, OPT_RUN_DIR },
        { "plugin-dir", required_argument, NULL, OPT_PLUGIN_DIR },
        { "host", required_argument, NULL, 'H' },
        { "set", required_argument, NULL, OPT_SET },
        { "check-config", no_argument, NULL, OPT_CHECK },
        { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int c, failed = 0;

    *status = 0;
    while (!failed && (c = getopt_long(argc, argv, "H:h", options, NULL)) != -1) {
        switch (c) {
        case OPT_CONFIG: args->file = optarg; break;
        case OPT_ROOT: args->root = optarg; break;
        case OPT_RUN_DIR: args->run_dir = optarg; break;
        case OPT_PLUGIN_DIR: args->plugin_dir = optarg; break;
        case OPT_SET: failed = dv_strv_add(&args->sets, optarg); break;
        case 'H': failed = dv_strv_add(&args->hosts, optarg); break;
        case OPT_CHECK: *check = true; break;
        case OPT_VERSION: puts("davitd version " DAVIT_VERSION); return -1;
        case 'h': fputs(usage, stdout); return -1;
        default: failed = 1;
        }
    }
    if (!failed && optind == argc)
        return 0;
    if (!failed)
        fprintf(stderr, "davitd: unexpected argument '%s'\n", argv[optind]);
    fputs("See 'davitd --help'.\n", stderr);
    *status = 2;
    return -1;
}

static void on_signal(void *data, uint32_t events)
{
    struct dv_engine *engine = data;
    struct signalfd_siginfo info;

    (void)events;
    if (read(engine->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP) {
        dv_log_warn(NULL, "SIGHUP: reloading the config is not supported yet; restart davitd, "
                          "containers go on meanwhile");
        return;
    }
    dv_log_info(NULL, "signal %u: stopping; containers go on", info.ssi_signo);
    dv_engine_stop(engine, false);
}

static void *stop_everything(void *data)
{
    struct dv_engine *engine = data;

    dv_containers_stop_all(engine->containers);
    atomic_store(&engine->leave_kernel, true);
    dv_loop_stop(engine->loop);
    return NULL;
}

void dv_engine_stop(struct dv_engine *engine, bool stop_containers)
{
    if (!stop_containers) {
        dv_loop_stop(engine->loop);
        return;
    }
    if (atomic_exchange(&engine->stopping_containers, true))
        return; /* asked for twice */
    /* Containers tell of their end through the loop, so the loop goes on meanwhile. */
    errno = pthread_create(&engine->stopper, NULL, stop_everything, engine);
    if (errno != 0) {
        dv_log_error(NULL, "start a thread for the shutdown: %m");
        atomic_store(&engine->stopping_containers, false);
    }
}

/* False: it still stops containers, and needs the engine. */
static bool join_stopper(struct dv_engine *engine)
{
    if (!atomic_load(&engine->stopping_containers))
        return true;
    if (!atomic_load(&engine->leave_kernel))
        return false;
    pthread_join(engine->stopper, NULL);
    return true;
}

static int watch_signals(struct dv_engine *engine, struct dv_watch **watch, struct dv_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    engine->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (engine->signal_fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "create a signalfd");
    return dv_loop_add(engine->loop, engine->signal_fd, EPOLLIN, on_signal, engine, watch, err);
}

/* Before any thread exists, so that all of them have the signals blocked. */
static void set_up_process(void)
{
    struct rlimit files;
    sigset_t set;

    /* Request threads come and go; an arena for each would keep what each once used for ever. */
    mallopt(M_ARENA_MAX, 1);
    /* Set, they stay: else a large reply that is freed raises both, and the heap keeps the next. */
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    umask(022);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* *RET_IDLE: no thread uses the engine any more. */
/* A start that came to nothing, and no container runs: then nothing of this instance need stay in the
 * kernel (a second daemon with its own root, say, whose socket another one holds). */
static void leave_if_unused(struct dv_engine *engine)
{
    struct dv_container_counts counts;

    dv_containers_count(engine->containers, &counts);
    if (counts.running + counts.paused == 0)
        atomic_store(&engine->leave_kernel, true);
}

static int serve(struct dv_engine *engine, bool *ret_idle, struct dv_error *err)
{
    struct dv_watch *watch = NULL;
    struct dv_api *api = NULL;
    int fds[DV_MAX_LISTENERS];
    size_t n = 0;
    int r = dv_listen(&engine->config.hosts, fds, &n, err);

    if (r < 0) {
        leave_if_unused(engine);
        return r;
    }
    r = watch_signals(engine, &watch, err);
    if (r == 0) {
        r = dv_api_start(engine, fds, n, &api, err); /* takes them */
    } else {
        for (size_t i = 0; i < n; i++)
            dv_close(fds[i]);
    }
    if (r < 0) {
        dv_watch_remove(watch);
        dv_unlisten(&engine->config.hosts);
        return r;
    }
    dv_log_info(NULL, "davitd " DAVIT_VERSION " serves %s", engine->config.hosts.items[0]);
    dv_notify("READY=1");
    r = dv_loop_run(engine->loop, err);
    dv_notify("STOPPING=1");
    dv_watch_remove(watch);
    *ret_idle = dv_api_stop(api) && join_stopper(engine);
    dv_unlisten(&engine->config.hosts);
    return r;
}

static int run(struct dv_config *config, struct dv_error *err)
{
    struct dv_engine engine;
    bool idle = true;
    int r = dv_engine_open(config, &engine, err);

    if (r == 0)
        r = serve(&engine, &idle, err);
    /* A request that does not end (a stop with a long time-out) uses the engine. All that matters is
     * on disk: this is the end that a SIGKILL would be. */
    if (!idle)
        _exit(r < 0);
    dv_engine_close(&engine);
    return r;
}

int main(int argc, char **argv)
{
    struct dv_config_args args = { 0 };
    struct dv_config config = { 0 };
    struct dv_error err = { 0 };
    bool check = false;
    int status;

    if (read_arguments(argc, argv, &args, &check, &status) < 0)
        return status;
    if (check)
        return dv_config_check(&args);
    set_up_process();
    if (dv_config_read(&args, &config, &err) == 0) {
        dv_log_set_level((enum dv_log_level)dv_log_level_parse(config.engine.log_level));
        (void)!run(&config, &err);
    }
    if (err.code)
        dv_log_error(NULL, "%s", err.msg);
    dv_config_done(&config);
    dv_strv_done(&args.hosts);
    dv_strv_done(&args.sets);
    return err.code ? 1 : 0;
}
