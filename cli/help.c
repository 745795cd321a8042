/* help.c - --help from the table of commands, in docker's layout. */
#include "cli/command.h"

#include "cli/util.h"

enum { WIDTH = 80 };

const char *dv_cli_type_word(const struct dv_cli_option *option)
{
    static const char *const words[] = {
        [DV_CLI_BOOL] = "",        [DV_CLI_STR] = "string",  [DV_CLI_LIST] = "list",
        [DV_CLI_CSV] = "strings",  [DV_CLI_MAP] = "map",     [DV_CLI_INT] = "int",
        [DV_CLI_UINT16] = "uint16", [DV_CLI_BYTES] = "bytes", [DV_CLI_SWAP] = "bytes",
        [DV_CLI_DURATION] = "duration", [DV_CLI_DECIMAL] = "decimal",
    };

    return option->word ? option->word : words[option->type];
}

/* TEXT in lines of WIDTH - INDENT characters, all but the first behind INDENT spaces. */
static void put_wrapped(FILE *out, const char *text, size_t indent)
{
    size_t room = WIDTH - indent, used = 0;

    while (*text) {
        size_t word = strcspn(text, " \n");

        if (used > 0 && used + 1 + word > room) {
            fprintf(out, "\n%*s", (int)indent, "");
            used = 0;
        }
        used += (size_t)fprintf(out, "%s%.*s", used ? " " : "", (int)word, text);
        text += word;
        if (*text == '\n') {
            fprintf(out, "\n%*s", (int)indent, "");
            used = 0;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

static int option_head(const struct dv_cli_option *option, char *buf, size_t size)
{
    const char *word = dv_cli_type_word(option);

    if (option->letter)
        return snprintf(buf, size, "  -%c, --%s%s%s", option->letter, option->name,
                        *word ? " " : "", word);
    return snprintf(buf, size, "      --%s%s%s", option->name, *word ? " " : "", word);
}

static bool shown(const struct dv_cli_option *option)
{
    return !(option->flags & (DV_CLI_HIDDEN | DV_CLI_UNSUPPORTED));
}

static void put_option(FILE *out, const struct dv_cli_option *option, size_t column)
{
    const char *text = option->help ? option->help : "";
    dv_autofree char *help = NULL;
    char head[128];

    if (option->fallback && option->type == DV_CLI_STR)
        help = dv_xformat("%s (default \"%s\")", text, option->fallback);
    else if (option->fallback)
        help = dv_xformat("%s (default %s)", text, option->fallback);
    else
        help = dv_xstrdup(text);
    option_head(option, head, sizeof(head));
    fprintf(out, "%-*s", (int)column, head);
    put_wrapped(out, help, column);
}

/* Both tables of a row, merged by name: each is sorted. */
static void put_options(FILE *out, const struct dv_cli_command *command)
{
    size_t a = 0, b = 0, column = 0, i;
    char head[128];

    for (i = 0; i < command->n_options + command->n_more; i++) {
        const struct dv_cli_option *option =
            i < command->n_options ? &command->options[i] : &command->more[i - command->n_options];
        size_t n = (size_t)option_head(option, head, sizeof(head)) + 3;

        if (shown(option) && n > column)
            column = n;
    }
    if (column == 0)
        return;
    fputs("\nOptions:\n", out);
    while (a < command->n_options || b < command->n_more) {
        bool first = b >= command->n_more ||
                     (a < command->n_options &&
                      strcmp(command->options[a].name, command->more[b].name) < 0);
        const struct dv_cli_option *option = first ? &command->options[a++] : &command->more[b++];

        if (shown(option))
            put_option(out, option, column);
    }
}

void dv_cli_usage(FILE *out, const struct dv_cli_command *command, const char *path)
{
    fprintf(out, "Usage:  davit%s%s%s%s\n", *path ? " " : "", path, *command->args ? " " : "",
            command->args);
}

void dv_cli_help_command(FILE *out, const struct dv_cli_command *command, const char *path)
{
    dv_autostrv paths = { 0 };
    size_t i;

    dv_cli_usage(out, command, path);
    fprintf(out, "\n%s\n", command->help);
    dv_xsplit(&paths, command->paths, ',');
    if (paths.n > 1) {
        fputs("\nAliases:\n  ", out);
        for (i = 0; i < paths.n; i++)
            fprintf(out, "%sdavit %s", i ? ", " : "", paths.items[i] + (paths.items[i][0] == ' '));
        fputc('\n', out);
    }
    put_options(out, command);
}

/* The first path of PATHS that is (not) of two words, into NAME; false if there is none. */
static bool path_of(const char *paths, const char *group, char *name, size_t size)
{
    size_t n = group ? strlen(group) : 0;

    while (*paths) {
        size_t len = strcspn(paths, ",");
        const char *space = memchr(paths, ' ', len);

        if (!group && !space) {
            snprintf(name, size, "%.*s", (int)len, paths);
            return true;
        }
        if (group && space && (size_t)(space - paths) == n && strncmp(paths, group, n) == 0) {
            snprintf(name, size, "%.*s", (int)(len - n - 1), space + 1);
            return true;
        }
        paths += len;
        paths += strspn(paths, ", ");
    }
    return false;
}

static const char *const common[] = { "run", "exec", "ps", "images", "version", "info" };

static bool is_common(const char *name)
{
    size_t i;

    for (i = 0; i < N(common); i++)
        if (dv_streq(common[i], name))
            return true;
    return false;
}

struct entry {
    char name[32];
    const char *help;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void put_entries(FILE *out, struct entry *entries, size_t n, bool sort)
{
    size_t i;

    if (sort)
        qsort(entries, n, sizeof(*entries), by_name);
    for (i = 0; i < n; i++)
        fprintf(out, "  %-10s  %s\n", entries[i].name, entries[i].help);
}

void dv_cli_help_group(FILE *out, const struct dv_cli_group *group)
{
    dv_autofree struct entry *entries = dv_xcalloc(dv_cli_n_commands, sizeof(*entries));
    size_t n = 0, i;

    for (i = 0; i < dv_cli_n_commands; i++)
        if (path_of(dv_cli_commands[i].paths, group->name, entries[n].name,
                    sizeof(entries[n].name)))
            entries[n++].help = dv_cli_commands[i].help;
    fprintf(out, "Usage:  davit %s COMMAND\n\n%s\n\nCommands:\n", group->name, group->help);
    put_entries(out, entries, n, true);
    fprintf(out, "\nRun 'davit %s COMMAND --help' for more information on a command.\n",
            group->name);
}

static void put_common(FILE *out, const struct entry *entries, size_t n)
{
    size_t i, k;

    fputs("Common Commands:\n", out);
    for (i = 0; i < N(common); i++)
        for (k = 0; k < n; k++)
            if (dv_streq(entries[k].name, common[i]))
                fprintf(out, "  %-10s  %s\n", entries[k].name, entries[k].help);
}

void dv_cli_help_top(FILE *out)
{
    dv_autofree struct entry *all = dv_xcalloc(dv_cli_n_commands, sizeof(*all));
    dv_autofree struct entry *rest = dv_xcalloc(dv_cli_n_commands, sizeof(*rest));
    size_t n = 0, n_rest = 0, i;

    for (i = 0; i < dv_cli_n_commands; i++) {
        if (!path_of(dv_cli_commands[i].paths, NULL, all[n].name, sizeof(all[n].name)))
            continue;
        all[n].help = dv_cli_commands[i].help;
        if (!is_common(all[n].name))
            rest[n_rest++] = all[n];
        n++;
    }
    fputs("Usage:  davit [OPTIONS] COMMAND\n\nRun containers\n\n", out);
    put_common(out, all, n);
    fputs("\nManagement Commands:\n", out);
    for (i = 0; i < dv_cli_n_groups; i++)
        fprintf(out, "  %-10s  %s\n", dv_cli_groups[i].name, dv_cli_groups[i].help);
    fputs("\nCommands:\n", out);
    put_entries(out, rest, n_rest, true);
    fputs("\nGlobal Options:\n"
          "      --config string      Folder of config.json (else DOCKER_CONFIG, ~/.docker)\n"
          "  -D, --debug              Say what is asked of the daemon\n"
          "  -H, --host string        Daemon's socket, unix:///PATH (else DAVIT_HOST,\n"
          "                           DOCKER_HOST, unix://" DV_DEFAULT_SOCKET ")\n"
          "  -l, --log-level string   \"debug\", \"info\", \"warn\", \"error\", \"fatal\" "
          "(default \"info\")\n"
          "  -v, --version            Print version information and quit\n"
          "\nRun 'davit COMMAND --help' for more information on a command.\n", out);
}
