/* command.c - find the row of the table that a command line names, and parse the line by it. */
#include "cli/command.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>

#include "cli/client/user_config.h"
#include "cli/util.h"
#include "core/base/parse.h"

/* --- options of a row ------------------------------------------------------------------------- */

static size_t n_options(const struct dv_cli_command *command)
{
    return command->n_options + command->n_more;
}

static const struct dv_cli_option *option_at(const struct dv_cli_command *command, size_t i)
{
    return i < command->n_options ? &command->options[i] : &command->more[i - command->n_options];
}

static const struct dv_cli_option *find_option(const struct dv_cli_command *command,
                                               const char *name, size_t len, size_t *ret_i)
{
    size_t i;

    for (i = 0; i < n_options(command); i++) {
        const struct dv_cli_option *option = option_at(command, i);

        if (strlen(option->name) == len && strncmp(option->name, name, len) == 0) {
            *ret_i = i;
            return option;
        }
    }
    return NULL;
}

static const struct dv_cli_option *find_letter(const struct dv_cli_command *command, char letter)
{
    size_t i;

    for (i = 0; i < n_options(command); i++)
        if (option_at(command, i)->letter == letter)
            return option_at(command, i);
    return NULL;
}

bool dv_cli_has(const struct dv_cli_call *call, const char *name)
{
    size_t i;

    return find_option(call->command, name, strlen(name), &i);
}

const struct dv_cli_value *dv_cli_get(const struct dv_cli_call *call, const char *name)
{
    const struct dv_cli_option *option;
    size_t i = 0;

    option = find_option(call->command, name, strlen(name), &i);
    assert(option && !option->same_as);
    return &call->values[i];
}

bool dv_cli_set(const struct dv_cli_call *call, const char *name)
{
    return dv_cli_get(call, name)->set;
}

bool dv_cli_on(const struct dv_cli_call *call, const char *name)
{
    return dv_cli_get(call, name)->on;
}

const char *dv_cli_str(const struct dv_cli_call *call, const char *name)
{
    const struct dv_cli_value *v = dv_cli_get(call, name);
    const struct dv_cli_option *option;
    size_t i;

    if (v->texts.n)
        return v->texts.items[v->texts.n - 1];
    option = find_option(call->command, name, strlen(name), &i);
    return option->config ? dv_user_config_text(call->client, option->config) : "";
}

const char *dv_cli_format(const struct dv_cli_call *call)
{
    return dv_cli_on(call, "quiet") && !dv_cli_set(call, "format") ? ""
                                                                   : dv_cli_str(call, "format");
}

int64_t dv_cli_num(const struct dv_cli_call *call, const char *name)
{
    return dv_cli_get(call, name)->number;
}

const struct dv_strv *dv_cli_list(const struct dv_cli_call *call, const char *name)
{
    return &dv_cli_get(call, name)->texts;
}

/* --- values ----------------------------------------------------------------------------------- */

static int parse_switch(const char *text, bool *ret, struct dv_error *err)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
    size_t i;

    for (i = 0; i < N(yes); i++) {
        *ret = dv_streq(text, yes[i]);
        if (*ret || dv_streq(text, no[i]))
            return 0;
    }
    return dv_fail(err, DV_E_INVALID, "strconv.ParseBool: parsing \"%s\": invalid syntax", text);
}

static int parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret,
                         struct dv_error *err)
{
    if (dv_parse_i64(text + (text[0] == '+'), min, max, ret) == 0)
        return 0;
    return dv_fail(err, DV_E_INVALID, "strconv.Parse%s: parsing \"%s\": %s",
                   min < 0 ? "Int" : "Uint", text,
                   errno == ERANGE ? "value out of range" : "invalid syntax");
}

static int parse_size(const char *text, int64_t *ret, struct dv_error *err)
{
    if (dv_parse_bytes(text, ret) == 0)
        return 0;
    return dv_fail(err, DV_E_INVALID, "invalid size: '%s'", text);
}

static int parse_span(const char *text, int64_t *ret, struct dv_error *err)
{
    uint64_t number;

    if (dv_parse_duration(text, ret) == 0)
        return 0;
    return dv_fail(err, DV_E_INVALID, "time: %s duration \"%s\"",
                   dv_parse_u64(text, 0, UINT64_MAX, &number) == 0 ? "missing unit in" : "invalid",
                   text);
}

/* "1.5" exactly, in units of 1e-9. */
static int parse_nano(const char *text, int64_t *ret, struct dv_error *err)
{
    bool negative = text[0] == '-', any = false;
    const char *p = text + (negative || text[0] == '+');
    int64_t v = 0;
    int places = -1;

    for (; *p; p++) {
        if (*p == '.' && places < 0) {
            places = 0;
            continue;
        }
        if (*p < '0' || *p > '9')
            return dv_fail(err, DV_E_INVALID, "failed to parse %s as a rational number", text);
        any = true;
        if (places == 9 && *p != '0')
            return dv_fail(err, DV_E_INVALID, "value is too precise");
        if (places == 9)
            continue;
        places += places >= 0;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
            return dv_fail(err, DV_E_INVALID, "value is too large");
    }
    for (places = places < 0 ? 0 : places; places < 9; places++)
        if (__builtin_mul_overflow(v, 10, &v))
            return dv_fail(err, DV_E_INVALID, "value is too large");
    if (!any)
        return dv_fail(err, DV_E_INVALID, "failed to parse %s as a rational number", text);
    *ret = negative ? -v : v;
    return 0;
}

static int parse_value(const struct dv_cli_option *option, const char *text,
                       struct dv_cli_value *v, struct dv_error *err)
{
    switch (option->type) {
    case DV_CLI_BOOL:
        return parse_switch(text, &v->on, err);
    case DV_CLI_INT:
        return parse_integer(text, INT64_MIN, INT64_MAX, &v->number, err);
    case DV_CLI_UINT16:
        return parse_integer(text, 0, UINT16_MAX, &v->number, err);
    case DV_CLI_SWAP:
        if (dv_streq(text, "-1")) {
            v->number = -1;
            return 0;
        }
        return parse_size(text, &v->number, err);
    case DV_CLI_BYTES:
        return parse_size(text, &v->number, err);
    case DV_CLI_DURATION:
        return parse_span(text, &v->number, err);
    case DV_CLI_DECIMAL:
        return parse_nano(text, &v->number, err);
    case DV_CLI_STR:
    case DV_CLI_LIST:
    case DV_CLI_CSV:
    case DV_CLI_MAP:
        break;
    }
    return 0;
}

int dv_cli_store(const struct dv_cli_option *option, const char *value, struct dv_cli_value *v,
                 struct dv_error *err)
{
    dv_autofree char *normal = NULL;
    int r = parse_value(option, value, v, err);

    if (r == 0 && option->check)
        r = option->check(value, &normal, err);
    if (r < 0)
        return r;
    if (option->type == DV_CLI_CSV)
        dv_xsplit(&v->texts, value, ',');
    else if (option->type != DV_CLI_BOOL)
        dv_xadd(&v->texts, normal ? normal : value);
    return 0;
}

/* --- the command line ------------------------------------------------------------------------- */

static int __attribute__((format(printf, 2, 3)))
flag_error(const struct dv_cli_call *call, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\n\n", stderr);
    dv_cli_usage(stderr, call->command, call->path);
    fprintf(stderr, "\nRun 'davit %s%s--help' for more information\n", call->path,
            *call->path ? " " : "");
    return DV_EXIT_FLAGS;
}

static int set_option(struct dv_cli_call *call, const struct dv_cli_option *option,
                      const char *value)
{
    const struct dv_cli_option *shown = option;
    dv_autofree char *letter = NULL;
    struct dv_error err = { 0 };
    struct dv_cli_value *v;
    size_t i = 0;

    if (option->flags & DV_CLI_UNSUPPORTED)
        return flag_error(call, "unsupported: --%s: not built into davit", option->name);
    if (option->same_as)
        shown = find_option(call->command, option->same_as, strlen(option->same_as), &i);
    else
        find_option(call->command, option->name, strlen(option->name), &i);
    v = &call->values[i];
    if (!v->set)
        dv_strv_done(&v->texts); /* the default */
    if (dv_cli_store(shown, value, v, &err) < 0) {
        letter = option->letter ? dv_xformat("-%c, ", option->letter) : dv_xstrdup("");
        return flag_error(call, "invalid argument \"%s\" for \"%s--%s\" flag: %s", value, letter,
                          option->name, err.msg);
    }
    v->set = true;
    return -1;
}

static int show_help(const struct dv_cli_call *call)
{
    if (*call->path)
        dv_cli_help_command(stdout, call->command, call->path);
    else
        dv_cli_help_top(stdout);
    return 0;
}

/* "--name", "--name=value" or "--name" "value". Moves *I past what it took. */
static int parse_long(struct dv_cli_call *call, int argc, char *const *argv, int *i)
{
    const char *name = argv[*i] + 2, *equal = strchr(name, '=');
    size_t len = equal ? (size_t)(equal - name) : strlen(name), at;
    const struct dv_cli_option *option;

    if (len == 0 || name[0] == '-')
        return flag_error(call, "bad flag syntax: %s", argv[*i]);
    option = find_option(call->command, name, len, &at);
    if (!option && len == 4 && strncmp(name, "help", 4) == 0)
        return show_help(call);
    if (!option)
        return flag_error(call, "unknown flag: --%.*s", (int)len, name);
    if (equal)
        return set_option(call, option, equal + 1);
    if (option->type == DV_CLI_BOOL)
        return set_option(call, option, "true");
    if (*i + 1 >= argc && !(option->flags & DV_CLI_UNSUPPORTED))
        return flag_error(call, "flag needs an argument: --%s", name);
    ++*i;
    return set_option(call, option, *i < argc ? argv[*i] : "");
}

/* "-abc", "-eVALUE", "-e=VALUE", "-e" "VALUE". */
static int parse_short(struct dv_cli_call *call, int argc, char *const *argv, int *i)
{
    const char *p;
    int r;

    for (p = argv[*i] + 1; *p; p++) {
        const struct dv_cli_option *option = find_letter(call->command, *p);

        if (!option && *p == 'h')
            return show_help(call);
        if (!option)
            return flag_error(call, "unknown shorthand flag: '%c' in -%s", *p, p);
        if (p[1] == '=')
            return set_option(call, option, p + 2);
        if (option->type != DV_CLI_BOOL && p[1])
            return set_option(call, option, p + 1);
        if (option->type != DV_CLI_BOOL && *i + 1 >= argc)
            return flag_error(call, "flag needs an argument: '%c' in -%s", *p, p);
        if (option->type != DV_CLI_BOOL)
            return set_option(call, option, argv[++*i]);
        r = set_option(call, option, "true");
        if (r >= 0)
            return r;
    }
    return -1;
}

static void set_defaults(struct dv_cli_call *call)
{
    size_t i;

    for (i = 0; i < n_options(call->command); i++) {
        const struct dv_cli_option *option = option_at(call->command, i);
        struct dv_error err = { 0 };
        int r = option->fallback
                    ? dv_cli_store(option, option->fallback, &call->values[i], &err)
                    : 0;

        assert(r == 0);
    }
}

static int check_count(const struct dv_cli_call *call)
{
    int n = (int)call->n_args, min = call->command->min_args, max = call->command->max_args;
    int limit = n < min ? min : max;
    const char *plural = limit == 1 ? "" : "s";

    if (n >= min && (max < 0 || n <= max))
        return -1;
    fprintf(stderr, "davit: 'davit %s' ", call->path);
    if (max == 0)
        fputs("accepts no arguments", stderr);
    else if (min == max)
        fprintf(stderr, "requires %d argument%s", limit, plural);
    else
        fprintf(stderr, "requires at %s %d argument%s", n < min ? "least" : "most", limit, plural);
    fputs("\n\n", stderr);
    dv_cli_usage(stderr, call->command, call->path);
    fprintf(stderr, "\n%s 'davit %s --help' for more information\n",
            n < min && min != max ? "See" : "Run", call->path);
    return DV_EXIT_USAGE;
}

int dv_cli_parse(struct dv_cli_call *call, int argc, char *const *argv)
{
    char **args = dv_xcalloc((size_t)argc + 1, sizeof(*args));
    int i, r = -1;

    call->args = args;
    call->values = dv_xcalloc(n_options(call->command), sizeof(*call->values));
    set_defaults(call);
    for (i = 0; i < argc && r < 0; i++) {
        if (dv_streq(argv[i], "--")) {
            for (i++; i < argc; i++)
                args[call->n_args++] = argv[i];
        } else if (dv_starts(argv[i], "--")) {
            r = parse_long(call, argc, argv, &i);
        } else if (argv[i][0] == '-' && argv[i][1]) {
            r = parse_short(call, argc, argv, &i);
        } else {
            args[call->n_args++] = argv[i];
            if (!call->command->args_begin)
                continue;
            for (i++; i < argc; i++)
                args[call->n_args++] = argv[i];
        }
    }
    return r >= 0 ? r : check_count(call);
}

void dv_cli_call_done(struct dv_cli_call *call)
{
    size_t i;

    for (i = 0; call->values && i < n_options(call->command); i++)
        dv_strv_done(&call->values[i].texts);
    free(call->values);
    free((void *)call->args);
}

/* --- which command ---------------------------------------------------------------------------- */

/* True if the list PATHS ("container run, run") has PATH. */
static bool has_path(const char *paths, const char *path)
{
    size_t n = strlen(path);

    while (*paths) {
        size_t len = strcspn(paths, ",");

        if (len == n && strncmp(paths, path, n) == 0)
            return true;
        paths += len;
        paths += strspn(paths, ", ");
    }
    return false;
}

static const struct dv_cli_command *find_command(const char *path)
{
    size_t i;

    for (i = 0; i < dv_cli_n_commands; i++)
        if (has_path(dv_cli_commands[i].paths, path))
            return &dv_cli_commands[i];
    return NULL;
}

static const struct dv_cli_group *find_group(const char *name)
{
    size_t i;

    for (i = 0; i < dv_cli_n_groups; i++)
        if (dv_streq(dv_cli_groups[i].name, name))
            return &dv_cli_groups[i];
    return NULL;
}

static int unknown(const char *path, const char *group)
{
    size_t i;

    for (i = 0; dv_cli_later[i]; i++) {
        if (dv_streq(dv_cli_later[i], path)) {
            fprintf(stderr, "davit: unsupported: 'davit %s' is not built yet\n", path);
            return DV_EXIT_USAGE;
        }
    }
    fprintf(stderr, "davit: unknown command: davit %s\n\n", path);
    if (group)
        fprintf(stderr, "Usage:  davit %s\n\nRun 'davit %s --help' for more information\n",
                group, group);
    else
        fputs("Run 'davit --help' for more information\n", stderr);
    return DV_EXIT_USAGE;
}

static int help_about(int argc, char *const *argv)
{
    dv_autofree char *path = argc > 1 ? dv_xformat("%s %s", argv[0], argv[1])
                                      : dv_xstrdup(argc > 0 ? argv[0] : "");
    const struct dv_cli_command *command = argc > 0 ? find_command(path) : NULL;
    const struct dv_cli_group *group = argc == 1 ? find_group(argv[0]) : NULL;

    if (argc == 0)
        dv_cli_help_top(stdout);
    else if (command)
        dv_cli_help_command(stdout, command, path);
    else if (group)
        dv_cli_help_group(stdout, group);
    else
        fprintf(stderr, "unknown help topic: %s\n", path);
    return argc == 0 || command || group ? 0 : DV_EXIT_USAGE;
}

static bool is_help(const char *word)
{
    return dv_streq(word, "--help") || dv_streq(word, "-h");
}

int dv_cli_dispatch(struct dv_client *client, int argc, char *const *argv)
{
    const struct dv_cli_group *group = find_group(argv[0]);
    bool two = group && argc > 1 && argv[1][0] != '-';
    dv_autofree char *path = two ? dv_xformat("%s %s", argv[0], argv[1]) : dv_xstrdup(argv[0]);
    struct dv_cli_call call = { .path = path, .client = client };
    int skip = 1 + two, r;

    if (dv_streq(argv[0], "help"))
        return help_about(argc - 1, argv + 1);
    call.command = find_command(path);
    if (!call.command && group && (argc == 1 || is_help(argv[1]))) {
        dv_cli_help_group(argc == 1 ? stderr : stdout, group); /* only what is asked for is output */
        return 0;
    }
    if (!call.command)
        return unknown(path, group ? group->name : NULL);
    r = dv_cli_parse(&call, argc - skip, argv + skip);
    if (r < 0)
        r = call.command->run(&call);
    dv_cli_call_done(&call);
    return r;
}

/* --- messages --------------------------------------------------------------------------------- */

int dv_cli_fail(const struct dv_error *err)
{
    fprintf(stderr, "%s\n", err->msg);
    return 1;
}

int dv_cli_fail_run(const struct dv_cli_call *call, const char *text)
{
    fprintf(stderr, "davit: %s\n\nRun 'davit %s --help' for more information\n", text, call->path);
    return DV_EXIT_FLAGS;
}
