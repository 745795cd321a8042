/* create.c - the command create, and the part of run that is the same. */
#include <errno.h>
#include <fcntl.h>

#include "cli/container/create.h"
#include "cli/container/commands.h"
#include "cli/image/pull.h"
#include "core/base/file.h"

/* --- --cidfile -------------------------------------------------------------------------------- */

struct cid_file {
    const char *path;
    int fd;
};

/* Made before the container, so that a bad path costs nothing; removed if there will be none. */
static int open_cid_file(const char *path, struct cid_file *file, struct dv_error *err)
{
    *file = (struct cid_file){ .path = path, .fd = -1 };
    if (!*path)
        return 0;
    file->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file->fd < 0 && errno == EEXIST)
        return dv_fail(err, DV_E_INVALID, "container ID file found, make sure the other container "
                       "isn't running or delete %s", path);
    if (file->fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "failed to create the container ID file '%s'",
                             path);
    return 0;
}

static int close_cid_file(struct cid_file *file, const char *id, struct dv_error *err)
{
    int r = 0;

    if (file->fd < 0)
        return 0;
    if (!id)
        unlink(file->path);
    else if (dv_write_all(file->fd, id, strlen(id)) < 0)
        r = dv_fail_errno(err, DV_E_INTERNAL, "failed to write the container ID to '%s'",
                          file->path);
    dv_close(file->fd);
    return r;
}

/* --- create ----------------------------------------------------------------------------------- */

static int ask(const struct dv_cli_call *call, json_object *body, char **ret_id,
               struct dv_error *err)
{
    dv_autojson json_object *reply = NULL;
    dv_autobuf target = DV_TEXT_INIT;
    json_object *warnings;
    size_t i;
    int r;

    dv_xput(&target, "/containers/create");
    dv_xput_query(&target, "name", *dv_cli_str(call, "name") ? dv_cli_str(call, "name") : NULL);
    dv_xput_query(&target, "platform",
                  *dv_cli_str(call, "platform") ? dv_cli_str(call, "platform") : NULL);
    r = dv_client_call(call->client, "POST", target.data, body, &reply, err);
    if (r < 0)
        return r;
    warnings = dv_jget(reply, "Warnings");
    for (i = 0; i < dv_jlen(warnings); i++)
        fprintf(stderr, "WARNING: %s\n", dv_jat_str(warnings, i));
    if (!*dv_jget_str(reply, "Id"))
        return dv_fail(err, DV_E_INVALID, "the daemon created a container without an ID");
    *ret_id = dv_xstrdup(dv_jget_str(reply, "Id"));
    return 0;
}

static int pull_image(const struct dv_cli_call *call, const struct dv_ref *ref,
                      struct dv_error *err)
{
    return dv_pull(call->client, ref, dv_cli_str(call, "platform"),
                   dv_cli_on(call, "quiet") ? NULL : stderr, err);
}

static int create_by_policy(const struct dv_cli_call *call, json_object *body,
                            const struct dv_ref *ref, char **ret_id, struct dv_error *err)
{
    const char *policy = dv_cli_str(call, "pull");
    dv_autofree char *familiar = NULL;
    int r;

    if (dv_streq(policy, "always") && ref->path && pull_image(call, ref, err) < 0)
        return -err->code;
    r = ask(call, body, ret_id, err);
    /* A 404 may be about something else the request names, a network say: only the image's own
     * makes a pull worth while. */
    if (r != -DV_E_NOT_FOUND || !dv_streq(policy, "missing") || !ref->path ||
        !strcasestr(err->msg, "no such image"))
        return r;
    familiar = dv_ref_familiar(ref);
    if (!dv_cli_on(call, "quiet"))
        fprintf(stderr, "Unable to find image '%s' locally\n", familiar);
    r = pull_image(call, ref, err);
    return r < 0 ? r : ask(call, body, ret_id, err);
}

int dv_create_container(const struct dv_cli_call *call, json_object *body, char **ret_id,
                        struct dv_error *err)
{
    dv_autofree char *id = NULL;
    dv_autoref ref = { 0 };
    struct cid_file file;
    struct dv_error close_err = { 0 };
    int r;

    if (open_cid_file(dv_cli_str(call, "cidfile"), &file, err) < 0)
        return -err->code;
    r = dv_ref_parse_image(call->args[0], &ref, err);
    if (r == 0)
        r = create_by_policy(call, body, &ref, &id, err);
    if (close_cid_file(&file, id, &close_err) < 0 && r == 0) {
        *err = close_err;
        return -err->code;
    }
    if (r == 0)
        *ret_id = dv_take(id);
    return r;
}

/* What must be right before the daemon is asked anything. */
static int check_pull(const struct dv_cli_call *call, struct dv_error *err)
{
    static const char *const policies[] = { "always", "missing", "never", "" };
    const char *policy = dv_cli_str(call, "pull");
    size_t i;

    for (i = 0; i < N(policies); i++)
        if (dv_streq(policy, policies[i]))
            return 0;
    return dv_fail(err, DV_E_INVALID, "invalid pull option: '%s': must be one of \"always\", "
                   "\"missing\" or \"never\"", policy);
}

int dv_create_prepare(const struct dv_cli_call *call, json_object **ret, struct dv_error *err)
{
    return check_pull(call, err) < 0 ? -err->code : dv_create_body(call, ret, err);
}

int dv_cmd_create(struct dv_cli_call *call)
{
    dv_autojson json_object *body = NULL;
    dv_autofree char *id = NULL;
    struct dv_error err = { 0 };

    if (dv_create_prepare(call, &body, &err) < 0)
        return dv_cli_fail_run(call, err.msg);
    if (dv_create_container(call, body, &id, &err) < 0)
        return dv_cli_fail(&err);
    puts(id);
    return 0;
}
