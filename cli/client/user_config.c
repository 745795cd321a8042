/* user_config.c - docker's config.json. */
#include "cli/client/user_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/util.h"
#include "core/base/file.h"

enum { MAX_BYTES = 1 << 20 };

/* NULL: this user has no home either. Caller frees. */
static char *file_path(const struct dv_client *client)
{
    const char *dir = client->config_dir, *home;

    if (dv_empty(dir))
        dir = getenv("DOCKER_CONFIG");
    if (!dv_empty(dir))
        return dv_xformat("%s/config.json", dir);
    home = getenv("HOME");
    return dv_empty(home) ? NULL : dv_xformat("%s/.docker/config.json", home);
}

static int read_file(const char *path, json_object **ret, struct dv_error *err)
{
    dv_autofree char *text = NULL;
    size_t n;
    dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0
                                                   : dv_fail_errno(err, DV_E_INVALID, "%s", path);
    r = dv_read_fd(fd, MAX_BYTES, &text, &n, err);
    if (r == 0)
        r = dv_json_parse(text, n, ret, err);
    if (r == 0 && *ret && !json_object_is_type(*ret, json_type_object))
        r = dv_fail(err, DV_E_INVALID, "expected an object");
    return r < 0 && !strstr(err->msg, path) ? dv_wrap(err, "%s", path) : r;
}

static void warn(const char *text)
{
    fprintf(stderr, "WARNING: Error loading config file: %s\n", text);
}

/* Of KEY, if it has the type. */
static json_object *member(struct dv_client *client, const char *key, enum json_type type)
{
    struct dv_error err = { 0 };
    dv_autofree char *path = file_path(client), *text = NULL;
    json_object *value;

    if (!client->config_read && path && read_file(path, &client->config, &err) < 0) {
        warn(err.msg);
        json_object_put(dv_take(client->config));
    }
    client->config_read = true;
    value = dv_jget(client->config, key);
    if (!value || json_object_is_type(value, type))
        return value;
    text = dv_xformat("%s: %s: expected %s, found %s", path, key, json_type_to_name(type),
                      json_type_to_name(json_object_get_type(value)));
    warn(text);
    json_object_object_del(client->config, key);
    return NULL;
}

const char *dv_user_config_text(struct dv_client *client, const char *key)
{
    json_object *value = client ? member(client, key, json_type_string) : NULL;

    return value ? json_object_get_string(value) : "";
}

/* NAME is among GIVEN, with or without a value. */
static bool is_given(const struct dv_strv *given, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < given->n; i++)
        if (strncmp(given->items[i], name, n) == 0 &&
            (!given->items[i][n] || given->items[i][n] == '='))
            return true;
    return false;
}

static void add(const struct dv_strv *given, struct dv_strv *env, const char *name,
                const char *value)
{
    if (!is_given(given, name))
        dv_xadd_take(env, dv_xformat("%s=%s", name, value));
}

void dv_user_config_proxies(struct dv_client *client, const struct dv_strv *given,
                            struct dv_strv *env)
{
    static const struct {
        const char *key, *upper, *lower;
    } names[] = {
        { "allProxy", "ALL_PROXY", "all_proxy" },     { "ftpProxy", "FTP_PROXY", "ftp_proxy" },
        { "httpProxy", "HTTP_PROXY", "http_proxy" },  { "httpsProxy", "HTTPS_PROXY", "https_proxy" },
        { "noProxy", "NO_PROXY", "no_proxy" },
    };
    json_object *all = client ? member(client, "proxies", json_type_object) : NULL;
    json_object *mine = client ? dv_jget(all, client->host) : NULL;

    if (!mine)
        mine = dv_jget(all, "default");
    for (size_t i = 0; i < N(names); i++) {
        json_object *value = dv_jget(mine, names[i].key);

        if (!json_object_is_type(value, json_type_string) || json_object_get_string_len(value) == 0)
            continue;
        add(given, env, names[i].upper, json_object_get_string(value));
        add(given, env, names[i].lower, json_object_get_string(value));
    }
}
