/* transfer.c - load, import, pull, save: images into the daemon and out of it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "cli/client/progress.h"
#include "cli/image/commands.h"
#include "cli/image/pull.h"
#include "cli/util.h"
#include "core/base/file.h"

char *dv_platform_json(const char *text)
{
    static const char *const keys[] = { "os", "architecture", "variant" };
    dv_autojson json_object *doc = dv_jobj();
    dv_autostrv parts = { 0 };

    dv_xsplit(&parts, text, '/');
    for (size_t i = 0; i < parts.n && i < N(keys); i++)
        dv_jset_str(doc, keys[i], parts.items[i]);
    return dv_json_text(doc);
}

static int os_failure(const char *doing, const char *path)
{
    const char *reason = strerror(errno);

    fprintf(stderr, "%s %s: %c%s\n", doing, path, reason[0] | 0x20, reason + 1);
    return 1;
}

static int send_file(struct dv_cli_call *call, const char *target, const char *type, int fd,
                     FILE *out, struct dv_error *err)
{
    struct dv_http_request request = {
        .method = "POST",
        .target = target,
        .content_type = fd >= 0 ? type : NULL,
        .body_fd = fd,
        .stream_body = fd >= 0,
    };
    struct dv_http_reply reply;
    struct dv_http *http;
    int r = dv_client_open(call->client, &request, &http, &reply, err);

    return r < 0 ? r : dv_progress_run(http, out, err);
}

int dv_cmd_load(struct dv_cli_call *call)
{
    const char *input = dv_cli_str(call, "input"), *platform = dv_cli_str(call, "platform");
    dv_autofree char *json = *platform ? dv_platform_json(platform) : NULL;
    dv_autobuf target = DV_TEXT_INIT;
    dv_autoclose int opened = -1;
    struct dv_error err = { 0 };
    bool terminal = isatty(STDOUT_FILENO);

    if (*input) {
        opened = open(input, O_RDONLY | O_CLOEXEC);
        if (opened < 0)
            return os_failure("open", input);
    } else if (isatty(STDIN_FILENO)) {
        fputs("requested load from stdin, but stdin is empty\n", stderr);
        return 1;
    }
    dv_xput(&target, "/images/load");
    /* Progress is for a terminal; without one docker asks for none either. */
    dv_xput_query(&target, "quiet", dv_cli_on(call, "quiet") || !terminal ? "1" : "0");
    dv_xput_query(&target, "platform", json);
    if (send_file(call, target.data, "application/x-tar", *input ? opened : STDIN_FILENO, stdout,
                  &err) < 0)
        return dv_cli_fail(&err);
    return 0;
}

static bool is_url(const char *source)
{
    return dv_starts(source, "http://") || dv_starts(source, "https://");
}

int dv_cmd_import(struct dv_cli_call *call)
{
    const char *source = call->args[0], *repository = call->n_args > 1 ? call->args[1] : NULL;
    const char *message = dv_cli_str(call, "message"), *platform = dv_cli_str(call, "platform");
    const struct dv_strv *changes = dv_cli_list(call, "change");
    dv_autobuf target = DV_TEXT_INIT;
    dv_autoclose int opened = -1;
    struct dv_error err = { 0 };
    dv_autoref ref = { 0 };
    int fd = -1;
    size_t i;

    if (repository && dv_ref_parse(repository, &ref, &err) < 0)
        return dv_cli_fail(&err);
    if (dv_streq(source, "-")) {
        fd = STDIN_FILENO;
    } else if (!is_url(source)) {
        fd = opened = open(source, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return os_failure("open", source);
    }
    dv_xput(&target, "/images/create");
    dv_xput_query(&target, "fromSrc", fd >= 0 ? "-" : source);
    dv_xput_query(&target, "repo", repository);
    dv_xput_query(&target, "message", *message ? message : NULL);
    dv_xput_query(&target, "platform", *platform ? platform : NULL);
    for (i = 0; i < changes->n; i++)
        dv_xput_query(&target, "changes", changes->items[i]);
    if (send_file(call, target.data, "text/plain", fd, stdout, &err) < 0)
        return dv_cli_fail(&err);
    return 0;
}

int dv_cmd_pull(struct dv_cli_call *call)
{
    bool quiet = dv_cli_on(call, "quiet");
    dv_autofree char *familiar = NULL;
    struct dv_error err = { 0 };
    dv_autoref ref = { 0 };

    if (dv_ref_parse(call->args[0], &ref, &err) < 0)
        return dv_cli_fail(&err);
    if (!ref.tag && !ref.digest) {
        if (!quiet)
            puts("Using default tag: latest");
        ref.tag = dv_xstrdup("latest");
    }
    fflush(stdout);
    if (dv_pull(call->client, &ref, dv_cli_str(call, "platform"), quiet ? NULL : stdout, &err) < 0)
        return dv_cli_fail(&err);
    familiar = dv_ref_familiar(&ref);
    printf("%s%s%s\n", dv_streq(ref.domain, "docker.io") ? "docker.io/" : "",
           dv_streq(ref.domain, "docker.io") && dv_starts(ref.path, "library/") ? "library/" : "",
           familiar);
    return 0;
}

/* ---- save ---- */

static int open_archive(struct dv_cli_call *call, struct dv_http **ret, struct dv_error *err)
{
    const char *platform = dv_cli_str(call, "platform");
    dv_autofree char *json = *platform ? dv_platform_json(platform) : NULL;
    dv_autobuf target = DV_TEXT_INIT;
    struct dv_http_request request = { .method = "GET" };
    struct dv_http_reply reply;

    dv_xput(&target, "/images/get");
    for (size_t i = 0; i < call->n_args; i++)
        dv_xput_query(&target, "names", call->args[i]);
    dv_xput_query(&target, "platform", json);
    request.target = target.data;
    return dv_client_open(call->client, &request, ret, &reply, err);
}

static int copy_to(struct dv_http *http, int fd, const char *path, struct dv_error *err)
{
    enum { PIECE = 64 << 10 };
    dv_autofree char *piece = dv_xcalloc(1, PIECE);
    ssize_t n;

    while ((n = dv_http_read(http, piece, PIECE, err)) > 0)
        if (dv_write_all(fd, piece, (size_t)n) < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "write %s", path);
    return n < 0 ? (int)n : 0;
}

/* Beside PATH under another name until it is whole: an archive that failed leaves what was there. */
static int save_file(struct dv_cli_call *call, const char *path, struct dv_error *err)
{
    dv_autofree char *part = dv_xformat("%s.davit-%d", path, (int)getpid());
    dv_autoclose int fd = -1;
    struct dv_http *http;
    int r = open_archive(call, &http, err);

    if (r < 0)
        return r;
    fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INVALID, "failed to save image: make %s", part);
    r = copy_to(http, fd, path, err);
    if (r == 0 && rename(part, path) < 0)
        r = dv_fail_errno(err, DV_E_INTERNAL, "failed to save image: make %s", path);
    if (r < 0)
        unlink(part);
    return r;
}

/* A device or pipe is written to as it is. */
static int save_special(struct dv_cli_call *call, const char *path, int given_fd,
                        struct dv_error *err)
{
    dv_autoclose int opened = -1;
    struct dv_http *http;
    int r = open_archive(call, &http, err);

    if (r < 0)
        return r;
    if (given_fd < 0) {
        opened = open(path, O_WRONLY | O_CLOEXEC);
        if (opened < 0)
            return dv_fail_errno(err, DV_E_INVALID, "failed to save image: open %s", path);
    }
    return copy_to(http, given_fd < 0 ? opened : given_fd, path, err);
}

/* The folder that PATH is to be in; caller frees. */
static char *folder_of(const char *path)
{
    const char *end = strrchr(path, '/');

    if (!end)
        return dv_xstrdup(".");
    while (end > path && end[-1] == '/')
        end--;
    return end == path ? dv_xstrdup("/") : dv_xstrndup(path, (size_t)(end - path));
}

/* Before the daemon is asked, so that nobody waits for an archive that has no place. */
static int check_output(const char *path)
{
    dv_autofree char *folder = folder_of(path);
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        fputs("failed to save image: cannot write to a directory\n", stderr);
        return 1;
    }
    if (stat(folder, &st) < 0)
        return os_failure("failed to save image: invalid output path: stat", folder);
    if (S_ISDIR(st.st_mode))
        return 0;
    errno = ENOTDIR;
    return os_failure("failed to save image: invalid output path: stat", folder);
}

int dv_cmd_save(struct dv_cli_call *call)
{
    const char *path = dv_cli_str(call, "output");
    struct dv_error err = { 0 };
    struct stat st;
    int r;

    if (!*path && isatty(STDOUT_FILENO)) {
        fputs("cowardly refusing to save to a terminal. Use the -o flag or redirect\n", stderr);
        return 1;
    }
    if (*path && check_output(path) != 0)
        return 1;
    if (!*path)
        r = save_special(call, "to stdout", STDOUT_FILENO, &err);
    else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        r = save_special(call, path, -1, &err);
    else
        r = save_file(call, path, &err);
    return r < 0 ? dv_cli_fail(&err) : 0;
}
