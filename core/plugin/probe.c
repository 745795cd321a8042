/* probe.c - run davit-plugin-probe on a plugin, read what it reports, within its time. */

#include "core/plugin/probe.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/spawn.h"
#include "core/base/time.h"
#include "core/plugin/internal.h"

#include <fcntl.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
enum { REPORT_MAX_BYTES = 4 << 20 };

void dv_probe_result_done(struct dv_probe_result *result)
{
    free(result->key);
    json_object_put(result->description);
    *result = (struct dv_probe_result){ 0 };
}

/* The options as "key\0value\0" in a file of its own: a secret has no place on a command line. */
static int options_fd(const struct dv_kvs *options)
{
    dv_autoclose int fd = memfd_create("options", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    for (size_t i = 0; i < options->n; i++)
        if (dv_write_all(fd, options->items[i].key, strlen(options->items[i].key) + 1) < 0 ||
            dv_write_all(fd, options->items[i].value, strlen(options->items[i].value) + 1) < 0)
            return -1;
    return lseek(fd, 0, SEEK_SET) < 0 ? -1 : dv_take_fd(fd);
}

static int start(const struct dv_probe *p, int report_fd, int *ret_pidfd, struct dv_error *err)
{
    char *argv[] = { (char *)p->program, (char *)"--probe", (char *)p->kind, (char *)p->name,
                     (char *)p->path, p->options ? (char *)"--options" : NULL, NULL };
    dv_autoclose int in = p->options ? options_fd(p->options) : -1;
    const int out = p->show_output ? STDERR_FILENO : -1;
    const int fds[] = { in, out, out, report_fd };
    const struct dv_spawn s = { .path = p->program, .argv = argv, .fds = fds, .n_fds = N(fds),
                                .new_session = 1 };
    pid_t pid;

    if (p->options && in < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "hand options to a probe");
    if (dv_spawn(&s, &pid, ret_pidfd, err) < 0)
        return dv_wrap(err, "probe plugin %s", p->path);
    return 0;
}

/* Everything it writes, until its end or the deadline: 0, or TIMEOUT. A grandchild that holds the pipe
 * open does not keep us. */
static int collect(int fd, int pidfd, uint64_t deadline_ns, struct dv_buf *buf, struct dv_error *err)
{
    bool ended = false;

    for (;;) {
        struct pollfd p[] = { { fd, POLLIN, 0 }, { ended ? -1 : pidfd, POLLIN, 0 } };
        uint64_t now = dv_mono_ns();
        char chunk[4096];
        ssize_t n;

        if (!ended && now >= deadline_ns)
            return -DV_E_TIMEOUT;
        if (poll(p, N(p), ended ? 0 : (int)((deadline_ns - now) / 1000000) + 1) < 0 &&
            errno != EINTR)
            return dv_fail_errno(err, DV_E_INTERNAL, "wait for a probe");
        ended = ended || p[1].revents;
        if (!p[0].revents) {
            if (ended)
                return 0;
            continue;
        }
        n = read(fd, chunk, sizeof(chunk));
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            fd = -1;
        else if (n > 0 && dv_buf_put(buf, chunk, (size_t)n, err) < 0)
            return -err->code;
    }
}

static void find_stage(const char *report, char stage[24])
{
    for (const char *line = report; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (dv_starts(line, DV_PROBE_STAGE))
            snprintf(stage, 24, "%.*s", (int)strcspn(line + strlen(DV_PROBE_STAGE), "\n"),
                     line + strlen(DV_PROBE_STAGE));
}

/* What the plugin was doing when a probe did not come back. */
static const char *doing(const char *stage)
{
    if (dv_streq(stage, "dlopen"))
        return "while it was loaded (its constructors run then)";
    return dv_streq(stage, "describe") ? "in " DV_PLUGIN_ENTRY "()" : "before it was loaded";
}

static const char *how_it_ended(const siginfo_t *info, char out[64])
{
    if (info->si_code == CLD_EXITED)
        snprintf(out, 64, "ended it with exit code %d", info->si_status);
    else
        snprintf(out, 64, "killed it by signal %d (%s)", info->si_status,
                 sigdescr_np(info->si_status) ? sigdescr_np(info->si_status) : "?");
    return out;
}

/* The last line: {"Code":0,"Message":"","Key":"","Description":{...}}. */
static int take_result(const char *report, struct dv_probe_result *result, struct dv_error *err,
                       bool *ret_found)
{
    const char *line = strstr(report, "\n" DV_PROBE_DONE);
    dv_autojson json_object *doc = NULL;
    json_object *value = NULL;
    int code = 0;

    *ret_found = false;
    if (!line)
        return 0;
    line += 1 + strlen(DV_PROBE_DONE);
    if (dv_json_parse(line, strcspn(line, "\n"), &doc, err) < 0)
        return dv_wrap(err, "read a probe's report");
    *ret_found = true;
    if (json_object_object_get_ex(doc, "Description", &value))
        result->description = json_object_get(value);
    if (json_object_object_get_ex(doc, "Key", &value) && json_object_get_string_len(value) > 0)
        result->key = dv_strdup(json_object_get_string(value));
    if (json_object_object_get_ex(doc, "Code", &value))
        code = json_object_get_int(value);
    if (code <= 0 || code > DV_E_INTERNAL)
        return 0;
    json_object_object_get_ex(doc, "Message", &value);
    return dv_fail(err, code, "%s", json_object_get_string(value));
}

int dv_probe_run(const struct dv_probe *p, struct dv_probe_result *result, struct dv_error *err)
{
    dv_autobuf report = DV_BUF_INIT(REPORT_MAX_BYTES, "report of a probe");
    dv_autoclose int read_fd = -1, write_fd = -1, pidfd = -1;
    siginfo_t info = { 0 };
    int pipe_fds[2], r;
    char ended[64];
    bool found;

    *result = (struct dv_probe_result){ 0 };
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "pipe for a probe");
    read_fd = pipe_fds[0];
    write_fd = pipe_fds[1];
    r = start(p, write_fd, &pidfd, err);
    if (r < 0)
        return r;
    dv_close(dv_take_fd(write_fd));
    r = collect(read_fd, pidfd, dv_mono_ns() + p->limit_ns, &report, err);
    if (r < 0)
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    find_stage(report.data, result->stage);
    if (r == -DV_E_TIMEOUT) {
        result->broke = true;
        return dv_fail(err, DV_E_TIMEOUT, "plugin %s hung %s: a probe of it did not end within "
                       "%llu s", p->path, doing(result->stage),
                       (unsigned long long)(p->limit_ns / 1000000000));
    }
    if (r < 0)
        return r;
    r = take_result(report.data ? report.data : "", result, err, &found);
    if (found || r < 0)
        return r;
    result->broke = true;
    return dv_fail(err, DV_E_INVALID, "plugin %s broke a probe %s: it %s", p->path,
                   doing(result->stage), how_it_ended(&info, ended));
}

int dv_probe_file(const char *program, const struct dv_plugin_file *file,
                  const struct dv_kvs *options, char path[1024], struct dv_probe_result *result,
                  struct dv_error *err)
{
    struct dv_probe probe = { .program = program, .kind = dv_kind_name(file->kind),
                              .name = file->name, .options = options,
                              .limit_ns = DV_PROBE_SECONDS * UINT64_C(1000000000) };
    struct dv_open_report report;
    int r = dv_plugin_examine(file, &report, err);

    *result = (struct dv_probe_result){ 0 };
    snprintf(path, 1024, "%s", report.path);
    if (r < 0)
        return r;
    probe.path = report.path;
    return dv_probe_run(&probe, result, err);
}
