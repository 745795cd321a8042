/* changes.c - Dockerfile instructions applied to an image config, as docker import and commit do.
 */
#include "core/worker/changes.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "core/base/parse.h"
#include "core/worker/words.h"

struct change {
    struct dv_image_exec_config *config;
    const char *rest;            /* behind the instruction's name */
    struct dv_strv *words;       /* of REST, where the row wants them */
};

static int fail_memory(struct dv_error *err)
{
    return dv_fail(err, DV_E_NO_MEMORY, "out of memory for an instruction");
}

static int set_text(char **field, const char *text, struct dv_error *err)
{
    char *copy = dv_strdup(text);

    if (!copy)
        return fail_memory(err);
    free(*field);
    *field = copy;
    return 0;
}

/* A JSON list of strings into RET: 1; 0 if REST is none. */
static int json_words(const char *rest, struct dv_strv *ret, struct dv_error *err)
{
    dv_autojson json_object *list = NULL;
    struct dv_error ignored = { 0 };
    size_t i;

    if (rest[0] != '[' || dv_json_parse(rest, strlen(rest), &list, &ignored) < 0 ||
        json_object_get_type(list) != json_type_array)
        return 0;
    for (i = 0; i < json_object_array_length(list); i++)
        if (json_object_get_type(json_object_array_get_idx(list, i)) != json_type_string)
            return 0;
    for (i = 0; i < json_object_array_length(list); i++)
        if (dv_strv_add(ret, json_object_get_string(json_object_array_get_idx(list, i))) < 0)
            return fail_memory(err);
    return 1;
}

/* The command of CMD and ENTRYPOINT: a JSON list, else a line for the shell. */
static int set_command(struct dv_strv *field, const struct change *c, struct dv_error *err)
{
    dv_autostrv words = { 0 };
    int r = json_words(c->rest, &words, err);

    if (r == 0 && c->rest[0]) {
        if (dv_strv_add(&words, "/bin/sh") < 0 || dv_strv_add(&words, "-c") < 0 ||
            dv_strv_add(&words, c->rest) < 0)
            return fail_memory(err);
    }
    if (r < 0)
        return r;
    dv_strv_done(field);
    *field = words;
    words = (struct dv_strv){ 0 };
    return 0;
}

static int change_cmd(struct change *c, struct dv_error *err)
{
    c->config->has_cmd = true;
    return set_command(&c->config->cmd, c, err);
}

static int change_entrypoint(struct change *c, struct dv_error *err)
{
    c->config->has_entrypoint = true;
    return set_command(&c->config->entrypoint, c, err);
}

/* "A=b C=d", or the old form "A the rest": calls PUT for each pair. */
typedef int put_pair(struct dv_image_exec_config *config, const char *key, const char *value,
                     struct dv_error *err);

static int each_pair(struct change *c, put_pair *put, struct dv_error *err)
{
    struct dv_strv *w = c->words;
    size_t i;
    int r = 0;

    if (!strchr(w->items[0], '=')) {
        const char *value = c->rest + strcspn(c->rest, " \t");

        if (w->n < 2)
            return dv_fail(err, DV_E_INVALID, "'%.100s' has no value", w->items[0]);
        return put(c->config, w->items[0], value + strspn(value, " \t"), err);
    }
    for (i = 0; i < w->n && r == 0; i++) {
        char *equals = strchr(w->items[i], '=');

        if (!equals || equals == w->items[i])
            return dv_fail(err, DV_E_INVALID, "'%.100s': expected NAME=value", w->items[i]);
        *equals = 0;
        r = put(c->config, w->items[i], equals + 1, err);
    }
    return r;
}

static int put_env(struct dv_image_exec_config *config, const char *key, const char *value,
                   struct dv_error *err)
{
    char *item = dv_format("%s=%s", key, value);
    size_t n = strlen(key), i;

    if (!item)
        return fail_memory(err);
    for (i = 0; i < config->env.n; i++) {
        if (strncmp(config->env.items[i], item, n + 1) == 0) {
            free(config->env.items[i]);
            config->env.items[i] = item;
            return 0;
        }
    }
    return dv_strv_add_take(&config->env, item) < 0 ? fail_memory(err) : 0;
}

static int put_label(struct dv_image_exec_config *config, const char *key, const char *value,
                     struct dv_error *err)
{
    struct dv_json_map *labels = &config->labels;
    size_t i;

    for (i = 0; i < labels->keys.n; i++)
        if (dv_streq(labels->keys.items[i], key))
            return set_text(&labels->values.items[i], value, err);
    labels->present = true;
    if (dv_strv_add(&labels->keys, key) < 0 || dv_strv_add(&labels->values, value) < 0)
        return fail_memory(err);
    return 0;
}

static int change_env(struct change *c, struct dv_error *err)
{
    return each_pair(c, put_env, err);
}

static int change_label(struct change *c, struct dv_error *err)
{
    return each_pair(c, put_label, err);
}

/* Add KEY to the object *SET, which stands for a set. */
static int add_key(json_object **set, const char *key, struct dv_error *err)
{
    if (!*set)
        *set = json_object_new_object();
    if (!*set || json_object_object_add(*set, key, json_object_new_object()) < 0)
        return fail_memory(err);
    return 0;
}

static int expose_range(struct change *c, const char *range, const char *proto,
                        struct dv_error *err)
{
    char low[8];
    uint64_t from, to, port;
    size_t n = strcspn(range, "-");
    int r = 0;

    snprintf(low, sizeof(low), "%.*s", (int)n, range);
    if (n >= sizeof(low) || dv_parse_u64(low, 1, 65535, &from) < 0 ||
        dv_parse_u64(range[n] ? range + n + 1 : low, from, 65535, &to) < 0)
        return dv_fail(err, DV_E_INVALID, "'%.40s' is no port or range of ports", range);
    for (port = from; port <= to && r == 0; port++) {
        char key[32];

        snprintf(key, sizeof(key), "%u/%s", (unsigned)port, proto);
        r = add_key(&c->config->exposed_ports, key, err);
    }
    return r;
}

static int change_expose(struct change *c, struct dv_error *err)
{
    static const char *const protos[] = { "tcp", "udp", "sctp" };
    size_t i, k;
    int r = 0;

    for (i = 0; i < c->words->n && r == 0; i++) {
        char *slash = strchr(c->words->items[i], '/');
        const char *proto = NULL;

        for (k = 0; k < N(protos); k++)
            if (strcasecmp(slash ? slash + 1 : "tcp", protos[k]) == 0)
                proto = protos[k];
        if (!proto)
            return dv_fail(err, DV_E_INVALID, "'%.40s': protocol is tcp, udp or sctp",
                           c->words->items[i]);
        if (slash)
            *slash = 0;
        r = expose_range(c, c->words->items[i], proto, err);
    }
    return r;
}

static int change_onbuild(struct change *c, struct dv_error *err)
{
    static const char *const never[] = { "ONBUILD", "FROM", "MAINTAINER" };
    size_t n = strcspn(c->rest, " \t"), i;

    for (i = 0; i < N(never); i++)
        if (strlen(never[i]) == n && strncasecmp(c->rest, never[i], n) == 0)
            return dv_fail(err, DV_E_INVALID, "%s isn't allowed as an ONBUILD trigger", never[i]);
    return dv_strv_add(&c->config->on_build, c->rest) < 0 ? fail_memory(err) : 0;
}

static int change_stopsignal(struct change *c, struct dv_error *err)
{
    return set_text(&c->config->stop_signal, c->words->items[0], err);
}

static int change_user(struct change *c, struct dv_error *err)
{
    return set_text(&c->config->user, c->words->items[0], err);
}

static int change_volume(struct change *c, struct dv_error *err)
{
    dv_autostrv list = { 0 };
    const struct dv_strv *names = &list;
    size_t i;
    int r = json_words(c->rest, &list, err);

    if (r == 0)
        names = c->words;
    for (i = 0; i < names->n && r >= 0; i++) {
        if (dv_empty(names->items[i]))
            return dv_fail(err, DV_E_INVALID, "VOLUME specified can not be an empty string");
        r = add_key(&c->config->volumes, names->items[i], err);
    }
    return r < 0 ? r : 0;
}

/* Relative to what was set before; cleaned as Go's path.Clean does. */
static int change_workdir(struct change *c, struct dv_error *err)
{
    dv_autofree char *joined = NULL, *clean = NULL;
    const char *given = c->words->items[0], *from;
    size_t len = 0;

    joined = given[0] == '/' ? dv_strdup(given) :
             dv_format("%s/%s", dv_empty(c->config->working_dir) ? "" : c->config->working_dir,
                       given);
    clean = joined ? calloc(1, strlen(joined) + 2) : NULL;
    if (!clean)
        return fail_memory(err);
    for (from = joined; *from;) {
        size_t n = strcspn(from, "/");

        if (n == 2 && from[0] == '.' && from[1] == '.') {
            while (len > 0 && clean[--len] != '/')
                ;
        } else if (n > 0 && !(n == 1 && from[0] == '.')) {
            clean[len++] = '/';
            memcpy(clean + len, from, n);
            len += n;
        }
        from += n;
        from += *from == '/';
    }
    clean[len] = 0;
    return set_text(&c->config->working_dir, len ? clean : "/", err);
}

enum { ANY_WORDS = 0, SOME_WORDS = 1, ONE_WORD = 2, TEXT = 4 };
static const struct {
    const char *name;
    int (*apply)(struct change *c, struct dv_error *err);
    unsigned wants;
} instructions[] = {
    { "CMD", change_cmd, TEXT },
    { "ENTRYPOINT", change_entrypoint, TEXT },
    { "ENV", change_env, SOME_WORDS },
    { "EXPOSE", change_expose, SOME_WORDS },
    { "LABEL", change_label, SOME_WORDS },
    { "ONBUILD", change_onbuild, TEXT | SOME_WORDS },
    { "STOPSIGNAL", change_stopsignal, ONE_WORD },
    { "USER", change_user, ONE_WORD },
    { "VOLUME", change_volume, SOME_WORDS },
    { "WORKDIR", change_workdir, ONE_WORD },
};

static int apply_row(size_t row, struct dv_image_config *config, const char *rest,
                     struct dv_error *err)
{
    dv_autostrv words = { 0 };
    struct change c = { .config = &config->config, .rest = rest, .words = &words };
    unsigned wants = instructions[row].wants;
    int r = 0;

    if (!(wants & TEXT))
        r = dv_words(rest, &config->config.env, &words, err);
    if (r < 0)
        return r;
    if ((wants & SOME_WORDS) && !rest[0])
        return dv_fail(err, DV_E_INVALID, "%s requires at least one argument",
                       instructions[row].name);
    if ((wants & ONE_WORD) && words.n != 1)
        return dv_fail(err, DV_E_INVALID, "%s requires exactly one argument",
                       instructions[row].name);
    return instructions[row].apply(&c, err);
}

/* An image config is JSON, which holds nothing else. */
static bool is_utf8(const char *text)
{
    size_t left = strlen(text), n = 1;

    for (; left > 0 && n > 0; text += n, left -= n)
        n = dv_utf8_len(text, left);
    return n > 0;
}

int dv_change_apply(struct dv_image_config *config, const char *text, struct dv_error *err)
{
    dv_autofree char *line = dv_strdup(text);
    char *name, *rest;
    size_t len, i;

    if (!line)
        return fail_memory(err);
    if (strlen(line) > DV_MAX_CHANGE_BYTES)
        return dv_fail(err, DV_E_INVALID, "an instruction is longer than %d bytes",
                       DV_MAX_CHANGE_BYTES);
    if (!is_utf8(line))
        return dv_fail(err, DV_E_INVALID, "an instruction is not UTF-8");
    name = line + strspn(line, DV_BLANKS);
    len = strlen(name);
    while (len > 0 && isspace((unsigned char)name[len - 1]))
        name[--len] = 0;
    if (len == 0)
        return 0;
    rest = name + strcspn(name, DV_BLANKS);
    if (*rest)
        *rest++ = 0;
    rest += strspn(rest, DV_BLANKS);
    for (i = 0; i < N(instructions); i++)
        if (strcasecmp(name, instructions[i].name) == 0) {
            int r = apply_row(i, config, rest, err);

            return r < 0 ? dv_wrap(err, "change '%.100s'", text) : 0;
        }
    if (strcasecmp(name, "HEALTHCHECK") == 0)
        return dv_fail(err, DV_E_UNSUPPORTED, "HEALTHCHECK as a change is not built yet");
    return dv_fail(err, DV_E_INVALID, "%.40s is not a valid change command", name);
}
