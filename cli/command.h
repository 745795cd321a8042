/* command.h - the table of commands: what a row says, and the command line parsed by it.
 *
 * Flags parse as docker's do (pflag): --flag=value, --flag value, -abc, -eVALUE, bool --rm=false.
 * Every option of a row either works or is marked DV_CLI_UNSUPPORTED and refused by name. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/client/client.h"
#include "core/base/str.h"

enum dv_cli_type {
    DV_CLI_BOOL,
    DV_CLI_STR,
    DV_CLI_LIST,     /* may be repeated */
    DV_CLI_CSV,      /* a list, each value may hold several with commas */
    DV_CLI_MAP,      /* a list of key=value */
    DV_CLI_INT,      /* 64 bits */
    DV_CLI_UINT16,
    DV_CLI_BYTES,    /* "64m" */
    DV_CLI_SWAP,     /* the same, or -1 */
    DV_CLI_DURATION, /* "1m30s", in ns */
    DV_CLI_DECIMAL,  /* "1.5", in units of 1e-9 */
};
enum {
    DV_CLI_HIDDEN = 1 << 0,      /* not in the help */
    DV_CLI_UNSUPPORTED = 1 << 1, /* known, refused by name */
};

struct dv_cli_option {
    const char *name;
    char letter;                 /* 0: none */
    enum dv_cli_type type;
    const char *help;            /* '\n' breaks the line */
    const char *fallback;        /* value where it is not given; NULL: none */
    unsigned flags;
    const char *same_as;         /* stored as that option instead */
    const char *config;          /* member of config.json that gives it where the flag does not */
    const char *word;            /* of the help, in place of the type's own */
    /* Refuse a value (INVALID; the message is what docker says behind 'for "--x" flag: '), or give
     * another to be stored in *RET. */
    int (*check)(const char *value, char **ret, struct dv_error *err);
};

struct dv_cli_value {
    bool set;                    /* given on the command line */
    bool on;                     /* DV_CLI_BOOL */
    int64_t number;              /* the numeric types */
    struct dv_strv texts;        /* as given; the last one is a DV_CLI_STR's */
};

struct dv_cli_call;
typedef int dv_cli_run(struct dv_cli_call *call); /* the exit code */

struct dv_cli_command {
    const char *paths;           /* "container run, run": every way to type it */
    const char *args;            /* "[OPTIONS] IMAGE [COMMAND] [ARG...]" */
    const char *help;            /* one line */
    int min_args, max_args;      /* max -1: any number */
    bool args_begin;             /* options end at the first argument (run, exec) */
    const struct dv_cli_option *options;
    size_t n_options;
    const struct dv_cli_option *more; /* a second table, shared by several rows; NULL: none */
    size_t n_more;
    dv_cli_run *run;
};

/* One parsed command line. */
struct dv_cli_call {
    const struct dv_cli_command *command;
    const char *path;            /* as typed: "run" or "container run" */
    struct dv_cli_value *values; /* one an option */
    char *const *args;
    size_t n_args;
    struct dv_client *client;
};

enum { DV_EXIT_USAGE = 1, DV_EXIT_FLAGS = 125 };

/* The rows, and what each first word of two stands for; command_table.c. */
extern const struct dv_cli_command dv_cli_commands[];
extern const size_t dv_cli_n_commands;
struct dv_cli_group {
    const char *name, *help;
};
extern const struct dv_cli_group dv_cli_groups[];
extern const size_t dv_cli_n_groups;
/* docker's commands that are not built yet, refused by name. NULL-terminated. */
extern const char *const dv_cli_later[];

/* Run the command that ARGV (behind the global options) names. The exit code. */
int dv_cli_dispatch(struct dv_client *client, int argc, char *const *argv);
/* Parse ARGV (behind the command's name) into CALL, whose command is set. -1 goes on to run it;
 * otherwise the exit code, everything said. */
int dv_cli_parse(struct dv_cli_call *call, int argc, char *const *argv);
void dv_cli_call_done(struct dv_cli_call *call);

/* Options of the call by name; asserts that the row has them. */
const struct dv_cli_value *dv_cli_get(const struct dv_cli_call *call, const char *name);
bool dv_cli_has(const struct dv_cli_call *call, const char *name); /* the row has that option */
bool dv_cli_set(const struct dv_cli_call *call, const char *name);
bool dv_cli_on(const struct dv_cli_call *call, const char *name);
const char *dv_cli_str(const struct dv_cli_call *call, const char *name); /* "" if not given */
/* The "format" of a list: as given; where it is not, "" with --quiet, else the user's own. */
const char *dv_cli_format(const struct dv_cli_call *call);
int64_t dv_cli_num(const struct dv_cli_call *call, const char *name);
const struct dv_strv *dv_cli_list(const struct dv_cli_call *call, const char *name);

/* Store VALUE into V as the command line would (for tests, and for --help's defaults). */
DV_CHECK int dv_cli_store(const struct dv_cli_option *option, const char *value,
                          struct dv_cli_value *v, struct dv_error *err);

/* Messages: docker's layout, with the word davit. Each returns an exit code. */
int dv_cli_fail(const struct dv_error *err);                 /* the text alone; 1 */
int dv_cli_fail_run(const struct dv_cli_call *call, const char *text); /* with the hint; 125 */

/* Help (help.c). */
void dv_cli_help_top(FILE *out);
void dv_cli_help_group(FILE *out, const struct dv_cli_group *group);
void dv_cli_help_command(FILE *out, const struct dv_cli_command *command, const char *path);
void dv_cli_usage(FILE *out, const struct dv_cli_command *command, const char *path);
const char *dv_cli_type_word(const struct dv_cli_option *option);
